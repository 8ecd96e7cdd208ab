//! Predictions of all models as one column per (split, model).
//!
//! Input -> output: tables of predictions ([`Rows`]) -> [`Scores`], after checking that they agree
//! about the samples. `cohort.csv` and `apoe.csv` -> [`Known`] characteristics of these samples.
//!
//! `evaluation` computes its tables from both, and the guards of `leakage` check both.

mod columns;
mod error;
mod known;
mod rows;

use std::collections::BTreeSet;

use gf_cohort_schema::{Phenotype, Role, Split, counted};
use gf_stats::{
    delong::Placements,
    roc::{self, OneClass},
};

pub use self::error::Error;
pub(crate) use self::{
    known::Known,
    rows::{Rows, Unassigned},
};

/// Fewest cases, and controls, to fit a slope or to judge probabilities (Peduzzi et al. 1996: ten
/// events per parameter).
const MIN_OF_A_CLASS: usize = 10;

/// All predicted samples, and the scores of those with a known phenotype.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    /// Sorted by sample id.
    pub(crate) people: Vec<Person>,
    /// By split, then by the row of the comparison (probes last), then by name.
    pub(crate) columns: Vec<Column>,
    /// One per (model, repeat, fold), sorted by these.
    pub(crate) held_out: Vec<HeldOut>,
    /// Samples that several folds of one model predict.
    pub(crate) people_averaged_over_folds: usize,
    pub(crate) unassigned: Unassigned,
    /// Number of tables that were read.
    pub(crate) n_files: usize,
}

/// A predicted sample.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) sample_id: String,
    pub(crate) split: Split,
    pub(crate) phenotype: Option<Phenotype>,
    /// A table of predictions states the split; else it is that of the cohort table.
    pub(crate) states_split: bool,
    /// A table of predictions states the phenotype; else it is that of the cohort table.
    pub(crate) states_phenotype: bool,
}

/// Scores of one model on one split. All vectors are indexed by the same position, in the order of
/// sample ids.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) split: Split,
    pub(crate) model: String,
    pub(crate) role: Role,
    /// Indices in [`Scores::people`], rising.
    pub(crate) people: Vec<u32>,
    pub(crate) is_case: Vec<bool>,
    /// Mean over the folds that predict a sample.
    pub(crate) logits: Vec<f64>,
    pub(crate) probabilities: Vec<f64>,
    /// The table has probabilities. For a raw score the values in `probabilities` mean nothing.
    pub(crate) has_probabilities: bool,
    /// Positions in the vectors above by rising logit.
    pub(crate) order: Vec<u32>,
}

/// Scores of one model on the held-out samples of one fold of a cross-validation.
#[derive(Debug)]
pub(crate) struct HeldOut {
    pub(crate) model: String,
    /// 1-based.
    pub(crate) repeat: usize,
    pub(crate) fold: u32,
    /// Indices in [`Scores::people`], rising.
    pub(crate) people: Vec<u32>,
    pub(crate) logits: Vec<f64>,
}

impl Column {
    pub(crate) fn new(
        split: Split,
        model: &str,
        role: Role,
        people: Vec<u32>,
        is_case: Vec<bool>,
        logits: Vec<f64>,
        probabilities: Vec<f64>,
    ) -> Self {
        let order = roc::by_rising(&logits);
        Self {
            split,
            model: model.to_owned(),
            role,
            people,
            is_case,
            logits,
            probabilities,
            has_probabilities: true,
            order,
        }
    }

    pub(crate) fn n_cases(&self) -> usize {
        self.is_case.iter().filter(|&&case| case).count()
    }

    pub(crate) fn n_controls(&self) -> usize {
        self.is_case.len() - self.n_cases()
    }

    /// Placement values of the samples, for the AUROC and its variance.
    pub(crate) fn placements(&self) -> Result<Placements, OneClass> {
        Placements::new(&self.logits, &self.is_case, &self.order)
    }

    /// Why there are too few samples to fit anything; `None` if there are enough.
    pub(crate) fn too_few(&self) -> Option<String> {
        let n_cases = self.n_cases();
        let n_controls = self.n_controls();
        if n_cases.min(n_controls) >= MIN_OF_A_CLASS {
            return None;
        }
        let cases = counted(n_cases, "case", "cases");
        let controls = counted(n_controls, "control", "controls");
        Some(format!(
            "{cases} and {controls} are too few, at least {MIN_OF_A_CLASS} of each are needed"
        ))
    }

