//! Bases to token ids: reference-anchored segments, and byte-pair encoding, k-mers or single
//! nucleotides over any ASCII alphabet.
//!
//! This crate depends on no other crate of the workspace. Words are *segments*, short pieces of a
//! haplotype, so that identical segments of different samples are one counted word. Every tokenizer
//! is a Hugging Face `tokenizer.json`.

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod file;
mod segments;
mod tokenizer;
mod train;

pub use segments::{cuts, edit_distance};
pub use tokenizer::Tokenizer;
pub use train::{KMER_LENGTHS, Kind, UnknownVocabSize, VocabSize};

/// Fills unused slots; masked everywhere.
pub const PAD: u32 = 0;
/// A symbol outside of the vocabulary; cannot occur for validated input.
pub const UNK: u32 = 1;
/// First token of every haplotype.
pub const CLS: u32 = 2;
/// Last token of every haplotype.
pub const SEP: u32 = 3;
/// Hidden token of masked-token modelling.
pub const MASK: u32 = 4;
/// The special tokens, in the order of their ids.
pub const SPECIAL_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Errors of tokenizers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A byte is not in the tokenizer's alphabet; it would be silently deleted or replaced.
    #[error(
        "`{}` at offset {offset} of a segment is not one of the tokenizer's letters {alphabet}",
        byte.escape_ascii()
    )]
    NotInAlphabet {
        /// The byte.
        byte: u8,
        /// 0-based offset in the segment.
        offset: usize,
        /// The letters that can be encoded.
        alphabet: String,
    },
    /// The letters for training are not usable.
    #[error("alphabet `{alphabet}`: {reason}")]
    Alphabet {
        /// The letters.
        alphabet: String,
        /// The problem.
        reason: &'static str,
    },
    /// The requested vocabulary is too small for the special tokens and the alphabet.
    #[error("a vocabulary of {found} is too small for the {needed} special tokens and letters")]
    VocabularyTooSmall {
        /// Requested number of entries.
        found: usize,
        /// Smallest possible number of entries.
        needed: usize,
    },
    /// A length of k-mers out of range.
    #[error("k-mers of {0} letters are not supported; choose a length from 1 to 64")]
    KmerLength(usize),
    /// There is no segment to train on.
    #[error("no segment to train the tokenizer on")]
    NoWords,
    /// The joined tokens of a segment differ from it.
    #[error(
        "the tokenizer changes sequences: `{segment}` is decoded as `{tokens}`; use a tokenizer \
         whose joined tokens equal the sequence"
    )]
    Lossy {
        /// The segment to encode.
        segment: String,
        /// Its tokens, joined.
        tokens: String,
    },
    /// A `tokenizer.json` cannot be used safely.
    #[error("tokenizer.json: {0}")]
    Unusable(String),
    /// An error of the Hugging Face library.
    #[error("tokenizers: {0}")]
    Library(String),
}

impl Error {
    pub(crate) fn library(error: impl std::fmt::Display) -> Self {
        Self::Library(error.to_string())
    }
}
