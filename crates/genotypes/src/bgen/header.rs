//! The header block and the sample identifier block.
//!
//! Layout, all integers little-endian: `u32` offset of the first variant (counted from byte 4),
//! `u32` header length, `u32` variants, `u32` samples, the magic number, free data, `u32` flags.
//! Flags: bits 0-1 compression, bits 2-5 layout, bit 31 whether sample identifiers follow.

use std::io::Read;

use super::{error::BgenProblem, fields::Fields};

/// The largest number of samples that is read.
const MAX_SAMPLES: u64 = 10_000_000;
/// Length of a header block without free data.
const MIN_HEADER_LEN: u64 = 20;
/// zlib makes at most this many bytes of one.
pub(super) const ZLIB_MAX_RATIO: u64 = 1040;

/// How genotype data are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BgenCompression {
    /// Stored as they are.
    None,
    /// zlib (BGEN 1.2).
    Zlib,
    /// zstd (BGEN 1.3).
    Zstd,
}

/// The header block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// 0-based offset of the first variant.
    pub(super) first_variant: u64,
    pub(super) n_variants: u64,
    pub(super) n_samples: usize,
    pub(super) compression: BgenCompression,
    pub(super) has_sample_names: bool,
}

impl Header {
    /// Reads the block. The file has `file_len` bytes and `fields` is at its first.
    pub(super) fn read<R: Read>(
        fields: &mut Fields<R>,
        file_len: u64,
    ) -> Result<Self, BgenProblem> {
        let first_variant = 4 + u64::from(fields.u32("the offset of the first variant")?);
        let header_len = u64::from(fields.u32("the header length")?);
        let n_variants = u64::from(fields.u32("the number of variants")?);
        let n_samples = u64::from(fields.u32("the number of samples")?);
        let mut magic = [0; 4];
        fields.fill("the magic number", &mut magic)?;
        if magic != *b"bgen" && magic != [0; 4] {
            return Err(BgenProblem::NotBgen { found: magic });
        }
        require_lengths(header_len, first_variant, file_len)?;
        skip_free_data(fields, header_len - MIN_HEADER_LEN)?;
        let flags = fields.u32("the flags")?;
        require_layout_2((flags >> 2) & 0xf)?;
        let compression = compression_of(flags & 3)?;
        require_plausible_samples(n_samples, n_variants, compression, file_len)?;
        Ok(Self {
            first_variant,
            n_variants,
            n_samples: n_samples as usize,
            compression,
            has_sample_names: flags >> 31 == 1,
        })
    }
}

const fn require_lengths(
    header_len: u64,
    first_variant: u64,
    file_len: u64,
) -> Result<(), BgenProblem> {
    if header_len < MIN_HEADER_LEN {
        return Err(BgenProblem::Length {
            what: "the header block",
            expected: MIN_HEADER_LEN,
            found: header_len,
        });
    }
    if first_variant > file_len {
        return Err(BgenProblem::Truncated {
            what: "the part before the first variant",
            needed: first_variant,
            available: file_len,
        });
    }
    if header_len + 4 > first_variant {
        return Err(BgenProblem::Truncated {
            what: "the header block",
            needed: header_len,
            available: first_variant - 4,
        });
    }
    Ok(())
}

fn skip_free_data<R: Read>(fields: &mut Fields<R>, len: u64) -> Result<(), BgenProblem> {
    let what = "the free data of the header";
    fields.require(what, len)?;
    let mut chunk = [0; 4096];
    let mut left = len;
    while left > 0 {
        let chunk_len = left.min(chunk.len() as u64);
        fields.fill(what, &mut chunk[..chunk_len as usize])?;
        left -= chunk_len;
    }
    Ok(())
}

const fn require_layout_2(layout: u32) -> Result<(), BgenProblem> {
    match layout {
        2 => Ok(()),
        0 | 1 => Err(BgenProblem::OldLayout { layout }),
        _ => Err(BgenProblem::UnknownLayout { layout }),
    }
}

const fn compression_of(code: u32) -> Result<BgenCompression, BgenProblem> {
    match code {
        0 => Ok(BgenCompression::None),
        1 => Ok(BgenCompression::Zlib),
        2 => Ok(BgenCompression::Zstd),
        _ => Err(BgenProblem::UnknownCompression { code }),
    }
}

/// Every variant has one byte or more per sample: a damaged count must not decide how much memory
/// is taken.
fn require_plausible_samples(
    n_samples: u64,
    n_variants: u64,
    compression: BgenCompression,
    file_len: u64,
) -> Result<(), BgenProblem> {
    let limit_of_file = match compression {
        _ if n_variants == 0 => MAX_SAMPLES,
        BgenCompression::None => file_len,
        BgenCompression::Zlib => file_len.saturating_mul(ZLIB_MAX_RATIO),
        BgenCompression::Zstd => MAX_SAMPLES,
    };
    let limit = limit_of_file.min(MAX_SAMPLES);
    if n_samples > limit {
        return Err(BgenProblem::TooLarge {
            what: "the number of samples",
            found: n_samples,
            limit,
        });
    }
    Ok(())
}

/// Reads the sample identifier block; `fields` ends at the first variant.
pub(super) fn read_sample_names<R: Read>(
    fields: &mut Fields<R>,
    n_samples: usize,
) -> Result<Vec<String>, BgenProblem> {
    let what = "the sample identifier block";
    let start = fields.offset();
    let block_len = u64::from(fields.u32(what)?);
    let count = u64::from(fields.u32(what)?);
    if count != n_samples as u64 {
        return Err(BgenProblem::Count {
            what: "the number of samples in the sample identifier block",
            expected: n_samples as u64,
            found: count,
        });
    }
    // Each name has a length of two bytes.
    fields.require(what, 2 * count)?;
    let mut names = Vec::with_capacity(n_samples);
    for _ in 0..n_samples {
        let len = fields.u16("the length of a sample name")?;
        names.push(fields.text("a sample name", u64::from(len))?);
    }
    let expected = fields.offset() - start;
    if block_len != expected {
        return Err(BgenProblem::Length {
            what,
            expected,
            found: block_len,
        });
    }
    Ok(names)
}
