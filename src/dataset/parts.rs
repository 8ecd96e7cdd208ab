//! How many haplotypes are encoded at a time, so that a pass stays within a memory whatever the length of the sequences.

use candle_core::{DType, Tensor, Var};

use super::{Dataset, Error, token_rows};
use crate::models::{AttentionKind, Config, Model};

/// Working memory of one haplotype of `locus` while its gradients are computed: what each layer keeps for the way back, and on that way.
/// Measured as peak memory over batch size for every preset (`tests/training_memory.rs` holds the estimate to it).
#[must_use]
pub fn bytes_per_haplotype(config: &Config, locus: usize) -> usize {
    let architecture = &config.architecture;
    let (hidden, wide) = (architecture.hidden, architecture.feed_forward);
    let codes = match architecture.attention {
        AttentionKind::Ecoformer => ECOFORMER_VALUES * architecture.heads * (architecture.hash_bits + 1),
        _ => 0,
    };
    let convolution = if architecture.convolution { 6 * hidden } else { 0 };
    let layer = LAYER_VALUES * hidden + 3 * wide + codes + convolution;
    let per_slot = layer * architecture.layers + 3 * wide + 8 * hidden;
    config.loci[locus].n_slots * per_slot * size_of::<f32>()
}

/// Values of the width of a token that a layer keeps for each slot, or needs at once on the way back.
const LAYER_VALUES: usize = 12;
/// Values for each bit of a code that EcoFormer keeps for each slot and head.
const ECOFORMER_VALUES: usize = 6;

/// Haplotypes of `locus` that fit in `bytes`; at least one.
#[must_use]
pub fn haplotypes_at_a_time(config: &Config, locus: usize, bytes: usize) -> usize {
    (bytes / bytes_per_haplotype(config, locus).max(1)).max(1)
}

/// (haplotypes, hidden) for some haplotypes of a locus, with the graph that leads to it; no rows for none.
///
/// # Errors
/// When the model does not fit the data.
pub fn encode(model: &Model, dataset: &Dataset<'_>, locus: usize, haplotypes: &[u32]) -> Result<Tensor, Error> {
    if haplotypes.is_empty() {
        return Ok(Tensor::zeros((0, model.config().architecture.hidden), DType::F32, dataset.device())?);
    }
    let (tokens, mask) = token_rows(&dataset.tokens().loci[locus], haplotypes)?;
    Ok(model.encode(locus, &tokens.to_device(dataset.device())?, &mask)?)
}

/// As [`encode`], so many at a time, as a leaf: nothing of the way to it is kept.
///
/// # Errors
/// When the model does not fit the data.
pub fn encode_in_parts(model: &Model, dataset: &Dataset<'_>, locus: usize, haplotypes: &[u32], at_a_time: usize) -> Result<Var, Error> {
    let mut parts = Vec::new();
    for haplotypes in haplotypes.chunks(at_a_time) {
        parts.push(encode(model, dataset, locus, haplotypes)?.detach());
    }
    let encoded = if parts.is_empty() { encode(model, dataset, locus, &[])? } else { Tensor::cat(&parts, 0)? };
    Ok(Var::from_tensor(&encoded)?)
}
