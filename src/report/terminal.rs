//! The comparison as aligned text: one line a model, on the test split (or the last split there
//! is); what the models cost; what guards found.

use gf_cohort_schema::{AucRow, CostRow, GuardRow, GuardVerdict};

use super::aligned;

const HEADER: [&str; 7] = [
    "row",
    "model",
    "cases",
    "controls",
    "AUC (95% CI)",
    "difference (95% CI)",
    "p",
];

/// Readable table of the test rows, then what else is known of them and what the models cost, then
/// the reasons of empty values, one a line. Ends with a line break; empty without rows.
#[must_use]
pub fn table(rows: &[AucRow]) -> String {
    let Some(split) = rows.iter().map(|row| row.split).max() else {
        return String::new();
    };
    let shown: Vec<&AucRow> = rows.iter().filter(|row| row.split == split).collect();
    let lines: Vec<[String; 7]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(shown.iter().map(|row| cells(row)))
        .collect();
    let widths = std::array::from_fn::<usize, 7, _>(|column| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or(0)
    });

    let mut text = format!("AUC on the {split} split\n\n");
    for line in &lines {
        let [row, model, cases, controls, auroc, delta, p_value] = line;
        let [
            row_width,
            model_width,
            cases_width,
            controls_width,
            auroc_width,
            delta_width,
            _,
        ] = widths;
        let padded = format!(
            "{row:row_width$}  {model:model_width$}  {cases:>cases_width$}  \
             {controls:>controls_width$}  {auroc:auroc_width$}  {delta:delta_width$}  {p_value}"
        );
        text += padded.trim_end();
        text += "\n";
    }
    let measures = measures(&shown);
    if measures.len() > 1 {
        text += "\nBeside the AUC\n\n";
        text += &aligned(&measures);
    }
    let costs: Vec<CostRow> = shown.iter().filter_map(|row| cost(row)).collect();
    if !costs.is_empty() {
        text += "\nCost of one sequence\n\n";
        text += &self::costs(&costs);
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

/// A header and a line a model of what is known beside the AUC, without the columns and the models
/// of which nothing is.
fn measures(rows: &[&AucRow]) -> Vec<Vec<String>> {
    type Cell = fn(&AucRow) -> Option<String>;
    let columns: [(&str, Cell); 9] = [
        ("AUPRC", |row| three_decimals(row.auprc)),
        ("OR per SD (95% CI)", |row| {
            row.or_per_sd.map(|ratio| {
                with_interval(Some(ratio), row.or_ci_low, row.or_ci_high, |value| {
                    format!("{value:.2}")
                })
            })
        }),
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
    let known: Vec<(&str, Cell)> = columns
        .into_iter()
        .filter(|(_, cell)| rows.iter().any(|row| cell(row).is_some()))
        .collect();
    let header = std::iter::once("model")
        .chain(known.iter().map(|(name, _)| *name))
        .map(str::to_owned)
        .collect();
    let line = |row: &&AucRow| {
        let cells: Vec<Option<String>> = known.iter().map(|(_, cell)| cell(row)).collect();
        let is_known = cells.iter().any(Option::is_some);
        let cells = cells
            .into_iter()
            .map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
        is_known.then(|| std::iter::once(row.model.clone()).chain(cells).collect())
    };
    std::iter::once(header)
        .chain(rows.iter().filter_map(line))
        .collect()
}

fn three_decimals(value: Option<f64>) -> Option<String> {
    value.map(|value| format!("{value:.3}"))
}

/// What guards found, one line each, the worst first; empty without guards.
#[must_use]
pub fn guards(rows: &[GuardRow]) -> String {
    let count = |verdict: GuardVerdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let order = [
        GuardVerdict::Fail,
        GuardVerdict::Warn,
        GuardVerdict::NotRun,
        GuardVerdict::Pass,
    ];
    let counts: Vec<String> = order
        .iter()
        .filter(|verdict| count(**verdict) > 0)
        .map(|verdict| format!("{} {verdict}", count(*verdict)))
        .collect();
    if counts.is_empty() {
        return String::new();
    }
    let of = |verdict: GuardVerdict| rows.iter().filter(move |row| row.verdict == verdict);
    let line = |row: &GuardRow| {
        format!(
            "{:7}  {} ({}): {}\n",
            row.verdict.to_string(),
            row.guard,
            row.subject,
            row.finding
        )
    };
    format!(
        "Guards against leakage: {}\n\n{}",
        counts.join(", "),
        order.into_iter().flat_map(of).map(line).collect::<String>()
    )
}

/// Readable table of what models cost.
#[must_use]
pub fn costs(rows: &[CostRow]) -> String {
    let header = [
        "model",
        "parameters",
        "multiplications",
        "additions",
        "energy (pJ)",
        "bytes",
    ]
    .map(str::to_owned)
    .to_vec();
    let cells = rows.iter().map(|row| {
        let counts =
            [row.parameters, row.multiplications, row.additions].map(|count| count.to_string());
        [row.model.clone()]
            .into_iter()
            .chain(counts)
            .chain([format!("{:.0}", row.energy_pj), row.bytes.to_string()])
            .collect()
    });
    aligned(&std::iter::once(header).chain(cells).collect::<Vec<_>>())
}

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
        row.p_value.map_or(String::new(), p_value),
    ]
}

/// A p-value as text. Below 1e-300 the normal tail leaves the range of f64, so there only the bound
/// is told.
#[must_use]
pub fn p_value(p_value: f64) -> String {
    if p_value < 1e-300 {
        "<1e-300".to_owned()
    } else if p_value < 0.001 {
        format!("{p_value:.1e}")
    } else {
        format!("{p_value:.3}")
    }
}

fn with_interval(
    estimate: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    format: impl Fn(f64) -> String,
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
    fn a_p_value_too_small_for_f64_is_given_as_a_bound() {
        assert_eq!(
            [0.0, 1.23e-20, 0.05].map(p_value),
            ["<1e-300", "1.2e-20", "0.050"]
        );
    }

    #[test]
    fn guards_stand_by_their_verdict_and_are_counted() {
        let guard = |verdict, guard: &str| GuardRow {
            guard: guard.to_owned(),
            verdict,
            subject: "m".to_owned(),
            finding: "f".to_owned(),
        };
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

    #[test]
    fn the_test_rows_are_aligned_and_reasons_stand_below() {
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
             row  model        cases  controls  AUC (95% CI)            difference (95% CI)        p\n\
             4    linformer      180       220  0.700 (0.525 to 0.637)  +0.119 (+0.050 to +0.188)  7.1e-4\n\
             1    prs-apoe       180       220  0.581 (0.525 to 0.637)  +0.000\n\
             3    prs-dosages    180       220  0.581 (0.525 to 0.637)  -\n\
             \n\
             Beside the AUC\n\
             \n\
             model      AUPRC   OR per SD (95% CI)\n\
             linformer  0.650  2.00 (1.50 to 2.50)\n\
             \n\
             Cost of one sequence\n\
             \n\
             model      parameters  multiplications  additions  energy (pJ)   bytes\n\
             linformer       27777             1000       2000         5500  200000\n\
             \n\
             prs-apoe: no test\n"
        );
    }
}
