//! Linformer's summaries of a sequence.

use candle_core::{Result, Tensor};

/// `e` (groups * k, n), `x` (batch, n, width) -> (batch, k, width).
pub(crate) fn project(e: &Tensor, x: &Tensor, groups: usize) -> Result<Tensor> {
    let (batch, n, width) = x.dims3()?;
    let k = e.dim(0)? / groups;
    let x = x
        .reshape((batch, n, groups, width / groups))?
        .transpose(1, 2)?
        .contiguous()?;
    let e = e
        .reshape((1, groups, k, n))?
        .broadcast_as((batch, groups, k, n))?
        .contiguous()?;
    e.matmul(&x)?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((batch, k, width))
}
