//! Both halves of a transformer layer in one pass, with nothing kept for gradients: a block of rows
//! that comes out of the attention goes through the feed-forward half while it is in the cache. For
//! long sequences the way to memory and back takes as long as the halves themselves.

use std::sync::Arc;

use candle_core::{CpuStorage, InplaceOp3, Layout, Result, Tensor, bail};

use crate::{
    fused::{
        attention_block::{AttentionBlock, Fused as Attention, attention_block},
        feed_forward::{FeedForward, Fused, feed_forward},
    },
    kernels::real::{Real, fused, slice},
};

/// `feed_forward(attention_block(x))`, to the last bit; without a way back. On the CPU it takes the
/// place of `x` in memory, which nobody else may be using then.
///
/// # Errors
/// Shapes or types that do not fit.
#[expect(
    clippy::needless_pass_by_value,
    reason = "who has given it away cannot look at it afterwards"
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
        let of_attention = attention.joined()?;
        let operation = LayerOnly::<T> {
            n_of_attention: of_attention.elem_count(),
            attention: Attention::new(&x, mask, attention)?,
            feed_forward: Fused::new(block)?,
        };
        x.inplace_op3(&attention.e()?, &Tensor::cat(&[of_attention, block.joined()?], 0)?, &operation)?;
        Ok(x)
    });
    feed_forward(&attention_block(&x, mask, attention)?, block)
}

struct LayerOnly<T: Real> {
    attention: Attention<T>,
    feed_forward: Fused<T>,
    /// Parameters of the attention, which come first.
    n_of_attention: usize,
}

impl<T: Real> InplaceOp3 for LayerOnly<T> {
    fn name(&self) -> &'static str {
        "layer-only"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        of_x: &Layout,
        e: &CpuStorage,
        of_e: &Layout,
        packed: &CpuStorage,
        of_packed: &Layout,
    ) -> Result<()> {
        let (e, packed, Some((start, end))) = (
            slice::<T>(e, of_e)?,
            slice::<T>(packed, of_packed)?,
            of_x.contiguous_offsets(),
        ) else {
            bail!("{}: x is not contiguous", self.name())
        };
        let (of_attention, of_feed_forward) = packed.split_at(self.n_of_attention);
        let rows = self.feed_forward.for_rows(of_feed_forward);
        let mut values =
            T::cpu_storage_data(std::mem::replace(x, T::to_cpu_storage_owned(Vec::new())))?;
        self.attention
            .replace(&mut values[start..end], e, of_attention, |block| {
                rows.replace(block);
            });
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
        let tensor = |dims: &[usize], seed| {
            Tensor::from_vec(values(dims.iter().product(), seed), dims, &Device::Cpu).unwrap()
        };
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
            let all = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            assert_eq!(all(whole), all(halves));
        }
    }
}
