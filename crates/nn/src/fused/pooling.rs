//! Summaries of a sequence by windows: Linformer's pooling and strided convolution (Wang et al.
//! 2020, arXiv 2006.04768, section 4).
//!
//! Each of the `ceil(n / window)` windows gives one row, computed from its tokens only:
//!
//! ```text
//! mean: y[j, c] = sum_s weight[s - j w, c] x[s, c] / n_j
//!       dx[s, c] = weight[s - j w, c] dy[j, c] / n_j
//!       dweight[i, c] = sum_j x[j w + i, c] dy[j, c] / n_j
//! max:  y[j, c] = max_s x[s, c]; dy goes to the first token s with the maximum
//! ```
//!
//! with tokens s of window j of width w, and the number `n_j` of these tokens.

use std::{marker::PhantomData, sync::Arc};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    kernels::{
        gemm::sum_of,
        real::{Real, fused, gradient_of, vectorised, with_slices},
    },
    reference,
};

/// The mask of the windows, batch x `ceil(n / window)`: 1 for each window with a token.
///
/// `mask` is batch x n, row-major.
#[must_use]
pub fn window_mask(mask: &[u8], n: usize, window: usize) -> Arc<Vec<u8>> {
    let windows = mask.chunks(n).flat_map(|row| row.chunks(window));
    Arc::new(
        windows
            .map(|window| u8::from(window.iter().any(|&bit| bit != 0)))
            .collect(),
    )
}

/// The mean of each channel over the tokens of each window.
///
/// `x` (batch, n, width) -> (batch, `ceil(n / window)`, width). A window without tokens gives
/// zeros.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn window_mean(x: &Tensor, window: usize, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
    let ones = Tensor::ones((window, x.dim(2)?), x.dtype(), x.device())?;
    weighted_window_mean(x, &ones, mask)
}

/// The weighted sum of each channel over the tokens of each window, divided by their number.
///
/// `x` (batch, n, width), `weight` (w, width) -> (batch, `ceil(n / w)`, width). A window without
/// tokens gives zeros. With weights of 1 this is [`window_mean`].
///
/// # Errors
/// Shapes or types that do not fit.
pub fn weighted_window_mean(x: &Tensor, weight: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
    let (window, width) = weight.dims2()?;
    let windows = Windows::new(x, window, mask)?;
    if width != windows.width {
        bail!(
            "weighted_window_mean: x {:?} and weight {:?} do not fit",
            x.shape(),
            weight.shape()
        );
    }
    let x = x.contiguous()?;
    let weight = weight.contiguous()?;
    fused!(x.dtype(), x.device(), T => {
        let operation = Mean::<T> {
            windows,
            is_weight_trained: weight.track_op(),
            number: PhantomData,
        };
        x.apply_op2(&weight, OnCpu::new(operation))
    });
    reference::pooling::weighted_window_mean(&x, &weight, mask)
}

/// The largest value of each channel over the tokens of each window.
///
/// `x` (batch, n, width) -> (batch, `ceil(n / window)`, width). A window without tokens gives
/// zeros.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn window_max(x: &Tensor, window: usize, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
    let windows = Windows::new(x, window, mask)?;
    let x = x.contiguous()?;
    fused!(x.dtype(), x.device(), T => x.apply_op1(OnCpu::new(Max::<T>(windows, PhantomData))));
    reference::pooling::window_max(&x, window, mask)
}

/// The windows of all sequences.
struct Windows {
    n: usize,
    width: usize,
    window: usize,
    mask: Arc<Vec<u8>>,
}

impl Windows {
    fn new(x: &Tensor, window: usize, mask: &Arc<Vec<u8>>) -> Result<Self> {
        let (batch, n, width) = x.dims3()?;
        if window == 0 || mask.len() != batch * n {
            bail!(
                "windows of {window} and a mask of {} do not fit x {:?}",
                mask.len(),
                x.shape()
            );
        }
        Ok(Self {
            n,
            width,
            window,
            mask: mask.clone(),
        })
    }

    /// Windows per sequence.
    fn count(&self) -> usize {
        self.n.div_ceil(self.window)
    }

    /// Values of one sequence.
    fn sequence_len(&self) -> usize {
        self.n * self.width
    }

    /// Values of one sequence's summary.
    fn summary_len(&self) -> usize {
        self.count() * self.width
    }

    /// The shape of the result.
    fn shape(&self, layout: &Layout) -> Result<Shape> {
        let (batch, _, width) = layout.shape().dims3()?;
        Ok((batch, self.count(), width).into())
    }

