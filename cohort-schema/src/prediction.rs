//! `predictions.csv`: predictions of a model for samples. Sequence models and baselines write the
//! same row type, and `evaluate` reads nothing else, so all models are compared in the same way.

use std::{
    io::{self, Write},
    path::Path,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Phenotype, Role, Split, UnknownRole, UnknownSplit,
    phenotype::PhenotypeReader,
    rows::{nine_digits, write_rows},
    table::{CsvTable, Row},
};

/// Why a cell of a prediction cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredictionProblem {
    /// Not a number of a cross-validation fold.
    #[error("`{cell}` is not a fold number; write 0, 1, ... or leave the cell empty")]
    NotFold {
        /// The cell.
        cell: String,
    },
    /// A number below 0 or above 1.
    #[error("`{cell}` is not a probability between 0 and 1")]
    NotProbability {
        /// The cell.
        cell: String,
    },
}

/// Prediction of one model for one sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prediction {
    /// The sample's name in the VCF and in `cohort.csv`.
    pub sample_id: String,
    /// Name of the model: a preset (`linformer`, ...) or a baseline (`prs-...`).
    pub model: String,
    /// Split of the sample in `cohort.csv`.
    pub split: Split,
    /// Cross-validation fold in which the sample was held out; empty without cross-validation.
    pub fold: Option<u32>,
    /// Phenotype of the sample; empty if unknown.
    pub phenotype: Option<Phenotype>,
    /// Log odds of being a case, a finite number. The AUC ranks samples by it.
    #[serde(serialize_with = "nine_digits")]
    pub logit: f64,
    /// Probability of being a case.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(serialize_with = "nine_digits")]
    pub probability: f64,
    /// Role of the model in a comparison. Tables of earlier versions do not have this column; in
    /// them, only the names of baselines begin with `prs-`.
    pub role: Role,
}

/// Prefix of the names of this program's baselines: `prs-covariates`, `prs-apoe`, `prs-dosages`,
/// `prs-<scoring file id>`.
pub const BASELINE_PREFIX: &str = "prs-";

/// Probability of a logit: `1 / (1 + e^-logit)`.
#[must_use]
pub fn probability(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Logit of a probability, the inverse of [`probability`]. Probabilities of 0 and 1 are moved by
/// the machine epsilon, so the logit is finite.
#[must_use]
pub fn logit(probability: f64) -> f64 {
    let inside = probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    (inside / (1.0 - inside)).ln()
}

/// Whether a name is reserved for the baselines of this program.
#[must_use]
pub fn is_baseline(model: &str) -> bool {
    model.starts_with(BASELINE_PREFIX)
}

/// One row of a `predictions.csv` while it is read: a [`Prediction`] that owns no text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictionRef<'a> {
    /// The sample's name, as in [`Prediction`].
    pub sample_id: &'a str,
    /// The model.
    pub model: &'a str,
    /// Split of the sample.
    pub split: Split,
    /// Cross-validation fold of the sample.
    pub fold: Option<u32>,
    /// `None` when unknown.
    pub phenotype: Option<Phenotype>,
    /// Log odds of being a case.
    pub logit: f64,
    /// Probability of being a case.
    pub probability: f64,
    /// Role of the model in a comparison.
    pub role: Role,
}

/// Reads and checks a `predictions.csv`, row by row. Further columns are allowed.
///
/// # Errors
/// - A file that cannot be read or has no rows.
/// - A missing column.
/// - A cell that does not fit its column, such as a logit that is not finite or a probability
///   outside 0 to 1.
/// - An error of `visit`.
pub fn each_prediction<E: From<Error>>(
    path: &Path,
    mut visit: impl FnMut(PredictionRef<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let table = CsvTable::open(path)?;
    let sample_id = table.column("sample_id")?;
    let model = table.column("model")?;
    let split = table.column("split")?;
    let fold = table.column("fold")?;
    let phenotype = table.column("phenotype")?;
    let logit = table.column("logit")?;
    let probability = table.column("probability")?;
    // Tables of earlier versions do not have this column.
    let role = table.optional_column("role");
    let mut phenotypes = PhenotypeReader::default();
    table.each(|row| {
        visit(PredictionRef {
            sample_id: row.required(sample_id)?,
            model: row.required(model)?,
            split: row
                .cell(split)
                .parse()
                .map_err(|problem: UnknownSplit| row.error(split, problem))?,
            fold: optional_fold(row, fold)?,
            phenotype: phenotypes
                .read(row.cell(phenotype))
                .map_err(|problem| row.error(phenotype, problem))?,
            logit: row.finite(logit)?,
            probability: in_unit_interval(row, probability)?,
            role: role_of(row, model, role)?,
        })
    })
}

/// All rows of a `predictions.csv`.
///
/// # Errors
/// See [`each_prediction`].
pub fn read_predictions(path: &Path) -> Result<Vec<Prediction>, Error> {
    let mut predictions = Vec::new();
    each_prediction(path, |row| {
        let PredictionRef {
            sample_id,
            model,
            split,
            fold,
            phenotype,
            logit,
            probability,
            role,
        } = row;
        let sample_id = sample_id.to_owned();
        let model = model.to_owned();
        predictions.push(Prediction {
            sample_id,
            model,
            split,
            fold,
            phenotype,
            logit,
            probability,
            role,
        });
        Ok::<(), Error>(())
    })?;
    Ok(predictions)
}

/// Writes `predictions.csv`: header always, `logit` and `probability` with nine significant digits
/// (enough to distinguish any two `f32`).
///
/// # Errors
/// When `out` cannot be written.
pub fn write_predictions<'a>(
    out: impl Write,
    rows: impl IntoIterator<Item = &'a Prediction>,
) -> io::Result<()> {
    write_rows::<Prediction>(out, rows)
}

