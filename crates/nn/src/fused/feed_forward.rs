//! The feed-forward half of a transformer layer in one pass: `x + activation(norm(x) W1 + b1) W2 +
//! b2` (pre-norm: Xiong et al. 2020, arXiv 2002.04745, section 3).
//!
//! ```text
//! N = layer_norm(x)                   (rows, width)
//! U = N W1                            (rows, inner)
//! H = activation(U + b1)              (rows, inner)
//! out = x + H W2 + b2                 (rows, width)
//!
//! dH = dout W2^T      dU = dH * activation'(U + b1)      dN = dU W1^T
//! dW1 = N^T dU        db1 = sum of the rows of dU
//! dW2 = H^T dout      db2 = sum of the rows of dout
//! ```
//!
//! A block of rows goes through all steps while it is in the cache, in both passes. The forward
//! pass saves U; the backward pass computes N and H again.

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;

use crate::{
    fused::{
        activation::{Activation, Curve, Gelu, Relu, SquaredRelu, activation_with_bias},
        layer_norm::{add_row_gradients, layer_norm, normalise_rows},
        linear::linear,
        residual::add_with_bias,
    },
    kernels::{
        buffer::Buffer,
        gemm::{Matrix, Packed, ROWS_PER_SUM, add_transposed_times, sum_of},
        real::{Real, fused, gradient_of, joined, vectorised, with_slices},
        row_sums::{add_rows, add_sum_of_rows},
        saved_for_backward::Saved,
    },
};

/// The dense parameters of the block.
#[derive(Clone, Copy, Debug)]
pub struct FeedForward<'p> {
    /// Scale of the layer norm, (width).
    pub gamma: &'p Tensor,
    /// Shift of the layer norm, (width).
    pub beta: &'p Tensor,
    /// W1, (width, inner).
    pub expand: &'p Tensor,
    /// b1, (inner).
    pub expand_bias: &'p Tensor,
    /// W2, (inner, width).
    pub contract: &'p Tensor,
    /// b2, (width).
    pub contract_bias: &'p Tensor,
    /// The function between the two matrices.
    pub activation: Activation,
}

/// The feed-forward block for `x` (.., width).
///
/// # Errors
/// Shapes or types that do not fit.
pub fn feed_forward(x: &Tensor, block: FeedForward<'_>) -> Result<Tensor> {
    block.check(x)?;
    fused!(x.dtype(), x.device(), T => {
        let operation = Fused::<T>::new(block)?;
        x.contiguous()?.apply_op2(&block.joined()?, OnCpu::new(operation))
    });
    composed(x, block)
}

impl FeedForward<'_> {
    pub(crate) fn check(self, x: &Tensor) -> Result<()> {
        let (width, inner) = self.expand.dims2()?;
        let vectors = [
            (self.gamma, width),
            (self.beta, width),
            (self.expand_bias, inner),
            (self.contract_bias, width),
        ];
        let contract = self.contract.dims2()?;
        if x.dims().last() != Some(&width)
            || contract != (inner, width)
            || vectors.iter().any(|(v, n)| v.elem_count() != *n)
        {
            bail!(
                "feed_forward: x {:?}, expand {:?} and contract {:?} do not fit",
                x.shape(),
                self.expand.shape(),
                self.contract.shape()
            );
        }
        Ok(())
    }

    /// All parameters in one vector, in the order of [`Fused::weights`].
    pub(crate) fn joined(self) -> Result<Tensor> {
        joined([
            self.gamma,
            self.beta,
            self.contract_bias,
            self.expand_bias,
            self.expand,
            self.contract,
        ])
    }
}

/// The block as a composition of smaller operations, for devices other than the CPU.
fn composed(x: &Tensor, block: FeedForward<'_>) -> Result<Tensor> {
    let normed = layer_norm(x, block.gamma, block.beta, None)?;
    let inner = activation_with_bias(
        &linear(&normed, block.expand)?,
        block.expand_bias,
        block.activation,
    )?;
    add_with_bias(x, &linear(&inner, block.contract)?, block.contract_bias)
}

pub(crate) struct Fused<T: Real> {
    width: usize,
    inner: usize,
    activation: Activation,
    /// U.
    saved: Saved<Buffer<T>>,
}

/// Views of the parameters in the packed vector.
struct Weights<'p, T> {
    gamma: &'p [T],
    beta: &'p [T],
    contract_bias: &'p [T],
    expand_bias: &'p [T],
    expand: Matrix<'p, T>,
    contract: Matrix<'p, T>,
}

