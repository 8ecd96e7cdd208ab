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
    Error, Split,
    rows::{nine_digits, one_decimal, p_value, six_decimals},
    rung,
    table::{CsvTable, Row},
};

/// Area under the ROC curve of one model on one split, and its difference to one other model on the
/// same people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AucRow {
    /// The model evaluated.
    pub model: String,
    /// The split it was evaluated on.
    pub split: Split,
    /// People with the disease.
    pub n_cases: usize,
    /// People without.
    pub n_controls: usize,
    /// Probability that a case scores above a control, ties counted half.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub auroc: Option<f64>,
    /// Lower end of the 95 % interval, by DeLong's method or of families resampled.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub ci_low: Option<f64>,
    /// Upper end.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub ci_high: Option<f64>,
    /// The model this one is compared to; empty for that model itself.
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
    /// Two-sided p-value of the paired test, of the same method, that the difference is zero; 0
    /// stands for less than 1e-300.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "p_value")]
    pub p_value: Option<f64>,
    /// Why a value is empty or needs care; empty otherwise.
    pub reason: Option<String>,
    /// Values over all parameters of the model; empty, as all that follow, where no `cost.csv`
    /// lies beside its predictions.
    pub parameters: Option<u64>,
    /// Scalar multiplications of a forward pass of one sequence.
    pub multiplications: Option<u64>,
    /// Scalar additions.
    pub additions: Option<u64>,
    /// Energy of both in pJ.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "one_decimal")]
    pub energy_pj: Option<f64>,
    /// Memory of parameters and activations.
    pub bytes: Option<u64>,
    /// Place of the model among those a reviewer expects, 0 to 5: see [`rung`](crate::rung).
    #[schemars(range(max = 5))]
    pub row: Option<u8>,
    /// Area under the precision-recall curve (average precision, as scikit-learn has it).
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub auprc: Option<f64>,
    /// Odds ratio for one standard deviation of the logit, of a logistic regression on it alone.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub or_per_sd: Option<f64>,
    /// Lower end of Wald's 95 % interval.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub or_ci_low: Option<f64>,
    /// Upper end.
    #[schemars(range(min = 0.0))]
    #[serde(serialize_with = "six_decimals")]
    pub or_ci_high: Option<f64>,
    /// Nagelkerke's R2 of the same regression.
    #[serde(serialize_with = "six_decimals")]
    pub nagelkerke_r2: Option<f64>,
    /// R2 on the liability scale at the stated prevalence (Lee et al. 2012); empty without one.
    #[serde(serialize_with = "six_decimals")]
    pub liability_r2: Option<f64>,
    /// Mean squared difference of probability and outcome.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub brier: Option<f64>,
    /// Slope of the outcome on the logit; 1 is right, below 1 is too sure.
    #[serde(serialize_with = "six_decimals")]
    pub calibration_slope: Option<f64>,
    /// Intercept of the outcome with the logit as offset; 0 is right.
    #[serde(serialize_with = "six_decimals")]
    pub calibration_intercept: Option<f64>,
    /// Share of a published score's variants that were found.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub match_rate: Option<f64>,
    /// `nagelkerke_r2` minus that of `prs-covariates` on the same people: what the genomes add.
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
            row: rung(model),
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

/// One corner of a ROC curve: the rates when everyone with a logit of at least `threshold` is
/// called a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RocPoint {
    /// The model.
    pub model: String,
    /// The split it was evaluated on.
    pub split: Split,
    /// A logit; empty for the first point, where no one is called a case.
    #[serde(serialize_with = "nine_digits")]
    pub threshold: Option<f64>,
    /// Share of the controls called cases (1 - specificity).
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub false_positive_rate: f64,
    /// Share of the cases called cases (sensitivity).
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "six_decimals")]
    pub true_positive_rate: f64,
}

/// What a forward pass of one sequence costs a model: one haplotype at each locus, and the
/// classifier once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostRow {
    /// The model, as in `predictions.csv`.
    pub model: String,
    /// Values over all its parameters.
    pub parameters: u64,
    /// Scalar multiplications.
    pub multiplications: u64,
    /// Scalar additions.
    pub additions: u64,
    /// Energy of both in pJ.
    #[schemars(range(min = 0.0))]
    pub energy_pj: f64,
    /// Memory of parameters and activations.
    pub bytes: u64,
}

/// A published polygenic score, and how much of it is in the genomes of a cohort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreRow {
    /// The baseline made of it, as in `predictions.csv`.
    pub model: String,
    /// Its accession in the PGS Catalog, or the name of its file.
    pub accession: String,
    /// The name its authors gave it.
    pub name: Option<String>,
    /// The trait it was made for.
    pub trait_reported: Option<String>,
    /// Build of the positions used; empty where the file does not say.
    pub genome_build: Option<String>,
    /// The positions used are the harmonised ones.
    pub harmonised: bool,
    /// Rows of the file.
    pub n_variants: u64,
    /// Rows whose genotypes are in the score.
    pub n_matched: u64,
    /// Their share.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub match_rate: f64,
    /// The study that made it, as the file cites it.
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
        .map_err(|_| row.error(column, format!("`{cell}` is not a whole number")))
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
        cell => Err(row.error(column, format!("`{cell}` is neither `true` nor `false`"))),
    }
}

/// A cell that must be between 0 and 1.
fn fraction(row: Row<'_>, column: usize) -> Result<f64, Error> {
    let value = row.finite(column)?;
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(row.error(column, format!("{value} is not between 0 and 1")))
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

/// The columns of `training_log.csv` that the report shows, for one epoch.
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
