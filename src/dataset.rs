//! Batches of samples as their distinct haplotypes. No sample is dropped.
//!
//! Input -> output: a [`TokenSet`] and a [`Cohort`] -> [`Input`]s for a model. A haplotype that
//! several samples share is in a batch once.

mod chunks;
mod predict;

pub use self::{
    chunks::{
        bytes_per_haplotype, encode_in_chunks, encode_in_groups, encode_rows, haplotypes_at_a_time,
    },
    predict::{BYTES, HAPLOTYPES_AT_A_TIME, logits, logits_within},
};

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use candle_core::{Device, Tensor};
use gf_cohort_schema::{Cohort, Person};
use gf_tokenizer::PAD;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    models::{Input, LocusInput},
    tokens::{LocusTokens, TokenSet},
};
use gf_cohort_schema::counted;
use gf_haplotypes::ABSENT_HAPLOTYPE;

/// Mean and standard deviation of a covariate over the training samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardisation {
    /// Column of the cohort table.
    pub name: String,
    /// Mean.
    pub mean: f64,
    /// Standard deviation; 0 for a constant column, which the model does not use.
    pub sd: f64,
}

impl Standardisation {
    /// Measures every covariate over some samples, given as indices into the cohort.
    #[must_use]
    pub fn fit(cohort: &Cohort, people: &[usize]) -> Vec<Self> {
        cohort
            .covariate_names
            .iter()
            .enumerate()
            .map(|(column, name)| {
                let values: Vec<f64> = people
                    .iter()
                    .map(|&person| cohort.people[person].covariates[column])
                    .collect();
                Self::of_values(name, &values)
            })
            .collect()
    }

    fn of_values(name: &str, values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sum_of_squares = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>();
        let sd = (sum_of_squares / n).sqrt();
        // A constant column has a tiny spread where its mean is rounded.
        let varies = sd > 1e-12 * mean.abs().max(1.0);
        Self {
            name: name.to_owned(),
            mean,
            sd: if varies { sd } else { 0.0 },
        }
    }

    /// Whether the covariate is the same in all training samples; its value is then 0 for the
    /// model.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.sd == 0.0
    }

    fn apply(&self, value: f64) -> f64 {
        if self.is_constant() {
            0.0
        } else {
            (value - self.mean) / self.sd
        }
    }
}

/// An error in joining tokens and cohort.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Samples of the cohort without tokens.
    #[error(
        "sample `{first}` of the cohort has no tokens ({n_missing} of {} in total); run tokenize \
         on a VCF with these samples",
        counted(*n_people, "sample", "samples")
    )]
    MissingPeople {
        /// The first such sample.
        first: String,
        /// Number of such samples.
        n_missing: usize,
        /// Samples of the cohort.
        n_people: usize,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The samples of a cohort with their tokens.
#[derive(Clone, Debug)]
pub struct Dataset<'d> {
    loci: Vec<DataLocus<'d>>,
    people: &'d [Person],
    /// Row of each sample in the token set.
    rows: Vec<usize>,
    standardisation: Vec<Standardisation>,
    /// Added to the logit of each sample in training.
    offsets: Option<Arc<Vec<f32>>>,
    device: Device,
}

/// A locus of the tokens.
#[derive(Clone, Debug)]
struct DataLocus<'d> {
    tokens: &'d LocusTokens,
    /// For each haplotype, the first haplotype with the same tokens.
    same_tokens: Arc<Vec<u32>>,
}

impl<'d> DataLocus<'d> {
    fn new(tokens: &'d LocusTokens) -> Self {
        let mut first_of: HashMap<&[u32], u32> = HashMap::new();
        let first = (0..tokens.n_haplotypes() as u32)
            .map(|haplotype| *first_of.entry(tokens.row(haplotype)).or_insert(haplotype));
        Self {
            same_tokens: Arc::new(first.collect()),
            tokens,
        }
    }

    /// The two haplotypes of a row of the token set, each as the first one with the same tokens.
    fn pair(&self, row: usize) -> [u32; 2] {
        self.tokens.pairs[row].map(|haplotype| {
            self.same_tokens
                .get(haplotype as usize)
                .copied()
                .unwrap_or(ABSENT_HAPLOTYPE)
        })
    }
}

