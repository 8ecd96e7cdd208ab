//! `kill -9` at random moments, then the same command again: the result equals that of an
//! uninterrupted run byte for byte, and no file is ever half-written.
//!
//! Input -> output: a simulated cohort -> for `run` with every stage, and for each command alone, a
//! folder of an uninterrupted run and folders of runs that were killed, often more than once. Half
//! of the kills come at a random time within the run. The other half come while a file is written:
//! when the n-th temporary file is seen. All files are compared, without the times in them (see
//! [`comparable`]).
//!
//! `GF_KILLS=100 cargo test --release --test robustness killed -- --nocapture` kills each command
//! 100 times; `GF_KILL_SEED` draws other moments.

#![cfg(unix)]

use std::{
    collections::{BTreeMap, HashSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{
    copy, different_files, file_names, files,
    pipelines::folder_with_pipeline,
    processes::{kill, spawn_silently, spawn_with_stderr, stderr_to_end, wait_for_checkpoint},
    refusal, run, stderr, succeed,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// Every stage, with an ensemble and a single model.
const PIPELINE: &str = "\
seed = 3

[simulate]
people = 150
len_nt = 4000
risk = \"additive\"

[tokens]
segment_length = 128

[[models]]
additive = 'none'
name = \"ensemble\"
[models.architecture]
hidden = 8
layers = 1
heads = 2
projected_length = 8
feed_forward = 8
[models.schedule]
epochs = 3
batch_size = 16
ensemble = 2

[[models]]
name = \"single\"
tensorboard = true
[models.architecture]
preset = \"ecoformer\"
hidden = 16
layers = 1
heads = 2
feed_forward = 16
[models.schedule]
epochs = 4
batch_size = 16
";

/// A small model that trains long enough to be killed.
const TRAIN: &str = "train --additive none --tokens ../in/2-tokens --cohort \
                     ../in/0-cohort/cohort.csv --hidden 16 --layers 1 --heads 2 --feed-forward 16 \
                     --projected-length 8 --batch-size 12 --patience 100 --resume --out out";

/// The number in an environment variable.
fn number_of_environment(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable}={text}"))
    })
}

/// The contents of a file that a kill must not change. Left out are
/// - `seconds` and `milliseconds` in `run.json` and `stage.json`;
/// - the last two columns (seconds, samples per second) of `training_log.csv`, and its digest in
///   `stage.json`;
/// - `done_before` in `run.json`, and `epochs_resumed` in both files, which record the part of an
///   earlier run;
/// - TensorBoard's event files, which contain wall-clock times.
fn comparable(path: &Path, bytes: &[u8]) -> Vec<u8> {
    let name = path.file_name().unwrap().to_string_lossy();
    if name == "training_log.csv" {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        return text
            .lines()
            .flat_map(|line| line.rsplitn(3, ',').last().unwrap().bytes().chain([b'\n']))
            .collect();
    }
    if name.contains("tfevents") {
        return Vec::new();
    }
    if !name.ends_with("run.json") && name != "stage.json" {
        return bytes.to_vec();
    }
    let mut json: Value =
        serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    without_times(&mut json);
    if let Some(files) = json.get_mut("files").and_then(Value::as_object_mut) {
        files.retain(|file, _| !file.contains("training_log.csv") && !file.contains("tfevents"));
    }
    json.to_string().into_bytes()
}

fn without_times(json: &mut Value) {
    match json {
        Value::Object(table) => {
            table.retain(|key, _| {
                !["seconds", "milliseconds", "done_before", "epochs_resumed"]
                    .contains(&key.as_str())
            });
            table.values_mut().for_each(without_times);
        }
        Value::Array(values) => values.iter_mut().for_each(without_times),
        _ => {}
    }
}

fn comparable_files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(folder)
        .into_iter()
        .map(|(path, bytes)| (path.clone(), comparable(&path, &bytes)))
        .collect()
}

/// A command that is killed. It runs in folders next to `in/` and writes below `out`.
struct Victim {
    root: tempfile::TempDir,
    arguments: String,
    /// Files of an uninterrupted run.
    unbroken: BTreeMap<PathBuf, Vec<u8>>,
    /// Files of a run with another seed, with which some of the folders begin.
    earlier: BTreeMap<PathBuf, Vec<u8>>,
    /// Duration of the uninterrupted run.
    seconds: f64,
    /// Approximate number of temporary files of the uninterrupted run.
    n_written: usize,
}

