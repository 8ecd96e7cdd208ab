//! Errors of the stage `simulate`.

use std::path::{Path, PathBuf};

use gf_cohort_schema::{Split, counted};
use gf_files::output;

use super::{EffectsProblem, PanelProblem, RiskKind, RisksProblem, options::OptionsProblem};

/// Reason why a simulation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options that contradict each other or are out of range.
    #[error(transparent)]
    Options(#[from] OptionsProblem),
    /// The panel or the reference cannot be used.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// The panel has too few haplotypes or records.
    #[error("{}: {problem}", path.display())]
    Panel {
        /// Path of the VCF or BCF.
        path: PathBuf,
        /// The finding and the next action.
        problem: PanelProblem,
    },
    /// No sites for the simulated risk.
    #[error(
        "no causal sites for {kind} risk: {found}. Choose a longer region, another risk or a lower \
         AUC"
    )]
    NoCausalSites {
        /// The requested risk.
        kind: RiskKind,
        /// Description of the available sites.
        found: String,
    },
    /// One of many loci cannot be used.
    #[error(
        "locus {locus}: {source}. You can also remove the locus from the BED or give it risk `null`"
    )]
    AtLocus {
        /// Name and region of the locus.
        locus: String,
        /// The error at this locus.
        source: Box<Self>,
    },
    /// Two loci overlap.
    #[error("{}: loci {first} and {second} overlap; join them or shorten one", path.display())]
    OverlappingLoci {
        /// Path of the BED file.
        path: PathBuf,
        /// Name and region of the first one.
        first: String,
        /// Name and region of the second one.
        second: String,
    },
    /// A row of the table of risks cannot be used.
    #[error("{}: line {line}: {problem}", path.display())]
    RisksLine {
        /// Path of the CSV file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// The finding and the next action.
        problem: Box<RisksProblem>,
    },
    /// A scoring file cannot be read.
    #[error(transparent)]
    ScoringFile(#[from] crate::scoring::Error),
    /// Published weights cannot be used.
    #[error("{source_name}: {problem}")]
    Effects {
        /// Path of the file, or name of the preset.
        source_name: String,
        /// The finding and the next action.
        problem: EffectsProblem,
    },
    /// Age and sex alone give a higher AUC than requested.
    #[error(
        "AUC {wanted} is below {reached:.3}, the AUC of age and sex alone; choose a higher AUC or \
         smaller effects of age and sex"
    )]
    CovariatesExceedAuc {
        /// The requested AUC.
        wanted: f64,
        /// AUC of the covariates alone.
        reached: f64,
    },
    /// The causal sites cannot give the requested AUC.
    #[error(
        "these causal sites cannot give AUC {wanted}, but at most {highest:.3}; choose a lower AUC \
         or another seed"
    )]
    AucOutOfReach {
        /// The requested AUC.
        wanted: f64,
        /// The AUC with the largest effect.
        highest: f64,
    },
    /// Too few samples for the split.
    #[error(
        "{people} samples with {} cannot be split so that {split} has cases and controls; simulate \
         more samples",
        counted(*n_cases, "case", "cases")
    )]
    OneClass {
        /// Number of samples.
        people: usize,
        /// Number of cases among the samples.
        n_cases: usize,
        /// The split that lacks a class.
        split: Split,
    },
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
}

impl Error {
    /// A row of the table of risks that cannot be used; `line` is 1-based.
    pub(super) fn risks_line(path: &Path, line: u64, problem: RisksProblem) -> Self {
        Self::RisksLine {
            path: path.into(),
            line,
            problem: Box::new(problem),
        }
    }
}
