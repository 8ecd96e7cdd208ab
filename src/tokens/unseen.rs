//! Segments that training did not have: how they are read, and which of them are not.

use std::collections::HashSet;

use gf_tokenizer::{PAD, Tokenizer, edit_distance};
use rayon::prelude::*;

use super::{
    Error,
    grid::LocusGrid,
    segments::{LocusSegments, Segment},
};
use crate::tokens::InputsProblem;

/// For each distinct segment, whether training did not have it in its window.
pub(super) fn unseen_segments(segments: &LocusSegments, grid: &LocusGrid) -> Vec<bool> {
    let known: Vec<HashSet<&[u8]>> = grid
        .known_segments
        .iter()
        .map(|known| known.iter().map(String::as_bytes).collect())
        .collect();
    segments
        .distinct
        .iter()
        .map(|segment| !known[segment.window].contains(segment.bases.as_slice()))
        .collect()
}

/// For each distinct segment, whether it differs from every training segment at a dropped slot or
/// in a window without slots.
pub(super) fn unread_segments(
    segments: &LocusSegments,
    encoded: &[Vec<u32>],
    unseen: &[bool],
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<Vec<bool>, Error> {
    let is_kept = grid.is_kept();
    segments
        .distinct
        .par_iter()
        .zip(encoded)
        .zip(unseen)
        .map(|((segment, tokens), unseen)| {
            if *unseen {
                is_unread(segment, tokens, &is_kept, tokenizer, grid)
            } else {
                Ok(false)
            }
        })
        .collect()
}

/// Whether an unseen segment differs from training at a dropped slot or in a window without slots.
///
/// All training segments have the same token at a dropped slot, so that the first one represents
/// all of them.
fn is_unread(
    segment: &Segment,
    tokens: &[u32],
    is_kept: &[bool],
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<bool, Error> {
    let n_slots = grid.slots_in(segment.window);
    if n_slots == 0 {
        return Ok(true);
    }
    let first_slot = grid.first_slot[segment.window];
    let is_kept = &is_kept[first_slot..first_slot + n_slots];
    if is_kept.iter().all(|kept| *kept) {
        return Ok(false);
    }
    let known_bases = grid.known_segments[segment.window][0].as_bytes();
    let known_tokens = tokenizer.encode(known_bases)?;
    Ok((0..n_slots).any(|offset| {
        let token = tokens.get(offset).unwrap_or(&PAD);
        let known_token = known_tokens.get(offset).unwrap_or(&PAD);
        !is_kept[offset] && token != known_token
    }))
}

/// Replaces each segment that needs more slots than its window has by the nearest training segment.
///
/// The nearest has the least edit distance; among equals it is the commonest. A new sample's rare
/// allele is thus read as its closest known relative. Returns which segments were replaced.
pub(super) fn fit_into_windows(
    segments: &LocusSegments,
    encoded: &mut [Vec<u32>],
    unseen: &[bool],
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<Vec<bool>, Error> {
    segments
        .distinct
        .par_iter()
        .zip(encoded)
        .zip(unseen)
        .map(|((segment, tokens), unseen)| {
            fit_into_window(segment, tokens, *unseen, tokenizer, grid)
        })
        .collect()
}

/// Returns whether the segment was replaced.
fn fit_into_window(
    segment: &Segment,
    tokens: &mut Vec<u32>,
    unseen: bool,
    tokenizer: &Tokenizer,
    grid: &LocusGrid,
) -> Result<bool, Error> {
    let n_slots = grid.slots_in(segment.window);
    if n_slots == 0 {
        return Ok(false);
    }
    let overflows = unseen && tokens.len() > n_slots;
    if overflows
        && let Some(nearest) = nearest(&grid.known_segments[segment.window], &segment.bases)
    {
        *tokens = tokenizer.encode(nearest)?;
    }
    if tokens.len() > n_slots {
        let locus = grid.name.clone();
        return Err(InputsProblem::OtherGrid { locus }.into());
    }
    Ok(overflows)
}

/// The known segment with the least edit distance; the first of equals, which is the commonest.
pub(super) fn nearest<'k>(known: &'k [String], bases: &[u8]) -> Option<&'k [u8]> {
    let mut nearest = None;
    let mut least_distance = usize::MAX;
    for candidate in known.iter().map(String::as_bytes) {
        // The edit distance is at least the difference in length.
        if candidate.len().abs_diff(bases.len()) < least_distance {
            let distance = edit_distance(candidate, bases);
            if distance < least_distance {
                nearest = Some(candidate);
                least_distance = distance;
            }
        }
    }
    nearest
}
