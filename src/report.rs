//! How results are shown: the tables of a verdict with fixed precision, figures, `report.html`,
//! files for MultiQC, and the comparison as text for the terminal.
//!
//! Input -> output: rows of `gf-cohort-schema` -> files (written whole or not at all) or text. The
//! same rows give the same bytes. A [`Figure`] is data, drawn twice: by plotly.js in the page, and
//! as SVG for papers, for print and where no script runs.

mod aligned;
mod background;
mod figure;
mod figures;
mod interactive;
mod multiqc;
mod narrative;
mod page;
mod reporting_standards;
mod svg;
mod tables;
mod terminal;
#[cfg(test)]
mod tests;

pub use self::{
    aligned::aligned,
    background::{Background, TrainingLog},
    figure::{Axis, Colour, Dash, Figure, FigurePanel, Marker, Point, Series, Shape, Style},
    svg::svg,
    tables::{write, write_effects, write_guards, write_pairs},
    terminal::{costs, guards, p_value, table},
};

use std::path::{Path, PathBuf};

use gf_cohort_schema::{
    AucRow, CalibrationRow, DecileRow, DistributionRow, FoldRow, GuardRow, RocPoint, Split,
    StratumRow,
};
use serde::Serialize;

use gf_files::output;

/// All that an evaluation says, table by table: what the report shows. Rows of models stand by
/// split, then in the order of [`gf_cohort_schema::rung`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// `auc.csv`.
    pub rows: Vec<AucRow>,
    /// `roc.csv`.
    pub roc: Vec<RocPoint>,
    /// `strata.csv`.
    pub strata: Vec<StratumRow>,
    /// `calibration.csv`.
    pub calibration: Vec<CalibrationRow>,
    /// `deciles.csv`.
    pub deciles: Vec<DecileRow>,
    /// `distribution.csv`.
    pub distribution: Vec<DistributionRow>,
    /// `folds.csv`; empty without cross-validation.
    pub folds: Vec<FoldRow>,
    /// `guards.csv`.
    pub guards: Vec<GuardRow>,
    /// Everyone predicted, by split; shown, and no table of its own.
    pub people: Vec<PeopleRow>,
    /// What everything is compared to and how that was chosen, a sentence.
    pub comparison: String,
}

/// Who is in a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeopleRow {
    /// The split.
    pub split: Split,
    /// People.
    pub n_cases: usize,
    /// People.
    pub n_controls: usize,
    /// People of unknown phenotype, who are left out.
    pub n_without_phenotype: usize,
    /// Families that are named; `None` where no one knows of families.
    pub n_families: Option<usize>,
}

impl PeopleRow {
    /// All of them.
    #[must_use]
    pub fn n_people(&self) -> usize {
        self.n_cases + self.n_controls + self.n_without_phenotype
    }
}

/// Figures of a verdict that have a file of their own, `NAME.svg`.
const FIGURES: [&str; 5] = ["roc", "calibration", "deciles", "distribution", "training"];

/// Writes `report.html`, an SVG file of each figure, and what MultiQC shows; their paths. Figures
/// of an earlier run that have no data now are removed.
///
/// # Errors
/// When a figure cannot be drawn or a file cannot be written.
pub fn write_report(
    folder: &Path,
    verdict: &Verdict,
    background: &Background,
) -> Result<Vec<PathBuf>, output::Error> {
    let figures = figures::figures(verdict, background);
    let mut paths = Vec::new();
    let page = folder.join("report.html");
    let html = page::html(verdict, background, &figures).map_err(output::at(&page))?;
    output::shareable::write(&page, |out| out.write_all(html.as_bytes()))?;
    paths.push(page);
    for id in FIGURES {
        let path = folder.join(format!("{id}.svg"));
        match figures.iter().find(|figure| figure.id == id) {
            Some(figure) => {
                let text = svg(figure).map_err(output::at(&path))?;
                output::shareable::write(&path, |out| out.write_all(text.as_bytes()))?;
                paths.push(path);
            }
            None => output::remove_if_there(&path)?,
        }
    }
    for (name, content) in multiqc::files(verdict, background, &figures) {
        let path = folder.join(name);
        output::shareable::write_json(&path, &content)?;
        paths.push(path);
    }
    Ok(paths)
}
