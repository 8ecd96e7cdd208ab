//! Tables behind the figures: ROC curves, calibration, deciles and score distributions.
//!
//! Input -> output: scores -> rows of `roc.csv`, `calibration.csv`, `deciles.csv` and
//! `distribution.csv`. Splits with too few cases or controls have no calibration and no deciles.

use std::collections::HashMap;

use gf_cohort_schema::{CalibrationRow, DecileRow, DistributionRow, RocPoint, Split};
use gf_stats::roc;
use rayon::prelude::*;

use super::{
    deciles,
    recalibration::{Recalibrated, Recalibration},
};
use crate::predictions::{Column, Scores};

/// Rows of four tables, in the order of [`Scores::columns`].
#[derive(Default)]
pub(super) struct Curves {
    pub(super) roc: Vec<RocPoint>,
    pub(super) calibration: Vec<CalibrationRow>,
    pub(super) deciles: Vec<DecileRow>,
    pub(super) distribution: Vec<DistributionRow>,
}

impl Curves {
    pub(super) fn new(scores: &Scores, recalibration: Recalibration) -> Self {
        let ranges = logit_ranges(scores);
        let of_columns: Vec<Self> = scores
            .columns
            .par_iter()
            .map(|column| Self {
                roc: roc_points(column),
                calibration: calibration(column, scores, recalibration),
                deciles: deciles(column),
                distribution: deciles::distribution(column, ranges[column.model.as_str()]),
            })
            .collect();
        let mut all = Self::default();
        for curves in of_columns {
            all.roc.extend(curves.roc);
            all.calibration.extend(curves.calibration);
            all.deciles.extend(curves.deciles);
            all.distribution.extend(curves.distribution);
        }
        all
    }
}

/// Smallest and largest logit of each model over all splits, so that the bars of its histograms
/// have the same edges on every split.
fn logit_ranges(scores: &Scores) -> HashMap<&str, (f64, f64)> {
    let mut ranges: HashMap<&str, (f64, f64)> = HashMap::new();
    for column in &scores.columns {
        let range = ranges
            .entry(&column.model)
            .or_insert((f64::INFINITY, f64::NEG_INFINITY));
        for &logit in &column.logits {
            range.0 = range.0.min(logit);
            range.1 = range.1.max(logit);
        }
    }
    ranges
}

/// Corners of the ROC curve; empty on a split with one class.
fn roc_points(column: &Column) -> Vec<RocPoint> {
    roc::corners(&column.logits, &column.is_case, &column.order)
        .unwrap_or_default()
        .into_iter()
        .map(|corner| RocPoint {
            model: column.model.clone(),
            split: column.split,
            threshold: corner.threshold,
            false_positive_rate: corner.false_positive_rate,
            true_positive_rate: corner.true_positive_rate,
        })
        .collect()
}

fn calibration(
    column: &Column,
    scores: &Scores,
    recalibration: Recalibration,
) -> Vec<CalibrationRow> {
    if column.not_calibrated().is_some() {
        return Vec::new();
    }
    let recalibrated = fit_on_validation(column, scores, recalibration);
    deciles::calibration(column, recalibrated.as_ref())
}

/// The recalibration of a model. The validation split itself has none: there it would look better
/// than it is.
fn fit_on_validation(
    column: &Column,
    scores: &Scores,
    recalibration: Recalibration,
) -> Option<Recalibrated> {
    if column.split == Split::Validation {
        return None;
    }
    let validation = scores.column(Split::Validation, &column.model)?;
    if validation.not_calibrated().is_some() {
        return None;
    }
    recalibration.fit(validation)
}

fn deciles(column: &Column) -> Vec<DecileRow> {
    if column.too_few().is_some() {
        return Vec::new();
    }
    deciles::deciles(column)
}
