//! The attention half of a transformer layer in one pass.
//!
//! ```text
//! N = layer_norm(x)             (n, width)
//! M = E N, or N without E       (summaries or n, width)
//! Q = N Wq    K = M Wk    V = M Wv
//! out = x + attention(Q, K, V) Wo + bo
//! ```
//!
//! E is Linformer's projection to summaries of the sequence (Wang et al. 2020, arXiv 2006.04768,
//! equation 7, with E = F). Without it, tokens attend to all tokens (Vaswani et al. 2017, arXiv
//! 1706.03762).
//!
//! This is one operation instead of a dozen, because candle's backward pass adds the gradient of
//! each operation to a tensor of zeros, on its own threads. The forward pass saves M, Q, K, V and
//! the output of the heads. The backward pass computes N again, which is cheaper than to store it.

use std::{ops::Range, sync::Arc};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    ROWS_PER_TASK,
    fused::{
        attention::{Attention, QUERIES_PER_TASK, SoftmaxStatistics, attention},
        layer_norm::{add_row_gradients, layer_norm, normalise_rows},
        linear::linear,
        projection::{Project, project},
        residual::add_with_bias,
    },
    kernels::{
        buffer::Buffer,
        gemm::{Matrix, Packed, add_rows_times, rows_times, sum_of, transposed_times},
        real::{Real, fused, gradient_of, joined, with_slices},
        row_blocks::{BlockStart, Blocks},
        row_sums::{add_rows, add_sum_of_rows},
        saved_for_backward::Saved,
    },
};

/// The dense parameters of the block. Matrices are (width, width) unless noted.
#[derive(Clone, Debug)]
pub struct AttentionBlock<'p> {
    /// Scale of the layer norm, (width).
    pub gamma: &'p Tensor,
    /// Shift of the layer norm, (width).
    pub beta: &'p Tensor,
    /// E, (summaries, n). Without it, tokens attend to all tokens.
    pub projection: Option<Tensor>,
    /// Wq.
    pub query: &'p Tensor,
    /// Wk.
    pub key: &'p Tensor,
    /// Wv.
    pub value: &'p Tensor,
    /// Wo.
    pub output: &'p Tensor,
    /// bo, (width).
    pub output_bias: &'p Tensor,
    /// Number of heads, a divisor of the width.
    pub heads: usize,
}

/// The attention block for `x` (batch, n, width).
///
/// `mask` (batch x n, row-major) is 1 at tokens and 0 at padding. No token attends to padding.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn attention_block(
    x: &Tensor,
    mask: &Arc<Vec<u8>>,
    block: &AttentionBlock<'_>,
) -> Result<Tensor> {
    block.check(x, mask)?;
    fused!(x.dtype(), x.device(), T => {
        let operation = Fused::<T>::new(x, mask, block)?;
        x.contiguous()?.apply_op3(&block.e()?, &block.joined()?, OnCpu::new(operation))
    });
    composed(x, mask, block)
}

impl AttentionBlock<'_> {
    pub(crate) fn check(&self, x: &Tensor, mask: &[u8]) -> Result<()> {
        let (batch, n, width) = x.dims3()?;
        let Self {
            gamma,
            beta,
            projection,
            query,
            key,
            value,
            output,
            output_bias,
            heads,
        } = self;
        let matrices_fit = [query, key, value, output]
            .iter()
            .all(|matrix| matrix.dims() == [width, width]);
        let vectors_fit = [gamma, beta, output_bias]
            .iter()
            .all(|vector| vector.elem_count() == width);
        let projection_fits = projection
            .as_ref()
            .is_none_or(|e| e.rank() == 2 && e.dims()[1] == n && e.dims()[0] > 0);
        let fits = matrices_fit && vectors_fit && projection_fits;
        if !fits || mask.len() != batch * n || *heads == 0 || width % heads != 0 {
            bail!(
                "attention_block: x {:?}, query {:?} and {heads} heads do not fit",
                x.shape(),
                query.shape()
            );
        }
        Ok(())
    }

    /// E, or gamma as a placeholder where there is no E: a custom operation has a fixed number of
    /// inputs. The placeholder gets no gradient.
    pub(crate) fn e(&self) -> Result<Tensor> {
        self.projection.as_ref().unwrap_or(self.gamma).contiguous()
    }

    /// All other parameters in one vector, in the order of [`Fused::weights`].
    pub(crate) fn joined(&self) -> Result<Tensor> {
        joined([
            self.gamma,
            self.beta,
            self.output_bias,
            self.query,
            self.key,
            self.value,
            self.output,
        ])
    }
}

