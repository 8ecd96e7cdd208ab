//! `explain.csv` and `pairs.csv`: effects of alleles on the logit of a model. An undefined value is
//! an empty cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rows::six_decimals;

/// A variant of a locus, and the effect of its ALT allele on the logit of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EffectRow {
    /// Name of the locus.
    pub locus: String,
    /// Contig of the locus.
    pub contig: String,
    /// 1-based position (POS).
    #[schemars(range(min = 1))]
    pub position: usize,
    /// REF.
    pub ref_allele: String,
    /// ALT.
    pub alt_allele: String,
    /// Frequency of ALT among the haplotypes of the given samples.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub frequency: f64,
    /// Number of distinct haplotypes in which the allele was switched.
    pub n_haplotypes: usize,
    /// Number of these switches that the model reads as the nearest training segment, because it
    /// was not trained on the exact segment. They affect the next columns only if there are no
    /// other switches.
    pub n_approximated: usize,
    /// Mean change of the logit when one copy of ALT replaces REF, over the haplotypes of the given
    /// samples.
    #[serde(serialize_with = "six_decimals")]
    pub effect: f64,
    /// Part of `effect` from the additive term; the rest is from the deep terms. Empty for a pure
    /// sequence model.
    #[serde(serialize_with = "six_decimals")]
    pub additive_effect: Option<f64>,
    /// Lower bound of the 95 % confidence interval of `effect` over the models of an ensemble;
    /// empty for a single model.
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper bound of this interval.
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
    /// Root mean square of the change. Changes of opposite sign on different haplotypes do not
    /// cancel.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub effect_rms: f64,
    /// Standard deviation of the logit due to the variant: `effect_rms` times the standard
    /// deviation of the allele among haplotypes.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub logit_sd: f64,
    /// Rank by `effect_rms` over all loci; 1 is the largest. Variants whose `n_approximated` equals
    /// `n_haplotypes` are last.
    #[schemars(range(min = 1))]
    pub rank: usize,
}

/// Two variants of a locus, and the joint effect of their ALT alleles on one haplotype.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairRow {
    /// Name of the locus.
    pub locus: String,
    /// Contig of the locus.
    pub contig: String,
    /// 1-based position (POS) of the first variant.
    #[schemars(range(min = 1))]
    pub first_position: usize,
    /// REF of the first variant.
    pub first_ref_allele: String,
    /// ALT of the first variant.
    pub first_alt_allele: String,
    /// 1-based position (POS) of the second variant.
    #[schemars(range(min = 1))]
    pub second_position: usize,
    /// REF of the second variant.
    pub second_ref_allele: String,
    /// ALT of the second variant.
    pub second_alt_allele: String,
    /// Squared correlation of the two variants among the haplotypes of the given samples; empty if
    /// one of them does not vary.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub r2: Option<f64>,
    /// Number of distinct haplotypes in which both alleles were switched.
    pub n_haplotypes: usize,
    /// Number of these switches that the model reads as the nearest training segment, because it
    /// was not trained on the exact segment. They affect the next columns only if there are no
    /// other switches.
    pub n_approximated: usize,
    /// Mean change of the logit when both ALT alleles replace both REF alleles.
    #[serde(serialize_with = "six_decimals")]
    pub joint_effect: f64,
    /// `joint_effect` minus the effects of each ALT allele alone, with the REF allele of the other
    /// variant.
    #[serde(serialize_with = "six_decimals")]
    pub interaction: f64,
    /// Lower bound of the 95 % confidence interval of `interaction` over the models of an ensemble;
    /// empty for a single model.
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper bound of this interval.
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
    /// Standard deviation of the logit due to the interaction: the root mean square of the
    /// interaction times the standard deviations of both alleles.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub logit_sd: f64,
    /// Rank by `logit_sd` over all loci; 1 is the largest.
    #[schemars(range(min = 1))]
    pub rank: usize,
}
