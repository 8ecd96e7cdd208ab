//! Training checkpoint: weights, best weights, optimizer moments and log in one file.
//!
//! The file is replaced atomically. Its tensors are `weights/NAME`, `best/NAME`, `first/NAME` and
//! `second/NAME` (moments), `log/epochs` (epochs x numbers, f64) and `log/partial` (3, f64). The
//! metadata has the JSON of [`State`] under the key `gf-genomics`.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use candle_core::{Device, Tensor, Var, safetensors::Load};
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{EpochLog, Error, Schedule, Weights, optimizer::Moments};
use gf_cohort_schema::counted;
use gf_files::{
    output,
    stored_format::{self, StoredFormatProblem},
};
use gf_nn::Parameters;

/// Key of [`State`] in the metadata.
const STATE: &str = "gf-genomics";
/// Version of the checkpoint format; version 1 was written without a number.
const SCHEMA_VERSION: u32 = 2;

/// State of the loop without its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`SCHEMA_VERSION`]; absent in version 1.
    schema_version: Option<u32>,
    /// SHA-256 of inputs and options; a checkpoint with another digest is refused.
    digest: String,
    n_steps: u64,
    /// 1-based; 0 before the first epoch.
    pub best_epoch: usize,
    /// Validation AUC of the best epoch.
    #[serde(skip)]
    pub best_validation_auroc: f64,
    /// Log of every epoch so far.
    ///
    /// It is saved as a tensor: numbers read back from JSON may differ in the last bit, which could
    /// decide between two epochs of the same AUC.
    #[serde(skip)]
    pub log: Vec<EpochLog>,
}

/// The finished part of an epoch; zeros between two epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Partial {
    pub n_steps: usize,
    /// Sum over the samples of these steps.
    pub loss_sum: f64,
    /// Wall-clock time of these steps.
    pub seconds: f64,
}

/// State of the loop between two steps, without the current weights.
#[derive(Debug)]
pub struct Checkpoint {
    /// State without tensors.
    pub state: State,
    /// The finished part of the next epoch.
    pub partial: Partial,
    /// Weights of the best epoch, on the CPU.
    pub best: Weights,
    /// Moments of the optimizer.
    pub moments: Moments,
}

impl Checkpoint {
    /// The state before the first epoch.
    pub fn start(digest: &str) -> Self {
        let state = State {
            schema_version: Some(SCHEMA_VERSION),
            digest: digest.into(),
            n_steps: 0,
            best_epoch: 0,
            best_validation_auroc: f64::NEG_INFINITY,
            log: Vec::new(),
        };
        Self {
            state,
            partial: Partial::default(),
            best: BTreeMap::new(),
            moments: Moments::default(),
        }
    }

    /// The log of the best epoch so far.
    pub fn best_log(&self) -> Option<&EpochLog> {
        self.state.log.get(self.state.best_epoch.checked_sub(1)?)
    }

    /// Adds the log of an epoch; copies its weights when they are the best so far.
    pub fn end_epoch(
        &mut self,
        log: EpochLog,
        is_better: bool,
        parameters: &Parameters,
    ) -> Result<(), Error> {
        if is_better {
            self.state.best_validation_auroc = log.validation_auroc;
            self.state.best_epoch = log.epoch;
            self.best = everything(parameters)
                .map(|(name, var)| Ok((name.to_string(), on_cpu(var)?.copy()?)))
                .collect::<Result<_, Error>>()?;
        }
        self.partial = Partial::default();
        self.state.log.push(log);
        Ok(())
    }

    /// Whether all epochs are run, or the last `patience` epochs were not better.
    pub fn is_finished(&self, schedule: &Schedule) -> bool {
        let n_epochs = self.state.log.len();
        n_epochs >= schedule.epochs
            || n_epochs > 0 && n_epochs - self.state.best_epoch >= schedule.patience
    }

