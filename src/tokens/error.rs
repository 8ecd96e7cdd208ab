//! Errors of the stage `tokens`.

use std::path::PathBuf;

use gf_files::output;

use super::{options::OptionsProblem, store::StoreProblem};

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
    /// Invalid options.
    #[error(transparent)]
    Options(#[from] OptionsProblem),
    /// Inputs that do not belong together.
    #[error(transparent)]
    Inputs(#[from] InputsProblem),
    /// A stored token set, grid or tokenizer cannot be used.
    #[error("{}: {problem}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// The reason that the file cannot be used.
        problem: Box<StoreProblem>,
    },
}

impl Error {
    pub(super) fn store(path: impl Into<PathBuf>, problem: impl Into<StoreProblem>) -> Self {
        Self::Store {
            path: path.into(),
            problem: Box::new(problem.into()),
        }
    }
}

/// Why sequences and samples cannot be tokenized.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputsProblem {
    /// No training sample.
    #[error("no training sample to fit the tokenizer on; check the split column of the cohort")]
    NoTrainingSample,
    /// A tokenizer of a file.
    #[error("there is no tokenizer to fit")]
    NoTokenizer,
    /// No segment with two versions.
    #[error(
        "no segment of the loci varies among the training samples, so there is nothing to learn \
         from; check loci and samples, or keep every slot (--slots all)"
    )]
    NothingVaries,
    /// A grid of other loci.
    #[error(
        "locus `{locus}` of the slot grid is not in these sequences; make the sequences with the \
         loci of the grid"
    )]
    NoLocus {
        /// Name of the locus.
        locus: String,
    },
    /// A grid of another tokenizer.
    #[error(
        "locus `{locus}`: a training segment has more tokens than slots, so tokenizer and grid are \
         from different runs; run tokenize again"
    )]
    OtherGrid {
        /// Name of the locus.
        locus: String,
    },
    /// Nothing to merge.
    #[error("there are no token folders to merge; give at least one")]
    NoFolder,
}
