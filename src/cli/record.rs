//! `run.json` in the folder of a stage that was run by itself: how its files were made.
//!
//! Input -> output: options, input files and the stage's summary -> JSON for its owner only: it
//! names no person, but paths.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::bail;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::layout;
use crate::run_record::{CommandRecord, RunRecord};
use gf_files::output;

/// Longer files are named without a digest: to read a genome from end to end can take longer than
/// the stage, which reads its loci.
const LONGEST_DIGESTED_BYTES: u64 = 1 << 30;

/// Whether results of another run may be overwritten.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct OverwriteArgs {
    /// Write into a folder that has results of another command, of other options or of other
    /// inputs; they are overwritten.
    #[arg(long)]
    pub force: bool,
}

/// What a command is about to do.
#[derive(Debug)]
pub struct Work<'a> {
    /// Its name.
    pub command: &'static str,
    /// Its options.
    pub options: Value,
    /// Files, and folders of which each file counts.
    pub inputs: Vec<&'a PathBuf>,
}

/// Options that do not change what is in the files.
const WITHOUT_EFFECT: [&str; 3] = ["guards", "out", "resume"];

/// A command at work. Its record is written when it ends.
pub struct CommandRun {
    path: PathBuf,
    started: Instant,
}

impl CommandRun {
    /// Begins that of a folder.
    ///
    /// # Errors
    /// The folder has the record of a pipeline, or, without `overwrite`, that of other work.
    pub fn begin(folder: &Path, work: &Work<'_>, overwrite: OverwriteArgs) -> anyhow::Result<Self> {
        output::keep_inputs(work.inputs.iter().copied());
        let path = folder.join(layout::RUN);
        let earlier = fs::read(&path).unwrap_or_default();
        if serde_json::from_slice::<RunRecord>(&earlier).is_ok() {
            bail!(
                "{}: the record of a pipeline; choose another folder (--out)",
                path.display()
            );
        }
        if let Ok(found) = serde_json::from_slice::<CommandRecord>(&earlier)
            && !overwrite.force
            && let Some(what) = work.differs_from(&found)
        {
            let advice = "choose another folder (--out), or overwrite them with --force";
            bail!(
                "{}: the folder has results of {what}; {advice}",
                folder.display()
            );
        }
        Ok(Self {
            path,
            started: Instant::now(),
        })
    }

    /// Begins that of a file, `FILE.run.json`; `None` for standard output, a device or a pipe.
    ///
    /// # Errors
    /// The file is one of the inputs.
    pub fn of_file<'a>(
        file: &Path,
        inputs: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<Option<Self>, output::Error> {
        output::check_outputs(inputs, &[file])?;
        let is_file =
            file != Path::new("-") && file.metadata().map_or(true, |found| found.is_file());
        let mut path = file.as_os_str().to_owned();
        path.push(".run.json");
        Ok(is_file.then(|| Self {
            path: path.into(),
            started: Instant::now(),
        }))
    }

    /// Writes it. `inputs` are files, and folders of which each file counts; what can be read only
    /// once has no digest.
    ///
    /// # Errors
    /// An input that is not there any more; when the record cannot be written.
    pub fn finish<'a>(
        self,
        command: &str,
        options: &impl Serialize,
        inputs: impl IntoIterator<Item = &'a PathBuf>,
        summary: &impl Serialize,
    ) -> anyhow::Result<()> {
        let seconds = self.started.elapsed().as_secs_f64();
        let inputs = digests(inputs)?;
        let record = CommandRecord {
            program: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_owned(),
            options: serde_json::to_value(options)?,
            inputs,
            summary: serde_json::to_value(summary)?,
            seconds,
        };
        Ok(output::write_json(&self.path, &record)?)
    }
}

impl Work<'_> {
    /// What a record is of, where that is not this work.
    fn differs_from(&self, record: &CommandRecord) -> Option<String> {
        if record.command != self.command {
            return Some(format!("`gf-genomics {}`", record.command));
        }
        let mine = of_effect(&self.options);
        let theirs = of_effect(&record.options);
        let keys = mine.keys().chain(theirs.keys());
        if let Some(key) = keys
            .into_iter()
            .find(|key| mine.get(*key) != theirs.get(*key))
        {
            return Some(format!("the same command with another `{key}`"));
        }
        // An input that is not there any more is refused where it is read.
        let digests = digests(self.inputs.iter().copied()).ok()?;
        let (path, _) = digests
            .iter()
            .find(|(path, digest)| record.inputs.get(*path) != Some(*digest))?;
        Some(format!("the same command when {path} was another file"))
    }
}

