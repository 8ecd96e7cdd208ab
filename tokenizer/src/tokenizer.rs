//! A tokenizer, trained or read from a file: bases to token ids and back without loss.
//!
//! Special tokens have the first ids, whatever their ids in the file.

use std::collections::HashMap;

use tokenizers::Tokenizer as HuggingFace;

use crate::{Error, MASK, SPECIAL_TOKENS, file, train};

/// Names of the special tokens in files of other programs, in the order of [`SPECIAL_TOKENS`].
const SPECIAL_ALIASES: [&[&str]; 5] = [
    &["<pad>"],
    &["<unk>"],
    &["<cls>", "<s>"],
    &["<sep>", "</s>", "<eos>"],
    &["<mask>"],
];

/// Encodes bases to token ids and decodes them.
///
/// In a file made by this program the special tokens come first, and ids are those of the file. In
/// a file of another program the special tokens get the ids [`crate::PAD`] to [`crate::MASK`], and
/// the other entries follow in the order of their ids in the file.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    json: String,
    inner: HuggingFace,
    /// Letters that encode to themselves, ascending.
    alphabet: Vec<u8>,
    /// The vocabulary by id.
    entries: Vec<Entry>,
    id_of_file_id: HashMap<u32, u32>,
    overlapping: Option<Overlapping>,
}

/// One entry of the vocabulary.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    text: String,
    /// Id in the `tokenizer.json`; `None` for a special token that the file lacks.
    file_id: Option<u32>,
}

/// K-mers with stride 1. A k-mer that training has not seen becomes its first letter.
#[derive(Clone, Debug)]
struct Overlapping {
    length: usize,
    id_of: HashMap<String, u32>,
}

impl Tokenizer {
    /// Fits a tokenizer on distinct segments and their counts. `alphabet` has every letter that
    /// sequences may contain, ascending.
    ///
    /// ```
    /// use gf_tokenizer::{Kind, Tokenizer};
    ///
    /// let kind = Kind::Kmer { length_nt: 3, overlapping: false };
    /// let tokenizer = Tokenizer::train(&kind, b"ACGT", &[(b"ACGTTA".to_vec(), 2)])?;
    /// let ids = tokenizer.encode(b"ACGTT")?;
    /// let texts: Vec<_> = ids.into_iter().map(|id| tokenizer.token(id)).collect();
    /// // Letters after the last whole k-mer are single tokens.
    /// assert_eq!(texts, [Some("ACG"), Some("T"), Some("T")]);
    /// # Ok::<(), gf_tokenizer::Error>(())
    /// ```
    ///
    /// # Errors
    /// No segment, a byte outside of the alphabet, an alphabet with unprintable letters, or sizes
    /// out of range.
    pub fn train(
        kind: &train::Kind,
        alphabet: &[u8],
        segments: &[(Vec<u8>, u64)],
    ) -> Result<Self, Error> {
        let trained = train::train(kind, alphabet, segments)?;
        let json = match trained.overlapping {
            None => trained.inner.to_string(true).map_err(Error::library)?,
            Some(length) => train::with_overlapping(&trained.inner, length)?,
        };
        Self::new(json, trained.inner, trained.overlapping)
    }

