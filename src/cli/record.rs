//! `run.json` in the folder of a stage that was run by itself: how its files were made.
//!
//! Input -> output: options, input files and the stage's summary -> JSON for its owner only: it names no person, but paths.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::bail;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use crate::output;

/// Longer files are named without a digest: to read a genome from end to end can take longer than the stage, which reads its loci.
const LONGEST_DIGESTED_BYTES: u64 = 1 << 30;

/// The record of a command that is at work.
pub struct Record {
    path: PathBuf,
    started: Instant,
}

impl Record {
    /// Begins that of a folder.
    ///
    /// # Errors
    /// The folder has the record of a pipeline.
    pub fn begin(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("run.json");
        let found: Option<Value> = fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok());
        if found.is_some_and(|found| found.get("stages").is_some()) {
            bail!("{}: the record of a pipeline; choose another folder (--out)", path.display());
        }
        Ok(Self { path, started: Instant::now() })
    }

    /// Begins that of a file, `FILE.run.json`; `None` for standard output, a device or a pipe.
    pub fn of_file(file: &Path) -> Option<Self> {
        let is_file = file != Path::new("-") && file.metadata().map_or(true, |found| found.is_file());
        let mut path = file.as_os_str().to_owned();
        path.push(".run.json");
        is_file.then(|| Self { path: path.into(), started: Instant::now() })
    }

    /// Writes it. `inputs` are files, and folders of which each file counts; what can be read only once has no digest.
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
        let mut files = Vec::new();
        for input in inputs {
            if input.is_dir() {
                let entries = fs::read_dir(input).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(output::at(input))?;
                let is_hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
                files.extend(entries.iter().filter(|entry| !is_hidden(entry)).map(fs::DirEntry::path).filter(|path| path.is_file()));
            } else {
                files.push(input.clone());
            }
        }
        let digest = |path: &PathBuf| {
            let is_read = path.metadata().is_ok_and(|found| found.is_file() && found.len() <= LONGEST_DIGESTED_BYTES);
            Ok((path.display().to_string(), is_read.then(|| output::sha256_of_file(path)).transpose()?))
        };
        let inputs: BTreeMap<String, Option<String>> = files.par_iter().map(digest).collect::<Result<_, output::Error>>()?;
        let record = json!({
            "program": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "command": command,
            "options": options,
            "inputs": inputs,
            "summary": summary,
            "seconds": seconds,
        });
        Ok(output::write_json(&self.path, &record)?)
    }
}

#[cfg(test)]
mod tests {
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
        Record::begin(folder.path()).unwrap().finish("score", &json!({ "seed": 7 }), &inputs, &json!({ "n_people": 3 })).unwrap();
        let record: Value = serde_json::from_slice(&fs::read(at("run.json")).unwrap()).unwrap();
        let digest = json!(output::sha256(b"abc"));
        let path = |name: &str| at(name).display().to_string();
        assert_eq!(record["inputs"], json!({ path("people.vcf"): digest, path("model/config.json"): digest, "-": null }));
        let told = ["command", "options", "summary"].map(|key| record[key].clone());
        assert_eq!(told, [json!("score"), json!({ "seed": 7 }), json!({ "n_people": 3 })]);
        assert!(record["version"].is_string() && record["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0));

        // A later one takes its place, but not that of a pipeline.
        assert!(Record::begin(folder.path()).is_ok());
        fs::write(at("run.json"), r#"{ "stages": {} }"#).unwrap();
        assert!(Record::begin(folder.path()).err().unwrap().to_string().contains("choose another folder"));
        assert!(Record::of_file(&at("risk.csv")).is_some() && Record::of_file(Path::new("-")).is_none());
    }
}
