//! Errors of the guards against leakage.

use std::path::{Path, PathBuf};

use crate::scoring;
use gf_files::output;

/// Reason why a guard cannot run.
///
/// Each message names the file, the finding and the next action.
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
        /// Path of the table.
        path: PathBuf,
        /// The finding.
        reason: String,
    },
}

impl Error {
    /// A table of kinships that cannot be used.
    pub(super) fn kinship(path: &Path, reason: impl Into<String>) -> Self {
        Self::Kinship {
            path: path.into(),
            reason: reason.into(),
        }
    }
}
