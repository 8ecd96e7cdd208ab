//! From stored probabilities to allele dosages and calls.
//!
//! The dosage of an allele is its expected number of copies: the sum over haplotypes (phased) or
//! genotypes (unphased) of probability times copies. A call is the allele of a haplotype, or the
//! genotype of a sample, with a probability of at least the threshold.

use crate::{ABSENT, MISSING};

use super::{
    block::{Block, is_missing, n_genotypes, ploidy_of},
    error::BgenProblem,
};

/// The most dosages that are made of one variant: samples times alleles.
const MAX_DOSAGES: u64 = 1 << 30;
/// The most bits of probabilities that [`Pairs`] computes with.
const MAX_PAIR_BITS: u32 = 23;
/// Two missing alleles.
const NO_CALL: [i16; 2] = [MISSING, MISSING];

/// What is made of the probabilities of one variant.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// For each sample the alleles of its two haplotypes.
    pub(super) calls: Vec<[i16; 2]>,
    /// For each sample the dosage of each allele; NaN for a missing sample.
    pub(super) dosages: Vec<f32>,
    /// Haplotypes (phased) or samples (unphased) that have probabilities, none of which reaches the
    /// threshold.
    pub(super) uncalled: usize,
    /// The first sample with more than two haplotypes, by its 0-based number in the file.
    pub(super) unsupported: Option<(usize, u8)>,
}

/// What is made of a variant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The probability that an allele or a genotype needs to be called.
    pub(super) threshold: f64,
    /// Without them the dosages may have any value.
    pub(super) dosages: bool,
}

/// The samples that are decoded, in this order.
#[derive(Clone, Copy)]
pub(super) enum Selection<'a> {
    /// All samples of the file.
    All,
    /// Those with these 0-based numbers, all of them smaller than the number of samples.
    Some(&'a [u32]),
}

impl Selection<'_> {
    /// The number in the file of the selected sample with this index.
    pub(super) fn in_file(self, index: usize) -> usize {
        match self {
            Selection::All => index,
            Selection::Some(samples) => samples[index] as usize,
        }
    }
}

/// The variant's data: its fields, and its bytes with padding.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) block: &'a Block,
    pub(super) padded: &'a [u8],
}

impl Stored<'_> {
    /// The distributions of one sample, as integers that sum to [`Block::one`] each: one per
    /// haplotype (K values) when phased, a single one (a value per genotype) when not.
    ///
    /// # Errors
    /// The stored values of a distribution sum to more than that.
    pub(super) fn distributions(
        self,
        sample: usize,
        ploidy: u8,
        out: &mut Vec<u32>,
    ) -> Result<(), BgenProblem> {
        out.clear();
        let mut bit = self.block.first_bit(sample);
        if self.block.phased {
            for _ in 0..ploidy {
                self.distribution(sample, &mut bit, self.block.n_alleles as u64, out)?;
            }
            Ok(())
        } else {
            let n_values = n_genotypes(ploidy, self.block.n_alleles);
            self.distribution(sample, &mut bit, n_values, out)
        }
    }

    /// One distribution: all its values but the last are stored.
    fn distribution(
        self,
        sample: usize,
        bit: &mut u64,
        n_values: u64,
        out: &mut Vec<u32>,
    ) -> Result<(), BgenProblem> {
        let one = self.block.one();
        let mut sum: u64 = 0;
        for _ in 1..n_values {
            let value = self.value(*bit);
            *bit += u64::from(self.block.bits);
            sum += u64::from(value);
            out.push(value);
        }
        if sum > u64::from(one) {
            return Err(sum_error(sample, sum, one));
        }
        out.push(one - sum as u32);
        Ok(())
    }

    /// The integer whose first bit this is.
    fn value(self, bit: u64) -> u32 {
        let first_byte = (bit / 8) as usize;
        let Some(bytes) = self.padded[first_byte..].first_chunk::<8>() else {
            return 0;
        };
        (u64::from_le_bytes(*bytes) >> (bit % 8)) as u32 & self.block.one()
    }
}

