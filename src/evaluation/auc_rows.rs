//! Rows of `auc.csv`: one per split and model.
//!
//! Input -> output: scores -> [`AucRow`]s with AUROC, difference to the reference model and the
//! measures of [`Measures`], then what files next to the predictions state of each model.

use std::collections::BTreeMap;

use gf_cohort_schema::{AucRow, CostRow, ScoreRow, Split};
use gf_stats::roc::OneClass;
use rayon::prelude::*;

use super::{
    Error,
    auroc::{AurocEstimate, aurocs},
    bootstrap::Bootstrap,
    measures::Measures,
};
use crate::predictions::{Column, Scores};

/// The row of every model on every split, without costs and match rates.
///
/// # Errors
/// Models of one split that were run on different samples; a test split with one class; no split
/// with both classes.
pub(super) fn compute(
    scores: &Scores,
    compared_to: Option<&str>,
    bootstrap: Option<&Bootstrap<'_>>,
    prevalence: Option<f64>,
) -> Result<Vec<AucRow>, Error> {
    let mut rows = Vec::new();
    for split in Split::ALL {
        require_same_people(split, scores, compared_to)?;
        let columns: Vec<&Column> = scores.in_split(split).iter().collect();
        let estimates = aurocs(&columns, compared_to, bootstrap);
        let rows_of_split: Vec<AucRow> = columns
            .into_par_iter()
            .zip(estimates)
            .map(|(column, estimate)| match estimate {
                Ok(estimate) => Ok(row(column, estimate, compared_to, prevalence)),
                Err(undefined) if split == Split::Test => Err(Error::OneClass {
                    split,
                    model: column.model.clone(),
                    undefined,
                }),
                Err(undefined) => Ok(row_of_one_class(column, undefined)),
            })
            .collect::<Result<_, Error>>()?;
        rows.extend(rows_of_split);
    }
    if rows.iter().all(|row| row.auroc.is_none()) {
        return Err(Error::NoSplitWithBothClasses);
    }
    Ok(rows)
}

/// Every model of a split predicts the samples of the reference model. Without a reference model
/// the first model takes its place, because every table has to be about the same samples.
fn require_same_people(
    split: Split,
    scores: &Scores,
    compared_to: Option<&str>,
) -> Result<(), Error> {
    let columns = scores.in_split(split);
    let reference = compared_to
        .and_then(|model| scores.column(split, model))
        .or(columns.first());
    let Some(reference) = reference else {
        return Ok(());
    };
    for column in columns {
        scores.require_same_people(column, reference)?;
    }
    Ok(())
}

fn row(
    column: &Column,
    estimate: AurocEstimate,
    compared_to: Option<&str>,
    prevalence: Option<f64>,
) -> AucRow {
    let measures = Measures::new(column, prevalence);
    let not_calibrated = column.not_calibrated();
    let is_calibrated = not_calibrated.is_none();
    let mut reasons = [estimate.reasons, measures.reasons].concat();
    if let Some(reason) = not_calibrated {
        let undefined = if column.too_few().is_some() {
            "calibration and deciles"
        } else {
            "calibration"
        };
        reasons.push(format!("{undefined} undefined: {reason}"));
    }
    let interval = estimate.interval;
    let difference = estimate.difference;
    let inference = difference.and_then(|difference| difference.inference);
    AucRow {
        row: column.role.comparison_row(),
        auroc: Some(estimate.auroc),
        ci_low: interval.map(|interval| interval.low),
        ci_high: interval.map(|interval| interval.high),
        compared_to: compared_to
            .filter(|reference| *reference != column.model)
            .map(str::to_owned),
        delta_auroc: difference.map(|difference| difference.delta),
        delta_ci_low: inference.map(|(interval, _)| interval.low),
        delta_ci_high: inference.map(|(interval, _)| interval.high),
        p_value: inference.map(|(_, p_value)| p_value),
        auprc: measures.auprc,
        or_per_sd: measures.or_per_sd,
        or_ci_low: measures.or_ci_low,
        or_ci_high: measures.or_ci_high,
        nagelkerke_r2: measures.nagelkerke_r2,
        liability_r2: measures.liability_r2,
        brier: measures.brier,
        calibration_slope: measures.calibration_slope.filter(|_| is_calibrated),
        calibration_intercept: measures.calibration_intercept.filter(|_| is_calibrated),
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        ..undefined_row(column)
    }
}

/// The row of a split without cases or without controls.
fn row_of_one_class(column: &Column, undefined: OneClass) -> AucRow {
    AucRow {
        row: column.role.comparison_row(),
        brier: Measures::of_one_class(column).brier,
        reason: Some(format!("AUC {undefined}")),
        ..undefined_row(column)
    }
}

fn undefined_row(column: &Column) -> AucRow {
    AucRow::undefined(
        &column.model,
        column.split,
        column.n_cases(),
        column.n_controls(),
    )
}

/// Adds parameters, operations, energy and memory of the models that have a `cost.csv`.
pub(super) fn add_costs(rows: &mut [AucRow], costs: &BTreeMap<String, CostRow>) {
    for row in rows {
        let Some(cost) = costs.get(&row.model) else {
            continue;
        };
        row.parameters = Some(cost.parameters);
        row.multiplications = Some(cost.multiplications);
        row.additions = Some(cost.additions);
        row.energy_pj = Some(cost.energy_pj);
        row.bytes = Some(cost.bytes);
    }
}

/// Adds the fraction of each published score's variants that the genotypes contain.
pub(super) fn add_match_rates(rows: &mut [AucRow], published_scores: &[ScoreRow]) {
    for row in rows {
        row.match_rate = published_scores
            .iter()
            .find(|score| score.model == row.model || score.accession == row.model)
            .map(|score| score.match_rate);
    }
}
