//! Runs a stage unless its folder already has the result, and keeps `run.json`.
//!
//! A stage is finished when `stage.json` in its folder has the expected digest and its files are
//! unchanged. The digest covers the program version, the options, the input files and the earlier
//! stages that [`MadeFrom`] lists. A change of anything else does not repeat the stage.
//!
//! A run either does all stages, or one job of them. A job writes into a temporary folder, which is
//! renamed when it is complete. Cluster systems restart a job on a second machine when the first
//! seems lost. The run that ends second finds the name taken and leaves the first result in place.
//! So jobs rely on no lock, only on an atomic rename of a folder.
//!
//! A run reads every input for its digest. A job takes the digest that an earlier job noted, as
//! long as length, times and inode of the file are the same. Without these notes, every job would
//! read all files, including those that it does not need.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use gf_files::{
    output::{self, FileState, RunLock},
    stored_format,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{lock_folder, made::MadeFrom, plan::Plan};
use crate::{
    layout,
    run_record::{RunRecord, SCHEMA_VERSION, StageRun},
};

/// The record in a stage's folder. It is written last.
const RECORD: &str = layout::STAGE;

/// In the folder of the results: files that jobs leave for other jobs. They are not needed any more
/// when the report is written.
const SHARDS: &str = layout::SHARDS;

/// The last stage. `run.json` is complete with it.
const LAST: &str = layout::REPORT_FOLDER;

/// `stage.json`: what a stage was made from, and its result.
#[derive(Serialize, Deserialize)]
struct StageRecord {
    /// [`SCHEMA_VERSION`] of the writer; `None` in files from before there was one.
    schema_version: Option<u32>,
    /// Digest of everything that [`MadeFrom`] lists.
    digest: String,
    summary: Value,
    seconds: f64,
    /// SHA-256 of every file of the stage, by path inside its folder.
    files: BTreeMap<String, String>,
}

/// The record and the summary of a finished stage or shard.
struct Finished<S> {
    record: StageRecord,
    summary: S,
}

/// The part of a pipeline that a run does.
#[derive(Clone, Debug)]
pub enum Extent {
    /// All stages.
    All,
    /// No stage. The run prints what it would do.
    DryRun,
    /// One job.
    Job {
        name: String,
        /// Stages and shards that must be finished, by name.
        needs: Vec<String>,
    },
}

/// One run of a pipeline.
pub struct Runner {
    out: PathBuf,
    /// `None` for a dry run, which writes nothing, and for a job, which needs no lock.
    _lock: Option<RunLock>,
    extent: Extent,
    /// Digest of each stage and shard so far, by name.
    digests: HashMap<String, String>,
    inputs: Vec<Input>,
    run: RunRecord,
}

/// An input file in the state in which the finished stages have read it.
#[derive(Serialize, Deserialize)]
struct Input {
    path: PathBuf,
    stamp: Option<FileState>,
    digest: String,
}

impl Runner {
    /// Starts a run in `out`.
    ///
    /// # Errors
    /// Another run works in `out`, or an input file cannot be read.
    pub fn new(out: &Path, pipeline: &Path, plan: &Plan, extent: Extent) -> anyhow::Result<Self> {
        let run = RunRecord {
            schema_version: SCHEMA_VERSION,
            program: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pipeline: pipeline.to_path_buf(),
            seed: plan.seed,
            options: serde_json::to_value(plan)?,
            inputs: BTreeMap::new(),
            stages: BTreeMap::new(),
        };
        let lock = matches!(extent, Extent::All)
            .then(|| lock_folder(out))
            .transpose()?;
        let mut runner = Self {
            out: out.to_path_buf(),
            _lock: lock,
            extent,
            digests: HashMap::new(),
            inputs: Vec::new(),
            run,
        };
        runner.read_inputs(plan.further_files())?;
        Ok(runner)
    }

