//! What separates the cells of a table, quotes that a spreadsheet adds, and decimal commas.

use std::path::Path;

use super::note;
use crate::Error;

/// What stands between the cells of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// One of these bytes: a comma, a tab or a semicolon.
    Byte(u8),
    /// Any number of spaces, as PLINK 1 writes them.
    Blanks,
}

impl Separator {
    /// By the line of column names: a tab where there is one, else the commoner of semicolon and
    /// comma outside of quotes, else blanks.
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

/// The cells of a line between any number of blanks, with tabs between them; a cell in quotation
/// marks may have blanks in it.
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

/// Number of cells of a line, and the first of them. A separator in quotation marks is part of its
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

/// A table of R's `write.table` with a cell of no name before its column names. R gives rows the
/// names 1, 2, ..., for which it writes no column name. `None` for any other table: where the first
/// cells are no such numbers, the header may just as well lack the name of another column.
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
        "{}: the first cell of each row is its number and has no column name, as R writes it",
        path.display()
    ));
    let (before, names) = table.split_at(begin);
    Some(format!("{before}\"\"{}{names}", char::from(separator)))
}

/// A table with one byte between its cells and a name for every column: blanks become tabs where
/// there is no `separator`, and row numbers of R get an empty name; and that byte.
#[must_use]
pub fn regular(path: &Path, text: String, separator: Option<u8>) -> (String, u8) {
    let (text, separator) = if let Some(separator) = separator {
        (text, separator)
    } else {
        let lines: Vec<String> = text.lines().map(blanks_as_tabs).collect();
        (lines.join("\n") + "\n", b'\t')
    };
    let named = named_row_numbers(path, &text, separator);
    (named.unwrap_or(text), separator)
}

/// What may be wrong with a row of more cells than its header has.
#[must_use]
pub fn why_one_more(n_cells: usize, n_names: usize) -> &'static str {
    if n_cells == n_names + 1 {
        "; is the name of a column missing? R names no column of row names: write the table with \
         row.names=FALSE"
    } else {
        ""
    }
}

/// A cell without the blanks around it and the quotation marks that a spreadsheet puts around it.
#[must_use]
pub fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map_or(cell, str::trim)
}

/// The cells of a line: between tabs where there are any, else between blanks; without quotation
/// marks.
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
/// Column names under which a list of samples has its names.
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

/// The samples of a list: the first cell of each line; below a line with `IID` or `sample_id`, the
/// cell of that column. PLINK's keep files (FID, IID) and `.fam` files have no header. Their
/// samples are in the second column, and a note says so.
///
/// # Errors
/// A list without a sample.
pub fn samples_of(path: &Path, text: &str) -> Result<Vec<String>, Error> {
    let separators = |character: char| matches!(character, ',' | ';');
    let cells = |line: &str| -> Vec<String> {
        let is_separated = !line.contains('\t') && line.contains(separators);
        let cells = if is_separated {
            line.split(separators).map(unquoted).collect()
        } else {
            words(line)
        };
        cells.into_iter().map(str::to_owned).collect()
    };
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .peekable();
    let names = lines
        .peek()
        .map_or(Vec::new(), |line| cells(line.trim_start_matches('#')));
    let is_name = |cell: &String| SAMPLE_COLUMNS.contains(&cell.to_lowercase().as_str());
    let named = names.iter().position(is_name);
    if named.is_some() {
        lines.next();
    }
    // Without a header a comma may be part of a name.
    let row = |line: &str| {
        if named.is_some() {
            cells(line)
        } else {
            words(line).into_iter().map(str::to_owned).collect()
        }
    };
    let rows: Vec<Vec<String>> = lines
        .filter(|line| !line.starts_with('#'))
        .map(row)
        .collect();
    let column = named.unwrap_or_else(|| usize::from(are_of_plink(path, &rows)));
    let names = rows
        .into_iter()
        .map(|row| row.into_iter().nth(column).unwrap_or_default());
    let samples: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    if samples.is_empty() {
        Err(Error::file(
            path,
            "no sample in this list: one name per line is expected",
        ))
    } else {
        Ok(samples)
    }
}

