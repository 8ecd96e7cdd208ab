//! One record's bytes to its genotypes.

use super::{
    cursor::Cursor,
    difflist::Difflist,
    dosage::{self, Dosages},
    error::RecordFault,
    main_track::{self, HETEROZYGOUS, MainTrack},
    multiallelic::Patches,
    phase,
    record::PgenRecord,
    selection::Selection,
};

pub(super) const MULTIALLELIC: u8 = 0b0000_1000;
pub(super) const PHASED_CALLS: u8 = 0b0001_0000;
const PHASED_DOSAGES: u8 = 0b1000_0000;

/// What must be known about a record to read it.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) variant: usize,
    pub(super) record_type: u8,
    pub(super) is_bed: bool,
    pub(super) allele_count: usize,
}

impl Shape {
    fn check(&self) -> Result<(), RecordFault> {
        let record_type = self.record_type;
        let has_dosages = dosage::has_dosages(record_type);
        let has_patches_of_one_alt = record_type & MULTIALLELIC != 0 && self.allele_count < 3;
        let has_phase_only = record_type & PHASED_DOSAGES != 0 && !has_dosages;
        if has_patches_of_one_alt || has_phase_only {
            return Err(RecordFault::RecordType { found: record_type });
        }
        if has_dosages && self.allele_count > 2 {
            return Err(RecordFault::MultiallelicDosages {
                alleles: self.allele_count,
            });
        }
        Ok(())
    }
}

/// The buffers of reading, and the main track that later records may refer to.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    sample_count: usize,
    /// Main track of `anchor_variant`.
    anchor: MainTrack,
    /// The last variant read whose record does not refer to another.
    anchor_variant: Option<usize>,
    /// The last variant known to have a record that refers to the anchor, or the anchor itself.
    anchor_through: usize,
    /// Main track of a record that refers to the anchor.
    differing: MainTrack,
    list: Difflist,
    heterozygous: Vec<u32>,
    members: Vec<u32>,
}

impl Decoder {
    pub(super) fn new(sample_count: usize) -> Self {
        Self {
            sample_count,
            ..Self::default()
        }
    }

    pub(super) const fn has_anchor(&self, variant: usize) -> bool {
        matches!(self.anchor_variant, Some(anchor) if anchor == variant)
    }

    /// The anchor and the last variant known to refer to it.
    pub(super) fn anchor_span(&self) -> Option<[usize; 2]> {
        self.anchor_variant
            .map(|anchor| [anchor, self.anchor_through])
    }

    /// All records from the anchor's next one up to this one refer to the anchor.
    pub(super) fn extend_anchor_span(&mut self, variant: usize) {
        self.anchor_through = self.anchor_through.max(variant);
    }

    /// Reads the main track of a record that does not refer to another.
    pub(super) fn read_anchor(
        &mut self,
        cursor: &mut Cursor<'_>,
        shape: Shape,
    ) -> Result<(), RecordFault> {
        self.anchor_variant = None;
        if shape.is_bed {
            self.anchor.read_bed(cursor, self.sample_count)?;
        } else {
            self.anchor
                .read_alone(cursor, shape.record_type, self.sample_count, &mut self.list)?;
        }
        self.anchor_variant = Some(shape.variant);
        self.anchor_through = shape.variant;
        Ok(())
    }

    /// Reads a whole record. The anchor must be there if the record refers to it.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        shape: Shape,
        selection: &Selection,
        record: &mut PgenRecord,
    ) -> Result<(), RecordFault> {
        shape.check()?;
        let mut cursor = Cursor::new(bytes);
        self.read_main(&mut cursor, shape)?;
        self.read_calls(&mut cursor, shape, selection, record)?;
        if dosage::has_dosages(shape.record_type) {
            let mut dosages = Dosages {
                record_type: shape.record_type,
                sample_count: self.sample_count,
                selection,
                list: &mut self.list,
            };
            dosages.read(&mut cursor, record)?;
        }
        cursor.finish()
    }

    /// Sets the alleles and their phase.
    fn read_calls(
        &mut self,
        cursor: &mut Cursor<'_>,
        shape: Shape,
        selection: &Selection,
        record: &mut PgenRecord,
    ) -> Result<(), RecordFault> {
        let main = if main_track::refers_back(shape.record_type) {
            &self.differing
        } else {
            &self.anchor
        };
        record.fill(main.categories(), selection);
        if shape.record_type & (MULTIALLELIC | PHASED_CALLS) != 0 {
            main.collect(HETEROZYGOUS, &mut self.heterozygous);
        }
        if shape.record_type & MULTIALLELIC != 0 {
            let mut patches = Patches {
                main,
                sample_count: self.sample_count,
                alt_count: shape.allele_count as u32 - 1,
                selection,
                list: &mut self.list,
                members: &mut self.members,
            };
            patches.read(cursor, record, &mut self.heterozygous)?;
            self.heterozygous.sort_unstable();
        }
        if shape.record_type & PHASED_CALLS != 0 {
            phase::read(cursor, &self.heterozygous, selection, record)?;
        }
        Ok(())
    }

    fn read_main(&mut self, cursor: &mut Cursor<'_>, shape: Shape) -> Result<(), RecordFault> {
        if !main_track::refers_back(shape.record_type) {
            return self.read_anchor(cursor, shape);
        }
        self.differing.read_differences(
            cursor,
            shape.record_type,
            &self.anchor,
            self.sample_count,
            &mut self.list,
        )
    }
}
