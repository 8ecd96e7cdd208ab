//! Byte-pair encoding through Hugging Face `tokenizers`: trained on counted segments, saved as a `tokenizer.json` that opens there.

use ahash::AHashMap;
use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tokenizers::{
    AddedToken, Model, Tokenizer,
    models::bpe::{BPE, BpeTrainerBuilder},
};

use crate::{Error, SPECIAL_TOKENS};

const ALPHABET: [char; 5] = ['A', 'C', 'G', 'N', 'T'];

/// How large the vocabulary grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VocabSize {
    /// Until every segment seen in training is one token: each allele combination inside a segment has a token of its own.
    #[default]
    Saturate,
    /// At most this many entries, special tokens and bases included.
    AtMost(usize),
}

impl std::str::FromStr for VocabSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "saturate" => Ok(Self::Saturate),
            number => number.parse().map(Self::AtMost).map_err(|_| format!("`{number}` is neither `saturate` nor a number")),
        }
    }
}

impl Serialize for VocabSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Saturate => serializer.serialize_str("saturate"),
            Self::AtMost(size) => serializer.serialize_u64(*size as u64),
        }
    }
}

impl<'de> Deserialize<'de> for VocabSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Size(usize),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Size(size) => Ok(Self::AtMost(size)),
            Either::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

/// A trained tokenizer.
#[derive(Clone, Debug)]
pub struct Bpe {
    inner: Tokenizer,
}

impl Bpe {
    /// Trains on distinct segments and how often each occurs.
    ///
    /// # Errors
    /// No segment, a byte outside ACGTN, or a vocabulary too small.
    pub fn train(segments: &[(Vec<u8>, u64)], vocab_size: VocabSize, max_token_len_nt: Option<usize>) -> Result<Self, Error> {
        if segments.iter().all(|(segment, _)| segment.is_empty()) {
            return Err(Error::NoWords);
        }
        let needed = SPECIAL_TOKENS.len() + ALPHABET.len();
        let vocab_size = match vocab_size {
            // Every merge shortens a word by one symbol at least, so no more entries than this can arise.
            VocabSize::Saturate => needed + segments.iter().map(|(segment, _)| segment.len()).sum::<usize>(),
            VocabSize::AtMost(size) if size < needed => return Err(Error::VocabularyTooSmall { found: size, needed }),
            VocabSize::AtMost(size) => size,
        };
        let divisor = count_divisor(segments);
        let mut words: AHashMap<CompactString, u64> = AHashMap::with_capacity(segments.len());
        for (segment, count) in segments {
            words.insert(CompactString::from(as_text(segment)?), (count / divisor).max(1));
        }
        let mut trainer = BpeTrainerBuilder::new()
            .vocab_size(vocab_size)
            .min_frequency(1)
            .show_progress(false)
            .initial_alphabet(ALPHABET.into_iter().collect())
            .special_tokens(special_tokens());
        if max_token_len_nt.is_some() {
            trainer = trainer.max_token_length(max_token_len_nt);
        }
        let mut model = BPE::builder().unk_token(SPECIAL_TOKENS[crate::UNK as usize].into()).build().map_err(Error::library)?;
        trainer.build().do_train(&words, &mut model).map_err(Error::library)?;
        let mut inner = Tokenizer::new(model);
        inner.add_special_tokens(special_tokens()).map_err(Error::library)?;
        Self::checked(inner)
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// Malformed JSON, or special tokens and bases that are not where this program needs them.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        Self::checked(json.parse::<Tokenizer>().map_err(Error::library)?)
    }

    /// The `tokenizer.json` text.
    ///
    /// # Errors
    /// When the library cannot serialise it.
    pub fn to_json(&self) -> Result<String, Error> {
        self.inner.to_string(true).map_err(Error::library)
    }

    fn checked(inner: Tokenizer) -> Result<Self, Error> {
        for (id, token) in SPECIAL_TOKENS.iter().enumerate() {
            if inner.token_to_id(token) != Some(id as u32) {
                return Err(Error::Unusable(format!("{token} must have id {id}")));
            }
        }
        for base in ALPHABET {
            if inner.token_to_id(&base.to_string()).is_none() {
                return Err(Error::Unusable(format!("base {base} is not in the vocabulary: it would be lost")));
            }
        }
        Ok(Self { inner })
    }

