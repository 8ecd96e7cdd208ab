//! Linformer's summaries of a sequence (Wang et al. 2020, arXiv 2006.04768, equation 7): `E X`, one E for all channels or one for each head.

use candle_core::{Result, Tensor, bail};

/// `out[b, i, c] = sum_s e[g k + i, s] x[b, s, c]` with `g` the group of channel `c`: `x` (batch, n, width), `e` (groups * k, n) ->
/// (batch, k, width). With one group all channels share E.
///
/// # Errors
/// Shapes or types that do not fit.
pub fn project(e: &Tensor, x: &Tensor, groups: usize) -> Result<Tensor> {
    let ((rows, n), (batch, n_x, width)) = (e.dims2()?, x.dims3()?);
    if n != n_x || groups == 0 || rows % groups != 0 || width % groups != 0 {
        bail!("project: e {:?}, x {:?} and {groups} groups do not fit", e.shape(), x.shape());
    }
    let k = rows / groups;
    let e = e.contiguous()?;
    if groups == 1 {
        return e.unsqueeze(0)?.broadcast_as((batch, k, n))?.matmul(x);
    }
    let x = x.reshape((batch, n, groups, width / groups))?.transpose(1, 2)?.contiguous()?;
    let e = e.reshape((1, groups, k, n))?.broadcast_as((batch, groups, k, n))?.contiguous()?;
    e.matmul(&x)?.transpose(1, 2)?.contiguous()?.reshape((batch, k, width))
}
