//! Layer normalisation over the last dimension (Ba et al. 2016, arXiv 1607.06450), differentiable,
//! with padding rows set to zero.
//!
//! For each row x of n values:
//!
//! ```text
//! mean = sum(x) / n        s = 1 / sqrt(sum((x - mean)^2) / n + 1e-5)
//! z = (x - mean) s         y = gamma z + beta
//! ```
//!
//! Gradients, with `g = dy gamma`:
//!
//! ```text
//! dbeta = sum over rows of dy        dgamma = sum over rows of dy z
//! dx = s (g - mean(g) - z mean(g z))
//!    = g s + (x - mean) (-s^2 mean(g z)) + (-s mean(g))
//! ```
//!
//! The last line is the form that is computed.

use std::{marker::PhantomData, sync::Arc};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    ROWS_PER_TASK,
    kernels::{
        gemm::sum_of,
        real::{Real, fused, gradient_of, with_slices},
    },
    reference,
};

/// Added to the variance, so that a constant row stays finite.
const EPSILON: f64 = 1e-5;

/// `gamma * (x - mean) / sqrt(variance + 1e-5) + beta` for each row of `x` (.., hidden).
///
/// `gamma` and `beta` are (hidden). Rows where `mask` (one entry per row, 1 = token, 0 = padding)
/// is 0 become zeros and pass no gradient.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn layer_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mask: Option<&Arc<Vec<u8>>>,
) -> Result<Tensor> {
    let hidden = gamma.elem_count();
    if x.dims().last() != Some(&hidden)
        || beta.elem_count() != hidden
        || mask.is_some_and(|mask| mask.len() * hidden != x.elem_count())
    {
        bail!(
            "layer_norm: x {:?}, gamma {:?}, beta {:?} do not fit",
            x.shape(),
            gamma.shape(),
            beta.shape()
        );
    }
    let x = x.contiguous()?;
    let owned = mask.cloned();
    fused!(x.dtype(), x.device(), T => {
        let operation = LayerNorm::<T> {
            mask: owned,
            number: PhantomData,
        };
        x.apply_op3(gamma, beta, OnCpu::new(operation))
    });
    reference::layer_norm::layer_norm(&x, gamma, beta, EPSILON, mask.map(|mask| mask.as_slice()))
}

struct LayerNorm<T> {
    mask: Option<Arc<Vec<u8>>>,
    number: PhantomData<T>,
}

impl<T> LayerNorm<T> {
    /// The mask from the first row of a task.
    fn mask_of(&self, task: usize) -> Option<&[u8]> {
        self.mask.as_ref().map(|mask| &mask[task * ROWS_PER_TASK..])
    }
}

/// Rows per step. The rows are independent of each other, so that the processor can overlap their
/// sums.
const ROWS_TOGETHER: usize = 16;

/// Sums over a row: `add_vector(vector, sums)` adds a whole vector to the sums of the lanes, and
/// `value(i)` is the term of value i, for the values after the last whole vector.
#[inline(always)]
fn sum_over<S: Simd, T: Real>(
    simd: S,
    row: &[T],
    add_vector: impl Fn(T::Vector<S>, T::Vector<S>) -> T::Vector<S>,
    value: impl Fn(usize) -> T,
) -> T {
    let vectors = T::vectors::<S>(row);
    let mut sums = T::splat(simd, T::default());
    for &vector in vectors {
        sums = add_vector(vector, sums);
    }
    let mut total = T::sum_of_lanes(simd, sums);
    for i in vectors.len() * T::lanes::<S>()..row.len() {
        total += value(i);
    }
    total
}

/// Moments of at most [`ROWS_TOGETHER`] rows.
struct Moments<T> {
    means: [T; ROWS_TOGETHER],
    /// 1 / standard deviation.
    scales: [T; ROWS_TOGETHER],
}

#[inline(always)]
fn moments<S: Simd, T: Real>(simd: S, x: &[T], hidden: usize) -> Moments<T> {
    let one_nth = T::constant(1.0 / hidden as f64);
    let mut means = [T::default(); ROWS_TOGETHER];
    let mut variances = [T::default(); ROWS_TOGETHER];
    for (mean, x) in means.iter_mut().zip(x.chunks_exact(hidden)) {
        *mean = sum_over(simd, x, |x, sums| T::plus(simd, x, sums), |i| x[i]) * one_nth;
    }
    for ((variance, &mean), x) in variances.iter_mut().zip(&means).zip(x.chunks_exact(hidden)) {
        let minus_mean = T::splat(simd, T::default() - mean);
        let sum_of_squares = sum_over(
            simd,
            x,
            |x, sums| {
                let centred = T::plus(simd, x, minus_mean);
                T::mul_add(simd, centred, centred, sums)
            },
            |i| (x[i] - mean) * (x[i] - mean),
        );
        *variance = sum_of_squares * one_nth;
    }
    Moments {
        means,
        scales: variances
            .map(|variance| T::constant(1.0) / (variance + T::constant(EPSILON)).sqrt()),
    }
}

