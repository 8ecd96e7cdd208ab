//! The feed-forward half of a transformer layer in one pass: `x + activation(norm(x) W1 + b1) W2 +
//! b2` (pre-norm: Xiong et al. 2020, arXiv 2002.04745, section 3).
//!
//! A block of rows goes through all of it while it is in the cache, forwards and backwards. Kept
//! for the backward pass are `x` and the inner rows before their activation.

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
        saved_for_backward::Kept,
    },
};

/// The parameters of the block, dense.
#[derive(Clone, Copy, Debug)]
pub struct FeedForward<'p> {
    /// Of the norm, (width).
    pub gamma: &'p Tensor,
    /// Of the norm, (width).
    pub beta: &'p Tensor,
    /// W1, (width, inner).
    pub expand: &'p Tensor,
    /// b1, (inner).
    pub expand_bias: &'p Tensor,
    /// W2, (inner, width).
    pub contract: &'p Tensor,
    /// b2, (width).
    pub contract_bias: &'p Tensor,
    /// Between the two.
    pub activation: Activation,
}

/// The block for `x` (.., width).
///
/// # Errors
/// Shapes or types that do not fit.
pub fn feed_forward(x: &Tensor, block: FeedForward<'_>) -> Result<Tensor> {
    block.check(x)?;
    fused!(x.dtype(), x.device(), T => x.contiguous()?.apply_op2(&block.joined()?, OnCpu::new(Fused::<T>::new(block)?)));
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

    /// All parameters, as [`Fused::parts`] takes them apart.
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

/// The same from its parts, for other devices.
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
    /// `norm(x) W1`, (rows, inner).
    kept: Kept<Buffer<T>>,
}

/// The parameters as they lie in the packed tensor.
struct Parts<'p, T> {
    gamma: &'p [T],
    beta: &'p [T],
    contract_bias: &'p [T],
    expand_bias: &'p [T],
    expand: Matrix<'p, T>,
    contract: Matrix<'p, T>,
}

/// The parameters for any number of rows, matrices packed.
pub(crate) struct Rows<'p, T: Real> {
    parts: Parts<'p, T>,
    activation: Activation,
    expand: Packed<'p, T>,
    contract: Packed<'p, T>,
}

impl<T: Real> Rows<'_, T> {
    /// The result for the rows `x`; `before` takes `norm(x) W1`.
    fn output<C: Curve<T>>(&self, x: &[T], before: &mut [T], out: &mut [T]) {
        let Parts {
            gamma,
            beta,
            contract_bias,
            expand_bias,
            ..
        } = self.parts;
        let rows = x.len() / gamma.len();
        normalise_rows(x, gamma, beta, None, out);
        self.expand.multiply(
            rows,
            Matrix::rows(out, gamma.len()),
            before,
            expand_bias.len(),
            false,
        );
        let mut wide = Buffer::unwritten(before.len());
        activate::<T, C>(before, expand_bias, &mut wide);
        self.contract.multiply(
            rows,
            Matrix::rows(&wide, expand_bias.len()),
            out,
            gamma.len(),
            false,
        );
        add_rows(out, x, contract_bias);
    }

    /// Puts the result for some rows in their place.
    pub(crate) fn replace(&self, rows: &mut [T]) {
        let mut x = Buffer::unwritten(rows.len());
        x.copy_from_slice(rows);
        let mut before =
            Buffer::unwritten(rows.len() / self.parts.gamma.len() * self.parts.expand_bias.len());
        match self.activation {
            Activation::Gelu => self.output::<Gelu>(&x, &mut before, rows),
            Activation::Relu => self.output::<Relu>(&x, &mut before, rows),
            Activation::SquaredRelu => self.output::<SquaredRelu>(&x, &mut before, rows),
        }
    }
}

impl<T: Real> Fused<T> {
    pub(crate) fn new(block: FeedForward<'_>) -> Result<Self> {
        let (width, inner) = block.expand.dims2()?;
        Ok(Self {
            width,
            inner,
            activation: block.activation,
            kept: Kept::nothing(),
        })
    }

