//! Runs a stage unless its folder already holds the result, and keeps `run.json`; or, of all stages
//! and their shards, does one job. The digest of a stage is of its options, its input files and the
//! stages it is made from. What it is not made from does not redo it.
//!
//! A job writes into a folder of its own, which gets its name when it is whole: a second run of the
//! same job, on a machine that was taken for lost, finds that name taken and leaves what is there.
//! So jobs rely on no lock, only on a folder being renamed at once.
//!
//! `run` reads every input for its digest. A job takes the digest that an earlier one wrote down,
//! as long as length, times and number of the file are those of then: else every job would read all
//! files, also those of which it needs no record.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{claim, plan::Plan};
use crate::layout;
use crate::run_record::{RunRecord, SCHEMA_VERSION, StageRun};
use crate::simulate;
use gf_files::{
    output::{self, FileState, RunLock},
    stored_format,
};

/// In a stage's folder: what it was made from, and what it is. Written last.
const RECORD: &str = layout::STAGE;
#[derive(Serialize, Deserialize)]
struct StageRecord {
    /// [`SCHEMA_VERSION`] when written; none before there was one.
    schema_version: Option<u32>,
    /// Of what the stage was made from, as [`Made`] lists it.
    digest: String,
    summary: Value,
    seconds: f64,
    /// SHA-256 of every file of the stage, by path inside its folder.
    files: BTreeMap<String, String>,
}

/// What `run` prints of a planted risk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Planted {
    /// Kind of risk; `mixed` where loci differ.
    pub risk: String,
    /// AUC of the risk itself on the test split.
    pub best_possible_auc: f64,
}

impl Planted {
    /// From the truth of a simulated cohort.
    pub fn from_truth(truth: &simulate::Truth) -> Self {
        Self {
            risk: truth.risk.clone(),
            best_possible_auc: truth.best_possible_auc.test,
        }
    }
}

/// Options of `simulate` that came later: at their defaults they are not there, so that a finished
/// stage stays finished.
const LATER_OPTIONS: &[&str] = &[
    "preset", // then the risk of the population
    "age_effect",
    "sex_effect",
    "prevalence",
    "case_fraction",
];

/// The options of `simulate` that decide what it makes.
pub fn without_paths(options: &simulate::Options) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(options.with_default_auc())?;
    let defaults = serde_json::to_value(simulate::Options::default())?;
    if let Some(table) = value.as_object_mut() {
        for key in ["out", "panel", "reference"] {
            table.remove(key);
        }
        for key in LATER_OPTIONS {
            if table.get(*key) == defaults.get(*key) {
                table.remove(*key);
            }
        }
        // A file counts by its contents, and by what it is for.
        for key in ["loci", "loci_risks", "effects"] {
            if table.remove(key).is_some_and(|path| !path.is_null()) {
                table.insert(key.to_owned(), Value::Bool(true));
            }
        }
    }
    Ok(value)
}

/// In the folder of the results: what jobs leave for other jobs. Nobody needs it when the report is
/// there.
const SHARDS: &str = "shards";
/// The last stage: with it `run.json` is complete.
const LAST: &str = layout::REPORT_FOLDER;

/// What a run does of the stages.
#[derive(Clone, Debug)]
pub enum Extent {
    /// All of them.
    All,
    /// None; says what would be done.
    DryRun,
    /// One job.
    Job {
        /// Its name.
        name: String,
        /// Stages and shards that must be done.
        needs: Vec<String>,
    },
}

/// What a stage is made from: all that its digest depends on.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// Earlier stages.
    stages: Vec<String>,
    /// Input files, by their contents.
    files: Vec<PathBuf>,
    /// Options, and whatever else decides the result.
    options: Value,
}

impl Made {
    /// From options alone.
    pub fn new(options: Value) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// And from an earlier stage.
    #[must_use]
    pub fn after(mut self, stage: &str) -> Self {
        self.stages.push(stage.to_owned());
        self
    }

    /// And from input files.
    #[must_use]
    pub fn reading<'p>(mut self, files: impl IntoIterator<Item = &'p Path>) -> Self {
        self.files.extend(files.into_iter().map(Path::to_path_buf));
        self
    }

    /// The same for a part of the stage: `part` tells it from the others.
    #[must_use]
    pub fn part(&self, part: &Value) -> Self {
        Self {
            options: json!([self.options, part]),
            ..self.clone()
        }
    }
}

