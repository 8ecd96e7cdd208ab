//! Errors of baselines: options, cohort, genotypes, regressions, saved models.

use std::path::{Path, PathBuf};

use super::{
    apoe::ApoeProblem, logistic::FitProblem, model::ModelProblem, options::OptionsProblem,
};
use crate::{leakage, scoring};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_stats::roc::OneClass;

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
    #[error(transparent)]
    Options(#[from] OptionsProblem),
    /// A published score cannot distinguish samples.
    #[error(
        "{}: the score is the same in all training samples, so it cannot distinguish them",
        path.display()
    )]
    ConstantScore {
        /// The scoring file.
        path: PathBuf,
    },
    /// The files have no records, or none in the regions.
    #[error(
        "{}: no record{}. Is the VCF empty, or does it use different contig names or another \
         genome build?",
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
        "no variant varies among the training samples ({alleles} ALT alleles were read); check the \
         VCF and the regions file"
    )]
    NothingVaries {
        /// Number of ALT alleles read.
        alleles: usize,
    },
    /// A regression failed.
    #[error("{model}: the logistic regression with penalty {alpha} failed: {problem}")]
    Fit {
        /// The baseline.
        model: String,
        /// The penalty.
        alpha: f64,
        /// Error of the regression.
        problem: FitProblem,
    },
    /// No hyperparameter setting gives a baseline.
    #[error(
        "{model}: no hyperparameter setting could be fitted: {}",
        without_setting(failure.as_deref())
    )]
    NoSetting {
        /// The baseline.
        model: String,
        /// Error of the last setting, as the table of settings has it; `None` if the settings give
        /// no weights.
        failure: Option<String>,
    },
    /// The fit needs more memory than is free.
    #[error(
        "{} of {} need about {needed:.1} GB of memory, but {free:.1} GB are free; use fewer \
         variants (--regions-file) or fewer samples",
        counted(*n_dosages, "dosage", "dosages"),
        counted(*n_people, "sample", "samples")
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
    #[error("no AUROC on the validation split: {0}")]
    Validation(OneClass),
    /// Samples have genotypes of too few alleles of a baseline.
    #[error(
        "{model}: sample `{sample}` has genotypes of {n_called} of the {n_alleles} alleles, but at \
         least a fraction of {min_overlap} is required ({n_people} such samples in total). Leave \
         these samples out (--samples-file), or lower --min-overlap"
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
        "{model} needs the covariate `{name}`, which is missing; give a cohort.csv with this \
         column"
    )]
    NoCovariate {
        /// The baseline.
        model: String,
        /// The covariate.
        name: String,
    },
    /// The APOE variants of a saved `prs-apoe` are missing.
    #[error("prs-apoe: {0}")]
    NoApoe(ApoeProblem),
    /// A saved model cannot be read.
    #[error("{}: {problem}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// The finding.
        problem: ModelProblem,
    },
}

impl Error {
    /// A regression failed.
    pub(super) fn fit(model: &str, alpha: f64, problem: impl Into<FitProblem>) -> Self {
        Self::Fit {
            model: model.into(),
            alpha,
            problem: problem.into(),
        }
    }

    /// A saved model cannot be read.
    pub(super) fn model(path: &Path, problem: impl Into<ModelProblem>) -> Self {
        Self::Model {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

/// Why no setting gives a baseline.
pub(super) fn without_setting(failure: Option<&str>) -> &str {
    failure.unwrap_or("no dosage has a weight")
}
