//! Files of a run: atomic writes, a lock of the output folder, and reading with a check of the
//! version.

pub mod memory;
pub mod output;
pub mod stored_format;
