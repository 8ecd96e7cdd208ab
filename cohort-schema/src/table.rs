//! A CSV file in memory whose rows know their line and whose cells are asked for by column name.

use std::{collections::HashMap, path::Path};

use csv::StringRecord;

use crate::{
    Error, counted,
    missing::is_missing,
    text::{self, DecimalCommas, Separator},
};

/// A table: header and rows, cells trimmed, every row as long as the header. Opened by
/// [`text::read`]; commas, tabs, semicolons or blanks between the cells, decimal points or commas.
/// Rows without anything in them are passed over.
pub(crate) struct CsvTable<'a> {
    path: &'a Path,
    text: String,
    /// Between cells.
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

    /// Only the header; [`Self::each`] then goes through the rows without keeping them.
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

    /// Shows `visit` one row after the other.
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
        Error::file(self.path, "no rows below the header; is the file complete?")
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

    /// Index of a column that need not be there.
    pub(crate) fn optional_column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|found| found == name)
    }

    /// Index of a column that must be there.
    pub(crate) fn column(&self, name: &str) -> Result<usize, Error> {
        self.optional_column(name).ok_or_else(|| {
            let found = self.header.iter().collect::<Vec<_>>().join(", ");
            let likeness =
                |other: &&str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
            let nearest = self
                .header
                .iter()
                .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
                .filter(|other| likeness(other) > 0.7);
            let hint = nearest.map_or(String::new(), |nearest| format!("; is `{nearest}` meant?"));
            Error::file(
                self.path,
                format!(
                    "no column `{name}`: the first line has {found} (expected names separated by \
                     commas){hint}"
                ),
            )
        })
    }
}

impl<'a> Row<'a> {
    /// The trimmed text of a cell; `column` comes from [`CsvTable::column`].
    pub(crate) fn cell(self, column: usize) -> &'a str {
        self.record.get(column).unwrap_or_default()
    }

    /// The text of a cell that must not be empty. It may be a name that is shown in a terminal,
    /// which it must not steer.
    pub(crate) fn required(self, column: usize) -> Result<&'a str, Error> {
        let cell = self.cell(column);
        if cell.is_empty() {
            return Err(self.error(column, "is empty"));
        }
        match cell.chars().find(|sign| sign.is_control()) {
            Some(sign) => Err(self.error(
                column,
                format!(
                    "`{}` has a control character ({})",
                    cell.escape_debug(),
                    sign.escape_unicode()
                ),
            )),
            None => Ok(cell),
        }
    }

    /// The name of a sample: [`Self::required`], and no missing value.
    pub(crate) fn identifier(self, column: usize) -> Result<&'a str, Error> {
        match self.required(column)? {
            cell if is_missing(cell) => Err(self.error(
                column,
                format!("`{cell}` is a missing value; every row needs the name of a sample"),
            )),
            cell => Ok(cell),
        }
    }

    /// A cell that must be a finite number.
    pub(crate) fn finite(self, column: usize) -> Result<f64, Error> {
        let cell = self.required(column)?;
        let number = cell.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.error(column, format!("`{cell}` is not a finite number")))
    }

    /// 1-based line of the file on which the row starts.
    pub(crate) fn line(self) -> u64 {
        line_at(&self.table.text, self.record.position())
    }

    /// The name of a column.
    pub(crate) fn column_name(self, column: usize) -> &'a str {
        self.table.header.get(column).unwrap_or_default()
    }

    /// An error about one cell.
    pub(crate) fn error(self, column: usize, reason: impl Into<String>) -> Error {
        Error::Cell {
            path: self.table.path.to_path_buf(),
            line: self.line(),
            column: self.column_name(column).to_owned(),
            reason: reason.into(),
        }
    }
}

/// Refuses two columns of one name, upper and lower case alike. Columns without a name are no
/// one's.
fn require_each_name_once(path: &Path, header: &StringRecord) -> Result<(), Error> {
    let mut columns: HashMap<String, usize> = HashMap::new();
    for (column, name) in header
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
    {
        if let Some(first) = columns.insert(name.to_ascii_lowercase(), column) {
            let found = format!(
                "column `{name}` is there twice (columns {} and {})",
                first + 1,
                column + 1
            );
            let reason = format!("{found}; remove or rename one");
            return Err(Error::Line {
                path: path.to_path_buf(),
                line: 1,
                reason,
            });
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

/// A text whose cells have one byte between them, and that byte; as many lines as before.
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

/// A spreadsheet may begin a file with `sep=;`: an empty line, which is passed over, in its place.
fn without_separator_line(text: String) -> String {
    let is_separator = |line: &str| {
        line.trim_matches('"')
            .to_ascii_lowercase()
            .starts_with("sep=")
            && line.len() <= 7
    };
    match text.split_once('\n') {
        Some((first, rest)) if is_separator(first) => format!("\n{rest}"),
        _ => text,
    }
}

/// Columns whose numbers have a decimal comma; none where no cell can have one.
fn columns_with_commas(text: &str, delimiter: u8) -> Vec<usize> {
    let may_have_some = text.contains(if delimiter == b',' { '"' } else { ',' });
    if !may_have_some {
        return Vec::new();
    }
    let mut commas = DecimalCommas::default();
    // What is malformed is refused with its line when the rows are read.
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
    let cell = |(column, cell): (usize, &str)| {
        if columns.contains(&column) {
            cell.replacen(',', ".", 1)
        } else {
            cell.to_owned()
        }
    };
    let mut changed: StringRecord = row.iter().enumerate().map(cell).collect();
    changed.set_position(row.position().cloned());
    changed
}

/// Line of a record. Counted here because the position that csv reports lies before the blank lines
/// it skips.
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

fn malformed(path: &Path, text: &str, error: csv::Error) -> Error {
    let path = path.to_path_buf();
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => Error::Line {
            path,
            line: line_at(text, pos.as_ref()),
            reason: format!(
                "{} where the header has {expected_len}; is a comma missing, or one too many?{}",
                counted(*len, "cell", "cells"),
                text::why_one_more(*len as usize, *expected_len as usize)
            ),
        },
        _ => Error::Io {
            path,
            source: error.into(),
        },
    }
}
