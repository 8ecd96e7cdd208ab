//! The attention half of a transformer layer in one pass: `x + attention(norm(x)) Wo + bo`, with
//! softmax attention over all tokens or, with a projection E, over Linformer's summaries of them
//! (Wang et al. 2020, arXiv 2006.04768, equation 7; E = F).
//!
//! One operation in place of a dozen: between operations candle's backward pass adds each gradient
//! to a tensor of zeros, on threads of its own. Kept for the backward pass are queries, summaries,
//! keys, values and what the heads give; norms are computed again.

use std::{ops::Range, sync::Arc};

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    ROWS_PER_TASK,
    fused::{
        attention::{Attention, Common, QUERIES_PER_TASK, attention},
        layer_norm::{add_row_gradients, layer_norm, normalise_rows},
        linear::linear,
        projection::{Project, project},
        residual::add_with_bias,
    },
    kernels::{
        buffer::Buffer,
        gemm::{Matrix, Packed, add_rows_times, rows_times, sum_of, transposed_times},
        real::{Real, fused, gradient_of, joined, with_slices},
        row_blocks::Blocks,
        row_sums::{add_rows, add_sum_of_rows},
        saved_for_backward::Kept,
    },
};

/// The parameters of the block, dense; matrices are (width, width).
#[derive(Clone, Debug)]
pub struct AttentionBlock<'p> {
    /// Of the norm, (width).
    pub gamma: &'p Tensor,
    /// Of the norm, (width).
    pub beta: &'p Tensor,
    /// E, (summaries, n); without it tokens attend to all tokens.
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
    /// Divides the width.
    pub heads: usize,
}

/// The block for `x` (batch, n, width); `mask` (batch x n, row-major) is 0 at padding, which
/// nothing attends to.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn attention_block(
    x: &Tensor,
    mask: &Arc<Vec<u8>>,
    block: &AttentionBlock<'_>,
) -> Result<Tensor> {
    block.check(x, mask)?;
    fused!(x.dtype(), x.device(), T => x.contiguous()?.apply_op3(&block.e()?, &block.joined()?, OnCpu::new(Fused::<T>::new(x, mask, block)?)));
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
        let fits = [query, key, value, output]
            .iter()
            .all(|matrix| matrix.dims() == [width, width])
            && [gamma, beta, output_bias]
                .iter()
                .all(|vector| vector.elem_count() == width)
            && projection
                .as_ref()
                .is_none_or(|e| e.rank() == 2 && e.dims()[1] == n && e.dims()[0] > 0);
        if !fits || mask.len() != batch * n || *heads == 0 || width % heads != 0 {
            bail!(
                "attention_block: x {:?}, query {:?} and {heads} heads do not fit",
                x.shape(),
                query.shape()
            );
        }
        Ok(())
    }

    /// E; without it its place is taken by a vector of the parameters, which gets no gradient
    /// there.
    pub(crate) fn e(&self) -> Result<Tensor> {
        self.projection.as_ref().unwrap_or(self.gamma).contiguous()
    }

    /// All other parameters, as [`Fused::parts`] takes them apart.
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

/// The same from its parts, for other devices.
fn composed(x: &Tensor, mask: &Arc<Vec<u8>>, block: &AttentionBlock<'_>) -> Result<Tensor> {
    let normed = layer_norm(x, block.gamma, block.beta, Some(mask))?;
    let (source, key_mask) = match &block.projection {
        Some(e) => (project(e, &normed, 1)?, None),
        None => (normed.clone(), Some(mask)),
    };
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
    kept: Kept<OnTheWay<T>>,
}

/// What the backward pass needs again.
struct OnTheWay<T: Real> {
    /// Summaries of the normalised sequence, with a projection.
    summaries: Option<Buffer<T>>,
    queries: Buffer<T>,
    keys: Buffer<T>,
    values: Buffer<T>,
    mixed: Buffer<T>,
    common: Vec<Common<T>>,
}

/// The parameters as they lie in the packed tensor.
struct Parts<'p, T> {
    gamma: &'p [T],
    beta: &'p [T],
    output_bias: &'p [T],
    /// Query, key, value, output.
    matrices: [Matrix<'p, T>; 4],
}

/// What all rows of a sequence need of it.
struct Ready<'p, T: Real> {
    parts: Parts<'p, T>,
    query: Packed<'p, T>,
    output: Packed<'p, T>,
    /// With a projection.
    summaries: Option<Buffer<T>>,
    /// The whole, without one.
    normed: Option<Buffer<T>>,
    keys: Buffer<T>,
    values: Buffer<T>,
}

