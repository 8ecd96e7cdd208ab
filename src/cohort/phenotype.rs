//! Which column is the phenotype, and which of its values are cases and controls.

use std::collections::{BTreeMap, BTreeSet};

use gf_cohort_schema::{CASE_WORDS, CONTROL_WORDS, Phenotype, is_missing};

use super::{
    Error, Options,
    join::{Column, Joined},
    table::{Kind, plain},
};

/// Usual names of the column, without anything but letters and digits.
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

/// What became of the values of the phenotype.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The column.
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
    /// Neither case nor control: the value.
    Other(String),
}

/// Chooses the column and maps its values.
///
/// # Errors
/// No such column, several that may be meant, values that do not say which are cases, or one class
/// only.
pub fn map(
    joined: &Joined,
    options: &Options,
) -> Result<(Option<usize>, Mapping, Vec<Mapped>), Error> {
    let column = choose(joined, options.phenotype.as_deref())?;
    let name = joined.columns[column].name.clone();
    let cells = joined.cells(column);
    let levels = levels(cells.clone());
    let (cases, controls) = if options.case.is_empty() && options.control.is_empty() {
        usual(&joined.columns[column], &levels)?
    } else {
        stated(options, &name, &levels)?
    };
    let is_plink = cases.contains("2") && controls.contains("1");
    let mapped = cells.map(|cell| match level(cell) {
        None => Mapped::Unknown,
        Some(level) if cases.contains(&level) => Mapped::Known(Phenotype::Case),
        Some(level) if controls.contains(&level) => Mapped::Known(Phenotype::Control),
        Some(level) if is_plink && level == "0" => Mapped::Unknown,
        Some(_) => Mapped::Other(cell.to_owned()),
    });
    let mapped: Vec<Mapped> = mapped.collect();
    for (class, option) in [
        (Phenotype::Case, "--case"),
        (Phenotype::Control, "--control"),
    ] {
        if !mapped.contains(&Mapped::Known(class)) {
            let found = counts(&levels);
            return Err(Error::Phenotype {
                column: name,
                reason: format!("no {class} among the values {found}: name them with {option}"),
            });
        }
    }
    let cases = as_written(joined.cells(column), &cases);
    let controls = as_written(joined.cells(column), &controls);
    Ok((
        Some(column),
        Mapping {
            column: name,
            cases,
            controls,
        },
        mapped,
    ))
}

fn choose(joined: &Joined, wanted: Option<&str>) -> Result<usize, Error> {
    let names = || {
        joined
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(wanted) = wanted {
        let reason = || format!("is not there; the columns are {}", names());
        return joined.column(wanted).ok_or_else(|| Error::Phenotype {
            column: wanted.to_owned(),
            reason: reason(),
        });
    }
    let has_values = |column: &usize| {
        joined
            .cells(*column)
            .any(|cell| level(cell).is_some_and(|level| level != "0"))
    };
    let may_be =
        |column: &usize| is_candidate(&joined.columns[*column].name, joined.columns[*column].kind);
    let candidates: Vec<usize> = (0..joined.columns.len())
        .filter(may_be)
        .filter(has_values)
        .collect();
    match candidates[..] {
        [column] => Ok(column),
        [] => Err(Error::NoPhenotype { columns: names() }),
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

/// Whether a column may be the phenotype, by its name or its file.
pub fn is_candidate(name: &str, kind: Kind) -> bool {
    NAMES.contains(&plain(name).as_str()) || kind == Kind::Phenotypes
}

/// A value without its way of writing it: lower case, 1 for 1.0; `None` where it is missing.
fn level(cell: &str) -> Option<String> {
    let number = cell.parse::<f64>().ok().filter(|number| number.is_finite());
    match number {
        Some(-9.0) => None,
        Some(number) => Some(number.to_string()),
        None if is_missing(cell) => None,
        None => Some(cell.trim().to_lowercase()),
    }
}

fn levels<'c>(cells: impl Iterator<Item = &'c str>) -> BTreeMap<String, usize> {
    let mut levels = BTreeMap::new();
    cells
        .filter_map(level)
        .for_each(|level| *levels.entry(level).or_default() += 1);
    levels
}

fn counts(levels: &BTreeMap<String, usize>) -> String {
    let shown: Vec<String> = levels
        .iter()
        .take(10)
        .map(|(level, n)| format!("{level} ({n})"))
        .collect();
    let more = if levels.len() > 10 { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// The values as the first cells with them write them.
fn as_written<'c>(cells: impl Iterator<Item = &'c str>, values: &BTreeSet<String>) -> String {
    let mut written: BTreeMap<String, &str> = BTreeMap::new();
    for cell in cells {
        if let Some(level) = level(cell).filter(|level| values.contains(level)) {
            written.entry(level).or_insert(cell);
        }
    }
    written.into_values().collect::<Vec<_>>().join(", ")
}

type Classes = (BTreeSet<String>, BTreeSet<String>);

/// The values that the user names.
fn stated(
    options: &Options,
    column: &str,
    levels: &BTreeMap<String, usize>,
) -> Result<Classes, Error> {
    let refuse = |reason: String| {
        Err(Error::Phenotype {
            column: column.to_owned(),
            reason,
        })
    };
    let set = |values: &[String]| {
        values
            .iter()
            .filter_map(|value| level(value))
            .collect::<BTreeSet<String>>()
    };
    let cases = set(&options.case);
    let controls = set(&options.control);
    if cases.is_empty() || controls.is_empty() {
        return refuse("give both --case and --control".into());
    }
    if let Some(both) = cases.intersection(&controls).next() {
        return refuse(format!("`{both}` is named as a case and as a control"));
    }
    if let Some(absent) = cases
        .iter()
        .chain(&controls)
        .find(|value| !levels.contains_key(*value))
    {
        return refuse(format!(
            "no sample has the value `{absent}`; the values are {}",
            counts(levels)
        ));
    }
    Ok((cases, controls))
}

/// The values that need no option: words, 0 and 1, or PLINK's 1 and 2.
fn usual(column: &Column, levels: &BTreeMap<String, usize>) -> Result<Classes, Error> {
    let set = |values: &[&str]| {
        values
            .iter()
            .map(|&value| value.to_owned())
            .collect::<BTreeSet<String>>()
    };
    let are = |values: &[&str]| {
        !levels.is_empty() && levels.keys().all(|level| values.contains(&level.as_str()))
    };
    let has = |value: &str| levels.contains_key(value);
    if are(&["0", "1", "2"]) && has("2") {
        return Ok((set(&["2"]), set(&["1"])));
    }
    if are(&["0", "1"]) && has("0") && has("1") && column.kind != Kind::Pedigree {
        return Ok((set(&["1"]), set(&["0"])));
    }
    let words = [&CASE_WORDS[..], &CONTROL_WORDS[..]].concat();
    if are(&words) {
        return Ok((set(&CASE_WORDS), set(&CONTROL_WORDS)));
    }
    let advice = if are(&["0", "1"]) {
        "In PLINK's coding 1 is a control, 2 is a case and 0 is missing. If 1 is a case here, \
         state it: --case 1 --control 0"
    } else {
        "Name the values of cases and controls, such as --case AD --control CN"
    };
    let reason = format!("its values are {}. {advice}", counts(levels));
    Err(Error::Phenotype {
        column: column.name.clone(),
        reason,
    })
}