    /// Writes the checkpoint with the current weights.
    pub fn save(&mut self, path: &Path, parameters: &Parameters) -> Result<(), Error> {
        self.state.n_steps = self.moments.n_steps;
        let state = serde_json::to_string(&self.state)
            .map_err(|error| Error::file(path, CheckpointProblem::from(error)))?;
        let metadata = HashMap::from([(STATE.to_string(), state)]);
        let bytes = safetensors::serialize(self.tensors(parameters)?, Some(metadata))
            .map_err(|error| Error::file(path, CheckpointProblem::from(error)))?;
        Ok(output::write(path, |out| out.write_all(&bytes))?)
    }

    /// All tensors of the file, by name.
    fn tensors(&self, parameters: &Parameters) -> Result<Weights, Error> {
        let mut tensors = Weights::new();
        for (name, var) in everything(parameters) {
            tensors.insert(format!("weights/{name}"), on_cpu(var)?);
        }
        for (name, tensor) in &self.best {
            tensors.insert(format!("best/{name}"), tensor.clone());
        }
        for (group, moments) in [
            ("first", &self.moments.first),
            ("second", &self.moments.second),
        ] {
            for (name, var) in moments {
                tensors.insert(format!("{group}/{name}"), on_cpu(var)?);
            }
        }
        if !self.state.log.is_empty() {
            let log: Vec<f64> = self.state.log.iter().flat_map(EpochLog::numbers).collect();
            tensors.insert(
                "log/epochs".into(),
                Tensor::from_vec(log, (self.state.log.len(), EpochLog::LEN), &Device::Cpu)?,
            );
        }
        let Partial {
            n_steps,
            loss_sum,
            seconds,
        } = self.partial;
        tensors.insert(
            "log/partial".into(),
            Tensor::from_vec(vec![n_steps as f64, loss_sum, seconds], 3, &Device::Cpu)?,
        );
        Ok(tensors)
    }

    /// Reads a checkpoint and its current weights; `None` when there is none.
    ///
    /// # Errors
    /// A damaged checkpoint, or one of different inputs or options.
    pub fn load_if_there(
        path: &Path,
        digest: &str,
        device: &Device,
    ) -> Result<Option<(Self, Weights)>, Error> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(output::at(path)(error).into()),
        };
        let mut state = State::read(path, &bytes)?;
        if state.digest != digest {
            return Err(Error::OtherCheckpoint { path: path.into() });
        }
        if state.n_steps > u64::from(u32::MAX) {
            return Err(damaged(path, Damage::Steps(state.n_steps)));
        }
        let mut groups = tensor_groups(path, &bytes)?;
        let weights = groups.remove("weights").unwrap_or_default();
        let mut log = groups.remove("log").unwrap_or_default();
        let partial = match log.remove("partial") {
            Some(numbers) => Partial::from_numbers(&numbers.to_vec1()?),
            None => None,
        }
        .ok_or_else(|| damaged(path, Damage::NoLog))?;
        if let Some(epochs) = log.remove("epochs") {
            state.log = epoch_logs(path, &epochs.to_vec2()?)?;
        }
        state.best_validation_auroc = state
            .best_auroc_in_log()
            .ok_or_else(|| damaged(path, Damage::NoBestEpoch))?;
        let moments = Moments {
            n_steps: state.n_steps,
            first: vars(groups.remove("first").unwrap_or_default(), device)?,
            second: vars(groups.remove("second").unwrap_or_default(), device)?,
        };
        let checkpoint = Self {
            state,
            partial,
            best: groups.remove("best").unwrap_or_default(),
            moments,
        };
        Ok(Some((checkpoint, weights)))
    }
}

impl State {
    fn read(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let header = SafeTensors::read_metadata(bytes)
            .map_err(|error| damaged(path, error))?
            .1;
        let json = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(STATE))
            .ok_or_else(|| damaged(path, Damage::NoState))?;
        let state: Self = serde_json::from_str(json).map_err(|error| damaged(path, error))?;
        stored_format::check(state.schema_version, SCHEMA_VERSION, "gf-genomics train")
            .map_err(|problem| Error::file(path, CheckpointProblem::from(problem)))?;
        Ok(state)
    }

    /// Validation AUC of the best epoch; minus infinity before the first epoch.
    ///
    /// `None` when the log does not have the best epoch.
    fn best_auroc_in_log(&self) -> Option<f64> {
        match self.best_epoch.checked_sub(1) {
            Some(index) => self.log.get(index).map(|epoch| epoch.validation_auroc),
            None if self.log.is_empty() => Some(f64::NEG_INFINITY),
            None => None,
        }
    }
}

