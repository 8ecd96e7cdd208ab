//! The state of the loop between two steps: weights, the best weights so far, moments and log, in
//! one file that is replaced atomically.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use candle_core::{Device, Tensor, Var, safetensors::Load};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::{EpochLog, Error, Schedule, Weights, optimizer::Moments};
use gf_files::{output, stored_format};
use gf_nn::Parameters;

const STATE: &str = "gf-genomics";
/// Version of the checkpoint; 1 had none.
const SCHEMA_VERSION: u32 = 2;

/// Everything that is not a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`SCHEMA_VERSION`] when written; none before there was one.
    schema_version: Option<u32>,
    /// Of inputs and options; a checkpoint of others is refused.
    digest: String,
    n_steps: u64,
    /// 1-based; 0 before the first epoch.
    pub best_epoch: usize,
    /// Its validation AUC.
    #[serde(skip)]
    pub best_validation_auroc: f64,
    /// Of every epoch so far. Kept as a tensor: numbers read back from JSON may differ in the last
    /// bit, and a tie of two epochs with them.
    #[serde(skip)]
    pub log: Vec<EpochLog>,
}

/// What is done of an epoch; nothing between two.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Partial {
    pub n_steps: usize,
    /// Over the people of these steps.
    pub loss_sum: f64,
    /// Wall-clock time of these steps.
    pub seconds: f64,
}

/// The loop between two steps, all but the weights as they are.
#[derive(Debug)]
pub struct Checkpoint {
    /// Everything that is not a tensor.
    pub state: State,
    /// Of the epoch after those in the log.
    pub partial: Partial,
    /// Weights of the best epoch, on the CPU.
    pub best: Weights,
    /// Of the optimizer.
    pub moments: Moments,
}

impl Checkpoint {
    /// Before the first epoch.
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

    /// Takes over an epoch's result; keeps its weights when they are the best so far.
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

    /// All epochs are run, or patience is at its end.
    pub fn is_finished(&self, schedule: &Schedule) -> bool {
        let done = self.state.log.len();
        done >= schedule.epochs || done > 0 && done - self.state.best_epoch >= schedule.patience
    }

    /// Writes the checkpoint, with the weights as they are.
    pub fn save(&mut self, path: &Path, parameters: &Parameters) -> Result<(), Error> {
        self.state.n_steps = self.moments.n_steps;
        let wrong = |reason: String| Error::File {
            path: path.into(),
            reason,
        };
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
        let state = serde_json::to_string(&self.state).map_err(|error| wrong(error.to_string()))?;
        let bytes =
            safetensors::serialize(tensors, Some(HashMap::from([(STATE.to_string(), state)])))
                .map_err(|error| wrong(error.to_string()))?;
        Ok(output::write(path, |out| out.write_all(&bytes))?)
    }

    /// Reads a checkpoint and the weights to go on with; `None` when there is none.
    ///
    /// # Errors
    /// A damaged one, or one of other inputs or options.
    pub fn load_if_there(
        path: &Path,
        digest: &str,
        device: &Device,
    ) -> Result<Option<(Self, Weights)>, Error> {
        let wrong = |reason: String| Error::File {
            path: path.into(),
            reason,
        };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(output::at(path)(error).into()),
        };
        let damaged = |error: &dyn std::fmt::Display| {
            wrong(format!(
                "damaged checkpoint ({error}); delete it to start again"
            ))
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(&error))?;
        let state = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(STATE))
            .ok_or_else(|| damaged(&"no state"))?;
        let mut state: State = serde_json::from_str(state).map_err(|error| damaged(&error))?;
        stored_format::check(state.schema_version, SCHEMA_VERSION, "gf-genomics train")
            .map_err(wrong)?;
        if state.digest != digest {
            return Err(Error::OtherCheckpoint { path: path.into() });
        }
        if state.n_steps > u64::from(u32::MAX) {
            return Err(damaged(&format!("{} steps", state.n_steps)));
        }
        let mut groups: BTreeMap<String, Weights> = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(&bytes)
            .map_err(|error| damaged(&error))?
            .tensors()
        {
            let (group, name) = name.split_once('/').ok_or_else(|| damaged(&name))?;
            groups
                .entry(group.to_string())
                .or_default()
                .insert(name.to_string(), view.load(&Device::Cpu)?);
        }
        let mut group = |name: &str| groups.remove(name).unwrap_or_default();
        let weights = group("weights");
        let best = group("best");
        let vars = |tensors: Weights| -> Result<BTreeMap<String, Var>, Error> {
            tensors
                .into_iter()
                .map(|(name, tensor)| Ok((name, Var::from_tensor(&tensor.to_device(device)?)?)))
                .collect()
        };
        let mut log = group("log");
        let partial = log
            .remove("partial")
            .map(|numbers| numbers.to_vec1::<f64>())
            .transpose()?;
        let partial = match partial.as_deref() {
            Some(&[n_steps, loss_sum, seconds]) => Partial {
                n_steps: n_steps as usize,
                loss_sum,
                seconds,
            },
            _ => return Err(damaged(&"no log")),
        };
        if let Some(epochs) = log.remove("epochs") {
            state.log = epochs
                .to_vec2::<f64>()?
                .iter()
                .filter_map(|row| EpochLog::from_numbers(row))
                .collect();
        }
        state.best_validation_auroc = match state.best_epoch.checked_sub(1) {
            Some(index) => {
                state
                    .log
                    .get(index)
                    .ok_or_else(|| damaged(&"no best epoch"))?
                    .validation_auroc
            }
            None if state.log.is_empty() => f64::NEG_INFINITY,
            None => return Err(damaged(&"no best epoch")),
        };
        let moments = Moments {
            n_steps: state.n_steps,
            first: vars(group("first"))?,
            second: vars(group("second"))?,
        };
        Ok(Some((
            Self {
                state,
                partial,
                best,
                moments,
            },
            weights,
        )))
    }
}

/// All that a saved model has, by name.
fn everything(parameters: &Parameters) -> impl Iterator<Item = (&str, &Var)> {
    parameters.iter().chain(parameters.buffers())
}

/// The values of a variable, without the variable; not a copy where they are on the CPU.
fn on_cpu(var: &Var) -> Result<Tensor, Error> {
    Ok(var.as_detached_tensor().to_device(&Device::Cpu)?)
}
