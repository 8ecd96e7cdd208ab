//! Results do not depend on how many threads made them: every byte of every command, but the times
//! that stand in a few files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::{command, files_without_times, stderr};

/// A Linformer and an ensemble of an EcoFormer, and a low-rank Primer,, on one cohort.
const PIPELINE: &str = "\
seed = 5

[simulate]
people = 160
len_nt = 5000
risk = \"cis\"

[tokens]
segment_length = 128

[[models]]
additive = 'none'
name = \"linformer\"
[models.architecture]
hidden = 8
layers = 2
heads = 2
projected_length = 8
feed_forward = 8
[models.schedule]
epochs = 2
batch_size = 24

[[models]]
additive = 'none'
name = \"ecoformer\"
[models.architecture]
preset = \"ecoformer\"
hidden = 8
layers = 1
heads = 2
feed_forward = 8
[models.schedule]
epochs = 1
ensemble = 2

[[models]]
name = \"primer\"
[models.architecture]
preset = \"primer\"
hidden = 8
layers = 1
heads = 2
feed_forward = 8
rank = 2.0
[models.schedule]
epochs = 1
";

/// What the commands write, with so many threads; and the bytes that `score` prints.
fn everything(threads: usize) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pipeline.toml"), PIPELINE).unwrap();
    let succeed = |arguments: &str| {
        let limits =
            ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS"].map(|name| (name, threads.to_string()));
        let output = command(folder.path(), arguments)
            .envs(limits)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "`{arguments}` with {threads} threads: {}",
            stderr(&output)
        );
        output.stdout
    };
    let genomes = "--vcf out/0-cohort/cohort.vcf.gz --reference out/0-cohort/reference.fa";
    let people = format!("{genomes} --cohort out/0-cohort/cohort.csv");
    succeed("run pipeline.toml --out out");
    let scored = succeed(&format!("score {people} --model out/3-models/linformer"));
    succeed(&format!(
        "score {people} --model out/4-baselines -o scored.csv"
    ));
    succeed(&format!(
        "explain {people} --model out/3-models/ecoformer --haplotypes 4 --pairs 3 --out explained"
    ));
    succeed(
        "compress out/3-models/linformer --rank 2 --solver random --fine-tune-epochs 1 --tokens \
         out/2-tokens --cohort out/0-cohort/cohort.csv --out compressed",
    );
    succeed(&format!(
        "sequences {genomes} --regions-file out/0-cohort/loci.bed --out fasta"
    ));
    let predictions = "out/3-models/linformer/predictions.csv out/3-models/primer/predictions.csv \
                       out/4-baselines/predictions.csv";
    succeed(&format!(
        "evaluate --predictions {predictions} --cohort out/0-cohort/cohort.csv --bootstrap 200 \
         --guards warn --out report"
    ));
    let mut written = files_without_times(folder.path());
    written.insert("score's table".into(), scored);
    written
}

#[test]
fn one_two_and_five_threads_write_the_same_bytes() {
    let one = everything(1);
    for name in [
        "out/3-models/ecoformer/member-2.safetensors",
        "out/4-baselines/scoring_files/prs-ct.txt.gz",
        "explained/pairs.csv",
    ] {
        assert!(
            one.contains_key(Path::new(name)),
            "no {name} in {:?}",
            one.keys()
        );
    }
    for threads in [2, 5] {
        let other = everything(threads);
        assert_eq!(
            one.keys().collect::<Vec<_>>(),
            other.keys().collect::<Vec<_>>()
        );
        let different: Vec<&PathBuf> = one
            .iter()
            .filter(|(path, bytes)| &other[*path] != *bytes)
            .map(|(path, _)| path)
            .collect();
        assert!(
            different.is_empty(),
            "with {threads} threads other bytes in {different:?}"
        );
    }
}

/// The numbers of the log themselves, without seconds and speed.
#[test]
fn losses_are_the_same_to_the_last_digit() {
    let log = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("pipeline.toml"),
            PIPELINE
                .split("[[models]]")
                .take(2)
                .collect::<Vec<_>>()
                .join("[[models]]"),
        )
        .unwrap();
        let output = command(folder.path(), "run pipeline.toml --out out")
            .env("RAYON_NUM_THREADS", threads.to_string())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let log = fs::read_to_string(
            folder
                .path()
                .join("out/3-models/linformer/training_log.csv"),
        )
        .unwrap();
        log.lines()
            .map(|line| line.split(',').take(6).collect::<Vec<_>>().join(","))
            .collect::<Vec<_>>()
    };
    assert_eq!(log(1), log(3));
}