/// The role in the table, or the role by name in a table of an earlier version.
fn role_of(row: Row<'_>, model: usize, role: Option<usize>) -> Result<Role, Error> {
    match role {
        Some(column) => row
            .cell(column)
            .parse()
            .map_err(|problem: UnknownRole| row.error(column, problem)),
        None => Ok(Role::of_own(row.cell(model))),
    }
}

pub(crate) fn optional_fold(row: Row<'_>, column: usize) -> Result<Option<u32>, Error> {
    match row.cell(column) {
        "" => Ok(None),
        cell => cell.parse().map(Some).map_err(|_| {
            let cell = cell.to_owned();
            row.error(column, PredictionProblem::NotFold { cell })
        }),
    }
}

pub(crate) fn in_unit_interval(row: Row<'_>, column: usize) -> Result<f64, Error> {
    let probability = row.finite(column)?;
    if (0.0..=1.0).contains(&probability) {
        Ok(probability)
    } else {
        let cell = row.cell(column).to_owned();
        Err(row.error(column, PredictionProblem::NotProbability { cell }))
    }
}

/// A logit as tables write it: plain decimals from 0.00001 to below 10^9, scientific notation
/// outside this range, and `-0` as `0`.
#[must_use]
pub fn nine_significant_digits(number: f64) -> String {
    let number = number + 0.0;
    let scientific = format!("{number:.8e}");
    match scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse::<i32>().ok())
    {
        Some(exponent @ -5..=8) => format!(
            "{number:.*}",
            8_usize.saturating_add_signed(-exponent as isize)
        ),
        _ => scientific,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<Vec<Prediction>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        fs::write(&path, text).unwrap();
        read_predictions(&path)
    }

    fn prediction(logit: f64, fold: Option<u32>, phenotype: Option<Phenotype>) -> Prediction {
        let probability = 1.0 / (1.0 + (-logit).exp());
        let sample_id = "HG1".to_owned();
        let model = "linformer".to_owned();
        let role = Role::SequenceModel;
        Prediction {
            sample_id,
            model,
            split: Split::Test,
            fold,
            phenotype,
            logit,
            probability,
            role,
        }
    }

    #[test]
    fn predictions_are_written_with_fixed_precision_and_read_back() {
        let rows = [
            prediction(-1.25, Some(3), Some(Phenotype::Case)),
            prediction(0.0, None, None),
        ];
        let mut text = Vec::new();
        write_predictions(&mut text, &rows).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            text,
            "sample_id,model,split,fold,phenotype,logit,probability,role\nHG1,linformer,test,3,\
             case,-1.25000000,0.222700139,sequence-model\nHG1,linformer,test,,,0.00000000,0.\
             500000000,sequence-model\n"
        );
        let read_back = read(&text).unwrap();
        assert_eq!(
            (read_back[0].logit, read_back[0].fold, &read_back[1]),
            (-1.25, Some(3), &rows[1])
        );
    }

    #[test]
    fn nine_digits_tell_any_two_f32_apart() {
        let mut number = 1e-12_f32;
        while number < 1e12 {
            for value in [number, -number] {
                assert_eq!(
                    nine_significant_digits(f64::from(value))
                        .parse::<f32>()
                        .unwrap()
                        .to_bits(),
                    value.to_bits()
                );
            }
            number *= 1.37;
        }
        assert_eq!(nine_significant_digits(-0.0), "0.00000000");
        assert_eq!(nine_significant_digits(0.999_999_999_9), "1.00000000");
        assert_eq!(nine_significant_digits(1.5e-9), "1.50000000e-9");
    }

    #[test]
    fn an_empty_table_still_has_its_header() {
        let mut text = Vec::new();
        write_predictions(&mut text, []).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            crate::columns::<Prediction>().join(",") + "\n"
        );
    }

    #[test]
    fn bad_cells_are_named_with_line_and_column() {
        let header = "sample_id,model,split,fold,phenotype,logit,probability\n";
        for (row, expected) in [
            (
                "A,m,test,,case,inf,1",
                "line 2, column `logit`: `inf` is not a finite number",
            ),
            (
                "A,m,test,,case,,1",
                "line 2, column `logit`: the cell is empty",
            ),
            (
                "A,m,test,,case,2,1.2",
                "line 2, column `probability`: `1.2` is not a probability",
            ),
            (
                "A,m,test,x,case,2,0.9",
                "line 2, column `fold`: `x` is not a fold number",
            ),
            (
                "A,,test,,case,2,0.9",
                "line 2, column `model`: the cell is empty",
            ),
            (
                "A,m,tset,,case,2,0.9",
                "line 2, column `split`: `tset` is not a split",
            ),
        ] {
            let error = read(&format!("{header}{row}\n")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(
            read("sample_id,model\nA,m\n")
                .unwrap_err()
                .to_string()
                .contains("no column `split`")
        );
    }

    #[test]
    fn baselines_are_told_by_their_prefix() {
        assert!(is_baseline("prs-apoe") && !is_baseline("linformer"));
    }
}
