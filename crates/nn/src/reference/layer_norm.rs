//! Layer normalisation with padding rows set to zero.

use candle_core::{Result, Tensor};

use super::mask;

/// Layer normalisation with zeros in rows where `row_mask` is 0; `gamma` and `beta` are (hidden).
pub(crate) fn layer_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f64,
    row_mask: Option<&[u8]>,
) -> Result<Tensor> {
    let y = candle_nn::ops::layer_norm_slow(x, gamma, beta, epsilon as f32)?;
    let Some(row_mask) = row_mask else {
        return Ok(y);
    };
    let mut rows = x.dims().to_vec();
    if let Some(last) = rows.last_mut() {
        *last = 1;
    }
    y.broadcast_mul(&mask::tensor(row_mask, rows, x)?)
}
