//! Reads a FASTA through its `.fai`, and checks that the index belongs to the file.
//!
//! The index of an earlier version of the file would give wrong bases, or those of another contig.
//! - When the file is opened, every record must begin where the index states, and end where the
//!   next one begins.
//! - When bases are read, every line must end where the index states.
//!
//! Input -> output: a FASTA, plain or bgzipped, and its index -> bases of an interval. Format:
//! `samtools faidx` (name, bases, offset of the first base, bases and bytes of a line).

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use noodles::{bgzf, fasta};

use super::{Error, gzi, gzi::GziProblem, sidecar_path};

/// Why the index of a FASTA cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FaidxProblem {
    /// A damaged `.fai`.
    #[error("{damage}make it again with `samtools faidx {}`", fasta.display())]
    Fai {
        /// The damage.
        damage: FaiDamage,
        /// The FASTA.
        fasta: PathBuf,
    },
    /// A `.gzi` of another file.
    #[error(
        "this index does not fit the FASTA because {problem}; make it again with `samtools faidx \
         {}`",
        fasta.display()
    )]
    Gzi {
        /// The difference.
        problem: GziProblem,
        /// The FASTA.
        fasta: PathBuf,
    },
    /// The FASTA has changed since the index was made.
    #[error(
        "the index does not fit {fasta} at contig `{contig}`: {found}; make it again with \
         `samtools faidx {fasta}`",
        fasta = fasta.display()
    )]
    Stale {
        /// The FASTA.
        fasta: PathBuf,
        /// The contig.
        contig: String,
        /// The difference.
        found: StaleIndex,
    },
}

/// Damage of a `.fai`. The command that makes the index follows the message.
#[derive(Debug, thiserror::Error)]
pub enum FaiDamage {
    /// A file that noodles cannot read.
    #[error("the index is damaged ({source}); ")]
    Unreadable {
        /// The error of the operating system or of noodles.
        source: io::Error,
    },
    /// Lines without bases or line ends.
    #[error("the index is damaged (line lengths of `{contig}`); ")]
    LineLengths {
        /// The contig.
        contig: String,
    },
    /// A contig in two lines.
    #[error(
        "contig `{contig}` is listed twice (lines {first} and {second}); keep one record of it in \
         {} and ",
        fasta.display()
    )]
    ContigTwice {
        /// The contig.
        contig: String,
        /// 1-based number of the first line.
        first: usize,
        /// 1-based number of the second line.
        second: usize,
        /// The FASTA.
        fasta: PathBuf,
    },
    /// An index without contigs.
    #[error("the index is empty; ")]
    Empty,
}

/// A difference between a FASTA and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StaleIndex {
    /// The last base.
    #[error("the FASTA does not end where the index states")]
    End,
    /// Bases after the last one.
    #[error("the FASTA has more text after it")]
    MoreText,
    /// A definition line of impossible length.
    #[error("it does not begin where the index states")]
    Start,
    /// The first base of a contig.
    #[error("its first base is not at byte {offset}, or the index lacks a record before it")]
    FirstBase {
        /// Offset that the index states.
        offset: u64,
    },
    /// The ends of the lines.
    #[error("its lines do not end where the index states")]
    LineEnds,
    /// Fewer bases than stated.
    #[error("the FASTA ends before the end of this contig")]
    Short,
}

/// Longest definition line.
const MAX_DEFINITION_BYTES: u64 = 1 << 16;
/// Records of a bgzipped FASTA that are compared when it is opened; each needs a block to be
/// decompressed.
const MAX_BGZF_LOOKS: usize = 256;
/// Number of bytes after the last record that are checked.
const TAIL_BYTES: u64 = 1 << 12;

/// One record of the index.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub name: String,
    pub len_nt: u64,
    offset: u64,
    line_bases: u64,
    line_width: u64,
}

impl Layout {
    /// Whether positions in the file can be computed without overflow.
    fn is_possible(&self) -> bool {
        let has_lines = self.line_bases >= 1 && self.line_width > self.line_bases;
        let is_in_reach = self
            .offset
            .checked_add(self.len_nt.saturating_mul(2))
            .is_some_and(|end| end < i64::MAX as u64);
        (has_lines || self.len_nt == 0) && self.line_width < u64::from(u32::MAX) && is_in_reach
    }

