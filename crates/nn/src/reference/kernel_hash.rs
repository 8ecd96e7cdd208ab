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
    // A head's matrix, transposed and once a sequence.
    let of_head = |t: &Tensor, rows: usize, columns: usize| {
        t.t()?
            .unsqueeze(0)?
            .broadcast_as((batch, heads, columns, rows))?
            .contiguous()
    };
    let constant = |t: &Tensor| t.detach().to_dtype(x.dtype());
    let [anchors, sigma, mean] = fitted;
    let anchors = constant(anchors)?;
    let sigma = constant(sigma)?;
    let mean = constant(mean)?;
    let x = x
        .reshape((batch, n, heads, d))?
        .transpose(1, 2)?
        .contiguous()?;
    let square = x.sqr()?.sum_keepdim(D::Minus1)?;
    // The zero vector has no direction: it stays, and passes no gradient.
    let has_direction = square.detach().gt(min_square)?;
    let inverse = has_direction
        .where_cond(&square, &square.ones_like()?)?
        .sqrt()?
        .recip()?;
    let has_direction = has_direction.to_dtype(x.dtype())?;
    let unit = x.broadcast_mul(&(inverse * &has_direction)?)?;
    let products = unit.matmul(&of_head(&anchors, m, d)?)?;
    let squares = anchors.sqr()?.sum(2)?.reshape((1, heads, 1, m))?;
    let distance = (products * -2.0)?
        .broadcast_add(&squares)?
        .broadcast_add(&has_direction)?;
    let values = distance
        .broadcast_div(&(sigma * -2.0)?.reshape((1, heads, 1, 1))?)?
        .exp()?;
    let features = values.broadcast_sub(&mean.reshape((1, heads, 1, m))?)?;
    features
        .matmul(&of_head(hash, bits, m)?)?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((batch, n, heads * bits))
}
