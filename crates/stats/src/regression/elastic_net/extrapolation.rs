//! Anderson extrapolation of coordinate descent.
//!
//! Sweeps over correlated features converge slowly along a few directions. The affine combination
//! of the last iterates with the smallest combined change is often much nearer to the minimum
//! (Bertrand and Massias 2021, AISTATS, <https://arxiv.org/abs/2011.10065>). The gradient of a
//! quadratic function is affine, so its extrapolation needs no matrix product.

use nalgebra::{SMatrix, SVector};

use super::vectors::{add_scaled, dot};

/// Changes that are combined.
const DEPTH: usize = 5;

/// Coefficients after a sweep, and derivatives there that are affine in them: a derivatives or
/// residuals.
#[derive(Clone, Debug, Default)]
pub(super) struct Iterate {
    pub coefficients: Vec<f64>,
    pub derivatives: Vec<f64>,
}

/// The last iterates.
#[derive(Debug, Default)]
pub(super) struct Extrapolation {
    iterates: Vec<Iterate>,
}

impl Extrapolation {
    /// Takes the iterate after a sweep; returns a combination after every fifth change.
    #[inline(always)]
    pub fn after_sweep(&mut self, coefficients: &[f64], derivatives: &[f64]) -> Option<Iterate> {
        self.iterates.push(Iterate {
            coefficients: coefficients.to_vec(),
            derivatives: derivatives.to_vec(),
        });
        if self.iterates.len() <= DEPTH {
            return None;
        }
        let combined = self.combined();
        self.iterates.clear();
        combined
    }

    #[inline(always)]
    fn combined(&self) -> Option<Iterate> {
        let changes: Vec<Vec<f64>> = self
            .iterates
            .windows(2)
            .map(|pair| {
                let pairs = pair[1].coefficients.iter().zip(&pair[0].coefficients);
                pairs.map(|(new, old)| new - old).collect()
            })
            .collect();
        let products = SMatrix::<f64, DEPTH, DEPTH>::from_fn(|row, column| {
            dot(&changes[row], &changes[column])
        });
        let solved = products
            .cholesky()?
            .solve(&SVector::<f64, DEPTH>::repeat(1.0));
        let factors = solved / solved.sum();
        if !factors.iter().all(|factor| factor.is_finite()) {
            return None;
        }
        let first = &self.iterates[0];
        let mut combined = Iterate {
            coefficients: vec![0.0; first.coefficients.len()],
            derivatives: vec![0.0; first.derivatives.len()],
        };
        for (factor, iterate) in factors.iter().zip(&self.iterates[1..]) {
            add_scaled(&mut combined.coefficients, *factor, &iterate.coefficients);
            add_scaled(&mut combined.derivatives, *factor, &iterate.derivatives);
        }
        Some(combined)
    }
}
