//! The interface of the two builders of a locus, and the queue of edits that they share.
//!
//! Records come in the order of POS, but an edit may start after POS. An edit or `*` therefore
//! waits in the [`Queue`] until no later record can start before it.

use std::collections::{BTreeMap, VecDeque};

use super::{
    LocusHaplotypes, Reason,
    haplotype::{Edit, OrderedEdit},
    mask::Masks,
};
use gf_genotypes::{Locus, Position0, Position1};

/// Builds the sequences of one locus for all samples, record by record, in the order of POS.
///
/// A carrier is a haplotype, numbered `2 * sample + (0 or 1)`; lists of carriers ascend.
pub trait Builder {
    /// Marks the second haplotype of a sample as absent; `true` if that was not known yet.
    fn set_absent(&mut self, sample: usize) -> bool;

    /// Adds an edit of one record with its carriers.
    fn add(&mut self, edit: OrderedEdit, carriers: Vec<u32>);

    /// Adds the `*` alleles of a record at `start0`. They change nothing, but a [`Clash`] reports
    /// whether a deletion covers the position.
    fn add_stars(&mut self, start0: Position0, position: Position1, carriers: Vec<u32>);

    /// Applies all edits that start before `start0` and returns the alleles that did not fit.
    fn settle_before(&mut self, start0: Position0) -> Vec<Clash>;

    /// Returns the distinct sequences in order of first appearance, once all edits are applied.
    /// `reference` has the bases of the locus.
    fn finish(
        self: Box<Self>,
        locus: Locus,
        contig_len_nt: Option<usize>,
        masks: Masks,
        reference: Vec<u8>,
    ) -> LocusHaplotypes;
}

/// An allele that a sample carries and that is not in its sequence as the record states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clash {
    /// `2 * sample + (0 or 1)`.
    pub allele: u32,
    /// POS of its record.
    pub position: Position1,
    /// Why it is not applied, or how it is read.
    pub reason: Reason,
}

/// The `*` alleles of one record.
pub struct Star {
    /// The base that should be deleted.
    pub start0: Position0,
    /// POS of the record.
    pub position: Position1,
    /// Haplotypes that have `*`.
    pub carriers: Vec<u32>,
}

/// The number of an edit in `edits`; a new edit is appended.
///
/// The same edit from another record has the same number. Edits come nearly in the order of
/// position, so only the last ones are compared.
pub fn number_of(edits: &mut Vec<Edit>, edit: &Edit) -> u32 {
    let mut nearby = edits
        .iter()
        .enumerate()
        .rev()
        .take_while(|(_, earlier)| earlier.start0 + 1 >= edit.start0);
    if let Some((number, _)) = nearby.find(|(_, earlier)| *earlier == edit) {
        return number as u32;
    }
    edits.push(edit.clone());
    edits.len() as u32 - 1
}

/// Edits and `*` that a later record may still precede.
#[derive(Default)]
pub struct Queue {
    /// Each edit with its carriers, one list per record that states the edit.
    edits: BTreeMap<OrderedEdit, Vec<Vec<u32>>>,
    /// In the order of the file.
    stars: VecDeque<Star>,
}

/// The next item of a [`Queue`].
pub enum Due {
    /// An edit with its carriers, one list per record that states the edit.
    Edit(OrderedEdit, Vec<Vec<u32>>),
    /// The `*` alleles of a record.
    Star(Star),
}

impl Queue {
    /// Adds an edit of one record.
    pub fn push(&mut self, edit: OrderedEdit, carriers: Vec<u32>) {
        self.edits.entry(edit).or_default().push(carriers);
    }

    /// Adds the `*` alleles of one record.
    pub fn push_star(&mut self, star: Star) {
        self.stars.push_back(star);
    }

    /// Removes the first item that starts before `start0`.
    ///
    /// At one position edits come before `*`, so that a deletion there covers it.
    pub fn pop_before(&mut self, start0: Position0) -> Option<Due> {
        let first_edit0 = self
            .edits
            .first_key_value()
            .map(|(ordered, _)| ordered.edit.start0);
        let first_star0 = self.stars.front().map(|star| star.start0);
        let is_edit_due = first_edit0
            .is_some_and(|edit0| edit0 < start0 && first_star0.is_none_or(|star0| edit0 <= star0));
        if is_edit_due {
            return self
                .edits
                .pop_first()
                .map(|(ordered, carriers)| Due::Edit(ordered, carriers));
        }
        if first_star0.is_some_and(|star0| star0 < start0) {
            self.stars.pop_front().map(Due::Star)
        } else {
            None
        }
    }
}
