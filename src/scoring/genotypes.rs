//! Genotypes of all samples at one record, one byte per sample, and their sums in a score.
//!
//! A packed genotype is one byte:
//!
//! - bits 0 to 2: first allele number (0 to 5, 6 = missing, 7 = absent),
//! - bits 3 to 5: second allele number,
//! - bit 6: phased.
//!
//! Byte 0 is homozygous reference, phased or not. Records with higher allele numbers are stored
//! unpacked. Dosages of imputed genotypes are stored in addition to the calls, because the calls
//! give the number of haplotypes.

use crate::scoring::effect::Effect;
use gf_genotypes::{ABSENT, Genotype, MISSING};

/// Genotypes at one record, one per sample.
#[derive(Clone, Debug)]
pub struct Genotypes {
    calls: Calls,
    /// Copies of each ALT allele, shape (samples, ALT alleles), row-major. NaN is missing. Empty if
    /// the genotypes are not imputed.
    dosages: Vec<f32>,
    n_alts: usize,
    /// Copies that one allele of a haploid genotype counts: 1, or 2 so that men and women have the
    /// same scale on X.
    haploid_copies: u8,
    /// No genotype is missing or haploid.
    is_plain: bool,
}

#[derive(Clone, Debug)]
enum Calls {
    Packed(Vec<u8>),
    Wide(Vec<Genotype>),
}

/// Number of codes of [`Calls::Packed`].
const N_CODES: usize = 128;
const MISSING_BITS: u8 = 6;
const ABSENT_BITS: u8 = 7;

/// Code of a genotype; `None` if an allele number is too high.
#[inline]
fn pack(genotype: Genotype) -> Option<u8> {
    let [a, b] = genotype.alleles;
    // Fast path for nearly all genotypes: both alleles called, low allele numbers.
    if (a as u16) < u16::from(MISSING_BITS) && (b as u16) < u16::from(MISSING_BITS) {
        let alleles = a as u8 | (b as u8) << 3;
        return Some(if alleles == 0 {
            0
        } else {
            alleles | u8::from(genotype.phased) << 6
        });
    }
    Some(allele_bits(a)? | allele_bits(b)? << 3 | u8::from(genotype.phased) << 6)
}

/// The three bits of an allele number; `None` if it is too high.
fn allele_bits(allele: i16) -> Option<u8> {
    match allele {
        MISSING => Some(MISSING_BITS),
        ABSENT => Some(ABSENT_BITS),
        _ => u8::try_from(allele)
            .ok()
            .filter(|&allele| allele < MISSING_BITS),
    }
}

/// Genotype of a code.
fn unpack(code: u8) -> Genotype {
    Genotype {
        alleles: [allele_of_bits(code), allele_of_bits(code >> 3)],
        phased: code == 0 || code >> 6 == 1,
    }
}

/// Allele number in the lowest three bits.
fn allele_of_bits(bits: u8) -> i16 {
    match bits & 7 {
        MISSING_BITS => MISSING,
        ABSENT_BITS => ABSENT,
        allele => i16::from(allele),
    }
}

/// Collects one genotype per sample. A haploid allele counts once.
impl FromIterator<Genotype> for Genotypes {
    fn from_iter<I: IntoIterator<Item = Genotype>>(genotypes: I) -> Self {
        let genotypes: Vec<Genotype> = genotypes.into_iter().collect();
        Self::new(genotypes.len(), genotypes.iter().copied().enumerate(), 1)
    }
}

/// Counts of one allele over a set of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Copies of the allele.
    pub copies: f64,
    /// Number of called haplotypes.
    pub haplotypes: u64,
    /// Number of called samples.
    pub samples: usize,
}

impl Tally {
    /// Counts `n` samples with the same genotype, each with `carried` copies; `None` is missing.
    #[inline]
    fn add(&mut self, carried: Option<f64>, haplotypes: u8, n: u64) {
        if let Some(copies) = carried {
            self.copies += n as f64 * copies;
            self.haplotypes += n * u64::from(haplotypes);
            self.samples += n as usize;
        }
    }

    /// Fraction of the called haplotypes that have the allele; `None` when none is called.
    #[must_use]
    pub fn frequency(&self) -> Option<f64> {
        (self.haplotypes > 0).then(|| self.copies / self.haplotypes as f64)
    }
}

