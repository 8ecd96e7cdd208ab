//! Lays out the slots of each locus.

use gf_haplotypes::{Dictionary, LocusHaplotypes};
use gf_tokenizer::PAD;

use super::{
    grid::{Grid, LocusGrid},
    options::{Options, Slots},
    rows::n_row_tokens,
    segments::{Anchor, LocusSegments, Segment},
    words::Copies,
};

/// Lays out the slots of all loci.
pub(super) fn lay_out_grid(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    encoded: &[Vec<Vec<u32>>],
    copies: &[Copies],
    options: &Options,
) -> Grid {
    let loci = dictionary
        .loci
        .iter()
        .enumerate()
        .map(|(index, locus)| {
            lay_out(
                locus,
                &segments[index],
                &encoded[index],
                &copies[index],
                options,
            )
        })
        .collect();
    Grid::new(
        options.anchor,
        options.segment_length,
        options.slots(),
        loci,
    )
}

/// Lays out the slots of one locus.
///
/// A window gets as many slots as its longest encoding in training has tokens. With
/// [`Anchor::Haplotype`] the only window gets as many as the longest training haplotype.
fn lay_out(
    locus: &LocusHaplotypes,
    segments: &LocusSegments,
    encoded: &[Vec<u32>],
    copies: &Copies,
    options: &Options,
) -> LocusGrid {
    let training_segments: Vec<(&Segment, &[u32])> = segments
        .distinct
        .iter()
        .zip(encoded)
        .zip(&copies.segments)
        .filter(|(_, count)| **count > 0)
        .map(|((segment, tokens), _)| (segment, tokens.as_slice()))
        .collect();
    let mut slots = vec![0; segments.n_windows];
    match options.anchor {
        Anchor::Reference => {
            for (segment, tokens) in &training_segments {
                slots[segment.window] = slots[segment.window].max(tokens.len());
            }
        }
        Anchor::Haplotype => slots[0] = longest_training_row(segments, encoded, copies),
    }
    let mut grid = LocusGrid::new(locus, &slots, known_segments(segments, copies));
    if options.slots() == Slots::Varying {
        let varying = varying_slots(&grid, &training_segments);
        grid.keep(varying);
    }
    grid
}

/// The training segments of each window, from the commonest to the rarest.
///
/// Segments with equal copies are in the order of their bases.
fn known_segments(segments: &LocusSegments, copies: &Copies) -> Vec<Vec<String>> {
    let mut by_copies: Vec<(&Segment, u64)> = segments
        .distinct
        .iter()
        .zip(copies.segments.iter().copied())
        .filter(|(_, count)| *count > 0)
        .collect();
    by_copies.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.bases.cmp(&b.0.bases)));
    let mut known = vec![Vec::new(); segments.n_windows];
    for (segment, _) in by_copies {
        known[segment.window].push(String::from_utf8_lossy(&segment.bases).into_owned());
    }
    known
}

/// Most tokens of a training haplotype or the reference.
fn longest_training_row(segments: &LocusSegments, encoded: &[Vec<u32>], copies: &Copies) -> usize {
    segments
        .haplotypes
        .iter()
        .zip(&copies.haplotypes)
        .filter(|(_, count)| **count > 0)
        .map(|(row, _)| row)
        .chain([&segments.reference])
        .map(|row| n_row_tokens(row, encoded))
        .max()
        .unwrap_or(0)
}

/// The slots at which these segments' tokens differ, with the first and the last slot of the row.
pub(super) fn varying_slots(
    grid: &LocusGrid,
    training_segments: &[(&Segment, &[u32])],
) -> Vec<usize> {
    let mut first_token: Vec<Option<u32>> = vec![None; grid.n_numbered_slots()];
    let mut varies = vec![false; grid.n_numbered_slots()];
    for (segment, tokens) in training_segments {
        for offset in 0..grid.slots_in(segment.window) {
            let slot = grid.first_slot[segment.window] + offset;
            let token = tokens.get(offset).copied().unwrap_or(PAD);
            varies[slot] |= *first_token[slot].get_or_insert(token) != token;
        }
    }
    let last = grid.n_numbered_slots() - 1;
    (0..=last)
        .filter(|&slot| varies[slot] || slot == 0 || slot == last)
        .collect()
}
