//! Layer normalisation over the last dimension (Ba et al. 2016, arXiv 1607.06450), differentiable, with padding rows set to zero.

use std::{marker::PhantomData, sync::Arc};

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::{
    ROWS_PER_TASK,
    gemm::sum_of,
    real::{Real, dot, fused, slice, sum, with_slices},
};

/// Under the square root, so that a constant row stays finite.
const EPSILON: f64 = 1e-5;

/// `gamma * (x - mean) / sqrt(variance + 1e-5) + beta` for each row of `x` (.., hidden); `gamma` and `beta` are (hidden).
///
/// Rows where `mask` (one entry a row, 1 = real, 0 = padding) is 0 come out as zeros and pass no gradient.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, mask: Option<&Arc<Vec<u8>>>) -> Result<Tensor> {
    let hidden = gamma.elem_count();
    if x.dims().last() != Some(&hidden) || beta.elem_count() != hidden || mask.is_some_and(|mask| mask.len() * hidden != x.elem_count()) {
        bail!("layer_norm: x {:?}, gamma {:?}, beta {:?} do not fit", x.shape(), gamma.shape(), beta.shape());
    }
    let x = x.contiguous()?;
    let owned = mask.cloned();
    fused!(x.dtype(), x.device(), T => x.apply_op3(gamma, beta, LayerNorm::<T> { mask: owned, number: PhantomData }));
    composed(&x, gamma, beta, mask)
}

/// The same from candle's own operations, for other devices.
fn composed(x: &Tensor, gamma: &Tensor, beta: &Tensor, mask: Option<&Arc<Vec<u8>>>) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + EPSILON)?.sqrt()?;
    let y = centred.broadcast_div(&deviation)?.broadcast_mul(gamma)?.broadcast_add(beta)?;
    match mask {
        Some(mask) => {
            let mut rows = x.dims().to_vec();
            if let Some(last) = rows.last_mut() {
                *last = 1;
            }
            y.broadcast_mul(&super::mask::tensor(mask, rows, x)?)
        }
        None => Ok(y),
    }
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

/// Mean and 1 / standard deviation of a row.
#[inline(always)]
fn moments<T: Real>(row: &[T], centred: &mut [T]) -> (T, T) {
    let n = T::of(row.len() as f64);
    let mean = sum(row) / n;
    for (c, &x) in centred.iter_mut().zip(row) {
        let d = x - mean;
        *c = d * d;
    }
    let variance = sum(centred) / n;
    (mean, T::of(1.0) / (variance + T::of(EPSILON)).sqrt())
}

/// Some rows; those where `mask` is 0 are left as they are.
pub(super) fn normalise_rows<T: Real>(x: &[T], gamma: &[T], beta: &[T], mask: Option<&[u8]>, y: &mut [T]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let hidden = gamma.len();
            let mut centred = vec![T::default(); hidden];
            for (row, (y, x)) in y.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden)).enumerate() {
                if mask.is_some_and(|mask| mask[row] == 0) {
                    continue;
                }
                let (mean, scale) = moments(x, &mut centred);
                for i in 0..hidden {
                    y[i] = (x[i] - mean) * scale * gamma[i] + beta[i];
                }
            }
        },
    );
}

/// Adds the gradients of some rows to `dx`, `dgamma` and `dbeta`.
///
/// With `z = (x - mean) * scale` and `g = dy gamma`: `dbeta = sum dy`, `dgamma = sum dy z`, `dx = scale (g - mean(g) - z mean(g z))`.
pub(super) fn add_row_gradients<T: Real>([x, gamma, dy]: [&[T]; 3], mask: Option<&[u8]>, [dx, dgamma, dbeta]: [&mut [T]; 3]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let hidden = gamma.len();
            let (dgamma, dbeta) = (&mut dgamma[..hidden], &mut dbeta[..hidden]);
            let (mut z, mut g) = (vec![T::default(); hidden], vec![T::default(); hidden]);
            let n = T::of(hidden as f64);
            let rows = dx.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden)).zip(dy.chunks_exact(hidden));
            for (row, ((dx, x), dy)) in rows.enumerate() {
                if mask.is_some_and(|mask| mask[row] == 0) {
                    continue;
                }
                let (mean, scale) = moments(x, &mut z);
                for i in 0..hidden {
                    z[i] = (x[i] - mean) * scale;
                    g[i] = dy[i] * gamma[i];
                    dgamma[i] += dy[i] * z[i];
                    dbeta[i] += dy[i];
                }
                let mean_g = sum(&g) / n;
                let mean_gz = dot(&g, &z) / n;
                for i in 0..hidden {
                    dx[i] += scale * (g[i] - mean_g - z[i] * mean_gz);
                }
            }
        },
    );
}

