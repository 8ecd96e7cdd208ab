//! Results as aligned text for the terminal: the comparison, costs and guards.
//!
//! The comparison has one line per model, on the test split or the last split with predictions.

use std::fmt;

use gf_cohort_schema::{AucRow, CostRow, GuardRow, GuardVerdict};
use gf_stats::p_value_text;

use super::{aligned, remarks};
use crate::evaluation::Summary;

const HEADER: [&str; 7] = [
    "row",
    "model",
    "cases",
    "controls",
    "AUC (95% CI)",
    "difference (95% CI)",
    "p",
];

/// The comparison, remarks and guards, as the terminal shows them.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", table(&self.verdict.rows), self.comparison)?;
        for remark in remarks::remarks(self) {
            writeln!(f, "{remark}")?;
        }
        write!(f, "\n{}", guards(&self.verdict.guards))
    }
}

/// Readable table of the test rows, then further measures, costs and the reasons of undefined
/// values. Ends with a line break; empty without rows.
#[must_use]
pub fn table(rows: &[AucRow]) -> String {
    let Some(split) = rows.iter().map(|row| row.split).max() else {
        return String::new();
    };
    let shown: Vec<&AucRow> = rows.iter().filter(|row| row.split == split).collect();
    let mut text = format!("AUC on the {split} split\n\n");
    text += &comparison_table(&shown);
    let measures = measures(&shown);
    if measures.len() > 1 {
        text += "\nFurther measures\n\n";
        text += &aligned(&measures);
    }
    let costs: Vec<CostRow> = shown.iter().filter_map(|row| cost(row)).collect();
    if !costs.is_empty() {
        text += "\nCost of one sequence\n\n";
        text += &costs_without_energy(&costs);
    }
    let reasons: Vec<String> = shown
        .iter()
        .filter_map(|row| Some(format!("{}: {}\n", row.model, row.reason.as_ref()?)))
        .collect();
    if !reasons.is_empty() {
        text += "\n";
        text += &reasons.concat();
    }
    text
}

/// AUC and difference of each model: texts aligned left, counts right.
fn comparison_table(rows: &[&AucRow]) -> String {
    let lines: Vec<[String; 7]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(rows.iter().map(|row| cells(row)))
        .collect();
    let [
        row_width,
        model_width,
        cases_width,
        controls_width,
        auroc_width,
        delta_width,
        _,
    ] = std::array::from_fn(|column| width_of_column(&lines, column));
    let mut text = String::new();
    for [row, model, cases, controls, auroc, delta, p_value] in &lines {
        let padded = format!(
            "{row:row_width$}  {model:model_width$}  {cases:>cases_width$}  \
             {controls:>controls_width$}  {auroc:auroc_width$}  {delta:delta_width$}  {p_value}"
        );
        text += padded.trim_end();
        text += "\n";
    }
    text
}

fn width_of_column(lines: &[[String; 7]], column: usize) -> usize {
    lines
        .iter()
        .map(|line| line[column].len())
        .max()
        .unwrap_or(0)
}

/// The text of one measure of a model; `None` where it is undefined.
type MeasureText = fn(&AucRow) -> Option<String>;

const MEASURES: [(&str, MeasureText); 9] = [
    ("AUPRC", |row| three_decimals(row.auprc)),
    ("OR per SD (95% CI)", odds_ratio),
    ("Nagelkerke R2", |row| three_decimals(row.nagelkerke_r2)),
    ("R2 beyond covariates", |row| {
        three_decimals(row.incremental_r2)
    }),
    ("liability R2", |row| three_decimals(row.liability_r2)),
    ("Brier", |row| three_decimals(row.brier)),
    ("calibration slope", |row| {
        three_decimals(row.calibration_slope)
    }),
    ("intercept", |row| three_decimals(row.calibration_intercept)),
    ("match rate", |row| three_decimals(row.match_rate)),
];