impl Victim {
    /// Runs the command without interruption, with `inputs` as its `in/`.
    fn new(inputs: Option<&Path>, arguments: &str) -> Self {
        let root = folder_with_pipeline(PIPELINE);
        if let Some(inputs) = inputs {
            std::os::unix::fs::symlink(inputs, root.path().join("in")).unwrap();
        }
        fs::create_dir(root.path().join("unbroken")).unwrap();
        let started = Instant::now();
        succeed(&root.path().join("unbroken"), arguments);
        let seconds = started.elapsed().as_secs_f64();
        let unbroken = comparable_files(&root.path().join("unbroken"));
        let n_written = unbroken.len();
        Self {
            root,
            arguments: arguments.to_owned(),
            unbroken,
            earlier: BTreeMap::new(),
            seconds,
            n_written,
        }
    }

    /// Half of the folders will have the results of another seed in them.
    fn after_another_seed(mut self) -> Self {
        let folder = self.root.path().join("earlier");
        fs::create_dir(&folder).unwrap();
        succeed(&folder, &format!("{} --seed 4", self.arguments));
        self.earlier = comparable_files(&folder);
        self
    }

    /// Kills the command `n_kills` times in all, in as many folders as that takes; returns how
    /// often it was killed while it wrote a file.
    fn kill(&self, n_kills: u64, rng: &mut ChaCha8Rng) -> usize {
        let mut n = 0;
        let mut n_in_writing = 0;
        while n < n_kills {
            let folder = self.root.path().join(format!("killed-{n}"));
            fs::create_dir(&folder).unwrap();
            if !self.earlier.is_empty() && rng.random_bool(0.5) {
                copy(&self.root.path().join("earlier"), &folder);
            }
            // Often more than one kill in a folder; a resumed run has less to do.
            while n < n_kills && (n == 0 || rng.random_bool(0.6)) {
                if !self.kill_once(&folder, rng) {
                    break;
                }
                n += 1;
                n_in_writing += usize::from(self.check_what_is_left(&folder));
            }
            self.assert_resumes_to_the_same_files(&folder);
            fs::remove_dir_all(folder).unwrap();
        }
        n_in_writing
    }

    /// Starts the command and kills it at a random moment; false where it had ended before.
    fn kill_once(&self, folder: &Path, rng: &mut ChaCha8Rng) -> bool {
        let mut child = spawn_silently(folder, &self.arguments);
        if rng.random_bool(0.5) {
            let share = rng.random_range(0.0..1.0);
            sleep(Duration::from_secs_f64(self.seconds * share));
        } else {
            let nth = rng.random_range(1..=self.n_written);
            wait_for_temporary_file(folder, nth, &mut child);
        }
        !kill(&mut child).success()
    }

    fn assert_resumes_to_the_same_files(&self, folder: &Path) {
        let output = run(folder, &self.arguments);
        assert!(
            output.status.success(),
            "`{}` after a kill: {}",
            self.arguments,
            stderr(&output)
        );
        let files = comparable_files(folder);
        let different = different_files(&files, &self.unbroken);
        assert!(
            different.is_empty(),
            "`{}` killed, in {}: {different:?}",
            self.arguments,
            folder.display()
        );
    }

    /// After a kill, every file with a final name must be whole; true if a temporary file was left.
    fn check_what_is_left(&self, folder: &Path) -> bool {
        let mut in_writing = false;
        for (path, bytes) in files(folder) {
            let name = path.file_name().unwrap().to_string_lossy();
            if name.starts_with('.') {
                in_writing |= name != ".gf-genomics.lock";
                continue;
            }
            // A finished run has no checkpoint to compare with.
            if name.starts_with("checkpoint") {
                assert!(
                    safetensors::SafeTensors::deserialize(&bytes).is_ok(),
                    "{} is half-written",
                    path.display()
                );
                continue;
            }
            let contents = comparable(&path, &bytes);
            let is_whole = [&self.unbroken, &self.earlier]
                .iter()
                .any(|files| files.get(&path) == Some(&contents));
            // `run.json` of a pipeline lists the stages that are done so far.
            assert!(
                is_whole || name == "run.json",
                "{} is half-written, or of nobody",
                path.display()
            );
        }
        in_writing
    }
}

