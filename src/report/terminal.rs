//! The comparison as aligned text: one line a model, on the test split (or the last split there is).

use gf_cohort_schema::AucRow;

const HEADER: [&str; 6] = ["model", "cases", "controls", "AUC (95% CI)", "difference (95% CI)", "p"];

/// Readable table of the test rows, then the reasons of empty values, one a line. Ends with a line break; empty without rows.
#[must_use]
pub fn table(rows: &[AucRow]) -> String {
    let Some(split) = rows.iter().map(|row| row.split).max() else { return String::new() };
    let shown: Vec<&AucRow> = rows.iter().filter(|row| row.split == split).collect();
    let lines: Vec<[String; 6]> = std::iter::once(HEADER.map(str::to_owned)).chain(shown.iter().map(|row| cells(row))).collect();
    let widths = std::array::from_fn::<usize, 6, _>(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0));

    let mut text = format!("AUC on the {split} split\n\n");
    for line in &lines {
        let [model, cases, controls, auroc, delta, p_value] = line;
        let [model_width, cases_width, controls_width, auroc_width, delta_width, _] = widths;
        let padded = format!(
            "{model:model_width$}  {cases:>cases_width$}  {controls:>controls_width$}  {auroc:auroc_width$}  {delta:delta_width$}  {p_value}"
        );
        text += padded.trim_end();
        text += "\n";
    }
    let reasons: Vec<String> = shown.iter().filter_map(|row| Some(format!("{}: {}\n", row.model, row.reason.as_ref()?))).collect();
    if !reasons.is_empty() {
        text += "\n";
        text += &reasons.concat();
    }
    text
}

fn cells(row: &AucRow) -> [String; 6] {
    [
        row.model.clone(),
        row.n_cases.to_string(),
        row.n_controls.to_string(),
        with_interval(row.auroc, row.ci_low, row.ci_high, |value| format!("{value:.3}")),
        with_interval(row.delta_auroc, row.delta_ci_low, row.delta_ci_high, |value| format!("{value:+.3}")),
        row.p_value.map_or(String::new(), p_value_text),
    ]
}

/// Below 1e-300 the normal tail leaves the range of f64, so there only the bound is told.
fn p_value_text(p_value: f64) -> String {
    if p_value < 1e-300 {
        "<1e-300".to_owned()
    } else if p_value < 0.001 {
        format!("{p_value:.1e}")
    } else {
        format!("{p_value:.3}")
    }
}

fn with_interval(estimate: Option<f64>, low: Option<f64>, high: Option<f64>, format: impl Fn(f64) -> String) -> String {
    match (estimate, low.zip(high)) {
        (None, _) => "-".to_owned(),
        (Some(estimate), None) => format(estimate),
        (Some(estimate), Some((low, high))) => format!("{} ({} to {})", format(estimate), format(low), format(high)),
    }
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::Split;

    use super::*;

    fn row(model: &str, split: Split) -> AucRow {
        AucRow {
            model: model.to_owned(),
            split,
            n_cases: 180,
            n_controls: 220,
            auroc: Some(0.5812),
            ci_low: Some(0.5251),
            ci_high: Some(0.6373),
            compared_to: None,
            delta_auroc: None,
            delta_ci_low: None,
            delta_ci_high: None,
            p_value: None,
            reason: None,
        }
    }

    #[test]
    fn a_p_value_too_small_for_f64_is_given_as_a_bound() {
        assert_eq!([0.0, 1.23e-20, 0.05].map(p_value_text), ["<1e-300", "1.2e-20", "0.050"]);
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
            ..row("linformer", Split::Test)
        };
        let alike = AucRow {
            compared_to: Some("prs-dosages".to_owned()),
            delta_auroc: Some(0.0),
            reason: Some("no test".to_owned()),
            ..row("prs-apoe", Split::Test)
        };
        assert_eq!(
            table(&[row("linformer", Split::Train), linformer, alike, row("prs-dosages", Split::Test)]),
            "AUC on the test split\n\n\
             model        cases  controls  AUC (95% CI)            difference (95% CI)        p\n\
             linformer      180       220  0.700 (0.525 to 0.637)  +0.119 (+0.050 to +0.188)  7.1e-4\n\
             prs-apoe       180       220  0.581 (0.525 to 0.637)  +0.000\n\
             prs-dosages    180       220  0.581 (0.525 to 0.637)  -\n\
             \n\
             prs-apoe: no test\n"
        );
    }
}
