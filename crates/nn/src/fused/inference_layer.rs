//! A whole transformer layer in one pass, for inference.
//!
//! A block of rows goes from the attention half directly through the feed-forward half while it is
//! in the cache. For long sequences, to write it to memory and read it again would take as long as
//! the halves themselves. Nothing is saved for gradients.

use std::sync::Arc;

use candle_core::{CpuStorage, InplaceOp3, Layout, Result, Tensor, bail};

use crate::{
    fused::{
        attention_block::{AttentionBlock, Fused as FusedAttention, attention_block},
        feed_forward::{FeedForward, Fused as FusedFeedForward, feed_forward},
    },
    kernels::real::{Real, fused, slice},
};

/// `feed_forward(attention_block(x))` without gradients, equal to the last bit.
///
/// On the CPU the result overwrites the memory of `x`, which no other tensor may share.
///
/// # Errors
/// Shapes or types that do not fit.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the caller cannot use the tensor after its values are overwritten"
)]
pub fn layer_only(
    x: Tensor,
    mask: &Arc<Vec<u8>>,
    attention: &AttentionBlock<'_>,
    block: FeedForward<'_>,
) -> Result<Tensor> {
    attention.check(&x, mask)?;
    block.check(&x)?;
    fused!(x.dtype(), x.device(), T => {
        let x = x.contiguous()?;
        let attention_parameters = attention.joined()?;
        let operation = LayerOnly::<T> {
            n_attention_parameters: attention_parameters.elem_count(),
            attention: FusedAttention::new(&x, mask, attention)?,
            feed_forward: FusedFeedForward::new(block)?,
        };
        let packed = Tensor::cat(&[attention_parameters, block.joined()?], 0)?;
        x.inplace_op3(&attention.e()?, &packed, &operation)?;
        Ok(x)
    });
    feed_forward(&attention_block(&x, mask, attention)?, block)
}

struct LayerOnly<T: Real> {
    attention: FusedAttention<T>,
    feed_forward: FusedFeedForward<T>,
    /// Number of parameters of the attention half, which come first in the packed vector.
    n_attention_parameters: usize,
}

impl<T: Real> InplaceOp3 for LayerOnly<T> {
    fn name(&self) -> &'static str {
        "layer-only"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        e: &CpuStorage,
        e_layout: &Layout,
        packed: &CpuStorage,
        packed_layout: &Layout,
    ) -> Result<()> {
        let e = slice::<T>(e, e_layout)?;
        let packed = slice::<T>(packed, packed_layout)?;
        let Some((start, end)) = x_layout.contiguous_offsets() else {
            bail!("{}: x is not contiguous", self.name())
        };
        let (attention_parameters, feed_forward_parameters) =
            packed.split_at(self.n_attention_parameters);
        let feed_forward = self.feed_forward.packed_block(feed_forward_parameters);
        // An empty storage takes the place of x, whose values are then owned and writable.
        let mut values =
            T::cpu_storage_data(std::mem::replace(x, T::to_cpu_storage_owned(Vec::new())))?;
        self.attention.replace(
            &mut values[start..end],
            e,
            attention_parameters,
            |block_of_rows| feed_forward.replace(block_of_rows),
        );
        *x = T::to_cpu_storage_owned(values);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::{Activation, kernels::real::tests::values};

    #[test]
    fn a_layer_is_its_halves_one_after_the_other_to_the_last_bit() {
        let batch = 3;
        let n = 700;
        let width = 6;
        let inner = 10;
        let heads = 2;
        let vectors: Vec<Tensor> = (0..5).map(|seed| tensor(&[width], seed)).collect();
        let matrices: Vec<Tensor> = (5..9).map(|seed| tensor(&[width, width], seed)).collect();
        let expand = tensor(&[width, inner], 9);
        let contract = tensor(&[inner, width], 10);
        let expand_bias = tensor(&[inner], 11);
        let x = tensor(&[batch, n, width], 12);
        let e = tensor(&[4, n], 13);
        let mask = Arc::new((0..batch * n).map(|i| u8::from(i % 7 != 3)).collect());
        for (projection, activation) in [
            (None, Activation::Gelu),
            (Some(e.clone()), Activation::Relu),
            (Some(e), Activation::SquaredRelu),
        ] {
            let [gamma, beta, output_bias, contract_bias] = std::array::from_fn(|i| &vectors[i]);
            let [query, key, value, output] = std::array::from_fn(|i| &matrices[i]);
            let attention = AttentionBlock {
                gamma,
                beta,
                projection,
                query,
                key,
                value,
                output,
                output_bias,
                heads,
            };
            let block = FeedForward {
                gamma: &vectors[4],
                beta,
                expand: &expand,
                expand_bias: &expand_bias,
                contract: &contract,
                contract_bias,
                activation,
            };
            let halves =
                feed_forward(&attention_block(&x, &mask, &attention).unwrap(), block).unwrap();
            let whole = layer_only(x.copy().unwrap(), &mask, &attention, block).unwrap();
            assert_eq!(all_values(&whole), all_values(&halves));
        }
    }

    fn tensor(dims: &[usize], seed: u64) -> Tensor {
        Tensor::from_vec(values(dims.iter().product(), seed), dims, &Device::Cpu).unwrap()
    }

    fn all_values(t: &Tensor) -> Vec<f64> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }
}
