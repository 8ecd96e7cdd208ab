//! Scaled dot-product attention (Vaswani et al. 2017, equation 1), all heads in one pass, without
//! storing the weights.
//!
//! Shapes: queries (batch, n, heads * d), keys and values (batch, m, heads * d) ->
//! (batch, n, heads * d). With Linformer the m keys are summaries of the sequence, so time is
//! O(n m). Memory is O(n + m) always: weights exist for a few queries and keys at a time, and the
//! backward pass computes them again (as FlashAttention does, Dao et al. 2022, arXiv 2205.14135).

use std::sync::Arc;

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    kernels::{
        buffer::Buffer,
        gemm::{Matrix, Packed},
        real::{Real, fused, gradient_of, with_slices},
        row_blocks::Blocks,
        saved_for_backward::Kept,
    },
    reference,
};

/// `softmax(q k^T / sqrt(d)) v` for each head, over the keys where `mask` (batch x m, row-major) is
/// not 0; zero where there is none.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    mask: Option<&Arc<Vec<u8>>>,
) -> Result<Tensor> {
    let (batch, n, width) = q.dims3()?;
    let (batch_k, m, width_k) = k.dims3()?;
    if batch != batch_k
        || width != width_k
        || k.shape() != v.shape()
        || heads == 0
        || width % heads != 0
        || m == 0
        || mask.is_some_and(|mask| mask.len() != batch * m)
    {
        bail!(
            "attention: q {:?}, k {:?}, v {:?}, {heads} heads do not fit",
            q.shape(),
            k.shape(),
            v.shape()
        );
    }
    let owned = mask.cloned();
    let q = q.contiguous()?;
    let k = k.contiguous()?;
    let v = v.contiguous()?;
    fused!(q.dtype(), q.device(), T => q.apply_op3(&k, &v, OnCpu::new(Attention::<T>::new(n, m, heads, width / heads, owned))));
    reference::attention::attention(&q, &k, &v, heads, mask.map(|mask| mask.as_slice()))
}

#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub n: usize,
    m: usize,
    pub heads: usize,
    d: usize,
}

impl Sizes {
    fn width(self) -> usize {
        self.heads * self.d
    }

    fn scale<T: Real>(self) -> T {
        T::constant(1.0 / (self.d as f64).sqrt())
    }
}

/// What all weights of a query have in common: `w = exp(scale score - shift) inverse_sum`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Common<T> {
    /// The largest scaled score.
    shift: T,
    /// 1 / the sum of the exponentials, 0 where there is no key.
    inverse_sum: T,
}

pub(crate) struct Attention<T> {
    pub sizes: Sizes,
    mask: Option<Arc<Vec<u8>>>,
    kept: Kept<Vec<Common<T>>>,
}

/// Queries that a task goes through.
pub(crate) const QUERIES_PER_TASK: usize = 128;
/// Keys whose weights exist at a time: with the queries of a panel they stay in the first-level
/// cache.
const KEYS: usize = 256;
/// Queries or keys of a panel: at most two vectors of any machine.
const MOST_ACROSS: usize = 64;
/// Below every score.
const LOWEST: f64 = -1e30;

/// Sums over the keys so far for the queries of a panel, side by side, so that each step is one for
/// all of them.
struct Running<T> {
    /// The largest scaled score.
    shifts: Vec<T>,
    totals: Vec<T>,
    /// (d, queries).
    mixed: Vec<T>,
}

impl<T: Real> Running<T> {
    fn new(queries: usize, d: usize) -> Self {
        Self {
            shifts: vec![T::constant(LOWEST); queries],
            totals: vec![T::default(); queries],
            mixed: vec![T::default(); d * queries],
        }
    }
}

/// Scores (keys, queries) to weights before division by their sum, in place, those of masked keys
/// to 0; `running` follows.
struct Exponentials<'a, T> {
    scores: &'a mut [T],
    running: &'a mut Running<T>,
    scale: T,
    mask: Option<&'a [u8]>,
}

