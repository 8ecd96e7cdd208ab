//! Tests of the whole stage.

use std::path::Path;

use gf_genotypes::{Locus, Position0, Strand};
use gf_haplotypes::{
    ABSENT_HAPLOTYPE, Edit, Encoding, LocusHaplotypes, Masks, Policies, Provenance,
};
use gf_tokenizer::{CLS, PAD, SEP, VocabSize};
use proptest::{collection::vec, prelude::any};

use super::*;

/// Three samples on a locus of 30 nt with an SNV, a deletion of 13 nt and an insertion.
fn dictionary(strand: Strand) -> Dictionary {
    let locus = Locus {
        name: "L".into(),
        contig: "1".into(),
        start0: Position0::new(100),
        end0: Position0::new(130),
        strand,
    };
    let edits = vec![
        edit(105, 106, "G"),
        edit(112, 125, ""),
        edit(128, 128, "TTT"),
    ];
    let haplotypes = vec![vec![], vec![0], vec![1], vec![0, 2]];
    let reference = b"ACGTACGTACGTTGCATGCAACGTNACGTA".to_vec();
    let pairs = vec![[0, 1], [2, 0], [3, ABSENT_HAPLOTYPE]];
    Dictionary {
        encoding: Encoding::Haplotype,
        iupac: false,
        samples: vec!["a".into(), "b".into(), "c".into()],
        loci: vec![LocusHaplotypes {
            locus,
            contig_len_nt: None,
            masks: Masks::default(),
            encoding: Encoding::Haplotype,
            reference,
            edits,
            haplotypes,
            pairs,
        }],
    }
}

fn edit(start0: usize, end0: usize, alt: &str) -> Edit {
    Edit {
        start0: Position0::new(start0),
        end0: Position0::new(end0),
        alt: alt.as_bytes().to_vec(),
    }
}

/// Options that keep every segment and slot. Segments of single samples are kept too, because
/// there are only three samples.
fn everything() -> Options {
    Options {
        min_token_count: 1,
        slots: Some(Slots::All),
        ..Options::default()
    }
}

fn text_of(tokens: &[u32], tokenizer: &Tokenizer) -> String {
    tokens
        .iter()
        .filter(|&&id| id > gf_tokenizer::MASK)
        .map(|&id| tokenizer.token(id).unwrap())
        .collect()
}

#[test]
fn tokens_joined_are_the_haplotype_on_both_strands_and_any_vocabulary() {
    for strand in [Strand::Forward, Strand::Reverse] {
        for vocab_size in [VocabSize::Saturate, VocabSize::AtMost(12)] {
            let dictionary = dictionary(strand);
            let options = Options {
                vocab_size: Some(vocab_size),
                segment_length: 7,
                ..everything()
            };
            let made = run(&dictionary, &[0, 1, 2], &options).unwrap();
            let locus = &made.tokens.loci[0];
            for haplotype in 0..4 {
                let row = &locus.tokens[haplotype * locus.n_slots..][..locus.n_slots];
                let bases = String::from_utf8(dictionary.loci[0].bases(haplotype as u32)).unwrap();
                assert_eq!(text_of(row, &made.tokenizer), bases);
                assert_eq!((row[0], row[locus.n_slots - 1]), (CLS, SEP));
            }
            assert_eq!(made.summary.n_slot_overflows, 0);
            assert_eq!(made.grid.loci[0].n_slots(), locus.n_slots);
        }
    }
}

#[test]
fn an_unseen_segment_that_does_not_fit_reads_as_the_nearest_known_one_and_is_counted() {
    let dictionary = dictionary(Strand::Forward);
    let options = Options {
        segment_length: 10,
        ..everything()
    };
    // Haplotypes 0 and 1 are known; 2 (a deletion) and 3 (an insertion) are new.
    let Tokenized {
        tokenizer,
        tokens,
        summary,
        ..
    } = run(&dictionary, &[0], &options).unwrap();
    assert!(
        summary.n_unseen_segments > 0 && summary.n_slot_overflows > 0,
        "{summary:?}"
    );
    let locus = &tokens.loci[0];
    assert_eq!(locus.n_slots, 2 + 3, "saturated: one slot a segment");
    let row = &locus.tokens[3 * locus.n_slots..][..locus.n_slots];
    assert_eq!(
        text_of(row, &tokenizer),
        "ACGTAGGTACGTTGCATGCAACGTNACGTA",
        "the inserted TTT is not known, the G is"
    );
}