impl<'d> Dataset<'d> {
    /// Joins tokens and cohort by sample id. Samples with tokens that are not in the cohort are
    /// ignored.
    ///
    /// # Errors
    /// Samples of the cohort without tokens.
    pub fn new(
        tokens: &'d TokenSet,
        cohort: &'d Cohort,
        standardisation: Vec<Standardisation>,
    ) -> Result<Self, Error> {
        let row_of: HashMap<&str, usize> = tokens
            .samples
            .iter()
            .enumerate()
            .map(|(row, sample)| (sample.as_str(), row))
            .collect();
        let missing: Vec<&Person> = cohort
            .people
            .iter()
            .filter(|person| !row_of.contains_key(person.sample_id.as_str()))
            .collect();
        if let Some(first) = missing.first() {
            return Err(Error::MissingPeople {
                first: first.sample_id.clone(),
                n_missing: missing.len(),
                n_people: cohort.people.len(),
            });
        }
        let rows = cohort
            .people
            .iter()
            .map(|person| row_of[person.sample_id.as_str()])
            .collect();
        let loci = tokens.loci.par_iter().map(DataLocus::new).collect();
        Ok(Self {
            loci,
            people: &cohort.people,
            rows,
            standardisation,
            offsets: None,
            device: Device::Cpu,
        })
    }

    /// The same samples with different tokens and without covariates.
    ///
    /// `offsets`, one per sample of the cohort, are added to logits in training.
    #[must_use]
    pub fn next_to<'o>(&self, loci: &'o [LocusTokens], offsets: Vec<f32>) -> Dataset<'o>
    where
        'd: 'o,
    {
        Dataset {
            loci: loci.par_iter().map(DataLocus::new).collect(),
            people: self.people,
            rows: self.rows.clone(),
            standardisation: Vec::new(),
            offsets: Some(Arc::new(offsets)),
            device: self.device.clone(),
        }
    }

    /// Creates all tensors on `device` instead of the CPU.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        Self {
            device: device.clone(),
            ..self
        }
    }

    /// The device of the tensors.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Number of loci.
    #[must_use]
    pub fn n_loci(&self) -> usize {
        self.loci.len()
    }

    /// The tokens of a locus.
    #[must_use]
    pub fn tokens(&self, locus: usize) -> &LocusTokens {
        self.loci[locus].tokens
    }

    /// The two haplotypes of a sample at a locus; haplotypes with the same tokens have one number.
    ///
    /// An absent haplotype is [`ABSENT_HAPLOTYPE`].
    #[must_use]
    pub fn pair(&self, locus: usize, person: usize) -> [u32; 2] {
        self.loci[locus].pair(self.rows[person])
    }

    /// Offsets of the logits of some samples in training, (samples); `None` without offsets.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn offsets(&self, people: &[usize]) -> Result<Option<Tensor>, Error> {
        let Some(offsets) = &self.offsets else {
            return Ok(None);
        };
        let offsets: Vec<f32> = people.iter().map(|&person| offsets[person]).collect();
        Ok(Some(Tensor::new(offsets, &self.device)?))
    }

    /// The offset of one sample; 0 without offsets.
    #[must_use]
    pub fn offset(&self, person: usize) -> f32 {
        self.offsets.as_ref().map_or(0.0, |offsets| offsets[person])
    }

    /// Targets of some samples: 1 for cases, 0 for controls.
    ///
    /// An unknown phenotype is 0 too; the caller must not use it in a loss.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn targets(&self, people: &[usize]) -> Result<Tensor, Error> {
        let targets: Vec<f32> = people
            .iter()
            .map(|&person| f32::from(u8::from(self.is_case(person))))
            .collect();
        Ok(Tensor::new(targets, &self.device)?)
    }

    fn is_case(&self, person: usize) -> bool {
        self.people[person]
            .phenotype
            .is_some_and(gf_cohort_schema::Phenotype::is_case)
    }

    /// Weights of some samples, (samples), from the weights of a case and of a control.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn class_weights(
        &self,
        people: &[usize],
        [case, control]: [f64; 2],
    ) -> Result<Tensor, Error> {
        Ok(self.targets(people)?.affine(case - control, control)?)
    }

    /// The model input of some samples, given as indices into the cohort. Each of their haplotypes
    /// is in a locus once.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn input(&self, people: &[usize]) -> Result<Input, Error> {
        let loci = (0..self.n_loci())
            .map(|locus| {
                let haplotypes = self.haplotypes_of(locus, people);
                let (tokens, mask) = token_rows(self.tokens(locus), &haplotypes)?;
                Ok(LocusInput {
                    tokens: tokens.to_device(&self.device)?,
                    mask,
                    pairs: self.pairs(locus, people, &haplotypes)?,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Input {
            loci,
            covariates: self.covariates(people)?,
        })
    }

    /// The distinct haplotypes of some samples at a locus, ascending.
    #[must_use]
    pub fn haplotypes_of(&self, locus: usize, people: &[usize]) -> Vec<u32> {
        let distinct: BTreeSet<u32> = people
            .iter()
            .flat_map(|&person| self.pair(locus, person))
            .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE)
            .collect();
        distinct.into_iter().collect()
    }

    /// Standardised covariates of some samples, (samples, covariates); `None` without covariates.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn covariates(&self, people: &[usize]) -> Result<Option<Tensor>, Error> {
        if self.standardisation.is_empty() {
            return Ok(None);
        }
        let values: Vec<f32> = people
            .iter()
            .flat_map(|&person| self.standardised(person))
            .map(|value| value as f32)
            .collect();
        let shape = (people.len(), self.standardisation.len());
        Ok(Some(Tensor::from_vec(values, shape, &self.device)?))
    }

    /// Standardised covariates of one sample.
    pub fn standardised(&self, person: usize) -> impl Iterator<Item = f64> {
        self.people[person]
            .covariates
            .iter()
            .zip(&self.standardisation)
            .map(|(value, column)| column.apply(*value))
    }

    /// The two haplotypes of each sample as row numbers of `haplotypes`, (samples) each.
    ///
    /// `haplotypes` is ascending and has all haplotypes of these samples. An absent haplotype is
    /// the row after the last one.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn pairs(
        &self,
        locus: usize,
        people: &[usize],
        haplotypes: &[u32],
    ) -> Result<[Tensor; 2], Error> {
        let (first, second): (Vec<u32>, Vec<u32>) = people
            .iter()
            .map(|&person| {
                // ABSENT_HAPLOTYPE is above every haplotype, and gets the row after the last.
                let rows = self
                    .pair(locus, person)
                    .map(|haplotype| haplotypes.partition_point(|&row| row < haplotype) as u32);
                (rows[0], rows[1])
            })
            .unzip();
        Ok([
            Tensor::new(first, &self.device)?,
            Tensor::new(second, &self.device)?,
        ])
    }
}

