//! The genotype data of one variant (layout 2): what is stored, where, and that all of it is there.
//!
//! Layout, little-endian: `u32` samples, `u16` alleles, `u8` smallest and `u8` largest ploidy, one
//! byte per sample (bit 7 missing, bits 0-5 ploidy), `u8` phased, `u8` bits B per probability, then
//! the probabilities as B-bit integers x for x / (2^B - 1), least significant bit first.
//!
//! A sample of ploidy P with K alleles has P (K - 1) integers when phased: for each haplotype the
//! probabilities of all alleles but the last. When unphased it has C(P + K - 1, K - 1) - 1: one for
//! each genotype but the last, in colexicographic order.

use std::ops::RangeInclusive;

use super::error::BgenProblem;

/// Bytes before the ploidies.
const PLOIDIES_START: usize = 8;
const MAX_PLOIDY: u8 = 63;
const MISSING_BIT: u8 = 0x80;
const PLOIDY_BITS: u8 = 0x3f;

/// Where the probabilities of the samples are.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) n_samples: usize,
    pub(super) n_alleles: usize,
    pub(super) phased: bool,
    /// Bits per probability, 1 to 32.
    pub(super) bits: u32,
    /// Smallest and largest ploidy that the variant states; every sample is within.
    pub(super) ploidies: RangeInclusive<u8>,
    /// The ploidy of all samples, where it is one.
    pub(super) uniform_ploidy: Option<u8>,
    /// Bits of one sample, where all have the same ploidy.
    bits_per_sample: u64,
    /// Offset of each sample's first bit from the first probability; empty where all samples have
    /// the same ploidy.
    bit_starts: Vec<u64>,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            n_samples: 0,
            n_alleles: 0,
            phased: false,
            bits: 1,
            ploidies: 0..=0,
            uniform_ploidy: None,
            bits_per_sample: 0,
            bit_starts: Vec::new(),
        }
    }
}

impl Block {
    /// The integer that encodes probability 1.
    pub(super) const fn one(&self) -> u32 {
        u32::MAX >> (32 - self.bits)
    }

    /// Offset of the first probability in the data.
    pub(super) const fn probabilities_start(&self) -> usize {
        PLOIDIES_START + self.n_samples + 2
    }

    /// Ploidy and missingness of each sample of the file.
    pub(super) fn ploidy_bytes<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        data.get(PLOIDIES_START..PLOIDIES_START + self.n_samples)
            .unwrap_or_default()
    }

    /// Offset of a sample's first bit from the first bit of the data.
    pub(super) fn first_bit(&self, sample: usize) -> u64 {
        let start = self
            .bit_starts
            .get(sample)
            .copied()
            .unwrap_or(sample as u64 * self.bits_per_sample);
        8 * self.probabilities_start() as u64 + start
    }

    /// Reads the fields of the data of one variant. The header of the file gives the number of
    /// samples, the variant's own fields that of alleles.
    pub(super) fn read(
        &mut self,
        data: &[u8],
        n_samples: usize,
        n_alleles: usize,
    ) -> Result<(), BgenProblem> {
        let header_len = PLOIDIES_START + n_samples + 2;
        if data.len() < header_len {
            return Err(BgenProblem::Truncated {
                what: "the ploidies of the samples",
                needed: header_len as u64,
                available: data.len() as u64,
            });
        }
        self.n_samples = n_samples;
        self.n_alleles = n_alleles;
        require_count(
            "the number of samples of the genotype data",
            n_samples as u64,
            u64::from(u32::from_le_bytes([data[0], data[1], data[2], data[3]])),
        )?;
        require_count(
            "the number of alleles of the genotype data",
            n_alleles as u64,
            u64::from(u16::from_le_bytes([data[4], data[5]])),
        )?;
        let ploidies = PloidyRange::new(data[6], data[7])?;
        self.ploidies = ploidies.min..=ploidies.max;
        self.phased = require_field("the phased flag", data[header_len - 2], 0, 1)? == 1;
        self.bits = u32::from(require_field(
            "the bits per probability",
            data[header_len - 1],
            1,
            32,
        )?);
        let n_bits = self.place_samples(data, ploidies)?;
        require_len(data.len(), header_len, n_bits)
    }

    /// Finds where each sample's probabilities start, and returns the bits of all samples.
    fn place_samples(&mut self, data: &[u8], range: PloidyRange) -> Result<u64, BgenProblem> {
        self.bit_starts.clear();
        self.uniform_ploidy = None;
        let ploidy_bytes = self.ploidy_bytes(data);
        let values = range.values_per_sample(self.n_alleles, self.phased);
        let differing_bits = ploidy_bytes
            .iter()
            .fold(0, |bits, byte| bits | ((byte & PLOIDY_BITS) ^ range.min));
        if differing_bits == 0 {
            let n_values = values[usize::from(range.min)];
            self.uniform_ploidy = Some(range.min);
            self.bits_per_sample = n_values.saturating_mul(u64::from(self.bits));
            return Ok(self.bits_per_sample.saturating_mul(self.n_samples as u64));
        }
        let mut next_bit: u64 = 0;
        self.bit_starts.reserve(self.n_samples);
        for (sample, byte) in ploidy_bytes.iter().enumerate() {
            let ploidy = byte & PLOIDY_BITS;
            range.require(sample, ploidy)?;
            self.bit_starts.push(next_bit);
            let n_values = values[usize::from(ploidy)];
            next_bit = next_bit.saturating_add(n_values.saturating_mul(u64::from(self.bits)));
        }
        Ok(next_bit)
    }
}

