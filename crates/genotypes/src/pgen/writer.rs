//! Writes PGEN files of phased calls without missing ones.
//!
//! Input: the two allele numbers of every sample, variant by variant. Output: storage mode 0x10.
//! The main track of a record has two bits per sample, or a list of the samples with an ALT allele
//! where these are rare. A record with heterozygous calls has a phase track, and all of its calls
//! are phased.

use std::io::{Result, Seek, SeekFrom, Write};

use super::{
    decoder::{MULTIALLELIC, PHASED_CALLS},
    difflist,
    header::BLOCK,
    main_track::{ALL_BUT_REFERENCE, HETEROZYGOUS, RAW, TWO_ALTS},
    multiallelic::{NO_PATCHES, alt_alt_bits, ref_alt_bits},
};
use crate::calls::{invalid, require_valid};

/// `6c 1b`, and the storage mode of records of variable width.
const START: [u8; 3] = [0x6c, 0x1b, 0x10];
/// Bytes before the offsets of the blocks.
const FIXED_HEADER_LEN: u64 = 12;
/// Record types of 8 bits, record lengths of 4 bytes, no provisional REF.
const FORMAT: u8 = 0b0100_0111;
/// The header has one byte for each number of alleles.
const HAS_ALLELE_COUNTS: u8 = 0b0001_0000;
/// plink2 lists at most one sample in eight.
const SAMPLES_PER_LISTED: usize = 8;

/// A PGEN file that is written one variant after the other.
pub struct PgenWriter<W> {
    out: W,
    sample_count: usize,
    allele_counts: Vec<u8>,
    types: Vec<u8>,
    lengths: Vec<u32>,
    block_starts: Vec<u64>,
    position: u64,
    record: RecordWriter,
}

impl<W: Write + Seek> PgenWriter<W> {
    /// Starts a file of variants with these numbers of alleles, REF included.
    ///
    /// # Errors
    /// Writing fails.
    pub fn new(out: W, sample_count: usize, allele_counts: Vec<u8>) -> Result<Self> {
        let mut writer = Self {
            out,
            sample_count,
            types: Vec::with_capacity(allele_counts.len()),
            lengths: Vec::with_capacity(allele_counts.len()),
            block_starts: Vec::new(),
            position: 0,
            record: RecordWriter::default(),
            allele_counts,
        };
        // The header is written last, for it states the length of each record.
        writer.position = writer.header_len();
        let placeholder = vec![0; writer.position as usize];
        writer.out.write_all(&placeholder)?;
        Ok(writer)
    }

    /// Writes the next variant. `calls` has the allele numbers of the first and the second
    /// haplotype of every sample.
    ///
    /// # Errors
    /// Writing fails. Another number of samples, too many variants or an allele number that the
    /// variant does not have.
    pub fn write(&mut self, calls: &[[u8; 2]]) -> Result<()> {
        let variant = self.types.len();
        let Some(&allele_count) = self.allele_counts.get(variant) else {
            return Err(invalid("more variants than were announced"));
        };
        require_valid(calls, self.sample_count, usize::from(allele_count))?;
        if variant.is_multiple_of(BLOCK) {
            self.block_starts.push(self.position);
        }
        let record_type = self.record.encode(calls, allele_count);
        self.out.write_all(&self.record.bytes)?;
        let length =
            u32::try_from(self.record.bytes.len()).map_err(|_| invalid("a record exceeds 4 GB"))?;
        self.types.push(record_type);
        self.lengths.push(length);
        self.position += u64::from(length);
        Ok(())
    }

    /// Writes the header and returns the file.
    ///
    /// # Errors
    /// Writing fails, or variants are missing.
    pub fn finish(mut self) -> Result<W> {
        if self.types.len() != self.allele_counts.len() {
            return Err(invalid("fewer variants than were announced"));
        }
        self.out.seek(SeekFrom::Start(0))?;
        let header = self.header()?;
        self.out.write_all(&header)?;
        self.out.seek(SeekFrom::End(0))?;
        Ok(self.out)
    }

    fn has_allele_counts(&self) -> bool {
        self.allele_counts.iter().any(|&count| count != 2)
    }

    fn header_len(&self) -> u64 {
        let variants = self.allele_counts.len();
        let per_variant = 1 + 4 + usize::from(self.has_allele_counts());
        FIXED_HEADER_LEN + 8 * variants.div_ceil(BLOCK) as u64 + (variants * per_variant) as u64
    }

    fn header(&self) -> Result<Vec<u8>> {
        let mut header = START.to_vec();
        for count in [self.types.len(), self.sample_count] {
            let count =
                u32::try_from(count).map_err(|_| invalid("too many samples or variants"))?;
            header.extend(count.to_le_bytes());
        }
        let has_allele_counts = self.has_allele_counts();
        let allele_counts_bit = if has_allele_counts {
            HAS_ALLELE_COUNTS
        } else {
            0
        };
        header.push(FORMAT | allele_counts_bit);
        for start in &self.block_starts {
            header.extend(start.to_le_bytes());
        }
        let blocks = self.types.chunks(BLOCK).zip(self.lengths.chunks(BLOCK));
        for ((types, lengths), counts) in blocks.zip(self.allele_counts.chunks(BLOCK)) {
            header.extend(types);
            header.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
            if has_allele_counts {
                header.extend(counts);
            }
        }
        Ok(header)
    }
}

