//! The distinct segments of a locus, and the segments of each distinct haplotype.
//!
//! Input: [`LocusHaplotypes`]. Output: windows in reading order (5' to 3' on the strand of the
//! locus), the distinct bases in each window, and a row of segment numbers for each haplotype.
//!
//! With [`Anchor::Reference`] a window begins at a fixed 0-based coordinate on the contig. With
//! [`Anchor::Haplotype`] a haplotype is cut after every `segment_length` of its own bases, and all
//! segments are in one window.

use std::collections::HashMap;

use gf_tokenizer::cuts;
use serde::{Deserialize, Serialize};

use gf_genotypes::{Position0, Strand};
use gf_haplotypes::{Edit, LocusHaplotypes, splice};

/// Where haplotypes are cut into segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anchor {
    /// At fixed reference coordinates, so that a slot means the same position in every sample.
    #[default]
    Reference,
    /// After a fixed number of the haplotype's own bases. Tokens follow one another, so that an
    /// indel shifts all later tokens.
    Haplotype,
}

impl std::fmt::Display for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reference => "reference",
            Self::Haplotype => "haplotype",
        })
    }
}

/// A distinct segment: the bases of a haplotype in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Window, in reading order.
    pub window: usize,
    /// Bases, 5' to 3' on the strand of the locus.
    pub bases: Vec<u8>,
    /// Non-reference alleles; 0 with [`Anchor::Haplotype`].
    pub n_alleles: u32,
}

/// One locus cut into segments.
#[derive(Clone, Debug, Default)]
pub(super) struct LocusSegments {
    /// Windows of the locus.
    pub n_windows: usize,
    /// Each distinct (window, bases) once.
    pub distinct: Vec<Segment>,
    /// Row of the reference: numbers into `distinct` in reading order.
    pub reference: Vec<u32>,
    /// Rows of the distinct haplotypes.
    pub haplotypes: Vec<Vec<u32>>,
}

impl LocusSegments {
    /// Cuts every distinct haplotype of a locus.
    pub fn new(locus: &LocusHaplotypes, segment_length: usize, anchor: Anchor) -> Self {
        match anchor {
            Anchor::Reference => Anchored::new(locus, segment_length).cut(),
            Anchor::Haplotype => cut_by_own_bases(locus, segment_length),
        }
    }

    /// The segments of a row.
    pub fn of_row(&self, row: &[u32]) -> impl Iterator<Item = &Segment> {
        row.iter().map(|&segment| &self.distinct[segment as usize])
    }
}

/// Numbers for the distinct (window, bases), from 0 in the order of their first occurrence.
struct Numbers {
    /// For each window, bases -> number.
    by_window: Vec<HashMap<Vec<u8>, u32>>,
    distinct: Vec<Segment>,
}

impl Numbers {
    fn new(n_windows: usize) -> Self {
        Self {
            by_window: vec![HashMap::new(); n_windows],
            distinct: Vec::new(),
        }
    }

    fn number(&mut self, window: usize, bases: &[u8], n_alleles: usize) -> u32 {
        if let Some(&known) = self.by_window[window].get(bases) {
            return known;
        }
        let number = self.distinct.len() as u32;
        self.by_window[window].insert(bases.to_vec(), number);
        self.distinct.push(Segment {
            window,
            bases: bases.to_vec(),
            n_alleles: n_alleles as u32,
        });
        number
    }

    /// The row of a haplotype that is cut by its own bases.
    fn row_of_bases(&mut self, bases: &[u8], segment_length: usize) -> Vec<u32> {
        bases
            .chunks(segment_length)
            .map(|segment| self.number(0, segment, 0))
            .collect()
    }
}

fn cut_by_own_bases(locus: &LocusHaplotypes, segment_length: usize) -> LocusSegments {
    let mut numbers = Numbers::new(1);
    let reference_bases = locus.oriented(locus.reference.clone());
    let reference = numbers.row_of_bases(&reference_bases, segment_length);
    let haplotypes = (0..locus.haplotypes.len())
        .map(|haplotype| numbers.row_of_bases(&locus.bases(haplotype as u32), segment_length))
        .collect();
    LocusSegments {
        n_windows: 1,
        distinct: numbers.distinct,
        reference,
        haplotypes,
    }
}

