//! Training curves: losses and validation AUC by epoch, with the epoch whose weights were kept.

use std::collections::BTreeMap;

use gf_cohort_schema::TrainingRow;

use super::{
    super::figure::{
        Arrangement, Axis, Dash, Figure, FigurePanel, Marker, Point, Series, Shape, Style,
    },
    MAX_PANELS,
};
use crate::{
    evaluation::{Background, TrainingLog},
    layout,
};

/// Most curves of a panel. More cannot be distinguished.
const MAX_CURVES: usize = 12;

/// A value of an epoch.
type Value = fn(&TrainingRow) -> f64;

/// Loss by epoch.
pub fn loss(background: &Background) -> Figure {
    figure(
        background,
        "training",
        "Training and validation loss",
        "Loss (cross-entropy)",
        &[
            ("training", Dash::Dashed, |row| row.train_loss),
            ("validation", Dash::Solid, |row| row.validation_loss),
        ],
    )
}

/// AUC on the validation samples by epoch.
pub fn validation_auc(background: &Background) -> Figure {
    figure(
        background,
        "validation_auc",
        "Validation AUC by epoch",
        "Validation AUC",
        &[("validation AUC", Dash::Solid, |row| row.validation_auroc)],
    )
}

fn figure(
    background: &Background,
    id: &str,
    title: &str,
    quantity: &str,
    values: &[(&str, Dash, Value)],
) -> Figure {
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: format!(
            "A curve per member of a model (folds, seeds, networks), at most {MAX_CURVES}. The \
             diamond is the epoch whose weights were kept: the highest validation AUC, or the \
             lowest validation loss next to an additive term."
        ),
        x: Axis::labelled("Epoch"),
        y: Axis::labelled(quantity),
        panels: background
            .training
            .iter()
            .take(MAX_PANELS)
            .map(|log| panel(background, log, values))
            .collect(),
        arrangement: Arrangement::Panels,
    }
}

fn panel(
    background: &Background,
    log: &TrainingLog,
    values: &[(&str, Dash, Value)],
) -> FigurePanel {
    let by_loss = keeps_lowest_loss(background, &log.model);
    let mut series: Vec<Series> = Vec::new();
    let mut kept_points = Vec::new();
    for rows in curves(log).into_iter().take(MAX_CURVES) {
        let is_first = series.is_empty();
        for (index, (name, dash, value)) in values.iter().enumerate() {
            series.push(Series {
                // All curves of a kind look the same, so only the first one is in the legend.
                name: if is_first {
                    (*name).to_owned()
                } else {
                    String::new()
                },
                style: Style {
                    dash: *dash,
                    ..Style::nth(index)
                },
                shape: Shape::Line,
                points: rows
                    .iter()
                    .map(|row| Point::plain(row.epoch as f64, value(row)))
                    .collect(),
                is_hidden: false,
            });
        }
        // The last value is the one of the validation samples.
        let kept = kept_epoch(&rows, by_loss).zip(values.last());
        kept_points
            .extend(kept.map(|(row, (_, _, value))| Point::plain(row.epoch as f64, value(row))));
    }
    series.push(Series {
        name: "kept epoch".to_owned(),
        style: Style {
            marker: Marker::Diamond,
            ..Style::nth(2)
        },
        shape: Shape::Points,
        points: kept_points,
        is_hidden: false,
    });
    FigurePanel {
        title: log.model.clone(),
        series,
    }
}

/// The curves of a log. The log of a member with several networks has one curve after the other, so
/// a curve begins where epochs begin again.
fn curves(log: &TrainingLog) -> Vec<Vec<&TrainingRow>> {
    let mut rows_of_member: BTreeMap<u64, Vec<&TrainingRow>> = BTreeMap::new();
    for row in &log.rows {
        rows_of_member.entry(row.member).or_default().push(row);
    }
    rows_of_member
        .values()
        .flat_map(|rows| rows.chunk_by(|a, b| b.epoch > a.epoch))
        .map(<[&TrainingRow]>::to_vec)
        .collect()
}

/// The epoch whose weights training keeps: the first one with the best value.
fn kept_epoch<'a>(rows: &[&'a TrainingRow], by_loss: bool) -> Option<&'a TrainingRow> {
    let rows = rows.iter().copied();
    if by_loss {
        rows.min_by(|a, b| a.validation_loss.total_cmp(&b.validation_loss))
    } else {
        // `max_by` takes the last of equal ones; reversed, that is the first.
        rows.rev()
            .max_by(|a, b| a.validation_auroc.total_cmp(&b.validation_auroc))
    }
}

/// Whether the validation loss chose the epoch, as it does next to an additive term. Without the
/// record of the pipeline the name of the model decides.
fn keeps_lowest_loss(background: &Background, model: &str) -> bool {
    let stage = format!("{}/{model}", layout::MODELS_FOLDER);
    let member = background
        .stage(&stage)
        .and_then(|summary| summary.get("members")?.get(0)?.get("additive"));
    match member {
        Some(additive) => !additive.is_null(),
        None => model.starts_with("additive+"),
    }
}
