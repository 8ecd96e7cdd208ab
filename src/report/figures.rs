//! The figures of a verdict.
//!
//! Input -> output: a [`Verdict`] on one split, and training logs -> [`Figure`]s: ROC, calibration,
//! deciles, distribution, training.

use std::collections::BTreeMap;

use gf_cohort_schema::{RocPoint, Split};

use super::{
    Background, Verdict,
    figure::{Axis, Dash, Figure, FigurePanel, Point, Series, Shape, Style},
    narrative,
};
use gf_stats::normal::wilson;

/// Corners of a curve shown at most: more are not seen, and tell the order of people.
const MAX_CORNERS: usize = 200;
/// The mean of fewer people would tell theirs.
const MIN_PEOPLE: usize = 5;

/// All figures that have data.
pub fn figures(verdict: &Verdict, background: &Background) -> Vec<Figure> {
    let Some(split) = narrative::split(verdict) else {
        return Vec::new();
    };
    let models: Vec<&str> = verdict
        .rows
        .iter()
        .filter(|row| row.split == split)
        .map(|row| row.model.as_str())
        .collect();
    let figures = [
        roc(verdict, split, &models),
        calibration(verdict, split, &models),
        deciles(verdict, split, &models),
        distribution(verdict, split, &models),
        training(background),
    ];
    figures
        .into_iter()
        .filter(|figure| figure.ranges().is_some())
        .collect()
}

fn roc(verdict: &Verdict, split: Split, models: &[&str]) -> Figure {
    let banded = [
        narrative::compared_to(verdict),
        narrative::headline(verdict).map(|row| row.model.as_str()),
    ];
    let mut series = vec![Series::guide((0.0, 0.0), (1.0, 1.0))];
    for (index, &model) in models.iter().enumerate() {
        let Some(row) = verdict
            .rows
            .iter()
            .find(|row| row.split == split && row.model == model)
        else {
            continue;
        };
        let corners: Vec<&RocPoint> = verdict
            .roc
            .iter()
            .filter(|point| point.split == split && point.model == model)
            .collect();
        let n_cases = row.n_cases as f64;
        let with_band = banded.contains(&Some(model));
        let points = thinned(&corners).into_iter().map(|corner| Point {
            x: corner.false_positive_rate,
            y: corner.true_positive_rate,
            interval: with_band.then(|| wilson(corner.true_positive_rate, n_cases)),
        });
        let name = row
            .auroc
            .map_or(model.to_owned(), |auroc| format!("{model} ({auroc:.3})"));
        series.push(Series {
            name,
            style: Style::nth(index),
            shape: Shape::Line,
            points: points.collect(),
        });
    }
    Figure {
        id: "roc".to_owned(),
        title: format!("ROC curves on the {split} split"),
        caption: "In brackets the area under each curve. Bands (of the headline model and the \
                  model it is compared to) are pointwise 95 % Wilson intervals of the true \
                  positive rate at each threshold, not of the whole curve; on the dotted line \
                  cases and controls are not told apart."
            .to_owned(),
        x: Axis::share("False positive rate (1 - specificity)"),
        y: Axis::share("True positive rate (sensitivity)"),
        panels: vec![FigurePanel {
            title: String::new(),
            series,
        }],
    }
}

/// At most [`MAX_CORNERS`] corners, evenly along the curve, both ends among them.
fn thinned<'a>(corners: &[&'a RocPoint]) -> Vec<&'a RocPoint> {
    let along = |corner: &RocPoint| corner.false_positive_rate + corner.true_positive_rate;
    let mut kept: Vec<&RocPoint> = Vec::new();
    let mut next = 0.0;
    for (index, corner) in corners.iter().enumerate() {
        let is_last = index + 1 == corners.len();
        if corners.len() <= MAX_CORNERS || is_last || along(corner) >= next {
            kept.push(corner);
            next = along(corner) + 2.0 / (MAX_CORNERS - 2) as f64;
        }
    }
    kept
}

