//! `report.html`: one file that loads nothing else and has no individual-level data.
//!
//! Input -> output: a [`Verdict`], its [`Background`] and figures -> HTML by the template
//! `page.html`, which escapes every value. The same input gives the same bytes: the page has no
//! date and no run time.

use std::{fmt::Display, io};

use askama::Template;
use gf_cohort_schema::{AucRow, GuardRow, GuardVerdict, Split, StratumRow};
use serde_json::Value;

use super::{
    Background, PeopleRow, Report, Verdict,
    figure::{Figure, FigurePanel},
    interactive, narrative,
    reporting_standards::{self, Item},
    svg,
};
use crate::{evaluation::p_value_text, layout};

/// A table of text.
struct Table {
    caption: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// A figure in both of its forms.
struct DrawnFigure<'a> {
    figure: &'a Figure,
    /// SVG, for print and without scripts.
    still: String,
    panels: Vec<DrawnPanel>,
}

/// A panel for plotly.js.
struct DrawnPanel {
    json: String,
    /// Text for screen readers.
    label: String,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    name: &'a str,
    kind: &'static str,
    is_doubtful: bool,
    paragraphs: Vec<String>,
    notes: &'a [String],
    models: Table,
    reasons: Vec<String>,
    others: Table,
    figures: Vec<DrawnFigure<'a>>,
    lacking: Vec<&'static str>,
    guards: Vec<&'a GuardRow>,
    strata: Table,
    people: Table,
    counts: Table,
    scores: Table,
    costs: Table,
    standard: Vec<Item>,
    n_known: usize,
    options: Table,
    digests: Table,
    has_run: bool,
    version: &'static str,
    library: String,
}

/// Fills the page.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn html(report: Report<'_>, figures: &[Figure]) -> io::Result<String> {
    let Report {
        verdict,
        background,
        notes,
    } = report;
    let split = narrative::split(verdict);
    let (shown, others): (Vec<&AucRow>, Vec<&AucRow>) = verdict
        .rows
        .iter()
        .partition(|row| Some(row.split) == split);
    let standard = reporting_standards::items(verdict, background);
    let page = Page {
        name: &background.name,
        kind: narrative::kind(verdict),
        is_doubtful: is_doubtful(verdict),
        paragraphs: narrative::paragraphs(verdict),
        notes,
        models: models(verdict, &shown, split),
        reasons: reasons(&shown),
        others: other_splits(&others),
        figures: figures.iter().map(drawn).collect::<io::Result<_>>()?,
        lacking: lacking(figures),
        guards: guards_worst_first(verdict),
        strata: strata(&verdict.strata, split),
        people: people(verdict),
        counts: counts(background),
        scores: scores(background),
        costs: costs(&shown),
        n_known: standard.iter().filter(|item| item.known.is_ok()).count(),
        standard,
        options: key_value_table("Every option, defaults included", background.options()),
        digests: key_value_table(
            "SHA-256 of input files, and of the options and inputs of each stage",
            background.digests(),
        ),
        has_run: background.run.is_some(),
        version: env!("CARGO_PKG_VERSION"),
        library: interactive::library(),
    };
    page.render()
        .map_err(|error| io::Error::other(error.to_string()))
}

fn is_doubtful(verdict: &Verdict) -> bool {
    verdict
        .guards
        .iter()
        .any(|row| row.verdict == GuardVerdict::Fail)
}

/// Why values of the models are undefined.
fn reasons(rows: &[&AucRow]) -> Vec<String> {
    rows.iter()
        .filter_map(|row| Some(format!("{}: {}", row.model, row.reason.as_ref()?)))
        .collect()
}

/// Ids of the figures without data.
fn lacking(figures: &[Figure]) -> Vec<&'static str> {
    super::FIGURES
        .into_iter()
        .filter(|id| figures.iter().all(|figure| figure.id != *id))
        .collect()
}

fn drawn(figure: &Figure) -> io::Result<DrawnFigure<'_>> {
    Ok(DrawnFigure {
        figure,
        still: svg::svg(figure)?,
        panels: figure
            .panels
            .iter()
            .map(|panel| drawn_panel(figure, panel))
            .collect(),
    })
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