/// One run of a pipeline.
pub struct Runner {
    out: PathBuf,
    /// None in a dry run, which writes nothing, and of a job.
    _claim: Option<RunLock>,
    extent: Extent,
    /// Digest of each stage that came up, by name.
    digests: HashMap<String, String>,
    inputs: Vec<Input>,
    run: RunRecord,
}

/// An input file as the stages that are done have read it.
#[derive(Serialize, Deserialize)]
struct Input {
    path: PathBuf,
    stamp: Option<FileState>,
    digest: String,
}

impl Runner {
    /// Starts a run in `out`.
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
        let claim = matches!(extent, Extent::All)
            .then(|| claim(out))
            .transpose()?;
        let mut runner = Self {
            out: out.to_path_buf(),
            _claim: claim,
            extent,
            digests: HashMap::new(),
            inputs: Vec::new(),
            run,
        };
        runner.inputs(&plan.further_files().collect::<Vec<_>>())?;
        Ok(runner)
    }

    /// Reads input files for their digests, before any work.
    pub fn inputs(&mut self, paths: &[&Path]) -> anyhow::Result<()> {
        paths.iter().try_for_each(|path| self.input(path).map(drop))
    }

    /// The digest of an input file, which is read once.
    fn input(&mut self, path: &Path) -> anyhow::Result<String> {
        if let Some(input) = self.inputs.iter().find(|input| input.path == path) {
            return Ok(input.digest.clone());
        }
        let stamp = FileState::read(path);
        let digest = self
            .known_digest(path, stamp)
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

    /// The digest of a stage or a part of one.
    fn digest(&mut self, name: &str, made: &Made) -> anyhow::Result<String> {
        let mut text = format!("{}\n{name}\n{}\n", env!("CARGO_PKG_VERSION"), made.options);
        for stage in &made.stages {
            let digest = self
                .digests
                .get(stage)
                .with_context(|| format!("{name}: {stage} comes before it"))?;
            text.extend([stage, " ", digest, "\n"]);
        }
        for path in &made.files {
            text += &self.input(path)?;
            text.push('\n');
        }
        Ok(output::sha256(text.as_bytes()))
    }

    /// The digest of an input that an earlier job wrote down, if this is a job and the file is
    /// still that one.
    fn known_digest(&self, path: &Path, stamp: Option<FileState>) -> Option<String> {
        let is_job = matches!(self.extent, Extent::Job { .. });
        let known: Input =
            serde_json::from_slice(&fs::read(self.note_of_input(path)).ok().filter(|_| is_job)?)
                .ok()?;
        (stamp.is_some() && known.stamp == stamp && known.path == path).then_some(known.digest)
    }

    /// Writes down the inputs for other jobs; of one that was changed a moment ago nobody could
    /// tell whether it is changed again.
    fn note_inputs(&self) -> Result<(), output::Error> {
        let settled = self
            .inputs
            .iter()
            .filter(|input| input.stamp.is_some_and(|stamp| stamp.is_settled()));
        settled
            .filter(|input| self.known_digest(&input.path, input.stamp).is_none())
            .try_for_each(|input| output::write_json(&self.note_of_input(&input.path), input))
    }

    fn note_of_input(&self, path: &Path) -> PathBuf {
        let name = output::sha256(path.to_string_lossy().as_bytes());
        self.out
            .join(SHARDS)
            .join("inputs")
            .join(name)
            .with_extension("json")
    }

    /// Runs `work` on the folder of the stage, or takes over what that holds. `None` where this run
    /// does not do it.
    ///
    /// # Errors
    /// Whatever `work` says, with the stage's name; an input that is not what it was when the run
    /// began.
    pub fn stage<S: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        made: &Made,
        work: impl FnOnce(&Path) -> anyhow::Result<S>,
    ) -> anyhow::Result<Option<S>> {
        let folder = self.folder(name);
        let digest = self.digest(name, made)?;
        self.digests.insert(name.to_owned(), digest.clone());
        if matches!(self.extent, Extent::Job { .. }) {
            return self.job(name, &folder, &digest, work);
        }
        let path = folder.join(RECORD);
        let dry_run = matches!(self.extent, Extent::DryRun);
        let _claim = (!dry_run).then(|| claim(&folder)).transpose()?;
        require_no_newer(&path)?;
        if let Some((record, summary)) = finished(&folder, &digest) {
            gf_files::message!("{name}: done before ({:.1} s)", record.seconds);
            self.note(name, &record, true)?;
            return Ok(Some(summary));
        }
        if dry_run {
            gf_files::message!("{name}: would run");
            return Ok(None);
        }
        output::remove_if_there(&path)?;
        let (record, summary) = self.record(name, &folder, &digest, || work(&folder))?;
        self.note(name, &record, false)?;
        Ok(Some(summary))
    }

    /// A part of a stage, which jobs do by themselves and no other run does.
    ///
    /// # Errors
    /// As [`Self::stage`].
    pub fn shard<S: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        made: &Made,
        work: impl FnOnce(&Path) -> anyhow::Result<S>,
    ) -> anyhow::Result<Option<S>> {
        let digest = self.digest(name, made)?;
        let folder = self.shard_folder(name);
        self.job(name, &folder, &digest, work)
    }

    /// Where a stage lies.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// Where a shard lies.
    pub fn shard_folder(&self, name: &str) -> PathBuf {
        self.out.join(SHARDS).join(name)
    }

    /// This run is that job.
    pub fn is_job(&self, wanted: &str) -> bool {
        matches!(&self.extent, Extent::Job { name, .. } if name == wanted)
    }

    /// Does the job if it is this one; looks whether it is done if this one needs it.
    fn job<S: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        folder: &Path,
        digest: &str,
        work: impl FnOnce(&Path) -> anyhow::Result<S>,
    ) -> anyhow::Result<Option<S>> {
        let Extent::Job {
            name: wanted,
            needs,
        } = &self.extent
        else {
            return Ok(None);
        };
        let is_wanted = name == wanted;
        let is_needed = needs.iter().any(|need| need == name);
        if is_needed {
            // Its files are what it left: whoever reads them last looks.
            let Some((record, summary)) = recorded(folder, digest) else {
                bail!(
                    "{name} is not done in {}, with these inputs and options: do that job first",
                    self.out.display()
                );
            };
            self.note(name, &record, true)?;
            return Ok(Some(summary));
        }
        if !is_wanted {
            return Ok(None);
        }
        require_no_newer(&folder.join(RECORD))?;
        if let Some((record, summary)) = finished(folder, digest) {
            gf_files::message!("{name}: done before ({:.1} s)", record.seconds);
            return Ok(Some(summary));
        }
        let shards = self.out.join(SHARDS);
        fs::create_dir_all(&shards).map_err(output::at(&shards))?;
        let room = tempfile::tempdir_in(&shards).map_err(output::at(&shards))?;
        let mine = room.path().join("result");
        fs::create_dir(&mine).map_err(output::at(&mine))?;
        let done = self.record(name, &mine, digest, || work(&mine));
        // Of a job that failed the files stay as well, without the record.
        publish::<S>(&mine, folder, digest, &shards)?;
        let (record, summary) = done?;
        self.note_inputs()?;
        self.note(name, &record, false)?;
        Ok(Some(summary))
    }

    /// Runs `work`, which writes into `folder`, and records there what it was made from.
    fn record<S: Serialize>(
        &self,
        name: &str,
        folder: &Path,
        digest: &str,
        work: impl FnOnce() -> anyhow::Result<S>,
    ) -> anyhow::Result<(StageRecord, S)> {
        gf_files::message!("{name}:");
        let started = Instant::now();
        let summary = work().with_context(|| name.to_string())?;
        self.require_same_inputs()
            .with_context(|| name.to_string())?;
        let record = StageRecord {
            schema_version: Some(SCHEMA_VERSION),
            digest: digest.to_owned(),
            summary: serde_json::to_value(&summary)?,
            seconds: started.elapsed().as_secs_f64(),
            files: digests(folder)?,
        };
        output::write_json(&folder.join(RECORD), &record)?;
        gf_files::message!("{name}: {:.1} s", record.seconds);
        Ok((record, summary))
    }

    /// Only a file that was touched is read again.
    fn require_same_inputs(&self) -> anyhow::Result<()> {
        for Input {
            path,
            stamp,
            digest,
        } in &self.inputs
        {
            if FileState::read(path) != *stamp && output::sha256_of_file(path)? != *digest {
                bail!(
                    "{}: the file was changed during the run; what was made of it is not kept, \
                     run again",
                    path.display()
                );
            }
        }
        Ok(())
    }

    fn note(&mut self, name: &str, record: &StageRecord, done_before: bool) -> anyhow::Result<()> {
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

/// Gives a folder its name, unless another run of the same job was first. What is there of other
/// inputs or options goes.
fn publish<S: DeserializeOwned>(
    mine: &Path,
    folder: &Path,
    digest: &str,
    shards: &Path,
) -> anyhow::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(output::at(parent))?;
    }
    loop {
        match fs::rename(mine, folder) {
            Ok(()) => return Ok(()),
            Err(error) if !folder.is_dir() => return Err(output::at(folder)(error).into()),
            Err(_) if finished::<S>(folder, digest).is_some() => return Ok(()),
            Err(_) => {
                let away = tempfile::tempdir_in(shards).map_err(output::at(shards))?;
                // Another run of the job may do the same just now.
                let _ = fs::rename(folder, away.path().join("old"));
            }
        }
    }
}

