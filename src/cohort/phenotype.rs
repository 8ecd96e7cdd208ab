//! Choice of the phenotype column, and mapping of its values to cases and controls.

use std::collections::{BTreeMap, BTreeSet};

use gf_cohort_schema::{CASE_WORDS, CONTROL_WORDS, Phenotype, is_missing};

use super::{
    Error, Options,
    join::{Column, Joined},
    table::{Kind, plain},
};

/// Why a column cannot be the phenotype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhenotypeProblem {
    /// No table has the column.
    #[error("no table has this column; the columns are {columns}")]
    NoColumn {
        /// Names of all columns.
        columns: String,
    },
    /// Only one of the two options is given.
    #[error("give both --case and --control")]
    OneOption,
    /// A value in both options.
    #[error("`{value}` is given both as a case and as a control; keep one of them")]
    CaseAndControl {
        /// The value.
        value: String,
    },
    /// A value of an option that no sample has.
    #[error("no sample has the value `{value}`; the values are {levels}")]
    NoSample {
        /// The value.
        value: String,
        /// Values of the column with their counts.
        levels: String,
    },
    /// No sample is a case, or none is a control.
    #[error("no {class} among the values {levels}; name its values with {option}")]
    NoClass {
        /// The class.
        class: Phenotype,
        /// Values of the column with their counts.
        levels: String,
        /// The option of the class.
        option: &'static str,
    },
    /// 0 and 1 in a column whose coding is PLINK's by its format.
    #[error(
        "its values are {levels}. In PLINK's coding 1 is a control, 2 is a case and 0 is missing. \
         If 1 is a case here, give --case 1 --control 0"
    )]
    PlinkOr01 {
        /// Values of the column with their counts.
        levels: String,
    },
    /// Other values.
    #[error(
        "its values are {levels}. Name the values of cases and controls, such as --case AD \
         --control CN"
    )]
    UnknownValues {
        /// Values of the column with their counts.
        levels: String,
    },
}

/// Usual names of a phenotype column, reduced to letters and digits.
const NAMES: [&str; 14] = [
    "phenotype",
    "pheno",
    "pheno1",
    "phen",
    "status",
    "casecontrol",
    "case",
    "diagnosis",
    "dx",
    "disease",
    "affected",
    "affection",
    "affectionstatus",
    "outcome",
];

/// The phenotype column and its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Name of the column.
    pub column: String,
    /// Values that are cases, in words.
    pub cases: String,
    /// Values that are controls, in words.
    pub controls: String,
}

/// Phenotype of one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped {
    Known(Phenotype),
    Unknown,
    /// A value that is neither case nor control.
    Other(String),
}

/// The phenotype of all samples.
pub struct MappedColumn {
    /// Index of the column among the joined columns.
    pub column: usize,
    pub mapping: Mapping,
    /// Phenotype of each sample.
    pub values: Vec<Mapped>,
}

/// Values of a phenotype column that are cases and controls, as [`level`] normalises them.
struct Classes {
    cases: BTreeSet<String>,
    controls: BTreeSet<String>,
}

/// Chooses the phenotype column and maps its values.
///
/// # Errors
/// No such column, several candidates, values that are not clearly cases and controls, or only one
/// class.
pub fn map(joined: &Joined, options: &Options) -> Result<MappedColumn, Error> {
    let column = choose(joined, options.phenotype.as_deref())?;
    let name = joined.columns[column].name.clone();
    let cells = joined.cells(column);
    let levels = levels(cells.clone());
    let classes = if options.case.is_empty() && options.control.is_empty() {
        usual_classes(&joined.columns[column], &levels)?
    } else {
        stated_classes(options, &name, &levels)?
    };
    let values: Vec<Mapped> = cells.map(|cell| classes.map(cell)).collect();
    for (class, option) in [
        (Phenotype::Case, "--case"),
        (Phenotype::Control, "--control"),
    ] {
        if !values.contains(&Mapped::Known(class)) {
            let problem = PhenotypeProblem::NoClass {
                class,
                levels: counts(&levels),
                option,
            };
            return Err(Error::phenotype(&name, problem));
        }
    }
    let mapping = Mapping {
        column: name,
        cases: as_written(joined.cells(column), &classes.cases),
        controls: as_written(joined.cells(column), &classes.controls),
    };
    Ok(MappedColumn {
        column,
        mapping,
        values,
    })
}

impl Classes {
    fn new(cases: &[&str], controls: &[&str]) -> Self {
        Self {
            cases: cases.iter().map(|&value| value.to_owned()).collect(),
            controls: controls.iter().map(|&value| value.to_owned()).collect(),
        }
    }

    /// Maps a cell; 0 is unknown in PLINK's coding (1 = control, 2 = case).
    fn map(&self, cell: &str) -> Mapped {
        let is_plink = self.cases.contains("2") && self.controls.contains("1");
        match level(cell) {
            None => Mapped::Unknown,
            Some(level) if self.cases.contains(&level) => Mapped::Known(Phenotype::Case),
            Some(level) if self.controls.contains(&level) => Mapped::Known(Phenotype::Control),
            Some(level) if is_plink && level == "0" => Mapped::Unknown,
            Some(_) => Mapped::Other(cell.to_owned()),
        }
    }
}

impl Error {
    /// A phenotype column that cannot be used.
    fn phenotype(column: &str, problem: PhenotypeProblem) -> Self {
        Self::Phenotype {
            column: column.to_owned(),
            problem,
        }
    }
}

