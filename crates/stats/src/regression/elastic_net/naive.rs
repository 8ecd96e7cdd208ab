//! Naive updates: a change of a coefficient changes the residuals of all samples.
//!
//! A sweep over k features reads their columns twice. There is no preparation, so this is the way
//! for more features than samples. As in [`super::gram`], weighted means of the features keep the
//! intercept at its minimum.

use super::{
    Penalty,
    descent::{Coefficients, Quadratic},
    extrapolation::Extrapolation,
    gram::LEAST_VARIANCE,
    point::{Data, Point, Step},
    vectors::{add_scaled, dot, sum, vectorised},
};

/// The step from `point` to the minimum of its own approximation, over `features`.
pub(super) fn step(point: &Point, features: &[usize], data: &Data<'_>, penalty: Penalty) -> Step {
    let mut coefficients = Coefficients::new(point, features, data, penalty);
    let mut quadratic = Naive {
        data,
        features,
        weights: data.outcomes.variances(&point.logits),
        total_weight: point.total_weight,
        residuals: point.residuals.clone(),
        moments: vec![None; features.len()],
        shift: 0.0,
        extrapolation: Extrapolation::default(),
    };
    vectorised(
        #[inline(always)]
        || coefficients.descend(&mut quadratic),
    );
    let mean_of_changes: f64 = quadratic
        .moments
        .iter()
        .zip(coefficients.values.iter().zip(features))
        .filter_map(|(moments, (new, &feature))| {
            moments.map(|moments| moments.mean * (new - point.coefficients[feature]))
        })
        .sum();
    let intercept = quadratic.shift - mean_of_changes;
    coefficients.step(&mut quadratic, point, features, data, intercept)
}

/// Weighted mean, and mean over samples of weight times squared distance from it.
#[derive(Clone, Copy)]
struct Moments {
    mean: f64,
    information: f64,
}

struct Naive<'a> {
    data: &'a Data<'a>,
    features: &'a [usize],
    weights: Vec<f64>,
    total_weight: f64,
    /// Weight times residual of each sample.
    residuals: Vec<f64>,
    /// Moments of each feature, computed at first use.
    moments: Vec<Option<Moments>>,
    /// Change of the intercept without the means of the features.
    shift: f64,
    extrapolation: Extrapolation,
}

impl Naive<'_> {
    #[inline(always)]
    fn moments(&mut self, index: usize) -> Moments {
        if let Some(moments) = self.moments[index] {
            return moments;
        }
        let column = self.data.column(self.features[index]);
        let mean = dot(column, &self.weights) / self.total_weight;
        let squares = column.iter().zip(&self.weights);
        let sum: f64 = squares
            .map(|(x, weight)| weight * (x - mean) * (x - mean))
            .sum();
        let is_constant = sum <= LEAST_VARIANCE * mean * mean * self.total_weight;
        let information = if is_constant {
            0.0
        } else {
            sum / self.data.outcomes.total
        };
        let moments = Moments { mean, information };
        self.moments[index] = Some(moments);
        moments
    }

    /// The approximation plus the penalty.
    fn objective(&self, values: &[f64], residuals: &[f64], coefficients: &Coefficients) -> f64 {
        let squares: f64 = residuals
            .iter()
            .zip(&self.weights)
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(residual, weight)| residual * residual / weight)
            .sum();
        0.5 * squares / self.data.outcomes.total + coefficients.penalty_of(values)
    }
}

impl Quadratic for Naive<'_> {
    #[inline(always)]
    fn gradient(&self, index: usize) -> f64 {
        let column = self.data.column(self.features[index]);
        dot(column, &self.residuals) / self.data.outcomes.total
    }

    #[inline(always)]
    fn information(&mut self, index: usize) -> f64 {
        self.moments(index).information
    }

    #[inline(always)]
    fn change(&mut self, index: usize, change: f64) {
        let mean = self.moments(index).mean;
        let column = self.data.column(self.features[index]);
        for ((residual, x), weight) in self.residuals.iter_mut().zip(column).zip(&self.weights) {
            *residual -= change * weight * (x - mean);
        }
    }

    #[inline(always)]
    fn centre(&mut self) -> f64 {
        let shift = sum(&self.residuals) / self.total_weight;
        self.shift += shift;
        add_scaled(&mut self.residuals, -shift, &self.weights);
        shift * shift * self.total_weight / self.data.outcomes.total
    }

    #[inline(always)]
    fn extrapolate(&mut self, coefficients: &mut Coefficients) {
        let combined = self
            .extrapolation
            .after_sweep(&coefficients.values, &self.residuals);
        if let Some(combined) = combined
            && self.objective(&combined.coefficients, &combined.derivatives, coefficients)
                < self.objective(&coefficients.values, &self.residuals, coefficients)
        {
            coefficients.values = combined.coefficients;
            self.residuals = combined.derivatives;
        }
    }
}
