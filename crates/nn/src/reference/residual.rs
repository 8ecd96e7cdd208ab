//! The end of a residual branch.

use candle_core::{Result, Tensor};

/// `x + y + bias`.
pub(crate) fn add_with_bias(x: &Tensor, y: &Tensor, bias: &Tensor) -> Result<Tensor> {
    (x + y)?.broadcast_add(bias)
}
