//! The figures of a verdict.
//!
//! Input -> output: a [`Verdict`] on one split, and training logs -> [`Figure`]s: forest plots, ROC
//! curves, calibration, deciles, score distributions, training curves.
//!
//! The headline model and the reference have the same two colours in every figure.

mod forest;
mod roc;
mod small_multiples;
mod training;

use gf_cohort_schema::{AucRow, Split};

use super::{
    Background, Verdict,
    figure::{Figure, FigurePanel, Series, Style},
    narrative,
};

/// Fewest samples of a mean. A mean of fewer would reveal their values.
const MIN_PEOPLE: usize = 5;
/// Most panels of one figure: the headline model, the reference and six more.
const MAX_PANELS: usize = 8;
/// Styles of the headline model and of the reference; the other models have the later ones.
const HEADLINE_STYLE: usize = 0;
const REFERENCE_STYLE: usize = 1;

/// All figures that have data.
pub fn figures(verdict: &Verdict, background: &Background) -> Vec<Figure> {
    let Some(shown) = Shown::new(verdict) else {
        return Vec::new();
    };
    [
        shown.auc(),
        shown.difference(),
        shown.roc(),
        shown.calibration(),
        shown.deciles(),
        shown.distribution(),
        shown.ancestry(),
        training::loss(background),
        training::validation_auc(background),
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
    headline: Option<&'a str>,
    reference: Option<&'a str>,
}

impl<'a> Shown<'a> {
    /// `None` without rows.
    fn new(verdict: &'a Verdict) -> Option<Self> {
        let split = narrative::split(verdict)?;
        Some(Self {
            verdict,
            split,
            rows: narrative::shown_rows(verdict),
            headline: narrative::headline(verdict).map(|row| row.model.as_str()),
            reference: narrative::reference(verdict).map(|row| row.model.as_str()),
        })
    }

    fn is_headline(&self, row: &AucRow) -> bool {
        self.headline == Some(row.model.as_str())
    }

    fn is_reference(&self, row: &AucRow) -> bool {
        self.reference == Some(row.model.as_str())
    }

    /// Neither the headline model nor the reference.
    fn is_further(&self, row: &AucRow) -> bool {
        !self.is_headline(row) && !self.is_reference(row)
    }

    /// The headline model, the reference, then the further models by falling AUC on the validation
    /// split.
    fn by_importance(&self) -> Vec<&'a AucRow> {
        let mut rows = self.rows.clone();
        rows.sort_by(|a, b| {
            self.rank(a).cmp(&self.rank(b)).then(
                self.validation_auroc(b)
                    .total_cmp(&self.validation_auroc(a)),
            )
        });
        rows
    }

    /// 0 for the headline model, 1 for the reference, 2 for the further models.
    fn rank(&self, row: &AucRow) -> u8 {
        if self.is_headline(row) {
            0
        } else if self.is_reference(row) {
            1
        } else {
            2
        }
    }

    /// AUC on the validation split; 0 where it is unknown.
    fn validation_auroc(&self, row: &AucRow) -> f64 {
        narrative::validation_auroc(self.verdict, &row.model).unwrap_or(0.0)
    }

    /// Style of a model, the same in every figure.
    fn style(&self, row: &AucRow) -> Style {
        if self.is_headline(row) {
            return Style::nth(HEADLINE_STYLE);
        }
        if self.is_reference(row) {
            return Style::nth(REFERENCE_STYLE);
        }
        let n_before = self
            .rows
            .iter()
            .take_while(|other| other.model != row.model)
            .filter(|other| self.is_further(other))
            .count();
        Style::nth(REFERENCE_STYLE + 1 + n_before)
    }

    /// A panel for each of the most important models with data.
    fn panel_per_model(&self, series_of: fn(&Self, &str) -> Vec<Series>) -> Vec<FigurePanel> {
        self.by_importance()
            .into_iter()
            .map(|row| FigurePanel {
                title: self.title_of_panel(row),
                series: series_of(self, &row.model),
            })
            .filter(|panel| !panel.series.is_empty())
            .take(MAX_PANELS)
            .collect()
    }

    fn title_of_panel(&self, row: &AucRow) -> String {
        if self.is_headline(row) {
            format!("{} (headline)", row.model)
        } else if self.is_reference(row) {
            format!("{} (reference)", row.model)
        } else {
            row.model.clone()
        }
    }

    /// A sentence about the models without a panel, for a caption; empty if every model has one.
    fn without_panel(&self, file: &str) -> String {
        match self.rows.len().saturating_sub(MAX_PANELS) {
            0 => String::new(),
            1 => format!(" One further model is in {file}."),
            n => format!(" {n} further models are in {file}."),
        }
    }
}
