//! Mean pooling of a sequence: the mean over its tokens of the normalised rows, in one pass.
//!
//! As separate operations, the normalised rows would be written to memory only to be read again by
//! the mean.

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

/// The mean of `layer_norm(x)` over the tokens of each sequence.
///
/// `x` (batch, n, width), `gamma` and `beta` (width), `mask` (batch x n, row-major) -> (batch,
/// width). A sequence without tokens gives zeros.
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
        let operation = Pooled::<T> {
            n,
            token_weights: mask.chunks_exact(n).map(token_weight).collect(),
            mask: mask.clone(),
            number: PhantomData,
        };
        x.contiguous()?.apply_op3(gamma, beta, OnCpu::new(operation))
    });
    composed(x, gamma, beta, mask)
}

/// 1 / the number of tokens of a sequence, at most 1.
fn token_weight<T: Real>(mask: &[u8]) -> T {
    let n_tokens = mask.iter().filter(|&&bit| bit != 0).count();
    T::constant(1.0 / n_tokens.max(1) as f64)
}

/// The pooling as a composition of smaller operations, for devices other than the CPU.
fn composed(x: &Tensor, gamma: &Tensor, beta: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
    window_mean(&layer_norm(x, gamma, beta, Some(mask))?, x.dim(1)?, mask)?.squeeze(1)
}

struct Pooled<T> {
    n: usize,
    mask: Arc<Vec<u8>>,
    /// 1 / the number of tokens, one per sequence.
    token_weights: Vec<T>,
    number: PhantomData<T>,
}

impl<T: Real> Pooled<T> {
    fn output(&self, x: &[T], gamma: &[T], beta: &[T]) -> Vec<T> {
        // A task sums a fixed number of rows of one sequence. The sums of a sequence are added in
        // order, so that the result does not depend on the number of threads.
        let tasks_per_sequence = self.n.div_ceil(ROWS_PER_TASK);
        let sums: Vec<Vec<T>> = (0..self.token_weights.len() * tasks_per_sequence)
            .into_par_iter()
            .map(|number| {
                let sequence = number / tasks_per_sequence;
                let task = number % tasks_per_sequence;
                self.sum_of_task(sequence, task, [x, gamma, beta])
            })
            .collect();
        let mut sums = sums.into_iter();
        self.token_weights
            .iter()
            .flat_map(|_| sum_of(sums.by_ref().take(tasks_per_sequence)).unwrap_or_default())
            .collect()
    }

    /// The weighted sum of the normalised rows of one task.
    fn sum_of_task(&self, sequence: usize, task: usize, [x, gamma, beta]: [&[T]; 3]) -> Vec<T> {
        let n = self.n;
        let width = gamma.len();
        let first = task * ROWS_PER_TASK;
        let rows = sequence * n + first..sequence * n + n.min(first + ROWS_PER_TASK);
        let mask = &self.mask[rows.clone()];
        let x = &x[rows.start * width..rows.end * width];
        let mut normed = Buffer::unwritten(rows.len() * width);
        normalise_rows(x, gamma, beta, Some(mask), &mut normed);
        let mut sum = vec![T::default(); width];
        vectorised(
            #[inline(always)]
            || {
                for (row, &bit) in normed.chunks_exact(width).zip(mask) {
                    if bit != 0 {
                        add_scaled(&mut sum, self.token_weights[sequence], row);
                    }
                }
            },
        );
        sum
    }

    /// Gradients of x, gamma and beta.
    fn gradients(&self, x: &[T], gamma: &[T], dy: &[T]) -> [Vec<T>; 3] {
        let width = gamma.len();
        let mut dx = vec![T::default(); x.len()];
        let block = width * ROWS_PER_TASK;
        let tasks = dx
            .par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(self.mask.par_chunks(ROWS_PER_TASK))
            .enumerate();
        let (dgammas, dbetas): (Vec<_>, Vec<_>) = tasks
            .map(|(task, ((dx, x), mask))| {
                let mut dnormed = Buffer::unwritten(x.len());
                for (row, dnormed) in dnormed.chunks_exact_mut(width).enumerate() {
                    let sequence = (task * ROWS_PER_TASK + row) / self.n;
                    for (dnormed, &dy) in dnormed.iter_mut().zip(&dy[sequence * width..]) {
                        *dnormed = self.token_weights[sequence] * dy;
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
        let dgamma = sum_of(dgammas).unwrap_or_else(|| vec![T::default(); width]);
        let dbeta = sum_of(dbetas).unwrap_or_else(|| vec![T::default(); width]);
        [dx, dgamma, dbeta]
    }
}

impl<T: Real> Operation<T, 3> for Pooled<T> {
    fn name(&self) -> &'static str {
        "pooled"
    }

    fn forward(&self, [x, gamma, beta]: [&[T]; 3], _: [&Layout; 3]) -> Result<(Vec<T>, Shape)> {
        Ok((
            self.output(x, gamma, beta),
            (self.token_weights.len(), gamma.len()).into(),
        ))
    }

    fn backward(
        &self,
        [x, gamma, beta]: [&Tensor; 3],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let [dx, dgamma, dbeta] =
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
        assert_same_gradients(
            [&[3, 1_100, 10], &[10], &[10]],
            |t| pooled(&t[0], &t[1], &t[2], &mask),
            |t| composed(&t[0], &t[1], &t[2], &mask),
        );
    }
}
