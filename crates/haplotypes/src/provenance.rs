//! Provenance of sequences: loci, reference digests and policies, stored with tokens and models.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    Dictionary, Error, LocusHaplotypes, Masks, Policies,
    common_variants::{Carried, CommonEdit},
    policies::OtherPolicy,
};
use gf_files::output;
use gf_genotypes::{Locus, contig_key};

/// Why sequences of other loci cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinProblem {
    /// Another policy.
    #[error(transparent)]
    Policy(#[from] OtherPolicy),
    /// Another genome build.
    #[error(transparent)]
    ContigLen(#[from] OtherContigLen),
    /// A locus in two blocks.
    #[error("locus `{locus}` is also in a block of other loci; give each locus once")]
    LocusTwice {
        /// Name of the locus.
        locus: String,
    },
}

/// Two lengths of one contig.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "contig `{contig}` has {found} nt here, but {expected} nt at the other loci, so the genome \
     builds differ"
)]
pub struct OtherContigLen {
    /// The contig.
    pub contig: String,
    /// Length at this locus.
    pub found: usize,
    /// Length at the other loci.
    pub expected: usize,
}

/// A difference between the genome of a dictionary and that of a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenomeDifference {
    /// Another length of a contig.
    #[error(
        "contig `{contig}` has {here_nt} nt here, but {in_model_nt} nt in the model, so the genome \
         builds differ"
    )]
    ContigLen {
        /// The contig.
        contig: String,
        /// Length in the dictionary.
        here_nt: usize,
        /// Length in the model.
        in_model_nt: usize,
    },
    /// Other reference bases.
    #[error(
        "the FASTA has different bases at {region} (SHA-256 {}..., in the model's reference {}...)",
        shortened(here_sha256),
        shortened(in_model_sha256)
    )]
    Bases {
        /// The locus as a region.
        region: String,
        /// Digest of the bases in the dictionary.
        here_sha256: String,
        /// Digest of the bases in the model.
        in_model_sha256: String,
    },
}

/// Sources and policies of sequences.
///
/// A model is valid only for sequences made from the same loci, reference and policies.
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
    /// Name, interval and strand.
    #[serde(flatten)]
    pub locus: Locus,
    /// Length of the contig, if a file states it.
    pub contig_len_nt: Option<usize>,
    /// Intervals that are read as N.
    #[serde(default)]
    pub masks: Masks,
    /// SHA-256 of the reference bases of the locus (upper-case, forward strand).
    pub reference_sha256: String,
    /// Variants that are common among the training samples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common_variants: Vec<CommonEdit>,
}

impl Provenance {
    /// The provenance of a dictionary that was made under `policies`.
    #[must_use]
    pub fn from_dictionary(dictionary: &Dictionary, policies: Policies) -> Self {
        Self {
            loci: dictionary.loci.iter().map(LocusProvenance::new).collect(),
            policies,
        }
    }

    /// Adds the variants that are common among `samples` and carried by at least `min_samples` of
    /// them.
    #[must_use]
    pub fn with_common_variants(
        mut self,
        dictionary: &Dictionary,
        samples: &[usize],
        min_samples: usize,
    ) -> Self {
        for (provenance, locus) in self.loci.iter_mut().zip(&dictionary.loci) {
            provenance.common_variants = CommonEdit::find(locus, samples, min_samples);
        }
        self
    }

    /// Counts the common training variants that the samples of a dictionary carry.
    #[must_use]
    pub fn carried(&self, dictionary: &Dictionary) -> Carried {
        let mut carried = Carried::default();
        for (provenance, locus) in self.loci.iter().zip(&dictionary.loci) {
            carried.add(&provenance.common_variants, locus);
        }
        carried
    }

    /// Refuses sequences that were made from another reference or build.
    ///
    /// # Errors
    /// The first locus that differs, and the difference.
    pub fn require_same_genome(&self, dictionary: &Dictionary) -> Result<(), Error> {
        let found = Self::from_dictionary(dictionary, self.policies.clone());
        for (expected, found) in self.loci.iter().zip(&found.loci) {
            expected
                .require_same_genome(found)
                .map_err(|difference| Error::OtherGenome {
                    locus: expected.locus.name.clone(),
                    difference,
                })?;
        }
        Ok(())
    }

    /// Appends the loci of `other`, which must have the same genome and policies.
    ///
    /// # Errors
    /// The difference, or the locus that is in both.
    pub fn join(&mut self, other: Self) -> Result<(), JoinProblem> {
        self.policies.require_same(&other.policies)?;
        let mut contigs = ContigLens::default();
        self.loci
            .iter()
            .chain(&other.loci)
            .try_for_each(|locus| contigs.add(&locus.locus, locus.contig_len_nt))?;
        let repeated = other.loci.iter().find(|added| {
            self.loci
                .iter()
                .any(|present| present.locus.name == added.locus.name)
        });
        if let Some(locus) = repeated {
            let locus = locus.locus.name.clone();
            return Err(JoinProblem::LocusTwice { locus });
        }
        self.loci.extend(other.loci);
        Ok(())
    }
}

impl LocusProvenance {
    fn new(locus: &LocusHaplotypes) -> Self {
        Self {
            locus: locus.locus.clone(),
            contig_len_nt: locus.contig_len_nt,
            masks: locus.masks.clone(),
            reference_sha256: output::sha256(&locus.reference),
            common_variants: Vec::new(),
        }
    }

    fn require_same_genome(&self, found: &Self) -> Result<(), GenomeDifference> {
        if let (Some(a), Some(b)) = (self.contig_len_nt, found.contig_len_nt)
            && a != b
        {
            return Err(GenomeDifference::ContigLen {
                contig: self.locus.contig.clone(),
                here_nt: b,
                in_model_nt: a,
            });
        }
        if self.reference_sha256 != found.reference_sha256 {
            return Err(GenomeDifference::Bases {
                region: self.locus.region(),
                here_sha256: found.reference_sha256.clone(),
                in_model_sha256: self.reference_sha256.clone(),
            });
        }
        Ok(())
    }
}

/// The first 12 digits of a digest, for messages.
fn shortened(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// Lengths of contigs (nt) by [`contig_key`], as the loci of several blocks state them.
///
/// Two lengths of one contig mean two genome builds.
#[derive(Debug, Default)]
pub(super) struct ContigLens(HashMap<String, usize>);

impl ContigLens {
    pub fn add(
        &mut self,
        locus: &Locus,
        contig_len_nt: Option<usize>,
    ) -> Result<(), OtherContigLen> {
        let Some(found) = contig_len_nt else {
            return Ok(());
        };
        match self.0.insert(contig_key(&locus.contig).to_owned(), found) {
            Some(expected) if expected != found => Err(OtherContigLen {
                contig: locus.contig.clone(),
                found,
                expected,
            }),
            _ => Ok(()),
        }
    }
}
