//! Our tokenizers in Hugging Face's Python library: a `tokenizer.json` gives the same ids there,
//! and training there gives the same merges.
//!
//! Runs `oracles/tokenizer_json.py` with the Python of `GF_PYTHON`, or `python3`; skipped, with a
//! message, where that cannot import `tokenizers`.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use crate::support::{processes::python_with, real_data, repository};
use gf_tokenizer::{Kind, Tokenizer, VocabSize};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// The Python that can import `tokenizers`.
fn python() -> Option<String> {
    python_with("tokenizers")
}

/// Standard output of `oracles/tokenizer_json.py`.
fn oracle(python: &str, arguments: &[&str], input: String) -> String {
    let script = repository("tests/oracles/tokenizer_json.py");
    let mut command = Command::new(python);
    let mut child = command
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
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

/// Counted segments as a locus of 50 places gives them: a reference segment at each, and some
/// others, rarer, in which little is changed.
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

fn bpe(vocab_size: VocabSize) -> Kind {
    Kind::Bpe {
        vocab_size,
        max_token_len_nt: None,
    }
}

/// Ids that Python's library gives for these segments.
fn python_ids(python: &str, file: &Path, segments: &[Vec<u8>]) -> Vec<Vec<u32>> {
    let lines: Vec<_> = segments
        .iter()
        .map(|segment| String::from_utf8_lossy(segment))
        .collect();
    let found = oracle(
        python,
        &["encode", file.to_str().unwrap()],
        lines.join("\n"),
    );
    let ids: Vec<Vec<u32>> = found
        .lines()
        .map(|line| {
            line.split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect()
        })
        .collect();
    assert_eq!(ids.len(), segments.len());
    ids
}

/// Segments to encode: of training, changed, and new.
fn segments_to_encode(training: &[(Vec<u8>, u64)], rng: &mut ChaCha8Rng) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    for number in 0..1_000 {
        segments.push(match number % 4 {
            0 => training.choose(rng).unwrap().0.clone(),
            1 => bases(rng.random_range(1..200), rng),
            _ => changed(&training.choose(rng).unwrap().0, rng),
        });
    }
    segments.retain(|segment| !segment.is_empty());
    assert!(
        segments
            .iter()
            .filter(|segment| segment.contains(&b'N'))
            .count()
            > 100
    );
    segments
}

#[test]
fn the_python_library_gives_the_same_ids_for_every_kind_of_tokenizer() {
    let Some(python) = python() else { return };
    let rng = &mut ChaCha8Rng::seed_from_u64(11);
    let training = training_segments(rng);
    let segments = segments_to_encode(&training, rng);
    let mut kinds = vec![
        bpe(VocabSize::Saturate),
        bpe(VocabSize::AtMost(200)),
        Kind::Nucleotide,
    ];
    kinds.push(Kind::Bpe {
        vocab_size: VocabSize::AtMost(500),
        max_token_len_nt: Some(6),
    });
    kinds.extend([1, 3, 6, 40].map(|length_nt| Kind::Kmer {
        length_nt,
        overlapping: false,
    }));
    for kind in kinds {
        let tokenizer = Tokenizer::train(&kind, b"ACGNT", &training).unwrap();
        assert_same_ids(&python, &kind, &tokenizer, &segments);
    }
}

/// The Python library gives the ids of our tokenizer for every segment.
fn assert_same_ids(python: &str, kind: &Kind, tokenizer: &Tokenizer, segments: &[Vec<u8>]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), tokenizer.json()).unwrap();
    for (segment, ids) in segments
        .iter()
        .zip(python_ids(python, file.path(), segments))
    {
        assert_eq!(
            ids,
            tokenizer.encode(segment).unwrap(),
            "{kind:?}: {}",
            String::from_utf8_lossy(segment)
        );
    }
}

/// Eight random letters of an alphabet, repeated up to a random length.
fn repeated_letters(alphabet: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let letters: Vec<u8> = (0..8).map(|_| *alphabet.choose(rng).unwrap()).collect();
    letters
        .into_iter()
        .cycle()
        .take(rng.random_range(1..60))
        .collect()
}

#[test]
fn the_python_library_gives_the_same_ids_for_iupac_codes_and_for_genotype_symbols() {
    let Some(python) = python() else { return };
    let rng = &mut ChaCha8Rng::seed_from_u64(13);
    // The 66 genotype symbols are as many printable letters as that; which ones does not matter
    // here.
    let symbols: Vec<u8> = (b'!'..=b'~')
        .filter(|letter| !b"[]".contains(letter))
        .take(66)
        .collect();
    for alphabet in [b"ABCDGHKMNRSTVWY".to_vec(), symbols] {
        let training: Vec<(Vec<u8>, u64)> = (0..100)
            .map(|number| (repeated_letters(&alphabet, rng), 1 + number % 7))
            .collect();
        let segments: Vec<Vec<u8>> = (0..300)
            .map(|number| {
                if number % 2 == 0 {
                    training[number / 3].0.clone()
                } else {
                    repeated_letters(&alphabet, rng)
                }
            })
            .collect();
        for kind in [
            bpe(VocabSize::AtMost(300)),
            Kind::Kmer {
                length_nt: 3,
                overlapping: false,
            },
            Kind::Nucleotide,
        ] {
            let tokenizer = Tokenizer::train(&kind, &alphabet, &training).unwrap();
            assert_same_ids(&python, &kind, &tokenizer, &segments);
        }
    }
}

