//! Batches of people as the distinct haplotypes in them; never drops one.
//!
//! Input -> output: a [`TokenSet`] and a [`Cohort`] -> [`Input`]s for a model, in which a haplotype
//! that several people share stands once.

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

/// Mean and standard deviation of a covariate over the training people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardisation {
    /// Column of the cohort table.
    pub name: String,
    /// Mean.
    pub mean: f64,
    /// Standard deviation; 0 where the column does not vary, which the model then does not see.
    pub sd: f64,
}

impl Standardisation {
    /// Measures every covariate over some people.
    #[must_use]
    pub fn fit(cohort: &Cohort, people: &[usize]) -> Vec<Self> {
        let measure = |(column, name): (usize, &String)| {
            let values: Vec<f64> = people
                .iter()
                .map(|&person| cohort.people[person].covariates[column])
                .collect();
            let n = values.len().max(1) as f64;
            let mean = values.iter().sum::<f64>() / n;
            let sd = (values
                .iter()
                .map(|value| (value - mean).powi(2))
                .sum::<f64>()
                / n)
                .sqrt();
            // A spread that is rounding of the mean only is none.
            let varies = sd > 1e-12 * mean.abs().max(1.0);
            Self {
                name: name.clone(),
                mean,
                sd: if varies { sd } else { 0.0 },
            }
        };
        cohort
            .covariate_names
            .iter()
            .enumerate()
            .map(measure)
            .collect()
    }

    /// The same in all training people: always 0 for the model.
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

/// Why tokens and cohort do not fit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// People of the cohort without tokens.
    #[error(
        "person `{first}` of the cohort has no tokens ({n_missing} of {}): tokenize a VCF that has them",
        counted(*n_people, "person", "people")
    )]
    MissingPeople {
        /// One of them.
        first: String,
        /// How many.
        n_missing: usize,
        /// People of the cohort.
        n_people: usize,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The people of a cohort with their tokens.
#[derive(Clone, Debug)]
pub struct Dataset<'d> {
    loci: Vec<DataLocus<'d>>,
    people: &'d [Person],
    /// Row of each person in the token set.
    rows: Vec<usize>,
    standardisation: Vec<Standardisation>,
    /// Added to each person's logit while a model is trained.
    offsets: Option<Arc<Vec<f32>>>,
    device: Device,
}

