//! Summary of an evaluation.

use gf_cohort_schema::{GuardVerdict, counted};
use serde::Serialize;

use super::{
    GuardPolicy, background::Background, comparison::Comparison, error::Error,
    folds::CorrectedTest, non_additive::NonAdditive, sidecar_files::SidecarFiles,
    stacking::Stacked, verdict::Verdict,
};

/// Result of an evaluation: the verdict, and the remarks that the report prints next to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// All tables.
    pub verdict: Verdict,
    /// The reference model, and how it was chosen.
    pub comparison: Comparison,
    /// Tests over the folds of a cross-validation, one per model.
    pub corrected_tests: Vec<CorrectedTest>,
    /// Gain of deep terms over the additive term alone, on the test split.
    pub non_additive: Vec<NonAdditive>,
    /// The stacked model, or why there is none.
    pub stacked: Result<Stacked, String>,
    /// How intervals were resampled; `None` for DeLong's method.
    pub resampling: Option<String>,
    /// Why probabilities were not recalibrated although the options ask for it.
    pub not_recalibrated: Option<String>,
    /// Samples left out because their phenotype is unknown.
    pub people_without_phenotype: usize,
    /// Samples that several folds of one model predict, ranked by the mean of these logits.
    pub people_averaged_over_folds: usize,
    /// How the tables were interpreted where they leave it open, one sentence each.
    pub readings: Vec<String>,
    /// Files next to the predictions that were read.
    pub sidecar_files: SidecarFiles,
    /// Training logs, published scores, options and digests that the report shows.
    pub background: Background,
}

impl Summary {
    /// Refuses a verdict with leakage, unless `policy` only warns.
    ///
    /// # Errors
    /// The guards that found leakage, with the subject and the finding of each.
    pub fn require_no_leakage(&self, policy: GuardPolicy) -> Result<(), Error> {
        let failed: Vec<String> = self
            .verdict
            .guards
            .iter()
            .filter(|row| row.verdict == GuardVerdict::Fail)
            .map(|row| format!("{} ({}: {})", row.guard, row.subject, row.finding))
            .collect();
        match policy {
            GuardPolicy::Error if !failed.is_empty() => Err(Error::Leakage {
                n_findings: failed.len(),
                findings: failed.join("; "),
            }),
            _ => Ok(()),
        }
    }

    /// Samples that were left out or averaged over folds, one sentence each.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        [
            (
                self.people_without_phenotype,
                "with unknown phenotype left out",
            ),
            (
                self.people_averaged_over_folds,
                "ranked by the mean logit over several folds",
            ),
        ]
        .into_iter()
        .filter(|(n_people, _)| *n_people > 0)
        .map(|(n_people, what)| format!("{} {what}", counted(n_people, "sample", "samples")))
        .collect()
    }
}
