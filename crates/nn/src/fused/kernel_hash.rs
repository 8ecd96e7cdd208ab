//! Kernelised hash functions before the sign (Liu et al. 2012, "Supervised hashing with kernels",
//! equation 3, with the Gaussian kernel of EcoFormer: Liu et al. 2022, arXiv 2209.09004, section
//! 4.1).
//!
//! For each token and head, with anchors `a_j`:
//!
//! ```text
//! u   = x / |x|
//! k_j = exp(-|u - a_j|^2 / (2 sigma)) = exp(-(|u|^2 + |a_j|^2 - 2 u . a_j) / (2 sigma))
//! g_j = k_j - mean_j
//! h   = A g
//! ```
//!
//! Gradients:
//!
//! ```text
//! dA = dh g^T     dg = A^T dh     ds_j = dg_j k_j / sigma   (of the product u . a_j)
//! du = sum_j ds_j a_j
//! dx = (du - (du . u) u) / |x|
//! ```
//!
//! `du` has no term for `|u|^2`, which is constant.

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    ROWS_PER_TASK,
    kernels::real::{Real, add_scaled, dot, fused, gradient_of, vectorised, with_slices},
    reference,
};

/// The parameters of each head's kernel, which are fitted and not trained by gradient.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// a, (heads, anchors, d).
    pub anchors: Tensor,
    /// sigma, (heads), above 0.
    pub sigma: Tensor,
    /// Mean of each feature over the tokens of the fit, (heads, anchors).
    pub mean: Tensor,
}

impl Kernel {
    /// Anchors, sigma and mean, in the order of the reference implementation.
    fn fitted(&self) -> [&Tensor; 3] {
        [&self.anchors, &self.sigma, &self.mean]
    }
}

/// The hash values `h` of each token.
///
/// `x` (batch, n, heads * d), `hash` A (heads, bits, anchors) -> (batch, n, heads * bits).
///
/// # Errors
/// Shapes or types that do not fit.
pub fn kernel_hash(x: &Tensor, hash: &Tensor, kernel: &Kernel) -> Result<Tensor> {
    let (_, _, width) = x.dims3()?;
    let (heads, _, n_anchors) = hash.dims3()?;
    let fits = heads > 0
        && kernel.anchors.dims() == [heads, n_anchors, width / heads]
        && width % heads == 0
        && kernel.sigma.dims() == [heads]
        && kernel.mean.dims() == [heads, n_anchors];
    if !fits {
        bail!(
            "kernel_hash: x {:?}, hash {:?} and anchors {:?} do not fit",
            x.shape(),
            hash.shape(),
            kernel.anchors.shape()
        );
    }
    let x = x.contiguous()?;
    let hash = hash.contiguous()?;
    fused!(x.dtype(), x.device(), T => {
        let operation = KernelHash::<T>::new(&hash, kernel)?;
        x.apply_op2(&hash, OnCpu::new(operation))
    });
    reference::kernel_hash::kernel_hash(&x, &hash, kernel.fitted(), MIN_SQUARE)
}

/// A vector whose squared length is at most this has no direction and counts as zero.
const MIN_SQUARE: f64 = 1e-24;

struct KernelHash<T> {
    heads: usize,
    d: usize,
    bits: usize,
    n_anchors: usize,
    /// (heads, d, anchors), so that loops run along the anchors.
    anchors: Vec<T>,
    /// |a|^2, (heads, anchors).
    squares: Vec<T>,
    /// 1 / (2 sigma), (heads).
    rate: Vec<T>,
    mean: Vec<T>,
}

/// Scratch memory for one token of one head.
struct Scratch<T> {
    /// u, (d).
    unit: Vec<T>,
    /// k, (anchors).
    kernel: Vec<T>,
    /// g, (anchors).
    features: Vec<T>,
    /// ds, (anchors).
    dproducts: Vec<T>,
}

impl<T: Real> KernelHash<T> {
    fn new(hash: &Tensor, kernel: &Kernel) -> Result<Self> {
        let (heads, bits, n_anchors) = hash.dims3()?;
        let (_, _, d) = kernel.anchors.dims3()?;
        let sigma = values_of::<T>(&kernel.sigma)?;
        Ok(Self {
            heads,
            d,
            bits,
            n_anchors,
            anchors: values_of(&kernel.anchors.transpose(1, 2)?)?,
            squares: values_of(&kernel.anchors.sqr()?.sum(2)?)?,
            rate: sigma
                .into_iter()
                .map(|sigma| T::constant(0.5) / sigma)
                .collect(),
            mean: values_of(&kernel.mean)?,
        })
    }