const fn sum_error(sample: usize, sum: u64, one: u32) -> BgenProblem {
    BgenProblem::ProbabilitySum {
        sample: sample + 1,
        sum,
        one,
    }
}

/// The smallest integer x with x / `one` >= `threshold`.
fn integer_threshold(threshold: f64, one: u32) -> u32 {
    let one = f64::from(one);
    let nearest = (threshold * one).round().min(one);
    let candidates = [nearest - 1.0, nearest, nearest + 1.0];
    candidates
        .into_iter()
        .find(|candidate| candidate / one >= threshold)
        .unwrap_or(one)
        .min(one) as u32
}

impl Decoded {
    /// Decodes the selected samples; `ploidies` are their ploidy bytes.
    pub(super) fn decode(
        &mut self,
        stored: Stored<'_>,
        selection: Selection<'_>,
        ploidies: &[u8],
        wanted: Wanted,
    ) -> Result<(), BgenProblem> {
        let block = stored.block;
        let n_dosages = ploidies.len() as u64 * block.n_alleles as u64;
        if n_dosages > MAX_DOSAGES {
            return Err(BgenProblem::TooLarge {
                what: "the number of samples times alleles",
                found: n_dosages,
                limit: MAX_DOSAGES,
            });
        }
        self.unsupported = None;
        // What is left of the last variant is overwritten below.
        self.calls.resize(ploidies.len(), NO_CALL);
        self.dosages.resize(ploidies.len() * block.n_alleles, 0.0);
        let biallelic_diploid = block.n_alleles == 2 && block.uniform_ploidy == Some(2);
        let pairs = Pairs {
            one: block.one(),
            threshold: integer_threshold(wanted.threshold, block.one()),
            probabilities: &stored.padded[block.probabilities_start()..],
            selection,
            ploidies,
        };
        match (biallelic_diploid, block.bits, block.phased) {
            (true, 8, true) if !wanted.dosages => self.decode_haplotypes_of_bytes(pairs),
            (true, 8, true) => self.decode_pairs::<1, true>(pairs)?,
            (true, 8, false) => self.decode_pairs::<1, false>(pairs)?,
            (true, 16, true) => self.decode_pairs::<2, true>(pairs)?,
            (true, 16, false) => self.decode_pairs::<2, false>(pairs)?,
            _ if has_small_pairs(block) && block.phased => {
                self.decode_biallelic::<true>(stored, pairs)?;
            }
            _ if has_small_pairs(block) => self.decode_biallelic::<false>(stored, pairs)?,
            _ => self.decode_any(stored, selection, ploidies, pairs.threshold)?,
        }
        self.uncalled = count_uncalled(&self.calls, ploidies, block.phased);
        Ok(())
    }

    /// Any number of alleles, any ploidy, any number of bits.
    fn decode_any(
        &mut self,
        stored: Stored<'_>,
        selection: Selection<'_>,
        ploidies: &[u8],
        threshold: u32,
    ) -> Result<(), BgenProblem> {
        let block = stored.block;
        let mut sample_decoder = SampleDecoder::new(block, threshold);
        let dosages = self.dosages.chunks_exact_mut(block.n_alleles);
        let outputs = self.calls.iter_mut().zip(dosages);
        for (index, (call, dosage)) in outputs.enumerate() {
            let ploidy = ploidy_of(ploidies[index]);
            let sample = selection.in_file(index);
            if ploidy > 2 && self.unsupported.is_none() {
                self.unsupported = Some((sample, ploidy));
            }
            if is_missing(ploidies[index]) {
                dosage.fill(f32::NAN);
                *call = missing_call(ploidy);
                continue;
            }
            stored.distributions(sample, ploidy, &mut sample_decoder.distributions)?;
            *call = sample_decoder.decode(ploidy, dosage);
        }
        Ok(())
    }

