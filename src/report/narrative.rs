//! A verdict in sentences, also where no difference was found.
//!
//! Input -> output: a [`Verdict`] -> the headline model, and paragraphs; a [`Summary`] -> remarks.

use gf_cohort_schema::{AucRow, GuardVerdict, STACKED, Split, counted};

use super::{Summary, Verdict};
use crate::evaluation::{NonAdditive, Stacked, p_value_text};

/// Row of sequence models.
const SEQUENCE_MODEL: u8 = 4;

/// The split that the report shows: test, or the last one with predictions.
pub fn split(verdict: &Verdict) -> Option<Split> {
    verdict.rows.iter().map(|row| row.split).max()
}

/// The reference model.
pub fn compared_to(verdict: &Verdict) -> Option<&str> {
    verdict
        .rows
        .iter()
        .find_map(|row| row.compared_to.as_deref())
}

/// The sequence model with the highest AUC on the validation split, or the first sequence model
/// without a validation split. The test split does not choose it.
pub fn headline(verdict: &Verdict) -> Option<&AucRow> {
    let split = split(verdict)?;
    let reference = compared_to(verdict);
    // `max_by` takes the last of equal ones; reversed, that is the first.
    verdict
        .rows
        .iter()
        .rev()
        .filter(|row| {
            row.split == split
                && row.row == Some(SEQUENCE_MODEL)
                && Some(row.model.as_str()) != reference
        })
        .max_by(|a, b| validation_auroc(verdict, a).total_cmp(&validation_auroc(verdict, b)))
}

/// AUROC of a model on the validation split; negative infinity where it is unknown.
fn validation_auroc(verdict: &Verdict, model: &AucRow) -> f64 {
    row_of(verdict, Split::Validation, &model.model)
        .and_then(|row| row.auroc)
        .unwrap_or(f64::NEG_INFINITY)
}

fn row_of<'a>(verdict: &'a Verdict, split: Split, model: &str) -> Option<&'a AucRow> {
    verdict
        .rows
        .iter()
        .find(|row| row.split == split && row.model == model)
}

/// The heading of the report.
pub fn kind(verdict: &Verdict) -> &'static str {
    let interval = headline(verdict).and_then(|row| row.delta_ci_low.zip(row.delta_ci_high));
    match interval {
        _ if n_guards(verdict, GuardVerdict::Fail) > 0 => {
            "Leakage was found: this comparison cannot be believed"
        }
        Some((low, _)) if low > 0.0 => "The sequence model is better than the best baseline",
        Some((_, high)) if high < 0.0 => "The sequence model is worse than the best baseline",
        Some(_) => "No difference between the sequence model and the best baseline was shown",
        None => "No sequence model was compared to a baseline",
    }
}

/// The verdict, one sentence or two per paragraph.
pub fn paragraphs(verdict: &Verdict) -> Vec<String> {
    let Some(split) = split(verdict) else {
        return vec!["There is nothing to compare.".to_owned()];
    };
    let reference = compared_to(verdict).and_then(|model| row_of(verdict, split, model));
    let mut paragraphs = Vec::new();
    if let Some(baseline) = reference {
        paragraphs.push(format!(
            "{} reaches an AUC of {} on the {split} split ({}, {}).",
            baseline.model,
            estimate(baseline.auroc, baseline.ci_low, baseline.ci_high),
            counted(baseline.n_cases, "case", "cases"),
            counted(baseline.n_controls, "control", "controls")
        ));
    }
    if let Some(model) = headline(verdict) {
        paragraphs.push(difference(model));
    }
    if let Some(stacked) = row_of(verdict, split, STACKED)
        && stacked.delta_auroc.is_some()
    {
        paragraphs.push(format!(
            "All together, stacked on the validation split: {}",
            difference(stacked)
        ));
    }
    let n_compared = verdict
        .rows
        .iter()
        .filter(|row| row.split == split && row.p_value.is_some())
        .count();
    if n_compared > 1 {
        paragraphs.push(format!(
            "{n_compared} models were tested; p-values are not corrected for that. The sequence \
             model spoken of is the one with the highest AUC on the validation split."
        ));
    }
    if !verdict.comparison.is_empty() {
        paragraphs.push(verdict.comparison.clone());
    }
    paragraphs.push(guards(verdict));
    paragraphs
}