/// Waits until this many temporary files have been seen, or the process has ended.
fn wait_for_temporary_file(folder: &Path, nth: usize, child: &mut Child) {
    let mut seen = HashSet::new();
    while seen.len() < nth && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_micros(50));
        let mut folders = vec![folder.to_path_buf()];
        while let Some(next) = folders.pop() {
            // Files and folders may disappear while they are listed.
            for entry in fs::read_dir(next).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                } else if entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with(".gf-genomics-")
                {
                    seen.insert(entry.path());
                }
            }
        }
    }
}

/// Kills a command `GF_KILLS` times, with a stream of random numbers of its own.
fn kill_many_times(victim: &Victim, stream: u64, default_kills: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(number_of_environment("GF_KILL_SEED", 1));
    rng.set_stream(stream);
    let n_kills = number_of_environment("GF_KILLS", default_kills);
    let n_in_writing = victim.kill(n_kills, &mut rng);
    let name = victim.arguments.split_whitespace().next().unwrap();
    eprintln!(
        "{name}: {n_kills} kills, {n_in_writing} of them while a file was written; unbroken {:.2} \
         s",
        victim.seconds
    );
}

#[test]
fn a_run_that_was_killed_anywhere_ends_with_the_files_of_an_unbroken_one() {
    let victim = Victim::new(None, "run ../pipeline.toml --out out").after_another_seed();
    kill_many_times(&victim, 0, 6);
}

#[test]
fn commands_that_were_killed_anywhere_end_with_the_files_of_unbroken_ones() {
    let inputs = folder_with_pipeline(PIPELINE);
    succeed(inputs.path(), "run pipeline.toml --out in");
    let genomes = "--vcf ../in/0-cohort/cohort.vcf.gz --reference ../in/0-cohort/reference.fa";
    let loci = "--regions-file ../in/0-cohort/loci.bed";
    let cohort = "--cohort ../in/0-cohort/cohort.csv";
    let model = "--model ../in/3-models/single";
    let commands = [
        format!("{TRAIN} --epochs 6 --ensemble 2"),
        "simulate --people 400 --len-nt 9000 --out out".to_owned(),
        format!("sequences {genomes} {loci} --out out -o out/haplotypes.fa.gz"),
        format!("tokenize {genomes} {loci} {cohort} --out out"),
        format!("prs --vcf ../in/0-cohort/cohort.vcf.gz {loci} {cohort} --out out"),
        format!("score {genomes} {model} {cohort} -o risk.csv"),
        "evaluate --predictions ../in/3-models/single/predictions.csv \
         ../in/4-baselines/predictions.csv --bootstrap 200 --out out"
            .to_owned(),
        format!("explain {genomes} {model} {cohort} --pairs 2 --out out"),
        "compress ../in/3-models/single --rank 0.5 --out out".to_owned(),
    ];
    for (stream, arguments) in (1..).zip(commands) {
        let victim = Victim::new(Some(&inputs.path().join("in")), &arguments);
        kill_many_times(&victim, stream, 1);
    }
}

/// A training of 60 epochs that runs in the background.
struct Training {
    folder: tempfile::TempDir,
    child: Child,
}

/// Exit code and standard error of a process.
struct Ended {
    code: Option<i32>,
    stderr: String,
}

impl Training {
    /// Starts it in `work/`, and waits for its first checkpoint.
    fn start() -> Self {
        let folder = folder_with_pipeline(PIPELINE);
        succeed(folder.path(), "run pipeline.toml --out in");
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        let mut child = spawn_with_stderr(&work, &format!("{TRAIN} --epochs 60"));
        wait_for_checkpoint(&work.join("out/checkpoint.safetensors"), &mut child);
        Self { folder, child }
    }