    /// Reads a `tokenizer.json` of this or another program.
    ///
    /// # Errors
    /// Malformed JSON, or a tokenizer whose joined tokens would differ from the sequence.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let opened = file::open(json)?;
        Self::new(json.to_string(), opened.inner, opened.overlapping)
    }

    /// The text of the `tokenizer.json`. A tokenizer that was read keeps its original text.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    fn new(json: String, inner: HuggingFace, overlapping: Option<usize>) -> Result<Self, Error> {
        let entries = ordered_entries(&inner)?;
        let id_of_file_id = entries
            .iter()
            .enumerate()
            .filter_map(|(id, entry)| Some((entry.file_id?, id as u32)))
            .collect();
        let overlapping = overlapping
            .map(|length| Overlapping::new(length, &entries))
            .transpose()?;
        let mut tokenizer = Self {
            json,
            inner,
            alphabet: Vec::new(),
            entries,
            id_of_file_id,
            overlapping,
        };
        let alphabet = tokenizer.letters_without_loss();
        if alphabet.is_empty() {
            return Err(Error::Unusable(
                "no single letter of its vocabulary encodes to itself, so it cannot encode \
                 sequences"
                    .into(),
            ));
        }
        // A segment of several letters must also be decoded without loss.
        tokenizer.lossless(&alphabet)?;
        tokenizer.alphabet = alphabet;
        Ok(tokenizer)
    }

    /// The letters that are entries and that encode to themselves, ascending.
    fn letters_without_loss(&self) -> Vec<u8> {
        let mut letters: Vec<u8> = self
            .entries
            .iter()
            .skip(SPECIAL_TOKENS.len())
            .filter_map(|entry| match entry.text.as_bytes() {
                &[letter] if train::is_letter(letter) => Some(letter),
                _ => None,
            })
            .filter(|&letter| self.lossless(&[letter]).is_ok_and(|ids| ids.len() == 1))
            .collect();
        letters.sort_unstable();
        letters
    }

    /// Number of entries, special tokens included.
    #[must_use]
    pub fn vocab_len(&self) -> usize {
        self.entries.len()
    }

    /// The letters that can be encoded, ascending.
    #[must_use]
    pub fn alphabet(&self) -> &[u8] {
        &self.alphabet
    }

    /// Text of a token id.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<&str> {
        self.entries
            .get(id as usize)
            .map(|entry| entry.text.as_str())
    }

    /// The id that a token has in the `tokenizer.json`; `None` for a special token that the file
    /// lacks.
    #[must_use]
    pub fn file_id(&self, id: u32) -> Option<u32> {
        self.entries.get(id as usize)?.file_id
    }

    /// Token ids of one segment; [`Self::decode`] gives the segment back.
    ///
    /// # Errors
    /// A byte outside of the alphabet, or a foreign tokenizer that would change the segment.
    pub fn encode(&self, segment: &[u8]) -> Result<Vec<u32>, Error> {
        if let Some(offset) = segment
            .iter()
            .position(|letter| self.alphabet.binary_search(letter).is_err())
        {
            let alphabet = String::from_utf8_lossy(&self.alphabet).into_owned();
            return Err(Error::NotInAlphabet {
                byte: segment[offset],
                offset,
                alphabet,
            });
        }
        self.lossless(segment)
    }

    /// The segment that was encoded; `None` for an unknown id.
    ///
    /// It is the joined texts of the tokens. For overlapping k-mers it is the first letter of each
    /// k-mer and all of the last one.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> Option<String> {
        let texts = ids
            .iter()
            .map(|&id| self.token(id))
            .collect::<Option<Vec<_>>>()?;
        if self.overlapping.is_none() {
            return Some(texts.concat());
        }
        let Some((last, before)) = texts.split_last() else {
            return Some(String::new());
        };
        let first_letters = before.iter().filter_map(|text| text.get(..1));
        Some(first_letters.chain([*last]).collect())
    }

    fn id_of_file_id(&self, file_id: u32) -> Result<u32, Error> {
        self.id_of_file_id
            .get(&file_id)
            .copied()
            .ok_or_else(|| Error::Unusable(format!("no entry has the id {file_id}")))
    }

    /// Encodes a segment and checks that it decodes to itself, without special tokens.
    fn lossless(&self, segment: &[u8]) -> Result<Vec<u32>, Error> {
        if segment.is_empty() {
            return Ok(Vec::new());
        }
        let text = std::str::from_utf8(segment).map_err(Error::library)?;
        let ids = if let Some(overlapping) = &self.overlapping {
            overlapping.encode(text)?
        } else {
            let encoding = self
                .inner
                .encode_fast(text, false)
                .map_err(Error::library)?;
            encoding
                .get_ids()
                .iter()
                .map(|file_id| self.id_of_file_id(*file_id))
                .collect::<Result<Vec<u32>, _>>()?
        };
        let decoded = self.decode(&ids).unwrap_or_default();
        if decoded == text && ids.iter().all(|&id| id > MASK) {
            Ok(ids)
        } else {
            Err(Error::Lossy {
                segment: text.to_string(),
                tokens: decoded,
            })
        }
    }
}

