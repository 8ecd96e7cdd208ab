//! The same comparison among people who are alike: by sex, ancestry, APOE genotype.
//!
//! Input -> output: scores, the columns of `cohort.csv` and `apoe.csv` -> rows of `strata.csv`.
//! People whose cell is empty are a level of their own, `unknown`. A column of numbers with more
//! than ten values, such as age, is divided into quarters of the people.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
};

use gf_cohort_schema::{Characteristics, Split, StratumRow};
use rayon::prelude::*;

use super::{
    Error,
    auroc::{AurocEstimate, aurocs},
    bootstrap::Bootstrap,
    roc::OneClass,
    scores::{Column, Scores},
};

/// Names of the column in `cohort.csv` that says where someone's ancestors are from, the first that
/// is there.
pub const ANCESTRY: [&str; 7] = [
    "ancestry",
    "genetic_ancestry",
    "superpop",
    "super_population",
    "superpopulation",
    "population",
    "pop",
];
/// The column of `apoe.csv`.
const APOE: &str = "apoe";
const UNKNOWN: &str = "unknown";
/// More are names of people, or another text that does not group them.
const MAX_LEVELS: usize = 50;
/// A column of numbers with more values is a measurement, such as age, and no code, such as a
/// centre's number.
const MAX_CODES: usize = 10;
/// Groups of people that a measurement is divided into.
const QUARTERS: usize = 4;
/// Cells of a column of numbers that mean that nothing is known.
const MISSING: [&str; 5] = ["NA", "NaN", ".", "null", "-9"];

/// What is known of the people predicted.
#[derive(Default)]
pub struct Known {
    cohort: Option<Table>,
    apoe: Vec<Table>,
}

/// A table of people, and the row of each person of [`Scores::people`].
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

/// People divided by one characteristic.
pub struct Stratum {
    pub name: String,
    /// Sorted by text, or by number.
    pub levels: Vec<String>,
    /// Index of the level of each person of [`Scores::people`].
    pub level_of: Vec<usize>,
}

