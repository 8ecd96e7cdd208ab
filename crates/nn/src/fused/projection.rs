//! Linformer's summaries of a sequence (Wang et al. 2020, arXiv 2006.04768, equation 7): `E X`,
//! with one E for all channels or one per group of channels (a head).
//!
//! With the group g of channel c:
//!
//! ```text
//! out[b, i, c]    = sum_s e[g k + i, s] x[b, s, c]
//! dx[b, s, c]     = sum_i e[g k + i, s] dout[b, i, c]
//! de[g k + i, s]  = sum over b and the channels c of g: dout[b, i, c] x[b, s, c]
//! ```

use std::{
    marker::PhantomData,
    ops::{Deref, Range},
};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    ROWS_PER_TASK,
    kernels::{
        buffer::Buffer,
        gemm::{Matrix, Packed},
        real::{Real, add_scaled, fused, gradient_of, with_slices},
    },
    reference,
};

/// The summaries `E X` of each sequence.
///
/// `e` (groups * k, n), `x` (batch, n, width) -> (batch, k, width). With one group, all channels
/// share E.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn project(e: &Tensor, x: &Tensor, groups: usize) -> Result<Tensor> {
    let (rows, n) = e.dims2()?;
    let (batch, n_x, width) = x.dims3()?;
    if n != n_x || groups == 0 || rows % groups != 0 || width % groups != 0 {
        bail!(
            "project: e {:?}, x {:?} and {groups} groups do not fit",
            e.shape(),
            x.shape()
        );
    }
    let sizes = Sizes {
        batch,
        n,
        k: rows / groups,
        width,
        groups,
    };
    let e = e.contiguous()?;
    let x = x.contiguous()?;
    fused!(x.dtype(), x.device(), T => {
        let operation = Project::<T> {
            sizes,
            number: PhantomData,
        };
        e.apply_op2(&x, OnCpu::new(operation))
    });
    reference::projection::project(&e, &x, groups)
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    n: usize,
    /// Summaries per sequence.
    k: usize,
    width: usize,
    groups: usize,
}

pub(crate) struct Project<T> {
    sizes: Sizes,
    number: PhantomData<T>,
}

/// Rows of the gradient of x per task.
const X_ROWS_PER_TASK: usize = 64;
/// Rows of the gradient of E per task. A row of E is as long as the sequence, so that fewer rows
/// make a task of the same size.
const E_ROWS_PER_TASK: usize = X_ROWS_PER_TASK / 4;

/// Packed matrices of one group of one sequence, for the backward pass.
struct PackedGroup<'a, T: Real> {
    /// (k, channels).
    dy: Packed<'a, T>,
    /// (channels, n).
    x_transposed: Packed<'a, T>,
}

impl<T: Real> Project<T> {
    pub(crate) fn new(batch: usize, n: usize, k: usize, width: usize, groups: usize) -> Self {
        Self {
            sizes: Sizes {
                batch,
                n,
                k,
                width,
                groups,
            },
            number: PhantomData,
        }
    }

    /// The summaries, (batch, k, width).
    ///
    /// `rows` returns a range of rows of x, numbered over all sequences. Each row is requested
    /// once, so that the caller may compute it on demand.
    pub(crate) fn output<R: Deref<Target = [T]>>(
        &self,
        e: &[T],
        rows: impl Fn(Range<usize>) -> R + Sync,
    ) -> Buffer<T> {
        let Sizes {
            batch,
            n,
            k,
            width,
            groups,
        } = self.sizes;
        let columns = width / groups;
        // Each task computes the contribution of some rows of a sequence to all its summaries.
        let tasks_per_sequence = n.div_ceil(ROWS_PER_TASK);
        let mut contributions = Buffer::unwritten(batch * tasks_per_sequence * k * width);
        contributions
            .par_chunks_mut(k * width)
            .enumerate()
            .for_each(|(number, contribution)| {
                let sequence = number / tasks_per_sequence;
                let first = number % tasks_per_sequence * ROWS_PER_TASK;
                let n_rows = ROWS_PER_TASK.min(n - first);
                let first_of_all = sequence * n + first;
                let x = rows(first_of_all..first_of_all + n_rows);
                for group in 0..groups {
                    let x_group = Matrix::rows(&x[group * columns..], width);
                    let e_group = Matrix::rows(&e[group * k * n + first..], n);
                    let target = &mut contribution[group * columns..];
                    Packed::new(x_group, n_rows, columns)
                        .multiply(k, e_group, target, width, false);
                }
            });
        if tasks_per_sequence == 1 {
            return contributions;
        }
        let mut out = Buffer::unwritten(batch * k * width);
        out.par_chunks_mut(k * width)
            .zip(contributions.par_chunks(tasks_per_sequence * k * width))
            .for_each(|(out, contributions)| {
                let (first, later) = contributions.split_at(k * width);
                out.copy_from_slice(first);
                for contribution in later.chunks_exact(k * width) {
                    add_scaled(out, T::constant(1.0), contribution);
                }
            });
        out
    }

