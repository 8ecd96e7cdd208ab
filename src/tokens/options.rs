//! Options of the tokenization. Options that contradict each other are refused.

use std::path::PathBuf;

use gf_cohort_schema::arguments::{name_of, one_of};
use gf_tokenizer::{KMER_LENGTHS, Kind, SPECIAL_TOKENS, Tokenizer, VocabSize};
use serde::{Deserialize, Serialize};

use super::{Anchor, Error};
use gf_files::output;

const DEFAULT_KMER_LENGTH: usize = 6;
/// At least two carriers, so that a model contains no segment of a single sample.
const DEFAULT_MIN_TOKEN_COUNT: usize = 2;
/// Entries of any vocabulary: the special tokens, and `A`, `C`, `G`, `N` and `T`, which every
/// alphabet has.
const LEAST_VOCABULARY: usize = SPECIAL_TOKENS.len() + 5;

/// Tokenization of the sequences: the options of `tokenize` and the keys of `[tokens]`.
///
/// A key that is absent has its default. An option that the chosen tokenizer does not use is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Kind of token: bpe, kmer or nucleotide [default: bpe].
    #[arg(long, value_parser = one_of::<TokenizerKind>(), value_name = "KIND")]
    pub tokenizer: Option<TokenizerKind>,
    /// BPE: largest size of the vocabulary, or `saturate` to merge until every training segment is
    /// one token [default: saturate].
    #[arg(long, value_name = "N|saturate")]
    pub vocab_size: Option<VocabSize>,
    /// BPE: limit on the length of a token, in nucleotides, as Hugging Face's trainer counts it.
    /// With 3 or more, tokens have at most NT - 1. With 1 or 2, they have at most 2 [default: the
    /// length of a segment].
    #[arg(long, value_name = "NT")]
    pub max_token_length: Option<usize>,
    /// k-mers: nucleotides in one k-mer [default: 6].
    #[arg(long, value_name = "K")]
    pub kmer_length: Option<usize>,
    /// k-mers: whether a k-mer starts at every base of a segment. Otherwise k-mers do not overlap.
    /// Hugging Face's library opens the tokenizer but cannot make overlapping k-mers.
    #[arg(long)]
    pub kmer_overlapping: bool,
    /// Hugging Face tokenizer.json to use instead of fitting a tokenizer. Sequences with letters
    /// outside of its vocabulary are refused (GENA-LM's tokenizer has no N).
    #[arg(long, value_name = "JSON")]
    pub tokenizer_file: Option<PathBuf>,
    /// Nucleotides in a segment. No token crosses the end of a segment.
    #[arg(long, default_value_t = Options::default().segment_length, value_name = "NT")]
    pub segment_length: usize,
    /// Smallest number of training samples that carry a segment. Rarer segments are left out of the
    /// vocabulary and the grid, except those of the reference. They are then tokenized like
    /// segments that only new samples have. With 1, all segments are kept, including segments of a
    /// single sample.
    #[arg(long, default_value_t = Options::default().min_token_count, value_name = "N")]
    pub min_token_count: usize,
    /// Where haplotypes are cut into segments. `reference` cuts at fixed reference coordinates, so
    /// a slot means the same position in every sample. `haplotype` counts the bases of each
    /// haplotype, so an indel shifts all later segments.
    #[arg(
        long,
        value_parser = one_of::<Anchor>(),
        default_value = name_of(&Options::default().anchor),
        value_name = "WHERE"
    )]
    pub anchor: Anchor,
    /// Slots in a row of tokens: `varying` (slots with two or more versions among the training
    /// samples) or `all` [default: varying; all with --anchor haplotype].
    #[arg(long, value_parser = one_of::<Slots>(), value_name = "WHICH")]
    pub slots: Option<Slots>,
}

/// Slots in a row of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slots {
    /// Slots with two or more versions among the training samples (and the reference).
    Varying,
    /// Every slot.
    All,
}

impl Slots {
    pub(super) fn all() -> Self {
        Self::All
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
    pub(super) fn is_all(&self) -> bool {
        *self == Self::All
    }
}

impl std::fmt::Display for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Varying => "varying",
            Self::All => "all",
        })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tokenizer: None,
            vocab_size: None,
            max_token_length: None,
            kmer_length: None,
            kmer_overlapping: false,
            tokenizer_file: None,
            segment_length: 128,
            min_token_count: DEFAULT_MIN_TOKEN_COUNT,
            anchor: Anchor::Reference,
            slots: None,
        }
    }
}

/// Kind of token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// Byte-pair encoding.
    #[default]
    Bpe,
    /// Pieces of k nucleotides.
    Kmer,
    /// Single nucleotides.
    Nucleotide,
}

