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
    by_person: HashMap<String, Vec<String>>,
}

impl Characteristics {
    /// Reads all columns.
    ///
    /// # Errors
    /// A file that cannot be read or has no rows; no column `sample_id`, or an empty cell in it; a person listed twice.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let table = CsvTable::open(path)?;
        let sample_id = table.column(SAMPLE_ID)?;
        let names = table.header().map(str::to_owned).collect::<Vec<_>>();
        let mut by_person = HashMap::new();
        table.each(|row| {
            let id = row.required(sample_id)?;
            let cells = (0..names.len()).map(|column| row.cell(column).to_owned()).collect();
            match by_person.insert(id.to_owned(), cells) {
                None => Ok(()),
                Some(_) => Err(row.error(sample_id, format!("person {id} is listed twice; keep one"))),
            }
        })?;
        Ok(Self { names, by_person })
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

    /// Whether a person is in the table.
    #[must_use]
    pub fn has(&self, sample_id: &str) -> bool {
        self.by_person.contains_key(sample_id)
    }

    /// A person's cell; `None` where it is empty, or the person is not in the table.
    #[must_use]
    pub fn value(&self, sample_id: &str, column: usize) -> Option<&str> {
        self.by_person.get(sample_id)?.get(column).map(String::as_str).filter(|cell| !cell.is_empty())
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
        assert_eq!(["A", "B", "C"].map(|id| people.value(id, ancestry)), [Some("EUR"), None, None]);
        assert_eq!((people.has("B"), people.has("C"), people.column("apoe")), (true, false, None));
        assert_eq!(people.names().collect::<Vec<_>>(), ["sample_id", "Ancestry", "sex"]);
    }

    #[test]
    fn a_person_listed_twice_is_refused() {
        assert!(
            read("sample_id,sex\nA,1\nA,1\n").unwrap_err().to_string().contains("line 3, column `sample_id`: person A is listed twice")
        );
        assert!(read("person\nA\n").unwrap_err().to_string().contains("no column `sample_id`"));
    }
}