    /// Adds `E^T dy` to the gradient of x, and returns the gradient of E.
    pub(crate) fn add_gradients(&self, e: &[T], x: &[T], dy: &[T], dx: &mut [T]) -> Vec<T> {
        let packed_groups = self.packed_groups(x, dy);
        self.add_x_gradient(e, &packed_groups, dx);
        self.e_gradient(&packed_groups, dy)
    }

    /// One entry per sequence and group, in that order.
    fn packed_groups<'a>(&self, x: &'a [T], dy: &'a [T]) -> Vec<PackedGroup<'a, T>> {
        let Sizes {
            batch,
            n,
            k,
            width,
            groups,
        } = self.sizes;
        let columns = width / groups;
        (0..batch * groups)
            .into_par_iter()
            .map(|number| {
                let sequence = number / groups;
                let group = number % groups;
                let dy = Matrix::rows(&dy[sequence * k * width + group * columns..], width);
                let x = Matrix::rows(&x[sequence * n * width + group * columns..], width);
                PackedGroup {
                    dy: Packed::new(dy, k, columns),
                    x_transposed: Packed::new(x.transposed(), columns, n),
                }
            })
            .collect()
    }

    fn add_x_gradient(&self, e: &[T], packed_groups: &[PackedGroup<'_, T>], dx: &mut [T]) {
        let Sizes {
            n,
            k,
            width,
            groups,
            ..
        } = self.sizes;
        let columns = width / groups;
        let tasks = dx
            .par_chunks_mut(n * width)
            .enumerate()
            .flat_map(|(sequence, dx)| {
                dx.par_chunks_mut(X_ROWS_PER_TASK * width)
                    .enumerate()
                    .map(move |(block, dx)| (sequence, block * X_ROWS_PER_TASK, dx))
            });
        tasks.for_each(|(sequence, first_row, dx)| {
            let n_rows = dx.len() / width;
            for group in 0..groups {
                let e_transposed = Matrix::rows(&e[group * k * n + first_row..], n).transposed();
                let target = &mut dx[group * columns..];
                packed_groups[sequence * groups + group].dy.multiply(
                    n_rows,
                    e_transposed,
                    target,
                    width,
                    true,
                );
            }
        });
    }

    fn e_gradient(&self, packed_groups: &[PackedGroup<'_, T>], dy: &[T]) -> Vec<T> {
        let Sizes {
            n,
            k,
            width,
            groups,
            ..
        } = self.sizes;
        let columns = width / groups;
        let mut de = vec![T::default(); groups * k * n];
        let tasks = de
            .par_chunks_mut(k * n)
            .enumerate()
            .flat_map(|(group, de)| {
                de.par_chunks_mut(E_ROWS_PER_TASK * n)
                    .enumerate()
                    .map(move |(block, de)| (group, block * E_ROWS_PER_TASK, de))
            });
        tasks.for_each(|(group, first_row, de)| {
            let n_rows = de.len() / n;
            // The sum over sequences is in their order.
            for (sequence, packed_group) in packed_groups.chunks_exact(groups).enumerate() {
                let first_value = (sequence * k + first_row) * width + group * columns;
                let dy_rows = Matrix::rows(&dy[first_value..], width);
                packed_group[group]
                    .x_transposed
                    .multiply(n_rows, dy_rows, de, n, true);
            }
        });
        de
    }
}

impl<T: Real> Operation<T, 2> for Project<T> {
    fn name(&self) -> &'static str {
        "project"
    }

    fn forward(&self, [e, x]: [&[T]; 2], _: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let Sizes {
            batch, k, width, ..
        } = self.sizes;
        let out = self.output(e, |rows| &x[rows.start * width..rows.end * width]);
        Ok((out.into_vec(), (batch, k, width).into()))
    }

    fn backward(
        &self,
        [e, x]: [&Tensor; 2],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let (dx, de) = with_slices::<T, 3, _>([e, x, gradient], |[e, x, dy]| {
            let mut dx = vec![T::default(); x.len()];
            let de = self.add_gradients(e, x, dy, &mut dx);
            Ok((dx, de))
        })?;
        Ok([gradient_of(e, de)?, gradient_of(x, dx)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients};

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[3, 5], &[2, 5, 4]], |t| project(&t[0], &t[1], 1));
        check_gradients([&[6, 5], &[2, 5, 4]], |t| project(&t[0], &t[1], 2));
    }

    #[test]
    fn the_reference_is_the_same_over_many_blocks() {
        for groups in [1, 3] {
            let shapes: [&[usize]; 2] = [&[70 * groups, 130], &[2, 130, 6]];
            assert_same_gradients(
                shapes,
                |t| project(&t[0], &t[1], groups),
                |t| reference::projection::project(&t[0], &t[1], groups),
            );
        }
    }
}
