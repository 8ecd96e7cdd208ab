//! The distinct segments of a locus, and which ones each haplotype is made of.
//!
//! Input -> output: [`LocusHaplotypes`] -> places in reading order (5' to 3' on the strand of the
//! locus), the distinct bases at each, and a row of segment numbers for each distinct haplotype.
//! Cuts are 0-based coordinates on the contig, the same for everyone ([`Anchor::Reference`]), or
//! every so many bases of the haplotype itself ([`Anchor::Haplotype`]: one place for all segments).

use std::collections::HashMap;

use gf_tokenizer::cuts;
use serde::{Deserialize, Serialize};

use gf_genotypes::Strand;
use gf_haplotypes::{Edit, LocusHaplotypes, splice};

/// Where haplotypes are cut into segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anchor {
    /// At fixed reference coordinates: a slot means the same place in everyone.
    #[default]
    Reference,
    /// Every so many of the haplotype's own bases from its start; tokens stand one after another,
    /// and an indel shifts all that follow.
    Haplotype,
}

impl std::str::FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "reference" => Ok(Self::Reference),
            "haplotype" => Ok(Self::Haplotype),
            other => Err(format!("`{other}` is neither `reference` nor `haplotype`")),
        }
    }
}

impl std::fmt::Display for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reference => "reference",
            Self::Haplotype => "haplotype",
        })
    }
}

/// A distinct segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Place on the grid, in reading order.
    pub place: usize,
    /// Bases, 5' to 3' on the strand of the locus.
    pub bases: Vec<u8>,
    /// Alleles other than REF in it; 0 where haplotypes are cut by their own bases.
    pub n_alleles: u32,
}

/// One locus cut into segments.
#[derive(Clone, Debug, Default)]
pub(super) struct LocusSegments {
    pub n_places: usize,
    /// Each distinct (place, bases) once.
    pub distinct: Vec<Segment>,
    /// The reference, as numbers into `distinct` in reading order.
    pub reference: Vec<u32>,
    /// Each distinct haplotype likewise.
    pub haplotypes: Vec<Vec<u32>>,
}

impl LocusSegments {
    /// Cuts every distinct haplotype of a locus.
    pub fn new(locus: &LocusHaplotypes, segment_length: usize, anchor: Anchor) -> Self {
        match anchor {
            Anchor::Reference => Anchored::new(locus, segment_length).cut(),
            Anchor::Haplotype => unanchored(locus, segment_length),
        }
    }
}

/// Numbers distinct (place, bases).
struct Numbers {
    numbers: Vec<HashMap<Vec<u8>, u32>>,
    distinct: Vec<Segment>,
}

impl Numbers {
    fn new(n_places: usize) -> Self {
        Self {
            numbers: vec![HashMap::new(); n_places],
            distinct: Vec::new(),
        }
    }

    fn number(&mut self, place: usize, bases: &[u8], n_alleles: usize) -> u32 {
        if let Some(&known) = self.numbers[place].get(bases) {
            return known;
        }
        let number = self.distinct.len() as u32;
        self.numbers[place].insert(bases.to_vec(), number);
        self.distinct.push(Segment {
            place,
            bases: bases.to_vec(),
            n_alleles: n_alleles as u32,
        });
        number
    }
}

fn unanchored(locus: &LocusHaplotypes, segment_length: usize) -> LocusSegments {
    let mut numbers = Numbers::new(1);
    let mut row = |bases: Vec<u8>| {
        bases
            .chunks(segment_length)
            .map(|bases| numbers.number(0, bases, 0))
            .collect::<Vec<u32>>()
    };
    let reference = row(locus.oriented(locus.reference.clone()));
    let haplotypes = (0..locus.haplotypes.len())
        .map(|haplotype| row(locus.bases(haplotype as u32)))
        .collect();
    LocusSegments {
        n_places: 1,
        distinct: numbers.distinct,
        reference,
        haplotypes,
    }
}

/// Cuts at reference coordinates: a haplotype is the reference but for the segments with an edit,
/// each set of edits spliced once.
struct Anchored<'l> {
    locus: &'l LocusHaplotypes,
    /// Starts of the segments on the contig, ascending.
    cuts: Vec<usize>,
    /// Parts of each edit, by segment in ascending coordinates.
    parts: Vec<Vec<(usize, Edit)>>,
    /// For each segment, the edits in it -> its number in `numbers`.
    by_edits: Vec<HashMap<Vec<u32>, u32>>,
    numbers: Numbers,
}

impl<'l> Anchored<'l> {
    fn new(locus: &'l LocusHaplotypes, segment_length: usize) -> Self {
        let cuts = cuts(locus.locus.start0, locus.locus.end0, segment_length);
        let parts = locus
            .edits
            .iter()
            .map(|edit| edit.split_at(&cuts))
            .collect();
        let by_edits = vec![HashMap::new(); cuts.len()];
        let numbers = Numbers::new(cuts.len());
        Self {
            locus,
            cuts,
            parts,
            by_edits,
            numbers,
        }
    }

    fn cut(mut self) -> LocusSegments {
        let n_places = self.cuts.len();
        let mut reference = vec![0; n_places];
        for forward in 0..n_places {
            reference[self.in_reading_order(forward)] = self.number(forward, &[]);
        }
        let haplotypes = self
            .locus
            .haplotypes
            .iter()
            .map(|edits| self.row(edits, &reference))
            .collect();
        LocusSegments {
            n_places,
            distinct: self.numbers.distinct,
            reference,
            haplotypes,
        }
    }

    fn row(&mut self, edits: &[u32], reference: &[u32]) -> Vec<u32> {
        let mut touched: Vec<(usize, u32)> = edits
            .iter()
            .flat_map(|&edit| {
                self.parts[edit as usize]
                    .iter()
                    .map(move |(forward, _)| (*forward, edit))
            })
            .collect();
        touched.sort_by_key(|(forward, _)| *forward);
        let mut row = reference.to_vec();
        for here in touched.chunk_by(|a, b| a.0 == b.0) {
            let edits: Vec<u32> = here.iter().map(|(_, edit)| *edit).collect();
            row[self.in_reading_order(here[0].0)] = self.number(here[0].0, &edits);
        }
        row
    }

    /// Number of the segment `forward` (in ascending coordinates) with these edits in it.
    fn number(&mut self, forward: usize, edits: &[u32]) -> u32 {
        if let Some(&known) = self.by_edits[forward].get(edits) {
            return known;
        }
        let start0 = self.cuts[forward];
        let place = self.in_reading_order(forward);
        let end0 = self
            .cuts
            .get(forward + 1)
            .copied()
            .unwrap_or(self.locus.locus.end0);
        let reference =
            &self.locus.reference[start0 - self.locus.locus.start0..end0 - self.locus.locus.start0];
        let parts = edits.iter().flat_map(|&edit| &self.parts[edit as usize]);
        let here = parts
            .filter(|(segment, _)| *segment == forward)
            .map(|(_, part)| part);
        let number = self.numbers.number(
            place,
            &self.locus.oriented(splice(reference, start0, here)),
            edits.len(),
        );
        self.by_edits[forward].insert(edits.to_vec(), number);
        number
    }

    /// Place of the segment `forward`: reversed for a locus on the reverse strand.
    fn in_reading_order(&self, forward: usize) -> usize {
        match self.locus.locus.strand {
            Strand::Forward => forward,
            Strand::Reverse => self.cuts.len() - 1 - forward,
        }
    }
}
