//! Damaged `tokenizer.json` files: every one is refused, or encodes with its tokens joined = input.
//! Never a panic.
//!
//! `GF_FUZZ_CASES=100000 cargo test --release -p gf-tokenizer --test mutated_files -- --nocapture`
//! runs more cases than the suite does.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use gf_tokenizer::{Kind, MASK, Tokenizer, VocabSize};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// What is put in place of a value, or anywhere: numbers at the edge of types, components of every
/// sort.
const SNIPPETS: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "3",
    "0.5",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "1e400",
    "\"\"",
    "\"A\"",
    "\"##\"",
    "[]",
    "{}",
    "\"[UNK]\"",
    "\"\\u0000\"",
    "\"é\"",
    "\"BPE\"",
    "\"WordPiece\"",
    "\"WordLevel\"",
    "\"Unigram\"",
    "[\"A\", \"C\"]",
    "[\"AC\", \"GT\"]",
    r#"{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}"#,
    r#"{"type": "Split", "pattern": {"Regex": "(A+)+$"}, "behavior": "Isolated", "invert": false}"#,
    r#"{"type": "Split", "pattern": {"Regex": ""}, "behavior": "Removed", "invert": true}"#,
    concat!(
        r#"{"type": "Split", "pattern": {"String": "C"}, "#,
        r#""behavior": "MergedWithNext", "invert": false}"#
    ),
    r#"{"type": "FixedLength", "length": 0}"#,
    r#"{"type": "Lowercase"}"#,
    r#"{"type": "Strip", "strip_left": true, "strip_right": true}"#,
    concat!(
        r#"{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "#,
        r#""strip_accents": null, "lowercase": false}"#
    ),
    r#"{"type": "Precompiled", "precompiled_charsmap": "AAAA"}"#,
    concat!(
        r#"{"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, "#,
        r#"{"type": "Punctuation", "behavior": "Isolated"}]}"#
    ),
    concat!(
        r#"{"id": 9, "content": "AC", "single_word": true, "lstrip": true, "rstrip": true, "#,
        r#""normalized": true, "special": false}"#
    ),
    r#""gf_genomics_overlapping_kmer_length": 3, "x": "#,
];

fn files() -> Vec<String> {
    let segments = [
        (b"ACGTACGTTTGACA".to_vec(), 5),
        (b"ACGTACGTTAGACA".to_vec(), 2),
        (b"GGGNCC".to_vec(), 1),
    ];
    let mut kinds = vec![
        bpe(VocabSize::Saturate),
        bpe(VocabSize::AtMost(16)),
        Kind::Nucleotide,
    ];
    kinds.extend([false, true].map(|overlapping| Kind::Kmer {
        length_nt: 3,
        overlapping,
    }));
    kinds
        .iter()
        .map(|kind| {
            Tokenizer::train(kind, b"ACGNT", &segments)
                .unwrap()
                .json()
                .to_string()
        })
        .collect()
}

fn bpe(vocab_size: VocabSize) -> Kind {
    Kind::Bpe {
        vocab_size,
        max_token_len_nt: None,
    }
}

/// A published file, if it is available.
fn foreign_file() -> Option<String> {
    let file = "../../shared/data/tokenizers/gena_lm.human_BPE_32k.tokenizer.json";
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok()
}

/// Flips, inserts, deletes, repeats or cuts off bytes, or exchanges a value for a snippet.
fn mutate(file: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    if file.is_empty() {
        return;
    }
    let at = rng.random_range(0..file.len());
    let end = (at + rng.random_range(1..20)).min(file.len());
    let snippet = SNIPPETS.choose(rng).unwrap().bytes();
    match rng.random_range(0..12) {
        0 => file[at] ^= 1 << rng.random_range(0..8),
        1 => file[at] = *b"\"{}[],:0129ACGTN \\".choose(rng).unwrap(),
        2 => drop(file.drain(at..end)),
        3 => file.truncate(at),
        4 => drop(file.splice(at..at, snippet)),
        5 => {
            let part = file[at..end].to_vec();
            let to = rng.random_range(0..file.len());
            drop(file.splice(to..to, part));
        }
        // A component that is not there, a letter, a digit.
        6 | 7 => {
            let nulls: Vec<usize> = (0..file.len())
                .filter(|&at| file[at..].starts_with(b"null"))
                .collect();
            if let Some(&at) = nulls.choose(rng) {
                drop(file.splice(at..at + 4, snippet));
            }
        }
        8 | 9 => {
            let letters: Vec<usize> = (0..file.len())
                .filter(|&at| b"ACGTN0123456789".contains(&file[at]))
                .collect();
            if let Some(&at) = letters.choose(rng) {
                file[at] = *b"ACGTN0123456789".choose(rng).unwrap();
            }
        }
        _ => {
            // The value after a colon or in a list, up to what ends it.
            let starts: Vec<usize> = (0..file.len())
                .filter(|&at| b":[,".contains(&file[at]))
                .collect();
            if let Some(start) = starts.choose(rng).map(|at| at + 1) {
                let len = file[start..]
                    .iter()
                    .position(|byte| b",}]".contains(byte))
                    .unwrap_or(0);
                drop(file.splice(start..start + len, snippet));
            }
        }
    }
}

/// Whether the file was taken, and how many segments it encoded.
fn outcome(json: &str, rng: &mut ChaCha8Rng) -> (bool, usize) {
    let tokenizer = match Tokenizer::from_json(json) {
        Ok(tokenizer) => tokenizer,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return (false, 0);
        }
    };
    let mut n_encoded = 0;
    for _ in 0..4 {
        let segment: Vec<u8> = (0..rng.random_range(0..200))
            .map(|_| *tokenizer.alphabet().choose(rng).unwrap())
            .collect();
        if let Ok(ids) = tokenizer.encode(&segment) {
            assert_eq!(tokenizer.decode(&ids).unwrap().as_bytes(), segment);
            assert!(
                ids.iter()
                    .all(|&id| id > MASK && (id as usize) < tokenizer.vocab_len())
            );
            n_encoded += 1;
        }
    }
    (true, n_encoded)
}

#[test]
fn a_damaged_file_is_refused_or_encodes_without_loss() {
    let n_cases: u64 = std::env::var("GF_FUZZ_CASES").map_or(2_000, |cases| {
        cases.parse().expect("GF_FUZZ_CASES is a number")
    });
    let files = files();
    let foreign = foreign_file();
    let mut n_taken = 0;
    let mut n_encoded = 0;
    for case in 0..n_cases {
        let rng = &mut ChaCha8Rng::seed_from_u64(case);
        // The published file is large: one case in 100.
        let file = foreign
            .as_ref()
            .filter(|_| case % 100 == 0)
            .unwrap_or_else(|| files.choose(rng).unwrap());
        let mut bytes = file.clone().into_bytes();
        for _ in 0..rng.random_range(1..3) {
            mutate(&mut bytes, rng);
        }
        let json = String::from_utf8_lossy(&bytes);
        let Ok((taken, encoded)) = catch_unwind(AssertUnwindSafe(|| outcome(&json, rng))) else {
            panic!(
                "case {case}: {}",
                json.chars().take(4_000).collect::<String>()
            );
        };
        n_taken += u64::from(taken);
        n_encoded += encoded;
    }
    println!(
        "{n_cases} damaged files: {n_taken} taken, {n_encoded} segments encoded without loss, the \
         rest refused"
    );
    assert!(
        n_taken > n_cases / 50 && n_taken < n_cases,
        "{n_taken} of {n_cases} taken: the damage is too great or too small"
    );
}
