//! A CSV file in memory, with the line of each row for messages.

use std::{collections::HashMap, path::Path};

use csv::StringRecord;

use crate::{
    Error, Problem, ValueProblem, counted,
    missing::is_missing,
    text::{self, DecimalCommas, Separator},
};

/// Why a text is not a table with the columns and cells that are needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableProblem {
    /// A header only.
    #[error("no rows below the header; check that the file is complete")]
    NoRows,
    /// A required column is missing.
    #[error(
        "no column `{name}`. The first line has {} (expected names separated by commas){}",
        found.join(", "),
        hint(nearest.as_deref())
    )]
    NoColumn {
        /// Name of the column.
        name: String,
        /// Names in the first line.
        found: Vec<String>,
        /// The most similar name in the first line, if it is similar enough.
        nearest: Option<String>,
    },
    /// Two columns have one name.
    #[error(
        "column `{name}` occurs twice (columns {first} and {second}); remove or rename one of them"
    )]
    ColumnTwice {
        /// Name of the columns.
        name: String,
        /// 1-based number of the first one.
        first: usize,
        /// 1-based number of the second one.
        second: usize,
    },
    /// A row is longer or shorter than the header.
    #[error(
        "{}, but the header has {n_names}. Check the separators between the cells{}",
        counted(*n_cells, "cell", "cells"),
        text::why_one_more(*n_cells as usize, *n_names as usize)
    )]
    UnequalLengths {
        /// Cells in the row.
        n_cells: u64,
        /// Cells in the header.
        n_names: u64,
    },
    /// A required cell is empty.
    #[error("the cell is empty")]
    EmptyCell,
    /// A character that could control a terminal.
    #[error("`{}` has a control character ({})", cell.escape_debug(), sign.escape_unicode())]
    ControlCharacter {
        /// The cell.
        cell: String,
        /// Its first control character.
        sign: char,
    },
    /// A row without a sample.
    #[error("`{cell}` is a missing value; every row needs a sample ID")]
    NoSampleId {
        /// The cell.
        cell: String,
    },
    /// A row repeats a sample.
    #[error("sample {id} is listed twice; keep one row")]
    SampleTwice {
        /// The sample.
        id: String,
    },
}

/// The end of the message about a missing column.
fn hint(nearest: Option<&str>) -> String {
    nearest.map_or(String::new(), |nearest| {
        format!(". Did you mean `{nearest}`?")
    })
}

/// A table with a header, trimmed cells, and rows as long as the header.
///
/// The file is opened by [`text::read`]. Cells are separated by commas, tabs, semicolons or blanks;
/// numbers have decimal points or commas. Empty rows are skipped.
pub(crate) struct CsvTable<'a> {
    path: &'a Path,
    text: String,
    /// The byte between cells.
    delimiter: u8,
    /// Columns whose numbers have a decimal comma.
    with_commas: Vec<usize>,
    header: StringRecord,
    rows: Vec<StringRecord>,
}

/// One row of a [`CsvTable`].
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    table: &'a CsvTable<'a>,
    record: &'a StringRecord,
}

impl<'a> CsvTable<'a> {
    pub(crate) fn read(path: &'a Path) -> Result<Self, Error> {
        let mut table = Self::open(path)?;
        let mut rows = Vec::new();
        for row in csv_reader(&table.text, table.delimiter).into_records() {
            let row = row.map_err(|error| malformed(path, &table.text, error))?;
            if row.iter().any(|cell| !cell.is_empty()) {
                rows.push(with_points(row, &table.with_commas));
            }
        }
        table.rows = rows;
        if table.rows.is_empty() {
            Err(table.without_rows())
        } else {
            Ok(table)
        }
    }

