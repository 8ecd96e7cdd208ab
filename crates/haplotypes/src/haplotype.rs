//! A haplotype as edits of the reference: VCF alleles -> canonical edits -> bases.
//!
//! The semantics are those of `bcftools consensus`, but independent of the order of the records at
//! one position. Alleles are trimmed to the bases that change, then applied in the order of
//! [`OrderedEdit`]. Coordinates: 0-based, half-open, on the contig.

use std::cmp::Ordering;

use gf_genotypes::{Position0, Position1, Range0, VariantRecord};
use serde::{Deserialize, Serialize};

/// Replaces `start0..end0` of the reference by `alt`. An insertion has `start0 == end0`, a deletion
/// an empty `alt`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Edit {
    /// First replaced base.
    pub start0: Position0,
    /// One past the last replaced base.
    pub end0: Position0,
    /// New bases: upper-case ACGTN, IUPAC codes of unphased heterozygotes, or genotype symbols.
    pub alt: Vec<u8>,
}

impl Edit {
    /// The edit from REF to ALT without their shared prefix and suffix; `None` if they are equal.
    ///
    /// The prefix is trimmed first, so an indel in a repeat moves to the right end of the match.
    #[must_use]
    pub fn canonical(
        record_start0: Position0,
        ref_allele: &[u8],
        alt_allele: &[u8],
    ) -> Option<Self> {
        let prefix = ref_allele
            .iter()
            .zip(alt_allele)
            .take_while(|(a, b)| a == b)
            .count();
        let ref_rest = &ref_allele[prefix..];
        let alt_rest = &alt_allele[prefix..];
        let suffix = ref_rest
            .iter()
            .rev()
            .zip(alt_rest.iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        let edit = Self {
            start0: record_start0 + prefix,
            end0: record_start0 + ref_allele.len() - suffix,
            alt: alt_rest[..alt_rest.len() - suffix].to_vec(),
        };
        (!edit.is_nothing()).then_some(edit)
    }

    /// The replaced bases.
    #[must_use]
    pub fn range(&self) -> Range0 {
        Range0::new(self.start0, self.end0)
    }

    /// Whether it adds bases and replaces none.
    #[must_use]
    pub fn is_insertion(&self) -> bool {
        self.start0 == self.end0
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.start0 == self.end0 && self.alt.is_empty()
    }

    /// Whether it removes bases and adds none.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.alt.is_empty()
    }

    /// Whether `next` cannot be on the same haplotype: it replaces the same bases, or both insert
    /// or delete at one position. `next` must not precede this edit in the order of a haplotype.
    #[must_use]
    pub fn excludes(&self, next: &Self) -> bool {
        let inserted_here = self.is_insertion() && self.start0 == next.start0;
        next.start0 < self.end0 || inserted_here && (next.is_insertion() || next.is_deletion())
    }

    /// The part of the edit inside `window`, or `None` if it changes nothing there.
    ///
    /// `record_start0` is the start of the record. An insertion before the first base of the window
    /// is inside only if its anchor base is.
    #[must_use]
    pub fn clip(mut self, window: Range0, record_start0: Position0) -> Option<Self> {
        if self.is_insertion() {
            let inside = self.start0 > window.start && self.start0 <= window.end
                || self.start0 == window.start && record_start0 >= window.start;
            return inside.then_some(self);
        }
        if self.end0 <= window.start || self.start0 >= window.end {
            return None;
        }
        let left = window.start.offset_from(self.start0).unwrap_or(0);
        self.alt.drain(..left.min(self.alt.len()));
        self.start0 += left;
        let right = self.end0.offset_from(window.end).unwrap_or(0);
        self.end0 -= right;
        if right > 0 {
            // It is unknown which new bases belong to the bases beyond the edge. Like bcftools, new
            // bases replace old ones from the left.
            self.alt.truncate(self.end0 - self.start0);
        }
        Some(self)
    }

    /// Splits the edit at the starts of reference segments into pairs (segment index, edit).
    ///
    /// `cuts` are the segment starts, ascending.
    /// - An insertion belongs to the segment of the base before it.
    /// - A replacement of equal length is split base by base.
    /// - Any other edit puts all new bases into the first segment it touches.
    #[must_use]
    pub fn split_at(&self, cuts: &[Position0]) -> Vec<(usize, Edit)> {
        if self.is_insertion() {
            let base_before0 = self.start0.saturating_sub(1);
            return vec![(segment_of(cuts, base_before0), self.clone())];
        }
        let first = segment_of(cuts, self.start0);
        let last = segment_of(cuts, self.end0 - 1);
        let equal_length = self.alt.len() == self.end0 - self.start0;
        (first..=last)
            .map(|segment| {
                let start0 = if segment == first {
                    self.start0
                } else {
                    cuts[segment]
                };
                let end0 = if segment == last {
                    self.end0
                } else {
                    cuts[segment + 1]
                };
                let alt = if equal_length {
                    self.alt[start0 - self.start0..end0 - self.start0].to_vec()
                } else if segment == first {
                    self.alt.clone()
                } else {
                    Vec::new()
                };
                (segment, Edit { start0, end0, alt })
            })
            .collect()
    }
}

