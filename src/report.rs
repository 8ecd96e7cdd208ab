//! How results are shown: the tables of a verdict with fixed precision, and the comparison as text for the terminal.
//!
//! Input -> output: rows of `gf-cohort-schema` -> files (written whole or not at all) or text. The same rows give the same bytes.

mod aligned;
mod tables;
mod terminal;

pub use self::{
    aligned::aligned,
    tables::{write, write_effects, write_guards, write_pairs},
    terminal::{costs, guards, p_value, table},
};

use gf_cohort_schema::{AucRow, CalibrationRow, DecileRow, DistributionRow, FoldRow, GuardRow, RocPoint, StratumRow};
use serde::Serialize;

/// All that an evaluation says, table by table: what the report shows. Rows of models stand by split, then in the order of [`gf_cohort_schema::rung`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// `auc.csv`.
    pub rows: Vec<AucRow>,
    /// `roc.csv`.
    pub roc: Vec<RocPoint>,
    /// `strata.csv`.
    pub strata: Vec<StratumRow>,
    /// `calibration.csv`.
    pub calibration: Vec<CalibrationRow>,
    /// `deciles.csv`.
    pub deciles: Vec<DecileRow>,
    /// `distribution.csv`.
    pub distribution: Vec<DistributionRow>,
    /// `folds.csv`; empty without cross-validation.
    pub folds: Vec<FoldRow>,
    /// `guards.csv`.
    pub guards: Vec<GuardRow>,
    /// What everything is compared to and how that was chosen, a sentence.
    pub comparison: String,
}
