//! Writes tables whose row types name the columns.

use std::path::Path;

use gf_cohort_schema::columns;
use gf_files::output;
use serde::{Deserialize, Serialize};

/// Writes a table with individual-level data, readable for its owner only. The header is written
/// for no rows too.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write<'de, R: Serialize + Deserialize<'de>>(
    path: &Path,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), output::Error> {
    output::write_csv(path, columns::<R>(), rows)
}

/// Writes a table of aggregates like [`write`], with default permissions.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_shareable<'de, R: Serialize + Deserialize<'de>>(
    path: &Path,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), output::Error> {
    output::shareable::write_csv(path, columns::<R>(), rows)
}
