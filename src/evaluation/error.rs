//! Why there is no verdict.

use std::path::PathBuf;

use gf_cohort_schema::Split;

use super::roc;
use gf_cohort_schema::counted;
use gf_files::output;

/// Why an evaluation is not possible.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A predictions file is wrong.
    #[error(transparent)]
    Table(#[from] gf_cohort_schema::Error),
    /// A result could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// Not the record of a pipeline.
    #[error("{}: not the run.json of a pipeline: {reason}; give the one in the folder that `run` wrote", path.display())]
    Run {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No files were given.
    #[error("no predictions to evaluate; name at least one predictions.csv")]
    NoPredictions,
    /// The same prediction is there twice.
    #[error("{}: person {sample_id} is predicted twice by {model}{fold} (first in {}); give each prediction once", path.display(), first_path.display())]
    PredictedTwice {
        /// File of the second row.
        path: PathBuf,
        /// File of the first row.
        first_path: PathBuf,
        /// The person.
        sample_id: String,
        /// The model.
        model: String,
        /// `, fold N`, or nothing.
        fold: String,
    },
    /// Two rows disagree about a person.
    #[error(
        "{}: person {sample_id} is {here}, but {there} in {}; were these predictions made with one cohort.csv?",
        path.display(), first_path.display()
    )]
    Contradiction {
        /// File of the later row.
        path: PathBuf,
        /// File of the earlier row.
        first_path: PathBuf,
        /// The person.
        sample_id: String,
        /// What the later row says.
        here: String,
        /// What the earlier row says.
        there: String,
    },
    /// Two models cannot be compared.
    #[error(
        "split {split}: {model} and {other} were not run on the same people: {n_both} in both, \
         {n_only_here} only in {model}, {n_only_there} only in {other} (for example {example} is \
         not in {absent_from}); a fair comparison needs the same people"
    )]
    DifferentPeople {
        /// The split.
        split: Split,
        /// The model.
        model: String,
        /// The model it is compared to.
        other: String,
        /// People only in `model`.
        n_only_here: usize,
        /// People only in `other`.
        n_only_there: usize,
        /// People in both.
        n_both: usize,
        /// One of the people in only one of the two.
        example: String,
        /// The model that has no prediction for that person.
        absent_from: String,
    },
    /// The test split, or every split, lacks a class.
    #[error("split {split}: the AUC of {model} is {undefined}")]
    OneClass {
        /// The split.
        split: Split,
        /// The model.
        model: String,
        /// The counts.
        undefined: roc::OneClass,
    },
    /// Two files say different things of one model.
    #[error("{}: another {what} of {model} than beside the other predictions; are these two models of one name?", path.display())]
    SaidTwice {
        /// The later file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// The model.
        model: String,
    },
    /// No sample of the predictions is in the cohort table.
    #[error(
        "{}: no sample is in the cohort table, such as `{sample_id}`; the cohort table has samples such as `{of_cohort}`. Are the ids written in \
         another way (FID and IID joined, a prefix)?",
        path.display()
    )]
    NobodyInCohort {
        /// The predictions.
        path: PathBuf,
        /// A sample of theirs.
        sample_id: String,
        /// A sample of the cohort table.
        of_cohort: String,
    },
    /// No split has two classes.
    #[error(
        "no split has both cases and controls of known phenotype, so there is no AUC to compute; \
         check the phenotype column"
    )]
    NoSplitWithBothClasses,
    /// The model to compare to is not among the predictions.
    #[error("no predictions of `{model}` to compare to; there are predictions of {available}")]
    UnknownModel {
        /// The name asked for.
        model: String,
        /// The names there are.
        available: String,
    },
    /// Nothing says who is a case.
    #[error(
        "{}: sample {sample_id} has no phenotype: {}", path.display(),
        if *with_cohort { "add a column phenotype to the cohort table (--cohort)" } else { "give the cohort table that has it (--cohort)" }
    )]
    NoPhenotype {
        /// The table of predictions.
        path: PathBuf,
        /// The first such sample.
        sample_id: String,
        /// There is a cohort table, which has no column `phenotype`.
        with_cohort: bool,
    },
    /// A model of a file lacks people that another model of the file predicts.
    #[error(
        "{}: {model} lacks {n_missing} of the {} that {other} predicts in this file (for example {example}): the file may be cut; make it again",
        path.display(), counted(*n_people, "person", "people")
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The model that lacks people.
        model: String,
        /// The model that has them.
        other: String,
        /// People that it lacks.
        n_missing: usize,
        /// People of the other model.
        n_people: usize,
        /// One of those who are missing.
        example: String,
    },
    /// An option is out of its range.
    #[error("{0}")]
    Option(String),
    /// People who are predicted are not in the cohort.
    #[error(
        "{}: {n_absent} of the {} predicted {} not in it (for example {example}); give the cohort.csv that the predictions were made with",
        path.display(), counted(*n_people, "person", "people"), if *n_absent == 1 { "is" } else { "are" }
    )]
    NotInCohort {
        /// The cohort.
        path: PathBuf,
        /// People who are not in it.
        n_absent: usize,
        /// People predicted.
        n_people: usize,
        /// One of those who are not.
        example: String,
    },
    /// People cannot be divided by a column.
    #[error("stratum `{name}` {reason}")]
    NoStratum {
        /// Name of the column.
        name: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// Guards found leakage. All files were written.
    #[error("{n} found leakage, so the comparison cannot be believed: {findings}. All files were written; --guards warn goes on regardless",
        n = if *n_findings == 1 { "a guard".to_owned() } else { format!("{n_findings} guards") })]
    Leakage {
        /// How many.
        n_findings: usize,
        /// Guard, subject and finding of each.
        findings: String,
    },
}
