//! Follows the records of a file: checks their order, and decides which ones are wanted.
//!
//! A malformed record outside of the wanted regions never stops a run; it is counted and reported
//! as a warning. The order of records is checked only on wanted contigs.

use std::{collections::HashSet, path::Path};

use serde::Serialize;

use super::{
    header::Contig,
    record::{RecordLocation, VariantRecord},
};
use crate::{DisjointRegions, Error, Position1, Problem, Range0, RecordProblem};
use gf_cohort_schema::counted;

/// A record that comes after a later one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this record comes after {contig}:{position}, so the file is not sorted; run `bcftools sort`"
)]
pub struct NotSorted {
    /// Contig of the record before.
    pub contig: String,
    /// Its position.
    pub position: Position1,
}

/// Whether a record overlaps one of ascending, disjoint regions.
///
/// A record at the last base of a region counts, because it may insert bases after it.
fn overlaps(regions: &[Range0], record: &VariantRecord) -> bool {
    let next = regions.partition_point(|region| region.end <= record.start0());
    regions
        .get(next)
        .is_some_and(|region| record.span_end0() > region.start)
}

/// Counts of records that were skipped, or that contradict the header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PassedOver {
    /// Records at POS 0, the telomere, which has no base.
    pub n_at_zero: u64,
    /// Malformed records that are not needed.
    pub n_malformed: u64,
    /// Location and problem of the first malformed record.
    pub first_malformed: Option<String>,
    /// Records beyond the length that the header states for their contig.
    pub n_beyond: u64,
    /// The first such contig.
    pub first_beyond: Option<String>,
    /// Haplotypes (phased) or genotypes (unphased) of probability files without an allele that is
    /// probable enough to be called.
    pub n_uncalled: u64,
}

impl PassedOver {
    /// One line for each count above 0.
    pub fn warnings(&self, path: &Path) -> Vec<String> {
        let path = path.display();
        let mut lines = Vec::new();
        if self.n_at_zero > 0 {
            let records = counted(self.n_at_zero, "record", "records");
            lines.push(format!(
                "{path}: skipped {records} at POS 0 (a telomere, which has no base)"
            ));
        }
        if let Some(first) = &self.first_malformed {
            let records = counted(self.n_malformed, "record", "records");
            lines.push(format!(
                "{path}: skipped {records} that could not be read, none of them needed (first: \
                 {first})"
            ));
        }
        if let Some(first) = &self.first_beyond {
            let records = counted(self.n_beyond, "record", "records");
            lines.push(format!(
                "{path}: {records} beyond the contig length in the header ({first}); the stated \
                 length is ignored"
            ));
        }
        if self.n_uncalled > 0 {
            let calls = counted(
                self.n_uncalled,
                "haplotype or genotype",
                "haplotypes or genotypes",
            );
            lines.push(format!(
                "{path}: {calls} without an allele of probability 0.9 or more are read as missing"
            ));
        }
        lines
    }
}

