//! What is known of people beside phenotype and genome, as text: family, sex, ancestry, APOE.
//!
//! Input -> output: any CSV with a column `sample_id` (`cohort.csv`, `apoe.csv`) -> its cells by person and column. What numbers mean is
//! [`Cohort`](crate::Cohort)'s; here people are only put into groups.

use std::{collections::HashMap, path::Path};

use crate::{Error, table::CsvTable};

const SAMPLE_ID: &str = "sample_id";

/// The cells of a table of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Characteristics {
    names: Vec<String>,
    row_of: HashMap<String, usize>,
    /// All cells, row by row, one behind the other; a cohort has millions.
    text: String,
    /// Where each cell ends in `text`.
    ends: Vec<usize>,
}

impl Characteristics {
    /// Reads all columns.
    ///
    /// # Errors
    /// A file that cannot be read or has no rows; no column `sample_id`, or an empty cell in it; a person listed twice.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let table = CsvTable::open(path)?;
        let sample_id = table.column(SAMPLE_ID)?;
        let mut found = Self { names: table.header().map(str::to_owned).collect(), ..Self::default() };
        table.each(|row| {
            let id = row.required(sample_id)?;
            let index = found.row_of.len();
            if found.row_of.insert(id.to_owned(), index).is_some() {
                return Err(row.error(sample_id, format!("person {id} is listed twice; keep one")));
            }
            for column in 0..found.names.len() {
                found.text += row.cell(column);
                found.ends.push(found.text.len());
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Names of the columns, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Index of a column, upper and lower case alike.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|found| found.eq_ignore_ascii_case(name))
    }

    /// Index of a person's row.
    #[must_use]
    pub fn row(&self, sample_id: &str) -> Option<usize> {
        self.row_of.get(sample_id).copied()
    }

    /// The text of a cell; `None` where it is empty.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Option<&str> {
        let index = row * self.names.len() + column;
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start..*self.ends.get(index)?).filter(|cell| !cell.is_empty())
    }
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
    fn text_columns_are_read_as_they_are_and_empty_is_unknown() {
        let people = read("sample_id,Ancestry,sex\nA,EUR,female\nB,,1\n").unwrap();
        let ancestry = people.column("ancestry").unwrap();
        assert_eq!(["A", "B", "C"].map(|id| people.row(id)), [Some(0), Some(1), None]);
        assert_eq!(
            [0, 1].map(|row| [0, ancestry, 2].map(|column| people.cell(row, column))),
            [[Some("A"), Some("EUR"), Some("female")], [Some("B"), None, Some("1")]]
        );
        assert_eq!((people.cell(2, 0), people.column("apoe")), (None, None));
        assert_eq!(people.names().collect::<Vec<_>>(), ["sample_id", "Ancestry", "sex"]);
    }

    #[test]
    fn a_name_that_would_steer_a_terminal_is_refused() {
        let message = read("sample_id,sex\n\u{1b}[2JA,1\n").unwrap_err().to_string();
        assert!(message.contains("line 2, column `sample_id`: `\\u{1b}[2JA` has a control character (\\u{1b})"), "{message}");
    }

    #[test]
    fn a_person_listed_twice_is_refused() {
        assert!(
            read("sample_id,sex\nA,1\nA,1\n").unwrap_err().to_string().contains("line 3, column `sample_id`: person A is listed twice")
        );
        assert!(read("person\nA\n").unwrap_err().to_string().contains("no column `sample_id`"));
    }
}
