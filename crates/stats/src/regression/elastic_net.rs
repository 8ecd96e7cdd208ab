//! Logistic regression with an elastic-net penalty, which sets most coefficients to 0. (linfa has
//! it for linear regression only.)
//!
//! Input -> output: features (samples x features, column-major, standardised), case or not -> the
//! intercept and coefficients that minimise
//!
//! ```text
//! mean over samples of log(1 + exp(-y * logit))
//!   + lambda * sum over penalised features of (l1_ratio * |b| + (1 - l1_ratio) / 2 * b^2)
//! ```
//!
//! where y is 1 (case) or -1. scikit-learn's `LogisticRegression(penalty="elasticnet",
//! C = 1 / (n * lambda))` minimises the same function. The method is that of glmnet: coordinate
//! descent on the quadratic approximation at the last coefficients (Friedman, Hastie and Tibshirani
//! 2010, J. Stat. Softw. 33:1).

use super::softplus;
use gf_cohort_schema::probability;
use ndarray::{Array1, Array2, Zip};

/// Convergence: largest change of a coefficient, squared and times its information per sample.
const TOLERANCE: f64 = 1e-11;
/// Least L1 fraction that is used to find the strongest penalty of a path.
const LEAST_L1_OF_PATH: f64 = 0.01;
const MAX_STEPS: usize = 50;
const MAX_SWEEPS: usize = 2_000;
const MAX_HALVINGS: i32 = 20;
/// A sample with a certain prediction has no weight; glmnet's bound keeps the quadratic
/// approximation finite.
const LEAST_WEIGHT: f64 = 1e-5;

/// Features and outcomes of a regression.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// Samples x features, column-major, standardised.
    pub features: &'a Array2<f64>,
    /// Case or not.
    pub is_case: &'a Array1<bool>,
    /// Number of penalised features, which come first.
    pub n_penalised: usize,
    /// Weight of each sample; 0 for those that are only predicted. `None` means 1 for all.
    pub sample_weights: Option<&'a Array1<f64>>,
}

/// The strength of the L1 and L2 penalties.
#[derive(Clone, Copy, Debug)]
pub struct Penalty {
    l1: f64,
    l2: f64,
}

impl Penalty {
    /// `lambda (l1_ratio |b| + (1 - l1_ratio) / 2 b^2)`.
    #[must_use]
    pub fn new(lambda: f64, l1_ratio: f64) -> Self {
        Self {
            l1: lambda * l1_ratio,
            l2: lambda * (1.0 - l1_ratio),
        }
    }

    /// The penalty of one coefficient; 0 for a coefficient of 0, whatever the strength.
    fn of_coefficient(self, b: f64) -> f64 {
        if b == 0.0 {
            0.0
        } else {
            self.l1 * b.abs() + 0.5 * self.l2 * b * b
        }
    }
}

/// A fit.
#[derive(Clone, Debug)]
pub struct Solution {
    /// Log-odds where all features are 0.
    pub intercept: f64,
    /// One per feature.
    pub coefficients: Vec<f64>,
    /// Log-odds of all samples, also those of weight 0.
    pub logits: Array1<f64>,
}

/// Why a regression has no minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMinimum {
    /// The loss rises in every direction that was tried.
    #[error("no step lowers the loss")]
    NoStep,
    /// Too many quadratic approximations.
    #[error("no minimum after {MAX_STEPS} steps")]
    Steps,
    /// Too many sweeps within one approximation.
    #[error("coefficients still change after {MAX_SWEEPS} sweeps")]
    Sweeps,
}

