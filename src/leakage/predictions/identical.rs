//! Guard for models that predict the same, or one score for many samples.

use gf_cohort_schema::{GuardRow, GuardVerdict, Role, counted, is_baseline};
use gf_stats::roc::ties;

use super::{ALL_MODELS, IDENTICAL, MIN_PEOPLE, or_pass};
use crate::predictions::Column;

/// Proportion of samples with one score at which a warning is given.
const LARGE_TIE: f64 = 0.1;
/// Proportion of these samples to which another model gives distinct scores.
const DISTINCT: f64 = 0.5;

/// Searches for models with the same scores, and models with one score for many samples.
pub(super) fn identical_scores(columns: &[Column]) -> Vec<GuardRow> {
    if columns.len() < 2 {
        return vec![GuardRow::new(
            IDENTICAL,
            GuardVerdict::NotRun,
            ALL_MODELS,
            "no comparison, because there is only one model",
        )];
    }
    let mut rows = same_scores(columns);
    rows.extend(
        columns
            .iter()
            .filter_map(|column| large_tie(column, columns)),
    );
    or_pass(
        rows,
        IDENTICAL,
        ALL_MODELS,
        format!("{} models, no two with the same scores", columns.len()),
    )
}

/// A row for each pair of models with the same scores. Constant models are no finding.
fn same_scores(columns: &[Column]) -> Vec<GuardRow> {
    let mut rows = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        if largest_tie(column).len() == column.people.len() {
            continue;
        }
        for earlier in &columns[..index] {
            let is_same = earlier.people == column.people && earlier.logits == column.logits;
            if is_same && !is_additive_part(&column.model, &earlier.model) {
                rows.push(same_scores_row(column, earlier));
            }
        }
    }
    rows
}

/// Verdict about two models with the same scores. Two baselines of this program that chose the same
/// variants may well agree; two names of one published score are odd; a sequence model that equals
/// another model is an error.
fn same_scores_row(column: &Column, earlier: &Column) -> GuardRow {
    let people = counted(column.people.len(), "sample", "samples");
    let earlier_model = &earlier.model;
    let are_own_baselines = is_baseline(&column.model) && is_baseline(earlier_model);
    let are_baselines = column.role.is_baseline() && earlier.role.is_baseline();
    if are_own_baselines {
        let finding = format!(
            "predicts the same as {earlier_model} for all {people}, so the two baselines count as \
             one"
        );
        GuardRow::new(IDENTICAL, GuardVerdict::Pass, &column.model, finding)
    } else if are_baselines {
        let finding = format!(
            "the same scores as {earlier_model} for all {people}; is one score given under two \
             names?"
        );
        GuardRow::new(IDENTICAL, GuardVerdict::Warn, &column.model, finding)
    } else {
        let finding = format!(
            "the same scores as {earlier_model} for all {people}; are these predictions of one \
             model under two names?"
        );
        GuardRow::new(IDENTICAL, GuardVerdict::Fail, &column.model, finding)
    }
}

/// Whether one model is the additive term of the other: both predict the same where no deep term
/// helps.
fn is_additive_part(a: &str, b: &str) -> bool {
    // Models with different deep terms that do not help are the same additive term.
    let have_both_additive_term = a.starts_with("additive+") && b.starts_with("additive+");
    is_additive_term_of(a, b) || is_additive_term_of(b, a) || have_both_additive_term
}

fn is_additive_term_of(part: &str, whole: &str) -> bool {
    part.strip_suffix("-additive") == Some(whole)
        || part == "additive" && whole.starts_with("additive+")
}

/// A warning for a score or sequence model with one score for many samples, to which another model
/// gives distinct scores. Baselines of this program are exempt.
fn large_tie(column: &Column, columns: &[Column]) -> Option<GuardRow> {
    if !reads_genomes_beyond_apoe(column) || is_baseline(&column.model) {
        return None;
    }
    let tied = largest_tie(column);
    let n_tied = tied.len();
    let n_people = column.people.len();
    if n_tied < MIN_PEOPLE.min(n_people) || (n_tied as f64) < LARGE_TIE * n_people as f64 {
        return None;
    }
    let other = columns.iter().find(|other| {
        reads_genomes_beyond_apoe(other)
            && other.people == column.people
            && n_distinct(tied, other) as f64 > DISTINCT * n_tied as f64
    })?;
    let finding = format!(
        "{n_tied} of {n_people} samples have the same score, but {} gives them different scores; \
         either few variants count, or genotypes were not read",
        other.model
    );
    Some(GuardRow::new(
        IDENTICAL,
        GuardVerdict::Warn,
        &column.model,
        finding,
    ))
}

/// APOE genotypes alone have few distinct scores.
fn reads_genomes_beyond_apoe(column: &Column) -> bool {
    column.role.reads_genomes() && column.role != Role::Apoe
}

/// Number of distinct logits at some positions of a column.
fn n_distinct(positions: &[u32], column: &Column) -> usize {
    let mut logits: Vec<f64> = positions
        .iter()
        .map(|&position| column.logits[position as usize])
        .collect();
    logits.sort_unstable_by(f64::total_cmp);
    logits.dedup();
    logits.len()
}

/// Positions of the largest group of samples with one logit.
fn largest_tie(column: &Column) -> &[u32] {
    ties(&column.logits, &column.order)
        .max_by_key(|group| group.len())
        .unwrap_or_default()
}