    /// Two alleles, ploidies 1 and 2, probabilities of at most [`MAX_PAIR_BITS`] bits.
    fn decode_biallelic<const PHASED: bool>(
        &mut self,
        stored: Stored<'_>,
        pairs: Pairs<'_>,
    ) -> Result<(), BgenProblem> {
        let dosages = self.dosages.as_chunks_mut::<2>().0;
        let outputs = self.calls.iter_mut().zip(dosages);
        for (index, (call, dosage)) in outputs.enumerate() {
            let sample = pairs.selection.in_file(index);
            let ploidy = ploidy_of(pairs.ploidies[index]);
            if is_missing(pairs.ploidies[index]) {
                *call = missing_call(ploidy);
                *dosage = [f32::NAN; 2];
                continue;
            }
            let first_bit = stored.block.first_bit(sample);
            let first = stored.value(first_bit);
            if ploidy == 1 {
                *call = [pairs.haplotype(first), ABSENT];
                *dosage = pairs.haploid_dosages(first);
                continue;
            }
            let second = stored.value(first_bit + u64::from(stored.block.bits));
            if !PHASED && first + second > pairs.one {
                return Err(sum_error(sample, u64::from(first + second), pairs.one));
            }
            let pair = Pair { first, second };
            *call = pairs.call::<PHASED>(pair);
            *dosage = pairs.dosages::<PHASED>(pair);
        }
        Ok(())
    }

    /// Two alleles, ploidy 2, probabilities of `BYTES` whole bytes: two of them per sample.
    fn decode_pairs<const BYTES: usize, const PHASED: bool>(
        &mut self,
        pairs: Pairs<'_>,
    ) -> Result<(), BgenProblem> {
        let mut largest_sum = 0;
        let outputs = self
            .calls
            .iter_mut()
            .zip(self.dosages.as_chunks_mut::<2>().0);
        match pairs.selection {
            Selection::All => {
                let stored = pairs.probabilities.chunks_exact(2 * BYTES);
                for (pair, (call, dosage)) in stored.zip(outputs) {
                    let pair = Pair::read::<BYTES>(pair);
                    largest_sum = largest_sum.max(pair.first + pair.second);
                    *call = pairs.call::<PHASED>(pair);
                    *dosage = pairs.dosages::<PHASED>(pair);
                }
            }
            Selection::Some(samples) => {
                for (&sample, (call, dosage)) in samples.iter().zip(outputs) {
                    let pair = pairs.pair::<BYTES>(sample as usize);
                    largest_sum = largest_sum.max(pair.first + pair.second);
                    *call = pairs.call::<PHASED>(pair);
                    *dosage = pairs.dosages::<PHASED>(pair);
                }
            }
        }
        if !PHASED && largest_sum > pairs.one {
            pairs.require_sums::<BYTES>()?;
        }
        self.mark_missing(pairs.ploidies);
        Ok(())
    }

    /// Calls of two alleles, phased, ploidy 2, probabilities of one byte. The dosages stay as they
    /// were.
    fn decode_haplotypes_of_bytes(&mut self, pairs: Pairs<'_>) {
        let allele_of_byte: [i16; 256] =
            std::array::from_fn(|probability| pairs.haplotype(probability as u32));
        let stored = pairs.probabilities.as_chunks::<2>().0;
        match pairs.selection {
            Selection::All => {
                for (call, pair) in self.calls.iter_mut().zip(stored) {
                    *call = pair.map(|probability| allele_of_byte[usize::from(probability)]);
                }
            }
            Selection::Some(samples) => {
                for (call, &sample) in self.calls.iter_mut().zip(samples) {
                    let pair = stored[sample as usize];
                    *call = pair.map(|probability| allele_of_byte[usize::from(probability)]);
                }
            }
        }
        self.mark_missing(pairs.ploidies);
    }

    /// Missing diploid samples of two alleles have stored zeros, which mean nothing.
    fn mark_missing(&mut self, ploidies: &[u8]) {
        let any_missing = ploidies.iter().fold(0, |bits, byte| bits | byte);
        if !is_missing(any_missing) {
            return;
        }
        for (index, &byte) in ploidies.iter().enumerate() {
            if is_missing(byte) {
                self.calls[index] = NO_CALL;
                self.dosages[2 * index..2 * index + 2].fill(f32::NAN);
            }
        }
    }
}

