//! The population from which a cohort is drawn: size, covariates, risk and sampling.
//!
//! Input: the genetic and covariate parts of the logit of each individual drawn.
//! Output: a [`PopulationRisk`] with the requested prevalence (and AUC), phenotypes, and the
//! individuals of the cohort.
//!
//! ```text
//! logit = intercept + scale * genetic + covariates
//! P(disease) = 1 / (1 + exp(-logit))
//! ```
//! Case-control sampling changes which individuals are in the cohort, but not their logits. It does
//! not change the AUC either, because an AUC compares a case with a control.

use gf_cohort_schema::{Phenotype, probability};
use rand::{Rng, seq::index};

use super::{Error, Options, OptionsProblem};

/// Age (years) at which the effect of age is 0: the middle of the simulated ages.
pub const AGE_CENTRE: f64 = 75.0;
/// Largest number of haplotypes times loci in memory (about 2 GB).
const MAX_DRAWN_HAPLOTYPES: usize = 100_000_000;
/// Safety margin of the population size, in standard deviations of the number of cases.
const SPARE_SD: f64 = 6.0;
/// Halvings of an interval: more than the precision of a 64-bit number needs.
const BISECTIONS: usize = 100;
/// Largest standard deviation of the genetic part that is tried, in log odds.
const MAX_GENETIC_SD: f64 = 12.0;
/// Largest distance of the intercept from minus the mean logit, in log odds.
const MAX_INTERCEPT: f64 = 200.0;

/// Numbers of individuals to draw from the population and to keep in the cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Individuals drawn from the population.
    pub n_drawn: usize,
    /// Cases and controls to keep; `None` keeps all individuals drawn.
    pub quotas: Option<[usize; 2]>,
}

impl Sample {
    /// Plans the draw for `n_loci` loci.
    ///
    /// # Errors
    /// A population too large for memory.
    pub fn plan(options: &Options, n_loci: usize) -> Result<Self, Error> {
        let people = options.people;
        let Some(case_fraction) = options.case_fraction else {
            return Ok(Self {
                n_drawn: people,
                quotas: None,
            });
        };
        let n_cases = (case_fraction * people as f64).round() as usize;
        let quotas = [n_cases, people - n_cases];
        let shares = [options.prevalence, 1.0 - options.prevalence];
        let draws_of_classes = quotas
            .iter()
            .zip(shares)
            .map(|(&quota, share)| draws_for(quota, share));
        let n_drawn = draws_of_classes.max().unwrap_or(people);
        if n_drawn.saturating_mul(2 * n_loci) > MAX_DRAWN_HAPLOTYPES {
            return Err(OptionsProblem::TooManyDraws {
                n_samples: people,
                case_fraction,
                prevalence: options.prevalence,
                n_drawn,
                n_loci,
            }
            .into());
        }
        Ok(Self {
            n_drawn,
            quotas: Some(quotas),
        })
    }

    /// Samples the individuals of the cohort, in the order of the draw.
    ///
    /// # Errors
    /// Fewer cases or controls in the population than the cohort needs.
    pub fn keep(&self, phenotypes: &[Phenotype], rng: &mut impl Rng) -> Result<Vec<usize>, Error> {
        let Some(quotas) = self.quotas else {
            return Ok((0..phenotypes.len()).collect());
        };
        let mut sampled = Vec::new();
        let classes = [(Phenotype::Case, "cases"), (Phenotype::Control, "controls")];
        for ((class, name), quota) in classes.into_iter().zip(quotas) {
            let of_class: Vec<usize> = (0..phenotypes.len())
                .filter(|&i| phenotypes[i] == class)
                .collect();
            if of_class.len() < quota {
                return Err(OptionsProblem::TooFewOfClass {
                    n_drawn: phenotypes.len(),
                    n_of_class: of_class.len(),
                    name,
                    quota,
                }
                .into());
            }
            let drawn = index::sample(rng, of_class.len(), quota);
            sampled.extend(drawn.iter().map(|i| of_class[i]));
        }
        sampled.sort_unstable();
        Ok(sampled)
    }
}

