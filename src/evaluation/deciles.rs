//! People of a split in order of a model: calibration and odds by tenths, and how scores are
//! distributed.
//!
//! Input -> output: a column of scores -> rows of `calibration.csv`, `deciles.csv`,
//! `distribution.csv`. People with one value are never put into two tenths: they go where the
//! middle of their ranks is, so a tenth may hold more than a tenth of the people, or nobody.

use gf_cohort_schema::{CalibrationRow, DecileRow, DistributionRow};

use super::{
    recalibration::Recalibrated,
    roc::{by_rising, ties},
    scores::Column,
};
use gf_stats::normal::{Z_975, wilson};

const N_TENTHS: usize = 10;
/// Bars of the histogram.
const N_BARS: usize = 20;

/// Tenth of each person, from 0, by the middle rank of their value.
fn tenths(values: &[f64], order: &[u32]) -> Vec<usize> {
    let mut tenth_of = vec![0; values.len()];
    let mut n_below = 0;
    for group in ties(values, order) {
        // Twice the rank (from 0) of the middle of the group, plus 1, in whole numbers.
        let middle = 2 * n_below + group.len();
        for &place in group {
            tenth_of[place as usize] = N_TENTHS * middle / (2 * values.len());
        }
        n_below += group.len();
    }
    tenth_of
}

/// Tenths by the model's probability, without those that hold nobody.
pub fn calibration(column: &Column, recalibrated: Option<&Recalibrated>) -> Vec<CalibrationRow> {
    let tenth_of = tenths(&column.probabilities, &by_rising(&column.probabilities));
    let row = |tenth: usize| {
        let places: Vec<usize> = (0..tenth_of.len())
            .filter(|&place| tenth_of[place] == tenth)
            .collect();
        let mean = |value: &dyn Fn(usize) -> f64| {
            places.iter().map(|&place| value(place)).sum::<f64>() / places.len() as f64
        };
        if places.is_empty() {
            return None;
        }
        let n_cases = places
            .iter()
            .filter(|&&place| column.is_case[place])
            .count();
        let observed = n_cases as f64 / places.len() as f64;
        let (ci_low, ci_high) = wilson(observed, places.len() as f64);
        Some(CalibrationRow {
            model: column.model.clone(),
            split: column.split,
            bin: tenth + 1,
            n: places.len(),
            mean_probability: mean(&|place| column.probabilities[place]),
            mean_recalibrated: recalibrated
                .map(|map| mean(&|place| map.probability(column.logits[place]))),
            observed,
            ci_low,
            ci_high,
        })
    };
    (0..N_TENTHS).filter_map(row).collect()
}

/// All ten tenths by logit; odds against the fifth and sixth together, with the interval of Woolf
/// (1955).
pub fn deciles(column: &Column) -> Vec<DecileRow> {
    let mut counts = [[0_usize; 2]; N_TENTHS];
    for (tenth, &is_case) in tenths(&column.logits, &column.order)
        .into_iter()
        .zip(&column.is_case)
    {
        counts[tenth][usize::from(!is_case)] += 1;
    }
    let middle = [0, 1].map(|class| counts[4][class] + counts[5][class]);
    let row = |(tenth, [n_cases, n_controls]): (usize, [usize; 2])| {
        let is_reference = [4, 5].contains(&tenth);
        let cells = [n_cases, n_controls, middle[0], middle[1]].map(|n| n as f64);
        let [a, b, c, d] = cells;
        let defined = cells.iter().all(|&n| n > 0.0);
        let log_odds_ratio = (a / b).ln() - (c / d).ln();
        let half_width = Z_975 * cells.iter().map(|n| 1.0 / n).sum::<f64>().sqrt();
        let end = |log_odds: f64| (defined && !is_reference).then(|| log_odds.exp());
        DecileRow {
            model: column.model.clone(),
            split: column.split,
            decile: tenth + 1,
            n_cases,
            n_controls,
            odds_ratio: if is_reference {
                Some(1.0)
            } else {
                end(log_odds_ratio)
            },
            ci_low: end(log_odds_ratio - half_width),
            ci_high: end(log_odds_ratio + half_width),
        }
    };
    counts.into_iter().enumerate().map(row).collect()
}

/// Bars of equal width over `range`, a logit's smallest and largest value over all splits of the
/// model; one bar where all are equal.
pub fn distribution(column: &Column, range: (f64, f64)) -> Vec<DistributionRow> {
    let (low, high) = range;
    let n_bars = if high > low { N_BARS } else { 1 };
    let edge = |bar: usize| {
        if bar == n_bars {
            high
        } else {
            low + (high - low) * (bar as f64 / n_bars as f64)
        }
    };
    let mut counts = vec![[0_usize; 2]; n_bars];
    for (&logit, &is_case) in column.logits.iter().zip(&column.is_case) {
        let bar = if high > low {
            ((logit - low) / (high - low) * n_bars as f64) as usize
        } else {
            0
        };
        counts[bar.min(n_bars - 1)][usize::from(!is_case)] += 1;
    }
    let row = |(bar, [n_cases, n_controls]): (usize, [usize; 2])| DistributionRow {
        model: column.model.clone(),
        split: column.split,
        logit_low: edge(bar),
        logit_high: edge(bar + 1),
        n_cases,
        n_controls,
    };
    counts.into_iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::{Split, probability};
    use proptest::prelude::*;

    use gf_cohort_schema::Role;

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
        fn everyone_is_counted_once_and_ties_stay_together(people in proptest::collection::vec((-5..5_i8, any::<bool>()), 1..60)) {
            let logits: Vec<f64> = people.iter().map(|person| f64::from(person.0)).collect();
            let is_case: Vec<bool> = people.iter().map(|person| person.1).collect();
            let column = column(&logits, &is_case);
            let counted = |n_cases: usize, n_controls: usize| n_cases == column.n_cases() && n_controls == column.n_controls();
            let rows = deciles(&column);
            prop_assert!(counted(rows.iter().map(|row| row.n_cases).sum(), rows.iter().map(|row| row.n_controls).sum()));
            let bars = distribution(&column, (-5.0, 4.0));
            prop_assert!(counted(bars.iter().map(|row| row.n_cases).sum(), bars.iter().map(|row| row.n_controls).sum()));
            prop_assert_eq!(calibration(&column, None).iter().map(|row| row.n).sum::<usize>(), people.len());
            let tenth_of = tenths(&logits, &column.order);
            for (a, first) in people.iter().zip(&tenth_of) {
                for (b, second) in people.iter().zip(&tenth_of) {
                    prop_assert!(*first < 10 && (a.0 >= b.0 || first <= second) && (a.0 != b.0 || first == second));
                }
            }
        }
    }
}