/// The block as a composition of smaller operations, for devices other than the CPU.
fn composed(x: &Tensor, mask: &Arc<Vec<u8>>, block: &AttentionBlock<'_>) -> Result<Tensor> {
    let normed = layer_norm(x, block.gamma, block.beta, Some(mask))?;
    let source = match &block.projection {
        Some(e) => project(e, &normed, 1)?,
        None => normed.clone(),
    };
    let key_mask = block.projection.is_none().then_some(mask);
    let q = linear(&normed, block.query)?;
    let k = linear(&source, block.key)?;
    let v = linear(&source, block.value)?;
    let mixed = attention(&q, &k, &v, block.heads, key_mask)?;
    add_with_bias(x, &linear(&mixed, block.output)?, block.output_bias)
}

pub(crate) struct Fused<T: Real> {
    attention: Attention<T>,
    project: Option<Project<T>>,
    mask: Arc<Vec<u8>>,
    width: usize,
    saved: Saved<SavedRows<T>>,
}

/// Intermediate results that the backward pass needs, for all sequences.
struct SavedRows<T: Real> {
    /// M, only with a projection.
    summaries: Option<Buffer<T>>,
    /// Q.
    queries: Buffer<T>,
    /// K.
    keys: Buffer<T>,
    /// V.
    values: Buffer<T>,
    /// The concatenated outputs of the heads.
    mixed: Buffer<T>,
    statistics: Vec<SoftmaxStatistics<T>>,
}

/// The result of the block and what its backward pass needs.
struct Forward<T: Real> {
    out: Vec<T>,
    saved: SavedRows<T>,
}

/// Gradients of the block's three inputs.
struct Gradients<T> {
    x: Vec<T>,
    /// Absent without a projection.
    e: Option<Vec<T>>,
    packed: Vec<T>,
}

/// Views of the parameters in the packed vector.
struct Weights<'p, T> {
    gamma: &'p [T],
    beta: &'p [T],
    output_bias: &'p [T],
    /// Query, key, value, output.
    matrices: [Matrix<'p, T>; 4],
}

/// Results over whole sequences that must exist before single rows go through the block.
struct PreparedSequences<'p, T: Real> {
    weights: Weights<'p, T>,
    /// Wq.
    query: Packed<'p, T>,
    /// Wo.
    output: Packed<'p, T>,
    /// M, only with a projection.
    summaries: Option<Buffer<T>>,
    /// N, only without a projection.
    normed: Option<Buffer<T>>,
    keys: Buffer<T>,
    values: Buffer<T>,
}

impl<T: Real> Fused<T> {
    pub(crate) fn new(x: &Tensor, mask: &Arc<Vec<u8>>, block: &AttentionBlock<'_>) -> Result<Self> {
        let (batch, n, width) = x.dims3()?;
        let heads = block.heads;
        let n_keys = block.projection.as_ref().map_or(Ok(n), |e| e.dim(0))?;
        // Every summary is a key. Padding enters no summary, because its normalised row is zero.
        let key_mask = block.projection.is_none().then(|| mask.clone());
        let project = block
            .projection
            .as_ref()
            .map(|_| Project::new(batch, n, n_keys, width, 1));
        Ok(Self {
            attention: Attention::new(n, n_keys, heads, width / heads, key_mask),
            project,
            mask: mask.clone(),
            width,
            saved: Saved::empty(),
        })
    }