    /// Positions of the tokens in window `number`, 0-based from its start; `mask` is the mask of
    /// its sequence.
    #[inline(always)]
    fn positions<'m>(
        &self,
        mask: &'m [u8],
        number: usize,
    ) -> impl Iterator<Item = usize> + use<'m> {
        let first = number * self.window;
        let bits = &mask[first..mask.len().min(first + self.window)];
        bits.iter()
            .enumerate()
            .filter(|&(_, &bit)| bit != 0)
            .map(|(position, _)| position)
    }

    /// 1 / the number of tokens in window `number`, at most 1.
    #[inline(always)]
    fn token_weight<T: Real>(&self, mask: &[u8], number: usize) -> T {
        T::constant(1.0 / self.positions(mask, number).count().max(1) as f64)
    }
}

struct Mean<T> {
    windows: Windows,
    /// Whether the gradient of the weights is needed.
    is_weight_trained: bool,
    number: PhantomData<T>,
}

impl<T: Real> Operation<T, 2> for Mean<T> {
    fn name(&self) -> &'static str {
        "window-mean"
    }

    fn forward(&self, [x, weight]: [&[T]; 2], layouts: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let windows @ &Windows {
            n, width, window, ..
        } = &self.windows;
        let sequence_len = windows.sequence_len();
        let summary_len = windows.summary_len();
        let mut y = vec![T::default(); x.len() / sequence_len.max(1) * summary_len];
        y.par_chunks_mut(summary_len)
            .zip(x.par_chunks(sequence_len))
            .zip(windows.mask.par_chunks(n))
            .for_each(|((y, x), mask)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (number, y) in y.chunks_exact_mut(width).enumerate() {
                            let token_weight = windows.token_weight::<T>(mask, number);
                            for position in windows.positions(mask, number) {
                                let x = &x[(number * window + position) * width..][..width];
                                let weight = &weight[position * width..][..width];
                                for ((y, &x), &w) in y.iter_mut().zip(x).zip(weight) {
                                    *y += token_weight * w * x;
                                }
                            }
                        }
                    },
                );
            });
        Ok((y, windows.shape(layouts[0])?))
    }

    fn backward(
        &self,
        [x, weight]: [&Tensor; 2],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let (dx, dweight) =
            with_slices::<T, 3, _>([x, weight, gradient], |slices| Ok(self.gradients(slices)))?;
        let dweight = dweight.map_or(Ok(None), |dweight| gradient_of(weight, dweight))?;
        Ok([gradient_of(x, dx)?, dweight])
    }
}

impl<T: Real> Mean<T> {
    fn gradients(&self, [x, weight, dy]: [&[T]; 3]) -> (Vec<T>, Option<Vec<T>>) {
        let windows @ &Windows {
            n, width, window, ..
        } = &self.windows;
        let sequence_len = windows.sequence_len();
        let summary_len = windows.summary_len();
        let mut dx = vec![T::default(); x.len()];
        let items = dx
            .par_chunks_mut(sequence_len)
            .zip(x.par_chunks(sequence_len))
            .zip(dy.par_chunks(summary_len))
            .zip(windows.mask.par_chunks(n));
        let partial: Vec<Option<Vec<T>>> = items
            .map(|(((dx, x), dy), mask)| {
                let mut dweight = self
                    .is_weight_trained
                    .then(|| vec![T::default(); weight.len()]);
                vectorised(
                    #[inline(always)]
                    || {
                        for (number, dy) in dy.chunks_exact(width).enumerate() {
                            let token_weight = windows.token_weight::<T>(mask, number);
                            for position in windows.positions(mask, number) {
                                let first = (number * window + position) * width;
                                let x = &x[first..][..width];
                                let dx = &mut dx[first..][..width];
                                let weight = &weight[position * width..][..width];
                                for ((dx, &w), &dy) in dx.iter_mut().zip(weight).zip(dy) {
                                    *dx = w * (token_weight * dy);
                                }
                                if let Some(dweight) = &mut dweight {
                                    let dweight = &mut dweight[position * width..][..width];
                                    for ((dw, &x), &dy) in dweight.iter_mut().zip(x).zip(dy) {
                                        *dw += x * (token_weight * dy);
                                    }
                                }
                            }
                        }
                    },
                );
                dweight
            })
            .collect();
        (dx, sum_of(partial.into_iter().flatten()))
    }
}

struct Max<T>(Windows, PhantomData<T>);

