//! The slot grid: how many token slots each reference segment has, the same for everyone.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Anchor, Error, Slots};
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
    /// Which slots there are; grids without this key have all.
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
    /// First slot of each place, in reading order; each place's slots end where the next one's
    /// begin. One place in all when haplotypes are cut by their own bases. A place that does
    /// not vary has no slot where only varying slots are kept.
    pub first_slot: Vec<usize>,
    /// Slots that `first_slot` numbers, `[CLS]` and `[SEP]` included.
    n_slots: usize,
    /// Of these, the slots that are in a row of tokens, ascending; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept_slots: Option<Vec<usize>>,
    /// The segments of the training people (and of the reference) at each place, from the
    /// commonest to the rarest.
    pub known_segments: Vec<Vec<String>>,
}

impl LocusGrid {
    /// A grid with so many slots at each place.
    pub(super) fn new(
        locus: &LocusHaplotypes,
        slots: &[usize],
        known_segments: Vec<Vec<String>>,
    ) -> Self {
        let mut next = 1;
        let mut first_slot = Vec::with_capacity(slots.len());
        for slots in slots {
            first_slot.push(next);
            next += slots;
        }
        let name = locus.locus.name.clone();
        let len_nt = locus.locus.len_nt();
        Self {
            name,
            len_nt,
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

    /// Slots before those that do not vary are dropped, `[CLS]` and `[SEP]` included.
    pub(super) fn n_numbered_slots(&self) -> usize {
        self.n_slots
    }

    /// The numbered slots that are in a row of tokens; `None` for all.
    pub(super) fn kept_slots(&self) -> Option<&[usize]> {
        self.kept_slots.as_deref()
    }

    /// Slots of one place, before those that do not vary are dropped.
    #[must_use]
    pub fn slots_in(&self, place: usize) -> usize {
        self.first_slot
            .get(place + 1)
            .copied()
            .unwrap_or(self.n_slots - 1)
            - self.first_slot[place]
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

    /// Distinct segments known at all places.
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
    /// A missing or malformed file, or one of another schema version.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Store {
            path: path.into(),
            reason,
        };
        let grid: Self = stored_format::from_json(
            &stored_format::read(path)?,
            SCHEMA_VERSION,
            "gf-genomics tokenize",
        )
        .map_err(wrong)?;
        let sound = |locus: &LocusGrid| {
            let n_places = match grid.anchor {
                Anchor::Reference => locus.len_nt.div_ceil(grid.segment_length),
                Anchor::Haplotype => 1,
            };
            locus.first_slot.len() == n_places
                && locus.known_segments.len() == n_places
                && locus.first_slot.first() == Some(&1)
                && locus.first_slot.is_sorted()
                && locus
                    .first_slot
                    .last()
                    .is_some_and(|&last| last < locus.n_slots)
                && locus.known_segments.iter().all(|known| !known.is_empty())
                && locus
                    .kept_slots
                    .as_ref()
                    .is_none_or(|kept| is_ascending_below(kept, locus.n_slots))
        };
        if grid.segment_length == 0 || !grid.loci.iter().all(sound) {
            return Err(wrong(
                "its segments and slots do not fit: the file is damaged".into(),
            ));
        }
        Ok(grid)
    }
}

/// Numbers that rise from 0 to `end - 1`, so that `[CLS]` and `[SEP]` are kept.
fn is_ascending_below(numbers: &[usize], end: usize) -> bool {
    numbers.first() == Some(&0)
        && numbers.last() == Some(&(end - 1))
        && numbers.is_sorted_by(|one, next| one < next)
}