/// Gradients of the parameters, as views into one packed vector.
struct WeightGradients<'p, T> {
    gamma: &'p mut [T],
    beta: &'p mut [T],
    contract_bias: &'p mut [T],
    expand_bias: &'p mut [T],
    expand: &'p mut [T],
    contract: &'p mut [T],
}

/// The block with packed matrices, for any number of rows.
pub(crate) struct PackedBlock<'p, T: Real> {
    weights: Weights<'p, T>,
    activation: Activation,
    expand: Packed<'p, T>,
    contract: Packed<'p, T>,
}

impl<T: Real> PackedBlock<'_, T> {
    /// Writes the result for the rows `x` to `out`, and U to `before`.
    fn output<C: Curve<T>>(&self, x: &[T], before: &mut [T], out: &mut [T]) {
        let Weights {
            gamma,
            beta,
            contract_bias,
            expand_bias,
            ..
        } = self.weights;
        let width = gamma.len();
        let inner = expand_bias.len();
        let rows = x.len() / width;
        // `out` holds N until the last product overwrites it.
        normalise_rows(x, gamma, beta, None, out);
        self.expand
            .multiply(rows, Matrix::rows(out, width), before, inner, false);
        let mut activated = Buffer::unwritten(before.len());
        activate::<T, C>(before, expand_bias, &mut activated);
        self.contract
            .multiply(rows, Matrix::rows(&activated, inner), out, width, false);
        add_rows(out, x, contract_bias);
    }

    /// Replaces rows by their result.
    pub(crate) fn replace(&self, rows: &mut [T]) {
        let mut x = Buffer::unwritten(rows.len());
        x.copy_from_slice(rows);
        let n_rows = rows.len() / self.weights.gamma.len();
        let mut before = Buffer::unwritten(n_rows * self.weights.expand_bias.len());
        match self.activation {
            Activation::Gelu => self.output::<Gelu>(&x, &mut before, rows),
            Activation::Relu => self.output::<Relu>(&x, &mut before, rows),
            Activation::SquaredRelu => self.output::<SquaredRelu>(&x, &mut before, rows),
        }
    }
}

/// The result for all rows.
struct Output<T: Real> {
    out: Vec<T>,
    /// U.
    before: Buffer<T>,
}

impl<T: Real> Fused<T> {
    pub(crate) fn new(block: FeedForward<'_>) -> Result<Self> {
        let (width, inner) = block.expand.dims2()?;
        Ok(Self {
            width,
            inner,
            activation: block.activation,
            saved: Saved::empty(),
        })
    }