fn models(verdict: &Verdict, shown: &[&AucRow], split: Option<Split>) -> Table {
    let people = match shown.first() {
        Some(row) => format!(": {}", classes(row.n_cases, row.n_controls)),
        None => String::new(),
    };
    Table {
        caption: format!(
            "Models on the {} split{people}. Differences are to {}.",
            split.map_or(String::new(), |split| split.to_string()),
            narrative::compared_to(verdict).unwrap_or("nothing")
        ),
        header: vec![
            "Row",
            "Model",
            "AUC (95 % CI)",
            "AUC, validation",
            "Difference (95 % CI)",
            "p",
            "PR-AUC",
            "OR per SD (95 % CI)",
            "Nagelkerke R2",
            "R2 beyond covariates",
            "Liability R2",
            "Brier",
            "Calibration slope",
            "Calibration intercept",
        ],
        rows: shown
            .iter()
            .map(|row| model_cells(row, validation_auroc(verdict, &row.model, split)))
            .collect(),
    }
}

fn model_cells(row: &AucRow, validation_auroc: Option<f64>) -> Vec<String> {
    vec![
        row.row.map_or("-".to_owned(), |row| row.to_string()),
        row.model.clone(),
        interval(row.auroc, row.ci_low, row.ci_high, 3),
        number(validation_auroc, 3),
        interval(row.delta_auroc, row.delta_ci_low, row.delta_ci_high, 3),
        row.p_value.map_or("-".to_owned(), p_value_text),
        number(row.auprc, 3),
        interval(row.or_per_sd, row.or_ci_low, row.or_ci_high, 2),
        number(row.nagelkerke_r2, 3),
        number(row.incremental_r2, 3),
        number(row.liability_r2, 3),
        number(row.brier, 3),
        number(row.calibration_slope, 2),
        number(row.calibration_intercept, 2),
    ]
}

/// AUROC of a model on the validation split; `None` where this is the split that is shown.
fn validation_auroc(verdict: &Verdict, model: &str, shown: Option<Split>) -> Option<f64> {
    if shown == Some(Split::Validation) {
        return None;
    }
    verdict
        .rows
        .iter()
        .find(|row| row.split == Split::Validation && row.model == model)?
        .auroc
}

fn other_splits(rows: &[&AucRow]) -> Table {
    let cells = rows.iter().map(|row| {
        vec![
            row.split.to_string(),
            row.model.clone(),
            count(row.n_cases),
            count(row.n_controls),
            interval(row.auroc, row.ci_low, row.ci_high, 3),
        ]
    });
    Table {
        caption: "On the other splits. What was learnt or chosen there looks better than it is."
            .to_owned(),
        header: vec!["Split", "Model", "Cases", "Controls", "AUC (95 % CI)"],
        rows: cells.collect(),
    }
}

fn guards_worst_first(verdict: &Verdict) -> Vec<&GuardRow> {
    let mut rows: Vec<&GuardRow> = verdict.guards.iter().collect();
    rows.sort_by_key(|row| match row.verdict {
        GuardVerdict::Fail => 0,
        GuardVerdict::Warn => 1,
        GuardVerdict::NotRun => 2,
        GuardVerdict::Pass => 3,
    });
    rows
}

fn strata(rows: &[StratumRow], split: Option<Split>) -> Table {
    let cells = rows
        .iter()
        .filter(|row| Some(row.split) == split)
        .map(|row| {
            vec![
                format!("{} = {}", row.stratum, row.level),
                row.model.clone(),
                count(row.n_cases),
                count(row.n_controls),
                interval(row.auroc, row.ci_low, row.ci_high, 3),
                interval(row.delta_auroc, row.delta_ci_low, row.delta_ci_high, 3),
                row.p_value.map_or("-".to_owned(), p_value_text),
                row.reason.clone().unwrap_or_default(),
            ]
        });
    Table {
        caption: "Among the people of one stratum; small strata have wide intervals, and many \
                  comparisons find something by chance."
            .to_owned(),
        header: vec![
            "Stratum",
            "Model",
            "Cases",
            "Controls",
            "AUC (95 % CI)",
            "Difference (95 % CI)",
            "p",
            "Remark",
        ],
        rows: cells.collect(),
    }
}

/// Samples by split, with a column of families where they are known.
fn people(verdict: &Verdict) -> Table {
    let with_families = verdict.people.iter().any(|row| row.n_families.is_some());
    let mut header = vec![
        "Split",
        "People",
        "Cases",
        "Controls",
        "Left out: no phenotype",
    ];
    header.extend(with_families.then_some("Families"));
    Table {
        caption: "People by split".to_owned(),
        header,
        rows: verdict
            .people
            .iter()
            .map(|row| people_cells(row, with_families))
            .collect(),
    }
}

fn people_cells(row: &PeopleRow, with_families: bool) -> Vec<String> {
    let mut cells = vec![
        row.split.to_string(),
        count(row.n_people()),
        count(row.n_cases),
        count(row.n_controls),
        count(row.n_without_phenotype),
    ];
    if with_families {
        cells.push(row.n_families.map_or("-".to_owned(), count));
    }
    cells
}

