//! CSV tables of an evaluation and of attributions.
//!
//! Numbers have six decimals, p-values three significant digits; an undefined value is an empty
//! cell.

use std::path::{Path, PathBuf};

use gf_cohort_schema::{EffectRow, GuardRow, PairRow, Split, columns, nine_significant_digits};
use gf_files::output;
use serde::{Serialize, de::DeserializeOwned};

use super::Verdict;
use crate::{
    evaluation::{NonAdditive, Stacked, Term},
    layout,
};

/// Columns of `stacked.csv`, in order.
const STACKED_COLUMNS: [&str; 4] = ["term", "coefficient", "standard_error", "n_validation"];

/// Columns of `non_additive.csv`, in order.
const NON_ADDITIVE_COLUMNS: [&str; 8] = [
    "model",
    "compared_to",
    "split",
    "auroc",
    "delta_auroc",
    "delta_ci_low",
    "delta_ci_high",
    "p_value",
];

/// Writes every table of a verdict into `folder`, each with its header even when it has no rows:
/// `auc.csv`, `roc.csv`, `strata.csv`, `calibration.csv`, `deciles.csv`, `distribution.csv`,
/// `folds.csv` and `guards.csv`. Returns their paths.
///
/// # Errors
/// When a file cannot be written.
pub fn write_verdict(folder: &Path, verdict: &Verdict) -> Result<Vec<PathBuf>, output::Error> {
    write_table(&folder.join(layout::AUC), &verdict.rows)?;
    write_table(&folder.join(layout::ROC), &verdict.roc)?;
    write_table(&folder.join(layout::STRATA), &verdict.strata)?;
    write_table(&folder.join(layout::CALIBRATION), &verdict.calibration)?;
    write_table(&folder.join(layout::DECILES), &verdict.deciles)?;
    write_table(&folder.join(layout::DISTRIBUTION), &verdict.distribution)?;
    write_table(&folder.join(layout::FOLDS), &verdict.folds)?;
    write_guards(&folder.join(layout::GUARDS), &verdict.guards)?;
    let names = [
        layout::AUC,
        layout::ROC,
        layout::STRATA,
        layout::CALIBRATION,
        layout::DECILES,
        layout::DISTRIBUTION,
        layout::FOLDS,
        layout::GUARDS,
    ];
    Ok(names.map(|name| folder.join(name)).to_vec())
}

/// Writes `non_additive.csv` and returns its path. Without a test it removes the file of an earlier
/// run, which would be about other predictions.
///
/// # Errors
/// When the file cannot be written or removed.
pub fn write_non_additive(
    folder: &Path,
    tests: &[NonAdditive],
) -> Result<Option<PathBuf>, output::Error> {
    let path = folder.join(layout::NON_ADDITIVE);
    if tests.is_empty() {
        output::remove_if_there(&path)?;
        return Ok(None);
    }
    let records = tests.iter().map(non_additive_record);
    output::shareable::write_csv(&path, &NON_ADDITIVE_COLUMNS, records)?;
    Ok(Some(path))
}

fn non_additive_record(test: &NonAdditive) -> [String; 8] {
    let interval = test.inference.map(|(interval, _)| interval);
    let p_value = test.inference.map(|(_, p_value)| p_value);
    [
        test.model.clone(),
        test.additive.clone(),
        Split::Test.to_string(),
        nine_significant_digits(test.auroc),
        nine_significant_digits(test.delta),
        number_or_empty(interval.map(|[low, _]| low)),
        number_or_empty(interval.map(|[_, high]| high)),
        number_or_empty(p_value),
    ]
}

fn number_or_empty(value: Option<f64>) -> String {
    value.map(nine_significant_digits).unwrap_or_default()
}

/// Writes `stacked.csv` and returns its path. Without a stacked model it removes the file of an
/// earlier run, which would be about other predictions.
///
/// # Errors
/// When the file cannot be written or removed.
pub fn write_stacked(
    folder: &Path,
    stacked: Option<&Stacked>,
) -> Result<Option<PathBuf>, output::Error> {
    let path = folder.join(layout::STACKED);
    let Some(stacked) = stacked else {
        output::remove_if_there(&path)?;
        return Ok(None);
    };
    let records = stacked
        .terms
        .iter()
        .map(|term| stacked_record(term, stacked.n_validation));
    output::shareable::write_csv(&path, &STACKED_COLUMNS, records)?;
    Ok(Some(path))
}

