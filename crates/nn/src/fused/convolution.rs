//! Depthwise convolution of width 3 along the sequence, with one filter per channel.
//!
//! This is the "multi-DConv-head" of Primer (So et al. 2021, arXiv 2109.08668, section 4). It is
//! symmetric instead of causal, because an encoder sees both sides of a token.
//!
//! `y[s] = w[0] x[s - 1] + w[1] x[s] + w[2] x[s + 1]`, where padding and rows outside of the
//! sequence are zero.

use std::{marker::PhantomData, sync::Arc};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    kernels::real::{Real, add_scaled, fused, gradient_of, vectorised, with_slices},
    reference,
};

/// Depthwise convolution of width 3 along the sequence.
///
/// `x` (batch, n, width), `weight` (3, width), `mask` (batch x n, row-major: 1 = token, 0 =
/// padding) -> (batch, n, width), zero at padding.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn depthwise_convolution(x: &Tensor, weight: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
    let (batch, n, width) = x.dims3()?;
    if weight.dims() != [3, width] || mask.len() != batch * n {
        bail!(
            "depthwise_convolution: x {:?}, weight {:?} and a mask of {} do not fit",
            x.shape(),
            weight.shape(),
            mask.len()
        );
    }
    let x = x.contiguous()?;
    let weight = weight.contiguous()?;
    fused!(x.dtype(), x.device(), T => {
        let operation = Convolution::<T> {
            n,
            width,
            mask: mask.clone(),
            number: PhantomData,
        };
        x.apply_op2(&weight, OnCpu::new(operation))
    });
    reference::convolution::depthwise_convolution(&x, &weight, mask)
}

struct Convolution<T> {
    n: usize,
    width: usize,
    mask: Arc<Vec<u8>>,
    number: PhantomData<T>,
}

/// One weight of the filter and the row that it multiplies.
struct Tap {
    /// 0, 1 or 2.
    weight: usize,
    input_row: usize,
}

/// The taps of the filter centred at `row` that fall on tokens; none where `row` is padding.
#[inline(always)]
fn taps(mask: &[u8], row: usize) -> impl Iterator<Item = Tap> {
    let weights = if mask[row] == 0 { 0..0 } else { 0..3 };
    weights.filter_map(move |weight| {
        let input_row = (row + weight).checked_sub(1)?;
        (*mask.get(input_row)? != 0).then_some(Tap { weight, input_row })
    })
}

impl<T: Real> Operation<T, 2> for Convolution<T> {
    fn name(&self) -> &'static str {
        "depthwise-convolution"
    }

    fn forward(&self, [x, weight]: [&[T]; 2], layouts: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let width = self.width;
        let item = self.n * self.width;
        let mut y = vec![T::default(); x.len()];
        let items = y
            .par_chunks_mut(item)
            .zip(x.par_chunks(item))
            .zip(self.mask.par_chunks(self.n));
        items.for_each(|((y, x), mask)| {
            vectorised(
                #[inline(always)]
                || {
                    for (row, y) in y.chunks_exact_mut(width).enumerate() {
                        for tap in taps(mask, row) {
                            let weight = &weight[tap.weight * width..][..width];
                            let x = &x[tap.input_row * width..][..width];
                            for ((y, &w), &x) in y.iter_mut().zip(weight).zip(x) {
                                *y += w * x;
                            }
                        }
                    }
                },
            );
        });
        Ok((y, layouts[0].shape().clone()))
    }

    fn backward(
        &self,
        [x, weight]: [&Tensor; 2],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let (dx, dweight) =
            with_slices::<T, 3, _>([x, weight, gradient], |slices| Ok(self.gradients(slices)))?;
        Ok([gradient_of(x, dx)?, gradient_of(weight, dweight)?])
    }
}

impl<T: Real> Convolution<T> {
    fn gradients(&self, [x, weight, dy]: [&[T]; 3]) -> (Vec<T>, Vec<T>) {
        let width = self.width;
        let item = self.n * self.width;
        let mut dx = vec![T::default(); x.len()];
        let items = dx
            .par_chunks_mut(item)
            .zip(x.par_chunks(item))
            .zip(dy.par_chunks(item))
            .zip(self.mask.par_chunks(self.n));
        let partial: Vec<Vec<T>> = items
            .map(|(((dx, x), dy), mask)| {
                let mut dweight = vec![T::default(); 3 * width];
                vectorised(
                    #[inline(always)]
                    || {
                        for (row, dy) in dy.chunks_exact(width).enumerate() {
                            for tap in taps(mask, row) {
                                let weight = &weight[tap.weight * width..][..width];
                                let dweight = &mut dweight[tap.weight * width..][..width];
                                let x = &x[tap.input_row * width..][..width];
                                let dx = &mut dx[tap.input_row * width..][..width];
                                for i in 0..width {
                                    dx[i] += weight[i] * dy[i];
                                    dweight[i] += x[i] * dy[i];
                                }
                            }
                        }
                    },
                );
                dweight
            })
            .collect();
        let mut dweight = vec![T::default(); 3 * width];
        for dweight_of_sequence in &partial {
            add_scaled(&mut dweight, T::constant(1.0), dweight_of_sequence);
        }
        (dx, dweight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients};
    use candle_core::Device;

    #[test]
    fn every_input_gets_its_gradient() {
        let mask = Arc::new(vec![1, 1, 0, 1, 1, 0, 1, 1, 1, 0]);
        check_gradients([&[2, 5, 3], &[3, 3]], |t| {
            depthwise_convolution(&t[0], &t[1], &mask)
        });
    }

    #[test]
    fn the_reference_is_the_same() {
        let mask = Arc::new(vec![1, 1, 0, 1, 1, 0, 1, 1, 1, 0]);
        assert_same_gradients(
            [&[2, 5, 3], &[3, 3]],
            |t| depthwise_convolution(&t[0], &t[1], &mask),
            |t| reference::convolution::depthwise_convolution(&t[0], &t[1], &mask),
        );
    }

    #[test]
    fn the_first_weight_is_for_the_token_before_and_padding_is_zero() {
        let x = Tensor::new(&[[[1f32], [10.0], [100.0], [1000.0]]], &Device::Cpu).unwrap();
        let weight = Tensor::new(&[[1f32], [2.0], [3.0]], &Device::Cpu).unwrap();
        for (mask, expected) in [
            ([1, 1, 1, 1], [32.0, 321.0, 3210.0, 2100.0]),
            ([1, 0, 1, 1], [2.0, 0.0, 3200.0, 2100.0]),
        ] {
            let y = depthwise_convolution(&x, &weight, &Arc::new(mask.to_vec())).unwrap();
            let found = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(found, expected);
        }
    }
}
