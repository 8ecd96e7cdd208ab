//! Genotypes of all people at one record, a byte a person, and what they add to a score.
//!
//! A byte holds two allele numbers of three bits (0..5, missing, absent) and the phase; 0 is
//! homozygous reference, phased or not. Records with more alleles are kept as they were read.
//! Dosages of imputed genotypes stand beside the calls, which say how many haplotypes there are.

use crate::scoring::effect::Effect;
use gf_genotypes::{ABSENT, Genotype, MISSING};

/// One genotype a person.
#[derive(Clone, Debug)]
pub struct Genotypes {
    calls: Calls,
    /// Copies of each ALT, person by person, NaN where missing; empty where the calls say it all.
    dosages: Vec<f32>,
    n_alts: usize,
    /// What one allele of a haploid genotype counts: 1, or 2 as in a man on X beside women.
    haploid_copies: u8,
    /// Nobody is missing or haploid.
    is_plain: bool,
}

#[derive(Clone, Debug)]
enum Calls {
    Packed(Vec<u8>),
    Wide(Vec<Genotype>),
}

/// Codes of [`Calls::Packed`].
const N_CODES: usize = 128;
const MISSING_BITS: u8 = 6;
const ABSENT_BITS: u8 = 7;

#[inline]
fn pack(genotype: Genotype) -> Option<u8> {
    let [a, b] = genotype.alleles;
    // Nearly all that are not reference: both called, few alleles.
    if (a as u16) < u16::from(MISSING_BITS) && (b as u16) < u16::from(MISSING_BITS) {
        let alleles = a as u8 | (b as u8) << 3;
        return Some(if alleles == 0 {
            0
        } else {
            alleles | u8::from(genotype.phased) << 6
        });
    }
    let bits = |allele: i16| match allele {
        MISSING => Some(MISSING_BITS),
        ABSENT => Some(ABSENT_BITS),
        _ => u8::try_from(allele)
            .ok()
            .filter(|&allele| allele < MISSING_BITS),
    };
    Some(bits(a)? | bits(b)? << 3 | u8::from(genotype.phased) << 6)
}

fn unpack(code: u8) -> Genotype {
    let allele = |bits: u8| match bits & 7 {
        MISSING_BITS => MISSING,
        ABSENT_BITS => ABSENT,
        allele => i16::from(allele),
    };
    Genotype {
        alleles: [allele(code), allele(code >> 3)],
        phased: code == 0 || code >> 6 == 1,
    }
}

/// As [`Genotypes::new`], without dosages.
impl FromIterator<Genotype> for Genotypes {
    fn from_iter<I: IntoIterator<Item = Genotype>>(genotypes: I) -> Self {
        let genotypes: Vec<Genotype> = genotypes.into_iter().collect();
        Self::new(genotypes.len(), genotypes.iter().copied().enumerate(), 1)
    }
}

/// Allele counts over some people.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Copies of the allele.
    pub copies: f64,
    /// Haplotypes that are called.
    pub haplotypes: u64,
    /// People who are called.
    pub people: usize,
}

impl Tally {
    /// Share of the called haplotypes that have the allele; `None` when none is called.
    #[must_use]
    pub fn frequency(&self) -> Option<f64> {
        (self.haplotypes > 0).then(|| self.copies / self.haplotypes as f64)
    }
}

/// A score of each person, while it is summed.
#[derive(Clone, Debug)]
pub struct Totals {
    sums: Vec<f64>,
    alleles: Vec<u32>,
    n_missing: Vec<u32>,
    /// What everyone has in addition.
    sum_of_all: f64,
    alleles_of_all: u32,
}

/// One person's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total {
    /// Sum of what the alleles add (SUM of `plink2 --score`).
    pub sum: f64,
    /// Alleles looked at (its DENOM): two a variant, one where there is one haplotype that counts
    /// once.
    pub denominator: u32,
    /// Variants at which the person's genotype is missing.
    pub n_missing: u32,
}

impl Totals {
    /// Everyone at zero.
    #[must_use]
    pub fn new(n_people: usize) -> Self {
        let zeros = vec![0; n_people];
        Self {
            sums: vec![0.0; n_people],
            alleles: zeros.clone(),
            n_missing: zeros,
            sum_of_all: 0.0,
            alleles_of_all: 0,
        }
    }

    /// A variant of which everyone has the same.
    pub fn add_to_all(&mut self, value: f64) {
        self.sum_of_all += value;
        self.alleles_of_all += 2;
    }

