//! Variants that are common among the training people: files of new people that lack them are
//! another kind of file.
//!
//! Input -> output: a dictionary and who of it learns -> the common edits of each locus, kept with
//! a model; a dictionary of new people -> how many of these they carry, and how many would be
//! expected ([`Carried`]). An allele of frequency `f` is carried by nobody in `n` haplotypes with
//! probability `(1 - f)^n`. Coordinates: 0-based, half-open, as of [`Edit`].

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{ABSENT_HAPLOTYPE, Edit, LocusHaplotypes};
use gf_cohort_schema::counted;

/// Least frequency of a common variant, in percent.
const LEAST_PERCENT: u32 = 5;
/// People from whom on it is no accident of theirs that common variants are missing.
const ENOUGH_PEOPLE: usize = 50;
/// Expected variants from which on a share of them says something.
const ENOUGH_VARIANTS: f64 = 5.0;

/// A common edit of the training people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonEdit {
    /// First replaced base.
    pub start0: usize,
    /// One past the last.
    pub end0: usize,
    /// What stands there instead.
    pub alt: String,
    /// Share of the training haplotypes that have it, in whole percent: no count of single people
    /// can be told from it.
    pub frequency_percent: u32,
}

impl CommonEdit {
    /// The common edits of a locus among `people`, which at least `min_people` of them carry.
    #[must_use]
    pub fn find(locus: &LocusHaplotypes, people: &[usize], min_people: usize) -> Vec<Self> {
        let mut carriers: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
        let mut n_haplotypes = 0_usize;
        for &person in people {
            let mut of_person: BTreeMap<u32, usize> = BTreeMap::new();
            for haplotype in locus.pairs[person]
                .into_iter()
                .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE)
            {
                n_haplotypes += 1;
                locus.haplotypes[haplotype as usize]
                    .iter()
                    .for_each(|&edit| *of_person.entry(edit).or_default() += 1);
            }
            for (edit, copies) in of_person {
                let (n_people, n_copies) = carriers.entry(edit).or_default();
                *n_people += 1;
                *n_copies += copies;
            }
        }
        let common = |(edit, (n_people, n_copies)): (u32, (usize, usize))| {
            let frequency_percent =
                (100.0 * n_copies as f64 / n_haplotypes.max(1) as f64).round() as u32;
            let Edit { start0, end0, alt } = &locus.edits[edit as usize];
            let is_allele = !alt.contains(&b'N');
            (is_allele && n_people >= min_people && frequency_percent >= LEAST_PERCENT).then(|| {
                Self {
                    start0: *start0,
                    end0: *end0,
                    alt: String::from_utf8_lossy(alt).into_owned(),
                    frequency_percent,
                }
            })
        };
        carriers.into_iter().filter_map(common).collect()
    }
}

/// How many common variants of the training people other people carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Common variants.
    pub n_common: usize,
    /// Of these, carried by somebody.
    pub n_carried: usize,
    /// To be expected in so many people of the same frequencies.
    pub n_expected: f64,
    /// People.
    pub n_people: usize,
}

impl Carried {
    /// Counts those of a locus.
    pub fn add(&mut self, common: &[CommonEdit], locus: &LocusHaplotypes) {
        let key = |start0: usize, end0: usize| (start0, end0);
        let carried: HashSet<((usize, usize), &[u8])> = locus
            .edits
            .iter()
            .map(|edit| (key(edit.start0, edit.end0), edit.alt.as_slice()))
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
            self.n_carried +=
                usize::from(carried.contains(&(key(edit.start0, edit.end0), edit.alt.as_bytes())));
            self.n_expected += 1.0 - (1.0 - frequency).powf(n_haplotypes as f64);
        }
        self.n_people = locus.pairs.len();
    }

    /// Says that few people carry far fewer variants than expected, which [`Self::overlap`] does not
    /// tell of so few.
    #[must_use]
    pub fn warning(&self, min_overlap: f64) -> Option<String> {
        let is_far_below = (self.n_carried as f64) < min_overlap * self.n_expected;
        let can_tell = self.n_expected >= ENOUGH_VARIANTS;
        (self.n_people < ENOUGH_PEOPLE && can_tell && is_far_below).then(|| {
            format!(
                "{self}; are records of these samples missing from the files? The others are read \
                 as the reference"
            )
        })
    }

    /// Share of the expected variants that are there; `None` where there are too few people or
    /// variants to tell.
    #[must_use]
    pub fn overlap(&self) -> Option<f64> {
        (self.n_people >= ENOUGH_PEOPLE && self.n_expected >= ENOUGH_VARIANTS)
            .then(|| self.n_carried as f64 / self.n_expected)
    }
}

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of {} (5 % and more) of the training people {} carried by somebody here; about \
             {:.0} would be expected",
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
                start0: 0,
                end0: 8,
                strand: Strand::Forward,
            },
            contig_len_nt: None,
            masks: Masks::default(),
            encoding: Encoding::Haplotype,
            reference: b"ACGTACGT".to_vec(),
            edits: (0..n_edits)
                .map(|edit| Edit {
                    start0: edit,
                    end0: edit + 1,
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
        assert_eq!(common.len(), 1, "one person alone carries edit 1");
        assert_eq!(
            (common[0].start0, common[0].frequency_percent),
            (training.edits[0].start0, 43)
        );
        assert_eq!(
            CommonEdit::find(&training, &[0, 1, 2, 3], 1)[1].frequency_percent,
            14
        );

        let mut others = locus(&[&[]], 0);
        others.pairs = vec![[0, 0]; 60];
        let mut carried = Carried::default();
        carried.add(&vec![common[0].clone(); 6], &others);
        assert_eq!(
            (carried.n_common, carried.n_carried, carried.overlap()),
            (6, 0, Some(0.0))
        );
        assert!((carried.n_expected - 6.0).abs() < 1e-9);
        others.pairs.truncate(49);
        let mut few = Carried::default();
        few.add(&vec![common[0].clone(); 6], &others);
        assert_eq!(few.overlap(), None);
    }
}
