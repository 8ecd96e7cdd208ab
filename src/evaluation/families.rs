//! Families of the predicted samples, for the bootstrap and for the counts by split.

use std::collections::{HashMap, HashSet};

use gf_cohort_schema::{Phenotype, Split};

use super::PeopleRow;
use crate::predictions::Scores;

/// The family of each person of [`Scores::people`].
pub(super) struct Families<'a> {
    /// The cells of `family_id`; `None` where no table has this column.
    ids: Option<Vec<Option<&'a str>>>,
    /// A number per person, the same for members of one family. A person without a family has a
    /// number that no one else has.
    pub(super) numbers: Vec<u32>,
}

impl<'a> Families<'a> {
    pub(super) fn new(ids: Option<Vec<Option<&'a str>>>, scores: &Scores) -> Self {
        let numbers = match &ids {
            Some(ids) => numbers(ids),
            None => (0..).take(scores.people.len()).collect(),
        };
        Self { ids, numbers }
    }

    /// Number of families, where a person without a family is one.
    pub(super) fn n_distinct(&self) -> usize {
        self.numbers.iter().collect::<HashSet<_>>().len()
    }

    /// Cases, controls and named families of each split with predictions.
    pub(super) fn count_by_split(&self, scores: &Scores) -> Vec<PeopleRow> {
        Split::ALL
            .into_iter()
            .map(|split| self.count(split, scores))
            .filter(|row| row.n_people() > 0)
            .collect()
    }

    fn count(&self, split: Split, scores: &Scores) -> PeopleRow {
        let mut row = PeopleRow {
            split,
            n_cases: 0,
            n_controls: 0,
            n_without_phenotype: 0,
            n_families: self.ids.as_ref().map(|ids| n_named(ids, split, scores)),
        };
        for person in scores.people.iter().filter(|person| person.split == split) {
            match person.phenotype.map(Phenotype::is_case) {
                Some(true) => row.n_cases += 1,
                Some(false) => row.n_controls += 1,
                None => row.n_without_phenotype += 1,
            }
        }
        row
    }
}

/// The number of a family is the index of its first member, which no other family can have.
fn numbers(ids: &[Option<&str>]) -> Vec<u32> {
    let mut number_of_family: HashMap<&str, u32> = HashMap::new();
    ids.iter()
        .zip(0..)
        .map(|(id, person)| match id {
            Some(id) => *number_of_family.entry(id).or_insert(person),
            None => person,
        })
        .collect()
}

/// Distinct ids among the samples of a split.
fn n_named(ids: &[Option<&str>], split: Split, scores: &Scores) -> usize {
    scores
        .people
        .iter()
        .zip(ids)
        .filter(|(person, _)| person.split == split)
        .filter_map(|(_, id)| *id)
        .collect::<HashSet<_>>()
        .len()
}