    /// Number of entries, special tokens included.
    #[must_use]
    pub fn vocab_len(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Token ids of one segment; joined, their texts are the segment.
    ///
    /// # Errors
    /// A byte outside ACGTN.
    pub fn encode(&self, segment: &[u8]) -> Result<Vec<u32>, Error> {
        if segment.is_empty() {
            return Ok(Vec::new());
        }
        let tokens = self.inner.get_model().tokenize(as_text(segment)?).map_err(Error::library)?;
        Ok(tokens.into_iter().map(|token| token.id).collect())
    }

    /// Text of a token id.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }
}

fn special_tokens() -> Vec<AddedToken> {
    SPECIAL_TOKENS.iter().map(|token| AddedToken::from(*token, true)).collect()
}

fn as_text(segment: &[u8]) -> Result<&str, Error> {
    if let Some(offset) = segment.iter().position(|base| !b"ACGTN".contains(base)) {
        return Err(Error::NotABase { byte: segment[offset], offset });
    }
    std::str::from_utf8(segment).map_err(Error::library)
}

/// The trainer counts pairs in 32-bit integers: counts of a large cohort are divided so that no pair can overflow.
fn count_divisor(segments: &[(Vec<u8>, u64)]) -> u64 {
    let pairs: u64 = segments.iter().map(|(segment, count)| segment.len() as u64 * count).sum();
    pairs / (i32::MAX as u64 / 2) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trained(vocab_size: VocabSize) -> Bpe {
        let segments = [(b"ACGTACGTTTGACA".to_vec(), 5), (b"ACGTACGTTAGACA".to_vec(), 2), (b"GGGNCC".to_vec(), 1)];
        Bpe::train(&segments, vocab_size, None).unwrap()
    }

    #[test]
    fn a_saturated_vocabulary_has_one_token_for_each_training_segment() {
        let bpe = trained(VocabSize::Saturate);
        for segment in ["ACGTACGTTTGACA", "ACGTACGTTAGACA", "GGGNCC"] {
            let ids = bpe.encode(segment.as_bytes()).unwrap();
            assert_eq!(ids.iter().map(|&id| bpe.token(id).unwrap()).collect::<Vec<_>>(), [segment]);
        }
    }

    #[test]
    fn a_fixed_vocabulary_is_not_exceeded() {
        assert_eq!(trained(VocabSize::AtMost(14)).vocab_len(), 14);
        assert!(matches!(Bpe::train(&[(b"A".to_vec(), 1)], VocabSize::AtMost(5), None), Err(Error::VocabularyTooSmall { needed: 10, .. })));
    }

    #[test]
    fn training_twice_gives_the_same_file() {
        assert_eq!(trained(VocabSize::Saturate).to_json().unwrap(), trained(VocabSize::Saturate).to_json().unwrap());
    }

    #[test]
    fn the_file_gives_the_same_ids_back() {
        let bpe = trained(VocabSize::AtMost(20));
        let again = Bpe::from_json(&bpe.to_json().unwrap()).unwrap();
        assert_eq!(again.encode(b"ACGTNNACGT").unwrap(), bpe.encode(b"ACGTNNACGT").unwrap());
    }

    #[test]
    fn what_bpe_would_lose_is_refused() {
        let bpe = trained(VocabSize::Saturate);
        assert!(matches!(bpe.encode(b"ACgT"), Err(Error::NotABase { byte: b'g', offset: 2 })));
        assert!(matches!(bpe.encode(b"ACRT"), Err(Error::NotABase { .. })));
        assert!(matches!(Bpe::train(&[], VocabSize::Saturate, None), Err(Error::NoWords)));
        assert!(bpe.encode(b"").unwrap().is_empty());
    }

    #[test]
    fn large_counts_do_not_overflow_the_trainer() {
        let segments = [(b"ACGTACGTTTGACA".to_vec(), u64::from(u32::MAX)), (b"ACGTACGTTAGACA".to_vec(), 3)];
        let bpe = Bpe::train(&segments, VocabSize::Saturate, None).unwrap();
        assert_eq!(bpe.encode(b"ACGTACGTTAGACA").unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn tokens_joined_are_the_input(segment in "[ACGTN]{0,200}", size in 10usize..40) {
            let bpe = trained(VocabSize::AtMost(size));
            let joined: String = bpe.encode(segment.as_bytes()).unwrap().iter().map(|&id| bpe.token(id).unwrap()).collect();
            prop_assert_eq!(joined, segment);
        }
    }
}