    fn scratch(&self) -> Scratch<T> {
        Scratch {
            unit: vec![T::default(); self.d],
            kernel: vec![T::default(); self.n_anchors],
            features: vec![T::default(); self.n_anchors],
            dproducts: vec![T::default(); self.n_anchors],
        }
    }

    /// Computes u, k and g of a token in `scratch`, and returns 1 / |x|, or 0 for the zero vector.
    #[inline(always)]
    fn features(&self, head: usize, x: &[T], scratch: &mut Scratch<T>) -> T {
        let m = self.n_anchors;
        let square = dot(x, x);
        let inverse = if square > T::constant(MIN_SQUARE) {
            T::constant(1.0) / square.sqrt()
        } else {
            T::default()
        };
        let unit_square = if inverse > T::default() {
            T::constant(1.0)
        } else {
            T::default()
        };
        // First u . a_j, one channel of all anchors at a time.
        scratch.kernel.fill(T::default());
        for (i, (unit, &x)) in scratch.unit.iter_mut().zip(x).enumerate() {
            *unit = x * inverse;
            add_scaled(
                &mut scratch.kernel,
                *unit,
                &self.anchors[(head * self.d + i) * m..][..m],
            );
        }
        let squares = &self.squares[head * m..][..m];
        let mean = &self.mean[head * m..][..m];
        let rate = self.rate[head];
        for ((kernel, feature), (&square, &mean)) in scratch
            .kernel
            .iter_mut()
            .zip(&mut scratch.features)
            .zip(squares.iter().zip(mean))
        {
            let distance = unit_square + square - T::constant(2.0) * *kernel;
            *kernel = (T::default() - distance * rate).exp();
            *feature = *kernel - mean;
        }
        inverse
    }

    fn gradients(&self, [x, hash, dh]: [&[T]; 3]) -> (Vec<T>, Vec<T>) {
        let Self { heads, d, bits, .. } = *self;
        let width = heads * d;
        let n_codes = heads * bits;
        let mut dx = vec![T::default(); x.len()];
        let tasks = dx
            .par_chunks_mut(width * ROWS_PER_TASK)
            .zip(x.par_chunks(width * ROWS_PER_TASK));
        let partial: Vec<Vec<T>> = tasks
            .zip(dh.par_chunks(n_codes * ROWS_PER_TASK))
            .map(|((dx, x), dh)| {
                let mut scratch = self.scratch();
                let mut dhash = vec![T::default(); hash.len()];
                vectorised(
                    #[inline(always)]
                    || {
                        let tokens = dx
                            .chunks_exact_mut(width)
                            .zip(x.chunks_exact(width))
                            .zip(dh.chunks_exact(n_codes));
                        for ((dx, x), dh) in tokens {
                            for head in 0..heads {
                                self.head_gradients(
                                    head,
                                    [&x[head * d..][..d], hash, &dh[head * bits..][..bits]],
                                    &mut scratch,
                                    [&mut dx[head * d..][..d], &mut dhash],
                                );
                            }
                        }
                    },
                );
                dhash
            })
            .collect();
        let mut dhash = vec![T::default(); hash.len()];
        for dhash_of_task in &partial {
            add_scaled(&mut dhash, T::constant(1.0), dhash_of_task);
        }
        (dx, dhash)
    }

    /// Sets the gradient of one token of one head, and adds to that of the hash functions of all
    /// heads.
    #[inline(always)]
    fn head_gradients(
        &self,
        head: usize,
        [x, hash, dh]: [&[T]; 3],
        scratch: &mut Scratch<T>,
        [dx, dhash]: [&mut [T]; 2],
    ) {
        let m = self.n_anchors;
        let inverse = self.features(head, x, scratch);
        scratch.dproducts.fill(T::default());
        for (bit, &dh) in dh.iter().enumerate() {
            let row = (head * self.bits + bit) * m;
            add_scaled(&mut scratch.dproducts, dh, &hash[row..][..m]);
            add_scaled(&mut dhash[row..][..m], dh, &scratch.features);
        }
        for (dproduct, &kernel) in scratch.dproducts.iter_mut().zip(&scratch.kernel) {
            *dproduct *= kernel * T::constant(2.0) * self.rate[head];
        }
        for (i, dx) in dx.iter_mut().enumerate() {
            let anchors = &self.anchors[(head * self.d + i) * m..][..m];
            *dx = dot(&scratch.dproducts, anchors);
        }
        // Through x / |x|: only the part orthogonal to the unit vector changes the direction.
        let along_unit = dot(dx, &scratch.unit);
        for (dx, &unit) in dx.iter_mut().zip(&scratch.unit) {
            *dx = inverse * (*dx - along_unit * unit);
        }
    }
}

