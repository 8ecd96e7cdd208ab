//! A non-linear function after a bias.

use candle_core::{Module, Result, Tensor};
use candle_nn::Activation;

/// `activation(x + bias)` for `x` (.., width) and `bias` (width).
pub(crate) fn activation_with_bias(
    x: &Tensor,
    bias: &Tensor,
    activation: Activation,
) -> Result<Tensor> {
    activation.forward(&x.broadcast_add(bias)?)
}
