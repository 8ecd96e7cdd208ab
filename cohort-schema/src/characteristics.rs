//! Characteristics of samples as text: family, sex, ancestry, APOE.
//!
//! Input -> output: any CSV with a column `sample_id` (`cohort.csv`, `apoe.csv`) -> its cells by
//! sample and column. The cells only divide samples into groups; [`Cohort`](crate::Cohort) reads
//! them as numbers.

use std::{collections::HashMap, path::Path};

use crate::{
    CohortColumn, Error,
    cohort::is_family,
    missing::{is_minus_nine, is_missing, is_unknown_sex, sex, zero_is_female},
    table::{CsvTable, TableProblem},
};

const SAMPLE_ID: &str = "sample_id";

/// The cells of a table of samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Characteristics {
    names: Vec<String>,
    row_of: HashMap<String, usize>,
    /// All cells, row by row, in one string: a cohort has millions of cells.
    text: String,
    /// The end of each cell in `text`, in bytes.
    ends: Vec<usize>,
}

impl Characteristics {
    /// Reads all columns.
    ///
    /// # Errors
    /// A file that cannot be read or has no rows; no column `sample_id`, or an empty cell in it; a
    /// sample that is listed twice.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let table = CsvTable::open(path)?;
        let sample_id = table.column(SAMPLE_ID)?;
        let columns: Vec<CohortColumn> = table.header().map(CohortColumn::from_name).collect();
        let sex = columns
            .iter()
            .position(|&column| column == CohortColumn::Sex);
        let zero_is_female = sex.map_or(Ok(true), |sex| zero_is_female_in(&table, sex))?;
        let mut characteristics = Self {
            names: table.header().map(str::to_owned).collect(),
            ..Self::default()
        };
        table.each(|row| {
            let id = row.identifier(sample_id)?;
            let index = characteristics.row_of.len();
            let earlier = characteristics.row_of.insert(id.to_owned(), index);
            if earlier.is_some() {
                let id = id.to_owned();
                return Err(row.error(sample_id, TableProblem::SampleTwice { id }));
            }
            for (index, &column) in columns.iter().enumerate() {
                let cell = row.cell(index);
                if !is_unknown(cell, column, zero_is_female) {
                    characteristics.text += sex_word(cell, column).unwrap_or(cell);
                }
                characteristics.ends.push(characteristics.text.len());
            }
            Ok(())
        })?;
        Ok(characteristics)
    }

    /// Names of the columns, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Index of a column, case-insensitive.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    }

    /// Index of a sample's row.
    #[must_use]
    pub fn row(&self, sample_id: &str) -> Option<usize> {
        self.row_of.get(sample_id).copied()
    }

    /// Sample ids with the indices of their rows, in arbitrary order.
    pub fn samples(&self) -> impl Iterator<Item = (&str, usize)> {
        self.row_of.iter().map(|(id, &row)| (id.as_str(), row))
    }

    /// The text of a cell; `None` where it is empty.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Option<&str> {
        let index = row * self.names.len() + column;
        let start = index
            .checked_sub(1)
            .map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text
            .get(start..*self.ends.get(index)?)
            .filter(|cell| !cell.is_empty())
    }
}

/// `male` or `female` for every coding of the sex; `None` for other columns and other cells.
fn sex_word(cell: &str, column: CohortColumn) -> Option<&'static str> {
    if column != CohortColumn::Sex {
        return None;
    }
    let sex = sex(cell, true).ok().flatten()?;
    Some(if sex > 0.5 { "male" } else { "female" })
}

/// Whether a cell has no value, by the rules of its column.
fn is_unknown(cell: &str, column: CohortColumn, zero_is_female: bool) -> bool {
    match column {
        CohortColumn::SampleId => false,
        CohortColumn::Sex => is_unknown_sex(cell, zero_is_female),
        CohortColumn::FamilyId => !is_family(cell),
        CohortColumn::Component => is_missing(cell),
        _ => is_missing(cell) || is_minus_nine(cell),
    }
}