/// Every number in the summaries of the stages. Lists are shown by their length, because their
/// elements may be about single samples.
fn counts(background: &Background) -> Table {
    let mut rows = Vec::new();
    for stage in [
        layout::COHORT_FOLDER,
        layout::SEQUENCES_FOLDER,
        layout::TOKENS_FOLDER,
        layout::BASELINES_FOLDER,
    ] {
        if let Some(summary) = background.stage(stage) {
            push_counts(stage, "", summary, &mut rows);
        }
    }
    Table {
        caption: "Counts of the stages, what was skipped among them".to_owned(),
        header: vec!["Stage", "What", "Count"],
        rows,
    }
}

/// Appends a row for each number inside `value`; `path` joins the keys by colons.
fn push_counts(stage: &str, path: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    let text = match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let inner = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}: {key}")
                };
                push_counts(stage, &inner, value, rows);
            }
            return;
        }
        Value::Array(values) if !path.is_empty() => values.len().to_string(),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => count(whole),
            None => number.as_f64().map_or(String::new(), significant),
        },
        _ => return,
    };
    rows.push(vec![stage.to_owned(), path.replace('_', " "), text]);
}

fn scores(background: &Background) -> Table {
    let rows = background.scores.iter().map(|score| {
        let build = score.genome_build.as_deref().unwrap_or("not said");
        let harmonised = if score.harmonised { ", harmonised" } else { "" };
        vec![
            score.model.clone(),
            score.accession.clone(),
            score.name.clone().unwrap_or_default(),
            score.trait_reported.clone().unwrap_or_default(),
            format!("{build}{harmonised}"),
            count(score.n_matched),
            count(score.n_variants),
            format!("{:.1} %", 100.0 * score.match_rate),
            score.study.clone().unwrap_or_default(),
        ]
    });
    Table {
        caption: "How much of each published score is in the genomes of the cohort".to_owned(),
        header: vec![
            "Model",
            "Accession",
            "Name",
            "Trait",
            "Build",
            "Matched",
            "Variants",
            "Match rate",
            "Study",
        ],
        rows: rows.collect(),
    }
}

/// Energy in microjoules (1e6 pJ), memory in megabytes (1e6 bytes).
fn costs(shown: &[&AucRow]) -> Table {
    let rows = shown.iter().filter_map(|row| {
        Some(vec![
            row.model.clone(),
            count(row.parameters?),
            count(row.multiplications?),
            count(row.additions?),
            format!("{:.2}", row.energy_pj? / 1e6),
            format!("{:.2}", row.bytes? as f64 / 1e6),
        ])
    });
    Table {
        caption: "A forward pass of one sequence".to_owned(),
        header: vec![
            "Model",
            "Parameters",
            "Multiplications",
            "Additions",
            "Energy (uJ)",
            "Memory (MB)",
        ],
        rows: rows.collect(),
    }
}

fn key_value_table(caption: &str, rows: Vec<(String, String)>) -> Table {
    Table {
        caption: caption.to_owned(),
        header: vec!["What", "Value"],
        rows: rows
            .into_iter()
            .map(|(key, value)| vec![key, value])
            .collect(),
    }
}

/// A number, or a dash where it is undefined.
fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// `0.712 (0.690 to 0.734)`, without the interval where it is undefined.
fn interval(value: Option<f64>, low: Option<f64>, high: Option<f64>, decimals: usize) -> String {
    match (value, low.zip(high)) {
        (Some(value), Some((low, high))) => {
            format!("{value:.decimals$} ({low:.decimals$} to {high:.decimals$})")
        }
        _ => number(value, decimals),
    }
}

/// Four significant digits.
fn significant(value: f64) -> String {
    format!("{value:.3e}")
        .parse::<f64>()
        .map_or_else(|_| String::new(), |value| value.to_string())
}

/// `1 204 cases, 1 control`.
pub fn classes(n_cases: usize, n_controls: usize) -> String {
    format!(
        "{}, {}",
        grouped(n_cases, "case", "cases"),
        grouped(n_controls, "control", "controls")
    )
}

/// A number with its noun and a thin space between thousands.
pub fn grouped<N>(n: N, singular: &str, plural: &str) -> String
where
    N: Display + PartialEq + From<u8> + Copy,
{
    let noun = if n == N::from(1) { singular } else { plural };
    format!("{} {noun}", count(n))
}

/// A number with a thin space between thousands.
pub fn count(number: impl Display + Copy) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}
