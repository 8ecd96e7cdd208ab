//! Guards that need only predictions and the characteristics of the samples.
//!
//! Input -> output: [`Scores`] and [`Known`] -> rows of `guards.csv`. The guards of genotypes and
//! scoring files (kinship, a score's own study) are in the `guards.csv` next to the predictions.
//!
//! A guard reports its findings, or `pass` if it found nothing. Without the data to check it
//! reports `not-run`, never `pass`.
//!
//! - `person-in-two-splits` fails when the splits of `cohort.csv` and of the predictions differ.
//!   Two predictions that disagree are an error.
//! - `phenotype-differs` fails when a case of `cohort.csv` is a control of the predictions, or the
//!   reverse.
//! - `family-in-two-splits` fails when samples of one `family_id` are in two splits.
//! - `too-good` warns when a model separates cases from controls almost perfectly.
//! - `identical-scores` fails when a sequence model has the scores of another model.
//! - `permuted-labels` fails when at least half of a model's AUC above 0.5 is left after labels are
//!   permuted within ancestry, family or quintiles of PC1.
//! - `stratification` fails when principal components alone (`prs-pcs`, or those of `cohort.csv`)
//!   predict the disease and a model is not better.
//! - `test-better-than-train` fails when a model ranks the test split better than the samples that
//!   it was fitted on.
//!
//! Each guard has a false-alarm probability of 0.001. A guard with several models, or several
//! tests per model, divides it among them (Bonferroni).

mod cohort;
mod components;
mod identical;
mod optimism;
pub(crate) mod permutation;
mod permuted;
mod stratification;

use gf_cohort_schema::{GuardRow, GuardVerdict};
use gf_stats::delong::Placements;

use crate::{
    layout,
    predictions::{Column, Known, Scores},
};

const PERSON: &str = "person-in-two-splits";
const PHENOTYPE: &str = "phenotype-differs";
const FAMILY: &str = "family-in-two-splits";
const TOO_GOOD: &str = "too-good";
const IDENTICAL: &str = "identical-scores";
const PERMUTED: &str = "permuted-labels";
const STRATIFICATION: &str = "stratification";
const TEST_BETTER: &str = "test-better-than-train";

/// Names of all guards here.
pub const NAMES: [&str; 8] = [
    PERSON,
    PHENOTYPE,
    FAMILY,
    TOO_GOOD,
    IDENTICAL,
    PERMUTED,
    STRATIFICATION,
    TEST_BETTER,
];

/// Subject of a finding about every model.
const ALL_MODELS: &str = "all models";
/// Subject of a finding about the cohort table.
const COHORT: &str = layout::COHORT;
/// One-sided false-alarm probability of one guard.
const ALPHA: f64 = 0.001;
/// Fewest samples of a test. With fewer, chance explains any result.
const MIN_PEOPLE: usize = 50;

/// All guards, in the order of the list above.
pub fn run(scores: &Scores, known: &Known) -> Vec<GuardRow> {
    let last_split = match scores.last_split() {
        Some(split) => scores.in_split(split),
        None => &[],
    };
    let mut rows = vec![
        cohort::person_in_two_splits(scores, known),
        cohort::phenotype_differs(scores, known),
        cohort::family_in_two_splits(scores, known),
    ];
    rows.extend(optimism::too_good(last_split));
    rows.extend(identical::identical_scores(last_split));
    rows.extend(permuted::permuted_labels(scores, known, last_split));
    rows.extend(stratification::stratification(scores, known, last_split));
    rows.extend(optimism::test_better_than_train(scores));
    rows
}

/// `rows`, or a single row that passes.
fn or_pass(rows: Vec<GuardRow>, guard: &str, subject: &str, finding: String) -> Vec<GuardRow> {
    if rows.is_empty() {
        vec![GuardRow::new(guard, GuardVerdict::Pass, subject, finding)]
    } else {
        rows
    }
}

/// Placements of at least [`MIN_PEOPLE`] samples with both classes.
fn placements_of_many(column: &Column) -> Option<Placements> {
    if column.people.len() < MIN_PEOPLE {
        return None;
    }
    column.placements().ok()
}
