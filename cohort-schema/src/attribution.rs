//! `explain.csv` and `pairs.csv`: what the alleles of a model's loci do to its logit. An undefined
//! value is empty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rows::six_decimals;

/// A variant of a locus, and what its ALT allele does to the logit of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EffectRow {
    /// Name of the locus.
    pub locus: String,
    /// Contig as the locus names it.
    pub contig: String,
    /// 1-based POS.
    #[schemars(range(min = 1))]
    pub position: usize,
    /// REF.
    pub ref_allele: String,
    /// ALT.
    pub alt_allele: String,
    /// Of ALT among the haplotypes of the people given.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub frequency: f64,
    /// Distinct haplotypes in which the allele was switched.
    pub n_haplotypes: usize,
    /// Of these, switches that the model reads as the nearest segment it was trained on: they
    /// count in what follows only where there are no others.
    pub n_approximated: usize,
    /// Mean change of the logit when one copy of ALT stands in place of REF, over the haplotypes
    /// of the people given.
    #[serde(serialize_with = "six_decimals")]
    pub effect: f64,
    /// Part of `effect` that is of the additive term; the rest is of the deep terms. Empty for a
    /// pure sequence model.
    #[serde(serialize_with = "six_decimals")]
    pub additive_effect: Option<f64>,
    /// Lower end of the 95 % interval over the models of an ensemble; empty for a single model.
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper end.
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
    /// Root of the mean squared change, which changes of opposite sign on different haplotypes do
    /// not cancel.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub effect_rms: f64,
    /// Spread of the logit due to the variant: `effect_rms` times the standard deviation of the
    /// allele among haplotypes.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub logit_sd: f64,
    /// By `effect_rms`, over all loci; 1 is the largest, and last are those with `n_approximated`
    /// equal to `n_haplotypes`.
    #[schemars(range(min = 1))]
    pub rank: usize,
}

/// Two variants of a locus, and what their ALT alleles do together on one haplotype.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairRow {
    /// Name of the locus.
    pub locus: String,
    /// Contig as the locus names it.
    pub contig: String,
    /// 1-based POS of the first variant.
    #[schemars(range(min = 1))]
    pub first_position: usize,
    /// Its REF.
    pub first_ref_allele: String,
    /// Its ALT.
    pub first_alt_allele: String,
    /// 1-based POS of the second variant.
    #[schemars(range(min = 1))]
    pub second_position: usize,
    /// Its REF.
    pub second_ref_allele: String,
    /// Its ALT.
    pub second_alt_allele: String,
    /// Squared correlation of the two among the haplotypes of the people given; empty when one
    /// does not vary.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub r2: Option<f64>,
    /// Distinct haplotypes in which both were switched.
    pub n_haplotypes: usize,
    /// Of these, switches that the model reads as the nearest segment it was trained on: they
    /// count in what follows only where there are no others.
    pub n_approximated: usize,
    /// Mean change of the logit when both ALT stand in place of both REF.
    #[serde(serialize_with = "six_decimals")]
    pub joint_effect: f64,
    /// `joint_effect` minus the effects of either ALT alone, beside the REF of the other.
    #[serde(serialize_with = "six_decimals")]
    pub interaction: f64,
    /// Lower end of the interaction's 95 % interval over the models of an ensemble; empty for a
    /// single model.
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper end.
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
    /// Spread of the logit due to the interaction: its root mean square times the standard
    /// deviations of both alleles.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub logit_sd: f64,
    /// By `logit_sd`, over all loci; 1 is the largest.
    #[schemars(range(min = 1))]
    pub rank: usize,
}