/// AUC of a model, its difference to the reference model, and what the interval means.
fn difference(model: &AucRow) -> String {
    let reached = format!(
        "{} reaches {}",
        model.model,
        estimate(model.auroc, model.ci_low, model.ci_high)
    );
    let Some((baseline, delta)) = model.compared_to.as_ref().zip(model.delta_auroc) else {
        return format!("{reached}; there is nothing to compare it to.");
    };
    let Some((low, high)) = model.delta_ci_low.zip(model.delta_ci_high) else {
        let reason = model.reason.as_deref().unwrap_or("no test is possible");
        return format!(
            "{reached}, a difference to {baseline} of {delta:+.3} without an interval: {reason}."
        );
    };
    let p = model.p_value.map_or(String::new(), p_clause);
    let meaning = meaning_of_interval(low, high);
    format!(
        "{reached}, a difference to {baseline} of {delta:+.3} (95 % CI {low:+.3} to \
         {high:+.3}{p}). {meaning}"
    )
}

/// `, p = 0.012`, or `, p <1e-300`.
fn p_clause(p_value: f64) -> String {
    let text = p_value_text(p_value);
    if text.starts_with('<') {
        format!(", p {text}")
    } else {
        format!(", p = {text}")
    }
}

fn meaning_of_interval(low: f64, high: f64) -> String {
    if low > 0.0 {
        "The interval excludes zero: it is better on these people.".to_owned()
    } else if high < 0.0 {
        "The interval excludes zero: it is worse on these people.".to_owned()
    } else {
        format!(
            "The interval holds zero: no difference was shown. That does not show that there is \
             none: from {low:+.3} to {high:+.3} all agrees with these data."
        )
    }
}

/// How many guards failed, warned, were not run and passed, as a sentence.
fn guards(verdict: &Verdict) -> String {
    if verdict.guards.is_empty() {
        return "No guard against leakage was run, so leakage cannot be excluded.".to_owned();
    }
    let n_failed = n_guards(verdict, GuardVerdict::Fail);
    let n_warnings = n_guards(verdict, GuardVerdict::Warn);
    let n_not_run = n_guards(verdict, GuardVerdict::NotRun);
    let n_passed = n_guards(verdict, GuardVerdict::Pass);
    let mut counts = Vec::new();
    if n_failed > 0 {
        counts.push(format!(
            "{n_failed} found leakage, so the numbers above cannot be believed"
        ));
    }
    if n_warnings > 0 {
        counts.push(counted(n_warnings, "warns", "warn"));
    }
    if n_not_run > 0 {
        counts.push(format!("{n_not_run} could not look"));
    }
    counts.push(format!("{n_passed} found nothing"));
    format!(
        "Of {} of guards against leakage {}. A guard that finds nothing does not prove that there \
         is nothing.",
        counted(verdict.guards.len(), "finding", "findings"),
        counts.join(", ")
    )
}

fn n_guards(verdict: &Verdict, kind: GuardVerdict) -> usize {
    verdict
        .guards
        .iter()
        .filter(|row| row.verdict == kind)
        .count()
}

/// Sentences below the verdict: remarks, samples that were left out, and how tables were read.
pub fn notes(summary: &Summary) -> Vec<String> {
    [
        remarks(summary),
        summary.left_out(),
        summary.readings.clone(),
    ]
    .concat()
}

/// How intervals were made, what was stacked, and tests over folds, one sentence each.
pub fn remarks(summary: &Summary) -> Vec<String> {
    let mut remarks: Vec<String> = summary.resampling.iter().cloned().collect();
    remarks.extend(summary.non_additive.iter().map(NonAdditive::to_string));
    remarks.push(match &summary.stacked {
        Ok(stacked) => stacked_remark(stacked),
        Err(reason) => format!("Nothing stacked: {reason}."),
    });
    if let Some(reason) = &summary.not_recalibrated {
        remarks.push(format!(
            "Not recalibrated: on the validation split {reason}."
        ));
    }
    remarks.extend(
        summary
            .corrected_tests
            .iter()
            .map(|test| format!("{test}.")),
    );
    remarks
}

fn stacked_remark(stacked: &Stacked) -> String {
    let terms: Vec<String> = stacked
        .terms
        .iter()
        .map(|term| {
            format!(
                "{:+.3} {} (SE {:.3})",
                term.coefficient, term.name, term.standard_error
            )
        })
        .collect();
    let firth = if stacked.is_firth {
        ", with Firth's penalty"
    } else {
        ""
    };
    let people = counted(
        stacked.n_validation,
        "validation person",
        "validation people",
    );
    format!(
        "Stacked on {people}{firth} ({:.0} % of the fit on both, the rest of that on the better \
         one): {}.",
        100.0 * stacked.shrinkage,
        terms.join(", ")
    )
}

/// `0.712 (95 % CI 0.690 to 0.734)`.
pub fn estimate(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    match (value, low.zip(high)) {
        (None, _) => "no value".to_owned(),
        (Some(value), None) => format!("{value:.3}"),
        (Some(value), Some((low, high))) => format!("{value:.3} (95 % CI {low:.3} to {high:.3})"),
    }
}
