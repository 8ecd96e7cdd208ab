//! Separators of cells, quotation marks of spreadsheets, and decimal commas.

use std::path::Path;

use super::{TextProblem, note};
use crate::Error;

/// The separator between the cells of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// One of these bytes: a comma, a tab or a semicolon.
    Byte(u8),
    /// Any number of spaces, like in the tables of PLINK 1.
    Blanks,
}

impl Separator {
    /// Guesses the separator from the line of column names.
    ///
    /// It is a tab if there is one, else the more frequent of semicolon and comma outside of
    /// quotes, else blanks.
    #[must_use]
    pub fn guess(header: &str) -> Self {
        let mut is_quoted = false;
        let mut n_tabs = 0;
        let mut n_commas = 0;
        let mut n_semicolons = 0;
        for character in header.chars() {
            match character {
                '"' => is_quoted = !is_quoted,
                _ if is_quoted => {}
                '\t' => n_tabs += 1,
                ',' => n_commas += 1,
                ';' => n_semicolons += 1,
                _ => {}
            }
        }
        match (n_tabs, n_commas, n_semicolons) {
            (1.., ..) => Self::Byte(b'\t'),
            (0, commas, semicolons) if semicolons > commas => Self::Byte(b';'),
            (0, 0, 0) if header.split_whitespace().count() > 1 => Self::Blanks,
            _ => Self::Byte(b','),
        }
    }
}

/// Replaces the blanks between the cells of a line by tabs. Blanks in quotation marks are kept.
#[must_use]
pub fn blanks_as_tabs(line: &str) -> String {
    let mut cells: Vec<String> = Vec::new();
    let mut is_quoted = false;
    let mut is_in_cell = false;
    for character in line.chars() {
        is_quoted ^= character == '"';
        if character.is_whitespace() && !is_quoted {
            is_in_cell = false;
            continue;
        }
        if !is_in_cell {
            cells.push(String::new());
            is_in_cell = true;
        }
        if let Some(cell) = cells.last_mut() {
            cell.push(character);
        }
    }
    cells.join("\t")
}

/// The number of cells of a line, and the first cell. A separator in quotation marks is part of its
/// cell.
#[must_use]
pub fn count_cells(line: &str, separator: u8) -> (usize, &str) {
    let mut is_quoted = false;
    let mut n_cells = 1;
    let mut end_of_first = line.len();
    for (index, byte) in line.bytes().enumerate() {
        is_quoted ^= byte == b'"';
        if byte == separator && !is_quoted {
            end_of_first = end_of_first.min(index);
            n_cells += 1;
        }
    }
    (n_cells, unquoted(&line[..end_of_first]))
}

/// Adds an empty column name to a table of R's `write.table`, which numbers its rows without a
/// column name.
///
/// `None` for any other table. Where the first cells are not 1, 2, ..., the missing column name may
/// be that of another column.
#[must_use]
pub fn named_row_numbers(path: &Path, table: &str, separator: u8) -> Option<String> {
    let begin = table.len() - table.trim_start_matches(['\r', '\n']).len();
    let mut lines = table[begin..]
        .lines()
        .filter(|line| !line.trim().is_empty());
    let (n_names, _) = count_cells(lines.next()?, separator);
    let mut n_rows = 0;
    for line in lines {
        n_rows += 1;
        let (n_cells, first) = count_cells(line, separator);
        if n_cells != n_names + 1 || first.parse() != Ok(n_rows) {
            return None;
        }
    }
    if n_rows == 0 {
        return None;
    }
    note(format!(
        "{}: the first column has row numbers and no column name, as in tables written by R",
        path.display()
    ));
    let (before, names) = table.split_at(begin);
    Some(format!("{before}\"\"{}{names}", char::from(separator)))
}

/// Converts a table to one byte between cells and a name for every column; returns this byte too.
///
/// Without a `separator`, blanks become tabs. Row numbers of R get an empty column name.
#[must_use]
pub fn regular(path: &Path, text: String, separator: Option<u8>) -> (String, u8) {
    let separated = if separator.is_some() {
        text
    } else {
        let lines: Vec<String> = text.lines().map(blanks_as_tabs).collect();
        lines.join("\n") + "\n"
    };
    let separator = separator.unwrap_or(b'\t');
    let named = named_row_numbers(path, &separated, separator);
    (named.unwrap_or(separated), separator)
}

