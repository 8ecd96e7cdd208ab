//! Inputs and settings of the baselines.

use std::path::PathBuf;

use gf_cohort_schema::{
    CovariateChoice, MissingPolicies, PhenotypeCoding, ScoreColumn,
    arguments::{name_of, one_of},
};
use gf_genotypes::{GenomeBuild, SamplesProblem};
use gf_haplotypes::ApplyFilters;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{
    leakage::KinshipVariants,
    scoring::{self, FailedScore, MatchingOptions},
};

/// Published scores and fits of baselines: options of `prs` and keys of `[baselines]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct BaselineSettings {
    /// Scoring file of the PGS Catalog, or a table with a header (chromosome, position, effect
    /// allele, weight). Separate several files by commas or spaces.
    #[arg(long = "scoring-file", num_args = 1.., value_name = "TXT")]
    pub scoring_files: Vec<PathBuf>,
    /// Published score that the fits contain as a covariate without penalty. COLUMN is as for
    /// `train --offset`. `score` then needs a column of this name in its --cohort.
    #[arg(
        long,
        value_name = "FILE:COLUMN",
        requires = "cohort",
        conflicts_with = "no_fit"
    )]
    pub offset: Option<ScoreColumn>,
    /// Genome build of the genotypes: GRCh37, GRCh38, NCBI36 or T2T-CHM13, or a usual synonym. A
    /// scoring file of another build is refused.
    #[arg(long, value_name = "BUILD")]
    pub genome_build: Option<GenomeBuild>,
    /// Smallest fraction of a scoring file's variants that must match the genotypes.
    #[arg(
        long,
        default_value_t = scoring::Options::default().min_overlap,
        value_name = "FRACTION"
    )]
    pub min_overlap: f64,
    /// Keep strand-ambiguous variants (A/T and C/G) and trust the strand of the scoring file.
    #[arg(long)]
    pub keep_ambiguous: bool,
    /// How published scores are matched and summed. The callable regions and the reference are
    /// those of `[data]` unless given here.
    #[command(flatten)]
    pub scoring: MatchingOptions,
    /// Variants that the baselines learn from: those inside the loci, like the sequence models
    /// (loci), or all variants of the genotype files (all).
    #[arg(skip)]
    pub variants: LearningVariants,
    /// Name of the cohort. A scoring file that names this cohort as its source gives a warning.
    /// Exported scores contain the name.
    #[arg(long, value_name = "NAME")]
    pub study: Option<String>,
    /// Kinship table of `plink2 --make-king-table` or KING (columns IID1 or ID1, IID2 or ID2,
    /// KINSHIP) [default: estimated from the dosages].
    #[arg(long, value_name = "FILE")]
    pub kinship: Option<PathBuf>,
    /// Variants that kinship is estimated from: all variants of the genotype files, or those inside
    /// the regions.
    #[arg(
        long,
        value_parser = one_of::<KinshipVariants>(),
        default_value = name_of(&KinshipVariants::default()),
        value_name = "all|regions"
    )]
    pub kinship_variants: KinshipVariants,
    /// Accepted values of FILTER: a list of names, or `all` [default: `.,PASS`; in a pipeline file
    /// that of `[sequences]`].
    #[arg(long, value_name = "LIST")]
    pub apply_filters: Option<ApplyFilters>,
    /// Report the AUC of published scores without fitting anything. All samples may be in one
    /// split. Writes `score_auc.csv`, `predictions.csv` and `raw_scores.csv`.
    #[arg(long, requires = "cohort", conflicts_with = "regions_file")]
    pub no_fit: bool,
    /// Clumping: largest distance between two alleles of one clump, in kb.
    #[arg(long, default_value_t = Options::default().clump_kb, value_name = "KB")]
    pub clump_kb: usize,
    /// Clumping: smallest r2 between two alleles of one clump.
    #[arg(long, default_value_t = Options::default().clump_r2, value_name = "R2")]
    pub clump_r2: f64,
    /// Thresholding: largest p-values to try.
    #[arg(
        long,
        default_values_t = Options::default().p_thresholds,
        value_delimiter = ',',
        num_args = 1..,
        value_name = "P"
    )]
    pub p_thresholds: Vec<f64>,
}

/// Variants that the baselines learn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LearningVariants {
    /// Those inside the loci, like the sequence models.
    #[default]
    Loci,
    /// All variants of the genotype files.
    All,
}

impl Default for BaselineSettings {
    fn default() -> Self {
        let scoring = scoring::Options::default();
        let options = Options::default();
        Self {
            scoring_files: scoring.scoring_files,
            offset: options.offset,
            genome_build: scoring.genome_build,
            min_overlap: scoring.min_overlap,
            keep_ambiguous: scoring.keep_ambiguous,
            scoring: scoring.matching,
            variants: LearningVariants::default(),
            study: options.study,
            kinship: options.kinship,
            kinship_variants: options.kinship_variants,
            apply_filters: None,
            no_fit: options.no_fit,
            clump_kb: options.clump_kb,
            clump_r2: options.clump_r2,
            p_thresholds: options.p_thresholds,
        }
    }
}

