//! Positions and ranges on a contig, with the base of their coordinates in the type.
//!
//! | Type | Base | Like |
//! |---|---|---|
//! | [`Position0`] | 0-based | BED, BCF, offsets into a contig |
//! | [`Position1`] | 1-based | VCF POS, scoring files, messages |
//! | [`Range0`] | 0-based, half-open | BED, Rust ranges |
//!
//! No conversion is implicit. A difference of two positions, and a number that is added to one, is
//! a plain number of nucleotides.

use std::{
    fmt,
    num::{NonZeroUsize, ParseIntError},
    ops::{Add, AddAssign, Sub, SubAssign},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// 0-based position on a contig. As the end of a range it is one past the last base.
///
/// It has no `Display`, because every position in a message is 1-based.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
#[serde(transparent)]
pub struct Position0(usize);

impl Position0 {
    /// The first base of a contig.
    pub const FIRST: Self = Self(0);
    /// After the last base of every contig.
    pub const MAX: Self = Self(usize::MAX);

    /// The position with this 0-based number.
    #[inline]
    #[must_use]
    pub const fn new(number: usize) -> Self {
        Self(number)
    }

    /// The 0-based number.
    #[inline]
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }

    /// The same base, counted from 1.
    #[inline]
    #[must_use]
    pub const fn to_one_based(self) -> Position1 {
        Position1(NonZeroUsize::MIN.saturating_add(self.0))
    }

    /// Nucleotides from `origin` to here; `None` if `origin` is after it.
    #[inline]
    #[must_use]
    pub const fn offset_from(self, origin: Self) -> Option<usize> {
        self.0.checked_sub(origin.0)
    }

    /// `len_nt` nucleotides to the right, or [`Self::MAX`].
    #[inline]
    #[must_use]
    pub const fn saturating_add(self, len_nt: usize) -> Self {
        Self(self.0.saturating_add(len_nt))
    }

    /// `len_nt` nucleotides to the left, or the first base of the contig.
    #[inline]
    #[must_use]
    pub const fn saturating_sub(self, len_nt: usize) -> Self {
        Self(self.0.saturating_sub(len_nt))
    }
}

impl Add<usize> for Position0 {
    type Output = Self;

    #[inline]
    fn add(self, len_nt: usize) -> Self {
        Self(self.0 + len_nt)
    }
}

impl AddAssign<usize> for Position0 {
    #[inline]
    fn add_assign(&mut self, len_nt: usize) {
        self.0 += len_nt;
    }
}

impl Sub<usize> for Position0 {
    type Output = Self;

    #[inline]
    fn sub(self, len_nt: usize) -> Self {
        Self(self.0 - len_nt)
    }
}

impl SubAssign<usize> for Position0 {
    #[inline]
    fn sub_assign(&mut self, len_nt: usize) {
        self.0 -= len_nt;
    }
}

/// Nucleotides between two positions; the right one comes first.
impl Sub for Position0 {
    type Output = usize;

    #[inline]
    fn sub(self, origin: Self) -> usize {
        self.0 - origin.0
    }
}

/// 1-based position on a contig, such as POS of a VCF; never 0.
///
/// It is not `noodles_core::Position`, which serde cannot store and which would make noodles part
/// of the interface of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
#[serde(transparent)]
pub struct Position1(NonZeroUsize);

impl Position1 {
    /// The first base of a contig.
    pub const FIRST: Self = Self(NonZeroUsize::MIN);

