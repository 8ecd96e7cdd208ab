//! Cards of the first screen: reference, headline model, difference, guards, samples.

use gf_cohort_schema::{AucRow, GuardVerdict};

use super::{
    Background, PeopleRow, Verdict,
    narrative::{self, HeadlineTest},
    table::{classes, count},
};

/// A number with its name and its details.
pub struct Card {
    /// Name of the number.
    pub label: &'static str,
    /// The number.
    pub value: String,
    /// Model, interval or counts.
    pub details: Vec<String>,
    /// Class in the style sheet; may be empty.
    pub class: &'static str,
}

/// The cards that have a value.
pub fn cards(verdict: &Verdict, background: &Background) -> Vec<Card> {
    if verdict.rows.is_empty() {
        return Vec::new();
    }
    let reference = narrative::reference(verdict).map(|row| {
        // A reference that was named need not be the best baseline.
        let label = if background.evaluation["compare_to"].is_null() {
            "AUC of the best baseline (reference)"
        } else {
            "AUC of the reference"
        };
        auc(label, "reference", row)
    });
    let headline = narrative::headline(verdict)
        .map(|row| auc("AUC of the headline sequence model", "headline", row));
    [reference, headline, difference(verdict)]
        .into_iter()
        .flatten()
        .chain([guards(verdict)])
        .chain(samples(verdict))
        .collect()
}

fn auc(label: &'static str, class: &'static str, row: &AucRow) -> Card {
    let mut details = vec![row.model.clone()];
    if let Some((low, high)) = row.ci_low.zip(row.ci_high) {
        details.push(format!("95 % CI {low:.3} to {high:.3}"));
    }
    Card {
        label,
        value: row
            .auroc
            .map_or("undefined".to_owned(), |auroc| format!("{auroc:.3}")),
        details,
        class,
    }
}

fn difference(verdict: &Verdict) -> Option<Card> {
    let test = HeadlineTest::new(verdict)?;
    let (low, high) = test.interval;
    let mut details = vec![format!("95 % CI {low:+.3} to {high:+.3}")];
    details.extend(test.p_values().split(", ").map(str::to_owned));
    Some(Card {
        label: "Difference in AUC",
        value: format!("{:+.3}", test.delta),
        details,
        class: "",
    })
}

fn guards(verdict: &Verdict) -> Card {
    const LABEL: &str = "Guards against leakage";
    if verdict.guards.is_empty() {
        return Card {
            label: LABEL,
            value: "none run".to_owned(),
            details: Vec::new(),
            class: "",
        };
    }
    let n_failed = narrative::n_guards(verdict, GuardVerdict::Fail);
    let counts = narrative::guard_counts(verdict);
    let failed = format!("{n_failed} failed");
    let further = counts.trim_start_matches(&failed).trim_start_matches(", ");
    Card {
        label: LABEL,
        details: vec![further.to_owned()],
        value: failed,
        class: if n_failed > 0 { "failed" } else { "" },
    }
}

/// Samples of the split that the report shows. The headline model need not score all of them.
fn samples(verdict: &Verdict) -> Option<Card> {
    let row = narrative::headline(verdict)
        .or_else(|| narrative::reference(verdict))
        .or_else(|| narrative::shown_rows(verdict).first().copied())?;
    let mut details = vec![format!(
        "{} split: {}",
        row.split,
        classes(row.n_cases, row.n_controls)
    )];
    if verdict.people.len() > 1 {
        let n_samples: usize = verdict.people.iter().map(PeopleRow::n_people).sum();
        details.push(format!("{} in all splits", count(n_samples)));
    }
    Some(Card {
        label: "Samples",
        value: count(row.n_cases + row.n_controls),
        details,
        class: "",
    })
}