fn calibration(verdict: &Verdict, split: Split, models: &[&str]) -> Figure {
    let panel = |&model: &&str| {
        let of_model = verdict
            .calibration
            .iter()
            .filter(|row| row.split == split && row.model == model);
        let rows: Vec<_> = of_model.filter(|row| row.n >= MIN_PEOPLE).collect();
        if rows.is_empty() {
            return None;
        }
        let said = rows.iter().map(|row| Point {
            x: row.mean_probability,
            y: row.observed,
            interval: Some((row.ci_low, row.ci_high)),
        });
        let recalibrated = rows.iter().filter_map(|row| {
            Some(Point {
                x: row.mean_recalibrated?,
                y: row.observed,
                interval: None,
            })
        });
        let mut series = vec![
            Series::guide((0.0, 0.0), (1.0, 1.0)),
            Series {
                name: "as predicted".to_owned(),
                style: Style::nth(0),
                shape: Shape::Points,
                points: said.collect(),
            },
        ];
        let recalibrated = Series {
            name: "recalibrated on validation".to_owned(),
            style: Style::nth(1),
            shape: Shape::Points,
            points: recalibrated.collect(),
        };
        if !recalibrated.points.is_empty() {
            series.push(recalibrated);
        }
        Some(FigurePanel {
            title: model.to_owned(),
            series,
        })
    };
    Figure {
        id: "calibration".to_owned(),
        title: format!("Calibration on the {split} split"),
        caption: "Share of cases in each tenth of the people, ordered by predicted probability, \
                  against the mean probability of the tenth (of five people or more). Whiskers \
                  are 95 % Wilson intervals; right predictions lie on the dotted line. The share \
                  of cases is that of the cohort, not of the population."
            .to_owned(),
        x: Axis::share("Predicted probability"),
        y: Axis::share("Observed share of cases"),
        panels: models.iter().filter_map(panel).collect(),
    }
}

fn deciles(verdict: &Verdict, split: Split, models: &[&str]) -> Figure {
    let panel = |&model: &&str| {
        let rows = verdict
            .deciles
            .iter()
            .filter(|row| row.split == split && row.model == model);
        let points: Vec<Point> = rows
            .filter_map(|row| {
                Some(Point {
                    x: row.decile as f64,
                    y: row.odds_ratio?,
                    interval: row.ci_low.zip(row.ci_high),
                })
            })
            .collect();
        let series = vec![
            Series::guide((0.5, 1.0), (10.5, 1.0)),
            Series {
                name: "odds ratio".to_owned(),
                style: Style::nth(0),
                shape: Shape::Points,
                points: points.clone(),
            },
        ];
        (!points.is_empty()).then(|| FigurePanel {
            title: model.to_owned(),
            series,
        })
    };
    Figure {
        id: "deciles".to_owned(),
        title: format!("Odds ratios by tenth of the score on the {split} split"),
        caption: "Odds of being a case in each tenth of the people, ordered by score, against the \
                  fifth and sixth tenth together (which are 1). Whiskers are Woolf's 95 % \
                  intervals; a tenth without cases or without controls has no odds ratio."
            .to_owned(),
        x: Axis {
            range: Some((0.5, 10.5)),
            step: Some(1.0),
            ..Axis::labelled("Tenth of the people by score (1 lowest)")
        },
        y: Axis {
            is_log: true,
            ..Axis::labelled("Odds ratio")
        },
        panels: models.iter().filter_map(panel).collect(),
    }
}

