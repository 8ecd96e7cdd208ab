//! Runs a stage unless its folder already holds the result, and keeps `run.json`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{claim, plan::Plan};
use crate::{
    output::{self, Claim, Stamp},
    simulate, stored,
};

/// In a stage's folder: what it was made from, and what it is. Written last.
const RECORD: &str = "stage.json";
/// Version of [`RECORD`] and of `run.json`.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    /// [`SCHEMA_VERSION`] when written; none before there was one.
    schema_version: Option<u32>,
    /// Of options, inputs and the stages before.
    digest: String,
    summary: Value,
    seconds: f64,
    /// SHA-256 of every file of the stage, by path inside its folder.
    files: BTreeMap<String, String>,
}

/// What `run` prints of a planted risk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Planted {
    /// Kind of risk.
    pub risk: simulate::RiskKind,
    /// AUC of the risk itself on the test split.
    pub best_possible_auc: f64,
}

impl Planted {
    /// From the truth of a simulated cohort.
    pub fn of(truth: &simulate::Truth) -> Self {
        Self { risk: truth.risk, best_possible_auc: truth.best_possible_auc.test }
    }
}

/// The options of `simulate` that decide what it makes.
pub fn without_paths(options: &simulate::Options) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(options)?;
    if let Some(table) = value.as_object_mut() {
        for key in ["out", "panel", "reference"] {
            table.remove(key);
        }
    }
    Ok(value)
}

/// One run of a pipeline.
pub struct Runner {
    out: PathBuf,
    /// None in a dry run, which writes nothing.
    _claim: Option<Claim>,
    dry_run: bool,
    /// Digest of everything so far; each stage adds its own.
    chain: String,
    inputs: Vec<Input>,
    run: Value,
}

/// An input file as the stages that are done have read it.
struct Input {
    path: PathBuf,
    stamp: Option<Stamp>,
    digest: String,
}

impl Runner {
    /// Starts a run in `out`.
    pub fn new(out: &Path, pipeline: &Path, plan: &Plan, dry_run: bool) -> anyhow::Result<Self> {
        let run = json!({
            "schema_version": SCHEMA_VERSION,
            "program": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "pipeline": pipeline,
            "seed": plan.seed,
            "options": plan,
            "inputs": {},
            "stages": {},
        });
        let claim = (!dry_run).then(|| claim(out)).transpose()?;
        let mut runner =
            Self { out: out.to_path_buf(), _claim: claim, dry_run, chain: env!("CARGO_PKG_VERSION").to_string(), inputs: Vec::new(), run };
        runner.inputs(&plan.further_files().collect::<Vec<_>>())?;
        Ok(runner)
    }

    /// Takes input files into the digest of all stages that follow.
    pub fn inputs(&mut self, paths: &[&Path]) -> anyhow::Result<()> {
        for path in paths {
            let stamp = Stamp::of(path);
            let digest = output::sha256_of_file(path)?;
            self.chain = output::sha256(format!("{}{digest}", self.chain).as_bytes());
            self.run["inputs"][path.display().to_string()] = json!(digest);
            self.inputs.push(Input { path: path.to_path_buf(), stamp, digest });
        }
        Ok(())
    }

    /// Runs `work`, or takes over what its folder holds. `None` in a dry run of a stage that is not done.
    ///
    /// # Errors
    /// Whatever `work` says, with the stage's name; an input that is not what it was when the run began.
    pub fn stage<S: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        folder: &Path,
        options: &Value,
        work: impl FnOnce() -> anyhow::Result<S>,
    ) -> anyhow::Result<Option<S>> {
        self.chain = output::sha256(format!("{}{name}{options}", self.chain).as_bytes());
        let path = folder.join(RECORD);
        let _claim = (!self.dry_run).then(|| claim(folder)).transpose()?;
        require_no_newer(&path)?;
        if let Some((record, summary)) = finished(&path, &self.chain) {
            eprintln!("{name}: done before ({:.1} s)", record.seconds);
            self.note(name, &record, true)?;
            return Ok(Some(summary));
        }
        if self.dry_run {
            eprintln!("{name}: would run");
            return Ok(None);
        }
        eprintln!("{name}:");
        output::remove_if_there(&path)?;
        let started = Instant::now();
        let summary = work().with_context(|| name.to_string())?;
        self.require_same_inputs().with_context(|| name.to_string())?;
        let record = Record {
            schema_version: Some(SCHEMA_VERSION),
            digest: self.chain.clone(),
            summary: serde_json::to_value(&summary)?,
            seconds: started.elapsed().as_secs_f64(),
            files: digests(folder)?,
        };
        output::write_json(&path, &record)?;
        eprintln!("{name}: {:.1} s", record.seconds);
        self.note(name, &record, false)?;
        Ok(Some(summary))
    }

    /// Only a file that was touched is read again.
    fn require_same_inputs(&self) -> anyhow::Result<()> {
        for Input { path, stamp, digest } in &self.inputs {
            if Stamp::of(path) != *stamp && output::sha256_of_file(path)? != *digest {
                bail!("{}: the file was changed during the run; what was made of it is not kept, run again", path.display());
            }
        }
        Ok(())
    }

    fn note(&mut self, name: &str, record: &Record, done_before: bool) -> anyhow::Result<()> {
        self.run["stages"][name] = json!({
            "seconds": record.seconds,
            "done_before": done_before,
            "digest": record.digest,
            "summary": record.summary,
        });
        if self.dry_run { Ok(()) } else { Ok(output::write_json(&self.out.join("run.json"), &self.run)?) }
    }

    /// Ends the run.
    pub fn finish(self) {
        if !self.dry_run {
            eprintln!("wrote {}", self.out.join("run.json").display());
        }
    }
}

