//! Scaled dot-product attention (Vaswani et al. 2017, arXiv 1706.03762, equation 1) of all heads in
//! one pass, without storing the weights.
//!
//! Shapes: queries (batch, n, heads * d), keys and values (batch, m, heads * d) ->
//! (batch, n, heads * d). Time is O(n m). With Linformer the m keys are summaries of the sequence.
//! Memory is always O(n + m): weights exist for a few queries and keys at a time, and the backward
//! pass computes them again (FlashAttention: Dao et al. 2022, arXiv 2205.14135).
//!
//! Forward, for each query, with the running maximum `s` and the running total `t` over blocks of
//! keys (the online softmax of FlashAttention, section 3.1):
//!
//! ```text
//! s' = max(s, max_j q . k_j / sqrt(d))
//! t' = t exp(s - s') + sum_j exp(q . k_j / sqrt(d) - s')
//! o' = o exp(s - s') + sum_j exp(q . k_j / sqrt(d) - s') v_j
//! out = o / t after the last block
//! ```
//!
//! Backward, with the weights `w` and `dw = dout v^T` (FlashAttention, appendix B.2):
//!
//! ```text
//! ds = w (dw - dout . out) / sqrt(d)
//! dq = ds k        dk = ds^T q        dv = w^T dout
//! ```

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
        saved_for_backward::Saved,
    },
    reference,
};

/// `softmax(q k^T / sqrt(d)) v` for each head.
///
/// Keys where `mask` (batch x m, row-major) is 0 get no weight. A sequence without any key gets
/// zeros.
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
    fused!(q.dtype(), q.device(), T => {
        let operation = Attention::<T>::new(n, m, heads, width / heads, owned);
        q.apply_op3(&k, &v, OnCpu::new(operation))
    });
    reference::attention::attention(&q, &k, &v, heads, mask.map(|mask| mask.as_slice()))
}

/// Sizes of one sequence.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Queries.
    pub n: usize,
    /// Keys.
    m: usize,
    pub heads: usize,
    /// Values per head.
    d: usize,
}

impl Sizes {
    fn width(self) -> usize {
        self.heads * self.d
    }

    /// `1 / sqrt(d)`.
    fn scale<T: Real>(self) -> T {
        T::constant(1.0 / (self.d as f64).sqrt())
    }
}

/// Softmax statistics of one query and head: `w = exp(scale score - shift) inverse_sum`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SoftmaxStatistics<T> {
    /// The largest scaled score.
    shift: T,
    /// 1 / the sum of the exponentials, 0 where there is no key.
    inverse_sum: T,
}

pub(crate) struct Attention<T> {
    pub sizes: Sizes,
    mask: Option<Arc<Vec<u8>>>,
    saved: Saved<Vec<SoftmaxStatistics<T>>>,
}

/// Queries per task.
pub(crate) const QUERIES_PER_TASK: usize = 128;
/// Keys per block of weights. A block for the queries of a panel fits the first-level cache.
const KEYS_PER_BLOCK: usize = 256;
/// Upper bound for the queries or keys of a panel: a panel is at most two vector registers wide on
/// any machine.
const MAX_PANEL_WIDTH: usize = 64;
/// Below every score. Finite, because `-inf - -inf` in the online softmax would not be a number.
const LOWEST: f64 = -1e30;