impl Partial {
    fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let &[n_steps, loss_sum, seconds] = numbers else {
            return None;
        };
        Some(Self {
            n_steps: n_steps as usize,
            loss_sum,
            seconds,
        })
    }
}

/// The tensors of a file on the CPU, grouped by the part of their name before `/`.
fn tensor_groups(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Weights>, Error> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(path, error))?;
    let mut groups: BTreeMap<String, Weights> = BTreeMap::new();
    for (name, view) in tensors.tensors() {
        let (group, rest) = name
            .split_once('/')
            .ok_or_else(|| damaged(path, Damage::Tensor(name.clone())))?;
        groups
            .entry(group.to_string())
            .or_default()
            .insert(rest.to_string(), view.load(&Device::Cpu)?);
    }
    Ok(groups)
}

/// Logs of the epochs; an error for a row of another length.
fn epoch_logs(path: &Path, rows: &[Vec<f64>]) -> Result<Vec<EpochLog>, Error> {
    rows.iter()
        .zip(1_usize..)
        .map(|(row, number)| {
            EpochLog::from_numbers(row).ok_or_else(|| {
                let n_numbers = row.len();
                damaged(path, Damage::LogRow { number, n_numbers })
            })
        })
        .collect()
}

fn vars(tensors: Weights, device: &Device) -> Result<BTreeMap<String, Var>, Error> {
    tensors
        .into_iter()
        .map(|(name, tensor)| Ok((name, Var::from_tensor(&tensor.to_device(device)?)?)))
        .collect()
}

fn damaged(path: &Path, damage: impl Into<Damage>) -> Error {
    Error::file(path, CheckpointProblem::Damaged(damage.into()))
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointProblem {
    /// A state that cannot be written as JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Tensors that cannot be written.
    #[error("{0}")]
    Safetensors(#[from] SafeTensorError),
    /// Another version.
    #[error(transparent)]
    Format(#[from] StoredFormatProblem),
    /// A file that does not have the parts of a checkpoint.
    #[error("damaged checkpoint ({0}); delete it to start from scratch")]
    Damaged(Damage),
}

/// Damage of a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// A file that is not in the safetensors format.
    #[error("{0}")]
    Safetensors(#[from] SafeTensorError),
    /// A state that is not JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// An impossible number of steps.
    #[error("{0} steps")]
    Steps(u64),
    /// No training log.
    #[error("no log")]
    NoLog,
    /// A row of the log with another number of numbers.
    #[error(
        "row {number} of its log has {}, expected {expected}",
        counted(*n_numbers, "number", "numbers"),
        expected = EpochLog::LEN
    )]
    LogRow {
        /// 1-based number of the row.
        number: usize,
        /// Numbers in the row.
        n_numbers: usize,
    },
    /// A best epoch that the log does not have.
    #[error("no best epoch")]
    NoBestEpoch,
    /// No state.
    #[error("no state")]
    NoState,
    /// A tensor of an unknown name.
    #[error("{0}")]
    Tensor(String),
}

/// All variables of a saved model, by name: parameters and buffers.
fn everything(parameters: &Parameters) -> impl Iterator<Item = (&str, &Var)> {
    parameters.iter().chain(parameters.buffers())
}

/// The values of a variable on the CPU; not a copy when they are already there.
fn on_cpu(var: &Var) -> Result<Tensor, Error> {
    Ok(var.as_detached_tensor().to_device(&Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_log_with_a_number_too_few_is_an_error() {
        let row = vec![1.0, 0.5, 0.75, 0.5, 1e-3, 2.0, 100.0];
        let path = Path::new("checkpoint.safetensors");
        assert_eq!(
            epoch_logs(path, std::slice::from_ref(&row)).unwrap()[0].epoch,
            1
        );
        let error = epoch_logs(path, &[row.clone(), row[1..].to_vec()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "checkpoint.safetensors: damaged checkpoint (row 2 of its log has 6 numbers, expected \
             7); delete it to start from scratch"
        );
    }
}
