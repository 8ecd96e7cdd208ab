//! Runs the program as a user does, for the tests in `tests/`: a folder, arguments, and what came
//! out.

// Each test file uses a part of this.
#![allow(dead_code)]

pub mod cohort;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Real genomes beside the checkout, or `None` and a word about it: they are not part of the
/// repository.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: no {} on this machine", path.display());
    None
}

/// A program to compare with is not on this machine: the test is skipped with a message. Where
/// `GF_REQUIRE_ORACLES` is set, as `.ci/run` does, the test fails.
pub fn no_oracle(what: &str) {
    assert!(
        std::env::var_os("GF_REQUIRE_ORACLES").is_none(),
        "{what}; GF_REQUIRE_ORACLES is set, so this is a failure"
    );
    eprintln!("SKIPPED: {what}");
}

/// A pipeline of every stage that runs in a moment.
pub const TINY_PIPELINE: &str = "\
seed = 3

[simulate]
people = 150
len_nt = 4000
risk = \"additive\"

[tokens]
segment_length = 128

[[models]]
additive = 'none'
name = \"tiny\"
[models.architecture]
hidden = 8
layers = 1
heads = 2
projected_length = 8
feed_forward = 8
[models.schedule]
epochs = 2
batch_size = 16
";

/// The program in `folder`, with arguments separated by spaces; backtraces are asked for, and must
/// not come with an error.
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

/// What the program says on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs the program, which must end with exit code 0; what it wrote to stdout.
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

/// Runs the program, which must end with exit code 1 and one line `error: ...` that holds all of
/// `expected`, and must leave `folder` as it was.
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

/// As [`refuse`], for commands that may have finished something before they fail; the message.
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
    let parts: Vec<&str> = message.split(": ").collect();
    let repeated = parts
        .iter()
        .enumerate()
        .find(|(index, part)| parts[..*index].contains(part));
    assert_eq!(
        repeated, None,
        "`{arguments}` says something twice: {message}"
    );
    let temporary: Vec<PathBuf> = files(folder)
        .into_keys()
        .filter(|path| path.to_string_lossy().contains(".gf-genomics-"))
        .collect();
    assert!(temporary.is_empty(), "`{arguments}` left {temporary:?}");
    message
}

/// Every file below a folder, by its path inside it.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(
                    path.strip_prefix(folder).unwrap().to_path_buf(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

/// As [`files`], but for those in which seconds stand.
pub fn files_without_times(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let is_timed = |path: &Path| {
        ["run.json", "stage.json", "training_log.csv"]
            .iter()
            .any(|name| path.to_string_lossy().ends_with(name))
    };
    files(folder)
        .into_iter()
        .filter(|(path, _)| !is_timed(path))
        .collect()
}

/// Copies every file below a folder, with its mode.
pub fn copy(from: &Path, to: &Path) {
    for path in files(from).into_keys() {
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

/// Version of bcftools, or `None` and a word about it where it is not installed.
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

/// Runs bcftools in `folder`, which must be installed and must end with exit code 0; what it wrote
/// to stdout.
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

/// The rows of a CSV file, each by column name.
pub fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(Result::unwrap).collect()
}