/// Index of the phenotype column: the column `name`, or the only candidate.
fn choose(joined: &Joined, name: Option<&str>) -> Result<usize, Error> {
    if let Some(name) = name {
        return joined.column(name).ok_or_else(|| {
            let columns = joined.column_names();
            Error::phenotype(name, PhenotypeProblem::NoColumn { columns })
        });
    }
    let candidates: Vec<usize> = (0..joined.columns.len())
        .filter(|&column| {
            let Column { name, kind, .. } = &joined.columns[column];
            is_candidate(name, *kind) && has_values(joined, column)
        })
        .collect();
    match candidates[..] {
        [column] => Ok(column),
        [] => Err(Error::NoPhenotype {
            columns: joined.column_names(),
        }),
        _ => {
            let names: Vec<String> = candidates
                .iter()
                .map(|&column| joined.columns[column].name.clone())
                .collect();
            Err(Error::SeveralPhenotypes {
                columns: names.join(", "),
            })
        }
    }
}

/// Whether a column has a value that is neither missing nor PLINK's 0.
fn has_values(joined: &Joined, column: usize) -> bool {
    joined
        .cells(column)
        .any(|cell| level(cell).is_some_and(|level| level != "0"))
}

/// Whether a column may be the phenotype, by its name or its file.
pub fn is_candidate(name: &str, kind: Kind) -> bool {
    NAMES.contains(&plain(name).as_str()) || kind == Kind::Phenotypes
}

/// Normalises a value: lower case, and 1 for 1.0. `None` if it is missing.
fn level(cell: &str) -> Option<String> {
    let number = cell.parse::<f64>().ok().filter(|number| number.is_finite());
    match number {
        Some(-9.0) => None,
        Some(number) => Some(number.to_string()),
        None if is_missing(cell) => None,
        None => Some(cell.trim().to_lowercase()),
    }
}

/// Number of samples with each value.
fn levels<'c>(cells: impl Iterator<Item = &'c str>) -> BTreeMap<String, usize> {
    let mut levels = BTreeMap::new();
    for level in cells.filter_map(level) {
        *levels.entry(level).or_default() += 1;
    }
    levels
}

/// Up to ten values with their counts, for a message.
fn counts(levels: &BTreeMap<String, usize>) -> String {
    let shown: Vec<String> = levels
        .iter()
        .take(10)
        .map(|(level, n)| format!("{level} ({n})"))
        .collect();
    let more = if levels.len() > 10 { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// The values as the first cell with each value writes it.
fn as_written<'c>(cells: impl Iterator<Item = &'c str>, values: &BTreeSet<String>) -> String {
    let mut written: BTreeMap<String, &str> = BTreeMap::new();
    for cell in cells {
        if let Some(level) = level(cell).filter(|level| values.contains(level)) {
            written.entry(level).or_insert(cell);
        }
    }
    written.into_values().collect::<Vec<_>>().join(", ")
}

/// The classes that the options state.
fn stated_classes(
    options: &Options,
    column: &str,
    levels: &BTreeMap<String, usize>,
) -> Result<Classes, Error> {
    let cases: BTreeSet<String> = options.case.iter().filter_map(|text| level(text)).collect();
    let controls: BTreeSet<String> = options
        .control
        .iter()
        .filter_map(|text| level(text))
        .collect();
    if cases.is_empty() || controls.is_empty() {
        return Err(Error::phenotype(column, PhenotypeProblem::OneOption));
    }
    if let Some(shared) = cases.intersection(&controls).next() {
        let value = shared.clone();
        return Err(Error::phenotype(
            column,
            PhenotypeProblem::CaseAndControl { value },
        ));
    }
    let absent = cases
        .iter()
        .chain(&controls)
        .find(|value| !levels.contains_key(*value));
    if let Some(absent) = absent {
        let problem = PhenotypeProblem::NoSample {
            value: absent.clone(),
            levels: counts(levels),
        };
        return Err(Error::phenotype(column, problem));
    }
    Ok(Classes { cases, controls })
}

/// The classes of values that need no option: words, 0 and 1, or PLINK's 1 and 2.
fn usual_classes(column: &Column, levels: &BTreeMap<String, usize>) -> Result<Classes, Error> {
    if are_among(levels, &["0", "1", "2"]) && levels.contains_key("2") {
        return Ok(Classes::new(&["2"], &["1"]));
    }
    let are_0_and_1 = are_among(levels, &["0", "1"]);
    let has_both = levels.contains_key("0") && levels.contains_key("1");
    if are_0_and_1 && has_both && column.kind != Kind::Pedigree {
        return Ok(Classes::new(&["1"], &["0"]));
    }
    let words = [&CASE_WORDS[..], &CONTROL_WORDS[..]].concat();
    if are_among(levels, &words) {
        return Ok(Classes::new(&CASE_WORDS, &CONTROL_WORDS));
    }
    let levels = counts(levels);
    let problem = if are_0_and_1 {
        PhenotypeProblem::PlinkOr01 { levels }
    } else {
        PhenotypeProblem::UnknownValues { levels }
    };
    Err(Error::phenotype(&column.name, problem))
}

/// Whether there are values, and each of them is in `values`.
fn are_among(levels: &BTreeMap<String, usize>, values: &[&str]) -> bool {
    !levels.is_empty() && levels.keys().all(|level| values.contains(&level.as_str()))
}
