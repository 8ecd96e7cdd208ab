//! Counts and warnings of sequences, as `run.json` stores them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::Reason;
use gf_cohort_schema::counted;

/// Counts and warnings of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Samples.
    pub n_people: usize,
    /// Loci.
    pub n_loci: usize,
    /// Records that overlap a locus, counted once per locus.
    pub n_records: u64,
    /// Distinct haplotypes of each locus, by its name.
    pub n_distinct_haplotypes: BTreeMap<String, usize>,
    /// Names of the loci that no record overlaps: all samples have the reference there.
    pub loci_without_records: Vec<String>,
    /// Reference bases that are IUPAC codes, read as N.
    pub n_reference_iupac_as_n: u64,
    /// Reference bases that `--mask` and `--callable` turn to N.
    pub n_masked_nt: u64,
    /// Number of skipped alleles and records by reason.
    pub skips: BTreeMap<Reason, u64>,
    /// Missing alleles of each sample, in the order of the dictionary. Not stored: the record of a
    /// run has no data about single samples.
    #[serde(skip)]
    pub n_missing_alleles: Vec<u64>,
    /// Problems of the files that did not stop the run.
    pub warnings: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for (locus, n_distinct) in &self.n_distinct_haplotypes {
            let haplotypes = counted(*n_distinct, "distinct haplotype", "distinct haplotypes");
            writeln!(
                f,
                "{locus}: {haplotypes} of {}",
                counted(self.n_people, "sample", "samples")
            )?;
        }
        if let Some(first) = self.loci_without_records.first() {
            let loci = counted(self.loci_without_records.len(), "locus", "loci");
            writeln!(
                f,
                "{loci} without a record, read as the reference (first: {first})"
            )?;
        }
        if self.n_reference_iupac_as_n > 0 {
            writeln!(
                f,
                "{} of the reference read as N",
                counted(self.n_reference_iupac_as_n, "IUPAC code", "IUPAC codes")
            )?;
        }
        if self.n_masked_nt > 0 {
            writeln!(
                f,
                "{} read as N",
                counted(self.n_masked_nt, "masked base", "masked bases")
            )?;
        }
        self.skips
            .iter()
            .try_for_each(|(reason, count)| writeln!(f, "{reason}: {count}"))
    }
}
