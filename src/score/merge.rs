//! Merges the score tables of blocks of samples into one table.
//!
//! Input: tables of `score`, or `predictions.csv` files, with the same columns. Output: their rows
//! in the order of the tables. The text of the cells stays unchanged.

use std::{
    collections::HashSet,
    io::Write,
    path::{Path, PathBuf},
};

use gf_cohort_schema::text;

use super::Error;
use gf_files::output::{self, Pending};
use gf_genotypes::SamplesProblem;

/// Merges tables, in their order; `-` is standard output. Returns the number of rows.
///
/// # Errors
/// - a table that cannot be read;
/// - a table with different columns than the first, or without `sample_id` or `model`;
/// - a second row of a sample and a model.
pub fn merge(tables: &[PathBuf], output: &Path) -> Result<usize, Error> {
    let mut merged = Merged {
        writer: csv::Writer::from_writer(Pending::create(output)?),
        output,
        columns: None,
        seen: HashSet::new(),
    };
    for path in tables {
        merged.add(path, &tables[0])?;
    }
    let mut pending = merged
        .writer
        .into_inner()
        .map_err(|error| output::at(output)(std::io::Error::other(error.error().to_string())))?;
    pending.flush().map_err(output::at(output))?;
    pending.finish()?;
    Ok(merged.seen.len())
}

/// The merged table while it is written.
struct Merged<'o> {
    writer: csv::Writer<Pending>,
    output: &'o Path,
    /// Columns of the first table.
    columns: Option<csv::StringRecord>,
    /// Sample and model of every row so far.
    seen: HashSet<(String, String)>,
}

impl Merged<'_> {
    /// Appends a table; `first` is only named in an error.
    fn add(&mut self, path: &Path, first: &Path) -> Result<(), Error> {
        let text = text::read(path)?;
        let mut table = csv::Reader::from_reader(text.as_bytes());
        let header = table
            .headers()
            .map_err(|error| Error::table(path, error))?
            .clone();
        match &self.columns {
            None => self.write(&header)?,
            Some(columns) if *columns == header => {}
            Some(columns) => {
                let problem = TableProblem::OtherColumns {
                    found: listed(&header),
                    first: first.to_path_buf(),
                    expected: listed(columns),
                };
                return Err(Error::table(path, problem));
            }
        }
        let sample_column = column(path, &header, "sample_id")?;
        let model_column = column(path, &header, "model")?;
        let mut row = csv::StringRecord::new();
        while table
            .read_record(&mut row)
            .map_err(|error| Error::table(path, error))?
        {
            let person = &row[sample_column];
            let model = &row[model_column];
            if !self.seen.insert((person.to_owned(), model.to_owned())) {
                let problem = TableProblem::RowTwice {
                    line: row.position().map_or(0, csv::Position::line),
                    sample: person.to_owned(),
                    model: model.to_owned(),
                };
                return Err(Error::table(path, problem));
            }
            self.write(&row)?;
        }
        self.columns = Some(header);
        Ok(())
    }

    fn write(&mut self, record: &csv::StringRecord) -> Result<(), Error> {
        Ok(self
            .writer
            .write_record(record)
            .map_err(|error| output::at(self.output)(error.into()))?)
    }
}

/// Why a table does not fit the others or the requested samples.
#[derive(Debug, thiserror::Error)]
pub enum TableProblem {
    /// A text that is not CSV.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// A missing column.
    #[error("no column `{name}`")]
    NoColumn {
        /// Name of the column.
        name: &'static str,
    },
    /// Other columns than the first table.
    #[error(
        "its columns are {found}, but {} has {expected}; merge tables with the same \
         columns",
        first.display()
    )]
    OtherColumns {
        /// Columns of the table.
        found: String,
        /// The first table.
        first: PathBuf,
        /// Columns of the first table.
        expected: String,
    },
    /// A second row of a sample and a model.
    #[error(
        "line {line}: sample `{sample}` already has a row of `{model}` in this or an earlier \
         table; merge tables of different samples"
    )]
    RowTwice {
        /// 1-based line number.
        line: u64,
        /// The sample.
        sample: String,
        /// The model.
        model: String,
    },
    /// A selection of samples.
    #[error(transparent)]
    Samples(#[from] SamplesProblem),
}

impl Error {
    pub(super) fn table(path: &Path, problem: impl Into<TableProblem>) -> Self {
        Self::Table {
            path: path.into(),
            problem: Box::new(problem.into()),
        }
    }
}

fn column(path: &Path, header: &csv::StringRecord, name: &'static str) -> Result<usize, Error> {
    header
        .iter()
        .position(|column| column == name)
        .ok_or_else(|| Error::table(path, TableProblem::NoColumn { name }))
}

fn listed(columns: &csv::StringRecord) -> String {
    columns.iter().collect::<Vec<_>>().join(",")
}
