//! Decompression of one variant's genotype data into a buffer that is used again.

use std::{fmt, io::Read};

use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::{
    error::BgenProblem,
    header::{BgenCompression, ZLIB_MAX_RATIO},
};

/// The largest decompressed genotype data that are read: 500,000 samples with 10 alleles at 32 bits
/// need 0.1 GiB.
const MAX_DATA_LEN: u64 = 1 << 30;
/// Zero bytes after the data: a probability is taken from eight bytes at once.
pub(super) const PADDING: usize = 8;
/// Bytes that are reserved before any zstd data are decompressed.
const ZSTD_RESERVE: u64 = 1 << 22;

/// The decompressors and the genotype data of one variant.
pub(super) struct GenotypeData {
    zlib: Decompress,
    zstd: FrameDecoder,
    /// The data, then [`PADDING`] zero bytes.
    padded: Vec<u8>,
    len: usize,
}

impl Default for GenotypeData {
    fn default() -> Self {
        Self {
            zlib: Decompress::new(true),
            zstd: FrameDecoder::new(),
            padded: Vec::new(),
            len: 0,
        }
    }
}

impl fmt::Debug for GenotypeData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenotypeData")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl GenotypeData {
    /// The data without padding.
    pub(super) fn bytes(&self) -> &[u8] {
        self.padded.get(..self.len).unwrap_or_default()
    }

    /// The data and the padding.
    pub(super) fn padded(&self) -> &[u8] {
        &self.padded
    }

    pub(super) fn clear(&mut self) {
        self.padded.clear();
        self.len = 0;
    }

    /// Takes the stored data of a variant: all bytes after its length field.
    pub(super) fn load(
        &mut self,
        compression: BgenCompression,
        stored: &[u8],
    ) -> Result<(), BgenProblem> {
        self.clear();
        if compression == BgenCompression::None {
            self.padded.extend_from_slice(stored);
        } else {
            self.decompress(compression, stored)?;
        }
        self.len = self.padded.len();
        self.padded.resize(self.len + PADDING, 0);
        Ok(())
    }

    fn decompress(
        &mut self,
        compression: BgenCompression,
        stored: &[u8],
    ) -> Result<(), BgenProblem> {
        let Some((stated_len, compressed)) = stored.split_first_chunk::<4>() else {
            return Err(BgenProblem::Truncated {
                what: "the length of the decompressed genotype data",
                needed: 4,
                available: stored.len() as u64,
            });
        };
        let expected = u64::from(u32::from_le_bytes(*stated_len));
        let limit = match compression {
            BgenCompression::Zlib => compressed.len() as u64 * ZLIB_MAX_RATIO,
            BgenCompression::None | BgenCompression::Zstd => MAX_DATA_LEN,
        };
        require_plausible_len(expected, limit.min(MAX_DATA_LEN))?;
        let found = if compression == BgenCompression::Zlib {
            self.inflate_zlib(compressed, expected)?
        } else {
            self.inflate_zstd(compressed, expected)?
        };
        if found != expected {
            return Err(BgenProblem::Length {
                what: "the decompressed genotype data",
                expected,
                found,
            });
        }
        Ok(())
    }

    /// Accepts one byte more than expected, so that longer data are noticed.
    fn inflate_zlib(&mut self, compressed: &[u8], expected: u64) -> Result<u64, BgenProblem> {
        self.zlib.reset(true);
        self.padded.resize(expected as usize + 1, 0);
        let status = self
            .zlib
            .decompress(compressed, &mut self.padded, FlushDecompress::Finish)
            .map_err(|error| damaged("zlib", error.to_string()))?;
        let found = self.zlib.total_out();
        self.padded.truncate(expected as usize);
        if status != Status::StreamEnd && found <= expected {
            return Err(damaged("zlib", "the stream has no end".to_owned()));
        }
        if status == Status::StreamEnd && self.zlib.total_in() != compressed.len() as u64 {
            return Err(BgenProblem::Length {
                what: "the zlib stream",
                expected: compressed.len() as u64,
                found: self.zlib.total_in(),
            });
        }
        Ok(found)
    }

    /// The buffer grows with the data, not with the length that the file states.
    fn inflate_zstd(&mut self, compressed: &[u8], expected: u64) -> Result<u64, BgenProblem> {
        let mut left = compressed;
        let decoder = StreamingDecoder::new_with_decoder(&mut left, &mut self.zstd)
            .map_err(|error| damaged("zstd", error.to_string()))?;
        self.padded
            .reserve(expected.min(ZSTD_RESERVE) as usize + 1 + PADDING);
        let found = decoder
            .take(expected + 1)
            .read_to_end(&mut self.padded)
            .map_err(|error| damaged("zstd", error.to_string()))?;
        if found as u64 == expected && !left.is_empty() {
            return Err(BgenProblem::Length {
                what: "the zstd frame",
                expected: compressed.len() as u64,
                found: (compressed.len() - left.len()) as u64,
            });
        }
        Ok(found as u64)
    }
}

const fn require_plausible_len(len: u64, limit: u64) -> Result<(), BgenProblem> {
    if len > limit {
        return Err(BgenProblem::TooLarge {
            what: "the length of the decompressed genotype data",
            found: len,
            limit,
        });
    }
    Ok(())
}

const fn damaged(compression: &'static str, message: String) -> BgenProblem {
    BgenProblem::Decompress {
        compression,
        message,
    }
}
