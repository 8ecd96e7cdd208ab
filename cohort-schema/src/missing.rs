//! Missing values of a cohort table: cells without a value, and the policies for their samples.
//!
//! | cell | columns where it is a missing value |
//! |---|---|
//! | empty, `.`, `NA`, `NaN`, `N/A`, `NULL`, ... ([`is_missing`]) | everywhere |
//! | `0`, `9`, `-9` | in sex; `0` is female where the column has 0 and 1 only |
//! | `-9` | in phenotype, age and covariates of a few whole numbers (categories) |
//! | `-9`, `-99`, `999`, ... elsewhere | an error until [`MissingPolicies::value`] decides |

use std::{collections::BTreeSet, fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{CohortColumn, Error, counted, text};

/// Why a cell is not a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueProblem {
    /// Text, or an infinite number.
    #[error("`{cell}` is not a finite number")]
    NotFinite {
        /// The cell.
        cell: String,
    },
    /// A text or a number that is not a code of sex.
    #[error("`{cell}` is not a sex; write male or female, or 1 (male) or 2 (female)")]
    NotSex {
        /// The cell.
        cell: String,
    },
    /// A number that is a missing value in many tables, until the user decides.
    #[error(
        "`{cell}` may be a number or a code for a missing value. Give --missing-value {cell} if it \
         is a code, or --missing-value none if it is a number"
    )]
    MayBeMissing {
        /// The cell.
        cell: String,
    },
}

impl ValueProblem {
    pub(crate) fn not_finite(cell: &str) -> Self {
        Self::NotFinite { cell: cell.into() }
    }

    pub(crate) fn may_be_missing(cell: &str) -> Self {
        Self::MayBeMissing { cell: cell.into() }
    }
}

/// No pair of samples has a kinship coefficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "none of {n_pairs} pairs of these samples has a kinship coefficient; compute the kinships \
     from more variants"
)]
pub struct NoKinship {
    /// Number of pairs.
    pub n_pairs: usize,
}

/// `none` in a list of missing values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`none` means that no number is a missing value, so give it alone")]
pub struct NoneWithNumbers;

/// Spellings of a missing value, in lower case.
const MISSING: [&str; 21] = [
    "", ".", "na", "nan", "-nan", "+nan", "n/a", "#n/a", "#na", "#n/a n/a", "n.a.", "<na>", "null",
    "#null!", "none", "nil", "missing", "unknown", "?", "-", "--",
];
/// Numbers that tables use for a missing value; -9 is PLINK's.
pub(crate) const CODES: [f64; 4] = [-9.0, -99.0, -999.0, -9999.0];
/// Further codes for a missing age.
const CODES_OF_AGE: [f64; 4] = [-1.0, 999.0, 9999.0, -99999.0];
/// The largest level of a column of categories, whose levels are whole numbers from 0.
const LARGEST_LEVEL: f64 = 20.0;

/// The largest fraction of a split whose samples are dropped by default.
pub const FEW: f64 = 0.05;

/// Whether a cell is a missing value in every column.
#[must_use]
pub fn is_missing(cell: &str) -> bool {
    MISSING.contains(&cell.trim().to_ascii_lowercase().as_str())
}

/// Whether a cell is -9, PLINK's missing value, as a whole or a decimal number.
pub(crate) fn is_minus_nine(cell: &str) -> bool {
    number(cell) == Some(-9.0)
}

/// Prints a note about pairs of samples without a kinship coefficient.
///
/// Programs leave out the coefficient of pairs without common genotypes.
///
/// # Errors
/// No pair has a kinship coefficient.
pub fn note_pairs_without_kinship(
    path: &Path,
    n_without: usize,
    n_known: usize,
) -> Result<(), Error> {
    if n_without > 0 && n_known == 0 {
        let problem = NoKinship { n_pairs: n_without };
        return Err(Error::file(path, problem));
    }
    if n_without > 0 {
        text::note(format!(
            "{}: {} no kinship coefficient and {} not checked",
            path.display(),
            counted(n_without, "pair of samples has", "pairs of samples have"),
            if n_without == 1 { "was" } else { "were" }
        ));
    }
    Ok(())
}

