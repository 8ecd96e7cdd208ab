//! The files that `evaluate` writes for MultiQC, in MultiQC: general statistics, tables of AUCs and
//! of samples, and ROC curves.
//!
//! Runs the MultiQC of the Python of `GF_PYTHON`, or of `python3`. Skipped with a message where it
//! is not installed.

use std::{
    fmt::Write,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::succeed;
use serde_json::Value;

/// Predictions of a baseline and of a model that is better.
fn predictions() -> String {
    let mut text = "sample_id,model,split,fold,phenotype,logit,probability\n".to_owned();
    for person in 0..300_u32 {
        let split = ["train", "validation", "test"][person as usize % 3];
        let is_case = person / 3 % 2;
        let noise = f64::from(person.wrapping_mul(2_654_435_761) % 1000) / 500.0 - 1.0;
        for (model, signal) in [("prs-dosages", 0.4), ("linformer", 0.9)] {
            let logit = signal * (f64::from(is_case) - 0.5)
                + noise * if model == "linformer" { 0.8 } else { 1.0 };
            let probability = 1.0 / (1.0 + (-logit).exp());
            writeln!(
                text,
                "P{person},{model},{split},,{},{logit},{probability}",
                ["control", "case"][is_case as usize]
            )
            .unwrap();
        }
    }
    text
}

fn multiqc(folder: &Path, arguments: &[&str]) -> Option<Value> {
    let python = std::env::var("GF_PYTHON").unwrap_or_else(|_| "python3".into());
    if !Command::new(&python)
        .args(["-c", "import multiqc"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        crate::support::no_oracle(&format!(
            "{python} cannot import `multiqc`; set GF_PYTHON to one that can"
        ));
        return None;
    }
    let output = Command::new(&python)
        .current_dir(folder)
        .args([
            "-m",
            "multiqc",
            "--no-ansi",
            "--force",
            "--outdir",
            "shown",
            "--no-version-check",
            "--strict",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(folder.join("shown/multiqc_report.html").exists());
    Some(
        serde_json::from_slice(
            &fs::read(folder.join("shown/multiqc_data/multiqc_data.json")).unwrap(),
        )
        .unwrap(),
    )
}

#[test]
fn multiqc_shows_general_statistics_tables_and_roc_curves_by_either_way() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("predictions.csv"), predictions()).unwrap();
    succeed(
        folder.path(),
        "evaluate --predictions predictions.csv --out study --guards warn",
    );
    // Found by name, or as a configuration with all sections in an empty folder.
    fs::create_dir(folder.path().join("empty")).unwrap();
    for arguments in [
        &["study"][..],
        &["--config", "study/study.gf_genomics.json", "empty"],
    ] {
        let Some(shown) = multiqc(folder.path(), arguments) else {
            return;
        };
        let text = shown.to_string();
        let general = shown["report_general_stats_data"].to_string();
        assert!(
            general.contains("study") && general.contains("\"auc\""),
            "{arguments:?}: {general}"
        );
        for plot in ["gf_genomics_auc", "gf_genomics_people", "gf_genomics_roc"] {
            assert!(
                shown["report_plot_data"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .any(|key| key.starts_with(plot)),
                "{arguments:?}: no {plot}"
            );
        }
        assert!(
            text.contains("study linformer") && text.contains("study prs-dosages"),
            "{arguments:?}"
        );
        fs::remove_dir_all(folder.path().join("shown")).unwrap();
    }
}
