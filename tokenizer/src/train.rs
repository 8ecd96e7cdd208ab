//! Fitting: byte-pair encoding through Hugging Face `tokenizers`, k-mers (a `WordPiece` vocabulary
//! of k-mers and letters), nucleotides.

use std::{collections::HashMap, ops::RangeInclusive};

use ahash::AHashMap;
use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};
use tokenizers::{
    AddedToken, SplitDelimiterBehavior, Tokenizer as HuggingFace,
    models::{
        bpe::{BPE, BpeTrainerBuilder},
        wordpiece::WordPiece,
    },
    pre_tokenizers::split::{Split, SplitPattern},
};

use crate::{Error, SPECIAL_TOKENS, UNK, file::OVERLAPPING};

/// Allowed lengths of a k-mer.
pub const KMER_LENGTHS: RangeInclusive<usize> = 1..=64;

/// The kind of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Byte-pair encoding; merges and ids are those of Hugging Face's trainer on the same words.
    Bpe {
        /// Size of the vocabulary.
        vocab_size: VocabSize,
        /// Longest token in letters, as Hugging Face's trainer counts (it compares with `<` after
        /// merging). With N of 3 or more, tokens have at most N - 1 letters; with 1 or 2, at
        /// most 2. If absent, only the segment limits a token.
        max_token_len_nt: Option<usize>,
    },
    /// The k-mers of the training segments. Unknown or shorter pieces are single letters.
    Kmer {
        /// Letters of a k-mer.
        length_nt: usize,
        /// One k-mer at every letter of a segment (stride 1) instead of one after the other.
        /// Hugging Face's library cannot express this: it opens the file, but encodes k-mers one
        /// after the other.
        overlapping: bool,
    },
    /// Single letters.
    Nucleotide,
}

/// Size of the vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VocabSize {
    /// Large enough that every segment of the training data is one token: each combination of
    /// alleles inside a segment has its own token.
    #[default]
    Saturate,
    /// At most this many entries, special tokens and letters included.
    AtMost(usize),
}

/// A text that is not the size of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither `saturate` nor a whole number of 0 or more")]
pub struct UnknownVocabSize(String);

impl std::str::FromStr for VocabSize {
    type Err = UnknownVocabSize;

