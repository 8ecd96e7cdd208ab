//! What `truth.json` adds for a cohort over many loci, with covariate effects, published weights or
//! case-control sampling.

use std::fmt;

use gf_cohort_schema::Phenotype;
use serde::Serialize;

use super::{
    BestPossibleAuc, Options, RiskKind,
    causal::{CausalSite, Choice},
    effects::EffectSummary,
    population::AGE_CENTRE,
};
use gf_cohort_schema::counted;

/// The simulated risk, part by part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyTruth {
    /// In total and for each part of the logit.
    pub best_achievable_auc: ComponentAucs,
    /// Factor of the genetic part that gives the AUC asked for; it is in the effects below
    /// already.
    pub scale: f64,
    /// Log odds of age and sex.
    pub covariate_effects: CovariateEffects,
    /// How the cohort was drawn.
    pub sampling: Sampling,
    /// What became of published weights.
    pub published_effects: Option<EffectSummary>,
    /// In the order of `loci.bed`.
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
            writeln!(
                f,
                "{drawn}, of whom the cohort keeps a case fraction of {fraction}"
            )?;
        }
        Ok(())
    }
}

/// Best achievable AUC: that of the true logit, or of one part of it. A part that is not there is
/// `null`.
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

/// AUC of one part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartAuc {
    /// In the population drawn, disease being drawn again and again.
    pub population: f64,
    /// Against the phenotypes drawn, in each split.
    #[serde(flatten)]
    pub by_split: BestPossibleAuc,
}

/// Log odds of the covariates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CovariateEffects {
    /// Per year of age above `age_centre`.
    pub age: f64,
    /// Of men compared with women.
    pub sex: f64,
    /// Age (years) at which the effect of age is 0.
    pub age_centre: f64,
}

impl CovariateEffects {
    /// As the options have them.
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
    /// In words.
    pub method: &'static str,
    /// Individuals drawn from the population.
    pub n_drawn: usize,
    /// Cases among them.
    pub n_cases_drawn: usize,
    /// Share of cases that the intercept is solved for.
    pub prevalence: f64,
    /// Share of cases kept; none where everyone drawn is in the cohort.
    pub case_fraction: Option<f64>,
    /// Add it to a logit of `truth.csv` for the log odds of disease in the cohort.
    pub logit_shift_in_cohort: f64,
}

impl Sampling {
    /// From the phenotypes of everyone drawn.
    pub(super) fn count(options: &Options, phenotypes: &[Phenotype]) -> Self {
        let log_odds = |share: f64| (share / (1.0 - share)).ln();
        let shift = |fraction: f64| log_odds(fraction) - log_odds(options.prevalence);
        Self {
            method: match options.case_fraction {
                None => "everyone drawn from the population is in the cohort",
                Some(_) => {
                    "of the individuals drawn from the population, cases and controls chosen at \
                     random until the cohort has the case fraction; AUC is not changed by that"
                }
            },
            n_drawn: phenotypes.len(),
            n_cases_drawn: phenotypes
                .iter()
                .filter(|phenotype| phenotype.is_case())
                .count(),
            prevalence: options.prevalence,
            case_fraction: options.case_fraction,
            logit_shift_in_cohort: options.case_fraction.map_or(0.0, shift),
        }
    }
}

/// The risk of one locus.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LocusTruth {
    /// As in `loci.bed`.
    pub name: String,
    /// `contig:beg-end`, 1-based and inclusive.
    pub region: String,
    /// How its risk depends on haplotypes.
    pub risk: RiskKind,
    /// What its x counts.
    pub x: &'static str,
    /// Size relative to the other loci, as asked for; none for published weights.
    pub relative_effect: Option<f64>,
    /// Log odds for each unit of x; none for published weights.
    pub effect: Option<f64>,
    /// Standard deviation of the locus's part of the logit.
    pub logit_sd: f64,
    /// Where the risk is, in the order of the locus.
    pub causal_sites: Vec<CausalVariant>,
    /// Why there; none for published weights.
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

/// A causal site, and its own weight where it has one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CausalVariant {
    /// Where it is.
    #[serde(flatten)]
    pub site: CausalSite,
    /// Log odds that 0, 1 and 2 copies of the effect allele add; for published weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_odds_by_copies: Option<[f64; 3]>,
}