impl Problem<'_> {
    /// Fits the features without a penalty only.
    ///
    /// # Errors
    /// The regression on the features without a penalty does not converge.
    pub fn start(&self) -> Result<Solution, NoMinimum> {
        let n_features = self.features.ncols();
        let n_samples = self.is_case.len();
        let zero = Solution {
            intercept: 0.0,
            coefficients: vec![0.0; n_features],
            logits: Array1::zeros(n_samples),
        };
        self.fit(
            Penalty {
                l1: f64::MAX,
                l2: 0.0,
            },
            zero,
        )
    }

    /// The smallest lambda at which all penalised coefficients are 0; `start` is the fit without
    /// penalised features. With a very small L1 fraction no lambda gives 0. Below an L1 fraction of
    /// 0.01 the result is therefore that of 0.01, a useful start of a path of smaller lambdas.
    #[must_use]
    pub fn largest_lambda(&self, start: &Solution, l1_ratio: f64) -> f64 {
        let residuals = self.residuals(&start.logits);
        let largest_gradient = (0..self.n_penalised)
            .map(|feature| self.features.column(feature).dot(&residuals).abs() / self.n_samples())
            .fold(0.0, f64::max);
        largest_gradient / l1_ratio.max(LEAST_L1_OF_PATH)
    }

    fn n_samples(&self) -> f64 {
        self.sample_weights
            .map_or(self.is_case.len() as f64, Array1::sum)
    }

    fn weighted(&self, mut values: Array1<f64>) -> Array1<f64> {
        if let Some(weights) = self.sample_weights {
            values *= weights;
        }
        values
    }

    /// Case (1) or not (0), minus the probability of being a case.
    fn residuals(&self, logits: &Array1<f64>) -> Array1<f64> {
        self.weighted(
            Zip::from(logits)
                .and(self.is_case)
                .map_collect(|&logit, &is_case| f64::from(u8::from(is_case)) - probability(logit)),
        )
    }

    /// The function that is minimised: mean loss plus penalty.
    fn objective(&self, solution: &Solution, penalty: Penalty) -> f64 {
        let losses = self.weighted(
            Zip::from(&solution.logits)
                .and(self.is_case)
                .map_collect(|&logit, &is_case| softplus(if is_case { -logit } else { logit })),
        );
        losses.sum() / self.n_samples()
            + solution.coefficients[..self.n_penalised]
                .iter()
                .map(|&b| penalty.of_coefficient(b))
                .sum::<f64>()
    }

    /// Finds the minimum, starting at `solution`.
    ///
    /// # Errors
    /// No convergence: the classes are separated, or the penalty is too weak.
    pub fn fit(&self, penalty: Penalty, mut solution: Solution) -> Result<Solution, NoMinimum> {
        let mut objective = self.objective(&solution, penalty);
        for _ in 0..MAX_STEPS {
            let target = self.quadratic_minimum(&solution, penalty)?;
            // The approximation may lead too far where samples are nearly certain, so the step is
            // halved until the objective does not rise.
            let highest = objective + 1e-12 * objective.abs();
            let lower = (0..MAX_HALVINGS)
                .map(|halvings| solution.towards(&target.solution, 0.5_f64.powi(halvings)))
                .find_map(|candidate| {
                    let objective = self.objective(&candidate, penalty);
                    (objective <= highest).then_some((candidate, objective))
                });
            (solution, objective) = lower.ok_or(NoMinimum::NoStep)?;
            if target.largest_change < TOLERANCE {
                return Ok(solution);
            }
        }
        Err(NoMinimum::Steps)
    }

    /// Minimum of the quadratic approximation at `from`.
    fn quadratic_minimum(
        &self,
        from: &Solution,
        penalty: Penalty,
    ) -> Result<QuadraticMinimum, NoMinimum> {
        let weights = self.weighted(
            from.logits
                .mapv(|logit| (probability(logit) * (1.0 - probability(logit))).max(LEAST_WEIGHT)),
        );
        let mut descent = Descent {
            problem: self,
            penalty,
            information: vec![None; self.features.ncols()],
            intercept: from.intercept,
            coefficients: from.coefficients.clone(),
            residuals: self.residuals(&from.logits),
            total_weight: weights.sum(),
            weights,
        };
        descent.run()?;
        let intercept_change = descent.intercept - from.intercept;
        let mut logits = from.logits.clone() + intercept_change;
        let mut largest_change = intercept_change.powi(2);
        for (feature, (&new, &old)) in descent
            .coefficients
            .iter()
            .zip(&from.coefficients)
            .enumerate()
        {
            let change = new - old;
            if change != 0.0 {
                logits.scaled_add(change, &self.features.column(feature));
                let information = descent.information[feature].unwrap_or(1.0);
                largest_change = largest_change.max(change * change * information);
            }
        }
        Ok(QuadraticMinimum {
            solution: Solution {
                intercept: descent.intercept,
                coefficients: descent.coefficients,
                logits,
            },
            largest_change,
        })
    }
}

/// The minimum of a quadratic approximation.
struct QuadraticMinimum {
    solution: Solution,
    /// Largest change of a coefficient, squared and times its information.
    largest_change: f64,
}

impl Solution {
    /// The point at a fraction of the way to `target`.
    fn towards(&self, target: &Self, fraction: f64) -> Self {
        Self {
            intercept: interpolate(self.intercept, target.intercept, fraction),
            coefficients: self
                .coefficients
                .iter()
                .zip(&target.coefficients)
                .map(|(&a, &b)| interpolate(a, b, fraction))
                .collect(),
            logits: Zip::from(&self.logits)
                .and(&target.logits)
                .map_collect(|&a, &b| interpolate(a, b, fraction)),
        }
    }
}