/// Scores of each model lie on a scale of their own, so they are shown in standard deviations of
/// the split.
fn distribution(verdict: &Verdict, split: Split, models: &[&str]) -> Figure {
    let panel = |&model: &&str| {
        let rows: Vec<_> = verdict
            .distribution
            .iter()
            .filter(|row| row.split == split && row.model == model)
            .collect();
        let (n_cases, n_controls) = rows.iter().fold((0, 0), |(cases, controls), row| {
            (cases + row.n_cases, controls + row.n_controls)
        });
        let n = (n_cases + n_controls) as f64;
        let middle = |low: f64, high: f64| f64::midpoint(low, high);
        let moment = |power: i32, centre: f64| {
            rows.iter()
                .map(|row| {
                    (middle(row.logit_low, row.logit_high) - centre).powi(power)
                        * (row.n_cases + row.n_controls) as f64
                })
                .sum::<f64>()
                / n
        };
        let mean = moment(1, 0.0);
        let sd = moment(2, mean).sqrt();
        let scaled = |logit: f64| if sd > 0.0 { (logit - mean) / sd } else { 0.0 };
        let first = rows.first()?;
        let width = if sd > 0.0 {
            (first.logit_high - first.logit_low) / sd
        } else {
            1.0
        };
        let bars = |class: &dyn Fn(usize) -> usize, total: usize| -> Vec<Point> {
            let point = |(index, row): (usize, &&gf_cohort_schema::DistributionRow)| Point {
                x: scaled(middle(row.logit_low, row.logit_high)),
                y: class(index) as f64 / total.max(1) as f64,
                interval: None,
            };
            rows.iter().enumerate().map(point).collect()
        };
        let series = |name: &str, index: usize, points: Vec<Point>| Series {
            name: name.to_owned(),
            style: Style::nth(index),
            shape: Shape::Bars(width),
            points,
        };
        Some(FigurePanel {
            title: model.to_owned(),
            series: vec![
                series(
                    "controls",
                    0,
                    bars(&|index| rows[index].n_controls, n_controls),
                ),
                series("cases", 1, bars(&|index| rows[index].n_cases, n_cases)),
            ],
        })
    };
    Figure {
        id: "distribution".to_owned(),
        title: format!("Scores on the {split} split"),
        caption: "Share of the cases and of the controls in each bar. Scores are in standard \
                  deviations from the mean of all people of the split, computed from the bars."
            .to_owned(),
        x: Axis::labelled("Score (standard deviations from the mean)"),
        y: Axis::labelled("Share of the class"),
        panels: models.iter().filter_map(panel).collect(),
    }
}

fn training(background: &Background) -> Figure {
    let panel = |log: &super::TrainingLog| {
        let mut members: BTreeMap<u64, [Vec<Point>; 2]> = BTreeMap::new();
        for row in &log.rows {
            let [learnt, validation] = members.entry(row.member).or_default();
            let point = |y: f64| Point {
                x: row.epoch as f64,
                y,
                interval: None,
            };
            learnt.push(point(row.train_loss));
            validation.push(point(row.validation_loss));
        }
        // Of several members only the first is named: all look alike.
        let series =
            members
                .into_values()
                .enumerate()
                .flat_map(|(member, [learnt, validation])| {
                    let line = |name: &str, style: Style, points: Vec<Point>| Series {
                        name: if member == 0 {
                            name.to_owned()
                        } else {
                            String::new()
                        },
                        style,
                        shape: Shape::Line,
                        points,
                    };
                    [
                        line(
                            "training",
                            Style {
                                dash: Dash::Dashed,
                                ..Style::nth(0)
                            },
                            learnt,
                        ),
                        line("validation", Style::nth(1), validation),
                    ]
                });
        FigurePanel {
            title: log.model.clone(),
            series: series.collect(),
        }
    };
    Figure {
        id: "training".to_owned(),
        title: "Training curves".to_owned(),
        caption: "Mean loss by epoch: dashed on the people trained on (each while it was learnt), \
                  solid on the people who choose the epoch; a line for each member of a bundle \
                  (folds or seeds)."
            .to_owned(),
        x: Axis::labelled("Epoch"),
        y: Axis::labelled("Loss (cross-entropy)"),
        panels: background.training.iter().map(panel).collect(),
    }
}
