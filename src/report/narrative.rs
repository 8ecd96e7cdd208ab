//! The verdict in sentences, also where it is that nothing was found.
//!
//! Input -> output: a [`Verdict`] -> which model is spoken of, and paragraphs.

use gf_cohort_schema::{AucRow, GuardVerdict, STACKED, Split};

use super::{Verdict, terminal::p_value};
use gf_cohort_schema::counted;

/// Row of sequence models.
const SEQUENCE: u8 = 4;

/// The split that is spoken of: the test split, or the last there is.
pub fn split(verdict: &Verdict) -> Option<Split> {
    verdict.rows.iter().map(|row| row.split).max()
}

/// The model that everything is compared to.
pub fn compared_to(verdict: &Verdict) -> Option<&str> {
    verdict
        .rows
        .iter()
        .find_map(|row| row.compared_to.as_deref())
}

/// The sequence model with the highest AUC on the validation split (where there is none, the
/// first): the test split does not choose it.
pub fn headline(verdict: &Verdict) -> Option<&AucRow> {
    let split = split(verdict)?;
    let validation = |model: &str| {
        let row = verdict
            .rows
            .iter()
            .find(|row| row.split == Split::Validation && row.model == model)?;
        row.auroc
    };
    let compared_to = compared_to(verdict);
    let models = verdict.rows.iter().filter(|row| {
        row.split == split && row.row == Some(SEQUENCE) && Some(row.model.as_str()) != compared_to
    });
    let models: Vec<&AucRow> = models.collect();
    // `max_by` takes the last of equal ones.
    models.into_iter().rev().max_by(|a, b| {
        let [a, b] = [a, b].map(|row| validation(&row.model).unwrap_or(f64::NEG_INFINITY));
        a.total_cmp(&b)
    })
}

/// One word for the heading.
pub fn kind(verdict: &Verdict) -> &'static str {
    let fails = verdict
        .guards
        .iter()
        .any(|row| row.verdict == GuardVerdict::Fail);
    match headline(verdict).and_then(|row| row.delta_ci_low.zip(row.delta_ci_high)) {
        _ if fails => "Leakage was found: this comparison cannot be believed",
        Some((low, _)) if low > 0.0 => "The sequence model is better than the best baseline",
        Some((_, high)) if high < 0.0 => "The sequence model is worse than the best baseline",
        Some(_) => "No difference between the sequence model and the best baseline was shown",
        None => "No sequence model was compared to a baseline",
    }
}

/// Sentences, one a paragraph.
pub fn paragraphs(verdict: &Verdict) -> Vec<String> {
    let Some(split) = split(verdict) else {
        return vec!["There is nothing to compare.".to_owned()];
    };
    let of = |model: &str| {
        verdict
            .rows
            .iter()
            .find(|row| row.split == split && row.model == model)
    };
    let mut said = Vec::new();
    if let Some(baseline) = compared_to(verdict).and_then(of) {
        said.push(format!(
            "{} reaches an AUC of {} on the {split} split ({}, {}).",
            baseline.model,
            estimate(baseline.auroc, baseline.ci_low, baseline.ci_high),
            counted(baseline.n_cases, "case", "cases"),
            counted(baseline.n_controls, "control", "controls")
        ));
    }
    if let Some(model) = headline(verdict) {
        said.push(difference(model));
    }
    if let Some(stacked) = of(STACKED).filter(|row| row.delta_auroc.is_some()) {
        said.push(format!(
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
        said.push(format!(
            "{n_compared} models were tested; p-values are not corrected for that. The sequence \
             model spoken of is the one with the highest AUC on the validation split."
        ));
    }
    if !verdict.comparison.is_empty() {
        said.push(verdict.comparison.clone());
    }
    said.push(guards(verdict));
    said
}

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
    let p = model.p_value.map_or(String::new(), |p| {
        let text = p_value(p);
        if text.starts_with('<') {
            format!(", p {text}")
        } else {
            format!(", p = {text}")
        }
    });
    let meaning = if low > 0.0 {
        "The interval excludes zero: it is better on these people.".to_owned()
    } else if high < 0.0 {
        "The interval excludes zero: it is worse on these people.".to_owned()
    } else {
        format!(
            "The interval holds zero: no difference was shown. That does not show that there is \
             none: from {low:+.3} to {high:+.3} all agrees with these data."
        )
    };
    format!(
        "{reached}, a difference to {baseline} of {delta:+.3} (95 % CI {low:+.3} to \
         {high:+.3}{p}). {meaning}"
    )
}

fn guards(verdict: &Verdict) -> String {
    let count = |which: GuardVerdict| {
        verdict
            .guards
            .iter()
            .filter(|row| row.verdict == which)
            .count()
    };
    let [fail, warn, not_run, pass] = [
        GuardVerdict::Fail,
        GuardVerdict::Warn,
        GuardVerdict::NotRun,
        GuardVerdict::Pass,
    ]
    .map(count);
    if verdict.guards.is_empty() {
        return "No guard against leakage was run, so leakage cannot be excluded.".to_owned();
    }
    let mut parts = Vec::new();
    if fail > 0 {
        parts.push(format!(
            "{fail} found leakage, so the numbers above cannot be believed"
        ));
    }
    if warn > 0 {
        parts.push(counted(warn, "warns", "warn"));
    }
    if not_run > 0 {
        parts.push(format!("{not_run} could not look"));
    }
    parts.push(format!("{pass} found nothing"));
    format!(
        "Of {} of guards against leakage {}. A guard that finds nothing does not prove that there \
         is nothing.",
        counted(verdict.guards.len(), "finding", "findings"),
        parts.join(", ")
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
