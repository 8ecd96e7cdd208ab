//! Checks that a `.gzi` belongs to a bgzipped FASTA. It has no checksum, and the index of another
//! file would silently give wrong bases.
//!
//! Format: BGZF, section 4.1 of the SAM specification; `.gzi` is pairs of offsets, compressed and
//! not, of the blocks after the first.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use noodles::bgzf;

/// Number of blocks that are checked, spread over the file.
const N_LOOKS: usize = 64;
/// Blocks that the index may lack at the end: one with bases, and the end-of-file block.
const MAX_LEFT_OUT: usize = 3;

/// Why a `.gzi` does not fit its FASTA.
#[derive(Debug, thiserror::Error)]
pub enum GziProblem {
    /// A file that noodles cannot read.
    #[error("it is damaged ({source})")]
    Unreadable {
        /// The error of the operating system or of noodles.
        source: io::Error,
    },
    /// Offsets that do not increase.
    #[error("it is damaged (offsets out of order)")]
    OutOfOrder,
    /// The FASTA cannot be opened.
    #[error("{0}")]
    Fasta(io::Error),
    /// The blocks of another file.
    #[error("it belongs to another file")]
    OtherFile,
}

/// Compares an index with the blocks of its file. `min_len` is the least length of the file in
/// bytes, uncompressed.
///
/// # Errors
/// The difference.
pub(super) fn check(fasta: &Path, gzi: &Path, min_len: u64) -> Result<(), GziProblem> {
    let index = bgzf::gzi::fs::read(gzi).map_err(|source| GziProblem::Unreadable { source })?;
    let mut blocks = vec![(0, 0)];
    blocks.extend_from_slice(index.as_ref());
    if !blocks.is_sorted() {
        return Err(GziProblem::OutOfOrder);
    }
    let mut file = File::open(fasta).map_err(GziProblem::Fasta)?;
    let file_len = file.metadata().map_err(GziProblem::Fasta)?.len();
    if is_index_of(&mut file, file_len, &blocks, min_len) {
        Ok(())
    } else {
        Err(GziProblem::OtherFile)
    }
}

/// Compares some of the blocks with the file, and follows the blocks after the last one to the end.
fn is_index_of(file: &mut File, file_len: u64, blocks: &[(u64, u64)], min_len: u64) -> bool {
    let n_pairs = blocks.len() - 1;
    for number in (0..n_pairs).step_by((n_pairs / N_LOOKS).max(1)) {
        if block_after(file, blocks[number]) != Some(blocks[number + 1]) {
            return false;
        }
    }
    let mut next = blocks[n_pairs];
    for _ in 0..MAX_LEFT_OUT {
        if next.0 < file_len {
            match block_after(file, next) {
                Some(after) => next = after,
                None => return false,
            }
        }
    }
    next.0 == file_len && next.1 >= min_len
}

/// Where the block after the one at these offsets starts; `None` when no block is there.
fn block_after(file: &mut File, (compressed, uncompressed): (u64, u64)) -> Option<(u64, u64)> {
    let mut head = [0; 18];
    file.seek(SeekFrom::Start(compressed))
        .and_then(|_| file.read_exact(&mut head))
        .ok()?;
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
        size @ ..,
    ] = head
    else {
        return None;
    };
    let end = compressed.checked_add(u64::from(u16::from_le_bytes(size)) + 1)?;
    let mut len = [0; 4];
    file.seek(SeekFrom::Start(end.checked_sub(4)?))
        .and_then(|_| file.read_exact(&mut len))
        .ok()?;
    Some((end, uncompressed + u64::from(u32::from_le_bytes(len))))
}