/// The value of a cell that is a finite number.
pub(crate) fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Policy for samples of the cohort without genotypes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingSamples {
    /// Drop these samples if they are at most 5 % of their split; otherwise stop with an error.
    #[default]
    DropFew,
    /// Stop with an error.
    Error,
    /// Drop these samples.
    Drop,
}

/// Policy for samples without a value of a covariate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingCovariates {
    /// Drop these samples if they are at most 5 % of their split; otherwise stop with an error.
    #[default]
    DropFew,
    /// Stop with an error.
    Error,
    /// Drop these samples.
    Drop,
    /// Use the mean of the training samples.
    Mean,
}

/// Numbers that the user states as codes for a missing value in covariates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stated", into = "Vec<String>")]
pub struct MissingValues(Vec<String>);

/// The serialized form of [`MissingValues`]: one cell or several, as numbers or texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stated {
    One(Cell),
    Several(Vec<Cell>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cell {
    Number(f64),
    Text(String),
}

impl TryFrom<Stated> for MissingValues {
    type Error = NoneWithNumbers;

    fn try_from(stated: Stated) -> Result<Self, NoneWithNumbers> {
        let cells = match stated {
            Stated::One(cell) => vec![cell],
            Stated::Several(cells) => cells,
        };
        let texts: Vec<String> = cells.into_iter().map(Cell::into_text).collect();
        texts.join(",").parse()
    }
}

impl Cell {
    fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

impl From<MissingValues> for Vec<String> {
    fn from(values: MissingValues) -> Self {
        if values.0.is_empty() {
            vec!["none".into()]
        } else {
            values.0
        }
    }
}

impl FromStr for MissingValues {
    type Err = NoneWithNumbers;

    fn from_str(text: &str) -> Result<Self, NoneWithNumbers> {
        let mut texts: Vec<String> = text.split(',').map(|text| text.trim().to_owned()).collect();
        let has_none = texts.iter().any(|text| text.eq_ignore_ascii_case("none"));
        if has_none && texts.len() > 1 {
            return Err(NoneWithNumbers);
        }
        texts.retain(|text| !text.eq_ignore_ascii_case("none") && !text.is_empty());
        Ok(Self(texts))
    }
}

impl fmt::Display for MissingValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Vec::from(self.clone()).join(","))
    }
}

impl MissingValues {
    /// Whether a cell is one of them, as a number or as a text.
    #[must_use]
    pub fn has(&self, cell: &str) -> bool {
        self.0
            .iter()
            .any(|text| match (number(text), number(cell)) {
                (Some(code), Some(value)) => (code - value).abs() < f64::EPSILON,
                _ => text.eq_ignore_ascii_case(cell),
            })
    }
}

/// How missing values are read, and the policies for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MissingPolicies {
    /// Further cells of phenotype and covariates that are missing values; `None` if not stated.
    pub value: Option<MissingValues>,
    /// Samples without a value of a covariate.
    pub covariates: MissingCovariates,
    /// Samples without genotypes.
    pub samples: MissingSamples,
}

impl MissingPolicies {
    /// The policies that refuse samples with a missing covariate.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            covariates: MissingCovariates::Error,
            ..Self::default()
        }
    }
}

/// How the cells of a column of numbers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// `zero_is_female`: the column has 0 and 1 only.
    Sex {
        zero_is_female: bool,
    },
    Age,
    Category,
    Measurement,
}

/// Reads the cells of one covariate.
#[derive(Clone, Debug)]
pub struct CovariateReader<'m> {
    role: Role,
    stated: Option<&'m MissingValues>,
}

