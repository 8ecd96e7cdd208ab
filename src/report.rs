//! How results are shown: tables with fixed precision, and the comparison as a table for the terminal.
//!
//! Input -> output: rows of `gf-cohort-schema` -> files (written whole or not at all) or text. The same rows give the same bytes.

mod aligned;
mod tables;
mod terminal;

pub use self::{
    aligned::aligned,
    tables::{write_auc, write_effects, write_pairs, write_roc},
    terminal::{costs, table},
};
