//! A verdict in sentences, also where no difference was found.
//!
//! Input -> output: a [`Verdict`] -> the headline model, the reference, the conclusion, and
//! paragraphs.

use gf_cohort_schema::{AucRow, GuardVerdict, STACKED, Split, counted};
use gf_stats::p_value_text;

use super::{Verdict, holm, table::count};

/// Row of sequence models.
const SEQUENCE_MODEL: u8 = 4;
/// Significance level after Holm's correction.
const ALPHA: f64 = 0.05;

/// The split that the report shows: test, or the last one with predictions.
pub fn split(verdict: &Verdict) -> Option<Split> {
    verdict.rows.iter().map(|row| row.split).max()
}

/// Rows of the split that the report shows, one per model.
pub fn shown_rows(verdict: &Verdict) -> Vec<&AucRow> {
    let split = split(verdict);
    verdict
        .rows
        .iter()
        .filter(|row| Some(row.split) == split)
        .collect()
}

/// Name of the reference model.
pub fn compared_to(verdict: &Verdict) -> Option<&str> {
    verdict
        .rows
        .iter()
        .find_map(|row| row.compared_to.as_deref())
}

/// The reference model on the split that the report shows. Without any comparison it is the only
/// model, if that is a baseline.
pub fn reference(verdict: &Verdict) -> Option<&AucRow> {
    let rows = shown_rows(verdict);
    match (compared_to(verdict), rows.as_slice()) {
        (Some(name), _) => rows.into_iter().find(|row| row.model == name),
        (None, [only]) if only.row.is_some_and(|row| row < SEQUENCE_MODEL) => Some(only),
        _ => None,
    }
}

/// The sequence model with the highest AUC on the validation split, or the first sequence model
/// without a validation split. The test split does not choose it.
pub fn headline(verdict: &Verdict) -> Option<&AucRow> {
    // `max_by` takes the last of equal ones; reversed, that is the first.
    sequence_models(verdict)
        .into_iter()
        .rev()
        .max_by(|a, b| validation_or_low(verdict, a).total_cmp(&validation_or_low(verdict, b)))
}

/// Sequence models on the split that the report shows, without the reference.
pub fn sequence_models(verdict: &Verdict) -> Vec<&AucRow> {
    let reference = compared_to(verdict);
    let mut rows = shown_rows(verdict);
    rows.retain(|row| row.row == Some(SEQUENCE_MODEL) && Some(row.model.as_str()) != reference);
    rows
}

fn validation_or_low(verdict: &Verdict, row: &AucRow) -> f64 {
    validation_auroc(verdict, &row.model).unwrap_or(f64::NEG_INFINITY)
}

/// AUC of a model on the validation split.
pub fn validation_auroc(verdict: &Verdict, model: &str) -> Option<f64> {
    row_of(verdict, Split::Validation, model)?.auroc
}

/// Row of a model on a split.
pub fn row_of<'a>(verdict: &'a Verdict, split: Split, model: &str) -> Option<&'a AucRow> {
    verdict
        .rows
        .iter()
        .find(|row| row.split == split && row.model == model)
}

/// The paired test of the headline model against the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadlineTest {
    /// Difference in AUC.
    pub delta: f64,
    /// 95 % interval of the difference.
    pub interval: (f64, f64),
    /// p-value without correction.
    pub p_value: f64,
    /// p-value after Holm's correction over all sequence models that were tested.
    pub corrected: f64,
    /// Sequence models that were tested.
    pub n_tests: usize,
}

impl HeadlineTest {
    /// `None` where the headline model was not tested.
    pub fn new(verdict: &Verdict) -> Option<Self> {
        let row = headline(verdict)?;
        let tested: Vec<&AucRow> = sequence_models(verdict)
            .into_iter()
            .filter(|row| row.p_value.is_some())
            .collect();
        let p_values: Vec<f64> = tested.iter().filter_map(|row| row.p_value).collect();
        let place = tested.iter().position(|tested| tested.model == row.model)?;
        Some(Self {
            delta: row.delta_auroc?,
            interval: row.delta_ci_low.zip(row.delta_ci_high)?,
            p_value: p_values[place],
            corrected: holm::corrected(&p_values)[place],
            n_tests: p_values.len(),
        })
    }

    /// `p = 0.023 uncorrected, p = 0.069 after Holm correction for 3 tests`.
    pub fn p_values(&self) -> String {
        if self.n_tests == 1 {
            return format!("{}, one test", p_clause(self.p_value));
        }
        format!(
            "{} uncorrected, {} after Holm correction for {} tests",
            p_clause(self.p_value),
            p_clause(self.corrected),
            self.n_tests
        )
    }

