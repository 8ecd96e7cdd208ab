//! Tables about the performance and the cost of models.
//!
//! - `auc.csv` and `roc.csv`: discrimination of cases and controls. An undefined value is empty,
//!   with a reason in the same row.
//! - `cost.csv`: parameters, operations and memory of each model.
//! - `scores.csv`: the published polygenic scores.
//! - `training_log.csv`: loss and AUC by epoch.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Split, comparison_row,
    rows::{nine_digits, one_decimal, p_value, six_decimals},
    table::{CsvTable, Row},
};

/// Why a cell about a model's performance or cost cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PerformanceProblem {
    /// Text, or a number with decimals.
    #[error("`{cell}` is not a whole number")]
    NotWhole {
        /// The cell.
        cell: String,
    },
    /// Neither `true` nor `false`.
    #[error("`{cell}` is neither `true` nor `false`")]
    NotBoolean {
        /// The cell.
        cell: String,
    },
    /// A number below 0 or above 1.
    #[error("{value} is not between 0 and 1")]
    NotFraction {
        /// The number.
        value: f64,
    },
}

/// Performance of one model on one split, and its difference from a reference model on the same
/// samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AucRow {
    /// Name of the model.
    pub model: String,
    /// Split on which the model was evaluated.
    pub split: Split,
    /// Number of cases.
    pub n_cases: usize,
    /// Number of controls.
    pub n_controls: usize,
    /// Area under the ROC curve: the probability that a case scores above a control. Ties count
    /// half.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub auroc: Option<f64>,
    /// Lower bound of the 95 % confidence interval, by DeLong's method or by resampling of
    /// families.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper bound of this interval.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
    /// Name of the reference model; empty for the reference model itself.
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
    /// Two-sided p-value of the paired test that `delta_auroc` is zero, by the method of the
    /// interval. A value of 0 means less than 1e-300.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "p_value")]
    pub p_value: Option<f64>,
    /// Reason why a value is empty or needs care; empty if there is none.
    pub reason: Option<String>,
    /// Number of values in all parameters of the model. The columns from `parameters` to `bytes`
    /// are empty if there is no `cost.csv` next to the predictions.
    pub parameters: Option<u64>,
    /// Number of scalar multiplications in a forward pass of one sequence.
    pub multiplications: Option<u64>,
    /// Number of scalar additions in a forward pass of one sequence.
    pub additions: Option<u64>,
    /// Energy of these multiplications and additions in pJ.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "one_decimal")]
    pub energy_pj: Option<f64>,
    /// Memory for parameters and activations in bytes.
    pub bytes: Option<u64>,
    /// Row of the comparison: 0 covariates, 1 APOE, 2 score without the APOE region, 3 score, 4
    /// sequence model, 5 stacked.
    #[schemars(range(max = 5))]
    pub row: Option<u8>,
    /// Area under the precision-recall curve: average precision, as in scikit-learn.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub auprc: Option<f64>,
    /// Odds ratio per standard deviation of the logit, from a logistic regression on the logit
    /// alone.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub or_per_sd: Option<f64>,
    /// Lower bound of the 95 % Wald confidence interval of `or_per_sd`.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub or_ci_low: Option<f64>,
    /// Upper bound of this interval.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub or_ci_high: Option<f64>,
    /// Nagelkerke's R2 of this logistic regression.
    #[serde(serialize_with = "six_decimals")]
    pub nagelkerke_r2: Option<f64>,
    /// R2 on the liability scale at the stated prevalence (Lee et al. 2012); empty without a
    /// prevalence.
    #[serde(serialize_with = "six_decimals")]
    pub liability_r2: Option<f64>,
    /// Brier score: mean squared difference between probability and outcome.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub brier: Option<f64>,
    /// Calibration slope: slope of a logistic regression of the outcome on the logit. The ideal
    /// value is 1; below 1, the probabilities are too extreme.
    #[serde(serialize_with = "six_decimals")]
    pub calibration_slope: Option<f64>,
    /// Calibration intercept: intercept of a logistic regression with the logit as offset. The
    /// ideal value is 0.
    #[serde(serialize_with = "six_decimals")]
    pub calibration_intercept: Option<f64>,
    /// Fraction of the variants of a published score that were found in the genotypes.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub match_rate: Option<f64>,
    /// `nagelkerke_r2` minus the `nagelkerke_r2` of `prs-covariates` on the same samples: the gain
    /// from genotypes.
    #[serde(serialize_with = "six_decimals")]
    pub incremental_r2: Option<f64>,
}

impl AucRow {
    /// A row with counts and without any defined value.
    #[must_use]
    pub fn undefined(model: &str, split: Split, n_cases: usize, n_controls: usize) -> Self {
        Self {
            model: model.to_owned(),
            split,
            n_cases,
            n_controls,
            auroc: None,
            ci_low: None,
            ci_high: None,
            compared_to: None,
            delta_auroc: None,
            delta_ci_low: None,
            delta_ci_high: None,
            p_value: None,
            reason: None,
            parameters: None,
            multiplications: None,
            additions: None,
            energy_pj: None,
            bytes: None,
            row: comparison_row(model),
            auprc: None,
            or_per_sd: None,
            or_ci_low: None,
            or_ci_high: None,
            nagelkerke_r2: None,
            liability_r2: None,
            brier: None,
            calibration_slope: None,
            calibration_intercept: None,
            match_rate: None,
            incremental_r2: None,
        }
    }
}