    /// Opens a table and reads only its header. [`Self::each`] then reads the rows one by one.
    pub(crate) fn open(path: &'a Path) -> Result<Self, Error> {
        let (text, delimiter) = separated(path, text::read(path)?);
        let header = csv_reader(&text, delimiter)
            .headers()
            .cloned()
            .map_err(|error| malformed(path, &text, error))?;
        require_each_name_once(path, &header)?;
        let with_commas = columns_with_commas(&text, delimiter);
        if !with_commas.is_empty() {
            text::note_columns(path, &with_commas, |column| {
                header.get(column).unwrap_or_default()
            });
        }
        Ok(Self {
            path,
            text,
            delimiter,
            with_commas,
            header,
            rows: Vec::new(),
        })
    }

    /// Calls `visit` for each row.
    pub(crate) fn each<E: From<Error>>(
        &self,
        mut visit: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = csv_reader(&self.text, self.delimiter);
        let mut record = StringRecord::new();
        let mut n_rows = 0_u64;
        while reader
            .read_record(&mut record)
            .map_err(|error| malformed(self.path, &self.text, error))?
        {
            if record.iter().all(str::is_empty) {
                continue;
            }
            if !self.with_commas.is_empty() {
                record = with_points(record, &self.with_commas);
            }
            visit(Row {
                table: self,
                record: &record,
            })?;
            n_rows += 1;
        }
        if n_rows == 0 {
            Err(self.without_rows().into())
        } else {
            Ok(())
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.path
    }

    fn without_rows(&self) -> Error {
        Error::file(self.path, TableProblem::NoRows)
    }

    pub(crate) fn header(&self) -> impl Iterator<Item = &str> {
        self.header.iter()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> + Clone {
        self.rows.iter().map(|record| Row {
            table: self,
            record,
        })
    }

    /// Index of an optional column.
    pub(crate) fn optional_column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// Index of a required column.
    pub(crate) fn column(&self, name: &str) -> Result<usize, Error> {
        self.optional_column(name)
            .ok_or_else(|| self.without_column(name))
    }

    /// The error of a table without a required column, with the most similar name as a hint.
    fn without_column(&self, name: &str) -> Error {
        let nearest = self
            .header
            .iter()
            .max_by(|a, b| similarity(name, a).total_cmp(&similarity(name, b)))
            .filter(|column| similarity(name, column) > MIN_SIMILARITY);
        let problem = TableProblem::NoColumn {
            name: name.to_owned(),
            found: self.header.iter().map(str::to_owned).collect(),
            nearest: nearest.map(str::to_owned),
        };
        Error::file(self.path, problem)
    }
}

/// Smallest similarity at which a column is suggested for a missing one.
const MIN_SIMILARITY: f64 = 0.7;

/// Jaro-Winkler similarity of two names, from 0 to 1, case-insensitive.
fn similarity(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_lowercase(), &b.to_lowercase())
}

impl<'a> Row<'a> {
    /// The trimmed text of a cell; `column` comes from [`CsvTable::column`].
    pub(crate) fn cell(self, column: usize) -> &'a str {
        self.record.get(column).unwrap_or_default()
    }

    /// The text of a cell that must not be empty.
    ///
    /// Control characters are refused: the text may be a name that is printed to a terminal.
    pub(crate) fn required(self, column: usize) -> Result<&'a str, Error> {
        let cell = self.cell(column);
        if cell.is_empty() {
            return Err(self.error(column, TableProblem::EmptyCell));
        }
        match cell.chars().find(|sign| sign.is_control()) {
            Some(sign) => {
                let cell = cell.to_owned();
                Err(self.error(column, TableProblem::ControlCharacter { cell, sign }))
            }
            None => Ok(cell),
        }
    }

    /// The name of a sample: see [`Self::required`]. A missing value is an error.
    pub(crate) fn identifier(self, column: usize) -> Result<&'a str, Error> {
        match self.required(column)? {
            cell if is_missing(cell) => {
                let cell = cell.to_owned();
                Err(self.error(column, TableProblem::NoSampleId { cell }))
            }
            cell => Ok(cell),
        }
    }

    /// A cell that must be a finite number.
    pub(crate) fn finite(self, column: usize) -> Result<f64, Error> {
        let cell = self.required(column)?;
        let number = cell.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.error(column, ValueProblem::not_finite(cell)))
    }

    /// 1-based line of the file on which the row starts.
    pub(crate) fn line(self) -> u64 {
        line_at(&self.table.text, self.record.position())
    }

    /// The name of a column.
    pub(crate) fn column_name(self, column: usize) -> &'a str {
        self.table.header.get(column).unwrap_or_default()
    }

    /// An error at a cell, with file, line and column.
    pub(crate) fn error(self, column: usize, problem: impl Into<Problem>) -> Error {
        Error::Cell {
            path: self.table.path.to_path_buf(),
            line: self.line(),
            column: self.column_name(column).to_owned(),
            problem: Box::new(problem.into()),
        }
    }
}