/// A header and one line per model with the measures other than the AUC. Measures that no model has
/// and models without any measure are left out.
fn measures(rows: &[&AucRow]) -> Vec<Vec<String>> {
    let known: Vec<(&str, MeasureText)> = MEASURES
        .into_iter()
        .filter(|(_, text)| rows.iter().any(|row| text(row).is_some()))
        .collect();
    let mut header = vec!["model".to_owned()];
    header.extend(known.iter().map(|(name, _)| (*name).to_owned()));
    let mut lines = vec![header];
    for row in rows {
        let texts: Vec<Option<String>> = known.iter().map(|(_, text)| text(row)).collect();
        if texts.iter().all(Option::is_none) {
            continue;
        }
        let mut line = vec![row.model.clone()];
        line.extend(
            texts
                .into_iter()
                .map(|text| text.unwrap_or_else(|| "-".to_owned())),
        );
        lines.push(line);
    }
    lines
}

fn three_decimals(value: Option<f64>) -> Option<String> {
    value.map(|value| format!("{value:.3}"))
}

fn odds_ratio(row: &AucRow) -> Option<String> {
    row.or_per_sd?;
    Some(with_interval(
        row.or_per_sd,
        row.or_ci_low,
        row.or_ci_high,
        |value| format!("{value:.2}"),
    ))
}

/// Findings of guards, one line each, the worst first; empty without guards.
#[must_use]
pub fn guards(rows: &[GuardRow]) -> String {
    let mut counts = Vec::new();
    let mut lines = String::new();
    for verdict in [
        GuardVerdict::Fail,
        GuardVerdict::Warn,
        GuardVerdict::NotRun,
        GuardVerdict::Pass,
    ] {
        let with_verdict: Vec<&GuardRow> =
            rows.iter().filter(|row| row.verdict == verdict).collect();
        if !with_verdict.is_empty() {
            counts.push(format!("{} {verdict}", with_verdict.len()));
        }
        lines.extend(with_verdict.into_iter().map(guard_line));
    }
    if counts.is_empty() {
        return String::new();
    }
    format!("Guards against leakage: {}\n\n{lines}", counts.join(", "))
}

fn guard_line(row: &GuardRow) -> String {
    format!(
        "{:7}  {} ({}): {}\n",
        row.verdict.to_string(),
        row.guard,
        row.subject,
        row.finding
    )
}

/// Costs of models without their energy, which is an estimate: `cost.csv` and the page have it.
fn costs_without_energy(rows: &[CostRow]) -> String {
    let mut lines = cost_lines(rows);
    for line in &mut lines {
        line.remove(ENERGY_COLUMN);
    }
    aligned(&lines)
}

/// Readable table of the costs of models.
#[must_use]
pub fn costs(rows: &[CostRow]) -> String {
    aligned(&cost_lines(rows))
}

/// Place of the energy in a line of [`cost_lines`].
const ENERGY_COLUMN: usize = 4;

/// The header and one line per model.
fn cost_lines(rows: &[CostRow]) -> Vec<Vec<String>> {
    let header = [
        "model",
        "parameters",
        "multiplications",
        "additions",
        "energy (pJ)",
        "bytes",
    ];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        vec![
            row.model.clone(),
            row.parameters.to_string(),
            row.multiplications.to_string(),
            row.additions.to_string(),
            format!("{:.0}", row.energy_pj),
            row.bytes.to_string(),
        ]
    }));
    lines
}

/// `None` for a model without costs.
fn cost(row: &AucRow) -> Option<CostRow> {
    Some(CostRow {
        model: row.model.clone(),
        parameters: row.parameters?,
        multiplications: row.multiplications?,
        additions: row.additions?,
        energy_pj: row.energy_pj?,
        bytes: row.bytes?,
    })
}

