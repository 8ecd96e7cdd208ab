//! Raw sums of published scores compared with `plink2 --score`, on real genomes. Skipped aloud
//! where plink2 or the data is not there.
//!
//! PLINK 2 prints six digits. So that sums can be compared to 1e-9, each weight is given to it in
//! base 100, one score column a digit: the sum of a column is a whole number below a million, and
//! is printed whole.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, process::Command};

use crate::support::{real_data, rows, succeed};

/// Base-100 digits behind the point: weights are rounded at 1e-14.
const DIGITS: usize = 7;

fn has_plink2() -> bool {
    let found = Command::new("plink2").arg("--version").output().is_ok();
    if !found {
        crate::support::no_oracle("no plink2 on this machine");
    }
    found
}

/// Runs plink2 in `folder`.
fn plink2(folder: &Path, arguments: &str) {
    let output = Command::new("plink2")
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "plink2 {arguments}: {}",
        crate::support::stderr(&output)
    );
}

/// Weights of PLINK 2 from the matched rows of our log: ID, allele, digits.
fn write_weights(log: &Path, weights: &Path) -> usize {
    let mut text = String::new();
    let mut n = 0;
    for row in rows(log)
        .iter()
        .filter(|row| row["match_status"] == "matched")
    {
        let weight: f64 = row["effect_weight"].parse().unwrap();
        let mut rest = (weight.abs() * 1e14).round() as u64;
        let mut digits = [0; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = rest % 100;
            rest /= 100;
        }
        assert_eq!(rest, 0, "weights are below 1 here: {weight}");
        write!(text, "{}\t{}", row["ID"], row["matched_effect_allele"]).unwrap();
        for digit in digits {
            write!(text, "\t{}{digit}", if weight < 0.0 { "-" } else { "" }).unwrap();
        }
        text.push('\n');
        n += 1;
    }
    fs::write(weights, text).unwrap();
    n
}

/// Sum and denominator by person.
fn sums_of_plink2(path: &Path) -> BTreeMap<String, (f64, u32)> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text
        .lines()
        .map(|line| line.trim_start_matches('#').split('\t').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name: &str| {
        header
            .iter()
            .position(|found| *found == name)
            .unwrap_or_else(|| panic!("no {name} in {header:?}"))
    };
    let digits: Vec<usize> = (1..=DIGITS)
        .map(|number| column(&format!("SCORE{number}_SUM")))
        .collect();
    let of = |row: &[&str]| {
        let sum = digits.iter().rev().fold(0.0, |sum, &digit| {
            (sum + row[digit].parse::<f64>().unwrap()) / 100.0
        });
        (
            row[column("IID")].to_owned(),
            (sum, row[column("DENOM")].parse().unwrap()),
        )
    };
    lines.map(|row| of(&row)).collect()
}

fn assert_same_sums(raw_scores: &Path, theirs: &BTreeMap<String, (f64, u32)>) {
    let ours = rows(raw_scores);
    assert_eq!(ours.len(), theirs.len());
    for row in &ours {
        let (sum, denominator) = theirs[&row["sample_id"]];
        let found: f64 = row["sum"].parse().unwrap();
        assert!(
            (found - sum).abs() <= 1e-6 * sum.abs() && (found - sum).abs() < 1e-9,
            "{}: {found}, but plink2 has {sum}",
            row["sample_id"]
        );
        assert_eq!(
            row["denominator"],
            denominator.to_string(),
            "{}",
            row["sample_id"]
        );
    }
}

#[test]
fn a_published_score_is_that_of_plink2_in_everyone() {
    let (Some(data), Some(samples)) = (
        real_data("pgs-catalog/calc"),
        real_data("samples/1kg_ref.psam"),
    ) else {
        return;
    };
    if !has_plink2() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [vcf, score, other_score] = [
        "tiny1000G.vcf.gz",
        "PGS001229_hmPOS_GRCh38.txt.gz",
        "PGS000001_hmPOS_GRCh38.txt.gz",
    ]
    .map(|name| data.join(name).display().to_string());
    let digits = "--score weights.tsv 1 2 cols=denom,scoresums --score-col-nums 3-9";
    let sexes = samples.display();
    for (xchr_model, out) in [(2, "two"), (1, "one")] {
        let model = format!("--xchr-model {xchr_model}");
        succeed(
            folder.path(),
            &format!("prs --vcf {vcf} --scoring-file {score} --min-overlap 0 --out {out} {model}"),
        );
        let n = write_weights(
            &folder.path().join(out).join("match_log.csv"),
            &folder.path().join("weights.tsv"),
        );
        // By awk: tests/oracles/plink2_score.sh.
        assert_eq!(n, 920);
        plink2(
            folder.path(),
            &format!("--vcf {vcf} --update-sex {sexes} {model} {digits} --out {out}"),
        );
        let theirs = sums_of_plink2(&folder.path().join(format!("{out}.sscore")));
        assert_eq!(theirs.len(), 3_202);
        assert_same_sums(&folder.path().join(out).join("raw_scores.csv"), &theirs);
    }

    // The other score has no variant in this VCF, and that is an error with its likely causes.
    crate::support::refusal(
        folder.path(),
        &format!("prs --vcf {vcf} --scoring-file {other_score} --out none"),
        &["only 0 of 77 variants", "another genome build"],
    );
}