/// Token ids of some haplotypes of a locus, (haplotypes, slots) on the CPU, and their mask.
///
/// # Errors
/// When the tensor cannot be made.
pub fn token_rows(
    locus: &LocusTokens,
    haplotypes: &[u32],
) -> Result<(Tensor, Arc<Vec<u8>>), Error> {
    let ids: Vec<u32> = haplotypes
        .iter()
        .flat_map(|&haplotype| locus.row(haplotype))
        .copied()
        .collect();
    let mask = Arc::new(ids.iter().map(|&id| u8::from(id != PAD)).collect());
    Ok((
        Tensor::from_vec(ids, (haplotypes.len(), locus.n_slots), &Device::Cpu)?,
        mask,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_covariate_that_is_the_same_in_all_training_samples_is_not_used() {
        // 0.1 summed twelve hundred times leaves a spread of rounding only.
        let people = (0..1_200)
            .map(|_| person(0.1))
            .chain([person(0.3)])
            .collect();
        let cohort = Cohort {
            people,
            covariate_names: vec!["chip".into()],
            ..Cohort::default()
        };
        let fitted = Standardisation::fit(&cohort, &(0..1_200).collect::<Vec<_>>());
        assert!(fitted[0].is_constant());
        assert!(fitted[0].apply(0.3).abs() < 1e-12);
    }

    fn person(value: f64) -> Person {
        Person {
            sample_id: "x".into(),
            phenotype: None,
            split: gf_cohort_schema::Split::Train,
            family_id: None,
            covariates: vec![value],
        }
    }
}
