//! The contents of `truth.json`.
//!
//! [`StudyTruth`] is present for many loci, covariate effects, published weights or case-control
//! sampling.

use std::fmt;

use gf_cohort_schema::{Phenotype, counted};
use serde::Serialize;

use super::{
    Options, RiskKind,
    causal::{CausalSite, Choice},
    effects::EffectSummary,
    population::AGE_CENTRE,
};

/// The contents of `truth.json`: the simulated risk and the best achievable AUC.
///
/// The logit of a sample is `intercept + effect * x`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// Kind of risk; `mixed` when the loci differ in it.
    pub risk: String,
    /// Meaning of x in words.
    pub x: &'static str,
    /// Log odds of disease at x = 0.
    pub intercept: f64,
    /// Log odds per unit of x.
    pub effect: f64,
    /// Causal sites, in the order of the locus.
    pub causal_sites: Vec<CausalSite>,
    /// Why these causal sites were chosen.
    pub choice: Option<Choice>,
    /// Requested AUC; `None` for the risk `null`.
    pub target_auc: Option<f64>,
    /// Expected AUC of the true logit over repeated draws of the phenotypes on these genomes.
    pub population_auc: f64,
    /// Share of cases in the population.
    pub prevalence: f64,
    /// AUC of the true logit for the phenotypes that were drawn, in each split. A method exceeds it
    /// only by chance.
    pub best_possible_auc: BestPossibleAuc,
    /// Number of distinct haplotypes among the two haplotypes of each sample.
    pub n_distinct_haplotypes: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// All parts of the risk, for many loci, published weights, covariate effects or case-control
    /// sampling; `None` for one locus that carries the whole risk.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub study: Option<StudyTruth>,
}

/// AUC of the true logit in each split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BestPossibleAuc {
    /// AUC in the training split.
    pub train: f64,
    /// AUC in the validation split.
    pub validation: f64,
    /// AUC in the test split.
    pub test: f64,
}

/// The simulated risk, part by part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyTruth {
    /// Best achievable AUC of the whole logit and of each component.
    pub best_achievable_auc: ComponentAucs,
    /// Factor of the genetic part that gives the requested AUC. The effects below include it.
    pub scale: f64,
    /// Log odds of age and sex.
    pub covariate_effects: CovariateEffects,
    /// How the cohort was drawn.
    pub sampling: Sampling,
    /// Counts of published weights by the result of matching.
    pub published_effects: Option<EffectSummary>,
    /// The risk of each locus, in the order of `loci.bed`.
    pub loci: Vec<LocusTruth>,
}

impl fmt::Display for StudyTruth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ComponentAucs {
            additive,
            non_additive,
            covariates,
            ..
        } = &self.best_achievable_auc;
        let genetic = [("additive", additive), ("non-additive", non_additive)];
        for (name, part) in genetic.into_iter().chain([("covariate", covariates)]) {
            if let Some(PartAuc {
                population,
                by_split,
            }) = part
            {
                let test = by_split.test;
                writeln!(
                    f,
                    "{name} part: AUC {test:.3} test (population {population:.3})"
                )?;
            }
        }
        if let Some(effects) = &self.published_effects {
            writeln!(f, "{effects}")?;
        }
        let Sampling {
            n_drawn,
            n_cases_drawn,
            case_fraction,
            ..
        } = &self.sampling;
        if let Some(fraction) = case_fraction {
            let cases = counted(*n_cases_drawn, "case", "cases");
            let drawn = format!(
                "{} drawn ({cases})",
                counted(*n_drawn, "individual", "individuals")
            );
            writeln!(f, "{drawn}; the cohort has a case fraction of {fraction}")?;
        }
        Ok(())
    }
}

/// Best achievable AUC: that of the true logit, or of one component of it.
///
/// A component that does not exist is `null`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComponentAucs {
    /// The whole logit.
    pub total: PartAuc,
    /// Loci with additive risk.
    pub additive: Option<PartAuc>,
    /// Loci with cis or trans risk.
    pub non_additive: Option<PartAuc>,
    /// Age and sex.
    pub covariates: Option<PartAuc>,
}