    fn from_str(text: &str) -> Result<Self, UnknownVocabSize> {
        match text {
            "saturate" => Ok(Self::Saturate),
            number => number
                .parse()
                .map(Self::AtMost)
                .map_err(|_| UnknownVocabSize(number.to_owned())),
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
            OtherNumber(f64),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Size(size) => Ok(Self::AtMost(size)),
            Either::OtherNumber(number) => number.to_string().parse().map_err(D::Error::custom),
            Either::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

/// Whether a byte can be a letter of sequences: printable, and not a bracket, so that no sequence
/// spells a special token.
pub(crate) fn is_letter(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"[]".contains(&byte)
}

/// A trained tokenizer.
pub(crate) struct Trained {
    pub inner: HuggingFace,
    /// Length of overlapping k-mers, which Hugging Face's library cannot express.
    pub overlapping: Option<usize>,
}

/// Fits a tokenizer on distinct segments and their counts.
///
/// # Errors
/// An unusable alphabet, no segment, a byte outside of the alphabet, or sizes out of range.
pub(crate) fn train(
    kind: &Kind,
    alphabet: &[u8],
    segments: &[(Vec<u8>, u64)],
) -> Result<Trained, Error> {
    require_usable(alphabet).map_err(|reason| Error::Alphabet {
        alphabet: String::from_utf8_lossy(alphabet).into_owned(),
        reason,
    })?;
    let words: Vec<(&str, u64)> = segments
        .iter()
        .map(|(segment, count)| Ok((as_text(segment, alphabet)?, *count)))
        .collect::<Result<_, Error>>()?;
    if words.iter().all(|(word, _)| word.is_empty()) {
        return Err(Error::NoWords);
    }
    let mut inner = match *kind {
        Kind::Bpe {
            vocab_size,
            max_token_len_nt,
        } => bpe(alphabet, &words, vocab_size, max_token_len_nt)?,
        Kind::Kmer {
            length_nt,
            overlapping,
        } => kmer(alphabet, &words, length_nt, overlapping)?,
        // Without a merge every letter stays a token.
        Kind::Nucleotide => {
            let vocab_size = VocabSize::AtMost(SPECIAL_TOKENS.len() + alphabet.len());
            bpe(alphabet, &words, vocab_size, None)?
        }
    };
    inner
        .add_special_tokens(special_tokens())
        .map_err(Error::library)?;
    let overlapping = match *kind {
        Kind::Kmer {
            length_nt,
            overlapping: true,
        } => Some(length_nt),
        _ => None,
    };
    Ok(Trained { inner, overlapping })
}

/// Refuses an alphabet that is empty or not ascending, or has bytes that are not letters.
fn require_usable(alphabet: &[u8]) -> Result<(), &'static str> {
    if alphabet.is_empty() || !alphabet.is_sorted_by(|a, b| a < b) {
        return Err("letters must be in ascending order without duplicates");
    }
    if !alphabet.iter().all(|&letter| is_letter(letter)) {
        return Err("letters must be printable ASCII other than blanks and square brackets");
    }
    Ok(())
}

/// The file with our own field, which the library ignores.
pub(crate) fn with_overlapping(inner: &HuggingFace, length: usize) -> Result<String, Error> {
    let mut file = serde_json::to_value(inner).map_err(Error::library)?;
    if let Some(Value::Object(pre_tokenizer)) = file.get_mut("pre_tokenizer") {
        let note = "one k-mer at every base; Hugging Face's library has no such pre-tokenizer and \
                    encodes one after the other";
        pre_tokenizer.insert(OVERLAPPING.into(), json!(length));
        pre_tokenizer.insert("gf_genomics_note".into(), json!(note));
    }
    serde_json::to_string_pretty(&file).map_err(Error::library)
}

fn bpe(
    alphabet: &[u8],
    segments: &[(&str, u64)],
    vocab_size: VocabSize,
    max_token_len_nt: Option<usize>,
) -> Result<HuggingFace, Error> {
    let needed = SPECIAL_TOKENS.len() + alphabet.len();
    // Every merge shortens a word by at least one symbol, which bounds the number of entries. The
    // trainer allocates memory for the requested size, so the bound must be small.
    let saturated = needed
        + segments
            .iter()
            .map(|(segment, _)| segment.len())
            .sum::<usize>();
    let vocab_size = match vocab_size {
        VocabSize::Saturate => saturated,
        VocabSize::AtMost(size) if size < needed => {
            return Err(Error::VocabularyTooSmall {
                found: size,
                needed,
            });
        }
        VocabSize::AtMost(size) => size.min(saturated),
    };
    let divisor = count_divisor(segments);
    let words: AHashMap<CompactString, u64> = segments
        .iter()
        .map(|(segment, count)| (CompactString::from(*segment), (count / divisor).max(1)))
        .collect();
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(vocab_size)
        .min_frequency(1)
        .show_progress(false)
        .initial_alphabet(alphabet.iter().map(|&letter| char::from(letter)).collect())
        .special_tokens(special_tokens());
    if max_token_len_nt.is_some() {
        trainer = trainer.max_token_length(max_token_len_nt);
    }
    let mut model = BPE::builder()
        .unk_token(SPECIAL_TOKENS[UNK as usize].into())
        .build()
        .map_err(Error::library)?;
    trainer
        .build()
        .do_train(&words, &mut model)
        .map_err(Error::library)?;
    Ok(HuggingFace::new(model))
}

/// Segments are split into pieces of k letters, and `WordPiece` takes the longest known beginning
/// of a piece: the k-mer, or one letter.
fn kmer(
    alphabet: &[u8],
    segments: &[(&str, u64)],
    length_nt: usize,
    overlapping: bool,
) -> Result<HuggingFace, Error> {
    if !KMER_LENGTHS.contains(&length_nt) {
        return Err(Error::KmerLength(length_nt));
    }
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for (segment, count) in segments {
        let stride = if overlapping { 1 } else { length_nt };
        for at in (0..segment.len()).step_by(stride) {
            if let Some(kmer) = segment
                .get(at..at + length_nt)
                .filter(|kmer| kmer.len() > 1)
            {
                *counts.entry(kmer).or_default() += count;
            }
        }
    }
    let mut kmers: Vec<(&str, u64)> = counts.into_iter().collect();
    kmers.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let letters = alphabet
        .iter()
        .map(|&letter| char::from(letter).to_string());
    let entries = SPECIAL_TOKENS
        .map(String::from)
        .into_iter()
        .chain(letters)
        .chain(kmers.into_iter().map(|(kmer, _)| kmer.to_string()));
    let vocabulary: AHashMap<String, u32> = entries.zip(0..).collect();
    let model = WordPiece::builder()
        .vocab(vocabulary)
        .unk_token(SPECIAL_TOKENS[UNK as usize].into())
        .continuing_subword_prefix(String::new())
        .build()
        .map_err(Error::library)?;
    let mut inner = HuggingFace::new(model);
    let pieces = SplitPattern::Regex(format!(".{{1,{length_nt}}}"));
    inner.with_pre_tokenizer(Some(
        Split::new(pieces, SplitDelimiterBehavior::Isolated, false).map_err(Error::library)?,
    ));
    Ok(inner)
}

fn special_tokens() -> Vec<AddedToken> {
    SPECIAL_TOKENS
        .iter()
        .map(|token| AddedToken::from(*token, true))
        .collect()
}

fn as_text<'s>(segment: &'s [u8], alphabet: &[u8]) -> Result<&'s str, Error> {
    if let Some(offset) = segment
        .iter()
        .position(|letter| alphabet.binary_search(letter).is_err())
    {
        let alphabet = String::from_utf8_lossy(alphabet).into_owned();
        return Err(Error::NotInAlphabet {
            byte: segment[offset],
            offset,
            alphabet,
        });
    }
    std::str::from_utf8(segment).map_err(Error::library)
}

/// The trainer counts pairs in 32-bit integers: counts of a large cohort are divided so that no
/// pair can overflow.
fn count_divisor(segments: &[(&str, u64)]) -> u64 {
    let pairs: u64 = segments
        .iter()
        .map(|(segment, count)| segment.len() as u64 * count)
        .sum();
    pairs / (i32::MAX as u64 / 2) + 1
}
