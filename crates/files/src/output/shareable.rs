//! Files that are made to be shared: models, reports, tables of aggregates.
//!
//! They contain no individual-level data, so they have the default permissions of new files
//! (umask).

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::{Error, Readers, csv, json, write_for};

/// Writes a file like [`super::write()`], with default permissions.
///
/// # Errors
/// The errors of that function.
pub fn write(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    write_for(Readers::Anyone, path, write)
}

/// Writes JSON like [`super::write_json`], with default permissions.
///
/// # Errors
/// The errors of that function.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    write(path, |out| json(out, value))
}

/// Writes a table like [`super::write_csv`], with default permissions.
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