/// The entries of a vocabulary with the special tokens first, then by their ids in the file.
fn ordered_entries(inner: &HuggingFace) -> Result<Vec<Entry>, Error> {
    let mut vocabulary: Vec<(String, u32)> = inner.get_vocab(true).into_iter().collect();
    vocabulary.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    if let Some(pair) = vocabulary.windows(2).find(|pair| pair[0].1 == pair[1].1) {
        return Err(Error::Unusable(format!(
            "`{}` and `{}` have the same id",
            pair[0].0, pair[1].0
        )));
    }
    let mut entries: Vec<Entry> = SPECIAL_TOKENS
        .iter()
        .zip(&SPECIAL_ALIASES)
        .map(|(name, aliases)| special_entry(&vocabulary, name, aliases))
        .collect();
    let special_ids: Vec<Option<u32>> = entries.iter().map(|entry| entry.file_id).collect();
    entries.extend(
        vocabulary
            .into_iter()
            .map(|(text, file_id)| Entry {
                text,
                file_id: Some(file_id),
            })
            .filter(|entry| !special_ids.contains(&entry.file_id)),
    );
    Ok(entries)
}

/// A special token under its name or, in a file of another program, an alias.
fn special_entry(vocabulary: &[(String, u32)], name: &str, aliases: &[&str]) -> Entry {
    [&[name], aliases]
        .concat()
        .into_iter()
        .find_map(|name| vocabulary.iter().find(|(text, _)| text == name))
        .map_or_else(
            || Entry {
                text: name.to_string(),
                file_id: None,
            },
            |(text, file_id)| Entry {
                text: text.clone(),
                file_id: Some(*file_id),
            },
        )
}

impl Overlapping {
    /// Takes the k-mers of `length` letters and the single letters from a vocabulary.
    fn new(length: usize, entries: &[Entry]) -> Result<Self, Error> {
        if !train::KMER_LENGTHS.contains(&length) {
            return Err(Error::KmerLength(length));
        }
        let id_of = entries
            .iter()
            .enumerate()
            .skip(SPECIAL_TOKENS.len())
            .filter(|(_, entry)| entry.text.len() == length || entry.text.len() == 1)
            .map(|(id, entry)| (entry.text.clone(), id as u32))
            .collect();
        Ok(Self { length, id_of })
    }

