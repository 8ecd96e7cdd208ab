//! Options of every command that reads a cohort table.

use std::path::PathBuf;

use gf_cohort_schema::{
    CovariateChoice, MissingCovariates, MissingPolicies, MissingSamples, MissingValues,
    PhenotypeCoding,
    arguments::{name_of, one_of},
};

/// The cohort table and how it is read.
#[derive(Debug, clap::Args)]
pub struct CohortArgs {
    /// Cohort table: `sample_id,phenotype,split` and covariates.
    #[arg(long, value_name = "CSV")]
    pub cohort: PathBuf,
    #[command(flatten)]
    reading: CohortReadingArgs,
}

/// The same as [`CohortArgs`], for a command that also works without a cohort.
#[derive(Debug, clap::Args)]
pub struct OptionalCohortArgs {
    /// Cohort table: `sample_id,phenotype,split` and covariates. Without it, published scores are
    /// summed and nothing is fitted.
    #[arg(long, value_name = "CSV")]
    cohort: Option<PathBuf>,
    #[command(flatten)]
    reading: CohortReadingArgs,
}

/// How the columns of a cohort table are read.
#[derive(Debug, clap::Args)]
struct CohortReadingArgs {
    /// Coding of the phenotypes: case/control or 0/1, or 1 (control) and 2 (case) like PLINK.
    #[arg(
        long,
        value_parser = one_of::<PhenotypeCoding>(),
        default_value = name_of(&PhenotypeCoding::default()),
        requires = "cohort"
    )]
    phenotype_coding: PhenotypeCoding,
    /// Columns that are covariates, or `none` for no covariates [default: age, sex and PC1, PC2,
    /// ...].
    #[arg(
        long,
        value_delimiter = ',',
        num_args = 1..,
        value_name = "COLUMN,...",
        requires = "cohort"
    )]
    covariates: Option<Vec<String>>,
    /// Numbers that mean a missing value in phenotype and covariates, such as -9, or `none` if no
    /// number does [default: -9 is missing in phenotype, age, sex and categories, and an error
    /// elsewhere].
    #[arg(
        long,
        value_name = "NUMBER,...",
        allow_hyphen_values = true,
        requires = "cohort"
    )]
    missing_value: Option<MissingValues>,
    /// Treatment of samples without a value of a covariate. `drop-few` drops them if they are at
    /// most 5 % of their split, and is an error otherwise. `mean` gives them the mean of the
    /// training samples.
    #[arg(
        long,
        value_parser = one_of::<MissingCovariates>(),
        default_value = name_of(&MissingCovariates::default()),
        value_name = "POLICY",
        requires = "cohort"
    )]
    missing_covariates: MissingCovariates,
    /// Treatment of samples of the cohort without genotypes. `drop-few` drops them if they are at
    /// most 5 % of their split, and is an error otherwise.
    #[arg(
        long,
        value_parser = one_of::<MissingSamples>(),
        default_value = name_of(&MissingSamples::default()),
        value_name = "POLICY",
        requires = "cohort"
    )]
    missing_samples: MissingSamples,
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
        match &self.reading.covariates {
            None => CovariateChoice::Usual,
            Some(names) if names.len() == 1 && names[0] == "none" => {
                CovariateChoice::Named(Vec::new())
            }
            Some(names) => CovariateChoice::Named(names.clone()),
        }
    }

    /// Treatment of missing values.
    #[must_use]
    pub fn missing(&self) -> MissingPolicies {
        MissingPolicies {
            value: self.reading.missing_value.clone(),
            covariates: self.reading.missing_covariates,
            samples: self.reading.missing_samples,
        }
    }
}
