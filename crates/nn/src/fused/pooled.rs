//! A sequence's one vector: the mean over its tokens of the normalised rows, in one pass.
//! (Normalised rows by themselves would be written to memory and read again for nothing else.)

use std::{marker::PhantomData, sync::Arc};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    ROWS_PER_TASK,
    fused::{
        layer_norm::{add_row_gradients, layer_norm, normalise_rows},
        pooling::window_mean,
    },
    kernels::{
        buffer::Buffer,
        gemm::sum_of,
        real::{Real, add_scaled, fused, gradient_of, vectorised, with_slices},
    },
};

/// The mean of `layer_norm(x)` over the tokens of each sequence, zero where there is none: `x`
/// (batch, n, width), `gamma` and `beta` (width), `mask` (batch x n, row-major) -> (batch, width).
///
/// # Errors
/// Shapes or types that do not fit.
pub fn pooled(x: &Tensor, gamma: &Tensor, beta: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
    let (batch, n, width) = x.dims3()?;
    if gamma.elem_count() != width
        || beta.elem_count() != width
        || mask.len() != batch * n
        || n == 0
    {
        bail!(
            "pooled: x {:?}, gamma {:?}, beta {:?} and a mask of {} do not fit",
            x.shape(),
            gamma.shape(),
            beta.shape(),
            mask.len()
        );
    }
    fused!(x.dtype(), x.device(), T => {
        let shares = mask.chunks_exact(n).map(|mask| T::constant(1.0 / mask.iter().filter(|&&bit| bit != 0).count().max(1) as f64));
        let operation = Pooled::<T> { n, shares: shares.collect(), mask: mask.clone(), number: PhantomData };
        x.contiguous()?.apply_op3(gamma, beta, OnCpu::new(operation))
    });
    composed(x, gamma, beta, mask)
}

/// The same from its parts, for other devices.
fn composed(x: &Tensor, gamma: &Tensor, beta: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
    window_mean(&layer_norm(x, gamma, beta, Some(mask))?, x.dim(1)?, mask)?.squeeze(1)
}

struct Pooled<T> {
    n: usize,
    mask: Arc<Vec<u8>>,
    /// Of each sequence, 1 / the number of its tokens.
    shares: Vec<T>,
    number: PhantomData<T>,
}

impl<T: Real> Pooled<T> {
    fn output(&self, x: &[T], gamma: &[T], beta: &[T]) -> Vec<T> {
        let n = self.n;
        let width = gamma.len();
        // Parts of one sequence each, whose sums are added up in order.
        let n_parts = n.div_ceil(ROWS_PER_TASK);
        let sum = |number: usize| {
            let item = number / n_parts;
            let first = number % n_parts * ROWS_PER_TASK;
            let rows = item * n + first..item * n + n.min(first + ROWS_PER_TASK);
            let mask = &self.mask[rows.clone()];
            let mut normed = Buffer::unwritten(rows.len() * width);
            normalise_rows(
                &x[rows.start * width..rows.end * width],
                gamma,
                beta,
                Some(mask),
                &mut normed,
            );
            let mut sum = vec![T::default(); width];
            vectorised(
                #[inline(always)]
                || {
                    for (row, _) in normed
                        .chunks_exact(width)
                        .zip(mask)
                        .filter(|(_, bit)| **bit != 0)
                    {
                        add_scaled(&mut sum, self.shares[item], row);
                    }
                },
            );
            sum
        };
        let sums: Vec<Vec<T>> = (0..self.shares.len() * n_parts)
            .into_par_iter()
            .map(sum)
            .collect();
        let mut sums = sums.into_iter();
        self.shares
            .iter()
            .flat_map(|_| sum_of(sums.by_ref().take(n_parts)).unwrap_or_default())
            .collect()
    }

    /// Gradients of x, gamma and beta.
    fn gradients(&self, x: &[T], gamma: &[T], dy: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let width = gamma.len();
        let mut dx = vec![T::default(); x.len()];
        let block = width * ROWS_PER_TASK;
        let tasks = dx
            .par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(self.mask.par_chunks(ROWS_PER_TASK))
            .enumerate();
        let (of_gamma, of_beta): (Vec<_>, Vec<_>) = tasks
            .map(|(task, ((dx, x), mask))| {
                let mut dnormed = Buffer::unwritten(x.len());
                for (row, dnormed) in dnormed.chunks_exact_mut(width).enumerate() {
                    let item = (task * ROWS_PER_TASK + row) / self.n;
                    for (dnormed, &dy) in dnormed.iter_mut().zip(&dy[item * width..]) {
                        *dnormed = self.shares[item] * dy;
                    }
                }
                let mut dgamma = vec![T::default(); width];
                let mut dbeta = vec![T::default(); width];
                add_row_gradients(
                    [x, gamma, &dnormed],
                    Some(mask),
                    [dx, &mut dgamma, &mut dbeta],
                );
                (dgamma, dbeta)
            })
            .unzip();
        let total = |parts| sum_of(parts).unwrap_or_else(|| vec![T::default(); width]);
        (dx, total(of_gamma), total(of_beta))
    }
}

impl<T: Real> Operation<T, 3> for Pooled<T> {
    fn name(&self) -> &'static str {
        "pooled"
    }

    fn forward(&self, [x, gamma, beta]: [&[T]; 3], _: [&Layout; 3]) -> Result<(Vec<T>, Shape)> {
        Ok((
            self.output(x, gamma, beta),
            (self.shares.len(), gamma.len()).into(),
        ))
    }

    fn backward(
        &self,
        [x, gamma, beta]: [&Tensor; 3],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let (dx, dgamma, dbeta) =
            with_slices::<T, 3, _>([x, gamma, gradient], |[x, gamma, dy]| {
                Ok(self.gradients(x, gamma, dy))
            })?;
        Ok([
            gradient_of(x, dx)?,
            gradient_of(gamma, dgamma)?,
            gradient_of(beta, dbeta)?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients};

    #[test]
    fn every_input_gets_its_gradient() {
        let mask = Arc::new(vec![1, 1, 0, 1, 0, 1, 0, 0, 0]);
        check_gradients([&[3, 3, 10], &[10], &[10]], |t| {
            pooled(&t[0], &t[1], &t[2], &mask)
        });
    }

    #[test]
    fn the_composition_of_its_parts_is_the_same_over_many_blocks() {
        let mask = Arc::new(
            (0..3 * 1_100)
                .map(|i| u8::from(i % 7 != 3 && i < 3_000))
                .collect(),
        );
        let fused = |t: &[Tensor]| pooled(&t[0], &t[1], &t[2], &mask);
        assert_same_gradients([&[3, 1_100, 10], &[10], &[10]], fused, |t| {
            composed(&t[0], &t[1], &t[2], &mask)
        });
    }
}
