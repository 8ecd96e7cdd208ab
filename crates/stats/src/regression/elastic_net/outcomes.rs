//! Outcomes of the samples, and the derivatives of their losses.

use std::ops::Range;

use ndarray::Array1;

use super::vectors::{exp_minus_abs, product, sum};

/// Largest number of samples in one block.
pub(super) const BLOCK: usize = 512;
/// A sample with a certain prediction has no weight; glmnet's bound keeps the quadratic
/// approximation finite.
const LEAST_WEIGHT: f64 = 1e-5;

/// Outcomes and weights of the samples.
pub(super) struct Outcomes {
    /// 1 for a case, -1 for a control.
    signs: Vec<f64>,
    weights: Vec<f64>,
    /// Whether all weights are 0 or 1.
    is_subset: bool,
    /// Sum of the weights.
    pub total: f64,
}

/// Sums over a block of samples.
pub(super) struct Sums {
    pub loss: f64,
    /// Weights of the quadratic approximation.
    pub weight: f64,
    pub residual: f64,
}

impl Outcomes {
    pub fn new(is_case: &Array1<bool>, weights: Option<&Array1<f64>>) -> Self {
        let signs = is_case.iter().map(|&case| if case { 1.0 } else { -1.0 });
        let weights = weights.map_or_else(|| vec![1.0; is_case.len()], Array1::to_vec);
        Self {
            signs: signs.collect(),
            is_subset: weights.iter().all(|weight| [0.0, 1.0].contains(weight)),
            total: weights.iter().sum(),
            weights,
        }
    }

    /// Residuals of a block: sample weight times case (1) or not (0) minus the probability of being
    /// a case.
    ///
    /// The loss of a sample is max(-y logit, 0) + log(1 + e) with `e = e^-|logit|`. If all sample
    /// weights are 0 or 1, one logarithm of the product over the block is enough; the product is at
    /// most 2^512.
    #[inline(always)]
    pub fn residuals(&self, samples: Range<usize>, logits: &[f64], residuals: &mut [f64]) -> Sums {
        let signs = &self.signs[samples.clone()];
        let sample_weights = &self.weights[samples];
        let n = logits.len();
        let mut losses = [0.0; BLOCK];
        let mut factors = [0.0; BLOCK];
        let mut weights = [0.0; BLOCK];
        for index in 0..n {
            let e = exp_minus_abs(logits[index]);
            let certain = 1.0 / (1.0 + e);
            let against = -signs[index] * logits[index];
            let of_other_class = if against > 0.0 { certain } else { e * certain };
            residuals[index] = sample_weights[index] * signs[index] * of_other_class;
            weights[index] = sample_weights[index] * floored(e * certain * certain);
            losses[index] = sample_weights[index] * if against > 0.0 { against } else { 0.0 };
            factors[index] = 1.0 + sample_weights[index] * e;
        }
        let logarithms = if self.is_subset {
            product(&factors[..n]).ln()
        } else {
            let terms = logits.iter().zip(sample_weights);
            terms
                .map(|(&x, weight)| weight * exp_minus_abs(x).ln_1p())
                .sum()
        };
        Sums {
            loss: sum(&losses[..n]) + logarithms,
            weight: sum(&weights[..n]),
            residual: sum(residuals),
        }
    }

    /// Weights of the quadratic approximation: the variances of the outcomes.
    pub fn variances(&self, logits: &[f64]) -> Vec<f64> {
        let pairs = logits.iter().zip(&self.weights);
        pairs
            .map(|(&logit, weight)| {
                let e = exp_minus_abs(logit);
                weight * floored(e / ((1.0 + e) * (1.0 + e)))
            })
            .collect()
    }
}

/// Not `max`: the comparison compiles to one vector instruction.
#[inline(always)]
fn floored(weight: f64) -> f64 {
    if weight < LEAST_WEIGHT {
        LEAST_WEIGHT
    } else {
        weight
    }
}
