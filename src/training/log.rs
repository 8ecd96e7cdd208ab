//! What is told of a training run while it goes on: the log of every epoch, and events for a
//! progress bar.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

/// One line of `training_log.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochLog {
    /// 1-based.
    pub epoch: usize,
    /// Mean (weighted) loss over the people of the epoch, each while it was learnt.
    pub train_loss: f64,
    /// AUC on the people who choose the epoch.
    pub validation_auroc: f64,
    /// Their mean loss, each person weighing the same.
    pub validation_loss: f64,
    /// At the end of the epoch.
    pub learning_rate: f64,
    /// Wall-clock time of the epoch.
    pub seconds: f64,
    /// People trained on in a second, without validation.
    pub people_per_second: f64,
}

/// Columns of `training_log.csv`: the member of the bundle, its deep term (1-based; 1 for a pure
/// sequence model), then those of [`EpochLog`].
pub(super) const LOG_COLUMNS: [&str; 9] = [
    "member",
    "term",
    "epoch",
    "train_loss",
    "validation_auroc",
    "validation_loss",
    "learning_rate",
    "seconds",
    "people_per_second",
];

impl EpochLog {
    /// Numbers in a row of the checkpoint's log.
    pub(super) const LEN: usize = LOG_COLUMNS.len() - 2;

    pub(super) fn numbers(&self) -> [f64; Self::LEN] {
        let Self {
            epoch,
            train_loss,
            validation_auroc,
            validation_loss,
            learning_rate,
            seconds,
            people_per_second,
        } = *self;
        [
            epoch as f64,
            train_loss,
            validation_auroc,
            validation_loss,
            learning_rate,
            seconds,
            people_per_second,
        ]
    }

    /// As a line of the table.
    pub(super) fn row(&self, member: usize, term: usize) -> impl Serialize + use<> {
        let [_, rest @ ..] = self.numbers();
        (member, term, self.epoch, rest)
    }

    pub(super) fn from_numbers(row: &[f64]) -> Option<Self> {
        let &[
            epoch,
            train_loss,
            validation_auroc,
            validation_loss,
            learning_rate,
            seconds,
            people_per_second,
        ] = row
        else {
            return None;
        };
        Some(Self {
            epoch: epoch as usize,
            train_loss,
            validation_auroc,
            validation_loss,
            learning_rate,
            seconds,
            people_per_second,
        })
    }
}

/// Heard while the loop runs, for a progress bar.
#[derive(Clone, Debug)]
pub enum Progress<'p> {
    /// A step of an epoch is done.
    Step {
        /// 1-based member of the bundle, of how many.
        member: (usize, usize),
        /// 1-based deep term of the member, of how many; `None` for a pure sequence model.
        term: Option<(usize, usize)>,
        /// 1-based epoch, of how many.
        epoch: (usize, usize),
        /// Steps done, of how many.
        step: (usize, usize),
        /// Loss of the step's people.
        loss: f64,
        /// To be set to true to stop here: the state is written, and the run ends with
        /// [`Error::Stopped`](super::Error::Stopped).
        stop: &'p Cell<bool>,
    },
    /// An epoch is done.
    Epoch(&'p EpochLog),
}