    fn parts<'p>(&self, packed: &'p [T]) -> Parts<'p, T> {
        let Self { width, inner, .. } = *self;
        let (vectors, matrices) = packed.split_at(3 * width + inner);
        let (expand, contract) = matrices.split_at(width * inner);
        Parts {
            gamma: &vectors[..width],
            beta: &vectors[width..2 * width],
            contract_bias: &vectors[2 * width..3 * width],
            expand_bias: &vectors[3 * width..],
            expand: Matrix::rows(expand, inner),
            contract: Matrix::rows(contract, width),
        }
    }

    /// Rows that go through at a time: their inner rows fill part of the second-level cache.
    /// Divides [`ROWS_PER_SUM`].
    fn rows(&self) -> usize {
        (131_072 / self.inner.next_power_of_two()).clamp(32, 256)
    }

    pub(crate) fn for_rows<'p>(&self, packed: &'p [T]) -> Rows<'p, T> {
        let &Self {
            width,
            inner,
            activation,
            ..
        } = self;
        let parts = self.parts(packed);
        let (expand, contract) = rayon::join(
            || Packed::new(parts.expand, width, inner),
            || Packed::new(parts.contract, inner, width),
        );
        Rows {
            parts,
            activation,
            expand,
            contract,
        }
    }

    /// The result, and `norm(x) W1`.
    fn output<C: Curve<T>>(&self, x: &[T], packed: &[T]) -> (Vec<T>, Buffer<T>) {
        let for_rows = self.for_rows(packed);
        let mut out = vec![T::default(); x.len()];
        let mut before = Buffer::unwritten(x.len() / self.width * self.inner);
        let rows = self.rows();
        let blocks = out
            .par_chunks_mut(rows * self.width)
            .zip(x.par_chunks(rows * self.width))
            .zip(before.par_chunks_mut(rows * self.inner));
        blocks.for_each(|((out, x), before)| for_rows.output::<C>(x, before, out));
        (out, before)
    }

    /// Gradients of `x` and of the packed parameters.
    fn gradients<C: Curve<T>>(&self, x: &[T], packed: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
        let Self { width, inner, .. } = *self;
        let parts = self.parts(packed);
        let (expand_transposed, contract_transposed) = rayon::join(
            || Packed::new(parts.expand.transposed(), inner, width),
            || Packed::new(parts.contract.transposed(), width, inner),
        );
        let kept = self.kept.take_or(|| self.output::<C>(x, packed).1);
        let mut dx = vec![T::default(); x.len()];
        let sum = width * ROWS_PER_SUM;
        let tasks = dx
            .par_chunks_mut(sum)
            .zip(x.par_chunks(sum))
            .zip(dy.par_chunks(sum))
            .zip(kept.par_chunks(inner * ROWS_PER_SUM));
        let partial: Vec<Vec<T>> = tasks
            .map(|(((dx, x), dy), kept)| {
                let mut dpacked = vec![T::default(); packed.len()];
                let (dvectors, dmatrices) = dpacked.split_at_mut(3 * width + inner);
                let (dnorm, dbiases) = dvectors.split_at_mut(2 * width);
                let (dgamma, dbeta) = dnorm.split_at_mut(width);
                let (dcontract_bias, dexpand_bias) = dbiases.split_at_mut(width);
                let (dexpand, dcontract) = dmatrices.split_at_mut(width * inner);
                let room = |n: usize| Buffer::unwritten(self.rows() * n);
                let mut normed = room(width);
                let mut dnormed = room(width);
                let mut wide = room(inner);
                let mut dwide = room(inner);
                let block = width * self.rows();
                let blocks = dx
                    .chunks_mut(block)
                    .zip(x.chunks(block))
                    .zip(dy.chunks(block))
                    .zip(kept.chunks(inner * self.rows()));
                for (((dx, x), dy), before) in blocks {
                    let rows = x.len() / width;
                    let normed = &mut normed[..x.len()];
                    let dnormed = &mut dnormed[..x.len()];
                    let wide = &mut wide[..rows * inner];
                    let dwide = &mut dwide[..rows * inner];
                    normalise_rows(x, parts.gamma, parts.beta, None, normed);
                    contract_transposed.multiply(
                        rows,
                        Matrix::rows(dy, width),
                        dwide,
                        inner,
                        false,
                    );
                    activate_backwards::<T, C>(
                        before,
                        parts.expand_bias,
                        wide,
                        dwide,
                        dexpand_bias,
                    );
                    expand_transposed.multiply(
                        rows,
                        Matrix::rows(dwide, inner),
                        dnormed,
                        width,
                        false,
                    );
                    add_transposed_times(normed, width, dwide, inner, dexpand);
                    add_transposed_times(wide, inner, dy, width, dcontract);
                    add_sum_of_rows(dy, dcontract_bias);
                    dx.copy_from_slice(dy);
                    add_row_gradients([x, parts.gamma, dnormed], None, [dx, dgamma, dbeta]);
                }
                dpacked
            })
            .collect();
        (
            dx,
            sum_of(partial).unwrap_or_else(|| vec![T::default(); packed.len()]),
        )
    }
}

/// `wide = C(before + bias)`.
fn activate<T: Real, C: Curve<T>>(before: &[T], bias: &[T], wide: &mut [T]) {
    vectorised(
        #[inline(always)]
        || {
            for (before, wide) in before
                .chunks_exact(bias.len())
                .zip(wide.chunks_exact_mut(bias.len()))
            {
                for ((&before, wide), &bias) in before.iter().zip(wide).zip(bias) {
                    *wide = C::value(before + bias);
                }
            }
        },
    );
}

/// `wide = C(before + bias)` and `dwide *= C'(before + bias)`; adds up the gradient of the bias.
fn activate_backwards<T: Real, C: Curve<T>>(
    before: &[T],
    bias: &[T],
    wide: &mut [T],
    dwide: &mut [T],
    dbias: &mut [T],
) {
    vectorised(
        #[inline(always)]
        || {
            let n = bias.len();
            let dbias = &mut dbias[..n];
            for ((before, wide), dwide) in before
                .chunks_exact(n)
                .zip(wide.chunks_exact_mut(n))
                .zip(dwide.chunks_exact_mut(n))
            {
                for i in 0..n {
                    let (value, slope) = C::value_and_slope(before[i] + bias[i]);
                    dwide[i] *= slope;
                    dbias[i] += dwide[i];
                    wide[i] = value;
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
        let (out, before) = match self.activation {
            Activation::Gelu => self.output::<Gelu>(x, packed),
            Activation::Relu => self.output::<Relu>(x, packed),
            Activation::SquaredRelu => self.output::<SquaredRelu>(x, packed),
        };
        self.kept.put(before);
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
            // More rows than one sum holds, and more than one block.
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