    /// `difference +0.053, 95 % CI +0.007 to +0.098, p = ...`.
    fn numbers(&self) -> String {
        let (low, high) = self.interval;
        format!(
            "difference {:+.3}, 95 % CI {low:+.3} to {high:+.3}, {}",
            self.delta,
            self.p_values()
        )
    }
}

/// What the comparison of the headline model with the reference shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// There is no sequence model, or no reference.
    NotCompared,
    /// The interval excludes zero, and the test survives the correction.
    Confirmed(Direction),
    /// The interval excludes zero, and the test does not survive the correction.
    NotConfirmed(Direction),
    /// The interval includes zero.
    NoDifference,
}

/// Sign of a difference in AUC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The headline model has the higher AUC.
    Higher,
    /// The headline model has the lower AUC.
    Lower,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }
}

/// Conclusion from the interval and the corrected p-value.
pub fn conclusion(verdict: &Verdict) -> Conclusion {
    let Some(test) = HeadlineTest::new(verdict) else {
        return Conclusion::NotCompared;
    };
    let (low, high) = test.interval;
    let direction = if low > 0.0 {
        Direction::Higher
    } else if high < 0.0 {
        Direction::Lower
    } else {
        return Conclusion::NoDifference;
    };
    if test.n_tests == 1 || test.corrected < ALPHA {
        Conclusion::Confirmed(direction)
    } else {
        Conclusion::NotConfirmed(direction)
    }
}

/// The heading of the report.
pub fn kind(verdict: &Verdict) -> String {
    if n_guards(verdict, GuardVerdict::Fail) > 0 {
        return "A guard against leakage failed: do not use this comparison".to_owned();
    }
    match conclusion(verdict) {
        Conclusion::Confirmed(direction) => format!(
            "The sequence model has a {} AUC than the reference",
            direction.word()
        ),
        Conclusion::NotConfirmed(direction) => format!(
            "A {} AUC of the sequence model is not confirmed",
            direction.word()
        ),
        Conclusion::NoDifference => {
            "No difference between the sequence model and the reference was shown".to_owned()
        }
        Conclusion::NotCompared => "No sequence model was compared with a reference".to_owned(),
    }
}

/// The verdict in one sentence, with its reach: samples, models tested, interval and p-values.
pub fn sentence(verdict: &Verdict) -> String {
    let Some(split) = split(verdict) else {
        return "There is nothing to compare.".to_owned();
    };
    match (headline(verdict), reference(verdict)) {
        (Some(headline), Some(reference)) => match HeadlineTest::new(verdict) {
            Some(test) => tested(verdict, split, &test, headline, reference),
            None => not_tested(split, headline, reference),
        },
        (Some(headline), None) => format!(
            "{}, the sequence model {} has an AUC of {}. No reference was chosen, so no \
             difference was tested.",
            on_samples(split, headline),
            headline.model,
            estimate(headline)
        ),
        (None, Some(reference)) => format!(
            "{}, the reference {} has an AUC of {}. No sequence model was evaluated.",
            on_samples(split, reference),
            reference.model,
            estimate(reference)
        ),
        (None, None) => {
            let rows = shown_rows(verdict);
            let models = counted(rows.len(), "model has", "models have");
            format!(
                "{models} an AUC on the {split} split. No sequence model and no reference was \
                 chosen, so no difference was tested."
            )
        }
    }
}

fn tested(
    verdict: &Verdict,
    split: Split,
    test: &HeadlineTest,
    headline: &AucRow,
    reference: &AucRow,
) -> String {
    let models = match test.n_tests {
        1 => "one sequence model".to_owned(),
        n => format!("{n} sequence models"),
    };
    let reach = format!("{}, with {models} tested", on_samples(split, headline));
    let model = &headline.model;
    let other = &reference.model;
    let numbers = test.numbers();
    match conclusion(verdict) {
        Conclusion::Confirmed(direction) => format!(
            "{reach}, the sequence model {model} has a {} AUC than {other} ({numbers}).",
            direction.word()
        ),
        Conclusion::NotConfirmed(direction) => format!(
            "{reach}, a {} AUC of the sequence model {model} than of {other} is not confirmed \
             ({numbers}).",
            direction.word()
        ),
        Conclusion::NoDifference | Conclusion::NotCompared => format!(
            "{reach}, no difference in AUC between the sequence model {model} and {other} was \
             shown ({numbers})."
        ),
    }
}

fn not_tested(split: Split, headline: &AucRow, reference: &AucRow) -> String {
    let reason = headline.reason.as_deref().unwrap_or("no test is possible");
    format!(
        "{}, the sequence model {} has an AUC of {} and {} has {}. The difference was not tested: \
         {reason}.",
        on_samples(split, headline),
        headline.model,
        estimate(headline),
        reference.model,
        estimate(reference)
    )
}

