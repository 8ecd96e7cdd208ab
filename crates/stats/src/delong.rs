//! DeLong's variance of the AUROC, its 95 % interval, and the paired test of two models.
//!
//! Input -> output: logits of cases and controls -> interval, difference, p-value. With m cases, n
//! controls, and V10 (V01) the placement of a case (control) as a fraction of the other class:
//!
//! ```text
//! Var(AUROC) = Var(V10) / m + Var(V01) / n
//! ```
//!
//! Source: DeLong, DeLong & Clarke-Pearson, Biometrics 44:837 (1988), computed in O(n log n) like
//! Sun & Xu, IEEE Signal Process. Lett. 21:1389 (2014). Like in R's pROC, the interval is symmetric
//! around the area and clipped to 0..1.

use super::roc::{OneClass, count, require_both, ties};
use crate::normal::{Z_975, two_sided};

/// Placements: for each sample, the number of samples of the other class that it is ranked right
/// against, ties counted half.
///
/// They are counts in multiples of one half. Sums and differences are therefore exact, and
/// identical models differ by exactly zero.
#[derive(Clone, Debug)]
pub struct Placements {
    cases: Vec<f64>,
    controls: Vec<f64>,
}

/// An estimate with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Comparison of two models on the same samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedTest {
    /// AUROC of the first minus that of the second.
    pub delta: f64,
    /// 95 % interval of the difference, and two-sided p-value for the null hypothesis of no
    /// difference; `None` if the variance is zero or undefined.
    pub inference: Option<(Interval, f64)>,
}

impl Placements {
    /// Computes placements of finite logits, with `order` from
    /// [`by_rising`](super::roc::by_rising).
    ///
    /// # Errors
    /// One class is empty.
    pub fn new(logits: &[f64], is_case: &[bool], order: &[u32]) -> Result<Self, OneClass> {
        let n_cases = is_case.iter().filter(|&&case| case).count();
        require_both(n_cases, is_case.len() - n_cases)?;
        let mut placements = vec![0.0; logits.len()];
        let mut cases_below = 0;
        let mut controls_below = 0;
        for group in ties(logits, order) {
            let here = count(group, is_case);
            let of_case = controls_below as f64 + here.controls as f64 / 2.0;
            let of_control = (n_cases as u64 - cases_below) as f64 - here.cases as f64 / 2.0;
            for &sample in group {
                placements[sample as usize] = if is_case[sample as usize] {
                    of_case
                } else {
                    of_control
                };
            }
            cases_below += here.cases;
            controls_below += here.controls;
        }
        Ok(Self {
            cases: of_class(&placements, is_case, true),
            controls: of_class(&placements, is_case, false),
        })
    }

    /// Area under the ROC curve; the same number as [`super::roc::auroc`].
    #[must_use]
    pub fn auroc(&self) -> f64 {
        self.cases.iter().sum::<f64>() / self.pairs()
    }

    /// Variance of the area; `None` with fewer than two samples in a class.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        let m = self.cases.len() as f64;
        let n = self.controls.len() as f64;
        Some(
            sample_variance(&self.cases)? / (n * n) / m
                + sample_variance(&self.controls)? / (m * m) / n,
        )
    }

    /// 95 % interval of the area, within 0..1; `None` as for [`Self::variance`]. Its width is
    /// zero if the variance is zero (area 0 or 1).
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        Some(interval(self.auroc(), self.variance()?, 0.0))
    }

    /// Compares this model (first) with `other` (second); both have the same samples in the same
    /// order.
    #[must_use]
    pub fn paired_test(&self, other: &Self) -> PairedTest {
        debug_assert_eq!(
            (self.cases.len(), self.controls.len()),
            (other.cases.len(), other.controls.len())
        );
        // The area is linear in the placements, so those of the difference are the differences.
        let difference = Self {
            cases: differences(&self.cases, &other.cases),
            controls: differences(&self.controls, &other.controls),
        };
        let delta = difference.auroc();
        let inference = difference
            .variance()
            .filter(|variance| *variance > 0.0)
            .map(|variance| {
                let z = delta / variance.sqrt();
                (interval(delta, variance, -1.0), two_sided(z))
            });
        PairedTest { delta, inference }
    }

    fn pairs(&self) -> f64 {
        self.cases.len() as f64 * self.controls.len() as f64
    }
}

/// The placements of the cases (`class` true) or of the controls.
fn of_class(placements: &[f64], is_case: &[bool], class: bool) -> Vec<f64> {
    placements
        .iter()
        .zip(is_case)
        .filter(|(_, is_case)| **is_case == class)
        .map(|(placement, _)| *placement)
        .collect()
}

fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn interval(estimate: f64, variance: f64, lowest: f64) -> Interval {
    let half_width = Z_975 * variance.sqrt();
    Interval {
        low: (estimate - half_width).max(lowest),
        high: (estimate + half_width).min(1.0),
    }
}