/// Number of draws that almost surely gives `quota` individuals of a class with this share.
///
/// The margin is [`SPARE_SD`] standard deviations of a Poisson count with mean `quota`.
fn draws_for(quota: usize, share: f64) -> usize {
    let n = quota as f64;
    ((n + SPARE_SD * n.sqrt() + SPARE_SD * SPARE_SD) / share).ceil() as usize
}

/// Draws age (years) and sex (0 female, 1 male) of `n` individuals.
pub fn covariates(n: usize, rng: &mut impl Rng) -> Vec<Vec<f64>> {
    let mut covariates = Vec::with_capacity(n);
    for _ in 0..n {
        let age = f64::from(rng.random_range(60..=90));
        let is_male = rng.random::<bool>();
        covariates.push(vec![age, f64::from(u8::from(is_male))]);
    }
    covariates
}

/// The covariate part of each individual's logit.
pub fn covariate_logits(covariates: &[Vec<f64>], options: &Options) -> Vec<f64> {
    let Options {
        age_effect,
        sex_effect,
        ..
    } = options;
    covariates
        .iter()
        .map(|row| age_effect * (row[0] - AGE_CENTRE) + sex_effect * row[1])
        .collect()
}

/// Components of each individual's logit before the risk is solved.
#[derive(Clone, Copy)]
pub struct Population<'a> {
    /// Genetic part, before scaling.
    pub genetic: &'a [f64],
    /// Covariate part, which is not scaled.
    pub covariates: &'a [f64],
    /// Share of cases for which the intercept is solved.
    pub prevalence: f64,
}

/// The risk of a population.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationRisk {
    /// Log odds if the genetic and the covariate part are 0.
    pub intercept: f64,
    /// Factor of the genetic part.
    pub scale: f64,
    /// The AUC for which the factor was solved.
    pub target_auc: Option<f64>,
    /// Probability of disease of each individual.
    pub probabilities: Vec<f64>,
    /// Logit of each individual.
    pub logits: Vec<f64>,
    /// AUC of the logit in the population.
    pub auc: f64,
}

impl Population<'_> {
    /// Solves the intercept for a genetic part multiplied by `scale`.
    pub fn at_scale(&self, scale: f64) -> PopulationRisk {
        let components = self.genetic.iter().zip(self.covariates);
        let mut logits: Vec<f64> = components
            .map(|(genetic, covariates)| scale * genetic + covariates)
            .collect();
        let mean_logit = mean(&logits);
        let low = -MAX_INTERCEPT - mean_logit;
        let high = MAX_INTERCEPT - mean_logit;
        let intercept = bisect(low, high, |intercept| {
            share_of_cases(&logits, intercept) < self.prevalence
        });
        for logit in &mut logits {
            *logit += intercept;
        }
        let probabilities: Vec<f64> = logits.iter().map(|&logit| probability(logit)).collect();
        let auc = population_auc(&logits, &probabilities);
        PopulationRisk {
            intercept,
            scale,
            target_auc: None,
            probabilities,
            logits,
            auc,
        }
    }

    /// Solves intercept and scale for an AUC.
    ///
    /// # Errors
    /// An AUC that the covariates alone exceed, or that no scale gives.
    pub fn of_auc(&self, auc: f64) -> Result<PopulationRisk, Error> {
        let without_genetics = self.at_scale(0.0).auc;
        if without_genetics > auc {
            return Err(Error::CovariatesExceedAuc {
                wanted: auc,
                reached: without_genetics,
            });
        }
        let largest = MAX_GENETIC_SD / standard_deviation(self.genetic);
        let highest = self.at_scale(largest).auc;
        if highest < auc {
            return Err(Error::AucOutOfReach {
                wanted: auc,
                highest,
            });
        }
        let scale = bisect(0.0, largest, |scale| self.at_scale(scale).auc < auc);
        Ok(PopulationRisk {
            target_auc: Some(auc),
            ..self.at_scale(scale)
        })
    }
}

/// Expected share of cases if `intercept` is added to each logit.
fn share_of_cases(logits: &[f64], intercept: f64) -> f64 {
    let probabilities = logits.iter().map(|logit| probability(intercept + logit));
    probabilities.sum::<f64>() / logits.len() as f64
}

