//! Joins sample tables: the samples of the first table, with the columns of all tables.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use gf_cohort_schema::{CohortColumn, CovariateReader, MissingValues, ValueProblem, is_missing};

use super::{
    Error, Options, phenotype,
    table::{Kind, Row, Table},
};

/// Why two tables cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinProblem {
    /// Tables of other samples.
    #[error(
        "none of its samples is in {}. Sample IDs here look like `{here}`, and there like \
         `{there}`. Give --sample-id fid-iid if the IDs are FID_IID, or name another column with \
         --id-column",
        first.display()
    )]
    NoSharedSample {
        /// The first table.
        first: PathBuf,
        /// A sample of this table.
        here: String,
        /// A sample of the first table.
        there: String,
    },
    /// Two values of one sample in one column.
    #[error(
        "`{cell}` for sample `{sample}`, but `{known}` in {}; correct one of them, or rename the \
         column",
        path.display()
    )]
    OtherValue {
        /// The value in this table.
        cell: String,
        /// The sample.
        sample: String,
        /// The value in the other table.
        known: String,
        /// The other table.
        path: PathBuf,
    },
}

/// The joined table.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    pub columns: Vec<Column>,
    /// Samples in the order of the first table.
    pub people: Vec<Person>,
}

/// A column and the table that it comes from.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub path: PathBuf,
    pub kind: Kind,
}

/// A sample.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Sample id.
    pub sample: String,
    /// FID.
    pub family: Option<String>,
    /// Sample ids of the known parents.
    pub parents: Vec<String>,
    /// One cell per column of [`Joined::columns`]; empty if there is no value.
    pub cells: Vec<String>,
}

/// Overlap of a table with the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The table.
    pub path: PathBuf,
    /// Number of samples of the table.
    pub n_samples: usize,
    /// Samples that are not in the first table.
    pub n_not_in_first: usize,
    /// Samples of the first table that are not in this one.
    pub n_absent: usize,
}

impl Joined {
    /// Joins tables by sample id.
    ///
    /// # Errors
    /// No table, a table without any sample of the first one, or tables that contradict each other.
    pub fn new(tables: &[Table], options: &Options) -> Result<(Self, Vec<Overlap>), Error> {
        let Some(first) = tables.first() else {
            return Err(Error::NoTable);
        };
        let mut joined = Self::default();
        for row in &first.rows {
            joined.people.push(Person {
                sample: row.sample.clone(),
                ..Person::default()
            });
        }
        let mut overlaps = Vec::new();
        for table in tables {
            overlaps.push(joined.add(table, &first.path, options)?);
        }
        Ok((joined, overlaps))
    }

    /// Index of a column; the name is not case-sensitive.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Names of all columns, for a message.
    pub fn column_names(&self) -> String {
        let names: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        names.join(", ")
    }

    /// The cells of a column.
    pub fn cells(&self, column: usize) -> impl Iterator<Item = &str> + Clone {
        self.people
            .iter()
            .map(move |person| person.cells[column].as_str())
    }

    /// Adds the columns and families of a table.
    fn add(&mut self, table: &Table, first: &Path, options: &Options) -> Result<Overlap, Error> {
        let rows: RowsBySample<'_> = table
            .rows
            .iter()
            .map(|row| (row.sample.as_str(), row))
            .collect();
        let n_shared = self
            .people
            .iter()
            .filter(|person| rows.contains_key(person.sample.as_str()))
            .count();
        if n_shared == 0 {
            return Err(self.no_shared_sample(table, first));
        }
        for index in 0..table.columns.len() {
            self.add_cells(table, index, &rows, options)?;
        }
        for person in &mut self.people {
            if let Some(row) = rows.get(person.sample.as_str()) {
                person.family = person.family.take().or_else(|| row.family.clone());
                person.parents.extend(row.parents.iter().cloned());
            }
        }
        let n_samples = table.rows.len();
        Ok(Overlap {
            path: table.path.clone(),
            n_samples,
            n_not_in_first: n_samples - n_shared,
            n_absent: self.people.len() - n_shared,
        })
    }

    fn no_shared_sample(&self, table: &Table, first: &Path) -> Error {
        let problem = JoinProblem::NoSharedSample {
            first: first.to_path_buf(),
            here: table.rows[0].sample.clone(),
            there: self.people[0].sample.clone(),
        };
        Error::file(&table.path, problem)
    }

