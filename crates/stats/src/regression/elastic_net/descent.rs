//! Coordinate descent on a quadratic approximation of the loss.
//!
//! With gradient g, information h and S(x) = sign(x) max(|x| - l1, 0), the update of a coefficient
//! is b = S(g + h b) / (h + l2), equation 10 of Friedman et al. (2010).

use super::{
    Penalty, TOLERANCE,
    point::{Data, Point, Step},
};

/// The next approximation continues after this many sweeps.
const MAX_SWEEPS: usize = 500;
/// Descent ends when a sweep changes all coefficients by less than a tenth of the largest change so
/// far. The next approximation corrects the remainder together with its own error.
const RELATIVE_TOLERANCE: f64 = 1e-2;
/// Descent ends when a sweep changes nothing by more than this.
const ABSOLUTE_TOLERANCE: f64 = 0.1 * TOLERANCE;

/// Quadratic approximation whose coefficients are changed one at a time.
pub(super) trait Quadratic {
    /// Derivative for a coefficient, with the opposite sign.
    fn gradient(&self, index: usize) -> f64;
    /// Second derivative.
    fn information(&mut self, index: usize) -> f64;
    /// Updates the derivatives after a change of a coefficient.
    fn change(&mut self, index: usize, change: f64);
    /// Moves the intercept to its minimum; returns the change, squared and times its information.
    fn centre(&mut self) -> f64;
    /// Moves all coefficients nearer to the minimum, if a way to do so is known.
    fn extrapolate(&mut self, coefficients: &mut Coefficients);
}

/// Coefficients of the features in use during a descent.
pub(super) struct Coefficients {
    pub values: Vec<f64>,
    is_penalised: Vec<bool>,
    penalty: Penalty,
}

impl Coefficients {
    pub fn new(point: &Point, features: &[usize], data: &Data<'_>, penalty: Penalty) -> Self {
        let values = features.iter().map(|&feature| point.coefficients[feature]);
        let is_penalised = features.iter().map(|&feature| feature < data.n_penalised);
        Self {
            values: values.collect(),
            is_penalised: is_penalised.collect(),
            penalty,
        }
    }

    /// Penalty of other values of these coefficients.
    pub fn penalty_of(&self, values: &[f64]) -> f64 {
        values
            .iter()
            .zip(&self.is_penalised)
            .filter(|(_, is_penalised)| **is_penalised)
            .map(|(&value, _)| self.penalty.of_coefficient(value))
            .sum()
    }

    /// Sweeps over all coefficients, then over those that are not 0 until they converge, and again
    /// until a sweep over all changes little.
    #[inline(always)]
    pub fn descend(&mut self, quadratic: &mut impl Quadratic) {
        let all: Vec<usize> = (0..self.values.len()).collect();
        let mut n_sweeps = 0;
        let mut tolerance = ABSOLUTE_TOLERANCE;
        loop {
            let largest = self.sweep(quadratic, &all);
            tolerance = tolerance.max(largest * RELATIVE_TOLERANCE);
            if largest <= tolerance {
                return;
            }
            let active: Vec<usize> = all
                .iter()
                .copied()
                .filter(|&index| !self.is_penalised[index] || self.values[index] != 0.0)
                .collect();
            loop {
                let largest = self.sweep(quadratic, &active);
                tolerance = tolerance.max(largest * RELATIVE_TOLERANCE);
                if largest <= tolerance {
                    break;
                }
                quadratic.extrapolate(self);
                n_sweeps += 1;
                if n_sweeps == MAX_SWEEPS {
                    return;
                }
            }
        }
    }

    /// Updates each coefficient once; returns the largest change, squared and times its
    /// information.
    #[inline(always)]
    fn sweep(&mut self, quadratic: &mut impl Quadratic, indices: &[usize]) -> f64 {
        let mut largest = quadratic.centre();
        for &index in indices {
            let old = self.values[index];
            let gradient = quadratic.gradient(index);
            let is_penalised = self.is_penalised[index];
            if is_penalised && old == 0.0 && gradient.abs() <= self.penalty.l1 {
                continue;
            }
            let information = quadratic.information(index);
            // A constant feature has no information and no coefficient beyond the intercept.
            if information <= 0.0 {
                continue;
            }
            let pull = gradient + information * old;
            let new = if is_penalised {
                pull.signum() * (pull.abs() - self.penalty.l1).max(0.0)
                    / (information + self.penalty.l2)
            } else {
                pull / information
            };
            let change = new - old;
            if change != 0.0 {
                self.values[index] = new;
                quadratic.change(index, change);
                largest = largest.max(information * change * change);
            }
        }
        largest
    }

    /// The change since `point`.
    pub fn step(
        &self,
        quadratic: &mut impl Quadratic,
        point: &Point,
        features: &[usize],
        data: &Data<'_>,
        intercept: f64,
    ) -> Step {
        let mut coefficients = Vec::with_capacity(features.len());
        let mut largest = intercept * intercept * point.total_weight / data.outcomes.total;
        for (index, (&feature, new)) in features.iter().zip(&self.values).enumerate() {
            let change = new - point.coefficients[feature];
            if change != 0.0 {
                coefficients.push((feature, change));
                largest = largest.max(change * change * quadratic.information(index));
            }
        }
        Step {
            intercept,
            coefficients,
            largest,
        }
    }
}