/// Draws the phenotype of each individual.
pub fn draw(probabilities: &[f64], rng: &mut impl Rng) -> Vec<Phenotype> {
    let mut phenotypes = Vec::with_capacity(probabilities.len());
    for &probability in probabilities {
        phenotypes.push(if rng.random_bool(probability) {
            Phenotype::Case
        } else {
            Phenotype::Control
        });
    }
    phenotypes
}

/// Expected AUC of a score over repeated draws of disease with these probabilities.
///
/// Ties count half.
pub fn population_auc(scores: &[f64], probabilities: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut cases = 0.0;
    let mut controls = 0.0;
    let mut concordant = 0.0;
    for tied in order.chunk_by(|&a, &b| scores[a].total_cmp(&scores[b]).is_eq()) {
        let tied_cases: f64 = tied.iter().map(|&i| probabilities[i]).sum();
        let tied_controls = tied.len() as f64 - tied_cases;
        concordant += tied_cases * (controls + tied_controls / 2.0);
        cases += tied_cases;
        controls += tied_controls;
    }
    concordant / (cases * controls)
}

/// Population standard deviation (divisor n).
pub fn standard_deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (squares.sum::<f64>() / values.len() as f64).sqrt()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The point between `low` and `high` at which `is_below` changes from true to false.
fn bisect(mut low: f64, mut high: f64, is_below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if is_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Sums of uniform numbers: nearly normal.
    fn values(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n)
            .map(|_| (0..6).map(|_| rng.random::<f64>() - 0.5).sum())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn the_solved_risk_has_the_auc_and_prevalence_asked_for(
            auc in 0.6..0.9, prevalence in 0.02..0.6, age_effect in 0.0..0.3, seed in 0..99_u64
        ) {
            let genetic = values(400, seed);
            let covariates: Vec<f64> =
                values(400, seed + 1_000).iter().map(|value| age_effect * value).collect();
            let population = Population { genetic: &genetic, covariates: &covariates, prevalence };
            let risk = population.of_auc(auc).unwrap();
            prop_assert!((mean(&risk.probabilities) - prevalence).abs() < 1e-9);
            prop_assert!((risk.auc - auc).abs() < 1e-9);
            let components = genetic.iter().zip(&covariates);
            for (logit, (genetic, covariates)) in risk.logits.iter().zip(components) {
                let expected = risk.intercept + risk.scale * genetic + covariates;
                prop_assert!((logit - expected).abs() < 1e-9);
            }
        }

        #[test]
        fn exactly_the_quotas_are_kept_and_each_individual_once(
            n in 50..300_usize, n_cases in 1..20_usize, n_controls in 1..20_usize, seed in 0..99_u64
        ) {
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            let phenotypes = draw(&vec![0.5; n], rng);
            let sample = Sample { n_drawn: n, quotas: Some([n_cases, n_controls]) };
            if let Ok(sampled) = sample.keep(&phenotypes, rng) {
                let cases = sampled.iter().filter(|&&i| phenotypes[i].is_case()).count();
                prop_assert_eq!((cases, sampled.len()), (n_cases, n_cases + n_controls));
                prop_assert!(sampled.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }

    #[test]
    fn ties_count_half_in_the_auc_of_a_population() {
        assert!((population_auc(&[1.0; 5], &[0.1, 0.9, 0.5, 0.2, 0.3]) - 0.5).abs() < 1e-12);
        // Cases have score 1 and controls 0, surely.
        let auc = population_auc(&[0.0, 1.0, 0.0], &[0.0, 1.0, 0.0]);
        assert!((auc - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_auc_that_covariates_exceed_or_genetics_cannot_reach_is_refused() {
        let strong: Vec<f64> = values(200, 2).iter().map(|value| 9.0 * value).collect();
        let message = refusal(0.6, &values(200, 1), &strong);
        assert!(
            message.contains("AUC 0.6") && message.contains("age"),
            "{message}"
        );
        let rare: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i == 0))).collect();
        let message = refusal(0.9, &rare, &[0.0; 100]);
        assert!(message.contains("at most 0.5"), "{message}");
    }

    fn refusal(auc: f64, genetic: &[f64], covariates: &[f64]) -> String {
        let population = Population {
            genetic,
            covariates,
            prevalence: 0.5,
        };
        population.of_auc(auc).unwrap_err().to_string()
    }
}