impl<'m> CovariateReader<'m> {
    /// A reader for a column, chosen by its name and all its cells.
    pub fn new<'c>(
        name: &str,
        cells: impl Iterator<Item = &'c str> + Clone,
        stated: Option<&'m MissingValues>,
    ) -> Self {
        let role = match CohortColumn::from_name(name) {
            CohortColumn::Sex => Role::Sex {
                zero_is_female: zero_is_female(cells),
            },
            CohortColumn::Age => Role::Age,
            CohortColumn::Other if are_categories(cells) => Role::Category,
            _ => Role::Measurement,
        };
        Self { role, stated }
    }

    /// A reader for the column SEX of PLINK's `.fam` and `.psam`: 1 is male, 2 is female and 0 is
    /// always unknown.
    #[must_use]
    pub fn sex_of_plink(stated: Option<&'m MissingValues>) -> Self {
        Self {
            role: Role::Sex {
                zero_is_female: false,
            },
            stated,
        }
    }

    /// Whether 0 is read as female in this column, because the column has only 0 and 1.
    #[must_use]
    pub fn zero_is_female(&self) -> bool {
        self.role
            == Role::Sex {
                zero_is_female: true,
            }
    }

    /// Prints a note where a 0 is read as female.
    pub fn note_zero_is_female<'c>(
        &self,
        path: &Path,
        name: &str,
        mut cells: impl Iterator<Item = &'c str>,
    ) {
        if self.zero_is_female() && cells.any(|cell| cell == "0") {
            text::note(format!(
                "{}: `{name}` has only 0 and 1, so 0 is read as female. If 0 means unknown, leave \
                 these cells empty",
                path.display()
            ));
        }
    }

    /// The value of a cell; `None` where it is missing.
    ///
    /// For the sex, 1 is male and 0 is female, for every coding of the column.
    ///
    /// # Errors
    /// A text that is not a number, or a number that may be a code for a missing value.
    pub fn read(&self, cell: &str) -> Result<Option<f64>, ValueProblem> {
        if is_missing(cell) || self.stated.is_some_and(|stated| stated.has(cell)) {
            return Ok(None);
        }
        if let Role::Sex { zero_is_female } = self.role {
            return sex(cell, zero_is_female);
        }
        let Some(value) = number(cell) else {
            return Err(ValueProblem::not_finite(cell));
        };
        let is_missing_by_role =
            matches!(self.role, Role::Age | Role::Category) && (value + 9.0).abs() < f64::EPSILON;
        if is_missing_by_role {
            return Ok(None);
        }
        let is_code =
            CODES.contains(&value) || (self.role == Role::Age && CODES_OF_AGE.contains(&value));
        if is_code && self.stated.is_none() {
            return Err(ValueProblem::may_be_missing(cell));
        }
        Ok(Some(value))
    }
}

/// Whether a cell of a column of sexes has no value.
pub(crate) fn is_unknown_sex(cell: &str, zero_is_female: bool) -> bool {
    is_missing(cell) || matches!(sex(cell, zero_is_female), Ok(None))
}

/// Whether 0 means female in a column of sexes.
///
/// A column with words or with PLINK's code 2 has other codes for female, so that 0 is unknown. A
/// column with only 0 and 1 has 0 for female and 1 for male.
pub(crate) fn zero_is_female<'c>(mut cells: impl Iterator<Item = &'c str>) -> bool {
    !cells.any(|cell| {
        let is_word_or_2 = number(cell).is_none_or(|value| (value - 2.0).abs() < f64::EPSILON);
        !is_missing(cell) && is_word_or_2
    })
}

/// 1 for male, 0 for female, `None` where it is missing.
pub(crate) fn sex(cell: &str, zero_is_female: bool) -> Result<Option<f64>, ValueProblem> {
    match cell.to_ascii_lowercase().as_str() {
        "male" | "m" | "man" => return Ok(Some(1.0)),
        "female" | "f" | "woman" => return Ok(Some(0.0)),
        _ => {}
    }
    match number(cell) {
        Some(1.0) => Ok(Some(1.0)),
        Some(2.0) => Ok(Some(0.0)),
        Some(0.0) => Ok(zero_is_female.then_some(0.0)),
        Some(9.0 | -9.0) => Ok(None),
        _ => Err(ValueProblem::NotSex { cell: cell.into() }),
    }
}

