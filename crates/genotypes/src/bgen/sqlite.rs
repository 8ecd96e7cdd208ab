//! Reading tables of a `SQLite` 3 database: all rows of a table, front to back, nothing else.
//!
//! Format: <https://www.sqlite.org/fileformat2.html>. Tables with row numbers are B-trees of pages
//! 5 (interior) and 13 (leaf); tables WITHOUT ROWID are B-trees of pages 2 and 10, whose rows begin
//! with the columns of the primary key. Integers are big-endian. A row longer than a page continues
//! in a chain of overflow pages.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::error::{BgenError, BgenProblem};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Bytes before the B-tree page in page 1.
const DATABASE_HEADER_LEN: usize = 100;
/// Levels of a B-tree; a real one of 2^32 pages has fewer.
const MAX_DEPTH: usize = 40;
/// The longest row that is read.
const MAX_ROW_LEN: u64 = 1 << 28;
/// Encoding UTF-8.
const UTF8: u32 = 1;

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// NULL, or a number with a fraction, which no index has.
    Other,
    /// An integer.
    Integer(i64),
    /// Text or a blob.
    Bytes(&'a [u8]),
}

/// A table: where its B-tree starts, and the columns in the order of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    root: u32,
    columns: Vec<String>,
}

impl Table {
    /// The place of a column in a row.
    pub(super) fn column(&self, name: &str) -> Result<usize, BgenProblem> {
        self.columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
            .ok_or(BgenProblem::DamagedIndex {
                what: "a column of bgenix is missing",
            })
    }
}

/// What is done with each row.
pub(super) type RowVisitor<'a> = dyn FnMut(&[Value<'_>]) -> Result<(), BgenError> + 'a;

/// An open database.
pub(super) struct Database {
    path: PathBuf,
    file: File,
    page_len: usize,
    /// Bytes of a page that have content.
    usable_len: usize,
    n_pages: u32,
    /// Pages that the current scan may still read: in a damaged database they may form a ring.
    pages_left: u64,
}

