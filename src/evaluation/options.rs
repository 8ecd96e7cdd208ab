//! Options of an evaluation, and the settings of comparisons.

use std::{fmt, path::PathBuf};

use gf_cohort_schema::{
    ScoreLayout,
    arguments::{name_of, one_of},
    counted,
};
use serde::{Deserialize, Serialize};

use super::{Recalibration, error::Error};

/// Inputs and settings of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Tables of predictions or scores, of this program or of another. Together they contain each
    /// (sample, model, fold) once. Several files with folds of one model are repeats of its
    /// cross-validation.
    pub predictions: Vec<PathBuf>,
    /// How tables of other programs are read, and the roles of models.
    #[serde(default)]
    pub layout: ScoreLayout,
    /// Folder for the tables.
    pub out: PathBuf,
    /// Reference model of all comparisons. The default is the baseline with the highest AUROC on
    /// the validation split.
    #[serde(default)]
    pub compare_to: Option<String>,
    /// `cohort.csv`, for families and strata, and for splits and phenotypes that the predictions
    /// lack.
    #[serde(default)]
    pub cohort: Option<PathBuf>,
    /// Columns of `cohort.csv` that define strata, and `apoe`. The default is sex, ancestry and
    /// APOE, where they are known. A column of numbers with more than ten values is divided into
    /// quarters of the samples.
    #[serde(default)]
    pub strata: Option<Vec<String>>,
    /// Number of resamples of families for intervals and tests. If `None`, DeLong's method is used.
    #[serde(default)]
    pub bootstrap: Option<usize>,
    /// Seed of the resamples.
    #[serde(default)]
    pub seed: u64,
    /// Prevalence of the disease in the population, for R2 on the liability scale.
    #[serde(default)]
    pub prevalence: Option<f64>,
    /// How probabilities are recalibrated on the validation split.
    #[serde(default)]
    pub recalibration: Recalibration,
    /// What happens when a guard finds leakage.
    #[serde(default)]
    pub guards: GuardPolicy,
    /// `run.json` of the pipeline that the predictions are from, whose options, counts and digests
    /// the report shows.
    #[serde(default)]
    pub run: Option<PathBuf>,
}

/// What happens when a guard finds leakage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardPolicy {
    /// The run fails, after all files are written.
    #[default]
    Error,
    /// The run prints a warning.
    Warn,
}

impl fmt::Display for GuardPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
        })
    }
}

/// Fewest resamples whose 2.5 % quantile is worth reporting.
const MIN_REPLICATES: usize = 100;

/// Refuses options that are out of range, before predictions are read.
///
/// # Errors
/// Too few resamples; a prevalence that is not between 0 and 1.
pub fn check_options(options: &Options) -> Result<(), Error> {
    if let Some(n_replicates) = options.bootstrap
        && n_replicates < MIN_REPLICATES
    {
        let resamples = counted(n_replicates, "resample is", "resamples are");
        return Err(Error::Option(format!(
            "{resamples} too few for a 95 % interval; use at least {MIN_REPLICATES}"
        )));
    }
    match options.prevalence {
        Some(prevalence) if !(prevalence > 0.0 && prevalence < 1.0) => Err(Error::Option(format!(
            "a prevalence of {prevalence} is not between 0 and 1; give the fraction of the \
             population with the disease"
        ))),
        _ => Ok(()),
    }
}

/// Comparisons of models: options of `evaluate` and keys of `[report]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct ReportSettings {
    /// Reference model of all comparisons [default: the baseline with the highest validation AUC].
    #[arg(long, value_name = "MODEL")]
    pub compare_to: Option<String>,
    /// Columns of the cohort table that define strata, or `apoe` for the APOE genotype. A numeric
    /// column with more than ten values, such as age, is divided into quarters of the samples
    /// [default: sex, ancestry or population, and apoe, where they are known].
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', num_args = 1..)]
    pub strata: Option<Vec<String>>,
    /// Number of bootstrap resamples of families for intervals and tests. A sample without a family
    /// is its own family [default: DeLong's method].
    #[arg(long, value_name = "N")]
    pub bootstrap: Option<usize>,
    /// Prevalence of the disease in the population, for R2 on the liability scale.
    #[arg(long, value_name = "FRACTION")]
    pub prevalence: Option<f64>,
    /// How probabilities are recalibrated on the validation split: platt (slope and intercept),
    /// isotonic, or none.
    #[arg(
        long,
        value_parser = one_of::<Recalibration>(),
        default_value = name_of(&Recalibration::default()),
        value_name = "METHOD"
    )]
    pub recalibration: Recalibration,
    /// What happens when a guard finds leakage: error (all files are written, then the command
    /// fails) or warn.
    #[arg(
        long,
        value_parser = one_of::<GuardPolicy>(),
        default_value = name_of(&GuardPolicy::default()),
        value_name = "POLICY"
    )]
    pub guards: GuardPolicy,
}
