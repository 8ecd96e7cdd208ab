//! The figures of a verdict.
//!
//! Input -> output: a [`Verdict`] on one split, and training logs -> [`Figure`]s: ROC curves,
//! calibration, deciles, score distributions, training curves.

use std::collections::BTreeMap;

use gf_cohort_schema::{AucRow, CalibrationRow, DistributionRow, RocPoint, Split, TrainingRow};
use gf_stats::normal::wilson;

use super::{
    Background, TrainingLog, Verdict,
    figure::{Axis, Dash, Figure, FigurePanel, Point, Series, Shape, Style},
    narrative,
};

/// Most corners of a ROC curve. More cannot be seen, and would reveal the order of the samples.
const MAX_CORNERS: usize = 200;
/// Fewest samples of a mean. A mean of fewer would reveal their values.
const MIN_PEOPLE: usize = 5;

/// All figures that have data.
pub fn figures(verdict: &Verdict, background: &Background) -> Vec<Figure> {
    let Some(split) = narrative::split(verdict) else {
        return Vec::new();
    };
    let shown = Shown {
        verdict,
        split,
        rows: verdict
            .rows
            .iter()
            .filter(|row| row.split == split)
            .collect(),
    };
    [
        shown.roc(),
        shown.calibration(),
        shown.deciles(),
        shown.distribution(),
        training(background),
    ]
    .into_iter()
    .filter(|figure| figure.ranges().is_some())
    .collect()
}

/// A verdict on the split that the figures show.
struct Shown<'a> {
    verdict: &'a Verdict,
    split: Split,
    /// Rows of `auc.csv` on this split, one per model.
    rows: Vec<&'a AucRow>,
}

