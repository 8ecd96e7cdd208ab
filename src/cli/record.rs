//! `run.json` in the folder of a command: how its files were made.
//!
//! Input -> output: options, input files and the command's summary -> JSON, readable by its owner
//! only. It contains paths but no sample names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::bail;
use gf_files::output;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    layout,
    run_record::{CommandRecord, RunRecord},
};

/// Largest file that gets a digest. Reading a whole genome can take longer than a command that
/// needs only its loci.
const MAX_DIGESTED_BYTES: u64 = 1 << 30;

/// Whether results of another run may be overwritten.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct OverwriteArgs {
    /// Overwrite results of a different command, or with different options or inputs, in the
    /// folder.
    #[arg(long)]
    pub force: bool,
}

/// A command with its options and inputs, before it runs.
#[derive(Debug)]
pub struct Invocation<'a> {
    /// Name of the command.
    pub command: &'static str,
    /// Options, as the record stores them.
    pub options: Value,
    /// Input files, and folders of which every file is an input.
    pub inputs: Vec<&'a PathBuf>,
}

/// Options that do not change what is in the files.
const WITHOUT_EFFECT: [&str; 3] = ["guards", "out", "resume"];

/// The record of a command that is running. It is written when the command ends.
pub struct PendingRecord<'a> {
    path: PathBuf,
    invocation: Invocation<'a>,
    started: Instant,
}

impl<'a> PendingRecord<'a> {
    /// Begins the record of a command that writes a folder.
    ///
    /// # Errors
    /// The folder has the record of a pipeline, or, without `--force`, of another command, other
    /// options or other inputs.
    pub fn begin(
        folder: &Path,
        invocation: Invocation<'a>,
        overwrite: OverwriteArgs,
    ) -> anyhow::Result<Self> {
        output::keep_inputs(invocation.inputs.iter().copied());
        let path = folder.join(layout::RUN);
        let earlier = fs::read(&path).unwrap_or_default();
        if serde_json::from_slice::<RunRecord>(&earlier).is_ok() {
            bail!(
                "{}: this is the record of a pipeline run; choose another folder (--out)",
                path.display()
            );
        }
        if let Ok(record) = serde_json::from_slice::<CommandRecord>(&earlier)
            && !overwrite.force
            && let Some(what) = invocation.difference_from(&record)
        {
            let advice = "choose another folder (--out), or overwrite them with --force";
            bail!(
                "{}: the folder has results of {what}; {advice}",
                folder.display()
            );
        }
        Ok(Self {
            path,
            invocation,
            started: Instant::now(),
        })
    }

    /// Begins the record of a command that writes one file. It is `FILE.run.json`; there is none
    /// for standard output, a device or a pipe.
    ///
    /// # Errors
    /// The file is one of the inputs.
    pub fn of_file(file: &Path, invocation: Invocation<'a>) -> Result<Option<Self>, output::Error> {
        output::check_outputs(invocation.inputs.iter().copied(), &[file])?;
        let is_standard_output = file == Path::new("-");
        let is_file =
            !is_standard_output && file.metadata().map_or(true, |metadata| metadata.is_file());
        let mut path = file.as_os_str().to_owned();
        path.push(".");
        path.push(layout::RUN);
        Ok(is_file.then(|| Self {
            path: path.into(),
            invocation,
            started: Instant::now(),
        }))
    }

    /// Writes the record.
    ///
    /// # Errors
    /// An input that does not exist any more, or a record that cannot be written.
    pub fn finish(self, summary: &impl Serialize) -> anyhow::Result<()> {
        let seconds = self.started.elapsed().as_secs_f64();
        let record = CommandRecord {
            program: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.invocation.command.to_owned(),
            inputs: digests(&self.invocation.inputs)?,
            options: self.invocation.options,
            summary: serde_json::to_value(summary)?,
            seconds,
        };
        Ok(output::write_json(&self.path, &record)?)
    }
}

impl Invocation<'_> {
    /// Describes what an earlier record was made with, if that differs from this invocation.
    fn difference_from(&self, record: &CommandRecord) -> Option<String> {
        if record.command != self.command {
            return Some(format!("`gf-genomics {}`", record.command));
        }
        let options = effective(&self.options);
        let earlier_options = effective(&record.options);
        let changed_key = options
            .keys()
            .chain(earlier_options.keys())
            .find(|key| options.get(*key) != earlier_options.get(*key));
        if let Some(key) = changed_key {
            return Some(format!("the same command with a different `{key}`"));
        }
        // The stage refuses an input that does not exist, with a better message than this one.
        let digests = digests(&self.inputs).ok()?;
        let (path, _) = digests
            .iter()
            .find(|(path, digest)| record.inputs.get(*path) != Some(*digest))?;
        Some(format!(
            "the same command with a different content of {path}"
        ))
    }
}

/// The options that change what is in the files.
fn effective(options: &Value) -> Map<String, Value> {
    let mut options = options.as_object().cloned().unwrap_or_default();
    for key in WITHOUT_EFFECT {
        options.remove(key);
    }
    options
}

