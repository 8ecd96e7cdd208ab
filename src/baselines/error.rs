//! Why there are no baselines.

use std::path::PathBuf;

use crate::{leakage, scoring};
use gf_cohort_schema::counted;
use gf_files::output;

/// Each message names the file, the place, what was found, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Published scores cannot be summed.
    #[error(transparent)]
    Scoring(#[from] scoring::Error),
    /// A guard cannot look.
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
        /// What is wrong.
        reason: String,
    },
    /// The files are empty, or their records lie elsewhere.
    #[error(
        "{}: no record{}: is the VCF empty, or are the contig names or the build others?",
        vcf.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        regions_file.as_ref().map(|path| format!(" overlaps any region of {}", path.display())).unwrap_or_default()
    )]
    NoRecords {
        /// The VCF files.
        vcf: Vec<PathBuf>,
        /// BED of the regions, if there is one.
        regions_file: Option<PathBuf>,
    },
    /// There is nothing to learn from.
    #[error(
        "no variant varies among the training people ({alleles} ALT alleles were read); is it the \
         right VCF and regions file?"
    )]
    NothingVaries {
        /// ALT alleles read.
        alleles: usize,
    },
    /// A regression failed.
    #[error("{model}: the logistic regression (penalty {alpha}) failed: {reason}")]
    Fit {
        /// The baseline.
        model: String,
        /// The penalty.
        alpha: f64,
        /// What happened.
        reason: String,
    },
    /// No setting that was tried gives a baseline.
    #[error("{model}: none of the settings could be fitted: {reason}")]
    NoSetting {
        /// The baseline.
        model: String,
        /// What happened to the last.
        reason: String,
    },
    /// The machine is too small.
    #[error(
        "{} of {} need about {needed:.1} GB, {free:.1} GB are free: give fewer variants (--regions-file), or people",
        counted(*n_dosages, "dosage", "dosages"), counted(*n_people, "person", "people")
    )]
    Memory {
        /// Dosages that the baselines are learned from.
        n_dosages: usize,
        /// People of the training and validation splits.
        n_people: usize,
        /// In GB.
        needed: f64,
        /// What the machine has, in GB.
        free: f64,
    },
    /// The validation split could not be evaluated.
    #[error("AUROC on the validation split: {reason}")]
    Validation {
        /// Why.
        reason: String,
    },
    /// People have too few genotypes of a baseline.
    #[error(
        "{model}: `{sample}` has genotypes of {n_called} of its {n_alleles} alleles, \
         fewer than {min_overlap} of them ({n_people} such people in all): leave these people out \
         (--samples-file), or accept it with a smaller --min-overlap"
    )]
    PeopleWithoutGenotypes {
        /// The baseline.
        model: String,
        /// The first of these people.
        sample: String,
        /// Alleles with a genotype of this person.
        n_called: usize,
        /// Alleles of the baseline.
        n_alleles: usize,
        /// All such people.
        n_people: usize,
        /// Share that is asked for.
        min_overlap: f64,
    },
    /// A baseline needs a covariate that is not there.
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
    /// A saved `prs-apoe` needs the APOE sites.
    #[error("prs-apoe: {reason}")]
    NoApoe {
        /// What is missing.
        reason: String,
    },
    /// A saved model cannot be read.
    #[error("{}: {reason}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
