//! Intervals of a locus that are read as N in all samples: `--mask`, and outside of `--callable`.
//!
//! Like `bcftools consensus -m`, a record whose REF touches such an interval is not applied.

use serde::{Deserialize, Serialize};

use super::Reason;
use gf_genotypes::{Interval, Locus, Position0, Range0, joined, same_contig};

/// Masked intervals of one locus, ascending and disjoint.
///
/// They are stored with a model, so that new samples are masked in the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masks {
    /// Regions of `--mask`.
    pub masked: Vec<Range0>,
    /// Gaps between the regions of `--callable`.
    pub uncallable: Vec<Range0>,
}

impl Masks {
    /// Clips the regions of `--mask` and `--callable` to a locus.
    #[must_use]
    pub fn of_locus(locus: &Locus, masked: &[Interval], callable: Option<&[Interval]>) -> Self {
        Self {
            masked: clipped(locus, masked),
            uncallable: callable.map_or_else(Vec::new, |callable| gaps(locus, callable)),
        }
    }

    /// Whether every interval is a non-empty part of the locus.
    #[must_use]
    pub fn are_inside(&self, locus: &Locus) -> bool {
        self.masked
            .iter()
            .chain(&self.uncallable)
            .all(|&interval| locus.range().covers(interval) && !interval.is_empty())
    }

    /// The reason why a record of this span is not applied; `None` if it is.
    #[must_use]
    pub fn reason(&self, span: Range0) -> Option<Reason> {
        if touches(&self.masked, span) {
            Some(Reason::Masked)
        } else {
            touches(&self.uncallable, span).then_some(Reason::Uncallable)
        }
    }

    /// Replaces the masked bases of a locus that starts at `start0` by N. Returns the number of
    /// bases that changed.
    pub fn apply(&self, bases: &mut [u8], start0: Position0) -> u64 {
        let mut n_masked = 0;
        for interval in self.masked.iter().chain(&self.uncallable) {
            for base in &mut bases[interval.start - start0..interval.end - start0] {
                n_masked += u64::from(std::mem::replace(base, b'N') != b'N');
            }
        }
        n_masked
    }
}

/// The parts of a locus that no interval covers.
fn gaps(locus: &Locus, intervals: &[Interval]) -> Vec<Range0> {
    let mut next = locus.start0;
    let mut gaps = Vec::new();
    for covered in clipped(locus, intervals) {
        if covered.start > next {
            gaps.push(Range0::new(next, covered.start));
        }
        next = covered.end;
    }
    if next < locus.end0 {
        gaps.push(Range0::new(next, locus.end0));
    }
    gaps
}

/// Whether one of ascending, disjoint intervals overlaps `span`.
fn touches(intervals: &[Range0], span: Range0) -> bool {
    intervals
        .get(intervals.partition_point(|interval| interval.end <= span.start))
        .is_some_and(|interval| interval.start < span.end)
}

/// The parts of `intervals` inside of a locus, merged.
fn clipped(locus: &Locus, intervals: &[Interval]) -> Vec<Range0> {
    let inside = intervals
        .iter()
        .filter(|interval| same_contig(&interval.contig, &locus.contig))
        .map(|interval| interval.range.intersection(locus.range()))
        .filter(|range| !range.is_empty());
    joined(inside.collect())
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
            start0: Position0::new(10),
            end0: Position0::new(30),
            strand: Strand::Forward,
        };
        let masks = Masks::of_locus(
            &locus,
            &[interval(0, 12), interval(20, 22), interval(21, 23)],
            Some(&[interval(5, 25)]),
        );
        assert_eq!(masks.masked, [range(10, 12), range(20, 23)]);
        assert_eq!(masks.uncallable, [range(25, 30)]);
        let json = r#"{"masked":[{"start":10,"end":12},{"start":20,"end":23}],"#;
        assert!(serde_json::to_string(&masks).unwrap().starts_with(json));
        let mut bases = vec![b'A'; 20];
        assert_eq!(masks.apply(&mut bases, locus.start0), 10);
        assert_eq!(bases, b"NNAAAAAAAANNNAANNNNN");
        assert_eq!(masks.reason(range(12, 20)), None);
        assert_eq!(masks.reason(range(11, 13)), Some(Reason::Masked));
        assert_eq!(masks.reason(range(24, 26)), Some(Reason::Uncallable));
        assert_eq!(Masks::of_locus(&locus, &[], None), Masks::default());
    }

    fn interval(start0: usize, end0: usize) -> Interval {
        Interval {
            contig: "1".into(),
            range: range(start0, end0),
        }
    }

    fn range(start0: usize, end0: usize) -> Range0 {
        Range0::from_zero_based(start0, end0)
    }
}
