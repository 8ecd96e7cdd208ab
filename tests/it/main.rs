//! What the program does as a whole, and what one module cannot show alone: comparisons with other
//! programs, files that users have, runs that are stopped and continued, the documentation.
//!
//! A folder per area. `docs/src/development/testing.md` lists which test looks at which module.
//! `tests/robustness/` is a binary of its own, for its tests count what the whole process
//! allocates.

// Helpers of tests may panic as tests do; clippy knows only the functions marked #[test].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::too_many_lines, reason = "lists of cases")]

mod baselines;
mod cli;
mod documentation;
mod evaluation;
mod genotypes;
mod haplotypes;
mod models;
mod packaging;
mod pipeline;
mod simulate;
mod support;
mod tokens;
