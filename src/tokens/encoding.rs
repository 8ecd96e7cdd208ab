//! Token ids of distinct segments, and haplotypes on a fitted grid.

use gf_haplotypes::{Dictionary, LocusHaplotypes};
use gf_tokenizer::Tokenizer;
use rayon::prelude::*;

use super::{Error, grid::Grid, rows::Rows, segments::LocusSegments, store::LocusTokens};

/// Haplotypes of one locus, encoded on a fitted grid, with the segments that were not read exactly.
#[derive(Clone, Debug)]
pub struct EncodedHaplotypes {
    /// Tokens of the haplotypes.
    pub tokens: LocusTokens,
    /// For each haplotype, the segments that its tokens do not represent exactly, as numbers that
    /// are valid within one call.
    ///
    /// [`Anchor::Reference`](super::Anchor::Reference): segments read as the nearest training
    /// segment, and segments with an allele at a dropped slot.
    /// [`Anchor::Haplotype`](super::Anchor::Haplotype): all segments of a haplotype that is cut at
    /// the end.
    pub approximated: Vec<Vec<u32>>,
}

/// Encodes the haplotypes of locus number `locus_number` of the grid.
///
/// The haplotypes need not occur in a sample.
///
/// # Errors
/// The same as [`encode`](super::encode).
pub fn encode_haplotypes(
    locus: &LocusHaplotypes,
    locus_number: usize,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<EncodedHaplotypes, Error> {
    let segments = LocusSegments::new(locus, grid.segment_length, grid.anchor);
    let locus_grid = &grid.loci[locus_number];
    let has_slots = locus_grid.windows_with_slots();
    let encoded = encode_segments(locus, &segments, &has_slots, tokenizer)?;
    let rows = Rows::new(&segments, encoded, tokenizer, locus_grid, grid.anchor)?;
    let approximated = segments
        .haplotypes
        .iter()
        .enumerate()
        .map(|(haplotype, row)| {
            let is_cut = rows.is_cut(haplotype, grid.anchor);
            row.iter()
                .copied()
                .filter(|&segment| is_cut || rows.is_approximated(segment))
                .collect()
        })
        .collect();
    Ok(EncodedHaplotypes {
        approximated,
        tokens: LocusTokens {
            name: locus.locus.name.clone(),
            n_slots: locus_grid.n_slots(),
            tokens: rows.tokens,
            pairs: locus.pairs.clone(),
        },
    })
}

/// Encodes every distinct segment: token ids, loci x distinct segments x tokens.
pub(super) fn encode_distinct(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    has_slots: &[Vec<bool>],
    tokenizer: &Tokenizer,
) -> Result<Vec<Vec<Vec<u32>>>, Error> {
    dictionary
        .loci
        .iter()
        .zip(segments)
        .zip(has_slots)
        .map(|((locus, segments), has_slots)| {
            encode_segments(locus, segments, has_slots, tokenizer)
        })
        .collect()
}

/// Token ids of every distinct segment of a locus; none in a window without slots.
fn encode_segments(
    locus: &LocusHaplotypes,
    segments: &LocusSegments,
    has_slots: &[bool],
    tokenizer: &Tokenizer,
) -> Result<Vec<Vec<u32>>, Error> {
    segments
        .distinct
        .par_iter()
        .map(|segment| {
            // A grid of other loci can have fewer windows; `fill` refuses it.
            if has_slots.get(segment.window).copied().unwrap_or(false) {
                tokenizer.encode(&segment.bases)
            } else {
                Ok(Vec::new())
            }
        })
        .collect::<Result<_, _>>()
        .map_err(|source| Error::Locus {
            locus: locus.locus.name.clone(),
            source,
        })
}
