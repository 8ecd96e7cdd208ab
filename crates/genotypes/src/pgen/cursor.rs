//! Reading the bytes of one record, each length checked.

use super::error::{RecordFault, Track};

/// The bytes of a record that are still to be read.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) const fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize, track: Track) -> Result<&'a [u8], RecordFault> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..count).ok_or(RecordFault::Truncated {
            track,
            expected: count,
            found: rest.len(),
        })?;
        self.position += count;
        Ok(taken)
    }

    pub(super) fn byte(&mut self, track: Track) -> Result<u8, RecordFault> {
        Ok(self.take(1, track)?[0])
    }

    /// A number of 7 bits per byte, the lowest bits first; at most 32 bits.
    #[inline]
    pub(super) fn varint(&mut self, track: Track) -> Result<u32, RecordFault> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte(track)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| RecordFault::Varint { track });
            }
        }
        Err(RecordFault::Varint { track })
    }

    /// Nothing may follow the last track.
    pub(super) fn finish(&self) -> Result<(), RecordFault> {
        if self.left() == 0 {
            return Ok(());
        }
        Err(RecordFault::TrailingBytes {
            expected: self.position,
            found: self.bytes.len(),
        })
    }
}

/// Bit `index` of a packed array of bits, the lowest bit of each byte first.
#[inline]
pub(super) const fn bit(bytes: &[u8], index: usize) -> bool {
    bytes[index / 8] >> (index % 8) & 1 == 1
}

/// A little-endian number of at most four bytes.
#[inline]
pub(super) fn little_endian(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | u32::from(byte))
}

/// Element `index` of a packed array of numbers of 0, 1, 2, 4, 8, 16 or 24 bits.
#[inline]
pub(super) fn packed(bytes: &[u8], bits: usize, index: usize) -> u32 {
    match bits {
        0 => 0,
        1 | 2 | 4 => {
            let first_bit = index * bits;
            u32::from(bytes[first_bit / 8] >> (first_bit % 8)) & ((1 << bits) - 1)
        }
        _ => {
            let width = bits / 8;
            little_endian(&bytes[index * width..(index + 1) * width])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_has_seven_bits_per_byte() {
        assert_eq!(Cursor::new(&[0x88, 0x27]).varint(Track::Main), Ok(5000));
        let largest = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(Cursor::new(&largest).varint(Track::Main), Ok(u32::MAX));
        let too_large = [0xff, 0xff, 0xff, 0xff, 0x1f];
        let fault = Err(RecordFault::Varint { track: Track::Main });
        assert_eq!(Cursor::new(&too_large).varint(Track::Main), fault);
        assert_eq!(Cursor::new(&[0x80; 6]).varint(Track::Main), fault);
        assert!(Cursor::new(&[0x80]).varint(Track::Main).is_err());
    }

    #[test]
    fn packed_arrays_start_with_the_lowest_bits() {
        assert_eq!(packed(&[0b1110_0100], 2, 3), 3);
        assert_eq!(packed(&[0x21], 4, 1), 2);
        assert_eq!(packed(&[0, 0, 0, 3, 2, 1], 24, 1), 0x01_02_03);
        assert_eq!(packed(&[], 0, 7), 0);
    }
}
