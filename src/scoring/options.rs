//! What published scores are summed from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Error, published::MatchingOptions};
use gf_genotypes::{FormatOptions, GenomeBuild, Samples, pass};

/// Genotypes, scoring files, and how they are matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// VCF, VCF.gz or BCF files, of the same people, each variant in one of them.
    pub vcf: Vec<PathBuf>,
    /// What the genotype files do not state about themselves.
    #[serde(skip_serializing_if = "FormatOptions::is_default")]
    pub format: FormatOptions,
    /// Whose genotypes are read: of the cohort, or of the files without one.
    #[serde(skip)]
    pub samples: Samples,
    /// Records with a filter that is named here are used (`.`: those without one), as `bcftools
    /// view -f` has it; all when `None`.
    pub filters: Option<Vec<String>>,
    /// Scoring files of the PGS Catalog, or other tables of weights with a header, plain or
    /// gzipped.
    pub scoring_files: Vec<PathBuf>,
    /// Build of the VCF, if a scoring file of another build is to be refused.
    pub genome_build: Option<GenomeBuild>,
    /// Smallest share of a scoring file's rows that must be matched.
    pub min_overlap: f64,
    /// Keep variants whose REF and ALT are complements, trusting the scoring file's strand.
    pub keep_ambiguous: bool,
    /// How genotypes are read, and how published scores are matched and summed.
    pub matching: MatchingOptions,
    /// Folder to write to.
    pub out: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            vcf: Vec::new(),
            format: FormatOptions::default(),
            samples: Samples::All,
            filters: Some(pass()),
            scoring_files: Vec::new(),
            genome_build: None,
            min_overlap: 0.75,
            keep_ambiguous: false,
            matching: MatchingOptions::default(),
            out: PathBuf::new(),
        }
    }
}

impl Options {
    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Options { reason });
        if self.vcf.is_empty() {
            return refuse("no VCF file".into());
        }
        if !(0.0..=1.0).contains(&self.min_overlap) {
            return refuse(format!(
                "min_overlap is {}; it is a share between 0 and 1",
                self.min_overlap
            ));
        }
        self.matching.check()
    }
}
