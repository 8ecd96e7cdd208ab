//! Inputs and settings of published scores.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Error, published::MatchingOptions};
use gf_genotypes::{FormatOptions, GenomeBuild, Samples, pass};

/// Genotypes, scoring files, and how they are matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// VCF, VCF.gz or BCF files of the same samples. Each variant is in one of them.
    pub vcf: Vec<PathBuf>,
    /// What the genotype files do not state about themselves.
    #[serde(skip_serializing_if = "FormatOptions::is_default")]
    pub format: FormatOptions,
    /// Samples whose genotypes are read: those of the cohort, or of the files without a cohort.
    #[serde(skip)]
    pub samples: Samples,
    /// Accepted values of FILTER, like `bcftools view -f` (`.` accepts records without a filter).
    /// If `None`, all records are used.
    pub filters: Option<Vec<String>>,
    /// Scoring files of the PGS Catalog, or other tables of weights with a header, plain or
    /// gzipped.
    pub scoring_files: Vec<PathBuf>,
    /// Genome build of the VCF. A scoring file on another build is refused.
    pub genome_build: Option<GenomeBuild>,
    /// Smallest fraction of a scoring file's rows that must match.
    pub min_overlap: f64,
    /// Keep strand-ambiguous variants (A/T and C/G) and trust the strand of the scoring file.
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
    /// Refuses values that are out of range.
    ///
    /// # Errors
    /// The first value out of range.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Options { reason });
        if self.vcf.is_empty() {
            return refuse("no VCF file is given; name at least one".into());
        }
        if !(0.0..=1.0).contains(&self.min_overlap) {
            return refuse(format!(
                "min_overlap is {}; give a fraction between 0 and 1",
                self.min_overlap
            ));
        }
        self.matching.check()
    }
}
