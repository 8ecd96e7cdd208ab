//! What the two builders of a locus share: edits and `*` wait until no later record can come before
//! them.

use std::collections::{BTreeMap, VecDeque};

use super::{
    LocusHaplotypes, Reason,
    haplotype::{Edit, OrderedEdit},
    mask::Masks,
};
use gf_genotypes::Locus;

/// Builds the sequences of one locus for all people, record by record, in the order of POS.
///
/// An allele is named by `2 * person + (0 or 1)`; carriers come ascending.
pub trait Builder {
    /// This person has one haplotype only; `true` when that was not known yet.
    fn set_absent(&mut self, person: usize) -> bool;

    /// Adds an edit of one record with the alleles that carry it.
    fn add(&mut self, edit: OrderedEdit, carriers: Vec<u32>);

    /// Adds `*` alleles of a record at `start0`: no change, but whether a deletion covers the place
    /// is told.
    fn add_stars(&mut self, start0: usize, position: usize, carriers: Vec<u32>);

    /// Applies what starts before `start0`; what is not in a sequence as the record states it.
    fn settle_before(&mut self, start0: usize) -> Vec<Clash>;

    /// The distinct sequences in order of first appearance, when all has been settled. `reference`:
    /// bases of the locus.
    fn finish(
        self: Box<Self>,
        locus: Locus,
        contig_len_nt: Option<usize>,
        masks: Masks,
        reference: Vec<u8>,
    ) -> LocusHaplotypes;
}

/// An allele that a person carries and that is not in their sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clash {
    /// `2 * person + (0 or 1)`.
    pub allele: u32,
    /// 1-based POS of its record.
    pub position: usize,
    /// Why.
    pub reason: Reason,
}

/// `*` of one record.
pub struct Star {
    /// 0-based place.
    pub start0: usize,
    /// 1-based POS.
    pub position: usize,
    /// Who has it.
    pub carriers: Vec<u32>,
}

/// The number of an edit, the latest of which are near its place; the same edit from another record
/// has the same number.
pub fn number_of(edits: &mut Vec<Edit>, edit: &Edit) -> u32 {
    let mut nearby = edits
        .iter()
        .enumerate()
        .rev()
        .take_while(|(_, other)| other.start0 + 1 >= edit.start0);
    if let Some((number, _)) = nearby.find(|(_, other)| *other == edit) {
        return number as u32;
    }
    edits.push(edit.clone());
    edits.len() as u32 - 1
}

/// What waits.
#[derive(Default)]
pub struct Queue {
    /// Carriers of each record that states the edit.
    edits: BTreeMap<OrderedEdit, Vec<Vec<u32>>>,
    stars: VecDeque<Star>,
}

/// What comes next: everything in the order of place, `*` after the edits at its place.
pub enum Due {
    /// An edit, with its carriers in each record.
    Edit(OrderedEdit, Vec<Vec<u32>>),
    /// A `*`.
    Star(Star),
}

impl Queue {
    /// Adds an edit.
    pub fn push(&mut self, edit: OrderedEdit, carriers: Vec<u32>) {
        self.edits.entry(edit).or_default().push(carriers);
    }

    /// Adds a `*`.
    pub fn push_star(&mut self, star: Star) {
        self.stars.push_back(star);
    }

    /// The next one that starts before `start0`.
    pub fn pop_before(&mut self, start0: usize) -> Option<Due> {
        let edit = self
            .edits
            .first_key_value()
            .map(|(ordered, _)| ordered.edit.start0);
        let star = self.stars.front().map(|star| star.start0);
        if edit.is_some_and(|edit| edit < start0 && star.is_none_or(|star| edit <= star)) {
            return self
                .edits
                .pop_first()
                .map(|(ordered, carriers)| Due::Edit(ordered, carriers));
        }
        if star.is_some_and(|star| star < start0) {
            self.stars.pop_front().map(Due::Star)
        } else {
            None
        }
    }
}
