//! Kernelised hash functions before the sign (EcoFormer).

use candle_core::{D, Result, Tensor};

/// `x` (batch, n, heads * d), `hash` (heads, bits, anchors), `fitted`: anchors, sigma and mean of
/// the kernel. A vector with a square below `min_square` has no direction.
pub(crate) fn kernel_hash(
    x: &Tensor,
    hash: &Tensor,
    fitted: [&Tensor; 3],
    min_square: f64,
) -> Result<Tensor> {
    let (batch, n, width) = x.dims3()?;
    let (heads, bits, m) = hash.dims3()?;
    let d = width / heads;
    let [anchors, sigma, mean] = fitted;
    let anchors = anchors.detach().to_dtype(x.dtype())?;
    let sigma = sigma.detach().to_dtype(x.dtype())?;
    let mean = mean.detach().to_dtype(x.dtype())?;
    let x = x
        .reshape((batch, n, heads, d))?
        .transpose(1, 2)?
        .contiguous()?;
    let square = x.sqr()?.sum_keepdim(D::Minus1)?;
    // The zero vector has no direction: it stays zero and passes no gradient.
    let has_direction = square.detach().gt(min_square)?;
    let inverse = has_direction
        .where_cond(&square, &square.ones_like()?)?
        .sqrt()?
        .recip()?;
    let has_direction = has_direction.to_dtype(x.dtype())?;
    let unit = x.broadcast_mul(&(inverse * &has_direction)?)?;
    let products = unit.matmul(&transposed_for_batch(&anchors, batch)?)?;
    let squares = anchors.sqr()?.sum(2)?.reshape((1, heads, 1, m))?;
    let distance = (products * -2.0)?
        .broadcast_add(&squares)?
        .broadcast_add(&has_direction)?;
    let values = distance
        .broadcast_div(&(sigma * -2.0)?.reshape((1, heads, 1, 1))?)?
        .exp()?;
    let features = values.broadcast_sub(&mean.reshape((1, heads, 1, m))?)?;
    features
        .matmul(&transposed_for_batch(hash, batch)?)?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((batch, n, heads * bits))
}

/// (heads, rows, columns) -> (batch, heads, columns, rows): each head's matrix, transposed and
/// repeated for each sequence.
fn transposed_for_batch(t: &Tensor, batch: usize) -> Result<Tensor> {
    let (heads, rows, columns) = t.dims3()?;
    t.t()?
        .unsqueeze(0)?
        .broadcast_as((batch, heads, columns, rows))?
        .contiguous()
}