/// A locus of the tokens.
#[derive(Clone, Debug)]
struct DataLocus<'d> {
    tokens: &'d LocusTokens,
    /// For each haplotype, the first one with the same tokens.
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

    /// Haplotypes of the person in a row of the tokens, as the first ones with the same tokens.
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
    /// Joins tokens and cohort by sample id; people with tokens who are not in the cohort are left
    /// alone.
    ///
    /// # Errors
    /// People of the cohort without tokens.
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

    /// The same people with other tokens, without covariates; `offsets` (one per person of the
    /// cohort) are added to logits in training.
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

    /// Makes all tensors on `device`, which is the CPU otherwise.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        Self {
            device: device.clone(),
            ..self
        }
    }

    /// Where tensors are made.
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

    /// A person's two haplotypes at a locus; haplotypes with the same tokens have one number.
    /// [`ABSENT_HAPLOTYPE`] where there is none.
    #[must_use]
    pub fn pair(&self, locus: usize, person: usize) -> [u32; 2] {
        self.loci[locus].pair(self.rows[person])
    }

    /// What is added to the logits of some people in training, (people); `None` for nothing.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn offsets(&self, people: &[usize]) -> Result<Option<Tensor>, Error> {
        let Some(offsets) = &self.offsets else {
            return Ok(None);
        };
        let of_people: Vec<f32> = people.iter().map(|&person| offsets[person]).collect();
        Ok(Some(Tensor::new(of_people, &self.device)?))
    }

    /// As [`Self::offsets`], for one person; 0 for nothing.
    #[must_use]
    pub fn offset(&self, person: usize) -> f32 {
        self.offsets.as_ref().map_or(0.0, |offsets| offsets[person])
    }

    /// Targets of some people: 1 for cases, 0 for controls (and for unknown phenotypes, which no
    /// loss may use).
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn targets(&self, people: &[usize]) -> Result<Tensor, Error> {
        let is_case = |&person: &usize| {
            self.people[person]
                .phenotype
                .is_some_and(gf_cohort_schema::Phenotype::is_case)
        };
        let targets: Vec<f32> = people
            .iter()
            .map(|person| f32::from(u8::from(is_case(person))))
            .collect();
        Ok(Tensor::new(targets, &self.device)?)
    }

    /// Weight of each of some people, by the weight of a case and of a control.
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

    /// The input of some people (numbers into the cohort): each haplotype they have stands once in
    /// each locus.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn input(&self, people: &[usize]) -> Result<Input, Error> {
        let loci = (0..self.n_loci()).map(|number| {
            let haplotypes = self.haplotypes_of(number, people);
            let (tokens, mask) = token_rows(self.tokens(number), &haplotypes)?;
            let tokens = tokens.to_device(&self.device)?;
            Ok(LocusInput {
                tokens,
                mask,
                pairs: self.pairs(number, people, &haplotypes)?,
            })
        });
        Ok(Input {
            loci: loci.collect::<Result<_, Error>>()?,
            covariates: self.covariates(people)?,
        })
    }

    /// The distinct haplotypes some people have at a locus, ascending.
    #[must_use]
    pub fn haplotypes_of(&self, locus: usize, people: &[usize]) -> Vec<u32> {
        let pairs = people.iter().flat_map(|&person| self.pair(locus, person));
        let distinct: BTreeSet<u32> = pairs
            .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE)
            .collect();
        distinct.into_iter().collect()
    }

    /// Standardised covariates of some people, (people, covariates).
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn covariates(&self, people: &[usize]) -> Result<Option<Tensor>, Error> {
        if self.standardisation.is_empty() {
            return Ok(None);
        }
        let standardised = people.iter().flat_map(|&person| {
            let values = self.people[person]
                .covariates
                .iter()
                .zip(&self.standardisation);
            values.map(|(value, column)| column.apply(*value) as f32)
        });
        let values: Vec<f32> = standardised.collect();
        Ok(Some(Tensor::from_vec(
            values,
            (people.len(), self.standardisation.len()),
            &self.device,
        )?))
    }

    /// Standardised covariates of one person.
    pub fn standardised(&self, person: usize) -> impl Iterator<Item = f64> {
        self.people[person]
            .covariates
            .iter()
            .zip(&self.standardisation)
            .map(|(value, column)| column.apply(*value))
    }

    /// Each person's two haplotypes as rows of `haplotypes` (ascending, with all they have); an
    /// absent one is the row past the last.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn pairs(
        &self,
        locus: usize,
        people: &[usize],
        haplotypes: &[u32],
    ) -> Result<[Tensor; 2], Error> {
        let row = |haplotype: u32| haplotypes.partition_point(|&other| other < haplotype) as u32;
        let pairs = people
            .iter()
            .map(|&person| self.pair(locus, person).map(row));
        let (first, second): (Vec<u32>, Vec<u32>) = pairs.map(|[a, b]| (a, b)).unzip();
        Ok([
            Tensor::new(first, &self.device)?,
            Tensor::new(second, &self.device)?,
        ])
    }
}

/// Token ids (haplotypes, slots), on the CPU, and mask of some haplotypes of a locus.
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
    fn a_covariate_that_is_the_same_in_all_training_people_is_not_seen() {
        let person = |value: f64| Person {
            sample_id: "x".into(),
            phenotype: None,
            split: gf_cohort_schema::Split::Train,
            family_id: None,
            covariates: vec![value],
        };
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
}