/// See [`normalise_rows`].
struct Normalise<'a, T> {
    x: &'a [T],
    gamma: &'a [T],
    beta: &'a [T],
    mask: Option<&'a [u8]>,
    y: &'a mut [T],
}

impl<T: Real> WithSimd for Normalise<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            x,
            gamma,
            beta,
            mask,
            y,
        } = self;
        let hidden = gamma.len();
        let gammas = T::vectors::<S>(gamma);
        let betas = T::vectors::<S>(beta);
        let zero = T::splat(simd, T::default());
        let blocks = y
            .chunks_mut(ROWS_TOGETHER * hidden)
            .zip(x.chunks(ROWS_TOGETHER * hidden));
        for (number, (y, x)) in blocks.enumerate() {
            let Moments { means, scales } = moments(simd, x, hidden);
            for (row, (y, x)) in y
                .chunks_exact_mut(hidden)
                .zip(x.chunks_exact(hidden))
                .enumerate()
            {
                if is_padding(mask, number * ROWS_TOGETHER + row) {
                    y.fill(T::default());
                    continue;
                }
                let mean = means[row];
                let scale = scales[row];
                let minus_mean = T::splat(simd, T::default() - mean);
                let scale_lanes = T::splat(simd, scale);
                for (((y, &x), &gamma), &beta) in T::vectors_mut::<S>(y)
                    .iter_mut()
                    .zip(T::vectors::<S>(x))
                    .zip(gammas)
                    .zip(betas)
                {
                    let centred = T::plus(simd, x, minus_mean);
                    let z = T::mul_add(simd, centred, scale_lanes, zero);
                    *y = T::mul_add(simd, z, gamma, beta);
                }
                for i in gammas.len() * T::lanes::<S>()..hidden {
                    y[i] = ((x[i] - mean) * scale).times_plus(gamma[i], beta[i]);
                }
            }
        }
    }
}

#[inline(always)]
fn is_padding(mask: Option<&[u8]>, row: usize) -> bool {
    mask.is_some_and(|mask| mask[row] == 0)
}

/// Writes the normalised rows of `x` to `y`, and zeros where `mask` is 0.
pub(crate) fn normalise_rows<T: Real>(
    x: &[T],
    gamma: &[T],
    beta: &[T],
    mask: Option<&[u8]>,
    y: &mut [T],
) {
    pulp::Arch::new().dispatch(Normalise {
        x,
        gamma,
        beta,
        mask,
        y,
    });
}

/// See [`add_row_gradients`].
struct AddGradients<'a, T> {
    x: &'a [T],
    gamma: &'a [T],
    dy: &'a [T],
    mask: Option<&'a [u8]>,
    dx: &'a mut [T],
    dgamma: &'a mut [T],
    dbeta: &'a mut [T],
}

impl<T: Real> WithSimd for AddGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            x,
            gamma,
            dy,
            mask,
            dx,
            dgamma,
            dbeta,
        } = self;
        let hidden = gamma.len();
        let one_nth = T::constant(1.0 / hidden as f64);
        let blocks = dx
            .chunks_mut(ROWS_TOGETHER * hidden)
            .zip(x.chunks(ROWS_TOGETHER * hidden))
            .zip(dy.chunks(ROWS_TOGETHER * hidden));
        for (number, ((dx, x), dy)) in blocks.enumerate() {
            let first_row = number * ROWS_TOGETHER;
            let Moments { means, scales } = moments(simd, x, hidden);
            let mut means_g = [T::default(); ROWS_TOGETHER];
            let mut means_gz = [T::default(); ROWS_TOGETHER];
            let rows = x.chunks_exact(hidden).zip(dy.chunks_exact(hidden));
            for (row, (x, dy)) in rows.clone().enumerate() {
                if is_padding(mask, first_row + row) {
                    continue;
                }
                let gradient_row = GradientRow {
                    x,
                    gamma,
                    dy,
                    mean: means[row],
                    scale: scales[row],
                };
                let [sum_g, sum_gz] = gradient_row.add_sums(simd, dgamma, dbeta);
                means_g[row] = sum_g * one_nth;
                means_gz[row] = sum_gz * one_nth;
            }
            for (row, (dx, (x, dy))) in dx.chunks_exact_mut(hidden).zip(rows).enumerate() {
                if is_padding(mask, first_row + row) {
                    continue;
                }
                let gradient_row = GradientRow {
                    x,
                    gamma,
                    dy,
                    mean: means[row],
                    scale: scales[row],
                };
                gradient_row.add_to_dx(simd, [means_g[row], means_gz[row]], dx);
            }
        }
    }
}