    /// Starts it again after it has ended.
    fn restart(&mut self) {
        self.child = spawn_with_stderr(&self.path(""), &format!("{TRAIN} --epochs 60"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    fn signal(&self, signal: &str) {
        assert!(
            Command::new("kill")
                .args([signal, &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    fn wait_for_end(&mut self) -> Ended {
        let stderr = stderr_to_end(&mut self.child);
        let code = self.child.wait().unwrap().code();
        Ended { code, stderr }
    }

    /// Files of an uninterrupted training.
    fn unbroken(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let folder = self.folder.path().join("unbroken");
        fs::create_dir(&folder).unwrap();
        succeed(&folder, &format!("{TRAIN} --epochs 60"));
        comparable_files(&folder)
    }
}

#[test]
fn a_second_run_on_a_folder_is_refused_and_harms_nothing() {
    let mut first = Training::start();
    first.signal("-STOP");
    let before = files(&first.path("out"));
    let holder = format!("out: process {} on ", first.child.id());
    let message = refusal_while_at_work(&first.path(""), TRAIN, &holder);
    assert!(
        message.ends_with(
            "is writing to this folder; wait until it has finished, or choose another folder"
        ),
        "{message}"
    );
    for other in ["simulate --out out", "run ../pipeline.toml --out out"] {
        refusal_while_at_work(&first.path(""), other, &holder);
    }
    assert!(files(&first.path("out")) == before);
    first.signal("-CONT");
    let ended = first.wait_for_end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(comparable_files(&first.path("")) == first.unbroken());
}

fn refusal_while_at_work(folder: &Path, arguments: &str, holder: &str) -> String {
    let output = run(folder, arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with(&format!("error: {holder}")) && text.lines().count() == 1,
        "{text}"
    );
    text.trim_end().to_owned()
}

#[test]
fn a_training_that_is_interrupted_writes_a_checkpoint_and_says_how_to_go_on() {
    let mut training = Training::start();
    for (signal, expected) in [("-INT", 130), ("-TERM", 143)] {
        training.signal(signal);
        let Ended { code, stderr: text } = training.wait_for_end();
        assert_eq!(code, Some(expected), "{text}");
        let line = text.lines().last().unwrap();
        assert!(
            line.starts_with("interrupted: stopped after step ")
                && line.contains("out/checkpoint.safetensors"),
            "{text}"
        );
        assert!(
            line.ends_with("; the same command resumes from there"),
            "{text}"
        );
        assert_eq!(
            file_names(&training.path("out")),
            [Path::new("checkpoint.safetensors")]
        );
        training.restart();
        sleep(Duration::from_millis(100));
    }
    let ended = training.wait_for_end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(comparable_files(&training.path("")) == training.unbroken());
}

#[test]
fn other_work_that_is_interrupted_ends_and_leaves_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = spawn_with_stderr(
        folder.path(),
        "simulate --people 20000 --len-nt 1000000 --variants 20000 --risk null --out out",
    );
    while fs::read_dir(folder.path().join("out")).map_or(0, Iterator::count) < 2 {
        assert!(child.try_wait().unwrap().is_none(), "nothing was written");
        sleep(Duration::from_millis(1));
    }
    // The second signal ends the process at once.
    for _ in 0..2 {
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let text = stderr(&output);
    assert!(
        text.ends_with(
            "interrupted: finished work is kept, and no file is incomplete; the same command \
             starts from scratch\n"
        ),
        "{text}"
    );
    assert!(
        files(folder.path()).is_empty(),
        "{:?}",
        files(folder.path()).keys()
    );
}

#[test]
fn results_that_were_lost_below_a_stage_are_made_again() {
    let folder = folder_with_pipeline(PIPELINE);
    succeed(folder.path(), "run pipeline.toml --out out");
    let before = comparable_files(&folder.path().join("out"));
    let scoring_files = folder.path().join("out/4-baselines/scoring_files");
    copy(&scoring_files, &folder.path().join("kept"));
    fs::remove_dir_all(&scoring_files).unwrap();
    succeed(folder.path(), "run pipeline.toml --out out");
    assert!(files(&scoring_files) == files(&folder.path().join("kept")));
    assert!(comparable_files(&folder.path().join("out")) == before);
    // A file where a folder must be: refused, and nothing is lost.
    fs::write(folder.path().join("taken"), "mine").unwrap();
    refusal(folder.path(), "run pipeline.toml --out taken", &["taken: "]);
    assert_eq!(fs::read(folder.path().join("taken")).unwrap(), b"mine");
}
