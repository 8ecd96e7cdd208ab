//! Each distinct haplotype of a locus once, and which two each person has.

use serde::{Deserialize, Serialize};

use super::{
    haplotype::{Edit, splice},
    mask::Masks,
    policies::Encoding,
    strand::reverse_complement,
};
use crate::ingest::{Locus, Strand};

/// In place of a haplotype number: the person has no such haplotype (haploid call, or diploid encoding).
pub const ABSENT_HAPLOTYPE: u32 = u32::MAX;

/// The distinct haplotypes of one locus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocusHaplotypes {
    /// Where.
    pub locus: Locus,
    /// Length of its contig, where a VCF header or a FASTA with the whole contig says so; it tells builds apart.
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
    /// The two haplotypes of each person, as numbers into `haplotypes`; the second is [`ABSENT_HAPLOTYPE`] for haploid people.
    #[serde(skip)]
    pub pairs: Vec<[u32; 2]>,
}

impl LocusHaplotypes {
    /// Bases of one distinct haplotype, 5' to 3' on the strand of the locus.
    #[must_use]
    pub fn bases(&self, haplotype: u32) -> Vec<u8> {
        let edits = self.haplotypes[haplotype as usize].iter().map(|&edit| &self.edits[edit as usize]);
        self.oriented(splice(&self.reference, self.locus.start0, edits))
    }

    /// The edits of a haplotype with one edit put in (`present`) or taken out, all else as it is; `None` where it overlaps another edit.
    #[must_use]
    pub fn switched(&self, haplotype: &[u32], edit: u32, present: bool) -> Option<Vec<u32>> {
        let mut edits = haplotype.to_vec();
        match (edits.binary_search(&edit), present) {
            (Ok(place), false) => _ = edits.remove(place),
            (Err(place), true) => {
                let (new, of) = (&self.edits[edit as usize], |number: &u32| &self.edits[*number as usize]);
                let before = edits[..place].last().is_some_and(|last| of(last).excludes(new));
                if before || edits[place..].first().is_some_and(|next| new.excludes(of(next))) {
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
            return Err(D::Error::custom(format!("`{}` is not one of ACGTN", char::from(bad))));
        }
        Ok(text.into_bytes())
    }
}