impl<T: Real> WithSimd for Exponentials<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // Both are known where this is compiled.
        let lanes = T::lanes::<S>();
        if self.running.shifts.len() == lanes {
            self.run(lanes);
        } else {
            self.run(2 * lanes);
        }
    }
}

impl<T: Real> Exponentials<'_, T> {
    #[inline(always)]
    fn run(self, queries: usize) {
        let Self {
            scores,
            running:
                Running {
                    shifts,
                    totals,
                    mixed,
                },
            scale,
            mask,
        } = self;
        let is_key = |number: usize| mask.is_none_or(|mask| mask[number] != 0);
        let mut lanes = [
            [T::constant(LOWEST); MOST_ACROSS],
            [T::default(); MOST_ACROSS],
        ];
        let [largest, sums] = &mut lanes;
        let largest = &mut largest[..queries];
        let sums = &mut sums[..queries];
        for (number, row) in scores.chunks_exact(queries).enumerate() {
            if is_key(number) {
                for (largest, &score) in largest.iter_mut().zip(row) {
                    *largest = if score > *largest { score } else { *largest };
                }
            }
        }
        for (largest, shift) in largest.iter_mut().zip(shifts.iter()) {
            *largest *= scale;
            *largest = if *shift > *largest { *shift } else { *largest };
        }
        for (number, row) in scores.chunks_exact_mut(queries).enumerate() {
            if is_key(number) {
                for ((score, &shift), sum) in
                    row.iter_mut().zip(largest.iter()).zip(sums.iter_mut())
                {
                    let weight = score.times_plus(scale, T::default() - shift).exp();
                    *score = weight;
                    *sum += weight;
                }
            } else {
                row.fill(T::default());
            }
        }
        // What there was already is brought to the new largest score.
        for (((shift, total), &largest), &sum) in shifts
            .iter_mut()
            .zip(totals)
            .zip(largest.iter())
            .zip(sums.iter())
        {
            let factor = (*shift - largest).exp();
            *total = total.times_plus(factor, sum);
            *shift = factor;
        }
        for row in mixed.chunks_exact_mut(queries) {
            for (value, &factor) in row.iter_mut().zip(shifts.iter()) {
                *value *= factor;
            }
        }
        shifts.copy_from_slice(largest);
    }
}

/// Scores and `dout v^T` of some queries (queries, keys), in place, to weights and to the gradient
/// of the scores.
struct ScoreGradients<'a, T> {
    weights: &'a mut [T],
    slopes: &'a mut [T],
    keys: usize,
    /// Of each query, and its `dout . out`.
    queries: &'a [(Common<T>, T)],
    scale: T,
    mask: Option<&'a [u8]>,
}

impl<T: Real> WithSimd for ScoreGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let lanes = T::lanes::<S>();
        if self.keys == lanes {
            self.run(lanes);
        } else {
            self.run(2 * lanes);
        }
    }
}

impl<T: Real> ScoreGradients<'_, T> {
    #[inline(always)]
    fn run(self, keys: usize) {
        let Self {
            weights,
            slopes,
            queries,
            scale,
            mask,
            ..
        } = self;
        let rows = weights
            .chunks_exact_mut(keys)
            .zip(slopes.chunks_exact_mut(keys));
        for ((weights, slopes), &(Common { shift, inverse_sum }, along)) in rows.zip(queries) {
            let factor = inverse_sum * scale;
            for (w, ds) in weights.iter_mut().zip(slopes.iter_mut()) {
                let exponential = w.times_plus(scale, T::default() - shift).exp();
                *w = exponential * inverse_sum;
                *ds = exponential * factor * (*ds - along);
            }
            if let Some(mask) = mask {
                for ((w, ds), &bit) in weights.iter_mut().zip(slopes).zip(mask) {
                    *w = if bit == 0 { T::default() } else { *w };
                    *ds = if bit == 0 { T::default() } else { *ds };
                }
            }
        }
    }
}