/// Cells of a line of the comparison, in the order of [`HEADER`].
fn cells(row: &AucRow) -> [String; 7] {
    [
        row.row.map_or(String::new(), |row| row.to_string()),
        row.model.clone(),
        row.n_cases.to_string(),
        row.n_controls.to_string(),
        with_interval(row.auroc, row.ci_low, row.ci_high, |value| {
            format!("{value:.3}")
        }),
        with_interval(
            row.delta_auroc,
            row.delta_ci_low,
            row.delta_ci_high,
            |value| format!("{value:+.3}"),
        ),
        row.p_value.map_or(String::new(), p_value_text),
    ]
}

/// `0.581 (0.525 to 0.637)`, without the interval where it is undefined.
fn with_interval(
    estimate: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    format: fn(f64) -> String,
) -> String {
    match (estimate, low.zip(high)) {
        (None, _) => "-".to_owned(),
        (Some(estimate), None) => format(estimate),
        (Some(estimate), Some((low, high))) => {
            format!("{} ({} to {})", format(estimate), format(low), format(high))
        }
    }
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::Split;

    use super::*;

    fn row(model: &str, split: Split) -> AucRow {
        AucRow {
            auroc: Some(0.5812),
            ci_low: Some(0.5251),
            ci_high: Some(0.6373),
            ..AucRow::undefined(model, split, 180, 220)
        }
    }

    #[test]
    fn guards_are_sorted_by_verdict_and_counted() {
        assert_eq!(
            guards(&[
                guard(GuardVerdict::Pass, "a"),
                guard(GuardVerdict::NotRun, "b"),
                guard(GuardVerdict::Fail, "c")
            ]),
            "Guards against leakage: 1 fail, 1 not-run, 1 pass\n\nfail     c (m): f\nnot-run  b \
             (m): f\npass     a (m): f\n"
        );
        assert_eq!(guards(&[]), "");
    }

    fn guard(verdict: GuardVerdict, guard: &str) -> GuardRow {
        GuardRow::new(guard, verdict, "m", "f")
    }

    #[test]
    fn the_test_rows_are_aligned_and_reasons_are_below() {
        let linformer = AucRow {
            auroc: Some(0.7),
            compared_to: Some("prs-dosages".to_owned()),
            delta_auroc: Some(0.1188),
            delta_ci_low: Some(0.05),
            delta_ci_high: Some(0.1876),
            p_value: Some(0.000_712),
            parameters: Some(27_777),
            multiplications: Some(1_000),
            additions: Some(2_000),
            energy_pj: Some(5_500.0),
            bytes: Some(200_000),
            auprc: Some(0.65),
            or_per_sd: Some(2.0),
            or_ci_low: Some(1.5),
            or_ci_high: Some(2.5),
            ..row("linformer", Split::Test)
        };
        let alike = AucRow {
            compared_to: Some("prs-dosages".to_owned()),
            delta_auroc: Some(0.0),
            reason: Some("no test".to_owned()),
            ..row("prs-apoe", Split::Test)
        };
        assert_eq!(
            table(&[
                row("linformer", Split::Train),
                linformer,
                alike,
                row("prs-dosages", Split::Test)
            ]),
            "AUC on the test split\n\n\
             row  model        cases  controls  AUC (95% CI)            \
             difference (95% CI)        p\n\
             4    linformer      180       220  0.700 (0.525 to 0.637)  \
             +0.119 (+0.050 to +0.188)  7.1e-4\n\
             1    prs-apoe       180       220  0.581 (0.525 to 0.637)  +0.000\n\
             3    prs-dosages    180       220  0.581 (0.525 to 0.637)  -\n\
             \n\
             Further measures\n\
             \n\
             model      AUPRC   OR per SD (95% CI)\n\
             linformer  0.650  2.00 (1.50 to 2.50)\n\
             \n\
             Cost of one sequence\n\
             \n\
             model      parameters  multiplications  additions   bytes\n\
             linformer       27777             1000       2000  200000\n\
             \n\
             prs-apoe: no test\n"
        );
    }
}
