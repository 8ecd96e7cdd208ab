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
//! C = 1 / (n * lambda))` minimises the same function. The method is that of glmnet (Friedman,
//! Hastie and Tibshirani 2010, J. Stat. Softw. 33:1), with other ways to save passes over the
//! features:
//!
//! 1. A [`Path`] screens the features by the sequential strong rule (Tibshirani et al. 2012, J. R.
//!    Stat. Soc. B 74:245). Only features with `|gradient| >= 2 l1 - previous l1` are followed; at
//!    the end the gradient of all others is checked.
//! 2. A step is the minimum of a quadratic approximation, `gradient' d - d' G d / 2 - penalty`, by
//!    coordinate descent. Then one pass over the followed columns gives the exact loss and gradient
//!    at the new point (`point`).
//! 3. `covariance`: while the features in use are fewer than the samples, G holds the products of
//!    each pair of them. G keeps the weights of an earlier point, times one factor for their mean
//!    change, because new products cost more than a few more steps: a step costs n k, G costs
//!    n k^2 / 2. Each step makes the error about ten times smaller. G is renewed when the steps
//!    become less effective, or when the additional steps have cost as much as G.
//! 4. `naive`: with more features than samples, G would be larger than the features. Descent then
//!    updates the residuals, with the weights of the point.
//!
//! CPU seconds of three paths (L1 fractions 0.1, 0.5 and 0.9) on one thread of an AMD EPYC (Turin),
//! medians of three runs of `examples/elastic_net_paths.rs` on a busy machine. "Naive" is descent
//! with naive updates only, without screening. glmnet 4.1-6 has its default threshold of 1e-7,
//! whose coefficients differ from the minimum by up to 0.001 (first shape) and 0.04; and 1e-13,
//! from which this solver differs by 1e-6 and 5e-5. A path of `prs` ends after 8 penalties without
//! a better AUC.
//!
//! ```text
//! samples x variants   path             naive   this   glmnet   glmnet 1e-13
//! 12,000 x 253         as in prs         1.28   0.23     0.47           1.35
//! 12,000 x 253         40 penalties      2.61   0.51     0.83           4.94
//! 2,400 x 1,567        as in prs         0.80   0.21     0.30           0.70
//! 2,400 x 1,567        40 penalties     17.5    3.9      5.5           52.9
//! ```

mod covariance;
mod descent;
mod extrapolation;
mod gram;
mod naive;
mod outcomes;
mod point;
#[cfg(test)]
mod tests;
mod vectors;

use std::borrow::Cow;

use gram::Gram;
use ndarray::{Array1, Array2};
use outcomes::Outcomes;
use point::{Data, Point, Step};

/// Convergence: expected next change of a coefficient, squared and times its information per
/// sample.
const TOLERANCE: f64 = 1e-13;
/// Least L1 fraction that is used to find the strongest penalty of a path.
const LEAST_L1_OF_PATH: f64 = 0.01;
const MAX_STEPS: usize = 200;
const MAX_HALVINGS: i32 = 20;
/// Most features whose products are held: 64 MB.
const MAX_PRODUCTS: usize = 4_096;
/// Steps that a fit needs even with new products.
const NEEDED_STEPS: usize = 2;
/// The products of k features cost as much as k / 16 steps.
const FEATURES_PER_STEP: usize = 16;
/// Ratio of the squared changes of two steps in a row from which the products are out of date.
const SLOW: f64 = 0.25;
/// Least ratio that is assumed for the next step. The first step has no ratio of its own.
const LEAST_RATIO: f64 = 1e-3;

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
}

/// Fits of one problem, each of which starts at the previous one.
pub struct Path<'a> {
    data: Data<'a>,
    point: Point,
    /// Space for the next point.
    next: Point,
    /// Features in use: those without a penalty, and all that have had a coefficient.
    in_use: Vec<usize>,
    is_in_use: Vec<bool>,
    /// L1 strength of the previous fit.
    l1: f64,
    gram: Gram,
    is_gram_outdated: bool,
    /// Steps since the last renewal of the products beyond those that a fit needs anyway.
    additional_steps: usize,
}

impl<'a> Problem<'a> {
    /// Fits the features without a penalty only. A path of penalties begins there.
    ///
    /// # Errors
    /// The regression on the features without a penalty does not converge.
    pub fn path(self) -> Result<Path<'a>, NoMinimum> {
        let (n_samples, n_features) = self.features.dim();
        let columns = self.features.t().to_slice().map_or_else(
            || Cow::Owned(self.features.t().iter().copied().collect()),
            Cow::Borrowed,
        );
        let mut path = Path {
            data: Data {
                columns,
                n_samples,
                n_penalised: self.n_penalised,
                outcomes: Outcomes::new(self.is_case, self.sample_weights),
            },
            point: Point::zero(n_samples, n_features),
            next: Point::zero(n_samples, n_features),
            in_use: (self.n_penalised..n_features).collect(),
            is_in_use: (0..n_features)
                .map(|feature| feature >= self.n_penalised)
                .collect(),
            l1: 0.0,
            gram: Gram::default(),
            is_gram_outdated: false,
            additional_steps: 0,
        };
        let zero = Point::zero(n_samples, n_features);
        path.point
            .move_from(&zero, &Step::default(), 1.0, &path.data, &path.in_use);
        let without_penalised = Penalty {
            l1: f64::MAX,
            l2: 0.0,
        };
        let free = path.in_use.clone();
        path.minimise(without_penalised, &free)?;
        path.point.complete_gradient(&path.data, &free);
        path.l1 = path.largest_gradient();
        Ok(path)
    }
}

