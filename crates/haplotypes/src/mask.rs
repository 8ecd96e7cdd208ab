//! Places of a locus that are read as N for everyone: what `--mask` covers and what `--callable`
//! does not.
//!
//! As with `bcftools consensus -m`, a record whose REF touches such a place is not applied.
//! Coordinates: 0-based, half-open.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Reason;
use gf_genotypes::{Interval, Locus, joined, same_contig};

/// Masked places of one locus, ascending and disjoint. They travel with a model, so that new people
/// are read alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masks {
    /// Inside a region of `--mask`.
    pub masked: Vec<Range<usize>>,
    /// Outside the regions of `--callable`.
    pub uncallable: Vec<Range<usize>>,
}

impl Masks {
    /// Cuts the regions of `--mask` and `--callable` to a locus.
    #[must_use]
    pub fn of_locus(locus: &Locus, masked: &[Interval], callable: Option<&[Interval]>) -> Self {
        let uncallable = callable.map_or_else(Vec::new, |callable| {
            let mut next = locus.start0;
            let mut gaps = Vec::new();
            for held in inside(locus, callable) {
                if held.start > next {
                    gaps.push(next..held.start);
                }
                next = held.end;
            }
            if next < locus.end0 {
                gaps.push(next..locus.end0);
            }
            gaps
        });
        Self {
            masked: inside(locus, masked),
            uncallable,
        }
    }

    /// Every place is a part of the locus.
    #[must_use]
    pub fn are_inside(&self, locus: &Locus) -> bool {
        let inside = |place: &Range<usize>| {
            locus.start0 <= place.start && place.start < place.end && place.end <= locus.end0
        };
        self.masked.iter().chain(&self.uncallable).all(inside)
    }

    /// Why a record that spans `start0..end0` is not applied.
    #[must_use]
    pub fn reason(&self, start0: usize, end0: usize) -> Option<Reason> {
        let touches = |places: &[Range<usize>]| {
            places
                .get(places.partition_point(|place| place.end <= start0))
                .is_some_and(|place| place.start < end0)
        };
        if touches(&self.masked) {
            Some(Reason::Masked)
        } else {
            touches(&self.uncallable).then_some(Reason::Uncallable)
        }
    }

    /// Writes N over the masked bases of a locus that starts at `start0`; how many bases changed.
    pub fn apply(&self, bases: &mut [u8], start0: usize) -> u64 {
        let mut n_masked = 0;
        for place in self.masked.iter().chain(&self.uncallable) {
            for base in &mut bases[place.start - start0..place.end - start0] {
                n_masked += u64::from(std::mem::replace(base, b'N') != b'N');
            }
        }
        n_masked
    }
}

/// The parts of `intervals` inside a locus, merged.
fn inside(locus: &Locus, intervals: &[Interval]) -> Vec<Range<usize>> {
    let here = intervals
        .iter()
        .filter(|interval| same_contig(&interval.contig, &locus.contig));
    let cut = here.map(|interval| interval.start0.max(locus.start0)..interval.end0.min(locus.end0));
    joined(cut.filter(|place| place.start < place.end).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gf_genotypes::Strand;

    #[test]
    fn what_is_masked_and_what_is_not_callable_are_n() {
        let locus = Locus {
            name: "L".into(),
            contig: "chr1".into(),
            start0: 10,
            end0: 30,
            strand: Strand::Forward,
        };
        let interval = |start0, end0| Interval {
            contig: "1".into(),
            start0,
            end0,
        };
        let masks = Masks::of_locus(
            &locus,
            &[interval(0, 12), interval(20, 22), interval(21, 23)],
            Some(&[interval(5, 25)]),
        );
        assert_eq!(masks.masked, [10..12, 20..23]);
        assert_eq!(
            (masks.uncallable.len(), masks.uncallable.first().cloned()),
            (1, Some(25..30))
        );
        let mut bases = vec![b'A'; 20];
        assert_eq!(masks.apply(&mut bases, 10), 10);
        assert_eq!(bases, b"NNAAAAAAAANNNAANNNNN");
        assert_eq!(masks.reason(12, 20), None);
        assert_eq!(masks.reason(11, 13), Some(Reason::Masked));
        assert_eq!(masks.reason(24, 26), Some(Reason::Uncallable));
        assert_eq!(Masks::of_locus(&locus, &[], None), Masks::default());
    }
}
