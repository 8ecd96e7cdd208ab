//! Tables of a verdict and of attributions: six decimals, p-values with three significant digits,
//! an undefined value as an empty cell.

use std::path::{Path, PathBuf};

use gf_cohort_schema::{
    AUC_COLUMNS, AucRow, CALIBRATION_COLUMNS, CalibrationRow, DECILE_COLUMNS, DISTRIBUTION_COLUMNS,
    DecileRow, DistributionRow, EFFECT_COLUMNS, EffectRow, FOLD_COLUMNS, FoldRow, GUARD_COLUMNS,
    GuardRow, PAIR_COLUMNS, PairRow, ROC_COLUMNS, RocPoint, STRATUM_COLUMNS, StratumRow,
    nine_significant_digits,
};

use super::Verdict;
use crate::output;

/// Writes every table of a verdict into `folder`: `auc.csv`, `roc.csv`, `strata.csv`,
/// `calibration.csv`, `deciles.csv`, `distribution.csv`, `folds.csv` and `guards.csv`, each with
/// its header even when it has no rows; their paths.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path, verdict: &Verdict) -> Result<Vec<PathBuf>, output::Error> {
    let mut paths = Vec::new();
    let mut at = |name: &str| {
        paths.push(folder.join(name));
        folder.join(name)
    };
    output::for_others::write_csv(
        &at("auc.csv"),
        &AUC_COLUMNS,
        verdict.rows.iter().map(auc_record),
    )?;
    output::for_others::write_csv(
        &at("roc.csv"),
        &ROC_COLUMNS,
        verdict.roc.iter().map(roc_record),
    )?;
    output::for_others::write_csv(
        &at("strata.csv"),
        &STRATUM_COLUMNS,
        verdict.strata.iter().map(stratum_record),
    )?;
    output::for_others::write_csv(
        &at("calibration.csv"),
        &CALIBRATION_COLUMNS,
        verdict.calibration.iter().map(calibration_record),
    )?;
    output::for_others::write_csv(
        &at("deciles.csv"),
        &DECILE_COLUMNS,
        verdict.deciles.iter().map(decile_record),
    )?;
    output::for_others::write_csv(
        &at("distribution.csv"),
        &DISTRIBUTION_COLUMNS,
        verdict.distribution.iter().map(distribution_record),
    )?;
    output::for_others::write_csv(
        &at("folds.csv"),
        &FOLD_COLUMNS,
        verdict.folds.iter().map(fold_record),
    )?;
    write_guards(&at("guards.csv"), &verdict.guards)?;
    Ok(paths)
}

/// Writes `guards.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_guards(path: &Path, rows: &[GuardRow]) -> Result<(), output::Error> {
    output::for_others::write_csv(path, &GUARD_COLUMNS, rows.iter().map(guard_record))
}

/// Writes `explain.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_effects(path: &Path, rows: &[EffectRow]) -> Result<(), output::Error> {
    output::for_others::write_csv(path, &EFFECT_COLUMNS, rows.iter().map(effect_record))
}

/// Writes `pairs.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_pairs(path: &Path, rows: &[PairRow]) -> Result<(), output::Error> {
    output::for_others::write_csv(path, &PAIR_COLUMNS, rows.iter().map(pair_record))
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
        p_value(row.p_value),
        text(row.reason.as_ref()),
        text(row.parameters),
        text(row.multiplications),
        text(row.additions),
        row.energy_pj
            .map_or(String::new(), |energy| format!("{energy:.1}")),
        text(row.bytes),
        text(row.row),
        six_decimals(row.auprc),
        six_decimals(row.or_per_sd),
        six_decimals(row.or_ci_low),
        six_decimals(row.or_ci_high),
        six_decimals(row.nagelkerke_r2),
        six_decimals(row.liability_r2),
        six_decimals(row.brier),
        six_decimals(row.calibration_slope),
        six_decimals(row.calibration_intercept),
        six_decimals(row.match_rate),
        six_decimals(row.incremental_r2),
    ]
}

fn roc_record(point: &RocPoint) -> [String; ROC_COLUMNS.len()] {
    [
        point.model.clone(),
        point.split.to_string(),
        point
            .threshold
            .map_or(String::new(), nine_significant_digits),
        six_decimals(Some(point.false_positive_rate)),
        six_decimals(Some(point.true_positive_rate)),
    ]
}

fn stratum_record(row: &StratumRow) -> [String; STRATUM_COLUMNS.len()] {
    [
        row.stratum.clone(),
        row.level.clone(),
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
        p_value(row.p_value),
        text(row.reason.as_ref()),
    ]
}

fn calibration_record(row: &CalibrationRow) -> [String; CALIBRATION_COLUMNS.len()] {
    [
        row.model.clone(),
        row.split.to_string(),
        row.bin.to_string(),
        row.n.to_string(),
        six_decimals(Some(row.mean_probability)),
        six_decimals(row.mean_recalibrated),
        six_decimals(Some(row.observed)),
        six_decimals(Some(row.ci_low)),
        six_decimals(Some(row.ci_high)),
    ]
}

fn decile_record(row: &DecileRow) -> [String; DECILE_COLUMNS.len()] {
    [
        row.model.clone(),
        row.split.to_string(),
        row.decile.to_string(),
        row.n_cases.to_string(),
        row.n_controls.to_string(),
        six_decimals(row.odds_ratio),
        six_decimals(row.ci_low),
        six_decimals(row.ci_high),
    ]
}

fn distribution_record(row: &DistributionRow) -> [String; DISTRIBUTION_COLUMNS.len()] {
    [
        row.model.clone(),
        row.split.to_string(),
        nine_significant_digits(row.logit_low),
        nine_significant_digits(row.logit_high),
        row.n_cases.to_string(),
        row.n_controls.to_string(),
    ]
}

fn fold_record(row: &FoldRow) -> [String; FOLD_COLUMNS.len()] {
    [
        row.model.clone(),
        row.repeat.to_string(),
        row.fold.to_string(),
        row.n_cases.to_string(),
        row.n_controls.to_string(),
        six_decimals(row.auroc),
        text(row.compared_to.as_ref()),
        six_decimals(row.delta_auroc),
    ]
}

fn guard_record(row: &GuardRow) -> [String; GUARD_COLUMNS.len()] {
    [
        row.guard.clone(),
        row.verdict.to_string(),
        row.subject.clone(),
        row.finding.clone(),
    ]
}

fn p_value(value: Option<f64>) -> String {
    value.map_or(String::new(), |p_value| format!("{p_value:.2e}"))
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
        six_decimals(row.additive_effect),
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
    value.map_or(String::new(), |value| {
        format!("{:.6}", (value * 1e6).round() / 1e6 + 0.0)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use gf_cohort_schema::{GuardVerdict, Split, read_guards};

    use super::*;

    fn written(verdict: &Verdict, name: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), verdict).unwrap();
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
