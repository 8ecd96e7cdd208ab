//! The loss and its derivatives at one point of the descent, in one pass over the columns.
//!
//! The pass goes by blocks of samples. A block of a column is read from memory once: its second
//! read, for the gradient, finds it in the cache.

use std::{borrow::Cow, ops::Range};

use super::{
    outcomes::{BLOCK, Outcomes},
    vectors::{add_scaled, dot, vectorised},
};

/// Features and outcomes as the descent reads them.
pub(super) struct Data<'a> {
    /// The columns of the features, one after another.
    pub columns: Cow<'a, [f64]>,
    pub n_samples: usize,
    /// Number of penalised features, which come first.
    pub n_penalised: usize,
    pub outcomes: Outcomes,
}

impl Data<'_> {
    #[inline(always)]
    pub fn column(&self, feature: usize) -> &[f64] {
        &self.columns[feature * self.n_samples..][..self.n_samples]
    }
}

/// A change of the intercept and of some coefficients.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub intercept: f64,
    /// Feature and change of its coefficient.
    pub coefficients: Vec<(usize, f64)>,
    /// Largest change, squared and times its information per sample.
    pub largest: f64,
}

/// Coefficients, with the loss and its derivatives.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub intercept: f64,
    pub coefficients: Vec<f64>,
    pub logits: Vec<f64>,
    pub residuals: Vec<f64>,
    /// Sum of the residuals.
    pub total_residual: f64,
    /// Sum of the weights of the quadratic approximation.
    pub total_weight: f64,
    /// Mean over samples of residual times feature. It may be out of date for features that are not
    /// in use.
    pub gradient: Vec<f64>,
    /// Mean loss.
    pub loss: f64,
}

impl Point {
    pub fn zero(n_samples: usize, n_features: usize) -> Self {
        Self {
            intercept: 0.0,
            coefficients: vec![0.0; n_features],
            logits: vec![0.0; n_samples],
            residuals: vec![0.0; n_samples],
            total_residual: 0.0,
            total_weight: 0.0,
            gradient: vec![0.0; n_features],
            loss: 0.0,
        }
    }

    /// Becomes the point at a fraction of a step from `from`. The gradient is computed for
    /// `features`.
    pub fn move_from(
        &mut self,
        from: &Self,
        step: &Step,
        fraction: f64,
        data: &Data<'_>,
        features: &[usize],
    ) {
        self.intercept = from.intercept + fraction * step.intercept;
        self.coefficients.copy_from_slice(&from.coefficients);
        self.gradient.copy_from_slice(&from.gradient);
        for &(feature, change) in &step.coefficients {
            self.coefficients[feature] += fraction * change;
        }
        for &feature in features {
            self.gradient[feature] = 0.0;
        }
        self.total_residual = 0.0;
        self.total_weight = 0.0;
        self.loss = 0.0;
        vectorised(
            #[inline(always)]
            || {
                for begin in (0..data.n_samples).step_by(BLOCK) {
                    let block = begin..(begin + BLOCK).min(data.n_samples);
                    self.move_block(from, step, fraction, data, block.clone());
                    self.add_gradient(data, features, block);
                }
            },
        );
        self.loss /= data.outcomes.total;
        for &feature in features {
            self.gradient[feature] /= data.outcomes.total;
        }
    }

    /// Logits, residuals and loss of a block of samples.
    #[inline(always)]
    fn move_block(
        &mut self,
        from: &Self,
        step: &Step,
        fraction: f64,
        data: &Data<'_>,
        block: Range<usize>,
    ) {
        let logits = &mut self.logits[block.clone()];
        for (logit, old) in logits.iter_mut().zip(&from.logits[block.clone()]) {
            *logit = old + fraction * step.intercept;
        }
        for &(feature, change) in &step.coefficients {
            add_scaled(
                logits,
                fraction * change,
                &data.column(feature)[block.clone()],
            );
        }
        let residuals = &mut self.residuals[block.clone()];
        let sums = data.outcomes.residuals(block, logits, residuals);
        self.loss += sums.loss;
        self.total_weight += sums.weight;
        self.total_residual += sums.residual;
    }

    #[inline(always)]
    fn add_gradient(&mut self, data: &Data<'_>, features: &[usize], block: Range<usize>) {
        let residuals = &self.residuals[block.clone()];
        for &feature in features {
            self.gradient[feature] += dot(&data.column(feature)[block.clone()], residuals);
        }
    }

    /// Computes the gradient of all features but those in `known`.
    pub fn complete_gradient(&mut self, data: &Data<'_>, known: &[usize]) {
        let mut is_known = vec![false; self.gradient.len()];
        for &feature in known {
            is_known[feature] = true;
        }
        vectorised(
            #[inline(always)]
            || {
                for (feature, gradient) in self.gradient.iter_mut().enumerate() {
                    if !is_known[feature] {
                        let sum = dot(data.column(feature), &self.residuals);
                        *gradient = sum / data.outcomes.total;
                    }
                }
            },
        );
    }
}