    /// Why probabilities cannot be compared with outcomes; `None` if they can.
    pub(crate) fn not_calibrated(&self) -> Option<String> {
        if self.has_probabilities {
            self.too_few()
        } else {
            Some("the table has scores but no probabilities".to_owned())
        }
    }

    /// The samples for which `keep` is true.
    pub(crate) fn subset(&self, keep: impl Fn(u32) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.people.len())
            .filter(|&position| keep(self.people[position]))
            .collect();
        // A subset keeps the order by logit, so it needs no sorting.
        let mut new_position = vec![None; self.people.len()];
        for (&position, new) in kept.iter().zip(0..) {
            new_position[position] = Some(new);
        }
        let order = self
            .order
            .iter()
            .filter_map(|&position| new_position[position as usize])
            .collect();
        Self {
            model: self.model.clone(),
            people: selected(&self.people, &kept),
            is_case: selected(&self.is_case, &kept),
            logits: selected(&self.logits, &kept),
            probabilities: selected(&self.probabilities, &kept),
            order,
            ..*self
        }
    }

    /// Order of the columns of [`Scores`].
    fn sort_key(&self) -> (Split, u8, &str) {
        (self.split, row_of(self.role), &self.model)
    }
}

fn selected<T: Copy>(values: &[T], positions: &[usize]) -> Vec<T> {
    positions.iter().map(|&position| values[position]).collect()
}

/// Row of the comparison; a probe is behind all rows.
fn row_of(role: Role) -> u8 {
    role.comparison_row().unwrap_or(u8::MAX)
}

impl Scores {
    /// Inserts the column of a further model.
    pub(crate) fn insert(&mut self, column: Column) {
        let index = self
            .columns
            .partition_point(|before| before.sort_key() < column.sort_key());
        self.columns.insert(index, column);
    }

    fn split(&self, person: u32) -> Split {
        self.people[person as usize].split
    }

    pub(crate) fn is_case(&self, person: u32) -> bool {
        self.people[person as usize]
            .phenotype
            .is_some_and(Phenotype::is_case)
    }

    pub(crate) fn n_without_phenotype(&self) -> usize {
        self.people
            .iter()
            .filter(|person| person.phenotype.is_none())
            .count()
    }

    /// Names of all models, sorted.
    pub(crate) fn models(&self) -> BTreeSet<&str> {
        self.columns
            .iter()
            .map(|column| column.model.as_str())
            .collect()
    }

    /// The columns of one split.
    pub(crate) fn in_split(&self, split: Split) -> &[Column] {
        let start = self.columns.partition_point(|column| column.split < split);
        let end = self.columns.partition_point(|column| column.split <= split);
        &self.columns[start..end]
    }

    pub(crate) fn column(&self, split: Split, model: &str) -> Option<&Column> {
        self.in_split(split)
            .iter()
            .find(|column| column.model == model)
    }

    /// The split that decides: test, or the last one with predictions.
    pub(crate) fn last_split(&self) -> Option<Split> {
        self.columns.last().map(|column| column.split)
    }

    /// Checks that both models have predictions for the same samples of a split.
    pub(crate) fn require_same_people(&self, column: &Column, other: &Column) -> Result<(), Error> {
        if column.people == other.people {
            return Ok(());
        }
        let only_here = difference(&column.people, &other.people);
        let only_there = difference(&other.people, &column.people);
        let Some(&example) = only_here.first().or(only_there.first()) else {
            return Ok(());
        };
        let absent_from = if only_here.is_empty() {
            &column.model
        } else {
            &other.model
        };
        Err(Error::DifferentPeople {
            split: column.split,
            model: column.model.clone(),
            other: other.model.clone(),
            n_only_here: only_here.len(),
            n_only_there: only_there.len(),
            n_both: column.people.len() - only_here.len(),
            example: self.people[example as usize].sample_id.clone(),
            absent_from: absent_from.clone(),
        })
    }
}

/// The elements of `a` that are not in `b`; `b` is sorted.
fn difference(a: &[u32], b: &[u32]) -> Vec<u32> {
    a.iter()
        .filter(|person| b.binary_search(person).is_err())
        .copied()
        .collect()
}