impl Known {
    /// Of the cohort (with its path), in which all who are predicted must be, and APOE genotypes.
    ///
    /// # Errors
    /// People who are not in the cohort.
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
        let mut absent = scores
            .people
            .iter()
            .zip(&cohort.rows)
            .filter(|(_, row)| row.is_none());
        if let Some((example, _)) = absent.next() {
            let n_absent = absent.count() + 1;
            let n_people = scores.people.len();
            return Err(Error::NotInCohort {
                path: path.to_path_buf(),
                n_absent,
                n_people,
                example: example.sample_id.clone(),
            });
        }
        Ok(Self {
            cohort: Some(cohort),
            apoe,
        })
    }

    /// How many samples of the cohort with a phenotype have no prediction, a sentence for each
    /// split with predictions.
    pub fn not_predicted(&self, scores: &Scores) -> Vec<String> {
        let Some(Table { table, .. }) = &self.cohort else {
            return Vec::new();
        };
        let predicted: HashSet<&str> = scores
            .people
            .iter()
            .map(|person| person.sample_id.as_str())
            .collect();
        let split_column = table.column("split");
        let phenotype = table.column("phenotype");
        let mut n_samples: BTreeMap<Split, usize> = BTreeMap::new();
        let mut absent: BTreeMap<Split, Vec<&str>> = BTreeMap::new();
        for (id, row) in table.samples() {
            let cell = |column: Option<usize>| table.cell(row, column?);
            let split = cell(split_column).map_or(Some(Split::Test), |cell| cell.parse().ok());
            let Some(split) = split.filter(|_| cell(phenotype).is_some()) else {
                continue;
            };
            *n_samples.entry(split).or_default() += 1;
            if !predicted.contains(id) {
                absent.entry(split).or_default().push(id);
            }
        }
        absent.retain(|&split, _| !scores.in_split(split).is_empty());
        let sentence = |(split, ids): (&Split, &Vec<&str>)| {
            let example = ids.iter().min()?;
            let n_absent = ids.len();
            let n_samples = n_samples[split];
            Some(format!(
                "{n_absent} of the {n_samples} {split} samples of the cohort table have no \
                 prediction, such as {example}"
            ))
        };
        absent.iter().filter_map(sentence).collect()
    }

    /// Whether there is a `cohort.csv`.
    pub fn has_cohort(&self) -> bool {
        self.cohort.is_some()
    }

    /// The cells of a column of `cohort.csv` or of `apoe.csv`, by person; `None` without such a
    /// column.
    pub fn cells(&self, name: &str) -> Option<Vec<Option<&str>>> {
        let tables: Vec<(&Table, usize)> = self
            .cohort
            .iter()
            .chain(&self.apoe)
            .filter_map(|known| Some((known, known.table.column(name)?)))
            .collect();
        let (first, _) = tables.first()?;
        let cell = |person: usize| {
            tables
                .iter()
                .find_map(|(known, column)| known.table.cell(known.rows[person]?, *column))
        };
        Some((0..first.rows.len()).map(cell).collect())
    }

    /// The column of ancestry.
    pub fn ancestry(&self) -> Option<&'static str> {
        ANCESTRY.into_iter().find(|name| {
            self.cohort
                .as_ref()
                .is_some_and(|cohort| cohort.table.column(name).is_some())
        })
    }

    /// People by the levels of a column; a column of many numbers has a level for each quarter of
    /// the people.
    pub fn stratum(&self, name: &str) -> Option<Stratum> {
        let cells = self.cells(name)?;
        if let Some(quarters) = quarters(&cells) {
            return Some(Stratum {
                name: name.to_owned(),
                ..quarters
            });
        }
        let levels: BTreeSet<&str> = cells.iter().map(|cell| cell.unwrap_or(UNKNOWN)).collect();
        let levels: Vec<&str> = levels.into_iter().collect();
        let level_of = cells
            .iter()
            .map(|cell| {
                levels
                    .binary_search(&cell.unwrap_or(UNKNOWN))
                    .unwrap_or_default()
            })
            .collect();
        Some(Stratum {
            name: name.to_owned(),
            levels: levels.into_iter().map(str::to_owned).collect(),
            level_of,
        })
    }
}

/// Quarters of the people by a column of numbers with more than [`MAX_CODES`] values; `None` for
/// other columns.
fn quarters(cells: &[Option<&str>]) -> Option<Stratum> {
    let is_missing = |cell: &str| {
        MISSING
            .iter()
            .any(|missing| cell.eq_ignore_ascii_case(missing))
    };
    let known: Vec<Option<&str>> = cells
        .iter()
        .map(|cell| cell.filter(|cell| !is_missing(cell)))
        .collect();
    let number = |cell: &str| cell.parse::<f64>().ok().filter(|number| number.is_finite());
    let values: Vec<Option<f64>> = known.iter().map(|cell| cell.and_then(number)).collect();
    let is_text = known
        .iter()
        .zip(&values)
        .any(|(cell, value)| cell.is_some() && value.is_none());
    let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut ends: Vec<f64> = (1..QUARTERS)
        .filter_map(|quarter| sorted.get(quarter * sorted.len() / QUARTERS))
        .copied()
        .collect();
    ends.dedup();
    sorted.dedup();
    if is_text || sorted.len() <= MAX_CODES {
        return None;
    }
    // The least value begins no quarter of its own.
    ends.retain(|end| *end > sorted[0]);
    let mut levels: Vec<String> = match (ends.first(), ends.last()) {
        (Some(first), Some(last)) => {
            let between = ends
                .windows(2)
                .map(|pair| format!("{} to below {}", pair[0], pair[1]));
            std::iter::once(format!("below {first}"))
                .chain(between)
                .chain([format!("{last} or more")])
                .collect()
        }
        _ => vec!["all".to_owned()],
    };
    let unknown = levels.len();
    let level_of: Vec<usize> = values
        .iter()
        .map(|value| value.map_or(unknown, |value| ends.partition_point(|end| *end <= value)))
        .collect();
    if level_of.contains(&unknown) {
        levels.push(UNKNOWN.to_owned());
    }
    Some(Stratum {
        name: String::new(),
        levels,
        level_of,
    })
}

