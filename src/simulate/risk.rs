//! Solves the effect of x that gives a requested AUC.
//!
//! ```text
//! logit = intercept + effect * x
//! ```
//! Input: the number x of each sample, and an AUC. Output: [`Risk`].
//!
//! The AUC is exact for the distribution of x in the samples, with disease drawn from a Bernoulli
//! distribution with this logit. Ties count half.

use gf_cohort_schema::probability;

/// Share of cases that the intercept is solved for.
pub const PREVALENCE: f64 = 0.5;
/// Largest effect that is tried, in log odds per unit of x.
const MAX_EFFECT: f64 = 12.0;

/// Effect of x on the risk of disease.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risk {
    /// Log odds of disease at x = 0.
    pub intercept: f64,
    /// Log odds per unit of x.
    pub effect: f64,
    /// AUC of x in the population from which the samples are drawn.
    pub population_auc: f64,
}

impl Risk {
    /// The same risk for all samples.
    pub const NULL: Self = Self {
        intercept: 0.0,
        effect: 0.0,
        population_auc: 0.5,
    };

    /// Solves intercept and effect for `auc` at [`PREVALENCE`].
    ///
    /// # Errors
    /// The highest AUC that x can give, if it is lower than `auc`.
    pub fn solve(x: &[u8], auc: f64) -> Result<Self, f64> {
        let shares = shares(x);
        let highest = Self::of_effect(&shares, MAX_EFFECT).population_auc;
        if highest < auc {
            return Err(highest);
        }
        let effect = root(0.0, MAX_EFFECT, |effect| {
            Self::of_effect(&shares, effect).population_auc - auc
        });
        Ok(Self::of_effect(&shares, effect))
    }

    /// Solves the intercept of a given effect; `shares` are from [`shares`].
    fn of_effect(shares: &[(f64, f64)], effect: f64) -> Self {
        let intercept = intercept(shares, effect);
        Self {
            intercept,
            effect,
            population_auc: population_auc(shares, intercept, effect),
        }
    }

    /// Log odds of disease at `x`.
    pub fn logit(&self, x: u8) -> f64 {
        self.intercept + self.effect * f64::from(x)
    }
}

/// Values of x in increasing order, each with the share of samples that have it.
fn shares(x: &[u8]) -> Vec<(f64, f64)> {
    let mut counts = std::collections::BTreeMap::new();
    for &value in x {
        *counts.entry(value).or_insert(0_usize) += 1;
    }
    counts
        .into_iter()
        .map(|(value, count)| (f64::from(value), count as f64 / x.len() as f64))
        .collect()
}

/// The intercept that gives [`PREVALENCE`].
fn intercept(shares: &[(f64, f64)], effect: f64) -> f64 {
    root(-100.0, 100.0, |intercept| {
        shares
            .iter()
            .map(|(x, share)| share * probability(intercept + effect * x))
            .sum::<f64>()
            - PREVALENCE
    })
}

/// Probability that a case has a higher x than a control; ties count half.
fn population_auc(shares: &[(f64, f64)], intercept: f64, effect: f64) -> f64 {
    let mut cases = 0.0;
    let mut controls = 0.0;
    let mut concordant = 0.0;
    for (x, share) in shares {
        let case = share * probability(intercept + effect * x);
        let control = share - case;
        concordant += case * (controls + control / 2.0);
        cases += case;
        controls += control;
    }
    concordant / (cases * controls)
}

/// The zero of an increasing function, by bisection to the last bit.
fn root(mut low: f64, mut high: f64, increasing: impl Fn(f64) -> f64) -> f64 {
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if increasing(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_solved_risk_has_the_auc_and_prevalence_asked_for(
            carriers in 30..70_usize, double in 1..20_usize, auc in 0.51..0.72
        ) {
            let x: Vec<u8> = (0..100)
                .map(|sample| u8::from(sample < carriers) + u8::from(sample < double))
                .collect();
            let risk = Risk::solve(&x, auc).unwrap();
            let p: Vec<f64> = x.iter().map(|&x| probability(risk.logit(x))).collect();
            prop_assert!((p.iter().sum::<f64>() / 100.0 - PREVALENCE).abs() < 1e-9);
            // The definition of AUC, over all pairs of a case and a control.
            let mut won = 0.0;
            let mut all = 0.0;
            for i in 0..100 {
                for j in 0..100 {
                    let weight = p[i] * (1.0 - p[j]);
                    all += weight;
                    won += weight * [0.0, 0.5, 1.0][(x[i].cmp(&x[j]) as i8 + 1) as usize];
                }
            }
            prop_assert!((won / all - auc).abs() < 1e-9);
        }
    }

    #[test]
    fn an_auc_out_of_reach_gives_the_highest_one() {
        // One sample in ten can at best be a fifth of the cases, so the AUC is 0.5 + 0.2 / 2.
        let highest = Risk::solve(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0.9).unwrap_err();
        assert!((highest - 0.6).abs() < 1e-3, "{highest}");
    }
}
