//! `report.html`: one file that fetches nothing and holds no one's data.
//!
//! Input -> output: a [`Verdict`], its [`Background`] and figures -> HTML by the template
//! `page.html`, which escapes every value. The same input gives the same bytes: no clock, no time
//! that anything took.

use std::{fmt::Display, io, iter};

use askama::Template;
use gf_cohort_schema::{AucRow, GuardVerdict, Split, StratumRow};
use serde_json::Value;

use super::{
    Background, Verdict,
    figure::Figure,
    interactive, narrative,
    reporting_standards::{self, Item},
    svg,
    terminal::p_value,
};
use crate::layout;

/// A table of text.
struct Table {
    caption: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// A figure, drawn.
struct Drawn<'a> {
    figure: &'a Figure,
    /// SVG.
    still: String,
    /// JSON of each panel, and the words that stand for it.
    panels: Vec<(String, String)>,
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
    figures: Vec<Drawn<'a>>,
    lacking: Vec<&'static str>,
    guards: Vec<(GuardVerdict, &'a str, &'a str, &'a str)>,
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
pub fn html(verdict: &Verdict, background: &Background, figures: &[Figure]) -> io::Result<String> {
    let split = narrative::split(verdict);
    let (shown, others): (Vec<&AucRow>, Vec<&AucRow>) = verdict
        .rows
        .iter()
        .partition(|row| Some(row.split) == split);
    let drawn = figures.iter().map(|figure| {
        let panels = figure.panels.iter().map(|panel| {
            let words = if panel.title.is_empty() {
                figure.title.clone()
            } else {
                format!("{}: {}", figure.title, panel.title)
            };
            // Within a script only `<` could end it.
            (
                interactive::plotly(figure, panel)
                    .to_string()
                    .replace('<', "\\u003c"),
                words,
            )
        });
        Ok(Drawn {
            figure,
            still: svg::svg(figure)?,
            panels: panels.collect(),
        })
    });
    let standard = reporting_standards::items(verdict, background);
    let page = Page {
        name: &background.name,
        kind: narrative::kind(verdict),
        is_doubtful: verdict
            .guards
            .iter()
            .any(|row| row.verdict == GuardVerdict::Fail),
        paragraphs: narrative::paragraphs(verdict),
        notes: &background.notes,
        models: models(verdict, &shown, split),
        reasons: shown
            .iter()
            .filter_map(|row| Some(format!("{}: {}", row.model, row.reason.as_ref()?)))
            .collect(),
        others: areas(&others),
        figures: drawn.collect::<io::Result<_>>()?,
        lacking: super::FIGURES
            .into_iter()
            .filter(|id| figures.iter().all(|figure| figure.id != *id))
            .collect(),
        guards: guards(verdict),
        strata: strata(&verdict.strata, split),
        people: people(verdict),
        counts: counts(background),
        scores: scores(background),
        costs: costs(&shown),
        n_known: standard.iter().filter(|item| item.known.is_ok()).count(),
        standard,
        options: pairs("Every option, defaults included", background.options()),
        digests: pairs(
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

fn models(verdict: &Verdict, shown: &[&AucRow], split: Option<Split>) -> Table {
    let validation = |model: &str| {
        let row = verdict.rows.iter().find(|row| {
            row.split == Split::Validation && row.model == model && Some(row.split) != split
        });
        row.and_then(|row| row.auroc)
    };
    let rows = shown.iter().map(|row| {
        vec![
            row.row.map_or("-".to_owned(), |row| row.to_string()),
            row.model.clone(),
            interval(row.auroc, row.ci_low, row.ci_high, 3),
            number(validation(&row.model), 3),
            interval(row.delta_auroc, row.delta_ci_low, row.delta_ci_high, 3),
            row.p_value.map_or("-".to_owned(), p_value),
            number(row.auprc, 3),
            interval(row.or_per_sd, row.or_ci_low, row.or_ci_high, 2),
            number(row.nagelkerke_r2, 3),
            number(row.incremental_r2, 3),
            number(row.liability_r2, 3),
            number(row.brier, 3),
            number(row.calibration_slope, 2),
            number(row.calibration_intercept, 2),
        ]
    });
    let people = shown.first().map_or(String::new(), |row| {
        format!(": {}", classes(row.n_cases, row.n_controls))
    });
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
        rows: rows.collect(),
    }
}

fn areas(rows: &[&AucRow]) -> Table {
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

fn guards(verdict: &Verdict) -> Vec<(GuardVerdict, &str, &str, &str)> {
    let mut rows: Vec<_> = verdict
        .guards
        .iter()
        .map(|row| {
            (
                row.verdict,
                row.guard.as_str(),
                row.subject.as_str(),
                row.finding.as_str(),
            )
        })
        .collect();
    let rank = |verdict: GuardVerdict| match verdict {
        GuardVerdict::Fail => 0,
        GuardVerdict::Warn => 1,
        GuardVerdict::NotRun => 2,
        GuardVerdict::Pass => 3,
    };
    rows.sort_by_key(|row| rank(row.0));
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
                row.p_value.map_or("-".to_owned(), p_value),
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

fn people(verdict: &Verdict) -> Table {
    let with_families = verdict.people.iter().any(|row| row.n_families.is_some());
    let rows = verdict.people.iter().map(|row| {
        let counts = [
            row.n_people(),
            row.n_cases,
            row.n_controls,
            row.n_without_phenotype,
        ]
        .map(count);
        let families = with_families.then(|| row.n_families.map_or("-".to_owned(), count));
        iter::once(row.split.to_string())
            .chain(counts)
            .chain(families)
            .collect()
    });
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
        rows: rows.collect(),
    }
}

/// What each stage counted: every number of its summary, and lists by their length, so that nothing
/// written about single people can be among them.
fn counts(background: &Background) -> Table {
    let mut rows = Vec::new();
    for stage in [
        layout::COHORT_FOLDER,
        layout::SEQUENCES_FOLDER,
        layout::TOKENS_FOLDER,
        layout::BASELINES_FOLDER,
    ] {
        if let Some(summary) = background.stage(stage) {
            counted(stage, "", summary, &mut rows);
        }
    }
    Table {
        caption: "Counts of the stages, what was skipped among them".to_owned(),
        header: vec!["Stage", "What", "Count"],
        rows,
    }
}

fn counted(stage: &str, path: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    let row = |count: String| vec![stage.to_owned(), path.replace('_', " "), count];
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                counted(
                    stage,
                    &if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}: {key}")
                    },
                    value,
                    rows,
                );
            }
        }
        Value::Array(values) if !path.is_empty() => rows.push(row(values.len().to_string())),
        Value::Number(number) => rows.push(row(number
            .as_u64()
            .map_or_else(|| number.as_f64().map_or(String::new(), significant), count))),
        _ => {}
    }
}

