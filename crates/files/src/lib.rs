//! Files of a run: written whole or not at all, locked while a run writes, read back with their
//! version.

pub mod memory;
pub mod output;
pub mod stored_format;