/// One row in the backward pass.
struct GradientRow<'a, T> {
    x: &'a [T],
    gamma: &'a [T],
    dy: &'a [T],
    mean: T,
    /// s.
    scale: T,
}

impl<T: Real> GradientRow<'_, T> {
    /// Adds the row to `dgamma` and `dbeta`, and returns the sums of `g` and of `g z`.
    #[inline(always)]
    fn add_sums<S: Simd>(self, simd: S, dgamma: &mut [T], dbeta: &mut [T]) -> [T; 2] {
        let Self {
            x,
            gamma,
            dy,
            mean,
            scale,
        } = self;
        let hidden = gamma.len();
        let gammas = T::vectors::<S>(gamma);
        let zero = T::splat(simd, T::default());
        let minus_mean = T::splat(simd, T::default() - mean);
        let scale_lanes = T::splat(simd, scale);
        let mut sums_g = zero;
        let mut sums_gz = zero;
        let sums = T::vectors_mut::<S>(dgamma)
            .iter_mut()
            .zip(T::vectors_mut::<S>(dbeta));
        for (((&x, &dy), &gamma), (dgamma, dbeta)) in T::vectors::<S>(x)
            .iter()
            .zip(T::vectors::<S>(dy))
            .zip(gammas)
            .zip(sums)
        {
            let z = T::mul_add(simd, T::plus(simd, x, minus_mean), scale_lanes, zero);
            let g = T::mul_add(simd, dy, gamma, zero);
            sums_g = T::plus(simd, sums_g, g);
            sums_gz = T::mul_add(simd, g, z, sums_gz);
            *dgamma = T::mul_add(simd, dy, z, *dgamma);
            *dbeta = T::plus(simd, *dbeta, dy);
        }
        let mut sum_g = T::sum_of_lanes(simd, sums_g);
        let mut sum_gz = T::sum_of_lanes(simd, sums_gz);
        // The values after the last whole vector.
        for i in gammas.len() * T::lanes::<S>()..hidden {
            let z = (x[i] - mean) * scale;
            let g = dy[i] * gamma[i];
            sum_g += g;
            sum_gz += g * z;
            dgamma[i] += dy[i] * z;
            dbeta[i] += dy[i];
        }
        [sum_g, sum_gz]
    }

    /// Adds `g s + (x - mean) (-s^2 mean(g z)) + (-s mean(g))` to `dx`.
    #[inline(always)]
    fn add_to_dx<S: Simd>(self, simd: S, [mean_g, mean_gz]: [T; 2], dx: &mut [T]) {
        let Self {
            x,
            gamma,
            dy,
            mean,
            scale,
        } = self;
        let hidden = gamma.len();
        let gammas = T::vectors::<S>(gamma);
        let zero = T::splat(simd, T::default());
        let x_factor = T::default() - scale * scale * mean_gz;
        let constant = T::default() - scale * mean_g;
        let minus_mean = T::splat(simd, T::default() - mean);
        let scale_lanes = T::splat(simd, scale);
        let x_factor_lanes = T::splat(simd, x_factor);
        let constant_lanes = T::splat(simd, constant);
        let inputs = T::vectors::<S>(x)
            .iter()
            .zip(T::vectors::<S>(dy))
            .zip(gammas);
        for (dx, ((&x, &dy), &gamma)) in T::vectors_mut::<S>(dx).iter_mut().zip(inputs) {
            let g = T::mul_add(simd, dy, gamma, zero);
            let centred = T::plus(simd, x, minus_mean);
            let through_moments = T::mul_add(simd, centred, x_factor_lanes, constant_lanes);
            *dx = T::plus(simd, *dx, T::mul_add(simd, g, scale_lanes, through_moments));
        }
        for i in gammas.len() * T::lanes::<S>()..hidden {
            let through_moments = (x[i] - mean).times_plus(x_factor, constant);
            dx[i] += (dy[i] * gamma[i]).times_plus(scale, through_moments);
        }
    }
}