/// Whether a column has a few whole numbers, each in at least two samples on average.
fn are_categories<'c>(cells: impl Iterator<Item = &'c str>) -> bool {
    let mut levels = BTreeSet::new();
    let mut n_cells = 0;
    for cell in cells.filter(|cell| !is_missing(cell) && !is_minus_nine(cell)) {
        match number(cell) {
            Some(value) if value.fract() == 0.0 && (0.0..=LARGEST_LEVEL).contains(&value) => {
                levels.insert(value as u8)
            }
            _ => return false,
        };
        n_cells += 1;
    }
    !levels.is_empty() && n_cells >= 2 * levels.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        name: &str,
        cells: &[&str],
        stated: Option<&str>,
    ) -> Vec<Result<Option<f64>, ValueProblem>> {
        let stated = stated.map(|text| text.parse().unwrap());
        let reader = CovariateReader::new(name, cells.iter().copied(), stated.as_ref());
        cells.iter().map(|cell| reader.read(cell)).collect()
    }

    fn values(name: &str, cells: &[&str], stated: Option<&str>) -> Vec<Option<f64>> {
        read(name, cells, stated)
            .into_iter()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn every_usual_spelling_of_a_missing_value_is_missing_in_every_column() {
        for cell in [
            "", " ", ".", "NA", "na", "NaN", "nan", "-nan", "N/A", "#N/A", "NULL", "None", "<NA>",
            "missing", "?",
        ] {
            assert!(is_missing(cell), "{cell}");
            for name in ["age", "sex", "PC1", "bmi"] {
                assert_eq!(values(name, &["1", cell], None)[1], None, "{name} {cell}");
            }
        }
        for cell in ["0", "9", "-9", "NA12878", "Nan1", "nonessential"] {
            assert!(!is_missing(cell), "{cell}");
        }
    }

    #[test]
    fn plink_s_0_is_never_a_sex() {
        let reader = CovariateReader::sex_of_plink(None);
        assert_eq!(
            ["0", "1", "2", "NA"].map(|cell| reader.read(cell).unwrap()),
            [None, Some(1.0), Some(0.0), None]
        );
        let of_zero_and_one = CovariateReader::new("sex", ["0", "1"].into_iter(), None);
        let of_zero_and_two = CovariateReader::new("sex", ["0", "2"].into_iter(), None);
        assert!(of_zero_and_one.zero_is_female());
        assert!(!of_zero_and_two.zero_is_female());
        assert!(!reader.zero_is_female());
    }

    #[test]
    fn codes_of_an_unknown_sex_are_missing_and_0_is_female_next_to_1_only() {
        assert_eq!(
            values("sex", &["1", "2", "0", "9", "-9"], None),
            [Some(1.0), Some(0.0), None, None, None]
        );
        assert_eq!(
            values("SEX", &["male", "F", "0", "2.0"], None),
            [Some(1.0), Some(0.0), None, Some(0.0)]
        );
        assert_eq!(
            values("sex", &["1", "0", "9", "-9"], None),
            [Some(1.0), Some(0.0), None, None]
        );
        assert_eq!(
            read("sex", &["1", "3"], None)[1],
            Err(ValueProblem::NotSex { cell: "3".into() })
        );
    }

    #[test]
    fn minus_nine_is_missing_in_age_and_categories_and_an_error_elsewhere() {
        assert_eq!(
            values("age", &["61", "-9", "-9.0"], None),
            [Some(61.0), None, None]
        );
        assert_eq!(values("batch", &["1", "2", "1", "2", "-9"], None)[4], None);
        for (name, cells) in [
            ("bmi", ["27.5", "31", "-9"]),
            ("PC1", ["0.01", "-0.02", "-9"]),
            ("bmi", ["27.5", "31", "-999"]),
        ] {
            let message = read(name, &cells, None)[2].clone().unwrap_err().to_string();
            assert!(
                message.contains("--missing-value none") && message.contains("--missing-value -9"),
                "{message}"
            );
        }
        for code in ["-99", "999", "-1"] {
            assert!(read("age", &["61", code], None)[1].is_err(), "{code}");
        }
        assert_eq!(
            values("bmi", &["27.5", "-9"], Some("-9")),
            [Some(27.5), None]
        );
        assert_eq!(
            values("bmi", &["27.5", "-9"], Some("none")),
            [Some(27.5), Some(-9.0)]
        );
        assert_eq!(
            values("bmi", &["27.5", "-9", "-99.0"], Some("-99,-9")),
            [Some(27.5), None, None]
        );
        assert!(
            "none,-9"
                .parse::<MissingValues>()
                .unwrap_err()
                .to_string()
                .contains("give it alone")
        );
    }
}
