//! The tables that the stages of gf-genomics exchange: their rows, keys, and checks.
//!
//! | table | row | written by | read by |
//! |---|---|---|---|
//! | `cohort.csv` | [`Person`] in a [`Cohort`] | user, `simulate` | `tokenize`, `train`, `prs` |
//! | `predictions.csv` | [`Prediction`] | `train`, `prs` | `evaluate` |
//! | `cost.csv` | [`CostRow`] | `train`, `compress` | `evaluate` |
//! | `scores.csv` | [`ScoreRow`] | `prs` | `evaluate` |
//! | `auc.csv` | [`AucRow`] | `evaluate` | users |
//! | `roc.csv` | [`RocPoint`] | `evaluate` | plots |
//! | `strata.csv` | [`StratumRow`] | `evaluate` | users |
//! | `calibration.csv` | [`CalibrationRow`] | `evaluate` | plots |
//! | `deciles.csv` | [`DecileRow`] | `evaluate` | plots |
//! | `distribution.csv` | [`DistributionRow`] | `evaluate` | plots |
//! | `folds.csv` | [`FoldRow`] | `evaluate` | users |
//! | `guards.csv` | [`GuardRow`] | `prs`, `evaluate` | `evaluate`, users |
//! | `apoe.csv` | [`ApoeRow`] | `prs` | `evaluate` |
//! | `explain.csv` | [`EffectRow`] | `explain` | users |
//! | `pairs.csv` | [`PairRow`] | `explain` | users |
//! | `stacked.csv` | [`StackedRow`] | `evaluate` | users |
//! | `non_additive.csv` | [`NonAdditiveRow`] | `evaluate` | users |
//! | `weights.csv` | [`CoefficientRow`] | `prs` | users |
//! | `association.csv` | [`AssociationRow`] | `prs` | users |
//! | `raw_scores.csv` | [`RawScoreRow`] | `prs` | `evaluate`, users |
//! | `match_log.csv` | [`MatchRow`] | `prs` | users |
//! | `score_auc.csv` | [`ScoreAucRow`] | `prs --no-fit` | users |
//! | `related_pairs.csv` | [`RelatedPairRow`] | `prs` | users |
//! | `training_log.csv` | [`TrainingLogRow`] | `train` | `evaluate`, users |
//! | output of `score` | [`RiskRow`] | `score` | `evaluate`, users |
//! | `truth.csv` | [`TruthRow`] | `simulate` | users |
//! | `report.csv` | [`TokenMeasureRow`] | `tokenize` | users |
//! | output of `cohort --dropped` | [`DroppedSampleRow`] | `cohort` | users |
//!
//! The key of a sample is `sample_id`, its name in the VCF. The key of a prediction is
//! (`sample_id`, `model`, `fold`).
//!
//! Every table is written as CSV with a header, in UTF-8, with decimal points. Tables are also read
//! in the formats that a spreadsheet saves (see [`text`]). An empty cell is "unknown" or
//! "undefined", never zero. [`json_schema`] describes each table; the schemas are in `schemas/`.
//!
//! This crate does not depend on genomes, tensors or the command line.

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "clap")]
pub mod arguments;
mod attribution;
mod baselines;
mod characteristics;
mod cohort;
mod cohort_reading;
mod counted;
mod dropped;
mod missing;
mod performance;
mod phenotype;
mod prediction;
mod problem;
mod published;
mod risk;
mod role;
mod rows;
mod schema;
mod score_table;
mod scored;
mod split;
mod table;
pub mod text;
mod token_report;
mod verdict;

pub use self::{
    attribution::{EffectRow, PairRow},
    baselines::{AssociationRow, CoefficientRow, RelatedPairRow, ScoreAucRow},
    characteristics::Characteristics,
    cohort::{
        Cohort, CohortColumn, CohortNotes, CohortProblem, CohortSummary, CovariateChoice, Dropped,
        Person, SplitCounts, SplitLine, SplitShares,
    },
    cohort_reading::CohortReading,
    counted::counted,
    dropped::DroppedSampleRow,
    missing::{
        CovariateReader, MissingCovariates, MissingPolicies, MissingSamples, MissingValues,
        NoKinship, NoneWithNumbers, ValueProblem, is_missing, note_pairs_without_kinship,
    },
    performance::{
        AucRow, CostRow, PerformanceProblem, RocPoint, SCORES_FILE, ScoreRow, TrainingLogRow,
        TrainingRow, read_costs, read_scores, read_training_log,
    },
    phenotype::{CASE_WORDS, CONTROL_WORDS, Phenotype, PhenotypeCoding, PhenotypeProblem},
    prediction::{
        BASELINE_PREFIX, Prediction, PredictionProblem, PredictionRef, each_prediction,
        is_baseline, logit, nine_significant_digits, probability, read_predictions,
        write_predictions,
    },
    problem::Problem,
    published::{MatchRow, RAW_SCORES_FILE, RawScoreRow},
    risk::{RiskRow, TruthRow},
    role::{ModelRole, Role, UnknownModelRole, UnknownRole},
    rows::{columns, serde_names, write_rows},
    schema::{Table, json_schema, row_schema},
    score_table::{ScoreColumn, ScoreTableProblem, UnknownScoreColumn},
    scored::{
        Assigned, ScoreLayout, ScoredProblem, ScoredRef, ScoredTable, StatedPhenotype, each_score,
        read_assigned,
    },
    split::{Split, UnknownSplit},
    table::TableProblem,
    token_report::TokenMeasureRow,
    verdict::{
        ALONE, ApoeRow, CalibrationRow, DecileRow, DistributionRow, FoldRow, GuardRow,
        GuardVerdict, NonAdditiveRow, STACKED, StackedRow, StratumRow, UnknownVerdict,
        WITHOUT_APOE, comparison_row, read_apoe, read_guards,
    },
};

use std::{
    io,
    path::{Path, PathBuf},
};

/// An error in a table. Each message has the file, the location, the finding and the next action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system could not read the file.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The table as a whole is wrong.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: Box<Problem>,
    },
    /// A row is wrong.
    #[error("{}: line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// What is wrong and what to do.
        problem: Box<Problem>,
    },
    /// A cell is wrong.
    #[error("{}: line {line}, column `{column}`: {problem}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// Name of the column in the header.
        column: String,
        /// What is wrong and what to do.
        problem: Box<Problem>,
    },
}

impl Error {
    fn file(path: &Path, problem: impl Into<Problem>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            problem: Box::new(problem.into()),
        }
    }

    fn line(path: &Path, line: u64, problem: impl Into<Problem>) -> Self {
        Self::Line {
            path: path.to_path_buf(),
            line,
            problem: Box::new(problem.into()),
        }
    }

    /// What is wrong in the table; `None` for an error of the operating system.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Io { .. } => None,
            Self::File { problem, .. }
            | Self::Line { problem, .. }
            | Self::Cell { problem, .. } => Some(problem),
        }
    }
}
