//! Errors of tables of predictions.

use std::path::PathBuf;

use gf_cohort_schema::{Split, counted};

/// Tables of predictions cannot be evaluated together. Each message names the file, the finding and
/// the next action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A predictions file is wrong.
    #[error(transparent)]
    Table(#[from] gf_cohort_schema::Error),
    /// Two rows predict the same (sample, model, fold).
    #[error(
        "{}: sample {sample_id} is predicted twice by {model}{fold} (first in {}); give each \
         prediction once",
        path.display(), first_path.display()
    )]
    PredictedTwice {
        /// File of the second row.
        path: PathBuf,
        /// File of the first row.
        first_path: PathBuf,
        /// The sample.
        sample_id: String,
        /// The model.
        model: String,
        /// `, fold N`; empty without a fold.
        fold: String,
    },
    /// Two rows disagree about the split or the phenotype of a sample.
    #[error(
        "{}: sample {sample_id} is {here}, but {there} in {}; were these predictions made with one \
         cohort.csv?",
        path.display(), first_path.display()
    )]
    Contradiction {
        /// File of the later row.
        path: PathBuf,
        /// File of the earlier row.
        first_path: PathBuf,
        /// The sample.
        sample_id: String,
        /// What the later row states.
        here: String,
        /// What the earlier row states.
        there: String,
    },
    /// Two tables state different roles of one model.
    #[error(
        "{}: the role of {model} differs from the role next to the other predictions; do two \
         models have this name?",
        path.display()
    )]
    RoleDiffers {
        /// The later file.
        path: PathBuf,
        /// The model.
        model: String,
    },
    /// Two models were run on different samples of one split.
    #[error(
        "split {split}: {model} and {other} were not run on the same samples ({n_both} in both, \
         {n_only_here} only in {model}, {n_only_there} only in {other}). For example, {example} is \
         not in {absent_from}. A fair comparison needs the same samples, so predict them with both \
         models"
    )]
    DifferentPeople {
        /// The split.
        split: Split,
        /// The model.
        model: String,
        /// The model it is compared to.
        other: String,
        /// Samples only in `model`.
        n_only_here: usize,
        /// Samples only in `other`.
        n_only_there: usize,
        /// Samples in both.
        n_both: usize,
        /// A sample in only one of the two.
        example: String,
        /// The model without a prediction for this sample.
        absent_from: String,
    },
    /// The predictions and the cohort table have no sample in common.
    #[error(
        "{}: no sample, such as `{sample_id}`, is in the cohort table, whose samples are named \
         like `{of_cohort}`. Are the ids written differently (FID and IID joined, a prefix)?",
        path.display()
    )]
    NobodyInCohort {
        /// The predictions.
        path: PathBuf,
        /// A sample of the predictions.
        sample_id: String,
        /// A sample of the cohort table.
        of_cohort: String,
    },
    /// No table has the phenotype of a sample.
    #[error(
        "{}: sample {sample_id} has no phenotype; {}", path.display(),
        if *with_cohort {
            "add a column phenotype to the cohort table (--cohort)"
        } else {
            "give the cohort table with the column phenotype (--cohort)"
        }
    )]
    NoPhenotype {
        /// The table of predictions.
        path: PathBuf,
        /// The first sample without a phenotype.
        sample_id: String,
        /// A cohort table was given, but it has no column `phenotype`.
        with_cohort: bool,
    },
    /// A model lacks samples that another model of the same file predicts.
    #[error(
        "{}: {model} lacks {n_missing} of the {} that {other} predicts in this file (for example \
         {example}). The file may be truncated, so make it again",
        path.display(), counted(*n_people, "sample", "samples")
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The model that lacks samples.
        model: String,
        /// The model that predicts them.
        other: String,
        /// Samples that the model lacks.
        n_missing: usize,
        /// Samples of the other model.
        n_people: usize,
        /// One of the missing samples.
        example: String,
    },
    /// Predicted samples are not in the cohort table.
    #[error(
        "{}: {n_absent} of the {} with predictions {} not in this table (for example {example}); \
         give the cohort.csv that the predictions were made with",
        path.display(),
        counted(*n_people, "sample", "samples"),
        if *n_absent == 1 { "is" } else { "are" }
    )]
    NotInCohort {
        /// The cohort table.
        path: PathBuf,
        /// Predicted samples that are not in the cohort table.
        n_absent: usize,
        /// Predicted samples.
        n_people: usize,
        /// One of the absent samples.
        example: String,
    },
}
