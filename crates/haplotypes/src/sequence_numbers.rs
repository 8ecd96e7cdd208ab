//! Numbers distinct sequences in order of first appearance.
//!
//! Input -> output: sequences as ascending indices into a table of edits -> the number of each one;
//! at the end the distinct sequences and the edits that they carry. The result depends only on the
//! sequences and their order. Blocks of samples, merged one after the other, therefore give the
//! same result as all samples at once.

use std::collections::HashMap;

use super::{
    fingerprint::Fingerprints,
    haplotype::{Edit, splice},
};
use gf_genotypes::{Position0, Range0};

/// Distinct sequences of one locus so far.
pub struct SequenceNumbers<'l> {
    reference: &'l [u8],
    start0: Position0,
    edits: &'l [Edit],
    fingerprints: Fingerprints,
    /// Sequences with the same hash and length.
    with_fingerprint: HashMap<(u64, usize), Vec<u32>>,
    haplotypes: Vec<Vec<u32>>,
}

/// The distinct sequences of a locus.
pub struct DistinctSequences {
    /// Every edit that a sequence carries, in the order of [`SortedEdits`].
    pub edits: Vec<Edit>,
    /// Each sequence as ascending indices into `edits`.
    pub haplotypes: Vec<Vec<u32>>,
}

impl<'l> SequenceNumbers<'l> {
    /// Starts without sequences. `reference` has the bases of a locus that starts at `start0`;
    /// `edits` are in the order of [`SortedEdits`].
    pub fn new(reference: &'l [u8], start0: Position0, edits: &'l [Edit]) -> Self {
        let fingerprints = Fingerprints::new(reference, start0);
        Self {
            reference,
            start0,
            edits,
            fingerprints,
            with_fingerprint: HashMap::new(),
            haplotypes: Vec::new(),
        }
    }

    /// The number of a sequence. Different edits can give the same bases, and then share a number.
    pub fn number(&mut self, haplotype: &[u32]) -> u32 {
        let fingerprint = self.fingerprints.combined(edits_of(self.edits, haplotype));
        let candidates = self.with_fingerprint.entry(fingerprint).or_default();
        // Fingerprints can collide, so the bases decide.
        for &candidate in &*candidates {
            let earlier: &[u32] = &self.haplotypes[candidate as usize];
            if earlier == haplotype
                || splice(self.reference, self.start0, edits_of(self.edits, earlier))
                    == splice(self.reference, self.start0, edits_of(self.edits, haplotype))
            {
                return candidate;
            }
        }
        let number = self.haplotypes.len() as u32;
        candidates.push(number);
        self.haplotypes.push(haplotype.to_vec());
        number
    }

    /// The distinct sequences, without edits that none of them carries.
    pub fn finish(self) -> DistinctSequences {
        let mut haplotypes = self.haplotypes;
        let mut new_number = vec![None; self.edits.len()];
        for &edit in haplotypes.iter().flatten() {
            new_number[edit as usize] = Some(0);
        }
        let mut edits = Vec::new();
        for (number, edit) in new_number.iter_mut().zip(self.edits) {
            if let Some(number) = number {
                *number = edits.len() as u32;
                edits.push(edit.clone());
            }
        }
        for edit in haplotypes.iter_mut().flatten() {
            *edit = new_number[*edit as usize].unwrap_or_default();
        }
        DistinctSequences { edits, haplotypes }
    }
}

fn edits_of<'e>(edits: &'e [Edit], numbers: &[u32]) -> impl Iterator<Item = &'e Edit> {
    numbers.iter().map(|&number| &edits[number as usize])
}

/// Edits in the order of a dictionary: by position, then by letters, without duplicates.
pub struct SortedEdits {
    /// The sorted edits.
    pub edits: Vec<Edit>,
    /// Index into `edits` of each edit that was given.
    pub new_number: Vec<u32>,
}

impl SortedEdits {
    /// Sorts edits and removes duplicates.
    pub fn new(given: &[Edit]) -> Self {
        let mut order: Vec<usize> = (0..given.len()).collect();
        order.sort_by(|&a, &b| sort_key(&given[a]).cmp(&sort_key(&given[b])));
        let mut new_number = vec![0; given.len()];
        let mut edits: Vec<Edit> = Vec::with_capacity(given.len());
        for number in order {
            if edits.last() != Some(&given[number]) {
                edits.push(given[number].clone());
            }
            new_number[number] = edits.len() as u32 - 1;
        }
        Self { edits, new_number }
    }
}

fn sort_key(edit: &Edit) -> (Range0, &[u8]) {
    (edit.range(), &edit.alt)
}
