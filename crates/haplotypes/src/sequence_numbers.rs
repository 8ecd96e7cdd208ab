//! The numbers of distinct sequences, in order of first appearance, and the edits that these carry.
//!
//! Input -> output: sequences as ascending numbers into a table of edits -> each one's number; at
//! the end the distinct ones over the edits that are left. What comes out depends on the sequences
//! and their order alone, so that blocks of people, one after the other, give what all give at
//! once.

use std::collections::HashMap;

use super::{
    fingerprint::Fingerprints,
    haplotype::{Edit, splice},
};

/// Distinct sequences of one locus so far.
pub struct SequenceNumbers<'l> {
    reference: &'l [u8],
    start0: usize,
    edits: &'l [Edit],
    fingerprints: Fingerprints,
    with_fingerprint: HashMap<(u64, usize), Vec<u32>>,
    haplotypes: Vec<Vec<u32>>,
}

impl<'l> SequenceNumbers<'l> {
    /// Of a locus whose reference bases start at `start0`; `edits` in the order of [`sorted`].
    pub fn new(reference: &'l [u8], start0: usize, edits: &'l [Edit]) -> Self {
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

    /// The number of a sequence; that of an earlier one where it has the same bases.
    pub fn number(&mut self, haplotype: &[u32]) -> u32 {
        let Self {
            reference,
            start0,
            edits,
            fingerprints,
            with_fingerprint,
            haplotypes,
        } = self;
        let edits_of = |numbers: &[u32]| {
            numbers
                .iter()
                .map(|&edit| &edits[edit as usize])
                .collect::<Vec<_>>()
        };
        let alike = with_fingerprint
            .entry(fingerprints.combined(edits_of(haplotype).into_iter()))
            .or_default();
        let same_bases = |&&other: &&u32| {
            let other: &[u32] = &haplotypes[other as usize];
            other == haplotype
                || splice(reference, *start0, edits_of(other))
                    == splice(reference, *start0, edits_of(haplotype))
        };
        alike.iter().find(same_bases).copied().unwrap_or_else(|| {
            alike.push(haplotypes.len() as u32);
            haplotypes.push(haplotype.to_vec());
            haplotypes.len() as u32 - 1
        })
    }

    /// The edits that some distinct sequence carries, and the sequences as numbers into these.
    pub fn finish(self) -> (Vec<Edit>, Vec<Vec<u32>>) {
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
        (edits, haplotypes)
    }
}

/// Edits in the order of a dictionary (by place, then by letters), each once, and the place there
/// of each that was given.
pub fn sorted(edits: &[Edit]) -> (Vec<Edit>, Vec<u32>) {
    let key = |number: &usize| {
        let Edit { start0, end0, alt } = &edits[*number];
        (*start0, *end0, alt)
    };
    let mut order: Vec<usize> = (0..edits.len()).collect();
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut new_number = vec![0; edits.len()];
    let mut in_order: Vec<Edit> = Vec::with_capacity(edits.len());
    for number in order {
        if in_order.last() != Some(&edits[number]) {
            in_order.push(edits[number].clone());
        }
        new_number[number] = in_order.len() as u32 - 1;
    }
    (in_order, new_number)
}
