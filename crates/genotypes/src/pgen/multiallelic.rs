//! Track 1: calls with an ALT allele after the first.
//!
//! The low four bits of the first byte are the format of the patches of category 1 (REF with
//! another ALT). The high four bits are that of category 2 (two ALT alleles). Formats: 0 one bit
//! for each sample of the category, 1 a list of samples, 15 no patches. Packed allele numbers
//! follow the patched samples.

use super::{
    cursor::{Cursor, bit, packed},
    difflist::Difflist,
    error::{RecordFault, Track},
    main_track::{HETEROZYGOUS, MainTrack, TWO_ALTS},
    record::PgenRecord,
    selection::Selection,
};

const ONE_BIT_EACH: u8 = 0;
const LIST: u8 = 1;
pub(super) const NO_PATCHES: u8 = 15;

/// A record whose main track is known, and the buffers for the samples of track 1.
pub(super) struct Patches<'a> {
    pub(super) main: &'a MainTrack,
    pub(super) sample_count: usize,
    /// Number of ALT alleles, which is the largest allele number.
    pub(super) alt_count: u32,
    pub(super) selection: &'a Selection,
    pub(super) list: &'a mut Difflist,
    pub(super) members: &'a mut Vec<u32>,
}

impl Patches<'_> {
    /// Sets the alleles of the record. Appends samples with two different ALT alleles to
    /// `heterozygous`.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        record: &mut PgenRecord,
        heterozygous: &mut Vec<u32>,
    ) -> Result<(), RecordFault> {
        let formats = cursor.byte(Track::RefAlt)?;
        self.read_samples(cursor, formats & 0xf, HETEROZYGOUS, Track::RefAlt)?;
        self.read_ref_alt(cursor, record)?;
        self.read_samples(cursor, formats >> 4, TWO_ALTS, Track::AltAlt)?;
        self.read_alt_alt(cursor, record, heterozygous)
    }

    /// The patched samples of a category, into `list`.
    fn read_samples(
        &mut self,
        cursor: &mut Cursor<'_>,
        format: u8,
        category: u8,
        track: Track,
    ) -> Result<(), RecordFault> {
        self.list.clear();
        match format {
            ONE_BIT_EACH => {
                self.main.collect(category, self.members);
                let bits = cursor.take(self.members.len().div_ceil(8), track)?;
                let members = self.members.iter().enumerate();
                let patched = members.filter(|&(index, _)| bit(bits, index));
                self.list.samples.extend(patched.map(|(_, &sample)| sample));
                Ok(())
            }
            LIST => {
                self.list.read_samples(cursor, self.sample_count, track)?;
                let mut samples = self.list.samples.iter().copied();
                match samples.find(|&sample| self.main.category(sample) != category) {
                    Some(sample) => Err(RecordFault::PatchSample { track, sample }),
                    None => Ok(()),
                }
            }
            NO_PATCHES => Ok(()),
            found => Err(RecordFault::PatchFormat { track, found }),
        }
    }

    fn read_ref_alt(
        &self,
        cursor: &mut Cursor<'_>,
        record: &mut PgenRecord,
    ) -> Result<(), RecordFault> {
        let bits = ref_alt_bits(self.alt_count);
        let samples = &self.list.samples;
        let bytes = cursor.take((samples.len() * bits).div_ceil(8), Track::RefAlt)?;
        for (index, &sample) in samples.iter().enumerate() {
            let alt = 2 + packed(bytes, bits, index);
            if alt > self.alt_count {
                return Err(self.alleles_fault(Track::RefAlt, sample, [0, alt]));
            }
            if let Some(slot) = self.selection.slot(sample) {
                record.set_alleles(slot, [0, alt as i16]);
            }
        }
        Ok(())
    }

    fn read_alt_alt(
        &self,
        cursor: &mut Cursor<'_>,
        record: &mut PgenRecord,
        heterozygous: &mut Vec<u32>,
    ) -> Result<(), RecordFault> {
        let bits = alt_alt_bits(self.alt_count);
        let samples = &self.list.samples;
        let bytes = cursor.take((samples.len() * bits).div_ceil(8), Track::AltAlt)?;
        for (index, &sample) in samples.iter().enumerate() {
            let alleles = if self.alt_count == 2 {
                [1 + packed(bytes, 1, index), 2]
            } else {
                [2 * index, 2 * index + 1].map(|entry| 1 + packed(bytes, bits / 2, entry))
            };
            let [first, second] = alleles;
            if first > second || second > self.alt_count || second == 1 {
                return Err(self.alleles_fault(Track::AltAlt, sample, alleles));
            }
            if first != second {
                heterozygous.push(sample);
            }
            if let Some(slot) = self.selection.slot(sample) {
                record.set_alleles(slot, alleles.map(|allele| allele as i16));
            }
        }
        Ok(())
    }

    fn alleles_fault(&self, track: Track, sample: u32, found: [u32; 2]) -> RecordFault {
        RecordFault::Alleles {
            track,
            sample,
            found,
            most: self.alt_count,
        }
    }
}

/// Bits of an allele number, less 2.
pub(super) const fn ref_alt_bits(alt_count: u32) -> usize {
    match alt_count {
        0..=2 => 0,
        3 => 1,
        4..=5 => 2,
        6..=17 => 4,
        18..=257 => 8,
        _ => 16,
    }
}

/// Bits of two allele numbers, less 1 each; of two ALT alleles, one bit for the first number.
pub(super) const fn alt_alt_bits(alt_count: u32) -> usize {
    match alt_count {
        0..=2 => 1,
        3..=4 => 4,
        5..=16 => 8,
        17..=256 => 16,
        _ => 32,
    }
}
