//! Typed values of BCF (VCF 4.3 specification, section 6.3.3).
//!
//! No length in the file is trusted: every read returns `None` if the bytes end early.

/// Integers of any width as i32; a missing value is `None`. The iterator ends with the vector.
fn integers(bytes: &[u8], width: usize) -> impl Iterator<Item = Option<i32>> {
    // The smallest value of a width marks a missing value, the next one the end of a vector.
    bytes
        .chunks_exact(width.max(1))
        .map(widen)
        .take_while(|&(value, least)| value != least + 1)
        .map(|(value, least)| (value != least).then_some(value))
}

/// An integer of 1, 2 or 4 bytes, and the smallest integer of that width.
#[inline]
fn widen(bytes: &[u8]) -> (i32, i32) {
    match *bytes {
        [a] => (i32::from(a as i8), i32::from(i8::MIN)),
        [a, b] => (i32::from(i16::from_le_bytes([a, b])), i32::from(i16::MIN)),
        [a, b, c, d] => (i32::from_le_bytes([a, b, c, d]), i32::MIN),
        _ => (i32::MIN, i32::MIN),
    }
}

/// Type number of 32-bit floats.
const FLOAT: u8 = 5;
/// Type number of text.
const TEXT: u8 = 7;

/// Bytes of one value of a type, `None` for an unknown type.
fn width_of(kind: u8) -> Option<usize> {
    match kind {
        0 => Some(0),
        1 | TEXT => Some(1),
        2 => Some(2),
        3 | 5 => Some(4),
        _ => None,
    }
}

fn is_integer(kind: u8) -> bool {
    (1..=3).contains(&kind)
}

/// One typed vector of a site.
#[derive(Clone, Copy, Debug)]
pub(super) struct Typed<'b> {
    kind: u8,
    width: usize,
    bytes: &'b [u8],
}

impl<'b> Typed<'b> {
    /// Reads a vector off the front of `bytes`.
    pub fn read(bytes: &mut &'b [u8]) -> Option<Self> {
        let vector = VectorType::read(bytes)?;
        let width = width_of(vector.kind)?;
        let (values, rest) = bytes.split_at_checked(width.checked_mul(vector.len)?)?;
        *bytes = rest;
        Some(Self {
            kind: vector.kind,
            width,
            bytes: values,
        })
    }

    /// Text; a missing value is empty text.
    pub fn text(self) -> Option<&'b [u8]> {
        matches!(self.kind, 0 | TEXT).then_some(self.bytes)
    }

    /// Integers; none if the vector has another type.
    pub fn integers(self) -> impl Iterator<Item = Option<i32>> {
        integers(
            if is_integer(self.kind) {
                self.bytes
            } else {
                &[]
            },
            self.width,
        )
    }
}

/// One FORMAT field: one vector per sample, all of the same type and length.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypedVectors<'b> {
    kind: u8,
    width: usize,
    /// Bytes of each sample.
    pub stride: usize,
    /// All samples.
    pub bytes: &'b [u8],
}

impl<'b> TypedVectors<'b> {
    /// Reads the vectors of `n_samples` off the front of `bytes`.
    pub fn read(bytes: &mut &'b [u8], n_samples: usize) -> Option<Self> {
        let vector = VectorType::read(bytes)?;
        let width = width_of(vector.kind)?;
        let stride = width.checked_mul(vector.len)?;
        let (values, rest) = bytes.split_at_checked(stride.checked_mul(n_samples)?)?;
        *bytes = rest;
        Some(Self {
            kind: vector.kind,
            width,
            stride,
            bytes: values,
        })
    }

    pub fn is_integer(&self) -> bool {
        is_integer(self.kind)
    }

    /// Whether each sample has two integers of one byte: GT of diploid samples at a record with
    /// fewer than 63 alleles.
    pub fn is_byte_pairs(&self) -> bool {
        self.kind == 1 && self.stride == 2
    }

    /// The integers of one sample.
    pub fn integers(&self, sample: usize) -> impl Iterator<Item = Option<i32>> + use<'b> {
        integers(self.of_sample(sample), self.width)
    }

    /// The numbers of one sample, a missing one as `None`. `None` for vectors of text.
    pub fn floats(&self, sample: usize) -> Option<impl Iterator<Item = Option<f32>> + use<'b>> {
        // Missing values and the end of a vector are certain NaNs.
        const MISSING: u32 = 0x7f80_0001;
        const END: u32 = 0x7f80_0002;
        let is_float = self.kind == FLOAT;
        if !is_float && !self.is_integer() && self.stride > 0 {
            return None;
        }
        // One of the two is empty, so that both kinds give the same iterator type.
        let bytes = self.of_sample(sample);
        let float_bytes = if is_float { bytes } else { &[] };
        let integer_bytes = if is_float { &[] } else { bytes };
        let floats = float_bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .take_while(|&bits| bits != END)
            .map(|bits| {
                (bits != MISSING)
                    .then_some(f32::from_bits(bits))
                    .filter(|value| value.is_finite())
            });
        let integers = integers(integer_bytes, self.width);
        Some(floats.chain(integers.map(|value| value.map(|value| value as f32))))
    }

    /// The text of one sample, without padding.
    pub fn text(&self, sample: usize) -> Option<&'b [u8]> {
        (self.kind == TEXT).then(|| {
            self.of_sample(sample)
                .split(|&byte| byte == 0)
                .next()
                .unwrap_or_default()
        })
    }

    fn of_sample(&self, sample: usize) -> &'b [u8] {
        self.bytes
            .get(sample * self.stride..(sample + 1) * self.stride)
            .unwrap_or_default()
    }
}

/// The descriptor of a vector.
struct VectorType {
    /// Type number.
    kind: u8,
    /// Number of values.
    len: usize,
}

impl VectorType {
    /// Reads a descriptor off the front of `bytes`: type in the low four bits, length in the high
    /// ones. Length 15 means that the length follows as an integer.
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (&descriptor, rest) = bytes.split_first()?;
        *bytes = rest;
        let len = match descriptor >> 4 {
            15 => usize::try_from(read_integer(bytes)?).ok()?,
            len => usize::from(len),
        };
        Some(Self {
            kind: descriptor & 0x0f,
            len,
        })
    }
}

/// Reads one integer with its type off the front of `bytes`.
pub(super) fn read_integer(bytes: &mut &[u8]) -> Option<i32> {
    let (&descriptor, rest) = bytes.split_first()?;
    let width = match descriptor {
        0x11 => 1,
        0x12 => 2,
        0x13 => 4,
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(width)?;
    *bytes = rest;
    integers(value, width).next().flatten()
}
