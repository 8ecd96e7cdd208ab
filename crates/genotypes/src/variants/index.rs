//! Tabix and CSI indexes: finds the parts of a BGZF file that contain the wanted regions.

mod layout;

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufRead, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use noodles::{
    bgzf,
    core::{Position, region::Interval},
    csi::{self, BinningIndex, binning_index::index::reference_sequence::bin::Chunk},
    tabix,
};

use super::{
    header::Header,
    input::{Decompression, Input},
};
use crate::{DisjointRegions, Error, sidecar_path};

/// Why a file cannot be read through its index.
#[derive(Debug, thiserror::Error)]
pub enum IndexProblem {
    /// The index.
    #[error("{fault}; make it again with {again}")]
    Unusable {
        /// The fault.
        fault: IndexFault,
        /// The command that makes the index.
        again: String,
    },
    /// The compressed data at a position of the index.
    #[error(
        "the compressed data are damaged ({source}); copy the file again, or check it with `bgzip \
         -t`. If its index belongs to another file, make the index again with {again}"
    )]
    DamagedData {
        /// The error of the decompressor.
        source: io::Error,
        /// The command that makes the index.
        again: String,
    },
}

/// A fault of an index.
#[derive(Debug, thiserror::Error)]
pub enum IndexFault {
    /// A file that cannot be read as an index.
    #[error("the index is damaged ({source})")]
    Unreadable {
        /// The error of the operating system or of noodles.
        source: io::Error,
    },
    /// A region that the index cannot look up.
    #[error("{0}")]
    Query(io::Error),
    /// The index of another file.
    #[error("the index belongs to another file, because it does not end where the records do")]
    OtherFile,
    /// Two offsets in the wrong order.
    #[error("the index is damaged (a part of the file ends before it starts)")]
    EndBeforeStart,
}

/// Parts with a smaller gap (compressed bytes, at most one block) are read as one, because to seek
/// costs as much as to read the gap.
const MAX_GAP_BYTES: u64 = 1 << 16;
/// Parts of at least this mean length (compressed bytes) are decompressed in a thread of their own.
const LONG_PART_BYTES: u64 = 1 << 18;

/// Largest number of blocks that are checked for joined files.
const MAX_BLOCKS: usize = 1 << 18;
/// Bytes of the end-of-file block of BGZF.
const EOF_BLOCK_BYTES: u64 = 28;

/// The parts of a file that contain the wanted regions, and all contigs that have records.
pub(super) struct Indexed {
    pub input: Input,
    pub contigs: HashSet<String>,
}

/// The index next to a file, if there is one.
pub(super) fn index_of(path: &Path) -> Option<PathBuf> {
    [".tbi", ".csi"]
        .into_iter()
        .map(|extension| sidecar_path(path, extension))
        .find(|index| index.exists())
}

/// A warning if the index is older than its file.
pub(super) fn warning(path: &Path) -> Option<String> {
    let index = index_of(path)?;
    // Files that are written or copied together may differ by less than a second.
    let is_older = modified(&index)? + Duration::from_secs(1) < modified(path)?;
    is_older.then(|| {
        format!(
            "{}: the index is older than its file; if the file has changed since, make the index \
             again with {}",
            index.display(),
            again(path)
        )
    })
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// The command that makes an index.
fn again(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".bcf") {
        format!("`bcftools index -f {name}`")
    } else {
        format!("`tabix -f {name}`")
    }
}

/// Opens the parts of a BGZF file that contain the regions `wanted`; `None` without an index.
///
/// # Errors
/// An index that cannot be read, or that belongs to another file.
pub(super) fn open(
    path: &Path,
    header: &Header,
    wanted: &DisjointRegions,
) -> Result<Option<Indexed>, Error> {
    let Some(index_path) = index_of(path) else {
        return Ok(None);
    };
    let parts = IndexedParts::query(path, &index_path, header, wanted).map_err(|fault| {
        let again = again(path);
        Error::file(&index_path, IndexProblem::Unusable { fault, again })
    })?;
    // Without a wanted record nothing is read, so further headers do not matter.
    if !parts.chunks.is_empty() {
        let mut starts = parts.contig_starts;
        starts.extend(joined_parts(path).map_err(Error::io(path))?);
        require_one_header(path, header, &starts)?;
    }
    let chunks = merged(parts.chunks);
    let n_bytes: u64 = chunks
        .iter()
        .map(|chunk| chunk.end().compressed() - chunk.start().compressed())
        .sum();
    let decompression = if n_bytes > LONG_PART_BYTES * chunks.len() as u64 {
        Decompression::Ahead
    } else {
        Decompression::Inline
    };
    Ok(Some(Indexed {
        input: Input::of_chunks(path, chunks, decompression)?,
        contigs: parts.contigs,
    }))
}

/// The answer of an index to a query of regions.
#[derive(Default)]
struct IndexedParts {
    /// Parts of the file that contain the wanted regions.
    chunks: Vec<Chunk>,
    /// Contigs that have records.
    contigs: HashSet<String>,
    /// First record of each contig.
    contig_starts: Vec<bgzf::VirtualPosition>,
    /// End of the last record.
    end: Option<bgzf::VirtualPosition>,
}

impl IndexedParts {
    /// Reads an index and queries it.
    ///
    /// # Errors
    /// A damaged index, or the index of another file.
    fn query(
        path: &Path,
        index_path: &Path,
        header: &Header,
        wanted: &DisjointRegions,
    ) -> Result<Self, IndexFault> {
        let index = read(index_path).map_err(|source| IndexFault::Unreadable { source })?;
        let mut parts = Self::default();
        for (id, name) in contig_names(index.as_ref(), header)
            .into_iter()
            .enumerate()
            .take(index.reference_sequences().count())
        {
            parts
                .add_contig(index.as_ref(), id, name, wanted)
                .map_err(IndexFault::Query)?;
        }
        if !parts
            .end
            .is_none_or(|end| is_end(path, end).unwrap_or(false))
        {
            return Err(IndexFault::OtherFile);
        }
        if parts.chunks.iter().any(|chunk| chunk.end() < chunk.start()) {
            return Err(IndexFault::EndBeforeStart);
        }
        Ok(parts)
    }

