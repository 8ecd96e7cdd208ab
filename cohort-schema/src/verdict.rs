//! Further tables of an evaluation, next to `auc.csv` and `roc.csv`: `strata.csv`,
//! `calibration.csv`, `deciles.csv`, `distribution.csv`, `folds.csv` and `guards.csv`.
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

/// Rank of a model of this program, by its name, in the order of models that a reviewer expects.
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
pub fn rung(model: &str) -> Option<u8> {
    Role::of_own(model).rung()
}

/// AUROC of one model among the people of one stratum of a split, and its difference to the model
/// everything is compared to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StratumRow {
    /// What people are divided by: a column of `cohort.csv`, or `apoe`.
    pub stratum: String,
    /// The value that these people share.
    pub level: String,
    /// The model.
    pub model: String,
    /// The split.
    pub split: Split,
    /// People with the disease.
    pub n_cases: usize,
    /// People without.
    pub n_controls: usize,
    /// As in `auc.csv`.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub auroc: Option<f64>,
    /// Lower end of the 95 % interval.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper end.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
    /// The model this one is compared to.
    pub compared_to: Option<String>,
    /// `auroc` minus that of `compared_to`.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub delta_auroc: Option<f64>,
    /// Lower end of the difference's 95 % interval.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub delta_ci_low: Option<f64>,
    /// Upper end.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub delta_ci_high: Option<f64>,
    /// Two-sided p-value of the paired test.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "p_value")]
    pub p_value: Option<f64>,
    /// Why a value is empty or needs care.
    pub reason: Option<String>,
}

/// Probability said and share of cases seen among a tenth of the people of a split, ordered by
/// probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationRow {
    /// The model.
    pub model: String,
    /// The split.
    pub split: Split,
    /// 1-based, by rising probability.
    pub bin: usize,
    /// People in it.
    pub n: usize,
    /// Mean of the model's probabilities.
    #[serde(serialize_with = "six_decimals")]
    pub mean_probability: f64,
    /// Mean of the probabilities recalibrated on the validation split; empty where that cannot be.
    #[serde(serialize_with = "six_decimals")]
    pub mean_recalibrated: Option<f64>,
    /// Share of cases.
    #[serde(serialize_with = "six_decimals")]
    pub observed: f64,
    /// Lower end of Wilson's 95 % interval of the share.
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: f64,
    /// Upper end.
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: f64,
}

/// Odds of being a case in a tenth of the people of a split, ordered by score, against the fifth
/// and sixth tenth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecileRow {
    /// The model.
    pub model: String,
    /// The split.
    pub split: Split,
    /// 1 (lowest score) to 10.
    pub decile: usize,
    /// People with the disease.
    pub n_cases: usize,
    /// People without.
    pub n_controls: usize,
    /// Odds here over odds in the middle two tenths together, which are themselves 1 without an
    /// interval; empty where one of the four counts is 0.
    #[serde(serialize_with = "six_decimals")]
    pub odds_ratio: Option<f64>,
    /// Lower end of Woolf's 95 % interval.
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper end.
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
}

/// People by score: one bar of a histogram of logits. Bars hold too few people to tell anyone's
/// score only where there are few at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DistributionRow {
    /// The model.
    pub model: String,
    /// The split.
    pub split: Split,
    /// Lower edge of the bar, a logit.
    #[serde(serialize_with = "nine_digits")]
    pub logit_low: f64,
    /// Upper edge.
    #[serde(serialize_with = "nine_digits")]
    pub logit_high: f64,
    /// Cases in it.
    pub n_cases: usize,
    /// Controls in it.
    pub n_controls: usize,
}

/// AUROC of one model among the people of one fold of a cross-validation, none of whom it had seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FoldRow {
    /// The model.
    pub model: String,
    /// 1-based repeat of the cross-validation: the how-manieth `predictions.csv` that has folds of
    /// this model.
    pub repeat: usize,
    /// The fold, as in `predictions.csv`.
    pub fold: u32,
    /// People with the disease.
    pub n_cases: usize,
    /// People without.
    pub n_controls: usize,
    /// As in `auc.csv`; empty where a class is.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub auroc: Option<f64>,
    /// The model this one is compared to.
    pub compared_to: Option<String>,
    /// `auroc` minus that of `compared_to` on the same people.
    #[schemars(range(min = -1.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub delta_auroc: Option<f64>,
}

/// What a guard against leakage found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuardRow {
    /// Name of the guard.
    pub guard: String,
    /// What it says.
    pub verdict: GuardVerdict,
    /// What it looked at: a model, a file, or the cohort.
    pub subject: String,
    /// One line: what was found and, where something was, what to do. Never names a person.
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
                    .map_err(|reason: String| row.error(verdict, reason))?,
                subject: row.required(subject)?.to_owned(),
                finding: row.required(finding)?.to_owned(),
            })
        })
        .collect()
}

/// APOE genotype of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApoeRow {
    /// The sample's name in the VCF.
    pub sample_id: String,
    /// Both alleles in their order, such as `e3/e4`; empty where they are not called.
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

/// What a guard says.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum GuardVerdict {
    /// Looked, and found nothing.
    Pass,
    /// Could not look; the finding says why.
    NotRun,
    /// Found something that the reader has to know.
    Warn,
    /// Found leakage: the comparison cannot be believed.
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

impl FromStr for GuardVerdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Pass, Self::NotRun, Self::Warn, Self::Fail];
        all.into_iter()
            .find(|verdict| verdict.to_string() == text)
            .ok_or_else(|| format!("`{text}` is none of pass, not-run, warn, fail"))
    }
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
        assert_eq!(names.map(rung), [0, 1, 2, 3, 4, 5].map(Some));
        assert_eq!(rung("prs-pcs"), None);
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
        assert!(
            "passed"
                .parse::<GuardVerdict>()
                .unwrap_err()
                .contains("none of pass")
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
            message.contains("line 2, column `verdict`: `passed` is none of pass"),
            "{message}"
        );
    }
}
