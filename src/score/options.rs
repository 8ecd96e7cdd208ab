//! Options of the stage `score`.

use std::path::PathBuf;

use gf_cohort_schema::MissingPolicies;
use gf_genotypes::FormatOptions;
use gf_haplotypes::{ApplyFilters, Samples};
use serde::{Deserialize, Serialize};

use crate::training::DeviceChoice;

/// Options of the stage `score`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files of the samples.
    pub vcf: Vec<PathBuf>,
    /// What the genotype files do not state about themselves.
    #[serde(default, skip_serializing_if = "FormatOptions::is_default")]
    pub format: FormatOptions,
    /// Samples to read: those of the table with covariates, or of the files without a table.
    #[serde(skip)]
    pub samples: Samples,
    /// FASTA of the model's build. Saved polygenic scores do not need it, but their REF is compared
    /// with it.
    pub reference: Option<PathBuf>,
    /// Folder of a model bundle, or folder that `prs` wrote.
    pub model: PathBuf,
    /// Table with the covariates of the samples, for models that need them. Only its samples are
    /// scored.
    pub cohort: Option<PathBuf>,
    /// Policies for samples without a value of a covariate.
    pub missing: MissingPolicies,
    /// Smallest accepted overlap with the training data, a fraction.
    ///
    /// - Polygenic score: fraction of its alleles in the files. The default is the value of its
    ///   training.
    /// - Sequence model: fraction of the expected common variants that the samples carry. The
    ///   default is [`MIN_OVERLAP`]. It is checked for 50 samples or more.
    pub min_overlap: Option<f64>,
    /// Models of a `prs` folder to apply; all when `None`.
    pub models: Option<Vec<String>>,
    /// Whether a saved polygenic score is applied to one sample without any homozygous-reference
    /// call.
    pub allow_no_hom_ref: bool,
    /// FILTER values of the records that are used; those of the training samples when `None`.
    pub apply_filters: Option<ApplyFilters>,
    /// Device of the computation of a sequence model.
    pub device: DeviceChoice,
    /// CSV file to write; `-` is standard output.
    pub output: PathBuf,
}

/// Default share of the expected common variants that the samples must carry.
pub const MIN_OVERLAP: f64 = 0.5;
