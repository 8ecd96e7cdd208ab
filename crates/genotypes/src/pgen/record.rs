//! The genotypes and dosages of one variant.

use super::{difflist::Difflist, main_track::Categories, selection::Selection};
use crate::{Genotype, MISSING};

/// Alleles of the four categories.
const ALLELES: [[i16; 2]; 4] = [[0, 0], [0, 1], [1, 1], [MISSING, MISSING]];
/// The order of two different alleles is unknown until the phase track states it.
const PHASED: [bool; 4] = [true, false, true, true];
/// [`ALLELES`] of the four samples of a byte.
static ALLELES_OF_BYTE: [[[i16; 2]; 4]; 256] = alleles_of_bytes();
/// [`PHASED`] of the four samples of a byte.
static PHASED_OF_BYTE: [[bool; 4]; 256] = phased_of_bytes();

/// The genotypes and dosages of one variant, for the selected samples. One record serves a whole
/// file: its buffers stay allocated.
///
/// A PGEN file does not store ploidy. A haploid call of allele 1 is stored as `1/1`, so every
/// genotype here has two alleles and none is [`ABSENT`](crate::ABSENT).
#[derive(Clone, Debug, Default)]
pub struct PgenRecord {
    alleles: Vec<[i16; 2]>,
    phased: Vec<bool>,
    /// The record states its carriers; all other samples have two REF alleles.
    is_sparse: bool,
    carriers: Vec<u32>,
    has_dosages: bool,
    dosages: Vec<f32>,
    has_haplotype_dosages: bool,
    haplotype_dosages: Vec<[f32; 2]>,
}

impl PgenRecord {
    /// An empty record, to be filled by `PgenFile::read`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.alleles.len()
    }

    /// No samples: nothing was read yet, or the last reading failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alleles.is_empty()
    }

    /// Two allele numbers for each sample: 0 is REF, 1 and more are ALT alleles, [`MISSING`] is -1.
    /// The first one is on the first haplotype if the call is phased, and the smaller one if not.
    #[must_use]
    pub fn alleles(&self) -> &[[i16; 2]] {
        &self.alleles
    }

    /// Whether the order of the two alleles is known. False only for heterozygous calls without
    /// phase; true for two equal alleles and for missing calls.
    #[must_use]
    pub fn phased(&self) -> &[bool] {
        &self.phased
    }

    /// One sample's call. Panics if the record has no such sample.
    #[must_use]
    pub fn genotype(&self, sample: usize) -> Genotype {
        Genotype {
            alleles: self.alleles[sample],
            phased: self.phased[sample],
        }
    }

    /// The samples that do not have two REF alleles (carriers and missing calls), in increasing
    /// order. `None` where the record does not list them, which is so for common variants and for
    /// variants with dosages.
    #[must_use]
    pub fn carriers(&self) -> Option<&[u32]> {
        (self.is_sparse && !self.has_dosages).then_some(self.carriers.as_slice())
    }

    /// Expected number of ALT alleles, 0 to 2, for each sample; NaN for missing. A sample without a
    /// dosage has that of its call. `None` where no sample has a dosage.
    #[must_use]
    pub fn dosages(&self) -> Option<&[f32]> {
        self.has_dosages.then_some(self.dosages.as_slice())
    }

    /// Expected number of ALT alleles, 0 to 1, on the first and second haplotype; two NaN where it
    /// is unknown. `None` where the variant has no dosages, or neither phased calls nor phased
    /// dosages.
    #[must_use]
    pub fn haplotype_dosages(&self) -> Option<&[[f32; 2]]> {
        self.has_haplotype_dosages
            .then_some(self.haplotype_dosages.as_slice())
    }

    /// No samples.
    pub(super) fn clear(&mut self) {
        self.alleles.clear();
        self.phased.clear();
        self.carriers.clear();
        self.is_sparse = false;
        self.has_dosages = false;
        self.has_haplotype_dosages = false;
    }

    /// Sets every genotype from its category, heterozygous ones without phase.
    pub(super) fn fill(&mut self, categories: Categories<'_>, selection: &Selection) {
        self.has_dosages = false;
        self.has_haplotype_dosages = false;
        match categories {
            Categories::Carriers(carriers) => self.fill_carriers(carriers, selection),
            Categories::Packed(packed) => self.fill_packed(packed, selection),
        }
    }

    fn fill_carriers(&mut self, carriers: &Difflist, selection: &Selection) {
        if self.is_sparse && self.len() == selection.len() {
            for &slot in &self.carriers {
                self.alleles[slot as usize] = ALLELES[0];
                self.phased[slot as usize] = PHASED[0];
            }
        } else {
            self.alleles.clear();
            self.alleles.resize(selection.len(), ALLELES[0]);
            self.phased.clear();
            self.phased.resize(selection.len(), PHASED[0]);
        }
        self.is_sparse = true;
        self.carriers.clear();
        for (sample, category) in carriers.iter() {
            let Some(slot) = selection.slot(sample) else {
                continue;
            };
            self.alleles[slot] = ALLELES[usize::from(category)];
            self.phased[slot] = PHASED[usize::from(category)];
            self.carriers.push(slot as u32);
        }
        if !self.carriers.is_sorted() {
            self.carriers.sort_unstable();
        }
    }

    fn fill_packed(&mut self, packed: &[u8], selection: &Selection) {
        self.is_sparse = false;
        self.alleles.clear();
        self.phased.clear();
        match selection {
            Selection::All(count) => {
                for &byte in packed {
                    self.alleles
                        .extend_from_slice(&ALLELES_OF_BYTE[usize::from(byte)]);
                    self.phased
                        .extend_from_slice(&PHASED_OF_BYTE[usize::from(byte)]);
                }
                self.alleles.truncate(*count);
                self.phased.truncate(*count);
            }
            Selection::Some { samples, .. } => {
                for &sample in samples {
                    let category = packed[sample as usize / 4] >> (sample % 4 * 2) & 0b11;
                    self.alleles.push(ALLELES[usize::from(category)]);
                    self.phased.push(PHASED[usize::from(category)]);
                }
            }
        }
    }

    /// Sets a call with an ALT allele after the first, without phase.
    pub(super) fn set_alleles(&mut self, slot: usize, alleles: [i16; 2]) {
        self.alleles[slot] = alleles;
        self.phased[slot] = alleles[0] == alleles[1];
    }

    /// Sets the phase of a heterozygous call.
    #[inline]
    pub(super) fn set_phase(&mut self, slot: usize, is_swapped: bool) {
        self.phased[slot] = true;
        // Without a branch, for half of the calls are swapped at random.
        let [first, second] = self.alleles[slot];
        let difference = (first ^ second) & -i16::from(is_swapped);
        self.alleles[slot] = [first ^ difference, second ^ difference];
    }

    /// Gives every sample the dosages of its call, phased ones if `is_phased`.
    pub(super) fn start_dosages(&mut self, is_phased: bool) {
        self.has_dosages = true;
        self.dosages.clear();
        self.dosages
            .extend(self.alleles.iter().map(|&alleles| dosage_of_call(alleles)));
        self.has_haplotype_dosages = is_phased;
        if is_phased {
            self.haplotype_dosages.clear();
            let calls = self.alleles.iter().zip(&self.phased);
            self.haplotype_dosages
                .extend(calls.map(|(&alleles, &phased)| haplotypes_of_call(alleles, phased)));
        }
    }

    /// Removes the dosage of a sample.
    pub(super) fn set_no_dosage(&mut self, slot: usize) {
        self.dosages[slot] = f32::NAN;
        if self.has_haplotype_dosages {
            self.haplotype_dosages[slot] = [f32::NAN; 2];
        }
    }

    /// Sets the dosage of a sample and its split over the haplotypes, which the call implies unless
    /// the record states it.
    pub(super) fn set_dosage(&mut self, slot: usize, dosage: f32, split: Option<[f32; 2]>) {
        self.dosages[slot] = dosage;
        if self.has_haplotype_dosages {
            let call = self.genotype(slot);
            self.haplotype_dosages[slot] = split.unwrap_or_else(|| implied_split(call, dosage));
        }
    }
}

