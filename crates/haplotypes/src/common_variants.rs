//! Common variants of the training samples, to detect files of new samples that lack them.
//!
//! New samples without the common variants point to another calling pipeline, another build, or a
//! file of variant sites only.
//!
//! Input -> output:
//! - a dictionary and its training samples -> the common edits of each locus, stored with a model;
//! - a dictionary of new samples -> how many of these edits they carry, and the expected number
//!   ([`Carried`]).
//!
//! No one among `n` haplotypes carries an allele of frequency `f` with probability `(1 - f)^n`, so
//! the expected number of carried variants is the sum of `1 - (1 - f)^n`. Coordinates: 0-based,
//! half-open, as in [`Edit`].

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{ABSENT_HAPLOTYPE, Edit, LocusHaplotypes};
use gf_cohort_schema::counted;
use gf_genotypes::Position0;

/// Least frequency of a common variant, in percent.
const LEAST_PERCENT: u32 = 5;
/// Least number of samples in which missing common variants are not due to chance.
const ENOUGH_SAMPLES: usize = 50;
/// Least expected number of carried variants for a fraction of it to be informative.
const ENOUGH_VARIANTS: f64 = 5.0;

/// A common edit of the training samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonEdit {
    /// First replaced base.
    pub start0: Position0,
    /// One past the last replaced base.
    pub end0: Position0,
    /// New bases.
    pub alt: String,
    /// Frequency among the training haplotypes, in whole percent: rounded, so that it reveals no
    /// count of single individuals.
    pub frequency_percent: u32,
}

/// Carriers of one edit.
#[derive(Clone, Copy, Default)]
struct CarrierCounts {
    n_samples: usize,
    n_copies: usize,
}

impl CommonEdit {
    /// The common edits of a locus among `samples`, each carried by at least `min_samples` of them.
    #[must_use]
    pub fn find(locus: &LocusHaplotypes, samples: &[usize], min_samples: usize) -> Vec<Self> {
        let mut carriers: BTreeMap<u32, CarrierCounts> = BTreeMap::new();
        let mut n_haplotypes = 0_usize;
        for &sample in samples {
            let mut copies_of_edit: BTreeMap<u32, usize> = BTreeMap::new();
            for haplotype in locus.pairs[sample]
                .into_iter()
                .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE)
            {
                n_haplotypes += 1;
                for &edit in &locus.haplotypes[haplotype as usize] {
                    *copies_of_edit.entry(edit).or_default() += 1;
                }
            }
            for (edit, n_copies) in copies_of_edit {
                let counts = carriers.entry(edit).or_default();
                counts.n_samples += 1;
                counts.n_copies += n_copies;
            }
        }
        carriers
            .into_iter()
            .filter(|(_, counts)| counts.n_samples >= min_samples)
            .filter_map(|(edit, counts)| {
                Self::if_common(&locus.edits[edit as usize], counts.n_copies, n_haplotypes)
            })
            .collect()
    }

    /// `edit` if it is common. N is never an allele.
    fn if_common(edit: &Edit, n_copies: usize, n_haplotypes: usize) -> Option<Self> {
        let frequency_percent =
            (100.0 * n_copies as f64 / n_haplotypes.max(1) as f64).round() as u32;
        let is_allele = !edit.alt.contains(&b'N');
        (is_allele && frequency_percent >= LEAST_PERCENT).then(|| Self {
            start0: edit.start0,
            end0: edit.end0,
            alt: String::from_utf8_lossy(&edit.alt).into_owned(),
            frequency_percent,
        })
    }
}

/// Observed and expected numbers of common training variants among new samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Common variants.
    pub n_common: usize,
    /// Common variants that at least one sample carries.
    pub n_carried: usize,
    /// Expected number of carried variants in as many samples of the same population.
    pub n_expected: f64,
    /// Samples.
    pub n_people: usize,
}