impl Options {
    /// The options with the defaults of their tokenizer, for the record of a run.
    ///
    /// # Errors
    /// The errors of [`Options::kind`].
    pub fn resolved(self) -> Result<Self, Error> {
        let resolved = Self {
            slots: Some(self.slots()),
            ..self
        };
        Ok(match resolved.kind()? {
            Some(Kind::Bpe { vocab_size, .. }) => Self {
                tokenizer: Some(TokenizerKind::Bpe),
                vocab_size: Some(vocab_size),
                ..resolved
            },
            Some(Kind::Kmer { length_nt, .. }) => Self {
                kmer_length: Some(length_nt),
                ..resolved
            },
            Some(Kind::Nucleotide) | None => resolved,
        })
    }

    /// Slots in a row of tokens.
    ///
    /// With [`Anchor::Haplotype`] all slots are kept, because an indel shifts all later segments.
    #[must_use]
    pub fn slots(&self) -> Slots {
        self.slots.unwrap_or(match self.anchor {
            Anchor::Reference => Slots::Varying,
            Anchor::Haplotype => Slots::All,
        })
    }

    /// The tokenizer of [`Options::tokenizer_file`], if there is one.
    ///
    /// # Errors
    /// A file that is missing or cannot be used.
    pub fn given_tokenizer(&self) -> Result<Option<Tokenizer>, Error> {
        let Some(path) = &self.tokenizer_file else {
            return Ok(None);
        };
        let json = std::fs::read_to_string(path).map_err(output::at(path))?;
        let tokenizer = Tokenizer::from_json(&json).map_err(|error| Error::store(path, error))?;
        Ok(Some(tokenizer))
    }

    /// Whether the tokenizer is learnt from the segments of the samples.
    ///
    /// A tokenizer of a file or of single nucleotides does not depend on them.
    #[must_use]
    pub fn learns_tokenizer(&self) -> bool {
        self.tokenizer_file.is_none() && self.tokenizer != Some(TokenizerKind::Nucleotide)
    }

    /// The options with the file of a fitted tokenizer instead of a tokenizer to fit.
    #[must_use]
    pub fn with_tokenizer(&self, file: PathBuf) -> Self {
        let Self {
            segment_length,
            min_token_count,
            anchor,
            slots,
            ..
        } = *self;
        Self {
            tokenizer_file: Some(file),
            segment_length,
            min_token_count,
            anchor,
            slots,
            ..Self::default()
        }
    }

    /// The tokenizer to fit; `None` where a file gives one.
    ///
    /// # Errors
    /// Options out of range, or options that contradict each other.
    pub fn kind(&self) -> Result<Option<Kind>, Error> {
        self.check_segments()?;
        if self.tokenizer_file.is_some() {
            return self.check_no_fitting().map(|()| None);
        }
        let tokenizer = self.tokenizer.unwrap_or_default();
        self.check_unused(tokenizer)?;
        let kmer_length = self.kmer_length.unwrap_or(DEFAULT_KMER_LENGTH);
        self.check_lengths(tokenizer, kmer_length)?;
        Ok(Some(match tokenizer {
            TokenizerKind::Bpe => Kind::Bpe {
                vocab_size: self.vocab_size.unwrap_or_default(),
                max_token_len_nt: self.max_token_length,
            },
            TokenizerKind::Kmer => Kind::Kmer {
                length_nt: kmer_length,
                overlapping: self.kmer_overlapping,
            },
            TokenizerKind::Nucleotide => Kind::Nucleotide,
        }))
    }

    fn check_segments(&self) -> Result<(), Error> {
        let lengths = [self.segment_length, self.min_token_count];
        if lengths.contains(&0) || self.max_token_length == Some(0) {
            return Err(OptionsProblem::Zero.into());
        }
        if self.anchor == Anchor::Haplotype && self.slots == Some(Slots::Varying) {
            return Err(OptionsProblem::VaryingSlots.into());
        }
        Ok(())
    }

    /// The first option given that only BPE uses.
    fn given_for_bpe(&self) -> Option<&'static str> {
        let vocab_size = self.vocab_size.as_ref().map(|_| "vocab_size");
        vocab_size.or(self.max_token_length.map(|_| "max_token_length"))
    }

    /// The first option given that only k-mers use.
    fn given_for_kmer(&self) -> Option<&'static str> {
        let length = self.kmer_length.map(|_| "kmer_length");
        length.or(self.kmer_overlapping.then_some("kmer_overlapping"))
    }

    /// With a tokenizer file, no option that fits a tokenizer may be given.
    fn check_no_fitting(&self) -> Result<(), Error> {
        let tokenizer = self.tokenizer.map(|_| "tokenizer");
        let given = tokenizer.or(self.given_for_bpe()).or(self.given_for_kmer());
        match given {
            Some(option) => Err(OptionsProblem::TokenizerFile { option }.into()),
            None => Ok(()),
        }
    }

    /// No option of another tokenizer may be given.
    fn check_unused(&self, tokenizer: TokenizerKind) -> Result<(), Error> {
        let (unused, name) = match tokenizer {
            TokenizerKind::Bpe => (self.given_for_kmer(), "bpe"),
            TokenizerKind::Kmer => (self.given_for_bpe(), "kmer"),
            TokenizerKind::Nucleotide => {
                (self.given_for_bpe().or(self.given_for_kmer()), "nucleotide")
            }
        };
        match unused {
            Some(option) => Err(OptionsProblem::OtherTokenizer { option, name }.into()),
            None => Ok(()),
        }
    }

    fn check_lengths(&self, tokenizer: TokenizerKind, kmer_length: usize) -> Result<(), Error> {
        if tokenizer == TokenizerKind::Kmer && kmer_length > self.segment_length {
            return Err(OptionsProblem::KmerLength {
                kmer_length,
                segment_length: self.segment_length,
            }
            .into());
        }
        if !KMER_LENGTHS.contains(&kmer_length) {
            return Err(gf_tokenizer::Error::KmerLength(kmer_length).into());
        }
        if let Some(VocabSize::AtMost(found)) = self.vocab_size
            && found < LEAST_VOCABULARY
        {
            return Err(gf_tokenizer::Error::VocabularyTooSmall {
                found,
                needed: LEAST_VOCABULARY,
            }
            .into());
        }
        Ok(())
    }
}