/// `On these 400 test samples`.
fn on_samples(split: Split, row: &AucRow) -> String {
    match row.n_cases + row.n_controls {
        1 => format!("On one {split} sample"),
        n => format!("On these {} {split} samples", count(n)),
    }
}

/// Explanations below the sentence, one paragraph each.
pub fn paragraphs(verdict: &Verdict) -> Vec<String> {
    let mut paragraphs = Vec::new();
    if let Some(test) = HeadlineTest::new(verdict)
        && conclusion(verdict) == Conclusion::NoDifference
    {
        let (low, high) = test.interval;
        paragraphs.push(format!(
            "The 95 % CI includes zero. Differences from {low:+.3} to {high:+.3} are compatible \
             with these data, so this does not show that both are equal."
        ));
    }
    if let Some(stacked) = stacked(verdict) {
        paragraphs.push(stacked);
    }
    paragraphs.extend(choice_of_headline(verdict));
    if !verdict.comparison.is_empty() {
        paragraphs.push(verdict.comparison.clone());
    }
    if !verdict.rows.is_empty() {
        paragraphs.push(guards(verdict));
    }
    paragraphs
}

/// How the headline model was chosen; `None` with fewer than two sequence models.
fn choice_of_headline(verdict: &Verdict) -> Option<String> {
    let models = sequence_models(verdict);
    if models.len() < 2 {
        return None;
    }
    let headline = headline(verdict)?;
    let n_models = models.len();
    Some(match validation_auroc(verdict, &headline.model) {
        Some(auroc) => format!(
            "Headline model: {}, the sequence model with the highest validation AUC ({auroc:.3}) \
             of {n_models}. The test split was not used to choose it.",
            headline.model
        ),
        None => format!(
            "Headline model: {}, the first of {n_models} sequence models. There is no validation \
             AUC to choose by.",
            headline.model
        ),
    })
}

/// The stacked model and its difference; `None` where it was not compared.
fn stacked(verdict: &Verdict) -> Option<String> {
    let row = row_of(verdict, split(verdict)?, STACKED)?;
    let reference = row.compared_to.as_ref()?;
    let (low, high) = row.delta_ci_low.zip(row.delta_ci_high)?;
    let p_value = row.p_value.map_or(String::new(), |p_value| {
        format!(", {} uncorrected", p_clause(p_value))
    });
    Some(format!(
        "The stacked model, a regression on the best score and the best sequence model fitted on \
         the validation split, has an AUC of {} (difference to {reference} {:+.3}, 95 % CI \
         {low:+.3} to {high:+.3}{p_value}).",
        estimate(row),
        row.delta_auroc?
    ))
}

/// `p = 0.012`, or `p < 1e-300`.
pub fn p_clause(p_value: f64) -> String {
    let text = p_value_text(p_value);
    match text.strip_prefix('<') {
        Some(bound) => format!("p < {bound}"),
        None => format!("p = {text}"),
    }
}

/// How many guards failed, warned, passed and were not run, as sentences.
fn guards(verdict: &Verdict) -> String {
    if verdict.guards.is_empty() {
        return "No guard against leakage was run, so leakage cannot be excluded.".to_owned();
    }
    format!(
        "Guards against leakage: {}. A guard that passes does not prove that there is no leakage.",
        guard_counts(verdict)
    )
}

/// `0 failed, 1 warned, 5 passed, 5 not run`.
pub fn guard_counts(verdict: &Verdict) -> String {
    format!(
        "{} failed, {} warned, {} passed, {} not run",
        n_guards(verdict, GuardVerdict::Fail),
        n_guards(verdict, GuardVerdict::Warn),
        n_guards(verdict, GuardVerdict::Pass),
        n_guards(verdict, GuardVerdict::NotRun)
    )
}

/// Number of findings of one kind.
pub fn n_guards(verdict: &Verdict, kind: GuardVerdict) -> usize {
    verdict
        .guards
        .iter()
        .filter(|row| row.verdict == kind)
        .count()
}

/// `0.712 (95 % CI 0.690 to 0.734)`.
pub fn estimate(row: &AucRow) -> String {
    match (row.auroc, row.ci_low.zip(row.ci_high)) {
        (None, _) => "no value".to_owned(),
        (Some(auroc), None) => format!("{auroc:.3}"),
        (Some(auroc), Some((low, high))) => {
            format!("{auroc:.3} (95 % CI {low:.3} to {high:.3})")
        }
    }
}
