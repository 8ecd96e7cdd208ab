//! Files for MultiQC: general statistics, tables of models and samples, and ROC curves.
//!
//! Input -> output: a [`Verdict`] -> `NAME.gf_genomics.json`, a MultiQC configuration with all
//! sections as custom data (for `multiqc -c`), and each section as `NAME.SECTION_mqc.json`, which
//! MultiQC finds without an option.

use crate::layout;
use gf_cohort_schema::AucRow;
use gf_stats::p_value_text;
use serde_json::{Map, Value, json};

use super::{Background, PeopleRow, Verdict, figure::Figure, narrative};

/// Name and content of each file.
pub fn files(
    verdict: &Verdict,
    background: &Background,
    figures: &[Figure],
) -> Vec<(String, Value)> {
    let name = &background.name;
    let sections = sections(verdict, name, figures);
    let custom_data: Map<String, Value> = sections
        .iter()
        .map(|(_, section)| (id_of(section), section.clone()))
        .collect();
    let configuration = (
        format!("{name}{}", layout::MULTIQC),
        json!({ "custom_data": custom_data }),
    );
    let files_of_sections = sections
        .into_iter()
        .map(|(key, section)| (format!("{name}.{key}{}", layout::MULTIQC_SECTION), section));
    [configuration]
        .into_iter()
        .chain(files_of_sections)
        .collect()
}

fn id_of(section: &Value) -> String {
    section["id"].as_str().unwrap_or_default().to_owned()
}

/// Short key and content of each section that has data.
fn sections(verdict: &Verdict, name: &str, figures: &[Figure]) -> Vec<(&'static str, Value)> {
    let split = narrative::split(verdict);
    let shown: Vec<&AucRow> = verdict
        .rows
        .iter()
        .filter(|row| Some(row.split) == split)
        .collect();
    let split_name = split.map_or(String::new(), |split| split.to_string());
    // Without a sequence model, the reference model is in the general statistics.
    let headline = narrative::headline(verdict)
        .or_else(|| shown.iter().copied().find(|row| row.compared_to.is_none()));
    let mut sections = Vec::new();
    if let Some(row) = headline {
        sections.push(("general", general(row, name, &split_name)));
    }
    if !shown.is_empty() {
        let kind = narrative::kind(verdict);
        sections.push(("auc", auc(&shown, name, &split_name, &kind)));
    }
    if !verdict.people.is_empty() {
        sections.push(("people", people(&verdict.people, name)));
    }
    if let Some(figure) = figures.iter().find(|figure| figure.id == "roc") {
        sections.push(("roc", roc(figure, name)));
    }
    sections
}

/// Columns of the general statistics, which MultiQC shows first.
fn general(row: &AucRow, name: &str, split: &str) -> Value {
    let cells = values(&[
        ("auc", as_shown(row.auroc, 3)),
        ("difference", as_shown(row.delta_auroc, 3)),
        ("p_value", p_as_shown(row)),
    ]);
    let model = &row.model;
    let other = row.compared_to.as_deref().unwrap_or("nothing");
    let auc = format!("gf-genomics: AUC of {model} on the {split} split");
    let difference = format!("gf-genomics: AUC of {model} minus that of {other}");
    let p_value = "gf-genomics: paired test of the difference";
    json!({
        "id": "gf_genomics_general",
        "plot_type": "generalstats",
        "pconfig": [
            { "auc": {
                "title": "AUC", "description": auc, "min": 0, "max": 1, "format": "{:,.3f}"
            } },
            { "difference": {
                "title": "AUC difference", "description": difference, "format": "{:+,.3f}"
            } },
            { "p_value": { "title": "p", "description": p_value } },
        ],
        // MultiQC cuts sample names at known file endings; `name` has none.
        "data": { name: cells },
    })
}

