//! Files that a command reads. None of its outputs may replace them.

use super::{Error, at};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Canonical paths, so that a link and another spelling of a path are recognised.
static INPUTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Remembers the files that this process reads. Folders and absent files are ignored, because a
/// model may be written into a folder that a model was read from.
pub fn keep_inputs<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) {
    let files = paths.into_iter().filter(|path| path.is_file());
    let canonical = files.filter_map(|path| fs::canonicalize(path).ok());
    INPUTS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(canonical);
}

/// Refuses to write to a path of [`keep_inputs`].
///
/// # Errors
/// The path is one of them.
pub fn require_no_input(path: &Path) -> io::Result<()> {
    let inputs = INPUTS.lock().unwrap_or_else(PoisonError::into_inner);
    if inputs.is_empty() {
        return Ok(());
    }
    match fs::canonicalize(path) {
        Ok(canonical) if inputs.contains(&canonical) => Err(io::Error::other(
            "this file is an input of the command and would be replaced; choose another output \
             path",
        )),
        _ => Ok(()),
    }
}

/// Remembers the files that a command reads, and refuses outputs that would replace one of them or
/// each other. Call it before anything is computed.
///
/// # Errors
/// The first such output.
pub fn check_outputs<'p>(
    inputs: impl IntoIterator<Item = &'p PathBuf>,
    outputs: &[&Path],
) -> Result<(), Error> {
    keep_inputs(inputs);
    for (number, output) in outputs.iter().enumerate() {
        require_no_input(output).map_err(at(output))?;
        let is_same =
            |other: &&Path| *output != Path::new("-") && absolute(output) == absolute(other);
        if outputs[..number].iter().any(is_same) {
            let reason = "two outputs have this path; give each output its own path";
            return Err(at(output)(io::Error::other(reason)));
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_not_written_to_under_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let cohort = path.join("cohort.csv");
        fs::write(&cohort, "sample_id\n").unwrap();
        keep_inputs([&cohort, &path.join("absent.csv"), &path.join("")]);
        let other_spelling = path.join(".").join("cohort.csv");
        assert!(require_no_input(&other_spelling).is_err());
        assert!(crate::output::Pending::create(&cohort).is_err());
        assert!(require_no_input(&path.join("other.csv")).is_ok());
        assert_eq!(fs::read_to_string(&cohort).unwrap(), "sample_id\n");
        let a = path.join("a");
        let b = path.join("b");
        assert!(check_outputs([], &[&a, &a]).is_err());
        assert!(check_outputs([], &[&cohort, &b]).is_err());
        assert!(check_outputs([], &[&a, &b]).is_ok());
    }
}
