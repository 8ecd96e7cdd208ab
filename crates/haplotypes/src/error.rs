//! Errors of this crate.

use std::path::{Path, PathBuf};

use gf_files::output;
use gf_genotypes::RecordLocation;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input file cannot be used.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A record or a genotype is refused.
    #[error(
        "{}: {place}{contig}:{position}{}: {reason}",
        path.display(),
        sample.as_ref().map(|name| format!(": sample `{name}`")).unwrap_or_default()
    )]
    RecordAtLocus {
        /// The VCF or BCF.
        path: PathBuf,
        /// Contig as the file names it.
        contig: String,
        /// 1-based POS.
        position: usize,
        /// Line or record number, if it is known.
        place: RecordLocation,
        /// The sample, if the genotype of one sample is refused.
        sample: Option<String>,
        /// The problem and the next action.
        reason: String,
    },
    /// The files do not belong together.
    #[error("{0}")]
    Inputs(String),
    /// The genome differs from that of a model.
    #[error(
        "locus `{locus}`: {reason}; use the reference and the build that the model was made with"
    )]
    OtherGenome {
        /// Name of the locus.
        locus: String,
        /// The difference.
        reason: String,
    },
    /// A stored dictionary cannot be used.
    #[error("{}: {reason}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
}

impl Error {
    /// A stored file that cannot be used.
    pub(crate) fn damaged(path: &Path, reason: String) -> Self {
        Self::Store {
            path: path.into(),
            reason,
        }
    }
}
