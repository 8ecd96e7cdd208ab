//! Writes BGEN files of phased calls without missing ones.
//!
//! Input: the two allele numbers of every sample, variant by variant. Output: BGEN 1.2 (layout 2)
//! with zlib, 8 bits per probability and the sample names. The first allele is REF. A haplotype has
//! one probability for each allele but the last, 255 for its allele and 0 for the others.

use std::io::{Result, Seek, SeekFrom, Write};

use flate2::{Compression, write::ZlibEncoder};

use crate::calls::{invalid, require_valid};

/// Length of a header block without free data.
const HEADER_LEN: u32 = 20;
/// Offset of the number of variants.
const N_VARIANTS_OFFSET: u64 = 8;
/// zlib, layout 2, sample names.
const FLAGS: u32 = 1 | 2 << 2 | 1 << 31;
const PLOIDY: u8 = 2;
const IS_PHASED: u8 = 1;
const BITS: u8 = 8;
/// A probability of 1.
const CERTAIN: u8 = 255;

/// What is stored of a variant besides its genotypes.
#[derive(Clone, Copy, Debug)]
pub struct BgenSite<'a> {
    /// Chromosome.
    pub contig: &'a str,
    /// 1-based position.
    pub position: usize,
    /// Identifier, also written as the rsid.
    pub id: &'a str,
    /// REF, then the ALT alleles.
    pub alleles: &'a [&'a [u8]],
}

/// A BGEN file that is written one variant after the other.
pub struct BgenWriter<W> {
    out: W,
    sample_count: usize,
    variant_count: u32,
    data: Vec<u8>,
    record: Vec<u8>,
}

impl<W: Write + Seek> BgenWriter<W> {
    /// Starts a file of these samples.
    ///
    /// # Errors
    /// Writing fails. Too many samples, or a name that is too long.
    pub fn new<'a>(mut out: W, samples: impl ExactSizeIterator<Item = &'a str>) -> Result<Self> {
        let sample_count = samples.len();
        let count = u32_of(sample_count, "the number of samples")?;
        let mut names = Vec::new();
        for name in samples {
            push_text16(&mut names, name.as_bytes(), "a sample name")?;
        }
        let names_len = u32_of(names.len() + 8, "the list of sample names")?;
        let first_variant = u32_of(names.len() + 28, "the list of sample names")?;
        let mut header = Vec::with_capacity(32);
        for number in [first_variant, HEADER_LEN, 0, count] {
            header.extend(number.to_le_bytes());
        }
        header.extend(b"bgen");
        for number in [FLAGS, names_len, count] {
            header.extend(number.to_le_bytes());
        }
        out.write_all(&header)?;
        out.write_all(&names)?;
        Ok(Self {
            out,
            sample_count,
            variant_count: 0,
            data: Vec::new(),
            record: Vec::new(),
        })
    }

    /// Writes the next variant. `calls` has the allele numbers of the first and the second
    /// haplotype of every sample.
    ///
    /// # Errors
    /// Writing fails. Another number of samples, an allele number that the variant does not have,
    /// fewer than two alleles, or a text that the format cannot hold.
    pub fn write(&mut self, site: &BgenSite<'_>, calls: &[[u8; 2]]) -> Result<()> {
        let allele_count = site.alleles.len();
        if allele_count < 2 {
            return Err(invalid("a variant has fewer than two alleles"));
        }
        require_valid(calls, self.sample_count, allele_count)?;
        self.set_site(site)?;
        self.set_data(calls, allele_count)?;
        self.push_compressed_data()?;
        self.out.write_all(&self.record)?;
        let next = self.variant_count.checked_add(1);
        self.variant_count = next.ok_or_else(|| invalid("too many variants"))?;
        Ok(())
    }

    /// Writes the number of variants and returns the file.
    ///
    /// # Errors
    /// Writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.out.seek(SeekFrom::Start(N_VARIANTS_OFFSET))?;
        self.out.write_all(&self.variant_count.to_le_bytes())?;
        self.out.seek(SeekFrom::End(0))?;
        Ok(self.out)
    }

    fn set_site(&mut self, site: &BgenSite<'_>) -> Result<()> {
        self.record.clear();
        for (text, what) in [
            (site.id, "a variant id"),
            (site.id, "a variant id"),
            (site.contig, "a chromosome name"),
        ] {
            push_text16(&mut self.record, text.as_bytes(), what)?;
        }
        let position = u32_of(site.position, "a position")?;
        self.record.extend(position.to_le_bytes());
        let allele_count = u16_of(site.alleles.len(), "the number of alleles")?;
        self.record.extend(allele_count.to_le_bytes());
        for allele in site.alleles {
            let length = u32_of(allele.len(), "an allele")?;
            self.record.extend(length.to_le_bytes());
            self.record.extend_from_slice(allele);
        }
        Ok(())
    }

    /// The genotype data before compression.
    fn set_data(&mut self, calls: &[[u8; 2]], allele_count: usize) -> Result<()> {
        let sample_count = u32_of(self.sample_count, "the number of samples")?;
        let stored_alleles = allele_count - 1;
        self.data.clear();
        self.data.extend(sample_count.to_le_bytes());
        self.data
            .extend(u16_of(allele_count, "the number of alleles")?.to_le_bytes());
        self.data.extend([PLOIDY, PLOIDY]);
        self.data
            .resize(self.data.len() + self.sample_count, PLOIDY);
        self.data.extend([IS_PHASED, BITS]);
        let start = self.data.len();
        self.data
            .resize(start + 2 * self.sample_count * stored_alleles, 0);
        let haplotypes = self.data[start..].chunks_exact_mut(stored_alleles);
        for (probabilities, &allele) in haplotypes.zip(calls.iter().flatten()) {
            // The last allele has no probability of its own.
            if let Some(probability) = probabilities.get_mut(usize::from(allele)) {
                *probability = CERTAIN;
            }
        }
        Ok(())
    }

    fn push_compressed_data(&mut self) -> Result<()> {
        let uncompressed = u32_of(self.data.len(), "the data of a variant")?;
        let length_start = self.record.len();
        self.record.extend([0; 4]);
        self.record.extend(uncompressed.to_le_bytes());
        let mut encoder = ZlibEncoder::new(&mut self.record, Compression::default());
        encoder.write_all(&self.data)?;
        encoder.finish()?;
        // The length includes the four bytes of the uncompressed length.
        let length = u32_of(
            self.record.len() - length_start - 4,
            "the data of a variant",
        )?;
        self.record[length_start..length_start + 4].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }
}

fn push_text16(out: &mut Vec<u8>, text: &[u8], what: &str) -> Result<()> {
    out.extend(u16_of(text.len(), what)?.to_le_bytes());
    out.extend(text);
    Ok(())
}

fn u16_of(number: usize, what: &str) -> Result<u16> {
    u16::try_from(number).map_err(|_| too_large(what, number, u16::MAX.into()))
}

fn u32_of(number: usize, what: &str) -> Result<u32> {
    u32::try_from(number).map_err(|_| too_large(what, number, u32::MAX))
}

fn too_large(what: &str, number: usize, largest: u32) -> std::io::Error {
    invalid(&format!(
        "BGEN cannot hold {what} of {number}; the largest is {largest}. Choose another format"
    ))
}
