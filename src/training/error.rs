//! Errors of training and of model bundles.

use std::path::PathBuf;

use gf_cohort_schema::Split;

use super::{
    bundle::BundleProblem, checkpoint::CheckpointProblem, init::InitProblem, members::FoldsProblem,
    terms::TermsProblem,
};
use crate::{dataset, tokens};
use gf_cohort_schema::counted;
use gf_files::output;

/// An error of training.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cohort table is wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// The token folder is wrong.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// Tokens and cohort do not fit each other.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// The tokenizer was fitted on a sample that is held out now.
    #[error(
        "{}: the tokenizer was fitted on `{sample}`, which is in split {split} of this cohort; run \
         tokenize again with this cohort",
        path.display()
    )]
    FittedOnHeldOut {
        /// Token folder.
        path: PathBuf,
        /// The first such sample.
        sample: String,
        /// Split of the sample in the cohort.
        split: Split,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A bundle or checkpoint cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The finding and the next action.
        problem: Box<FileProblem>,
    },
    /// A checkpoint of another training.
    #[error(
        "{}: this checkpoint belongs to different inputs or options; delete it, or choose another \
         folder",
        path.display()
    )]
    OtherCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// An option is out of range or contradicts another option.
    #[error("{0}")]
    Options(String),
    /// A fold without cases or without controls.
    #[error(
        "fold {fold} of {n_folds} has {} and {}. Each fold needs both; use fewer --folds",
        counted(*n_cases, "case", "cases"), counted(*n_controls, "control", "controls")
    )]
    Fold {
        /// 1-based.
        fold: usize,
        /// Number of folds.
        n_folds: usize,
        /// Cases in the fold.
        n_cases: usize,
        /// Controls in the fold.
        n_controls: usize,
    },
    /// The machine has too little memory.
    #[error(
        "training needs about {needed:.1} GB, but {free:.1} GB are free. Of the memory needed, \
         {parameters:.1} GB are for {n_parameters} parameters and their moments, and the rest is \
         for batches; lower {lower}"
    )]
    Memory {
        /// Memory of training, in GB.
        needed: f64,
        /// Free memory of the machine, in GB.
        free: f64,
        /// Memory that does not depend on batches, in GB.
        parameters: f64,
        /// Parameters of a model.
        n_parameters: usize,
        /// Options to lower.
        lower: String,
    },
    /// Training stopped on request.
    #[error(
        "stopped after step {} of {} in epoch {} of {}{}; the state is saved in {}",
        step.0, step.1, epoch.0, epoch.1, of_members(*member), path.display()
    )]
    Stopped {
        /// 1-based member of the bundle, and the number of members.
        member: (usize, usize),
        /// 1-based epoch, and the number of epochs.
        epoch: (usize, usize),
        /// Steps of the epoch that are done, and the number of its steps.
        step: (usize, usize),
        /// The checkpoint.
        path: PathBuf,
    },
    /// The loss diverged.
    #[error(
        "the loss is not finite in epoch {epoch} (step {step}). Lower the learning rate \
         ({learning_rate}); {kept}"
    )]
    Diverged {
        /// 1-based.
        epoch: usize,
        /// Within the epoch, 1-based.
        step: usize,
        /// The highest learning rate.
        learning_rate: f64,
        /// Description of the state that was saved before.
        kept: String,
    },
}

impl Error {
    pub(super) fn file(path: impl Into<PathBuf>, problem: impl Into<FileProblem>) -> Self {
        Self::File {
            path: path.into(),
            problem: Box::new(problem.into()),
        }
    }
}

/// A problem of a bundle, a checkpoint or a cohort, by the file that found it.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// A bundle that cannot be read or written.
    #[error(transparent)]
    Bundle(#[from] BundleProblem),
    /// A bundle from which this run cannot start.
    #[error(transparent)]
    Init(#[from] InitProblem),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointProblem),
    /// The terms of a trained member.
    #[error(transparent)]
    Terms(#[from] TermsProblem),
    /// The classes of the folds.
    #[error(transparent)]
    Folds(#[from] FoldsProblem),
    /// A member of a bundle that is trained member by member.
    #[error("member {number} of {n_members} is not trained yet; train it first")]
    NotTrained {
        /// 1-based number of the member.
        number: usize,
        /// Number of members.
        n_members: usize,
    },
    /// Predictions of blocks that do not fit the cohort.
    #[error(
        "the predictions of {} by {model} do not list the samples of this cohort in its order; \
         predict all blocks of this cohort again",
        counted(*n_samples, "sample", "samples")
    )]
    OtherSamples {
        /// Number of predicted samples.
        n_samples: usize,
        /// Name of the model.
        model: String,
    },
}

fn of_members((number, n_members): (usize, usize)) -> String {
    if n_members > 1 {
        format!(" of model {number} of {n_members}")
    } else {
        String::new()
    }
}
