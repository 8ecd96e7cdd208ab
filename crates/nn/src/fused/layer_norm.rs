//! Layer normalisation over the last dimension (Ba et al. 2016, arXiv 1607.06450), differentiable,
//! with padding rows set to zero.

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

/// Under the square root, so that a constant row stays finite.
const EPSILON: f64 = 1e-5;

/// `gamma * (x - mean) / sqrt(variance + 1e-5) + beta` for each row of `x` (.., hidden); `gamma`
/// and `beta` are (hidden).
///
/// Rows where `mask` (one entry a row, 1 = real, 0 = padding) is 0 come out as zeros and pass no
/// gradient.
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
    fused!(x.dtype(), x.device(), T => x.apply_op3(gamma, beta, OnCpu::new(LayerNorm::<T> { mask: owned, number: PhantomData })));
    reference::layer_norm::layer_norm(&x, gamma, beta, EPSILON, mask.map(|mask| mask.as_slice()))
}

struct LayerNorm<T> {
    mask: Option<Arc<Vec<u8>>>,
    number: PhantomData<T>,
}

impl<T> LayerNorm<T> {
    /// The part of the mask that belongs to a task.
    fn mask_of(&self, task: usize) -> Option<&[u8]> {
        self.mask.as_ref().map(|mask| &mask[task * ROWS_PER_TASK..])
    }
}

/// Rows that are taken through each step together, so that none waits for the sums of the one
/// before it.
const TOGETHER: usize = 16;

/// The sum of what each value of a row adds: its vectors to a vector of sums, then the values left
/// after them by their places.
#[inline(always)]
fn sum_over<S: Simd, T: Real>(
    simd: S,
    row: &[T],
    of_vector: impl Fn(T::Vector<S>, T::Vector<S>) -> T::Vector<S>,
    of_value: impl Fn(usize) -> T,
) -> T {
    let vectors = T::vectors::<S>(row);
    let mut sums = T::splat(simd, T::default());
    for &vector in vectors {
        sums = of_vector(vector, sums);
    }
    let mut total = T::sum_of_lanes(simd, sums);
    for place in vectors.len() * T::lanes::<S>()..row.len() {
        total += of_value(place);
    }
    total
}

/// Mean and 1 / standard deviation of at most [`TOGETHER`] rows.
#[inline(always)]
fn moments<S: Simd, T: Real>(simd: S, x: &[T], hidden: usize) -> ([T; TOGETHER], [T; TOGETHER]) {
    let one_nth = T::constant(1.0 / hidden as f64);
    let mut means = [T::default(); TOGETHER];
    let mut variances = [T::default(); TOGETHER];
    for (mean, x) in means.iter_mut().zip(x.chunks_exact(hidden)) {
        *mean = sum_over(simd, x, |x, sums| T::plus(simd, x, sums), |i| x[i]) * one_nth;
    }
    for ((variance, &mean), x) in variances.iter_mut().zip(&means).zip(x.chunks_exact(hidden)) {
        let minus_mean = T::splat(simd, T::default() - mean);
        let square = |x, sums| {
            let centred = T::plus(simd, x, minus_mean);
            T::mul_add(simd, centred, centred, sums)
        };
        *variance = sum_over(simd, x, square, |i| (x[i] - mean) * (x[i] - mean)) * one_nth;
    }
    (
        means,
        variances.map(|variance| T::constant(1.0) / (variance + T::constant(EPSILON)).sqrt()),
    )
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
            .chunks_mut(TOGETHER * hidden)
            .zip(x.chunks(TOGETHER * hidden));
        for (number, (y, x)) in blocks.enumerate() {
            let (means, scales) = moments(simd, x, hidden);
            for (row, (y, x)) in y
                .chunks_exact_mut(hidden)
                .zip(x.chunks_exact(hidden))
                .enumerate()
            {
                if mask.is_some_and(|mask| mask[number * TOGETHER + row] == 0) {
                    y.fill(T::default());
                    continue;
                }
                let mean = means[row];
                let scale = scales[row];
                let minus_mean = T::splat(simd, T::default() - mean);
                let to_scale = T::splat(simd, scale);
                for (((y, &x), &gamma), &beta) in T::vectors_mut::<S>(y)
                    .iter_mut()
                    .zip(T::vectors::<S>(x))
                    .zip(gammas)
                    .zip(betas)
                {
                    *y = T::mul_add(
                        simd,
                        T::mul_add(simd, T::plus(simd, x, minus_mean), to_scale, zero),
                        gamma,
                        beta,
                    );
                }
                for i in gammas.len() * T::lanes::<S>()..hidden {
                    y[i] = ((x[i] - mean) * scale).times_plus(gamma[i], beta[i]);
                }
            }
        }
    }
}