/// Online softmax over the keys so far, for the queries of a panel.
///
/// Queries are adjacent in memory, so that one vector instruction serves several of them.
struct Running<T> {
    /// The largest scaled score.
    shifts: Vec<T>,
    /// The sum of the exponentials.
    totals: Vec<T>,
    /// The sum of the weighted values, (d, queries).
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

/// Turns scores (keys, queries) in place into weights before division by their sum, and updates
/// `running`. Weights of masked keys are 0.
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
        // A panel is one or two vectors wide. The branches give the compiler constant loop
        // lengths.
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
        let mut all_largest = [T::constant(LOWEST); MAX_PANEL_WIDTH];
        let mut all_sums = [T::default(); MAX_PANEL_WIDTH];
        let largest = &mut all_largest[..queries];
        let sums = &mut all_sums[..queries];
        for (key, row) in scores.chunks_exact(queries).enumerate() {
            if is_unmasked(mask, key) {
                for (largest, &score) in largest.iter_mut().zip(row) {
                    *largest = if score > *largest { score } else { *largest };
                }
            }
        }
        for (largest, shift) in largest.iter_mut().zip(shifts.iter()) {
            *largest *= scale;
            *largest = if *shift > *largest { *shift } else { *largest };
        }
        for (key, row) in scores.chunks_exact_mut(queries).enumerate() {
            if is_unmasked(mask, key) {
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
        // Totals and values of earlier blocks are rescaled to the new largest score. `shifts` has
        // the factors in between.
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

#[inline(always)]
fn is_unmasked(mask: Option<&[u8]>, key: usize) -> bool {
    mask.is_none_or(|mask| mask[key] != 0)
}

/// The per-query terms of the backward pass.
#[derive(Clone, Copy)]
struct QueryTerms<T> {
    statistics: SoftmaxStatistics<T>,
    /// `dout . out`.
    dout_dot_out: T,
}

/// Turns scores into weights `w` and `dout v^T` into gradients `ds` of the scores, in place; both
/// are (queries, keys).
struct ScoreGradients<'a, T> {
    /// Scores, then `w`.
    weights: &'a mut [T],
    /// `dout v^T`, then `ds`.
    dscores: &'a mut [T],
    keys: usize,
    queries: &'a [QueryTerms<T>],
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
            dscores,
            queries,
            scale,
            mask,
            ..
        } = self;
        let rows = weights
            .chunks_exact_mut(keys)
            .zip(dscores.chunks_exact_mut(keys));
        for ((weights, dscores), terms) in rows.zip(queries) {
            let SoftmaxStatistics { shift, inverse_sum } = terms.statistics;
            let dout_dot_out = terms.dout_dot_out;
            let factor = inverse_sum * scale;
            for (w, ds) in weights.iter_mut().zip(dscores.iter_mut()) {
                let exponential = w.times_plus(scale, T::default() - shift).exp();
                *w = exponential * inverse_sum;
                *ds = exponential * factor * (*ds - dout_dot_out);
            }
            // The mask is applied afterwards, so that the loop above has no branch.
            if let Some(mask) = mask {
                for ((w, ds), &bit) in weights.iter_mut().zip(dscores).zip(mask) {
                    *w = if bit == 0 { T::default() } else { *w };
                    *ds = if bit == 0 { T::default() } else { *ds };
                }
            }
        }
    }
}

/// Dot product in four interleaved lanes, for the few values of a head.
///
/// The eight lanes of [`crate::kernels::real::dot`] would cost 2 % of an epoch here.
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
        let output = self.output(q, k, v);
        self.saved.save(output.statistics);
        Ok((output.out.into_vec(), layouts[0].shape().clone()))
    }

    fn backward(
        &self,
        [q, k, v]: [&Tensor; 3],
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let [dq, dk, dv] = with_slices::<T, 5, _>([q, k, v, out, gradient], |slices| {
            let statistics = self
                .saved
                .take_or(|| self.output(slices[0], slices[1], slices[2]).statistics);
            Ok(self.gradients(slices, &statistics))
        })?;
        Ok([
            gradient_of(q, dq.into_vec())?,
            gradient_of(k, dk.into_vec())?,
            gradient_of(v, dv.into_vec())?,
        ])
    }
}