fn sample_variance(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.len() > 1).then(|| {
        values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / (n - 1.0)
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{oracle, roc::by_rising};

    fn approx(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    fn place(cases: &[f64], controls: &[f64]) -> Placements {
        let logits = [cases, controls].concat();
        let is_case: Vec<bool> = (0..logits.len()).map(|place| place < cases.len()).collect();
        Placements::new(&logits, &is_case, &by_rising(&logits)).unwrap()
    }

    #[test]
    fn interval_and_paired_test_equal_those_of_proc() {
        for example in oracle::EXAMPLES {
            let [a, b] =
                [example.a(), example.b()].map(|scores| place(&scores.cases, &scores.controls));
            approx(a.variance().unwrap(), example.variance_a);
            let interval = a.interval().unwrap();
            approx(interval.low, example.ci_a.0);
            approx(interval.high, example.ci_a.1);
            let test = a.paired_test(&b);
            let (interval, p_value) = test.inference.unwrap();
            approx(test.delta, example.auroc_a - example.auroc_b);
            approx(interval.low, example.delta_ci.0);
            approx(interval.high, example.delta_ci.1);
            approx(p_value, example.p_value);
            assert!(
                (p_value / example.p_value - 1.0).abs() < 1e-9,
                "relative error of {p_value}"
            );
        }
    }

    #[test]
    fn one_sample_in_a_class_has_an_area_but_no_variance() {
        let placements = place(&[1.0], &[0.0, 2.0, 3.0]);
        approx(placements.auroc(), 1.0 / 3.0);
        assert_eq!((placements.variance(), placements.interval()), (None, None));
    }

    #[test]
    fn perfect_separation_has_variance_zero() {
        let placements = place(&[2.0, 3.0], &[0.0, 1.0, 1.0]);
        assert_eq!(
            (placements.auroc(), placements.variance()),
            (1.0, Some(0.0))
        );
    }

    #[test]
    fn models_that_rank_people_alike_differ_by_zero_without_a_p_value() {
        let a = place(&[0.1, 0.7, 0.7], &[0.3, 0.2, 0.7]);
        let b = place(&[1.0, 7.0, 7.0], &[3.0, 2.0, 7.0]);
        assert_eq!(
            a.paired_test(&b),
            PairedTest {
                delta: 0.0,
                inference: None
            }
        );
    }

    /// `psi` of DeLong's paper.
    #[allow(clippy::float_cmp, reason = "a tie is equality")]
    fn placed_right(case: f64, control: f64) -> f64 {
        if case > control {
            1.0
        } else if case == control {
            0.5
        } else {
            0.0
        }
    }

    /// The variance as the paper defines it, comparing every case with every control.
    fn direct_variance(cases: &[f64], controls: &[f64]) -> f64 {
        let m = cases.len() as f64;
        let n = controls.len() as f64;
        let v10: Vec<f64> = cases
            .iter()
            .map(|&case| {
                controls
                    .iter()
                    .map(|&control| placed_right(case, control))
                    .sum::<f64>()
                    / n
            })
            .collect();
        let v01: Vec<f64> = controls
            .iter()
            .map(|&control| {
                cases
                    .iter()
                    .map(|&case| placed_right(case, control))
                    .sum::<f64>()
                    / m
            })
            .collect();
        sample_variance(&v10).unwrap() / m + sample_variance(&v01).unwrap() / n
    }

    fn scores() -> impl Strategy<Value = Vec<f64>> {
        vec((-6..6_i8).prop_map(f64::from), 2..40)
    }

    proptest! {
        #[test]
        fn the_variance_equals_its_direct_definition(cases in scores(), controls in scores()) {
            let fast = place(&cases, &controls).variance().unwrap();
            prop_assert!((fast - direct_variance(&cases, &controls)).abs() < 1e-12);
        }

        #[test]
        fn swapping_the_models_negates_the_difference_and_keeps_p(
            samples in vec((-6..6_i8, -6..6_i8, any::<bool>()), 6..60),
        ) {
            let mut cases: [Vec<f64>; 2] = Default::default();
            let mut controls: [Vec<f64>; 2] = Default::default();
            for (first, second, is_case) in samples {
                let class = if is_case { &mut cases } else { &mut controls };
                class[0].push(f64::from(first));
                class[1].push(f64::from(second));
            }
            prop_assume!(!cases[0].is_empty() && !controls[0].is_empty());
            let a = place(&cases[0], &controls[0]);
            let b = place(&cases[1], &controls[1]);
            let forward = a.paired_test(&b);
            let backward = b.paired_test(&a);
            prop_assert!((forward.delta - (a.auroc() - b.auroc())).abs() < 1e-12);
            prop_assert!((forward.delta + backward.delta).abs() < 1e-12);
            prop_assert_eq!(
                forward.inference.map(|(_, p_value)| p_value),
                backward.inference.map(|(_, p_value)| p_value)
            );
        }
    }
}