    /// The position with this 1-based number; `None` for 0, the telomere, which has no base.
    #[inline]
    #[must_use]
    pub const fn new(number: usize) -> Option<Self> {
        match NonZeroUsize::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// A position that the program states, such as `Position1::at::<44_908_684>()`.
    #[inline]
    #[must_use]
    pub const fn at<const NUMBER: usize>() -> Self {
        const { assert!(NUMBER > 0, "a 1-based position is never 0") };
        Self(NonZeroUsize::MIN.saturating_add(NUMBER - 1))
    }

    /// The 1-based number.
    #[inline]
    #[must_use]
    pub const fn get(self) -> usize {
        self.0.get()
    }

    /// The same base, counted from 0.
    #[inline]
    #[must_use]
    pub const fn to_zero_based(self) -> Position0 {
        Position0(self.0.get() - 1)
    }

    /// The end of a half-open range whose last base is here.
    #[inline]
    #[must_use]
    pub const fn to_end0(self) -> Position0 {
        Position0(self.0.get())
    }

    /// Nucleotides between two positions in any order.
    #[inline]
    #[must_use]
    pub const fn abs_diff(self, other: Self) -> usize {
        self.get().abs_diff(other.get())
    }
}

/// The first base. A reused record has it until it is read.
impl Default for Position1 {
    fn default() -> Self {
        Self::FIRST
    }
}

impl Add<usize> for Position1 {
    type Output = Self;

    #[inline]
    fn add(self, len_nt: usize) -> Self {
        Self(self.0.saturating_add(len_nt))
    }
}

/// Nucleotides between two positions; the right one comes first.
impl Sub for Position1 {
    type Output = usize;

    #[inline]
    fn sub(self, origin: Self) -> usize {
        self.get() - origin.get()
    }
}

impl fmt::Display for Position1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Position1 {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

/// Half-open range of 0-based positions on a contig. Shown as `beg-end`, 1-based and inclusive.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Range0 {
    /// First base.
    pub start: Position0,
    /// One past the last base.
    pub end: Position0,
}

impl Range0 {
    /// The bases from `start` to the one before `end`.
    #[inline]
    #[must_use]
    pub const fn new(start: Position0, end: Position0) -> Self {
        Self { start, end }
    }

    /// The bases of 0-based numbers, such as columns 2 and 3 of a BED.
    #[inline]
    #[must_use]
    pub const fn from_zero_based(start: usize, end: usize) -> Self {
        Self::new(Position0(start), Position0(end))
    }

    /// `len_nt` bases from `start` on.
    #[inline]
    #[must_use]
    pub fn with_len(start: Position0, len_nt: usize) -> Self {
        Self::new(start, start + len_nt)
    }

    /// The bases from `beg` to `end`, both included; `None` if `end` is before `beg`.
    #[inline]
    #[must_use]
    pub fn from_one_based(beg: Position1, end: Position1) -> Option<Self> {
        (beg <= end).then(|| Self::new(beg.to_zero_based(), end.to_end0()))
    }

    /// First and last base; `None` if the range is empty.
    #[inline]
    #[must_use]
    pub fn to_one_based(self) -> Option<(Position1, Position1)> {
        let last = Position1::new(self.end.0).filter(|_| !self.is_empty())?;
        Some((self.start.to_one_based(), last))
    }

    /// Number of bases; 0 if the end is before the start.
    #[inline]
    #[must_use]
    pub const fn len_nt(self) -> usize {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether it has no base.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len_nt() == 0
    }

    /// Whether a base is in the range.
    #[inline]
    #[must_use]
    pub fn contains(self, position: Position0) -> bool {
        self.start <= position && position < self.end
    }

    /// Whether every position of `inner`, its end included, is in the range or at its end.
    #[inline]
    #[must_use]
    pub fn covers(self, inner: Self) -> bool {
        self.start <= inner.start && inner.end <= self.end
    }

    /// Whether the two ranges have a base in common.
    #[inline]
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }

    /// The bases that are in both ranges; empty if there are none.
    #[inline]
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }
}