/// Dot product in four interleaved lanes: of the few values of a head, for which the eight of
/// [`crate::kernels::real::dot`] cost 2 % of an epoch.
#[inline(always)]
fn short_dot<T: Real>(a: &[T], b: &[T]) -> T {
    let (whole_a, rest_a) = a.as_chunks::<4>();
    let (whole_b, rest_b) = b.as_chunks::<4>();
    let mut lanes = [T::default(); 4];
    for (a, b) in whole_a.iter().zip(whole_b) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest = rest_a
        .iter()
        .zip(rest_b)
        .fold(T::default(), |sum, (&a, &b)| sum + a * b);
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

impl<T: Real> Operation<T, 3> for Attention<T> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn forward(&self, [q, k, v]: [&[T]; 3], layouts: [&Layout; 3]) -> Result<(Vec<T>, Shape)> {
        let (out, kept) = self.output(q, k, v);
        self.kept.put(kept);
        Ok((out.into_vec(), layouts[0].shape().clone()))
    }

    fn backward(
        &self,
        [q, k, v]: [&Tensor; 3],
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let [dq, dk, dv] = with_slices::<T, 5, _>([q, k, v, out, gradient], |slices| {
            let kept = self
                .kept
                .take_or(|| self.output(slices[0], slices[1], slices[2]).1);
            Ok(self.gradients(slices, &kept))
        })?;
        Ok([
            gradient_of(q, dq.into_vec())?,
            gradient_of(k, dk.into_vec())?,
            gradient_of(v, dv.into_vec())?,
        ])
    }
}

impl<T: Real> Attention<T> {
    pub(crate) fn new(
        n: usize,
        m: usize,
        heads: usize,
        d: usize,
        mask: Option<Arc<Vec<u8>>>,
    ) -> Self {
        Self {
            sizes: Sizes { n, m, heads, d },
            mask,
            kept: Kept::nothing(),
        }
    }

    fn mask_of(&self, item: usize) -> Option<&[u8]> {
        self.mask
            .as_ref()
            .map(|mask| &mask[item * self.sizes.m..][..self.sizes.m])
    }

    /// The heads' results side by side, (batch, n, heads * d), and what the weights of each query
    /// and head have in common, (batch, n, heads).
    pub(crate) fn output(&self, q: &[T], k: &[T], v: &[T]) -> (Buffer<T>, Vec<Common<T>>) {
        let sizes @ Sizes { n, heads, d, .. } = self.sizes;
        let width = sizes.width();
        let mut out = Buffer::unwritten(q.len());
        let mut common = vec![Common::default(); q.len() / d];
        let blocks = Blocks {
            n,
            rows: QUERIES_PER_TASK,
        };
        let tasks = blocks
            .split(&mut out, width)
            .into_par_iter()
            .zip(blocks.split(&mut common, heads))
            .enumerate();
        tasks.for_each(|(number, (out, common))| {
            let (sequence, row) = blocks.place(number);
            self.block_output(
                sequence,
                [&q[row * width..][..out.len()], k, v],
                out,
                common,
            );
        });
        (out, common)
    }

    /// Of some queries of one sequence, given the keys and values of all.
    pub(crate) fn block_output(
        &self,
        item: usize,
        [q, k, v]: [&[T]; 3],
        out: &mut [T],
        common: &mut [Common<T>],
    ) {
        let sizes @ Sizes { m, heads, d, .. } = self.sizes;
        let width = sizes.width();
        let k = &k[item * m * width..];
        let v = &v[item * m * width..];
        let packed = &mut [Packed::nothing(), Packed::nothing()];
        let across = Packed::<T>::across();
        let panels = out
            .chunks_mut(across * width)
            .zip(q.chunks(across * width))
            .zip(common.chunks_mut(across * heads));
        for ((out, q), common) in panels {
            for head in 0..heads {
                let at = head * d;
                self.head_output(
                    [&q[at..], &k[at..], &v[at..]],
                    item,
                    packed,
                    &mut out[at..],
                    &mut common[head..],
                );
            }
        }
    }

