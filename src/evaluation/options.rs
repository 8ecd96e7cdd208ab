//! Settings of comparisons.

use serde::{Deserialize, Serialize};

use gf_cohort_schema::arguments::{name_of, one_of};

use super::{GuardPolicy, Recalibration};

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
