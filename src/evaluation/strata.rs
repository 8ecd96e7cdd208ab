//! Stratified comparison: AUROC and differences by sex, ancestry, APOE genotype or another column.
//!
//! Input -> output: scores, and columns of `cohort.csv` and `apoe.csv` -> rows of `strata.csv`.
//!
//! Samples with an empty cell are in the level `unknown`. A column of numbers with more than ten
//! values, such as age, is divided into quarters of the samples.

use std::collections::BTreeSet;

use gf_cohort_schema::{Split, StratumRow};
use gf_stats::roc::OneClass;
use rayon::prelude::*;

use super::{
    Error,
    auroc::{AurocEstimate, aurocs},
    bootstrap::Bootstrap,
};
use crate::predictions::{Column, Known, Scores};

/// The column of `apoe.csv`.
const APOE: &str = "apoe";

const UNKNOWN: &str = "unknown";

/// Most levels of a stratum. A column with more levels has names or free text, and no groups.
const MAX_LEVELS: usize = 50;

/// Most values of a numeric code, such as the number of a centre. A column of numbers with more
/// values is a measurement, such as age.
const MAX_CODES: usize = 10;

/// Groups of samples that a measurement is divided into.
const QUARTERS: usize = 4;

/// Cells of a column of numbers that mean an unknown value.
const MISSING: [&str; 5] = ["NA", "NaN", ".", "null", "-9"];

/// Samples divided by one characteristic.
pub struct Stratum {
    pub name: String,
    /// Sorted by text, or by number.
    pub levels: Vec<String>,
    /// Index of the level of each person of [`Scores::people`].
    pub level_of: Vec<usize>,
}

impl Stratum {
    /// Samples by the levels of a column, or by quarters of a measurement; `None` without this
    /// column.
    pub fn by_column(name: &str, known: &Known) -> Option<Self> {
        let cells = known.cells(name)?;
        Some(match numbers(&cells).and_then(quarters) {
            Some(quarters) => Self {
                name: name.to_owned(),
                ..quarters
            },
            None => by_text(name, &cells),
        })
    }
}

/// A level for each distinct cell.
fn by_text(name: &str, cells: &[Option<&str>]) -> Stratum {
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
    Stratum {
        name: name.to_owned(),
        levels: levels.into_iter().map(str::to_owned).collect(),
        level_of,
    }
}

/// The cells as numbers, `None` where missing; no result if a cell is neither.
fn numbers(cells: &[Option<&str>]) -> Option<Vec<Option<f64>>> {
    cells
        .iter()
        .map(|cell| match cell {
            Some(cell) if !is_missing(cell) => {
                let number = cell.parse::<f64>().ok().filter(|value| value.is_finite())?;
                Some(Some(number))
            }
            _ => Some(None),
        })
        .collect()
}

fn is_missing(cell: &str) -> bool {
    MISSING
        .iter()
        .any(|missing| cell.eq_ignore_ascii_case(missing))
}

