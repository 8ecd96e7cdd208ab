//! Guards that compare the predictions with the cohort table.

use std::collections::BTreeMap;

use gf_cohort_schema::{GuardRow, GuardVerdict, Phenotype, Split, counted};

use super::{COHORT, FAMILY, PERSON, PHENOTYPE};
use crate::predictions::{Known, Person, Scores};

/// Compares the splits of the predictions with those of `cohort.csv`.
pub(super) fn person_in_two_splits(scores: &Scores, known: &Known) -> GuardRow {
    let people = counted(scores.people.len(), "sample", "samples");
    let SplitsCompared {
        n_compared,
        n_different,
    } = compare_splits(scores, known);
    if n_different > 0 {
        let predicted = counted(
            n_different,
            "sample has another split in cohort.csv than in the predictions",
            "samples have another split in cohort.csv than in the predictions",
        );
        let finding = format!("of {people}, {predicted}; use one cohort.csv throughout");
        return GuardRow::new(PERSON, GuardVerdict::Fail, COHORT, finding);
    }
    if n_compared > 0 {
        let compared = counted(n_compared, "sample", "samples");
        let finding = format!("{compared}, each in the split that cohort.csv states");
        return GuardRow::new(PERSON, GuardVerdict::Pass, COHORT, finding);
    }
    // Several tables of predictions agree with each other, or they would not have been read.
    if scores.n_files > 1 && scores.people.iter().any(|person| person.states_split) {
        let finding = format!("{people}, each in one split in all predictions");
        return GuardRow::new(PERSON, GuardVerdict::Pass, "predictions", finding);
    }
    let finding = "no comparison, because splits are stated in only one table of predictions or in \
                   cohort.csv";
    GuardRow::new(PERSON, GuardVerdict::NotRun, COHORT, finding)
}

/// Samples whose split both the predictions and `cohort.csv` state.
#[derive(Default)]
struct SplitsCompared {
    n_compared: usize,
    n_different: usize,
}

fn compare_splits(scores: &Scores, known: &Known) -> SplitsCompared {
    let mut result = SplitsCompared::default();
    let Some(cells) = cohort_cells("split", known) else {
        return result;
    };
    for (person, cell) in scores.people.iter().zip(cells) {
        let Some(cell) = cell.filter(|_| person.states_split) else {
            continue;
        };
        result.n_compared += 1;
        let is_same = cell.eq_ignore_ascii_case(&person.split.to_string());
        result.n_different += usize::from(!is_same);
    }
    result
}

/// The cells of a column of `cohort.csv`, by person; `None` without a cohort table.
fn cohort_cells<'a>(name: &str, known: &'a Known) -> Option<Vec<Option<&'a str>>> {
    if !known.has_cohort() {
        return None;
    }
    known.cells(name)
}

/// Compares the phenotypes of the predictions with those of `cohort.csv`.
pub(super) fn phenotype_differs(scores: &Scores, known: &Known) -> GuardRow {
    let Some(cells) = cohort_cells("phenotype", known) else {
        let finding = "there is no cohort table with the column phenotype (--cohort)";
        return GuardRow::new(PHENOTYPE, GuardVerdict::NotRun, COHORT, finding);
    };
    if !scores.people.iter().any(|person| person.states_phenotype) {
        let finding = "no comparison, because all phenotypes are those of cohort.csv (next to it, \
                       PHENO1 of the predictions is not read)";
        return GuardRow::new(PHENOTYPE, GuardVerdict::NotRun, COHORT, finding);
    }
    let counts = phenotypes_by_cell(&scores.people, cells);
    let n_people: usize = counts.values().map(PhenotypeCounts::total).sum();
    let people = counted(n_people, "sample", "samples");
    let n_different: usize = counts
        .iter()
        .map(|(cell, counts)| counts.n_different(cell))
        .sum();
    if n_different == 0 {
        let finding = format!("{people}, each with the phenotype that cohort.csv states");
        return GuardRow::new(PHENOTYPE, GuardVerdict::Pass, COHORT, finding);
    }
    let different = counted(n_different, "has", "have");
    let finding = format!(
        "of {people}, {different} another phenotype in cohort.csv than in the predictions; use \
         one cohort.csv throughout, and predict again"
    );
    GuardRow::new(PHENOTYPE, GuardVerdict::Fail, COHORT, finding)
}

