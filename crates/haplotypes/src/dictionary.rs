//! Each distinct haplotype of a locus once, and which two each person has.

use serde::{Deserialize, Serialize};

use super::{
    haplotype::{Edit, splice},
    mask::Masks,
    policies::Encoding,
    strand::reverse_complement,
};
use gf_genotypes::{Locus, Strand};

/// In place of a haplotype number: the person has no such haplotype (haploid call, or diploid
/// encoding).
pub const ABSENT_HAPLOTYPE: u32 = u32::MAX;

/// The distinct haplotypes of one locus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocusHaplotypes {
    /// Where.
    pub locus: Locus,
    /// Length of its contig, where a VCF header or a FASTA with the whole contig says so; it tells
    /// builds apart.
    pub contig_len_nt: Option<usize>,
    /// What was masked.
    pub masks: Masks,
    /// What the letters are.
    pub encoding: Encoding,
    /// Reference bases of the locus, forward strand, ACGTN.
    #[serde(with = "as_text")]
    pub reference: Vec<u8>,
    /// Every edit that some haplotype carries, ascending by place.
    pub edits: Vec<Edit>,
    /// Distinct haplotypes as ascending numbers into `edits`.
    pub haplotypes: Vec<Vec<u32>>,
    /// The two haplotypes of each person, as numbers into `haplotypes`; the second is
    /// [`ABSENT_HAPLOTYPE`] for haploid people.
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

    /// The edits of a haplotype with one edit put in (`present`) or taken out, all else as it is;
    /// `None` where it overlaps another edit.
    #[must_use]
    pub fn switched(&self, haplotype: &[u32], edit: u32, present: bool) -> Option<Vec<u32>> {
        let mut edits = haplotype.to_vec();
        match (edits.binary_search(&edit), present) {
            (Ok(place), false) => _ = edits.remove(place),
            (Err(place), true) => {
                let new = &self.edits[edit as usize];
                let of = |number: &u32| &self.edits[*number as usize];
                let before = edits[..place]
                    .last()
                    .is_some_and(|last| of(last).excludes(new));
                if before
                    || edits[place..]
                        .first()
                        .is_some_and(|next| new.excludes(of(next)))
                {
                    return None;
                }
                edits.insert(place, edit);
            }
            _ => {}
        }
        Some(edits)
    }

    /// Forward-strand letters as the strand of the locus reads them.
    #[must_use]
    pub fn oriented(&self, forward: Vec<u8>) -> Vec<u8> {
        match self.locus.strand {
            Strand::Forward => forward,
            Strand::Reverse => reverse_complement(&forward, self.encoding),
        }
    }
}

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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_allele_switched_and_switched_back_leaves_the_haplotype(
            places in proptest::collection::btree_set((0usize..20, 0usize..4, "[ACGT]{0,3}"), 1..8), carried in any::<u8>(), which in 0usize..8,
        ) {
            let edits: Vec<Edit> = places
                .into_iter()
                .map(|(start0, len, alt)| Edit { start0: 100 + start0, end0: 100 + start0 + len, alt: alt.into_bytes() })
                .filter(|edit| !edit.is_nothing())
                .collect();
            prop_assume!(!edits.is_empty());
            let mut locus = LocusHaplotypes {
                locus: Locus { name: "L".into(), contig: "1".into(), start0: 100, end0: 124, strand: Strand::Forward },
                contig_len_nt: None,
                masks: Masks::default(),
                encoding: Encoding::Haplotype,
                reference: b"ACGTACGTACGTACGTACGTACGT".to_vec(),
                edits,
                haplotypes: Vec::new(),
                pairs: Vec::new(),
            };
            // Carries what fits of some edits.
            let numbers = 0..locus.edits.len() as u32;
            let haplotype = numbers.clone().filter(|number| carried >> number & 1 == 1).fold(Vec::new(), |haplotype, edit| {
                locus.switched(&haplotype, edit, true).unwrap_or(haplotype)
            });
            let edit = (which % locus.edits.len()) as u32;
            let has = haplotype.contains(&edit);
            prop_assert_eq!(locus.switched(&haplotype, edit, has), Some(haplotype.clone()));
            match locus.switched(&haplotype, edit, !has) {
                None => prop_assert!(!has, "what is there can be taken out"),
                Some(switched) => {
                    prop_assert!(switched.contains(&edit) != has && switched.is_sorted());
                    prop_assert_eq!(locus.switched(&switched, edit, has), Some(haplotype));
                    let of = |number: u32| &locus.edits[number as usize];
                    prop_assert!(switched.windows(2).all(|pair| !of(pair[0]).excludes(of(pair[1]))));
                    let change = |number: u32| of(number).alt.len() as i64 - (of(number).end0 - of(number).start0) as i64;
                    let expected = 24 + switched.iter().map(|&number| change(number)).sum::<i64>();
                    locus.haplotypes = vec![switched];
                    prop_assert_eq!(locus.bases(0).len() as i64, expected);
                }
            }
        }
    }
}