/// What a newer program has made is not made again by this one. What an older one has made is: its version is in the digest.
fn require_no_newer(path: &Path) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: Option<u32>,
    }
    let found = fs::read(path).ok().and_then(|json| serde_json::from_slice::<Version>(&json).ok());
    match found.and_then(|found| found.schema_version) {
        found @ Some(version) if version > SCHEMA_VERSION => {
            let reason = stored::check(found, SCHEMA_VERSION, "gf-genomics run").err().unwrap_or_default();
            bail!("{}: {reason}, or choose another folder (--out)", path.display());
        }
        _ => Ok(()),
    }
}

/// The record of a finished stage with this digest whose files are all as it left them.
fn finished<S: DeserializeOwned>(path: &Path, digest: &str) -> Option<(Record, S)> {
    let record: Record = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let folder = path.parent()?;
    let unchanged = |(name, expected): (&String, &String)| output::sha256_of_file(&folder.join(name)).is_ok_and(|found| found == *expected);
    if record.digest != digest || !record.files.iter().all(unchanged) {
        return None;
    }
    let summary = serde_json::from_value(record.summary.clone()).ok()?;
    Some((record, summary))
}

/// Of every file below a folder, by its path inside it; of hidden ones none.
fn digests(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).map_err(output::at(&inner))? {
            let entry = entry.map_err(output::at(&inner))?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.is_file() {
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                files.insert(name, output::sha256_of_file(&path)?);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_stage_is_not_done_again_unless_options_or_files_change() {
        let folder = tempfile::tempdir().unwrap();
        let (pipeline, stage) = (folder.path().join("p.toml"), folder.path().join("1-x"));
        fs::write(&pipeline, "[simulate]\n").unwrap();
        let plan = Plan::read(&pipeline).unwrap();
        let mut n_runs = 0;
        let mut run = |options: &Value| {
            let mut runner = Runner::new(folder.path(), &pipeline, &plan, false).unwrap();
            let work = || {
                n_runs += 1;
                output::write(&stage.join("x.txt"), |out| out.write_all(b"x"))?;
                output::write(&stage.join("inner/y.txt"), |out| out.write_all(b"y"))?;
                Ok(7)
            };
            assert_eq!(runner.stage("1-x", &stage, options, work).unwrap(), Some(7));
            n_runs
        };
        assert_eq!(run(&json!(1)), 1);
        assert_eq!(run(&json!(1)), 1);
        assert_eq!(run(&json!(2)), 2);
        fs::write(stage.join("x.txt"), "y").unwrap();
        assert_eq!(run(&json!(2)), 3);
        fs::remove_dir_all(stage.join("inner")).unwrap();
        assert_eq!(run(&json!(2)), 4);
        let record = fs::read_to_string(stage.join(RECORD)).unwrap();
        fs::write(stage.join(RECORD), record.replace("\"schema_version\": 1", "\"schema_version\": 9")).unwrap();
        let mut runner = Runner::new(folder.path(), &pipeline, &plan, false).unwrap();
        let message = runner.stage("1-x", &stage, &json!(2), || Ok(8)).unwrap_err().to_string();
        assert!(message.contains("schema version 9, of a newer gf-genomics") && message.contains("another folder (--out)"), "{message}");
        drop(runner);
        let text = fs::read_to_string(folder.path().join("run.json")).unwrap();
        assert!(text.contains("\"seed\": 1") && text.contains("\"1-x\""), "{text}");
    }
}
