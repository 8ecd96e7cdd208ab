//! Logits of many samples. Each of their distinct haplotypes is encoded once.

use candle_core::Tensor;

use super::{Dataset, Error, encode_in_chunks, haplotypes_at_a_time};
use crate::models::Predictor;

/// Default memory limit of a pass over haplotypes, in bytes.
pub const BYTES: usize = 1 << 30;
/// Maximum number of haplotypes per chunk.
pub const HAPLOTYPES_AT_A_TIME: usize = 64;
/// Samples classified at a time.
const SAMPLES_AT_A_TIME: usize = 4096;

/// The logits of `people`, which are indices into the cohort, in their order.
///
/// # Errors
/// When the model does not fit the data.
pub fn logits(
    model: &impl Predictor,
    dataset: &Dataset<'_>,
    people: &[usize],
) -> Result<Vec<f32>, Error> {
    logits_within(BYTES, model, dataset, people)
}

/// Like [`logits`], with a memory limit in bytes for the haplotypes of a chunk. A chunk has at
/// least one haplotype.
///
/// # Errors
/// When the model does not fit the data.
pub fn logits_within(
    bytes: usize,
    model: &impl Predictor,
    dataset: &Dataset<'_>,
    people: &[usize],
) -> Result<Vec<f32>, Error> {
    let mut haplotypes_of_loci = Vec::new();
    let mut encoded = Vec::new();
    for locus in 0..dataset.n_loci() {
        let haplotypes = dataset.haplotypes_of(locus, people);
        let at_a_time =
            haplotypes_at_a_time(model.config(), locus, bytes).min(HAPLOTYPES_AT_A_TIME);
        let rows = encode_in_chunks(model, dataset, locus, &haplotypes, at_a_time)?;
        // Detached, so that the classifier builds no graph.
        encoded.push(rows.as_detached_tensor());
        haplotypes_of_loci.push(haplotypes);
    }
    let mut logits = Vec::with_capacity(people.len());
    for people in people.chunks(SAMPLES_AT_A_TIME) {
        let pairs = haplotypes_of_loci
            .iter()
            .enumerate()
            .map(|(locus, haplotypes)| dataset.pairs(locus, people, haplotypes))
            .collect::<Result<Vec<_>, _>>()?;
        let pair_refs: Vec<&[Tensor; 2]> = pairs.iter().collect();
        let covariates = dataset.covariates(people)?;
        let batch = model.classify(&encoded, &pair_refs, covariates.as_ref())?;
        logits.extend(batch.to_vec1::<f32>()?);
    }
    Ok(logits)
}