    /// Encodes a k-mer at every letter at which k letters start. An unknown k-mer becomes its first
    /// letter. Letters that no k-mer covers at the end become single tokens.
    fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::with_capacity(text.len());
        let mut ends_in_kmer = false;
        for at in 0..(text.len() + 1).saturating_sub(self.length) {
            let known = text
                .get(at..at + self.length)
                .and_then(|kmer| self.id_of.get(kmer))
                .copied();
            ends_in_kmer = known.is_some();
            ids.push(known.map_or_else(|| self.id_of_letter(text, at), Ok)?);
        }
        if !ends_in_kmer {
            for at in ids.len()..text.len() {
                ids.push(self.id_of_letter(text, at)?);
            }
        }
        Ok(ids)
    }

    fn id_of_letter(&self, text: &str, at: usize) -> Result<u32, Error> {
        let letter = text.get(at..=at).unwrap_or_default();
        self.id_of
            .get(letter)
            .copied()
            .ok_or_else(|| Error::Unusable(format!("`{letter}` is not in the vocabulary")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{CLS, Kind, PAD, SEP, UNK, VocabSize};

    const BASES: &[u8] = b"ACGNT";

    fn train(kind: &Kind) -> Tokenizer {
        let segments = [
            (b"ACGTACGTTTGACA".to_vec(), 5),
            (b"ACGTACGTTAGACA".to_vec(), 2),
            (b"GGGNCC".to_vec(), 1),
        ];
        Tokenizer::train(kind, BASES, &segments).unwrap()
    }

    fn bpe(vocab_size: VocabSize) -> Tokenizer {
        train(&Kind::Bpe {
            vocab_size,
            max_token_len_nt: None,
        })
    }

    fn texts(tokenizer: &Tokenizer, segment: &str) -> Vec<String> {
        let ids = tokenizer.encode(segment.as_bytes()).unwrap();
        ids.into_iter()
            .map(|id| tokenizer.token(id).unwrap().to_string())
            .collect()
    }

    fn every_kind() -> Vec<Tokenizer> {
        let sizes = [
            VocabSize::Saturate,
            VocabSize::AtMost(10),
            VocabSize::AtMost(14),
        ];
        let mut kinds: Vec<Kind> = sizes
            .into_iter()
            .map(|vocab_size| Kind::Bpe {
                vocab_size,
                max_token_len_nt: None,
            })
            .collect();
        kinds.push(Kind::Bpe {
            vocab_size: VocabSize::Saturate,
            max_token_len_nt: Some(4),
        });
        kinds.push(Kind::Nucleotide);
        for length_nt in [1, 2, 3, 6, 20] {
            kinds.extend([false, true].map(|overlapping| Kind::Kmer {
                length_nt,
                overlapping,
            }));
        }
        kinds.iter().map(train).collect()
    }

    #[test]
    fn a_saturated_vocabulary_has_one_token_for_each_training_segment() {
        let bpe = bpe(VocabSize::Saturate);
        for segment in ["ACGTACGTTTGACA", "ACGTACGTTAGACA", "GGGNCC"] {
            assert_eq!(texts(&bpe, segment), [segment]);
        }
    }

    #[test]
    fn a_fixed_vocabulary_is_not_exceeded() {
        assert_eq!(bpe(VocabSize::AtMost(14)).vocab_len(), 14);
        assert_eq!(
            bpe(VocabSize::AtMost(usize::MAX)).json(),
            bpe(VocabSize::Saturate).json()
        );
        let too_small = Kind::Bpe {
            vocab_size: VocabSize::AtMost(5),
            max_token_len_nt: None,
        };
        assert!(matches!(
            Tokenizer::train(&too_small, BASES, &[(b"A".to_vec(), 1)]),
            Err(Error::VocabularyTooSmall { needed: 10, .. })
        ));
    }

    #[test]
    fn no_token_is_longer_than_asked_for() {
        for most in 1..8 {
            let tokenizer = train(&Kind::Bpe {
                vocab_size: VocabSize::Saturate,
                max_token_len_nt: Some(most),
            });
            assert!(
                tokenizer
                    .entries
                    .iter()
                    .skip(SPECIAL_TOKENS.len())
                    .all(|entry| entry.text.len() <= 2.max(most - 1))
            );
        }
    }

    #[test]
    fn kmers_stand_one_after_the_other_and_unknown_or_short_ones_are_letters() {
        let kmer = train(&Kind::Kmer {
            length_nt: 4,
            overlapping: false,
        });
        assert_eq!(texts(&kmer, "ACGTTTGACA"), ["ACGT", "TTGA", "C", "A"]);
        assert_eq!(
            texts(&kmer, "ACGTNNNNACGT"),
            ["ACGT", "N", "N", "N", "N", "ACGT"]
        );
        assert_eq!(texts(&kmer, "AC"), ["A", "C"]);
    }

    #[test]
    fn overlapping_kmers_start_at_every_letter_and_unknown_ones_are_their_first_letter() {
        let kmer = train(&Kind::Kmer {
            length_nt: 4,
            overlapping: true,
        });
        assert_eq!(texts(&kmer, "ACGTAC"), ["ACGT", "CGTA", "GTAC"]);
        assert_eq!(texts(&kmer, "ACGTAN"), ["ACGT", "CGTA", "G", "T", "A", "N"]);
        assert_eq!(texts(&kmer, "NACGT"), ["N", "ACGT"]);
        assert_eq!(texts(&kmer, "ACG"), ["A", "C", "G"]);
    }

    #[test]
    fn nucleotides_are_one_token_each() {
        let nucleotide = train(&Kind::Nucleotide);
        assert_eq!(texts(&nucleotide, "ACNT"), ["A", "C", "N", "T"]);
        assert_eq!(nucleotide.vocab_len(), SPECIAL_TOKENS.len() + BASES.len());
    }

    #[test]
    fn training_twice_gives_the_same_file() {
        for (a, b) in every_kind().iter().zip(every_kind()) {
            assert_eq!(a.json(), b.json());
        }
    }

    #[test]
    fn a_file_gives_the_same_alphabet_and_ids_back() {
        for tokenizer in every_kind() {
            let again = Tokenizer::from_json(tokenizer.json()).unwrap();
            assert_eq!(again.alphabet(), BASES);
            assert_eq!(
                again.encode(b"ACGTNNACGTACGTT").unwrap(),
                tokenizer.encode(b"ACGTNNACGTACGTT").unwrap()
            );
            assert_eq!(again.entries, tokenizer.entries);
            assert!((0..again.vocab_len() as u32).all(|id| again.file_id(id) == Some(id)));
        }
    }

    #[test]
    fn what_a_tokenizer_would_lose_is_refused() {
        for tokenizer in every_kind() {
            assert!(matches!(
                tokenizer.encode(b"ACgT"),
                Err(Error::NotInAlphabet {
                    byte: b'g',
                    offset: 2,
                    ..
                })
            ));
            assert!(matches!(
                tokenizer.encode("ACé".as_bytes()),
                Err(Error::NotInAlphabet { offset: 2, .. })
            ));
            assert!(tokenizer.encode(b"").unwrap().is_empty());
        }
        assert!(matches!(
            Tokenizer::train(&Kind::Nucleotide, BASES, &[]),
            Err(Error::NoWords)
        ));
        assert!(matches!(
            Tokenizer::train(&Kind::Nucleotide, BASES, &[(b"ACR".to_vec(), 1)]),
            Err(Error::NotInAlphabet { .. })
        ));
    }

    #[test]
    fn alphabets_that_could_spell_a_special_token_or_are_not_letters_are_refused() {
        for alphabet in ["", "TA", "AA", "A[", "A]", "A ", "A\n", "é"] {
            let trained = Tokenizer::train(
                &Kind::Nucleotide,
                alphabet.as_bytes(),
                &[(b"A".to_vec(), 1)],
            );
            assert!(matches!(trained, Err(Error::Alphabet { .. })), "{alphabet}");
        }
    }

    #[test]
    fn large_counts_do_not_overflow_the_trainer() {
        let segments = [
            (b"ACGTACGTTTGACA".to_vec(), u64::from(u32::MAX)),
            (b"ACGTACGTTAGACA".to_vec(), 3),
        ];
        let bpe = Tokenizer::train(
            &Kind::Bpe {
                vocab_size: VocabSize::Saturate,
                max_token_len_nt: None,
            },
            BASES,
            &segments,
        )
        .unwrap();
        assert_eq!(bpe.encode(b"ACGTACGTTAGACA").unwrap().len(), 1);
    }

    /// A foreign file: other ids, other names of special tokens, none for a mask.
    const FOREIGN: &str = r#"{"version": "1.0", "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "decoder": null, "post_processor": null,
        "truncation": {"max_length": 2, "strategy": "LongestFirst", "stride": 0,
        "direction": "Right"}, "padding": null, "model": {"type": "BPE", "unk_token": "<unk>",
        "vocab": {"A": 7, "C": 1, "<unk>": 2, "<pad>": 3, "<s>": 4, "</s>": 0, "\n": 5, "AC": 900},
        "merges": [["A", "C"]]}}"#;

    #[test]
    fn special_tokens_of_a_foreign_file_come_first_and_ids_map_back() {
        let foreign = Tokenizer::from_json(FOREIGN).unwrap();
        assert_eq!(
            [PAD, UNK, CLS, SEP, MASK].map(|id| foreign.token(id).unwrap()),
            ["<pad>", "<unk>", "<s>", "</s>", "[MASK]"]
        );
        assert_eq!(
            [PAD, UNK, CLS, SEP, MASK].map(|id| foreign.file_id(id)),
            [Some(3), Some(2), Some(4), Some(0), None]
        );
        let ids = foreign.encode(b"ACCACA").unwrap();
        assert_eq!(
            ids.iter()
                .map(|&id| foreign.file_id(id).unwrap())
                .collect::<Vec<_>>(),
            [900, 1, 900, 7]
        );
        assert_eq!(
            (foreign.alphabet(), foreign.vocab_len(), foreign.json()),
            (b"AC".as_slice(), 9, FOREIGN)
        );
        assert!(
            foreign
                .encode(b"ACG")
                .unwrap_err()
                .to_string()
                .contains("letters AC")
        );
    }

    /// Checks that a changed file is refused for a reason.
    #[track_caller]
    fn refused(from: &str, to: &str, reason: &str) {
        assert!(FOREIGN.contains(from));
        let error = Tokenizer::from_json(&FOREIGN.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_foreign_file_that_would_change_sequences_is_refused_with_the_reason() {
        refused(
            r#""normalizer": null"#,
            r#""normalizer": {"type": "Lowercase"}"#,
            "no single letter",
        );
        refused(
            r#""normalizer": null"#,
            r#""normalizer": {"type": "Prepend", "prepend": "A"}"#,
            "`Prepend` is not supported",
        );
        refused(
            r#""pre_tokenizer": null"#,
            r#""pre_tokenizer": {"type": "ByteLevel"}"#,
            "`ByteLevel` is not supported",
        );
        let dropped = r#""pre_tokenizer": {"type": "Split", "pattern": {"String": "C"},
            "behavior": "Removed", "invert": false}"#;
        let only_a =
            Tokenizer::from_json(&FOREIGN.replacen(r#""pre_tokenizer": null"#, dropped, 1))
                .unwrap();
        assert_eq!(only_a.alphabet(), b"A");
        refused(r#""merges": ["#, r#""dropout": 0.1, "merges": ["#, "random");
        refused(
            r#""merges": ["#,
            r###""continuing_subword_prefix": "##", "merges": ["###,
            "joined tokens differ from the sequence",
        );
        refused(r#"["A", "C"]"#, r#"["AC", "AC"]"#, "not in its vocabulary");
        refused(r#""AC": 900"#, r#""AC": 7"#, "two entries have one id");
        refused(
            r#""type": "BPE""#,
            r#""type": "Unigram""#,
            "`Unigram` is not supported",
        );
    }

    proptest! {
        #[test]
        fn tokens_joined_are_the_input(segment in "[ACGTN]{0,200}") {
            for tokenizer in every_kind() {
                let ids = tokenizer.encode(segment.as_bytes()).unwrap();
                prop_assert_eq!(tokenizer.decode(&ids).unwrap(), segment.clone());
                prop_assert!(ids.iter().all(|&id| id > MASK));
            }
        }

        #[test]
        fn any_printable_alphabet_survives(
            seed in proptest::collection::vec("[!-Z^-~]{1,40}", 1..6),
            k in 1usize..8,
        ) {
            let mut alphabet: Vec<u8> = seed.concat().into_bytes();
            alphabet.sort_unstable();
            alphabet.dedup();
            let mut segments: Vec<(Vec<u8>, u64)> = seed
                .iter()
                .map(|text| (text.clone().into_bytes(), 2))
                .collect();
            segments.rotate_left(1);
            for kind in [
                Kind::Bpe { vocab_size: VocabSize::Saturate, max_token_len_nt: None },
                Kind::Kmer { length_nt: k, overlapping: false },
                Kind::Kmer { length_nt: k, overlapping: true },
                Kind::Nucleotide,
            ] {
                let trained = Tokenizer::train(&kind, &alphabet, &segments).unwrap();
                let tokenizer = Tokenizer::from_json(trained.json()).unwrap();
                prop_assert_eq!(tokenizer.alphabet(), &alphabet[..]);
                let joined = seed.concat();
                let ids = tokenizer.encode(joined.as_bytes()).unwrap();
                prop_assert_eq!(tokenizer.decode(&ids).unwrap(), joined);
            }
        }
    }
}
