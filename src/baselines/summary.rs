//! Summary of the stage, which is printed and saved.

use gf_cohort_schema::{CohortSummary, GuardRow};
use serde::Serialize;

use super::{ApoeCounts, Choice, WithoutApoe};
use crate::scoring::{
    FailedScore, ReadCounts, ScoreSummary,
    dosages::{write_counts, write_read_counts},
    published::write_failed,
};
use gf_cohort_schema::counted;

/// Baselines, genotypes and scores of the stage, and what was left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of samples predicted.
    pub n_people: usize,
    /// Samples by split and phenotype.
    pub cohort: CohortSummary,
    /// Names of the baselines, as in `predictions.csv`.
    pub models: Vec<String>,
    /// Counts of records and genotypes.
    pub genotypes: ReadCounts,
    /// Records left out because no training sample has a call.
    pub sites_without_training_calls: usize,
    /// Number of dosages in `prs-dosages`.
    pub n_dosages: usize,
    /// Dosages left out because they are the same in all training samples.
    pub constant_dosages: usize,
    /// `model: feature` left out because the feature is the same in all training samples.
    pub constant_features: Vec<String>,
    /// Hyperparameters of each learned baseline.
    pub choices: Vec<Choice>,
    /// `association: covariate` left out because it is a combination of other covariates.
    pub repeated_covariates: Vec<String>,
    /// Scores without the APOE region.
    pub without_apoe: Vec<WithoutApoe>,
    /// The APOE region, if there are scores without it.
    pub apoe_region: Option<String>,
    /// `model: reason` of baselines that could not be made.
    pub left_out: Vec<String>,
    /// Findings of the guards against leakage.
    pub guards: Vec<GuardRow>,
    /// APOE haplotypes of all samples, if both variants are present.
    pub apoe: Option<ApoeCounts>,
    /// Why there is no `prs-apoe`.
    pub apoe_left_out: Option<String>,
    /// Match results of each scoring file.
    pub scores: Vec<ScoreSummary>,
    /// Scores that could not be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_scores: Vec<FailedScore>,
    /// Warnings about the input files.
    pub warnings: Vec<String>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        write!(f, "{}", self.cohort)?;
        writeln!(
            f,
            "{} predicted by {}",
            counted(self.n_people, "sample", "samples"),
            self.models.join(", ")
        )?;
        self.write_apoe(f)?;
        self.write_models(f)?;
        self.write_features_and_guards(f)?;
        write_read_counts(f, &self.genotypes)?;
        write_counts(
            f,
            &[
                (
                    "records without a call in the training samples",
                    self.sites_without_training_calls as u64,
                ),
                (
                    "dosages that do not vary among the training samples",
                    self.constant_dosages as u64,
                ),
            ],
        )
    }
}

impl Summary {
    /// Writes the counts of APOE haplotypes, or why there are none.
    fn write_apoe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.apoe, &self.apoe_left_out) {
            (Some(apoe), _) => {
                writeln!(
                    f,
                    "APOE haplotypes: e2 {}, e3 {}, e4 {}, e1 {}",
                    apoe.e2, apoe.e3, apoe.e4, apoe.e1
                )?;
                write_counts(
                    f,
                    &[
                        (
                            "unphased double heterozygotes, read as e2/e4",
                            apoe.unphased_double_heterozygotes,
                        ),
                        ("samples without an APOE call", apoe.people_without_call),
                    ],
                )?;
            }
            (None, Some(reason)) => writeln!(f, "no prs-apoe: {reason}")?,
            (None, None) => {}
        }
        Ok(())
    }

    /// Writes the learned and published scores, and the baselines that are left out.
    fn write_models(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for choice in &self.choices {
            writeln!(f, "{choice}")?;
        }
        for score in &self.without_apoe {
            let region = self.apoe_region.as_deref().unwrap_or_default();
            let dropped = counted(score.dropped, "allele", "alleles");
            writeln!(
                f,
                "{}: {dropped} left out in the APOE region ({region}), {} in the score",
                score.model, score.kept
            )?;
        }
        for reason in &self.left_out {
            writeln!(f, "no {reason}")?;
        }
        for score in &self.scores {
            write!(f, "{score}")?;
        }
        write_failed(f, &self.failed_scores)
    }

    /// Writes the features that are left out, and the findings of the guards.
    fn write_features_and_guards(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for feature in &self.constant_features {
            writeln!(f, "left out, the same in all training samples: {feature}")?;
        }
        for covariate in &self.repeated_covariates {
            writeln!(
                f,
                "left out, a combination of other covariates: {covariate}"
            )?;
        }
        for guard in &self.guards {
            writeln!(
                f,
                "guard {} of {}: {}: {}",
                guard.guard, guard.subject, guard.verdict, guard.finding
            )?;
        }
        Ok(())
    }
}
