//! Summaries of a sequence by windows.

use candle_core::{Result, Tensor};

use super::mask;

/// The weighted mean of each channel over the tokens of each window: `x` (batch, n, width),
/// `weight` (window, width).
pub(crate) fn weighted_window_mean(x: &Tensor, weight: &Tensor, row_mask: &[u8]) -> Result<Tensor> {
    let window = weight.dim(0)?;
    let tokens = tokens(x, window, row_mask)?;
    let sums = by_window(x, window)?
        .broadcast_mul(&tokens)?
        .broadcast_mul(weight)?
        .sum(2)?;
    sums.broadcast_div(&tokens.sum(2)?.maximum(1.0)?)
}

/// The largest value of each channel over the tokens of each window, zero where there is none.
pub(crate) fn window_max(x: &Tensor, window: usize, row_mask: &[u8]) -> Result<Tensor> {
    let tokens = tokens(x, window, row_mask)?;
    let values = by_window(x, window)?.broadcast_mul(&tokens)?;
    // The maximum is over tokens. In a window without tokens all values are zero.
    let largest = values
        .detach()
        .broadcast_add(&tokens.affine(1e30, -1e30)?)?
        .argmax_keepdim(2)?;
    values.gather(&largest.contiguous()?, 2)?.squeeze(2)
}

/// (batch, n, ..) -> (batch, windows, window, ..), zero after the end.
fn by_window(rows: &Tensor, window: usize) -> Result<Tensor> {
    let (batch, n, width) = rows.dims3()?;
    let n_windows = n.div_ceil(window);
    let padded = rows.pad_with_zeros(1, 0, n_windows * window - n)?;
    padded
        .contiguous()?
        .reshape((batch, n_windows, window, width))
}

/// The mask by windows, (batch, windows, window, 1).
fn tokens(x: &Tensor, window: usize, row_mask: &[u8]) -> Result<Tensor> {
    let (batch, n, _) = x.dims3()?;
    by_window(&mask::tensor(row_mask, (batch, n, 1), x)?, window)
}
