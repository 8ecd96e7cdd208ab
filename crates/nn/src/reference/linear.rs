//! A linear layer without bias.

use candle_core::{Module, Result, Tensor};

/// `x w` for `x` (.., in) and `w` (in, out).
pub(crate) fn linear(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    candle_nn::Linear::new(w.t()?, None).forward(x)
}
