//! Cohorts over many loci, from the command line and from a pipeline file.

use std::{fs, path::Path};

use crate::support::{compression::gunzipped, json, run, stderr, succeed};
use tempfile::TempDir;

/// A folder with a panel over 40,000 nt, the BED of three loci and a table of their risks.
fn folder_with_panel() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    succeed(
        folder.path(),
        "simulate --risk null --people 100 --len-nt 40000 --out panel",
    );
    let bed = "simulated\t0\t12000\tA\nsimulated\t14000\t26000\tB\nsimulated\t28000\t40000\tC\n";
    fs::write(folder.path().join("loci.bed"), bed).unwrap();
    let risks = "locus,risk,effect\nA,trans,2\nC,null,\n";
    fs::write(folder.path().join("risks.csv"), risks).unwrap();
    folder
}

const PIPELINE: &str = "\
seed = 2

[simulate]
people = 300
panel = \"panel/cohort.vcf.gz\"
reference = \"panel/reference.fa\"
loci = \"loci.bed\"
loci_risks = \"risks.csv\"
risk = \"additive\"
auc = 0.7
sex_effect = 0.3
prevalence = 0.2
case_fraction = 0.5
";

const FOUNDERS: &str = "simulate --panel panel/cohort.vcf.gz --reference panel/reference.fa \
                        --loci loci.bed --risk null --people 100";

const COMMAND: &str = "simulate --panel panel/cohort.vcf.gz --reference panel/reference.fa --loci \
                       loci.bed --loci-risks risks.csv --risk additive --auc 0.7 --sex-effect 0.3 \
                       --prevalence 0.2 --case-fraction 0.5 --people 300 --seed 2";

#[test]
fn a_pipeline_file_and_the_command_line_give_the_same_cohort() {
    let study = folder_with_panel();
    let folder = study.path();
    // Paths are relative to the pipeline file, in whatever folder the command runs.
    fs::write(folder.join("study.toml"), PIPELINE).unwrap();
    let elsewhere = folder.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    succeed(&elsewhere, "run ../study.toml --job 0-cohort --out ../out");
    succeed(folder, &format!("{COMMAND} --out cohort"));
    for file in [
        "cohort.vcf.gz",
        "cohort.csv",
        "loci.bed",
        "reference.fa",
        "truth.json",
    ] {
        let of_pipeline = fs::read(folder.join("out/0-cohort").join(file)).unwrap();
        let of_command = fs::read(folder.join("cohort").join(file)).unwrap();
        assert_eq!(of_pipeline, of_command, "{file}");
    }
    let truth = json(&folder.join("cohort/truth.json"));
    let loci = truth["loci"].as_array().unwrap();
    let kinds: Vec<&str> = loci
        .iter()
        .map(|locus| locus["risk"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["trans", "additive", "null"]);
    assert_eq!(truth["sampling"]["case_fraction"], 0.5);
    assert!(
        truth["best_achievable_auc"]["covariates"]["population"]
            .as_f64()
            .unwrap()
            > 0.5
    );
}

#[test]
fn another_table_of_risks_makes_the_cohort_again_and_the_same_one_does_not() {
    let study = folder_with_panel();
    let folder = study.path();
    fs::write(folder.join("study.toml"), PIPELINE).unwrap();
    let make_cohort = "run study.toml --job 0-cohort --out out";
    succeed(folder, make_cohort);
    let truth = folder.join("out/0-cohort/truth.json");
    let written = fs::metadata(&truth).unwrap().modified().unwrap();
    let effect = effect_of_first_locus(&truth);
    succeed(folder, make_cohort);
    assert_eq!(fs::metadata(&truth).unwrap().modified().unwrap(), written);
    assert_eq!(effect_of_first_locus(&truth).to_bits(), effect.to_bits());
    fs::write(folder.join("risks.csv"), "locus,risk,effect\nA,trans,3\n").unwrap();
    succeed(folder, make_cohort);
    assert!((effect_of_first_locus(&truth) - 3.0).abs() < 1e-12);
}

fn effect_of_first_locus(truth: &Path) -> f64 {
    json(truth)["loci"][0]["relative_effect"].as_f64().unwrap()
}

#[test]
fn jobs_are_planned_for_the_loci_of_the_bed_and_of_a_preset() {
    let folder = folder_with_panel();
    fs::write(folder.path().join("study.toml"), PIPELINE).unwrap();
    let preset = "[simulate]\npreset = \"ad-2022\"\nlen_nt = 3000\npeople = 200\n";
    fs::write(folder.path().join("preset.toml"), preset).unwrap();
    for (file, n_blocks) in [("study.toml", 3), ("preset.toml", 76)] {
        let plan = run(folder.path(), &format!("plan {file} --block-loci 1"));
        assert!(plan.status.success(), "{}", stderr(&plan));
        let text = String::from_utf8(plan.stdout).unwrap();
        let blocks = text.matches("1-sequences/people-1-loci-").count();
        assert!(blocks >= n_blocks, "{file}: {blocks}\n{text}");
        assert!(
            !text.contains(&format!("loci-{}", n_blocks + 1)),
            "{file}\n{text}"
        );
    }
}

#[test]
fn founders_are_the_samples_of_the_panel_that_were_chosen() {
    let folder = folder_with_panel();
    succeed(folder.path(), &format!("{FOUNDERS} --out everyone"));
    fs::write(
        folder.path().join("founders.txt"),
        "P00001\nP00002\nP00003\n",
    )
    .unwrap();
    succeed(
        folder.path(),
        &format!("{FOUNDERS} --samples-file founders.txt --out few"),
    );
    // Records whose ALT is on the first haplotype of a sample.
    let [everyone, few] = ["everyone", "few"].map(|cohort| {
        let vcf = gunzipped(&folder.path().join(cohort).join("cohort.vcf.gz"));
        vcf.lines()
            .filter(|line| !line.starts_with('#') && line.contains("1|"))
            .count()
    });
    assert!(
        few * 2 < everyone,
        "six haplotypes carry fewer variants than 200: {few} of {everyone}"
    );
    let unknown = run(
        folder.path(),
        &format!("{FOUNDERS} --samples P00001,NOBODY --out unknown"),
    );
    assert!(
        stderr(&unknown).contains("no sample `NOBODY`"),
        "{}",
        stderr(&unknown)
    );
    let without_panel = run(folder.path(), "simulate --samples P00001 --out without");
    assert!(
        stderr(&without_panel).contains("select samples of a panel; give a --panel"),
        "{}",
        stderr(&without_panel)
    );
}

#[test]
fn options_that_exclude_each_other_are_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        "simulate --out x --loci loci.bed",
        "simulate --out x --effects weights.txt",
        "simulate --out x --preset ad-2022 --risk cis",
        "simulate --out x --preset ad-1999",
        "simulate --out x --loci-risks risks.csv",
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments}: {}",
            stderr(&output)
        );
    }
}
