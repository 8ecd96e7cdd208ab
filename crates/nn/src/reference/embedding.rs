//! Token embeddings plus position embeddings.

use candle_core::{Module, Result, Tensor};
use candle_nn::Embedding;

/// `table[ids] + positions` for `ids` (batch, n) of u32, `table` (vocabulary, width), `positions`
/// (n, width).
pub(crate) fn embed(ids: &Tensor, table: &Tensor, positions: &Tensor) -> Result<Tensor> {
    let width = table.dim(1)?;
    Embedding::new(table.clone(), width)
        .forward(ids)?
        .broadcast_add(positions)
}
