//! Characteristics of the predicted samples, from `cohort.csv` and `apoe.csv`.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use gf_cohort_schema::{Characteristics, Split};
use rayon::prelude::*;

use super::{Error, Scores};

/// Names of an ancestry column in `cohort.csv`. The first name with a column is used.
pub const ANCESTRY: [&str; 7] = [
    "ancestry",
    "genetic_ancestry",
    "superpop",
    "super_population",
    "superpopulation",
    "population",
    "pop",
];

/// Characteristics of the predicted samples, from `cohort.csv` and `apoe.csv`.
#[derive(Default)]
pub struct Known {
    cohort: Option<Table>,
    apoe: Vec<Table>,
}

/// A table of samples, and the row of each person of [`Scores::people`].
struct Table {
    table: Characteristics,
    rows: Vec<Option<usize>>,
}

impl Table {
    fn new(table: Characteristics, scores: &Scores) -> Self {
        let rows = scores
            .people
            .par_iter()
            .map(|person| table.row(&person.sample_id))
            .collect();
        Self { table, rows }
    }
}

impl Known {
    /// From the cohort table (with its path) and tables of APOE genotypes.
    ///
    /// # Errors
    /// A predicted sample that is not in the cohort table.
    pub fn new(
        cohort: Option<(&Path, Characteristics)>,
        apoe: Vec<Characteristics>,
        scores: &Scores,
    ) -> Result<Self, Error> {
        let apoe = apoe
            .into_iter()
            .map(|table| Table::new(table, scores))
            .collect();
        let Some((path, cohort)) = cohort else {
            return Ok(Self { cohort: None, apoe });
        };
        let cohort = Table::new(cohort, scores);
        require_all(&cohort, path, scores)?;
        Ok(Self {
            cohort: Some(cohort),
            apoe,
        })
    }

    /// How many samples of the cohort with a phenotype have no prediction, one sentence for each
    /// split with predictions.
    pub fn not_predicted(&self, scores: &Scores) -> Vec<String> {
        let Some(cohort) = &self.cohort else {
            return Vec::new();
        };
        let ids_by_split = with_phenotype(&cohort.table);
        let predicted: HashSet<&str> = scores
            .people
            .iter()
            .map(|person| person.sample_id.as_str())
            .collect();
        ids_by_split
            .into_iter()
            .filter(|(split, _)| !scores.in_split(*split).is_empty())
            .filter_map(|(split, ids)| {
                let absent = ids.iter().filter(|id| !predicted.contains(*id));
                let n_absent = absent.clone().count();
                let example = absent.min()?;
                let n_samples = ids.len();
                Some(format!(
                    "{n_absent} of the {n_samples} {split} samples of the cohort table have no \
                     prediction, such as {example}"
                ))
            })
            .collect()
    }

    /// Whether there is a `cohort.csv`.
    pub fn has_cohort(&self) -> bool {
        self.cohort.is_some()
    }

    /// The cells of a column of `cohort.csv` or `apoe.csv`, by person; `None` without this column.
    /// Where several tables have the column, the first one with a cell counts.
    pub fn cells(&self, name: &str) -> Option<Vec<Option<&str>>> {
        let tables: Vec<(&Table, usize)> = self
            .cohort
            .iter()
            .chain(&self.apoe)
            .filter_map(|known| Some((known, known.table.column(name)?)))
            .collect();
        let n_people = tables.first()?.0.rows.len();
        let cells = (0..n_people).map(|person| {
            tables
                .iter()
                .find_map(|(known, column)| known.table.cell(known.rows[person]?, *column))
        });
        Some(cells.collect())
    }

    /// Name of the ancestry column.
    pub fn ancestry(&self) -> Option<&'static str> {
        let cohort = self.cohort.as_ref()?;
        ANCESTRY
            .into_iter()
            .find(|name| cohort.table.column(name).is_some())
    }
}

/// Refuses a cohort table that lacks a predicted sample.
fn require_all(cohort: &Table, path: &Path, scores: &Scores) -> Result<(), Error> {
    let mut absent = scores
        .people
        .iter()
        .zip(&cohort.rows)
        .filter(|(_, row)| row.is_none());
    let Some((example, _)) = absent.next() else {
        return Ok(());
    };
    Err(Error::NotInCohort {
        path: path.to_path_buf(),
        n_absent: absent.count() + 1,
        n_people: scores.people.len(),
        example: example.sample_id.clone(),
    })
}

/// Samples of the cohort table with a phenotype, by split. A sample without a split is in the test
/// split; one with a malformed split is left out.
fn with_phenotype(table: &Characteristics) -> BTreeMap<Split, Vec<&str>> {
    let split_column = table.column("split");
    let phenotype_column = table.column("phenotype");
    let mut ids: BTreeMap<Split, Vec<&str>> = BTreeMap::new();
    for (id, row) in table.samples() {
        let split = match split_column.and_then(|column| table.cell(row, column)) {
            Some(cell) => cell.parse().ok(),
            None => Some(Split::Test),
        };
        let phenotype = phenotype_column.and_then(|column| table.cell(row, column));
        if let Some(split) = split
            && phenotype.is_some()
        {
            ids.entry(split).or_default().push(id);
        }
    }
    ids
}
