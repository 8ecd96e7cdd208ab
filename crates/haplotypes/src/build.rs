//! Builds the sequences of all samples from their genomes, locus by locus.

use std::{collections::HashSet, path::Path};

use super::{
    Dictionary, Error, Genomes, Masks, SkipLog, SkipTable, Summary, Unphased,
    genomes::Opened,
    schedule::{FilesRead, Schedule},
    window::{RecordAtLocus, SharedState},
};
use gf_genotypes::{DisjointRegions, Locus, VariantFile};

/// The sequences of all samples.
#[derive(Debug)]
pub struct Sequences {
    /// The distinct haplotypes of every locus, and the two of each sample.
    pub dictionary: Dictionary,
    /// The rows of `skips.csv`, to save together with the other files.
    pub skips: SkipTable,
    /// Counts and warnings.
    pub summary: Summary,
}

/// The treatment of a locus that no record overlaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyLoci {
    /// An error: in a cohort it points to another build or to a missing file.
    Refuse,
    /// The reference in all samples, if the files have other records on the contig: a single sample
    /// may have no variant there.
    AsReference,
}

/// Builds the sequences of all samples at the given loci and masks, in one pass over each file.
///
/// `skips` is the path of `skips.csv`, which the caller saves together with the other files.
/// Without it, skips are only counted.
///
/// # Errors
/// Files that cannot be read or do not belong together, a REF that differs from the FASTA, or a
/// genotype that a policy refuses.
pub fn build(
    loci: &[(Locus, Masks)],
    genomes: &Genomes<'_>,
    empty_loci: EmptyLoci,
    skips: Option<&Path>,
) -> Result<Sequences, Error> {
    let Opened {
        reference,
        mut files,
        samples,
        contig_lens_nt,
        warnings,
    } = Opened::new(loci, genomes)?;
    let mut cohort = SharedState {
        policies: genomes.policies,
        samples: &samples,
        contig_lens_nt,
        log: SkipLog::create(skips)?,
        n_missing: vec![0; samples.len()],
        summary: Summary {
            warnings,
            ..Summary::default()
        },
    };
    let mut schedule = Schedule::new(loci, reference);
    let contigs_with_records = read_records(&mut files, loci, &mut schedule, &mut cohort)?;
    let files_read = FilesRead {
        files: &files,
        contigs_with_records: &contigs_with_records,
    };
    let loci = schedule.finish(genomes.regions, &files_read, empty_loci, &mut cohort)?;
    let skips = cohort.log.finish()?;
    let summary = Summary {
        n_people: samples.len(),
        n_loci: loci.len(),
        n_distinct_haplotypes: loci
            .iter()
            .map(|locus| (locus.locus.name.clone(), locus.haplotypes.len()))
            .collect(),
        skips: skips.counts,
        n_missing_alleles: cohort.n_missing,
        ..cohort.summary
    };
    let dictionary = Dictionary {
        encoding: genomes.policies.encoding,
        iupac: genomes.policies.unphased == Unphased::Iupac,
        samples,
        loci,
    };
    Ok(Sequences {
        dictionary,
        skips: skips.table,
        summary,
    })
}

/// Reads the records of all files that overlap a locus. Returns the contigs that have records.
fn read_records(
    files: &mut [VariantFile],
    loci: &[(Locus, Masks)],
    schedule: &mut Schedule<'_>,
    cohort: &mut SharedState<'_>,
) -> Result<HashSet<String>, Error> {
    let regions = DisjointRegions::of_loci(loci.iter().map(|(locus, _)| locus));
    let mut contigs_with_records = HashSet::new();
    for (number, file) in files.iter_mut().enumerate() {
        let path = file.path().to_path_buf();
        contigs_with_records.extend(file.for_each(Some(&regions), |record| {
            let site = RecordAtLocus {
                path: &path,
                record,
            };
            schedule.record(number, site, cohort)
        })?);
        cohort.summary.warnings.extend(file.passed_over());
    }
    Ok(contigs_with_records)
}
