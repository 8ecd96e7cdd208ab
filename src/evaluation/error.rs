//! Errors of an evaluation.

use std::path::{Path, PathBuf};

use gf_cohort_schema::Split;
use gf_files::output;
use gf_stats::roc;

use crate::predictions;

/// An evaluation is not possible. Each message names the file, the finding and the next action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Tables of predictions are wrong or contradict each other.
    #[error(transparent)]
    Predictions(Box<predictions::Error>),
    /// Another table is wrong.
    #[error(transparent)]
    Table(#[from] gf_cohort_schema::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// The file given as `run.json` is no record of a pipeline.
    #[error(
        "{}: not the run.json of a pipeline ({reason}). Give the run.json in the folder that `run` \
         wrote",
        path.display()
    )]
    Run {
        /// The file.
        path: PathBuf,
        /// Reason, for the message.
        reason: String,
    },
    /// No files were given.
    #[error("no predictions to evaluate; name at least one predictions.csv")]
    NoPredictions,
    /// The test split has only cases or only controls.
    #[error("split {split}: the AUC of {model} is {undefined}")]
    OneClass {
        /// The split.
        split: Split,
        /// The model.
        model: String,
        /// Cases and controls.
        undefined: roc::OneClass,
    },
    /// Two files next to the predictions contradict each other about one model.
    #[error(
        "{}: the {what} of {model} differs from the {what} next to the other predictions; do two \
         models have this name?",
        path.display()
    )]
    SaidTwice {
        /// The later file.
        path: PathBuf,
        /// The quantity that differs.
        what: &'static str,
        /// The model.
        model: String,
    },
    /// No split has both cases and controls.
    #[error(
        "no split has both cases and controls of known phenotype, so there is no AUC to compute; \
         check the phenotype column"
    )]
    NoSplitWithBothClasses,
    /// The reference model asked for has no predictions.
    #[error("no predictions of the reference model `{model}`; choose one of {available}")]
    UnknownModel {
        /// The reference model asked for.
        model: String,
        /// The models with predictions.
        available: String,
    },
    /// An option is out of its range.
    #[error("{0}")]
    Option(String),
    /// A column cannot serve as a stratum.
    #[error("stratum `{name}` {reason}")]
    NoStratum {
        /// Name of the column.
        name: String,
        /// Reason and next action.
        reason: String,
    },
    /// Guards found leakage. All files were written.
    #[error(
        "{n} found leakage, so the comparison is not valid: {findings}. All files were written. To \
         finish without an error, use --guards warn",
        n = if *n_findings == 1 {
            "a guard".to_owned()
        } else {
            format!("{n_findings} guards")
        }
    )]
    Leakage {
        /// Number of failed guards.
        n_findings: usize,
        /// Guard, subject and finding of each.
        findings: String,
    },
}

impl From<predictions::Error> for Error {
    fn from(error: predictions::Error) -> Self {
        Self::Predictions(Box::new(error))
    }
}

impl Error {
    pub(super) fn run(path: &Path, reason: impl Into<String>) -> Self {
        Self::Run {
            path: path.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn said_twice(path: &Path, what: &'static str, model: String) -> Self {
        Self::SaidTwice {
            path: path.into(),
            what,
            model,
        }
    }
}
