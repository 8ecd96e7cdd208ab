//! How a cohort table is read: options of every command that reads one, and keys of `[data]`.

use serde::{Deserialize, Serialize};

#[cfg(feature = "clap")]
use crate::arguments::{name_of, one_of};
use crate::{
    CovariateChoice, MissingCovariates, MissingPolicies, MissingSamples, MissingValues,
    PhenotypeCoding,
};

/// How the columns of a cohort table are read: keys of `[data]` in a pipeline file and, with the
/// feature `clap`, options of every command with `--cohort`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[serde(default)]
pub struct CohortReading {
    /// Coding of the phenotypes: case/control or 0/1, or 1 (control) and 2 (case) like PLINK.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<PhenotypeCoding>(),
        default_value = name_of(&PhenotypeCoding::default()),
        requires = "cohort",
    ))]
    pub phenotype_coding: PhenotypeCoding,
    /// Columns that are covariates, or `none` for no covariates [default: age, sex and PC1, PC2,
    /// ...].
    #[cfg_attr(feature = "clap", arg(
        long,
        value_delimiter = ',',
        num_args = 1..,
        value_name = "COLUMN,...",
        requires = "cohort",
    ))]
    covariates: Option<Vec<String>>,
    /// Numbers that mean a missing value in phenotype and covariates, such as -9, or `none` if no
    /// number does [default: -9 is missing in phenotype, age, sex and categories, and an error
    /// elsewhere].
    #[cfg_attr(
        feature = "clap",
        arg(
            long,
            value_name = "NUMBER,...",
            allow_hyphen_values = true,
            requires = "cohort",
        )
    )]
    missing_value: Option<MissingValues>,
    /// Treatment of samples without a value of a covariate. `drop-few` drops them if they are at
    /// most 5 % of their split, and is an error otherwise. `mean` gives them the mean of the
    /// training samples.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<MissingCovariates>(),
        default_value = name_of(&MissingCovariates::default()),
        value_name = "POLICY",
        requires = "cohort",
    ))]
    missing_covariates: MissingCovariates,
    /// Treatment of samples of the cohort without genotypes. `drop-few` drops them if they are at
    /// most 5 % of their split, and is an error otherwise.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<MissingSamples>(),
        default_value = name_of(&MissingSamples::default()),
        value_name = "POLICY",
        requires = "cohort",
    ))]
    pub missing_samples: MissingSamples,
}

impl CohortReading {
    /// The columns that are covariates: the usual ones, those named, or none for an empty list or
    /// the word `none`.
    #[must_use]
    pub fn covariates(&self) -> CovariateChoice {
        match self.covariates.as_deref() {
            None => CovariateChoice::Usual,
            Some([name]) if name == "none" => CovariateChoice::Named(Vec::new()),
            Some(names) => CovariateChoice::Named(names.to_vec()),
        }
    }

    /// Treatment of missing values.
    #[must_use]
    pub fn missing(&self) -> MissingPolicies {
        MissingPolicies {
            value: self.missing_value.clone(),
            covariates: self.missing_covariates,
            samples: self.missing_samples,
        }
    }
}