    /// Adds the parts of one contig; `id` is its number in the index.
    fn add_contig(
        &mut self,
        index: &dyn BinningIndex,
        id: usize,
        name: String,
        wanted: &DisjointRegions,
    ) -> io::Result<()> {
        for region in wanted.on(&name) {
            // A 0-based start, used as a 1-based one, adds a base on the left: the anchor of an
            // insertion may be just before the region.
            let start = Position::new(region.start.get()).unwrap_or(Position::MIN);
            let Some(end) = Position::new(region.end.get()) else {
                continue;
            };
            self.chunks
                .extend(index.query(id, Interval::from(start..=end))?);
        }
        let all_chunks = index.query(id, Interval::from(..))?;
        self.contig_starts
            .extend(all_chunks.iter().map(Chunk::start).min());
        let end_of_contig = all_chunks.iter().map(Chunk::end).max();
        if end_of_contig.is_some() {
            self.contigs.insert(name);
        }
        self.end = self.end.max(end_of_contig);
        Ok(())
    }
}

/// Names of the contigs in the order of the index.
fn contig_names(index: &dyn BinningIndex, header: &Header) -> Vec<String> {
    match index.header() {
        Some(index_header) => index_header
            .reference_sequence_names()
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect(),
        // The index of a BCF has no names: contigs are numbered as in the header.
        None => header
            .contigs
            .iter()
            .map(|contig| contig.name.clone())
            .collect(),
    }
}

fn read(path: &Path) -> io::Result<Box<dyn BinningIndex>> {
    layout::check(path)?;
    if path.extension().is_some_and(|extension| extension == "tbi") {
        return Ok(Box::new(tabix::fs::read(path)?));
    }
    Ok(Box::new(csi::fs::read(path)?))
}

/// Starts of further BGZF files inside of this one. After `cat`, an end-of-file block is in the
/// middle, and the next file starts after it.
fn joined_parts(path: &Path) -> io::Result<Vec<bgzf::VirtualPosition>> {
    let mut file = File::open(path)?;
    let file_len = file.metadata()?.len();
    let mut offset = 0;
    let mut starts = Vec::new();
    for _ in 0..MAX_BLOCKS {
        let mut head = [0; 18];
        if offset >= file_len
            || file
                .seek(SeekFrom::Start(offset))
                .and_then(|_| file.read_exact(&mut head))
                .is_err()
        {
            break;
        }
        let [
            0x1f,
            0x8b,
            8,
            4,
            _,
            _,
            _,
            _,
            _,
            _,
            6,
            0,
            b'B',
            b'C',
            2,
            0,
            low,
            high,
        ] = head
        else {
            break;
        };
        let len = u64::from(u16::from_le_bytes([low, high])) + 1;
        offset += len;
        if len == EOF_BLOCK_BYTES && offset < file_len {
            starts.extend(bgzf::VirtualPosition::new(offset, 0));
        }
    }
    Ok(starts)
}

/// Compares header lines at the starts of contigs and of joined files with the header of the file.
fn require_one_header(
    path: &Path,
    header: &Header,
    starts: &[bgzf::VirtualPosition],
) -> Result<(), Error> {
    // BCF has no lines.
    if header.n_lines == 0 {
        return Ok(());
    }
    let mut reader = bgzf::io::Reader::new(File::open(path).map_err(Error::io(path))?);
    let mut line = Vec::new();
    for start in starts {
        reader.seek(*start).map_err(|error| damaged(path, error))?;
        while reader
            .fill_buf()
            .map_err(|error| damaged(path, error))?
            .first()
            == Some(&b'#')
        {
            line.clear();
            reader
                .read_until(b'\n', &mut line)
                .map_err(|error| damaged(path, error))?;
            header
                .require_same(path, line.trim_ascii_end())
                .map_err(|problem| Error::file(path, problem))?;
        }
    }
    Ok(())
}

/// The error of a position of the index that cannot be read.
fn damaged(path: &Path, error: io::Error) -> Error {
    if !matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    ) {
        return Error::io(path)(error);
    }
    let problem = IndexProblem::DamagedData {
        source: error,
        again: again(path),
    };
    Error::file(path, problem)
}

/// Whether nothing but the end of the file follows a position of a BGZF file.
fn is_end(path: &Path, place: bgzf::VirtualPosition) -> io::Result<bool> {
    let file = File::open(path)?;
    if place.compressed() >= file.metadata()?.len() {
        return Ok(false);
    }
    let mut reader = bgzf::io::Reader::new(file);
    reader.seek(place)?;
    Ok(reader.fill_buf()?.is_empty())
}

/// Chunks in the order of the file; those with a small gap are joined.
fn merged(mut chunks: Vec<Chunk>) -> Vec<Chunk> {
    chunks.sort_unstable_by_key(|chunk| (chunk.start(), chunk.end()));
    let mut merged: Vec<Chunk> = Vec::new();
    for chunk in chunks {
        match merged.last_mut() {
            Some(last) if chunk.start().compressed() <= last.end().compressed() + MAX_GAP_BYTES => {
                *last = Chunk::new(last.start(), last.end().max(chunk.end()));
            }
            _ => merged.push(chunk),
        }
    }
    merged
}
