//! The token row of every distinct haplotype.

use crate::tokens::InputsProblem;
use gf_haplotypes::{Dictionary, LocusHaplotypes};
use gf_tokenizer::{CLS, PAD, SEP, Tokenizer};
use rayon::prelude::*;

use super::{
    Error, Measured, Summary,
    grid::{Grid, LocusGrid},
    segments::{Anchor, LocusSegments},
    store::{LocusTokens, TokenSet},
    unseen::{fit_into_windows, unread_segments, unseen_segments},
};

/// Output of [`fill`].
pub(super) struct Filled {
    pub(super) tokens: TokenSet,
    pub(super) summary: Summary,
    pub(super) measured: Measured,
}

/// Writes the tokens of every distinct haplotype into its row, and measures them.
///
/// `encoded` is loci x distinct segments x tokens. It is consumed locus by locus to free memory.
pub(super) fn fill(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    encoded: Vec<Vec<Vec<u32>>>,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<Filled, Error> {
    let mut summary = Summary {
        vocab_size: tokenizer.vocab_len(),
        n_training_segments: grid.n_known_segments(),
        anchor: grid.anchor,
        ..Summary::default()
    };
    let mut loci = Vec::with_capacity(grid.loci.len());
    let mut measured = Measured::default();
    let mut dictionary_loci = dictionary.loci.iter().zip(segments).zip(encoded);
    for locus_grid in &grid.loci {
        let ((locus, segments), encoded) = dictionary_loci
            .next()
            .filter(|((locus, _), _)| {
                locus.locus.name == locus_grid.name && locus.locus.len_nt() == locus_grid.len_nt
            })
            .ok_or_else(|| InputsProblem::NoLocus {
                locus: locus_grid.name.clone(),
            })?;
        let rows = Rows::new(segments, encoded, tokenizer, locus_grid, grid.anchor)?;
        summary.add(&rows.summarize(locus, segments, locus_grid, grid.anchor));
        loci.push(LocusTokens {
            name: locus.locus.name.clone(),
            n_slots: locus_grid.n_slots(),
            tokens: rows.tokens,
            pairs: locus.pairs.clone(),
        });
        measured.unseen.push(rows.unseen);
        measured.n_tokens.extend(rows.n_tokens);
    }
    Ok(Filled {
        tokens: TokenSet {
            samples: dictionary.samples.clone(),
            loci,
        },
        summary,
        measured,
    })
}

/// The token rows of the distinct haplotypes of one locus.
pub(super) struct Rows {
    /// Token ids, haplotypes x slots.
    pub(super) tokens: Vec<u32>,
    /// For each distinct segment, whether training did not have it in its window.
    pub(super) unseen: Vec<bool>,
    /// For each distinct segment, whether it needs more slots than its window has and is read as
    /// another segment.
    pub(super) replaced: Vec<bool>,
    /// For each distinct segment, whether it differs from all training segments at a dropped slot.
    pub(super) unread: Vec<bool>,
    /// Tokens of each haplotype, before any segment is replaced or the row is cut.
    pub(super) n_tokens: Vec<usize>,
    /// Tokens of each haplotype that fitted into its row.
    pub(super) n_written: Vec<usize>,
}

impl Rows {
    pub(super) fn new(
        segments: &LocusSegments,
        mut encoded: Vec<Vec<u32>>,
        tokenizer: &Tokenizer,
        grid: &LocusGrid,
        anchor: Anchor,
    ) -> Result<Self, Error> {
        let unseen = unseen_segments(segments, grid);
        let n_tokens = segments
            .haplotypes
            .iter()
            .map(|row| n_row_tokens(row, &encoded))
            .collect();
        let replaced = match anchor {
            Anchor::Reference => {
                fit_into_windows(segments, &mut encoded, &unseen, tokenizer, grid)?
            }
            Anchor::Haplotype => vec![false; encoded.len()],
        };
        let unread = unread_segments(segments, &encoded, &unseen, tokenizer, grid)?;
        let n_slots = grid.n_slots();
        let mut tokens = vec![PAD; n_slots * segments.haplotypes.len()];
        let writer = RowWriter {
            segments,
            encoded: &encoded,
            grid,
            anchor,
        };
        let n_written = tokens
            .par_chunks_exact_mut(n_slots)
            .zip(&segments.haplotypes)
            .map_init(Vec::new, |numbered, (row, haplotype)| {
                writer.write(haplotype, row, numbered)
            })
            .collect();
        Ok(Self {
            tokens,
            unseen,
            replaced,
            unread,
            n_tokens,
            n_written,
        })
    }

    /// Whether a haplotype that is cut by its own bases is longer than its row.
    pub(super) fn is_cut(&self, haplotype: usize, anchor: Anchor) -> bool {
        anchor == Anchor::Haplotype && self.n_tokens[haplotype] > self.n_written[haplotype]
    }

    /// Whether the tokens do not represent this distinct segment exactly.
    pub(super) fn is_approximated(&self, segment: u32) -> bool {
        self.replaced[segment as usize] || self.unread[segment as usize]
    }

    /// Counts of one locus.
    pub(super) fn summarize(
        &self,
        locus: &LocusHaplotypes,
        segments: &LocusSegments,
        grid: &LocusGrid,
        anchor: Anchor,
    ) -> Summary {
        let has_slots = grid.windows_with_slots();
        let mut summary = Summary {
            n_slots: grid.n_slots(),
            n_distinct_haplotypes: locus.haplotypes.len(),
            n_unseen_segments: count_true(&self.unseen),
            n_slot_overflows: count_true(&self.replaced),
            ..Summary::default()
        };
        for (haplotype, row) in segments.haplotypes.iter().enumerate() {
            // Bases of a window without slots make no tokens: they are left out of nt per token.
            summary.n_nt += segments
                .of_row(row)
                .filter(|segment| has_slots[segment.window])
                .map(|segment| segment.bases.len() as u64)
                .sum::<u64>();
            summary.n_tokens += self.n_tokens[haplotype] as u64;
            summary.n_slot_overflows += u64::from(self.is_cut(haplotype, anchor));
            let is_empty = segments.of_row(row).all(|segment| segment.bases.is_empty());
            summary.n_empty_haplotypes += u64::from(is_empty);
        }
        summary.count_unread(locus, segments, &self.unread);
        summary
    }
}

/// Writes haplotypes of one locus into rows of tokens.
struct RowWriter<'a> {
    segments: &'a LocusSegments,
    /// Distinct segments x tokens.
    encoded: &'a [Vec<u32>],
    grid: &'a LocusGrid,
    anchor: Anchor,
}