    /// Adds the cells of one column of a table.
    ///
    /// A column of the same name in an earlier table is completed; its values must not differ.
    fn add_cells(
        &mut self,
        table: &Table,
        index: usize,
        rows: &RowsBySample<'_>,
        options: &Options,
    ) -> Result<(), Error> {
        let name = &table.columns[index];
        let is_named = options
            .phenotype
            .as_ref()
            .is_some_and(|phenotype| phenotype.eq_ignore_ascii_case(name));
        let is_phenotype = is_named || phenotype::is_candidate(name, table.kind);
        let missing_values = options.missing_value.as_ref();
        let reader = CellReader::new(name, is_phenotype, table, index, missing_values);
        if let Some(numbers) = &reader.numbers {
            numbers.note_zero_is_female(&table.path, name, table.cells(index));
        }
        let column = self
            .column(name)
            .unwrap_or_else(|| self.add_column(name, table));
        for person in &mut self.people {
            let Some(row) = rows.get(person.sample.as_str()) else {
                continue;
            };
            let cell = reader
                .read(&row.cells[index])
                .map_err(|problem| Error::cell(&table.path, row.line, name, problem))?;
            let known_cell = &mut person.cells[column];
            if known_cell.is_empty() {
                *known_cell = cell;
            } else if !cell.is_empty() && !is_same(known_cell, &cell) {
                let problem = JoinProblem::OtherValue {
                    cell,
                    sample: person.sample.clone(),
                    known: known_cell.clone(),
                    path: self.columns[column].path.clone(),
                };
                return Err(Error::cell(&table.path, row.line, name, problem));
            }
        }
        Ok(())
    }

    /// Adds an empty column and returns its index.
    fn add_column(&mut self, name: &str, table: &Table) -> usize {
        self.columns.push(Column {
            name: name.to_owned(),
            path: table.path.clone(),
            kind: table.kind,
        });
        for person in &mut self.people {
            person.cells.push(String::new());
        }
        self.columns.len() - 1
    }
}

/// Rows of a table by sample id.
type RowsBySample<'t> = HashMap<&'t str, &'t Row>;

/// Reader of the cells of one column, in the notation of `cohort.csv`.
///
/// A missing value becomes an empty cell, and sex becomes `male` or `female`.
struct CellReader<'m> {
    is_sex: bool,
    missing_values: Option<&'m MissingValues>,
    /// Reader of numbers; `None` for a column of text.
    numbers: Option<CovariateReader<'m>>,
}

impl<'m> CellReader<'m> {
    fn new(
        name: &str,
        is_phenotype: bool,
        table: &Table,
        index: usize,
        missing_values: Option<&'m MissingValues>,
    ) -> Self {
        let kind = CohortColumn::from_name(name);
        let is_sex = kind == CohortColumn::Sex;
        let cells = table.cells(index);
        let is_covariate =
            !is_phenotype && (kind.is_usual_covariate() || kind == CohortColumn::Other);
        let are_numbers = is_sex || cells.clone().all(is_number_or_missing);
        let numbers = if !is_covariate || !are_numbers {
            None
        } else if is_sex && table.kind == Kind::Pedigree {
            Some(CovariateReader::sex_of_plink(missing_values))
        } else {
            Some(CovariateReader::new(name, cells, missing_values))
        };
        Self {
            is_sex,
            missing_values,
            numbers,
        }
    }

    /// Reads a cell in the notation of `cohort.csv`.
    ///
    /// # Errors
    /// A cell that is not a value of the column.
    fn read(&self, cell: &str) -> Result<String, ValueProblem> {
        let is_stated_missing = self.missing_values.is_some_and(|values| values.has(cell));
        if is_missing(cell) || is_stated_missing {
            return Ok(String::new());
        }
        let Some(reader) = &self.numbers else {
            return Ok(cell.to_owned());
        };
        Ok(match reader.read(cell)? {
            None => String::new(),
            Some(sex) if self.is_sex => if sex > 0.5 { "male" } else { "female" }.to_owned(),
            Some(_) => cell.to_owned(),
        })
    }
}

fn is_number_or_missing(cell: &str) -> bool {
    is_missing(cell) || cell.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether two cells are the same number, or the same text in upper or lower case.
fn is_same(a: &str, b: &str) -> bool {
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    let number_a = a.parse::<f64>().ok();
    let number_b = b.parse::<f64>().ok();
    number_a.is_some() && number_a == number_b
}
