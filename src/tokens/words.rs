//! Segments of the training samples: their copies, and the input of the tokenizer.

use std::collections::BTreeMap;

use gf_haplotypes::{Dictionary, LocusHaplotypes};
use gf_tokenizer::Tokenizer;
use rayon::prelude::*;

use super::{
    Error, cut,
    options::{Options, Slots},
    segments::LocusSegments,
    summary::present_haplotypes,
};
use crate::tokens::InputsProblem;

/// Copies of each distinct haplotype and segment of a locus in the training samples.
pub(super) struct Copies {
    /// Copies of each distinct haplotype.
    pub(super) haplotypes: Vec<u64>,
    /// Copies of each distinct segment; 0 for a segment that too few samples carry.
    ///
    /// A segment of the reference has at least one copy, so that every window has a known segment
    /// that an unseen one can be read as.
    pub(super) segments: Vec<u64>,
    /// Segments that too few samples carry.
    pub(super) n_withheld: u64,
}

impl Copies {
    pub(super) fn count(
        locus: &LocusHaplotypes,
        segments: &LocusSegments,
        training: &[usize],
        min_samples: usize,
    ) -> Self {
        let mut haplotype_copies = vec![0; locus.haplotypes.len()];
        let mut n_carriers = vec![0; segments.distinct.len()];
        let mut last_carrier = vec![usize::MAX; segments.distinct.len()];
        for &sample in training {
            for haplotype in present_haplotypes(locus.pairs[sample]) {
                haplotype_copies[haplotype] += 1;
                for &segment in &segments.haplotypes[haplotype] {
                    // A segment on both haplotypes of a sample has one carrier.
                    if std::mem::replace(&mut last_carrier[segment as usize], sample) != sample {
                        n_carriers[segment as usize] += 1;
                    }
                }
            }
        }
        let mut segment_copies = vec![0; segments.distinct.len()];
        for (row, count) in segments.haplotypes.iter().zip(&haplotype_copies) {
            for &segment in row {
                segment_copies[segment as usize] += count;
            }
        }
        for &segment in &segments.reference {
            segment_copies[segment as usize] = segment_copies[segment as usize].max(1);
            // The reference is public: its segments are never withheld.
            n_carriers[segment as usize] = usize::MAX;
        }
        let mut n_withheld = 0;
        for (copies, carriers) in segment_copies.iter_mut().zip(n_carriers) {
            if *copies > 0 && carriers < min_samples {
                *copies = 0;
                n_withheld += 1;
            }
        }
        Self {
            haplotypes: haplotype_copies,
            segments: segment_copies,
            n_withheld,
        }
    }
}

pub(super) fn count_copies(
    dictionary: &Dictionary,
    segments: &[LocusSegments],
    training: &[usize],
    options: &Options,
) -> Vec<Copies> {
    dictionary
        .loci
        .par_iter()
        .zip(segments)
        .map(|(locus, segments)| Copies::count(locus, segments, training, options.min_token_count))
        .collect()
}

/// Training input of a tokenizer: the distinct training segments over all windows, with their
/// copies, in the order of their bases.
///
/// The words of several dictionaries with different loci add up to the words of one dictionary with
/// all these loci.
#[derive(Clone, Debug, Default)]
pub struct Words(BTreeMap<Vec<u8>, u64>);

impl Words {
    /// Adds the segments of the loci of a dictionary, as [`run`](super::run) cuts and counts them.
    pub fn add(&mut self, dictionary: &Dictionary, training: &[usize], options: &Options) {
        let segments = cut(dictionary, options.segment_length, options.anchor);
        let copies = count_copies(dictionary, &segments, training, options);
        let has_slots = windows_with_slots(&segments, &copies, options.slots());
        self.add_segments(&segments, &copies, &has_slots);
    }

    /// Adds segments by locus; `has_slots` is loci x windows.
    pub(super) fn add_segments(
        &mut self,
        segments: &[LocusSegments],
        copies: &[Copies],
        has_slots: &[Vec<bool>],
    ) {
        for ((locus, copies), has_slots) in segments.iter().zip(copies).zip(has_slots) {
            for (segment, &count) in locus.distinct.iter().zip(&copies.segments) {
                if count > 0 && has_slots[segment.window] && !segment.bases.is_empty() {
                    match self.0.get_mut(&segment.bases) {
                        Some(known) => *known += count,
                        None => _ = self.0.insert(segment.bases.clone(), count),
                    }
                }
            }
        }
    }

    /// Fits the tokenizer that [`run`](super::run) would fit on all these segments.
    ///
    /// # Errors
    /// No segment, a letter outside the alphabet, options that contradict each other, or a given
    /// tokenizer file.
    pub fn fit(self, alphabet: &[u8], options: &Options) -> Result<Tokenizer, Error> {
        let kind = options.kind()?.ok_or(InputsProblem::NoTokenizer)?;
        if self.0.is_empty() && options.slots() == Slots::Varying && options.learns_tokenizer() {
            return Err(InputsProblem::NothingVaries.into());
        }
        let mut words: Vec<(Vec<u8>, u64)> = self.0.into_iter().collect();
        if words.is_empty() && !options.learns_tokenizer() {
            // A tokenizer of single nucleotides does not depend on the segments, but `train`
            // refuses an empty input.
            words.extend(alphabet.first().map(|&letter| (vec![letter], 1)));
        }
        Ok(Tokenizer::train(&kind, alphabet, &words)?)
    }
}

/// Whether each window gets slots, loci x windows.
///
/// With [`Slots::Varying`] only a window with at least two distinct segments in training and
/// reference gets slots.
pub(super) fn windows_with_slots(
    segments: &[LocusSegments],
    copies: &[Copies],
    slots: Slots,
) -> Vec<Vec<bool>> {
    segments
        .iter()
        .zip(copies)
        .map(|(segments, copies)| locus_windows_with_slots(segments, copies, slots))
        .collect()
}

fn locus_windows_with_slots(segments: &LocusSegments, copies: &Copies, slots: Slots) -> Vec<bool> {
    if slots == Slots::All {
        return vec![true; segments.n_windows];
    }
    let mut n_versions = vec![0; segments.n_windows];
    for (segment, &count) in segments.distinct.iter().zip(&copies.segments) {
        if count > 0 {
            n_versions[segment.window] += 1;
        }
    }
    n_versions.into_iter().map(|n| n > 1).collect()
}
