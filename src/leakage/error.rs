//! Why a guard cannot look.

use std::path::PathBuf;

use crate::scoring;
use gf_files::output;

/// Each message names the file, what was found, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Genotypes cannot be read.
    #[error(transparent)]
    Genotypes(#[from] gf_genotypes::Error),
    /// Dosages cannot be read.
    #[error(transparent)]
    Scoring(#[from] scoring::Error),
    /// A table cannot be read.
    #[error(transparent)]
    Table(#[from] gf_cohort_schema::Error),
    /// A result could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A table of kinships cannot be used.
    #[error("{}: {reason}", path.display())]
    Kinship {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