#[test]
fn the_python_library_opens_overlapping_kmers_and_encodes_them_one_after_the_other() {
    let Some(python) = python() else { return };
    let rng = &mut ChaCha8Rng::seed_from_u64(14);
    let training = training_segments(rng);
    let tokenizer = Tokenizer::train(
        &Kind::Kmer {
            length_nt: 6,
            overlapping: true,
        },
        b"ACGNT",
        &training,
    )
    .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), tokenizer.json()).unwrap();
    let segment = training[0].0[..18].to_vec();
    let ours = tokenizer.encode(&segment).unwrap();
    assert_eq!(ours.len(), 13);
    assert_eq!(
        python_ids(&python, file.path(), &[segment]),
        [vec![ours[0], ours[6], ours[12]]]
    );
}

/// A published tokenizer: BPE of 32,000 entries with special tokens of its own ids and without N.
#[test]
fn a_foreign_file_gives_the_ids_of_the_python_library_under_its_own_numbers() {
    let Some(python) = python() else { return };
    let Some(file) = real_data("tokenizers/gena_lm.human_BPE_32k.tokenizer.json") else {
        return;
    };
    let json = std::fs::read_to_string(&file).unwrap();
    let tokenizer = Tokenizer::from_json(&json).unwrap();
    assert_eq!(tokenizer.alphabet(), b"ACGT");
    assert_eq!(tokenizer.vocab_len(), 32_000);
    assert_eq!(tokenizer.json(), json);
    assert_eq!(
        [0, 1, 2, 3, 4].map(|id| tokenizer.token(id).unwrap()),
        gf_tokenizer::SPECIAL_TOKENS
    );
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(|id| tokenizer.file_id(id)),
        [Some(3), Some(0), Some(1), Some(2), Some(4), Some(5)]
    );
    let rng = &mut ChaCha8Rng::seed_from_u64(15);
    let segments: Vec<Vec<u8>> = (0..500)
        .map(|_| bases(rng.random_range(1..512), rng))
        .collect();
    for (segment, ids) in segments.iter().zip(python_ids(&python, &file, &segments)) {
        let ours = tokenizer.encode(segment).unwrap();
        assert_eq!(tokenizer.decode(&ours).unwrap().as_bytes(), segment);
        assert_eq!(
            ids,
            ours.iter()
                .map(|&id| tokenizer.file_id(id).unwrap())
                .collect::<Vec<_>>()
        );
    }
    assert!(
        tokenizer
            .encode(b"ACGN")
            .unwrap_err()
            .to_string()
            .contains("`N` at offset 3 of a segment is not one of the tokenizer's letters ACGT")
    );
}

#[test]
fn training_in_the_python_library_gives_the_same_vocabulary_and_merges() {
    let Some(python) = python() else { return };
    let training = training_segments(&mut ChaCha8Rng::seed_from_u64(12));
    let lines: Vec<String> = training
        .iter()
        .map(|(segment, count)| format!("{}\t{count}", String::from_utf8_lossy(segment)))
        .collect();
    let lines = lines.join("\n");
    for (vocab_size, max_token_len_nt) in [
        (VocabSize::AtMost(60), None),
        (VocabSize::AtMost(500), None),
        (VocabSize::Saturate, None),
        (VocabSize::Saturate, Some(8)),
    ] {
        let kind = Kind::Bpe {
            vocab_size,
            max_token_len_nt,
        };
        let ours: Value =
            serde_json::from_str(Tokenizer::train(&kind, b"ACGNT", &training).unwrap().json())
                .unwrap();
        let most = match vocab_size {
            VocabSize::AtMost(size) => size.to_string(),
            VocabSize::Saturate => "1000000".into(),
        };
        let longest = max_token_len_nt.map_or_else(|| "none".into(), |len_nt| len_nt.to_string());
        let theirs: Value =
            serde_json::from_str(&oracle(&python, &["train", &most, &longest], lines.clone()))
                .unwrap();
        for part in ["vocab", "merges", "unk_token"] {
            assert!(
                !ours["model"][part].is_null() && ours["model"][part] == theirs["model"][part],
                "{kind:?}: {part} differs"
            );
        }
        assert_eq!(ours["added_tokens"], theirs["added_tokens"], "{kind:?}");
    }
}
