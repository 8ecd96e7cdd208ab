//! Calibration and odds ratios by tenths of a model's ranking, and histograms of its logits.
//!
//! Input -> output: a column of scores -> rows of `calibration.csv`, `deciles.csv` and
//! `distribution.csv`.
//!
//! Samples with equal values are in the same tenth: the one that contains the middle of their
//! ranks. So a tenth may have more than a tenth of the samples, or none.

use gf_cohort_schema::{CalibrationRow, DecileRow, DistributionRow};
use gf_stats::{
    normal::{Z_975, wilson},
    roc::{by_rising, ties},
};

use super::recalibration::Recalibrated;
use crate::predictions::Column;

const N_TENTHS: usize = 10;

/// 0-based indices of the fifth and the sixth tenth, the reference of odds ratios.
const REFERENCE_TENTHS: [usize; 2] = [4, 5];

/// Bars of the histogram.
const N_BARS: usize = 20;

/// Cases and controls of a group of samples.
#[derive(Clone, Copy, Default)]
struct ClassCounts {
    n_cases: usize,
    n_controls: usize,
}

impl ClassCounts {
    fn add(&mut self, is_case: bool) {
        if is_case {
            self.n_cases += 1;
        } else {
            self.n_controls += 1;
        }
    }
}

/// 0-based tenth of each sample, by the mean rank of its value.
fn tenths(values: &[f64], order: &[u32]) -> Vec<usize> {
    let mut tenth_of = vec![0; values.len()];
    let mut n_below = 0;
    for group in ties(values, order) {
        // The mean of the 0-based ranks is n_below + (group.len() - 1) / 2. Twice that plus 1 is
        // a whole number, so no rounding moves a sample to another tenth.
        let twice_middle = 2 * n_below + group.len();
        for &position in group {
            tenth_of[position as usize] = N_TENTHS * twice_middle / (2 * values.len());
        }
        n_below += group.len();
    }
    tenth_of
}

/// Mean probability and proportion of cases in each tenth by probability. Empty tenths have no row.
pub fn calibration(column: &Column, recalibrated: Option<&Recalibrated>) -> Vec<CalibrationRow> {
    let tenth_of = tenths(&column.probabilities, &by_rising(&column.probabilities));
    (0..N_TENTHS)
        .filter_map(|tenth| {
            let members: Vec<usize> = (0..tenth_of.len())
                .filter(|&position| tenth_of[position] == tenth)
                .collect();
            calibration_row(tenth, &members, column, recalibrated)
        })
        .collect()
}

/// `members` are the positions of the samples of a tenth in the vectors of `column`.
fn calibration_row(
    tenth: usize,
    members: &[usize],
    column: &Column,
    recalibrated: Option<&Recalibrated>,
) -> Option<CalibrationRow> {
    if members.is_empty() {
        return None;
    }
    let n = members.len() as f64;
    let cases = members.iter().filter(|&&position| column.is_case[position]);
    let observed = cases.count() as f64 / n;
    let predicted: f64 = members
        .iter()
        .map(|&position| column.probabilities[position])
        .sum();
    let mean_recalibrated = recalibrated.map(|recalibrated| {
        let sum: f64 = members
            .iter()
            .map(|&position| recalibrated.probability(column.logits[position]))
            .sum();
        sum / n
    });
    let (ci_low, ci_high) = wilson(observed, n);
    Some(CalibrationRow {
        model: column.model.clone(),
        split: column.split,
        bin: tenth + 1,
        n: members.len(),
        mean_probability: predicted / n,
        mean_recalibrated,
        observed,
        ci_low,
        ci_high,
    })
}

/// Odds ratio of each tenth by logit against the fifth and sixth tenth together, with the interval
/// of Woolf (1955). All ten tenths have a row.
pub fn deciles(column: &Column) -> Vec<DecileRow> {
    let mut counts = [ClassCounts::default(); N_TENTHS];
    for (tenth, &is_case) in tenths(&column.logits, &column.order)
        .into_iter()
        .zip(&column.is_case)
    {
        counts[tenth].add(is_case);
    }
    let [fifth, sixth] = REFERENCE_TENTHS.map(|tenth| counts[tenth]);
    let reference = ClassCounts {
        n_cases: fifth.n_cases + sixth.n_cases,
        n_controls: fifth.n_controls + sixth.n_controls,
    };
    counts
        .into_iter()
        .enumerate()
        .map(|(tenth, counts)| decile_row(tenth, counts, reference, column))
        .collect()
}