/// A hint for a row with more cells than the header.
#[must_use]
pub fn why_one_more(n_cells: usize, n_names: usize) -> &'static str {
    if n_cells == n_names + 1 {
        ". A column name may be missing. R writes row names without one, so write the table with \
         row.names=FALSE"
    } else {
        ""
    }
}

/// A cell without surrounding blanks and quotation marks.
#[must_use]
pub fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map_or(cell, str::trim)
}

/// The cells of a line without quotation marks, separated by tabs if there are any, else by blanks.
#[must_use]
pub fn words(line: &str) -> Vec<&str> {
    if line.contains('\t') {
        line.split('\t').map(unquoted).collect()
    } else {
        line.split_whitespace().map(unquoted).collect()
    }
}

/// Columns of a `.fam` file: FID, IID, PAT, MAT, SEX, phenotype.
const COLUMNS_OF_FAM: usize = 6;
/// Names of the sample column in a list of samples, in lower case.
const SAMPLE_COLUMNS: [&str; 8] = [
    "iid",
    "sample_id",
    "sample",
    "sampleid",
    "id",
    "eid",
    "individual_id",
    "participant_id",
];

/// The samples of a list.
///
/// - With a header that has a sample column, such as `IID` or `sample_id`: the cells of this
///   column.
/// - PLINK's keep files (FID, IID) and `.fam` files, which have no header: the second column, with
///   a note.
/// - Otherwise the first cell of each line.
///
/// # Errors
/// A list without a sample.
pub fn samples_of(path: &Path, text: &str) -> Result<Vec<String>, Error> {
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .peekable();
    let header = lines.peek().map_or(Vec::new(), |line| {
        separated_cells(line.trim_start_matches('#'))
    });
    let sample_column = header
        .iter()
        .position(|cell| SAMPLE_COLUMNS.contains(&cell.to_lowercase().as_str()));
    if sample_column.is_some() {
        lines.next();
    }
    let rows: Vec<Vec<&str>> = lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            // Without a header, a comma may be part of a name.
            if sample_column.is_some() {
                separated_cells(line)
            } else {
                words(line)
            }
        })
        .collect();
    let column = sample_column.unwrap_or_else(|| usize::from(are_of_plink(path, &rows)));
    let samples: Vec<String> = rows
        .iter()
        .filter_map(|row| row.get(column))
        .filter(|name| !name.is_empty())
        .map(|&name| name.to_owned())
        .collect();
    if samples.is_empty() {
        Err(Error::file(path, TextProblem::NoSample))
    } else {
        Ok(samples)
    }
}

/// The cells of a line, separated by commas or semicolons if there are no tabs.
fn separated_cells(line: &str) -> Vec<&str> {
    if line.contains('\t') || !line.contains([',', ';']) {
        words(line)
    } else {
        line.split([',', ';']).map(unquoted).collect()
    }
}

/// Whether lines without a header are PLINK's: FID and IID, or the six columns of a `.fam` file.
fn are_of_plink(path: &Path, rows: &[Vec<&str>]) -> bool {
    let n_columns = rows.first().map_or(0, Vec::len);
    let are_of_plink =
        [2, COLUMNS_OF_FAM].contains(&n_columns) && rows.iter().all(|row| row.len() == n_columns);
    if are_of_plink {
        note(format!(
            "{}: no header, so the first two columns are read as FID and IID",
            path.display()
        ));
    }
    are_of_plink
}

/// Evidence for decimal commas in a column, from all of its cells.
#[derive(Clone, Copy, Debug, Default)]
struct Commas {
    /// Number of cells such as `63,5`.
    n: usize,
    /// A comma is not a thousands separator in at least one cell, such as `0,034` or `63,5`.
    is_clear: bool,
    /// At least one cell has other text, or a number with a point.
    is_other: bool,
}

impl Commas {
    /// Whether the numbers have decimal commas.
    ///
    /// `1,234` alone is ambiguous. It is a decimal in a table separated by `;`, which spreadsheets
    /// write in languages with a decimal comma.
    fn are_decimal(self, separator: Separator) -> bool {
        let is_decided = self.is_clear || separator == Separator::Byte(b';');
        self.n > 0 && !self.is_other && is_decided
    }
}

