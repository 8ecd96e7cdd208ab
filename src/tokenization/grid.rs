//! The slot grid: how many token slots each reference segment has, the same for everyone.

use std::{collections::BTreeMap, path::Path};

use gf_tokenizer::Bpe;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{output, sequence::LocusHaplotypes};

const SCHEMA_VERSION: u32 = 1;

/// The grid of all loci.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    schema_version: u32,
    /// Reference nucleotides in a segment.
    pub segment_length: usize,
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
    /// First slot of each segment, in reading order; each segment's slots end where the next one's begin.
    pub first_slot: Vec<usize>,
    /// Slots of the locus, `[CLS]` and `[SEP]` included.
    n_slots: usize,
    /// The segments of the training people at each place, from the commonest to the rarest.
    pub known_segments: Vec<Vec<String>>,
}

impl LocusGrid {
    /// Each segment gets as many slots as its longest encoding in training. `seen`: bases and copies of each segment's variants.
    pub(super) fn new(locus: &LocusHaplotypes, seen: Vec<BTreeMap<Vec<u8>, u64>>, bpe: &Bpe) -> Result<Self, Error> {
        let mut first_slot = Vec::with_capacity(seen.len());
        let mut known_segments = Vec::with_capacity(seen.len());
        let mut next = 1;
        for variants in seen {
            first_slot.push(next);
            let mut variants: Vec<(Vec<u8>, u64)> = variants.into_iter().collect();
            variants.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            let mut most = 0;
            for (bases, _) in &variants {
                most = most.max(bpe.encode(bases)?.len());
            }
            next += most;
            known_segments.push(variants.into_iter().map(|(bases, _)| String::from_utf8_lossy(&bases).into_owned()).collect());
        }
        Ok(Self { name: locus.locus.name.clone(), len_nt: locus.locus.len_nt(), first_slot, n_slots: next + 1, known_segments })
    }

    /// Slots of the locus, `[CLS]` and `[SEP]` included.
    #[must_use]
    pub fn n_slots(&self) -> usize {
        self.n_slots
    }

    /// Slots of one segment.
    #[must_use]
    pub fn slots_in(&self, segment: usize) -> usize {
        self.first_slot.get(segment + 1).copied().unwrap_or(self.n_slots - 1) - self.first_slot[segment]
    }
}

impl Grid {
    pub(super) fn new(segment_length: usize, loci: Vec<LocusGrid>) -> Self {
        Self { schema_version: SCHEMA_VERSION, segment_length, loci }
    }

    /// Distinct segments known at all places.
    #[must_use]
    pub fn n_known_segments(&self) -> usize {
        self.loci.iter().flat_map(|locus| &locus.known_segments).map(Vec::len).sum()
    }

    /// Writes `grid.json`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        Ok(output::write_json(path, self)?)
    }

    /// Reads `grid.json`.
    ///
    /// # Errors
    /// A missing or malformed file, or one of another schema version.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Store { path: path.into(), reason };
        let bytes = std::fs::read(path).map_err(output::at(path))?;
        let grid: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if grid.schema_version != SCHEMA_VERSION {
            return Err(wrong(format!("schema version {}; this program reads {SCHEMA_VERSION}: make it again", grid.schema_version)));
        }
        let sound = |locus: &LocusGrid| {
            locus.first_slot.len() == locus.known_segments.len()
                && locus.first_slot.len() == locus.len_nt.div_ceil(grid.segment_length)
                && locus.first_slot.first() == Some(&1)
                && locus.first_slot.is_sorted()
                && locus.first_slot.last().is_some_and(|&last| last < locus.n_slots)
                && locus.known_segments.iter().all(|known| !known.is_empty())
        };
        if grid.segment_length == 0 || !grid.loci.iter().all(sound) {
            return Err(wrong("its segments and slots do not fit: the file is damaged".into()));
        }
        Ok(grid)
    }
}