#[test]
fn not_anchored_tokens_follow_one_another_and_a_longer_haplotype_is_cut_and_counted() {
    let dictionary = dictionary(Strand::Forward);
    let options = Options {
        tokenizer: Some(TokenizerKind::Nucleotide),
        segment_length: 10,
        anchor: Anchor::Haplotype,
        ..everything()
    };
    // Haplotypes 0 and 1 (30 nt) are known; 2 (17 nt) and 3 (33 nt) are new.
    let Tokenized {
        tokenizer,
        grid,
        tokens,
        summary,
        ..
    } = run(&dictionary, &[0], &options).unwrap();
    let locus = &tokens.loci[0];
    assert_eq!(
        (locus.n_slots, &grid.loci[0].first_slot),
        (2 + 30, &vec![1]),
        "the longest row of training"
    );
    assert_eq!((summary.n_slot_overflows, summary.nt_per_token), (1, 1.0));
    assert!(
        summary
            .to_string()
            .contains("1 haplotype with more tokens than any training haplotype"),
        "{summary}"
    );
    let deletion = locus.row(2);
    assert_eq!(
        text_of(deletion, &tokenizer).as_bytes(),
        dictionary.loci[0].bases(2)
    );
    assert!(
        deletion[1..18].iter().all(|&id| id != PAD)
            && deletion[18..31].iter().all(|&id| id == PAD)
            && deletion[31] == SEP
    );
    assert_eq!(
        text_of(locus.row(3), &tokenizer).as_bytes(),
        &dictionary.loci[0].bases(3)[..30]
    );
}

#[test]
fn saved_tokenizer_and_grid_give_the_same_tokens_again_for_every_kind_and_anchor() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("foreign.json");
    std::fs::write(&file, FOREIGN).unwrap();
    let all_kinds = options_of_every_kind(&file);
    for (options, anchor) in all_kinds
        .iter()
        .flat_map(|options| [Anchor::Reference, Anchor::Haplotype].map(|anchor| (options, anchor)))
    {
        let dictionary = dictionary(Strand::Reverse);
        let made = run(
            &dictionary,
            &[0, 1],
            &Options {
                anchor,
                ..options.clone()
            },
        )
        .unwrap();
        let path = folder.path().join("grid.json");
        made.grid.save(&path).unwrap();
        let tokenizer = Tokenizer::from_json(made.tokenizer.json()).unwrap();
        let (tokens, summary) =
            encode(&dictionary, &tokenizer, &Grid::load(&path).unwrap()).unwrap();
        // Only fitting knows what was withheld.
        assert_eq!(
            (tokens, summary),
            (
                made.tokens.clone(),
                Summary {
                    min_token_count: 0,
                    ..made.summary.clone()
                }
            )
        );
        if !options.kmer_overlapping {
            let bases = dictionary.loci[0].bases(2);
            assert_eq!(
                text_of(made.tokens.loci[0].row(2), &tokenizer).as_bytes(),
                bases,
                "{options:?} {anchor:?}"
            );
        }
    }
}

fn options_of_every_kind(tokenizer_file: &Path) -> [Options; 6] {
    [
        segments_of_7(TokenizerKind::Bpe),
        Options {
            vocab_size: Some(VocabSize::AtMost(12)),
            ..segments_of_7(TokenizerKind::Bpe)
        },
        Options {
            kmer_length: Some(3),
            ..segments_of_7(TokenizerKind::Kmer)
        },
        Options {
            kmer_length: Some(3),
            kmer_overlapping: true,
            ..segments_of_7(TokenizerKind::Kmer)
        },
        segments_of_7(TokenizerKind::Nucleotide),
        Options {
            tokenizer: None,
            tokenizer_file: Some(tokenizer_file.into()),
            ..segments_of_7(TokenizerKind::Bpe)
        },
    ]
}

fn segments_of_7(tokenizer: TokenizerKind) -> Options {
    Options {
        tokenizer: Some(tokenizer),
        segment_length: 7,
        ..everything()
    }
}

/// A tokenizer file with different ids for the special tokens.
const FOREIGN: &str = r#"{
    "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
    "post_processor": null, "decoder": null, "truncation": null, "padding": null,
    "model": {"type": "BPE", "unk_token": "<unk>", "merges": [["A", "C"]],
    "vocab": {"A": 0, "C": 1, "G": 2, "T": 3, "<unk>": 4, "<pad>": 5, "AC": 6, "N": 7}}}"#;

