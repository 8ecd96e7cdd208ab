//! The cursor of records through a file: their order, the regions wanted, and what was passed over.
//! Coordinates: 0-based, half-open.
//!
//! A record that nobody asked for never stops a run, whatever is wrong with it: only the order of
//! those on wanted contigs matters.

use std::{collections::HashSet, ops::Range, path::Path};

use serde::Serialize;

use super::{header::Contig, record::VariantRecord};
use crate::{DisjointRegions, Error};

/// A record at the last base may insert after it; one whose REF ends before the first base touches
/// nothing inside.
fn overlaps(regions: &[Range<usize>], record: &VariantRecord) -> bool {
    let next = regions.partition_point(|region| region.end <= record.start0());
    regions
        .get(next)
        .is_some_and(|region| record.span_end0() > region.start)
}

/// Records that were not read as they stand, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PassedOver {
    /// POS is 0, the telomere: there is no base.
    pub n_at_zero: u64,
    /// Malformed, where nobody asked for them; and where the first one is.
    pub n_malformed: u64,
    pub first_malformed: Option<String>,
    /// Beyond the length that the header states for their contig; and the first such contig.
    pub n_beyond: u64,
    pub first_beyond: Option<String>,
}

impl PassedOver {
    /// A line for each reason that acted.
    pub fn warnings(&self, path: &Path) -> Vec<String> {
        let path = path.display();
        let records = |n: u64| {
            if n == 1 {
                "1 record".to_owned()
            } else {
                format!("{n} records")
            }
        };
        let mut lines = Vec::new();
        if self.n_at_zero > 0 {
            lines.push(format!(
                "{path}: {} at POS 0 (a telomere, which has no base) passed over",
                records(self.n_at_zero)
            ));
        }
        if let Some(first) = &self.first_malformed {
            let n = records(self.n_malformed);
            lines.push(format!(
                "{path}: {n} that nobody asked for cannot be read and passed over (the first: \
                 {first})"
            ));
        }
        if let Some(first) = &self.first_beyond {
            let n = records(self.n_beyond);
            lines.push(format!(
                "{path}: {n} beyond the length that the header states for the contig ({first}); \
                 the header is not believed"
            ));
        }
        lines
    }
}

/// Follows a stream of records. What depends on the contig is looked up once for each.
pub(super) struct RegionCursor<'f> {
    path: &'f Path,
    contigs: &'f [Contig],
    wanted: Option<&'f DisjointRegions>,
    contig: String,
    position: usize,
    len_nt: Option<usize>,
    regions: &'f [Range<usize>],
    seen: HashSet<String>,
    /// Whether somebody needs a record that cannot be read; everybody's are needed where it is
    /// `None`.
    is_needed: Option<&'f dyn Fn(&VariantRecord) -> bool>,
    pub passed_over: PassedOver,
}

impl<'f> RegionCursor<'f> {
    pub fn new(path: &'f Path, contigs: &'f [Contig], wanted: Option<&'f DisjointRegions>) -> Self {
        Self {
            path,
            contigs,
            wanted,
            contig: String::new(),
            position: 0,
            len_nt: None,
            regions: &[],
            seen: HashSet::new(),
            is_needed: None,
            passed_over: PassedOver::default(),
        }
    }

    /// Records in the regions that cannot be read are passed over unless `is_needed` says that
    /// somebody needs them.
    pub fn needing(mut self, is_needed: Option<&'f dyn Fn(&VariantRecord) -> bool>) -> Self {
        self.is_needed = is_needed;
        self
    }

    /// Goes to the contig and position of a record, of which nothing else need be known yet; false
    /// where nobody wants the contig.
    ///
    /// # Errors
    /// A record of a wanted contig that stands before its forerunner.
    pub fn reach(&mut self, record: &VariantRecord) -> Result<bool, Error> {
        if record.contig != self.contig {
            let is_new = self.seen.insert(record.contig.clone());
            self.regions = self.wanted.map_or(&[], |wanted| wanted.on(&record.contig));
            if !is_new && self.is_wanted_contig() {
                return Err(self.not_sorted(record));
            }
            self.contig.clone_from(&record.contig);
            self.len_nt = self
                .contigs
                .iter()
                .find(|contig| contig.name == record.contig)
                .and_then(|contig| contig.len_nt);
        } else if record.position < self.position && self.is_wanted_contig() {
            return Err(self.not_sorted(record));
        }
        self.position = record.position;
        Ok(self.is_wanted_contig())
    }

