//! Scaled dot-product attention (Vaswani et al. 2017, equation 1), all heads in one pass, without storing the weights.
//!
//! Shapes: queries (batch, n, heads * d), keys and values (batch, m, heads * d) -> (batch, n, heads * d). With Linformer the m keys are
//! summaries of the sequence, so time is O(n m); memory is O(n + m) always: weights exist for a few queries at a time, and the backward pass
//! computes them again (as FlashAttention does, Dao et al. 2022, arXiv 2205.14135).

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::{
    gemm::{Matrix, Packed},
    kept::Kept,
    mask::key_bias,
    real::{Real, dot, fused, slice, sum, vectorised, with_slices},
};

/// `softmax(q k^T / sqrt(d)) v` for each head, over the keys where `mask` (batch x m, row-major) is not 0; zero where there is none.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, mask: Option<&Arc<Vec<u8>>>) -> Result<Tensor> {
    let ((batch, n, width), (batch_k, m, width_k)) = (q.dims3()?, k.dims3()?);
    if batch != batch_k
        || width != width_k
        || k.shape() != v.shape()
        || heads == 0
        || width % heads != 0
        || m == 0
        || mask.is_some_and(|mask| mask.len() != batch * m)
    {
        bail!("attention: q {:?}, k {:?}, v {:?}, {heads} heads do not fit", q.shape(), k.shape(), v.shape());
    }
    let (sizes, owned) = (Sizes { n, m, heads, d: width / heads }, mask.cloned());
    let (q, k, v) = (q.contiguous()?, k.contiguous()?, v.contiguous()?);
    fused!(q.dtype(), q.device(), T => q.apply_op3(&k, &v, Attention::<T>::new(n, m, heads, width / heads, owned)));
    composed(&q, &k, &v, sizes, mask)
}

/// The same from candle's own operations, for other devices.
fn composed(q: &Tensor, k: &Tensor, v: &Tensor, sizes: Sizes, mask: Option<&Arc<Vec<u8>>>) -> Result<Tensor> {
    let Sizes { n, m, heads, d } = sizes;
    let batch = q.dim(0)?;
    let by_head = |t: &Tensor, rows: usize| t.reshape((batch, rows, heads, d))?.transpose(1, 2)?.contiguous();
    let (q, k, v) = (by_head(q, n)?, by_head(k, m)?, by_head(v, m)?);
    let mut scores = (q.matmul(&k.t()?)? * (1.0 / (d as f64).sqrt()))?;
    if let Some(mask) = mask {
        scores = scores.broadcast_add(&key_bias(mask, batch, m, &scores)?)?;
    }
    // The maximum shifts the exponents only: no gradient runs through it.
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?;
    let weights = shifted.exp()?;
    let weights = match mask {
        Some(mask) => weights.broadcast_mul(&super::mask::tensor(mask, (batch, 1, 1, m), &weights)?)?,
        None => weights,
    };
    // At least the weight of the largest score, 1, unless every key is masked.
    let total = (weights.sum_keepdim(D::Minus1)? + f64::from(f32::MIN_POSITIVE))?;
    let mixed = weights.broadcast_div(&total)?.matmul(&v)?;
    mixed.transpose(1, 2)?.contiguous()?.reshape((batch, n, heads * d))
}

#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    m: usize,
    heads: usize,
    d: usize,
}

impl Sizes {
    fn width(self) -> usize {
        self.heads * self.d
    }

    /// Queries whose weights exist at a time: those of 64 over a few hundred keys stay in the second-level cache.
    fn rows(self) -> usize {
        (131_072 / self.m).clamp(16, 64).min(self.n)
    }

    fn scale<T: Real>(self) -> T {
        T::of(1.0 / (self.d as f64).sqrt())
    }
}

pub(super) struct Attention<T> {
    sizes: Sizes,
    mask: Option<Arc<Vec<u8>>>,
    log_sums: Kept<Vec<T>>,
}

/// Weights before division by their sum, in place of the scores of some queries; of each query the inverse of that sum, and `log sum exp` of its
/// scaled scores, from which the backward pass has the weights at once.
fn exponentials<T: Real>(scores: &mut [T], m: usize, scale: T, mask: Option<&[u8]>, inverse_sums: &mut [T], log_sums: &mut [T]) {
    let has_key = mask.is_none_or(|mask| mask.iter().any(|&bit| bit != 0));
    vectorised(
        #[inline(always)]
        || {
            for ((row, inverse), log_sum) in scores.chunks_exact_mut(m).zip(inverse_sums.iter_mut()).zip(log_sums.iter_mut()) {
                if let Some(mask) = mask {
                    for (score, &bit) in row.iter_mut().zip(mask) {
                        *score = if bit == 0 { T::of(MASKED) } else { *score };
                    }
                }
                // Not by the largest score: a query with a score that is no number must not pass for one without a key.
                if has_key {
                    let largest = max(row) * scale;
                    let total = exponentials_of_row(row, scale, largest);
                    *inverse = T::of(1.0) / total;
                    *log_sum = largest + total.ln();
                } else {
                    row.fill(T::default());
                    *inverse = T::default();
                    *log_sum = T::default();
                }
            }
        },
    );
}

