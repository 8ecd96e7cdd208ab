//! The main track of a record: one of four categories for each sample.
//!
//! Categories: 0 two REF alleles, 1 REF and an ALT, 2 two ALT alleles, 3 missing. Packed: two bits
//! for each sample, the lowest bits of a byte first. PLINK 1 has a different code: 0 is category 2,
//! 1 is category 3, 2 is category 1, 3 is category 0.

use super::{
    cursor::{Cursor, packed},
    difflist::Difflist,
    error::{RecordFault, Track},
};

pub(super) const HETEROZYGOUS: u8 = 1;
pub(super) const TWO_ALTS: u8 = 2;
pub(super) const MISSING: u8 = 3;

/// Bits 0-2 of the record type.
pub(super) const FORM_BITS: u8 = 0b111;
pub(super) const RAW: u8 = 0;
const TWO_COMMON: u8 = 1;
const DIFFERENCES: u8 = 2;
const INVERTED_DIFFERENCES: u8 = 3;
pub(super) const ALL_BUT_REFERENCE: u8 = 4;
const ALL_BUT_ALT: u8 = 6;
const ALL_BUT_MISSING: u8 = 7;

/// The record states differences from the last record that does not.
pub(super) const fn refers_back(record_type: u8) -> bool {
    matches!(record_type & FORM_BITS, DIFFERENCES | INVERTED_DIFFERENCES)
}

/// The categories of all samples.
#[derive(Debug, Default)]
pub(super) struct MainTrack {
    /// Whether `carriers` holds the categories, or `packed`.
    is_sparse: bool,
    /// Samples outside category 0, with their categories.
    carriers: Difflist,
    packed: Vec<u8>,
}

