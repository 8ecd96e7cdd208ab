//! Matrix products of the rows of a tensor.

use candle_core::{Result, Tensor, bail};

/// `x w` for `x` (.., in) and `w` (in, out) -> (.., out).
///
/// # Errors
/// Shapes or types that do not fit.
pub fn linear(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let (n_in, n_out) = w.dims2()?;
    let Some((&last, rest)) = x.dims().split_last() else { bail!("linear: x is a number") };
    if last != n_in {
        bail!("linear: x {:?} and w {:?} do not fit", x.shape(), w.shape());
    }
    let shape: Vec<usize> = rest.iter().copied().chain([n_out]).collect();
    x.reshape((x.elem_count() / n_in, n_in))?.matmul(w)?.reshape(shape)
}
