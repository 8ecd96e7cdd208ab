//! Files that are made to be passed on: models, reports, tables of aggregates. Nobody is in them,
//! and who may read them is as for any new file.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::{Error, Readers, csv, json, write_for};

/// As [`super::write()`].
///
/// # Errors
/// As there.
pub fn write(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    write_for(Readers::Anyone, path, write)
}

/// As [`super::write_json`].
///
/// # Errors
/// As there.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    write(path, |out| json(out, value))
}

/// As [`super::write_csv`].
///
/// # Errors
/// As there.
pub fn write_csv<T: Serialize>(
    path: &Path,
    header: &[&str],
    rows: impl IntoIterator<Item = T>,
) -> Result<(), Error> {
    write(path, |out| csv(out, header, rows))
}