fn auc(rows: &[&AucRow], name: &str, split: &str, kind: &str) -> Value {
    let table: Map<String, Value> = rows
        .iter()
        .map(|row| (format!("{name} {}", row.model), auc_cells(row)))
        .collect();
    json!({
        "id": "gf_genomics_auc",
        "section_name": "gf-genomics: AUC",
        "description": format!("Models on the {split} split. {kind}"),
        "plot_type": "table",
        "pconfig": {
            "id": "gf_genomics_auc_table",
            "title": "gf-genomics: AUC",
            "col1_header": "Model",
        },
        "headers": {
            "auc": header("AUC", "{:,.3f}"),
            "ci_low": header("95 % CI, low", "{:,.3f}"),
            "ci_high": header("95 % CI, high", "{:,.3f}"),
            "difference": header("Difference", "{:+,.3f}"),
            "p_value": { "title": "p" },
            "pr_auc": header("PR-AUC", "{:,.3f}"),
            "or_per_sd": header("OR per SD", "{:,.2f}"),
            "brier": header("Brier", "{:,.3f}"),
        },
        "data": table,
    })
}

fn auc_cells(row: &AucRow) -> Value {
    values(&[
        ("auc", as_shown(row.auroc, 3)),
        ("ci_low", as_shown(row.ci_low, 3)),
        ("ci_high", as_shown(row.ci_high, 3)),
        ("difference", as_shown(row.delta_auroc, 3)),
        ("p_value", p_as_shown(row)),
        ("pr_auc", as_shown(row.auprc, 3)),
        ("or_per_sd", as_shown(row.or_per_sd, 2)),
        ("brier", as_shown(row.brier, 3)),
    ])
}

fn header(title: &str, format: &str) -> Value {
    json!({ "title": title, "format": format })
}

fn roc(figure: &Figure, name: &str) -> Value {
    let curves = figure
        .panels
        .iter()
        .flat_map(|panel| &panel.series)
        .filter(|series| !series.name.is_empty());
    let lines: Map<String, Value> = curves
        .map(|series| {
            let points = series
                .points
                .iter()
                .map(|point| json!([rounded(point.x), rounded(point.y)]))
                .collect();
            (format!("{name} {}", series.name), Value::Array(points))
        })
        .collect();
    json!({
        "id": "gf_genomics_roc",
        "section_name": "gf-genomics: ROC",
        "description": figure.title,
        "plot_type": "linegraph",
        "pconfig": {
            "id": "gf_genomics_roc_plot",
            "title": "gf-genomics: ROC curves",
            "xlab": figure.x.label,
            "ylab": figure.y.label,
            "xmin": 0, "xmax": 1, "ymin": 0, "ymax": 1,
        },
        "data": lines,
    })
}

fn people(rows: &[PeopleRow], name: &str) -> Value {
    let table: Map<String, Value> = rows
        .iter()
        .map(|row| (format!("{name} {}", row.split), people_cells(row)))
        .collect();
    json!({
        "id": "gf_genomics_people",
        "section_name": "gf-genomics: samples",
        "description": "Samples by split. Samples of unknown phenotype are left out.",
        "plot_type": "table",
        "pconfig": {
            "id": "gf_genomics_people_table",
            "title": "gf-genomics: samples",
            "col1_header": "Split",
        },
        "headers": {
            "people": count_header("Samples"),
            "cases": count_header("Cases"),
            "controls": count_header("Controls"),
            "without_phenotype": count_header("Phenotype unknown"),
            "families": count_header("Families"),
        },
        "data": table,
    })
}

fn people_cells(row: &PeopleRow) -> Value {
    let mut cells = json!({
        "people": row.n_people(),
        "cases": row.n_cases,
        "controls": row.n_controls,
        "without_phenotype": row.n_without_phenotype,
    });
    if let Some(n_families) = row.n_families {
        cells["families"] = json!(n_families);
    }
    cells
}

fn count_header(title: &str) -> Value {
    json!({ "title": title, "format": "{:,.0f}", "scale": false })
}

/// An object of the cells that have a value.
fn values(cells: &[(&str, Option<Value>)]) -> Value {
    let known = cells
        .iter()
        .filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?)));
    Value::Object(known.collect())
}

/// A number with the decimals that the report shows. MultiQC rounds again, so a number with more
/// decimals could be rounded twice.
fn as_shown(value: Option<f64>, decimals: usize) -> Option<Value> {
    let shown = format!("{:.decimals$}", value?);
    shown.parse::<f64>().ok().map(|number| json!(number))
}

/// A p-value as the text that the report shows.
fn p_as_shown(row: &AucRow) -> Option<Value> {
    row.p_value.map(|p_value| json!(p_value_text(p_value)))
}

/// Four decimals.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
