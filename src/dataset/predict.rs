//! Logits of many people: every distinct haplotype of all of them is encoded once.

use candle_core::Tensor;

use super::{Dataset, Error, encode_in_chunks, haplotypes_at_a_time};
use crate::models::Predictor;

/// Memory that a pass over haplotypes may take where nobody says.
pub const BYTES: usize = 1 << 30;
/// Haplotypes encoded at a time, at most.
pub const HAPLOTYPES_AT_A_TIME: usize = 64;
/// People classified at a time.
const PEOPLE_AT_A_TIME: usize = 4096;

/// The logit of each of `people` (numbers into the cohort), in their order.
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

/// As [`logits`], with so many bytes for the haplotypes that are encoded at a time (at least one
/// is).
///
/// # Errors
/// When the model does not fit the data.
pub fn logits_within(
    bytes: usize,
    model: &impl Predictor,
    dataset: &Dataset<'_>,
    people: &[usize],
) -> Result<Vec<f32>, Error> {
    let mut wanted = Vec::new();
    let mut encoded = Vec::new();
    for locus in 0..dataset.n_loci() {
        let haplotypes = dataset.haplotypes_of(locus, people);
        let at_a_time =
            haplotypes_at_a_time(model.config(), locus, bytes).min(HAPLOTYPES_AT_A_TIME);
        // As leaves: neither the way to a part nor that to all is kept.
        encoded.push(
            encode_in_chunks(model, dataset, locus, &haplotypes, at_a_time)?.as_detached_tensor(),
        );
        wanted.push(haplotypes);
    }
    let mut logits = Vec::with_capacity(people.len());
    for people in people.chunks(PEOPLE_AT_A_TIME) {
        let pairs = wanted
            .iter()
            .enumerate()
            .map(|(locus, wanted)| dataset.pairs(locus, people, wanted))
            .collect::<Result<Vec<_>, _>>()?;
        let pairs: Vec<&[Tensor; 2]> = pairs.iter().collect();
        let batch = model.classify(&encoded, &pairs, dataset.covariates(people)?.as_ref())?;
        logits.extend(batch.to_vec1::<f32>()?);
    }
    Ok(logits)
}
