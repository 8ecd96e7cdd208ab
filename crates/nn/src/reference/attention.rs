//! Scaled dot-product attention over all heads.

use candle_core::{D, Result, Tensor};

use super::mask;

/// `q` (batch, n, heads * d), `k` and `v` (batch, m, heads * d); keys where `key_mask` (batch x m)
/// is 0 get no weight.
pub(crate) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    key_mask: Option<&[u8]>,
) -> Result<Tensor> {
    let (batch, n, width) = q.dims3()?;
    let m = k.dim(1)?;
    let q = by_head(q, heads)?;
    let k = by_head(k, heads)?;
    let v = by_head(v, heads)?;
    let scale = 1.0 / ((width / heads) as f64).sqrt();
    let scores = (q.matmul(&k.t()?)? * scale)?;
    let weights = match key_mask {
        None => candle_nn::ops::softmax(&scores, D::Minus1)?,
        Some(key_mask) => {
            let biased = scores.broadcast_add(&mask::key_bias(key_mask, batch, m, &scores)?)?;
            // Where every key is masked, all weights are zero.
            let tokens = mask::tensor(key_mask, (batch, 1, 1, m), &scores)?;
            candle_nn::ops::softmax(&biased, D::Minus1)?.broadcast_mul(&tokens)?
        }
    };
    weights
        .matmul(&v)?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((batch, n, width))
}

/// (batch, rows, heads * d) -> (batch, heads, rows, d).
fn by_head(t: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, rows, width) = t.dims3()?;
    t.reshape((batch, rows, heads, width / heads))?
        .transpose(1, 2)?
        .contiguous()
}
