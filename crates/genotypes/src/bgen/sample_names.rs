//! Sample names of a BGEN file: embedded, from a `.sample` file, or numbers.
//!
//! A `.sample` file (Oxford) has two header lines: column names and column types. The first columns
//! are `ID_1 ID_2` (FID and IID for PLINK) or one identifier only (QCTOOL 2).

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::error::{BgenError, BgenPlace, BgenProblem};

/// Where the sample names come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleSource {
    /// The BGEN file itself.
    Embedded,
    /// A `.sample` file.
    SampleFile(PathBuf),
    /// No names were found: `sample_1`, `sample_2` and so on.
    Numbered,
}

/// The `.sample` file next to a BGEN file: `X.sample` or `X.bgen.sample` for `X.bgen`.
pub(super) fn neighbour(bgen: &Path) -> Option<PathBuf> {
    let candidates = [
        bgen.with_extension("sample"),
        crate::sidecar_path(bgen, ".sample"),
    ];
    candidates.into_iter().find(|path| path.is_file())
}

/// `sample_1` and so on.
pub(super) fn numbered(n_samples: usize) -> Vec<String> {
    (1..=n_samples)
        .map(|number| format!("sample_{number}"))
        .collect()
}

/// Reads a `.sample` file, which must list `n_samples` samples.
pub(super) fn read_sample_file(path: &Path, n_samples: usize) -> Result<Vec<String>, BgenError> {
    let text = fs::read_to_string(path).map_err(|error| BgenError::file(path, error))?;
    let mut lines = text.lines();
    let columns = lines.next().unwrap_or_default();
    let types = lines.next().unwrap_or_default();
    let n_columns = columns.split_whitespace().count();
    if n_columns == 0 || !is_types_line(types, n_columns) {
        return Err(BgenError::file(path, BgenProblem::SampleHeader));
    }
    let name_column = name_column(columns);
    let mut names = Vec::new();
    for (index, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.is_empty() {
            continue;
        }
        if fields.len() != n_columns {
            let number = index as u64 + 3;
            let problem = BgenProblem::SampleColumns {
                expected: n_columns,
                found: fields.len(),
            };
            return Err(BgenError::new(path, BgenPlace::Line { number }, problem));
        }
        names.push(fields[name_column].to_owned());
    }
    if names.len() != n_samples {
        let problem = BgenProblem::Count {
            what: "the number of samples of this .sample file",
            expected: n_samples as u64,
            found: names.len() as u64,
        };
        return Err(BgenError::file(path, problem));
    }
    require_unique(&names).map_err(|problem| BgenError::file(path, problem))?;
    Ok(names)
}

/// The second header line: one letter per column, `0` for the identifiers.
fn is_types_line(line: &str, n_columns: usize) -> bool {
    let types: Vec<&str> = line.split_whitespace().collect();
    types.len() == n_columns
        && types.iter().all(|kind| kind.len() == 1)
        && types.first() == Some(&"0")
}

/// `ID_2` is the individual's name where there is one; `ID_1` is the family for PLINK.
fn name_column(columns: &str) -> usize {
    let second = columns.split_whitespace().nth(1).unwrap_or_default();
    usize::from(second.eq_ignore_ascii_case("ID_2"))
}

/// That no two samples have one name.
pub(super) fn require_unique(names: &[String]) -> Result<(), BgenProblem> {
    let mut first_with_name = HashMap::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = first_with_name.insert(name.as_str(), index) {
            return Err(BgenProblem::DuplicateSample {
                name: name.clone(),
                first: first + 1,
                second: index + 1,
            });
        }
    }
    Ok(())
}
