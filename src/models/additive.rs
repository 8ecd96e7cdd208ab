//! The additive term: an intercept, a coefficient per covariate, and a weight per version of a
//! slot.
//!
//! Input -> output: token rows of haplotypes -> one score per haplotype, the sum of the weights of
//! its versions. An absent haplotype has score 0. The additive logit of a sample is
//!
//! ```text
//! intercept + covariates . coefficients + sum over loci of the scores of both haplotypes
//! ```

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Result, Tensor, bail};

/// The weight of one version of one slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VersionWeight {
    /// Number of the locus.
    pub locus: usize,
    /// Slot of its rows of tokens.
    pub slot: usize,
    /// Token of the version.
    pub token: u32,
    /// Log-odds per copy.
    pub weight: f32,
}

/// A fitted additive term.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Additive {
    /// Log-odds of a sample with mean covariates and none of the versions.
    pub intercept: f32,
    /// Log-odds per standard deviation of each covariate.
    pub covariates: Vec<f32>,
    /// Ascending by locus, slot and token.
    pub weights: Vec<VersionWeight>,
}

const INTERCEPT: &str = "additive.intercept";
const COVARIATES: &str = "additive.covariates";
/// Prefix of the tensor names of the term that was fitted without any deep term.
pub const ALONE: &str = "alone.";
/// Suffix of the tensor name of locus, slot and token of each weight, the only integer tensor.
pub const VERSIONS: &str = "additive.versions";
/// Suffix of the tensor name of the weights.
pub const WEIGHTS: &str = "additive.weights";

impl Additive {
    /// The term as tensors, whose names begin with `prefix`.
    ///
    /// - `additive.intercept`, (1)
    /// - `additive.covariates`, (covariates)
    /// - `additive.versions`, (n, 3) of u32: locus, slot and token
    /// - `additive.weights`, (n)
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn tensors(&self, prefix: &str) -> Result<BTreeMap<String, Tensor>> {
        let n = self.weights.len();
        let cpu = &Device::Cpu;
        let versions = self
            .weights
            .iter()
            .flat_map(|entry| [entry.locus as u32, entry.slot as u32, entry.token])
            .collect::<Vec<_>>();
        let weights: Vec<f32> = self.weights.iter().map(|entry| entry.weight).collect();
        Ok(BTreeMap::from([
            (
                format!("{prefix}{INTERCEPT}"),
                Tensor::from_vec(vec![self.intercept], 1, cpu)?,
            ),
            (
                format!("{prefix}{COVARIATES}"),
                Tensor::from_vec(self.covariates.clone(), self.covariates.len(), cpu)?,
            ),
            (
                format!("{prefix}{VERSIONS}"),
                Tensor::from_vec(versions, (n, 3), cpu)?,
            ),
            (
                format!("{prefix}{WEIGHTS}"),
                Tensor::from_vec(weights, n, cpu)?,
            ),
        ]))
    }

    /// Takes the tensors of [`Self::tensors`] out of those of a model; `None` for a model without
    /// an additive term.
    ///
    /// # Errors
    /// A missing tensor, or tensors with wrong shapes or types.
    pub fn take(tensors: &mut BTreeMap<String, Tensor>, prefix: &str) -> Result<Option<Self>> {
        let Some(intercept) = tensors.remove(&format!("{prefix}{INTERCEPT}")) else {
            return Ok(None);
        };
        let covariates = take_tensor(tensors, prefix, COVARIATES)?.to_vec1::<f32>()?;
        let versions = take_tensor(tensors, prefix, VERSIONS)?;
        let weights = take_tensor(tensors, prefix, WEIGHTS)?.to_vec1::<f32>()?;
        if versions.dims() != [weights.len(), 3] || intercept.dims() != [1] {
            bail!("the shapes of `{VERSIONS}` and `{WEIGHTS}` do not fit each other");
        }
        let versions: Vec<u32> = versions.flatten_all()?.to_vec1()?;
        let weights = versions
            .chunks_exact(3)
            .zip(weights)
            .map(|(version, weight)| VersionWeight {
                locus: version[0] as usize,
                slot: version[1] as usize,
                token: version[2],
                weight,
            })
            .collect();
        Ok(Some(Self {
            intercept: intercept.to_vec1::<f32>()?[0],
            covariates,
            weights,
        }))
    }

    /// The weights of one locus, indexed by slot and token.
    #[must_use]
    pub fn of_locus(&self, locus: usize) -> LocusWeights {
        let mut slots: BTreeMap<usize, HashMap<u32, f32>> = BTreeMap::new();
        for entry in self.weights.iter().filter(|entry| entry.locus == locus) {
            slots
                .entry(entry.slot)
                .or_default()
                .insert(entry.token, entry.weight);
        }
        LocusWeights {
            slots: slots.into_iter().collect(),
        }
    }
}

fn take_tensor(tensors: &mut BTreeMap<String, Tensor>, prefix: &str, name: &str) -> Result<Tensor> {
    let name = format!("{prefix}{name}");
    tensors
        .remove(&name)
        .ok_or_else(|| candle_core::Error::Msg(format!("no tensor `{name}`")))
}

/// The weights of one locus by slot and token.
#[derive(Clone, Debug, Default)]
pub struct LocusWeights {
    /// Slots with weights, ascending, each with the weight of each token.
    slots: Vec<(usize, HashMap<u32, f32>)>,
}

impl LocusWeights {
    /// The score of a haplotype, given its row of tokens.
    #[must_use]
    pub fn score(&self, row: &[u32]) -> f32 {
        let weights = self.slots.iter().filter_map(|(slot, weights)| {
            let token = row.get(*slot)?;
            weights.get(token).copied().map(f64::from)
        });
        weights.sum::<f64>() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Additive {
        let weights = [(0, 1, 7, 0.5), (0, 1, 9, -1.0), (1, 3, 7, 2.0)];
        Additive {
            intercept: -0.5,
            covariates: vec![0.25],
            weights: weights
                .map(|(locus, slot, token, weight)| VersionWeight {
                    locus,
                    slot,
                    token,
                    weight,
                })
                .to_vec(),
        }
    }

    #[test]
    fn a_haplotype_scores_the_sum_of_its_versions() {
        let of_first = example().of_locus(0);
        for (row, expected) in [([1, 7, 7], 0.5), ([1, 9, 7], -1.0), ([1, 8, 7], 0.0)] {
            assert!((of_first.score(&row) - expected).abs() < 1e-6);
        }
        assert!(
            example().of_locus(1).score(&[0, 0, 0, 7]) > 1.9
                && example().of_locus(2).score(&[7; 9]).abs() < 1e-9
        );
    }

    #[test]
    fn tensors_are_read_back() {
        let mut tensors = example().tensors("").unwrap();
        assert_eq!(Additive::take(&mut tensors, "").unwrap(), Some(example()));
        assert!(tensors.is_empty() && Additive::take(&mut tensors, "").unwrap().is_none());
        let empty = Additive::default();
        assert_eq!(
            Additive::take(&mut empty.tensors(ALONE).unwrap(), ALONE).unwrap(),
            Some(empty)
        );
    }
}