/// Why options contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsProblem {
    /// A length or count of 0.
    #[error("segment_length, max_token_length and min_token_count must be at least 1")]
    Zero,
    /// Slots that vary, without an anchor to the reference.
    #[error(
        "slots = varying needs segments anchored to the reference; remove slots, or set anchor to \
         reference"
    )]
    VaryingSlots,
    /// A tokenizer that is given and fitted.
    #[error("{option} fits a tokenizer, but tokenizer_file gives one; leave one of them out")]
    TokenizerFile {
        /// The option of the fit.
        option: &'static str,
    },
    /// An option of another tokenizer.
    #[error("{option} does not apply to the tokenizer `{name}`; leave one of them out")]
    OtherTokenizer {
        /// The option.
        option: &'static str,
        /// Name of the tokenizer.
        name: &'static str,
    },
    /// k-mers that are longer than a segment.
    #[error(
        "kmer_length {kmer_length} is more than segment_length {segment_length}; lower kmer_length"
    )]
    KmerLength {
        /// Length of the k-mers.
        kmer_length: usize,
        /// Length of the segments.
        segment_length: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::too_many_lines, reason = "a list of cases")]
    fn options_that_a_tokenizer_has_no_use_for_are_refused_in_one_line() {
        let refused = |options: Options| {
            let message = options.kind().unwrap_err().to_string();
            assert!(!message.contains('\n'));
            message
        };
        let kmer = Options {
            tokenizer: Some(TokenizerKind::Kmer),
            ..Options::default()
        };
        let file = Options {
            tokenizer_file: Some("x.json".into()),
            ..Options::default()
        };
        assert!(
            refused(Options {
                vocab_size: Some(VocabSize::AtMost(99)),
                ..kmer.clone()
            })
            .contains("vocab_size does not apply to")
        );
        assert!(
            refused(Options {
                kmer_length: Some(200),
                ..kmer.clone()
            })
            .contains("more than segment_length 128")
        );
        assert!(
            refused(Options {
                kmer_length: Some(65),
                ..kmer.clone()
            })
            .contains("from 1 to 64")
        );
        assert!(
            refused(Options {
                kmer_length: Some(0),
                ..kmer.clone()
            })
            .contains("from 1 to 64")
        );
        assert!(
            refused(Options {
                vocab_size: Some(VocabSize::AtMost(9)),
                ..Options::default()
            })
            .contains("vocabulary of 9")
        );
        assert!(
            refused(Options {
                kmer_overlapping: true,
                ..Options::default()
            })
            .contains("kmer_overlapping does not apply to")
        );
        let nucleotide = Options {
            tokenizer: Some(TokenizerKind::Nucleotide),
            ..Options::default()
        };
        assert!(
            refused(Options {
                kmer_length: Some(6),
                ..nucleotide
            })
            .contains("`nucleotide`")
        );
        assert!(
            refused(Options {
                tokenizer: Some(TokenizerKind::Bpe),
                ..file.clone()
            })
            .contains("leave one of them out")
        );
        assert!(
            refused(Options {
                segment_length: 0,
                ..Options::default()
            })
            .contains("at least 1")
        );
        assert!(
            refused(Options {
                min_token_count: 0,
                ..Options::default()
            })
            .contains("at least 1")
        );
        assert_eq!(file.kind().unwrap(), None);
        assert_eq!(kmer.clone().resolved().unwrap().kmer_length, Some(6));
        let resolved = Options::default().resolved().unwrap();
        assert_eq!(
            (resolved.tokenizer, resolved.vocab_size),
            (Some(TokenizerKind::Bpe), Some(VocabSize::Saturate))
        );
        assert_eq!(resolved.kind().unwrap(), Options::default().kind().unwrap());
        assert_eq!(
            kmer.kind().unwrap(),
            Some(Kind::Kmer {
                length_nt: 6,
                overlapping: false
            })
        );
    }
}
