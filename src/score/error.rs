//! Errors of the stage `score`.

use std::path::PathBuf;

use gf_files::output;
use gf_haplotypes::Carried;

use crate::score::TableProblem;
use crate::{baselines, dataset, tokens, training};

/// An error of `score`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has no model.
    #[error(
        "{}: neither a model bundle (config.json) nor a folder of `prs` (prs_model.json); give one \
         of these folders",
        .0.display()
    )]
    NoModel(PathBuf),
    /// A sequence model needs the reference.
    #[error("a sequence model needs the FASTA of its build; give it with --reference")]
    NoReference,
    /// The model has covariates and no table was given.
    #[error("the model needs the covariates {0}; give a table of them with --cohort")]
    NoCovariates(String),
    /// The bundle is wrong.
    #[error(transparent)]
    Bundle(#[from] training::Error),
    /// The genomes are wrong, or not of the model's build.
    #[error(transparent)]
    Sequence(#[from] gf_haplotypes::Error),
    /// The sequences cannot be tokenized.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// The samples carry too few of the model's common variants.
    #[error(
        "{}: {carried}, so all further variants would be read as the reference. Likely causes are \
         (1) a VCF with different sites (an array, a region, a different caller), (2) samples of a \
         different ancestry than the training samples, and (3) genotypes that were not read. If \
         this is intended, lower --min-overlap ({min_overlap} now)",
        vcf.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    CommonVariants {
        /// The files.
        vcf: Vec<PathBuf>,
        /// Counts of the carried variants.
        carried: Carried,
        /// Smallest accepted share.
        min_overlap: f64,
    },
    /// A sample has too few genotypes.
    #[error(
        "{}: `{sample}` has {n_missing} missing alleles at {n_records} records of the model's \
         loci, more than a fraction of {:.2} ({n_samples} such samples in total); leave these \
         samples out (--samples-file), or lower --min-overlap",
        vcf.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        1.0 - min_overlap
    )]
    MissingGenotypes {
        /// The files.
        vcf: Vec<PathBuf>,
        /// The first of these samples.
        sample: String,
        /// Its missing alleles.
        n_missing: u64,
        /// Records of the loci.
        n_records: u64,
        /// Number of such samples.
        n_samples: usize,
        /// Smallest accepted share of genotypes.
        min_overlap: f64,
    },
    /// A folder of `prs` has no model of this name.
    #[error("{}: no model `{name}`; it has {}", path.display(), known.join(", "))]
    NoSuchModel {
        /// The folder.
        path: PathBuf,
        /// The requested name.
        name: String,
        /// Names of the folder's models.
        known: Vec<String>,
    },
    /// `--models` with a sequence model.
    #[error(
        "{}: --models applies to a folder that `prs` wrote, but this bundle has one model; remove \
         --models",
        .0.display()
    )]
    OneModel(PathBuf),
    /// An option is wrong.
    #[error("min_overlap is {0}; give a fraction between 0 and 1")]
    MinOverlap(f64),
    /// The covariates are wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// Samples and tokens do not fit each other.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A saved polygenic score cannot be applied.
    #[error(transparent)]
    Prs(#[from] baselines::Error),
    /// A logit is not finite, although the numbers of the model are.
    #[error(
        "{}: `{model}` gives {logit} for sample `{sample}`, so its numbers are too large or \
         damaged; make or download it again",
        .path.display()
    )]
    NotFinite {
        /// Folder of the model.
        path: PathBuf,
        /// Name of the model.
        model: String,
        /// The first such sample.
        sample: String,
        /// The logit.
        logit: f64,
    },
    /// A table does not fit the other tables or the requested samples.
    #[error("{}: {problem}", .path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// The finding and the next action.
        problem: Box<TableProblem>,
    },
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
}