/// A score of each sample, while it is summed.
#[derive(Clone, Debug)]
pub struct Totals {
    sums: Vec<f64>,
    alleles: Vec<u32>,
    n_missing: Vec<u32>,
    /// Added to the sum of every sample.
    common_sum: f64,
    /// Added to the number of alleles of every sample.
    common_alleles: u32,
}

/// The score of one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total {
    /// Sum of the effects (SUM of `plink2 --score`).
    pub sum: f64,
    /// Number of alleles (DENOM of `plink2 --score`): two per variant, one for a haploid genotype
    /// whose allele counts once.
    pub denominator: u32,
    /// Number of variants at which the genotype is missing.
    pub n_missing: u32,
}

impl Totals {
    /// Zero for every sample.
    #[must_use]
    pub fn new(n_samples: usize) -> Self {
        let zeros = vec![0; n_samples];
        Self {
            sums: vec![0.0; n_samples],
            alleles: zeros.clone(),
            n_missing: zeros,
            common_sum: 0.0,
            common_alleles: 0,
        }
    }

    /// Adds a variant that contributes the same value to every sample.
    pub fn add_to_all(&mut self, value: f64) {
        self.common_sum += value;
        self.common_alleles += 2;
    }

    /// The scores in the order of the samples.
    pub fn samples(&self) -> impl Iterator<Item = Total> + '_ {
        self.sums
            .iter()
            .zip(&self.alleles)
            .zip(&self.n_missing)
            .map(|((&sum, &alleles), &n_missing)| Total {
                sum: sum + self.common_sum,
                denominator: alleles + self.common_alleles,
                n_missing,
            })
    }
}

/// Number of haplotypes of a genotype, and the number of copies that each allele counts.
#[derive(Clone, Copy)]
struct Ploidy {
    /// 1 or 2.
    haplotypes: u8,
    copies_per_allele: u8,
}

/// Contribution of one sample's genotype to its score.
#[derive(Clone, Copy)]
struct Contribution {
    value: f64,
    n_alleles: u32,
    n_missing: u32,
}

impl Genotypes {
    /// Genotypes of `n_samples` samples, homozygous reference except those of `not_reference`. One
    /// allele of a haploid genotype counts `haploid_copies`.
    #[must_use]
    pub fn new(
        n_samples: usize,
        not_reference: impl Iterator<Item = (usize, Genotype)> + Clone,
        haploid_copies: u8,
    ) -> Self {
        let mut codes = vec![0; n_samples];
        let mut is_plain = true;
        let mut is_packed = true;
        for (sample, genotype) in not_reference.clone() {
            is_plain &= genotype.alleles[0] >= 0 && genotype.alleles[1] >= 0;
            match pack(genotype) {
                Some(code) => codes[sample] = code,
                None => is_packed = false,
            }
        }
        let calls = if is_packed {
            Calls::Packed(codes)
        } else {
            let mut genotypes = vec![unpack(0); n_samples];
            not_reference.for_each(|(sample, genotype)| genotypes[sample] = genotype);
            Calls::Wide(genotypes)
        };
        Self {
            calls,
            dosages: Vec::new(),
            n_alts: 0,
            haploid_copies,
            is_plain,
        }
    }

    /// Genotypes of no samples, for sites of which only the alleles matter.
    #[must_use]
    pub fn none() -> Self {
        Self {
            calls: Calls::Packed(Vec::new()),
            dosages: Vec::new(),
            n_alts: 0,
            haploid_copies: 1,
            is_plain: true,
        }
    }

    /// Uses dosages instead of the calls. `dosages` has shape (samples, `n_alts`), row-major. The
    /// call is used if a dosage is NaN.
    #[must_use]
    pub fn with_dosages(self, dosages: Vec<f32>, n_alts: usize) -> Self {
        Self {
            dosages,
            n_alts,
            is_plain: false,
            ..self
        }
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.calls {
            Calls::Packed(codes) => codes.len(),
            Calls::Wide(genotypes) => genotypes.len(),
        }
    }

