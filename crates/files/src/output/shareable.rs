//! Files that are made to be shared: models, reports, tables of aggregates.
//!
//! They have no individual-level data, so their permissions are those of any new file (umask).

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::{Error, Readers, csv, json, write_for};

/// Writes a file like [`super::write()`], readable as any new file.
///
/// # Errors
/// The errors of that function.
pub fn write(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    write_for(Readers::Anyone, path, write)
}

/// Writes JSON like [`super::write_json`], readable as any new file.
///
/// # Errors
/// The errors of that function.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    write(path, |out| json(out, value))
}

/// Writes a table like [`super::write_csv`], readable as any new file.
///
/// # Errors
/// The errors of that function.
pub fn write_csv<T: Serialize>(
    path: &Path,
    header: &[&str],
    rows: impl IntoIterator<Item = T>,
) -> Result<(), Error> {
    write(path, |out| csv(out, header, rows))
}
