//! Checks the counts and bin numbers of an index before noodles reads it.
//!
//! noodles allocates memory for a stated count before it reads the first bin, and accepts any bin
//! number, so a damaged index could exhaust the memory. Formats: tabix and `CSIv1` specifications
//! of hts-specs.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use gf_cohort_schema::counted;
use noodles::bgzf;

/// Deepest scheme of bins that noodles reads.
const MAX_DEPTH: u32 = 9;
/// Bins of a tabix index: five levels below the whole contig.
const TABIX_DEPTH: u32 = 5;
/// Bytes of a chunk, two offsets.
const CHUNK: u64 = 16;

/// Why the counts of an index cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum LayoutFault {
    /// Another format.
    #[error("it is neither tabix nor CSI")]
    Magic,
    /// A bin that the scheme does not have.
    #[error("bin {bin} in a scheme with {n_bins} bins")]
    Bin { bin: u64, n_bins: u64 },
    /// More levels of bins than noodles reads.
    #[error("{} of bins", counted(*depth, "level", "levels"))]
    Depth { depth: u64 },
    /// A negative count.
    #[error("a count of {count}")]
    Count { count: i32 },
}

/// Walks through the counts of an index.
///
/// # Errors
/// A count that is negative or larger than the file, a bin that its scheme does not have, or
/// another format.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let mut index = bgzf::io::Reader::new(File::open(path)?);
    let is_csi = match &bytes(&mut index)? {
        b"TBI\x01" => false,
        b"CSI\x01" => true,
        _ => return Err(LayoutFault::Magic.into()),
    };
    let depth = if is_csi {
        csi_depth(&mut index)?
    } else {
        TABIX_DEPTH
    };
    let n_contigs = count(&mut index)?;
    if !is_csi {
        skip(&mut index, 6 * 4)?;
        let len_names = count(&mut index)?;
        skip(&mut index, len_names)?;
    }
    // One more bin has counts of records; its number is the second one after the last bin.
    let n_bins = ((1_u64 << (3 * (depth + 1))) - 1) / 7;
    for _ in 0..n_contigs {
        for _ in 0..count(&mut index)? {
            let bin = u64::from(u32::from_le_bytes(bytes(&mut index)?));
            if bin >= n_bins && bin != n_bins + 1 {
                return Err(LayoutFault::Bin { bin, n_bins }.into());
            }
            if is_csi {
                skip(&mut index, 8)?;
            }
            let n_chunks = count(&mut index)?;
            skip(&mut index, n_chunks * CHUNK)?;
        }
        if !is_csi {
            let n_intervals = count(&mut index)?;
            skip(&mut index, n_intervals * 8)?;
        }
    }
    Ok(())
}

/// Reads the head of a CSI index after its magic number: shift, depth and auxiliary data.
fn csi_depth(index: &mut impl Read) -> io::Result<u32> {
    skip(index, 4)?;
    let depth = count(index)?;
    let len_aux = count(index)?;
    skip(index, len_aux)?;
    u32::try_from(depth)
        .ok()
        .filter(|depth| *depth <= MAX_DEPTH)
        .ok_or_else(|| LayoutFault::Depth { depth }.into())
}

fn bytes(index: &mut impl Read) -> io::Result<[u8; 4]> {
    let mut bytes = [0; 4];
    index.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A count of 32 bits, at most 2^31 - 1.
fn count(index: &mut impl Read) -> io::Result<u64> {
    let count = i32::from_le_bytes(bytes(index)?);
    u64::try_from(count).map_err(|_| LayoutFault::Count { count }.into())
}

fn skip(index: &mut impl Read, n: u64) -> io::Result<()> {
    let skipped = io::copy(&mut index.take(n), &mut io::sink())?;
    if skipped == n {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

impl From<LayoutFault> for io::Error {
    fn from(fault: LayoutFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}
