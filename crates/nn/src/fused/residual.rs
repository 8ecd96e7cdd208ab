//! `x + y + bias`, the end of every residual branch, in one pass.

use std::marker::PhantomData;

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    ROWS_PER_TASK,
    kernels::{
        real::{Real, add_scaled, fused, gradient_of, with_slices},
        row_sums::{add_rows, add_sum_of_rows},
    },
    reference,
};

/// `x + y + bias` for `x`, `y` (.., width) and `bias` (width).
///
/// # Errors
/// Shapes or types that do not fit.
pub fn add_with_bias(x: &Tensor, y: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if x.shape() != y.shape() || x.dims().last() != Some(&bias.elem_count()) {
        bail!(
            "add_with_bias: x {:?}, y {:?} and bias {:?} do not fit",
            x.shape(),
            y.shape(),
            bias.shape()
        );
    }
    let x = x.contiguous()?;
    let y = y.contiguous()?;
    fused!(x.dtype(), x.device(), T => {
        x.apply_op3(&y, bias, OnCpu::new(AddWithBias::<T>(PhantomData)))
    });
    reference::residual::add_with_bias(&x, &y, bias)
}

struct AddWithBias<T>(PhantomData<T>);

impl<T: Real> Operation<T, 3> for AddWithBias<T> {
    fn name(&self) -> &'static str {
        "add-with-bias"
    }

    fn forward(&self, [x, y, bias]: [&[T]; 3], layouts: [&Layout; 3]) -> Result<(Vec<T>, Shape)> {
        let block = bias.len() * ROWS_PER_TASK;
        let mut out = vec![T::default(); x.len()];
        out.par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(y.par_chunks(block))
            .for_each(|((out, x), y)| {
                out.copy_from_slice(y);
                add_rows(out, x, bias);
            });
        Ok((out, layouts[0].shape().clone()))
    }

    fn backward(
        &self,
        [_, _, bias]: [&Tensor; 3],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let dbias = with_slices::<T, 1, _>([gradient], |[dy]| {
            let width = bias.elem_count();
            let partial: Vec<Vec<T>> = dy
                .par_chunks(width * ROWS_PER_TASK)
                .map(|dy| {
                    let mut sums = vec![T::default(); width];
                    add_sum_of_rows(dy, &mut sums);
                    sums
                })
                .collect();
            let mut dbias = vec![T::default(); width];
            for sums in &partial {
                add_scaled(&mut dbias, T::constant(1.0), sums);
            }
            Ok(dbias)
        })?;
        Ok([
            Some(gradient.clone()),
            Some(gradient.clone()),
            gradient_of(bias, dbias)?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::check_gradients;

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 3, 5], &[2, 3, 5], &[5]], |t| {
            add_with_bias(&t[0], &t[1], &t[2])
        });
    }
}
