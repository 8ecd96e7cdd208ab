//! Options of every command that reads a cohort table.

use std::path::PathBuf;

use clap::ValueEnum;
use gf_cohort_schema::{CovariateChoice, PhenotypeCoding};

/// The cohort table and how it is read.
#[derive(Debug, clap::Args)]
pub struct CohortArgs {
    /// Cohort table: `sample_id,phenotype,split` and covariates.
    #[arg(long, value_name = "CSV")]
    pub cohort: PathBuf,
    /// How phenotypes are written: case/control or 0/1, or PLINK's 1 (control) and 2 (case).
    #[arg(long, value_enum, default_value_t = Coding::Auto)]
    phenotype_coding: Coding,
    /// Columns that are covariates [default: all further ones]; `none` for none.
    #[arg(long, value_delimiter = ',', num_args = 1.., value_name = "COLUMN,...")]
    covariates: Option<Vec<String>>,
}

/// As [`CohortArgs`], of a command that also does something without a cohort.
#[derive(Debug, clap::Args)]
pub struct OptionalCohortArgs {
    /// Cohort table: `sample_id,phenotype,split` and covariates; without it published scores are summed, and nothing is fitted.
    #[arg(long, value_name = "CSV")]
    cohort: Option<PathBuf>,
    /// How phenotypes are written: case/control or 0/1, or PLINK's 1 (control) and 2 (case).
    #[arg(long, value_enum, default_value_t = Coding::Auto, requires = "cohort")]
    phenotype_coding: Coding,
    /// Columns that are covariates [default: all further ones]; `none` for none.
    #[arg(long, value_delimiter = ',', num_args = 1.., value_name = "COLUMN,...", requires = "cohort")]
    covariates: Option<Vec<String>>,
}

impl OptionalCohortArgs {
    /// The cohort, if there is one.
    #[must_use]
    pub fn given(self) -> Option<CohortArgs> {
        let Self { cohort, phenotype_coding, covariates } = self;
        cohort.map(|cohort| CohortArgs { cohort, phenotype_coding, covariates })
    }
}

/// How phenotypes are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Coding {
    Auto,
    Plink12,
}

impl From<Coding> for PhenotypeCoding {
    fn from(coding: Coding) -> Self {
        match coding {
            Coding::Auto => Self::Auto,
            Coding::Plink12 => Self::Plink12,
        }
    }
}

impl CohortArgs {
    /// As the reader's option.
    #[must_use]
    pub fn phenotype_coding(&self) -> PhenotypeCoding {
        self.phenotype_coding.into()
    }

    /// As the reader's option.
    #[must_use]
    pub fn covariates(&self) -> CovariateChoice {
        match &self.covariates {
            None => CovariateChoice::All,
            Some(names) if names.len() == 1 && names[0] == "none" => CovariateChoice::Named(Vec::new()),
            Some(names) => CovariateChoice::Named(names.clone()),
        }
    }
}
