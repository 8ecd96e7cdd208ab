//! What MultiQC shows beside other tools: AUC of the headline model among the general statistics,
//! tables of all models and of the people by split, and ROC curves.
//!
//! Input -> output: a [`Verdict`] -> `NAME.gf_genomics.json`, a MultiQC configuration with all of
//! them as custom data (`multiqc -c` it), and each of them as `NAME.PART_mqc.json`, which MultiQC
//! finds by itself.

use gf_cohort_schema::AucRow;
use serde_json::{Map, Value, json};

use super::{Background, PeopleRow, Verdict, figure::Figure, narrative, terminal::p_value};

/// Name of each file, and what is in it.
pub fn files(
    verdict: &Verdict,
    background: &Background,
    figures: &[Figure],
) -> Vec<(String, Value)> {
    let name = &background.name;
    let sections = sections(verdict, name, figures);
    let mut custom_data = Map::new();
    let mut files = Vec::new();
    for (part, section) in sections {
        custom_data.insert(text(&section["id"]), section.clone());
        files.push((format!("{name}.{part}_mqc.json"), section));
    }
    files.insert(
        0,
        (
            format!("{name}.gf_genomics.json"),
            json!({ "custom_data": custom_data }),
        ),
    );
    files
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn sections(verdict: &Verdict, name: &str, figures: &[Figure]) -> Vec<(&'static str, Value)> {
    let split = narrative::split(verdict);
    let shown: Vec<&AucRow> = verdict
        .rows
        .iter()
        .filter(|row| Some(row.split) == split)
        .collect();
    let split = split.map_or(String::new(), |split| split.to_string());
    let mut sections = Vec::new();
    let speaks_of = narrative::headline(verdict)
        .or_else(|| shown.iter().copied().find(|row| row.compared_to.is_none()));
    if let Some(row) = speaks_of {
        sections.push(("general", general(row, name, &split)));
    }
    if !shown.is_empty() {
        sections.push(("auc", auc(&shown, name, &split, narrative::kind(verdict))));
    }
    if !verdict.people.is_empty() {
        sections.push(("people", people(&verdict.people, name)));
    }
    if let Some(figure) = figures.iter().find(|figure| figure.id == "roc") {
        sections.push(("roc", roc(figure, name)));
    }
    sections
}

/// Columns of the table over all samples, which MultiQC shows first.
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
        // MultiQC cuts sample names at known endings; ours has none.
        "pconfig": [
            { "auc": {
                "title": "AUC", "description": auc, "min": 0, "max": 1, "format": "{:,.3f}"
            } },
            { "difference": {
                "title": "AUC difference", "description": difference, "format": "{:+,.3f}"
            } },
            { "p_value": { "title": "p", "description": p_value } },
        ],
        "data": { name: cells },
    })
}

fn auc(rows: &[&AucRow], name: &str, split: &str, kind: &str) -> Value {
    let of_model = |row: &&AucRow| {
        let cells = values(&[
            ("auc", as_shown(row.auroc, 3)),
            ("ci_low", as_shown(row.ci_low, 3)),
            ("ci_high", as_shown(row.ci_high, 3)),
            ("difference", as_shown(row.delta_auroc, 3)),
            ("p_value", p_as_shown(row)),
            ("pr_auc", as_shown(row.auprc, 3)),
            ("or_per_sd", as_shown(row.or_per_sd, 2)),
            ("brier", as_shown(row.brier, 3)),
        ]);
        (format!("{name} {}", row.model), cells)
    };
    let table: Map<String, Value> = rows.iter().map(of_model).collect();
    let header = |title: &str, format: &str| json!({ "title": title, "format": format });
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
    let header = |title: &str| json!({ "title": title, "format": "{:,.0f}", "scale": false });
    let cells = |row: &PeopleRow| {
        let mut cells = json!({
            "people": row.n_people(),
            "cases": row.n_cases,
            "controls": row.n_controls,
            "without_phenotype": row.n_without_phenotype,
        });
        if let Some(n_families) = row.n_families {
            cells["families"] = json!(n_families);
        }
        (format!("{name} {}", row.split), cells)
    };
    json!({
        "id": "gf_genomics_people",
        "section_name": "gf-genomics: people",
        "description": "By split. Who has no phenotype is left out.",
        "plot_type": "table",
        "pconfig": { "id": "gf_genomics_people_table", "title": "gf-genomics: people", "col1_header": "Split" },
        "headers": {
            "people": header("People"),
            "cases": header("Cases"),
            "controls": header("Controls"),
            "without_phenotype": header("No phenotype"),
            "families": header("Families"),
        },
        "data": rows.iter().map(cells).collect::<Map<_, _>>(),
    })
}

/// The cells that are known.
fn values(cells: &[(&str, Option<Value>)]) -> Value {
    let known = cells
        .iter()
        .filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?)));
    Value::Object(known.collect())
}

/// A number with the decimals that the report shows: MultiQC would round one that was rounded
/// before a second time.
fn as_shown(value: Option<f64>, decimals: usize) -> Option<Value> {
    let shown = format!("{:.decimals$}", value?);
    shown.parse::<f64>().ok().map(|number| json!(number))
}

/// A p-value in the words of the report.
fn p_as_shown(row: &AucRow) -> Option<Value> {
    row.p_value.map(|value| json!(p_value(value)))
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
