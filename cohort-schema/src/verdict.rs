//! Further tables of an evaluation, next to `auc.csv` and `roc.csv`: `strata.csv`,
//! `calibration.csv`, `deciles.csv`, `distribution.csv`, `folds.csv`, `guards.csv`, `stacked.csv`
//! and `non_additive.csv`.
//!
//! An undefined value is an empty cell.

use std::{fmt, path::Path, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Role, Split,
    rows::{nine_digits, p_value, six_decimals},
    table::CsvTable,
};

/// Suffix of a polygenic score without the APOE region. Such a model has the counts of APOE e2 and
/// e4 next to the score.
pub const WITHOUT_APOE: &str = "-no-apoe";

/// Suffix of a polygenic score without the covariates.
pub const ALONE: &str = "-alone";

/// Name of the model that combines scores and sequence models by stacking on the validation split.
pub const STACKED: &str = "stacked";

/// Rank of a model of this program, by its name, in the usual order of a comparison.
///
/// - 0: covariates
/// - 1: covariates and APOE
/// - 2: a polygenic score without the APOE region, next to APOE
/// - 3: a polygenic score with the region
/// - 4: a sequence model
/// - 5: all of them stacked
///
/// `None` for the principal components alone, which are a probe for stratification.
#[must_use]
pub fn comparison_row(model: &str) -> Option<u8> {
    Role::of_own(model).comparison_row()
}

/// AUROC of one model in one stratum of a split, and its difference from the reference model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StratumRow {
    /// Variable that defines the strata: a column of `cohort.csv`, or `apoe`.
    pub stratum: String,
    /// Value of this variable in the stratum.
    pub level: String,
    /// Name of the model.
    pub model: String,
    /// Split of the samples.
    pub split: Split,
    /// Number of cases.
    pub n_cases: usize,
    /// Number of controls.
    pub n_controls: usize,
    /// Area under the ROC curve, as in `auc.csv`.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub auroc: Option<f64>,
    /// Lower bound of the 95 % confidence interval of `auroc`.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper bound of this interval.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
    /// Name of the reference model.
    pub compared_to: Option<String>,
    /// `auroc` minus the `auroc` of the reference model.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub delta_auroc: Option<f64>,
    /// Lower bound of the 95 % confidence interval of `delta_auroc`.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub delta_ci_low: Option<f64>,
    /// Upper bound of this interval.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub delta_ci_high: Option<f64>,
    /// Two-sided p-value of the paired test that `delta_auroc` is zero.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "p_value")]
    pub p_value: Option<f64>,
    /// Reason why a value is empty or needs care; empty if there is none.
    pub reason: Option<String>,
}

/// Predicted probability and observed fraction of cases in one tenth of the samples of a split. The
/// samples are ordered by probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationRow {
    /// Name of the model.
    pub model: String,
    /// Split of the samples.
    pub split: Split,
    /// Number of the tenth, from 1 (lowest probabilities) upwards.
    pub bin: usize,
    /// Number of samples in the tenth.
    pub n: usize,
    /// Mean of the predicted probabilities.
    #[serde(serialize_with = "six_decimals")]
    pub mean_probability: f64,
    /// Mean of the probabilities after recalibration on the validation split; empty if that is
    /// impossible.
    #[serde(serialize_with = "six_decimals")]
    pub mean_recalibrated: Option<f64>,
    /// Observed fraction of cases.
    #[serde(serialize_with = "six_decimals")]
    pub observed: f64,
    /// Lower bound of the 95 % Wilson confidence interval of `observed`.
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: f64,
    /// Upper bound of this interval.
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: f64,
}

/// Odds of being a case in one decile of a split, relative to deciles 5 and 6. The samples are
/// ordered by score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecileRow {
    /// Name of the model.
    pub model: String,
    /// Split of the samples.
    pub split: Split,
    /// Number of the decile, from 1 (lowest scores) to 10.
    pub decile: usize,
    /// Number of cases.
    pub n_cases: usize,
    /// Number of controls.
    pub n_controls: usize,
    /// Odds in this decile divided by the odds in deciles 5 and 6 together. Deciles 5 and 6 have
    /// the value 1 and no interval. Empty if one of the four counts is 0.
    #[serde(serialize_with = "six_decimals")]
    pub odds_ratio: Option<f64>,
    /// Lower bound of the 95 % Woolf confidence interval of `odds_ratio`.
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper bound of this interval.
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
}

