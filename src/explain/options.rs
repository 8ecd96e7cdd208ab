//! Options of the stage `explain`.

use std::path::PathBuf;

use gf_genotypes::{FormatOptions, Samples};
use gf_haplotypes::ApplyFilters;
use serde::{Deserialize, Serialize};

use crate::training::DeviceChoice;

/// Options of the stage `explain`.
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
    /// FASTA of the model's build.
    pub reference: PathBuf,
    /// Folder of a model bundle.
    pub model: PathBuf,
    /// Table with the covariates of the samples, for models that need them. Only its samples are
    /// used.
    pub cohort: Option<PathBuf>,
    /// Regions of the variants, as `chr:beg-end` (1-based, inclusive) separated by commas; all loci
    /// of the model when absent.
    pub regions: Option<String>,
    /// Number of the commonest distinct haplotypes of a locus in which alleles are switched; all
    /// when absent.
    pub haplotypes: Option<usize>,
    /// Number of variants of each locus that are named in its plot.
    pub top: usize,
    /// Number of top variants of each locus whose pairs are switched.
    pub pairs: usize,
    /// FILTER values of the records that are used; those of the training samples when `None`.
    pub apply_filters: Option<ApplyFilters>,
    /// Device of the computation.
    pub device: DeviceChoice,
    /// Folder for the tables and plots.
    pub out: PathBuf,
}