/// AUC of one component of the logit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartAuc {
    /// Expected AUC over repeated draws of disease in the population.
    pub population: f64,
    /// AUC for the phenotypes that were drawn, in each split.
    #[serde(flatten)]
    pub by_split: BestPossibleAuc,
}

/// Log odds of the covariates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CovariateEffects {
    /// Log odds per year of age above `age_centre`.
    pub age: f64,
    /// Log odds of men compared with women.
    pub sex: f64,
    /// Age (years) at which the effect of age is 0.
    pub age_centre: f64,
}

impl CovariateEffects {
    /// The effects that the options state.
    pub(super) fn new(options: &Options) -> Self {
        Self {
            age: options.age_effect,
            sex: options.sex_effect,
            age_centre: AGE_CENTRE,
        }
    }
}

/// How the cohort was drawn from the population.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sampling {
    /// Description in words.
    pub method: &'static str,
    /// Number of individuals drawn from the population.
    pub n_drawn: usize,
    /// Number of cases among the individuals drawn.
    pub n_cases_drawn: usize,
    /// Share of cases that the intercept is solved for.
    pub prevalence: f64,
    /// Share of cases in the cohort; `None` if all individuals drawn are in the cohort.
    pub case_fraction: Option<f64>,
    /// Difference between the log odds of disease in the cohort and a logit of `truth.csv`.
    pub logit_shift_in_cohort: f64,
}

impl Sampling {
    /// Counts the phenotypes of all individuals drawn.
    pub(super) fn count(options: &Options, phenotypes: &[Phenotype]) -> Self {
        Self {
            method: match options.case_fraction {
                None => "all individuals drawn from the population are in the cohort",
                Some(_) => {
                    "cases and controls chosen at random from the individuals drawn, so that the \
                     cohort has the case fraction; this does not change the AUC"
                }
            },
            n_drawn: phenotypes.len(),
            n_cases_drawn: phenotypes
                .iter()
                .filter(|phenotype| phenotype.is_case())
                .count(),
            prevalence: options.prevalence,
            case_fraction: options.case_fraction,
            // Case-control sampling changes only the intercept of a logistic model.
            logit_shift_in_cohort: options.case_fraction.map_or(0.0, |fraction| {
                log_odds(fraction) - log_odds(options.prevalence)
            }),
        }
    }
}

fn log_odds(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

/// The risk of one locus.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LocusTruth {
    /// Name of the locus in `loci.bed`.
    pub name: String,
    /// `contig:beg-end`, 1-based and inclusive.
    pub region: String,
    /// How the risk depends on haplotypes.
    pub risk: RiskKind,
    /// Meaning of x in words.
    pub x: &'static str,
    /// Requested size relative to the other loci; `None` for published weights.
    pub relative_effect: Option<f64>,
    /// Log odds per unit of x; `None` for published weights.
    pub effect: Option<f64>,
    /// Standard deviation of the locus's part of the logit.
    pub logit_sd: f64,
    /// Causal sites, in the order of the locus.
    pub causal_sites: Vec<CausalVariant>,
    /// Why these sites were chosen; `None` for published weights.
    pub choice: Option<Choice>,
}

impl LocusTruth {
    /// Multiplies all effects.
    pub(super) fn scale(&mut self, scale: f64) {
        self.effect = self.effect.map(|effect| scale * effect);
        self.logit_sd *= scale;
        let weights = self
            .causal_sites
            .iter_mut()
            .flat_map(|site| &mut site.log_odds_by_copies);
        weights.flatten().for_each(|log_odds| *log_odds *= scale);
    }
}

/// A causal site, with its weight if it has a published one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CausalVariant {
    /// The causal site.
    #[serde(flatten)]
    pub site: CausalSite,
    /// Log odds that 0, 1 and 2 copies of the effect allele add; only for published weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_odds_by_copies: Option<[f64; 3]>,
}
