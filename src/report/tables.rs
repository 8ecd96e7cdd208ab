//! `auc.csv`, `roc.csv`, `explain.csv` and `pairs.csv`: six decimals, p-values with three significant digits, an undefined value as an empty cell.

use std::path::Path;

use gf_cohort_schema::{
    AUC_COLUMNS, AucRow, EFFECT_COLUMNS, EffectRow, PAIR_COLUMNS, PairRow, ROC_COLUMNS, RocPoint, nine_significant_digits,
};

use crate::output;

/// Writes `auc.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_auc(path: &Path, rows: &[AucRow]) -> Result<(), output::Error> {
    output::write_csv(path, &AUC_COLUMNS, rows.iter().map(auc_record))
}

/// Writes `roc.csv`; thresholds with the precision of the logits in `predictions.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_roc(path: &Path, points: &[RocPoint]) -> Result<(), output::Error> {
    output::write_csv(path, &ROC_COLUMNS, points.iter().map(roc_record))
}

/// Writes `explain.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_effects(path: &Path, rows: &[EffectRow]) -> Result<(), output::Error> {
    output::write_csv(path, &EFFECT_COLUMNS, rows.iter().map(effect_record))
}

/// Writes `pairs.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_pairs(path: &Path, rows: &[PairRow]) -> Result<(), output::Error> {
    output::write_csv(path, &PAIR_COLUMNS, rows.iter().map(pair_record))
}

fn auc_record(row: &AucRow) -> [String; AUC_COLUMNS.len()] {
    [
        row.model.clone(),
        row.split.to_string(),
        row.n_cases.to_string(),
        row.n_controls.to_string(),
        six_decimals(row.auroc),
        six_decimals(row.ci_low),
        six_decimals(row.ci_high),
        text(row.compared_to.as_ref()),
        six_decimals(row.delta_auroc),
        six_decimals(row.delta_ci_low),
        six_decimals(row.delta_ci_high),
        row.p_value.map_or(String::new(), |p_value| format!("{p_value:.2e}")),
        text(row.reason.as_ref()),
        text(row.parameters),
        text(row.multiplications),
        text(row.additions),
        row.energy_pj.map_or(String::new(), |energy| format!("{energy:.1}")),
        text(row.bytes),
    ]
}

fn roc_record(point: &RocPoint) -> [String; ROC_COLUMNS.len()] {
    [
        point.model.clone(),
        point.split.to_string(),
        point.threshold.map_or(String::new(), nine_significant_digits),
        six_decimals(Some(point.false_positive_rate)),
        six_decimals(Some(point.true_positive_rate)),
    ]
}

fn effect_record(row: &EffectRow) -> [String; EFFECT_COLUMNS.len()] {
    [
        row.locus.clone(),
        row.contig.clone(),
        row.position.to_string(),
        row.ref_allele.clone(),
        row.alt_allele.clone(),
        six_decimals(Some(row.frequency)),
        row.n_haplotypes.to_string(),
        row.n_approximated.to_string(),
        six_decimals(Some(row.effect)),
        six_decimals(row.ci_low),
        six_decimals(row.ci_high),
        six_decimals(Some(row.effect_rms)),
        six_decimals(Some(row.logit_sd)),
        row.rank.to_string(),
    ]
}

fn pair_record(row: &PairRow) -> [String; PAIR_COLUMNS.len()] {
    [
        row.locus.clone(),
        row.contig.clone(),
        row.first_position.to_string(),
        row.first_ref_allele.clone(),
        row.first_alt_allele.clone(),
        row.second_position.to_string(),
        row.second_ref_allele.clone(),
        row.second_alt_allele.clone(),
        six_decimals(row.r2),
        row.n_haplotypes.to_string(),
        row.n_approximated.to_string(),
        six_decimals(Some(row.joint_effect)),
        six_decimals(Some(row.interaction)),
        six_decimals(row.ci_low),
        six_decimals(row.ci_high),
        six_decimals(Some(row.logit_sd)),
        row.rank.to_string(),
    ]
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// Never `-0.000000`.
fn six_decimals(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{:.6}", (value * 1e6).round() / 1e6 + 0.0))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use gf_cohort_schema::Split;

    use super::*;

    fn written(write: impl FnOnce(&Path) -> Result<(), output::Error>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        write(&path).unwrap();
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn auc_csv_has_fixed_precision_and_empty_cells_for_undefined_values() {
        let compared = AucRow {
            model: "linformer".to_owned(),
            split: Split::Test,
            n_cases: 40,
            n_controls: 60,
            auroc: Some(0.712_345_678),
            ci_low: Some(0.6),
            ci_high: Some(1.0),
            compared_to: Some("prs-dosages".to_owned()),
            delta_auroc: Some(-1e-9),
            delta_ci_low: Some(-0.25),
            delta_ci_high: Some(0.25),
            p_value: Some(0.000_123_456),
            reason: None,
            parameters: Some(27_777),
            multiplications: Some(1_000),
            additions: Some(2_000),
            energy_pj: Some(5_500.04),
            bytes: Some(200_000),
        };
        let undefined = AucRow {
            split: Split::Validation,
            auroc: None,
            ci_low: None,
            ci_high: None,
            compared_to: None,
            delta_auroc: None,
            delta_ci_low: None,
            delta_ci_high: None,
            p_value: None,
            reason: Some("AUC undefined, one class".to_owned()),
            parameters: None,
            multiplications: None,
            additions: None,
            energy_pj: None,
            bytes: None,
            ..compared.clone()
        };
        assert_eq!(
            written(|path| write_auc(path, &[compared, undefined])),
            "model,split,n_cases,n_controls,auroc,ci_low,ci_high,compared_to,delta_auroc,delta_ci_low,delta_ci_high,p_value,reason,\
             parameters,multiplications,additions,energy_pj,bytes\n\
             linformer,test,40,60,0.712346,0.600000,1.000000,prs-dosages,0.000000,-0.250000,0.250000,1.23e-4,,27777,1000,2000,5500.0,200000\n\
             linformer,validation,40,60,,,,,,,,,\"AUC undefined, one class\",,,,,\n"
        );
    }

    #[test]
    fn roc_csv_starts_without_a_threshold_and_has_its_header_when_empty() {
        let origin =
            RocPoint { model: "m".to_owned(), split: Split::Test, threshold: None, false_positive_rate: 0.0, true_positive_rate: 0.0 };
        let next = RocPoint { threshold: Some(-1.5), true_positive_rate: 1.0 / 3.0, ..origin.clone() };
        let header = "model,split,threshold,false_positive_rate,true_positive_rate\n";
        assert_eq!(written(|path| write_roc(path, &[])), header);
        assert_eq!(
            written(|path| write_roc(path, &[origin, next])),
            format!("{header}m,test,,0.000000,0.000000\nm,test,-1.50000000,0.000000,0.333333\n")
        );
    }
}