/// What a newer program has made is not made again by this one. What an older one has made is: its
/// version is in the digest.
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

/// The record of a finished stage with this digest.
fn recorded<S: DeserializeOwned>(folder: &Path, digest: &str) -> Option<(StageRecord, S)> {
    let record: StageRecord = serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()?;
    let summary = serde_json::from_value(record.summary.clone()).ok()?;
    (record.digest == digest).then_some((record, summary))
}

/// As [`recorded`], if its files are all as the stage left them.
fn finished<S: DeserializeOwned>(folder: &Path, digest: &str) -> Option<(StageRecord, S)> {
    let unchanged = |(name, expected): (&String, &String)| {
        output::sha256_of_file(&folder.join(name)).is_ok_and(|found| found == *expected)
    };
    recorded(folder, digest).filter(|(record, _)| record.files.iter().all(unchanged))
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
                let name = path
                    .strip_prefix(folder)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .into_owned();
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
        let pipeline = folder.path().join("p.toml");
        let stage = folder.path().join("1-x");
        fs::write(&pipeline, "[simulate]\n").unwrap();
        let plan = Plan::read(&pipeline).unwrap();
        let mut n_runs = 0;
        let mut run = |options: &Value| {
            let mut runner = Runner::new(folder.path(), &pipeline, &plan, Extent::All).unwrap();
            let work = |folder: &Path| {
                n_runs += 1;
                output::write(&folder.join("x.txt"), |out| out.write_all(b"x"))?;
                output::write(&folder.join("inner/y.txt"), |out| out.write_all(b"y"))?;
                Ok(7)
            };
            assert_eq!(
                runner
                    .stage("1-x", &Made::new(options.clone()), work)
                    .unwrap(),
                Some(7)
            );
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
        fs::write(
            stage.join(RECORD),
            record.replace("\"schema_version\": 1", "\"schema_version\": 9"),
        )
        .unwrap();
        let mut runner = Runner::new(folder.path(), &pipeline, &plan, Extent::All).unwrap();
        let message = runner
            .stage("1-x", &Made::new(json!(2)), |_| Ok(8))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("schema version 9 is from a newer gf-genomics")
                && message.contains("another folder (--out)"),
            "{message}"
        );
        drop(runner);
        let text = fs::read_to_string(folder.path().join("run.json")).unwrap();
        assert!(
            text.contains("\"seed\": 1") && text.contains("\"1-x\""),
            "{text}"
        );
    }

    #[test]
    fn a_digest_depends_on_what_the_stage_is_made_from_and_on_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("p.toml"), "[simulate]\n").unwrap();
        let plan = Plan::read(&at("p.toml")).unwrap();
        let digests = |genomes: &str, cohort: &str, option: u32| {
            fs::write(at("x.vcf"), genomes).unwrap();
            fs::write(at("cohort.csv"), cohort).unwrap();
            let mut runner =
                Runner::new(folder.path(), &at("p.toml"), &plan, Extent::DryRun).unwrap();
            runner.inputs(&[&at("x.vcf"), &at("cohort.csv")]).unwrap();
            let mut stage = |name: &str, made: Made| {
                runner.stage::<u32>(name, &made, |_| Ok(0)).unwrap();
                runner.digests[name].clone()
            };
            let one = stage("1-x", Made::new(json!(1)).reading([&*at("x.vcf")]));
            let two = stage(
                "2-y",
                Made::new(json!(option))
                    .after("1-x")
                    .reading([&*at("cohort.csv")]),
            );
            let three = stage("3-z", Made::new(json!(1)).after("1-x"));
            [one, two, three]
        };
        let changed =
            |a: &[String; 3], b: &[String; 3]| [0, 1, 2].map(|stage| a[stage] != b[stage]);
        let first = digests("a", "b", 1);
        assert_eq!(changed(&first, &digests("a", "b", 1)), [false; 3]);
        assert_eq!(changed(&first, &digests("a", "c", 1)), [false, true, false]);
        assert_eq!(changed(&first, &digests("a", "b", 2)), [false, true, false]);
        assert_eq!(changed(&first, &digests("c", "b", 1)), [true; 3]);
    }

    #[test]
    fn of_two_runs_of_a_job_the_first_to_end_stands_and_the_other_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = folder.path().join("p.toml");
        fs::write(&pipeline, "[simulate]\n").unwrap();
        let plan = Plan::read(&pipeline).unwrap();
        let stage = folder.path().join("1-x");
        let job = |options: Value, text: &'static str, while_at_work: &dyn Fn()| {
            let extent = Extent::Job {
                name: "1-x".into(),
                needs: Vec::new(),
            };
            let mut runner = Runner::new(folder.path(), &pipeline, &plan, extent).unwrap();
            let work = |folder: &Path| {
                output::write(&folder.join("x.txt"), |out| out.write_all(text.as_bytes()))?;
                while_at_work();
                Ok(text.to_owned())
            };
            runner.stage("1-x", &Made::new(options), work).unwrap()
        };
        let text = || fs::read_to_string(stage.join("x.txt")).unwrap();
        // The second begins and ends while the first is at work.
        job(json!(1), "first", &|| _ = job(json!(1), "second", &|| {}));
        assert_eq!(text(), "second");
        // Done: not done again.
        assert_eq!(job(json!(1), "third", &|| panic!()), Some("second".into()));
        // Other options: what is there goes, also where Snakemake has made the folder or half a job
        // is in it.
        job(json!(2), "other", &|| {});
        assert_eq!(text(), "other");
        fs::remove_file(stage.join(RECORD)).unwrap();
        job(json!(2), "again", &|| {});
        assert_eq!(text(), "again");
        assert_eq!(
            fs::read_dir(folder.path().join(SHARDS)).unwrap().count(),
            0,
            "nothing is left of them"
        );
        // A job that needs one of other options is refused.
        let extent = Extent::Job {
            name: "2-y".into(),
            needs: vec!["1-x".into()],
        };
        let mut runner = Runner::new(folder.path(), &pipeline, &plan, extent).unwrap();
        let message = runner
            .stage("1-x", &Made::new(json!(3)), |_| Ok(String::new()))
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("1-x is not done in ") && message.ends_with("do that job first"),
            "{message}"
        );
    }

    #[test]
    fn options_that_came_later_leave_the_digest_of_an_earlier_simulation_as_it_was() {
        let default = simulate::Options::default();
        let keys = |options: &simulate::Options| {
            let value = without_paths(options).unwrap();
            let table = value.as_object().unwrap();
            table.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        let earlier = "auc len_nt people recombinations_per_mb region risk seed split variants";
        assert_eq!(keys(&default), earlier);
        assert_eq!(without_paths(&default).unwrap()["auc"], 0.72);
        let effects = Some("x.txt".into());
        let sex_effect = 0.1;
        let later = simulate::Options {
            effects,
            sex_effect,
            ..default
        };
        assert!(keys(&later).contains("effects") && keys(&later).contains("sex_effect"));
        assert!(without_paths(&later).unwrap()["auc"].is_null());
    }

    #[test]
    fn a_job_takes_the_digest_of_an_input_that_an_earlier_one_wrote_down_while_the_file_is_that_one()
     {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = folder.path().join("p.toml");
        let input = folder.path().join("x.vcf");
        fs::write(&pipeline, "[simulate]\n").unwrap();
        fs::write(&input, "x").unwrap();
        let plan = Plan::read(&pipeline).unwrap();
        let runner = |extent: Extent| {
            let mut runner = Runner::new(folder.path(), &pipeline, &plan, extent).unwrap();
            runner.inputs(&[&input]).unwrap();
            runner
        };
        let job = || {
            runner(Extent::Job {
                name: "1-x".into(),
                needs: Vec::new(),
            })
        };
        let digest = |runner: &Runner| runner.inputs[0].digest.clone();
        job().stage("1-x", &Made::new(json!(1)), |_| Ok(1)).unwrap();
        let note = job().note_of_input(&input);
        assert!(!note.exists(), "the file is too new");
        let mut known = job().inputs.pop().unwrap();
        known.digest = "that of an earlier job".into();
        output::write_json(&note, &known).unwrap();
        assert_eq!(digest(&job()), "that of an earlier job");
        assert_ne!(
            digest(&runner(Extent::DryRun)),
            "that of an earlier job",
            "`run` reads the file"
        );
        fs::write(folder.path().join("y.vcf"), "y").unwrap();
        fs::rename(folder.path().join("y.vcf"), &input).unwrap();
        assert_eq!(digest(&job()), output::sha256(b"y"));
        fs::write(&note, "{").unwrap();
        assert_eq!(digest(&job()), output::sha256(b"y"));
    }
}
