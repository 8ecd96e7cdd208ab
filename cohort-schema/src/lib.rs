//! The tables that the stages of gf-genomics hand to each other: their rows, their keys, and the
//! checks on reading them.
//!
//! | table | row | written by | read by |
//! |---|---|---|---|
//! | `cohort.csv` | [`Person`] in a [`Cohort`] | the user, `simulate` | `tokenize`, `train`, `prs` |
//! | `predictions.csv` | [`Prediction`] | `train`, `prs` | `evaluate` |
//! | `cost.csv` | [`CostRow`] | `train`, `compress` | `evaluate` |
//! | `scores.csv` | [`ScoreRow`] | `prs` | `evaluate` |
//! | `auc.csv` | [`AucRow`] | `evaluate` | people and papers |
//! | `roc.csv` | [`RocPoint`] | `evaluate` | plots |
//! | `strata.csv` | [`StratumRow`] | `evaluate` | people and papers |
//! | `calibration.csv` | [`CalibrationRow`] | `evaluate` | plots |
//! | `deciles.csv` | [`DecileRow`] | `evaluate` | plots |
//! | `distribution.csv` | [`DistributionRow`] | `evaluate` | plots |
//! | `folds.csv` | [`FoldRow`] | `evaluate` | people and papers |
//! | `guards.csv` | [`GuardRow`] | `prs`, `evaluate` | `evaluate`, people |
//! | `apoe.csv` | [`ApoeRow`] | `prs` | `evaluate` |
//! | `explain.csv` | [`EffectRow`] | `explain` | people and papers |
//! | `pairs.csv` | [`PairRow`] | `explain` | people and papers |
//!
//! The key of a person is `sample_id`, which is the sample's name in the VCF; the key of a
//! prediction is (`sample_id`, `model`, `fold`). Every table that is written is CSV with a header,
//! UTF-8, a point as decimal mark; what is read may also be as a spreadsheet saves it (see
//! [`text`]). An empty cell is "unknown" or "undefined", never zero. [`json_schema`] describes each
//! table; the checked-in copies are in `schemas/`.
//!
//! A leaf: it knows no genomes, no tensors, no command line.

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "clap")]
pub mod arguments;
mod attribution;
mod characteristics;
mod cohort;
mod counted;
mod missing;
mod performance;
mod phenotype;
mod prediction;
mod role;
mod rows;
mod schema;
mod score_table;
mod scored;
mod split;
mod table;
pub mod text;
mod verdict;

pub use self::{
    attribution::{EffectRow, PairRow},
    characteristics::Characteristics,
    cohort::{
        Cohort, CohortColumn, CohortNotes, CohortSummary, CovariateChoice, Dropped, Person,
        SplitCounts,
    },
    counted::counted,
    missing::{
        CovariateReader, MissingCovariates, MissingPolicies, MissingSamples, MissingValues,
        is_missing, note_pairs_without_kinship,
    },
    performance::{
        AucRow, CostRow, RocPoint, ScoreRow, TrainingRow, read_costs, read_scores,
        read_training_log,
    },
    phenotype::{CASE_WORDS, CONTROL_WORDS, Phenotype, PhenotypeCoding},
    prediction::{
        BASELINE_PREFIX, Prediction, PredictionRef, each_prediction, is_baseline, logit,
        nine_significant_digits, probability, read_predictions, write_predictions,
    },
    role::{ModelRole, Role},
    rows::{columns, serde_names, write_rows},
    schema::{Table, json_schema},
    score_table::ScoreColumn,
    scored::{
        Assigned, ScoreLayout, ScoredRef, ScoredTable, StatedPhenotype, each_score, read_assigned,
    },
    split::{Split, UnknownSplit},
    verdict::{
        ALONE, ApoeRow, CalibrationRow, DecileRow, DistributionRow, FoldRow, GuardRow,
        GuardVerdict, STACKED, StratumRow, WITHOUT_APOE, read_apoe, read_guards, rung,
    },
};

use std::{
    io,
    path::{Path, PathBuf},
};

/// What can be wrong with a table. Each message names the file, the place, what was found, and what
/// to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system could not read the file.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The table as a whole is not what it should be.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A row is wrong.
    #[error("{}: line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A cell is wrong.
    #[error("{}: line {line}, column `{column}`: {reason}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// Name of the column in the header.
        column: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl Error {
    fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }
}
