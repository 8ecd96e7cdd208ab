//! Errors of the stage `compress`.

use std::path::PathBuf;

use gf_files::output;

use crate::compress::factors::LayerProblem;
use crate::{dataset, tokens, training};

/// An error of the compression.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model has factors already.
    #[error(
        "{}: this model has low-rank layers already (rank {rank}); compress the dense model that \
         it came from",
        path.display()
    )]
    LowRankAlready {
        /// The bundle.
        path: PathBuf,
        /// Its rank.
        rank: f64,
    },
    /// The cohort and the model have different folds.
    #[error(
        "{}: sample `{sample}` is in a fold that no member of the model holds out, so these are \
         not the predictions of this model; restore them, or train the model again",
        path.display()
    )]
    Folds {
        /// The predictions.
        path: PathBuf,
        /// The first such sample.
        sample: String,
    },
    /// The output folder is the folder of the model.
    #[error("{}: this is the folder of the model; choose another folder with --out", .0.display())]
    SameFolder(PathBuf),
    /// Fine-tuning of a model with an additive term, which is not supported.
    #[error(
        "{}: --fine-tune-epochs trains pure sequence models only, but this model has an additive \
         term, which is the default of `train`. Leave \
         out --fine-tune-epochs, train a low-rank model that starts from this one \
         (train --init {} --rank R), or compress a model that was \
         trained with --additive none",
        .0.display(), .0.display()
    )]
    FineTuning(PathBuf),
    /// The rank saves no parameters.
    #[error(
        "{}: rank {rank} makes no layer of this model smaller; choose a lower rank, or a \
         fraction such as 0.5",
        path.display()
    )]
    NothingSaved {
        /// The bundle.
        path: PathBuf,
        /// The rank.
        rank: f64,
    },
    /// An invalid option.
    #[error("{0}")]
    Options(String),
    /// A layer cannot be factorised.
    #[error("{layer}: {problem}")]
    Layer {
        /// Name of its parameter.
        layer: String,
        /// The finding and the next action.
        problem: LayerProblem,
    },
    /// Tokens with a different tokenizer or slot grid.
    #[error(
        "{}: these tokens have a different tokenizer or slot grid than the model; give the token \
         folder that the model was trained on",
        .0.display()
    )]
    OtherTokens(PathBuf),
    /// A bundle is wrong, or fine-tuning failed.
    #[error(transparent)]
    Training(#[from] training::Error),
    /// The cohort table is wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// The token folder is wrong.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// Tokens and cohort do not fit each other.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
}
