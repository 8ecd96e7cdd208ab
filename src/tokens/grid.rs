//! The slot grid: the number of token slots of each window, the same for all samples.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Anchor, Error, Slots, store::StoreProblem};
use gf_files::{output, stored_format};
use gf_haplotypes::LocusHaplotypes;

const SCHEMA_VERSION: u32 = 2;

/// The grid of all loci.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    schema_version: u32,
    /// Where haplotypes are cut.
    pub anchor: Anchor,
    /// Nucleotides in a segment: of the reference, or of the haplotype.
    pub segment_length: usize,
    /// The slots that rows contain; a grid without this key has all slots.
    #[serde(default = "Slots::all", skip_serializing_if = "Slots::is_all")]
    pub slots: Slots,
    /// One per locus, in the order of the dictionary.
    pub loci: Vec<LocusGrid>,
}

/// The grid of one locus. Slot 0 is `[CLS]`, the last one `[SEP]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocusGrid {
    /// Name of the locus.
    pub name: String,
    /// Length of the locus on the reference.
    pub len_nt: usize,
    /// First slot of each window, in reading order.
    ///
    /// The slots of a window end where the next window's slots begin. There is one window when
    /// haplotypes are cut by their own bases. With [`Slots::Varying`] a window that does not vary
    /// has no slot.
    pub first_slot: Vec<usize>,
    /// Slots that `first_slot` numbers, `[CLS]` and `[SEP]` included.
    n_slots: usize,
    /// The numbered slots that a row of tokens contains, ascending; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept_slots: Option<Vec<usize>>,
    /// The segments of the training samples and of the reference in each window, from the commonest
    /// to the rarest.
    pub known_segments: Vec<Vec<String>>,
}

impl LocusGrid {
    /// A grid with `slots[i]` slots for window `i`.
    pub(super) fn new(
        locus: &LocusHaplotypes,
        slots: &[usize],
        known_segments: Vec<Vec<String>>,
    ) -> Self {
        let mut next = 1;
        let mut first_slot = Vec::with_capacity(slots.len());
        for n_window_slots in slots {
            first_slot.push(next);
            next += n_window_slots;
        }
        Self {
            name: locus.locus.name.clone(),
            len_nt: locus.locus.len_nt(),
            first_slot,
            n_slots: next + 1,
            kept_slots: None,
            known_segments,
        }
    }

    /// Keeps only these slots (ascending) in the rows of tokens.
    pub(super) fn keep(&mut self, slots: Vec<usize>) {
        self.kept_slots = (slots.len() < self.n_slots).then_some(slots);
    }

    /// Slots of a row of tokens, `[CLS]` and `[SEP]` included.
    #[must_use]
    pub fn n_slots(&self) -> usize {
        self.kept_slots.as_ref().map_or(self.n_slots, Vec::len)
    }

    /// Slots before slots that do not vary are dropped, `[CLS]` and `[SEP]` included.
    pub(super) fn n_numbered_slots(&self) -> usize {
        self.n_slots
    }

    /// The numbered slots that are in a row of tokens; `None` for all.
    pub(super) fn kept_slots(&self) -> Option<&[usize]> {
        self.kept_slots.as_deref()
    }

    /// For each numbered slot, whether it is in a row of tokens.
    pub(super) fn is_kept(&self) -> Vec<bool> {
        let Some(kept_slots) = &self.kept_slots else {
            return vec![true; self.n_slots];
        };
        let mut is_kept = vec![false; self.n_slots];
        for &slot in kept_slots {
            is_kept[slot] = true;
        }
        is_kept
    }

    /// Slots of one window, before slots that do not vary are dropped.
    #[must_use]
    pub fn slots_in(&self, window: usize) -> usize {
        // The last slot is `[SEP]`: it belongs to no window.
        let end = self
            .first_slot
            .get(window + 1)
            .copied()
            .unwrap_or(self.n_slots - 1);
        end - self.first_slot[window]
    }

    /// For each window, whether it has slots.
    pub(super) fn windows_with_slots(&self) -> Vec<bool> {
        (0..self.first_slot.len())
            .map(|window| self.slots_in(window) > 0)
            .collect()
    }

    /// Whether the lists fit each other and a locus cut into `n_windows`.
    fn is_consistent(&self, n_windows: usize) -> bool {
        self.first_slot.len() == n_windows
            && self.known_segments.len() == n_windows
            && self.first_slot.first() == Some(&1)
            && self.first_slot.is_sorted()
            && self
                .first_slot
                .last()
                .is_some_and(|&last| last < self.n_slots)
            && self.known_segments.iter().all(|known| !known.is_empty())
            && self
                .kept_slots
                .as_ref()
                .is_none_or(|kept| is_ascending_below(kept, self.n_slots))
    }
}

impl Grid {
    pub(super) fn new(
        anchor: Anchor,
        segment_length: usize,
        slots: Slots,
        loci: Vec<LocusGrid>,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            anchor,
            segment_length,
            slots,
            loci,
        }
    }

    /// Distinct known segments, summed over windows and loci.
    #[must_use]
    pub fn n_known_segments(&self) -> usize {
        self.loci
            .iter()
            .flat_map(|locus| &locus.known_segments)
            .map(Vec::len)
            .sum()
    }

    /// Writes `grid.json`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        Ok(output::shareable::write_json(path, self)?)
    }

    /// Reads `grid.json`.
    ///
    /// # Errors
    /// A missing or malformed file, or another schema version.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let json = stored_format::read(path)?;
        let grid: Self = stored_format::from_json(&json, SCHEMA_VERSION, "gf-genomics tokenize")
            .map_err(|problem| Error::store(path, problem))?;
        if !grid.is_consistent() {
            return Err(Error::store(path, StoreProblem::Slots));
        }
        Ok(grid)
    }

    fn is_consistent(&self) -> bool {
        // The window count divides by the segment length: 0 is checked first.
        self.segment_length > 0
            && self
                .loci
                .iter()
                .all(|locus| locus.is_consistent(self.n_windows(locus)))
    }

    fn n_windows(&self, locus: &LocusGrid) -> usize {
        match self.anchor {
            Anchor::Reference => locus.len_nt.div_ceil(self.segment_length),
            Anchor::Haplotype => 1,
        }
    }
}

/// Whether the numbers rise strictly from 0 to `end - 1`, so that `[CLS]` and `[SEP]` are kept.
fn is_ascending_below(numbers: &[usize], end: usize) -> bool {
    numbers.first() == Some(&0)
        && numbers.last() == Some(&(end - 1))
        && numbers.is_sorted_by(|current, next| current < next)
}