/// Whether all samples have one or two integers whose sums a `u32` can have.
fn has_small_pairs(block: &Block) -> bool {
    block.n_alleles == 2
        && block.bits <= MAX_PAIR_BITS
        && *block.ploidies.start() >= 1
        && *block.ploidies.end() <= 2
}

/// Haplotypes (phased) or samples (unphased) without a call although they are not missing.
fn count_uncalled(calls: &[[i16; 2]], ploidies: &[u8], phased: bool) -> usize {
    let mut uncalled = 0;
    for (call, &byte) in calls.iter().zip(ploidies) {
        let n_missing = usize::from(call[0] == MISSING) + usize::from(call[1] == MISSING);
        let n_uncalled = if phased { n_missing } else { n_missing.min(1) };
        let is_expected = !is_missing(byte) && ploidy_of(byte) > 0;
        uncalled += n_uncalled * usize::from(is_expected);
    }
    uncalled
}

const fn missing_call(ploidy: u8) -> [i16; 2] {
    match ploidy {
        0 | 1 => [MISSING, ABSENT],
        _ => NO_CALL,
    }
}

/// The two stored integers of a diploid sample with two alleles.
#[derive(Clone, Copy)]
struct Pair {
    /// Phased: first haplotype, first allele. Unphased: homozygous for the first allele.
    first: u32,
    /// Phased: second haplotype, first allele. Unphased: heterozygous.
    second: u32,
}

impl Pair {
    #[inline]
    fn read<const BYTES: usize>(bytes: &[u8]) -> Self {
        if BYTES == 1 {
            Self {
                first: u32::from(bytes[0]),
                second: u32::from(bytes[1]),
            }
        } else {
            Self {
                first: u32::from(u16::from_le_bytes([bytes[0], bytes[1]])),
                second: u32::from(u16::from_le_bytes([bytes[2], bytes[3]])),
            }
        }
    }
}

/// The stored pairs of a variant, and how they are decoded.
#[derive(Clone, Copy)]
struct Pairs<'a> {
    /// The integer that encodes probability 1.
    one: u32,
    threshold: u32,
    /// From the first probability to the end of the padding.
    probabilities: &'a [u8],
    selection: Selection<'a>,
    ploidies: &'a [u8],
}

impl Pairs<'_> {
    #[inline]
    fn pair<const BYTES: usize>(self, sample: usize) -> Pair {
        let start = 2 * BYTES * sample;
        Pair::read::<BYTES>(&self.probabilities[start..start + 2 * BYTES])
    }

    #[inline]
    fn call<const PHASED: bool>(self, pair: Pair) -> [i16; 2] {
        if PHASED {
            return [self.haplotype(pair.first), self.haplotype(pair.second)];
        }
        let both_last = self.one.wrapping_sub(pair.first + pair.second);
        let is_called = pair.first.max(pair.second).max(both_last) >= self.threshold;
        let first_allele = i16::from(both_last >= self.threshold);
        let second_allele = i16::from(pair.first < self.threshold);
        if is_called {
            [first_allele, second_allele]
        } else {
            NO_CALL
        }
    }

    #[inline]
    fn haplotype(self, first_allele: u32) -> i16 {
        if first_allele >= self.threshold {
            0
        } else if self.one - first_allele >= self.threshold {
            1
        } else {
            MISSING
        }
    }

    #[inline]
    fn dosages<const PHASED: bool>(self, pair: Pair) -> [f32; 2] {
        let first_allele = if PHASED {
            pair.first + pair.second
        } else {
            2 * pair.first + pair.second
        };
        // Exact in f32 up to 23 bits.
        let one = self.one as f32;
        let second_allele = (2 * self.one).wrapping_sub(first_allele);
        [first_allele as f32 / one, second_allele as f32 / one]
    }

    #[inline]
    fn haploid_dosages(self, first_allele: u32) -> [f32; 2] {
        let one = self.one as f32;
        let second_allele = self.one - first_allele;
        [first_allele as f32 / one, second_allele as f32 / one]
    }

    /// Finds the sample whose probabilities sum to more than one, unless only missing ones do.
    #[cold]
    fn require_sums<const BYTES: usize>(self) -> Result<(), BgenProblem> {
        for (index, &byte) in self.ploidies.iter().enumerate() {
            let sample = self.selection.in_file(index);
            let pair = self.pair::<BYTES>(sample);
            let sum = pair.first + pair.second;
            if sum > self.one && !is_missing(byte) {
                return Err(sum_error(sample, u64::from(sum), self.one));
            }
        }
        Ok(())
    }
}

