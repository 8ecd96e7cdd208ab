//! Tables, sequences and tokens of a run in pandas, polars and Hugging Face's libraries: the code
//! of `docs/python.md`, looked at by `oracles/python_tables.py`.
//!
//! Runs with the Python of `GF_PYTHON`, or `python3`; skipped aloud where that cannot import what
//! the document asks for.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{TINY_PIPELINE, copy, rows, stderr, succeed};
use gf_haplotypes::Dictionary;
use serde_json::{Value, json};

const IMPORTS: &str = "import datasets, pandas, polars, safetensors, tokenizers";

#[test]
fn tables_sequences_and_tokens_open_in_python_as_the_document_says() {
    let python = std::env::var("GF_PYTHON").unwrap_or_else(|_| "python3".into());
    if !Command::new(&python)
        .args(["-c", IMPORTS])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        crate::support::no_oracle(&format!(
            "{python} cannot {IMPORTS}; set GF_PYTHON to one that can"
        ));
        return;
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    copy(
        &repository.join("cohort-schema/schemas"),
        &folder.path().join("cohort-schema/schemas"),
    );
    // Named as in the document; every slot, and tokens of segments that one person has, so that
    // everyone in training reads as they are.
    let pipeline = TINY_PIPELINE.replace("\"tiny\"", "\"linformer\"").replace(
        "segment_length",
        "slots = 'all'\nmin_token_count = 1\nsegment_length",
    );
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
        .arg(repository.join("tests/oracles/python_tables.py"))
        .arg(repository.join("docs/python.md"))
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
    assert_eq!(found["people"], json!(dictionary.samples.len()));
    assert_eq!(found["predictions"], json!(n_predictions));
    assert_eq!(
        found["distinct_haplotypes"],
        json!(
            dictionary
                .loci
                .iter()
                .map(|locus| locus.haplotypes.len())
                .sum::<usize>()
        )
    );
    // [haplotypes whose tokens decode to the FASTA, haplotypes]; others may hold a segment that
    // training has not seen.
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
