//! Options of the stage `compress`.

use std::path::PathBuf;

use gf_cohort_schema::PhenotypeCoding;
use gf_nn::Rank;
use serde::{Deserialize, Serialize};

use super::fine_tuning::FineTuning;

/// How a layer is factorised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// Factors of the largest singular values, the closest ones of a rank.
    #[default]
    Svd,
    /// Semi-nonnegative matrix factorisation: the second factor has no value below zero.
    Snmf,
    /// Random factors, which do not depend on the layer and must be trained.
    Random,
}

impl std::fmt::Display for Solver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Serialize::serialize(self, f)
    }
}

/// Options of the stage `compress`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Folder of the bundle.
    pub model: PathBuf,
    /// Rank of the factors.
    pub rank: Rank,
    /// Method to compute the factors.
    pub solver: Solver,
    /// Name of the new model in every table; when absent, the names of the model and the solver.
    pub name: Option<String>,
    /// Seed of random factors, and of the order of samples in fine-tuning.
    pub seed: u64,
    /// Cohort on which the models are measured and the factors fine-tuned.
    pub cohort: Option<OnCohort>,
    /// Folder of the new bundle.
    pub out: PathBuf,
}

/// A tokenized cohort.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OnCohort {
    /// Token folder of the model's training.
    pub tokens: PathBuf,
    /// Cohort table.
    pub cohort: PathBuf,
    /// Coding of its phenotypes.
    pub phenotype_coding: PhenotypeCoding,
    /// Fine-tuning of the low-rank model; none when absent.
    pub fine_tuning: Option<FineTuning>,
}