/// The strata asked for; by default sex, ancestry and APOE as far as they are known.
///
/// # Errors
/// A column that is not there, or has too many levels.
pub fn choose(asked: Option<&[String]>, known: &Known) -> Result<Vec<Stratum>, Error> {
    let by_default = || {
        ["sex"]
            .into_iter()
            .chain(known.ancestry())
            .chain([APOE])
            .map(str::to_owned)
            .collect()
    };
    let names: Vec<String> = asked.map_or_else(by_default, <[String]>::to_vec);
    let mut strata = Vec::new();
    for name in names {
        match known.stratum(&name) {
            Some(stratum) if stratum.levels.len() > MAX_LEVELS => {
                return Err(Error::NoStratum {
                    name,
                    reason: format!(
                        "has {} different texts, more than {MAX_LEVELS}: name a column that \
                         groups people, or one of numbers",
                        stratum.levels.len()
                    ),
                });
            }
            Some(stratum) => strata.push(stratum),
            None if asked.is_some() => {
                let advice = if name == APOE {
                    "no apoe.csv lies beside the predictions"
                } else {
                    "give the cohort.csv that has it with --cohort"
                };
                return Err(Error::NoStratum {
                    name,
                    reason: format!("is not there; {advice}"),
                });
            }
            None => {}
        }
    }
    Ok(strata)
}

/// Every model among the people of every level, on every split.
pub fn rows(
    strata: &[Stratum],
    scores: &Scores,
    compared_to: Option<&str>,
    bootstrap: Option<&Bootstrap<'_>>,
) -> Vec<StratumRow> {
    let mut groups = Vec::new();
    for stratum in strata {
        for split in Split::ALL {
            groups.extend(
                stratum
                    .levels
                    .iter()
                    .enumerate()
                    .map(|(level, name)| (stratum, split, level, name)),
            );
        }
    }
    let rows_of = |(stratum, split, level, name): (&Stratum, Split, usize, &String)| {
        let of_level = |person: u32| stratum.level_of[person as usize] == level;
        let columns: Vec<Column> = scores
            .in_split(split)
            .iter()
            .map(|column| column.subset(of_level))
            .collect();
        let columns: Vec<&Column> = columns
            .iter()
            .filter(|column| !column.people.is_empty())
            .collect();
        let areas = aurocs(&columns, compared_to, bootstrap);
        columns
            .iter()
            .zip(areas)
            .map(|(column, area)| row(&stratum.name, name, column, area, compared_to))
            .collect::<Vec<_>>()
    };
    groups
        .into_par_iter()
        .map(rows_of)
        .collect::<Vec<_>>()
        .concat()
}

fn row(
    stratum: &str,
    level: &str,
    column: &Column,
    area: Result<AurocEstimate, OneClass>,
    compared_to: Option<&str>,
) -> StratumRow {
    let (area, reasons) = match area {
        Ok(area) => (Some(area.clone()), area.reasons),
        Err(undefined) => (None, vec![format!("AUC {undefined}")]),
    };
    let interval = area.as_ref().and_then(|area| area.interval);
    let difference = area.as_ref().and_then(|area| area.difference);
    let inference = difference.and_then(|difference| difference.inference);
    StratumRow {
        stratum: stratum.to_owned(),
        level: level.to_owned(),
        model: column.model.clone(),
        split: column.split,
        n_cases: column.n_cases(),
        n_controls: column.n_controls(),
        auroc: area.map(|area| area.auroc),
        ci_low: interval.map(|interval| interval.low),
        ci_high: interval.map(|interval| interval.high),
        compared_to: difference.and(compared_to).map(str::to_owned),
        delta_auroc: difference.map(|difference| difference.delta),
        delta_ci_low: inference.map(|(interval, _)| interval.low),
        delta_ci_high: inference.map(|(interval, _)| interval.high),
        p_value: inference.map(|(_, p_value)| p_value),
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
    }
}