/// The categories in the form in which the record has them.
#[derive(Clone, Copy)]
pub(super) enum Categories<'a> {
    /// Two bits for each sample.
    Packed(&'a [u8]),
    /// The samples outside category 0.
    Carriers(&'a Difflist),
}

impl MainTrack {
    pub(super) const fn categories(&self) -> Categories<'_> {
        if self.is_sparse {
            Categories::Carriers(&self.carriers)
        } else {
            Categories::Packed(self.packed.as_slice())
        }
    }

    /// Reads a PLINK 1 record.
    pub(super) fn read_bed(
        &mut self,
        cursor: &mut Cursor<'_>,
        sample_count: usize,
    ) -> Result<(), RecordFault> {
        let bytes = cursor.take(sample_count.div_ceil(4), Track::Main)?;
        self.is_sparse = false;
        self.packed.clear();
        self.packed.extend(bytes.iter().map(|&byte| of_bed(byte)));
        self.clear_tail(sample_count);
        Ok(())
    }

    /// Reads a track that does not refer to another record.
    pub(super) fn read_alone(
        &mut self,
        cursor: &mut Cursor<'_>,
        record_type: u8,
        sample_count: usize,
        list: &mut Difflist,
    ) -> Result<(), RecordFault> {
        self.is_sparse = false;
        match record_type & FORM_BITS {
            RAW => {
                let bytes = cursor.take(sample_count.div_ceil(4), Track::Main)?;
                self.packed.clear();
                self.packed.extend_from_slice(bytes);
            }
            TWO_COMMON => {
                self.read_two_common(cursor, sample_count)?;
                list.read_categories(cursor, sample_count)?;
                self.patch(list);
            }
            ALL_BUT_REFERENCE => {
                list.read_categories(cursor, sample_count)?;
                self.set_carriers(list);
            }
            ALL_BUT_ALT => self.read_all_but(TWO_ALTS, cursor, sample_count, list)?,
            ALL_BUT_MISSING => self.read_all_but(MISSING, cursor, sample_count, list)?,
            _ => return Err(RecordFault::RecordType { found: record_type }),
        }
        self.clear_tail(sample_count);
        Ok(())
    }

    /// Reads a track that states differences from `earlier`.
    pub(super) fn read_differences(
        &mut self,
        cursor: &mut Cursor<'_>,
        record_type: u8,
        earlier: &Self,
        sample_count: usize,
        list: &mut Difflist,
    ) -> Result<(), RecordFault> {
        list.read_categories(cursor, sample_count)?;
        let is_inverted = record_type & FORM_BITS == INVERTED_DIFFERENCES;
        if earlier.is_sparse && !is_inverted {
            self.merge(&earlier.carriers, list);
            return Ok(());
        }
        self.is_sparse = false;
        self.packed.clear();
        match earlier.categories() {
            Categories::Packed(packed) => self.packed.extend_from_slice(packed),
            Categories::Carriers(carriers) => {
                self.packed.resize(sample_count.div_ceil(4), 0);
                self.patch(carriers);
            }
        }
        self.patch(list);
        if is_inverted {
            self.invert();
        }
        self.clear_tail(sample_count);
        Ok(())
    }

    /// All samples of one category, in increasing order.
    pub(super) fn collect(&self, category: u8, samples: &mut Vec<u32>) {
        samples.clear();
        match self.categories() {
            Categories::Carriers(carriers) => {
                let found = carriers.iter().filter(|&(_, found)| found == category);
                samples.extend(found.map(|(sample, _)| sample));
            }
            Categories::Packed(packed) => collect_packed(packed, category, samples),
        }
    }

    /// Category of one sample.
    pub(super) fn category(&self, sample: u32) -> u8 {
        match self.categories() {
            Categories::Packed(bytes) => packed(bytes, 2, sample as usize) as u8,
            Categories::Carriers(carriers) => carriers
                .samples
                .binary_search(&sample)
                .map_or(0, |index| carriers.categories[index]),
        }
    }

    /// One bit for each sample chooses between the two most common categories.
    fn read_two_common(
        &mut self,
        cursor: &mut Cursor<'_>,
        sample_count: usize,
    ) -> Result<(), RecordFault> {
        let found = cursor.byte(Track::Main)?;
        let low = found >> 2;
        let difference = found & 0b11;
        if difference == 0 || low + difference > MISSING {
            return Err(RecordFault::CategoryPair { found });
        }
        let bits = cursor.take(sample_count.div_ceil(8), Track::Main)?;
        self.packed.clear();
        self.packed.reserve(2 * bits.len());
        for &byte in bits {
            for half in [byte & 0xf, byte >> 4] {
                let spread = SPREAD[usize::from(half)];
                self.packed.push(low * 0b0101_0101 + spread * difference);
            }
        }
        self.packed.truncate(sample_count.div_ceil(4));
        Ok(())
    }

    /// All samples have one category, except the samples of a list.
    fn read_all_but(
        &mut self,
        category: u8,
        cursor: &mut Cursor<'_>,
        sample_count: usize,
        list: &mut Difflist,
    ) -> Result<(), RecordFault> {
        self.packed.clear();
        self.packed
            .resize(sample_count.div_ceil(4), category * 0b0101_0101);
        list.read_categories(cursor, sample_count)?;
        self.patch(list);
        Ok(())
    }

    fn patch(&mut self, list: &Difflist) {
        for (sample, category) in list.iter() {
            let byte = &mut self.packed[sample as usize / 4];
            let shift = sample % 4 * 2;
            *byte = *byte & !(0b11 << shift) | category << shift;
        }
    }

    fn set_carriers(&mut self, list: &Difflist) {
        self.is_sparse = true;
        self.carriers.clear();
        for (sample, category) in list.iter().filter(|&(_, category)| category != 0) {
            self.carriers.push(sample, category);
        }
    }

    /// The carriers of an earlier record, where `list` does not state another category.
    fn merge(&mut self, earlier: &Difflist, list: &Difflist) {
        self.is_sparse = true;
        self.carriers.clear();
        let mut unchanged = earlier.iter().peekable();
        for (sample, category) in list.iter() {
            while let Some((before, same)) = unchanged.next_if(|&(before, _)| before < sample) {
                self.carriers.push(before, same);
            }
            unchanged.next_if(|&(before, _)| before == sample);
            if category != 0 {
                self.carriers.push(sample, category);
            }
        }
        for (sample, category) in unchanged {
            self.carriers.push(sample, category);
        }
    }

    /// Exchanges categories 0 and 2: the high bit changes where the low bit is 0.
    fn invert(&mut self) {
        for byte in &mut self.packed {
            *byte ^= (!*byte & 0b0101_0101) << 1;
        }
    }

    /// The bits after the last sample are 0.
    fn clear_tail(&mut self, sample_count: usize) {
        let used = sample_count % 4 * 2;
        if used > 0
            && let Some(last) = self.packed.last_mut()
        {
            *last &= (1 << used) - 1;
        }
    }
}