/// Whether 0 means female in this column.
fn zero_is_female_in(table: &CsvTable<'_>, sex: usize) -> Result<bool, Error> {
    let mut is_female = true;
    table.each(|row| {
        is_female &= zero_is_female(std::iter::once(row.cell(sex)));
        Ok::<(), Error>(())
    })?;
    Ok(is_female)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<Characteristics, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cohort.csv");
        fs::write(&path, text).unwrap();
        Characteristics::read(&path)
    }

    #[test]
    fn a_sex_is_a_word_however_it_is_written() {
        let people = read("sample_id,SEX\nA,1\nB,2\nC,Male\nD,f\nE,0\nF,odd\n").unwrap();
        let sexes: Vec<Option<&str>> = (0..6).map(|row| people.cell(row, 1)).collect();
        let [male, female] = [Some("male"), Some("female")];
        assert_eq!(sexes, [male, female, male, female, None, Some("odd")]);
    }

    #[test]
    fn text_columns_are_read_as_they_are_and_empty_is_unknown() {
        let people = read("sample_id,Ancestry,sex\nA,EUR,female\nB,,1\n").unwrap();
        let ancestry = people.column("ancestry").unwrap();
        assert_eq!(
            ["A", "B", "C"].map(|id| people.row(id)),
            [Some(0), Some(1), None]
        );
        assert_eq!(
            [0, 1].map(|row| [0, ancestry, 2].map(|column| people.cell(row, column))),
            [
                [Some("A"), Some("EUR"), Some("female")],
                [Some("B"), None, Some("male")]
            ]
        );
        assert_eq!((people.cell(2, 0), people.column("apoe")), (None, None));
        assert_eq!(
            people.names().collect::<Vec<_>>(),
            ["sample_id", "Ancestry", "sex"]
        );
    }

    #[test]
    fn missing_values_are_unknown_by_the_rule_of_their_column() {
        let text = "sample_id,sex,site,family_id,PC1\nA,1,Lyon,F1,-9\nB,0,NA,0,.\nC,2,-9,.,0.1\nD,\
                    9,n/a,NA,NaN\n";
        let people = read(text).unwrap();
        for (name, expected) in [
            ("sex", [Some("male"), None, Some("female"), None]),
            ("site", [Some("Lyon"), None, None, None]),
            ("family_id", [Some("F1"), None, None, None]),
            ("PC1", [Some("-9"), None, Some("0.1"), None]),
        ] {
            let column = people.column(name).unwrap();
            let cells = ["A", "B", "C", "D"].map(|id| people.cell(people.row(id).unwrap(), column));
            assert_eq!(cells, expected, "{name}");
        }
        let two = read("sample_id,sex\nA,1\nB,0\n").unwrap();
        assert_eq!(
            [0, 1].map(|row| two.cell(row, 1)),
            [Some("male"), Some("female")],
            "0 is female next to 1 only"
        );
        assert!(
            read("sample_id,sex\nNA,1\n")
                .unwrap_err()
                .to_string()
                .contains("`NA` is a missing value")
        );
    }

    #[test]
    fn a_name_that_would_steer_a_terminal_is_refused() {
        let message = read("sample_id,sex\n\u{1b}[2JA,1\n")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(
                "line 2, column `sample_id`: `\\u{1b}[2JA` has a control character (\\u{1b})"
            ),
            "{message}"
        );
    }

    #[test]
    fn a_person_listed_twice_is_refused() {
        assert!(
            read("sample_id,sex\nA,1\nA,1\n")
                .unwrap_err()
                .to_string()
                .contains("line 3, column `sample_id`: sample A is listed twice")
        );
        assert!(
            read("person\nA\n")
                .unwrap_err()
                .to_string()
                .contains("no column `sample_id`")
        );
    }
}