/// One point of a ROC curve: the rates if every sample with a logit of at least `threshold` is
/// called a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RocPoint {
    /// Name of the model.
    pub model: String,
    /// Split on which the model was evaluated.
    pub split: Split,
    /// Threshold of the logit; empty for the first point, where no sample is called a case.
    #[serde(serialize_with = "nine_digits")]
    pub threshold: Option<f64>,
    /// Fraction of the controls that are called cases (1 - specificity).
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub false_positive_rate: f64,
    /// Fraction of the cases that are called cases (sensitivity).
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub true_positive_rate: f64,
}

/// Cost of a forward pass of a model on one sequence: one haplotype at each locus, and the
/// classifier once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostRow {
    /// Name of the model, as in `predictions.csv`.
    pub model: String,
    /// Number of values in all parameters of the model.
    pub parameters: u64,
    /// Number of scalar multiplications in a forward pass of one sequence.
    pub multiplications: u64,
    /// Number of scalar additions in a forward pass of one sequence.
    pub additions: u64,
    /// Energy of these multiplications and additions in pJ.
    #[schemars(range(min = 0.0))]
    pub energy_pj: f64,
    /// Memory for parameters and activations in bytes.
    pub bytes: u64,
}

/// File name of the table of published scores.
pub const SCORES_FILE: &str = "scores.csv";

/// A published polygenic score, and how many of its variants are in the genotypes of a cohort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreRow {
    /// Name of the baseline made from the score, as in `predictions.csv`.
    pub model: String,
    /// Accession in the PGS Catalog, or the name of the scoring file.
    pub accession: String,
    /// Name of the score, as given by its authors.
    pub name: Option<String>,
    /// Trait for which the score was developed.
    pub trait_reported: Option<String>,
    /// Genome build of the positions used; empty if the file does not state it.
    pub genome_build: Option<String>,
    /// Whether the harmonised positions were used.
    pub harmonised: bool,
    /// Number of rows of the scoring file.
    pub n_variants: u64,
    /// Number of rows whose genotypes are used in the score.
    pub n_matched: u64,
    /// `n_matched` divided by `n_variants`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub match_rate: f64,
    /// Study that developed the score, as cited in the scoring file.
    pub study: Option<String>,
}

/// Reads and checks a `cost.csv`. Further columns are allowed.
///
/// # Errors
/// A file that cannot be read or has no rows; a missing column; a cell that does not fit its
/// column.
pub fn read_costs(path: &Path) -> Result<Vec<CostRow>, Error> {
    let table = CsvTable::read(path)?;
    let model = table.column("model")?;
    let parameters = table.column("parameters")?;
    let multiplications = table.column("multiplications")?;
    let additions = table.column("additions")?;
    let energy_pj = table.column("energy_pj")?;
    let bytes = table.column("bytes")?;
    table
        .rows()
        .map(|row| {
            Ok(CostRow {
                model: row.required(model)?.to_owned(),
                parameters: whole_number(row, parameters)?,
                multiplications: whole_number(row, multiplications)?,
                additions: whole_number(row, additions)?,
                energy_pj: row.finite(energy_pj)?,
                bytes: whole_number(row, bytes)?,
            })
        })
        .collect()
}

/// A cell that must be a whole number of at least 0.
fn whole_number(row: Row<'_>, column: usize) -> Result<u64, Error> {
    let cell = row.required(column)?;
    cell.parse()
        .map_err(|_| row.error(column, PerformanceProblem::NotWhole { cell: cell.into() }))
}

/// The text of a cell; `None` where it is empty.
fn optional_text(row: Row<'_>, column: usize) -> Option<String> {
    let cell = row.cell(column);
    (!cell.is_empty()).then(|| cell.to_owned())
}

/// A cell that must be `true` or `false`.
fn boolean(row: Row<'_>, column: usize) -> Result<bool, Error> {
    match row.required(column)? {
        "true" => Ok(true),
        "false" => Ok(false),
        cell => Err(row.error(column, PerformanceProblem::NotBoolean { cell: cell.into() })),
    }
}

/// A cell that must be between 0 and 1.
fn fraction(row: Row<'_>, column: usize) -> Result<f64, Error> {
    let value = row.finite(column)?;
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(row.error(column, PerformanceProblem::NotFraction { value }))
    }
}