/// Index of the segment that contains a position; `cuts` are the segment starts, ascending.
fn segment_of(cuts: &[Position0], position0: Position0) -> usize {
    cuts.partition_point(|&cut| cut <= position0)
        .saturating_sub(1)
}

/// An edit with its rank among the edits of a haplotype.
///
/// Edits are applied by position. At one position insertions and deletions come before
/// replacements, because inserted bases precede the replaced base. Ties are broken by POS, REF and
/// ALT of the record, so that the order of the file never matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedEdit {
    /// The edit, already clipped to its window.
    pub edit: Edit,
    /// Start of the edit before it was clipped, possibly left of the window.
    pub uncut_start0: Position0,
    /// The letters come from a policy (N for a missing allele, or IUPAC codes), not from an ALT.
    /// An ALT at the same position goes first.
    pub by_policy: bool,
    /// POS of the record it came from.
    pub position: Position1,
    /// End (exclusive) of REF, or of the bases that `<DEL>` deletes.
    pub record_end0: Position0,
    /// REF of that record.
    pub ref_allele: Vec<u8>,
    /// ALT of that record.
    pub alt_allele: Vec<u8>,
}

impl OrderedEdit {
    /// An edit that starts and ends with its record, for the allele `alt`.
    pub(crate) fn of_record(record: &VariantRecord, edit: Edit, alt: &[u8]) -> Self {
        Self {
            edit,
            uncut_start0: record.start0(),
            by_policy: false,
            position: record.position,
            record_end0: record.end0(),
            ref_allele: record.ref_allele.clone(),
            alt_allele: alt.to_vec(),
        }
    }

    /// Whether it is an insertion or deletion after a base that REF and ALT share, as VCF anchors
    /// them. `<DEL>` always is one.
    #[must_use]
    pub fn is_anchored_indel(&self) -> bool {
        let is_indel = self.edit.is_insertion() || self.edit.is_deletion();
        self.alt_allele.starts_with(b"<")
            || is_indel && self.ref_allele.first() == self.alt_allele.first()
    }

    /// Whether ALT is longer than REF.
    #[must_use]
    pub fn adds_bases(&self) -> bool {
        !self.alt_allele.starts_with(b"<") && self.alt_allele.len() > self.ref_allele.len()
    }

    /// The part of the sort key that does not depend on letters: positions, and replacements
    /// (`true`) after insertions and deletions (`false`).
    fn rank(&self) -> (Position0, Position0, bool, Position1) {
        let is_replacement = !(self.edit.is_insertion() || self.edit.is_deletion());
        (
            self.edit.start0,
            self.uncut_start0,
            is_replacement,
            self.position,
        )
    }
}

impl Ord for OrderedEdit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank()
            .cmp(&other.rank())
            .then_with(|| self.by_policy.cmp(&other.by_policy))
            .then_with(|| self.ref_allele.cmp(&other.ref_allele))
            .then_with(|| self.alt_allele.cmp(&other.alt_allele))
            .then_with(|| self.edit.end0.cmp(&other.edit.end0))
            .then_with(|| self.edit.alt.cmp(&other.edit.alt))
    }
}

