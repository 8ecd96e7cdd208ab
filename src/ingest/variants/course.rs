//! The course of records through a file: their order, the ends of the contigs, and the regions wanted. Coordinates: 0-based, half-open.

use std::{collections::HashSet, ops::Range, path::Path};

use super::{header::Contig, record::VariantRecord};
use crate::ingest::{DisjointRegions, Error};

/// A record at the last base may insert after it; one whose REF ends before the first base touches nothing inside.
fn overlaps(regions: &[Range<usize>], record: &VariantRecord) -> bool {
    let next = regions.partition_point(|region| region.end <= record.start0());
    regions.get(next).is_some_and(|region| record.span_end0() > region.start)
}

/// Follows a stream of records. What depends on the contig is looked up once for each.
pub(super) struct Course<'f> {
    path: &'f Path,
    contigs: &'f [Contig],
    wanted: Option<&'f DisjointRegions>,
    contig: String,
    position: usize,
    len_nt: Option<usize>,
    regions: &'f [Range<usize>],
    seen: HashSet<String>,
}

impl<'f> Course<'f> {
    pub fn new(path: &'f Path, contigs: &'f [Contig], wanted: Option<&'f DisjointRegions>) -> Self {
        Self { path, contigs, wanted, contig: String::new(), position: 0, len_nt: None, regions: &[], seen: HashSet::new() }
    }

    /// Whether a record touches a region that is wanted; genotypes need not be there yet.
    ///
    /// # Errors
    /// A record that stands before its forerunner, or beyond the end of its contig.
    pub fn wants(&mut self, record: &VariantRecord) -> Result<bool, Error> {
        if record.contig != self.contig {
            if !self.seen.insert(record.contig.clone()) {
                return Err(self.not_sorted(record));
            }
            self.contig.clone_from(&record.contig);
            self.len_nt = self.contigs.iter().find(|contig| contig.name == record.contig).and_then(|contig| contig.len_nt);
            self.regions = self.wanted.map_or(&[], |wanted| wanted.on(&record.contig));
        } else if record.position < self.position {
            return Err(self.not_sorted(record));
        }
        self.position = record.position;
        if let Some(len_nt) = self.len_nt.filter(|&len_nt| record.end0() > len_nt) {
            let (position, contig) = (record.position, &record.contig);
            let place =
                if position > len_nt { format!("position {position} is") } else { format!("REF ends at position {},", record.end0()) };
            return Err(self.error(record, format!("{place} beyond the end of contig `{contig}` ({len_nt} nt in the header)")));
        }
        Ok(self.wanted.is_none() || overlaps(self.regions, record))
    }

    /// An error at a record.
    pub fn error(&self, record: &VariantRecord, reason: String) -> Error {
        Error::record(self.path, record, reason)
    }

    /// An error at a record that could not be parsed so far.
    pub fn malformed(&self, record: &VariantRecord, reason: &str) -> Error {
        match record.place {
            super::Place::Line(line) => Error::Line { path: self.path.into(), line, reason: reason.into() },
            place => Error::file(self.path, format!("{place}{reason}")),
        }
    }

    /// The contigs met.
    pub fn into_seen(self) -> HashSet<String> {
        self.seen
    }

    fn not_sorted(&self, record: &VariantRecord) -> Error {
        self.error(record, format!("comes after {}:{}: the file is not sorted; run `bcftools sort`", self.contig, self.position))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::{Locus, Strand, same_contig};

    fn locus(contig: &str, start0: usize, end0: usize) -> Locus {
        Locus { name: "x".into(), contig: contig.into(), start0, end0, strand: Strand::Forward }
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
            prop_assert_eq!(Course::new(Path::new("x"), &[], Some(&wanted)).wants(&record).unwrap(), expected);
        }
    }
}