/// Cuts haplotypes at reference coordinates.
///
/// The row of a haplotype is the row of the reference except for windows with an edit. Each set of
/// edits of a window is spliced once. `forward` counts the windows in ascending coordinates, on
/// either strand.
struct Anchored<'l> {
    locus: &'l LocusHaplotypes,
    /// Starts of the windows on the contig, ascending.
    cuts: Vec<Position0>,
    /// For each edit, its parts with the `forward` window of each.
    edit_parts: Vec<Vec<(usize, Edit)>>,
    /// For each `forward` window, set of edits -> segment number.
    by_edits: Vec<HashMap<Vec<u32>, u32>>,
    numbers: Numbers,
}

impl<'l> Anchored<'l> {
    fn new(locus: &'l LocusHaplotypes, segment_length: usize) -> Self {
        let region = &locus.locus;
        let cuts: Vec<Position0> = cuts(region.start0.get(), region.end0.get(), segment_length)
            .into_iter()
            .map(Position0::new)
            .collect();
        let edit_parts = locus
            .edits
            .iter()
            .map(|edit| edit.split_at(&cuts))
            .collect();
        Self {
            locus,
            edit_parts,
            by_edits: vec![HashMap::new(); cuts.len()],
            numbers: Numbers::new(cuts.len()),
            cuts,
        }
    }

    fn cut(mut self) -> LocusSegments {
        let n_windows = self.cuts.len();
        let mut reference = vec![0; n_windows];
        for forward in 0..n_windows {
            reference[self.in_reading_order(forward)] = self.number(forward, &[]);
        }
        let haplotypes = self
            .locus
            .haplotypes
            .iter()
            .map(|edits| self.row(edits, &reference))
            .collect();
        LocusSegments {
            n_windows,
            distinct: self.numbers.distinct,
            reference,
            haplotypes,
        }
    }

    /// The row of a haplotype with these edits.
    fn row(&mut self, edits: &[u32], reference: &[u32]) -> Vec<u32> {
        let mut window_edits: Vec<(usize, u32)> = edits
            .iter()
            .flat_map(|&edit| {
                self.edit_parts[edit as usize]
                    .iter()
                    .map(move |(forward, _)| (*forward, edit))
            })
            .collect();
        window_edits.sort_by_key(|(forward, _)| *forward);
        let mut row = reference.to_vec();
        for same_window in window_edits.chunk_by(|a, b| a.0 == b.0) {
            let forward = same_window[0].0;
            let edits: Vec<u32> = same_window.iter().map(|(_, edit)| *edit).collect();
            row[self.in_reading_order(forward)] = self.number(forward, &edits);
        }
        row
    }

    /// Number of the segment with these edits in the window `forward`.
    fn number(&mut self, forward: usize, edits: &[u32]) -> u32 {
        if let Some(&known) = self.by_edits[forward].get(edits) {
            return known;
        }
        let region = &self.locus.locus;
        let start0 = self.cuts[forward];
        let end0 = self.cuts.get(forward + 1).copied().unwrap_or(region.end0);
        let reference = &self.locus.reference[start0 - region.start0..end0 - region.start0];
        let edits_in_window = edits
            .iter()
            .flat_map(|&edit| &self.edit_parts[edit as usize])
            .filter(|(window, _)| *window == forward)
            .map(|(_, part)| part);
        let bases = self
            .locus
            .oriented(splice(reference, start0, edits_in_window));
        let window = self.in_reading_order(forward);
        let number = self.numbers.number(window, &bases, edits.len());
        self.by_edits[forward].insert(edits.to_vec(), number);
        number
    }

    /// Index of the window `forward` in reading order: reversed for a locus on the reverse strand.
    fn in_reading_order(&self, forward: usize) -> usize {
        match self.locus.locus.strand {
            Strand::Forward => forward,
            Strand::Reverse => self.cuts.len() - 1 - forward,
        }
    }
}