impl<T: Real> Operation<T, 1> for Max<T> {
    fn name(&self) -> &'static str {
        "window-max"
    }

    fn forward(&self, [x]: [&[T]; 1], layouts: [&Layout; 1]) -> Result<(Vec<T>, Shape)> {
        let windows @ &Windows {
            n, width, window, ..
        } = &self.0;
        let sequence_len = windows.sequence_len();
        let summary_len = windows.summary_len();
        let mut y = vec![T::default(); x.len() / sequence_len.max(1) * summary_len];
        y.par_chunks_mut(summary_len)
            .zip(x.par_chunks(sequence_len))
            .zip(windows.mask.par_chunks(n))
            .for_each(|((y, x), mask)| {
                for (number, y) in y.chunks_exact_mut(width).enumerate() {
                    for (nth, position) in windows.positions(mask, number).enumerate() {
                        let x = &x[(number * window + position) * width..][..width];
                        for (y, &x) in y.iter_mut().zip(x) {
                            *y = if nth == 0 || x > *y { x } else { *y };
                        }
                    }
                }
            });
        Ok((y, windows.shape(layouts[0])?))
    }

    /// The gradient goes to the first token that has the maximum.
    fn backward(
        &self,
        [x]: [&Tensor; 1],
        y: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 1]> {
        let windows @ &Windows {
            n, width, window, ..
        } = &self.0;
        let sequence_len = windows.sequence_len();
        let summary_len = windows.summary_len();
        let dx = with_slices::<T, 3, _>([x, y, gradient], |[x, y, dy]| {
            let mut dx = vec![T::default(); x.len()];
            let items = dx
                .par_chunks_mut(sequence_len)
                .zip(x.par_chunks(sequence_len));
            let results = y
                .par_chunks(summary_len)
                .zip(dy.par_chunks(summary_len))
                .zip(windows.mask.par_chunks(n));
            items.zip(results).for_each(|((dx, x), ((y, dy), mask))| {
                let mut is_passed = vec![false; width];
                for (number, (y, dy)) in y
                    .chunks_exact(width)
                    .zip(dy.chunks_exact(width))
                    .enumerate()
                {
                    is_passed.fill(false);
                    for position in windows.positions(mask, number) {
                        let first = (number * window + position) * width;
                        for i in 0..width {
                            if !is_passed[i] && x[first + i] == y[i] {
                                dx[first + i] = dy[i];
                                is_passed[i] = true;
                            }
                        }
                    }
                }
            });
            Ok(dx)
        })?;
        Ok([gradient_of(x, dx)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients};
    use candle_core::Device;

    fn mask() -> Arc<Vec<u8>> {
        Arc::new(vec![1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0])
    }

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 7, 3], &[3, 3]], |t| {
            weighted_window_mean(&t[0], &t[1], &mask())
        });
        check_gradients([&[2, 7, 3]], |t| window_max(&t[0], 3, &mask()));
    }

    #[test]
    fn the_reference_is_the_same() {
        assert_same_gradients(
            [&[2, 7, 3], &[3, 3]],
            |t| weighted_window_mean(&t[0], &t[1], &mask()),
            |t| reference::pooling::weighted_window_mean(&t[0], &t[1], &mask()),
        );
        assert_same_gradients(
            [&[2, 7, 3]],
            |t| window_max(&t[0], 3, &mask()),
            |t| reference::pooling::window_max(&t[0], 3, &mask()),
        );
        // The first one of equal values gets the gradient. All values are zero here.
        assert_same_gradients(
            [&[2, 7, 3]],
            |t| window_max(&(&t[0] - t[0].detach())?, 3, &mask()),
            |t| reference::pooling::window_max(&(&t[0] - t[0].detach())?, 3, &mask()),
        );
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_window_is_summarised_from_its_tokens_alone() {
        let x = Tensor::new(
            &[[[-1f32], [9.0], [-3.0], [-5.0], [9.0], [9.0], [9.0], [-7.0]]],
            &Device::Cpu,
        )
        .unwrap();
        let mask = Arc::new(vec![1, 0, 1, 1, 0, 0, 0, 1]);
        assert_eq!(
            values(&window_mean(&x, 2, &mask).unwrap()),
            [-1.0, -4.0, 0.0, -7.0]
        );
        assert_eq!(
            values(&window_max(&x, 2, &mask).unwrap()),
            [-1.0, -3.0, 0.0, -7.0]
        );
        assert_eq!(*window_mask(&mask, 8, 2), [1, 1, 0, 1]);
        // The last window may be short.
        assert_eq!(
            values(&window_max(&x, 3, &mask).unwrap()),
            [-1.0, -5.0, -7.0]
        );
        assert_eq!(*window_mask(&[1, 0, 0, 0, 0, 0, 0, 1], 4, 3), [1, 0, 0, 1]);
    }
}