/// The SHA-256 of every input by path; `None` for a large file or one that can be read only once.
fn digests(inputs: &[&PathBuf]) -> Result<BTreeMap<String, Option<String>>, output::Error> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            files.extend(visible_files(input)?);
        } else {
            files.push((*input).clone());
        }
    }
    files
        .par_iter()
        .map(|path| Ok((path.display().to_string(), digest(path)?)))
        .collect()
}

/// The files directly in a folder, without hidden ones.
fn visible_files(folder: &Path) -> Result<Vec<PathBuf>, output::Error> {
    let entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(output::at(folder))?;
    let files = entries
        .iter()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(fs::DirEntry::path)
        .filter(|path| path.is_file())
        .collect();
    Ok(files)
}

fn digest(path: &Path) -> Result<Option<String>, output::Error> {
    let is_digested = path
        .metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_DIGESTED_BYTES);
    is_digested
        .then(|| output::sha256_of_file(path))
        .transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_record_has_the_digest_of_every_input() {
        let study = Study::new();
        let inputs = [
            study.path("people.vcf"),
            study.path("model"),
            PathBuf::from("-"),
        ];
        let invocation = Invocation {
            inputs: inputs.iter().collect(),
            ..study.invocation(json!({ "seed": 7 }))
        };
        study
            .begin(invocation, false)
            .unwrap()
            .finish(&json!({ "n_people": 3 }))
            .unwrap();
        let text = fs::read(study.path("run.json")).unwrap();
        let record: Value = serde_json::from_slice(&text).unwrap();
        let digest = json!(output::sha256(b"abc"));
        let vcf = study.path("people.vcf").display().to_string();
        let config = study.path("model/config.json").display().to_string();
        assert_eq!(
            record["inputs"],
            json!({ vcf: digest, config: digest, "-": null })
        );
        assert_eq!(record["command"], json!("score"));
        assert_eq!(record["options"], json!({ "seed": 7 }));
        assert_eq!(record["summary"], json!({ "n_people": 3 }));
        assert!(record["version"].is_string());
        let seconds = record["seconds"].as_f64();
        assert!(seconds.is_some_and(|seconds| seconds >= 0.0));
    }

    #[test]
    fn only_force_overwrites_other_results_and_nothing_overwrites_those_of_a_pipeline() {
        let study = Study::new();
        study
            .begin(study.invocation(json!({ "seed": 7 })), false)
            .unwrap()
            .finish(&json!({}))
            .unwrap();
        let same = json!({ "seed": 7, "out": "elsewhere" });
        assert!(study.begin(study.invocation(same.clone()), false).is_ok());
        let message = study.refusal(study.invocation(json!({ "seed": 8 })), false);
        assert!(
            message.contains("the same command with a different `seed`; choose another folder"),
            "{message}"
        );
        let other_command = Invocation {
            command: "prs",
            ..study.invocation(same.clone())
        };
        let message = study.refusal(other_command, false);
        assert!(
            message.contains("results of `gf-genomics score`"),
            "{message}"
        );
        let forced = study.begin(study.invocation(json!({ "seed": 8 })), true);
        assert!(forced.is_ok());
        fs::write(study.path("model/config.json"), "abd").unwrap();
        let message = study.refusal(study.invocation(same.clone()), false);
        assert!(
            message.contains("with a different content of ")
                && message.contains("model/config.json;"),
            "{message}"
        );
        fs::write(study.path("run.json"), r#"{ "stages": {} }"#).unwrap();
        let message = study.refusal(study.invocation(same), true);
        assert!(message.contains("choose another folder"), "{message}");
    }

    #[test]
    fn a_file_has_its_record_next_to_it_unless_it_is_standard_output_or_an_input() {
        let study = Study::new();
        let invocation = study.invocation(json!({}));
        let record = PendingRecord::of_file(&study.path("risk.csv"), invocation).unwrap();
        assert!(record.is_some());
        let invocation = study.invocation(json!({}));
        let record = PendingRecord::of_file(Path::new("-"), invocation).unwrap();
        assert!(record.is_none());
        let input = study.path("people.vcf");
        let invocation = Invocation {
            inputs: vec![&input],
            ..study.invocation(json!({}))
        };
        let refused = PendingRecord::of_file(&input, invocation).err().unwrap();
        assert!(refused.source.to_string().contains("is an input"));
    }

    /// A folder with a VCF and a model.
    struct Study {
        folder: TempDir,
        model: PathBuf,
    }

    impl Study {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let model = folder.path().join("model");
            fs::create_dir(&model).unwrap();
            for name in ["people.vcf", "model/config.json", "model/.lock"] {
                fs::write(folder.path().join(name), "abc").unwrap();
            }
            Self { folder, model }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// `score` with the model as its only input.
        fn invocation(&self, options: Value) -> Invocation<'_> {
            Invocation {
                command: "score",
                options,
                inputs: vec![&self.model],
            }
        }

        fn begin<'a>(
            &self,
            invocation: Invocation<'a>,
            force: bool,
        ) -> anyhow::Result<PendingRecord<'a>> {
            PendingRecord::begin(self.folder.path(), invocation, OverwriteArgs { force })
        }

        fn refusal(&self, invocation: Invocation<'_>, force: bool) -> String {
            self.begin(invocation, force).err().unwrap().to_string()
        }
    }
}
