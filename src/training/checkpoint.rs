//! The state of the loop after an epoch: weights, the best weights so far, moments and log, in one file that is replaced atomically.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use candle_core::{Device, Tensor, safetensors::Load};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::{EpochLog, Error, Schedule, optimizer::Moments};
use crate::{nn::Parameters, output};

const STATE: &str = "gf-genomics";

/// Everything that is not a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Of inputs and options; a checkpoint of others is refused.
    digest: String,
    n_steps: u64,
    /// 1-based; 0 before the first epoch.
    pub best_epoch: usize,
    /// Its validation AUC.
    #[serde(skip)]
    pub best_validation_auroc: f64,
    /// Of every epoch so far. Kept as a tensor: numbers read back from JSON may differ in the last bit, and a tie of two epochs with them.
    #[serde(skip)]
    pub log: Vec<EpochLog>,
}

/// The loop between two epochs.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Everything that is not a tensor.
    pub state: State,
    /// Weights as they are.
    pub parameters: BTreeMap<String, Tensor>,
    /// Weights of the best epoch.
    pub best: BTreeMap<String, Tensor>,
    /// Of the optimizer.
    pub moments: Moments,
}

impl Checkpoint {
    /// Before the first epoch.
    pub fn start(digest: String, parameters: &Parameters) -> Result<Self, Error> {
        let weights = copy(parameters)?;
        let state = State { digest, n_steps: 0, best_epoch: 0, best_validation_auroc: f64::NEG_INFINITY, log: Vec::new() };
        Ok(Self { state, best: weights.clone(), parameters: weights, moments: Moments::default() })
    }

    /// Takes over an epoch's result; keeps its weights when they are the best so far.
    pub fn end_epoch(&mut self, log: EpochLog, parameters: &Parameters) -> Result<(), Error> {
        self.parameters = copy(parameters)?;
        if log.validation_auroc > self.state.best_validation_auroc {
            self.state.best_validation_auroc = log.validation_auroc;
            self.state.best_epoch = log.epoch;
            self.best = self.parameters.clone();
        }
        self.state.n_steps = self.moments.n_steps;
        self.state.log.push(log);
        Ok(())
    }

    /// All epochs are run, or patience is at its end.
    pub fn is_finished(&self, schedule: &Schedule) -> bool {
        let done = self.state.log.len();
        done >= schedule.epochs || done > 0 && done - self.state.best_epoch >= schedule.patience
    }

    /// Writes the checkpoint.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let wrong = |reason: String| Error::File { path: path.into(), reason };
        let moment = |values: &BTreeMap<String, Vec<f32>>| -> Result<BTreeMap<String, Tensor>, Error> {
            let tensor = |(name, values): (&String, &Vec<f32>)| Ok((name.clone(), Tensor::from_slice(values, values.len(), &Device::Cpu)?));
            values.iter().map(tensor).collect()
        };
        let groups = [
            ("weights", self.parameters.clone()),
            ("best", self.best.clone()),
            ("first", moment(&self.moments.first)?),
            ("second", moment(&self.moments.second)?),
        ];
        let log: Vec<f64> = self.state.log.iter().flat_map(EpochLog::numbers).collect();
        let log = BTreeMap::from([("epochs".to_string(), Tensor::from_vec(log, (self.state.log.len(), EpochLog::LEN), &Device::Cpu)?)]);
        let groups = groups.into_iter().chain([("log", log)]);
        let tensors: BTreeMap<String, Tensor> = groups
            .flat_map(|(group, tensors)| tensors.into_iter().map(move |(name, tensor)| (format!("{group}/{name}"), tensor)))
            .collect();
        let state = serde_json::to_string(&self.state).map_err(|error| wrong(error.to_string()))?;
        let bytes =
            safetensors::serialize(tensors, Some(HashMap::from([(STATE.to_string(), state)]))).map_err(|error| wrong(error.to_string()))?;
        Ok(output::write(path, |out| out.write_all(&bytes))?)
    }

    /// Reads a checkpoint; `None` when there is none.
    ///
    /// # Errors
    /// A damaged one, or one of other inputs or options.
    pub fn load_if_there(path: &Path, digest: &str) -> Result<Option<Self>, Error> {
        let wrong = |reason: String| Error::File { path: path.into(), reason };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(output::at(path)(error).into()),
        };
        let damaged = |error: &dyn std::fmt::Display| wrong(format!("damaged checkpoint ({error}); delete it to start again"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(&error))?;
        let state = header.metadata().as_ref().and_then(|metadata| metadata.get(STATE)).ok_or_else(|| damaged(&"no state"))?;
        let mut state: State = serde_json::from_str(state).map_err(|error| damaged(&error))?;
        if state.digest != digest {
            return Err(Error::OtherCheckpoint { path: path.into() });
        }
        let mut groups: BTreeMap<String, BTreeMap<String, Tensor>> = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(&bytes).map_err(|error| damaged(&error))?.tensors() {
            let (group, name) = name.split_once('/').ok_or_else(|| damaged(&name))?;
            groups.entry(group.to_string()).or_default().insert(name.to_string(), view.load(&Device::Cpu)?);
        }
        let mut group = |name: &str| groups.remove(name).unwrap_or_default();
        let (parameters, best_parameters) = (group("weights"), group("best"));
        let values = |tensors: BTreeMap<String, Tensor>| -> Result<BTreeMap<String, Vec<f32>>, Error> {
            tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_vec1::<f32>()?))).collect()
        };
        let log = group("log").remove("epochs").ok_or_else(|| damaged(&"no log"))?.to_vec2::<f64>()?;
        state.log = log.iter().filter_map(|row| EpochLog::from_numbers(row)).collect();
        let best = state.best_epoch.checked_sub(1).and_then(|index| state.log.get(index));
        state.best_validation_auroc = best.ok_or_else(|| damaged(&"no best epoch"))?.validation_auroc;
        let moments = Moments { n_steps: state.n_steps, first: values(group("first"))?, second: values(group("second"))? };
        Ok(Some(Self { state, parameters, best: best_parameters, moments }))
    }
}

fn copy(parameters: &Parameters) -> Result<BTreeMap<String, Tensor>, Error> {
    parameters.iter().chain(parameters.buffers()).map(|(name, var)| Ok((name.to_string(), var.as_tensor().copy()?))).collect()
}
