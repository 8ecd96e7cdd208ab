//! Predicted and simulated risks of samples: the output of `score`, and `truth.csv`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Phenotype, Split, rows::nine_digits};

/// Predicted risk of a sample by a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RiskRow<'a> {
    /// The sample's name in the VCF.
    pub sample_id: &'a str,
    /// Name of the model.
    pub model: &'a str,
    /// Log odds of being a case.
    #[serde(serialize_with = "nine_digits")]
    pub logit: f64,
    /// Probability of being a case, 1 / (1 + exp(-logit)), in a cohort with the proportion of cases
    /// of the training split.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits")]
    pub probability: f64,
}

/// Simulated risk of a sample. No command reads it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TruthRow<'a> {
    /// The sample's name in the VCF.
    pub sample_id: &'a str,
    /// Simulated log odds of disease.
    #[serde(serialize_with = "nine_digits")]
    pub logit: f64,
    /// Simulated probability of disease.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits")]
    pub probability: f64,
    /// Phenotype, drawn with this probability.
    pub phenotype: Option<Phenotype>,
    /// The use of the sample.
    pub split: Split,
}