fn stacked_record(term: &Term, n_validation: usize) -> [String; 4] {
    [
        term.name.clone(),
        nine_significant_digits(term.coefficient),
        nine_significant_digits(term.standard_error),
        n_validation.to_string(),
    ]
}

fn write_table<R: Serialize + DeserializeOwned>(
    path: &Path,
    rows: &[R],
) -> Result<(), output::Error> {
    output::shareable::write_csv(path, columns::<R>(), rows)
}

/// Writes `guards.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_guards(path: &Path, rows: &[GuardRow]) -> Result<(), output::Error> {
    write_table(path, rows)
}

/// Writes `explain.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_effects(path: &Path, rows: &[EffectRow]) -> Result<(), output::Error> {
    write_table(path, rows)
}

/// Writes `pairs.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_pairs(path: &Path, rows: &[PairRow]) -> Result<(), output::Error> {
    write_table(path, rows)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use gf_cohort_schema::{AucRow, GuardVerdict, RocPoint, Split, read_guards};

    use super::*;

    fn written(verdict: &Verdict, name: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        write_verdict(folder.path(), verdict).unwrap();
        fs::read_to_string(folder.path().join(name)).unwrap()
    }

    #[test]
    fn auc_csv_has_fixed_precision_and_empty_cells_for_undefined_values() {
        let compared = AucRow {
            auroc: Some(0.712_345_678),
            ci_low: Some(0.6),
            ci_high: Some(1.0),
            compared_to: Some("prs-dosages".to_owned()),
            delta_auroc: Some(-1e-9),
            delta_ci_low: Some(-0.25),
            delta_ci_high: Some(0.25),
            p_value: Some(0.000_123_456),
            parameters: Some(27_777),
            multiplications: Some(1_000),
            additions: Some(2_000),
            energy_pj: Some(5_500.04),
            bytes: Some(200_000),
            or_per_sd: Some(1.5),
            ..AucRow::undefined("linformer", Split::Test, 40, 60)
        };
        let undefined = AucRow {
            reason: Some("AUC undefined, one class".to_owned()),
            ..AucRow::undefined("linformer", Split::Validation, 40, 60)
        };
        assert_eq!(
            written(
                &Verdict {
                    rows: vec![compared, undefined],
                    ..Verdict::default()
                },
                "auc.csv"
            ),
            "model,split,n_cases,n_controls,auroc,ci_low,ci_high,compared_to,delta_auroc,\
             delta_ci_low,delta_ci_high,p_value,reason,parameters,multiplications,additions,\
             energy_pj,bytes,row,auprc,or_per_sd,or_ci_low,or_ci_high,nagelkerke_r2,liability_r2,\
             brier,calibration_slope,calibration_intercept,match_rate,incremental_r2\nlinformer,\
             test,40,60,0.712346,0.600000,1.000000,prs-dosages,0.000000,-0.250000,0.250000,1.\
             23e-4,,27777,1000,2000,5500.0,200000,4,,1.500000,,,,,,,,,\nlinformer,validation,40,\
             60,,,,,,,,,\"AUC undefined, one class\",,,,,,4,,,,,,,,,,,\n"
        );
    }

    #[test]
    fn roc_csv_starts_without_a_threshold_and_has_its_header_when_empty() {
        let origin = RocPoint {
            model: "m".to_owned(),
            split: Split::Test,
            threshold: None,
            false_positive_rate: 0.0,
            true_positive_rate: 0.0,
        };
        let next = RocPoint {
            threshold: Some(-1.5),
            true_positive_rate: 1.0 / 3.0,
            ..origin.clone()
        };
        let header = "model,split,threshold,false_positive_rate,true_positive_rate\n";
        assert_eq!(written(&Verdict::default(), "roc.csv"), header);
        assert_eq!(
            written(
                &Verdict {
                    roc: vec![origin, next],
                    ..Verdict::default()
                },
                "roc.csv"
            ),
            format!("{header}m,test,,0.000000,0.000000\nm,test,-1.50000000,0.000000,0.333333\n")
        );
    }

    #[test]
    fn guards_csv_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guards.csv");
        let finding = "3 pairs, \"twins\" among them".to_owned();
        let rows = [GuardRow {
            guard: "kinship".to_owned(),
            verdict: GuardVerdict::Fail,
            subject: "cohort".to_owned(),
            finding,
        }];
        write_guards(&path, &rows).unwrap();
        assert_eq!(read_guards(&path).unwrap(), rows);
    }
}