/// Decodes one sample of any kind.
struct SampleDecoder<'a> {
    block: &'a Block,
    threshold: u32,
    /// See [`Stored::distributions`].
    distributions: Vec<u32>,
    /// Sum over haplotypes or genotypes of probability times copies, for each allele.
    sums: Vec<u64>,
    /// The alleles of one genotype, in ascending order.
    genotype: Vec<u16>,
}

impl<'a> SampleDecoder<'a> {
    fn new(block: &'a Block, threshold: u32) -> Self {
        Self {
            block,
            threshold,
            distributions: Vec::new(),
            sums: vec![0; block.n_alleles],
            genotype: Vec::new(),
        }
    }

    /// Writes the dosages and returns the call, which means something for ploidy 1 and 2 only.
    fn decode(&mut self, ploidy: u8, dosages: &mut [f32]) -> [i16; 2] {
        self.sums.fill(0);
        let call = if self.block.phased {
            self.haplotypes(ploidy)
        } else {
            self.genotypes(ploidy)
        };
        let one = f64::from(self.block.one());
        for (dosage, &sum) in dosages.iter_mut().zip(&self.sums) {
            *dosage = (sum as f64 / one) as f32;
        }
        call
    }

    fn haplotypes(&mut self, ploidy: u8) -> [i16; 2] {
        let mut call = missing_call(ploidy);
        let haplotypes = self.distributions.chunks_exact(self.block.n_alleles);
        for (haplotype, probabilities) in haplotypes.enumerate() {
            for (allele, &probability) in probabilities.iter().enumerate() {
                self.sums[allele] += u64::from(probability);
                if probability >= self.threshold && haplotype < 2 {
                    call[haplotype] = allele as i16;
                }
            }
        }
        call
    }

    fn genotypes(&mut self, ploidy: u8) -> [i16; 2] {
        let mut call = missing_call(ploidy);
        self.genotype.clear();
        self.genotype.resize(usize::from(ploidy), 0);
        for &probability in &self.distributions {
            for &allele in &self.genotype {
                self.sums[usize::from(allele)] += u64::from(probability);
            }
            if probability >= self.threshold {
                for (haplotype, &allele) in call.iter_mut().zip(&self.genotype) {
                    *haplotype = allele as i16;
                }
            }
            next_genotype(&mut self.genotype);
        }
        call
    }
}

/// The next genotype in colexicographic order: 00, 01, 11, 02, 12, 22, 03 and so on.
fn next_genotype(genotype: &mut [u16]) {
    for index in 0..genotype.len() {
        let can_grow = genotype
            .get(index + 1)
            .is_none_or(|next| genotype[index] < *next);
        if can_grow {
            // After the last genotype of 65,535 alleles it wraps, and is not used.
            genotype[index] = genotype[index].wrapping_add(1);
            genotype[..index].fill(0);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genotypes_are_in_colexicographic_order() {
        let mut genotype = vec![0; 3];
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.push(genotype.clone());
            next_genotype(&mut genotype);
        }
        let expected = [
            [0, 0, 0],
            [0, 0, 1],
            [0, 1, 1],
            [1, 1, 1],
            [0, 0, 2],
            [0, 1, 2],
            [1, 1, 2],
            [0, 2, 2],
            [1, 2, 2],
            [2, 2, 2],
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_threshold_is_exact() {
        assert_eq!(integer_threshold(0.9, 255), 230);
        assert_eq!(integer_threshold(0.8, 255), 204);
        assert_eq!(integer_threshold(1.0, 255), 255);
        assert_eq!(integer_threshold(0.9, 1), 1);
        assert_eq!(integer_threshold(0.51, 3), 2);
        assert_eq!(integer_threshold(1.0, u32::MAX), u32::MAX);
    }
}
