//! Tabix and CSI indexes: which parts of a BGZF file hold the regions wanted.

mod layout;

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufRead, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
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

/// Parts of a file nearer than this (compressed bytes, one block at most) are read as one: to jump
/// costs as much as to read on.
const MAX_GAP_BYTES: u64 = 1 << 16;
/// Parts longer than this on average (compressed bytes) are worth a thread that decompresses ahead.
const LONG_PART_BYTES: u64 = 1 << 18;

/// Blocks of a file whose ends are looked at; a longer file is not walked through for its regions'
/// sake.
const MAX_BLOCKS: usize = 1 << 18;
/// Bytes of the block with which a BGZF file ends.
const EOF_BLOCK_BYTES: u64 = 28;

/// What an index says: the parts of the file that hold some regions, and the contigs that have
/// records.
pub(super) struct Indexed {
    pub input: Input,
    pub contigs: HashSet<String>,
}

/// The index beside a file, if there is one.
pub(super) fn index_of(path: &Path) -> Option<PathBuf> {
    [".tbi", ".csi"]
        .into_iter()
        .map(|extension| sidecar_path(path, extension))
        .find(|index| index.exists())
}

/// A word about an index that is older than its file.
pub(super) fn warning(path: &Path) -> Option<String> {
    let index = index_of(path)?;
    let modified = |path: &Path| {
        path.metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    // Files that are written or copied together may differ by a moment.
    let is_older = modified(&index)? + Duration::from_secs(1) < modified(path)?;
    is_older.then(|| {
        format!(
            "{}: the index is older than its file; if the file was changed since, make it again: \
             {}",
            index.display(),
            again(path)
        )
    })
}

/// How an index is made.
fn again(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".bcf") {
        format!("`bcftools index -f {name}`")
    } else {
        format!("`tabix -f {name}`")
    }
}

/// Opens the parts of a BGZF file that hold `wanted`, by the index beside it; `None` without an
/// index.
///
/// # Errors
/// An index that cannot be read, or that is not of this file.
pub(super) fn open(
    path: &Path,
    header: &Header,
    wanted: &DisjointRegions,
) -> Result<Option<Indexed>, Error> {
    let Some(index_path) = index_of(path) else {
        return Ok(None);
    };
    let unusable = |reason: String| {
        Error::file(
            &index_path,
            format!("{reason}; make it again with {}", again(path)),
        )
    };
    let index =
        read(&index_path).map_err(|error| unusable(format!("the index is damaged ({error})")))?;
    let names: Vec<String> = match index.header() {
        Some(header) => header
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
    };
    let query = |id: usize, interval: Interval| {
        index
            .query(id, interval)
            .map_err(|error| unusable(error.to_string()))
    };
    let mut contigs = HashSet::new();
    let mut chunks = Vec::new();
    let mut end = None;
    let mut starts = Vec::new();
    for (id, name) in names
        .into_iter()
        .enumerate()
        .take(index.reference_sequences().count())
    {
        for region in wanted.on(&name) {
            // One base more on the left: an insertion's anchor may stand just before the region.
            let start = Position::new(region.start).unwrap_or(Position::MIN);
            let Some(end) = Position::new(region.end) else {
                continue;
            };
            chunks.extend(query(id, Interval::from(start..=end))?);
        }
        let of_contig = query(id, Interval::from(..))?;
        starts.extend(of_contig.iter().map(Chunk::start).min());
        let end_of_contig = of_contig.iter().map(Chunk::end).max();
        if end_of_contig.is_some() {
            contigs.insert(name);
        }
        end = end.max(end_of_contig);
    }
    if !end.is_none_or(|end| is_end(path, end).unwrap_or(false)) {
        return Err(unusable(
            "the index is of another file: it does not end where the records do".into(),
        ));
    }
    if chunks.iter().any(|chunk| chunk.end() < chunk.start()) {
        return Err(unusable(
            "the index is damaged (a part of the file ends before it starts)".into(),
        ));
    }
    // Of a file that has none of the loci, no record is read.
    if !chunks.is_empty() {
        starts.extend(joined_parts(path).map_err(Error::io(path))?);
        require_one_header(path, header, &starts)?;
    }
    let chunks = merged(chunks);
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
        contigs,
    }))
}

fn read(path: &Path) -> io::Result<Box<dyn BinningIndex>> {
    layout::check(path)?;
    if path.extension().is_some_and(|extension| extension == "tbi") {
        return Ok(Box::new(tabix::fs::read(path)?));
    }
    Ok(Box::new(csi::fs::read(path)?))
}

/// Where another BGZF file begins inside of this one: behind an end-of-file block in the middle, as
/// `cat` leaves it.
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

/// Compares header lines at these places, the first ones of contigs and of joined files, with the
/// header of the file.
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
                .map_err(|reason| Error::file(path, reason))?;
        }
    }
    Ok(())
}

/// A place that the index names and that cannot be read.
fn damaged(path: &Path, error: io::Error) -> Error {
    if !matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    ) {
        return Error::io(path)(error);
    }
    let advice = format!(
        "its index belongs to another file: make it again with {}",
        again(path)
    );
    let found = format!(
        "the compressed data are damaged ({error}): copy the file again, or check it with `bgzip \
         -t`"
    );
    Error::file(path, format!("{found}; or {advice}"))
}

/// Whether nothing but the end stands at a place of a BGZF file.
fn is_end(path: &Path, place: bgzf::VirtualPosition) -> io::Result<bool> {
    let file = File::open(path)?;
    if place.compressed() >= file.metadata()?.len() {
        return Ok(false);
    }
    let mut reader = bgzf::io::Reader::new(file);
    reader.seek(place)?;
    Ok(reader.fill_buf()?.is_empty())
}

/// Chunks in the order of the file, those close by joined.
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
