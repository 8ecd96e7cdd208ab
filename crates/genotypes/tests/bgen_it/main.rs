//! Reading BGEN files: against a writer of its own, other programs, real files and damage.

// Helpers of tests may panic as tests do; clippy knows only the functions marked #[test].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bgen_by_hand;
mod bgen_damage;
mod bgen_format;
mod bgen_golden;
mod bgen_index;
mod bgen_oracles;
mod bgen_samples;
mod bgen_writer;
mod support;