#[test]
fn letters_that_a_given_tokenizer_lacks_are_refused_with_the_locus() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = Options {
        tokenizer_file: Some(file.path().into()),
        ..everything()
    };
    std::fs::write(file.path(), FOREIGN.replace("\"N\": 7", "\"X\": 7")).unwrap();
    let error = format!(
        "{:#}",
        anyhow::Error::from(run(&dictionary(Strand::Forward), &[0], &options).unwrap_err())
    );
    assert!(error.starts_with("locus `L`: `N` at offset 24"), "{error}");
    std::fs::write(file.path(), "{}").unwrap();
    let error = run(&dictionary(Strand::Forward), &[0], &options)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&file.path().display().to_string()),
        "{error}"
    );
}

#[test]
fn the_report_counts_unseen_segments_of_each_split_and_leaves_empty_what_is_undefined() {
    use gf_cohort_schema::Split;
    let dictionary = dictionary(Strand::Forward);
    let made = run(
        &dictionary,
        &[0],
        &Options {
            segment_length: 10,
            ..everything()
        },
    )
    .unwrap();
    let splits = [
        (Split::Train, vec![0]),
        (Split::Validation, vec![1, 2]),
        (Split::Test, vec![]),
    ];
    let report = Report::new(&made, &splits, 1.5);
    assert_eq!(report.value("unseen_share_train"), Some(0.0));
    // Haplotypes 2, 0 and 3 have three windows each. The deletion is new in two of them, the
    // insertion in one.
    assert_eq!(report.value("unseen_share_validation"), Some(3.0 / 9.0));
    assert_eq!(
        report.value("unseen_distinct_share_validation"),
        Some(3.0 / 7.0)
    );
    assert_eq!(report.value("unseen_share_test"), None);
    assert_eq!(
        (
            report.value("distinct_segments"),
            report.value("training_segments")
        ),
        (Some(7.0), Some(4.0))
    );
    assert_eq!(
        (
            report.value("tokens_per_haplotype_max"),
            report.value("sequences_seconds")
        ),
        (Some(9.0), Some(1.5))
    );
    let folder = tempfile::tempdir().unwrap();
    report.write(&folder.path().join("report.csv")).unwrap();
    let table = std::fs::read_to_string(folder.path().join("report.csv")).unwrap();
    assert!(
        table.starts_with("measure,value\nnt_per_token,")
            && table.contains("\nunseen_share_test,\n"),
        "{table}"
    );
}

#[test]
fn a_folder_with_files_of_two_runs_is_refused() {
    let lenient = Policies {
        strict: false,
        ..Policies::default()
    };
    let strict = Policies {
        strict: true,
        ..Policies::default()
    };
    let first = saved_folder(&[0], lenient);
    let second = saved_folder(&[0, 1], strict);
    for name in ["tokenizer.json", "grid.json", "genome.json"] {
        let before = std::fs::read(first.path().join(name)).unwrap();
        std::fs::copy(second.path().join(name), first.path().join(name)).unwrap();
        let error = Folder::load(first.path()).unwrap_err().to_string();
        assert!(
            error.contains(
                "tokens.safetensors: is from a different run than the other files of this \
                 folder"
            ),
            "{name}: {error}"
        );
        std::fs::write(first.path().join(name), before).unwrap();
    }
    assert_eq!(Folder::load(first.path()).unwrap().fitted_on, [0]);
}

