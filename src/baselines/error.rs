//! Errors of baselines: options, cohort, genotypes, regressions, saved models.

use std::path::{Path, PathBuf};

use crate::{leakage, scoring};
use gf_cohort_schema::counted;
use gf_files::output;

/// The baselines cannot be fitted or applied. Each message names the file, the location, the
/// finding and the next action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Published scores cannot be summed.
    #[error(transparent)]
    Scoring(#[from] scoring::Error),
    /// A guard against leakage cannot check the data.
    #[error(transparent)]
    Leakage(#[from] leakage::Error),
    /// A genome file is wrong.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// The cohort is wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// A result could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// An option is wrong.
    #[error("{reason}")]
    Options {
        /// The finding in words.
        reason: String,
    },
    /// The files have no records, or none in the regions.
    #[error(
        "{}: no record{}: is the VCF empty, or are the contig names or the build others?",
        vcf.iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
            .join(", "),
        regions_file
            .as_ref()
            .map(|path| format!(" overlaps any region of {}", path.display()))
            .unwrap_or_default()
    )]
    NoRecords {
        /// The VCF files.
        vcf: Vec<PathBuf>,
        /// BED of the regions, if there is one.
        regions_file: Option<PathBuf>,
    },
    /// No dosage varies among the training samples.
    #[error(
        "no variant varies among the training people ({alleles} ALT alleles were read); is it the \
         right VCF and regions file?"
    )]
    NothingVaries {
        /// Number of ALT alleles read.
        alleles: usize,
    },
    /// A regression failed.
    #[error("{model}: the logistic regression (penalty {alpha}) failed: {reason}")]
    Fit {
        /// The baseline.
        model: String,
        /// The penalty.
        alpha: f64,
        /// Error of the regression.
        reason: String,
    },
    /// No hyperparameter setting gives a baseline.
    #[error("{model}: none of the settings could be fitted: {reason}")]
    NoSetting {
        /// The baseline.
        model: String,
        /// Error of the last setting.
        reason: String,
    },
    /// The fit needs more memory than is free.
    #[error(
        "{} of {} need about {needed:.1} GB, {free:.1} GB are free: give fewer variants \
         (--regions-file), or people",
        counted(*n_dosages, "dosage", "dosages"),
        counted(*n_people, "person", "people")
    )]
    Memory {
        /// Dosages that the baselines are learned from.
        n_dosages: usize,
        /// Samples of the training and validation splits.
        n_people: usize,
        /// Memory needed, in GB.
        needed: f64,
        /// Free memory, in GB.
        free: f64,
    },
    /// The validation split could not be evaluated.
    #[error("AUROC on the validation split: {reason}")]
    Validation {
        /// The finding in words.
        reason: String,
    },
    /// Samples have genotypes of too few alleles of a baseline.
    #[error(
        "{model}: `{sample}` has genotypes of {n_called} of its {n_alleles} alleles, \
         fewer than {min_overlap} of them ({n_people} such people in all): leave these people out \
         (--samples-file), or accept it with a smaller --min-overlap"
    )]
    PeopleWithoutGenotypes {
        /// The baseline.
        model: String,
        /// The first of these samples.
        sample: String,
        /// Alleles with a genotype of this sample.
        n_called: usize,
        /// Alleles of the baseline.
        n_alleles: usize,
        /// Number of such samples.
        n_people: usize,
        /// Fraction required.
        min_overlap: f64,
    },
    /// A covariate of a baseline is missing.
    #[error(
        "{model} needs the covariate `{name}`, which is not there; give a cohort.csv with this \
         column"
    )]
    NoCovariate {
        /// The baseline.
        model: String,
        /// The covariate.
        name: String,
    },
    /// The APOE variants of a saved `prs-apoe` are missing.
    #[error("prs-apoe: {reason}")]
    NoApoe {
        /// The missing variants in words.
        reason: String,
    },
    /// A saved model cannot be read.
    #[error("{}: {reason}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// The finding in words.
        reason: String,
    },
}

impl Error {
    /// A regression failed.
    pub(super) fn fit(model: &str, alpha: f64, reason: String) -> Self {
        Self::Fit {
            model: model.into(),
            alpha,
            reason,
        }
    }

    /// A saved model cannot be read.
    pub(super) fn model(path: &Path, reason: String) -> Self {
        Self::Model {
            path: path.into(),
            reason,
        }
    }
}