impl<T: Real> Fused<T> {
    pub(crate) fn new(x: &Tensor, mask: &Arc<Vec<u8>>, block: &AttentionBlock<'_>) -> Result<Self> {
        let (batch, n, width) = x.dims3()?;
        let heads = block.heads;
        let k = block.projection.as_ref().map_or(Ok(n), |e| e.dim(0))?;
        Ok(Self {
            attention: Attention::new(
                n,
                k,
                heads,
                width / heads,
                block.projection.is_none().then(|| mask.clone()),
            ),
            project: block
                .projection
                .as_ref()
                .map(|_| Project::new(batch, n, k, width, 1)),
            mask: mask.clone(),
            width,
            kept: Kept::nothing(),
        })
    }

    fn parts<'p>(&self, packed: &'p [T]) -> Parts<'p, T> {
        let width = self.width;
        let matrix = |number: usize| {
            Matrix::rows(
                &packed[3 * width + number * width * width..][..width * width],
                width,
            )
        };
        Parts {
            gamma: &packed[..width],
            beta: &packed[width..2 * width],
            output_bias: &packed[2 * width..3 * width],
            matrices: [matrix(0), matrix(1), matrix(2), matrix(3)],
        }
    }

    fn pack<'m>(&self, matrix: Matrix<'m, T>) -> Packed<'m, T> {
        Packed::new(matrix, self.width, self.width)
    }

    fn normalised(&self, x: &[T], parts: &Parts<'_, T>) -> Buffer<T> {
        let block = self.width * ROWS_PER_TASK;
        let mut normed = Buffer::unwritten(x.len());
        normed
            .par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(self.mask.par_chunks(ROWS_PER_TASK))
            .for_each(|((y, x), mask)| {
                normalise_rows(x, parts.gamma, parts.beta, Some(mask), y);
            });
        normed
    }

    /// What rows need of their sequence before they can be taken through the block, given all of
    /// `x`.
    fn ready<'r>(&self, x: &[T], e: &[T], parts: Parts<'r, T>) -> Ready<'r, T> {
        let width = self.width;
        // With summaries, rows are normalised again where they are needed next: that is cheaper
        // than to write them to memory and read them.
        let (summaries, normed) = match &self.project {
            Some(project) => {
                let norm_of = |rows: Range<usize>| {
                    self.norm_of(&x[rows.start * width..rows.end * width], rows.start, &parts)
                };
                (Some(project.output(e, norm_of)), None)
            }
            None => (None, Some(self.normalised(x, &parts))),
        };
        let source = summaries
            .as_deref()
            .or(normed.as_deref())
            .unwrap_or_default();
        let [query, key, value, output] = parts.matrices.map(|matrix| self.pack(matrix));
        let keys = rows_times(source, &key);
        let values = rows_times(source, &value);
        Ready {
            parts,
            query,
            output,
            summaries,
            normed,
            keys,
            values,
        }
    }

    /// Some rows, from row `first` of all on.
    fn norm_of(&self, x: &[T], first: usize, parts: &Parts<'_, T>) -> Buffer<T> {
        let mut normed = Buffer::unwritten(x.len());
        normalise_rows(
            x,
            parts.gamma,
            parts.beta,
            Some(&self.mask[first..first + x.len() / self.width]),
            &mut normed,
        );
        normed
    }

    /// The result for some rows of one sequence, from row `first` of all on; all steps while they
    /// are in the cache.
    fn output_of_rows(
        &self,
        ready: &Ready<'_, T>,
        (sequence, first): (usize, usize),
        x: &[T],
        [queries, mixed, out]: [&mut [T]; 3],
        common: &mut [Common<T>],
    ) {
        let width = self.width;
        let rows = x.len() / self.width;
        let own_normed;
        let normed = if let Some(normed) = &ready.normed {
            &normed[first * width..][..x.len()]
        } else {
            own_normed = self.norm_of(x, first, &ready.parts);
            &own_normed
        };
        ready
            .query
            .multiply(rows, Matrix::rows(normed, width), queries, width, false);
        self.attention.block_output(
            sequence,
            [queries, &ready.keys, &ready.values],
            mixed,
            common,
        );
        ready
            .output
            .multiply(rows, Matrix::rows(mixed, width), out, width, false);
        add_rows(out, x, ready.parts.output_bias);
    }

    fn blocks(&self) -> Blocks {
        Blocks {
            n: self.attention.sizes.n,
            rows: QUERIES_PER_TASK,
        }
    }

    /// The result, and all on the way to it.
    fn output(&self, x: &[T], e: &[T], packed: &[T]) -> (Vec<T>, OnTheWay<T>) {
        let heads = self.attention.sizes.heads;
        let width = self.width;
        let ready = self.ready(x, e, self.parts(packed));
        let mut queries = Buffer::unwritten(x.len());
        let mut mixed = Buffer::unwritten(x.len());
        let mut out = vec![T::default(); x.len()];
        let mut common = vec![Common::default(); x.len() / width * heads];
        let blocks = self.blocks();
        let tasks = blocks
            .split(&mut out, width)
            .into_par_iter()
            .zip(blocks.split(&mut queries, width));
        let tasks = tasks
            .zip(blocks.split(&mut mixed, width))
            .zip(blocks.split(&mut common, heads))
            .enumerate();
        tasks.for_each(|(number, (((out, queries), mixed), common))| {
            let place @ (_, first) = blocks.place(number);
            self.output_of_rows(
                &ready,
                place,
                &x[first * width..][..out.len()],
                [queries, mixed, out],
                common,
            );
        });
        let Ready {
            summaries,
            keys,
            values,
            ..
        } = ready;
        (
            out,
            OnTheWay {
                summaries,
                queries,
                keys,
                values,
                mixed,
                common,
            },
        )
    }

    /// Puts the result in the place of `x`, each block of rows by itself, and then what `then`
    /// makes of it.
    pub(crate) fn replace(
        &self,
        x: &mut [T],
        e: &[T],
        packed: &[T],
        then: impl Fn(&mut [T]) + Sync,
    ) {
        let ready = self.ready(x, e, self.parts(packed));
        let blocks = self.blocks();
        blocks
            .split(x, self.width)
            .into_par_iter()
            .enumerate()
            .for_each(|(number, rows)| {
                let [mut x, mut queries, mut mixed] =
                    std::array::from_fn(|_| Buffer::unwritten(rows.len()));
                let mut common =
                    vec![Common::default(); rows.len() / self.width * self.attention.sizes.heads];
                x.copy_from_slice(rows);
                self.output_of_rows(
                    &ready,
                    blocks.place(number),
                    &x,
                    [&mut queries, &mut mixed, rows],
                    &mut common,
                );
                then(rows);
            });
    }

    /// Gradients of `x`, of E, and of the packed parameters.
    fn gradients(&self, [x, e, packed, dy]: [&[T]; 4]) -> (Vec<T>, Option<Vec<T>>, Vec<T>) {
        let width = self.width;
        let parts = self.parts(packed);
        let OnTheWay {
            summaries,
            queries,
            keys,
            values,
            mixed,
            common,
        } = self.kept.take_or(|| self.output(x, e, packed).1);
        let normed = self.normalised(x, &parts);
        let source = summaries.as_deref().unwrap_or(&normed);
        let [query, key, value, output] =
            parts.matrices.map(|matrix| self.pack(matrix.transposed()));

        let dmixed = rows_times(dy, &output);
        let [dqueries, dkeys, dvalues] = self
            .attention
            .gradients([&queries, &keys, &values, &mixed, &dmixed], &common);
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
        let mut dx = dy.to_vec();
        let block = width * ROWS_PER_TASK;
        let tasks = dx
            .par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(dnormed.par_chunks(block))
            .zip(self.mask.par_chunks(ROWS_PER_TASK));
        let vectors: Vec<Vec<T>> = tasks
            .zip(dy.par_chunks(block))
            .map(|((((dx, x), dnormed), mask), dy)| {
                let mut sums = vec![T::default(); 3 * width];
                let (dnorm, doutput_bias) = sums.split_at_mut(2 * width);
                let (dgamma, dbeta) = dnorm.split_at_mut(width);
                add_row_gradients([x, parts.gamma, dnormed], Some(mask), [dx, dgamma, dbeta]);
                add_sum_of_rows(dy, doutput_bias);
                sums
            })
            .collect();
        let mut dpacked = sum_of(vectors).unwrap_or_else(|| vec![T::default(); 3 * width]);
        for (a, b) in [
            (&normed[..], &dqueries[..]),
            (source, &dkeys),
            (source, &dvalues),
            (&mixed, dy),
        ] {
            dpacked.extend(transposed_times(a, width, b, width));
        }
        (dx, de, dpacked)
    }
}

