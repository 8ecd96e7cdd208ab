//! The header of a PGEN file: where each variant's record is, and of which type.
//!
//! Bytes 0-1 `6c 1b`, byte 2 storage mode, bytes 3-6 number of variants, bytes 7-10 number of
//! samples, byte 11 format. Variable-width modes: one 64-bit offset for each block of 65,536
//! variants; then, block by block, record types, record lengths, allele counts, provisional-REF
//! bits. All numbers are little-endian.

use std::{ops::Range, path::Path};

use super::{
    cursor::{bit, little_endian, packed},
    error::{HeaderFault, PgenError},
    source::Source,
    variants::PgenVariants,
};

const MAGIC: [u8; 2] = [0x6c, 0x1b];
const BED_HEADER_LEN: u64 = 3;
const PGEN_HEADER_LEN: u64 = 12;
/// Variants of a block.
pub(super) const BLOCK: usize = 1 << 16;

/// How a fileset stores its records (the third byte of the file).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageMode {
    /// PLINK 1 BED, variant-major (0x01).
    Bed,
    /// Two bits for each genotype (0x02).
    FixedHardcalls,
    /// Genotypes and dosages (0x03).
    FixedDosages,
    /// Genotypes, dosages and phased dosages (0x04).
    FixedPhasedDosages,
    /// Compressed records (0x10, or 0x11 with extensions).
    Standard,
    /// As [`Self::Standard`], with the index in a `.pgi` file (0x20, 0x21).
    ExternalIndex,
}

/// Where records are, and of which type.
#[derive(Debug)]
pub(super) enum Layout {
    /// All records have one width and one type.
    Fixed(FixedRecords),
    /// One entry for each variant.
    Variable {
        starts: Vec<u64>,
        lengths: Vec<u32>,
        types: Vec<u8>,
    },
}

/// Records of one width and one type.
#[derive(Clone, Copy, Debug)]
pub(super) struct FixedRecords {
    /// Offset of the first record.
    first: u64,
    width: u64,
    record_type: u8,
}

/// What the header states.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) mode: StorageMode,
    pub(super) layout: Layout,
}

impl Header {
    /// Bytes of a record in the file.
    pub(super) fn range(&self, variant: usize) -> Range<u64> {
        match &self.layout {
            Layout::Fixed(records) => {
                let start = records.first + records.width * variant as u64;
                start..start + records.width
            }
            Layout::Variable {
                starts, lengths, ..
            } => starts[variant]..starts[variant] + u64::from(lengths[variant]),
        }
    }

    pub(super) fn record_type(&self, variant: usize) -> u8 {
        match &self.layout {
            Layout::Fixed(records) => records.record_type,
            Layout::Variable { types, .. } => types[variant],
        }
    }
}

/// The companions of a PGEN file, which must agree with its header.
pub(super) struct Companions<'a> {
    pub(super) variants_path: &'a Path,
    pub(super) variants: &'a mut PgenVariants,
    pub(super) samples_path: &'a Path,
    pub(super) sample_count: usize,
}

impl Companions<'_> {
    fn check_dimensions(&self, variants: usize, samples: usize) -> Result<(), HeaderFault> {
        if variants != self.variants.len() {
            return Err(HeaderFault::Variants {
                companion: self.variants_path.to_path_buf(),
                expected: self.variants.len(),
                found: variants,
            });
        }
        if samples != self.sample_count {
            return Err(HeaderFault::Samples {
                companion: self.samples_path.to_path_buf(),
                expected: self.sample_count,
                found: samples,
            });
        }
        Ok(())
    }

    fn set_all_provisional(&mut self) {
        for variant in 0..self.variants.len() {
            self.variants.set_provisional_ref(variant);
        }
    }

    fn check_alleles(&self, variant: usize, found: usize) -> Result<(), HeaderFault> {
        let expected = self.variants.get(variant).map_or(0, |v| v.allele_count());
        if expected == found {
            return Ok(());
        }
        Err(HeaderFault::Alleles {
            companion: self.variants_path.to_path_buf(),
            number: variant + 1,
            expected,
            found,
        })
    }
}

/// Reads the header of a PGEN or BED file, and its external index if it has one.
pub(super) fn read(
    source: &mut Source,
    companions: &mut Companions<'_>,
) -> Result<Header, PgenError> {
    let mode_byte = storage_mode_byte(source)?;
    let mode = match mode_byte {
        0x00 => {
            return Err(PgenError::SampleMajor {
                path: source.path(),
            });
        }
        0x01 => StorageMode::Bed,
        0x02 => StorageMode::FixedHardcalls,
        0x03 => StorageMode::FixedDosages,
        0x04 => StorageMode::FixedPhasedDosages,
        0x10 | 0x11 => StorageMode::Standard,
        0x20 | 0x21 => StorageMode::ExternalIndex,
        mode => {
            return Err(PgenError::StorageMode {
                path: source.path(),
                mode,
            });
        }
    };
    let layout = match mode {
        StorageMode::Bed => bed_layout(source, companions)?,
        StorageMode::Standard => {
            let records_end = source.len();
            IndexReader::open(source, companions)?.variable_layout(records_end)?
        }
        StorageMode::ExternalIndex => external_layout(source, companions, mode_byte + 0x10)?,
        _ => IndexReader::open(source, companions)?.fixed_layout(mode)?,
    };
    Ok(Header { mode, layout })
}