    /// Offset in the file of base `index` (0-based).
    fn byte_of(&self, index: u64) -> u64 {
        self.offset + index / self.line_bases * self.line_width + index % self.line_bases
    }

    /// Byte after the last base.
    fn end(&self) -> u64 {
        self.len_nt
            .checked_sub(1)
            .map_or(self.offset, |last| self.byte_of(last) + 1)
    }
}

enum Bytes {
    Plain(File),
    Bgzf(bgzf::io::IndexedReader<File>),
}

impl Bytes {
    /// Up to `len` bytes from `offset` of the uncompressed file.
    fn read(&mut self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Self::Plain(file) => {
                file.seek(SeekFrom::Start(offset))?;
                file.by_ref().take(len).read_to_end(&mut bytes)?;
            }
            Self::Bgzf(reader) => {
                reader.seek(SeekFrom::Start(offset))?;
                reader.by_ref().take(len).read_to_end(&mut bytes)?;
            }
        }
        Ok(bytes)
    }
}

/// An open FASTA with its index.
pub(super) struct IndexedFasta {
    path: PathBuf,
    fai: PathBuf,
    bytes: Bytes,
    /// In the order of the index.
    pub records: Vec<Layout>,
}

impl IndexedFasta {
    /// Opens a FASTA with the `.fai` next to it, and the `.gzi` of a bgzipped one.
    ///
    /// # Errors
    /// An index that is damaged, names a record twice, or does not fit the FASTA.
    pub fn open(path: &Path, is_bgzf: bool) -> Result<Self, Error> {
        let fai = sidecar_path(path, ".fai");
        let records = read_fai(&fai, path).map_err(|damage| {
            let fasta = path.to_path_buf();
            Error::file(&fai, FaidxProblem::Fai { damage, fasta })
        })?;
        let file = File::open(path).map_err(Error::io(path))?;
        let bytes = if is_bgzf {
            let gzi = sidecar_path(path, ".gzi");
            let min_len = records
                .iter()
                .map(|record| record.offset + record.len_nt)
                .max()
                .unwrap_or(0);
            gzi::check(path, &gzi, min_len).map_err(|problem| {
                let fasta = path.to_path_buf();
                Error::file(&gzi, FaidxProblem::Gzi { problem, fasta })
            })?;
            let index = bgzf::gzi::fs::read(&gzi).map_err(Error::io(&gzi))?;
            Bytes::Bgzf(bgzf::io::IndexedReader::new(file, index))
        } else {
            Bytes::Plain(file)
        };
        let mut fasta = Self {
            path: path.into(),
            fai,
            bytes,
            records,
        };
        fasta.check()?;
        Ok(fasta)
    }

    /// Compares the records of the index with those of the file, which must follow on each other.
    fn check(&mut self) -> Result<(), Error> {
        let mut in_order = self.records.clone();
        in_order.sort_by_key(|record| record.offset);
        let first = &in_order[0];
        self.require_definition(0, first)?;
        let step = match self.bytes {
            Bytes::Plain(_) => 1,
            Bytes::Bgzf(_) => in_order.len().div_ceil(MAX_BGZF_LOOKS),
        };
        for (number, pair) in in_order.windows(2).enumerate() {
            let before = &pair[0];
            let next = &pair[1];
            // A record that the index lacks (such as the second one of a name) leaves a gap
            // longer than any name.
            let is_long = next.offset.saturating_sub(before.end()) > next.name.len() as u64 + 200;
            if is_long || number % step == 0 {
                self.require_definition(before.end(), next)?;
            }
        }
        let last = &in_order[in_order.len() - 1];
        let last_base = self.read(last.end().saturating_sub(1), 1)?;
        let tail = self.read(last.end(), TAIL_BYTES)?;
        if last.len_nt > 0 && !last_base.first().is_some_and(|byte| is_base(*byte)) {
            return Err(self.stale(&last.name, StaleIndex::End));
        }
        if !tail.iter().all(u8::is_ascii_whitespace) {
            return Err(self.stale(&last.name, StaleIndex::MoreText));
        }
        Ok(())
    }