/// The four bits of an index, each in the lower one of two bits.
const SPREAD: [u8; 16] = [
    0x00, 0x01, 0x04, 0x05, 0x10, 0x11, 0x14, 0x15, 0x40, 0x41, 0x44, 0x45, 0x50, 0x51, 0x54, 0x55,
];

/// Category 1 for code 2, 0 for 3, 2 for 0 and 3 for 1, in all four pairs of bits.
const fn of_bed(byte: u8) -> u8 {
    let high = byte >> 1 & 0b0101_0101;
    let low = byte & 0b0101_0101;
    (high ^ 0b0101_0101) << 1 | (high ^ low)
}

/// Samples of category 1 or 2 of a packed array, 32 at a time.
fn collect_packed(packed: &[u8], category: u8, samples: &mut Vec<u32>) {
    const LOW_BITS: u64 = 0x5555_5555_5555_5555;
    for (index, bytes) in packed.chunks(8).enumerate() {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        let word = u64::from_le_bytes(padded);
        let low = word & LOW_BITS;
        let high = word >> 1 & LOW_BITS;
        let mut found = match category {
            HETEROZYGOUS => low & !high,
            TWO_ALTS => high & !low,
            MISSING => high & low,
            _ => LOW_BITS & !(high | low),
        };
        while found != 0 {
            samples.push(index as u32 * 32 + found.trailing_zeros() / 2);
            found &= found - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(track: &MainTrack, sample_count: u32) -> Vec<u8> {
        (0..sample_count)
            .map(|sample| track.category(sample))
            .collect()
    }

    #[test]
    fn plink1_codes() {
        let mut track = MainTrack::default();
        let mut cursor = Cursor::new(&[0b11_10_01_00, 0b11]);
        track.read_bed(&mut cursor, 5).unwrap();
        assert_eq!(dense(&track, 5), [2, 3, 1, 0, 0]);
    }

    #[test]
    fn differences_and_inversion() {
        let mut list = Difflist::default();
        let mut earlier = MainTrack::default();
        // Samples 1 and 3 have categories 1 and 2.
        let bytes = [2, 1, 0b1001, 2];
        let mut cursor = Cursor::new(&bytes);
        earlier
            .read_alone(&mut cursor, ALL_BUT_REFERENCE, 5, &mut list)
            .unwrap();
        assert_eq!(dense(&earlier, 5), [0, 1, 0, 2, 0]);
        let mut track = MainTrack::default();
        // Sample 1 has category 0, sample 2 category 3.
        let bytes = [2, 1, 0b1100, 1];
        for (record_type, expected) in [
            (DIFFERENCES, [0, 0, 3, 2, 0]),
            (INVERTED_DIFFERENCES, [2, 2, 3, 0, 2]),
        ] {
            let mut cursor = Cursor::new(&bytes);
            track
                .read_differences(&mut cursor, record_type, &earlier, 5, &mut list)
                .unwrap();
            assert_eq!(dense(&track, 5), expected);
        }
    }

    #[test]
    fn two_common_categories() {
        let mut track = MainTrack::default();
        let mut list = Difflist::default();
        // Categories 1 and 3; then sample 0 has category 2.
        let bytes = [0b0110, 0b10_1010, 1, 0, 2];
        track
            .read_alone(&mut Cursor::new(&bytes), TWO_COMMON, 6, &mut list)
            .unwrap();
        assert_eq!(dense(&track, 6), [2, 3, 1, 3, 1, 3]);
        let mut heterozygous = Vec::new();
        track.collect(HETEROZYGOUS, &mut heterozygous);
        assert_eq!(heterozygous, [2, 4]);
        let fault = track.read_alone(&mut Cursor::new(&[4, 0]), TWO_COMMON, 6, &mut list);
        assert_eq!(fault, Err(RecordFault::CategoryPair { found: 4 }));
    }
}
