//! The standard normal distribution: tails, quantiles, and Wilson's interval of a proportion.

use std::f64::consts::{PI, SQRT_2};

/// 97.5 % quantile.
pub const Z_975: f64 = 1.959_963_984_540_054;

/// Probability of a value above `z`.
#[must_use]
pub fn upper_tail(z: f64) -> f64 {
    libm::erfc(z / SQRT_2) / 2.0
}

/// Two-sided p-value: probability of a value at least as far from 0 as `z`.
#[must_use]
pub fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / SQRT_2)
}

/// Density at `z`.
#[must_use]
pub fn density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / (2.0 * PI).sqrt()
}

/// The value that is exceeded with probability `share` (0..1): Newton's method from 0, for the
/// smaller of `share` and `1 - share`.
#[must_use]
pub fn upper_quantile(share: f64) -> f64 {
    if share > 0.5 {
        return -upper_quantile(1.0 - share);
    }
    let mut z: f64 = 0.0;
    // The tail is convex above 0, so the steps approach the root from below.
    for _ in 0..200 {
        let step = (upper_tail(z) - share) / density(z);
        z += step;
        if step.abs() <= 1e-15 * z.abs() {
            break;
        }
    }
    z
}

/// Wilson's (1927) 95 % interval of a proportion of `n` samples, with `n` above 0.
#[must_use]
pub fn wilson(share: f64, n: f64) -> (f64, f64) {
    let z2 = Z_975 * Z_975;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half_width =
        Z_975 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    (
        (centre - half_width).max(0.0),
        (centre + half_width).min(1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
            "{found} is not {expected}"
        );
    }

    #[test]
    fn quantiles_of_the_normal_distribution_are_those_of_r() {
        // qnorm(c(0.5, 0.05, 0.001, 1e-12, 0.9), lower.tail = FALSE)
        let expected = [
            0.0,
            1.644_853_626_951_472_7,
            3.090_232_306_167_813,
            7.034_483_825_309_131,
            -1.281_551_565_544_600_4,
        ];
        for (share, expected) in [0.5, 0.05, 0.001, 1e-12, 0.9].into_iter().zip(expected) {
            close(upper_quantile(share), expected);
        }
    }

    #[test]
    fn tails_are_those_of_the_quantiles() {
        assert!(
            (upper_tail(Z_975) - 0.025).abs() < 1e-15 && (two_sided(-Z_975) - 0.05).abs() < 1e-15
        );
    }
}