fn of_effect(options: &Value) -> Map<String, Value> {
    let mut options = options.as_object().cloned().unwrap_or_default();
    for key in WITHOUT_EFFECT {
        options.remove(key);
    }
    options
}

/// The SHA-256 of every input.
fn digests<'a>(
    inputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<BTreeMap<String, Option<String>>, output::Error> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let entries = fs::read_dir(input)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(output::at(input))?;
            let is_hidden =
                |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
            files.extend(
                entries
                    .iter()
                    .filter(|entry| !is_hidden(entry))
                    .map(fs::DirEntry::path)
                    .filter(|path| path.is_file()),
            );
        } else {
            files.push(input.clone());
        }
    }
    let digest = |path: &PathBuf| {
        let is_read = path
            .metadata()
            .is_ok_and(|found| found.is_file() && found.len() <= LONGEST_DIGESTED_BYTES);
        Ok((
            path.display().to_string(),
            is_read.then(|| output::sha256_of_file(path)).transpose()?,
        ))
    };
    files.par_iter().map(digest).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_has_the_digest_of_every_input_and_takes_the_place_of_no_pipelines() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("model")).unwrap();
        for name in ["people.vcf", "model/config.json", "model/.lock"] {
            fs::write(at(name), "abc").unwrap();
        }
        let inputs = [at("people.vcf"), at("model"), PathBuf::from("-")];
        let at_model = at("model");
        let work = |options: Value| Work {
            command: "score",
            options,
            inputs: vec![&at_model],
        };
        let begin = |work: &Work<'_>, force: bool| {
            CommandRun::begin(folder.path(), work, OverwriteArgs { force })
        };
        begin(&work(json!({ "seed": 7 })), false)
            .unwrap()
            .finish(
                "score",
                &json!({ "seed": 7 }),
                &inputs,
                &json!({ "n_people": 3 }),
            )
            .unwrap();
        let record: Value = serde_json::from_slice(&fs::read(at("run.json")).unwrap()).unwrap();
        let digest = json!(output::sha256(b"abc"));
        let path = |name: &str| at(name).display().to_string();
        assert_eq!(
            record["inputs"],
            json!({ path("people.vcf"): digest, path("model/config.json"): digest, "-": null })
        );
        let told = ["command", "options", "summary"].map(|key| record[key].clone());
        assert_eq!(
            told,
            [
                json!("score"),
                json!({ "seed": 7 }),
                json!({ "n_people": 3 })
            ]
        );
        assert!(
            record["version"].is_string()
                && record["seconds"]
                    .as_f64()
                    .is_some_and(|seconds| seconds >= 0.0)
        );

        // The same work takes its place, other work only if that is said, and none that of a
        // pipeline.
        let seven = json!({ "seed": 7, "out": "elsewhere" });
        assert!(begin(&work(seven.clone()), false).is_ok());
        let refused = |work: &Work<'_>| {
            begin(work, false)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert!(
            refused(&work(json!({ "seed": 8 })))
                .contains("the same command with another `seed`; choose another folder")
        );
        assert!(
            refused(&Work {
                command: "prs",
                ..work(seven.clone())
            })
            .contains("results of `gf-genomics score`")
        );
        assert!(begin(&work(json!({ "seed": 8 })), true).is_ok());
        fs::write(at("model/config.json"), "abd").unwrap();
        assert!(refused(&work(seven.clone())).contains("model/config.json was another file"));
        fs::write(at("run.json"), r#"{ "stages": {} }"#).unwrap();
        let of_pipeline = begin(&work(seven), true).err().unwrap().to_string();
        assert!(
            of_pipeline.contains("choose another folder"),
            "{of_pipeline}"
        );
        assert!(
            CommandRun::of_file(&at("risk.csv"), []).unwrap().is_some()
                && CommandRun::of_file(Path::new("-"), []).unwrap().is_none()
        );
        let input = at("people.vcf");
        let refused = CommandRun::of_file(&input, [&input]).err().unwrap();
        assert!(refused.source.to_string().contains("is an input"));
    }
}
