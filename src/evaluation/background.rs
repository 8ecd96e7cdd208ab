//! Context of an evaluation that the report shows: training logs, published scores, `run.json`.

use std::{fs, path::Path};

use gf_cohort_schema::{ScoreRow, TrainingRow};
use gf_files::output;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Error, Options, SidecarFiles};

/// Training log of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainingLog {
    /// Name of the model.
    pub model: String,
    /// Rows of `training_log.csv`.
    pub rows: Vec<TrainingRow>,
}

/// Context of an evaluation, next to its own tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Background {
    /// Name of the run: that of the pipeline, else that of the output folder.
    pub name: String,
    /// One log per trained model.
    pub training: Vec<TrainingLog>,
    /// Rows of `scores.csv`.
    pub scores: Vec<ScoreRow>,
    /// Options of the evaluation, shown where there is no `run`.
    pub evaluation: Value,
    /// Name and SHA-256 of each file of predictions.
    pub inputs: Vec<(String, String)>,
    /// `run.json` of the pipeline.
    pub run: Option<Value>,
}

impl Background {
    /// Reads `run.json`, training logs and published scores, and digests the predictions.
    ///
    /// # Errors
    /// A file that cannot be read or is malformed; a `run.json` of another program.
    pub(super) fn read(options: &Options, sidecar_files: &SidecarFiles) -> Result<Self, Error> {
        let run = options.run.as_deref().map(read_run).transpose()?;
        Ok(Self {
            name: name_of_run(run.as_ref(), &options.out),
            training: sidecar_files.read_training_logs()?,
            scores: sidecar_files.read_published_scores()?,
            evaluation: options_shown(options),
            inputs: digests(options)?,
            run,
        })
    }
}

/// Reads the `run.json` of a pipeline.
fn read_run(path: &Path) -> Result<Value, Error> {
    let text = fs::read(path).map_err(output::at(path))?;
    let run: Value =
        serde_json::from_slice(&text).map_err(|error| Error::run(path, error.to_string()))?;
    if run.get("stages").is_none_or(|stages| !stages.is_object()) {
        return Err(Error::run(path, "it has no `stages`"));
    }
    Ok(run)
}

/// File name of the pipeline without its extension, or the name of the output folder.
fn name_of_run(run: Option<&Value>, out: &Path) -> String {
    let pipeline = run
        .and_then(|run| run.get("pipeline")?.as_str())
        .and_then(|path| Path::new(path).file_stem());
    match pipeline.or(out.file_name()) {
        Some(name) => name.to_string_lossy().into_owned(),
        None => "evaluation".to_owned(),
    }
}

/// The options that change what the report shows.
fn options_shown(options: &Options) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "compare_to": options.compare_to,
        "layout": options.layout,
        "cohort": options.cohort,
        "strata": options.strata,
        "bootstrap": options.bootstrap,
        "seed": options.seed,
        "prevalence": options.prevalence,
        "recalibration": options.recalibration,
        "guards": options.guards,
    })
}

/// Name and SHA-256 of each file of predictions.
fn digests(options: &Options) -> Result<Vec<(String, String)>, Error> {
    options
        .predictions
        .iter()
        .map(|path| Ok((folder_and_file_name(path), output::sha256_of_file(path)?)))
        .collect()
}

/// `FOLDER/FILE`: the whole path would reveal folders of the user.
fn folder_and_file_name(path: &Path) -> String {
    let names = [path.parent().and_then(Path::file_name), path.file_name()];
    names
        .into_iter()
        .flatten()
        .map(|name| name.to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}