/// The third byte of a file that starts as a PGEN or BED file does.
fn storage_mode_byte(source: &mut Source) -> Result<u8, PgenError> {
    require_len(source, BED_HEADER_LEN)?;
    let start = source.bytes(0..BED_HEADER_LEN)?;
    let found = [start[0], start[1]];
    let mode = start[2];
    if found == MAGIC {
        return Ok(mode);
    }
    Err(PgenError::Magic {
        path: source.path(),
        found,
    })
}

fn require_len(source: &Source, expected: u64) -> Result<(), PgenError> {
    let found = source.len();
    if found >= expected {
        return Ok(());
    }
    Err(PgenError::header(
        source.path(),
        HeaderFault::Truncated { expected, found },
    ))
}

/// A BED file has three bytes of header, and every REF allele of it is provisional.
fn bed_layout(source: &Source, companions: &mut Companions<'_>) -> Result<Layout, PgenError> {
    companions.set_all_provisional();
    let records = FixedRecords {
        first: BED_HEADER_LEN,
        width: companions.sample_count.div_ceil(4) as u64,
        record_type: 0,
    };
    fixed_layout(source, companions, records)
}

/// Records of one width, which must fill the file.
fn fixed_layout(
    source: &Source,
    companions: &Companions<'_>,
    records: FixedRecords,
) -> Result<Layout, PgenError> {
    let variants = companions.variants.len() as u64;
    let records_len = records.width.saturating_mul(variants);
    let expected = records.first.saturating_add(records_len);
    if expected != source.len() {
        let fault = HeaderFault::FileSize {
            variants: companions.variants.len(),
            samples: companions.sample_count,
            expected,
            found: source.len(),
        };
        return Err(PgenError::header(source.path(), fault));
    }
    Ok(Layout::Fixed(records))
}

/// The index `X.pgen.pgi` or `X.pgi` of `X.pgen`.
fn external_layout(
    records: &Source,
    companions: &mut Companions<'_>,
    expected: u8,
) -> Result<Layout, PgenError> {
    let path = records.path();
    let tried = vec![
        crate::sidecar_path(&path, ".pgi"),
        path.with_extension("pgi"),
    ];
    let Some(index_path) = tried.iter().find(|candidate| candidate.is_file()) else {
        return Err(PgenError::NoCompanion { path, tried });
    };
    let mut index = Source::open(index_path)?;
    let found = storage_mode_byte(&mut index)?;
    if found != expected {
        let fault = HeaderFault::IndexMode { expected, found };
        return Err(PgenError::header(index_path, fault));
    }
    let mut reader = IndexReader::open(&mut index, companions)?;
    reader.least_start = BED_HEADER_LEN;
    reader.variable_layout(records.len())
}

/// How the header says which REF alleles are provisional.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProvisionalRef {
    /// The PVAR file says so.
    Elsewhere,
    None,
    All,
    Bits,
}

/// Reads what follows the storage mode.
struct IndexReader<'a, 'b> {
    source: &'a mut Source,
    companions: &'a mut Companions<'b>,
    format: u8,
    provisional_ref: ProvisionalRef,
    /// The next byte of the header.
    position: u64,
    /// The first byte that a record may have.
    least_start: u64,
}

impl<'a, 'b> IndexReader<'a, 'b> {
    /// Reads up to the format byte.
    fn open(source: &'a mut Source, companions: &'a mut Companions<'b>) -> Result<Self, PgenError> {
        require_len(source, PGEN_HEADER_LEN)?;
        let start = source.bytes(0..PGEN_HEADER_LEN)?;
        let variants = little_endian(&start[3..7]) as usize;
        let samples = little_endian(&start[7..11]) as usize;
        let format = start[11];
        companions
            .check_dimensions(variants, samples)
            .map_err(|fault| PgenError::header(source.path(), fault))?;
        let provisional_ref = match format >> 6 {
            0 => ProvisionalRef::Elsewhere,
            1 => ProvisionalRef::None,
            2 => ProvisionalRef::All,
            _ => ProvisionalRef::Bits,
        };
        let are_all_provisional = match provisional_ref {
            ProvisionalRef::Elsewhere => companions.variants.are_of_bim(),
            ProvisionalRef::All => true,
            ProvisionalRef::None | ProvisionalRef::Bits => false,
        };
        if are_all_provisional {
            companions.set_all_provisional();
        }
        Ok(Self {
            source,
            companions,
            format,
            provisional_ref,
            position: PGEN_HEADER_LEN,
            least_start: 0,
        })
    }

    fn fault(&self, fault: HeaderFault) -> PgenError {
        PgenError::header(self.source.path(), fault)
    }

