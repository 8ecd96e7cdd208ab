//! How tables of predictions were interpreted where they leave it open.
//!
//! Input -> output: tables as they were read -> one sentence for each assumption.

use gf_cohort_schema::{ScoredTable, counted};

use crate::predictions::Unassigned;

/// Score columns and roles that were guessed, and files that may have been cut.
pub(super) fn of_tables(tables: &[ScoredTable]) -> Vec<String> {
    let mut sentences = Vec::new();
    for table in tables {
        let path = table.path.display();
        if !table.score_columns.is_empty() {
            let columns = counted(table.score_columns.len(), "column", "columns");
            sentences.push(format!(
                "{path}: scores are read from {columns}, {}",
                table.score_columns.join(", ")
            ));
        }
        for (model, role) in &table.roles_by_default {
            sentences.push(format!(
                "{path}: no role is stated, so {model} is read as {role} (change it with --role \
                 {model}=ROLE)"
            ));
        }
        if table.may_be_cut {
            sentences.push(format!(
                "{path}: the last line has no line break; is the file complete?"
            ));
        }
    }
    sentences
}

/// Samples that were left out or put into the test split.
pub(super) fn of_unassigned(unassigned: Unassigned) -> Vec<String> {
    let Unassigned {
        without_score,
        not_in_cohort,
        without_split,
    } = unassigned;
    let mut sentences = Vec::new();
    if without_score > 0 {
        sentences.push(format!(
            "{} without a score in one of the tables left out",
            counted(without_score, "sample", "samples")
        ));
    }
    if not_in_cohort > 0 {
        sentences.push(format!(
            "{} not in the cohort table left out",
            counted(not_in_cohort, "sample", "samples")
        ));
    }
    if without_split > 0 {
        sentences.push(format!(
            "no table has a split for {}, so the test split is assumed",
            counted(without_split, "sample", "samples")
        ));
    }
    sentences
}