/// Finds the columns of a table whose numbers have a decimal comma.
#[derive(Clone, Debug, Default)]
pub struct DecimalCommas {
    columns: Vec<Commas>,
}

impl DecimalCommas {
    /// Adds the cells of one row to the evidence.
    pub fn see<'c>(&mut self, cells: impl Iterator<Item = &'c str>) {
        for (column, cell) in cells.enumerate() {
            if column == self.columns.len() {
                self.columns.push(Commas::default());
            }
            let commas = &mut self.columns[column];
            let cell = unquoted(cell);
            match cell.split_once(',') {
                _ if is_missing(cell) => {}
                Some((whole, fraction)) if is_whole(whole) && is_fraction(fraction) => {
                    commas.n += 1;
                    let digits = whole.trim_start_matches(['-', '+']);
                    let could_be_thousands = fraction.len() == 3
                        && (1..=3).contains(&digits.len())
                        && !digits.starts_with('0');
                    commas.is_clear |= !could_be_thousands;
                }
                None if is_whole(cell) => {}
                _ => commas.is_other = true,
            }
        }
    }

    /// The columns with decimal commas, in a table with this separator.
    ///
    /// A column of numbers such as `1,234` is ambiguous. It counts only with the separator `;`,
    /// which spreadsheets use in languages with a decimal comma.
    #[must_use]
    pub fn columns(&self, separator: Separator) -> Vec<usize> {
        (0..self.columns.len())
            .filter(|&column| self.columns[column].are_decimal(separator))
            .collect()
    }
}