fn dosage_of_call([first, second]: [i16; 2]) -> f32 {
    if first == MISSING {
        f32::NAN
    } else {
        f32::from(first + second)
    }
}

fn haplotypes_of_call(alleles: [i16; 2], is_phased: bool) -> [f32; 2] {
    if is_phased && alleles[0] != MISSING {
        alleles.map(f32::from)
    } else {
        [f32::NAN; 2]
    }
}

/// A phased heterozygous call implies that one haplotype has a dosage of exactly 0 or 1. Dosages of
/// exactly 0 or 2 have one split only. Any other split is unknown.
fn implied_split(call: Genotype, dosage: f32) -> [f32; 2] {
    let larger = dosage.min(1.0);
    let split = [dosage - larger, larger];
    if call.is_heterozygous() && call.phased {
        match call.alleles {
            [0, _] => split,
            _ => [larger, dosage - larger],
        }
    } else if dosage <= 0.0 || dosage >= 2.0 {
        split
    } else {
        [f32::NAN; 2]
    }
}

const fn alleles_of_bytes() -> [[[i16; 2]; 4]; 256] {
    let mut table = [[[0; 2]; 4]; 256];
    let mut index = 0;
    while index < 4 * table.len() {
        let byte = index / 4;
        let sample = index % 4;
        table[byte][sample] = ALLELES[byte >> (2 * sample) & 0b11];
        index += 1;
    }
    table
}

const fn phased_of_bytes() -> [[bool; 4]; 256] {
    let mut table = [[false; 4]; 256];
    let mut index = 0;
    while index < 4 * table.len() {
        let byte = index / 4;
        let sample = index % 4;
        table[byte][sample] = PHASED[byte >> (2 * sample) & 0b11];
        index += 1;
    }
    table
}