/// Below every score.
const MASKED: f64 = f64::NEG_INFINITY;

/// `exp(scale score - shift)` of a row in place, at most 1e-37 where the score is masked; their sum.
#[inline(always)]
fn exponentials_of_row<T: Real>(row: &mut [T], scale: T, shift: T) -> T {
    let minus_shift = T::default() - shift;
    let mut lanes = [T::default(); 16];
    let mut chunks = row.chunks_exact_mut(16);
    for chunk in &mut chunks {
        for (lane, score) in lanes.iter_mut().zip(chunk) {
            let weight = score.times_plus(scale, minus_shift).exp();
            *score = weight;
            *lane += weight;
        }
    }
    for (lane, score) in lanes.iter_mut().zip(chunks.into_remainder()) {
        *score = score.times_plus(scale, minus_shift).exp();
        *lane += *score;
    }
    sum(&lanes)
}

#[inline(always)]
fn max<T: Real>(values: &[T]) -> T {
    let mut lanes = [values[0]; 16];
    let mut chunks = values.chunks_exact(16);
    for chunk in &mut chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    let mut largest = values[0];
    for &value in lanes.iter().chain(chunks.remainder()) {
        largest = if value > largest { value } else { largest };
    }
    largest
}

impl<T: Real> CustomOp3 for Attention<T> {
    fn name(&self) -> &'static str {
        "attention"
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
        let (q, k, v) = (slice::<T>(s1, l1)?, slice::<T>(s2, l2)?, slice::<T>(s3, l3)?);
        let (out, log_sums) = self.output(q, k, v);
        self.log_sums.put(log_sums);
        Ok((T::to_cpu_storage_owned(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dq, dk, dv) = with_slices::<T, 5, _>([q, k, v, out, gradient], |slices| {
            let log_sums = self.log_sums.take_or(|| self.output(slices[0], slices[1], slices[2]).1);
            Ok(self.gradients(slices, &log_sums))
        })?;
        let device = q.device();
        Ok((
            Some(Tensor::from_vec(dq, q.shape(), device)?),
            Some(Tensor::from_vec(dk, k.shape(), device)?),
            Some(Tensor::from_vec(dv, v.shape(), device)?),
        ))
    }
}

impl<T: Real> Attention<T> {
    pub(super) fn new(n: usize, m: usize, heads: usize, d: usize, mask: Option<Arc<Vec<u8>>>) -> Self {
        Self { sizes: Sizes { n, m, heads, d }, mask, log_sums: Kept::nothing() }
    }

    fn mask_of(&self, item: usize) -> Option<&[u8]> {
        self.mask.as_ref().map(|mask| &mask[item * self.sizes.m..][..self.sizes.m])
    }

    /// The heads' results side by side, (batch, n, heads * d), and `log sum exp` of the scores of each query and head, (batch, n, heads).
    pub(super) fn output(&self, q: &[T], k: &[T], v: &[T]) -> (Vec<T>, Vec<T>) {
        let sizes @ Sizes { n, m, heads, d } = self.sizes;
        let (width, rows, scale) = (sizes.width(), sizes.rows(), sizes.scale::<T>());
        // Keys (d, m) and values (m, d) of each sequence and head.
        let packed: Vec<[Packed<T>; 2]> = (0..k.len() / (m * d))
            .into_par_iter()
            .map(|number| {
                let at = number / heads * m * width + number % heads * d;
                [Packed::new(Matrix::rows(&k[at..], width).transposed(), d, m), Packed::new(Matrix::rows(&v[at..], width), m, d)]
            })
            .collect();
        let mut out = vec![T::default(); q.len()];
        let mut log_sums = vec![T::default(); q.len() / d];
        // Blocks of queries of one sequence after the other: a block never reaches into the next sequence.
        let items = out.par_chunks_mut(n * width).zip(q.par_chunks(n * width)).zip(log_sums.par_chunks_mut(n * heads)).enumerate();
        let blocks = items.flat_map(|(item, ((out, q), log_sums))| {
            let parts = out.par_chunks_mut(rows * width).zip(q.par_chunks(rows * width)).zip(log_sums.par_chunks_mut(rows * heads));
            parts.map(move |((out, q), log_sums)| (item, out, q, log_sums))
        });
        blocks.for_each(|(item, out, q, log_sums)| {
            let rows = q.len() / width;
            let zeros = |length: usize| vec![T::default(); length];
            let (mut weights, mut inverse, mut logs) = (zeros(rows * m), zeros(rows), zeros(rows));
            for head in 0..heads {
                let [keys, values] = &packed[item * heads + head];
                keys.multiply(rows, Matrix::rows(&q[head * d..], width), &mut weights, m, false);
                exponentials(&mut weights, m, scale, self.mask_of(item), &mut inverse, &mut logs);
                values.multiply(rows, Matrix::rows(&weights, m), &mut out[head * d..], width, false);
                for (row, out) in out.chunks_exact_mut(width).enumerate() {
                    log_sums[row * heads + head] = logs[row];
                    for value in &mut out[head * d..][..d] {
                        *value *= inverse[row];
                    }
                }
            }
        });
        (out, log_sums)
    }