/// Quarters of the samples by a measurement; `None` for a code with at most [`MAX_CODES`] values.
fn quarters(values: Vec<Option<f64>>) -> Option<Stratum> {
    let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut ends: Vec<f64> = (1..QUARTERS)
        .filter_map(|quarter| sorted.get(quarter * sorted.len() / QUARTERS))
        .copied()
        .collect();
    ends.dedup();
    sorted.dedup();
    if sorted.len() <= MAX_CODES {
        return None;
    }
    // No sample is below the smallest value, so a quarter that begins there would be empty.
    ends.retain(|end| *end > sorted[0]);
    let mut levels = names_of_ranges(&ends);
    let unknown = levels.len();
    let level_of: Vec<usize> = values
        .into_iter()
        .map(|value| match value {
            Some(value) => ends.partition_point(|end| *end <= value),
            None => unknown,
        })
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

/// `below A`, `A to below B`, ..., `Z or more`.
fn names_of_ranges(ends: &[f64]) -> Vec<String> {
    if ends.is_empty() {
        return vec!["all".to_owned()];
    }
    let mut names = vec![format!("below {}", ends[0])];
    for pair in ends.windows(2) {
        names.push(format!("{} to below {}", pair[0], pair[1]));
    }
    names.push(format!("{} or more", ends[ends.len() - 1]));
    names
}

/// The requested strata; by default sex, ancestry and APOE, where they are known.
///
/// # Errors
/// A requested column that does not exist, or any column with too many levels.
pub fn choose(asked: Option<&[String]>, known: &Known) -> Result<Vec<Stratum>, Error> {
    let names: Vec<String> = match asked {
        Some(names) => names.to_vec(),
        None => ["sex"]
            .into_iter()
            .chain(known.ancestry())
            .chain([APOE])
            .map(str::to_owned)
            .collect(),
    };
    let mut strata = Vec::new();
    for name in names {
        match Stratum::by_column(&name, known) {
            Some(stratum) if stratum.levels.len() > MAX_LEVELS => {
                return Err(too_many_levels(stratum));
            }
            Some(stratum) => strata.push(stratum),
            None if asked.is_some() => return Err(no_such_column(name)),
            None => {}
        }
    }
    Ok(strata)
}

fn too_many_levels(stratum: Stratum) -> Error {
    Error::NoStratum {
        name: stratum.name,
        reason: format!(
            "has {} different texts, more than {MAX_LEVELS}; name a column that groups samples, or \
             a column of numbers",
            stratum.levels.len()
        ),
    }
}

fn no_such_column(name: String) -> Error {
    let advice = if name == APOE {
        "no apoe.csv is next to the predictions"
    } else {
        "give a cohort.csv with this column (--cohort)"
    };
    Error::NoStratum {
        name,
        reason: format!("does not exist; {advice}"),
    }
}

/// Samples of one split with one level of a stratum.
struct Group<'a> {
    stratum: &'a Stratum,
    split: Split,
    /// Index in the levels of the stratum.
    level: usize,
}

/// Every model among the samples of every level, on every split.
pub fn rows(
    strata: &[Stratum],
    scores: &Scores,
    compared_to: Option<&str>,
    bootstrap: Option<&Bootstrap<'_>>,
) -> Vec<StratumRow> {
    let mut groups = Vec::new();
    for stratum in strata {
        for split in Split::ALL {
            groups.extend((0..stratum.levels.len()).map(|level| Group {
                stratum,
                split,
                level,
            }));
        }
    }
    groups
        .into_par_iter()
        .map(|group| group.rows(scores, compared_to, bootstrap))
        .collect::<Vec<_>>()
        .concat()
}

impl Group<'_> {
    fn rows(
        &self,
        scores: &Scores,
        compared_to: Option<&str>,
        bootstrap: Option<&Bootstrap<'_>>,
    ) -> Vec<StratumRow> {
        let subsets: Vec<Column> = scores
            .in_split(self.split)
            .iter()
            .map(|column| {
                column.subset(|person| self.stratum.level_of[person as usize] == self.level)
            })
            .filter(|column| !column.people.is_empty())
            .collect();
        let columns: Vec<&Column> = subsets.iter().collect();
        let estimates = aurocs(&columns, compared_to, bootstrap);
        columns
            .iter()
            .zip(estimates)
            .map(|(column, estimate)| self.row(column, estimate, compared_to))
            .collect()
    }

    fn row(
        &self,
        column: &Column,
        estimate: Result<AurocEstimate, OneClass>,
        compared_to: Option<&str>,
    ) -> StratumRow {
        let reasons = match &estimate {
            Ok(estimate) => estimate.reasons.clone(),
            Err(undefined) => vec![format!("AUC {undefined}")],
        };
        let estimate = estimate.ok();
        let interval = estimate.as_ref().and_then(|estimate| estimate.interval);
        let difference = estimate.as_ref().and_then(|estimate| estimate.difference);
        let inference = difference.and_then(|difference| difference.inference);
        StratumRow {
            stratum: self.stratum.name.clone(),
            level: self.stratum.levels[self.level].clone(),
            model: column.model.clone(),
            split: column.split,
            n_cases: column.n_cases(),
            n_controls: column.n_controls(),
            auroc: estimate.map(|estimate| estimate.auroc),
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
}
