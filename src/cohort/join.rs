//! Several tables of samples as one: the samples of the first, with the columns of all.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use gf_cohort_schema::{CohortColumn, CovariateReader, MissingValues, is_missing};

use super::{
    Error, Options, phenotype,
    table::{Kind, Row, Table},
};

/// Samples with the cells of all tables.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    pub columns: Vec<Column>,
    pub people: Vec<Person>,
}

/// A column and the table it is from.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub path: PathBuf,
    pub kind: Kind,
}

/// A sample.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub sample: String,
    pub family: Option<String>,
    pub parents: Vec<String>,
    /// One cell for each of [`Joined::columns`], empty where there is no value.
    pub cells: Vec<String>,
}

/// How a table and the first one overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The table.
    pub path: PathBuf,
    /// Samples of the table.
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
    /// A table without a sample of the first one; two tables that contradict each other.
    pub fn new(tables: &[Table], options: &Options) -> Result<(Self, Vec<Overlap>), Error> {
        let Some(first) = tables.first() else {
            return Err(Error::NoTable);
        };
        let mut joined = Self::default();
        let person = |row: &Row| Person {
            sample: row.sample.clone(),
            ..Person::default()
        };
        joined.people = first.rows.iter().map(person).collect();
        let mut overlaps = Vec::new();
        for table in tables {
            overlaps.push(joined.add(table, &first.path, options)?);
        }
        Ok((joined, overlaps))
    }

    /// Index of a column, upper and lower case alike.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The cells of a column.
    pub fn cells(&self, column: usize) -> impl Iterator<Item = &str> + Clone {
        self.people
            .iter()
            .map(move |person| person.cells[column].as_str())
    }

    fn add(&mut self, table: &Table, first: &Path, options: &Options) -> Result<Overlap, Error> {
        let row_of: HashMap<&str, &Row> = table
            .rows
            .iter()
            .map(|row| (row.sample.as_str(), row))
            .collect();
        let n_shared = self
            .people
            .iter()
            .filter(|person| row_of.contains_key(person.sample.as_str()))
            .count();
        if n_shared == 0 {
            let here = &table.rows[0].sample;
            let there = &self.people[0].sample;
            let reason = format!(
                "no sample of it is in {}: the ids here are such as `{here}`, those there such as \
                 `{there}`. Are they FID_IID (--sample-id fid-iid), or in another column \
                 (--id-column)?",
                first.display()
            );
            return Err(Error::file(&table.path, reason));
        }
        for (index, name) in table.columns.iter().enumerate() {
            let is_named = options
                .phenotype
                .as_ref()
                .is_some_and(|wanted| wanted.eq_ignore_ascii_case(name));
            let is_phenotype = is_named || phenotype::is_candidate(name, table.kind);
            let reader = CellReader::new(
                name,
                is_phenotype,
                table,
                index,
                options.missing_value.as_ref(),
            );
            if let Some(numbers) = &reader.numbers {
                numbers.note_zero_is_female(&table.path, name, table.cells(index));
            }
            let column = self
                .column(name)
                .unwrap_or_else(|| self.add_column(name, table));
            for person in &mut self.people {
                let Some(row) = row_of.get(person.sample.as_str()) else {
                    continue;
                };
                let cell = reader
                    .read(&row.cells[index])
                    .map_err(|reason| Error::cell(&table.path, row.line, name, reason))?;
                let known = &mut person.cells[column];
                if known.is_empty() {
                    *known = cell;
                } else if !cell.is_empty() && !is_same(known, &cell) {
                    let other = &self.columns[column].path;
                    let found = format!(
                        "`{cell}` for sample `{}`, but `{known}` in {}",
                        person.sample,
                        other.display()
                    );
                    return Err(Error::cell(
                        &table.path,
                        row.line,
                        name,
                        format!("{found}: correct one of them, or rename the column"),
                    ));
                }
            }
        }
        for person in &mut self.people {
            if let Some(row) = row_of.get(person.sample.as_str()) {
                person.family = person.family.take().or_else(|| row.family.clone());
                person.parents.extend(row.parents.iter().cloned());
            }
        }
        let n_samples = table.rows.len();
        let n_not_in_first = n_samples - n_shared;
        let n_absent = self.people.len() - n_shared;
        Ok(Overlap {
            path: table.path.clone(),
            n_samples,
            n_not_in_first,
            n_absent,
        })
    }

    fn add_column(&mut self, name: &str, table: &Table) -> usize {
        self.columns.push(Column {
            name: name.to_owned(),
            path: table.path.clone(),
            kind: table.kind,
        });
        self.people
            .iter_mut()
            .for_each(|person| person.cells.push(String::new()));
        self.columns.len() - 1
    }
}

/// Cells of one column as `cohort.csv` writes them: empty where there is no value, sex in words.
struct CellReader<'m> {
    is_sex: bool,
    stated: Option<&'m MissingValues>,
    /// Of a column of numbers.
    numbers: Option<CovariateReader<'m>>,
}

impl<'m> CellReader<'m> {
    fn new(
        name: &str,
        is_phenotype: bool,
        table: &Table,
        index: usize,
        stated: Option<&'m MissingValues>,
    ) -> Self {
        let kind = CohortColumn::from_name(name);
        let cells = table.cells(index);
        let is_number =
            |cell: &str| is_missing(cell) || cell.parse::<f64>().is_ok_and(f64::is_finite);
        let is_covariate =
            !is_phenotype && (kind.is_usual_covariate() || kind == CohortColumn::Other);
        let are_numbers = kind == CohortColumn::Sex || cells.clone().all(is_number);
        let is_of_plink = kind == CohortColumn::Sex && table.kind == Kind::Pedigree;
        let reader = || {
            if is_of_plink {
                CovariateReader::sex_of_plink(stated)
            } else {
                CovariateReader::new(name, cells, stated)
            }
        };
        let numbers = (is_covariate && are_numbers).then(reader);
        Self {
            is_sex: kind == CohortColumn::Sex,
            stated,
            numbers,
        }
    }

    fn read(&self, cell: &str) -> Result<String, String> {
        if is_missing(cell) || self.stated.is_some_and(|stated| stated.has(cell)) {
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

/// The same text or the same number.
fn is_same(a: &str, b: &str) -> bool {
    let number = |cell: &str| cell.parse::<f64>().ok();
    a.eq_ignore_ascii_case(b) || number(a).is_some_and(|a| number(b) == Some(a))
}
