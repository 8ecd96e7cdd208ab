//! Recalibration: a map from logit to probability, fitted on the validation split.
//!
//! The map is monotone. It may tie samples but never reverses their order. Only the column
//! `mean_recalibrated` of `calibration.csv` uses it.

use std::fmt;

use gf_cohort_schema::probability;
use gf_stats::{
    regression::{Likelihood, logistic},
    roc::ties,
};
use serde::{Deserialize, Serialize};

use crate::predictions::Column;

/// How probabilities are recalibrated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recalibration {
    /// Platt scaling (1999): a slope (one over the temperature) and an intercept on the logit.
    #[default]
    Platt,
    /// The rising step function nearest to the outcomes, linear between its steps (pool adjacent
    /// violators, like scikit-learn's `IsotonicRegression`). It needs many samples.
    Isotonic,
    /// Not at all.
    None,
}

impl fmt::Display for Recalibration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Platt => "platt",
            Self::Isotonic => "isotonic",
            Self::None => "none",
        })
    }
}

/// A fitted map from logit to probability.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Recalibrated {
    /// The logistic function of `intercept + slope * logit`.
    Platt { intercept: f64, slope: f64 },
    /// (logit, probability), both rising; linear between these points, constant outside.
    Isotonic(Vec<(f64, f64)>),
}

impl Recalibration {
    /// Fits on the validation split; `None` where the regression fails.
    pub(super) fn fit(self, validation: &Column) -> Option<Recalibrated> {
        match self {
            Self::None => None,
            Self::Platt => {
                let fit = logistic(
                    &[&validation.logits],
                    &validation.is_case,
                    None,
                    Likelihood::Plain,
                )
                .ok()?;
                Some(Recalibrated::Platt {
                    intercept: fit.coefficients[0],
                    slope: fit.coefficients[1],
                })
            }
            Self::Isotonic if validation.logits.is_empty() => None,
            Self::Isotonic => Some(Recalibrated::Isotonic(isotonic(validation))),
        }
    }
}

impl Recalibrated {
    pub(super) fn probability(&self, logit: f64) -> f64 {
        match self {
            Self::Platt { intercept, slope } => probability(intercept + slope * logit),
            Self::Isotonic(points) => interpolated(points, logit),
        }
    }
}

/// Linear interpolation between rising points; constant outside.
fn interpolated(points: &[(f64, f64)], logit: f64) -> f64 {
    let n_below = points.partition_point(|point| point.0 < logit);
    let below = n_below.checked_sub(1).map(|index| points[index]);
    let above = points.get(n_below).copied();
    match (below, above) {
        (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (logit - x0) / (x1 - x0),
        (Some((_, y)), None) | (None, Some((_, y))) => y,
        (None, None) => f64::NAN,
    }
}

/// Neighbouring samples with one proportion of cases.
struct Pool {
    first_logit: f64,
    last_logit: f64,
    n_cases: f64,
    n: f64,
}

/// Isotonic regression by pool adjacent violators: the first and the last logit of each pool, with
/// its proportion of cases. Samples with equal logits start as one pool. A pool whose proportion is
/// not above that of the pool below it is merged with it.
fn isotonic(column: &Column) -> Vec<(f64, f64)> {
    let mut pools: Vec<Pool> = Vec::new();
    for group in ties(&column.logits, &column.order) {
        let logit = column.logits[group[0] as usize];
        let n_cases = group
            .iter()
            .filter(|&&position| column.is_case[position as usize])
            .count() as f64;
        let mut pool = Pool {
            first_logit: logit,
            last_logit: logit,
            n_cases,
            n: group.len() as f64,
        };
        // Proportions are compared by products of counts, which are exact.
        while let Some(below) =
            pools.pop_if(|below| below.n_cases * pool.n >= pool.n_cases * below.n)
        {
            pool = Pool {
                first_logit: below.first_logit,
                last_logit: pool.last_logit,
                n_cases: below.n_cases + pool.n_cases,
                n: below.n + pool.n,
            };
        }
        pools.push(pool);
    }
    let mut points: Vec<(f64, f64)> = pools
        .iter()
        .flat_map(|pool| {
            let share = pool.n_cases / pool.n;
            [(pool.first_logit, share), (pool.last_logit, share)]
        })
        .collect();
    points.dedup();
    points
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::{Role, Split};
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::evaluation::verdict_oracle::{EXAMPLES, GRID};

    fn column(logits: &[f64], is_case: &[bool]) -> Column {
        let n = logits.len() as u32;
        Column::new(
            Split::Validation,
            "m",
            Role::Score,
            (0..n).collect(),
            is_case.to_vec(),
            logits.to_vec(),
            vec![0.5; logits.len()],
        )
    }

    #[test]
    fn recalibration_is_that_of_statsmodels_and_scikit_learn() {
        for example in EXAMPLES {
            let validation = column(example.logits, example.is_case);
            for (choice, expected) in [
                (Recalibration::Platt, example.platt),
                (Recalibration::Isotonic, example.isotonic),
            ] {
                let map = choice.fit(&validation).unwrap();
                for (logit, expected) in GRID.into_iter().zip(expected) {
                    let found = map.probability(logit);
                    assert!(
                        (found - expected).abs() < 1e-9,
                        "{choice} at {logit}: {found} is not {expected}"
                    );
                }
            }
            assert_eq!(Recalibration::None.fit(&validation), None);
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_not_made_up() {
        let separated = column(&[-1.0, -0.5, 0.5, 1.0], &[false, false, true, true]);
        assert_eq!(Recalibration::Platt.fit(&separated), None);
        let isotonic = Recalibration::Isotonic.fit(&separated).unwrap();
        assert!((isotonic.probability(0.0) - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn an_isotonic_map_never_falls(people in vec((-8..8_i8, any::<bool>()), 1..40)) {
            let logits: Vec<f64> = people.iter().map(|person| f64::from(person.0)).collect();
            let is_case: Vec<bool> = people.iter().map(|person| person.1).collect();
            let map = Recalibration::Isotonic.fit(&column(&logits, &is_case)).unwrap();
            let probabilities: Vec<f64> = (-40..40_i8)
                .map(|step| map.probability(f64::from(step) / 4.0))
                .collect();
            prop_assert!(probabilities.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
            // The expected number of cases among the fitted samples is the observed one.
            let expected: f64 = logits.iter().map(|logit| map.probability(*logit)).sum();
            let n_cases = is_case.iter().filter(|case| **case).count() as f64;
            prop_assert!((expected - n_cases).abs() < 1e-9);
        }
    }
}
