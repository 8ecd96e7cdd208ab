//! Linear attention by binary codes (EcoFormer).

use candle_core::{D, Result, Tensor};

use super::mask;

/// `codes` (batch, n, heads * bits), `v` (batch, n, heads * d). With `own_value` the numerator has
/// the token's own value instead of the sum of all values.
pub(crate) fn code_attention(
    codes: &Tensor,
    v: &Tensor,
    heads: usize,
    row_mask: &[u8],
    own_value: bool,
) -> Result<Tensor> {
    let (batch, n, width) = v.dims3()?;
    let bits = codes.dim(2)? / heads;
    let shift = bits as f64 + 1.0;
    let tokens = mask::tensor(row_mask, (batch, 1, n, 1), v)?;
    let b = by_head(codes, heads, bits)?.broadcast_mul(&tokens)?;
    let v = by_head(v, heads, width / heads)?.broadcast_mul(&tokens)?;
    let outer = b.t()?.contiguous()?.matmul(&v)?;
    let z = b.sum_keepdim(2)?;
    let values = if own_value { v } else { v.sum_keepdim(2)? };
    let above = b.matmul(&outer)?.broadcast_add(&(values * shift)?)?;
    // A sequence without tokens is divided by c instead of 0.
    let base = (tokens.sum_keepdim(2)?.maximum(1.0)? * shift)?;
    let below = b
        .broadcast_mul(&z)?
        .sum_keepdim(D::Minus1)?
        .broadcast_add(&base)?;
    let out = above.broadcast_div(&below)?.broadcast_mul(&tokens)?;
    out.transpose(1, 2)?
        .contiguous()?
        .reshape((batch, n, width))
}

/// (batch, n, heads * width) -> (batch, heads, n, width).
fn by_head(t: &Tensor, heads: usize, width: usize) -> Result<Tensor> {
    let (batch, n, _) = t.dims3()?;
    t.reshape((batch, n, heads, width))?
        .transpose(1, 2)?
        .contiguous()
}