/// The result for all sequences.
struct Output<T: Real> {
    /// The concatenated outputs of the heads, (batch, n, heads * d).
    out: Buffer<T>,
    /// (batch, n, heads).
    statistics: Vec<SoftmaxStatistics<T>>,
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
            saved: Saved::empty(),
        }
    }

    fn mask_of(&self, sequence: usize) -> Option<&[u8]> {
        self.mask
            .as_ref()
            .map(|mask| &mask[sequence * self.sizes.m..][..self.sizes.m])
    }

    fn output(&self, q: &[T], k: &[T], v: &[T]) -> Output<T> {
        let Sizes { n, heads, d, .. } = self.sizes;
        let width = self.sizes.width();
        let mut out = Buffer::unwritten(q.len());
        let mut statistics = vec![SoftmaxStatistics::default(); q.len() / d];
        let blocks = Blocks {
            n,
            rows: QUERIES_PER_TASK,
        };
        let tasks = blocks
            .split(&mut out, width)
            .into_par_iter()
            .zip(blocks.split(&mut statistics, heads))
            .enumerate();
        tasks.for_each(|(number, (out, statistics))| {
            let start = blocks.start(number);
            self.block_output(
                start.sequence,
                [&q[start.row * width..][..out.len()], k, v],
                out,
                statistics,
            );
        });
        Output { out, statistics }
    }

    /// The output for some queries `q` of one sequence; `k` and `v` are those of all sequences.
    pub(crate) fn block_output(
        &self,
        sequence: usize,
        [q, k, v]: [&[T]; 3],
        out: &mut [T],
        statistics: &mut [SoftmaxStatistics<T>],
    ) {
        let Sizes { m, heads, d, .. } = self.sizes;
        let width = self.sizes.width();
        let k = &k[sequence * m * width..];
        let v = &v[sequence * m * width..];
        let packed = &mut [Packed::empty(), Packed::empty()];
        let panel_rows = Packed::<T>::panel_width();
        let panels = out
            .chunks_mut(panel_rows * width)
            .zip(q.chunks(panel_rows * width))
            .zip(statistics.chunks_mut(panel_rows * heads));
        for ((out, q), statistics) in panels {
            for head in 0..heads {
                let first_column = head * d;
                self.head_output(
                    [&q[first_column..], &k[first_column..], &v[first_column..]],
                    self.mask_of(sequence),
                    packed,
                    &mut out[first_column..],
                    &mut statistics[head..],
                );
            }
        }
    }

    /// The output of one head for the queries of a panel.
    fn head_output(
        &self,
        [q, k, v]: [&[T]; 3],
        mask: Option<&[u8]>,
        [queries, weights]: &mut [Packed<'_, T>; 2],
        out: &mut [T],
        statistics: &mut [SoftmaxStatistics<T>],
    ) {
        let Sizes { m, d, .. } = self.sizes;
        let width = self.sizes.width();
        let n_queries = q.len().div_ceil(width);
        queries.repack(Matrix::rows(q, width).transposed(), d, n_queries);
        let mut running = Running::new(queries.width(), d);
        for first_key in (0..m).step_by(KEYS_PER_BLOCK) {
            let n_keys = KEYS_PER_BLOCK.min(m - first_key);
            let keys = Matrix::rows(&k[first_key * width..], width);
            let scores = weights.resize(n_keys, n_queries);
            queries.multiply(n_keys, keys, scores, queries.width(), false);
            pulp::Arch::new().dispatch(Exponentials {
                scores,
                running: &mut running,
                scale: self.sizes.scale(),
                mask: mask.map(|mask| &mask[first_key..][..n_keys]),
            });
            let values = Matrix::rows(&v[first_key * width..], width).transposed();
            let accumulate = first_key > 0;
            weights.multiply(d, values, &mut running.mixed, queries.width(), accumulate);
        }
        self.write_head_output(&running, queries.width(), out, statistics);
    }

    /// Divides the weighted values by the totals: the last step of the online softmax.
    fn write_head_output(
        &self,
        running: &Running<T>,
        panel_width: usize,
        out: &mut [T],
        statistics: &mut [SoftmaxStatistics<T>],
    ) {
        let Sizes { heads, d, .. } = self.sizes;
        let rows = out
            .chunks_mut(self.sizes.width())
            .zip(statistics.chunks_mut(heads));
        for (query, (out, statistics)) in rows.enumerate() {
            let total = running.totals[query];
            // The total, not the largest score, shows that a query has no key. The largest score
            // also stays at LOWEST for a query whose scores are NaN, and its output must be NaN.
            let inverse_sum = if total == T::default() {
                total
            } else {
                T::constant(1.0) / total
            };
            statistics[0] = SoftmaxStatistics {
                shift: running.shifts[query],
                inverse_sum,
            };
            for (out, mixed) in out[..d]
                .iter_mut()
                .zip(running.mixed.chunks_exact(panel_width))
            {
                *out = mixed[query] * inverse_sum;
            }
        }
    }

    /// Gradients of q, k and v from `slices`: q, k, v, out and dout.
    pub(crate) fn gradients(
        &self,
        slices: [&[T]; 5],
        statistics: &[SoftmaxStatistics<T>],
    ) -> [Buffer<T>; 3] {
        let Sizes { n, m, .. } = self.sizes;
        let width = self.sizes.width();
        let batch = slices[0].len() / (n * width);
        let mut gradients = [n, m, m].map(|rows| Buffer::unwritten(batch * rows * width));
        if batch >= rayon::current_num_threads() {
            self.gradients_by_sequence(slices, statistics, &mut gradients);
        } else {
            self.gradients_by_head(slices, statistics, &mut gradients);
        }
        gradients
    }

    /// One task per sequence. Heads write directly to the gradients, whose rows they share.
    fn gradients_by_sequence(
        &self,
        slices: [&[T]; 5],
        statistics: &[SoftmaxStatistics<T>],
        [dq, dk, dv]: &mut [Buffer<T>; 3],
    ) {
        let Sizes { n, m, heads, d } = self.sizes;
        let width = self.sizes.width();
        let sequences = dq
            .par_chunks_mut(n * width)
            .zip(dk.par_chunks_mut(m * width))
            .zip(dv.par_chunks_mut(m * width))
            .enumerate();
        sequences.for_each(|(sequence, ((dq, dk), dv))| {
            for head in 0..heads {
                let first_column = head * d;
                let targets = [
                    &mut dq[first_column..],
                    &mut dk[first_column..],
                    &mut dv[first_column..],
                ];
                self.head_gradients(slices, statistics, sequence * heads + head, targets, width);
            }
        });
    }

    /// One task per head of a sequence, for batches too small to occupy all threads. Each task has
    /// its own buffers, which are copied to the gradients afterwards.
    fn gradients_by_head(
        &self,
        slices: [&[T]; 5],
        statistics: &[SoftmaxStatistics<T>],
        gradients: &mut [Buffer<T>; 3],
    ) {
        let Sizes { n, m, heads, d } = self.sizes;
        let width = self.sizes.width();
        let batch = slices[0].len() / (n * width);
        let gradients_of_heads: Vec<[Buffer<T>; 3]> = (0..batch * heads)
            .into_par_iter()
            .map(|number| {
                let mut buffers = [n, m, m].map(|rows| Buffer::unwritten(rows * d));
                let targets = buffers.each_mut().map(|buffer| &mut buffer[..]);
                self.head_gradients(slices, statistics, number, targets, d);
                buffers
            })
            .collect();
        for (number, head_gradients) in gradients_of_heads.iter().enumerate() {
            let sequence = number / heads;
            let first_column = number % heads * d;
            for ((target, source), rows) in gradients.iter_mut().zip(head_gradients).zip([n, m, m])
            {
                let target = &mut target[sequence * rows * width..][..rows * width];
                for (target_row, source_row) in
                    target.chunks_exact_mut(width).zip(source.chunks_exact(d))
                {
                    target_row[first_column..][..d].copy_from_slice(source_row);
                }
            }
        }
    }

    /// Gradients of head `number % heads` of sequence `number / heads`.
    ///
    /// The targets dq (n, d), dk and dv (m, d) have rows `row_stride` values apart.
    fn head_gradients(
        &self,
        [q, k, v, out, dout]: [&[T]; 5],
        statistics: &[SoftmaxStatistics<T>],
        number: usize,
        targets: [&mut [T]; 3],
        row_stride: usize,
    ) {
        let Sizes { n, m, heads, d } = self.sizes;
        let width = self.sizes.width();
        let sequence = number / heads;
        let head = number % heads;
        let first_column = head * d;
        let first_query = sequence * n * width + first_column;
        let first_key = sequence * m * width + first_column;
        let out = &out[first_query..];
        let dout = &dout[first_query..];
        let dout_dot_out = out
            .chunks(width)
            .zip(dout.chunks(width))
            .map(|(out, dout)| short_dot(&out[..d], &dout[..d]));
        let terms = statistics[sequence * n * heads + head..]
            .iter()
            .copied()
            .step_by(heads)
            .zip(dout_dot_out)
            .take(n)
            .map(|(statistics, dout_dot_out)| QueryTerms {
                statistics,
                dout_dot_out,
            })
            .collect();
        let head = HeadBackward {
            sizes: self.sizes,
            q: &q[first_query..],
            k: &k[first_key..],
            v: &v[first_key..],
            dout,
            terms,
            mask: self.mask_of(sequence),
        };
        head.gradients(targets, row_stride);
    }
}

