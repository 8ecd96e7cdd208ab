//! `report.html`: one file that loads nothing else and has no individual-level data.
//!
//! Input -> output: a [`Verdict`], its [`Background`] and figures -> HTML by the template
//! `page.html`, which escapes every value. The same input gives the same bytes: the page has no
//! date and no run time.

use std::io;

use askama::Template;
use gf_cohort_schema::{GuardRow, GuardVerdict};

use super::{
    Report, Verdict,
    cards::{self, Card},
    figure::{Arrangement, Figure, FigurePanel},
    interactive, labels, methods, narrative,
    reporting_standards::{self, Item},
    sections, svg,
    table::Table,
};

/// Figures of the first screen.
const FIRST_FIGURES: [&str; 2] = ["forest", "difference"];

/// A figure in both of its forms.
struct DrawnFigure<'a> {
    figure: &'a Figure,
    /// SVG, for print and without scripts.
    still: String,
    panels: Vec<DrawnPanel>,
    /// Class of the arrangement in the style sheet.
    class: &'static str,
    /// Height in pixels of a panel.
    height: usize,
    /// Some series are switched off at first.
    has_hidden: bool,
    /// Names of the legend with their colours, for figures with several panels.
    legend: Vec<LegendEntry>,
}

/// A panel for plotly.js.
struct DrawnPanel {
    json: String,
    /// Text for screen readers.
    label: String,
}

/// A name with its colour.
struct LegendEntry {
    name: String,
    colour: String,
    /// Line, point or bar.
    class: &'static str,
}

/// A finding of a guard.
struct Guard<'a> {
    row: &'a GuardRow,
    name: String,
    /// `failed`, `warning`, `not run` or `passed`.
    verdict: &'static str,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    name: &'a str,
    kind: String,
    sentence: String,
    is_doubtful: bool,
    cards: Vec<Card>,
    paragraphs: Vec<String>,
    notes: &'a [String],
    first_figures: Vec<DrawnFigure<'a>>,
    figures: Vec<DrawnFigure<'a>>,
    lacking: Vec<&'static str>,
    models: Table,
    reasons: Vec<String>,
    other_splits: Table,
    guards: Vec<Guard<'a>>,
    guard_counts: String,
    strata: Table,
    cohort: Table,
    variants: Table,
    scores: Table,
    costs: Table,
    methods: String,
    standard: Vec<Item>,
    n_known: usize,
    commands: Vec<String>,
    options: Table,
    digests: Table,
    has_run: bool,
    version: &'static str,
    library: &'static str,
}

/// Fills the page.
///
/// # Errors
/// When the template cannot be filled.
pub fn html(report: Report<'_>, figures: &[Figure]) -> io::Result<String> {
    let Report {
        verdict,
        background,
        notes,
    } = report;
    let (first_figures, figures_below) = figures
        .iter()
        .partition(|figure| FIRST_FIGURES.contains(&figure.id.as_str()));
    let standard = reporting_standards::items(verdict, background);
    let page = Page {
        name: &background.name,
        kind: narrative::kind(verdict),
        sentence: narrative::sentence(verdict),
        is_doubtful: narrative::n_guards(verdict, GuardVerdict::Fail) > 0,
        cards: cards::cards(verdict, background),
        paragraphs: narrative::paragraphs(verdict),
        notes,
        first_figures: drawn_figures(first_figures),
        figures: drawn_figures(figures_below),
        lacking: lacking(figures),
        models: sections::models(verdict),
        reasons: sections::reasons(verdict),
        other_splits: sections::other_splits(verdict),
        guards: guards_worst_first(verdict),
        guard_counts: narrative::guard_counts(verdict),
        strata: sections::strata(verdict),
        cohort: sections::cohort(verdict),
        variants: sections::variants(background),
        scores: sections::scores(background),
        costs: sections::costs(verdict),
        methods: methods::paragraph(verdict, background),
        n_known: standard.iter().filter(|item| item.known.is_ok()).count(),
        standard,
        commands: background.commands(),
        options: sections::key_values(
            "Every option, with defaults",
            "Option",
            background.options(),
        ),
        digests: sections::key_values(
            "SHA-256 of input files, and of the options and inputs of each stage",
            "File or stage",
            background.digests(),
        ),
        has_run: background.run.is_some(),
        version: env!("CARGO_PKG_VERSION"),
        library: interactive::LIBRARY,
    };
    page.render()
        .map_err(|error| io::Error::other(error.to_string()))
}

/// Words for the figures without data.
fn lacking(figures: &[Figure]) -> Vec<&'static str> {
    super::FIGURES
        .into_iter()
        .filter(|id| figures.iter().all(|figure| figure.id != *id))
        .map(labels::figure)
        .collect()
}

fn drawn_figures(figures: Vec<&Figure>) -> Vec<DrawnFigure<'_>> {
    figures.into_iter().map(drawn).collect()
}

fn drawn(figure: &Figure) -> DrawnFigure<'_> {
    DrawnFigure {
        figure,
        still: svg::svg(figure),
        panels: figure
            .panels
            .iter()
            .map(|panel| drawn_panel(figure, panel))
            .collect(),
        class: match figure.arrangement {
            Arrangement::Square => "square",
            Arrangement::Panels => "small",
            Arrangement::Forest => "forest",
        },
        height: interactive::height(figure),
        has_hidden: figure.has_hidden(),
        legend: legend(figure),
    }
}

fn drawn_panel(figure: &Figure, panel: &FigurePanel) -> DrawnPanel {
    let label = if panel.title.is_empty() {
        figure.title.clone()
    } else {
        format!("{}: {}", figure.title, panel.title)
    };
    let json = interactive::plotly(figure, panel).to_string();
    DrawnPanel {
        // Inside of a script element only `<` could end it.
        json: json.replace('<', "\\u003c"),
        label,
    }
}

/// A square figure has the legend of plotly.js, whose entries can be clicked.
fn legend(figure: &Figure) -> Vec<LegendEntry> {
    if figure.arrangement == Arrangement::Square {
        return Vec::new();
    }
    figure
        .legend()
        .into_iter()
        .map(|series| LegendEntry {
            name: series.name.clone(),
            colour: series.style.colour.css(),
            class: series.key_class(),
        })
        .collect()
}

fn guards_worst_first(verdict: &Verdict) -> Vec<Guard<'_>> {
    [
        (GuardVerdict::Fail, "failed"),
        (GuardVerdict::Warn, "warning"),
        (GuardVerdict::NotRun, "not run"),
        (GuardVerdict::Pass, "passed"),
    ]
    .into_iter()
    .flat_map(|(kind, words)| {
        let rows = verdict.guards.iter().filter(move |row| row.verdict == kind);
        rows.map(move |row| Guard {
            row,
            name: labels::guard(&row.guard),
            verdict: words,
        })
    })
    .collect()
}
