//! What sequences were made from: loci, reference digests and policies. It travels with tokens and
//! models.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    Dictionary, Error, LocusHaplotypes, Masks, Policies,
    common_variants::{Carried, CommonEdit},
};
use gf_files::output;
use gf_genotypes::{Locus, contig_key};

/// What sequences were made from, and how: a model made on them is only right for others made the
/// same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Loci, in order.
    pub loci: Vec<LocusProvenance>,
    /// Policies.
    pub policies: Policies,
}

/// One locus and its reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocusProvenance {
    /// Where.
    #[serde(flatten)]
    pub locus: Locus,
    /// Length of its contig, where a file said so.
    pub contig_len_nt: Option<usize>,
    /// What was read as N.
    #[serde(default)]
    pub masks: Masks,
    /// SHA-256 of the reference bases of the locus (upper-case, forward strand).
    pub reference_sha256: String,
    /// Variants that are common among the training people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common_variants: Vec<CommonEdit>,
}

impl Provenance {
    /// Of a dictionary made under `policies`.
    #[must_use]
    pub fn from_dictionary(dictionary: &Dictionary, policies: Policies) -> Self {
        let loci = dictionary.loci.iter();
        let of_locus = |locus: &LocusHaplotypes| LocusProvenance {
            locus: locus.locus.clone(),
            contig_len_nt: locus.contig_len_nt,
            masks: locus.masks.clone(),
            reference_sha256: output::sha256(&locus.reference),
            common_variants: Vec::new(),
        };
        Self {
            loci: loci.map(of_locus).collect(),
            policies,
        }
    }

    /// With what is common among `people`, and carried by at least `min_people` of them.
    #[must_use]
    pub fn with_common_variants(
        mut self,
        dictionary: &Dictionary,
        people: &[usize],
        min_people: usize,
    ) -> Self {
        for (of_locus, locus) in self.loci.iter_mut().zip(&dictionary.loci) {
            of_locus.common_variants = CommonEdit::find(locus, people, min_people);
        }
        self
    }

    /// How many of the common variants other people carry.
    #[must_use]
    pub fn carried(&self, dictionary: &Dictionary) -> Carried {
        let mut carried = Carried::default();
        self.loci
            .iter()
            .zip(&dictionary.loci)
            .for_each(|(of_locus, locus)| carried.add(&of_locus.common_variants, locus));
        carried
    }

    /// Refuses sequences made from another reference or build.
    ///
    /// # Errors
    /// Names the first locus that differs, and how.
    pub fn require_same_genome(&self, dictionary: &Dictionary) -> Result<(), Error> {
        for (expected, found) in self
            .loci
            .iter()
            .zip(Self::from_dictionary(dictionary, self.policies.clone()).loci)
        {
            let differs = |reason: String| {
                Err(Error::OtherGenome {
                    locus: expected.locus.name.clone(),
                    reason,
                })
            };
            if let (Some(a), Some(b)) = (expected.contig_len_nt, found.contig_len_nt)
                && a != b
            {
                return differs(format!(
                    "contig `{}` has {b} nt here, {a} nt where the model was made: another build",
                    expected.locus.contig
                ));
            }
            if expected.reference_sha256 != found.reference_sha256 {
                let short = |digest: &str| digest.chars().take(12).collect::<String>();
                return differs(format!(
                    "the FASTA has other bases at {} (SHA-256 {}..., the model's reference had \
                     {}...)",
                    expected.locus.region(),
                    short(&found.reference_sha256),
                    short(&expected.reference_sha256)
                ));
            }
        }
        Ok(())
    }

    /// Takes on the loci of `other`, which was made of the same genome under the same policies.
    ///
    /// # Errors
    /// Says what differs, or which locus is in both.
    pub fn join(&mut self, other: Self) -> Result<(), String> {
        self.policies.require_same(&other.policies)?;
        let mut contigs = ContigLens::default();
        self.loci
            .iter()
            .chain(&other.loci)
            .try_for_each(|locus| contigs.add(&locus.locus, locus.contig_len_nt))?;
        let is_here = |locus: &&LocusProvenance| {
            self.loci
                .iter()
                .any(|here| here.locus.name == locus.locus.name)
        };
        if let Some(locus) = other.loci.iter().find(is_here) {
            return Err(format!(
                "locus `{}` is in a block of other loci as well",
                locus.locus.name
            ));
        }
        self.loci.extend(other.loci);
        Ok(())
    }
}

/// Lengths of contigs (nt) as loci state them, by [`contig_key`]: another one is of another build.
#[derive(Debug, Default)]
pub(super) struct ContigLens(HashMap<String, usize>);

impl ContigLens {
    pub fn add(&mut self, locus: &Locus, contig_len_nt: Option<usize>) -> Result<(), String> {
        let Some(found) = contig_len_nt else {
            return Ok(());
        };
        match self.0.insert(contig_key(&locus.contig).to_owned(), found) {
            Some(expected) if expected != found => Err(format!(
                "contig `{}` has {found} nt, where the other loci have it with {expected}: \
                 another build",
                locus.contig
            )),
            _ => Ok(()),
        }
    }
}