impl<T: Real> CustomOp3 for LayerNorm<T> {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, gamma, beta) = (slice::<T>(s1, l1)?, slice::<T>(s2, l2)?, slice::<T>(s3, l3)?);
        let block = gamma.len() * ROWS_PER_TASK;
        let mut y = vec![T::default(); x.len()];
        y.par_chunks_mut(block).zip(x.par_chunks(block)).enumerate().for_each(|(task, (y, x))| {
            normalise_rows(x, gamma, beta, self.mask_of(task), y);
        });
        Ok((T::to_cpu_storage_owned(y), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dgamma, dbeta) = with_slices::<T, 3, _>([x, gamma, gradient], |[x, gamma, dy]| Ok(self.gradients(x, gamma, dy)))?;
        let device = x.device();
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), device)?),
            Some(Tensor::from_vec(dgamma, gamma.shape(), device)?),
            Some(Tensor::from_vec(dbeta, beta.shape(), device)?),
        ))
    }
}

impl<T: Real> LayerNorm<T> {
    fn gradients(&self, x: &[T], gamma: &[T], dy: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let hidden = gamma.len();
        let mut dx = vec![T::default(); x.len()];
        let block = hidden * ROWS_PER_TASK;
        let tasks = dx.par_chunks_mut(block).zip(x.par_chunks(block)).zip(dy.par_chunks(block)).enumerate();
        let (of_gamma, of_beta): (Vec<_>, Vec<_>) = tasks
            .map(|(task, ((dx, x), dy))| {
                let (mut dgamma, mut dbeta) = (vec![T::default(); hidden], vec![T::default(); hidden]);
                add_row_gradients([x, gamma, dy], self.mask_of(task), [dx, &mut dgamma, &mut dbeta]);
                (dgamma, dbeta)
            })
            .unzip();
        let total = |parts| sum_of(parts).unwrap_or_else(|| vec![T::default(); hidden]);
        (dx, total(of_gamma), total(of_beta))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::real::tests::{assert_same_gradients, check_gradients},
        *,
    };
    use candle_core::{DType, Device};

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 3, 10], &[10], &[10]], |t| layer_norm(&t[0], &t[1], &t[2], None));
        let mask = Arc::new(vec![1, 1, 0, 1, 0, 1]);
        check_gradients([&[2, 3, 10], &[10], &[10]], |t| layer_norm(&t[0], &t[1], &t[2], Some(&mask)));
    }

    #[test]
    fn the_composition_for_other_devices_is_the_same() {
        let mask = Arc::new(vec![1, 1, 0, 1, 0, 1]);
        for mask in [None, Some(&mask)] {
            let fused = |t: &[Tensor]| layer_norm(&t[0], &t[1], &t[2], mask);
            assert_same_gradients([&[2, 3, 10], &[10], &[10]], fused, |t| composed(&t[0], &t[1], &t[2], mask));
        }
    }

    #[test]
    fn rows_are_standardised_and_padding_is_zero() {
        let x = Tensor::from_vec(vec![1f32, 2., 3., 4., 5., 6., 7., 8.], (2, 4), &Device::Cpu).unwrap();
        let (one, zero) = (Tensor::ones(4, DType::F32, &Device::Cpu).unwrap(), Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap());
        let y: Vec<Vec<f32>> = layer_norm(&x, &one, &zero, Some(&Arc::new(vec![1, 0]))).unwrap().to_vec2().unwrap();
        // torch.nn.functional.layer_norm(torch.tensor([1., 2., 3., 4.]), (4,))
        for (found, expected) in y[0].iter().zip([-1.341_636, -0.447_212, 0.447_212, 1.341_636]) {
            assert!((found - expected).abs() < 1e-5);
        }
        assert_eq!(y[1], [0.0; 4]);
    }
}
