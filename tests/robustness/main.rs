//! Input that is wrong, damaged, hostile or cut, and machines that fail: an error that says what to
//! do, or the right answer; never a panic, and never memory out of proportion.
//!
//! A binary of its own: `damage` counts what the whole process allocates.

// Helpers of tests may panic as tests do; clippy knows only the functions marked #[test].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::too_many_lines, reason = "lists of cases")]

mod bad_input;
mod damage;
mod fuzz;
mod fuzz_folders;
mod fuzz_received;
mod hostile_lengths;
mod killed;
mod leaks;
mod machine;
mod privacy;
#[path = "../it/support/mod.rs"]
mod support;