    /// In the order of the people.
    pub fn people(&self) -> impl Iterator<Item = Total> + '_ {
        self.sums
            .iter()
            .zip(&self.alleles)
            .zip(&self.n_missing)
            .map(|((&sum, &alleles), &n_missing)| Total {
                sum: sum + self.sum_of_all,
                denominator: alleles + self.alleles_of_all,
                n_missing,
            })
    }
}

impl Genotypes {
    /// Everyone is homozygous reference but `others`. One allele of a haploid genotype counts
    /// `haploid_copies`.
    #[must_use]
    pub fn new(
        n_people: usize,
        others: impl Iterator<Item = (usize, Genotype)> + Clone,
        haploid_copies: u8,
    ) -> Self {
        let mut codes = vec![0; n_people];
        let mut is_plain = true;
        let mut is_packed = true;
        for (person, genotype) in others.clone() {
            is_plain &= genotype.alleles[0] >= 0 && genotype.alleles[1] >= 0;
            match pack(genotype) {
                Some(code) => codes[person] = code,
                None => is_packed = false,
            }
        }
        let calls = if is_packed {
            Calls::Packed(codes)
        } else {
            let mut genotypes = vec![unpack(0); n_people];
            others.for_each(|(person, genotype)| genotypes[person] = genotype);
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

    /// Of nobody.
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

    /// Reads dosages instead of the calls: copies of each of `n_alts` ALT alleles, person by
    /// person; NaN where the call is to be used.
    #[must_use]
    pub fn with_dosages(self, dosages: Vec<f32>, n_alts: usize) -> Self {
        Self {
            dosages,
            n_alts,
            is_plain: false,
            ..self
        }
    }

    /// People.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.calls {
            Calls::Packed(codes) => codes.len(),
            Calls::Wide(genotypes) => genotypes.len(),
        }
    }

