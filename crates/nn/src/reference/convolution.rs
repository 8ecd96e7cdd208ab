//! Depthwise convolution of width 3 along the sequence (Primer).

use candle_core::{Result, Tensor};

use super::mask;

/// `x` (batch, n, width), `weight` (3, width); padding rows are zero in the input and the output.
pub(crate) fn depthwise_convolution(
    x: &Tensor,
    weight: &Tensor,
    row_mask: &[u8],
) -> Result<Tensor> {
    let (batch, n, _width) = x.dims3()?;
    let tokens = mask::tensor(row_mask, (batch, n, 1), x)?;
    let padded = x.broadcast_mul(&tokens)?.pad_with_zeros(1, 1, 1)?;
    let left = tap(&padded, weight, 0)?;
    let centre = tap(&padded, weight, 1)?;
    let right = tap(&padded, weight, 2)?;
    ((left + centre)? + right)?.broadcast_mul(&tokens)
}

/// One weight of the filter times the rows that it multiplies; `padded` has a zero row at each end.
fn tap(padded: &Tensor, weight: &Tensor, offset: usize) -> Result<Tensor> {
    let n = padded.dim(1)? - 2;
    padded
        .narrow(1, offset, n)?
        .broadcast_mul(&weight.narrow(0, offset, 1)?)
}
