//! Tokens of every distinct haplotype on one slot grid shared by all samples.
//!
//! Input: a [`Dictionary`] and the training samples. Output:
//! - a tokenizer, fitted on the distinct segments of the training samples or read from a file;
//! - a [`Grid`] with the number of slots of each window;
//! - a [`TokenSet`] with the tokens of every distinct haplotype.
//!
//! A window is an interval of a locus, and a segment is the bases that a haplotype has there.
//! Windows begin at fixed reference coordinates, so that slot `i` means the same window in every
//! sample. With [`Anchor::Haplotype`] a haplotype is cut by its own bases instead, and the locus is
//! one window.
//!
//! The row of a haplotype is `[CLS]`, the slots of each window (unused ones `[PAD]`), `[SEP]`.

mod encoding;
mod error;
mod folder;
mod grid;
mod merge;
mod options;
mod report;
mod rows;
mod segments;
mod slots;
mod store;
mod summary;
mod unseen;
mod words;

use std::time::Instant;

use gf_haplotypes::Dictionary;
use gf_tokenizer::Tokenizer;
use rayon::prelude::*;

use self::{
    encoding::encode_distinct,
    rows::{Filled, fill},
    segments::LocusSegments,
    slots::lay_out_grid,
    words::{count_copies, windows_with_slots},
};

/// Fits tokenizer and grid on the `training` samples (numbers into `dictionary.samples`), then
/// encodes every distinct haplotype.
///
/// # Errors
/// Options out of range, no training sample, or a tokenizer file that cannot be used.
pub fn run(
    dictionary: &Dictionary,
    training: &[usize],
    options: &Options,
) -> Result<Tokenized, Error> {
    options.kind()?;
    if training.is_empty() {
        return Err(InputsProblem::NoTrainingSample.into());
    }
    let fit_start = Instant::now();
    let segments = cut(dictionary, options.segment_length, options.anchor);
    let copies = count_copies(dictionary, &segments, training, options);
    let has_slots = windows_with_slots(&segments, &copies, options.slots());
    let tokenizer = if let Some(tokenizer) = options.given_tokenizer()? {
        tokenizer
    } else {
        let mut words = Words::default();
        words.add_segments(&segments, &copies, &has_slots);
        words.fit(dictionary.alphabet(), options)?
    };
    let fit_seconds = fit_start.elapsed().as_secs_f64();
    let encode_start = Instant::now();
    let encoded = encode_distinct(dictionary, &segments, &has_slots, &tokenizer)?;
    let grid = lay_out_grid(dictionary, &segments, &encoded, &copies, options);
    let Filled {
        tokens,
        mut summary,
        measured,
    } = fill(dictionary, &segments, encoded, &tokenizer, &grid)?;
    summary.n_withheld_segments = copies.iter().map(|copies| copies.n_withheld).sum();
    summary.min_token_count = options.min_token_count;
    let encode_seconds = encode_start.elapsed().as_secs_f64();
    Ok(Tokenized {
        tokenizer,
        grid,
        tokens,
        summary,
        fit_seconds,
        encode_seconds,
        segments,
        measured,
    })
}

/// Encodes every distinct haplotype on a fitted grid.
///
/// # Errors
/// A dictionary with other loci than the grid, or a tokenizer that does not belong to the grid.
pub fn encode(
    dictionary: &Dictionary,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<(TokenSet, Summary), Error> {
    let segments = cut(dictionary, grid.segment_length, grid.anchor);
    let has_slots: Vec<Vec<bool>> = grid
        .loci
        .iter()
        .map(LocusGrid::windows_with_slots)
        .collect();
    let encoded = encode_distinct(dictionary, &segments, &has_slots, tokenizer)?;
    let filled = fill(dictionary, &segments, encoded, tokenizer, grid)?;
    Ok((filled.tokens, filled.summary))
}

fn cut(dictionary: &Dictionary, segment_length: usize, anchor: Anchor) -> Vec<LocusSegments> {
    dictionary
        .loci
        .par_iter()
        .map(|locus| LocusSegments::new(locus, segment_length, anchor))
        .collect()
}

/// The tokens of a cohort, with the tokenizer and the grid that were fitted on it.
#[derive(Clone, Debug)]
pub struct Tokenized {
    /// Tokenizer, from bases to tokens.
    pub tokenizer: Tokenizer,
    /// Slot grid, from tokens to slots.
    pub grid: Grid,
    /// Tokens of the distinct haplotypes, and the haplotypes of every sample.
    pub tokens: TokenSet,
    /// Counts.
    pub summary: Summary,
    /// Seconds for cutting haplotypes into segments, training the tokenizer and laying out the
    /// slots.
    pub fit_seconds: f64,
    /// Seconds for encoding every distinct haplotype.
    pub encode_seconds: f64,
    segments: Vec<LocusSegments>,
    measured: Measured,
}

/// Measures of the segments and haplotypes, for the report.
#[derive(Clone, Debug, Default)]
struct Measured {
    /// Loci x distinct segments: whether tokenizer and grid have not seen the segment.
    unseen: Vec<Vec<bool>>,
    /// Tokens of each distinct haplotype of every locus, special tokens excluded, before any token
    /// is replaced or cut to fit the slots.
    n_tokens: Vec<usize>,
}

#[cfg(test)]
mod tests;

pub use self::{
    encoding::{EncodedHaplotypes, encode_haplotypes},
    error::{Error, InputsProblem},
    folder::Folder,
    grid::{Grid, LocusGrid},
    merge::{MergeProblem, Shard, merge},
    options::{Options, OptionsProblem, Slots, TokenizerKind},
    report::Report,
    segments::Anchor,
    store::{LocusTokens, StoreProblem, TokenSet},
    summary::Summary,
    words::Words,
};
