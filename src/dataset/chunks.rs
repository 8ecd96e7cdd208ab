//! Encoding in chunks of haplotypes, so that a pass stays within a memory limit for any sequence
//! length.

use candle_core::{DType, Device, Tensor, Var};

use super::{Dataset, Error, token_rows};
use crate::{
    models::{Architecture, AttentionKind, Config, Groups, Model, Predictor},
    tokens::LocusTokens,
};

/// Working memory in bytes of one haplotype of `locus` in training.
///
/// It is the sum of the results that each layer saves for the backward pass and of the peak within
/// that pass. The factors are measured peaks (`tests/it/models/training_memory.rs`), rounded up.
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
    // A dense feed-forward layer is one operation, which saves its inner rows once.
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

/// The number of haplotypes of `locus` that fit in `bytes`; at least one.
#[must_use]
pub fn haplotypes_at_a_time(config: &Config, locus: usize, bytes: usize) -> usize {
    (bytes / bytes_per_haplotype(config, locus).max(1)).max(1)
}

/// Encodes some haplotypes of a locus with graphs for gradients, (haplotypes, hidden).
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

/// Encodes rows of any tokens on the slots of a locus without gradients, (haplotypes, width).
///
/// `rows` may be empty.
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

/// Encodes some haplotypes of a locus, `at_a_time` per chunk, (haplotypes, width).
///
/// The result is a leaf without a graph.
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
    let tokens = dataset.tokens(locus);
    let device = dataset.device();
    let encoded_chunks = haplotypes
        .chunks(at_a_time)
        .map(|chunk| encode_rows(model, locus, tokens, chunk, device))
        .collect::<Result<Vec<_>, _>>()?;
    let encoded = if encoded_chunks.is_empty() {
        encode_rows(model, locus, tokens, &[], device)?
    } else {
        Tensor::cat(&encoded_chunks, 0)?
    };
    Ok(Var::from_tensor(&encoded)?)
}
