//! A model bundle in PyTorch: `docs/score_with_pytorch.py` gives the logits that `train` wrote.
//!
//! Runs with the Python of `GF_TORCH`, or `python3`; skipped, with a message, where that cannot
//! import torch, safetensors and pandas.

use std::{fs, process::Command};

use crate::support::{processes::succeeds, repository, stderr, succeed};
use gf_cohort_schema::read_predictions;

/// Tolerance for the same f32 sums in another order.
const TOLERANCE: f64 = 1e-4;

#[test]
fn a_bundle_scores_in_pytorch_as_it_does_here() {
    let python = std::env::var("GF_TORCH").unwrap_or_else(|_| "python3".into());
    let imports = ["-c", "import torch, safetensors, pandas"];
    if !succeeds(Command::new(&python).args(imports)) {
        eprintln!(
            "SKIPPED: {python} cannot import torch, safetensors and pandas; set GF_TORCH to one \
             that can"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    succeed(
        folder.path(),
        "simulate --people 150 --len-nt 4000 --out in",
    );
    // Two loci, so that each has its part of positions and projections.
    fs::write(
        folder.path().join("loci.bed"),
        "simulated\t0\t1500\ta\nsimulated\t2000\t4000\tb\n",
    )
    .unwrap();
    let genomes = "--vcf in/cohort.vcf.gz --reference in/reference.fa --cohort in/cohort.csv";
    succeed(
        folder.path(),
        &format!("tokenize {genomes} --regions-file loci.bed --out tokens"),
    );
    succeed(
        folder.path(),
        "train --additive none --tokens tokens --cohort in/cohort.csv --epochs 2 --hidden 16 \
         --heads 2 --out model",
    );
    let output = Command::new(python)
        .arg(repository("docs/score_with_pytorch.py"))
        .args(["model", "tokens", "in/cohort.csv"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    let found: Vec<(&str, f64)> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .map(|(person, logit)| (person, logit.parse().unwrap()))
        .collect();
    let expected = read_predictions(&folder.path().join("model/predictions.csv")).unwrap();
    assert_eq!(found.len(), 150);
    for row in expected {
        let (_, logit) = found
            .iter()
            .find(|(person, _)| *person == row.sample_id)
            .unwrap();
        assert!(
            (logit - row.logit).abs() < TOLERANCE,
            "{}: {logit} in PyTorch, {} here",
            row.sample_id,
            row.logit
        );
    }
}