fn scores(background: &Background) -> Table {
    let rows = background.scores.iter().map(|score| {
        vec![
            score.model.clone(),
            score.accession.clone(),
            score.name.clone().unwrap_or_default(),
            score.trait_reported.clone().unwrap_or_default(),
            format!(
                "{}{}",
                score.genome_build.as_deref().unwrap_or("not said"),
                if score.harmonised { ", harmonised" } else { "" }
            ),
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

fn pairs(caption: &str, rows: Vec<(String, String)>) -> Table {
    Table {
        caption: caption.to_owned(),
        header: vec!["What", "Value"],
        rows: rows
            .into_iter()
            .map(|(key, value)| vec![key, value])
            .collect(),
    }
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn interval(value: Option<f64>, low: Option<f64>, high: Option<f64>, decimals: usize) -> String {
    match (value, low.zip(high)) {
        (Some(value), Some((low, high))) => {
            format!("{value:.decimals$} ({low:.decimals$} to {high:.decimals$})")
        }
        _ => number(value, decimals),
    }
}

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

/// A number with its noun, with a thin space between thousands.
pub fn grouped<N: Display + PartialEq + From<u8>>(n: N, one: &str, several: &str) -> String {
    let words = if n == N::from(1) { one } else { several };
    format!("{} {words}", count(n))
}

/// With a thin space between thousands.
#[allow(clippy::needless_pass_by_value, reason = "numbers")]
pub fn count(number: impl Display) -> String {
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