/// The position in a stream of records, and the wanted regions on the current contig.
pub(super) struct RegionCursor<'f> {
    path: &'f Path,
    contigs: &'f [Contig],
    wanted: Option<&'f DisjointRegions>,
    /// Contig, POS and stated contig length of the last record.
    contig: String,
    position: Position1,
    len_nt: Option<usize>,
    /// The wanted regions on that contig, looked up once per contig.
    regions: &'f [Range0],
    /// All contigs with records.
    pub contigs_seen: HashSet<String>,
    /// Whether a malformed record in the regions is needed; `None` means that all are.
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
            position: Position1::FIRST,
            len_nt: None,
            regions: &[],
            contigs_seen: HashSet::new(),
            is_needed: None,
            passed_over: PassedOver::default(),
        }
    }

    /// Skips malformed records in the regions unless `is_needed` returns `true` for them.
    pub fn needing(mut self, is_needed: Option<&'f dyn Fn(&VariantRecord) -> bool>) -> Self {
        self.is_needed = is_needed;
        self
    }

    /// Moves to the contig and position of a record; `false` if the contig is not wanted. The other
    /// columns of the record need not be parsed yet.
    ///
    /// # Errors
    /// An unsorted record on a wanted contig.
    pub fn reach(&mut self, record: &VariantRecord) -> Result<bool, Error> {
        if record.contig != self.contig {
            let is_new = self.contigs_seen.insert(record.contig.clone());
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

    /// Whether records of a contig are wanted.
    pub fn may_have(&self, contig: &str) -> bool {
        self.wanted
            .is_none_or(|wanted| !wanted.on(contig).is_empty())
    }

    /// Whether the record that was [reached](Self::reach) touches a wanted region. Its genotypes
    /// need not be parsed yet.
    pub fn wants(&mut self, record: &VariantRecord) -> bool {
        if let Some(len_nt) = self.len_nt.filter(|&len_nt| record.end0().get() > len_nt) {
            self.passed_over.n_beyond += 1;
            let contig = &record.contig;
            self.passed_over.first_beyond.get_or_insert_with(|| {
                format!(
                    "`{contig}` has {len_nt} nt, a record is at {}",
                    record.position
                )
            });
        }
        self.wanted.is_none() || overlaps(self.regions, record)
    }

    /// Whether a record with malformed columns may be wanted; `len_nt` is the length of its REF.
    pub fn may_want(&self, record: &VariantRecord, len_nt: usize) -> bool {
        let range = Range0::with_len(record.start0(), len_nt);
        let touches_region = self
            .regions
            .iter()
            .any(|region| range.start < region.end && range.end > region.start);
        (self.wanted.is_none() || touches_region) && self.needs(record)
    }

    /// Whether a record in the regions must be readable.
    pub fn needs(&self, record: &VariantRecord) -> bool {
        self.is_needed.is_none_or(|is_needed| is_needed(record))
    }

    /// Refuses a record with malformed alleles if it may be needed, or else counts it; `len_nt` is
    /// the length of its REF.
    ///
    /// # Errors
    /// The record may be needed.
    pub fn refuse_if_wanted(
        &mut self,
        record: &VariantRecord,
        len_nt: usize,
        problem: impl Into<RecordProblem>,
    ) -> Result<(), Error> {
        if self.may_want(record, len_nt) {
            return Err(self.error(record, problem));
        }
        self.pass_over(record, &problem.into());
        Ok(())
    }

    /// Counts a malformed record that is not needed.
    pub fn pass_over(&mut self, record: &VariantRecord, problem: &RecordProblem) {
        self.passed_over.n_malformed += 1;
        let place = format!("{}{}:{}", record.place, record.contig, record.position);
        self.passed_over
            .first_malformed
            .get_or_insert_with(|| format!("{place}: {problem}"));
    }

    /// An error at a record.
    pub fn error(&self, record: &VariantRecord, problem: impl Into<RecordProblem>) -> Error {
        Error::record(self.path, record, problem)
    }

    /// An error at a record whose contig and position may not be known.
    pub fn malformed(&self, record: &VariantRecord, problem: RecordProblem) -> Error {
        match record.place {
            RecordLocation::Line(line) => {
                let place = RecordLocation::Unknown;
                Error::line(self.path, line, Problem::Record { place, problem })
            }
            place => Error::file(self.path, Problem::Record { place, problem }),
        }
    }

    fn not_sorted(&self, record: &VariantRecord) -> Error {
        let problem = NotSorted {
            contig: self.contig.clone(),
            position: self.position,
        };
        self.error(record, problem)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Locus, Position0, Strand, same_contig};

    fn locus(contig: &str, start0: usize, end0: usize) -> Locus {
        Locus {
            name: "x".into(),
            contig: contig.into(),
            start0: Position0::new(start0),
            end0: Position0::new(end0),
            strand: Strand::Forward,
        }
    }

    proptest! {
        #[test]
        fn merged_regions_are_overlapped_as_the_loci_are(
            loci in prop::collection::vec((0_usize..3, 0_usize..60, 1_usize..9), 0..12),
            (contig, position, len_nt) in (0_usize..3, 1_usize..70, 1_usize..9),
        ) {
            let loci: Vec<Locus> = loci
                .into_iter()
                .map(|(name, start0, len)| {
                    locus(["1", "chr1", "X"][name], start0, start0 + len)
                })
                .collect();
            let mut record = VariantRecord {
                contig: ["1", "chrX", "2"][contig].into(),
                position: Position1::new(position).unwrap(),
                ref_allele: vec![b'A'; len_nt],
                ..VariantRecord::default()
            };
            record.set_span(Default::default);
            let expected = loci.iter().any(|locus| {
                record.start0() < locus.end0
                    && record.span_end0() > locus.start0
                    && same_contig(&locus.contig, &record.contig)
            });
            let wanted = DisjointRegions::of_loci(&loci);
            let mut cursor = RegionCursor::new(Path::new("x"), &[], Some(&wanted));
            let is_reached = cursor.reach(&record).unwrap();
            prop_assert_eq!(is_reached && cursor.wants(&record), expected);
        }
    }
}