    /// Between `start` and the first base of a record there must be its definition line and nothing
    /// else.
    fn require_definition(&mut self, start: u64, record: &Layout) -> Result<(), Error> {
        let len = record
            .offset
            .checked_sub(start)
            .filter(|len| *len <= MAX_DEFINITION_BYTES);
        let Some(len) = len else {
            return Err(self.stale(&record.name, StaleIndex::Start));
        };
        let bytes = self.read(start, len)?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let start = text
            .iter()
            .position(|byte| !byte.is_ascii_whitespace())
            .unwrap_or(text.len());
        let definition = text[start..]
            .strip_suffix(b"\n")
            .filter(|line| !line.contains(&b'\n'))
            .and_then(|line| line.strip_prefix(b">"));
        let name =
            definition.and_then(|definition| definition.split(u8::is_ascii_whitespace).next());
        if name == Some(record.name.as_bytes()) && bytes.len() as u64 == len {
            return Ok(());
        }
        let offset = record.offset;
        Err(self.stale(&record.name, StaleIndex::FirstBase { offset }))
    }

    /// Upper-case bases `from..to` of record number `number`.
    ///
    /// # Errors
    /// A read error; lines that do not end where the index states.
    pub fn bases(&mut self, number: usize, from: usize, to: usize) -> Result<Vec<u8>, Error> {
        let record = self.records[number].clone();
        if from >= to {
            return Ok(Vec::new());
        }
        let first = record.byte_of(from as u64);
        let last = record.byte_of(to as u64 - 1);
        let raw = self.read(first, last + 1 - first)?;
        let mut bases = Vec::with_capacity(to - from);
        let mut column = from as u64 % record.line_bases;
        for byte in raw {
            let fits = if column < record.line_bases {
                is_base(byte)
            } else {
                matches!(byte, b'\r' | b'\n')
            };
            if !fits {
                return Err(self.stale(&record.name, StaleIndex::LineEnds));
            }
            if column < record.line_bases {
                bases.push(byte.to_ascii_uppercase());
            }
            column = (column + 1) % record.line_width;
        }
        if bases.len() != to - from {
            return Err(self.stale(&record.name, StaleIndex::Short));
        }
        Ok(bases)
    }

    fn read(&mut self, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
        self.bytes.read(offset, len).map_err(Error::io(&self.path))
    }

    fn stale(&self, contig: &str, found: StaleIndex) -> Error {
        let problem = FaidxProblem::Stale {
            fasta: self.path.clone(),
            contig: contig.to_owned(),
            found,
        };
        Error::file(&self.fai, problem)
    }
}

/// Reads a `.fai` and refuses one that is damaged or empty.
///
/// # Errors
/// The damage, without the command that makes the index.
fn read_fai(fai: &Path, fasta_path: &Path) -> Result<Vec<Layout>, FaiDamage> {
    let index = fasta::fai::fs::read(fai).map_err(|source| FaiDamage::Unreadable { source })?;
    let records: Vec<Layout> = index
        .as_ref()
        .iter()
        .map(|record| Layout {
            name: String::from_utf8_lossy(record.name()).into_owned(),
            len_nt: record.length(),
            offset: record.position(),
            line_bases: record.line_base_count().get(),
            line_width: record.line_width().get(),
        })
        .collect();
    if let Some(wrong) = records.iter().find(|record| !record.is_possible()) {
        return Err(FaiDamage::LineLengths {
            contig: wrong.name.clone(),
        });
    }
    let mut seen = HashMap::new();
    for (number, record) in (1..).zip(&records) {
        if let Some(first) = seen.insert(record.name.as_str(), number) {
            return Err(FaiDamage::ContigTwice {
                contig: record.name.clone(),
                first,
                second: number,
                fasta: fasta_path.to_path_buf(),
            });
        }
    }
    if records.is_empty() {
        return Err(FaiDamage::Empty);
    }
    Ok(records)
}

fn is_base(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'*' | b'-')
}
