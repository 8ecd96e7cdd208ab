//! Logits of many people: every distinct haplotype of all of them is encoded once.

use candle_core::Tensor;

use super::{Dataset, Error, token_rows};
use crate::models::Model;

/// Haplotypes encoded at a time; bounds the memory of a pass.
const HAPLOTYPES_AT_A_TIME: usize = 64;
/// People classified at a time.
const PEOPLE_AT_A_TIME: usize = 4096;

/// The logit of each of `people` (numbers into the cohort), in their order.
///
/// # Errors
/// When the model does not fit the data.
pub fn logits(model: &Model, dataset: &Dataset<'_>, people: &[usize]) -> Result<Vec<f32>, Error> {
    let mut encoded = Vec::with_capacity(dataset.tokens().loci.len());
    for (number, locus) in dataset.tokens().loci.iter().enumerate() {
        let wanted = dataset.haplotypes_of(number, people);
        let mut parts = Vec::new();
        for haplotypes in wanted.chunks(HAPLOTYPES_AT_A_TIME) {
            let (tokens, mask) = token_rows(locus, haplotypes)?;
            parts.push(model.encode(number, &tokens, &mask)?.detach());
        }
        encoded.push((wanted, Tensor::cat(&parts, 0)?));
    }
    let (wanted, encoded): (Vec<_>, Vec<_>) = encoded.into_iter().unzip();
    let mut logits = Vec::with_capacity(people.len());
    for people in people.chunks(PEOPLE_AT_A_TIME) {
        let pairs = wanted.iter().enumerate().map(|(locus, wanted)| dataset.pairs(locus, people, wanted)).collect::<Result<Vec<_>, _>>()?;
        let pairs: Vec<&[Tensor; 2]> = pairs.iter().collect();
        let batch = model.classify(&encoded, &pairs, dataset.covariates(people)?.as_ref())?;
        logits.extend(batch.to_vec1::<f32>()?);
    }
    Ok(logits)
}