/// The values of a tensor in the number type T, row-major.
fn values_of<T: Real>(tensor: &Tensor) -> Result<Vec<T>> {
    tensor.to_dtype(T::DTYPE)?.flatten_all()?.to_vec1::<T>()
}

impl<T: Real> Operation<T, 2> for KernelHash<T> {
    fn name(&self) -> &'static str {
        "kernel-hash"
    }

    fn forward(&self, [x, hash]: [&[T]; 2], layouts: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let Self {
            heads,
            d,
            bits,
            n_anchors: m,
            ..
        } = *self;
        let width = heads * d;
        let n_codes = heads * bits;
        let mut h = vec![T::default(); x.len() / width * n_codes];
        h.par_chunks_mut(n_codes * ROWS_PER_TASK)
            .zip(x.par_chunks(width * ROWS_PER_TASK))
            .for_each(|(h, x)| {
                let mut scratch = self.scratch();
                vectorised(
                    #[inline(always)]
                    || {
                        for (h, x) in h.chunks_exact_mut(n_codes).zip(x.chunks_exact(width)) {
                            for head in 0..heads {
                                self.features(head, &x[head * d..][..d], &mut scratch);
                                for (bit, h) in h[head * bits..][..bits].iter_mut().enumerate() {
                                    let hash_row = &hash[(head * bits + bit) * m..][..m];
                                    *h = dot(&scratch.features, hash_row);
                                }
                            }
                        }
                    },
                );
            });
        let (batch, n, _) = layouts[0].shape().dims3()?;
        Ok((h, (batch, n, n_codes).into()))
    }

    fn backward(
        &self,
        [x, hash]: [&Tensor; 2],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let (dx, dhash) =
            with_slices::<T, 3, _>([x, hash, gradient], |slices| Ok(self.gradients(slices)))?;
        Ok([gradient_of(x, dx)?, gradient_of(hash, dhash)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients, values};
    use candle_core::Device;

    fn kernel() -> Kernel {
        let sigma = Tensor::new(&[0.7f64, 1.3], &Device::Cpu).unwrap();
        Kernel {
            anchors: tensor(&[2, 9, 3], 5),
            sigma,
            mean: tensor(&[2, 9], 6),
        }
    }

    fn tensor(shape: &[usize], seed: u64) -> Tensor {
        Tensor::from_vec(values(shape.iter().product(), seed), shape, &Device::Cpu).unwrap()
    }

    fn hash_values(x: &Tensor, hash: &Tensor) -> Vec<f64> {
        kernel_hash(x, hash, &kernel())
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap()
    }

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 4, 6], &[2, 5, 9]], |t| {
            kernel_hash(&t[0], &t[1], &kernel())
        });
    }

    #[test]
    fn the_reference_is_the_same() {
        // The second scale makes vectors without a direction.
        for scale in [1.0, 1e-15] {
            assert_same_gradients(
                [&[2, 4, 6], &[2, 5, 9]],
                |t| kernel_hash(&(&t[0] * scale)?, &t[1], &kernel()),
                |t| {
                    reference::kernel_hash::kernel_hash(
                        &(&t[0] * scale)?,
                        &t[1],
                        kernel().fitted(),
                        MIN_SQUARE,
                    )
                },
            );
        }
    }

    #[test]
    fn only_the_direction_of_a_token_counts_and_the_zero_vector_is_finite() {
        let x = Tensor::from_vec(values(24, 1), (2, 2, 6), &Device::Cpu).unwrap();
        let hash = Tensor::from_vec(values(90, 2), (2, 5, 9), &Device::Cpu).unwrap();
        let once = hash_values(&x, &hash);
        let thrice = hash_values(&(&x * 3.0).unwrap(), &hash);
        assert!(once.iter().zip(&thrice).all(|(a, b)| (a - b).abs() < 1e-12));
        let of_zeros = hash_values(&x.zeros_like().unwrap(), &hash);
        assert!(of_zeros.iter().all(|h| h.is_finite()));
    }
}
