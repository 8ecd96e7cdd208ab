//! Sparse lists of samples, with or without a genotype category for each.
//!
//! Layout: the length L; the first sample of every group of 64, in as many bytes as the number of
//! samples of the file needs; the sizes of all groups but the last, less 63; ceil(L / 4) bytes of
//! categories, if any; the differences between the samples of a group, as varints.

use super::{
    cursor::{Cursor, little_endian, packed},
    error::{RecordFault, Track},
};

const GROUP: usize = 64;

/// An increasing list of samples (0-based, in the order of the file).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difflist {
    pub(super) samples: Vec<u32>,
    /// A category (0 to 3) for each sample; empty for a list without them.
    pub(super) categories: Vec<u8>,
}

impl Difflist {
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.categories.clear();
    }

    pub(super) fn push(&mut self, sample: u32, category: u8) {
        self.samples.push(sample);
        self.categories.push(category);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u8)> {
        self.samples
            .iter()
            .copied()
            .zip(self.categories.iter().copied())
    }

    /// Reads a list whose elements have categories.
    pub(super) fn read_categories(
        &mut self,
        cursor: &mut Cursor<'_>,
        sample_count: usize,
    ) -> Result<(), RecordFault> {
        self.read(cursor, sample_count, Track::Main, true)
    }

    /// Reads a list of samples only.
    pub(super) fn read_samples(
        &mut self,
        cursor: &mut Cursor<'_>,
        sample_count: usize,
        track: Track,
    ) -> Result<(), RecordFault> {
        self.read(cursor, sample_count, track, false)
    }

    fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        sample_count: usize,
        track: Track,
        has_categories: bool,
    ) -> Result<(), RecordFault> {
        self.clear();
        let length = cursor.varint(track)? as usize;
        if length == 0 {
            return Ok(());
        }
        // Every element takes a byte or more of what follows, so a damaged length cannot make the
        // program allocate more than the record's size.
        let limit = sample_count.min(cursor.left());
        if length > limit {
            return Err(RecordFault::ListLength {
                track,
                found: length,
                limit,
            });
        }
        let groups = length.div_ceil(GROUP);
        let first_samples = cursor.take(groups * sample_width(sample_count), track)?;
        let sizes = cursor.take(groups - 1, track)?;
        if has_categories {
            let bytes = cursor.take(length.div_ceil(4), track)?;
            self.categories
                .extend((0..length).map(|index| packed(bytes, 2, index) as u8));
        }
        let list = List {
            track,
            sample_count,
            length,
            first_samples,
            sizes,
        };
        self.samples.reserve(length);
        list.read_differences(cursor, &mut self.samples)
    }
}

/// Bytes of a sample number: as many as the number of samples needs. The limits in the
/// specification are higher by one, but `plink2` and `pgenlib` use two bytes for 256 samples and
/// three for 65,536.
const fn sample_width(sample_count: usize) -> usize {
    match sample_count {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xff_ffff => 3,
        _ => 4,
    }
}

/// Appends a list of samples with categories to `bytes`. The samples are in increasing order.
pub(super) fn write(samples: &[u32], categories: &[u8], sample_count: usize, bytes: &mut Vec<u8>) {
    push_varint(samples.len() as u32, bytes);
    let width = sample_width(sample_count);
    for group in samples.chunks(GROUP) {
        bytes.extend(&group[0].to_le_bytes()[..width]);
    }
    let mut differences = Vec::with_capacity(samples.len());
    let group_count = samples.len().div_ceil(GROUP);
    for (index, group) in samples.chunks(GROUP).enumerate() {
        let start = differences.len();
        for pair in group.windows(2) {
            push_varint(pair[1] - pair[0], &mut differences);
        }
        if index + 1 < group_count {
            bytes.push((differences.len() - start - (GROUP - 1)) as u8);
        }
    }
    for four in categories.chunks(4) {
        let packed = four
            .iter()
            .rev()
            .fold(0, |byte, category| byte << 2 | category);
        bytes.push(packed);
    }
    bytes.extend(differences);
}

fn push_varint(mut value: u32, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The fixed-width parts of a list.
struct List<'a> {
    track: Track,
    sample_count: usize,
    length: usize,
    first_samples: &'a [u8],
    sizes: &'a [u8],
}

impl List<'_> {
    fn read_differences(
        &self,
        cursor: &mut Cursor<'_>,
        samples: &mut Vec<u32>,
    ) -> Result<(), RecordFault> {
        let width = sample_width(self.sample_count);
        let mut least = 0_u64;
        for (group, first) in self.first_samples.chunks_exact(width).enumerate() {
            let mut sample = self.checked(u64::from(little_endian(first)), least)?;
            samples.push(sample);
            let start = cursor.left();
            let group_length = GROUP.min(self.length - group * GROUP);
            for _ in 1..group_length {
                let difference = u64::from(cursor.varint(self.track)?);
                sample = self.checked(u64::from(sample) + difference, u64::from(sample) + 1)?;
                samples.push(sample);
            }
            self.check_size(group, start - cursor.left())?;
            least = u64::from(sample) + 1;
        }
        Ok(())
    }

    #[inline]
    fn checked(&self, sample: u64, least: u64) -> Result<u32, RecordFault> {
        if sample >= least && sample < self.sample_count as u64 {
            return Ok(sample as u32);
        }
        Err(RecordFault::ListSample {
            track: self.track,
            found: sample,
            least,
            most: self.sample_count as u64 - 1,
        })
    }

    fn check_size(&self, group: usize, found: usize) -> Result<(), RecordFault> {
        let Some(&size) = self.sizes.get(group) else {
            return Ok(());
        };
        let expected = usize::from(size) + GROUP - 1;
        if found == expected {
            return Ok(());
        }
        Err(RecordFault::ListGroup {
            track: self.track,
            group: group + 1,
            expected,
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification: samples 5000, 10000, ... 395000 of 488,377.
    fn example() -> Vec<u8> {
        let mut bytes = vec![0x4f, 0x88, 0x13, 0x00, 0x88, 0xf5, 0x04, 0x3f];
        bytes.extend([0b01; 20]);
        bytes.extend([0x88, 0x27].repeat(77));
        bytes
    }

    #[test]
    fn the_example_of_the_specification() {
        let mut list = Difflist::default();
        let bytes = example();
        let mut cursor = Cursor::new(&bytes);
        list.read_categories(&mut cursor, 488_377).unwrap();
        assert_eq!(cursor.left(), 0);
        let expected: Vec<u32> = (1..=79).map(|number| number * 5000).collect();
        assert_eq!(list.samples, expected);
        assert_eq!(list.categories[..5], [1, 0, 0, 0, 1]);
    }

    #[test]
    fn damaged_lists_are_refused() {
        let mut list = Difflist::default();
        let mut other_size = example();
        other_size[7] += 1;
        let fault = list.read_categories(&mut Cursor::new(&other_size), 488_377);
        assert!(matches!(
            fault,
            Err(RecordFault::ListGroup { group: 1, .. })
        ));
        let fault = list.read_categories(&mut Cursor::new(&example()), 395_000);
        assert!(matches!(fault, Err(RecordFault::ListSample { .. })));
        let fault = list.read_categories(&mut Cursor::new(&[0xff, 0x7f, 0, 0]), 488_377);
        assert!(matches!(fault, Err(RecordFault::ListLength { .. })));
    }
}