impl Carried {
    /// Adds the counts of one locus.
    pub fn add(&mut self, common: &[CommonEdit], locus: &LocusHaplotypes) {
        let carried: HashSet<(Position0, Position0, &[u8])> = locus
            .edits
            .iter()
            .map(|edit| (edit.start0, edit.end0, edit.alt.as_slice()))
            .collect();
        let n_haplotypes = locus
            .pairs
            .iter()
            .flatten()
            .filter(|&&haplotype| haplotype != ABSENT_HAPLOTYPE)
            .count();
        for edit in common {
            let frequency = f64::from(edit.frequency_percent.min(100)) / 100.0;
            self.n_common += 1;
            let key = (edit.start0, edit.end0, edit.alt.as_bytes());
            self.n_carried += usize::from(carried.contains(&key));
            self.n_expected += 1.0 - (1.0 - frequency).powf(n_haplotypes as f64);
        }
        self.n_people = locus.pairs.len();
    }

    /// Warns that a few samples carry far fewer variants than expected. [`Self::overlap`] gives no
    /// value for so few samples.
    #[must_use]
    pub fn warning(&self, min_overlap: f64) -> Option<String> {
        let is_far_below = (self.n_carried as f64) < min_overlap * self.n_expected;
        let is_informative = self.n_expected >= ENOUGH_VARIANTS;
        (self.n_people < ENOUGH_SAMPLES && is_informative && is_far_below).then(|| {
            format!(
                "{self}. Do the files lack records of these samples? Absent records are read as \
                 the reference"
            )
        })
    }

    /// Carried variants as a fraction of the expected ones; `None` if there are too few samples or
    /// variants to judge.
    #[must_use]
    pub fn overlap(&self) -> Option<f64> {
        (self.n_people >= ENOUGH_SAMPLES && self.n_expected >= ENOUGH_VARIANTS)
            .then(|| self.n_carried as f64 / self.n_expected)
    }
}

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of {} (5 % and more) of the training samples {} carried by at least one sample \
             here; about {:.0} would be expected",
            self.n_carried,
            counted(self.n_common, "common variant", "common variants"),
            if self.n_carried == 1 { "is" } else { "are" },
            self.n_expected
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Masks};
    use gf_genotypes::{Locus, Strand};

    fn locus(haplotypes: &[&[u32]], n_edits: usize) -> LocusHaplotypes {
        LocusHaplotypes {
            locus: Locus {
                name: "L".into(),
                contig: "1".into(),
                start0: Position0::new(0),
                end0: Position0::new(8),
                strand: Strand::Forward,
            },
            contig_len_nt: None,
            masks: Masks::default(),
            encoding: Encoding::Haplotype,
            reference: b"ACGTACGT".to_vec(),
            edits: (0..n_edits)
                .map(|edit| Edit {
                    start0: Position0::new(edit),
                    end0: Position0::new(edit + 1),
                    alt: vec![b"TTAA"[edit]],
                })
                .collect(),
            haplotypes: haplotypes.iter().map(|edits| edits.to_vec()).collect(),
            pairs: Vec::new(),
        }
    }

    #[test]
    fn common_variants_are_counted_by_haplotype_and_person() {
        // Haplotypes: 0 the reference, 1 has edit 0, 2 has edits 0 and 1.
        let mut training = locus(&[&[], &[0], &[0, 1]], 2);
        training.pairs = vec![[0, 1], [0, 0], [1, 2], [0, ABSENT_HAPLOTYPE]];
        let common = CommonEdit::find(&training, &[0, 1, 2, 3], 2);
        assert_eq!(common.len(), 1, "only one sample carries edit 1");
        assert_eq!(
            (common[0].start0, common[0].frequency_percent),
            (training.edits[0].start0, 43)
        );
        assert_eq!(
            CommonEdit::find(&training, &[0, 1, 2, 3], 1)[1].frequency_percent,
            14
        );

        let mut new_samples = locus(&[&[]], 0);
        new_samples.pairs = vec![[0, 0]; 60];
        let mut carried = Carried::default();
        carried.add(&vec![common[0].clone(); 6], &new_samples);
        assert_eq!(
            (carried.n_common, carried.n_carried, carried.overlap()),
            (6, 0, Some(0.0))
        );
        assert!((carried.n_expected - 6.0).abs() < 1e-9);
        new_samples.pairs.truncate(49);
        let mut carried_by_few = Carried::default();
        carried_by_few.add(&vec![common[0].clone(); 6], &new_samples);
        assert_eq!(carried_by_few.overlap(), None);
    }
}
