//! Linformer's summaries of a sequence (Wang et al. 2020, arXiv 2006.04768, equation 7): `E X`, one
//! E for all channels or one for each group of them (a head).

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

/// `out[b, i, c] = sum_s e[g k + i, s] x[b, s, c]` with `g` the group of channel `c`: `x` (batch,
/// n, width), `e` (groups * k, n) -> (batch, k, width). With one group all channels share E.
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
    fused!(x.dtype(), x.device(), T => e.apply_op2(&x, OnCpu::new(Project::<T> { sizes, number: PhantomData })));
    reference::projection::project(&e, &x, groups)
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    n: usize,
    k: usize,
    width: usize,
    groups: usize,
}

pub(crate) struct Project<T> {
    sizes: Sizes,
    number: PhantomData<T>,
}

/// Rows of a gradient that one task computes.
const ROWS: usize = 64;

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

    /// Runs `f` for each group of each sequence, on all threads.
    fn each<R: Send>(&self, f: impl Fn(usize, usize) -> R + Sync) -> Vec<R> {
        let Sizes { batch, groups, .. } = self.sizes;
        (0..batch * groups)
            .into_par_iter()
            .map(|number| f(number / groups, number % groups))
            .collect()
    }

    /// (batch, k, width), where `rows` gives rows of x, numbered over all sequences: they are asked
    /// for once each, so that they may be made on the way.
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
        let n_parts = n.div_ceil(ROWS_PER_TASK);
        let mut parts = Buffer::unwritten(batch * n_parts * k * width);
        parts
            .par_chunks_mut(k * width)
            .enumerate()
            .for_each(|(number, part)| {
                let item = number / n_parts;
                let first = number % n_parts * ROWS_PER_TASK;
                let here = ROWS_PER_TASK.min(n - first);
                let x = rows(item * n + first..item * n + first + here);
                for group in 0..groups {
                    let x = Packed::new(Matrix::rows(&x[group * columns..], width), here, columns);
                    x.multiply(
                        k,
                        Matrix::rows(&e[group * k * n + first..], n),
                        &mut part[group * columns..],
                        width,
                        false,
                    );
                }
            });
        if n_parts == 1 {
            return parts;
        }
        let mut out = Buffer::unwritten(batch * k * width);
        out.par_chunks_mut(k * width)
            .zip(parts.par_chunks(n_parts * k * width))
            .for_each(|(out, parts)| {
                out.copy_from_slice(&parts[..k * width]);
                parts
                    .chunks_exact(k * width)
                    .skip(1)
                    .for_each(|part| add_scaled(out, T::constant(1.0), part));
            });
        out
    }

    /// Adds `E^T dy` to the gradient of x, and gives that of E: `dE = sum_b dy_b x_b^T`.
    pub(crate) fn add_gradients(&self, e: &[T], x: &[T], dy: &[T], dx: &mut [T]) -> Vec<T> {
        let Sizes {
            n,
            k,
            width,
            groups,
            ..
        } = self.sizes;
        let columns = width / groups;
        let packed = self.each(|item, group| {
            let dy = Matrix::rows(&dy[item * k * width + group * columns..], width);
            let x = Matrix::rows(&x[item * n * width + group * columns..], width);
            (
                Packed::new(dy, k, columns),
                Packed::new(x.transposed(), columns, n),
            )
        });
        let blocks = dx.par_chunks_mut(n * width).enumerate();
        let blocks = blocks.flat_map(|(item, dx)| {
            dx.par_chunks_mut(ROWS * width)
                .enumerate()
                .map(move |(block, dx)| (item, block, dx))
        });
        blocks.for_each(|(item, block, dx)| {
            for group in 0..groups {
                let e = Matrix::rows(&e[group * k * n + block * ROWS..], n).transposed();
                packed[item * groups + group].0.multiply(
                    dx.len() / width,
                    e,
                    &mut dx[group * columns..],
                    width,
                    true,
                );
            }
        });
        let mut de = vec![T::default(); e.len()];
        let blocks = de.par_chunks_mut(k * n).enumerate();
        let blocks = blocks.flat_map(|(group, de)| {
            de.par_chunks_mut(ROWS / 4 * n)
                .enumerate()
                .map(move |(block, de)| (group, block, de))
        });
        blocks.for_each(|(group, block, de)| {
            for (item, sequences) in packed.chunks_exact(groups).enumerate() {
                let dy = Matrix::rows(
                    &dy[(item * k + block * ROWS / 4) * width + group * columns..],
                    width,
                );
                sequences[group].1.multiply(de.len() / n, dy, de, n, true);
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
        Ok((
            self.output(e, |rows| &x[rows.start * width..rows.end * width])
                .into_vec(),
            (batch, k, width).into(),
        ))
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
