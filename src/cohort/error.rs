//! Errors of `cohort`.

use std::path::{Path, PathBuf};

use gf_cohort_schema::{Split, UnknownSplit, ValueProblem};

use super::{
    draft::NOT_IN, join::JoinProblem, phenotype::PhenotypeProblem, related::RelatedProblem,
    table::TableProblem,
};

/// Reason why no cohort table was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No table is given.
    #[error("no table; give the files to join, such as cohort.fam covariates.cov")]
    NoTable,
    /// A file cannot be read as text.
    #[error(transparent)]
    Text(#[from] gf_cohort_schema::Error),
    /// A file cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// The finding and the next action.
        problem: Box<Problem>,
    },
    /// A line cannot be used.
    #[error("{}: line {line}: {problem}", path.display())]
    Line {
        /// Path of the file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// The finding and the next action.
        problem: Box<Problem>,
    },
    /// A cell cannot be used.
    #[error("{}: line {line}, column `{column}`: {problem}", path.display())]
    Cell {
        /// Path of the file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// Name of the column.
        column: String,
        /// The finding and the next action.
        problem: Box<Problem>,
    },
    /// The genotypes cannot be read.
    #[error(transparent)]
    Genotypes(#[from] gf_genotypes::Error),
    /// The phenotype cannot be read.
    #[error("phenotype `{column}`: {problem}")]
    Phenotype {
        /// Name of the column.
        column: String,
        /// The finding and the next action.
        problem: PhenotypeProblem,
    },
    /// No column is a candidate for the phenotype.
    #[error(
        "no column with values is named like a phenotype (phenotype, status, diagnosis, ...). Name \
         the column with --phenotype. The columns are {columns}"
    )]
    NoPhenotype {
        /// Names of all columns.
        columns: String,
    },
    /// Several columns are candidates for the phenotype.
    #[error("several columns may be the phenotype ({columns}); name one with --phenotype")]
    SeveralPhenotypes {
        /// Names of the candidates.
        columns: String,
    },
    /// An option names a column that no table has.
    #[error("{option}: no column `{column}`; the columns are {columns}")]
    NoColumn {
        /// Name of the option.
        option: &'static str,
        /// Name of the column.
        column: String,
        /// Names of all columns.
        columns: String,
    },
    /// A cell of the column `split` is not a split.
    #[error("sample `{sample}`: {problem}. Give --split to make a new split")]
    Split {
        /// Sample id.
        sample: String,
        /// The finding.
        problem: UnknownSplit,
    },
    /// A family is implausibly large.
    #[error(
        "{n} of {n_samples} samples are in family `{family}`; if FID is not a family ID here, add \
         --ignore-families"
    )]
    LargeFamily {
        /// FID of the family.
        family: String,
        /// Number of its samples.
        n: usize,
        /// Number of all samples.
        n_samples: usize,
    },
    /// The column `split` puts samples of one family into two splits.
    #[error(
        "family `{family}` is in two splits (sample `{first}` in {first_split}, `{second}` in \
         {second_split}); give --split to make a new split"
    )]
    FamilyInTwoSplits {
        /// Family id.
        family: String,
        /// Id of the first sample.
        first: String,
        /// Split of the first sample.
        first_split: Split,
        /// Id of the second sample.
        second: String,
        /// Split of the second sample.
        second_split: Split,
    },
    /// A split has cases only or controls only.
    #[error(
        "split {split} has {n_cases} cases and {n_controls} controls after samples were dropped, \
         but needs both. Give it a larger share (--split), or try another --seed{}",
        after_relatives(*n_relatives)
    )]
    OneClass {
        /// Name of the split.
        split: Split,
        /// Number of its cases.
        n_cases: usize,
        /// Number of its controls.
        n_controls: usize,
        /// Number of its samples that were dropped as relatives.
        n_relatives: usize,
    },
    /// All samples were dropped.
    #[error("no sample is left; dropped were {dropped}{}", ids_differ(dropped))]
    NobodyLeft {
        /// Number of dropped samples by reason.
        dropped: String,
    },
}

/// A problem of a file, a line or a cell, by the part of the stage that found it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// One table.
    #[error(transparent)]
    Table(#[from] TableProblem),
    /// Two tables.
    #[error(transparent)]
    Join(#[from] JoinProblem),
    /// A table of kinships.
    #[error(transparent)]
    Related(#[from] RelatedProblem),
    /// The value of a covariate.
    #[error(transparent)]
    Value(#[from] ValueProblem),
}

/// Advice if the genotypes have none of the samples.
fn ids_differ(dropped: &str) -> &'static str {
    if dropped.contains(NOT_IN) {
        ". Check that the genotype files use the same sample IDs. --sample-id fid-iid names \
         samples FID_IID, like PLINK in a VCF"
    } else {
        ""
    }
}

/// Advice after the counts of a split from which relatives were dropped.
fn after_relatives(n: usize) -> String {
    if n == 0 {
        return String::new();
    }
    format!(
        ". --unrelated dropped {n} of its samples as relatives of samples in other splits. Put \
         relatives into one family (family_id), so that they are in one split"
    )
}

impl Error {
    pub(super) fn file(path: &Path, problem: impl Into<Problem>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            problem: Box::new(problem.into()),
        }
    }

    pub(super) fn line(path: &Path, line: u64, problem: impl Into<Problem>) -> Self {
        Self::Line {
            path: path.to_path_buf(),
            line,
            problem: Box::new(problem.into()),
        }
    }

    pub(super) fn cell(path: &Path, line: u64, column: &str, problem: impl Into<Problem>) -> Self {
        Self::Cell {
            path: path.to_path_buf(),
            line,
            column: column.to_owned(),
            problem: Box::new(problem.into()),
        }
    }
}
