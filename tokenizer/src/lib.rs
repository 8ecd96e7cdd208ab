//! Bases to token ids: reference-anchored segments and byte-pair encoding over the alphabet ACGTN.
//!
//! A leaf of the workspace: it knows no VCF, no people and no tensors. Words are *segments*, pieces of a haplotype between two
//! fixed reference coordinates, so identical segments of different people are one counted word.

mod bpe;
mod segments;

pub use bpe::{Bpe, VocabSize};
pub use segments::{cuts, edit_distance};

/// Fills unused slots; masked everywhere.
pub const PAD: u32 = 0;
/// A symbol outside the vocabulary; cannot occur for validated input.
pub const UNK: u32 = 1;
/// First token of every haplotype.
pub const CLS: u32 = 2;
/// Last token of every haplotype.
pub const SEP: u32 = 3;
/// Hidden token of masked-token modelling.
pub const MASK: u32 = 4;
/// The special tokens, in the order of their ids.
pub const SPECIAL_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// What can go wrong between bases and tokens.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A byte is not one of ACGTN; BPE would delete or replace it without a word.
    #[error("`{}` at offset {offset} is not one of ACGTN; sequences are upper-cased and validated before tokenization", byte.escape_ascii())]
    NotABase {
        /// The byte found.
        byte: u8,
        /// 0-based offset in the segment.
        offset: usize,
    },
    /// The vocabulary asked for cannot hold the special tokens and the alphabet.
    #[error("a vocabulary of {found} cannot hold the {needed} special tokens and bases")]
    VocabularyTooSmall {
        /// Entries asked for.
        found: usize,
        /// Entries needed at least.
        needed: usize,
    },
    /// There is nothing to train on.
    #[error("no segment to train the tokenizer on")]
    NoWords,
    /// A `tokenizer.json` lacks what this program relies on.
    #[error("tokenizer.json: {0}")]
    Unusable(String),
    /// The Hugging Face library refused.
    #[error("tokenizers: {0}")]
    Library(String),
}

impl Error {
    pub(crate) fn library(error: impl std::fmt::Display) -> Self {
        Self::Library(error.to_string())
    }
}
