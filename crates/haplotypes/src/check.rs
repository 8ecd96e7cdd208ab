//! Checks the files that sequences are built from, without genotypes.

use serde::Serialize;

use super::{Error, Genomes, Masks, genomes::Opened};
use gf_genotypes::{DisjointRegions, Locus, RefAlleles};

/// Counts of a check of the inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Samples.
    pub n_people: usize,
    /// Loci.
    pub n_loci: usize,
    /// Records that overlap a locus, if records were checked.
    pub n_records: Option<u64>,
    /// Records at which the FASTA has no base to compare REF with.
    pub n_beyond_reference: u64,
    /// Records that FILTER excludes.
    pub n_filtered: u64,
    /// Problems of the files that would not stop a run.
    pub warnings: Vec<String>,
}

/// Checks the inputs of [`build`](super::build) without genotypes: files, samples, contigs and
/// their lengths, and loci. With `records` it also checks REF of every record.
///
/// # Errors
/// The errors of [`build`](super::build).
pub fn check(
    loci: &[(Locus, Masks)],
    genomes: &Genomes<'_>,
    records: bool,
) -> Result<Checked, Error> {
    let mut opened = Opened::new(loci, genomes)?;
    let mut checked = Checked {
        n_people: opened.samples.len(),
        n_loci: loci.len(),
        warnings: opened.warnings,
        ..Checked::default()
    };
    if !records {
        return Ok(checked);
    }
    let regions = DisjointRegions::of_loci(loci.iter().map(|(locus, _)| locus));
    let mut n_records = 0;
    for file in &mut opened.files {
        // The position of a record does not depend on genotypes, so one column is enough.
        file.select(&opened.samples[..1])?;
        let path = file.path().to_path_buf();
        let mut ref_alleles = RefAlleles::new(&mut opened.reference);
        file.for_each(Some(&regions), |record| {
            n_records += 1;
            checked.n_filtered += u64::from(!genomes.policies.apply_filters.admit(&record.filters));
            ref_alleles.compare(&path, record)
        })?;
        checked.n_beyond_reference += ref_alleles.n_beyond;
        checked.warnings.extend(file.passed_over());
    }
    checked.n_records = Some(n_records);
    Ok(checked)
}
