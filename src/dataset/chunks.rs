//! How many haplotypes are encoded at a time, so that a pass stays within a memory whatever the
//! length of the sequences.

use candle_core::{DType, Device, Tensor, Var};

use super::{Dataset, Error, token_rows};
use crate::{
    models::{Architecture, AttentionKind, Config, Groups, Model, Predictor},
    tokens::LocusTokens,
};

/// Working memory of one haplotype of `locus` while its gradients are computed: what each layer
/// keeps for the way back, and what is needed at once on that way. The factors are measured peaks
/// (`tests/it/models/training_memory.rs`), rounded up.
#[must_use]
pub fn bytes_per_haplotype(config: &Config, locus: usize) -> usize {
    let Architecture {
        hidden,
        layers,
        heads,
        feed_forward,
        hash_bits,
        rank,
        convolution,
        attention,
        ..
    } = config.architecture;
    let mut layer = 6 * hidden;
    match attention {
        AttentionKind::Linformer => {}
        AttentionKind::Softmax => layer += 2 * hidden,
        AttentionKind::Ecoformer => layer += 3 * heads * hash_bits,
    }
    // Dense layers are computed in one pass that keeps the inner rows once.
    if rank.is_some() {
        layer = layer.max(14 * hidden) + 3 * feed_forward;
    } else {
        layer += feed_forward;
    }
    if convolution {
        layer += 6 * hidden;
    }
    let values = layers.saturating_mul(layer).saturating_add(20 * hidden);
    values
        .saturating_mul(size_of::<f32>())
        .saturating_mul(config.loci[locus].n_slots)
}

/// Haplotypes of `locus` that fit in `bytes`; at least one.
#[must_use]
pub fn haplotypes_at_a_time(config: &Config, locus: usize, bytes: usize) -> usize {
    (bytes / bytes_per_haplotype(config, locus).max(1)).max(1)
}

/// (haplotypes, hidden) for some haplotypes of a locus, with the way back to the parameters.
///
/// # Errors
/// When the model does not fit the data.
pub fn encode_in_groups(
    model: &Model,
    dataset: &Dataset<'_>,
    locus: usize,
    haplotypes: &[u32],
) -> Result<Groups, Error> {
    let (tokens, mask) = token_rows(dataset.tokens(locus), haplotypes)?;
    Ok(model.encode_in_groups(locus, &tokens.to_device(dataset.device())?, &mask)?)
}

/// (haplotypes, width) for rows of any tokens on the slots of a locus, with nothing kept for
/// gradients; no rows for none.
///
/// # Errors
/// When the model does not fit the data.
pub fn encode_rows(
    model: &impl Predictor,
    locus: usize,
    tokens: &LocusTokens,
    rows: &[u32],
    device: &Device,
) -> Result<Tensor, Error> {
    if rows.is_empty() {
        return Ok(Tensor::zeros((0, model.width(locus)), DType::F32, device)?);
    }
    let (tokens, mask) = token_rows(tokens, rows)?;
    Ok(model.encode_only(locus, &tokens.to_device(device)?, &mask)?)
}

/// (haplotypes, width) for some haplotypes of a locus, so many at a time, as a leaf: nothing of the
/// way to it is kept.
///
/// # Errors
/// When the model does not fit the data.
pub fn encode_in_chunks(
    model: &impl Predictor,
    dataset: &Dataset<'_>,
    locus: usize,
    haplotypes: &[u32],
    at_a_time: usize,
) -> Result<Var, Error> {
    let encode = |haplotypes: &[u32]| {
        encode_rows(
            model,
            locus,
            dataset.tokens(locus),
            haplotypes,
            dataset.device(),
        )
    };
    let parts = haplotypes
        .chunks(at_a_time)
        .map(encode)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Var::from_tensor(&if parts.is_empty() {
        encode(&[])?
    } else {
        Tensor::cat(&parts, 0)?
    })?)
}
