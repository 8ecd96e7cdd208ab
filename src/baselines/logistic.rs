//! L2-penalised logistic regression by linfa (L-BFGS), with a check of convergence.
//!
//! Input: features (samples x features, column-major), case or not, and a penalty. Output: the
//! intercept and coefficients that minimise
//!
//! `sum over samples of log(1 + exp(-y * logit)) + alpha / 2 * sum over features of coefficient^2`,
//!
//! with y = 1 for cases and -1 for controls. This is scikit-learn's
//! `LogisticRegression(C = 1 / alpha)`. The intercept is not penalised
//! (`linfa_logistic::logistic_loss`). linfa does not report whether it converged, so the gradient
//! is checked here.

use gf_cohort_schema::probability;
use linfa::{DatasetBase, ParamGuard, traits::Fit};
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, Axis, ShapeBuilder};

use crate::baselines::Error;

/// Largest gradient component per sample at which linfa stops.
const GRADIENT_WANTED: f64 = 1e-7;
/// Largest gradient component per sample that is accepted as a minimum.
const GRADIENT_ALLOWED: f64 = 1e-5;
const MAX_ITERATIONS: u64 = 20_000;

/// A fitted model: `logit = intercept + features . coefficients`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticFit {
    /// Log-odds if all features are 0.
    pub intercept: f64,
    /// One coefficient per feature.
    pub coefficients: Array1<f64>,
    /// linfa's positive class is the larger one: -1 if that is the controls, else 1.
    sign: f64,
}

/// Why a regression has no fit.
#[derive(Debug, thiserror::Error)]
pub enum FitProblem {
    /// linfa refuses the data or the start.
    #[error("{0}")]
    Linfa(#[from] linfa_logistic::error::Error),
    /// The gradient is too large after the last step.
    #[error(
        "no minimum after at most {MAX_ITERATIONS} steps (gradient {gradient:.1e} per sample, \
         {GRADIENT_ALLOWED:.0e} allowed)"
    )]
    NoMinimum {
        /// Largest component of the gradient, per sample.
        gradient: f64,
    },
}

impl LogisticFit {
    /// Log-odds of being a case, one per row of `features`.
    #[must_use]
    pub fn logits(&self, features: &Array2<f64>) -> Array1<f64> {
        features.dot(&self.coefficients) + self.intercept
    }
}

/// Fits one model. `start` is a fit of the same samples from which the search starts.
///
/// # Errors
/// linfa refuses the data (one class only, a value that is not finite) or does not reach the
/// minimum. The message names `model`.
pub fn fit(
    model: &str,
    features: &Array2<f64>,
    is_case: &Array1<bool>,
    alpha: f64,
    start: Option<&LogisticFit>,
) -> Result<LogisticFit, Error> {
    let mut unchecked = LogisticRegression::default()
        .alpha(alpha)
        .max_iterations(MAX_ITERATIONS)
        .gradient_tolerance(GRADIENT_WANTED * is_case.len() as f64);
    if let Some(start) = start {
        let with_intercept = start.coefficients.iter().copied().chain([start.intercept]);
        unchecked =
            unchecked.initial_params(with_intercept.map(|value| value * start.sign).collect());
    }
    let params = unchecked
        .check()
        .map_err(|error| Error::fit(model, alpha, error))?;
    let fitted = params
        .fit(&DatasetBase::new(features.view(), is_case.view()))
        .map_err(|error| Error::fit(model, alpha, error))?;
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    let fit = LogisticFit {
        intercept: sign * fitted.intercept(),
        coefficients: fitted.params() * sign,
        sign,
    };
    let gradient = largest_gradient(&fit, features, is_case, alpha) / is_case.len() as f64;
    if gradient <= GRADIENT_ALLOWED {
        Ok(fit)
    } else {
        Err(Error::fit(model, alpha, FitProblem::NoMinimum { gradient }))
    }
}

/// Largest absolute derivative of the penalised loss at the fit; infinite if one is not finite.
fn largest_gradient(
    fit: &LogisticFit,
    features: &Array2<f64>,
    is_case: &Array1<bool>,
    alpha: f64,
) -> f64 {
    let mut residuals = fit.logits(features).mapv_into(probability);
    residuals.zip_mut_with(is_case, |probability, &is_case| {
        *probability -= f64::from(u8::from(is_case));
    });
    let gradient = features.t().dot(&residuals) + &fit.coefficients * alpha;
    let largest = gradient
        .iter()
        .fold(residuals.sum().abs(), |largest, value| {
            largest.max(value.abs())
        });
    if gradient.iter().all(|value| value.is_finite()) {
        largest
    } else {
        f64::INFINITY
    }
}

