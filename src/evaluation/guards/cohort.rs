//! Guards that compare the predictions with the cohort table.

use std::collections::BTreeMap;

use gf_cohort_schema::{GuardRow, GuardVerdict, Phenotype, Split, counted};

use super::{COHORT, FAMILY, Known, PERSON, PHENOTYPE, Scores};
use crate::evaluation::scores::Person;

/// Compares the splits of the predictions with those of `cohort.csv`.
pub(super) fn person_in_two_splits(scores: &Scores, known: &Known) -> GuardRow {
    let people = counted(scores.people.len(), "person", "people");
    let SplitsCompared {
        n_compared,
        n_different,
    } = compare_splits(scores, known);
    if n_different > 0 {
        let predicted = counted(
            n_different,
            "person was predicted in another split than cohort.csv has",
            "people were predicted in other splits than cohort.csv has",
        );
        let finding = format!("of {people}, {predicted}; use one cohort.csv throughout");
        return GuardRow::new(PERSON, GuardVerdict::Fail, COHORT, finding);
    }
    if n_compared > 0 {
        let compared = counted(n_compared, "person", "people");
        let finding = format!("{compared}, each in the split that cohort.csv states");
        return GuardRow::new(PERSON, GuardVerdict::Pass, COHORT, finding);
    }
    // Several tables of predictions agree with each other, or they would not have been read.
    if scores.n_files > 1 && scores.people.iter().any(|person| person.states_split) {
        let finding = format!("{people}, each in one split in all predictions");
        return GuardRow::new(PERSON, GuardVerdict::Pass, "predictions", finding);
    }
    let finding = "splits are stated once only, in one table of predictions or in cohort.csv: \
                   nothing to compare them with";
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
        let finding = "no cohort.csv with a column phenotype was given (--cohort)";
        return GuardRow::new(PHENOTYPE, GuardVerdict::NotRun, COHORT, finding);
    };
    if !scores.people.iter().any(|person| person.states_phenotype) {
        let finding = "no phenotype was read from the predictions: those of cohort.csv are used \
                       (PLINK's PHENO1 too is not read next to it), and there is nothing to \
                       compare them with";
        return GuardRow::new(PHENOTYPE, GuardVerdict::NotRun, COHORT, finding);
    }
    let counts = phenotypes_by_cell(&scores.people, cells);
    let n_people: usize = counts.values().map(PhenotypeCounts::total).sum();
    let people = counted(n_people, "person", "people");
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

    /// Samples whose phenotype is not what the cell means.
    ///
    /// `case` and `control` mean what they say. The coding of other cells (0/1 or 1/2) is not known
    /// here, so such a cell means what most of its samples are.
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

/// Searches families with members in two splits.
pub(super) fn family_in_two_splits(scores: &Scores, known: &Known) -> GuardRow {
    let Some(family_ids) = known.cells("family_id") else {
        let finding = "no cohort.csv with a column family_id was given (--cohort)";
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
        let finding = "the column family_id is empty for everyone predicted";
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
        "of {families}, {} in two splits; of {}, {} relatives outside the test split; put a \
         family into one split",
        counted(across_splits.len(), "is", "are"),
        counted(n_test, "test person", "test people"),
        counted(n_with_relatives, "has", "have")
    );
    GuardRow::new(FAMILY, GuardVerdict::Fail, COHORT, finding)
}
