//! Masks as tensors, for the compositions of candle's operations.

use candle_core::{Result, Shape, Tensor};

/// 1 at tokens, 0 at padding, of the type and on the device of `like`.
pub(crate) fn tensor(mask: &[u8], shape: impl Into<Shape>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_slice(mask, shape.into(), like.device())?.to_dtype(like.dtype())
}

/// (batch, 1, 1, m): 0 at tokens and far below every score at padding.
pub(crate) fn key_bias(mask: &[u8], batch: usize, m: usize, like: &Tensor) -> Result<Tensor> {
    tensor(mask, (batch, 1, 1, m), like)?.affine(1e30, -1e30)
}