/// The inputs of the backward pass of one head of one sequence; rows are `heads * d` values apart.
struct HeadBackward<'a, T> {
    sizes: Sizes,
    q: &'a [T],
    k: &'a [T],
    v: &'a [T],
    dout: &'a [T],
    /// One per query.
    terms: Vec<QueryTerms<T>>,
    mask: Option<&'a [u8]>,
}

/// Packed matrices of a panel of keys, whose memory is used again for the next panel.
struct KeyPanel<T: Real> {
    /// (d, keys).
    keys: Packed<'static, T>,
    /// (d, keys).
    values: Packed<'static, T>,
    /// w, (queries, keys).
    weights: Packed<'static, T>,
    /// ds, (queries, keys).
    dscores: Packed<'static, T>,
}

impl<T: Real> HeadBackward<'_, T> {
    /// Sets dq, dk and dv, one panel of keys after the other.
    fn gradients(&self, [dq, dk, dv]: [&mut [T]; 3], row_stride: usize) {
        let mut panel = KeyPanel {
            keys: Packed::empty(),
            values: Packed::empty(),
            weights: Packed::empty(),
            dscores: Packed::empty(),
        };
        for first_key in (0..self.sizes.m).step_by(Packed::<T>::panel_width()) {
            let first_value = first_key * row_stride;
            self.key_panel_gradients(
                first_key,
                &mut panel,
                [&mut *dq, &mut dk[first_value..], &mut dv[first_value..]],
                row_stride,
            );
        }
    }

    /// Adds a panel's part to dq and sets dk and dv of its keys.
    fn key_panel_gradients(
        &self,
        first_key: usize,
        panel: &mut KeyPanel<T>,
        [dq, dk, dv]: [&mut [T]; 3],
        row_stride: usize,
    ) {
        let Sizes { n, m, d, .. } = self.sizes;
        let width = self.sizes.width();
        let n_keys = Packed::<T>::panel_width().min(m - first_key);
        let k = Matrix::rows(&self.k[first_key * width..], width);
        let v = Matrix::rows(&self.v[first_key * width..], width);
        panel.keys.repack(k.transposed(), d, n_keys);
        panel.values.repack(v.transposed(), d, n_keys);
        let padded = panel.keys.width();
        let key_rows = Packed::new(k, n_keys, d);
        let mut dk_panel = Buffer::unwritten(d * padded);
        let mut dv_panel = Buffer::unwritten(d * padded);
        // Blocks of about the same size.
        let n_blocks = n.div_ceil(QUERIES_PER_TASK);
        let rows = n.div_ceil(n_blocks);
        for first_query in (0..n).step_by(rows) {
            let n_queries = rows.min(n - first_query);
            let q = Matrix::rows(&self.q[first_query * width..], width);
            let dout = Matrix::rows(&self.dout[first_query * width..], width);
            let weights = panel.weights.resize(n_queries, n_keys);
            let dscores = panel.dscores.resize(n_queries, n_keys);
            panel.keys.multiply(n_queries, q, weights, padded, false);
            panel
                .values
                .multiply(n_queries, dout, dscores, padded, false);
            pulp::Arch::new().dispatch(ScoreGradients {
                weights,
                dscores,
                keys: padded,
                queries: &self.terms[first_query..first_query + n_queries],
                scale: self.sizes.scale::<T>(),
                mask: self.mask.map(|mask| &mask[first_key..][..n_keys]),
            });
            let dscore_rows = Matrix::rows(dscores, padded);
            let dq = &mut dq[first_query * row_stride..];
            key_rows.multiply(n_queries, dscore_rows, dq, row_stride, first_key > 0);
            let is_later_block = first_query > 0;
            panel
                .dscores
                .multiply(d, q.transposed(), &mut dk_panel, padded, is_later_block);
            panel
                .weights
                .multiply(d, dout.transposed(), &mut dv_panel, padded, is_later_block);
        }
        for (target, panel) in [(dk, &dk_panel), (dv, &dv_panel)] {
            for (key, row) in target.chunks_mut(row_stride).take(n_keys).enumerate() {
                for (gradient, panel_row) in row[..d].iter_mut().zip(panel.chunks_exact(padded)) {
                    *gradient = panel_row[key];
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
            let key_mask = mask.map(|mask: &Arc<Vec<u8>>| mask.as_slice());
            assert_same_gradients(
                [&[2, 150, 6], &[2, 70, 6], &[2, 70, 6]],
                |t| attention(&t[0], &t[1], &t[2], 2, mask),
                |t| reference::attention::attention(&t[0], &t[1], &t[2], 2, key_mask),
            );
        }
    }

    #[test]
    fn without_any_key_the_result_is_zero() {
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
        let q = random_rows(4, 1);
        let k = random_rows(9, 2);
        let v = random_rows(9, 3);
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

    fn ones(n: usize) -> Tensor {
        Tensor::ones((1, n, 4), candle_core::DType::F32, &Device::Cpu).unwrap()
    }

    /// (2, n, 6).
    fn random_rows(n: usize, seed: u64) -> Tensor {
        Tensor::from_vec(values(2 * n * 6, seed), (2, n, 6), &Device::Cpu).unwrap()
    }

    /// (2, n, 2 * 3) -> (2, 2, n, 3).
    fn by_head(t: &Tensor) -> Tensor {
        t.reshape((2, (), 2, 3))
            .unwrap()
            .transpose(1, 2)
            .unwrap()
            .contiguous()
            .unwrap()
    }
}