impl Shown<'_> {
    fn roc(&self) -> Figure {
        let mut series = vec![Series::guide((0.0, 0.0), (1.0, 1.0))];
        series.extend(
            self.rows
                .iter()
                .enumerate()
                .map(|(index, row)| self.roc_curve(index, row)),
        );
        Figure {
            id: "roc".to_owned(),
            title: format!("ROC curves on the {} split", self.split),
            caption: "In brackets the area under each curve. Bands (of the headline model and \
                      the model it is compared to) are pointwise 95 % Wilson intervals of the \
                      true positive rate at each threshold, not of the whole curve; on the \
                      dotted line cases and controls are not told apart."
                .to_owned(),
            x: Axis::share("False positive rate (1 - specificity)"),
            y: Axis::share("True positive rate (sensitivity)"),
            panels: vec![FigurePanel {
                title: String::new(),
                series,
            }],
        }
    }

    /// The curve of one model. Only the headline model and the reference model have a band,
    /// because more bands would hide each other.
    fn roc_curve(&self, index: usize, row: &AucRow) -> Series {
        let model = row.model.as_str();
        let headline = narrative::headline(self.verdict).map(|row| row.model.as_str());
        let has_band =
            headline == Some(model) || narrative::compared_to(self.verdict) == Some(model);
        let corners: Vec<&RocPoint> = self
            .verdict
            .roc
            .iter()
            .filter(|point| point.split == self.split && point.model == model)
            .collect();
        let n_cases = row.n_cases as f64;
        let points = thinned(&corners).into_iter().map(|corner| Point {
            x: corner.false_positive_rate,
            y: corner.true_positive_rate,
            interval: has_band.then(|| wilson(corner.true_positive_rate, n_cases)),
        });
        let name = match row.auroc {
            Some(auroc) => format!("{model} ({auroc:.3})"),
            None => model.to_owned(),
        };
        Series {
            name,
            style: Style::nth(index),
            shape: Shape::Line,
            points: points.collect(),
        }
    }

    fn calibration(&self) -> Figure {
        Figure {
            id: "calibration".to_owned(),
            title: format!("Calibration on the {} split", self.split),
            caption: "Share of cases in each tenth of the people, ordered by predicted \
                      probability, against the mean probability of the tenth (of five people or \
                      more). Whiskers are 95 % Wilson intervals; right predictions lie on the \
                      dotted line. The share of cases is that of the cohort, not of the \
                      population."
                .to_owned(),
            x: Axis::share("Predicted probability"),
            y: Axis::share("Observed share of cases"),
            panels: self.panel_per_model(Self::calibration_series),
        }
    }

    fn calibration_series(&self, model: &str) -> Vec<Series> {
        let rows: Vec<&CalibrationRow> = self
            .verdict
            .calibration
            .iter()
            .filter(|row| row.split == self.split && row.model == model && row.n >= MIN_PEOPLE)
            .collect();
        if rows.is_empty() {
            return Vec::new();
        }
        let predicted = rows.iter().map(|row| Point {
            x: row.mean_probability,
            y: row.observed,
            interval: Some((row.ci_low, row.ci_high)),
        });
        let recalibrated: Vec<Point> = rows
            .iter()
            .filter_map(|row| Some(Point::plain(row.mean_recalibrated?, row.observed)))
            .collect();
        let mut series = vec![
            Series::guide((0.0, 0.0), (1.0, 1.0)),
            Series {
                name: "as predicted".to_owned(),
                style: Style::nth(0),
                shape: Shape::Points,
                points: predicted.collect(),
            },
        ];
        if !recalibrated.is_empty() {
            series.push(Series {
                name: "recalibrated on validation".to_owned(),
                style: Style::nth(1),
                shape: Shape::Points,
                points: recalibrated,
            });
        }
        series
    }

    fn deciles(&self) -> Figure {
        Figure {
            id: "deciles".to_owned(),
            title: format!(
                "Odds ratios by tenth of the score on the {} split",
                self.split
            ),
            caption: "Odds of being a case in each tenth of the people, ordered by score, \
                      against the fifth and sixth tenth together (which are 1). Whiskers are \
                      Woolf's 95 % intervals; a tenth without cases or without controls has no \
                      odds ratio."
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
            panels: self.panel_per_model(Self::decile_series),
        }
    }

    fn decile_series(&self, model: &str) -> Vec<Series> {
        let points: Vec<Point> = self
            .verdict
            .deciles
            .iter()
            .filter(|row| row.split == self.split && row.model == model)
            .filter_map(|row| {
                Some(Point {
                    x: row.decile as f64,
                    y: row.odds_ratio?,
                    interval: row.ci_low.zip(row.ci_high),
                })
            })
            .collect();
        if points.is_empty() {
            return Vec::new();
        }
        vec![
            Series::guide((0.5, 1.0), (10.5, 1.0)),
            Series {
                name: "odds ratio".to_owned(),
                style: Style::nth(0),
                shape: Shape::Points,
                points,
            },
        ]
    }

    /// Histograms of scores. The score of each model has its own scale, so it is shown in standard
    /// deviations of the split.
    fn distribution(&self) -> Figure {
        Figure {
            id: "distribution".to_owned(),
            title: format!("Scores on the {} split", self.split),
            caption: "Share of the cases and of the controls in each bar. Scores are in standard \
                      deviations from the mean of all people of the split, computed from the bars."
                .to_owned(),
            x: Axis::labelled("Score (standard deviations from the mean)"),
            y: Axis::labelled("Share of the class"),
            panels: self.panel_per_model(Self::distribution_series),
        }
    }

    fn distribution_series(&self, model: &str) -> Vec<Series> {
        let rows: Vec<&DistributionRow> = self
            .verdict
            .distribution
            .iter()
            .filter(|row| row.split == self.split && row.model == model)
            .collect();
        let Some(scale) = HistogramScale::new(&rows) else {
            return Vec::new();
        };
        vec![
            scale.bars("controls", 0, &rows, |row| row.n_controls),
            scale.bars("cases", 1, &rows, |row| row.n_cases),
        ]
    }

    /// A panel for each model with data.
    fn panel_per_model(&self, series_of: fn(&Self, &str) -> Vec<Series>) -> Vec<FigurePanel> {
        self.rows
            .iter()
            .map(|row| FigurePanel {
                title: row.model.clone(),
                series: series_of(self, &row.model),
            })
            .filter(|panel| !panel.series.is_empty())
            .collect()
    }
}

/// At most [`MAX_CORNERS`] corners, evenly spaced along the curve, with both ends.
fn thinned<'a>(corners: &[&'a RocPoint]) -> Vec<&'a RocPoint> {
    if corners.len() <= MAX_CORNERS {
        return corners.to_vec();
    }
    // The curve rises from (0, 0) to (1, 1), so its length in steps of x and y is 2.
    let spacing = 2.0 / (MAX_CORNERS - 2) as f64;
    let mut kept: Vec<&RocPoint> = Vec::new();
    let mut next = 0.0;
    for (index, corner) in corners.iter().enumerate() {
        let distance = corner.false_positive_rate + corner.true_positive_rate;
        let is_last = index + 1 == corners.len();
        if is_last || distance >= next {
            kept.push(corner);
            next = distance + spacing;
        }
    }
    kept
}

