//! Files that other stages wrote next to the predictions: costs, published scores, APOE genotypes,
//! guards and training logs.
//!
//! Input -> output: the paths of predictions -> [`SidecarFiles`], whose `read_*` methods give their
//! rows. A file that does not exist leaves its columns empty.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use gf_cohort_schema::{
    Characteristics, CostRow, GuardRow, ScoreRow, read_costs, read_guards, read_scores,
    read_training_log,
};
use serde::Serialize;

use super::{Error, TrainingLog};
use crate::layout;

/// Files next to the predictions, at most one of each kind per folder, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SidecarFiles {
    /// `cost.csv`: parameters, operations, energy and memory of each model.
    pub costs: Vec<PathBuf>,
    /// `scores.csv`: published scores and their match rates.
    pub published_scores: Vec<PathBuf>,
    /// `apoe.csv`: APOE genotypes by sample.
    pub apoe: Vec<PathBuf>,
    /// `guards.csv`: findings of guards of earlier stages.
    pub guards: Vec<PathBuf>,
    /// `training_log.csv`: loss by epoch.
    pub training_logs: Vec<PathBuf>,
}

impl SidecarFiles {
    /// The files that exist in the folders of the predictions.
    #[must_use]
    pub fn find(predictions: &[PathBuf]) -> Self {
        Self {
            costs: files_named(layout::COST, predictions),
            published_scores: files_named(layout::SCORES, predictions),
            apoe: files_named(layout::APOE, predictions),
            guards: files_named(layout::GUARDS, predictions),
            training_logs: files_named(layout::TRAINING_LOG, predictions),
        }
    }

    /// All files, by kind.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [
            &self.costs,
            &self.published_scores,
            &self.apoe,
            &self.guards,
            &self.training_logs,
        ]
        .into_iter()
        .flatten()
    }

    /// Costs by model.
    ///
    /// # Errors
    /// A malformed file; two files with different costs of one model.
    pub(super) fn read_costs(&self) -> Result<BTreeMap<String, CostRow>, Error> {
        let mut costs: BTreeMap<String, CostRow> = BTreeMap::new();
        for path in &self.costs {
            for cost in read_costs(path)? {
                match costs.get(&cost.model) {
                    Some(earlier) if *earlier != cost => {
                        return Err(Error::said_twice(path, "cost", cost.model));
                    }
                    _ => _ = costs.insert(cost.model.clone(), cost),
                }
            }
        }
        Ok(costs)
    }

    /// Published scores, one per model.
    ///
    /// # Errors
    /// A malformed file; two files with different match rates of one model.
    pub(super) fn read_published_scores(&self) -> Result<Vec<ScoreRow>, Error> {
        let mut scores: Vec<ScoreRow> = Vec::new();
        for path in &self.published_scores {
            for score in read_scores(path)? {
                match scores.iter().find(|earlier| earlier.model == score.model) {
                    None => scores.push(score),
                    Some(earlier) if !has_same_match_rate(earlier, &score) => {
                        return Err(Error::said_twice(path, "match rate", score.model));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(scores)
    }

    /// APOE genotypes by sample, one table per file.
    ///
    /// # Errors
    /// A malformed file.
    pub(super) fn read_apoe(&self) -> Result<Vec<Characteristics>, Error> {
        self.apoe
            .iter()
            .map(|path| Ok(Characteristics::read(path)?))
            .collect()
    }

    /// Findings of guards of other stages. Guards named in `own` are those of an earlier evaluation
    /// into the same folder and are left out.
    ///
    /// # Errors
    /// A malformed file.
    pub(super) fn read_guards(&self, own: &[&str]) -> Result<Vec<GuardRow>, Error> {
        let mut rows = Vec::new();
        for path in &self.guards {
            rows.extend(read_guards(path)?);
        }
        rows.retain(|row| !own.contains(&row.guard.as_str()));
        Ok(rows)
    }

    /// Training logs, one per file.
    ///
    /// # Errors
    /// A malformed file.
    pub(super) fn read_training_logs(&self) -> Result<Vec<TrainingLog>, Error> {
        self.training_logs
            .iter()
            .map(|path| {
                Ok(TrainingLog {
                    model: self.name_of_trained_model(path)?,
                    rows: read_training_log(path)?,
                })
            })
            .collect()
    }

    /// The last model in the `cost.csv` of the same folder, else the name of the folder. An
    /// additive term, which has no epochs, comes before the model that it is part of.
    fn name_of_trained_model(&self, training_log: &Path) -> Result<String, Error> {
        let cost = training_log.with_file_name(layout::COST);
        if self.costs.contains(&cost)
            && let Some(row) = read_costs(&cost)?.pop()
        {
            return Ok(row.model);
        }
        let folder = training_log.parent().and_then(Path::file_name);
        Ok(match folder {
            Some(name) => name.to_string_lossy().into_owned(),
            None => "model".to_owned(),
        })
    }
}

/// The files of this name next to the predictions, each once.
fn files_named(name: &str, predictions: &[PathBuf]) -> Vec<PathBuf> {
    let paths: BTreeSet<PathBuf> = predictions
        .iter()
        .map(|path| path.with_file_name(name))
        .collect();
    paths.into_iter().filter(|path| path.exists()).collect()
}

/// Bitwise, so that two undefined rates (NaN) are the same.
fn has_same_match_rate(a: &ScoreRow, b: &ScoreRow) -> bool {
    a.match_rate.to_bits() == b.match_rate.to_bits()
}
