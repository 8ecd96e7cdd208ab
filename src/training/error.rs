//! What stops training or makes a model bundle unusable.

use std::path::PathBuf;

use gf_cohort_schema::Split;

use crate::{dataset, tokens};
use gf_cohort_schema::counted;
use gf_files::output;

/// Why no model was trained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cohort table is wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// The token folder is wrong.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// Tokens and cohort do not fit.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// Nothing may be fitted on the people it is judged by.
    #[error("{}: the tokenizer was fitted on `{sample}`, who is in {split} here: tokenize again with this cohort", path.display())]
    FittedOnHeldOut {
        /// Token folder.
        path: PathBuf,
        /// One of them.
        sample: String,
        /// Where the cohort has that person.
        split: Split,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A bundle or checkpoint cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A checkpoint of another training.
    #[error("{}: this checkpoint belongs to other inputs or options; delete it, or choose another folder", path.display())]
    OtherCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// An option makes no sense.
    #[error("{0}")]
    Options(String),
    /// A fold without a class can neither be learnt from nor judged.
    #[error(
        "fold {fold} of {n_folds} has {} and {}; each needs both: use fewer --folds",
        counted(*n_cases, "case", "cases"), counted(*n_controls, "control", "controls")
    )]
    Fold {
        /// 1-based.
        fold: usize,
        /// How many there are.
        n_folds: usize,
        /// Cases in it.
        n_cases: usize,
        /// Controls in it.
        n_controls: usize,
    },
    /// The machine is too small.
    #[error(
        "training needs about {needed:.1} GB, {free:.1} GB are free ({parameters:.1} GB of it for \
         {n_parameters} parameters and their moments, the rest for batches): lower {lower}"
    )]
    Memory {
        /// All, in GB.
        needed: f64,
        /// What the machine has, in GB.
        free: f64,
        /// What does not depend on batches, in GB.
        parameters: f64,
        /// How many a model has.
        n_parameters: usize,
        /// Options to lower.
        lower: String,
    },
    /// Somebody wants it to end.
    #[error(
        "stopped after step {} of {} in epoch {} of {}{}; the state is in {}",
        step.0, step.1, epoch.0, epoch.1, of_members(*member), path.display()
    )]
    Stopped {
        /// 1-based member of the bundle, of how many.
        member: (usize, usize),
        /// 1-based epoch, of how many.
        epoch: (usize, usize),
        /// Steps of it that are done, of how many.
        step: (usize, usize),
        /// The checkpoint.
        path: PathBuf,
    },
    /// Training ran away.
    #[error(
        "the loss is not finite in epoch {epoch} (step {step}); lower the learning rate \
         ({learning_rate}); {kept}"
    )]
    Diverged {
        /// 1-based.
        epoch: usize,
        /// Within the epoch, 1-based.
        step: usize,
        /// The highest learning rate.
        learning_rate: f64,
        /// What is left of the epochs before.
        kept: String,
    },
}

fn of_members((number, n_members): (usize, usize)) -> String {
    if n_members > 1 {
        format!(" of model {number} of {n_members}")
    } else {
        String::new()
    }
}