    /// With weights `w` and `dw = dout v^T`: `ds = w (dw - dout . out) / sqrt(d)`; `dq = ds k`, `dk = ds^T q`, `dv = w^T dout`.
    pub(super) fn gradients(&self, slices: [&[T]; 5], log_sums: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let sizes @ Sizes { n, m, heads, d } = self.sizes;
        let n_items = slices[0].len() / (n * sizes.width());
        let parts: Vec<[Vec<T>; 3]> =
            (0..n_items * heads).into_par_iter().map(|number| self.head_gradients(slices, log_sums, number)).collect();
        let interleaved = |which: usize, rows: usize| {
            let mut all = vec![T::default(); n_items * rows * sizes.width()];
            all.par_chunks_mut(rows * sizes.width()).enumerate().for_each(|(item, all)| {
                for (head, part) in parts[item * heads..][..heads].iter().enumerate() {
                    for (row, values) in all.chunks_exact_mut(sizes.width()).zip(part[which].chunks_exact(d)) {
                        row[head * d..][..d].copy_from_slice(values);
                    }
                }
            });
            all
        };
        (interleaved(0, n), interleaved(1, m), interleaved(2, m))
    }

    /// Of one head of one sequence: `dq` (n, d), `dk` and `dv` (m, d).
    fn head_gradients(&self, [q, k, v, out, dout]: [&[T]; 5], log_sums: &[T], number: usize) -> [Vec<T>; 3] {
        let sizes @ Sizes { n, m, heads, d } = self.sizes;
        let (width, scale) = (sizes.width(), sizes.scale::<T>());
        let (item, at) = (number / heads, number % heads * d);
        let [q, out, dout] = [q, out, dout].map(|of| &of[item * n * width + at..]);
        let [k, v] = [k, v].map(|of| Matrix::rows(&of[item * m * width + at..], width));
        let (keys, keys_transposed) = (Packed::new(k, m, d), Packed::new(k.transposed(), d, m));
        let values_transposed = Packed::new(v.transposed(), d, m);
        let (mut dq, mut dk, mut dv) = (vec![T::default(); n * d], vec![T::default(); m * d], vec![T::default(); m * d]);
        let zeros = |length: usize| vec![T::default(); length];
        let (mut weights, mut slopes) = (zeros(sizes.rows() * m), zeros(sizes.rows() * m));
        let mut along = zeros(sizes.rows());
        let log_sums = &log_sums[item * n * heads + number % heads..];
        for first in (0..n).step_by(sizes.rows()) {
            let rows = sizes.rows().min(n - first);
            let [q, out, dout] = [q, out, dout].map(|of| Matrix::rows(&of[first * width..], width));
            let (weights, slopes) = (&mut weights[..rows * m], &mut slopes[..rows * m]);
            let mask = self.mask_of(item);
            keys_transposed.multiply(rows, q, weights, m, false);
            values_transposed.multiply(rows, dout, slopes, m, false);
            for (row, along) in along[..rows].iter_mut().enumerate() {
                *along = dot(&dout.values[row * width..][..d], &out.values[row * width..][..d]);
            }
            vectorised(
                #[inline(always)]
                || {
                    for (row, (w, ds)) in weights.chunks_exact_mut(m).zip(slopes.chunks_exact_mut(m)).enumerate() {
                        let (minus_log_sum, along) = (T::default() - log_sums[(first + row) * heads], along[row]);
                        for (w, ds) in w.iter_mut().zip(ds.iter_mut()) {
                            *w = w.times_plus(scale, minus_log_sum).exp();
                            *ds = *w * (*ds - along) * scale;
                        }
                        if let Some(mask) = mask {
                            for ((w, ds), &bit) in w.iter_mut().zip(ds).zip(mask) {
                                *w = if bit == 0 { T::default() } else { *w };
                                *ds = if bit == 0 { T::default() } else { *ds };
                            }
                        }
                    }
                },
            );
            keys.multiply(rows, Matrix::rows(slopes, m), &mut dq[first * d..], d, false);
            Packed::new(q, rows, d).multiply(m, Matrix::rows(slopes, m).transposed(), &mut dk, d, true);
            Packed::new(dout, rows, d).multiply(m, Matrix::rows(weights, m).transposed(), &mut dv, d, true);
        }
        [dq, dk, dv]
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::real::tests::{assert_same_gradients, check_gradients, values},
        *,
    };
    use candle_core::{D, Device};

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 3, 6], &[2, 5, 6], &[2, 5, 6]], |t| attention(&t[0], &t[1], &t[2], 2, None));
        check_gradients([&[1, 2, 4], &[1, 19, 4], &[1, 19, 4]], |t| attention(&t[0], &t[1], &t[2], 1, None));
        let mask = Arc::new(vec![1, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
        check_gradients([&[2, 3, 6], &[2, 5, 6], &[2, 5, 6]], |t| attention(&t[0], &t[1], &t[2], 2, Some(&mask)));
    }

    #[test]
    fn the_composition_for_other_devices_is_the_same_over_many_blocks() {
        let mask = Arc::new((0..140).map(|i| u8::from(i % 3 != 0)).collect());
        let sizes = Sizes { n: 150, m: 70, heads: 2, d: 3 };
        for mask in [None, Some(&mask)] {
            let fused = |t: &[Tensor]| attention(&t[0], &t[1], &t[2], 2, mask);
            assert_same_gradients([&[2, 150, 6], &[2, 70, 6], &[2, 70, 6]], fused, |t| composed(&t[0], &t[1], &t[2], sizes, mask));
        }
    }

    #[test]
    fn without_any_key_the_result_is_zero() {
        let ones = |n: usize| Tensor::ones((1, n, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        let mask = Arc::new(vec![0; 3]);
        let found = attention(&ones(2), &ones(3), &ones(3), 2, Some(&mask)).unwrap();
        assert_eq!(found.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.0; 8]);
        let sizes = Sizes { n: 2, m: 3, heads: 2, d: 2 };
        let found = composed(&ones(2), &ones(3), &ones(3), sizes, Some(&mask)).unwrap();
        assert_eq!(found.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.0; 8]);
    }

    #[test]
    fn a_query_that_is_no_number_gives_no_number_and_leaves_the_others_alone() {
        let ones = |n: usize| Tensor::ones((1, n, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        let q = Tensor::new(&[[[f32::NAN, 1.0, 1.0, 1.0], [1.0; 4]]], &Device::Cpu).unwrap();
        let (sizes, mask) = (Sizes { n: 2, m: 3, heads: 1, d: 4 }, Arc::new(vec![0, 1, 1]));
        for mask in [None, Some(&mask)] {
            for found in [attention(&q, &ones(3), &ones(3), 1, mask).unwrap(), composed(&q, &ones(3), &ones(3), sizes, mask).unwrap()] {
                let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert!(found[..4].iter().all(|value| value.is_nan()), "{found:?}");
                assert!(found[4..].iter().all(|value| (value - 1.0).abs() < 1e-6), "{found:?}");
            }
        }
    }

    #[test]
    fn equals_the_definition_step_by_step() {
        let tensor = |n: usize, seed| Tensor::from_vec(values(2 * n * 6, seed), (2, n, 6), &Device::Cpu).unwrap();
        let (q, k, v) = (tensor(4, 1), tensor(9, 2), tensor(9, 3));
        let by_head = |t: &Tensor| t.reshape((2, (), 2, 3)).unwrap().transpose(1, 2).unwrap().contiguous().unwrap();
        let scores = (by_head(&q).matmul(&by_head(&k).t().unwrap()).unwrap() / 3f64.sqrt()).unwrap();
        let e = scores.exp().unwrap();
        let w = e.broadcast_div(&e.sum_keepdim(D::Minus1).unwrap()).unwrap();
        let expected = w.matmul(&by_head(&v)).unwrap().transpose(1, 2).unwrap().reshape((2, 4, 6)).unwrap();
        let found = attention(&q, &k, &v, 2, None).unwrap();
        let off = (found - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        assert!(off < 1e-12, "{off}");
    }
}