    /// Reads input files for their digests, before any work.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read_inputs<'p>(
        &mut self,
        paths: impl IntoIterator<Item = &'p Path>,
    ) -> anyhow::Result<()> {
        for path in paths {
            self.input_digest(path)?;
        }
        Ok(())
    }

    /// The digest of an input file. A file is read only once.
    fn input_digest(&mut self, path: &Path) -> anyhow::Result<String> {
        if let Some(input) = self.inputs.iter().find(|input| input.path == path) {
            return Ok(input.digest.clone());
        }
        let stamp = FileState::read(path);
        let digest = self
            .noted_digest(path, stamp)
            .map_or_else(|| output::sha256_of_file(path), Ok)?;
        let name = path.display().to_string();
        self.run.inputs.insert(name, digest.clone());
        self.inputs.push(Input {
            path: path.to_path_buf(),
            stamp,
            digest: digest.clone(),
        });
        Ok(digest)
    }

    /// The digest of a stage or a shard.
    ///
    /// The text that is hashed must never change, or every finished stage would be done again.
    fn stage_digest(&mut self, name: &str, made_from: &MadeFrom) -> anyhow::Result<String> {
        let mut text = format!(
            "{}\n{name}\n{}\n",
            env!("CARGO_PKG_VERSION"),
            made_from.options
        );
        for stage in &made_from.stages {
            let digest = self
                .digests
                .get(stage)
                .with_context(|| format!("{name}: {stage} must come before it"))?;
            text.extend([stage, " ", digest, "\n"]);
        }
        for path in &made_from.files {
            text += &self.input_digest(path)?;
            text.push('\n');
        }
        Ok(output::sha256(text.as_bytes()))
    }

    /// The digest of an input that an earlier job noted.
    ///
    /// There is none unless this run is a job and the file is still the one that was read.
    fn noted_digest(&self, path: &Path, stamp: Option<FileState>) -> Option<String> {
        if !matches!(self.extent, Extent::Job { .. }) {
            return None;
        }
        let json = fs::read(self.input_note(path)).ok()?;
        let noted: Input = serde_json::from_slice(&json).ok()?;
        let is_same_file = stamp.is_some() && noted.stamp == stamp && noted.path == path;
        is_same_file.then_some(noted.digest)
    }

    /// Notes the digests of the inputs for other jobs.
    ///
    /// A file that was changed a moment ago is left out: a second change within the resolution of
    /// the file system's clock would not be noticed.
    fn note_inputs(&self) -> Result<(), output::Error> {
        for input in &self.inputs {
            let is_settled = input.stamp.is_some_and(|stamp| stamp.is_settled());
            if is_settled && self.noted_digest(&input.path, input.stamp).is_none() {
                output::write_json(&self.input_note(&input.path), input)?;
            }
        }
        Ok(())
    }

    /// Path of the note of an input.
    fn input_note(&self, path: &Path) -> PathBuf {
        let name = output::sha256(path.to_string_lossy().as_bytes());
        self.out
            .join(SHARDS)
            .join(layout::INPUT_NOTES)
            .join(name)
            .with_extension("json")
    }

    /// Runs `work` on the folder of a stage, or takes over a finished result. Returns `None` where
    /// this run does not do the stage.
    ///
    /// # Errors
    /// Any error of `work`, with the stage's name, or an input that has changed since the run
    /// began.
    pub fn stage<S: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        made_from: &MadeFrom,
        work: impl FnOnce(&Path) -> anyhow::Result<S>,
    ) -> anyhow::Result<Option<S>> {
        let folder = self.folder(name);
        let digest = self.stage_digest(name, made_from)?;
        self.digests.insert(name.to_owned(), digest.clone());
        if matches!(self.extent, Extent::Job { .. }) {
            return self.job(name, &folder, &digest, work);
        }
        let path = folder.join(RECORD);
        let is_dry_run = matches!(self.extent, Extent::DryRun);
        let _lock = (!is_dry_run).then(|| lock_folder(&folder)).transpose()?;
        require_no_newer(&path)?;
        if let Some(Finished { record, summary }) = finished(&folder, &digest) {
            gf_files::message!("{name}: already done ({:.1} s)", record.seconds);
            self.add_to_run(name, &record, true)?;
            return Ok(Some(summary));
        }
        if is_dry_run {
            gf_files::message!("{name}: would run");
            return Ok(None);
        }
        output::remove_if_there(&path)?;
        let finished = self.run_and_record(name, &folder, &digest, work)?;
        self.add_to_run(name, &finished.record, false)?;
        Ok(Some(finished.summary))
    }

    /// Runs `work` on the folder of a shard. Only jobs do shards. Returns `None` where this run
    /// neither does the shard nor needs it.
    ///
    /// # Errors
    /// The same as [`Self::stage`].
    pub fn shard<S: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        made_from: &MadeFrom,
        work: impl FnOnce(&Path) -> anyhow::Result<S>,
    ) -> anyhow::Result<Option<S>> {
        let digest = self.stage_digest(name, made_from)?;
        let folder = self.shard_folder(name);
        self.job(name, &folder, &digest, work)
    }

    /// Folder of a stage.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// Folder of a shard.
    pub fn shard_folder(&self, name: &str) -> PathBuf {
        self.out.join(SHARDS).join(name)
    }

    /// Whether this run is the job of this name.
    pub fn is_job(&self, job: &str) -> bool {
        matches!(&self.extent, Extent::Job { name, .. } if name == job)
    }

    /// Does a job if it is the one of this run, and reads its record if this run needs it.
    fn job<S: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        folder: &Path,
        digest: &str,
        work: impl FnOnce(&Path) -> anyhow::Result<S>,
    ) -> anyhow::Result<Option<S>> {
        let Extent::Job {
            name: job_of_run,
            needs,
        } = &self.extent
        else {
            return Ok(None);
        };
        if needs.iter().any(|need| need == name) {
            // The record is enough: the files of a needed job are checked by the job that reads
            // them last.
            let Some(Finished { record, summary }) = recorded(folder, digest) else {
                bail!(
                    "{name} is not done in {} with these inputs and options; run this job first",
                    self.out.display()
                );
            };
            self.add_to_run(name, &record, true)?;
            return Ok(Some(summary));
        }
        if name != job_of_run {
            return Ok(None);
        }
        require_no_newer(&folder.join(RECORD))?;
        if let Some(Finished { record, summary }) = finished(folder, digest) {
            gf_files::message!("{name}: already done ({:.1} s)", record.seconds);
            return Ok(Some(summary));
        }
        self.run_job(name, folder, digest, work).map(Some)
    }

    /// Runs `work` in a temporary folder and publishes the result as `folder`.
    fn run_job<S: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        folder: &Path,
        digest: &str,
        work: impl FnOnce(&Path) -> anyhow::Result<S>,
    ) -> anyhow::Result<S> {
        let shards = self.out.join(SHARDS);
        fs::create_dir_all(&shards).map_err(output::at(&shards))?;
        let temporary = tempfile::tempdir_in(&shards).map_err(output::at(&shards))?;
        let result_folder = temporary.path().join("result");
        fs::create_dir(&result_folder).map_err(output::at(&result_folder))?;
        let result = self.run_and_record(name, &result_folder, digest, work);
        // The files of a failed job are published as well, without a record.
        publish::<S>(&result_folder, folder, digest, &shards)?;
        let finished = result?;
        self.note_inputs()?;
        self.add_to_run(name, &finished.record, false)?;
        Ok(finished.summary)
    }

    /// Runs `work`, which writes into `folder`, and writes the record there.
    fn run_and_record<S: Serialize>(
        &self,
        name: &str,
        folder: &Path,
        digest: &str,
        work: impl FnOnce(&Path) -> anyhow::Result<S>,
    ) -> anyhow::Result<Finished<S>> {
        gf_files::message!("{name}:");
        let started = Instant::now();
        let summary = work(folder).with_context(|| name.to_string())?;
        self.require_same_inputs()
            .with_context(|| name.to_string())?;
        let record = StageRecord {
            schema_version: Some(SCHEMA_VERSION),
            digest: digest.to_owned(),
            summary: serde_json::to_value(&summary)?,
            seconds: started.elapsed().as_secs_f64(),
            files: file_digests(folder)?,
        };
        output::write_json(&folder.join(RECORD), &record)?;
        gf_files::message!("{name}: {:.1} s", record.seconds);
        Ok(Finished { record, summary })
    }

    /// Refuses inputs that have changed since they were read. Only a file whose state differs is
    /// read again.
    fn require_same_inputs(&self) -> anyhow::Result<()> {
        for Input {
            path,
            stamp,
            digest,
        } in &self.inputs
        {
            if FileState::read(path) != *stamp && output::sha256_of_file(path)? != *digest {
                bail!(
                    "{}: the file was changed during the run, so its results are discarded; run \
                     the same command again",
                    path.display()
                );
            }
        }
        Ok(())
    }

    /// Adds a stage or a shard to `run.json`. Of the jobs, only the last one writes that file.
    fn add_to_run(
        &mut self,
        name: &str,
        record: &StageRecord,
        done_before: bool,
    ) -> anyhow::Result<()> {
        let stage = StageRun {
            seconds: record.seconds,
            done_before,
            digest: record.digest.clone(),
            summary: record.summary.clone(),
        };
        self.run.stages.insert(name.to_owned(), stage);
        if matches!(self.extent, Extent::All) || self.is_job(LAST) {
            output::write_json(&self.out.join(layout::RUN), &self.run)?;
        }
        Ok(())
    }

    /// Ends the run.
    pub fn finish(self) {
        if matches!(self.extent, Extent::All) {
            gf_files::message!("wrote {}", self.out.join(layout::RUN).display());
        }
    }
}