impl Path<'_> {
    /// The smallest lambda at which all penalised coefficients are 0, if there was no fit yet.
    ///
    /// With a very small L1 fraction no lambda gives 0. Below an L1 fraction of 0.01 the result is
    /// therefore that of 0.01, a useful start of a path of smaller lambdas.
    #[must_use]
    pub fn largest_lambda(&self, l1_ratio: f64) -> f64 {
        self.largest_gradient() / l1_ratio.max(LEAST_L1_OF_PATH)
    }

    /// The last fit; at first that of the features without a penalty.
    #[must_use]
    pub fn solution(&self) -> Solution {
        Solution {
            intercept: self.point.intercept,
            coefficients: self.point.coefficients.clone(),
            logits: Array1::from(self.point.logits.clone()),
        }
    }

    /// Finds the minimum, starting at the last fit.
    ///
    /// # Errors
    /// No convergence: the classes are separated, or the penalty is too weak.
    pub fn fit(&mut self, penalty: Penalty) -> Result<Solution, NoMinimum> {
        let mut followed = self.screened(penalty.l1);
        loop {
            self.minimise(penalty, &followed)?;
            self.point.complete_gradient(&self.data, &followed);
            let missed = self.wanted(0..self.data.n_penalised, penalty.l1);
            if missed.is_empty() {
                self.l1 = penalty.l1;
                return Ok(self.solution());
            }
            followed.extend(missed);
        }
    }

    fn largest_gradient(&self) -> f64 {
        self.point.gradient[..self.data.n_penalised]
            .iter()
            .fold(0.0, |largest, gradient| gradient.abs().max(largest))
    }

    /// Features in use, and those that the sequential strong rule does not discard.
    fn screened(&self, l1: f64) -> Vec<usize> {
        let bound = (2.0 * l1 - self.l1).min(l1);
        let others = (0..self.data.n_penalised).filter(|&feature| {
            !self.is_in_use[feature] && self.point.gradient[feature].abs() >= bound
        });
        self.in_use.iter().copied().chain(others).collect()
    }

    /// Features out of use that need a coefficient.
    fn wanted(&self, features: impl IntoIterator<Item = usize>, l1: f64) -> Vec<usize> {
        let is_wanted = |&feature: &usize| {
            let excess = self.point.gradient[feature].abs() - l1;
            !self.is_in_use[feature] && excess > 0.0 && excess * excess > TOLERANCE
        };
        features.into_iter().filter(is_wanted).collect()
    }

    /// Finds the minimum over the followed features.
    fn minimise(&mut self, penalty: Penalty, followed: &[usize]) -> Result<(), NoMinimum> {
        let mut previous = f64::INFINITY;
        for n_steps in 0..MAX_STEPS {
            for feature in self.wanted(followed.iter().copied(), penalty.l1) {
                self.in_use.push(feature);
                self.is_in_use[feature] = true;
            }
            self.additional_steps += usize::from(n_steps >= NEEDED_STEPS);
            let step = self.step(penalty);
            self.advance(&step, penalty, followed)?;
            let ratio = step.largest / previous;
            // The change of the next step, if the steps go on to shrink at this ratio.
            let next = step.largest * ratio.clamp(LEAST_RATIO, 1.0);
            let is_minimum = next < TOLERANCE;
            if is_minimum && self.wanted(followed.iter().copied(), penalty.l1).is_empty() {
                return Ok(());
            }
            self.is_gram_outdated |= ratio > SLOW;
            previous = step.largest;
        }
        Err(NoMinimum::Steps)
    }

    /// The step to the minimum of a quadratic approximation.
    fn step(&mut self, penalty: Penalty) -> Step {
        if self.in_use.len() > MAX_PRODUCTS.min(self.data.n_samples) {
            return naive::step(&self.point, &self.in_use, &self.data, penalty);
        }
        let has_paid = self.additional_steps * FEATURES_PER_STEP > self.in_use.len();
        if self.gram.is_empty() || self.is_gram_outdated || has_paid {
            self.gram.renew(&self.point, &self.data);
            self.is_gram_outdated = false;
            self.additional_steps = 0;
        }
        self.gram.extend(&self.in_use, &self.data);
        covariance::step(&self.gram, &self.point, &self.in_use, &self.data, penalty)
    }

    /// Goes along a step as far as the objective does not rise.
    ///
    /// The approximation may lead too far where samples are nearly certain.
    fn advance(
        &mut self,
        step: &Step,
        penalty: Penalty,
        followed: &[usize],
    ) -> Result<(), NoMinimum> {
        let objective = self.objective(&self.point, penalty);
        let highest = objective + 1e-12 * objective.abs();
        for halvings in 0..MAX_HALVINGS {
            let fraction = 0.5_f64.powi(halvings);
            self.next
                .move_from(&self.point, step, fraction, &self.data, followed);
            if self.objective(&self.next, penalty) <= highest {
                std::mem::swap(&mut self.point, &mut self.next);
                return Ok(());
            }
            self.is_gram_outdated = true;
        }
        Err(NoMinimum::NoStep)
    }

    /// The function that is minimised: mean loss plus penalty.
    fn objective(&self, point: &Point, penalty: Penalty) -> f64 {
        let coefficients = &point.coefficients[..self.data.n_penalised];
        let penalties = coefficients.iter().map(|&b| penalty.of_coefficient(b));
        point.loss + penalties.sum::<f64>()
    }
}