/// Mean and standard deviation of the scores of a histogram, with all samples of a bar at its
/// centre.
struct HistogramScale {
    mean: f64,
    sd: f64,
    /// Width of a bar in standard deviations.
    width: f64,
}

impl HistogramScale {
    /// `None` without bars.
    fn new(bars: &[&DistributionRow]) -> Option<Self> {
        let first = bars.first()?;
        let mean = central_moment(bars, 1, 0.0);
        let sd = central_moment(bars, 2, mean).sqrt();
        let width = if sd > 0.0 {
            (first.logit_high - first.logit_low) / sd
        } else {
            1.0
        };
        Some(Self { mean, sd, width })
    }

    /// Share of a class in each bar; `count` is the number of its samples in a bar.
    fn bars(
        &self,
        name: &str,
        style: usize,
        bars: &[&DistributionRow],
        count: fn(&DistributionRow) -> usize,
    ) -> Series {
        let n: usize = bars.iter().map(|bar| count(bar)).sum();
        let points = bars.iter().map(|bar| {
            let share = count(bar) as f64 / n.max(1) as f64;
            Point::plain(self.standardised(centre(bar)), share)
        });
        Series {
            name: name.to_owned(),
            style: Style::nth(style),
            shape: Shape::Bars(self.width),
            points: points.collect(),
        }
    }

    fn standardised(&self, logit: f64) -> f64 {
        if self.sd > 0.0 {
            (logit - self.mean) / self.sd
        } else {
            0.0
        }
    }
}

/// Mean over all samples of (centre of the bar minus `origin`) to the power of `order`.
fn central_moment(bars: &[&DistributionRow], order: i32, origin: f64) -> f64 {
    let n: usize = bars.iter().map(|bar| bar.n_cases + bar.n_controls).sum();
    let sum: f64 = bars
        .iter()
        .map(|bar| (centre(bar) - origin).powi(order) * (bar.n_cases + bar.n_controls) as f64)
        .sum();
    sum / n as f64
}

fn centre(bar: &DistributionRow) -> f64 {
    f64::midpoint(bar.logit_low, bar.logit_high)
}

fn training(background: &Background) -> Figure {
    Figure {
        id: "training".to_owned(),
        title: "Training curves".to_owned(),
        caption: "Mean loss by epoch: dashed on the people trained on (each while it was learnt), \
                  solid on the people who choose the epoch; a line for each member of a bundle \
                  (folds or seeds)."
            .to_owned(),
        x: Axis::labelled("Epoch"),
        y: Axis::labelled("Loss (cross-entropy)"),
        panels: background.training.iter().map(training_panel).collect(),
    }
}

fn training_panel(log: &TrainingLog) -> FigurePanel {
    let mut rows_of_member: BTreeMap<u64, Vec<&TrainingRow>> = BTreeMap::new();
    for row in &log.rows {
        rows_of_member.entry(row.member).or_default().push(row);
    }
    let dashed = Style {
        dash: Dash::Dashed,
        ..Style::nth(0)
    };
    let mut series = Vec::new();
    for rows in rows_of_member.values() {
        // Lines of all members look the same, so only the first member is in the legend.
        let [training, validation] = if series.is_empty() {
            ["training", "validation"]
        } else {
            [""; 2]
        };
        series.push(loss_curve(training, dashed, rows, |row| row.train_loss));
        series.push(loss_curve(validation, Style::nth(1), rows, |row| {
            row.validation_loss
        }));
    }
    FigurePanel {
        title: log.model.clone(),
        series,
    }
}

fn loss_curve(
    name: &str,
    style: Style,
    rows: &[&TrainingRow],
    loss: fn(&TrainingRow) -> f64,
) -> Series {
    Series {
        name: name.to_owned(),
        style,
        shape: Shape::Line,
        points: rows
            .iter()
            .map(|row| Point::plain(row.epoch as f64, loss(row)))
            .collect(),
    }
}