/// Renames the result of a job to `folder`, unless another run of the same job was first. A result
/// of other inputs or options is removed.
fn publish<S: DeserializeOwned>(
    result: &Path,
    folder: &Path,
    digest: &str,
    shards: &Path,
) -> anyhow::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(output::at(parent))?;
    }
    // A folder that is not empty cannot be renamed over: the old one is moved away, and the rename
    // is tried again.
    loop {
        match fs::rename(result, folder) {
            Ok(()) => return Ok(()),
            Err(error) if !folder.is_dir() => return Err(output::at(folder)(error).into()),
            Err(_) if finished::<S>(folder, digest).is_some() => return Ok(()),
            Err(_) => {
                let removed = tempfile::tempdir_in(shards).map_err(output::at(shards))?;
                // This fails where another run of the job moves the folder at the same time.
                let _ = fs::rename(folder, removed.path().join("old"));
            }
        }
    }
}

/// Refuses a record that a newer program has written. A stage of an older program is done again,
/// because the version is in the digest.
fn require_no_newer(path: &Path) -> anyhow::Result<()> {
    let Ok(json) = fs::read(path) else {
        return Ok(());
    };
    if let Err(reason) = stored_format::require_no_newer(&json, SCHEMA_VERSION) {
        bail!(
            "{}: {reason}, or choose another folder (--out)",
            path.display()
        );
    }
    Ok(())
}

