//! Typed values of BCF (VCF 4.3 specification, section 6.3.3). Nothing here trusts a length: every
//! read gives `None` where bytes end early.

/// Integers are read as i32, whatever their width: a value, `None` where it is missing. The
/// iterator ends where the vector does.
fn integers(bytes: &[u8], width: usize) -> impl Iterator<Item = Option<i32>> {
    let widen = move |bytes: &[u8]| match *bytes {
        [a] => (i32::from(a as i8), i32::from(i8::MIN)),
        [a, b] => (i32::from(i16::from_le_bytes([a, b])), i32::from(i16::MIN)),
        [a, b, c, d] => (i32::from_le_bytes([a, b, c, d]), i32::MIN),
        _ => (i32::MIN, i32::MIN),
    };
    // The smallest value of a width is the missing one, the next the end of a vector.
    let values = bytes
        .chunks_exact(width.max(1))
        .map(widen)
        .take_while(|&(value, least)| value != least + 1);
    values.map(|(value, least)| (value != least).then_some(value))
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
        let (kind, count) = read_type(bytes)?;
        let width = width_of(kind)?;
        let (values, rest) = bytes.split_at_checked(width.checked_mul(count)?)?;
        *bytes = rest;
        Some(Self {
            kind,
            width,
            bytes: values,
        })
    }

    /// Text; a missing value is empty text.
    pub fn text(self) -> Option<&'b [u8]> {
        matches!(self.kind, 0 | TEXT).then_some(self.bytes)
    }

    /// Integers; none where the vector holds something else.
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

/// One FORMAT field: vectors of the same type and length, one a sample.
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
        let (kind, count) = read_type(bytes)?;
        let width = width_of(kind)?;
        let stride = width.checked_mul(count)?;
        let (values, rest) = bytes.split_at_checked(stride.checked_mul(n_samples)?)?;
        *bytes = rest;
        Some(Self {
            kind,
            width,
            stride,
            bytes: values,
        })
    }

    pub fn is_integer(&self) -> bool {
        is_integer(self.kind)
    }

    /// Two integers of one byte a sample: GT of people with two haplotypes and fewer than 63
    /// alleles.
    pub fn is_byte_pairs(&self) -> bool {
        self.kind == 1 && self.stride == 2
    }

    /// One sample's integers.
    pub fn integers(&self, sample: usize) -> impl Iterator<Item = Option<i32>> + use<'b> {
        integers(self.of_sample(sample), self.width)
    }

    /// One sample's numbers, `None` where one is missing; `None` where the vectors are text.
    pub fn floats(&self, sample: usize) -> Option<impl Iterator<Item = Option<f32>> + use<'b>> {
        // Missing values and the end of a vector are certain NaNs.
        const MISSING: u32 = 0x7f80_0001;
        const END: u32 = 0x7f80_0002;
        let is_float = self.kind == FLOAT;
        if !is_float && !self.is_integer() && self.stride > 0 {
            return None;
        }
        let (floats, rest) = if is_float {
            (self.of_sample(sample), &[][..])
        } else {
            (&[][..], self.of_sample(sample))
        };
        let floats = floats
            .as_chunks()
            .0
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .take_while(|&bits| bits != END);
        let floats = floats.map(|bits| {
            (bits != MISSING)
                .then_some(f32::from_bits(bits))
                .filter(|value| value.is_finite())
        });
        Some(floats.chain(integers(rest, self.width).map(|value| value.map(|value| value as f32))))
    }

    /// One sample's text, without what pads it.
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

fn read_type(bytes: &mut &[u8]) -> Option<(u8, usize)> {
    let (&descriptor, rest) = bytes.split_first()?;
    *bytes = rest;
    let count = match descriptor >> 4 {
        15 => usize::try_from(read_integer(bytes)?).ok()?,
        count => usize::from(count),
    };
    Some((descriptor & 0x0f, count))
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