impl<T: Real> Operation<T, 3> for Fused<T> {
    fn name(&self) -> &'static str {
        "attention-block"
    }

    fn forward(&self, [x, e, packed]: [&[T]; 3], layouts: [&Layout; 3]) -> Result<(Vec<T>, Shape)> {
        let (out, kept) = self.output(x, e, packed);
        self.kept.put(kept);
        Ok((out, layouts[0].shape().clone()))
    }

    fn backward(
        &self,
        [x, e, packed]: [&Tensor; 3],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let (dx, de, dpacked) =
            with_slices::<T, 4, _>(
                [x, e, packed, gradient],
                |slices| Ok(self.gradients(slices)),
            )?;
        let de = de.map_or(Ok(None), |de| gradient_of(e, de))?;
        Ok([gradient_of(x, dx)?, de, gradient_of(packed, dpacked)?])
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
            // Without a projection its gradient would be absent: it is added with weight.
            let with = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>, t: &[Tensor]| {
                f(t)?.broadcast_add(&t[8].sum_all()?)
            };
            assert_same_gradients(
                shapes,
                |t| {
                    with(
                        &|t| attention_block(&t[0], &mask, &block(t, 3, with_projection)),
                        t,
                    )
                },
                |t| {
                    with(
                        &|t| composed(&t[0], &mask, &block(t, 3, with_projection)),
                        t,
                    )
                },
            );
        }
    }
}
