//! Covariance updates: a change of a coefficient changes the gradient of all features in use.
//!
//! A sweep over k features reads k^2 products, whatever the number of samples (Friedman et al.
//! 2010, section 2.2).

use super::{
    Penalty,
    descent::{Coefficients, Quadratic},
    extrapolation::{Extrapolation, Iterate},
    gram::Gram,
    point::{Data, Point, Step},
    vectors::vectorised,
};

/// The step from `point` to the minimum of the approximation by `gram`, over `features`.
pub(super) fn step(
    gram: &Gram,
    point: &Point,
    features: &[usize],
    data: &Data<'_>,
    penalty: Penalty,
) -> Step {
    let mean_residual = point.total_residual / data.outcomes.total;
    let gradient: Vec<f64> = features
        .iter()
        .zip(&gram.means)
        .map(|(&feature, mean)| point.gradient[feature] - mean_residual * mean)
        .collect();
    let mut coefficients = Coefficients::new(point, features, data, penalty);
    let mut quadratic = Covariance {
        gram,
        scale: point.total_weight / gram.total_weight,
        start: Iterate {
            coefficients: coefficients.values.clone(),
            derivatives: gradient.clone(),
        },
        gradient,
        extrapolation: Extrapolation::default(),
    };
    vectorised(
        #[inline(always)]
        || coefficients.descend(&mut quadratic),
    );
    let mean_of_changes: f64 = gram
        .means
        .iter()
        .zip(
            coefficients
                .values
                .iter()
                .zip(&quadratic.start.coefficients),
        )
        .map(|(mean, (new, old))| mean * (new - old))
        .sum();
    let intercept = point.total_residual / point.total_weight - mean_of_changes;
    coefficients.step(&mut quadratic, point, features, data, intercept)
}

struct Covariance<'a> {
    gram: &'a Gram,
    /// Total weight at the point over that in the products. It corrects the products for the mean
    /// change of the weights.
    scale: f64,
    gradient: Vec<f64>,
    start: Iterate,
    extrapolation: Extrapolation,
}

impl Covariance<'_> {
    /// The approximation plus the penalty, relative to the start.
    fn objective(&self, values: &[f64], gradient: &[f64], coefficients: &Coefficients) -> f64 {
        let start = self.start.coefficients.iter().zip(&self.start.derivatives);
        let gain: f64 = start
            .zip(values.iter().zip(gradient))
            .map(|((start, start_gradient), (value, gradient))| {
                0.5 * (value - start) * (start_gradient + gradient)
            })
            .sum();
        coefficients.penalty_of(values) - gain
    }
}

impl Quadratic for Covariance<'_> {
    #[inline(always)]
    fn gradient(&self, index: usize) -> f64 {
        self.gradient[index]
    }

    #[inline(always)]
    fn information(&mut self, index: usize) -> f64 {
        self.scale * f64::from(self.gram.row(index)[index])
    }

    #[inline(always)]
    fn change(&mut self, index: usize, change: f64) {
        let factor = self.scale * change;
        for (gradient, product) in self.gradient.iter_mut().zip(self.gram.row(index)) {
            *gradient -= factor * f64::from(*product);
        }
    }

    #[inline(always)]
    fn centre(&mut self) -> f64 {
        0.0
    }

    #[inline(always)]
    fn extrapolate(&mut self, coefficients: &mut Coefficients) {
        let combined = self
            .extrapolation
            .after_sweep(&coefficients.values, &self.gradient);
        if let Some(combined) = combined
            && self.objective(&combined.coefficients, &combined.derivatives, coefficients)
                < self.objective(&coefficients.values, &self.gradient, coefficients)
        {
            coefficients.values = combined.coefficients;
            self.gradient = combined.derivatives;
        }
    }
}
