//! Log of every epoch, and progress events for a progress bar.

use std::cell::Cell;

use gf_cohort_schema::TrainingLogRow;
use serde::{Deserialize, Serialize};

/// One epoch of a deep term of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochLog {
    /// 1-based.
    pub epoch: usize,
    /// Mean (weighted) training loss of the epoch, each sample with the weights of its step.
    pub train_loss: f64,
    /// AUC on the validation samples.
    pub validation_auroc: f64,
    /// Mean unweighted loss on the validation samples.
    pub validation_loss: f64,
    /// Learning rate at the end of the epoch.
    pub learning_rate: f64,
    /// Wall-clock time of the epoch.
    pub seconds: f64,
    /// Training samples per second, without validation.
    pub people_per_second: f64,
}

impl EpochLog {
    /// Numbers in a row of the checkpoint's log.
    pub(super) const LEN: usize = 7;

    /// A row of the checkpoint's log.
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

    /// A row of `training_log.csv`, for a deep term of a member (both 1-based; term 1 for a pure
    /// sequence model).
    pub(super) fn row(&self, member: usize, term: usize) -> TrainingLogRow {
        TrainingLogRow {
            member,
            term,
            epoch: self.epoch,
            train_loss: self.train_loss,
            validation_auroc: self.validation_auroc,
            validation_loss: self.validation_loss,
            learning_rate: self.learning_rate,
            seconds: self.seconds,
            people_per_second: self.people_per_second,
        }
    }

    /// Reads [`Self::numbers`]; `None` for a row of another length.
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

/// A progress event of the training loop.
#[derive(Clone, Debug)]
pub enum Progress<'p> {
    /// A step of an epoch is done.
    Step {
        /// 1-based member of the bundle, and the number of members.
        member: (usize, usize),
        /// 1-based deep term of the member, and the number of terms; `None` for a pure sequence
        /// model.
        term: Option<(usize, usize)>,
        /// 1-based fold of the training samples that the network of a deep term does not see, and
        /// the number of folds; `None` for a network of all training samples.
        fold: Option<(usize, usize)>,
        /// 1-based epoch, and the number of epochs.
        epoch: (usize, usize),
        /// Steps done, and the number of steps of an epoch.
        step: (usize, usize),
        /// Mean loss of the samples of the step.
        loss: f64,
        /// Set it to true to stop here. The state is written, and the run ends with
        /// [`Error::Stopped`](super::Error::Stopped).
        stop: &'p Cell<bool>,
    },
    /// An epoch is done.
    Epoch(&'p EpochLog),
}