impl RowWriter<'_> {
    /// Writes one haplotype into a row of kept slots; returns the tokens that fitted.
    ///
    /// `numbered` is scratch space for the row before slots are dropped.
    fn write(&self, haplotype: &[u32], row: &mut [u32], numbered: &mut Vec<u32>) -> usize {
        let Some(kept_slots) = self.grid.kept_slots() else {
            return self.write_numbered(haplotype, row);
        };
        numbered.clear();
        numbered.resize(self.grid.n_numbered_slots(), PAD);
        let n_written = self.write_numbered(haplotype, numbered);
        for (token, &slot) in row.iter_mut().zip(kept_slots) {
            *token = numbered[slot];
        }
        n_written
    }

    /// Writes one haplotype into a row of all numbered slots; returns the tokens that fitted.
    fn write_numbered(&self, haplotype: &[u32], row: &mut [u32]) -> usize {
        let last = row.len() - 1;
        row[0] = CLS;
        row[last] = SEP;
        let mut next = 1;
        let mut n_written = 0;
        for &segment in haplotype {
            let window = self.segments.distinct[segment as usize].window;
            let tokens = &self.encoded[segment as usize];
            let start = match self.anchor {
                Anchor::Reference => self.grid.first_slot[window],
                Anchor::Haplotype => next,
            };
            let n_fitting = tokens.len().min(last - start);
            row[start..start + n_fitting].copy_from_slice(&tokens[..n_fitting]);
            next = start + n_fitting;
            n_written += n_fitting;
        }
        n_written
    }
}

/// Tokens of a haplotype, given as the numbers of its segments.
pub(super) fn n_row_tokens(row: &[u32], encoded: &[Vec<u32>]) -> usize {
    row.iter()
        .map(|&segment| encoded[segment as usize].len())
        .sum()
}

fn count_true(flags: &[bool]) -> u64 {
    flags.iter().filter(|flag| **flag).count() as u64
}