fn saved_folder(training: &[usize], policies: Policies) -> tempfile::TempDir {
    let dictionary = dictionary(Strand::Forward);
    let made = run(&dictionary, training, &everything()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    Folder {
        tokenizer: made.tokenizer,
        grid: made.grid,
        tokens: made.tokens,
        fitted_on: training.to_vec(),
        genome: Provenance::from_dictionary(&dictionary, policies),
    }
    .save(folder.path())
    .unwrap();
    folder
}

#[test]
fn segments_of_too_few_samples_are_in_neither_tokenizer_nor_grid() {
    let dictionary = dictionary(Strand::Forward);
    // `a` and `b` have the reference. `a` has the G of haplotype 1 on one haplotype, `c` has
    // it together with an insertion.
    let made = run(&dictionary, &[0, 1, 2], &carriers_at_least(2)).unwrap();
    let known = &made.grid.loci[0].known_segments;
    assert_eq!(
        known.concat(),
        ["ACGTACGTAC", "ACGTAGGTAC", "GTTGCATGCA", "ACGTNACGTA"],
        "two samples carry the G"
    );
    assert_eq!(
        (
            made.summary.n_withheld_segments,
            made.summary.n_unseen_segments
        ),
        (3, 3)
    );
    assert!(made.summary.to_string().contains(
        "3 segments withheld from tokenizer and grid, because fewer than 2 training \
             samples carry them"
    ));
    let row = made.tokens.loci[0].row(3);
    assert_eq!(
        text_of(row, &made.tokenizer),
        "ACGTAGGTACGTTGCATGCAACGTNACGTA",
        "the insertion of one sample is read like that of a new sample"
    );
    assert_eq!(
        run(&dictionary, &[0, 1, 2], &carriers_at_least(3))
            .unwrap()
            .grid
            .n_known_segments(),
        3,
        "the reference alone"
    );
    assert_eq!(
        run(&dictionary, &[0, 1, 2], &carriers_at_least(1))
            .unwrap()
            .summary
            .n_withheld_segments,
        0
    );
}

fn carriers_at_least(min_token_count: usize) -> Options {
    Options {
        min_token_count,
        segment_length: 10,
        ..everything()
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// For any cohort, tokenizer and least number of carriers.
    #[test]
    fn every_token_is_of_enough_people_or_of_the_reference(
        edits in vec((0..30usize, 0..3usize, "[ACGT]{0,3}"), 1..8),
        carried in vec(vec(any::<bool>(), 8), 2..12),
        least in 1..5usize,
        kind in 0..4usize,
        is_anchored in any::<bool>(),
    ) {
        let dictionary = dictionary_with_edits(edits, &carried);
        let options = Options {
            min_token_count: least,
            anchor: if is_anchored { Anchor::Reference } else { Anchor::Haplotype },
            ..segments_of_8(kind)
        };
        let training: Vec<usize> = (0..dictionary.samples.len())
            .filter(|sample| sample % 4 != 3)
            .collect();
        let made = run(&dictionary, &training, &options).unwrap();
        let locus = &dictionary.loci[0];
        let reference = String::from_utf8(locus.reference.clone()).unwrap();
        let ids = gf_tokenizer::MASK + 1..made.tokenizer.vocab_len() as u32;
        let tokens = ids.map(|id| made.tokenizer.token(id).unwrap().to_owned());
        let known = made.grid.loci[0].known_segments.concat();
        for text in tokens.chain(known).filter(|text| text.len() > 1) {
            let n_people = training
                .iter()
                .filter(|sample| has_text(locus, **sample, &text))
                .count();
            proptest::prop_assert!(
                n_people >= least || reference.contains(&text),
                "{n_people} samples carry {text}"
            );
        }
    }
}

/// One sample per haplotype; `carried` is haplotypes x edits.
fn dictionary_with_edits(edits: Vec<(usize, usize, String)>, carried: &[Vec<bool>]) -> Dictionary {
    let mut edits: Vec<Edit> = edits
        .into_iter()
        .map(|(offset, len, alt)| edit(100 + offset, (100 + offset + len).min(130), &alt))
        .collect();
    edits.sort_by_key(|edit| edit.start0);
    edits.dedup_by(|next, before| next.start0 <= before.end0);
    let n_edits = edits.len();
    let n = carried.len() as u32;
    let mut dictionary = dictionary(Strand::Forward);
    let locus = &mut dictionary.loci[0];
    locus.edits = edits;
    locus.haplotypes = carried
        .iter()
        .map(|carries| {
            (0..n_edits as u32)
                .filter(|&edit| carries[edit as usize])
                .collect()
        })
        .collect();
    locus.pairs = (0..n)
        .map(|sample| [sample, (sample * 3 + 1) % n])
        .collect();
    dictionary.samples = (0..n).map(|sample| sample.to_string()).collect();
    dictionary
}

/// Kind 0: saturated BPE; 1: BPE of 20 tokens; 2: 3-mers; 3: nucleotides.
fn segments_of_8(kind: usize) -> Options {
    let tokenizer = match kind {
        0 | 1 => TokenizerKind::Bpe,
        2 => TokenizerKind::Kmer,
        _ => TokenizerKind::Nucleotide,
    };
    Options {
        tokenizer: Some(tokenizer),
        vocab_size: (kind == 1).then_some(VocabSize::AtMost(20)),
        kmer_length: (kind == 2).then_some(3),
        segment_length: 8,
        slots: Some(Slots::All),
        ..Options::default()
    }
}

fn has_text(locus: &LocusHaplotypes, sample: usize, text: &str) -> bool {
    locus.pairs[sample].iter().any(|&haplotype| {
        let bases = String::from_utf8(locus.bases(haplotype)).unwrap();
        bases.contains(text)
    })
}

/// Single nucleotides, so that a token is a base and the slots of both grids can be compared.
fn nucleotides(slots: Slots) -> Options {
    Options {
        tokenizer: Some(TokenizerKind::Nucleotide),
        segment_length: 10,
        slots: Some(slots),
        ..everything()
    }
}

#[test]
fn only_slots_with_two_versions_in_training_are_kept_and_the_others_are_known() {
    let dictionary = dictionary(Strand::Forward);
    let all = run(&dictionary, &[0, 1, 2], &nucleotides(Slots::All)).unwrap();
    let varying = run(&dictionary, &[0, 1, 2], &nucleotides(Slots::Varying)).unwrap();
    let all_slots = &all.tokens.loci[0];
    let varying_slots = &varying.tokens.loci[0];
    let expected_slots: Vec<usize> = (0..all_slots.n_slots)
        .filter(|&slot| {
            slot == 0
                || slot == all_slots.n_slots - 1
                || (1..4).any(|i| all_slots.row(i)[slot] != all_slots.row(0)[slot])
        })
        .collect();
    assert_eq!(varying_slots.n_slots, expected_slots.len());
    for haplotype in 0..4 {
        let expected_row: Vec<u32> = expected_slots
            .iter()
            .map(|&slot| all_slots.row(haplotype)[slot])
            .collect();
        assert_eq!(varying_slots.row(haplotype), expected_row);
    }
    let known = &varying.grid.loci[0].known_segments;
    assert!(
        known.iter().all(|segments| !segments.is_empty()),
        "the segments of every window are known"
    );
}

#[test]
fn a_segment_that_does_not_vary_has_no_slot_and_is_not_in_the_vocabulary() {
    let dictionary = dictionary(Strand::Forward);
    let options = Options {
        segment_length: 10,
        slots: Some(Slots::Varying),
        ..everything()
    };
    // Haplotypes 0 and 1 differ by a G in the first of three windows.
    let made = run(&dictionary, &[0], &options).unwrap();
    assert_eq!(made.tokens.loci[0].n_slots, 2 + 1);
    let row = made.tokens.loci[0].row(1);
    assert_eq!(text_of(row, &made.tokenizer), "ACGTAGGTAC");
    assert!(is_in_vocabulary("ACGTAGGTAC", &made.tokenizer));
    assert!(!is_in_vocabulary("GTTGCATGCA", &made.tokenizer));
}

fn is_in_vocabulary(bases: &str, tokenizer: &Tokenizer) -> bool {
    (0..tokenizer.vocab_len() as u32).any(|id| tokenizer.token(id) == Some(bases))
}

#[test]
fn alleles_where_training_does_not_vary_are_counted_for_every_sample() {
    let dictionary = dictionary(Strand::Forward);
    let options = Options {
        segment_length: 10,
        slots: Some(Slots::Varying),
        ..everything()
    };
    let made = run(&dictionary, &[0], &options).unwrap();
    // Sample b has the deletion (one allele, in two windows), sample c the insertion; both are
    // new, in windows without slots.
    let summary = &made.summary;
    assert_eq!(
        (
            summary.n_unread_alleles,
            summary.n_samples_with_unread_alleles,
            summary.most_unread_alleles
        ),
        (3, 2, 2)
    );
    assert!(summary.to_string().contains(
        "3 alleles are not read, because their segments do not vary in training; 2 samples \
         affected"
    ));
    let locus = &dictionary.loci[0];
    let encoded = encode_haplotypes(locus, 0, &made.tokenizer, &made.grid).unwrap();
    let approximated: Vec<usize> = encoded.approximated.iter().map(Vec::len).collect();
    assert_eq!(
        approximated,
        [0, 0, 2, 1],
        "explain reports switches that the model does not read"
    );
}

#[test]
fn nothing_that_varies_is_an_error_that_names_the_next_action() {
    let mut dictionary = dictionary(Strand::Forward);
    dictionary.loci[0].pairs = vec![[0, 0]; 3];
    let options = Options {
        slots: Some(Slots::Varying),
        ..everything()
    };
    let message = run(&dictionary, &[0, 1, 2], &options)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("no segment of the loci varies") && message.contains("--slots all"),
        "{message}"
    );
    let message = Options {
        anchor: Anchor::Haplotype,
        ..options
    }
    .kind()
    .unwrap_err()
    .to_string();
    assert!(
        message.contains("needs segments anchored to the reference"),
        "{message}"
    );
}

#[test]
fn nothing_of_samples_outside_training_is_in_the_vocabulary() {
    let dictionary = dictionary(Strand::Forward);
    let options = Options {
        segment_length: 10,
        ..everything()
    };
    let of_first = run(&dictionary, &[0], &options)
        .unwrap()
        .tokenizer
        .json()
        .to_string();
    let mut others_changed = dictionary.clone();
    others_changed.loci[0].edits[2].alt = b"CCCCCC".to_vec();
    assert_eq!(
        of_first,
        run(&others_changed, &[0], &options)
            .unwrap()
            .tokenizer
            .json()
    );
}