/// Whether lines without a header are PLINK's: FID and IID, or the six columns of a `.fam` file.
fn are_of_plink(path: &Path, rows: &[Vec<String>]) -> bool {
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

/// Whether the numbers of a column have a decimal comma, told from all of its cells.
#[derive(Clone, Copy, Debug, Default)]
struct Commas {
    /// Cells such as `63,5`.
    n: usize,
    /// One of them cannot be a thousands separator: `0,034`, `63,5`.
    is_clear: bool,
    /// A cell that is no such number, or a number with a point.
    is_other: bool,
}

/// Finds the columns of a table whose numbers have a decimal comma.
#[derive(Clone, Debug, Default)]
pub struct DecimalCommas {
    columns: Vec<Commas>,
}

impl DecimalCommas {
    /// Takes in the cells of one row.
    pub fn see<'c>(&mut self, cells: impl Iterator<Item = &'c str>) {
        for (column, cell) in cells.enumerate() {
            if column == self.columns.len() {
                self.columns.push(Commas::default());
            }
            let found = &mut self.columns[column];
            let cell = unquoted(cell);
            match cell.split_once(',') {
                _ if is_missing(cell) => {}
                Some((whole, fraction)) if is_whole(whole) && is_fraction(fraction) => {
                    found.n += 1;
                    let digits = whole.trim_start_matches(['-', '+']);
                    let could_be_thousands = fraction.len() == 3
                        && (1..=3).contains(&digits.len())
                        && !digits.starts_with('0');
                    found.is_clear |= !could_be_thousands;
                }
                None if is_whole(cell) => {}
                _ => found.is_other = true,
            }
        }
    }

    /// The columns. `1,234` alone is one thousand or one: such a column is taken where a `;`
    /// separates the cells, which spreadsheets do in languages with a decimal comma, and left
    /// as it is elsewhere.
    #[must_use]
    pub fn columns(&self, separator: Separator) -> Vec<usize> {
        let is_found = |found: &Commas| {
            found.n > 0 && !found.is_other && (found.is_clear || separator == Separator::Byte(b';'))
        };
        (0..self.columns.len())
            .filter(|&column| is_found(&self.columns[column]))
            .collect()
    }
}

/// A cell that says that there is no number.
fn is_missing(cell: &str) -> bool {
    ["", ".", "na", "nan", "nr", "null", "none"].contains(&cell.to_ascii_lowercase().as_str())
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits, perhaps with an exponent.
fn is_fraction(text: &str) -> bool {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && is_whole(exponent)
}

/// A table without quoted cells whose decimal commas are points; `None` where it has none. The
/// first line has the names.
#[must_use]
pub fn with_decimal_points(path: &Path, body: &str, separator: u8) -> Option<String> {
    if separator == b',' {
        return None;
    }
    let separator = char::from(separator);
    let mut lines = body.lines();
    let names: Vec<&str> = lines.next()?.split(separator).collect();
    // Nearly every table has points: a line without a comma need not be taken apart.
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

/// Notes which columns have decimal commas.
pub(crate) fn note_columns<'n>(path: &Path, columns: &[usize], name: impl Fn(usize) -> &'n str) {
    let names: Vec<&str> = columns.iter().map(|&column| name(column)).collect();
    note(format!(
        "{}: numbers with a decimal comma, read with a point, in {}",
        path.display(),
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
        let named = |table: &str, separator| named_row_numbers(path, table, separator);
        assert_eq!(
            named(
                "\"id\"\t\"age\"\n\"1\"\t\"A\"\t70\n\"2\"\t\"B\"\t71\n",
                b'\t'
            )
            .as_deref(),
            Some("\"\"\t\"id\"\t\"age\"\n\"1\"\t\"A\"\t70\n\"2\"\t\"B\"\t71\n")
        );
        // The first cells may be ids, and the name of the last column missing.
        assert_eq!(named("id,age\nA,70,1\nB,71,0\n", b','), None);
        assert_eq!(named("id,age\n1,70,1\n3,71,0\n", b','), None);
        assert_eq!(named("id,age\n1,70\n2,71\n", b','), None);
        assert_eq!(named("id,age\n", b','), None);
    }

    #[test]
    fn blanks_in_quotation_marks_do_not_separate() {
        assert_eq!(blanks_as_tabs("  \"a b\"  1 \"\" x"), "\"a b\"\t1\t\"\"\tx");
    }

    #[test]
    fn decimal_commas_are_told_from_thousands_and_lists() {
        let columns = |cells: &[&str], separator: u8| {
            let mut commas = DecimalCommas::default();
            for cell in cells {
                commas.see([*cell].into_iter());
            }
            !commas.columns(Separator::Byte(separator)).is_empty()
        };
        assert!(
            columns(&["63,5", "70", "NA"], b'\t')
                && columns(&["0,034"], b'\t')
                && columns(&["-1,5e-3"], b'\t')
        );
        assert!(columns(&["1,234"], b';') && !columns(&["1,234", "12,500"], b'\t'));
        assert!(
            !columns(&["63,5", "63.5"], b';')
                && !columns(&["A,G"], b';')
                && !columns(&["1,2,3"], b';')
        );
        assert!(!columns(&["63", "70"], b';'));
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
        let of =
            |text: &str| samples_of(Path::new("s.txt"), text).map_err(|error| error.to_string());
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
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(
            of("A,5\nB,6\n"),
            Ok(vec!["A,5".to_owned(), "B,6".to_owned()]),
            "no header, no columns"
        );
        assert!(of("#IID\n").unwrap_err().contains("no sample"));
    }
}