/// A full step gives `b` itself, without rounding: coefficients of 0 stay exactly 0.
fn interpolate(a: f64, b: f64, fraction: f64) -> f64 {
    if fraction < 1.0 {
        a + fraction * (b - a)
    } else {
        b
    }
}

/// Coordinate descent on one quadratic approximation.
struct Descent<'a> {
    problem: &'a Problem<'a>,
    penalty: Penalty,
    weights: Array1<f64>,
    total_weight: f64,
    /// Mean over samples of weight times squared feature, computed at first use.
    information: Vec<Option<f64>>,
    intercept: f64,
    coefficients: Vec<f64>,
    /// Weight times residual of each sample.
    residuals: Array1<f64>,
}

impl Descent<'_> {
    /// Sweeps over all features, then over those with a coefficient until they converge, and again
    /// until no coefficient of any feature changes.
    fn run(&mut self) -> Result<(), NoMinimum> {
        let all: Vec<usize> = (0..self.coefficients.len()).collect();
        let mut n_sweeps = 0;
        while self.sweep(&all) >= TOLERANCE {
            let active: Vec<usize> = all
                .iter()
                .copied()
                .filter(|&feature| {
                    feature >= self.problem.n_penalised || self.coefficients[feature] != 0.0
                })
                .collect();
            while self.sweep(&active) >= TOLERANCE {
                n_sweeps += 1;
                if n_sweeps > MAX_SWEEPS {
                    return Err(NoMinimum::Sweeps);
                }
            }
        }
        Ok(())
    }

    /// Updates each coefficient once; returns the largest change, squared and times its
    /// information.
    ///
    /// With gradient g, information w and S(x) = sign(x) max(|x| - l1, 0), the update
    /// is b = S(g + w b) / (w + l2), equation 10 of Friedman et al. (2010).
    fn sweep(&mut self, features: &[usize]) -> f64 {
        let n = self.problem.n_samples();
        let shift = self.residuals.sum() / self.total_weight;
        self.intercept += shift;
        self.residuals.scaled_add(-shift, &self.weights);
        let mut largest = shift * shift * self.total_weight / n;
        for &feature in features {
            let column = self.problem.features.column(feature);
            let old = self.coefficients[feature];
            let gradient = column.dot(&self.residuals) / n;
            let penalised = feature < self.problem.n_penalised;
            if penalised && old == 0.0 && gradient.abs() <= self.penalty.l1 {
                continue;
            }
            let weights = &self.weights;
            let information = *self.information[feature].get_or_insert_with(|| {
                Zip::from(column)
                    .and(weights)
                    .fold(0.0, |sum, x, weight| sum + weight * x * x)
                    / n
            });
            let pull = gradient + information * old;
            let new = if penalised {
                pull.signum() * (pull.abs() - self.penalty.l1).max(0.0)
                    / (information + self.penalty.l2)
            } else {
                pull / information
            };
            let change = new - old;
            if change != 0.0 {
                self.coefficients[feature] = new;
                Zip::from(&mut self.residuals)
                    .and(column)
                    .and(weights)
                    .for_each(|residual, x, weight| *residual -= change * weight * x);
                largest = largest.max(information * change * change);
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Generated {
        features: Array2<f64>,
        is_case: Array1<bool>,
    }

    /// The matrix of tests/oracles/logistic.py, from a linear congruential generator, so that both
    /// programs make the same numbers.
    fn generated(n_samples: usize, n_features: usize) -> Generated {
        let mut state = 12_345_u64;
        let mut next = || {
            state = (1_103_515_245 * state + 12_345) % (1 << 31);
            state as f64 / f64::from(1_u32 << 31)
        };
        let rows: Vec<Vec<f64>> = (0..n_samples)
            .map(|_| (0..n_features).map(|_| 4.0 * next() - 2.0).collect())
            .collect();
        let is_case = rows
            .iter()
            .map(|row| row[0] - 0.5 * row[1] + 4.0 * next() - 2.5 > 0.0)
            .collect();
        Generated {
            features: Array2::from_shape_fn((n_samples, n_features), |(person, feature)| {
                rows[person][feature]
            }),
            is_case,
        }
    }

    fn solve(
        features: &Array2<f64>,
        is_case: &Array1<bool>,
        lambda: f64,
        l1_ratio: f64,
    ) -> Solution {
        let problem = Problem {
            features,
            is_case,
            n_penalised: features.ncols(),
            sample_weights: None,
        };
        let start = Solution {
            intercept: 0.0,
            coefficients: vec![0.0; features.ncols()],
            logits: Array1::zeros(is_case.len()),
        };
        problem.fit(Penalty::new(lambda, l1_ratio), start).unwrap()
    }

    /// (lambda, L1 ratio, coefficients and intercept)
    const SKLEARN: [(f64, f64, [f64; 7]); 4] = [
        (
            0.1,
            0.5,
            [
                0.785_925_28,
                -0.258_274_45,
                0.130_651_78,
                0.0,
                0.0,
                0.0,
                -0.575_039,
            ],
        ),
        (
            0.02,
            0.9,
            [
                1.332_715_06,
                -0.531_982_6,
                0.438_661_41,
                0.0,
                0.0,
                0.0,
                -0.728_709_73,
            ],
        ),
        (
            0.005,
            1.0,
            [
                1.577_101_72,
                -0.668_813_67,
                0.602_184_65,
                -0.004_390_91,
                0.053_818_91,
                -0.012_226_16,
                -0.818_041_19,
            ],
        ),
        (
            0.05,
            0.1,
            [
                1.073_764_03,
                -0.442_452_31,
                0.350_543_88,
                -0.022_122_57,
                0.027_395_45,
                0.0,
                -0.652_466_82,
            ],
        ),
    ];

    // python3 -m venv V; V/bin/pip install scikit-learn==1.9.1; V/bin/python
    // tests/oracles/elastic_net.py
    #[test]
    fn fits_agree_with_scikit_learn() {
        let Generated { features, is_case } = generated(120, 6);
        for (lambda, l1_ratio, expected) in SKLEARN {
            let fit = solve(&features, &is_case, lambda, l1_ratio);
            for (found, expected) in fit
                .coefficients
                .iter()
                .chain([&fit.intercept])
                .zip(expected)
            {
                assert!(
                    (found - expected).abs() < 2e-5,
                    "lambda {lambda}, l1_ratio {l1_ratio}: {found} {expected}"
                );
            }
        }
    }

    /// The conditions of a minimum (Karush, Kuhn and Tucker), from a cold and from a warm start,
    /// with features that repeat one another and some that are free.
    #[test]
    fn at_the_end_no_coefficient_wants_to_move() {
        let Generated {
            mut features,
            is_case,
        } = generated(150, 8);
        let copy = features.column(0).to_owned();
        features.column_mut(1).assign(&copy);
        let problem = Problem {
            features: &features,
            is_case: &is_case,
            n_penalised: 6,
            sample_weights: None,
        };
        let mut solution = Solution {
            intercept: 0.0,
            coefficients: vec![0.0; 8],
            logits: Array1::zeros(150),
        };
        for lambda in [0.1, 0.03, 0.01, 0.001] {
            solution = problem.fit(Penalty::new(lambda, 0.5), solution).unwrap();
            let residuals = problem.residuals(&solution.logits);
            assert!(residuals.sum().abs() < 1e-3);
            for (feature, &b) in solution.coefficients.iter().enumerate() {
                let gradient = features.column(feature).dot(&residuals) / 150.0;
                let excess = match (feature < 6, b == 0.0) {
                    (false, _) => gradient.abs(),
                    (true, true) => gradient.abs() - 0.5 * lambda,
                    (true, false) => (gradient - 0.5 * lambda * (b.signum() + b)).abs(),
                };
                assert!(
                    excess < 1e-5,
                    "lambda {lambda}, feature {feature}: {excess}"
                );
            }
        }
        assert!(
            solution.coefficients[..2].iter().all(|&b| b > 0.0),
            "twins share: {:?}",
            solution.coefficients
        );
    }

    #[test]
    fn samples_of_weight_0_are_predicted_and_change_nothing() {
        let Generated { features, is_case } = generated(150, 6);
        let some = Array2::from_shape_fn((100, 6), |place| features[place]);
        let of_some: Array1<bool> = is_case.iter().take(100).copied().collect();
        let weights =
            Array1::from_iter((0..150).map(|person| if person < 100 { 1.0 } else { 0.0 }));
        let alone = solve(&some, &of_some, 0.03, 0.5);
        let problem = Problem {
            features: &features,
            is_case: &is_case,
            n_penalised: 6,
            sample_weights: Some(&weights),
        };
        let among = problem
            .fit(Penalty::new(0.03, 0.5), problem.start().unwrap())
            .unwrap();
        for (one, other) in alone.coefficients.iter().zip(&among.coefficients) {
            assert!((one - other).abs() < 1e-5, "{one} {other}");
        }
        let predicted = features.dot(&Array1::from(among.coefficients.clone())) + among.intercept;
        assert!(
            predicted
                .iter()
                .zip(&among.logits)
                .all(|(a, b)| (a - b).abs() < 1e-9)
        );
    }
}
