//! Tracks 3, 4, 7 and 8: dosages of variants with one ALT allele, and their phase.
//!
//! A dosage d has 16 bits: the sample has d / 2^14 ALT alleles. A phased dosage also has a signed
//! difference v of 16 bits: haplotype 1 has (d + v) / 2^15 ALT alleles, haplotype 2 (d - v) / 2^15.

use super::{
    cursor::{Cursor, bit},
    difflist::Difflist,
    error::{RecordFault, Track},
    record::PgenRecord,
    selection::Selection,
};

/// Bits 5 and 6 of the record type.
const LISTED: u8 = 0b0010_0000;
const UNCONDITIONAL: u8 = 0b0100_0000;
const BITS: u8 = LISTED | UNCONDITIONAL;
/// Bit 7: some dosages are phased.
const PHASED_DOSAGES: u8 = 0b1000_0000;
/// Bit 4: some calls are phased.
const PHASED_CALLS: u8 = 0b0001_0000;

const MAX_DOSAGE: u16 = 1 << 15;
const MAX_DIFFERENCE: u16 = 1 << 14;
const NO_DOSAGE: u16 = u16::MAX;
const NO_DIFFERENCE: i16 = i16::MIN;
/// Rounding of the dosage and of the difference may move a haplotype's dosage out of 0 to 1.
const ROUNDING: i32 = 2;

/// Whether a record of this type has dosages.
pub(super) const fn has_dosages(record_type: u8) -> bool {
    record_type & BITS != 0
}

/// A record whose calls are known, and the buffer for the samples with dosages.
pub(super) struct Dosages<'a> {
    pub(super) record_type: u8,
    pub(super) sample_count: usize,
    pub(super) selection: &'a Selection,
    pub(super) list: &'a mut Difflist,
}

impl Dosages<'_> {
    /// Sets the dosages of the record.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        record: &mut PgenRecord,
    ) -> Result<(), RecordFault> {
        record.start_dosages(self.record_type & (PHASED_CALLS | PHASED_DOSAGES) != 0);
        self.read_samples(cursor)?;
        let count = self.list.samples.len();
        let dosages = cursor.take(2 * count, Track::Dosages)?;
        let mut differences = self.read_differences(cursor, count)?;
        for (index, &sample) in self.list.samples.iter().enumerate() {
            let encoded = Encoded {
                sample,
                dosage: u16::from_le_bytes([dosages[2 * index], dosages[2 * index + 1]]),
                difference: differences.next_value(index),
            };
            let is_absent = self.is_unconditional() && encoded.dosage == NO_DOSAGE;
            let split = if is_absent {
                None
            } else {
                encoded.checked_split()?
            };
            match self.selection.slot(sample) {
                Some(slot) if is_absent => record.set_no_dosage(slot),
                Some(slot) => record.set_dosage(slot, encoded.dosage(), split),
                None => {}
            }
        }
        Ok(())
    }

    /// Every sample has a value, and one value means none.
    const fn is_unconditional(&self) -> bool {
        self.record_type & BITS == UNCONDITIONAL
    }

    /// Track 3, into `list`.
    fn read_samples(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RecordFault> {
        match self.record_type & BITS {
            LISTED => self
                .list
                .read_samples(cursor, self.sample_count, Track::DosageSamples),
            UNCONDITIONAL => {
                self.list.clear();
                self.list.samples.extend(0..self.sample_count as u32);
                Ok(())
            }
            _ => {
                let bytes = cursor.take(self.sample_count.div_ceil(8), Track::DosageSamples)?;
                self.list.clear();
                let samples = 0..self.sample_count as u32;
                let listed = samples.filter(|&sample| bit(bytes, sample as usize));
                self.list.samples.extend(listed);
                Ok(())
            }
        }
    }

    /// Tracks 7 and 8 of a record with `count` dosages.
    fn read_differences<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        count: usize,
    ) -> Result<Differences<'a>, RecordFault> {
        if self.record_type & PHASED_DOSAGES == 0 {
            return Ok(Differences {
                presence: Presence::None,
                values: &[],
            });
        }
        if self.is_unconditional() {
            return Ok(Differences {
                presence: Presence::All,
                values: cursor.take(2 * count, Track::PhasedDosages)?,
            });
        }
        let bits = cursor.take(count.div_ceil(8), Track::PhasedDosageSamples)?;
        let present = (0..count).filter(|&index| bit(bits, index)).count();
        Ok(Differences {
            presence: Presence::Bits(bits),
            values: cursor.take(2 * present, Track::PhasedDosages)?,
        })
    }
}

/// Which dosages have a difference between the haplotypes.
enum Presence<'a> {
    None,
    All,
    Bits(&'a [u8]),
}

struct Differences<'a> {
    presence: Presence<'a>,
    values: &'a [u8],
}

impl Differences<'_> {
    /// The difference of dosage `index`, if it has one. Indices must increase from 0.
    fn next_value(&mut self, index: usize) -> Option<i16> {
        let is_present = match self.presence {
            Presence::None => false,
            Presence::All => true,
            Presence::Bits(bits) => bit(bits, index),
        };
        if !is_present {
            return None;
        }
        let (value, rest) = self.values.split_first_chunk()?;
        self.values = rest;
        Some(i16::from_le_bytes(*value)).filter(|&difference| difference != NO_DIFFERENCE)
    }
}

/// A dosage as the record has it.
struct Encoded {
    sample: u32,
    dosage: u16,
    difference: Option<i16>,
}

impl Encoded {
    fn dosage(&self) -> f32 {
        f32::from(self.dosage) / f32::from(MAX_DOSAGE / 2)
    }

    /// Dosages of the two haplotypes, if the record states them.
    fn checked_split(&self) -> Result<Option<[f32; 2]>, RecordFault> {
        if self.dosage > MAX_DOSAGE {
            return Err(RecordFault::Dosage {
                track: Track::Dosages,
                sample: self.sample,
                found: i32::from(self.dosage),
            });
        }
        let Some(difference) = self.difference else {
            return Ok(None);
        };
        let doubled = [
            i32::from(self.dosage) + i32::from(difference),
            i32::from(self.dosage) - i32::from(difference),
        ];
        let possible = -ROUNDING..=i32::from(MAX_DOSAGE) + ROUNDING;
        let is_possible = doubled.iter().all(|value| possible.contains(value));
        if !is_possible || difference.unsigned_abs() > MAX_DIFFERENCE {
            return Err(RecordFault::Dosage {
                track: Track::PhasedDosages,
                sample: self.sample,
                found: i32::from(difference),
            });
        }
        let split = doubled.map(|value| value as f32 / f32::from(MAX_DOSAGE));
        Ok(Some(split.map(|value| value.clamp(0.0, 1.0))))
    }
}
