//! Our tokenizers in Hugging Face's Python library: a `tokenizer.json` gives the same ids there, and training there gives the same merges.
//!
//! Runs `oracles/tokenizer_json.py` with the Python of `GF_PYTHON`, or `python3`; skipped aloud where that cannot import `tokenizers`.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use gf_tokenizer::{Bpe, VocabSize};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// The Python to ask, if there is one with `tokenizers`.
fn python() -> Option<String> {
    let python = std::env::var("GF_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python).args(["-c", "import tokenizers"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !found {
        eprintln!("SKIPPED: {python} cannot import `tokenizers`; set GF_PYTHON to one that can");
    }
    found.then_some(python)
}

/// Standard output of `oracles/tokenizer_json.py`.
fn oracle(python: &str, arguments: &[&str], input: String) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/tokenizer_json.py");
    let mut command = Command::new(python);
    let mut child = command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{arguments:?} failed");
    String::from_utf8(output.stdout).unwrap()
}

fn bases(len_nt: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    (0..len_nt).map(|_| *b"ACGT".choose(rng).unwrap()).collect()
}

/// `segment` with one base exchanged, deleted or inserted, or a run of N.
fn changed(segment: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bases = segment.to_vec();
    let at = rng.random_range(0..bases.len());
    let end = (at + rng.random_range(0..5)).min(bases.len());
    let inserted = self::bases(rng.random_range(0..5), rng);
    match rng.random_range(0..4) {
        0 => bases[at] = *b"ACGTN".choose(rng).unwrap(),
        1 => drop(bases.splice(at..end, [])),
        2 => drop(bases.splice(at..at, inserted)),
        _ => bases[at..end].fill(b'N'),
    }
    bases
}

/// Counted segments as a locus of 50 places gives them: a reference segment at each, and some others, rarer, in which little is changed.
fn training_segments(rng: &mut ChaCha8Rng) -> Vec<(Vec<u8>, u64)> {
    let mut segments = std::collections::BTreeMap::new();
    for _ in 0..50 {
        let reference = bases(64, rng);
        for _ in 0..rng.random_range(0..6) {
            segments.insert(changed(&reference, rng), rng.random_range(1..30));
        }
        segments.insert(reference, rng.random_range(30..60));
    }
    segments.into_iter().collect()
}

#[test]
fn the_python_library_gives_the_same_ids() {
    let Some(python) = python() else { return };
    let rng = &mut ChaCha8Rng::seed_from_u64(11);
    let training = training_segments(rng);
    for vocab_size in [VocabSize::Saturate, VocabSize::AtMost(200)] {
        let bpe = Bpe::train(&training, vocab_size, None).unwrap();
        let segments: Vec<Vec<u8>> = (0..1_000)
            .map(|number| match number % 4 {
                0 => training.choose(rng).unwrap().0.clone(),
                1 => bases(rng.random_range(1..200), rng),
                _ => changed(&training.choose(rng).unwrap().0, rng),
            })
            .collect();
        assert!(segments.iter().filter(|segment| segment.contains(&b'N')).count() > 100);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bpe.to_json().unwrap()).unwrap();
        let lines: Vec<_> = segments.iter().map(|segment| String::from_utf8_lossy(segment)).collect();
        let found = oracle(&python, &["encode", file.path().to_str().unwrap()], lines.join("\n"));
        assert_eq!(found.lines().count(), segments.len());
        for (segment, found) in segments.iter().zip(found.lines()) {
            let ids: Vec<u32> = found.split_whitespace().map(|id| id.parse().unwrap()).collect();
            assert_eq!(ids, bpe.encode(segment).unwrap(), "{vocab_size:?}: {}", String::from_utf8_lossy(segment));
        }
    }
}

#[test]
fn training_in_the_python_library_gives_the_same_vocabulary_and_merges() {
    let Some(python) = python() else { return };
    let training = training_segments(&mut ChaCha8Rng::seed_from_u64(12));
    let lines: Vec<String> = training.iter().map(|(segment, count)| format!("{}\t{count}", String::from_utf8_lossy(segment))).collect();
    let lines = lines.join("\n");
    for vocab_size in [VocabSize::AtMost(60), VocabSize::AtMost(500), VocabSize::Saturate] {
        let ours: Value = serde_json::from_str(&Bpe::train(&training, vocab_size, None).unwrap().to_json().unwrap()).unwrap();
        let most = match vocab_size {
            VocabSize::AtMost(size) => size,
            VocabSize::Saturate => 1_000_000,
        };
        let theirs: Value = serde_json::from_str(&oracle(&python, &["train", &most.to_string()], lines.clone())).unwrap();
        for part in ["vocab", "merges", "unk_token"] {
            assert!(!ours["model"][part].is_null() && ours["model"][part] == theirs["model"][part], "{vocab_size:?}: {part} differs");
        }
        assert_eq!(ours["added_tokens"], theirs["added_tokens"], "{vocab_size:?}");
    }
}