    /// Everyone is called, on two haplotypes: no frequency is needed.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Bytes in memory.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let calls = match &self.calls {
            Calls::Packed(codes) => codes.len(),
            Calls::Wide(genotypes) => size_of_val(genotypes.as_slice()),
        };
        calls + size_of_val(self.dosages.as_slice())
    }

    /// The call of one person.
    #[must_use]
    pub fn call(&self, person: usize) -> Genotype {
        match &self.calls {
            Calls::Packed(codes) => unpack(codes[person]),
            Calls::Wide(genotypes) => genotypes[person],
        }
    }

    /// Haplotypes of one person, 1 or 2, and what each allele counts.
    fn haplotypes(&self, call: Genotype) -> (u8, u8) {
        if call.is_haploid() {
            (1, self.haploid_copies)
        } else {
            (2, 1)
        }
    }

    /// Haplotypes of one person that carry an allele, a fraction where the genotype was imputed;
    /// `None` where it is missing.
    fn carried(&self, allele: i16, call: Genotype, person: usize) -> Option<f64> {
        let dosages = self
            .dosages
            .get(self.n_alts * person..self.n_alts * (person + 1))
            .unwrap_or_default();
        if dosages.is_empty() || dosages.iter().any(|dosage| dosage.is_nan()) {
            return call.dosage(allele).map(f64::from);
        }
        let haplotypes = f64::from(self.haplotypes(call).0);
        Some(match usize::try_from(allele - 1) {
            Ok(alt) => f64::from(dosages[alt]),
            Err(_) => (haplotypes - dosages.iter().copied().map(f64::from).sum::<f64>()).max(0.0),
        })
    }

    /// Copies of an allele in one person, 0..2; frequency times those there can be where the
    /// genotype is missing.
    #[must_use]
    pub fn dosage(&self, allele: i16, frequency: f64, person: usize) -> f64 {
        let call = self.call(person);
        let (haplotypes, copies) = self.haplotypes(call);
        f64::from(copies)
            * self
                .carried(allele, call, person)
                .unwrap_or(frequency * f64::from(haplotypes))
    }

    /// Counts an allele in `people`.
    #[must_use]
    pub fn tally(&self, allele: i16, people: &[usize]) -> Tally {
        let mut tally = Tally::default();
        let mut count = |genotype: Genotype, copies: Option<f64>, n: u64| {
            if let Some(copies) = copies {
                tally.copies += n as f64 * copies;
                tally.haplotypes += n * u64::from(self.haplotypes(genotype).0);
                tally.people += n as usize;
            }
        };
        match &self.calls {
            Calls::Packed(codes) if self.dosages.is_empty() => {
                let mut counts = [0_u64; N_CODES];
                for &person in people {
                    counts[usize::from(codes[person]) % N_CODES] += 1;
                }
                for (code, n) in (0..).zip(counts).filter(|(_, n)| *n > 0) {
                    let call = unpack(code);
                    count(call, call.dosage(allele).map(f64::from), n);
                }
            }
            _ => people.iter().for_each(|&person| {
                let call = self.call(person);
                count(call, self.carried(allele, call, person), 1);
            }),
        }
        tally
    }

    /// Adds the effect of an allele to everyone's score. A missing genotype adds what is expected
    /// at `frequency`; without one it adds nothing, and its alleles are not counted.
    pub fn add(&self, allele: i16, effect: &Effect, frequency: Option<f64>, totals: &mut Totals) {
        let of = |call: Genotype, carried: Option<f64>| {
            let (haplotypes, copies) = self.haplotypes(call);
            let value = match (carried, frequency) {
                (Some(carried), _) => effect.at(carried * f64::from(copies)),
                (None, Some(frequency)) => effect.expected(frequency, haplotypes, copies),
                (None, None) => 0.0,
            };
            let counts = carried.is_some() || frequency.is_some();
            (
                value,
                u32::from(haplotypes * copies) * u32::from(counts),
                u32::from(carried.is_none()),
            )
        };
        match &self.calls {
            Calls::Packed(codes) if self.dosages.is_empty() => {
                let mut values = [0.0; N_CODES];
                let mut counts = [(0, 0); N_CODES];
                for (code, (value, count)) in (0..).zip(values.iter_mut().zip(&mut counts)) {
                    let call = unpack(code);
                    let (alleles, n_missing);
                    (*value, alleles, n_missing) = of(call, call.dosage(allele).map(f64::from));
                    *count = (alleles, n_missing);
                }
                totals
                    .sums
                    .iter_mut()
                    .zip(codes)
                    .for_each(|(sum, &code)| *sum += values[usize::from(code) % N_CODES]);
                if self.is_plain {
                    totals.alleles_of_all += 2;
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
            _ => {
                for person in 0..self.len() {
                    let call = self.call(person);
                    let (value, n_alleles, n_missing) =
                        of(call, self.carried(allele, call, person));
                    totals.sums[person] += value;
                    totals.alleles[person] += n_alleles;
                    totals.n_missing[person] += n_missing;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
        #[test]
        fn packed_calls_are_those_that_went_in(calls in prop::collection::vec(any_call(), 1..40), wide in 0_i16..9) {
            let mut calls = calls;
            calls[0].alleles[0] = wide;
            let genotypes: Genotypes = calls.iter().copied().collect();
            prop_assert_eq!(matches!(genotypes.calls, Calls::Packed(_)), wide < 6);
            for (person, call) in calls.iter().enumerate() {
                let found = genotypes.call(person);
                prop_assert_eq!(found.alleles, call.alleles);
                prop_assert!(found.phased == call.phased || call.alleles == [0, 0]);
            }
        }

        /// The blocks of codes, and one person after the other with the same calls as dosages.
        #[test]
        fn scores_of_codes_are_scores_of_people(calls in prop::collection::vec(any_call(), 1..40), allele in 0_i16..=2, f in 0.0..1.0_f64, copies in 1_u8..=2) {
            let read = || Genotypes::new(calls.len(), calls.iter().copied().enumerate(), copies);
            let packed = read();
            let soft = calls.iter().flat_map(|call| [1, 2].map(|alt| call.dosage(alt).map_or(f32::NAN, f32::from)));
            let soft = read().with_dosages(soft.collect(), 2);
            let people: Vec<usize> = (0..calls.len()).collect();
            prop_assert_eq!(packed.tally(allele, &people), soft.tally(allele, &people));
            for (effect, frequency) in [(Effect::Additive(1.5), Some(f)), (Effect::Recessive(2.0), Some(f)), (Effect::Additive(1.0), None)] {
                let [a, b] = [&packed, &soft].map(|genotypes| {
                    let mut totals = Totals::new(calls.len());
                    genotypes.add(allele, &effect, frequency, &mut totals);
                    totals.people().collect::<Vec<_>>()
                });
                prop_assert_eq!(&a, &b);
                if let (Effect::Additive(weight), Some(f)) = (effect, frequency) {
                    for (person, total) in a.iter().enumerate() {
                        prop_assert!((total.sum - weight * packed.dosage(allele, f, person)).abs() < 1e-12);
                    }
                }
            }
        }
    }
}
