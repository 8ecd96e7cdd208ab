//! Results do not depend on the number of threads: every byte of every command is the same, apart
//! from the times in a few files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::{
    command, different_files, files_without_times, pipelines::folder_with_pipeline, stderr,
};

/// A Linformer, an ensemble of an EcoFormer, and a low-rank Primer, on one cohort.
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

/// Files that the commands write with so many threads, and the table that `score` prints.
fn everything(threads: usize) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = folder_with_pipeline(PIPELINE);
    let genomes = "--vcf out/0-cohort/cohort.vcf.gz --reference out/0-cohort/reference.fa";
    let people = format!("{genomes} --cohort out/0-cohort/cohort.csv");
    let predictions = "out/3-models/linformer/predictions.csv out/3-models/primer/predictions.csv \
                       out/4-baselines/predictions.csv";
    for arguments in [
        "run pipeline.toml --out out",
        &format!("score {people} --model out/4-baselines -o scored.csv"),
        &format!(
            "explain {people} --model out/3-models/ecoformer --haplotypes 4 --pairs 3 --out \
             explained"
        ),
        "compress out/3-models/linformer --rank 2 --solver random --fine-tune-epochs 1 --tokens \
         out/2-tokens --cohort out/0-cohort/cohort.csv --out compressed",
        &format!("sequences {genomes} --regions-file out/0-cohort/loci.bed --out fasta"),
        &format!(
            "evaluate --predictions {predictions} --cohort out/0-cohort/cohort.csv --bootstrap \
             200 --guards warn --out report"
        ),
    ] {
        succeed_on_threads(folder.path(), threads, arguments);
    }
    let score = format!("score {people} --model out/3-models/linformer");
    let scored = succeed_on_threads(folder.path(), threads, &score);
    let mut written = files_without_times(folder.path());
    written.insert("score's table".into(), scored);
    written
}

/// Runs the program with so many threads, and returns its standard output.
fn succeed_on_threads(folder: &Path, threads: usize, arguments: &str) -> Vec<u8> {
    let limits =
        ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS"].map(|name| (name, threads.to_string()));
    let output = command(folder, arguments).envs(limits).output().unwrap();
    assert!(
        output.status.success(),
        "`{arguments}` with {threads} threads: {}",
        stderr(&output)
    );
    output.stdout
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
        let different = different_files(&one, &other);
        assert!(
            different.is_empty(),
            "with {threads} threads other bytes in {different:?}"
        );
    }
}

#[test]
fn losses_are_the_same_to_the_last_digit() {
    assert_eq!(losses(1), losses(3));
}

/// The training log of the first model, without seconds and speed.
fn losses(threads: usize) -> Vec<String> {
    let (before_others, _) = PIPELINE
        .rsplit_once("\n[[models]]\nname = \"primer\"")
        .unwrap();
    let (first_model, _) = before_others.rsplit_once("[[models]]").unwrap();
    let folder = folder_with_pipeline(first_model);
    let output = command(folder.path(), "run pipeline.toml --out out")
        .env("RAYON_NUM_THREADS", threads.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let path = folder
        .path()
        .join("out/3-models/linformer/training_log.csv");
    let log = fs::read_to_string(path).unwrap();
    log.lines()
        .map(|line| line.split(',').take(6).collect::<Vec<_>>().join(","))
        .collect()
}