impl PartialOrd for OrderedEdit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Applies edits to reference bases that start at `window_start0`.
///
/// The edits must ascend, must not overlap, and must lie inside of the reference bases.
#[must_use]
pub fn splice<'e>(
    reference: &[u8],
    window_start0: Position0,
    edits: impl IntoIterator<Item = &'e Edit>,
) -> Vec<u8> {
    let mut bases = Vec::with_capacity(reference.len() + 64);
    let mut next = 0;
    for edit in edits {
        let start = edit.start0 - window_start0;
        let end = edit.end0 - window_start0;
        bases.extend_from_slice(&reference[next..start]);
        bases.extend_from_slice(&edit.alt);
        next = end;
    }
    bases.extend_from_slice(&reference[next..]);
    bases
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(position: usize, r: &str, a: &str) -> Option<(usize, usize, String)> {
        Edit::canonical(Position0::new(position - 1), r.as_bytes(), a.as_bytes()).map(|e| {
            (
                e.start0.get(),
                e.end0.get(),
                String::from_utf8(e.alt).unwrap(),
            )
        })
    }

    #[test]
    fn alleles_are_trimmed_to_what_changes() {
        assert_eq!(canonical(5, "A", "G"), Some((4, 5, "G".into())));
        assert_eq!(canonical(5, "ACG", "A"), Some((5, 7, String::new())));
        assert_eq!(canonical(5, "A", "ATT"), Some((5, 5, "TT".into())));
        assert_eq!(canonical(1, "A", "TTA"), Some((0, 0, "TT".into())));
        assert_eq!(canonical(1, "AC", "C"), Some((0, 1, String::new())));
        assert_eq!(canonical(5, "ACG", "TT"), Some((4, 7, "TT".into())));
        assert_eq!(canonical(5, "A", "A"), None);
    }

    /// Region chr1:5-12 of ACGTACGT..., as bcftools 1.24 `consensus -H 1` with `samtools faidx
    /// ref.fa chr1:5-12` cuts it.
    #[test]
    fn edits_are_cut_at_the_edges_of_the_region() {
        assert_eq!(apply(5, "A", "G"), "GCGTACGT");
        assert_eq!(apply(12, "T", "G"), "ACGTACGG");
        assert_eq!(apply(3, "GTAC", "G"), "GTACGT");
        assert_eq!(apply(4, "TAC", "T"), "GTACGT");
        assert_eq!(apply(10, "CGTAC", "C"), "ACGTAC");
        assert_eq!(apply(12, "T", "TGGG"), "ACGTACGTGGG");
        assert_eq!(apply(4, "T", "TGGG"), "ACGTACGT");
        assert_eq!(apply(3, "GTAC", "TTTT"), "TTGTACGT");
        assert_eq!(apply(11, "GTAC", "TTTT"), "ACGTACTT");
        assert_eq!(apply(4, "TACGTACGTACGT", "T"), "");
    }

    /// The bases of `ACGTACGT` at 4..12 with one allele applied.
    fn apply(position: usize, r: &str, a: &str) -> String {
        let start0 = Position0::new(position - 1);
        let window = Range0::from_zero_based(4, 12);
        let edit = Edit::canonical(start0, r.as_bytes(), a.as_bytes())
            .and_then(|edit| edit.clip(window, start0));
        String::from_utf8(splice(b"ACGTACGT", window.start, edit.iter())).unwrap()
    }

    #[test]
    fn a_stored_edit_has_plain_numbers() {
        let edit = Edit::canonical(Position0::new(4), b"A", b"G").unwrap();
        let json = r#"{"start0":4,"end0":5,"alt":[71]}"#;
        assert_eq!(serde_json::to_string(&edit).unwrap(), json);
        assert_eq!(serde_json::from_str::<Edit>(json).unwrap(), edit);
    }

    #[test]
    fn an_edit_across_segments_is_cut_and_nothing_is_lost() {
        let cuts = [0, 4, 8].map(Position0::new);
        let deletion = Edit {
            start0: Position0::new(2),
            end0: Position0::new(9),
            alt: b"T".to_vec(),
        };
        let parts = deletion.split_at(&cuts);
        assert_eq!(
            parts
                .iter()
                .map(|(segment, part)| (*segment, part.start0.get(), part.end0.get()))
                .collect::<Vec<_>>(),
            [(0, 2, 4), (1, 4, 8), (2, 8, 9)]
        );
        assert_eq!(parts[0].1.alt, b"T");
        let insertion = Edit {
            start0: Position0::new(4),
            end0: Position0::new(4),
            alt: b"GG".to_vec(),
        };
        assert_eq!(
            insertion.split_at(&cuts)[0].0,
            0,
            "an insertion stays with the base before it"
        );
        let mnp = Edit {
            start0: Position0::new(3),
            end0: Position0::new(5),
            alt: b"GC".to_vec(),
        };
        assert_eq!(
            mnp.split_at(&cuts)
                .iter()
                .map(|(_, part)| part.alt.clone())
                .collect::<Vec<_>>(),
            [b"G".to_vec(), b"C".to_vec()]
        );
    }

    proptest! {
        #[test]
        fn segments_joined_are_the_haplotype(
            reference in "[ACGT]{40}",
            places in proptest::collection::vec((0usize..40, 0usize..5, "[ACGT]{0,4}"), 0..6),
            width in 1usize..15,
        ) {
            let mut edits: Vec<Edit> = Vec::new();
            let mut sorted = places;
            sorted.sort();
            for (start0, len, alt) in sorted {
                let end0 = Position0::new((start0 + len).min(40));
                let start0 = Position0::new(start0);
                let free = edits.last().is_none_or(|last: &Edit| start0 > last.end0);
                if free && (end0 > start0 || !alt.is_empty()) && start0 > Position0::FIRST {
                    edits.push(Edit { start0, end0, alt: alt.into_bytes() });
                }
            }
            let cuts: Vec<Position0> = (0..40).step_by(width).map(Position0::new).collect();
            let mut parts: Vec<Vec<Edit>> = vec![Vec::new(); cuts.len()];
            for edit in &edits {
                for (segment, part) in edit.split_at(&cuts) {
                    parts[segment].push(part);
                }
            }
            let joined: Vec<u8> = cuts.iter().enumerate().flat_map(|(segment, &start)| {
                let end = cuts.get(segment + 1).map_or(40, |cut| cut.get());
                splice(&reference.as_bytes()[start.get()..end], start, &parts[segment])
            }).collect();
            prop_assert_eq!(joined, splice(reference.as_bytes(), Position0::FIRST, &edits));
        }
    }
}