/// The record that is being written, and buffers for its parts.
#[derive(Default)]
struct RecordWriter {
    bytes: Vec<u8>,
    /// Samples with an ALT allele, and their categories.
    carriers: Vec<u32>,
    categories: Vec<u8>,
}

impl RecordWriter {
    /// Encodes a variant into `bytes`, and returns its record type.
    fn encode(&mut self, calls: &[[u8; 2]], allele_count: u8) -> u8 {
        self.bytes.clear();
        self.find_carriers(calls);
        let mut record_type = self.encode_main(calls.len());
        if self.carriers_have_later_alt(calls) {
            record_type |= MULTIALLELIC;
            self.encode_patches(calls, u32::from(allele_count) - 1);
        }
        if self.encode_phase(calls) {
            record_type |= PHASED_CALLS;
        }
        record_type
    }

    fn find_carriers(&mut self, calls: &[[u8; 2]]) {
        self.carriers.clear();
        self.categories.clear();
        for (sample, &[first, second]) in calls.iter().enumerate() {
            if first | second == 0 {
                continue;
            }
            let is_heterozygous_with_ref = first == 0 || second == 0;
            self.carriers.push(sample as u32);
            self.categories.push(if is_heterozygous_with_ref {
                HETEROZYGOUS
            } else {
                TWO_ALTS
            });
        }
    }

    fn encode_main(&mut self, sample_count: usize) -> u8 {
        if self.carriers.len() <= sample_count / SAMPLES_PER_LISTED {
            difflist::write(
                &self.carriers,
                &self.categories,
                sample_count,
                &mut self.bytes,
            );
            return ALL_BUT_REFERENCE;
        }
        self.bytes.resize(sample_count.div_ceil(4), 0);
        for (&sample, &category) in self.carriers.iter().zip(&self.categories) {
            self.bytes[sample as usize / 4] |= category << (sample % 4 * 2);
        }
        RAW
    }

    fn carriers_have_later_alt(&self, calls: &[[u8; 2]]) -> bool {
        let mut alleles = self.carriers.iter().flat_map(|&s| calls[s as usize]);
        alleles.any(|allele| allele > 1)
    }

    /// Track 1: the calls with an ALT allele after the first.
    fn encode_patches(&mut self, calls: &[[u8; 2]], alt_count: u32) {
        let (mut ref_alt, mut alt_alt) = (Patches::default(), Patches::default());
        for (&sample, &category) in self.carriers.iter().zip(&self.categories) {
            let [first, second] = calls[sample as usize];
            let [smaller, larger] = [first.min(second), first.max(second)].map(u64::from);
            if category == HETEROZYGOUS {
                let value = (larger > 1).then(|| larger - 2);
                ref_alt.push(value, ref_alt_bits(alt_count));
            } else {
                let bits = alt_alt_bits(alt_count);
                let both = match alt_count {
                    2 => smaller - 1,
                    _ => (smaller - 1) | ((larger - 1) << (bits / 2)),
                };
                alt_alt.push((larger > 1).then_some(both), bits);
            }
        }
        self.bytes.push(ref_alt.format() | alt_alt.format() << 4);
        ref_alt.append_to(&mut self.bytes);
        alt_alt.append_to(&mut self.bytes);
    }

    /// Track 2: whether the larger allele number comes first, for each heterozygous call. Returns
    /// `false` if there is no such call.
    fn encode_phase(&mut self, calls: &[[u8; 2]]) -> bool {
        // Bit 0 is unset, for every call is phased.
        let mut phase = Bits::default();
        phase.push(0, 1);
        for &sample in &self.carriers {
            let [first, second] = calls[sample as usize];
            if first != second {
                phase.push(u64::from(first > second), 1);
            }
        }
        if phase.len == 1 {
            return false;
        }
        self.bytes.extend(phase.bytes);
        true
    }
}

/// The patched samples of one category.
#[derive(Default)]
struct Patches {
    /// One bit for each sample of the category.
    is_patched: Bits,
    any: bool,
    values: Bits,
}

impl Patches {
    fn push(&mut self, value: Option<u64>, bits: usize) {
        self.is_patched.push(u64::from(value.is_some()), 1);
        if let Some(value) = value {
            self.any = true;
            self.values.push(value, bits);
        }
    }

    /// One bit for each sample, or no patches.
    const fn format(&self) -> u8 {
        if self.any { 0 } else { NO_PATCHES }
    }

    fn append_to(self, bytes: &mut Vec<u8>) {
        if self.any {
            bytes.extend(self.is_patched.bytes);
            bytes.extend(self.values.bytes);
        }
    }
}

/// Packed numbers, the lowest bits of each byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    fn push(&mut self, value: u64, count: usize) {
        for index in 0..count {
            if self.len.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (value >> index & 1) as u8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (self.len % 8);
            }
            self.len += 1;
        }
    }
}
