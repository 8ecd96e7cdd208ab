//! The ROC curve and the area under it.
//!
//! Input -> output: the logits of the cases and of the controls -> AUROC, corners of the curve. The
//! area is the rank-sum statistic (Hanley & McNeil 1982): the probability that a case scores above
//! a control, ties counted half. Counts are multiples of one half and are summed in f64, so the
//! area is exact up to one division for any cohort of fewer than about 10^8 samples.

use gf_cohort_schema::counted;

/// Error for a class without samples: the area is undefined, not 0.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "undefined with {} and {}; at least one of each is needed",
    counted(*n_cases, "case", "cases"),
    counted(*n_controls, "control", "controls")
)]
pub struct OneClass {
    /// Number of cases.
    pub n_cases: usize,
    /// Number of controls.
    pub n_controls: usize,
}

/// A corner of the ROC curve: the rates when every logit of at least `threshold` is called a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corner {
    /// `None` at the origin, where no sample is called a case.
    pub threshold: Option<f64>,
    /// Fraction of the controls that are called cases.
    pub false_positive_rate: f64,
    /// Fraction of the cases that are called cases.
    pub true_positive_rate: f64,
}

/// Number of samples of each class with the same logit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tied {
    /// Cases with this logit.
    pub cases: u64,
    /// Controls with this logit.
    pub controls: u64,
}

/// Indices of finite values by rising value; equal values keep their order.
#[must_use]
pub fn by_rising(values: &[f64]) -> Vec<u32> {
    // Adding 0 makes -0 the same as 0.
    let mut keyed: Vec<(f64, u32)> = values.iter().map(|value| value + 0.0).zip(0..).collect();
    keyed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    keyed.into_iter().map(|(_, place)| place).collect()
}

/// Groups of samples with equal logits, by rising logit; `order` is [`by_rising`] of `logits`.
#[allow(clippy::float_cmp, reason = "a tie is equality")]
#[must_use]
pub fn ties<'a>(logits: &'a [f64], order: &'a [u32]) -> impl DoubleEndedIterator<Item = &'a [u32]> {
    order.chunk_by(|&a, &b| logits[a as usize] == logits[b as usize])
}

/// Number of samples of each class in a group of [`ties`].
#[must_use]
pub fn count(group: &[u32], is_case: &[bool]) -> Tied {
    let cases = group
        .iter()
        .filter(|&&place| is_case[place as usize])
        .count() as u64;
    Tied {
        cases,
        controls: group.len() as u64 - cases,
    }
}

/// Area under the ROC curve of finite logits.
///
/// # Errors
/// One class is empty.
pub fn auroc(cases: &[f64], controls: &[f64]) -> Result<f64, OneClass> {
    require_both(cases.len(), controls.len())?;
    let logits = [cases, controls].concat();
    let is_case: Vec<bool> = (0..logits.len()).map(|place| place < cases.len()).collect();
    let groups = ties(&logits, &by_rising(&logits))
        .map(|group| count(group, &is_case))
        .collect::<Vec<_>>();
    Ok(area(
        groups
            .into_iter()
            .map(|tied| [tied.cases as f64, tied.controls as f64]),
    ))
}

/// Area from groups of samples with equal logits, by rising logit: the weights of the cases and of
/// the controls in each group.
pub fn area(groups: impl IntoIterator<Item = [f64; 2]>) -> f64 {
    let mut placed_right = 0.0;
    let mut cases_below = 0.0;
    let mut controls_below = 0.0;
    for [cases, controls] in groups {
        placed_right += cases * (controls_below + controls / 2.0);
        cases_below += cases;
        controls_below += controls;
    }
    placed_right / (cases_below * controls_below)
}

/// Corners of the ROC curve of finite logits from (0, 0) to (1, 1); `order` is [`by_rising`] of
/// `logits`. Samples with equal logits are one step; points on a straight line are omitted.
///
/// # Errors
/// One class is empty.
pub fn corners(logits: &[f64], is_case: &[bool], order: &[u32]) -> Result<Vec<Corner>, OneClass> {
    let n_cases = is_case.iter().filter(|&&case| case).count();
    let n_controls = is_case.len() - n_cases;
    require_both(n_cases, n_controls)?;
    let mut counts = vec![CornerCounts::default()];
    let mut here = CornerCounts::default();
    for group in ties(logits, order).rev() {
        let tied = count(group, is_case);
        here.threshold = Some(logits[group[0] as usize]);
        here.true_positives += tied.cases;
        here.false_positives += tied.controls;
        if let [.., before, last] = &counts[..]
            && on_one_line(before, last, &here)
        {
            counts.pop();
        }
        counts.push(here);
    }
    Ok(counts
        .into_iter()
        .map(|corner| Corner {
            threshold: corner.threshold,
            false_positive_rate: corner.false_positives as f64 / n_controls as f64,
            true_positive_rate: corner.true_positives as f64 / n_cases as f64,
        })
        .collect())
}

