//! Options of every command that reads a cohort table.

use std::path::PathBuf;

use gf_cohort_schema::{CohortReading, CovariateChoice, MissingPolicies, PhenotypeCoding};

/// The cohort table and how it is read.
#[derive(Debug, clap::Args)]
pub struct CohortArgs {
    /// Cohort table: `sample_id,phenotype,split` and covariates.
    #[arg(long, value_name = "CSV")]
    pub cohort: PathBuf,
    #[command(flatten)]
    reading: CohortReading,
}

/// The same as [`CohortArgs`], for a command that also works without a cohort.
#[derive(Debug, clap::Args)]
pub struct OptionalCohortArgs {
    /// Cohort table: `sample_id,phenotype,split` and covariates. Without it, published scores are
    /// summed and nothing is fitted.
    #[arg(long, value_name = "CSV")]
    cohort: Option<PathBuf>,
    #[command(flatten)]
    reading: CohortReading,
}

impl OptionalCohortArgs {
    /// The arguments of the cohort table, if there is one.
    #[must_use]
    pub fn given(self) -> Option<CohortArgs> {
        let Self { cohort, reading } = self;
        cohort.map(|cohort| CohortArgs { cohort, reading })
    }
}

impl CohortArgs {
    /// How phenotypes are coded.
    #[must_use]
    pub fn phenotype_coding(&self) -> PhenotypeCoding {
        self.reading.phenotype_coding
    }

    /// The columns that are covariates.
    #[must_use]
    pub fn covariates(&self) -> CovariateChoice {
        self.reading.covariates()
    }

    /// Treatment of missing values.
    #[must_use]
    pub fn missing(&self) -> MissingPolicies {
        self.reading.missing()
    }
}
