//! The companion files: their names, and their lines, compressed with Zstandard or not.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{
    error::{LineFault, PgenError},
    zstandard::Zstandard,
};

/// The longest line that is read. An INFO field or an allele of this size does not occur.
const LINE_LIMIT: u64 = 64 << 20;

/// `path` without `.pgen` or `.bed`.
fn stem(path: &Path) -> PathBuf {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("pgen" | "bed") => path.with_extension(""),
        _ => path.to_path_buf(),
    }
}

/// The first companion of a genotype file that exists.
pub(super) fn companion(path: &Path, extensions: &[&str]) -> Result<PathBuf, PgenError> {
    let stem = stem(path);
    let tried: Vec<PathBuf> = extensions
        .iter()
        .map(|extension| crate::sidecar_path(&stem, extension))
        .collect();
    match tried.iter().find(|candidate| candidate.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(PgenError::NoCompanion {
            path: path.to_path_buf(),
            tried,
        }),
    }
}

/// Reads a text file line by line into one buffer.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    bytes: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, PgenError> {
        let file = File::open(path).map_err(|source| PgenError::io(path, source))?;
        let reader: Box<dyn BufRead> = if path.extension().is_some_and(|name| name == "zst") {
            Box::new(BufReader::with_capacity(1 << 17, Zstandard::new(file)))
        } else {
            Box::new(BufReader::with_capacity(1 << 17, file))
        };
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            bytes: Vec::new(),
            number: 0,
        })
    }

    /// The next line that is not empty, without its end.
    pub(super) fn next_line(&mut self) -> Result<Option<&str>, PgenError> {
        loop {
            self.bytes.clear();
            let read = (&mut self.reader)
                .take(LINE_LIMIT)
                .read_until(b'\n', &mut self.bytes)
                .map_err(|source| PgenError::io(&self.path, source))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == LINE_LIMIT {
                return Err(self.fault(LineFault::TooLong { limit: LINE_LIMIT }));
            }
            self.bytes.truncate(self.bytes.trim_ascii_end().len());
            if !self.bytes.is_empty() {
                break;
            }
        }
        match std::str::from_utf8(&self.bytes) {
            Ok(line) => Ok(Some(line)),
            Err(_) => Err(self.fault(LineFault::NotUtf8)),
        }
    }

    /// 1-based number of the line read last.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// An error at the line read last.
    pub(super) fn fault(&self, fault: LineFault) -> PgenError {
        PgenError::Line {
            path: self.path.clone(),
            line: self.number,
            fault,
        }
    }
}

/// The fields of a line: tabs and spaces separate them, several as one does.
pub(super) fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(['\t', ' ']).filter(|field| !field.is_empty())
}

/// Where a header line has a column.
pub(super) fn column(header: &[&str], name: &str) -> Option<usize> {
    header.iter().position(|&column| column == name)
}