    /// Splits the packed vector of [`AttentionBlock::joined`].
    fn weights<'p>(&self, packed: &'p [T]) -> Weights<'p, T> {
        let width = self.width;
        let (vectors, matrices) = packed.split_at(3 * width);
        Weights {
            gamma: &vectors[..width],
            beta: &vectors[width..2 * width],
            output_bias: &vectors[2 * width..],
            matrices: std::array::from_fn(|number| {
                let values = &matrices[number * width * width..][..width * width];
                Matrix::rows(values, width)
            }),
        }
    }

    fn pack<'m>(&self, matrix: Matrix<'m, T>) -> Packed<'m, T> {
        Packed::new(matrix, self.width, self.width)
    }

    /// N for all rows.
    fn normalised(&self, x: &[T], weights: &Weights<'_, T>) -> Buffer<T> {
        let block = self.width * ROWS_PER_TASK;
        let mut normed = Buffer::unwritten(x.len());
        normed
            .par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(self.mask.par_chunks(ROWS_PER_TASK))
            .for_each(|((y, x), mask)| {
                normalise_rows(x, weights.gamma, weights.beta, Some(mask), y);
            });
        normed
    }

    /// Computes what single rows need of all sequences, from all of `x`.
    fn prepare<'r>(&self, x: &[T], e: &[T], weights: Weights<'r, T>) -> PreparedSequences<'r, T> {
        let width = self.width;
        // With summaries, N is not stored: to normalise rows again where they are needed is cheaper
        // than to write N to memory and read it.
        let summaries = self.project.as_ref().map(|project| {
            project.output(e, |rows: Range<usize>| {
                let x = &x[rows.start * width..rows.end * width];
                self.normalised_from(x, rows.start, &weights)
            })
        });
        let normed = summaries.is_none().then(|| self.normalised(x, &weights));
        let source = summaries
            .as_deref()
            .or(normed.as_deref())
            .unwrap_or_default();
        let [query, key, value, output] = weights.matrices.map(|matrix| self.pack(matrix));
        let keys = rows_times(source, &key);
        let values = rows_times(source, &value);
        PreparedSequences {
            weights,
            query,
            output,
            summaries,
            normed,
            keys,
            values,
        }
    }

    /// N for the rows `x`, the first of which is row `first_row` over all sequences.
    fn normalised_from(&self, x: &[T], first_row: usize, weights: &Weights<'_, T>) -> Buffer<T> {
        let mut normed = Buffer::unwritten(x.len());
        let mask = &self.mask[first_row..][..x.len() / self.width];
        normalise_rows(x, weights.gamma, weights.beta, Some(mask), &mut normed);
        normed
    }

    /// Takes a block of rows of one sequence through all steps while it is in the cache.
    fn output_of_rows(
        &self,
        prepared: &PreparedSequences<'_, T>,
        start: BlockStart,
        x: &[T],
        [queries, mixed, out]: [&mut [T]; 3],
        statistics: &mut [SoftmaxStatistics<T>],
    ) {
        let width = self.width;
        let rows = x.len() / self.width;
        let normed_here;
        let normed = if let Some(normed) = &prepared.normed {
            &normed[start.row * width..][..x.len()]
        } else {
            normed_here = self.normalised_from(x, start.row, &prepared.weights);
            &normed_here
        };
        prepared
            .query
            .multiply(rows, Matrix::rows(normed, width), queries, width, false);
        self.attention.block_output(
            start.sequence,
            [queries, &prepared.keys, &prepared.values],
            mixed,
            statistics,
        );
        prepared
            .output
            .multiply(rows, Matrix::rows(mixed, width), out, width, false);
        add_rows(out, x, prepared.weights.output_bias);
    }

    fn blocks(&self) -> Blocks {
        Blocks {
            n: self.attention.sizes.n,
            rows: QUERIES_PER_TASK,
        }
    }

    /// The forward pass for training.
    fn output(&self, x: &[T], e: &[T], packed: &[T]) -> Forward<T> {
        let heads = self.attention.sizes.heads;
        let width = self.width;
        let prepared = self.prepare(x, e, self.weights(packed));
        let mut queries = Buffer::unwritten(x.len());
        let mut mixed = Buffer::unwritten(x.len());
        let mut out = vec![T::default(); x.len()];
        let mut statistics = vec![SoftmaxStatistics::default(); x.len() / width * heads];
        let blocks = self.blocks();
        let tasks = blocks
            .split(&mut out, width)
            .into_par_iter()
            .zip(blocks.split(&mut queries, width))
            .zip(blocks.split(&mut mixed, width))
            .zip(blocks.split(&mut statistics, heads))
            .enumerate();
        tasks.for_each(|(number, (((out, queries), mixed), statistics))| {
            let start = blocks.start(number);
            let x = &x[start.row * width..][..out.len()];
            self.output_of_rows(&prepared, start, x, [queries, mixed, out], statistics);
        });
        let PreparedSequences {
            summaries,
            keys,
            values,
            ..
        } = prepared;
        Forward {
            out,
            saved: SavedRows {
                summaries,
                queries,
                keys,
                values,
                mixed,
                statistics,
            },
        }
    }

    /// The forward pass for inference, in place: replaces each block of rows of `x` by its result
    /// and then calls `then` on it. Nothing is saved.
    pub(crate) fn replace(
        &self,
        x: &mut [T],
        e: &[T],
        packed: &[T],
        then: impl Fn(&mut [T]) + Sync,
    ) {
        let prepared = self.prepare(x, e, self.weights(packed));
        let heads = self.attention.sizes.heads;
        let blocks = self.blocks();
        blocks
            .split(x, self.width)
            .into_par_iter()
            .enumerate()
            .for_each(|(number, rows)| {
                let [mut x, mut queries, mut mixed] =
                    std::array::from_fn(|_| Buffer::unwritten(rows.len()));
                let mut statistics =
                    vec![SoftmaxStatistics::default(); rows.len() / self.width * heads];
                x.copy_from_slice(rows);
                self.output_of_rows(
                    &prepared,
                    blocks.start(number),
                    &x,
                    [&mut queries, &mut mixed, rows],
                    &mut statistics,
                );
                then(rows);
            });
    }

    /// The backward pass, against the order of the equations in the module's header.
    fn gradients(&self, [x, e, packed, dy]: [&[T]; 4]) -> Gradients<T> {
        let width = self.width;
        let weights = self.weights(packed);
        let SavedRows {
            summaries,
            queries,
            keys,
            values,
            mixed,
            statistics,
        } = self.saved.take_or(|| self.output(x, e, packed).saved);
        let normed = self.normalised(x, &weights);
        let source = summaries.as_deref().unwrap_or(&normed);
        let [query, key, value, output] = weights
            .matrices
            .map(|matrix| self.pack(matrix.transposed()));

        let dmixed = rows_times(dy, &output);
        let [dqueries, dkeys, dvalues] = self
            .attention
            .gradients([&queries, &keys, &values, &mixed, &dmixed], &statistics);
        let mut dnormed = rows_times(&dqueries, &query);
        let de = if let Some(project) = &self.project {
            let mut dsource = rows_times(&dkeys, &key);
            add_rows_times(&dvalues, &value, &mut dsource);
            Some(project.add_gradients(e, &normed, &dsource, &mut dnormed))
        } else {
            add_rows_times(&dkeys, &key, &mut dnormed);
            add_rows_times(&dvalues, &value, &mut dnormed);
            None
        };
        // The residual connection passes dy on unchanged.
        let mut dx = dy.to_vec();
        let mut dpacked = self.add_norm_gradients(x, &weights, &dnormed, dy, &mut dx);
        // Gradients of Wq, Wk, Wv and Wo, in the order of the packed vector.
        for (inputs, gradients) in [
            (&normed[..], &dqueries[..]),
            (source, &dkeys),
            (source, &dvalues),
            (&mixed, dy),
        ] {
            dpacked.extend(transposed_times(inputs, width, gradients, width));
        }
        Gradients {
            x: dx,
            e: de,
            packed: dpacked,
        }
    }

    /// Adds the gradient through the layer norm to `dx`, and returns the gradients of gamma, beta
    /// and the output bias in one vector.
    fn add_norm_gradients(
        &self,
        x: &[T],
        weights: &Weights<'_, T>,
        dnormed: &[T],
        dy: &[T],
        dx: &mut [T],
    ) -> Vec<T> {
        let width = self.width;
        let block = width * ROWS_PER_TASK;
        let tasks = dx
            .par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(dnormed.par_chunks(block))
            .zip(self.mask.par_chunks(ROWS_PER_TASK))
            .zip(dy.par_chunks(block));
        let sums_of_tasks: Vec<Vec<T>> = tasks
            .map(|((((dx, x), dnormed), mask), dy)| {
                let mut sums = vec![T::default(); 3 * width];
                let (dnorm, doutput_bias) = sums.split_at_mut(2 * width);
                let (dgamma, dbeta) = dnorm.split_at_mut(width);
                add_row_gradients([x, weights.gamma, dnormed], Some(mask), [dx, dgamma, dbeta]);
                add_sum_of_rows(dy, doutput_bias);
                sums
            })
            .collect();
        sum_of(sums_of_tasks).unwrap_or_else(|| vec![T::default(); 3 * width])
    }
}

