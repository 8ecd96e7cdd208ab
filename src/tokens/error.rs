//! Errors of the stage `tokens`.

use std::path::PathBuf;

use gf_files::output;

/// An error of tokenization.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error of the tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] gf_tokenizer::Error),
    /// A sequence that the tokenizer cannot encode.
    #[error("locus `{locus}`")]
    Locus {
        /// Name of the locus.
        locus: String,
        /// The error of the tokenizer.
        source: gf_tokenizer::Error,
    },
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// Invalid options or inputs.
    #[error("{0}")]
    Inputs(String),
    /// A stored token set, grid or tokenizer cannot be used.
    #[error("{}: {reason}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// The reason that the file cannot be used.
        reason: String,
    },
}

impl Error {
    pub(super) fn store(path: impl Into<PathBuf>, reason: &(impl ToString + ?Sized)) -> Self {
        Self::Store {
            path: path.into(),
            reason: reason.to_string(),
        }
    }
}
