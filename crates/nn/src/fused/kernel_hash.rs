//! Kernelised hash functions before the sign (Liu et al. 2012, "Supervised hashing with kernels",
//! equation 3, with the Gaussian kernel of EcoFormer: Liu et al. 2022, arXiv 2209.09004, section
//! 4.1).
//!
//! Of each token and head: `u = x / |x|`, `g_j = exp(-|u - a_j|^2 / (2 sigma)) - mean_j`, `h = A
//! g`.

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    ROWS_PER_TASK,
    kernels::real::{Real, add_scaled, dot, fused, gradient_of, vectorised, with_slices},
    reference,
};

/// What the kernel features of each head are measured against; fitted, not trained.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// a, (heads, anchors, d).
    pub anchors: Tensor,
    /// sigma, (heads), above 0.
    pub sigma: Tensor,
    /// Mean of each feature over the tokens it was fitted on, (heads, anchors).
    pub mean: Tensor,
}

impl Kernel {
    /// Anchors, sigma and mean.
    fn fitted(&self) -> [&Tensor; 3] {
        [&self.anchors, &self.sigma, &self.mean]
    }
}

/// `h` of each token: `x` (batch, n, heads * d), `hash` A (heads, bits, anchors) -> (batch, n,
/// heads * bits).
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
    fused!(x.dtype(), x.device(), T => x.apply_op2(&hash, OnCpu::new(KernelHash::<T>::new(&hash, kernel)?)));
    reference::kernel_hash::kernel_hash(&x, &hash, kernel.fitted(), MIN_SQUARE)
}

/// Of a vector that has no direction, the square of the length at most.
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

/// Room for what one token of one head needs.
struct Scratch<T> {
    unit: Vec<T>,
    kernel: Vec<T>,
    features: Vec<T>,
    slopes: Vec<T>,
}

impl<T: Real> KernelHash<T> {
    fn new(hash: &Tensor, kernel: &Kernel) -> Result<Self> {
        let (heads, bits, n_anchors) = hash.dims3()?;
        let (_, _, d) = kernel.anchors.dims3()?;
        let values = |tensor: Tensor| tensor.to_dtype(T::DTYPE)?.flatten_all()?.to_vec1::<T>();
        let sigma = values(kernel.sigma.clone())?;
        Ok(Self {
            heads,
            d,
            bits,
            n_anchors,
            anchors: values(kernel.anchors.transpose(1, 2)?)?,
            squares: values(kernel.anchors.sqr()?.sum(2)?)?,
            rate: sigma
                .into_iter()
                .map(|sigma| T::constant(0.5) / sigma)
                .collect(),
            mean: values(kernel.mean.clone())?,
        })
    }

    fn scratch(&self) -> Scratch<T> {
        let zeros = |n| vec![T::default(); n];
        Scratch {
            unit: zeros(self.d),
            kernel: zeros(self.n_anchors),
            features: zeros(self.n_anchors),
            slopes: zeros(self.n_anchors),
        }
    }

    /// Unit vector, kernel values and features of a token; gives 1 / |x|, 0 for the zero vector.
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
        let Self {
            heads,
            d,
            bits,
            n_anchors: m,
            ..
        } = *self;
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
                                let dx = &mut dx[head * d..][..d];
                                let x = &x[head * d..][..d];
                                let inverse = self.features(head, x, &mut scratch);
                                scratch.slopes.fill(T::default());
                                for (bit, &dh) in dh[head * bits..][..bits].iter().enumerate() {
                                    let row = (head * bits + bit) * m;
                                    add_scaled(&mut scratch.slopes, dh, &hash[row..][..m]);
                                    add_scaled(&mut dhash[row..][..m], dh, &scratch.features);
                                }
                                for (slope, &kernel) in
                                    scratch.slopes.iter_mut().zip(&scratch.kernel)
                                {
                                    *slope *= kernel * T::constant(2.0) * self.rate[head];
                                }
                                for (i, dx) in dx.iter_mut().enumerate() {
                                    *dx = dot(
                                        &scratch.slopes,
                                        &self.anchors[(head * d + i) * m..][..m],
                                    );
                                }
                                // Through the normalisation: only what is orthogonal to the unit
                                // vector changes it.
                                let along = dot(dx, &scratch.unit);
                                for (dx, &unit) in dx.iter_mut().zip(&scratch.unit) {
                                    *dx = inverse * (*dx - along * unit);
                                }
                            }
                        }
                    },
                );
                dhash
            })
            .collect();
        let mut dhash = vec![T::default(); hash.len()];
        for part in &partial {
            add_scaled(&mut dhash, T::constant(1.0), part);
        }
        (dx, dhash)
    }
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
                                    *h = dot(
                                        &scratch.features,
                                        &hash[(head * bits + bit) * m..][..m],
                                    );
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
        let tensor = |shape: &[usize], seed| {
            Tensor::from_vec(values(shape.iter().product(), seed), shape, &Device::Cpu).unwrap()
        };
        let sigma = Tensor::new(&[0.7f64, 1.3], &Device::Cpu).unwrap();
        Kernel {
            anchors: tensor(&[2, 9, 3], 5),
            sigma,
            mean: tensor(&[2, 9], 6),
        }
    }

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 4, 6], &[2, 5, 9]], |t| {
            kernel_hash(&t[0], &t[1], &kernel())
        });
    }

    #[test]
    fn the_reference_is_the_same() {
        let fused = |t: &[Tensor]| kernel_hash(&t[0], &t[1], &kernel());
        assert_same_gradients([&[2, 4, 6], &[2, 5, 9]], fused, |t| {
            reference::kernel_hash::kernel_hash(&t[0], &t[1], kernel().fitted(), MIN_SQUARE)
        });
        // Vectors without a direction.
        let fused = |t: &[Tensor]| kernel_hash(&(&t[0] * 1e-15)?, &t[1], &kernel());
        assert_same_gradients([&[2, 4, 6], &[2, 5, 9]], fused, |t| {
            reference::kernel_hash::kernel_hash(
                &(&t[0] * 1e-15)?,
                &t[1],
                kernel().fitted(),
                MIN_SQUARE,
            )
        });
    }

    #[test]
    fn only_the_direction_of_a_token_counts_and_the_zero_vector_is_finite() {
        let x = Tensor::from_vec(values(24, 1), (2, 2, 6), &Device::Cpu).unwrap();
        let hash = Tensor::from_vec(values(90, 2), (2, 5, 9), &Device::Cpu).unwrap();
        let of = |x: &Tensor| {
            kernel_hash(x, &hash, &kernel())
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f64>()
                .unwrap()
        };
        let once = of(&x);
        let thrice = of(&(&x * 3.0).unwrap());
        assert!(once.iter().zip(&thrice).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(of(&x.zeros_like().unwrap()).iter().all(|h| h.is_finite()));
    }
}
