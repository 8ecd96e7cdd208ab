//! What the baselines are made from.

use std::path::PathBuf;

use gf_cohort_schema::{CovariateChoice, MissingPolicies, PhenotypeCoding, ScoreColumn};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{leakage::KinshipVariants, scoring};

/// What the stage needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Genotypes and published scores, and the folder to write to.
    pub scoring: scoring::Options,
    /// BED of the regions whose dosages are used; all of the files when `None`. Published scores
    /// and APOE are read wherever they lie.
    pub regions_file: Option<PathBuf>,
    /// `cohort.csv`.
    pub cohort: PathBuf,
    /// How its phenotypes are written.
    pub phenotype_coding: PhenotypeCoding,
    /// Which of its columns are covariates.
    pub covariates: CovariateChoice,
    /// What is done about missing values and about samples without genotypes.
    pub missing: MissingPolicies,
    /// Published score that the baselines are learnt on top of: a covariate without a penalty.
    pub offset: Option<ScoreColumn>,
    /// Penalties to try for `prs-dosages` (linfa's alpha, scikit-learn's 1 / C).
    pub l2_strengths: Vec<f64>,
    /// Shares of the penalty of `prs-elastic-net` that are on absolute values, to try.
    pub l1_ratios: Vec<f64>,
    /// Farthest that two alleles of one clump lie apart, in kb.
    pub clump_kb: usize,
    /// Least r2 of two alleles of one clump.
    pub clump_r2: f64,
    /// Largest p-values of the alleles in `prs-ct`, to try.
    pub p_thresholds: Vec<f64>,
    /// Name of the cohort: looked for in the headers of scoring files, and written into those
    /// exported.
    pub study: Option<String>,
    /// Kinships of pairs, by PLINK 2 or KING; worked out from the dosages when `None`.
    pub kinship: Option<PathBuf>,
    /// Variants of the VCF that kinships are worked out from.
    pub kinship_variants: KinshipVariants,
    /// Sum published scores and measure their AUC; fit nothing. Then no training people are
    /// needed.
    pub no_fit: bool,
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
    /// Refuses values that make no sense.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Options { reason });
        if self.l2_strengths.is_empty()
            || self
                .l2_strengths
                .iter()
                .any(|alpha| !alpha.is_finite() || *alpha <= 0.0)
        {
            return refuse(format!(
                "l2_strengths are {:?}; at least one is needed, and all are positive",
                self.l2_strengths
            ));
        }
        if self.l1_ratios.is_empty()
            || self
                .l1_ratios
                .iter()
                .any(|ratio| !(0.01..=1.0).contains(ratio))
        {
            return refuse(format!(
                "l1_ratios are {:?}; at least one is needed, and all are shares from 0.01 to 1",
                self.l1_ratios
            ));
        }
        if self.p_thresholds.is_empty()
            || self.p_thresholds.iter().any(|p| !(*p > 0.0 && *p <= 1.0))
        {
            return refuse(format!(
                "p_thresholds are {:?}; at least one is needed, and all are above 0 and at most 1",
                self.p_thresholds
            ));
        }
        if !(self.clump_r2 > 0.0 && self.clump_r2 <= 1.0) {
            return refuse(format!(
                "clump_r2 is {}; it is above 0 and at most 1",
                self.clump_r2
            ));
        }
        if self
            .study
            .as_ref()
            .is_some_and(|study| study.trim().is_empty() || study.contains(['\n', '\r', '\t']))
        {
            return refuse("the name of the study is empty, or of more than one line".into());
        }
        Ok(self.scoring.check()?)
    }
}
