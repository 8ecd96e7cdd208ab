//! Tables of blocks of people to one table.
//!
//! Input -> output: tables of `score`, or `predictions.csv`s, with the same columns -> their rows
//! one after the other. The text of the cells stays.

use std::{
    collections::HashSet,
    io::Write,
    path::{Path, PathBuf},
};

use gf_cohort_schema::text;

use super::Error;
use gf_files::output::{self, Pending};

/// Merges tables, in their order; `-` is standard output. Returns the number of rows.
///
/// # Errors
/// Tables that cannot be read, have other columns than the first or lack `sample_id` or `model`; a
/// person whom a model has predicted before.
pub fn merge(tables: &[PathBuf], output: &Path) -> Result<usize, Error> {
    let mut merged = csv::Writer::from_writer(Pending::create(output)?);
    let at_output = |error: csv::Error| Error::from(output::at(output)(error.into()));
    let mut columns: Option<csv::StringRecord> = None;
    let mut seen: HashSet<(String, String)> = HashSet::new();
    let mut row = csv::StringRecord::new();
    for path in tables {
        let wrong = |reason: String| Error::Table {
            path: path.clone(),
            reason,
        };
        let text = text::read(path)?;
        let mut table = csv::Reader::from_reader(text.as_bytes());
        let header = table
            .headers()
            .map_err(|error| wrong(error.to_string()))?
            .clone();
        match &columns {
            None => merged.write_record(&header).map_err(at_output)?,
            Some(columns) if *columns == header => {}
            Some(columns) => {
                let list =
                    |columns: &csv::StringRecord| columns.iter().collect::<Vec<_>>().join(",");
                return Err(wrong(format!(
                    "its columns are {}, those of {} are {}",
                    list(&header),
                    tables[0].display(),
                    list(columns)
                )));
            }
        }
        let column = |name: &str| {
            header
                .iter()
                .position(|other| other == name)
                .ok_or_else(|| wrong(format!("no column `{name}`")))
        };
        let sample_id = column("sample_id")?;
        let model = column("model")?;
        while table
            .read_record(&mut row)
            .map_err(|error| wrong(error.to_string()))?
        {
            let person = &row[sample_id];
            let model = &row[model];
            if !seen.insert((person.to_owned(), model.to_owned())) {
                let line = row.position().map_or(0, csv::Position::line);
                return Err(wrong(format!(
                    "line {line}: person `{person}` has a row of `{model}` already, here or in an \
                     earlier table"
                )));
            }
            merged.write_record(&row).map_err(at_output)?;
        }
        columns = Some(header);
    }
    let mut pending = merged
        .into_inner()
        .map_err(|error| output::at(output)(std::io::Error::other(error.error().to_string())))?;
    pending.flush().map_err(output::at(output))?;
    pending.finish()?;
    Ok(seen.len())
}
