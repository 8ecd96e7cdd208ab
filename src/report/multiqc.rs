//! What MultiQC shows beside other tools: AUC of the headline model among the general statistics, tables of all models and of the people by
//! split, and ROC curves.
//!
//! Input -> output: a [`Verdict`] -> `NAME.gf_genomics.json`, a MultiQC configuration with all of them as custom data (`multiqc -c` it), and each
//! of them as `NAME.PART_mqc.json`, which MultiQC finds by itself.

use gf_cohort_schema::AucRow;
use serde_json::{Map, Value, json};

use super::{Background, PeopleRow, Verdict, figure::Figure, words};

/// Name of each file, and what is in it.
pub fn files(verdict: &Verdict, background: &Background, figures: &[Figure]) -> Vec<(String, Value)> {
    let name = &background.name;
    let sections = sections(verdict, name, figures);
    let mut custom_data = Map::new();
    let mut files = Vec::new();
    for (part, section) in sections {
        custom_data.insert(text(&section["id"]), section.clone());
        files.push((format!("{name}.{part}_mqc.json"), section));
    }
    files.insert(0, (format!("{name}.gf_genomics.json"), json!({ "custom_data": custom_data })));
    files
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn sections(verdict: &Verdict, name: &str, figures: &[Figure]) -> Vec<(&'static str, Value)> {
    let split = words::split(verdict);
    let shown: Vec<&AucRow> = verdict.rows.iter().filter(|row| Some(row.split) == split).collect();
    let split = split.map_or(String::new(), |split| split.to_string());
    let mut sections = Vec::new();
    let speaks_of = words::headline(verdict).or_else(|| shown.iter().copied().find(|row| row.compared_to.is_none()));
    if let Some(row) = speaks_of {
        let cells = values([("auc", row.auroc), ("difference", row.delta_auroc), ("p_value", row.p_value)]);
        sections.push((
            "general",
            json!({
                "id": "gf_genomics_general",
                "plot_type": "generalstats",
                // MultiQC cuts sample names at known endings; ours has none.
                "pconfig": [
                    { "auc": { "title": "AUC", "description": format!("gf-genomics: AUC of the sequence model on the {split} split"), "min": 0, "max": 1, "format": "{:,.3f}" } },
                    { "difference": { "title": "AUC difference", "description": "gf-genomics: to the best baseline", "format": "{:+,.3f}" } },
                    { "p_value": { "title": "p", "description": "gf-genomics: paired test of the difference", "format": "{:,.2g}" } },
                ],
                "data": { name: cells },
            }),
        ));
    }
    let of_model = |row: &&AucRow| {
        let cells = values([
            ("auc", row.auroc),
            ("ci_low", row.ci_low),
            ("ci_high", row.ci_high),
            ("difference", row.delta_auroc),
            ("p_value", row.p_value),
            ("pr_auc", row.auprc),
            ("or_per_sd", row.or_per_sd),
            ("brier", row.brier),
        ]);
        (format!("{name} {}", row.model), cells)
    };
    let table: Map<String, Value> = shown.iter().map(of_model).collect();
    if !table.is_empty() {
        let header = |title: &str, format: &str| json!({ "title": title, "format": format });
        sections.push((
            "auc",
            json!({
                "id": "gf_genomics_auc",
                "section_name": "gf-genomics: AUC",
                "description": format!("Models on the {split} split. {}", words::kind(verdict)),
                "plot_type": "table",
                "pconfig": { "id": "gf_genomics_auc_table", "title": "gf-genomics: AUC", "col1_header": "Model" },
                "headers": {
                    "auc": header("AUC", "{:,.3f}"),
                    "ci_low": header("95 % CI, low", "{:,.3f}"),
                    "ci_high": header("95 % CI, high", "{:,.3f}"),
                    "difference": header("Difference", "{:+,.3f}"),
                    "p_value": header("p", "{:,.2g}"),
                    "pr_auc": header("PR-AUC", "{:,.3f}"),
                    "or_per_sd": header("OR per SD", "{:,.2f}"),
                    "brier": header("Brier", "{:,.3f}"),
                },
                "data": table,
            }),
        ));
    }
    sections.extend((!verdict.people.is_empty()).then(|| ("people", people(&verdict.people, name))));
    if let Some(roc) = figures.iter().find(|figure| figure.id == "roc") {
        let series = roc.panels.iter().flat_map(|panel| &panel.series).filter(|series| !series.name.is_empty());
        let lines: Map<String, Value> = series
            .map(|series| {
                let points = series.points.iter().map(|point| json!([rounded(point.x), rounded(point.y)])).collect();
                (format!("{name} {}", series.name), Value::Array(points))
            })
            .collect();
        sections.push((
            "roc",
            json!({
                "id": "gf_genomics_roc",
                "section_name": "gf-genomics: ROC",
                "description": roc.title,
                "plot_type": "linegraph",
                "pconfig": {
                    "id": "gf_genomics_roc_plot", "title": "gf-genomics: ROC curves", "xlab": roc.x.label, "ylab": roc.y.label,
                    "xmin": 0, "xmax": 1, "ymin": 0, "ymax": 1,
                },
                "data": lines,
            }),
        ));
    }
    sections
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

/// Those that are known, with four decimals or three significant digits.
fn values<const N: usize>(cells: [(&str, Option<f64>); N]) -> Value {
    let known = cells.into_iter().filter_map(|(key, value)| {
        let value = value?;
        let rounded = if value.abs() < 0.01 { format!("{value:.2e}").parse().unwrap_or(value) } else { rounded(value) };
        Some((key.to_owned(), json!(rounded)))
    });
    Value::Object(known.collect())
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