impl Database {
    pub(super) fn open(path: &Path) -> Result<Self, BgenError> {
        let mut file = File::open(path).map_err(|error| BgenError::file(path, error))?;
        let file_len = file
            .metadata()
            .map_err(|error| BgenError::file(path, error))?
            .len();
        let mut header = [0; DATABASE_HEADER_LEN];
        file.read_exact(&mut header)
            .map_err(|_| damaged(path, "it is shorter than the header of a database"))?;
        if !header.starts_with(MAGIC) {
            return Err(damaged(path, "it is not an SQLite 3 database"));
        }
        let page_len = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            len if len.is_power_of_two() && len >= 512 => usize::from(len),
            _ => return Err(damaged(path, "its page size is not valid")),
        };
        if u32::from_be_bytes([header[56], header[57], header[58], header[59]]) != UTF8 {
            return Err(damaged(path, "its text is not UTF-8"));
        }
        let usable_len = page_len - usize::from(header[20]);
        // The specification demands it, and the formulas for overflow need it.
        if usable_len < 480 {
            return Err(damaged(path, "its pages have too little space"));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file,
            page_len,
            usable_len,
            n_pages: u32::try_from(file_len / page_len as u64).unwrap_or(u32::MAX),
            pages_left: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The table with this name.
    pub(super) fn table(&mut self, name: &str) -> Result<Option<Table>, BgenError> {
        let schema = Table {
            root: 1,
            columns: Vec::new(),
        };
        let mut found = None;
        self.scan(&schema, &mut |values| {
            if let Some(table) = table_of_schema_row(values, name) {
                found = Some(table);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Visits all rows of a table in the order of its B-tree.
    pub(super) fn scan(
        &mut self,
        table: &Table,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), BgenError> {
        self.pages_left = u64::from(self.n_pages);
        self.scan_page(table.root, MAX_DEPTH, visit)
    }

    fn scan_page(
        &mut self,
        number: u32,
        depth: usize,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), BgenError> {
        if depth == 0 {
            return Err(damaged(&self.path, "a tree of pages is too deep"));
        }
        let page = self.read_page(number)?;
        let tree_page = self.parse_page(number, &page)?;
        for &cell_start in &tree_page.cells {
            let mut cell = &page[cell_start..self.usable_len];
            if tree_page.is_interior {
                let child = self.take_u32(&mut cell)?;
                self.scan_page(child, depth - 1, visit)?;
            }
            match (tree_page.has_row_numbers, tree_page.is_interior) {
                (true, true) => {}
                (true, false) => {
                    let row_len = self.take_varint(&mut cell)?;
                    self.take_varint(&mut cell)?;
                    self.visit_row(row_len, self.usable_len - 35, cell, visit)?;
                }
                (false, _) => {
                    let row_len = self.take_varint(&mut cell)?;
                    let max_local = (self.usable_len - 12) * 64 / 255 - 23;
                    self.visit_row(row_len, max_local, cell, visit)?;
                }
            }
        }
        match tree_page.last_child {
            Some(child) => self.scan_page(child, depth - 1, visit),
            None => Ok(()),
        }
    }

    fn read_page(&mut self, number: u32) -> Result<Vec<u8>, BgenError> {
        if number == 0 || number > self.n_pages || self.pages_left == 0 {
            return Err(damaged(&self.path, "a page number is not valid"));
        }
        self.pages_left -= 1;
        let offset = u64::from(number - 1) * self.page_len as u64;
        let mut page = vec![0; self.page_len];
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(&mut page))
            .map_err(|error| BgenError::file(&self.path, error))?;
        Ok(page)
    }

    /// The header of a B-tree page and the offsets of its cells.
    fn parse_page(&self, number: u32, page: &[u8]) -> Result<TreePage, BgenError> {
        let start = if number == 1 { DATABASE_HEADER_LEN } else { 0 };
        let header = &page[start..];
        let (is_interior, has_row_numbers) = match header[0] {
            2 => (true, false),
            5 => (true, true),
            10 => (false, false),
            13 => (false, true),
            _ => return Err(damaged(&self.path, "a page is not part of a table")),
        };
        let header_len = if is_interior { 12 } else { 8 };
        let n_cells = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let cell_offsets = header
            .get(header_len..header_len + 2 * n_cells)
            .ok_or_else(|| damaged(&self.path, "a page lists more rows than fit in it"))?;
        let (pairs, _) = cell_offsets.as_chunks::<2>();
        let cells: Vec<usize> = pairs
            .iter()
            .map(|pair| usize::from(u16::from_be_bytes(*pair)))
            .collect();
        if cells.iter().any(|&cell| cell >= self.usable_len) {
            return Err(damaged(&self.path, "a row starts outside of its page"));
        }
        let last_child = [header[8], header[9], header[10], header[11]];
        Ok(TreePage {
            is_interior,
            has_row_numbers,
            cells,
            last_child: is_interior.then_some(u32::from_be_bytes(last_child)),
        })
    }

    /// Puts a row together from its page and its overflow pages. A row of at most `max_local` bytes
    /// has none.
    fn visit_row(
        &mut self,
        row_len: u64,
        max_local: usize,
        cell: &[u8],
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), BgenError> {
        if row_len > MAX_ROW_LEN {
            return Err(damaged(&self.path, "a row is too long"));
        }
        let row_len = row_len as usize;
        let local_len = self.local_len(row_len, max_local);
        let Some((local, mut rest)) = cell.split_at_checked(local_len) else {
            return Err(damaged(&self.path, "a row ends outside of its page"));
        };
        if local_len == row_len {
            return self.visit_values(local, visit);
        }
        let mut row = local.to_vec();
        let mut next_page = self.take_u32(&mut rest)?;
        while row.len() < row_len {
            let page = self.read_page(next_page)?;
            next_page = u32::from_be_bytes([page[0], page[1], page[2], page[3]]);
            let chunk_len = (row_len - row.len()).min(self.usable_len - 4);
            row.extend_from_slice(&page[4..4 + chunk_len]);
        }
        self.visit_values(&row, visit)
    }

    /// The bytes of a row that are in its own page.
    const fn local_len(&self, row_len: usize, max_local: usize) -> usize {
        if row_len <= max_local {
            return row_len;
        }
        let min_local = (self.usable_len - 12) * 32 / 255 - 23;
        let local_len = min_local + (row_len - min_local) % (self.usable_len - 4);
        if local_len <= max_local {
            local_len
        } else {
            min_local
        }
    }

    fn visit_values(&self, row: &[u8], visit: &mut RowVisitor<'_>) -> Result<(), BgenError> {
        let values = row_values(row).ok_or_else(|| damaged(&self.path, "a row cannot be read"))?;
        visit(&values)
    }

    fn take_u32(&self, bytes: &mut &[u8]) -> Result<u32, BgenError> {
        let (number, rest) = bytes
            .split_first_chunk::<4>()
            .ok_or_else(|| damaged(&self.path, "a row ends outside of its page"))?;
        *bytes = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn take_varint(&self, bytes: &mut &[u8]) -> Result<u64, BgenError> {
        take_varint(bytes).ok_or_else(|| damaged(&self.path, "a row ends outside of its page"))
    }
}

/// The header of a page of a B-tree.
struct TreePage {
    is_interior: bool,
    has_row_numbers: bool,
    /// Offsets in the page.
    cells: Vec<usize>,
    last_child: Option<u32>,
}

fn damaged(path: &Path, what: &'static str) -> BgenError {
    BgenError::file(path, BgenProblem::DamagedIndex { what })
}

/// Seven bits per byte, most significant first; the ninth byte gives eight.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for n_read in 1..=9 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if n_read == 9 {
            return Some(value << 8 | u64::from(byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The values of a row: a header with the type of each, then the values.
fn row_values(row: &[u8]) -> Option<Vec<Value<'_>>> {
    let mut after_len = row;
    let header_len = usize::try_from(take_varint(&mut after_len)?).ok()?;
    let (header, mut content) = row.split_at_checked(header_len)?;
    let mut types = header.get(row.len() - after_len.len()..)?;
    let mut values = Vec::new();
    while !types.is_empty() {
        let kind = take_varint(&mut types)?;
        let (value, rest) = take_value(kind, content)?;
        values.push(value);
        content = rest;
    }
    Some(values)
}

fn take_value(kind: u64, content: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let len = match kind {
        0 | 8 | 9 => 0,
        1..=4 => kind as usize,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return None,
        _ => usize::try_from((kind - 12) / 2).ok()?,
    };
    let (bytes, rest) = content.split_at_checked(len)?;
    let value = match kind {
        0 | 7 => Value::Other,
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        1..=6 => Value::Integer(signed(bytes)),
        _ => Value::Bytes(bytes),
    };
    Some((value, rest))
}

/// A big-endian integer in two's complement of one to eight bytes.
fn signed(bytes: &[u8]) -> i64 {
    let is_negative = bytes.first().is_some_and(|&byte| byte >= 0x80);
    let start = if is_negative { -1 } else { 0 };
    bytes
        .iter()
        .fold(start, |value, &byte| value << 8 | i64::from(byte))
}

/// A row of the schema (type, name, table, root page, SQL) that makes the table of this name.
fn table_of_schema_row(values: &[Value<'_>], name: &str) -> Option<Table> {
    let [
        Value::Bytes(b"table"),
        Value::Bytes(found_name),
        _,
        Value::Integer(root),
        Value::Bytes(sql),
    ] = values
    else {
        return None;
    };
    if !found_name.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    Some(Table {
        root: u32::try_from(*root).ok()?,
        columns: columns_of_sql(std::str::from_utf8(sql).ok()?)?,
    })
}

/// The columns of a `CREATE TABLE` statement, in the order of the rows of the B-tree.
fn columns_of_sql(sql: &str) -> Option<Vec<String>> {
    let body_start = sql.find('(')? + 1;
    let body_end = sql.rfind(')')?;
    let body = sql.get(body_start..body_end)?;
    let without_row_numbers = sql[body_end..].to_ascii_uppercase().contains("ROWID");
    let mut columns = Vec::new();
    let mut key = Vec::new();
    for definition in split_outside_brackets(body) {
        let is_key = definition.to_ascii_uppercase().contains("PRIMARY KEY");
        let name = first_word(definition);
        if is_constraint(&name) {
            if is_key {
                let (_, list) = definition.split_once('(')?;
                let names = list.trim_end().trim_end_matches(')').split(',');
                key = names.map(first_word).collect();
            }
            continue;
        }
        if is_key {
            key = vec![name.clone()];
        }
        columns.push(name);
    }
    if without_row_numbers {
        columns.retain(|column| !key.iter().any(|part| part.eq_ignore_ascii_case(column)));
        key.append(&mut columns);
        return Some(key);
    }
    Some(columns)
}

fn is_constraint(word: &str) -> bool {
    ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// A name without its quotes.
fn first_word(definition: &str) -> String {
    let word = definition.split_whitespace().next().unwrap_or_default();
    word.trim_matches(['"', '`', '[', ']', '\'']).to_owned()
}

/// Splits at the commas that are in no brackets.
fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let mut definitions = Vec::new();
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                definitions.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    definitions.push(&text[start..]);
    definitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_in_the_order_of_the_rows() {
        let sql = "CREATE TABLE Variant ( a TEXT NOT NULL, \"b\" INT, c VARCHAR(2, 3), PRIMARY KEY \
                   (c, a )) WITHOUT ROWID";
        assert_eq!(columns_of_sql(sql).unwrap(), ["c", "a", "b"]);
        let sql = "CREATE TABLE t (a INT PRIMARY KEY, b TEXT)";
        assert_eq!(columns_of_sql(sql).unwrap(), ["a", "b"]);
        assert_eq!(columns_of_sql("CREATE TABLE t"), None);
    }

    #[test]
    fn integers_are_read() {
        assert_eq!(take_varint(&mut &[0x81, 0x00][..]), Some(128));
        assert_eq!(take_varint(&mut &[0xff; 9][..]), Some(u64::MAX));
        assert_eq!(take_varint(&mut &[0x81][..]), None);
        assert_eq!(signed(&[0xff, 0xfe]), -2);
        assert_eq!(signed(&[0x01, 0x00, 0x00]), 65_536);
    }
}