    /// Splits the packed vector of [`FeedForward::joined`].
    fn weights<'p>(&self, packed: &'p [T]) -> Weights<'p, T> {
        let Self { width, inner, .. } = *self;
        let (vectors, matrices) = packed.split_at(3 * width + inner);
        let (expand, contract) = matrices.split_at(width * inner);
        Weights {
            gamma: &vectors[..width],
            beta: &vectors[width..2 * width],
            contract_bias: &vectors[2 * width..3 * width],
            expand_bias: &vectors[3 * width..],
            expand: Matrix::rows(expand, inner),
            contract: Matrix::rows(contract, width),
        }
    }

    /// Splits a vector of gradients in the order of [`Fused::weights`].
    fn weight_gradients<'p>(&self, packed: &'p mut [T]) -> WeightGradients<'p, T> {
        let Self { width, inner, .. } = *self;
        let (vectors, matrices) = packed.split_at_mut(3 * width + inner);
        let (norm, biases) = vectors.split_at_mut(2 * width);
        let (gamma, beta) = norm.split_at_mut(width);
        let (contract_bias, expand_bias) = biases.split_at_mut(width);
        let (expand, contract) = matrices.split_at_mut(width * inner);
        WeightGradients {
            gamma,
            beta,
            contract_bias,
            expand_bias,
            expand,
            contract,
        }
    }

    /// Rows per block, so that the inner rows of a block fill part of the second-level cache.
    ///
    /// A power of two that divides [`ROWS_PER_SUM`].
    fn rows_per_block(&self) -> usize {
        (131_072 / self.inner.next_power_of_two()).clamp(32, 256)
    }

    pub(crate) fn packed_block<'p>(&self, packed: &'p [T]) -> PackedBlock<'p, T> {
        let Self {
            width,
            inner,
            activation,
            ..
        } = *self;
        let weights = self.weights(packed);
        let (expand, contract) = rayon::join(
            || Packed::new(weights.expand, width, inner),
            || Packed::new(weights.contract, inner, width),
        );
        PackedBlock {
            weights,
            activation,
            expand,
            contract,
        }
    }

    fn output<C: Curve<T>>(&self, x: &[T], packed: &[T]) -> Output<T> {
        let block = self.packed_block(packed);
        let mut out = vec![T::default(); x.len()];
        let mut before = Buffer::unwritten(x.len() / self.width * self.inner);
        let rows = self.rows_per_block();
        let blocks_of_rows = out
            .par_chunks_mut(rows * self.width)
            .zip(x.par_chunks(rows * self.width))
            .zip(before.par_chunks_mut(rows * self.inner));
        blocks_of_rows.for_each(|((out, x), before)| block.output::<C>(x, before, out));
        Output { out, before }
    }

    /// Gradients of `x` and of the packed parameters.
    fn gradients<C: Curve<T>>(&self, x: &[T], packed: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
        let Self { width, inner, .. } = *self;
        let weights = self.weights(packed);
        let (expand_transposed, contract_transposed) = rayon::join(
            || Packed::new(weights.expand.transposed(), inner, width),
            || Packed::new(weights.contract.transposed(), width, inner),
        );
        let backward = Backward {
            rows_per_block: self.rows_per_block(),
            weights,
            expand_transposed,
            contract_transposed,
        };
        let saved = self.saved.take_or(|| self.output::<C>(x, packed).before);
        let mut dx = vec![T::default(); x.len()];
        // Each task sums the parameters' gradients over a fixed number of rows, so that the result
        // does not depend on the number of threads.
        let values_per_sum = width * ROWS_PER_SUM;
        let tasks = dx
            .par_chunks_mut(values_per_sum)
            .zip(x.par_chunks(values_per_sum))
            .zip(dy.par_chunks(values_per_sum))
            .zip(saved.par_chunks(inner * ROWS_PER_SUM));
        let sums_of_tasks: Vec<Vec<T>> = tasks
            .map(|(((dx, x), dy), before)| {
                let mut dpacked = vec![T::default(); packed.len()];
                let mut dweights = self.weight_gradients(&mut dpacked);
                backward.gradients::<C>([x, dy, before], dx, &mut dweights);
                dpacked
            })
            .collect();
        let dpacked = sum_of(sums_of_tasks).unwrap_or_else(|| vec![T::default(); packed.len()]);
        (dx, dpacked)
    }
}

/// The parameters that the backward pass needs, with packed transposed matrices.
struct Backward<'p, T: Real> {
    weights: Weights<'p, T>,
    /// W1^T.
    expand_transposed: Packed<'p, T>,
    /// W2^T.
    contract_transposed: Packed<'p, T>,
    rows_per_block: usize,
}

impl<T: Real> Backward<'_, T> {
    /// Sets the gradient of `x` and adds the gradients of the parameters, one block of rows after
    /// the other; `before` is U.
    fn gradients<C: Curve<T>>(
        &self,
        [x, dy, before]: [&[T]; 3],
        dx: &mut [T],
        dweights: &mut WeightGradients<'_, T>,
    ) {
        let width = self.weights.gamma.len();
        let inner = self.weights.expand_bias.len();
        let block = width * self.rows_per_block;
        let inner_block = inner * self.rows_per_block;
        // Scratch memory that all blocks use.
        let mut normed = Buffer::unwritten(block);
        let mut dnormed = Buffer::unwritten(block);
        let mut activated = Buffer::unwritten(inner_block);
        let mut dinner = Buffer::unwritten(inner_block);
        let blocks = dx
            .chunks_mut(block)
            .zip(x.chunks(block))
            .zip(dy.chunks(block))
            .zip(before.chunks(inner_block));
        for (((dx, x), dy), before) in blocks {
            let rows = x.len() / width;
            let normed = &mut normed[..x.len()];
            let dnormed = &mut dnormed[..x.len()];
            let activated = &mut activated[..rows * inner];
            let dinner = &mut dinner[..rows * inner];
            let Weights {
                gamma,
                beta,
                expand_bias,
                ..
            } = self.weights;
            normalise_rows(x, gamma, beta, None, normed);
            let dy_rows = Matrix::rows(dy, width);
            self.contract_transposed
                .multiply(rows, dy_rows, dinner, inner, false);
            activate_backwards::<T, C>(
                before,
                expand_bias,
                activated,
                dinner,
                dweights.expand_bias,
            );
            let dinner_rows = Matrix::rows(dinner, inner);
            self.expand_transposed
                .multiply(rows, dinner_rows, dnormed, width, false);
            add_transposed_times(normed, width, dinner, inner, dweights.expand);
            add_transposed_times(activated, inner, dy, width, dweights.contract);
            add_sum_of_rows(dy, dweights.contract_bias);
            // The residual connection passes dy on unchanged.
            dx.copy_from_slice(dy);
            let norm_targets = [dx, &mut *dweights.gamma, &mut *dweights.beta];
            add_row_gradients([x, gamma, dnormed], None, norm_targets);
        }
    }
}