/// The record and summary of a stage with this digest. Its files are not checked.
fn recorded<S: DeserializeOwned>(folder: &Path, digest: &str) -> Option<Finished<S>> {
    let json = fs::read(folder.join(RECORD)).ok()?;
    let record: StageRecord = serde_json::from_slice(&json).ok()?;
    let summary = serde_json::from_value(record.summary.clone()).ok()?;
    (record.digest == digest).then_some(Finished { record, summary })
}

/// The record and summary of a stage with this digest whose files are all unchanged.
fn finished<S: DeserializeOwned>(folder: &Path, digest: &str) -> Option<Finished<S>> {
    recorded(folder, digest).filter(|finished: &Finished<S>| {
        let files = &finished.record.files;
        files
            .iter()
            .all(|(name, expected)| is_unchanged(&folder.join(name), expected))
    })
}

fn is_unchanged(path: &Path, expected_digest: &str) -> bool {
    output::sha256_of_file(path).is_ok_and(|digest| digest == expected_digest)
}

/// Digest of every file below a folder, by its path inside the folder. Hidden files are left out.
fn file_digests(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut digests = BTreeMap::new();
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
                let name = path
                    .strip_prefix(folder)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .into_owned();
                digests.insert(name, output::sha256_of_file(&path)?);
            }
        }
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_finished_stage_is_not_done_again_unless_options_or_files_change() {
        let study = Study::new();
        let stage = study.path("1-x");
        assert!(study.runs_stage(&json!(1)));
        assert!(!study.runs_stage(&json!(1)));
        assert!(study.runs_stage(&json!(2)));
        fs::write(stage.join("x.txt"), "y").unwrap();
        assert!(study.runs_stage(&json!(2)));
        fs::remove_dir_all(stage.join("inner")).unwrap();
        assert!(study.runs_stage(&json!(2)));
        let record = fs::read_to_string(stage.join(RECORD)).unwrap();
        fs::write(
            stage.join(RECORD),
            record.replace("\"schema_version\": 1", "\"schema_version\": 9"),
        )
        .unwrap();
        let mut runner = study.runner(Extent::All);
        let message = runner
            .stage("1-x", &MadeFrom::options(json!(2)), |_| Ok(8))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("schema version 9 is from a newer gf-genomics")
                && message.contains("another folder (--out)"),
            "{message}"
        );
        drop(runner);
        let text = fs::read_to_string(study.path("run.json")).unwrap();
        assert!(
            text.contains("\"seed\": 1") && text.contains("\"1-x\""),
            "{text}"
        );
    }

    #[test]
    fn a_digest_depends_on_what_the_stage_is_made_from_and_on_nothing_else() {
        let study = Study::new();
        let first = study.digests("a", "b", 1);
        let again = study.digests("a", "b", 1);
        assert_eq!(changed(&first, &again), [false; 3]);
        let other_cohort = study.digests("a", "c", 1);
        assert_eq!(changed(&first, &other_cohort), [false, true, false]);
        let other_option = study.digests("a", "b", 2);
        assert_eq!(changed(&first, &other_option), [false, true, false]);
        let other_genomes = study.digests("c", "b", 1);
        assert_eq!(changed(&first, &other_genomes), [true; 3]);
    }

    #[test]
    fn of_two_runs_of_a_job_the_first_result_is_kept() {
        let study = Study::new();
        // The second run begins and ends while the first is at work.
        study.run_job(json!(1), "first", &|| {
            study.run_job(json!(1), "second", &|| {});
        });
        assert_eq!(study.text(), "second");
        // A finished job is not done again.
        let summary = study.run_job(json!(1), "third", &|| panic!());
        assert_eq!(summary, Some("second".into()));
        // A result of other options is replaced, also where Snakemake has made the folder or half a
        // job is in it.
        study.run_job(json!(2), "other", &|| {});
        assert_eq!(study.text(), "other");
        fs::remove_file(study.path("1-x").join(RECORD)).unwrap();
        study.run_job(json!(2), "again", &|| {});
        assert_eq!(study.text(), "again");
        assert_eq!(
            fs::read_dir(study.path(SHARDS)).unwrap().count(),
            0,
            "no temporary folder is left"
        );
        // A job that needs a result of other options is refused.
        let mut runner = study.runner(Extent::Job {
            name: "2-y".into(),
            needs: vec!["1-x".into()],
        });
        let message = runner
            .stage("1-x", &MadeFrom::options(json!(3)), |_| Ok(String::new()))
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("1-x is not done in ") && message.ends_with("run this job first"),
            "{message}"
        );
    }

    #[test]
    fn a_job_takes_the_noted_digest_of_an_input_while_the_file_is_that_one() {
        let study = Study::new();
        let input = study.path("x.vcf");
        fs::write(&input, "x").unwrap();
        study
            .job_reading(&input)
            .stage("1-x", &MadeFrom::options(json!(1)), |_| Ok(1))
            .unwrap();
        let note = study.job_reading(&input).input_note(&input);
        assert!(!note.exists(), "the file is too new");
        let mut noted = study.job_reading(&input).inputs.pop().unwrap();
        noted.digest = "that of an earlier job".into();
        output::write_json(&note, &noted).unwrap();
        assert_eq!(study.digest_in_job(&input), "that of an earlier job");
        let mut dry_run = study.runner(Extent::DryRun);
        assert_ne!(
            dry_run.input_digest(&input).unwrap(),
            "that of an earlier job",
            "`run` reads the file"
        );
        fs::write(study.path("y.vcf"), "y").unwrap();
        fs::rename(study.path("y.vcf"), &input).unwrap();
        assert_eq!(study.digest_in_job(&input), output::sha256(b"y"));
        fs::write(&note, "{").unwrap();
        assert_eq!(study.digest_in_job(&input), output::sha256(b"y"));
    }

    /// A folder with a pipeline file, for runs of the stage `1-x`.
    struct Study {
        folder: TempDir,
        plan: Plan,
    }

    impl Study {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let pipeline = folder.path().join("p.toml");
            fs::write(&pipeline, "[simulate]\n").unwrap();
            let plan = Plan::read(&pipeline).unwrap();
            Self { folder, plan }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn text(&self) -> String {
            fs::read_to_string(self.path("1-x/x.txt")).unwrap()
        }

        fn runner(&self, extent: Extent) -> Runner {
            Runner::new(self.folder.path(), &self.path("p.toml"), &self.plan, extent).unwrap()
        }

        fn job(&self) -> Runner {
            self.runner(Extent::Job {
                name: "1-x".into(),
                needs: Vec::new(),
            })
        }

        fn job_reading(&self, input: &Path) -> Runner {
            let mut runner = self.job();
            runner.read_inputs([input]).unwrap();
            runner
        }

        fn digest_in_job(&self, input: &Path) -> String {
            self.job_reading(input).inputs[0].digest.clone()
        }

        /// Whether a run of all stages does the stage, and does not take over a finished one.
        fn runs_stage(&self, options: &Value) -> bool {
            let mut is_run = false;
            let summary = self
                .runner(Extent::All)
                .stage("1-x", &MadeFrom::options(options.clone()), |folder| {
                    is_run = true;
                    output::write(&folder.join("x.txt"), |out| out.write_all(b"x"))?;
                    output::write(&folder.join("inner/y.txt"), |out| out.write_all(b"y"))?;
                    Ok(7)
                })
                .unwrap();
            assert_eq!(summary, Some(7));
            is_run
        }

        /// Runs the stage as a job that writes `text`, calls `while_at_work`, and has `text` as its
        /// summary.
        fn run_job(&self, options: Value, text: &str, while_at_work: &dyn Fn()) -> Option<String> {
            self.job()
                .stage("1-x", &MadeFrom::options(options), |folder| {
                    output::write(&folder.join("x.txt"), |out| out.write_all(text.as_bytes()))?;
                    while_at_work();
                    Ok(text.to_owned())
                })
                .unwrap()
        }

        /// Digests of three stages: `1-x` reads the genomes, `2-y` is made from `1-x`, the cohort
        /// and an option, and `3-z` from `1-x` alone.
        fn digests(&self, genomes: &str, cohort: &str, option: u32) -> [String; 3] {
            let vcf = self.path("x.vcf");
            let csv = self.path("cohort.csv");
            fs::write(&vcf, genomes).unwrap();
            fs::write(&csv, cohort).unwrap();
            let mut runner = self.runner(Extent::DryRun);
            runner.read_inputs([&*vcf, &*csv]).unwrap();
            let from_genomes = MadeFrom::options(json!(1)).files([&*vcf]);
            let from_both = MadeFrom::options(json!(option)).stage("1-x").files([&*csv]);
            let from_first = MadeFrom::options(json!(1)).stage("1-x");
            [
                digest_of(&mut runner, "1-x", &from_genomes),
                digest_of(&mut runner, "2-y", &from_both),
                digest_of(&mut runner, "3-z", &from_first),
            ]
        }
    }

    /// Whether the digest of each stage differs.
    fn changed(first: &[String; 3], second: &[String; 3]) -> [bool; 3] {
        [0, 1, 2].map(|stage| first[stage] != second[stage])
    }

    fn digest_of(runner: &mut Runner, name: &str, made_from: &MadeFrom) -> String {
        runner.stage::<u32>(name, made_from, |_| Ok(0)).unwrap();
        runner.digests[name].clone()
    }
}
