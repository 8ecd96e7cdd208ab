//! Runs the program as a user does, in a temporary folder with arguments, and checks its output;
//! inputs and comparisons that tests of several files share.

// Each of the two test binaries uses only some of these functions.
#![allow(dead_code)]

pub mod cohort;
pub mod compression;
pub mod options;
pub mod pipelines;
pub mod processes;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of real data, which is stored next to the repository; `None`, with a message, where it is
/// absent.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let path = repository("../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: no {} on this machine", path.display());
    None
}

/// A VCF of real genomes and the FASTA of its region.
pub struct RealGenomes {
    pub vcf: PathBuf,
    pub reference: PathBuf,
}

impl RealGenomes {
    /// 33,000 nt of chromosome 20 in 300 samples (GRCh37).
    pub fn chr20_33_kb() -> Option<Self> {
        Some(Self {
            vcf: real_data("chr20/win33k_A.300.grch37.vcf.gz")?,
            reference: real_data("chr20/win33k_A.grch37.fa")?,
        })
    }

    /// The gene APOE in 776 samples (GRCh38).
    pub fn apoe() -> Option<Self> {
        Some(Self {
            vcf: real_data("apoe/apoe_gene.776.grch38.vcf.gz")?,
            reference: real_data("apoe/apoe_grch38.fa")?,
        })
    }
}

/// Skips a test, with a message, because a program to compare with is not on this machine. Where
/// `GF_REQUIRE_ORACLES` is set, as `.ci/run` does, the test fails.
pub fn no_oracle(what: &str) {
    assert!(
        std::env::var_os("GF_REQUIRE_ORACLES").is_none(),
        "{what}; GF_REQUIRE_ORACLES is set, so this is a failure"
    );
    eprintln!("SKIPPED: {what}");
}

/// The program in `folder`, with arguments separated by spaces. `RUST_BACKTRACE` is set because no
/// error may print a backtrace even then.
pub fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gf-genomics"));
    command
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .env("RUST_BACKTRACE", "1");
    command
}

/// Runs the program.
pub fn run(folder: &Path, arguments: &str) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Standard error of a finished process.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs the program, which must end with exit code 0, and returns its standard output.
pub fn succeed(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    assert!(
        output.status.success(),
        "`{arguments}` gave {}:\n{}",
        output.status,
        stderr(&output)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program, which must end with exit code 1 and one line `error: ...` that contains all of
/// `expected`, and must leave `folder` unchanged.
pub fn refuse(folder: &Path, arguments: &str, expected: &[&str]) {
    let before = files(folder);
    let message = refusal(folder, arguments, expected);
    let after = files(folder);
    let changed: Vec<&PathBuf> = after
        .iter()
        .filter(|(path, bytes)| before.get(*path) != Some(bytes))
        .map(|(path, _)| path)
        .collect();
    assert!(
        changed.is_empty(),
        "`{arguments}` failed ({message}) and left {changed:?}"
    );
    assert_eq!(
        before.len(),
        after.len(),
        "`{arguments}` failed and deleted files"
    );
}

/// Like [`refuse`], for commands that may write files before they fail; returns the message.
pub fn refusal(folder: &Path, arguments: &str, expected: &[&str]) -> String {
    let output = run(folder, arguments);
    let text = stderr(&output);
    assert_eq!(
        output.status.code(),
        Some(1),
        "`{arguments}` gave {}:\n{text}",
        output.status
    );
    assert!(
        output.stdout.is_empty(),
        "`{arguments}` failed and wrote data to stdout"
    );
    let message = text
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("error: "))
        .unwrap_or_default()
        .to_owned();
    assert!(
        !message.is_empty(),
        "`{arguments}`: the last line is no error:\n{text}"
    );
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("error"))
            .count(),
        1,
        "{text}"
    );
    assert!(
        !text.contains("panicked") && !text.contains("backtrace"),
        "{text}"
    );
    for part in expected {
        assert!(
            message.contains(part),
            "`{arguments}`: no `{part}` in: {message}"
        );
    }
    assert_repeats_nothing(arguments, &message);
    let temporary: Vec<PathBuf> = file_names(folder)
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(".gf-genomics-"))
        .collect();
    assert!(temporary.is_empty(), "`{arguments}` left {temporary:?}");
    message
}

/// No part of a message, as parts are separated by colons, may occur twice: a stage that adds the
/// path to an error that has it already would print it twice.
fn assert_repeats_nothing(arguments: &str, message: &str) {
    let parts: Vec<&str> = message.split(": ").collect();
    let repeated = parts
        .iter()
        .enumerate()
        .find(|(index, part)| parts[..*index].contains(part));
    assert_eq!(
        repeated, None,
        "`{arguments}` says something twice: {message}"
    );
}