    /// The next `count` bytes of the header.
    fn take(&mut self, count: u64) -> Result<&[u8], PgenError> {
        let start = self.position;
        require_len(self.source, start.saturating_add(count))?;
        self.position = start + count;
        self.source.bytes(start..start + count)
    }

    fn fixed_layout(mut self, mode: StorageMode) -> Result<Layout, PgenError> {
        if self.format & 0x3f != 0 {
            return Err(self.fault(HeaderFault::FormatByte { found: self.format }));
        }
        self.read_provisional_ref(0..self.companions.variants.len())?;
        let samples = self.companions.sample_count as u64;
        let hardcalls = samples.div_ceil(4);
        let mut records = FixedRecords {
            first: self.position,
            width: hardcalls,
            record_type: 0,
        };
        if mode == StorageMode::FixedDosages {
            records.width += 2 * samples;
            records.record_type = 0x40;
        } else if mode == StorageMode::FixedPhasedDosages {
            records.width += 4 * samples;
            records.record_type = 0xc0;
        }
        fixed_layout(self.source, self.companions, records)
    }

    /// `records_end` is the size of the file with the records.
    fn variable_layout(mut self, records_end: u64) -> Result<Layout, PgenError> {
        if self.format & 0b1000 != 0 {
            return Err(self.fault(HeaderFault::FormatByte { found: self.format }));
        }
        let variant_count = self.companions.variants.len();
        let blocks = variant_count.div_ceil(BLOCK);
        let block_starts: Vec<u64> = self
            .take(8 * blocks as u64)?
            .chunks_exact(8)
            .map(|bytes| {
                u64::from(little_endian(&bytes[..4])) | u64::from(little_endian(&bytes[4..])) << 32
            })
            .collect();
        let mut types = Vec::new();
        let mut lengths = Vec::new();
        for block in 0..blocks {
            let variants = block * BLOCK..variant_count.min((block + 1) * BLOCK);
            self.read_types(variants.len(), &mut types)?;
            self.read_lengths(variants.len(), &mut lengths)?;
            self.check_allele_counts(variants.clone())?;
            self.read_provisional_ref(variants)?;
        }
        let starts = self.record_starts(&block_starts, &lengths, records_end)?;
        Ok(Layout::Variable {
            starts,
            lengths,
            types,
        })
    }

    fn read_types(&mut self, count: usize, types: &mut Vec<u8>) -> Result<(), PgenError> {
        let bits = if self.format & 0b100 == 0 { 4 } else { 8 };
        let bytes = self.take((count * bits).div_ceil(8) as u64)?;
        types.extend((0..count).map(|index| packed(bytes, bits, index) as u8));
        Ok(())
    }

    fn read_lengths(&mut self, count: usize, lengths: &mut Vec<u32>) -> Result<(), PgenError> {
        let width = usize::from(self.format & 0b11) + 1;
        let bytes = self.take((count * width) as u64)?;
        lengths.extend(bytes.chunks_exact(width).map(little_endian));
        Ok(())
    }

    fn check_allele_counts(&mut self, variants: Range<usize>) -> Result<(), PgenError> {
        let width = usize::from(self.format >> 4 & 0b11);
        if width == 0 {
            return Ok(());
        }
        let bytes = self.take((variants.len() * width) as u64)?.to_vec();
        for (variant, count) in variants.zip(bytes.chunks_exact(width)) {
            self.companions
                .check_alleles(variant, little_endian(count) as usize)
                .map_err(|fault| self.fault(fault))?;
        }
        Ok(())
    }

    fn read_provisional_ref(&mut self, variants: Range<usize>) -> Result<(), PgenError> {
        if self.provisional_ref != ProvisionalRef::Bits {
            return Ok(());
        }
        let bytes = self.take(variants.len().div_ceil(8) as u64)?.to_vec();
        for (index, variant) in variants.enumerate() {
            if bit(&bytes, index) {
                self.companions.variants.set_provisional_ref(variant);
            }
        }
        Ok(())
    }

    /// The records of a block follow each other; blocks may not overlap the header or each other.
    fn record_starts(
        &self,
        block_starts: &[u64],
        lengths: &[u32],
        records_end: u64,
    ) -> Result<Vec<u64>, PgenError> {
        let mut starts = Vec::with_capacity(lengths.len());
        let mut least = match self.least_start {
            0 => self.position,
            least => least,
        };
        for (block, (&found, block_lengths)) in
            block_starts.iter().zip(lengths.chunks(BLOCK)).enumerate()
        {
            if found < least || found > records_end {
                let block = block + 1;
                return Err(self.fault(HeaderFault::BlockStart {
                    block,
                    least,
                    found,
                }));
            }
            least = found;
            for &length in block_lengths {
                starts.push(least);
                // A block of 2^16 records of less than 2^32 bytes cannot overflow.
                least += u64::from(length);
                if least > records_end {
                    return Err(self.fault(HeaderFault::RecordEnd {
                        number: starts.len(),
                        end: least,
                        found: records_end,
                    }));
                }
            }
        }
        Ok(starts)
    }
}
