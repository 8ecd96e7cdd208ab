//! Programs to compare with.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A program to compare with is not on this machine: the test is skipped with a message, or fails
/// where `GF_REQUIRE_ORACLES` is 1.
pub fn skip(what: &str) {
    let is_required = std::env::var_os("GF_REQUIRE_ORACLES").is_some_and(|value| value == "1");
    assert!(
        !is_required,
        "{what}; GF_REQUIRE_ORACLES is 1, so this is a failure"
    );
    eprintln!("SKIPPED: {what}");
}

/// Whether a program is there; a message says so where it is not.
pub fn has_program(name: &str) -> bool {
    let is_there = Command::new(name).arg("--version").output().is_ok();
    if !is_there {
        skip(&format!("no {name}"));
    }
    is_there
}

/// Runs a program in a folder; all of its arguments are in one text.
pub fn run(folder: &Path, program: &str, arguments: &str) {
    let output = Command::new(program)
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A file of the shared real data, in the folder that `GF_SHARED_DATA` names or next to the
/// repository; `None`, with a message, where it is not there.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let next_to_repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("GF_SHARED_DATA").map_or(next_to_repository, PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: no real data at {}", path.display());
    None
}
