//! Vectors of token ids and of their places.

use candle_core::{Result, Tensor};

/// `table[ids[b, s]] + positions[s]` for `ids` (batch, n), `table` (vocabulary, width) and `positions` (n, width) -> (batch, n, width).
///
/// # Errors
/// Shapes that do not fit, or an id that the table does not have.
pub fn embed(ids: &Tensor, table: &Tensor, positions: &Tensor) -> Result<Tensor> {
    let (batch, n) = ids.dims2()?;
    table.index_select(&ids.flatten_all()?, 0)?.reshape((batch, n, table.dim(1)?))?.broadcast_add(positions)
}