/// A corner of the curve in counts, so that straight lines are recognised exactly.
#[derive(Clone, Copy, Default)]
struct CornerCounts {
    threshold: Option<f64>,
    false_positives: u64,
    true_positives: u64,
}

/// Whether the slopes from `a` to `b` and from `b` to `c` are equal.
fn on_one_line(a: &CornerCounts, b: &CornerCounts, c: &CornerCounts) -> bool {
    (b.false_positives - a.false_positives) * (c.true_positives - b.true_positives)
        == (c.false_positives - b.false_positives) * (b.true_positives - a.true_positives)
}

/// Refuses scores of one class only, which have no curve.
///
/// # Errors
/// The numbers of cases and controls, one of which is 0.
pub fn require_both(n_cases: usize, n_controls: usize) -> Result<(), OneClass> {
    if n_cases == 0 || n_controls == 0 {
        Err(OneClass {
            n_cases,
            n_controls,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::oracle;

    #[test]
    fn equals_scikit_learn_with_ties_few_samples_and_unbalanced_classes() {
        for example in oracle::EXAMPLES {
            let a = example.a();
            approx(auroc(&a.cases, &a.controls).unwrap(), example.auroc_a);
            let b = example.b();
            approx(auroc(&b.cases, &b.controls).unwrap(), example.auroc_b);
        }
    }

    #[test]
    fn one_class_is_an_error_and_not_one_half() {
        assert_eq!(
            auroc(&[1.0], &[]),
            Err(OneClass {
                n_cases: 1,
                n_controls: 0
            })
        );
        assert!(
            curve(&[], &[1.0])
                .unwrap_err()
                .to_string()
                .contains("0 cases and 1 control")
        );
    }

    #[test]
    fn all_tied_is_one_half_and_zero_equals_minus_zero() {
        approx(auroc(&[0.0, -0.0], &[-0.0, 0.0, 0.0]).unwrap(), 0.5);
    }

    #[test]
    fn a_tie_is_one_step_of_the_curve_and_straight_lines_have_no_points_between() {
        assert_eq!(
            curve(&[4.0, 3.0, 1.0, 1.0], &[1.0, 1.0, 0.0, -1.0]).unwrap(),
            [
                corner(None, 0.0, 0.0),
                corner(Some(3.0), 0.0, 0.5),
                corner(Some(1.0), 0.5, 1.0),
                corner(Some(-1.0), 1.0, 1.0)
            ]
        );
    }

    fn corner(threshold: Option<f64>, false_positive_rate: f64, true_positive_rate: f64) -> Corner {
        Corner {
            threshold,
            false_positive_rate,
            true_positive_rate,
        }
    }

    fn curve(cases: &[f64], controls: &[f64]) -> Result<Vec<Corner>, OneClass> {
        let logits = [cases, controls].concat();
        let is_case: Vec<bool> = (0..logits.len()).map(|place| place < cases.len()).collect();
        corners(&logits, &is_case, &by_rising(&logits))
    }

    fn approx(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    /// Small whole numbers, so that ties are common.
    fn scores() -> impl Strategy<Value = Vec<f64>> {
        vec((-6..6_i8).prop_map(f64::from), 1..40)
    }

    proptest! {
        #[test]
        fn a_monotone_map_changes_nothing(cases in scores(), controls in scores()) {
            let [mapped_cases, mapped_controls] = [&cases, &controls].map(|logits| {
                logits.iter().map(|logit| (logit / 3.0).exp() - 7.0).collect::<Vec<_>>()
            });
            prop_assert_eq!(auroc(&cases, &controls), auroc(&mapped_cases, &mapped_controls));
        }

        #[test]
        fn negated_scores_give_the_complement(cases in scores(), controls in scores()) {
            let [negated_cases, negated_controls] = [&cases, &controls]
                .map(|logits| logits.iter().map(|logit| -logit).collect::<Vec<_>>());
            let area = auroc(&cases, &controls).unwrap();
            let negated_area = auroc(&negated_cases, &negated_controls).unwrap();
            prop_assert!((area + negated_area - 1.0).abs() < 1e-12);
        }

        #[test]
        fn the_trapezoids_under_the_curve_are_the_area(cases in scores(), controls in scores()) {
            let area: f64 = curve(&cases, &controls)
                .unwrap()
                .windows(2)
                .map(|pair| {
                    let width = pair[1].false_positive_rate - pair[0].false_positive_rate;
                    width * f64::midpoint(pair[0].true_positive_rate, pair[1].true_positive_rate)
                })
                .sum();
            prop_assert!((area - auroc(&cases, &controls).unwrap()).abs() < 1e-12);
        }
    }
}
