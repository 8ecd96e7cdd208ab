//! What is known around an evaluation, beside its own tables: training logs, published scores, and
//! `run.json` of the pipeline.

use gf_cohort_schema::{ScoreRow, TrainingRow};
use serde_json::Value;

/// How a model was trained.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingLog {
    /// Its name.
    pub model: String,
    /// `training_log.csv`.
    pub rows: Vec<TrainingRow>,
}

/// What is known around an evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Background {
    /// Name of the run: of the pipeline, or of the folder.
    pub name: String,
    /// Further sentences: what was stacked, how intervals were made, who was left out.
    pub notes: Vec<String>,
    /// By model.
    pub training: Vec<TrainingLog>,
    /// `scores.csv`.
    pub scores: Vec<ScoreRow>,
    /// Options of the evaluation, where there is no `run`.
    pub evaluation: Value,
    /// Name and SHA-256 of the predictions.
    pub inputs: Vec<(String, String)>,
    /// `run.json`.
    pub run: Option<Value>,
}

impl Background {
    /// Summary of a stage of the pipeline.
    pub(super) fn stage(&self, name: &str) -> Option<&Value> {
        self.run.as_ref()?.get("stages")?.get(name)?.get("summary")
    }

    /// An option of the pipeline, as text.
    pub(super) fn option(&self, path: &str) -> Option<String> {
        path.split('.')
            .try_fold(self.run.as_ref()?.get("options")?, |value, key| {
                value.get(key)
            })
            .map(text)
    }

    /// Every option with its value, by path.
    pub(super) fn options(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let run = self.run.as_ref();
        let said = |key: &str| {
            run.and_then(|run| run.get(key))
                .map(|value| (key.to_owned(), text(value)))
        };
        rows.extend(
            ["program", "version", "pipeline"]
                .into_iter()
                .filter_map(said),
        );
        leaves(
            "",
            run.and_then(|run| run.get("options"))
                .unwrap_or(&self.evaluation),
            &mut rows,
        );
        rows
    }

    /// SHA-256 of input files by name, and digests of stages.
    pub(super) fn digests(&self) -> Vec<(String, String)> {
        let of = |key: &str| {
            self.run
                .as_ref()
                .and_then(|run| run.get(key))
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
        };
        let inputs = of("inputs").map(|(path, digest)| (file_name(path), text(digest)));
        let stages = of("stages").filter_map(|(stage, record)| {
            Some((format!("stage {stage}"), text(record.get("digest")?)))
        });
        inputs
            .chain(stages)
            .chain(self.inputs.iter().cloned())
            .collect()
    }
}

fn leaves(path: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    let inner = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| leaves(&inner(key), value, rows)),
        Value::Array(values) if values.iter().any(Value::is_object) => {
            values
                .iter()
                .enumerate()
                .for_each(|(index, value)| leaves(&inner(&(index + 1).to_string()), value, rows));
        }
        Value::Null => rows.push((path.to_owned(), "not set".to_owned())),
        _ => rows.push((path.to_owned(), text(value))),
    }
}

/// Without folders, which say where someone works and nothing about the result.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => file_name(text),
        Value::Array(values) => values.iter().map(self::text).collect::<Vec<_>>().join(", "),
        _ => value.to_string(),
    }
}

fn file_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}
