//! Depthwise convolution of width 3 along the sequence (Primer).

use candle_core::{Result, Tensor};

use super::mask;

/// `x` (batch, n, width), `weight` (3, width); padding is zero before and after.
pub(crate) fn depthwise_convolution(
    x: &Tensor,
    weight: &Tensor,
    row_mask: &[u8],
) -> Result<Tensor> {
    let (batch, n, _) = x.dims3()?;
    let tokens = mask::tensor(row_mask, (batch, n, 1), x)?;
    let padded = x.broadcast_mul(&tokens)?.pad_with_zeros(1, 1, 1)?;
    let tap = |place: usize| {
        padded
            .narrow(1, place, n)?
            .broadcast_mul(&weight.narrow(0, place, 1)?)
    };
    ((tap(0)? + tap(1)?)? + tap(2)?)?.broadcast_mul(&tokens)
}