impl<T: Real> Operation<T, 3> for Fused<T> {
    fn name(&self) -> &'static str {
        "attention-block"
    }

    fn forward(&self, [x, e, packed]: [&[T]; 3], layouts: [&Layout; 3]) -> Result<(Vec<T>, Shape)> {
        let Forward { out, saved } = self.output(x, e, packed);
        self.saved.save(saved);
        Ok((out, layouts[0].shape().clone()))
    }

    fn backward(
        &self,
        [x, e, packed]: [&Tensor; 3],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let gradients =
            with_slices::<T, 4, _>(
                [x, e, packed, gradient],
                |slices| Ok(self.gradients(slices)),
            )?;
        let de = gradients.e.map_or(Ok(None), |de| gradient_of(e, de))?;
        Ok([
            gradient_of(x, gradients.x)?,
            de,
            gradient_of(packed, gradients.packed)?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients};

    fn block(t: &[Tensor], heads: usize, with_projection: bool) -> AttentionBlock<'_> {
        AttentionBlock {
            gamma: &t[1],
            beta: &t[2],
            query: &t[3],
            key: &t[4],
            value: &t[5],
            output: &t[6],
            output_bias: &t[7],
            projection: with_projection.then(|| t[8].clone()),
            heads,
        }
    }

    #[test]
    fn every_input_gets_its_gradient() {
        let mask = Arc::new(vec![1, 1, 0, 1, 1, 0, 0, 1, 1, 1]);
        let vectors: [&[usize]; 8] = [
            &[2, 5, 4],
            &[4],
            &[4],
            &[4, 4],
            &[4, 4],
            &[4, 4],
            &[4, 4],
            &[4],
        ];
        check_gradients(vectors, |t| {
            attention_block(&t[0], &mask, &block(t, 2, false))
        });
        let shapes: [&[usize]; 9] = [
            &[2, 5, 4],
            &[4],
            &[4],
            &[4, 4],
            &[4, 4],
            &[4, 4],
            &[4, 4],
            &[4],
            &[3, 5],
        ];
        check_gradients(shapes, |t| {
            attention_block(&t[0], &mask, &block(t, 2, true))
        });
    }

    #[test]
    fn the_composition_of_its_parts_is_the_same_over_many_blocks() {
        let mask = Arc::new((0..3 * 400).map(|i| u8::from(i % 7 != 3)).collect());
        let m: &[usize] = &[6, 6];
        let shapes: [&[usize]; 9] = [&[3, 400, 6], &[6], &[6], m, m, m, m, &[6], &[70, 400]];
        for with_projection in [false, true] {
            // The sum of E is added to both results: E would have no gradient in the case without a
            // projection.
            assert_same_gradients(
                shapes,
                |t| {
                    attention_block(&t[0], &mask, &block(t, 3, with_projection))?
                        .broadcast_add(&t[8].sum_all()?)
                },
                |t| {
                    composed(&t[0], &mask, &block(t, 3, with_projection))?
                        .broadcast_add(&t[8].sum_all()?)
                },
            );
        }
    }
}