/// Reads and checks a `scores.csv`. Further columns are allowed.
///
/// # Errors
/// A file that cannot be read or has no rows; a missing column; a cell that does not fit its
/// column.
pub fn read_scores(path: &Path) -> Result<Vec<ScoreRow>, Error> {
    let table = CsvTable::read(path)?;
    let model = table.column("model")?;
    let accession = table.column("accession")?;
    let name = table.column("name")?;
    let trait_reported = table.column("trait_reported")?;
    let genome_build = table.column("genome_build")?;
    let harmonised = table.column("harmonised")?;
    let n_variants = table.column("n_variants")?;
    let n_matched = table.column("n_matched")?;
    let match_rate = table.column("match_rate")?;
    let study = table.column("study")?;
    table
        .rows()
        .map(|row| {
            // These two are checked first, so that their errors come first.
            let harmonised = boolean(row, harmonised)?;
            let match_rate = fraction(row, match_rate)?;
            Ok(ScoreRow {
                model: row.required(model)?.to_owned(),
                accession: row.required(accession)?.to_owned(),
                name: optional_text(row, name),
                trait_reported: optional_text(row, trait_reported),
                genome_build: optional_text(row, genome_build),
                harmonised,
                n_variants: whole_number(row, n_variants)?,
                n_matched: whole_number(row, n_matched)?,
                match_rate,
                study: optional_text(row, study),
            })
        })
        .collect()
}

/// Training of a deep term of a model in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrainingLogRow {
    /// 1-based member of the bundle: a fold, or a seed of an ensemble.
    #[schemars(range(min = 1))]
    pub member: usize,
    /// 1-based deep term of the model; 1 for a pure sequence model.
    #[schemars(range(min = 1))]
    pub term: usize,
    /// 1-based epoch.
    #[schemars(range(min = 1))]
    pub epoch: usize,
    /// Mean (weighted) loss over the training samples of the epoch, each before its own update.
    pub train_loss: f64,
    /// AUROC on the validation samples, which choose the epoch.
    pub validation_auroc: f64,
    /// Mean loss over the validation samples.
    pub validation_loss: f64,
    /// Learning rate at the end of the epoch.
    pub learning_rate: f64,
    /// Wall-clock time of the epoch in seconds.
    pub seconds: f64,
    /// Training samples per second, without validation.
    pub people_per_second: f64,
}

/// The columns of [`TrainingLogRow`] that the report shows, for one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRow {
    /// 1-based member of the bundle: a fold, or a seed of an ensemble.
    pub member: u64,
    /// 1-based epoch.
    pub epoch: u64,
    /// Mean loss over the training samples.
    pub train_loss: f64,
    /// AUROC on the validation samples, which choose the epoch.
    pub validation_auroc: f64,
    /// Mean loss over the validation samples.
    pub validation_loss: f64,
}

/// Reads and checks a `training_log.csv`. Further columns are allowed.
///
/// # Errors
/// A file that cannot be read or has no rows; a missing column; a cell that does not fit its
/// column.
pub fn read_training_log(path: &Path) -> Result<Vec<TrainingRow>, Error> {
    let table = CsvTable::read(path)?;
    let member = table.column("member")?;
    let epoch = table.column("epoch")?;
    let train_loss = table.column("train_loss")?;
    let validation_auroc = table.column("validation_auroc")?;
    let validation_loss = table.column("validation_loss")?;
    table
        .rows()
        .map(|row| {
            Ok(TrainingRow {
                member: whole_number(row, member)?,
                epoch: whole_number(row, epoch)?,
                train_loss: row.finite(train_loss)?,
                validation_auroc: row.finite(validation_auroc)?,
                validation_loss: row.finite(validation_loss)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_log_is_read_as_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("training_log.csv");
        let row = TrainingLogRow {
            member: 1,
            term: 2,
            epoch: 3,
            train_loss: 0.5,
            validation_auroc: 0.75,
            validation_loss: 0.625,
            learning_rate: 0.001,
            seconds: 4.0,
            people_per_second: 250.0,
        };
        let file = std::fs::File::create(&path).unwrap();
        crate::write_rows::<TrainingLogRow>(file, [row]).unwrap();
        let expected = TrainingRow {
            member: 1,
            epoch: 3,
            train_loss: 0.5,
            validation_auroc: 0.75,
            validation_loss: 0.625,
        };
        assert_eq!(read_training_log(&path).unwrap(), [expected]);
    }

    #[test]
    fn scores_are_read_as_they_are_written_and_bad_cells_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let row = ScoreRow {
            model: "prs-PGS1".into(),
            accession: "PGS1".into(),
            name: Some("a, b".into()),
            trait_reported: None,
            genome_build: Some("GRCh38".into()),
            harmonised: true,
            n_variants: 4,
            n_matched: 3,
            match_rate: 0.75,
            study: Some("Author A et al. J (2020)".into()),
        };
        let mut table = csv::Writer::from_path(&path).unwrap();
        table.serialize(&row).unwrap();
        table.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.lines().next(),
            Some(crate::columns::<ScoreRow>().join(",").as_str())
        );
        assert_eq!(read_scores(&path).unwrap(), [row]);
        for (from, to, expected) in [
            ("true", "yes", "`harmonised`"),
            ("0.75", "1.5", "`match_rate`"),
            (",4,", ",x,", "`n_variants`"),
        ] {
            std::fs::write(&path, text.replace(from, to)).unwrap();
            let message = read_scores(&path).unwrap_err().to_string();
            assert!(
                message.contains(expected) && message.contains("line 2"),
                "{message}"
            );
        }
    }
}
