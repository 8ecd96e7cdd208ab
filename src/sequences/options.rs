//! Options of the stage `sequences`.

use std::path::PathBuf;

use gf_genotypes::{FormatOptions, Locus, read_intervals};
use gf_haplotypes::{Error, Genomes, Masks, Policies, Regions, Samples};
use serde::{Deserialize, Serialize};

/// Inputs and policies of the stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files with the same samples. Each locus is in one file; `-` is standard
    /// input.
    pub vcf: Vec<PathBuf>,
    /// What the genotype files do not state about themselves.
    #[serde(default, skip_serializing_if = "FormatOptions::is_default")]
    pub format: FormatOptions,
    /// Reference FASTA.
    pub reference: PathBuf,
    /// Loci.
    pub regions: Regions,
    /// Samples to read.
    pub samples: Samples,
    /// Policies for genotypes.
    pub policies: Policies,
    /// BED of intervals to read as N; records that touch them are not applied.
    pub mask: Option<PathBuf>,
    /// BED of callable intervals; all other bases are read as N.
    pub callable: Option<PathBuf>,
    /// Path of `skips.csv`; not written if absent.
    pub skips: Option<PathBuf>,
}

impl Options {
    /// All input files.
    pub fn inputs(&self) -> impl Iterator<Item = &PathBuf> {
        let loci = match &self.regions {
            Regions::File(path) => Some(path),
            Regions::Text(_) => None,
        };
        self.vcf
            .iter()
            .chain([&self.reference])
            .chain(loci)
            .chain(&self.mask)
            .chain(&self.callable)
    }

    /// The loci in their order, with the masks of each.
    ///
    /// # Errors
    /// BED files that cannot be read.
    pub fn loci(&self) -> Result<Vec<(Locus, Masks)>, Error> {
        let masked = self
            .mask
            .as_deref()
            .map(read_intervals)
            .transpose()?
            .unwrap_or_default();
        let callable = self.callable.as_deref().map(read_intervals).transpose()?;
        Ok(self
            .regions
            .loci()?
            .into_iter()
            .map(|locus| {
                let masks = Masks::of_locus(&locus, &masked, callable.as_deref());
                (locus, masks)
            })
            .collect())
    }

    /// The files and policies that sequences are built from.
    pub(super) fn genomes(&self) -> Genomes<'_> {
        Genomes {
            genotypes: &self.vcf,
            format: &self.format,
            reference: &self.reference,
            regions: &self.regions,
            samples: &self.samples,
            policies: &self.policies,
        }
    }
}
