//! Rendering of results: CSV tables, figures, `report.html`, files for MultiQC, and terminal text.
//!
//! Input -> output: a [`Summary`] of an evaluation, or rows of `gf-cohort-schema` -> files (written
//! whole or not at all) or text. The same input gives the same bytes.
//!
//! A [`Figure`] is data that is drawn twice: by plotly.js in the page, and as SVG for papers, for
//! print and for browsers without scripts.
//!
//! The page is made of `page.html` (template), `page.css`, `page.js` and `plotly/`.

mod aligned;
mod background;
mod cards;
mod figure;
mod figures;
mod holm;
mod interactive;
mod labels;
mod methods;
mod multiqc;
mod narrative;
mod page;
mod remarks;
mod reporting_standards;
mod sections;
mod svg;
mod table;
mod tables;
mod terminal;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use gf_files::output;

pub use self::{
    aligned::aligned,
    figure::{
        Arrangement, Axis, Colour, Dash, Figure, FigurePanel, Marker, Point, Series, Shape, Style,
        Tick,
    },
    svg::svg,
    tables::{write_effects, write_guards, write_pairs},
    terminal::{costs, guards, table},
};
use crate::{
    evaluation::{Background, PeopleRow, Summary, Verdict},
    layout,
};

/// Writes everything that an evaluation shows: its tables as CSV, `report.html`, the figures as SVG
/// and the files for MultiQC. Returns their paths.
///
/// # Errors
/// When a figure cannot be drawn or a file cannot be written.
pub fn write(folder: &Path, summary: &Summary) -> Result<Vec<PathBuf>, output::Error> {
    let mut paths = tables::write_verdict(folder, &summary.verdict)?;
    paths.extend(tables::write_non_additive(folder, &summary.non_additive)?);
    paths.extend(tables::write_stacked(
        folder,
        summary.stacked.as_ref().ok(),
    )?);
    let report = Report {
        verdict: &summary.verdict,
        background: &summary.background,
        notes: &remarks::notes(summary),
    };
    paths.extend(report.write(folder)?);
    Ok(paths)
}

/// Ids of the figures that have a file of their own, `ID.svg`.
const FIGURES: [&str; 9] = [
    "forest",
    "difference",
    "roc",
    "calibration",
    "deciles",
    "distribution",
    "ancestry",
    "training",
    "validation_auc",
];

/// What `report.html` shows.
#[derive(Clone, Copy)]
struct Report<'a> {
    verdict: &'a Verdict,
    background: &'a Background,
    /// Sentences below the verdict.
    notes: &'a [String],
}

impl Report<'_> {
    /// Writes `report.html`, an SVG file of each figure, and the files for MultiQC; returns their
    /// paths. A figure of an earlier run that has no data now is removed.
    fn write(self, folder: &Path) -> Result<Vec<PathBuf>, output::Error> {
        let figures = figures::figures(self.verdict, self.background);
        let mut paths = Vec::new();
        let page = folder.join(layout::REPORT);
        let html = page::html(self, &figures).map_err(output::at(&page))?;
        output::shareable::write(&page, |out| out.write_all(html.as_bytes()))?;
        paths.push(page);
        for id in FIGURES {
            let path = folder.join(format!("{id}.svg"));
            match figures.iter().find(|figure| figure.id == id) {
                Some(figure) => {
                    let text = svg(figure);
                    output::shareable::write(&path, |out| out.write_all(text.as_bytes()))?;
                    paths.push(path);
                }
                None => output::remove_if_there(&path)?,
            }
        }
        for (name, content) in multiqc::files(self.verdict, self.background, &figures) {
            let path = folder.join(name);
            output::shareable::write_json(&path, &content)?;
            paths.push(path);
        }
        Ok(paths)
    }
}