    /// Of one head, for the queries of a panel.
    fn head_output(
        &self,
        [q, k, v]: [&[T]; 3],
        item: usize,
        [queries, weights]: &mut [Packed<'_, T>; 2],
        out: &mut [T],
        common: &mut [Common<T>],
    ) {
        let sizes @ Sizes { m, heads, d, .. } = self.sizes;
        let width = sizes.width();
        let mask = self.mask_of(item);
        let n_queries = q.len().div_ceil(width);
        queries.take(Matrix::rows(q, width).transposed(), d, n_queries);
        let mut running = Running::new(queries.width(), d);
        for first in (0..m).step_by(KEYS) {
            let keys = KEYS.min(m - first);
            let scores = weights.room(keys, n_queries);
            queries.multiply(
                keys,
                Matrix::rows(&k[first * width..], width),
                scores,
                queries.width(),
                false,
            );
            let mask = mask.map(|mask| &mask[first..first + keys]);
            pulp::Arch::new().dispatch(Exponentials {
                scores,
                running: &mut running,
                scale: sizes.scale(),
                mask,
            });
            let values = Matrix::rows(&v[first * width..], width).transposed();
            weights.multiply(d, values, &mut running.mixed, queries.width(), first > 0);
        }
        let Running {
            shifts,
            totals,
            mixed,
        } = running;
        for (query, (out, common)) in out
            .chunks_mut(width)
            .zip(common.chunks_mut(heads))
            .enumerate()
        {
            let total = totals[query];
            // Not by the largest score: a query with a score that is no number must not pass for
            // one without a key.
            let inverse_sum = if total == T::default() {
                total
            } else {
                T::constant(1.0) / total
            };
            common[0] = Common {
                shift: shifts[query],
                inverse_sum,
            };
            for (out, mixed) in out[..d].iter_mut().zip(mixed.chunks_exact(queries.width())) {
                *out = mixed[query] * inverse_sum;
            }
        }
    }

    /// With weights `w` and `dw = dout v^T`: `ds = w (dw - dout . out) / sqrt(d)`; `dq = ds k`, `dk
    /// = ds^T q`, `dv = w^T dout`.
    pub(crate) fn gradients(&self, slices: [&[T]; 5], common: &[Common<T>]) -> [Buffer<T>; 3] {
        let sizes @ Sizes { n, m, heads, d } = self.sizes;
        let width = sizes.width();
        let n_items = slices[0].len() / (n * width);
        let room = |rows: usize| Buffer::unwritten(n_items * rows * width);
        let mut all = [room(n), room(m), room(m)];
        if n_items >= rayon::current_num_threads() {
            let [dq, dk, dv] = &mut all;
            let items = dq
                .par_chunks_mut(n * width)
                .zip(dk.par_chunks_mut(m * width))
                .zip(dv.par_chunks_mut(m * width))
                .enumerate();
            items.for_each(|(item, ((dq, dk), dv))| {
                for head in 0..heads {
                    let [dq, dk, dv] = [&mut *dq, &mut *dk, &mut *dv].map(|of| &mut of[head * d..]);
                    self.head_gradients(slices, common, item * heads + head, [dq, dk, dv], width);
                }
            });
        } else {
            // Heads on all threads, each to a place of its own.
            let of_head = |number: usize| {
                let mut parts = [n, m, m].map(|rows| Buffer::unwritten(rows * d));
                self.head_gradients(
                    slices,
                    common,
                    number,
                    parts.each_mut().map(|part| &mut part[..]),
                    d,
                );
                parts
            };
            let parts: Vec<[Buffer<T>; 3]> =
                (0..n_items * heads).into_par_iter().map(of_head).collect();
            for (number, parts) in parts.iter().enumerate() {
                for ((all, part), rows) in all.iter_mut().zip(parts).zip([n, m, m]) {
                    let item = number / heads;
                    let at = number % heads * d;
                    for (row, part) in all[item * rows * width..][..rows * width]
                        .chunks_exact_mut(width)
                        .zip(part.chunks_exact(d))
                    {
                        row[at..][..d].copy_from_slice(part);
                    }
                }
            }
        }
        all
    }

    /// Of one head of one sequence: `dq` (n, d), `dk` and `dv` (m, d), their rows `to_row` values
    /// apart.
    fn head_gradients(
        &self,
        [q, k, v, out, dout]: [&[T]; 5],
        common: &[Common<T>],
        number: usize,
        [dq, dk, dv]: [&mut [T]; 3],
        to_row: usize,
    ) {
        let sizes @ Sizes { n, m, heads, d } = self.sizes;
        let width = sizes.width();
        let scale = sizes.scale::<T>();
        let item = number / heads;
        let at = number % heads * d;
        let [q, out, dout] = [q, out, dout].map(|of| &of[item * n * width + at..]);
        let [k, v] = [k, v].map(|of| &of[item * m * width + at..]);
        let along = out
            .chunks(width)
            .zip(dout.chunks(width))
            .map(|(out, dout)| short_dot(&out[..d], &dout[..d]));
        let of_queries: Vec<(Common<T>, T)> = common[item * n * heads + number % heads..]
            .iter()
            .copied()
            .step_by(heads)
            .zip(along)
            .take(n)
            .collect();
        let mut keys = Packed::nothing();
        let mut values = Packed::nothing();
        let mut weights = Packed::nothing();
        let mut slopes = Packed::nothing();
        // Blocks of about the same size.
        let rows = n.div_ceil(n.div_ceil(QUERIES_PER_TASK));
        for first_key in (0..m).step_by(Packed::<T>::across()) {
            let n_keys = Packed::<T>::across().min(m - first_key);
            let [k, v] = [k, v].map(|of| Matrix::rows(&of[first_key * width..], width));
            keys.take(k.transposed(), d, n_keys);
            values.take(v.transposed(), d, n_keys);
            let padded = keys.width();
            let key_rows = Packed::new(k, n_keys, d);
            let mask = self.mask_of(item).map(|mask| &mask[first_key..][..n_keys]);
            // (d, keys).
            let mut dk_panel = Buffer::unwritten(d * padded);
            let mut dv_panel = Buffer::unwritten(d * padded);
            for first in (0..n).step_by(rows) {
                let here = rows.min(n - first);
                let [q, dout] = [q, dout].map(|of| Matrix::rows(&of[first * width..], width));
                let w = weights.room(here, n_keys);
                let ds = slopes.room(here, n_keys);
                keys.multiply(here, q, w, padded, false);
                values.multiply(here, dout, ds, padded, false);
                let queries = &of_queries[first..first + here];
                pulp::Arch::new().dispatch(ScoreGradients {
                    weights: w,
                    slopes: ds,
                    keys: padded,
                    queries,
                    scale,
                    mask,
                });
                key_rows.multiply(
                    here,
                    Matrix::rows(ds, padded),
                    &mut dq[first * to_row..],
                    to_row,
                    first_key > 0,
                );
                slopes.multiply(d, q.transposed(), &mut dk_panel, padded, first > 0);
                weights.multiply(d, dout.transposed(), &mut dv_panel, padded, first > 0);
            }
            for (of, panel) in [(&mut *dk, dk_panel), (&mut *dv, dv_panel)] {
                for (key, of) in of[first_key * to_row..]
                    .chunks_mut(to_row)
                    .take(n_keys)
                    .enumerate()
                {
                    for (of, panel) in of[..d].iter_mut().zip(panel.chunks_exact(padded)) {
                        *of = panel[key];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients, values};
    use candle_core::{D, Device};

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 3, 6], &[2, 5, 6], &[2, 5, 6]], |t| {
            attention(&t[0], &t[1], &t[2], 2, None)
        });
        check_gradients([&[1, 2, 4], &[1, 19, 4], &[1, 19, 4]], |t| {
            attention(&t[0], &t[1], &t[2], 1, None)
        });
        let mask = Arc::new(vec![1, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
        check_gradients([&[2, 3, 6], &[2, 5, 6], &[2, 5, 6]], |t| {
            attention(&t[0], &t[1], &t[2], 2, Some(&mask))
        });
    }

    #[test]
    fn the_reference_is_the_same_over_many_blocks() {
        let mask = Arc::new((0..140).map(|i| u8::from(i % 3 != 0)).collect());
        for mask in [None, Some(&mask)] {
            let fused = |t: &[Tensor]| attention(&t[0], &t[1], &t[2], 2, mask);
            let key_mask = mask.map(|mask: &Arc<Vec<u8>>| mask.as_slice());
            let reference =
                |t: &[Tensor]| reference::attention::attention(&t[0], &t[1], &t[2], 2, key_mask);
            assert_same_gradients([&[2, 150, 6], &[2, 70, 6], &[2, 70, 6]], fused, reference);
        }
    }

    #[test]
    fn without_any_key_the_result_is_zero() {
        let ones =
            |n: usize| Tensor::ones((1, n, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        let mask = Arc::new(vec![0; 3]);
        let found = attention(&ones(2), &ones(3), &ones(3), 2, Some(&mask)).unwrap();
        assert_eq!(
            found.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            [0.0; 8]
        );
        let found =
            reference::attention::attention(&ones(2), &ones(3), &ones(3), 2, Some(&mask)).unwrap();
        assert_eq!(
            found.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            [0.0; 8]
        );
    }

    #[test]
    fn a_query_that_is_no_number_gives_no_number_and_leaves_the_others_alone() {
        let ones =
            |n: usize| Tensor::ones((1, n, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        let q = Tensor::new(&[[[f32::NAN, 1.0, 1.0, 1.0], [1.0; 4]]], &Device::Cpu).unwrap();
        let mask = Arc::new(vec![0, 1, 1]);
        for mask in [None, Some(&mask)] {
            let key_mask = mask.map(|mask: &Arc<Vec<u8>>| mask.as_slice());
            let reference =
                reference::attention::attention(&q, &ones(3), &ones(3), 1, key_mask).unwrap();
            for found in [
                attention(&q, &ones(3), &ones(3), 1, mask).unwrap(),
                reference,
            ] {
                let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert!(found[..4].iter().all(|value| value.is_nan()), "{found:?}");
                assert!(
                    found[4..].iter().all(|value| (value - 1.0).abs() < 1e-6),
                    "{found:?}"
                );
            }
        }
    }

    #[test]
    fn equals_the_definition_step_by_step() {
        let tensor = |n: usize, seed| {
            Tensor::from_vec(values(2 * n * 6, seed), (2, n, 6), &Device::Cpu).unwrap()
        };
        let q = tensor(4, 1);
        let k = tensor(9, 2);
        let v = tensor(9, 3);
        let by_head = |t: &Tensor| {
            t.reshape((2, (), 2, 3))
                .unwrap()
                .transpose(1, 2)
                .unwrap()
                .contiguous()
                .unwrap()
        };
        let scores =
            (by_head(&q).matmul(&by_head(&k).t().unwrap()).unwrap() / 3f64.sqrt()).unwrap();
        let e = scores.exp().unwrap();
        let w = e.broadcast_div(&e.sum_keepdim(D::Minus1).unwrap()).unwrap();
        let expected = w
            .matmul(&by_head(&v))
            .unwrap()
            .transpose(1, 2)
            .unwrap()
            .reshape((2, 4, 6))
            .unwrap();
        let found = attention(&q, &k, &v, 2, None).unwrap();
        let off = (found - expected)
            .unwrap()
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap();
        assert!(off < 1e-12, "{off}");
    }
}