/// The smallest and largest ploidy that a variant states.
#[derive(Clone, Copy)]
struct PloidyRange {
    min: u8,
    max: u8,
}

impl PloidyRange {
    fn new(min: u8, max: u8) -> Result<Self, BgenProblem> {
        require_field("the largest ploidy", max, 0, MAX_PLOIDY)?;
        require_field("the smallest ploidy", min, 0, max)?;
        Ok(Self { min, max })
    }

    const fn require(self, sample: usize, ploidy: u8) -> Result<(), BgenProblem> {
        if ploidy < self.min || ploidy > self.max {
            return Err(BgenProblem::PloidyRange {
                sample: sample + 1,
                ploidy,
                min: self.min,
                max: self.max,
            });
        }
        Ok(())
    }

    /// The number of stored integers of a sample, by ploidy.
    fn values_per_sample(self, n_alleles: usize, phased: bool) -> [u64; 64] {
        let mut values = [0; 64];
        for ploidy in self.min..=self.max {
            values[usize::from(ploidy)] = if phased {
                u64::from(ploidy) * (n_alleles as u64 - 1)
            } else {
                n_genotypes(ploidy, n_alleles) - 1
            };
        }
        values
    }
}

/// C(P + K - 1, P), the number of unphased genotypes; `u64::MAX` when it is larger.
pub(super) fn n_genotypes(ploidy: u8, n_alleles: usize) -> u64 {
    let mut count: u128 = 1;
    for chosen in 1..=u128::from(ploidy) {
        // C(n, c) = C(n - 1, c - 1) n / c, here with n = K - 1 + c.
        count = count * (n_alleles as u128 - 1 + chosen) / chosen;
        if count > u128::from(u64::MAX) {
            return u64::MAX;
        }
    }
    count as u64
}

/// Ploidy of a sample's byte.
pub(super) const fn ploidy_of(byte: u8) -> u8 {
    byte & PLOIDY_BITS
}

/// Whether a sample's byte states that it has no genotype.
pub(super) const fn is_missing(byte: u8) -> bool {
    byte & MISSING_BIT != 0
}

const fn require_count(what: &'static str, expected: u64, found: u64) -> Result<(), BgenProblem> {
    if found != expected {
        return Err(BgenProblem::Count {
            what,
            expected,
            found,
        });
    }
    Ok(())
}

const fn require_field(what: &'static str, found: u8, min: u8, max: u8) -> Result<u8, BgenProblem> {
    if found < min || found > max {
        return Err(BgenProblem::Field {
            what,
            found: found as u64,
            min: min as u64,
            max: max as u64,
        });
    }
    Ok(found)
}

fn require_len(data_len: usize, header_len: usize, n_bits: u64) -> Result<(), BgenProblem> {
    let expected = (header_len as u64).saturating_add(n_bits.div_ceil(8));
    if data_len as u64 != expected {
        return Err(BgenProblem::Length {
            what: "the genotype data",
            expected,
            found: data_len as u64,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genotypes_are_counted() {
        assert_eq!(n_genotypes(2, 2), 3);
        assert_eq!(n_genotypes(2, 3), 6);
        assert_eq!(n_genotypes(3, 3), 10);
        assert_eq!(n_genotypes(4, 2), 5);
        assert_eq!(n_genotypes(0, 9), 1);
        assert_eq!(n_genotypes(63, 1), 1);
        assert_eq!(n_genotypes(63, 65_535), u64::MAX);
    }
}