/// Sets `activated = C(before + bias)` for each row.
fn activate<T: Real, C: Curve<T>>(before: &[T], bias: &[T], activated: &mut [T]) {
    vectorised(
        #[inline(always)]
        || {
            for (before, activated) in before
                .chunks_exact(bias.len())
                .zip(activated.chunks_exact_mut(bias.len()))
            {
                for ((&before, activated), &bias) in before.iter().zip(activated).zip(bias) {
                    *activated = C::value(before + bias);
                }
            }
        },
    );
}

/// Sets `activated = C(before + bias)` and multiplies `dinner` by `C'(before + bias)`.
///
/// Adds the rows of the new `dinner` to the gradient of the bias.
fn activate_backwards<T: Real, C: Curve<T>>(
    before: &[T],
    bias: &[T],
    activated: &mut [T],
    dinner: &mut [T],
    dbias: &mut [T],
) {
    vectorised(
        #[inline(always)]
        || {
            let n = bias.len();
            let dbias = &mut dbias[..n];
            for ((before, activated), dinner) in before
                .chunks_exact(n)
                .zip(activated.chunks_exact_mut(n))
                .zip(dinner.chunks_exact_mut(n))
            {
                for i in 0..n {
                    let (value, slope) = C::value_and_slope(before[i] + bias[i]);
                    dinner[i] *= slope;
                    dbias[i] += dinner[i];
                    activated[i] = value;
                }
            }
        },
    );
}

impl<T: Real> Operation<T, 2> for Fused<T> {
    fn name(&self) -> &'static str {
        "feed-forward"
    }

    fn forward(&self, [x, packed]: [&[T]; 2], layouts: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let Output { out, before } = match self.activation {
            Activation::Gelu => self.output::<Gelu>(x, packed),
            Activation::Relu => self.output::<Relu>(x, packed),
            Activation::SquaredRelu => self.output::<SquaredRelu>(x, packed),
        };
        self.saved.save(before);
        Ok((out, layouts[0].shape().clone()))
    }

    fn backward(
        &self,
        [x, packed]: [&Tensor; 2],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let (dx, dpacked) = with_slices::<T, 3, _>([x, packed, gradient], |[x, packed, dy]| {
            Ok(match self.activation {
                Activation::Gelu => self.gradients::<Gelu>(x, packed, dy),
                Activation::Relu => self.gradients::<Relu>(x, packed, dy),
                Activation::SquaredRelu => self.gradients::<SquaredRelu>(x, packed, dy),
            })
        })?;
        Ok([gradient_of(x, dx)?, gradient_of(packed, dpacked)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients};

    fn block(t: &[Tensor], activation: Activation) -> FeedForward<'_> {
        FeedForward {
            gamma: &t[1],
            beta: &t[2],
            expand: &t[3],
            expand_bias: &t[4],
            contract: &t[5],
            contract_bias: &t[6],
            activation,
        }
    }

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients(
            [&[2, 3, 4], &[4], &[4], &[4, 6], &[6], &[6, 4], &[4]],
            |t| feed_forward(&t[0], block(t, Activation::Gelu)),
        );
    }

    #[test]
    fn the_composition_of_its_parts_is_the_same_over_many_blocks() {
        for activation in [Activation::Gelu, Activation::Relu, Activation::SquaredRelu] {
            // More rows than one sum has, and more than one block.
            let shapes: [&[usize]; 7] =
                [&[5, 230, 3], &[3], &[3], &[3, 130], &[130], &[130, 3], &[3]];
            assert_same_gradients(
                shapes,
                |t| feed_forward(&t[0], block(t, activation)),
                |t| composed(&t[0], block(t, activation)),
            );
        }
    }
}