/// Refuses two columns with the same name, case-insensitive. Columns without a name are ignored.
fn require_each_name_once(path: &Path, header: &StringRecord) -> Result<(), Error> {
    let mut columns: HashMap<String, usize> = HashMap::new();
    for (column, name) in header
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
    {
        if let Some(first) = columns.insert(name.to_ascii_lowercase(), column) {
            let problem = TableProblem::ColumnTwice {
                name: name.to_owned(),
                first: first + 1,
                second: column + 1,
            };
            return Err(Error::line(path, 1, problem));
        }
    }
    Ok(())
}

fn csv_reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(delimiter)
        .from_reader(text.as_bytes())
}

/// Converts a text to one with a single byte between cells, and returns this byte too. The number
/// of lines does not change.
fn separated(path: &Path, text: String) -> (String, u8) {
    let text = without_separator_line(text);
    let header = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let separator = match Separator::guess(header) {
        Separator::Byte(byte) => Some(byte),
        Separator::Blanks => None,
    };
    text::regular(path, text, separator)
}

/// Replaces a first line such as `sep=;`, written by a spreadsheet, by an empty line.
///
/// The empty line is skipped later, and line numbers stay correct.
fn without_separator_line(text: String) -> String {
    match text.split_once('\n') {
        Some((first, rest)) if is_separator_line(first) => format!("\n{rest}"),
        _ => text,
    }
}

fn is_separator_line(line: &str) -> bool {
    let begins_with_sep = line
        .trim_matches('"')
        .to_ascii_lowercase()
        .starts_with("sep=");
    begins_with_sep && line.len() <= 7
}

/// Columns whose numbers have a decimal comma.
fn columns_with_commas(text: &str, delimiter: u8) -> Vec<usize> {
    let may_have_some = text.contains(if delimiter == b',' { '"' } else { ',' });
    if !may_have_some {
        return Vec::new();
    }
    let mut commas = DecimalCommas::default();
    // A malformed row is an error later, when the rows are read.
    for row in csv_reader(text, delimiter)
        .into_records()
        .map_while(Result::ok)
    {
        commas.see(row.iter());
    }
    commas.columns(Separator::Byte(delimiter))
}

/// The row with a decimal point in these columns.
fn with_points(row: StringRecord, columns: &[usize]) -> StringRecord {
    if columns.is_empty() {
        return row;
    }
    let mut changed: StringRecord = row
        .iter()
        .enumerate()
        .map(|(column, cell)| {
            if columns.contains(&column) {
                cell.replacen(',', ".", 1)
            } else {
                cell.to_owned()
            }
        })
        .collect();
    changed.set_position(row.position().cloned());
    changed
}

/// 1-based line of a record.
///
/// It is counted here because the position that csv reports is before the blank lines it skips.
fn line_at(text: &str, position: Option<&csv::Position>) -> u64 {
    let start = position
        .map_or(0, |position| position.byte() as usize)
        .min(text.len());
    let blank = text.as_bytes()[start..]
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    text[..start + blank].matches('\n').count() as u64 + 1
}

/// The error of a text that is not a CSV table.
fn malformed(path: &Path, text: &str, error: csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let problem = TableProblem::UnequalLengths {
                n_cells: *len,
                n_names: *expected_len,
            };
            Error::line(path, line_at(text, pos.as_ref()), problem)
        }
        _ => Error::Io {
            path: path.to_path_buf(),
            source: error.into(),
        },
    }
}
