//! What can be wrong in a table: the problems of every file of this crate.

use crate::{
    UnknownSplit,
    cohort::CohortProblem,
    missing::{NoKinship, ValueProblem},
    performance::PerformanceProblem,
    phenotype::PhenotypeProblem,
    prediction::PredictionProblem,
    role::UnknownRole,
    score_table::ScoreTableProblem,
    scored::ScoredProblem,
    table::TableProblem,
    text::TextProblem,
    verdict::UnknownVerdict,
};

/// A problem in a table, by the part of the reader that found it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file is not text.
    #[error(transparent)]
    Text(#[from] TextProblem),
    /// The text is not a table with these columns.
    #[error(transparent)]
    Table(#[from] TableProblem),
    /// The samples of a cohort.
    #[error(transparent)]
    Cohort(#[from] CohortProblem),
    /// A covariate of a cohort, with advice that depends on the chosen covariates.
    #[error("{problem}{advice}")]
    Covariate {
        /// The problem in the cell.
        problem: ValueProblem,
        /// The next action.
        advice: &'static str,
    },
    /// A number, or a missing value.
    #[error(transparent)]
    Value(#[from] ValueProblem),
    /// Pairs of samples.
    #[error(transparent)]
    NoKinship(#[from] NoKinship),
    /// A phenotype.
    #[error(transparent)]
    Phenotype(#[from] PhenotypeProblem),
    /// A split.
    #[error(transparent)]
    Split(#[from] UnknownSplit),
    /// The role of a model.
    #[error(transparent)]
    Role(#[from] UnknownRole),
    /// The verdict of a guard.
    #[error(transparent)]
    Verdict(#[from] UnknownVerdict),
    /// A prediction.
    #[error(transparent)]
    Prediction(#[from] PredictionProblem),
    /// Performance or cost of a model.
    #[error(transparent)]
    Performance(#[from] PerformanceProblem),
    /// A table of scores with an unknown layout.
    #[error(transparent)]
    Scored(#[from] ScoredProblem),
    /// A score that is an offset of a model.
    #[error(transparent)]
    ScoreTable(#[from] ScoreTableProblem),
}
