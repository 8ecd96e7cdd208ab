//! Options and digests of a run, as the report shows them.

use serde_json::Value;

use crate::evaluation::Background;

/// Keys of the options of an evaluation, and their names on the command line.
const OPTIONS_OF_EVALUATE: [(&str, &str); 7] = [
    ("cohort", "--cohort"),
    ("compare_to", "--compare-to"),
    ("strata", "--strata"),
    ("bootstrap", "--bootstrap"),
    ("prevalence", "--prevalence"),
    ("recalibration", "--recalibration"),
    ("guards", "--guards"),
];

impl Background {
    /// Summary of a stage of the pipeline.
    pub(super) fn stage(&self, name: &str) -> Option<&Value> {
        self.run.as_ref()?.get("stages")?.get(name)?.get("summary")
    }

    /// An option of the pipeline as text; `path` joins the keys by dots.
    pub(super) fn option(&self, path: &str) -> Option<String> {
        let options = self.run.as_ref()?.get("options")?;
        let value = path
            .split('.')
            .try_fold(options, |value, key| value.get(key))?;
        Some(text(value))
    }

    /// Program, version, pipeline, and every option by path. Without a pipeline these are the
    /// options of the evaluation.
    pub(super) fn options(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let mut options = &self.evaluation;
        if let Some(run) = &self.run {
            for key in ["program", "version", "pipeline"] {
                if let Some(value) = run.get(key) {
                    rows.push((key.to_owned(), text(value)));
                }
            }
            options = run.get("options").unwrap_or(options);
        }
        push_leaves("", options, &mut rows);
        rows
    }

    /// SHA-256 of input files by name, digests of stages, and SHA-256 of the predictions.
    pub(super) fn digests(&self) -> Vec<(String, String)> {
        let inputs = self
            .entries_of_run("inputs")
            .map(|(path, digest)| (file_name(path), text(digest)));
        let stages = self.entries_of_run("stages").filter_map(|(stage, record)| {
            Some((format!("stage {stage}"), text(record.get("digest")?)))
        });
        inputs
            .chain(stages)
            .chain(self.inputs.iter().cloned())
            .collect()
    }

    /// The commands that make this report: of the pipeline, if there is one, and of the
    /// evaluation. Paths are without their folders.
    pub(super) fn commands(&self) -> Vec<String> {
        let pipeline = self.run.as_ref().and_then(|run| run.get("pipeline"));
        let mut commands: Vec<String> = pipeline
            .map(|path| format!("gf-genomics run {}", quoted(&text(path))))
            .into_iter()
            .collect();
        let files: Vec<String> = self.inputs.iter().map(|(name, _)| quoted(name)).collect();
        if files.is_empty() {
            return commands;
        }
        let mut command = format!("gf-genomics evaluate --predictions {}", files.join(" "));
        for (key, option) in OPTIONS_OF_EVALUATE {
            let value = &self.evaluation[key];
            if !value.is_null() {
                command.push_str(&argument(option, value));
            }
        }
        if !self.evaluation["bootstrap"].is_null() {
            command.push_str(" --seed ");
            command.push_str(&self.evaluation["seed"].to_string());
        }
        if self.run.is_some() {
            command += " --run run.json";
        }
        commands.push(format!("{command} --out {}", quoted(&self.name)));
        commands
    }

    /// Entries of an object of `run.json`; none without it.
    fn entries_of_run(&self, key: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.run
            .as_ref()
            .and_then(|run| run.get(key))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    }
}

/// ` --option value`, quoted for a shell.
fn argument(option: &str, value: &Value) -> String {
    format!(" {option} {}", quoted(&text(value).replace(", ", ",")))
}

/// Appends path and text of every value inside `value`. Elements of a list of objects have 1-based
/// numbers as keys; another list is one value.
fn push_leaves(path: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                push_leaves(&joined(path, key), value, rows);
            }
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            for (index, value) in values.iter().enumerate() {
                push_leaves(&joined(path, &(index + 1).to_string()), value, rows);
            }
        }
        Value::Null => rows.push((path.to_owned(), "not set".to_owned())),
        _ => rows.push((path.to_owned(), text(value))),
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// A value as text, paths without their folders: these reveal where someone works and nothing about
/// the result.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => file_name(text),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        _ => value.to_string(),
    }
}

/// A word for a shell, in quotes where it needs them.
fn quoted(word: &str) -> String {
    let is_plain = word
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "-_./,+=".contains(letter));
    if is_plain && !word.is_empty() {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}