/// One bar of a histogram of logits: the number of samples by score. The bars are wide, so a bar
/// reveals the score of a single sample only in a very small split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DistributionRow {
    /// Name of the model.
    pub model: String,
    /// Split of the samples.
    pub split: Split,
    /// Lower edge of the bar (a logit).
    #[serde(serialize_with = "nine_digits")]
    pub logit_low: f64,
    /// Upper edge of the bar (a logit).
    #[serde(serialize_with = "nine_digits")]
    pub logit_high: f64,
    /// Number of cases in the bar.
    pub n_cases: usize,
    /// Number of controls in the bar.
    pub n_controls: usize,
}

/// AUROC of one model on the held-out samples of one cross-validation fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FoldRow {
    /// Name of the model.
    pub model: String,
    /// Number of the repeat, from 1: the position of the `predictions.csv` among the files with
    /// folds of this model.
    pub repeat: usize,
    /// The fold, as in `predictions.csv`.
    pub fold: u32,
    /// Number of cases.
    pub n_cases: usize,
    /// Number of controls.
    pub n_controls: usize,
    /// Area under the ROC curve, as in `auc.csv`; empty without cases or without controls.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub auroc: Option<f64>,
    /// Name of the reference model.
    pub compared_to: Option<String>,
    /// `auroc` minus the `auroc` of the reference model on the same samples.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub delta_auroc: Option<f64>,
}

/// Result of a guard against leakage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuardRow {
    /// Name of the guard.
    pub guard: String,
    /// Verdict of the guard.
    pub verdict: GuardVerdict,
    /// What the guard checked: a model, a file, or the cohort.
    pub subject: String,
    /// The finding in one line and, for a problem, the next action. It never names a sample.
    pub finding: String,
}

impl GuardRow {
    /// One row of `guards.csv`.
    #[must_use]
    pub fn new(
        guard: &str,
        verdict: GuardVerdict,
        subject: impl Into<String>,
        finding: impl Into<String>,
    ) -> Self {
        Self {
            guard: guard.to_owned(),
            verdict,
            subject: subject.into(),
            finding: finding.into(),
        }
    }
}

/// Reads and checks a `guards.csv`. Further columns are allowed.
///
/// # Errors
/// A file that cannot be read or has no rows; a missing column; an empty cell; an unknown verdict.
pub fn read_guards(path: &Path) -> Result<Vec<GuardRow>, Error> {
    let table = CsvTable::read(path)?;
    let guard = table.column("guard")?;
    let verdict = table.column("verdict")?;
    let subject = table.column("subject")?;
    let finding = table.column("finding")?;
    table
        .rows()
        .map(|row| {
            Ok(GuardRow {
                guard: row.required(guard)?.to_owned(),
                verdict: row
                    .required(verdict)?
                    .parse()
                    .map_err(|problem: UnknownVerdict| row.error(verdict, problem))?,
                subject: row.required(subject)?.to_owned(),
                finding: row.required(finding)?.to_owned(),
            })
        })
        .collect()
}

/// APOE genotype of a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApoeRow {
    /// The sample's name in the VCF.
    pub sample_id: String,
    /// Both alleles, such as `e3/e4`, the lower number first; empty if they are not called.
    pub apoe: Option<String>,
}

/// Reads an `apoe.csv`. Further columns are allowed.
///
/// # Errors
/// A file that cannot be read or has no rows; a missing column; a row without a sample id.
pub fn read_apoe(path: &Path) -> Result<Vec<ApoeRow>, Error> {
    let table = CsvTable::read(path)?;
    let sample_id = table.column("sample_id")?;
    let apoe = table.column("apoe")?;
    table
        .rows()
        .map(|row| {
            let genotype = row.cell(apoe);
            Ok(ApoeRow {
                sample_id: row.required(sample_id)?.to_owned(),
                apoe: (!genotype.is_empty()).then(|| genotype.to_owned()),
            })
        })
        .collect()
}