/// A matrix (samples x columns) in column-major order, because linfa multiplies with its transpose
/// at every step.
#[must_use]
pub fn matrix<C: IntoIterator<Item = f64>>(
    n_samples: usize,
    columns: impl ExactSizeIterator<Item = C>,
) -> Array2<f64> {
    let mut matrix = Array2::zeros((n_samples, columns.len()).f());
    for (mut cells, column) in matrix.axis_iter_mut(Axis(1)).zip(columns) {
        cells
            .iter_mut()
            .zip(column)
            .for_each(|(cell, value)| *cell = value);
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_agree_with_scikit_learn() {
        let (features, is_case) = generated(80, 4);
        // python3 -m venv V; V/bin/pip install scikit-learn==1.9.1; V/bin/python
        // tests/oracles/logistic.py
        assert_eq!(
            is_case.iter().filter(|&&is_case| is_case).count(),
            SKLEARN_CASES
        );
        for (alpha, expected) in SKLEARN {
            let fit = fit("test", &features, &is_case, alpha, None).unwrap();
            let fitted = fit.coefficients.iter().chain([&fit.intercept]);
            for (fitted, expected) in fitted.zip(expected) {
                assert!(
                    (fitted - expected).abs() < 1e-4,
                    "alpha {alpha}: {fitted} {expected}"
                );
            }
        }
    }

    const SKLEARN_CASES: usize = 26;
    /// Penalty, and coefficients and intercept.
    const SKLEARN: [(f64, [f64; 5]); 3] = [
        (
            0.01,
            [
                1.970_486_7,
                -0.757_337_3,
                0.093_932_1,
                0.230_072_2,
                -1.220_751_5,
            ],
        ),
        (
            1.0,
            [
                1.653_429_2,
                -0.624_824_6,
                0.089_989_4,
                0.188_933_7,
                -1.067_855_2,
            ],
        ),
        (
            100.0,
            [
                0.210_229_9,
                -0.080_238,
                0.022_715_2,
                0.015_786_2,
                -0.710_566_5,
            ],
        ),
    ];

    #[test]
    fn a_warm_start_and_the_order_of_the_classes_do_not_change_the_fit() {
        let (features, is_case) = generated(80, 4);
        let cold = fit("test", &features, &is_case, 1.0, None).unwrap();
        let start = fit("test", &features, &is_case, 100.0, None).unwrap();
        let warm = fit("test", &features, &is_case, 1.0, Some(&start)).unwrap();
        let mirrored = fit(
            "test",
            &features,
            &is_case.mapv(|is_case| !is_case),
            1.0,
            None,
        )
        .unwrap();
        for (cold, (warm, mirrored)) in cold
            .coefficients
            .iter()
            .zip(warm.coefficients.iter().zip(&mirrored.coefficients))
        {
            assert!(
                (cold - warm).abs() < 1e-5 && (cold + mirrored).abs() < 1e-5,
                "{cold} {warm} {mirrored}"
            );
        }
    }

    #[test]
    fn the_intercept_is_not_penalised() {
        let features = matrix(4, [[0.0; 4]].into_iter());
        let is_case = Array1::from(vec![true, true, true, false]);
        let fit = fit("test", &features, &is_case, 1e6, None).unwrap();
        assert!((fit.intercept - 3_f64.ln()).abs() < 1e-4);
    }

    #[test]
    fn a_slight_penalty_keeps_separated_classes_finite() {
        let features = matrix(6, [[-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]].into_iter());
        let is_case = Array1::from(vec![false, false, false, true, true, true]);
        let fit = fit("test", &features, &is_case, 6e-6, None).unwrap();
        assert!(
            fit.coefficients[0] > 1.0 && fit.coefficients[0] < 100.0,
            "{}",
            fit.coefficients[0]
        );
    }

    #[test]
    fn one_class_is_an_error_that_names_the_model() {
        let features = matrix(2, [[0.0, 1.0]].into_iter());
        let message = fit(
            "prs-x",
            &features,
            &Array1::from(vec![true, true]),
            1.0,
            None,
        )
        .unwrap_err()
        .to_string();
        assert!(message.contains("prs-x"), "{message}");
    }

    /// A linear congruential generator of numbers between 0 and 1.
    struct Generator(u64);

    impl Generator {
        fn next(&mut self) -> f64 {
            self.0 = (1_103_515_245 * self.0 + 12_345) % (1 << 31);
            self.0 as f64 / f64::from(1_u32 << 31)
        }
    }

    /// The features and classes of tests/oracles/logistic.py, which uses the same generator.
    fn generated(n_samples: usize, n_features: usize) -> (Array2<f64>, Array1<bool>) {
        let mut generator = Generator(12_345);
        let rows: Vec<Vec<f64>> = (0..n_samples)
            .map(|_| {
                (0..n_features)
                    .map(|_| 4.0 * generator.next() - 2.0)
                    .collect()
            })
            .collect();
        let is_case = rows
            .iter()
            .map(|row| row[0] - 0.5 * row[1] + 4.0 * generator.next() - 2.5 > 0.0)
            .collect();
        let columns =
            (0..n_features).map(|feature| rows.iter().map(|row| row[feature]).collect::<Vec<_>>());
        (matrix(n_samples, columns), is_case)
    }
}
