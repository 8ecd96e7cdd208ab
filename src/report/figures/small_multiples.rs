//! Small multiples, a panel per model: calibration, odds ratios by tenth, distributions of scores.

use gf_cohort_schema::{CalibrationRow, DistributionRow};

use super::{
    super::figure::{Arrangement, Axis, Figure, FigurePanel, Point, Series, Shape, Style, Tick},
    MIN_PEOPLE, Shown,
};
use crate::{evaluation::ScoreDensity, layout};

/// Most ancestries of a panel, those with most samples.
const MAX_ANCESTRIES: usize = 8;

impl Shown<'_> {
    pub(super) fn calibration(&self) -> Figure {
        Figure {
            id: "calibration".to_owned(),
            title: format!("Calibration on the {} split", self.split),
            caption: format!(
                "Observed share of cases in each tenth of the samples, ordered by predicted \
                 probability, against the mean predicted probability of the tenth. Tenths with \
                 fewer than five samples are left out. Whiskers are 95 % Wilson intervals of the \
                 observed share. Points of a calibrated model are on the dotted line. The share of \
                 cases is that of this cohort, not of the population.{}",
                self.without_panel(layout::CALIBRATION)
            ),
            x: Axis::share("Predicted probability"),
            y: Axis::share("Observed share of cases"),
            panels: self.panel_per_model(Self::calibration_series),
            arrangement: Arrangement::Panels,
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
        let predicted = tenths("as predicted", 0, &rows, |row| Some(row.mean_probability));
        let recalibrated = tenths("recalibrated on validation", 1, &rows, |row| {
            row.mean_recalibrated
        });
        let guide = Series::guide((0.0, 0.0), (1.0, 1.0));
        [guide, predicted, recalibrated]
            .into_iter()
            .filter(|series| !series.points.is_empty())
            .collect()
    }

    pub(super) fn deciles(&self) -> Figure {
        let tenths = (1..=10_u32).map(|tenth| Tick::plain(f64::from(tenth), tenth.to_string()));
        Figure {
            id: "deciles".to_owned(),
            title: format!(
                "Odds ratios by tenth of the score on the {} split",
                self.split
            ),
            caption: format!(
                "Odds of being a case in each tenth of the samples, ordered by score, relative to \
                 the fifth and the sixth tenth together (odds ratio 1). Whiskers are 95 % \
                 intervals by Woolf's method. A tenth without cases or without controls has no \
                 odds ratio.{}",
                self.without_panel(layout::DECILES)
            ),
            x: Axis {
                range: Some((0.5, 10.5)),
                ticks: tenths.collect(),
                ..Axis::labelled("Tenth of the samples by score (1 is lowest)")
            },
            y: Axis {
                is_log: true,
                ..Axis::labelled("Odds ratio")
            },
            panels: self.panel_per_model(Self::decile_series),
            arrangement: Arrangement::Panels,
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
                is_hidden: false,
            },
        ]
    }

    /// Histograms of scores. The score of each model has its own scale, so it is shown in standard
    /// deviations of the split.
    pub(super) fn distribution(&self) -> Figure {
        Figure {
            id: "distribution".to_owned(),
            title: format!("Scores of cases and controls on the {} split", self.split),
            caption: format!(
                "Share of the cases and of the controls in each bar. Scores are in standard \
                 deviations from the mean of all samples of the split, computed from the bars.{}",
                self.without_panel(layout::DISTRIBUTION)
            ),
            x: Axis::labelled("Score (SD from the mean)"),
            y: Axis::labelled("Share of the class"),
            panels: self.panel_per_model(Self::distribution_series),
            arrangement: Arrangement::Panels,
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

    /// Densities of scores by ancestry, of the headline model and of the reference. Principal
    /// components of samples are individual-level data and have no figure.
    pub(super) fn ancestry(&self) -> Figure {
        let panels = self
            .by_importance()
            .into_iter()
            .filter(|row| !self.is_further(row))
            .map(|row| FigurePanel {
                title: self.title_of_panel(row),
                series: self.ancestry_series(&row.model),
            })
            .filter(|panel| !panel.series.is_empty());
        Figure {
            id: "ancestry".to_owned(),
            title: format!("Scores by ancestry on the {} split", self.split),
            caption: "Smoothed density of the score among the samples of each ancestry (Gaussian \
                      kernel, Silverman's bandwidth). Scores are in standard deviations from the \
                      mean of all samples of the split. A shift between ancestries is not a \
                      difference in risk. Ancestries with fewer than 20 samples are left out."
                .to_owned(),
            x: Axis::labelled("Score (SD from the mean)"),
            y: Axis::labelled("Density"),
            panels: panels.collect(),
            arrangement: Arrangement::Panels,
        }
    }

    fn ancestry_series(&self, model: &str) -> Vec<Series> {
        let mut densities: Vec<&ScoreDensity> = self
            .verdict
            .ancestry_densities
            .iter()
            .filter(|density| density.split == self.split && density.model == model)
            .collect();
        densities.sort_by(|a, b| b.n.cmp(&a.n).then(a.ancestry.cmp(&b.ancestry)));
        densities.truncate(MAX_ANCESTRIES);
        densities
            .into_iter()
            .enumerate()
            .map(|(index, density)| Series {
                name: density.ancestry.clone(),
                style: Style::nth(index),
                shape: Shape::Line,
                points: density
                    .points
                    .iter()
                    .map(|&(x, y)| Point::plain(x, y))
                    .collect(),
                is_hidden: false,
            })
            .collect()
    }
}

/// Observed share of cases in each tenth, at a mean probability that `probability` gives.
fn tenths(
    name: &str,
    style: usize,
    rows: &[&CalibrationRow],
    probability: fn(&CalibrationRow) -> Option<f64>,
) -> Series {
    let points = rows.iter().filter_map(|row| {
        Some(Point {
            x: probability(row)?,
            y: row.observed,
            interval: Some((row.ci_low, row.ci_high)),
        })
    });
    Series {
        name: name.to_owned(),
        style: Style::nth(style),
        shape: Shape::Points,
        points: points.collect(),
        is_hidden: false,
    }
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
            is_hidden: false,
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