/// Phenotypes in the predictions of the samples with one cell of `cohort.csv`.
#[derive(Default)]
struct PhenotypeCounts {
    controls: usize,
    cases: usize,
    unknown: usize,
}

impl PhenotypeCounts {
    fn total(&self) -> usize {
        self.controls + self.cases + self.unknown
    }

    /// Samples whose phenotype differs from that of the cell.
    ///
    /// `case` and `control` are taken literally. The coding of other cells (0/1 or 1/2) is unknown
    /// here, so such a cell has the phenotype of most of its samples.
    fn n_different(&self, cell: &str) -> usize {
        let n_same = match cell.to_ascii_lowercase().as_str() {
            "control" => self.controls,
            "case" => self.cases,
            _ => self.controls.max(self.cases).max(self.unknown),
        };
        self.total() - n_same
    }
}

fn phenotypes_by_cell<'a>(
    people: &[Person],
    cells: Vec<Option<&'a str>>,
) -> BTreeMap<&'a str, PhenotypeCounts> {
    let mut counts_of_cell: BTreeMap<&str, PhenotypeCounts> = BTreeMap::new();
    for (person, cell) in people.iter().zip(cells) {
        if !person.states_phenotype {
            continue;
        }
        let counts = counts_of_cell.entry(cell.unwrap_or_default()).or_default();
        match person.phenotype.map(Phenotype::is_case) {
            Some(false) => counts.controls += 1,
            Some(true) => counts.cases += 1,
            None => counts.unknown += 1,
        }
    }
    counts_of_cell
}

/// Searches for families with members in two splits.
pub(super) fn family_in_two_splits(scores: &Scores, known: &Known) -> GuardRow {
    let Some(family_ids) = known.cells("family_id") else {
        let finding = "there is no cohort table with the column family_id (--cohort)";
        return GuardRow::new(FAMILY, GuardVerdict::NotRun, COHORT, finding);
    };
    let mut splits_of_family: BTreeMap<&str, Vec<Split>> = BTreeMap::new();
    for (person, family_id) in scores.people.iter().zip(family_ids) {
        if let Some(family_id) = family_id {
            splits_of_family
                .entry(family_id)
                .or_default()
                .push(person.split);
        }
    }
    if splits_of_family.is_empty() {
        let finding = "the column family_id is empty for all predicted samples";
        return GuardRow::new(FAMILY, GuardVerdict::NotRun, COHORT, finding);
    }
    let families = counted(splits_of_family.len(), "family", "families");
    let across_splits: Vec<&Vec<Split>> = splits_of_family
        .values()
        .filter(|splits| splits.iter().any(|split| *split != splits[0]))
        .collect();
    if across_splits.is_empty() {
        let finding = format!("{families}, each in one split");
        return GuardRow::new(FAMILY, GuardVerdict::Pass, COHORT, finding);
    }
    let n_with_relatives = across_splits
        .iter()
        .flat_map(|splits| *splits)
        .filter(|split| **split == Split::Test)
        .count();
    let n_test = scores
        .people
        .iter()
        .filter(|person| person.split == Split::Test)
        .count();
    let finding = format!(
        "of {families}, {} in two splits, and of {}, {} relatives outside the test split; put each \
         family into one split",
        counted(across_splits.len(), "is", "are"),
        counted(n_test, "test sample", "test samples"),
        counted(n_with_relatives, "has", "have")
    );
    GuardRow::new(FAMILY, GuardVerdict::Fail, COHORT, finding)
}
