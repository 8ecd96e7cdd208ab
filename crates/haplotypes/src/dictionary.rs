//! The distinct haplotypes of a locus, and the two that each sample has.

use serde::{Deserialize, Serialize};

use super::{
    haplotype::{Edit, splice},
    mask::Masks,
    policies::Encoding,
    strand::reverse_complement,
};
use gf_genotypes::{Locus, Strand};

/// Placeholder for a haplotype that a sample does not have (haploid call, or diploid encoding).
pub const ABSENT_HAPLOTYPE: u32 = u32::MAX;

/// The distinct haplotypes of one locus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocusHaplotypes {
    /// Name, interval and strand.
    pub locus: Locus,
    /// Length of the contig if a VCF header states it or the FASTA has the whole contig. It
    /// distinguishes genome builds.
    pub contig_len_nt: Option<usize>,
    /// Intervals that are read as N.
    pub masks: Masks,
    /// Whether the letters are bases or genotype symbols.
    pub encoding: Encoding,
    /// Reference bases of the locus, forward strand, ACGTN.
    #[serde(with = "as_text")]
    pub reference: Vec<u8>,
    /// Every edit that a haplotype carries, ascending by position.
    pub edits: Vec<Edit>,
    /// Distinct haplotypes as ascending indices into `edits`.
    pub haplotypes: Vec<Vec<u32>>,
    /// The two haplotypes of each sample, as indices into `haplotypes`. The second one is
    /// [`ABSENT_HAPLOTYPE`] for a haploid sample.
    #[serde(skip)]
    pub pairs: Vec<[u32; 2]>,
}

impl LocusHaplotypes {
    /// Bases of one distinct haplotype, 5' to 3' on the strand of the locus.
    #[must_use]
    pub fn bases(&self, haplotype: u32) -> Vec<u8> {
        let edits = self.haplotypes[haplotype as usize]
            .iter()
            .map(|&edit| &self.edits[edit as usize]);
        self.oriented(splice(&self.reference, self.locus.start0, edits))
    }

    /// A haplotype with one edit inserted (`present`) or removed; all other edits stay.
    ///
    /// `None` if the inserted edit overlaps another one.
    #[must_use]
    pub fn switched(&self, haplotype: &[u32], edit: u32, present: bool) -> Option<Vec<u32>> {
        let mut edits = haplotype.to_vec();
        match (edits.binary_search(&edit), present) {
            (Ok(index), false) => _ = edits.remove(index),
            (Err(index), true) => {
                let inserted = &self.edits[edit as usize];
                let previous = edits[..index].last();
                let next = edits.get(index);
                let overlaps_previous = previous
                    .is_some_and(|&previous| self.edits[previous as usize].excludes(inserted));
                let overlaps_next =
                    next.is_some_and(|&next| inserted.excludes(&self.edits[next as usize]));
                if overlaps_previous || overlaps_next {
                    return None;
                }
                edits.insert(index, edit);
            }
            _ => {}
        }
        Some(edits)
    }

    /// Letters of the forward strand, turned to the strand of the locus.
    #[must_use]
    pub fn oriented(&self, forward: Vec<u8>) -> Vec<u8> {
        match self.locus.strand {
            Strand::Forward => forward,
            Strand::Reverse => reverse_complement(&forward, self.encoding),
        }
    }
}

/// Serializes bases as a string instead of a list of numbers.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bases: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bases))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(bad) = text.bytes().find(|base| !b"ACGTN".contains(base)) {
            return Err(D::Error::custom(format!(
                "`{}` is not one of ACGTN",
                char::from(bad)
            )));
        }
        Ok(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use gf_genotypes::Position0;
    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn an_allele_switched_and_switched_back_leaves_the_haplotype(
            drawn_edits in btree_set((0usize..20, 0usize..4, "[ACGT]{0,3}"), 1..8),
            carried in any::<u8>(),
            which in 0usize..8,
        ) {
            let edits: Vec<Edit> = drawn_edits
                .into_iter()
                .map(|(start0, len, alt)| Edit {
                    start0: Position0::new(100 + start0),
                    end0: Position0::new(100 + start0 + len),
                    alt: alt.into_bytes(),
                })
                .filter(|edit| !edit.is_nothing())
                .collect();
            prop_assume!(!edits.is_empty());
            let mut locus = LocusHaplotypes {
                locus: Locus {
                    name: "L".into(),
                    contig: "1".into(),
                    start0: Position0::new(100),
                    end0: Position0::new(124),
                    strand: Strand::Forward,
                },
                contig_len_nt: None,
                masks: Masks::default(),
                encoding: Encoding::Haplotype,
                reference: b"ACGTACGTACGTACGTACGTACGT".to_vec(),
                edits,
                haplotypes: Vec::new(),
                pairs: Vec::new(),
            };
            // The haplotype carries each drawn edit that does not overlap an earlier one.
            let haplotype = (0..locus.edits.len() as u32)
                .filter(|number| carried >> number & 1 == 1)
                .fold(Vec::new(), |haplotype, edit| {
                    locus.switched(&haplotype, edit, true).unwrap_or(haplotype)
                });
            let edit = (which % locus.edits.len()) as u32;
            let has = haplotype.contains(&edit);
            prop_assert_eq!(locus.switched(&haplotype, edit, has), Some(haplotype.clone()));
            match locus.switched(&haplotype, edit, !has) {
                None => prop_assert!(!has, "a present edit can be removed"),
                Some(switched) => {
                    prop_assert!(switched.contains(&edit) != has && switched.is_sorted());
                    prop_assert_eq!(locus.switched(&switched, edit, has), Some(haplotype));
                    let edits: Vec<&Edit> = switched
                        .iter()
                        .map(|&number| &locus.edits[number as usize])
                        .collect();
                    prop_assert!(edits.windows(2).all(|pair| !pair[0].excludes(pair[1])));
                    let expected_len = 24 + edits.into_iter().map(length_change).sum::<i64>();
                    locus.haplotypes = vec![switched];
                    prop_assert_eq!(locus.bases(0).len() as i64, expected_len);
                }
            }
        }
    }

    /// Number of bases that an edit adds minus the number that it replaces.
    fn length_change(edit: &Edit) -> i64 {
        edit.alt.len() as i64 - (edit.end0 - edit.start0) as i64
    }
}
