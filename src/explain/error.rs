//! Errors of the stage `explain`.

use std::path::PathBuf;

use gf_files::output;
use gf_haplotypes::Dictionary;

use crate::{dataset, score, tokens, training};

/// An error of `explain`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has no sequence model.
    #[error(
        "{}: no model bundle (config.json); give the folder of a sequence model. The effects of a \
         polygenic score are its weights",
        .0.display()
    )]
    NoModel(PathBuf),
    /// A model of genotype symbols has one sequence per sample and no alleles to switch.
    #[error(
        "the model reads genotype symbols (--encoding diploid), in which no allele can be \
         switched; give a model of haplotypes"
    )]
    Diploid,
    /// A region overlaps no locus of the model.
    #[error(
        "region {region} is outside of the model's loci {loci}; choose a region that overlaps one"
    )]
    NoLocus {
        /// The region as given.
        region: String,
        /// Regions of the loci.
        loci: String,
    },
    /// No sample has a variant that can be switched.
    #[error(
        "no sample has a variant at {0} that can be switched; check that the VCF contains the loci \
         of the model"
    )]
    NoVariants(String),
    /// Invalid options.
    #[error("{0}")]
    Options(String),
    /// The regions are wrong.
    #[error(transparent)]
    Regions(#[from] gf_genotypes::Error),
    /// The bundle is wrong.
    #[error(transparent)]
    Bundle(#[from] training::Error),
    /// The samples cannot be read for the bundle.
    #[error(transparent)]
    People(Box<score::Error>),
    /// The sequences cannot be tokenized.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// Samples and tokens do not fit each other.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
}

impl From<score::Error> for Error {
    fn from(error: score::Error) -> Self {
        Self::People(Box::new(error))
    }
}

impl Error {
    pub(super) fn no_variants(dictionary: &Dictionary) -> Self {
        let names: Vec<&str> = dictionary
            .loci
            .iter()
            .map(|locus| locus.locus.name.as_str())
            .collect();
        Self::NoVariants(names.join(", "))
    }
}