    fn is_wanted_contig(&self) -> bool {
        self.wanted.is_none() || !self.regions.is_empty()
    }

    /// Whether somebody wants records of a contig.
    pub fn may_have(&self, contig: &str) -> bool {
        self.wanted
            .is_none_or(|wanted| !wanted.on(contig).is_empty())
    }

    /// Whether a record, which was [reached](Self::reach), touches a region that is wanted;
    /// genotypes need not be there yet.
    pub fn wants(&mut self, record: &VariantRecord) -> bool {
        if let Some(len_nt) = self.len_nt.filter(|&len_nt| record.end0() > len_nt) {
            self.passed_over.n_beyond += 1;
            let contig = &record.contig;
            self.passed_over.first_beyond.get_or_insert_with(|| {
                format!("`{contig}`: {len_nt} nt, a record at {}", record.position)
            });
        }
        self.wanted.is_none() || overlaps(self.regions, record)
    }

    /// Whether a record whose columns cannot be read may be one that is wanted; `len_nt` is the
    /// length of its REF.
    pub fn may_want(&self, record: &VariantRecord, len_nt: usize) -> bool {
        let start0 = record.start0();
        let end0 = record.start0() + len_nt;
        let touches = |region: &Range<usize>| start0 < region.end && end0 > region.start;
        (self.wanted.is_none() || self.regions.iter().any(touches)) && self.needs(record)
    }

    /// Whether somebody needs a record in the regions.
    pub fn needs(&self, record: &VariantRecord) -> bool {
        self.is_needed.is_none_or(|is_needed| is_needed(record))
    }

    /// Counts a record that cannot be read and that nobody needs.
    pub fn pass_over(&mut self, record: &VariantRecord, reason: &str) {
        self.passed_over.n_malformed += 1;
        let place = format!("{}{}:{}", record.place, record.contig, record.position);
        self.passed_over
            .first_malformed
            .get_or_insert_with(|| format!("{place}: {reason}"));
    }

    /// An error at a record.
    pub fn error(&self, record: &VariantRecord, reason: String) -> Error {
        Error::record(self.path, record, reason)
    }

    /// An error at a record that could not be parsed so far.
    pub fn malformed(&self, record: &VariantRecord, reason: &str) -> Error {
        match record.place {
            super::RecordLocation::Line(line) => Error::Line {
                path: self.path.into(),
                line,
                reason: reason.into(),
            },
            place => Error::file(self.path, format!("{place}{reason}")),
        }
    }

    /// The contigs met, and what was passed over.
    pub fn finish(self) -> (HashSet<String>, PassedOver) {
        (self.seen, self.passed_over)
    }

    fn not_sorted(&self, record: &VariantRecord) -> Error {
        self.error(
            record,
            format!(
                "comes after {}:{}: the file is not sorted; run `bcftools sort`",
                self.contig, self.position
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Locus, Strand, same_contig};

    fn locus(contig: &str, start0: usize, end0: usize) -> Locus {
        Locus {
            name: "x".into(),
            contig: contig.into(),
            start0,
            end0,
            strand: Strand::Forward,
        }
    }

    proptest! {
        #[test]
        fn merged_regions_are_overlapped_as_the_loci_are(
            loci in prop::collection::vec((0_usize..3, 0_usize..60, 1_usize..9), 0..12),
            (contig, position, len_nt) in (0_usize..3, 1_usize..70, 1_usize..9),
        ) {
            let loci: Vec<Locus> = loci.into_iter().map(|(c, start0, len)| locus(["1", "chr1", "X"][c], start0, start0 + len)).collect();
            let mut record = VariantRecord {
                contig: ["1", "chrX", "2"][contig].into(),
                position,
                ref_allele: vec![b'A'; len_nt],
                ..VariantRecord::default()
            };
            record.set_span(Default::default);
            let expected = loci.iter().any(|locus| {
                record.start0() < locus.end0 && record.span_end0() > locus.start0 && same_contig(&locus.contig, &record.contig)
            });
            let wanted = DisjointRegions::of_loci(&loci);
            let mut cursor = RegionCursor::new(Path::new("x"), &[], Some(&wanted));
            let is_reached = cursor.reach(&record).unwrap();
            prop_assert_eq!(is_reached && cursor.wants(&record), expected);
        }
    }
}