impl fmt::Display for Range0 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start.to_one_based(), self.end.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one_based(number: usize) -> Position1 {
        Position1::new(number).unwrap()
    }

    #[test]
    fn the_first_base_is_0_and_1() {
        assert_eq!(Position0::FIRST.to_one_based(), Position1::FIRST);
        assert_eq!(one_based(5).to_zero_based(), Position0::new(4));
        assert_eq!(one_based(5).to_end0(), Position0::new(5));
        assert_eq!(Position1::at::<5>(), one_based(5));
        assert_eq!(one_based(9) - one_based(5), 4);
        assert_eq!(one_based(5).abs_diff(one_based(9)), 4);
        assert_eq!(Position0::new(9) - Position0::new(5), 4);
        assert_eq!(Position0::new(5).offset_from(Position0::new(9)), None);
        assert_eq!(Position0::new(5).saturating_sub(9), Position0::FIRST);
    }

    #[test]
    fn position_0_is_refused_as_1_based() {
        assert_eq!(Position1::new(0), None);
        assert!("0".parse::<Position1>().is_err());
        assert!(serde_json::from_str::<Position1>("0").is_err());
        assert_eq!("12".parse(), Ok(one_based(12)));
    }

    #[test]
    fn a_range_is_shown_1_based_and_inclusive() {
        let range = Range0::from_zero_based(4, 12);
        assert_eq!(range.to_string(), "5-12");
        assert_eq!(one_based(5).to_string(), "5");
        assert_eq!(range.to_one_based(), Some((one_based(5), one_based(12))));
        assert_eq!(range.len_nt(), 8);
        assert!(range.contains(Position0::new(4)) && !range.contains(Position0::new(12)));
    }

    #[test]
    fn an_empty_range_has_no_base() {
        for (start, end) in [(0, 0), (4, 4), (9, 4)] {
            let range = Range0::from_zero_based(start, end);
            assert!(range.is_empty());
            assert_eq!((range.len_nt(), range.to_one_based()), (0, None));
            assert!(!range.contains(Position0::new(start)));
            assert!(!range.overlaps(Range0::from_zero_based(0, 20)));
        }
        assert_eq!(Range0::from_one_based(one_based(5), one_based(4)), None);
    }

    #[test]
    fn stored_forms_are_plain_numbers() {
        assert_eq!(serde_json::to_string(&Position0::new(4)).unwrap(), "4");
        assert_eq!(serde_json::to_string(&one_based(5)).unwrap(), "5");
        assert_eq!(
            serde_json::to_string(&Range0::from_zero_based(4, 12)).unwrap(),
            serde_json::to_string(&(4_usize..12)).unwrap()
        );
    }

    proptest! {
        #[test]
        fn half_open_and_inclusive_ranges_are_one_to_one(start: u32, len in 1_usize..1_000_000) {
            let range = Range0::with_len(Position0::new(start as usize), len);
            let (beg, end) = range.to_one_based().unwrap();
            prop_assert_eq!((beg.get(), end.get()), (range.start.get() + 1, range.end.get()));
            prop_assert_eq!(end - beg + 1, range.len_nt());
            prop_assert_eq!(Range0::from_one_based(beg, end), Some(range));
            prop_assert_eq!(range.to_string(), format!("{beg}-{end}"));
        }

        #[test]
        fn positions_of_both_bases_are_one_to_one(number: u32) {
            let position = Position0::new(number as usize);
            prop_assert_eq!(position.to_one_based().to_zero_based(), position);
            prop_assert_eq!(position.to_one_based().get(), position.get() + 1);
        }

        #[test]
        fn ranges_overlap_if_a_base_is_in_both(
            (a, a_len) in (0_usize..20, 0_usize..6),
            (b, b_len) in (0_usize..20, 0_usize..6),
        ) {
            let a = Range0::with_len(Position0::new(a), a_len);
            let b = Range0::with_len(Position0::new(b), b_len);
            let n_common = (0..30)
                .map(Position0::new)
                .filter(|&base| a.contains(base) && b.contains(base))
                .count();
            prop_assert_eq!(a.overlaps(b), n_common > 0);
            prop_assert_eq!(a.intersection(b).len_nt(), n_common);
        }
    }
}