/// Inputs and settings of the stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Genotypes and published scores, and the folder to write to.
    pub scoring: scoring::Options,
    /// BED of the regions whose dosages are used. If `None`, all dosages are used. Published scores
    /// and APOE are read at any position.
    pub regions_file: Option<PathBuf>,
    /// `cohort.csv`.
    pub cohort: PathBuf,
    /// Coding of its phenotypes.
    pub phenotype_coding: PhenotypeCoding,
    /// Columns of `cohort.csv` that are covariates.
    pub covariates: CovariateChoice,
    /// Treatment of missing values and of samples without genotypes.
    pub missing: MissingPolicies,
    /// Published score that the fits contain as a covariate without penalty.
    pub offset: Option<ScoreColumn>,
    /// Penalties to try for `prs-dosages` (linfa's alpha, scikit-learn's 1 / C).
    pub l2_strengths: Vec<f64>,
    /// Fractions of the penalty of `prs-elastic-net` on absolute values, to try.
    pub l1_ratios: Vec<f64>,
    /// Largest distance between two alleles of one clump, in kb.
    pub clump_kb: usize,
    /// Smallest r2 between two alleles of one clump.
    pub clump_r2: f64,
    /// Largest p-values of the alleles in `prs-ct`, to try.
    pub p_thresholds: Vec<f64>,
    /// Name of the cohort. The headers of scoring files are searched for it, and exported files
    /// contain it.
    pub study: Option<String>,
    /// Kinship table of PLINK 2 or KING. If `None`, kinship is estimated from the dosages.
    pub kinship: Option<PathBuf>,
    /// Variants of the VCF that kinship is estimated from.
    pub kinship_variants: KinshipVariants,
    /// Sum published scores and report their AUC without fitting anything. No training samples are
    /// needed.
    pub no_fit: bool,
}

/// Why options cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OptionsProblem {
    /// Penalties that are not positive.
    #[error("l2_strengths are {found:?}; give one or more positive numbers")]
    L2Strengths {
        /// The values.
        found: Vec<f64>,
    },
    /// Fractions out of range.
    #[error("l1_ratios are {found:?}; give one or more fractions from 0.01 to 1")]
    L1Ratios {
        /// The values.
        found: Vec<f64>,
    },
    /// p-values out of range.
    #[error("p_thresholds are {found:?}; give one or more numbers above 0 and at most 1")]
    PThresholds {
        /// The values.
        found: Vec<f64>,
    },
    /// An r2 out of range.
    #[error("clump_r2 is {found}; give a number above 0 and at most 1")]
    ClumpR2 {
        /// The value.
        found: f64,
    },
    /// A name that does not fit into a header.
    #[error(
        "the name of the study (--study) is empty or has a line break or tab; give a name on one \
         line"
    )]
    Study,
    /// Sums of scores among fits.
    #[error(
        "no_fit only sums published scores; run it on its own, because this stage fits baselines"
    )]
    NoFit,
    /// A folder whose predictions would be overwritten.
    #[error(
        "{} contains a model bundle; choose another folder for the baselines (--out)",
        out.display()
    )]
    ModelBundle {
        /// The folder.
        out: PathBuf,
    },
    /// Missing genotypes in a fit.
    #[error(
        "no_mean_imputation works only without a cohort, because a fitted baseline needs a value \
         for every sample"
    )]
    NoMeanImputation,
    /// A scoring file that cannot be used.
    #[error("{}", .0.reason)]
    Score(FailedScore),
    /// A selection of samples.
    #[error("{}: {problem}", cohort.display())]
    Samples {
        /// The cohort table.
        cohort: PathBuf,
        /// The problem.
        problem: SamplesProblem,
    },
}

impl Default for Options {
    fn default() -> Self {
        Self {
            regions_file: None,
            cohort: PathBuf::new(),
            phenotype_coding: PhenotypeCoding::default(),
            covariates: CovariateChoice::default(),
            missing: MissingPolicies::default(),
            offset: None,
            scoring: scoring::Options::default(),
            l1_ratios: vec![0.1, 0.5, 0.9],
            // PRSice's.
            clump_kb: 250,
            clump_r2: 0.1,
            p_thresholds: vec![5e-8, 0.001, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0],
            study: None,
            kinship: None,
            kinship_variants: KinshipVariants::All,
            no_fit: false,
            // 0.1 to 100,000 in half decades.
            l2_strengths: (-2..=10)
                .map(|half_decades| 10_f64.powf(f64::from(half_decades) / 2.0))
                .collect(),
        }
    }
}

impl Options {
    /// Refuses values that are out of range.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.l2_strengths.is_empty()
            || self
                .l2_strengths
                .iter()
                .any(|alpha| !alpha.is_finite() || *alpha <= 0.0)
        {
            let found = self.l2_strengths.clone();
            return Err(OptionsProblem::L2Strengths { found }.into());
        }
        if self.l1_ratios.is_empty()
            || self
                .l1_ratios
                .iter()
                .any(|ratio| !(0.01..=1.0).contains(ratio))
        {
            let found = self.l1_ratios.clone();
            return Err(OptionsProblem::L1Ratios { found }.into());
        }
        if self.p_thresholds.is_empty()
            || self.p_thresholds.iter().any(|p| !(*p > 0.0 && *p <= 1.0))
        {
            let found = self.p_thresholds.clone();
            return Err(OptionsProblem::PThresholds { found }.into());
        }
        if !(self.clump_r2 > 0.0 && self.clump_r2 <= 1.0) {
            let found = self.clump_r2;
            return Err(OptionsProblem::ClumpR2 { found }.into());
        }
        if self
            .study
            .as_ref()
            .is_some_and(|study| study.trim().is_empty() || study.contains(['\n', '\r', '\t']))
        {
            return Err(OptionsProblem::Study.into());
        }
        Ok(self.scoring.check()?)
    }
}