    /// Whether every sample is called and diploid, so that no frequency is needed.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Size in memory, in bytes.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let calls = match &self.calls {
            Calls::Packed(codes) => codes.len(),
            Calls::Wide(genotypes) => size_of_val(genotypes.as_slice()),
        };
        calls + size_of_val(self.dosages.as_slice())
    }

    /// The call of one sample.
    #[must_use]
    pub fn call(&self, sample: usize) -> Genotype {
        match &self.calls {
            Calls::Packed(codes) => unpack(codes[sample]),
            Calls::Wide(genotypes) => genotypes[sample],
        }
    }

    #[inline]
    fn ploidy(&self, call: Genotype) -> Ploidy {
        if call.is_haploid() {
            Ploidy {
                haplotypes: 1,
                copies_per_allele: self.haploid_copies,
            }
        } else {
            Ploidy {
                haplotypes: 2,
                copies_per_allele: 1,
            }
        }
    }

    /// Number of haplotypes of one sample that carry an allele, a fraction if the genotype is
    /// imputed; `None` if it is missing.
    fn carried(&self, allele: i16, call: Genotype, sample: usize) -> Option<f64> {
        let dosages = self
            .dosages
            .get(self.n_alts * sample..self.n_alts * (sample + 1))
            .unwrap_or_default();
        if dosages.is_empty() || dosages.iter().any(|dosage| dosage.is_nan()) {
            return call.dosage(allele).map(f64::from);
        }
        let haplotypes = f64::from(self.ploidy(call).haplotypes);
        Some(match usize::try_from(allele - 1) {
            Ok(alt) => f64::from(dosages[alt]),
            // REF is on the haplotypes without an ALT allele.
            Err(_) => (haplotypes - dosages.iter().copied().map(f64::from).sum::<f64>()).max(0.0),
        })
    }

    /// Copies of an allele in one sample, 0 to 2. For a missing genotype the expected number:
    /// `frequency` times the largest possible number of copies.
    #[must_use]
    pub fn dosage(&self, allele: i16, frequency: f64, sample: usize) -> f64 {
        let call = self.call(sample);
        let ploidy = self.ploidy(call);
        let carried = self
            .carried(allele, call, sample)
            .unwrap_or(frequency * f64::from(ploidy.haplotypes));
        f64::from(ploidy.copies_per_allele) * carried
    }

    /// Counts an allele over `samples`.
    #[must_use]
    pub fn tally(&self, allele: i16, samples: &[usize]) -> Tally {
        let mut tally = Tally::default();
        match &self.calls {
            // Count the codes first: there are far fewer of them than samples.
            Calls::Packed(codes) if self.dosages.is_empty() => {
                let mut counts = [0_u64; N_CODES];
                for &sample in samples {
                    counts[usize::from(codes[sample]) % N_CODES] += 1;
                }
                for (code, n) in (0..).zip(counts).filter(|(_, n)| *n > 0) {
                    let call = unpack(code);
                    let carried = call.dosage(allele).map(f64::from);
                    tally.add(carried, self.ploidy(call).haplotypes, n);
                }
            }
            _ => {
                for &sample in samples {
                    let call = self.call(sample);
                    let carried = self.carried(allele, call, sample);
                    tally.add(carried, self.ploidy(call).haplotypes, 1);
                }
            }
        }
        tally
    }

    /// Adds the effect of an allele to the score of every sample. A missing genotype adds the value
    /// expected at `frequency`. Without one it adds nothing, and its alleles are not counted.
    pub fn add(&self, allele: i16, effect: &Effect, frequency: Option<f64>, totals: &mut Totals) {
        match &self.calls {
            Calls::Packed(codes) if self.dosages.is_empty() => {
                self.add_packed(codes, allele, effect, frequency, totals);
            }
            _ => {
                for sample in 0..self.len() {
                    let call = self.call(sample);
                    let carried = self.carried(allele, call, sample);
                    let added = self.contribution(call, carried, effect, frequency);
                    totals.sums[sample] += added.value;
                    totals.alleles[sample] += added.n_alleles;
                    totals.n_missing[sample] += added.n_missing;
                }
            }
        }
    }

    /// Adds the effect for packed genotypes: once for each code, then by table for each sample.
    fn add_packed(
        &self,
        codes: &[u8],
        allele: i16,
        effect: &Effect,
        frequency: Option<f64>,
        totals: &mut Totals,
    ) {
        let mut values = [0.0; N_CODES];
        let mut counts = [(0, 0); N_CODES];
        for (code, (value, count)) in (0..).zip(values.iter_mut().zip(&mut counts)) {
            let call = unpack(code);
            let carried = call.dosage(allele).map(f64::from);
            let added = self.contribution(call, carried, effect, frequency);
            *value = added.value;
            *count = (added.n_alleles, added.n_missing);
        }
        // `% N_CODES` lets the compiler drop the bounds check.
        totals
            .sums
            .iter_mut()
            .zip(codes)
            .for_each(|(sum, &code)| *sum += values[usize::from(code) % N_CODES]);
        if self.is_plain {
            totals.common_alleles += 2;
            return;
        }
        for (&code, (alleles, missing)) in codes
            .iter()
            .zip(totals.alleles.iter_mut().zip(&mut totals.n_missing))
        {
            let (n_alleles, n_missing) = counts[usize::from(code) % N_CODES];
            *alleles += n_alleles;
            *missing += n_missing;
        }
    }

    /// Contribution of a sample with `carried` haplotypes of the allele; `None` is missing.
    #[inline]
    fn contribution(
        &self,
        call: Genotype,
        carried: Option<f64>,
        effect: &Effect,
        frequency: Option<f64>,
    ) -> Contribution {
        let Ploidy {
            haplotypes,
            copies_per_allele,
        } = self.ploidy(call);
        let value = match (carried, frequency) {
            (Some(carried), _) => effect.at(carried * f64::from(copies_per_allele)),
            (None, Some(frequency)) => effect.expected(frequency, haplotypes, copies_per_allele),
            (None, None) => 0.0,
        };
        let is_counted = carried.is_some() || frequency.is_some();
        Contribution {
            value,
            n_alleles: u32::from(haplotypes * copies_per_allele) * u32::from(is_counted),
            n_missing: u32::from(carried.is_none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packed_calls_are_those_that_went_in(
            mut calls in prop::collection::vec(any_call(), 1..40),
            wide in 0_i16..9,
        ) {
            calls[0].alleles[0] = wide;
            let genotypes: Genotypes = calls.iter().copied().collect();
            prop_assert_eq!(matches!(genotypes.calls, Calls::Packed(_)), wide < 6);
            for (sample, call) in calls.iter().enumerate() {
                let unpacked = genotypes.call(sample);
                prop_assert_eq!(unpacked.alleles, call.alleles);
                prop_assert!(unpacked.phased == call.phased || call.alleles == [0, 0]);
            }
        }

        /// Sums by code equal sums sample by sample over the same calls as dosages.
        #[test]
        fn scores_of_codes_are_scores_of_people(
            calls in prop::collection::vec(any_call(), 1..40),
            allele in 0_i16..=2,
            f in 0.0..1.0_f64,
            copies in 1_u8..=2,
        ) {
            let packed = Genotypes::new(calls.len(), calls.iter().copied().enumerate(), copies);
            let dosages = calls
                .iter()
                .flat_map(|call| [1, 2].map(|alt| call.dosage(alt).map_or(f32::NAN, f32::from)))
                .collect();
            let imputed = packed.clone().with_dosages(dosages, 2);
            let samples: Vec<usize> = (0..calls.len()).collect();
            prop_assert_eq!(packed.tally(allele, &samples), imputed.tally(allele, &samples));
            for (effect, frequency) in [
                (Effect::Additive(1.5), Some(f)),
                (Effect::Recessive(2.0), Some(f)),
                (Effect::Additive(1.0), None),
            ] {
                let packed_totals = totals(&packed, allele, &effect, frequency);
                let imputed_totals = totals(&imputed, allele, &effect, frequency);
                prop_assert_eq!(&packed_totals, &imputed_totals);
                if let (Effect::Additive(weight), Some(f)) = (effect, frequency) {
                    for (sample, total) in packed_totals.iter().enumerate() {
                        let expected = weight * packed.dosage(allele, f, sample);
                        prop_assert!((total.sum - expected).abs() < 1e-12);
                    }
                }
            }
        }
    }

    fn any_call() -> impl Strategy<Value = Genotype> {
        (
            -1_i16..=2,
            prop_oneof![9 => -1_i16..=2, 1 => Just(ABSENT)],
            any::<bool>(),
        )
            .prop_map(|(a, b, phased)| Genotype {
                alleles: [a, b],
                phased,
            })
    }

    /// Scores of one variant.
    fn totals(
        genotypes: &Genotypes,
        allele: i16,
        effect: &Effect,
        frequency: Option<f64>,
    ) -> Vec<Total> {
        let mut totals = Totals::new(genotypes.len());
        genotypes.add(allele, effect, frequency, &mut totals);
        totals.samples().collect()
    }
}