/// Contents of every file below a folder, by path relative to the folder.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                contents.insert(
                    path.strip_prefix(folder).unwrap().to_path_buf(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    contents
}

/// Paths of every file below a folder, relative to the folder, in order.
pub fn file_names(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_keys().collect()
}

/// Like [`files`], without the files that contain wall-clock times.
pub fn files_without_times(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents = files(folder);
    contents.retain(|path, _| {
        let path = path.to_string_lossy();
        !["run.json", "stage.json", "training_log.csv"]
            .iter()
            .any(|name| path.ends_with(name))
    });
    contents
}

/// Paths whose contents differ, or that only one of two folders has.
pub fn different_files<'f>(
    first: &'f BTreeMap<PathBuf, Vec<u8>>,
    second: &'f BTreeMap<PathBuf, Vec<u8>>,
) -> BTreeSet<&'f PathBuf> {
    first
        .keys()
        .chain(second.keys())
        .filter(|path| first.get(*path) != second.get(*path))
        .collect()
}

/// Paths in a folder whose names contain `part`, in order.
pub fn paths_with(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.to_string_lossy().contains(part));
    paths.sort();
    paths
}

/// Lines of a text file in alphabetical order.
pub fn sorted_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines.sort();
    lines
}

/// A JSON file.
pub fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Replaces a text in a file, which must contain it.
pub fn replace_in(path: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(old), "{} has no {old}", path.display());
    fs::write(path, text.replace(old, new)).unwrap();
}

/// Copies the files of an earlier release, stored in `fixtures/releases/VERSION/`, into a folder.
pub fn copy_release(version: &str, folder: &Path) {
    copy(&repository("tests/fixtures/releases").join(version), folder);
}

/// Completes `tokens/` of a release that [`copy_release`] copied: its tokenizer and slot grid are
/// those of the model, and stored with the model only.
pub fn complete_release_tokens(folder: &Path) {
    for name in ["tokenizer.json", "grid.json"] {
        let from = folder.join("model").join(name);
        fs::copy(from, folder.join("tokens").join(name)).unwrap();
    }
}

/// Copies every file below a folder, with its mode.
pub fn copy(from: &Path, to: &Path) {
    for path in file_names(from) {
        let copy = to.join(&path);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(from.join(path), copy).unwrap();
    }
}

/// Bases by FASTA definition line.
pub fn fasta(text: &str) -> BTreeMap<String, String> {
    let mut records: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(definition) = line.strip_prefix('>') {
            records.push((definition.to_owned(), String::new()));
        } else if let Some((_, bases)) = records.last_mut() {
            bases.push_str(line);
        }
    }
    records.into_iter().collect()
}

/// (major, minor) version of bcftools; `None`, with a message, where it is not installed.
pub fn bcftools_version() -> Option<(u32, u32)> {
    let Ok(output) = Command::new("bcftools").arg("--version").output() else {
        no_oracle("no bcftools on this machine");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text
        .lines()
        .next()?
        .strip_prefix("bcftools ")?
        .split('.')
        .map(|number| number.parse().unwrap_or(0));
    Some((numbers.next()?, numbers.next()?))
}

/// Runs bcftools in `folder`, which must be installed and must end with exit code 0, and returns
/// its standard output.
pub fn bcftools(folder: &Path, arguments: &str) -> Vec<u8> {
    let output = Command::new("bcftools")
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "bcftools {arguments}: {}",
        stderr(&output)
    );
    output.stdout
}

/// Rows of a CSV file, each as its cells by column name.
pub fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(Result::unwrap).collect()
}

/// `logit` of each row of a CSV file by `sample_id`.
pub fn logits_by_sample(path: &Path) -> BTreeMap<String, f64> {
    rows(path)
        .into_iter()
        .map(|row| (row["sample_id"].clone(), row["logit"].parse().unwrap()))
        .collect()
}

/// `len_nt` random bases of A, C, G and T.
pub fn random_bases(rng: &mut ChaCha8Rng, len_nt: usize) -> String {
    (0..len_nt)
        .map(|_| char::from(*b"ACGT".choose(rng).unwrap()))
        .collect()
}

/// Runs `work` in a pool of so many threads.
pub fn on_threads<T: Send>(n_threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build()
        .unwrap()
        .install(work)
}

/// All values of a tensor, in row-major order.
pub fn values(tensor: &candle_core::Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}
