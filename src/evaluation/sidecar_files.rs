//! What other stages left beside the predictions: `cost.csv`, `scores.csv`, `apoe.csv`,
//! `guards.csv`, `training_log.csv`.
//!
//! Input -> output: the paths of predictions -> the further columns of `auc.csv`, the APOE
//! genotypes, and what guards of other stages found. A file that is not there leaves its columns
//! empty.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use gf_cohort_schema::{
    AucRow, Characteristics, CostRow, GuardRow, ScoreRow, read_costs, read_guards, read_scores,
    read_training_log,
};
use serde_json::Value;

use super::Error;
use crate::layout;
use crate::report::TrainingLog;
use gf_files::output;

/// The files of this name beside the predictions, one a folder.
fn files<'a>(predictions: &'a [PathBuf], name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let paths: BTreeSet<PathBuf> = predictions
        .iter()
        .map(|path| path.with_file_name(name))
        .collect();
    paths.into_iter().filter(|path| path.exists())
}

/// Fills in the costs of the models that have one, and the match rates of published `scores`.
///
/// # Errors
/// A file that is malformed; two that say different things of one model.
pub fn fill_in(
    rows: &mut [AucRow],
    predictions: &[PathBuf],
    scores: &[ScoreRow],
) -> Result<(), Error> {
    let costs = costs(predictions)?;
    for row in rows {
        row.match_rate = scores
            .iter()
            .find(|score| [&score.model, &score.accession].contains(&&row.model))
            .map(|score| score.match_rate);
        let Some(cost) = costs.get(&row.model) else {
            continue;
        };
        row.parameters = Some(cost.parameters);
        row.multiplications = Some(cost.multiplications);
        row.additions = Some(cost.additions);
        row.energy_pj = Some(cost.energy_pj);
        row.bytes = Some(cost.bytes);
    }
    Ok(())
}

fn costs(predictions: &[PathBuf]) -> Result<BTreeMap<String, CostRow>, Error> {
    let mut costs: BTreeMap<String, CostRow> = BTreeMap::new();
    for path in files(predictions, layout::COST) {
        for cost in read_costs(&path)? {
            match costs.get(&cost.model) {
                Some(other) if *other != cost => {
                    return Err(Error::SaidTwice {
                        path,
                        what: "cost",
                        model: cost.model,
                    });
                }
                _ => _ = costs.insert(cost.model.clone(), cost),
            }
        }
    }
    Ok(costs)
}

/// Published scores, one a model.
///
/// # Errors
/// A file that is malformed; two that have other match rates of one model.
pub fn scores(predictions: &[PathBuf]) -> Result<Vec<ScoreRow>, Error> {
    let mut scores: Vec<ScoreRow> = Vec::new();
    for path in files(predictions, layout::SCORES) {
        for score in read_scores(&path)? {
            match scores.iter().find(|other| other.model == score.model) {
                None => scores.push(score),
                Some(other) if other.match_rate.to_bits() != score.match_rate.to_bits() => {
                    return Err(Error::SaidTwice {
                        path,
                        what: "match rate",
                        model: score.model,
                    });
                }
                Some(_) => {}
            }
        }
    }
    Ok(scores)
}

/// `run.json` of a pipeline.
///
/// # Errors
/// A file that cannot be read or is none.
pub fn run(path: &Path) -> Result<Value, Error> {
    let text = fs::read(path).map_err(output::at(path))?;
    let run: Value = serde_json::from_slice(&text).map_err(|error| Error::Run {
        path: path.into(),
        reason: error.to_string(),
    })?;
    if run.get("stages").is_none_or(|stages| !stages.is_object()) {
        return Err(Error::Run {
            path: path.into(),
            reason: "it has no `stages`".to_owned(),
        });
    }
    Ok(run)
}

/// Name and SHA-256 of each file of predictions; of its folders only the last one.
///
/// # Errors
/// A file that cannot be read.
pub fn digests(predictions: &[PathBuf]) -> Result<Vec<(String, String)>, Error> {
    let name = |path: &Path| {
        let parts = [path.parent().and_then(Path::file_name), path.file_name()];
        parts
            .into_iter()
            .flatten()
            .map(|part| part.to_string_lossy())
            .collect::<Vec<_>>()
            .join("/")
    };
    predictions
        .iter()
        .map(|path| Ok((name(path), output::sha256_of_file(path)?)))
        .collect()
}

/// How models were trained, by the name that `cost.csv` says (where there is none, that of the
/// folder).
///
/// # Errors
/// A file that is malformed.
pub fn training(predictions: &[PathBuf]) -> Result<Vec<TrainingLog>, Error> {
    let mut logs = Vec::new();
    for path in files(predictions, layout::TRAINING_LOG) {
        let costs = path.with_file_name(layout::COST);
        let named = if costs.exists() {
            read_costs(&costs)?
                .into_iter()
                .next()
                .map(|cost| cost.model)
        } else {
            None
        };
        let folder = || {
            path.parent()
                .and_then(|folder| folder.file_name())
                .map(|name| name.to_string_lossy().into_owned())
        };
        logs.push(TrainingLog {
            model: named.or_else(folder).unwrap_or_else(|| "model".to_owned()),
            rows: read_training_log(&path)?,
        });
    }
    Ok(logs)
}

/// APOE genotypes by person.
///
/// # Errors
/// A file that is malformed.
pub fn apoe(predictions: &[PathBuf]) -> Result<Vec<Characteristics>, Error> {
    files(predictions, layout::APOE)
        .map(|path| Ok(Characteristics::read(&path)?))
        .collect()
}

/// What guards of other stages found; not those of an earlier evaluation into the same folder.
///
/// # Errors
/// A file that is malformed.
pub fn guards(predictions: &[PathBuf], own: &[&str]) -> Result<Vec<GuardRow>, Error> {
    let mut found = Vec::new();
    for path in files(predictions, layout::GUARDS) {
        found.extend(
            read_guards(&path)?
                .into_iter()
                .filter(|row| !own.contains(&row.guard.as_str())),
        );
    }
    Ok(found)
}