/// Verdict of a guard.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum GuardVerdict {
    /// The guard found no problem.
    Pass,
    /// The guard could not run; the finding states the reason.
    NotRun,
    /// The guard found a possible problem that the reader should know.
    Warn,
    /// The guard found leakage, so the comparison is not valid.
    Fail,
}

impl fmt::Display for GuardVerdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pass => "pass",
            Self::NotRun => "not-run",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// A text that is not the name of a [`GuardVerdict`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a verdict; write pass, not-run, warn or fail")]
pub struct UnknownVerdict(String);

impl FromStr for GuardVerdict {
    type Err = UnknownVerdict;

    fn from_str(text: &str) -> Result<Self, UnknownVerdict> {
        let all = [Self::Pass, Self::NotRun, Self::Warn, Self::Fail];
        all.into_iter()
            .find(|verdict| verdict.to_string() == text)
            .ok_or_else(|| UnknownVerdict(text.to_owned()))
    }
}

/// Term of the stacked model, a logistic regression on the validation split (row 5 of the
/// comparison).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StackedRow<'a> {
    /// `intercept`, or the model whose logit is the predictor.
    pub term: &'a str,
    /// Log odds ratio per unit of this logit.
    #[serde(serialize_with = "nine_digits")]
    pub coefficient: f64,
    /// Standard error of the coefficient.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "nine_digits")]
    pub standard_error: f64,
    /// Number of samples of the validation split on which the regression was fitted.
    pub n_validation: usize,
}

/// Comparison of a model that has an additive term and deep terms with its additive term alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NonAdditiveRow<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Name of its additive term.
    pub compared_to: &'a str,
    /// Split on which both were evaluated.
    pub split: Split,
    /// Area under the ROC curve of the model.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits")]
    pub auroc: f64,
    /// `auroc` minus the `auroc` of the additive term.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits")]
    pub delta_auroc: f64,
    /// Lower bound of the 95 % confidence interval of `delta_auroc`. This column and the next two
    /// are empty if both predict the same.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits")]
    pub delta_ci_low: Option<f64>,
    /// Upper bound of this interval.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits")]
    pub delta_ci_high: Option<f64>,
    /// Two-sided p-value of the test that `delta_auroc` is zero.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits")]
    pub p_value: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_their_place_by_name() {
        let names = [
            "prs-covariates",
            "prs-apoe",
            "prs-PGS000334-no-apoe",
            "prs-dosages",
            "linformer",
            "stacked",
        ];
        assert_eq!(names.map(comparison_row), [0, 1, 2, 3, 4, 5].map(Some));
        assert_eq!(comparison_row("prs-pcs"), None);
    }

    #[test]
    fn verdicts_are_read_as_they_are_written() {
        for verdict in [
            GuardVerdict::Pass,
            GuardVerdict::NotRun,
            GuardVerdict::Warn,
            GuardVerdict::Fail,
        ] {
            assert_eq!(verdict.to_string().parse(), Ok(verdict));
        }
        assert_eq!(
            "passed".parse::<GuardVerdict>(),
            Err(UnknownVerdict("passed".into()))
        );
    }

    fn read_text(text: &str) -> Result<Vec<GuardRow>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guards.csv");
        std::fs::write(&path, text).unwrap();
        read_guards(&path)
    }

    #[test]
    fn guards_are_read_and_a_verdict_that_is_none_is_named_with_its_line() {
        let header = "guard,verdict,subject,finding\n";
        let row = GuardRow {
            guard: "kinship".into(),
            verdict: GuardVerdict::NotRun,
            subject: "cohort".into(),
            finding: "12 variants, 500 needed".into(),
        };
        assert_eq!(
            read_text(&format!(
                "{header}kinship,not-run,cohort,\"12 variants, 500 needed\"\n"
            ))
            .unwrap(),
            [row]
        );
        let message = read_text(&format!("{header}kinship,passed,cohort,none\n"))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("line 2, column `verdict`: `passed` is not a verdict; write pass"),
            "{message}"
        );
    }
}