/// Whether a cell of a column of numbers is a missing value.
fn is_missing(cell: &str) -> bool {
    ["", ".", "na", "nan", "nr", "null", "none"].contains(&cell.to_ascii_lowercase().as_str())
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is digits, optionally with an exponent.
fn is_fraction(text: &str) -> bool {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && is_whole(exponent)
}

/// Replaces the decimal commas of a table by points; `None` for a table without decimal commas.
///
/// The first line has the column names. No cell is quoted.
#[must_use]
pub fn with_decimal_points(path: &Path, body: &str, separator: u8) -> Option<String> {
    if separator == b',' {
        return None;
    }
    let separator = char::from(separator);
    let mut lines = body.lines();
    let names: Vec<&str> = lines.next()?.split(separator).collect();
    // Nearly every table has points, and a text without commas needs no analysis.
    if !lines.clone().any(|line| line.contains(',')) {
        return None;
    }
    let mut commas = DecimalCommas::default();
    lines.for_each(|line| commas.see(line.split(separator)));
    let columns = commas.columns(Separator::Byte(separator as u8));
    if columns.is_empty() {
        return None;
    }
    note_columns(path, &columns, |column| {
        names.get(column).map_or("", |name| name.trim())
    });
    let mut text = String::with_capacity(body.len());
    for (number, line) in body.lines().enumerate() {
        for (column, cell) in line.split(separator).enumerate() {
            if column > 0 {
                text.push(separator);
            }
            if number > 0 && columns.contains(&column) {
                text.push_str(&unquoted(cell).replacen(',', ".", 1));
            } else {
                text.push_str(cell);
            }
        }
        text.push('\n');
    }
    Some(text)
}

/// Prints a note with the columns that have decimal commas.
pub(crate) fn note_columns<'n>(path: &Path, columns: &[usize], name: impl Fn(usize) -> &'n str) {
    let names: Vec<&str> = columns.iter().map(|&column| name(column)).collect();
    note(format!(
        "{}: decimal commas were read as decimal points in {} {}",
        path.display(),
        if names.len() == 1 {
            "column"
        } else {
            "columns"
        },
        names.join(", ")
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_told_by_the_column_names() {
        for (header, expected) in [
            ("sample_id,phenotype,split", Separator::Byte(b',')),
            ("sample_id;phenotype;split", Separator::Byte(b';')),
            ("sample_id\tage, in years\tsplit", Separator::Byte(b'\t')),
            ("\"age, in years\";sex", Separator::Byte(b';')),
            ("  FID  IID   PHENO", Separator::Blanks),
            ("sample_id", Separator::Byte(b',')),
        ] {
            assert_eq!(Separator::guess(header), expected, "{header}");
        }
    }

    #[test]
    fn row_numbers_of_r_get_a_column_without_a_name() {
        let path = Path::new("r.txt");
        assert_eq!(
            named_row_numbers(
                path,
                "\"id\"\t\"age\"\n\"1\"\t\"A\"\t70\n\"2\"\t\"B\"\t71\n",
                b'\t'
            )
            .as_deref(),
            Some("\"\"\t\"id\"\t\"age\"\n\"1\"\t\"A\"\t70\n\"2\"\t\"B\"\t71\n")
        );
        // The first cells may be ids, and the name of the last column missing.
        for table in [
            "id,age\nA,70,1\nB,71,0\n",
            "id,age\n1,70,1\n3,71,0\n",
            "id,age\n1,70\n2,71\n",
            "id,age\n",
        ] {
            assert_eq!(named_row_numbers(path, table, b','), None, "{table}");
        }
    }

    #[test]
    fn blanks_in_quotation_marks_do_not_separate() {
        assert_eq!(blanks_as_tabs("  \"a b\"  1 \"\" x"), "\"a b\"\t1\t\"\"\tx");
    }

    #[test]
    fn decimal_commas_are_told_from_thousands_and_lists() {
        for (cells, separator, expected) in [
            (&["63,5", "70", "NA"][..], b'\t', true),
            (&["0,034"], b'\t', true),
            (&["-1,5e-3"], b'\t', true),
            (&["1,234"], b';', true),
            (&["1,234", "12,500"], b'\t', false),
            (&["63,5", "63.5"], b';', false),
            (&["A,G"], b';', false),
            (&["1,2,3"], b';', false),
            (&["63", "70"], b';', false),
        ] {
            let mut commas = DecimalCommas::default();
            for cell in cells {
                commas.see([*cell].into_iter());
            }
            let has_decimal_commas = !commas.columns(Separator::Byte(separator)).is_empty();
            assert_eq!(has_decimal_commas, expected, "{cells:?}");
        }
    }

    #[test]
    fn a_table_with_decimal_commas_is_rewritten_with_points() {
        let path = Path::new("s.txt");
        let table = "chr\tpos\talleles\tweight\n1\t5\tA,G\t0,5\n1\t9\tC,T\t-1,25\n";
        let expected = "chr\tpos\talleles\tweight\n1\t5\tA,G\t0.5\n1\t9\tC,T\t-1.25\n";
        assert_eq!(
            with_decimal_points(path, table, b'\t').as_deref(),
            Some(expected)
        );
        assert_eq!(with_decimal_points(path, "chr\tw\n1\t0.5\n", b'\t'), None);
        assert_eq!(with_decimal_points(path, "chr,w\n1,5\n", b','), None);
    }

    #[test]
    fn samples_are_the_first_cells_or_those_of_a_named_column() {
        let expected = Ok(vec!["A".to_owned(), "B".to_owned()]);
        for text in [
            "A\nB\n",
            "A extra\n\nB\n",
            "f1\tA\nf2\tB\n",
            "0 A 0 0 1 2\n0 B 0 0 2 1\n",
            "\"A\"\n\"B\"\n",
            "#FID\tIID\nf1\tA\nf2\tB\n",
            "FID IID SEX\nf1 A 1\nf2 B 2\n",
            "#IID\nA\nB",
            "ID\tSEX\nA\t1\nB\t2\n",
            "sample_id,age\nA,5\nB,6\n",
            "sample_id;age\nA;5\nB;6\n",
        ] {
            assert_eq!(samples(text), expected, "{text}");
        }
        assert_eq!(
            samples("A,5\nB,6\n"),
            Ok(vec!["A,5".to_owned(), "B,6".to_owned()]),
            "no header, no columns"
        );
        assert!(samples("#IID\n").unwrap_err().contains("no sample"));
    }

    fn samples(text: &str) -> Result<Vec<String>, String> {
        samples_of(Path::new("s.txt"), text).map_err(|error| error.to_string())
    }
}
