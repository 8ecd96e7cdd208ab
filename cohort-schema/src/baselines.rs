//! Tables of the baselines: coefficients, associations, and the AUC of published scores without a
//! fit. Next to them is the list of related samples.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Split,
    rows::{four_decimals, nine_digits_scientific},
};

/// Coefficient of a baseline on the scale of the data: logit = intercept + sum of weight times
/// value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoefficientRow<'a> {
    /// Name of the baseline.
    pub model: &'a str,
    /// `intercept`, `covariate`, `apoe`, `allele`, `allele-1-copy` or `allele-2-copies`. The value
    /// of the last two is 1 for samples with at least one copy, or with two copies, and else 0.
    pub term: &'a str,
    /// Name of the covariate or of the APOE allele.
    pub name: Option<&'a str>,
    /// Contig of the allele.
    pub chrom: Option<&'a str>,
    /// 1-based position (POS).
    #[schemars(range(min = 1))]
    pub position: Option<usize>,
    /// REF.
    pub ref_allele: Option<&'a str>,
    /// ALT.
    pub alt_allele: Option<&'a str>,
    /// Allele whose copies are counted.
    pub effect_allele: Option<&'a str>,
    /// Change of the logit per unit of the covariate, or per copy of the allele.
    #[serde(serialize_with = "nine_digits_scientific")]
    pub weight: f64,
    /// Frequency of the effect allele among the training samples.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits_scientific")]
    pub frequency: Option<f64>,
    /// Mean of the value among the training samples; it replaces a missing value.
    #[serde(serialize_with = "nine_digits_scientific")]
    pub mean: Option<f64>,
    /// Standard deviation of the value among the training samples.
    #[serde(serialize_with = "nine_digits_scientific")]
    pub sd: Option<f64>,
}

/// Association of an ALT allele with the phenotype among the training samples, adjusted for the
/// covariates. The columns from `beta` to `test` are empty without an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssociationRow<'a> {
    /// Contig as the VCF names it.
    pub contig: &'a str,
    /// 1-based position (POS).
    #[schemars(range(min = 1))]
    pub position: usize,
    /// ID of the record.
    pub id: &'a str,
    /// REF.
    pub ref_allele: &'a str,
    /// ALT.
    pub alt_allele: &'a str,
    /// Allele whose copies are counted.
    pub effect_allele: &'a str,
    /// Frequency of the effect allele among the training samples.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits_scientific")]
    pub frequency: f64,
    /// Number of training samples with a call.
    pub n: usize,
    /// Log odds ratio per copy of the effect allele.
    #[serde(serialize_with = "nine_digits_scientific")]
    pub beta: Option<f64>,
    /// Standard error of `beta`.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "nine_digits_scientific")]
    pub se: Option<f64>,
    /// Two-sided p-value.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits_scientific")]
    pub p_value: Option<f64>,
    /// `wald` (logistic regression), `firth` (Firth's regression, where classes are separated) or
    /// `score` (score test, for alleles without a regression of their own).
    pub test: Option<&'a str>,
}

/// AUC of a published score in a split, without any fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreAucRow<'a> {
    /// Name of the score, as in `predictions.csv`.
    pub model: &'a str,
    /// The split, or `all` for the samples of several splits.
    pub split: &'a str,
    /// Number of cases.
    pub n_cases: usize,
    /// Number of controls.
    pub n_controls: usize,
    /// Area under the ROC curve of the sums.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub auroc: f64,
    /// Lower bound of DeLong's 95 % confidence interval; empty with fewer than two samples of a
    /// class.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ci_low: Option<f64>,
    /// Upper bound of this interval.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ci_high: Option<f64>,
}

/// Two related samples of different splits. Private, because it names samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RelatedPairRow<'a> {
    /// The first sample's name in the VCF.
    pub sample_id_1: &'a str,
    /// Split of the first sample.
    pub split_1: Split,
    /// The second sample's name in the VCF.
    pub sample_id_2: &'a str,
    /// Split of the second sample.
    pub split_2: Split,
    /// KING's kinship coefficient: 0.5 for twins, 0.25 for parents and children; empty if it is
    /// unknown.
    #[serde(serialize_with = "four_decimals")]
    pub kinship: Option<f64>,
    /// Relation by the cut-offs of KING: `duplicate-or-twin`, `first-degree`, `second-degree` or
    /// `same-genotypes` (kinship unknown, all available genotypes identical).
    pub relation: &'a str,
}