/// Some rows; zero where `mask` is 0.
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
        let zero = T::splat(simd, T::default());
        let gammas = T::vectors::<S>(gamma);
        let rest = gammas.len() * T::lanes::<S>()..hidden;
        let blocks = dx
            .chunks_mut(TOGETHER * hidden)
            .zip(x.chunks(TOGETHER * hidden))
            .zip(dy.chunks(TOGETHER * hidden));
        for (number, ((dx, x), dy)) in blocks.enumerate() {
            let is_row = |row: usize| mask.is_none_or(|mask| mask[number * TOGETHER + row] != 0);
            let (means, scales) = moments(simd, x, hidden);
            let mut means_g = [T::default(); TOGETHER];
            let mut means_gz = [T::default(); TOGETHER];
            for (row, (x, dy)) in x
                .chunks_exact(hidden)
                .zip(dy.chunks_exact(hidden))
                .enumerate()
            {
                if is_row(row) {
                    let mean = means[row];
                    let scale = scales[row];
                    let minus_mean = T::splat(simd, T::default() - mean);
                    let to_scale = T::splat(simd, scale);
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
                        let z = T::mul_add(simd, T::plus(simd, x, minus_mean), to_scale, zero);
                        let g = T::mul_add(simd, dy, gamma, zero);
                        sums_g = T::plus(simd, sums_g, g);
                        sums_gz = T::mul_add(simd, g, z, sums_gz);
                        *dgamma = T::mul_add(simd, dy, z, *dgamma);
                        *dbeta = T::plus(simd, *dbeta, dy);
                    }
                    let mut sum_g = T::sum_of_lanes(simd, sums_g);
                    let mut sum_gz = T::sum_of_lanes(simd, sums_gz);
                    for i in rest.clone() {
                        let z = (x[i] - mean) * scale;
                        let g = dy[i] * gamma[i];
                        sum_g += g;
                        sum_gz += g * z;
                        dgamma[i] += dy[i] * z;
                        dbeta[i] += dy[i];
                    }
                    (means_g[row], means_gz[row]) = (sum_g * one_nth, sum_gz * one_nth);
                }
            }
            for (row, (dx, (x, dy))) in dx
                .chunks_exact_mut(hidden)
                .zip(x.chunks_exact(hidden).zip(dy.chunks_exact(hidden)))
                .enumerate()
            {
                if is_row(row) {
                    let mean = means[row];
                    let scale = scales[row];
                    let of_x = T::default() - scale * scale * means_gz[row];
                    let constant = T::default() - scale * means_g[row];
                    let [minus_mean, to_scale, of_xs, constants] =
                        [T::default() - mean, scale, of_x, constant]
                            .map(|value| T::splat(simd, value));
                    let inputs = T::vectors::<S>(x)
                        .iter()
                        .zip(T::vectors::<S>(dy))
                        .zip(gammas);
                    for (dx, ((&x, &dy), &gamma)) in T::vectors_mut::<S>(dx).iter_mut().zip(inputs)
                    {
                        let g = T::mul_add(simd, dy, gamma, zero);
                        let of_row =
                            T::mul_add(simd, T::plus(simd, x, minus_mean), of_xs, constants);
                        *dx = T::plus(simd, *dx, T::mul_add(simd, g, to_scale, of_row));
                    }
                    for i in rest.clone() {
                        dx[i] += (dy[i] * gamma[i])
                            .times_plus(scale, (x[i] - mean).times_plus(of_x, constant));
                    }
                }
            }
        }
    }
}

/// Adds the gradients of some rows to `dx`, `dgamma` and `dbeta`.
///
/// With `z = (x - mean) * scale` and `g = dy gamma`: `dbeta = sum dy`, `dgamma = sum dy z`, `dx =
/// scale (g - mean(g) - z mean(g z))`.
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

impl<T: Real> LayerNorm<T> {
    fn gradients(&self, x: &[T], gamma: &[T], dy: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let hidden = gamma.len();
        let mut dx = vec![T::default(); x.len()];
        let block = hidden * ROWS_PER_TASK;
        let tasks = dx
            .par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(dy.par_chunks(block))
            .enumerate();
        let (of_gamma, of_beta): (Vec<_>, Vec<_>) = tasks
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
        let total = |parts| sum_of(parts).unwrap_or_else(|| vec![T::default(); hidden]);
        (dx, total(of_gamma), total(of_beta))
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
            let fused = |t: &[Tensor]| layer_norm(&t[0], &t[1], &t[2], mask);
            let row_mask = mask.map(|mask: &Arc<Vec<u8>>| mask.as_slice());
            let reference = |t: &[Tensor]| {
                reference::layer_norm::layer_norm(&t[0], &t[1], &t[2], EPSILON, row_mask)
            };
            assert_same_gradients([&[2, 3, 10], &[10], &[10]], fused, reference);
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
