//! The log of alleles that are not applied as the VCF states them.
//!
//! Each one is counted by its reason and, on request, written as a row of `skips.csv` while the
//! files are read.

use std::{collections::BTreeMap, fmt, path::Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Error;
use gf_cohort_schema::columns;
use gf_files::output::{self, Pending};
use gf_genotypes::Position1;

/// File name of the table of skips.
pub const SKIPS_FILE: &str = "skips.csv";

/// Reason why an allele or record is not in a sequence as the file states it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The allele overlaps one already applied to this haplotype.
    Overlap,
    /// Two records state the same allele.
    Duplicate,
    /// Another allele for the same bases of this haplotype was applied before.
    Conflict,
    /// FILTER is not among the applied values.
    Filter,
    /// REF touches a region of `--mask`.
    Masked,
    /// REF touches bases outside of the regions of `--callable`.
    Uncallable,
    /// Symbolic allele or breakend.
    Symbolic,
    /// `*` where the deletion of another record was applied.
    SpanningDeletion,
    /// `*` where no deletion was applied.
    StarWithoutDeletion,
    /// An ALT equal to REF.
    AltIsRef,
    /// A missing allele read as the reference.
    MissingAsRef,
    /// A missing allele read as N.
    MissingAsN,
    /// An unphased heterozygote assigned to haplotypes in the order of GT.
    UnphasedGtOrder,
    /// An unphased heterozygote read as its IUPAC code.
    UnphasedAsIupac,
    /// An unphased heterozygote read as the reference.
    UnphasedAsRef,
    /// A heterozygote of another phase set than the sample's previous one in the locus: their
    /// relative phase is unknown.
    PhaseSet,
    /// A haploid call: the second haplotype is absent (logged once per sample and locus).
    HaploidAbsent,
    /// A haploid call: the second haplotype repeats the first.
    HaploidDuplicated,
    /// An IUPAC code other than ACGTN in ALT, read as N.
    AltIupacAsN,
    /// An IUPAC code or N where REF and FASTA are compatible but not equal.
    RefAmbiguous,
    /// FORMAT has no GT: the record is not applied.
    NoGenotypes,
    /// INFO/END and INFO/SVLEN of a symbolic allele contradict each other: END is used, or SVLEN in
    /// VCF 4.4 and later.
    EndAgainstSvlen,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Serialize::serialize(self, f)
    }
}

/// An allele or record that was not applied as the file states it. Private, because it names
/// samples.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Skip<'a> {
    /// Sample; empty if the row is about the whole record.
    pub sample_id: &'a str,
    /// Haplotype, 1 or 2; empty if the row is about both.
    pub haplotype: Option<u8>,
    /// Name of the locus.
    pub locus: &'a str,
    /// Contig as the locus names it.
    pub contig: &'a str,
    /// 1-based POS.
    #[schemars(with = "usize", range(min = 1))]
    pub position: Position1,
    /// Reason.
    pub reason: Reason,
}

/// Counts skips by reason and, on request, writes each as a row of `skips.csv`.
#[derive(Debug, Default)]
pub struct SkipLog {
    counts: BTreeMap<Reason, u64>,
    table: Option<csv::Writer<Pending>>,
}

impl SkipLog {
    /// Starts a log with a table at `path`, or with counts only.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: Option<&Path>) -> Result<Self, Error> {
        let table = match path {
            None => None,
            Some(path) => {
                let mut table = csv::WriterBuilder::new()
                    .has_headers(false)
                    .from_writer(Pending::create(path)?);
                table
                    .write_record(columns::<Skip<'_>>())
                    .map_err(|error| output::at(path)(error.into()))?;
                Some(table)
            }
        };
        Ok(Self {
            counts: BTreeMap::new(),
            table,
        })
    }

    /// Counts a skip and writes its row.
    ///
    /// # Errors
    /// The table cannot be written.
    pub fn push(&mut self, skip: Skip<'_>) -> Result<(), Error> {
        *self.counts.entry(skip.reason).or_default() += 1;
        match &mut self.table {
            None => Ok(()),
            Some(table) => {
                let written = table.serialize(skip);
                written.map_err(|error| output::at(table.get_ref().path())(error.into()).into())
            }
        }
    }

    /// Ends the log; the table gets its name when it is saved.
    ///
    /// # Errors
    /// The table cannot be written.
    pub fn finish(self) -> Result<FinishedLog, Error> {
        let pending = match self.table {
            None => None,
            Some(table) => {
                let path = table.get_ref().path().to_path_buf();
                let pending = table.into_inner().map_err(|error| {
                    output::at(&path)(std::io::Error::other(error.error().to_string()))
                })?;
                Some(pending)
            }
        };
        Ok(FinishedLog {
            counts: self.counts,
            table: SkipTable(pending),
        })
    }
}

/// A [`SkipLog`] after the last file.
#[derive(Debug)]
pub struct FinishedLog {
    /// Number of skips by reason.
    pub counts: BTreeMap<Reason, u64>,
    /// The rows, not yet under their final name.
    pub table: SkipTable,
}

/// The rows of `skips.csv` under a temporary name. If dropped, they are deleted.
#[derive(Debug)]
#[must_use = "the table has no final name until it is saved"]
pub struct SkipTable(Option<Pending>);

impl SkipTable {
    /// Renames the table to its final name, if a table was requested.
    ///
    /// # Errors
    /// The table cannot be written.
    pub fn save(self) -> Result<(), Error> {
        Ok(self.0.map_or(Ok(()), Pending::finish)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts of users depend on names and order.
    #[test]
    fn names_and_order_of_columns_are_a_contract() {
        assert_eq!(
            columns::<Skip<'_>>().join(","),
            "sample_id,haplotype,locus,contig,position,reason"
        );
    }
}