/// Adds the gradients of some rows to `dx`, `dgamma` and `dbeta`; the equations are in the module's
/// header.
pub(crate) fn add_row_gradients<T: Real>(
    [x, gamma, dy]: [&[T]; 3],
    mask: Option<&[u8]>,
    [dx, dgamma, dbeta]: [&mut [T]; 3],
) {
    pulp::Arch::new().dispatch(AddGradients {
        x,
        gamma,
        dy,
        mask,
        dx,
        dgamma,
        dbeta,
    });
}

impl<T: Real> Operation<T, 3> for LayerNorm<T> {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn forward(
        &self,
        [x, gamma, beta]: [&[T]; 3],
        layouts: [&Layout; 3],
    ) -> Result<(Vec<T>, Shape)> {
        let block = gamma.len() * ROWS_PER_TASK;
        let mut y = vec![T::default(); x.len()];
        y.par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .enumerate()
            .for_each(|(task, (y, x))| {
                normalise_rows(x, gamma, beta, self.mask_of(task), y);
            });
        Ok((y, layouts[0].shape().clone()))
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

impl<T: Real> LayerNorm<T> {
    /// Gradients of x, gamma and beta.
    fn gradients(&self, x: &[T], gamma: &[T], dy: &[T]) -> [Vec<T>; 3] {
        let hidden = gamma.len();
        let mut dx = vec![T::default(); x.len()];
        let block = hidden * ROWS_PER_TASK;
        let tasks = dx
            .par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(dy.par_chunks(block))
            .enumerate();
        let (dgammas, dbetas): (Vec<_>, Vec<_>) = tasks
            .map(|(task, ((dx, x), dy))| {
                let mut dgamma = vec![T::default(); hidden];
                let mut dbeta = vec![T::default(); hidden];
                add_row_gradients(
                    [x, gamma, dy],
                    self.mask_of(task),
                    [dx, &mut dgamma, &mut dbeta],
                );
                (dgamma, dbeta)
            })
            .unzip();
        let dgamma = sum_of(dgammas).unwrap_or_else(|| vec![T::default(); hidden]);
        let dbeta = sum_of(dbetas).unwrap_or_else(|| vec![T::default(); hidden]);
        [dx, dgamma, dbeta]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients};
    use candle_core::{DType, Device};

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 3, 10], &[10], &[10]], |t| {
            layer_norm(&t[0], &t[1], &t[2], None)
        });
        let mask = Arc::new(vec![1, 1, 0, 1, 0, 1]);
        check_gradients([&[2, 3, 10], &[10], &[10]], |t| {
            layer_norm(&t[0], &t[1], &t[2], Some(&mask))
        });
    }

    #[test]
    fn the_reference_is_the_same() {
        let mask = Arc::new(vec![1, 1, 0, 1, 0, 1]);
        for mask in [None, Some(&mask)] {
            let row_mask = mask.map(|mask: &Arc<Vec<u8>>| mask.as_slice());
            assert_same_gradients(
                [&[2, 3, 10], &[10], &[10]],
                |t| layer_norm(&t[0], &t[1], &t[2], mask),
                |t| reference::layer_norm::layer_norm(&t[0], &t[1], &t[2], EPSILON, row_mask),
            );
        }
    }

    #[test]
    fn rows_are_standardised_and_padding_is_zero() {
        let x =
            Tensor::from_vec(vec![1f32, 2., 3., 4., 5., 6., 7., 8.], (2, 4), &Device::Cpu).unwrap();
        let one = Tensor::ones(4, DType::F32, &Device::Cpu).unwrap();
        let zero = Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap();
        let y: Vec<Vec<f32>> = layer_norm(&x, &one, &zero, Some(&Arc::new(vec![1, 0])))
            .unwrap()
            .to_vec2()
            .unwrap();
        // torch.nn.functional.layer_norm(torch.tensor([1., 2., 3., 4.]), (4,))
        for (found, expected) in y[0]
            .iter()
            .zip([-1.341_636, -0.447_212, 0.447_212, 1.341_636])
        {
            assert!((found - expected).abs() < 1e-5);
        }
        assert_eq!(y[1], [0.0; 4]);
    }
}
