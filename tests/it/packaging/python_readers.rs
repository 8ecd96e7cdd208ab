//! Tables, sequences and tokens of a run in pandas, polars and Hugging Face's libraries: the code
//! of `docs/python.md`, run by `oracles/python_tables.py`.
//!
//! Runs with the Python of `GF_PYTHON`, or `python3`; skipped, with a message, where that cannot
//! import the libraries of the document.

use std::{fs, process::Command};

use crate::support::{
    copy, pipelines::tiny_pipeline_with, processes::python_with, repository, rows, stderr, succeed,
};
use gf_haplotypes::Dictionary;
use serde_json::{Value, json};

#[test]
fn tables_sequences_and_tokens_open_in_python_as_the_document_says() {
    let Some(python) = python_with("datasets, pandas, polars, safetensors, tokenizers") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    copy(
        &repository("cohort-schema/schemas"),
        &folder.path().join("cohort-schema/schemas"),
    );
    // The model has its name in the document. With every slot, and tokens for segments that one
    // sample has, the tokens of training samples decode to their sequences.
    let pipeline = tiny_pipeline_with(&[
        ("\"tiny\"", "\"linformer\""),
        (
            "segment_length",
            "slots = 'all'\nmin_token_count = 1\nsegment_length",
        ),
    ]);
    fs::write(folder.path().join("quickstart.toml"), pipeline).unwrap();
    succeed(
        folder.path(),
        "run quickstart.toml --out results/quickstart",
    );
    let made = "results/quickstart/0-cohort";
    let loci = format!(
        "--vcf {made}/cohort.vcf.gz --reference {made}/reference.fa --regions-file {made}/loci.bed"
    );
    succeed(
        folder.path(),
        &format!("sequences {loci} --output haplotypes.fa"),
    );

    let output = Command::new(python)
        .arg(repository("tests/oracles/python_tables.py"))
        .arg(repository("docs/python.md"))
        .arg("haplotypes.fa")
        .current_dir(folder.path())
        .envs([("HF_HUB_OFFLINE", "1"), ("HF_HOME", "huggingface")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let dictionary =
        Dictionary::load(&folder.path().join("results/quickstart/1-sequences")).unwrap();
    let n_predictions = rows(
        &folder
            .path()
            .join("results/quickstart/3-models/linformer/predictions.csv"),
    )
    .len();
    let n_distinct: usize = dictionary
        .loci
        .iter()
        .map(|locus| locus.haplotypes.len())
        .sum();
    assert_eq!(found["people"], json!(dictionary.samples.len()));
    assert_eq!(found["predictions"], json!(n_predictions));
    assert_eq!(found["distinct_haplotypes"], json!(n_distinct));
    // [haplotypes whose tokens decode to the FASTA, haplotypes]. Haplotypes outside of training may
    // have a segment that is not in the vocabulary.
    assert_eq!(found["same_bases"]["train"], json!([180, 180]));
    let same: u64 = ["validation", "test"]
        .iter()
        .filter_map(|split| found["same_bases"][split][0].as_u64())
        .sum();
    assert!(same >= 110, "{found}");
    assert!(
        !folder.path().join("huggingface").exists(),
        "datasets wrote a copy of the people's data"
    );
}
