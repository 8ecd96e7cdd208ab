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

/// Why options cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OptionsProblem {
    /// No file of genotypes.
    #[error("no VCF file is given; name at least one")]
    NoVcf,
    /// A fraction below 0 or above 1.
    #[error("min_overlap is {min_overlap}; give a fraction between 0 and 1")]
    MinOverlap {
        /// The value.
        min_overlap: f64,
    },
    /// A number of copies other than 1 and 2.
    #[error(
        "xchr_model is {xchr_model}; give 1 or 2, the copies that one allele of a man counts on X"
    )]
    XchrModel {
        /// The value.
        xchr_model: u8,
    },
    /// A fraction below 0 or above 1.
    #[error("max_missing is {max_missing}; give a fraction between 0 and 1")]
    MaxMissing {
        /// The value.
        max_missing: f64,
    },
    /// Callable regions alone.
    #[error(
        "callable regions (--callable) need the reference (--reference), which shows the REF \
         allele of sites without a VCF record"
    )]
    CallableWithoutReference,
    /// A FORMAT field that no record has.
    #[error(
        "no record has the FORMAT field {field} (records read: {n_records}); use --dosage-field \
         auto to read the fields that exist"
    )]
    NoDosageField {
        /// The field.
        field: String,
        /// Number of records.
        n_records: u64,
    },
    /// Nothing to sum.
    #[error(
        "no scoring file is given (--scoring-file). Without a cohort (--cohort), or with --no-fit, \
         the command only sums published scores"
    )]
    NoScoringFile,
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
        if self.vcf.is_empty() {
            return Err(OptionsProblem::NoVcf.into());
        }
        if !(0.0..=1.0).contains(&self.min_overlap) {
            let min_overlap = self.min_overlap;
            return Err(OptionsProblem::MinOverlap { min_overlap }.into());
        }
        self.matching.check()
    }
}