/// With a cases and b controls in the tenth, c and d in the reference: ln OR = ln(a / b) - ln(c /
/// d), SE = sqrt(1 / a + 1 / b + 1 / c + 1 / d).
fn decile_row(
    tenth: usize,
    ClassCounts {
        n_cases,
        n_controls,
    }: ClassCounts,
    reference: ClassCounts,
    column: &Column,
) -> DecileRow {
    let is_reference = REFERENCE_TENTHS.contains(&tenth);
    let cells = [n_cases, n_controls, reference.n_cases, reference.n_controls].map(|n| n as f64);
    let [a, b, c, d] = cells;
    let log_odds_ratio = (a / b).ln() - (c / d).ln();
    let half_width = Z_975 * cells.iter().map(|n| 1.0 / n).sum::<f64>().sqrt();
    let is_defined = cells.iter().all(|&n| n > 0.0) && !is_reference;
    DecileRow {
        model: column.model.clone(),
        split: column.split,
        decile: tenth + 1,
        n_cases,
        n_controls,
        odds_ratio: if is_reference {
            Some(1.0)
        } else {
            is_defined.then(|| log_odds_ratio.exp())
        },
        ci_low: is_defined.then(|| (log_odds_ratio - half_width).exp()),
        ci_high: is_defined.then(|| (log_odds_ratio + half_width).exp()),
    }
}

/// Histogram of logits for cases and controls. `low` and `high` are the smallest and the largest
/// logit of the model over all splits; where both are equal there is one bar.
pub fn distribution(column: &Column, (low, high): (f64, f64)) -> Vec<DistributionRow> {
    let n_bars = if high > low { N_BARS } else { 1 };
    let mut counts = vec![ClassCounts::default(); n_bars];
    for (&logit, &is_case) in column.logits.iter().zip(&column.is_case) {
        let bar = if high > low {
            ((logit - low) / (high - low) * n_bars as f64) as usize
        } else {
            0
        };
        // The largest logit is in the last bar.
        counts[bar.min(n_bars - 1)].add(is_case);
    }
    counts
        .into_iter()
        .enumerate()
        .map(|(bar, counts)| DistributionRow {
            model: column.model.clone(),
            split: column.split,
            logit_low: edge(bar, n_bars, (low, high)),
            logit_high: edge(bar + 1, n_bars, (low, high)),
            n_cases: counts.n_cases,
            n_controls: counts.n_controls,
        })
        .collect()
}

/// Lower edge of a bar. The last edge is the largest logit itself, without rounding.
fn edge(bar: usize, n_bars: usize, (low, high): (f64, f64)) -> f64 {
    if bar == n_bars {
        high
    } else {
        low + (high - low) * (bar as f64 / n_bars as f64)
    }
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::{Role, Split, probability};
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::evaluation::verdict_oracle::EXAMPLES;

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
            "{found} is not {expected}"
        );
    }

    fn column(logits: &[f64], is_case: &[bool]) -> Column {
        let probabilities = logits.iter().map(|logit| probability(*logit)).collect();
        Column::new(
            Split::Test,
            "m",
            Role::Score,
            (0..logits.len() as u32).collect(),
            is_case.to_vec(),
            logits.to_vec(),
            probabilities,
        )
    }

    #[test]
    fn tenths_are_those_of_statsmodels() {
        for example in EXAMPLES {
            let column = column(example.logits, example.is_case);
            let defined: Vec<DecileRow> = deciles(&column)
                .into_iter()
                .filter(|row| row.ci_low.is_some())
                .collect();
            assert_eq!(defined.len(), example.deciles.len());
            for (row, &(decile, ratio, low, high)) in defined.iter().zip(example.deciles) {
                assert_eq!(row.decile, decile);
                close(row.odds_ratio.unwrap(), ratio);
                close(row.ci_low.unwrap(), low);
                close(row.ci_high.unwrap(), high);
            }
            let bins = calibration(&column, None);
            assert_eq!(bins.len(), example.bins.len());
            for (row, [mean, observed, low, high]) in bins.iter().zip(example.bins) {
                close(row.mean_probability, *mean);
                close(row.observed, *observed);
                close(row.ci_low, *low);
                close(row.ci_high, *high);
            }
        }
    }

    proptest! {
        #[test]
        fn everyone_is_counted_once_and_ties_stay_together(
            people in vec((-5..5_i8, any::<bool>()), 1..60)
        ) {
            let logits: Vec<f64> = people.iter().map(|person| f64::from(person.0)).collect();
            let is_case: Vec<bool> = people.iter().map(|person| person.1).collect();
            let column = column(&logits, &is_case);
            let tenths_by_logit = deciles(&column);
            let n_cases: usize = tenths_by_logit.iter().map(|row| row.n_cases).sum();
            let n_controls: usize = tenths_by_logit.iter().map(|row| row.n_controls).sum();
            prop_assert_eq!(n_cases, column.n_cases());
            prop_assert_eq!(n_controls, column.n_controls());
            let bars = distribution(&column, (-5.0, 4.0));
            let n_cases: usize = bars.iter().map(|row| row.n_cases).sum();
            let n_controls: usize = bars.iter().map(|row| row.n_controls).sum();
            prop_assert_eq!(n_cases, column.n_cases());
            prop_assert_eq!(n_controls, column.n_controls());
            let bins = calibration(&column, None);
            prop_assert_eq!(bins.iter().map(|row| row.n).sum::<usize>(), people.len());
            let tenth_of = tenths(&logits, &column.order);
            for (a, first) in people.iter().zip(&tenth_of) {
                for (b, second) in people.iter().zip(&tenth_of) {
                    prop_assert!(*first < 10);
                    prop_assert!(a.0 >= b.0 || first <= second);
                    prop_assert!(a.0 != b.0 || first == second);
                }
            }
        }
    }
}
