//! Selection of genome-wide variants for the kinship guard.
//!
//! It is used if the baselines see only a part of the genome.
//!
//! Input: the VCF files of a cohort. Output: common autosomal variants, evenly thinned. From a
//! whole genome only evenly spaced windows are read. Positions of sites are 1-based.

use gf_genotypes::FormatOptions;
use std::path::{Path, PathBuf};

use gf_cohort_schema::Cohort;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::scoring::dosages::{GenotypeTable, Reading, Request, Site};
use gf_genotypes::{
    DisjointRegions, Position0, Range0, STDIN, VariantFile, VariantRecord, chromosome_key,
    contig_key,
};

/// Largest number of variants that the kinship guard uses.
const MAX_SITES: usize = 20_000;
/// Largest size of the genotypes in memory, in bytes.
const MAX_BYTES: usize = 1 << 29;
/// Size of a batch of genotypes, in bytes.
const BATCH_BYTES: usize = 1 << 25;
/// Smallest total length of the autosomes of a whole genome.
const WHOLE_GENOME_NT: usize = 1_000_000_000;
/// Distance between the starts of two windows.
const STRIDE_NT: usize = 100_000;
const WINDOW_NT: usize = 10_000;
/// Smallest number of variants in the windows; with fewer, the whole file is read.
const MIN_SITES_IN_WINDOWS: usize = 5_000;

/// Variants of the VCF for the kinship guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KinshipVariants {
    /// Those of the whole VCF, evenly thinned.
    #[default]
    All,
    /// Those inside the regions whose dosages are used.
    Regions,
}

/// Genotypes for the kinship guard, and the options that decide whether they are read.
#[derive(Clone, Copy, Debug)]
pub struct Source<'s> {
    /// VCF or BCF files.
    pub vcf: &'s [PathBuf],
    /// What the files do not state about themselves.
    pub format: &'s FormatOptions,
    /// FASTA, which decides REF in formats that do not state it.
    pub reference: Option<&'s Path>,
    /// Accepted values of FILTER.
    pub filters: Option<&'s [String]>,
    /// How genotypes are read.
    pub reading: &'s Reading,
    /// Whether the baselines see only a part of the files.
    pub has_regions: bool,
    /// Whether a table of kinships is given.
    pub has_kinships: bool,
    /// Requested variants.
    pub variants: KinshipVariants,
}

/// Reads the variants for the kinship guard.
///
/// `None` means that the variants of the baselines are used. This is so if the whole VCF is read
/// anyway, if kinships are given, or if an input is a stream that can be read only once.
///
/// # Errors
/// A VCF that cannot be read.
pub fn read(source: &Source<'_>, cohort: &Cohort) -> Result<Option<Vec<Site>>, Error> {
    let is_all_read = !source.has_regions;
    let is_stream = source.vcf.iter().any(|path| path.as_os_str() == STDIN);
    if is_all_read
        || is_stream
        || source.has_kinships
        || source.variants == KinshipVariants::Regions
    {
        return Ok(None);
    }
    if let Some(windows) = windows(source)? {
        let sites = thinned(source, cohort, Some(&windows))?;
        if sites.len() >= MIN_SITES_IN_WINDOWS {
            return Ok(Some(sites));
        }
    }
    thinned(source, cohort, None).map(Some)
}

/// Evenly spaced windows over the autosomes, if the headers describe a whole genome.
fn windows(source: &Source<'_>) -> Result<Option<DisjointRegions>, Error> {
    let mut autosomes: Vec<(String, usize)> = Vec::new();
    for path in source.vcf {
        for (contig, len_nt) in VariantFile::open_with(path, source.format)?.contigs() {
            let is_new = !autosomes
                .iter()
                .any(|(earlier, _)| contig_key(earlier) == contig_key(contig));
            if let Some(len_nt) = len_nt.filter(|_| is_new && is_autosome(contig)) {
                autosomes.push((contig.to_owned(), len_nt));
            }
        }
    }
    if autosomes.iter().map(|(_, len_nt)| len_nt).sum::<usize>() < WHOLE_GENOME_NT {
        return Ok(None);
    }
    let windows = autosomes.iter().flat_map(|(contig, len_nt)| {
        let starts0 = (0..*len_nt).step_by(STRIDE_NT);
        starts0.map(|start0| {
            let window = Range0::with_len(Position0::new(start0), WINDOW_NT);
            (contig.as_str(), window)
        })
    });
    Ok(Some(DisjointRegions::new(windows)))
}

fn is_autosome(contig: &str) -> bool {
    chromosome_key(contig).is_some_and(|key| !["X", "Y", "MT"].contains(&key))
}

/// Reads every n-th common variant; n doubles whenever too many variants are in memory.
fn thinned(
    source: &Source<'_>,
    cohort: &Cohort,
    regions: Option<&DisjointRegions>,
) -> Result<Vec<Site>, Error> {
    let samples: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let request = Request {
        paths: source.vcf,
        format: Some(source.format),
        reference: source.reference,
        regions,
        people: Some(&samples),
        wanted: Some(&is_biallelic_autosomal),
        filters: source.filters,
        ..Request::default()
    };
    let mut thinning = Thinning::new(samples.len());
    let mut rest = GenotypeTable::in_batches(&request, source.reading, BATCH_BYTES, |table| {
        thinning.add(std::mem::take(&mut table.sites));
        Ok(())
    })?;
    thinning.add(std::mem::take(&mut rest.sites));
    Ok(thinning.sites)
}

fn is_biallelic_autosomal(record: &VariantRecord) -> bool {
    record.alt_alleles.len() == 1 && !["X", "Y", "MT"].contains(&contig_key(&record.contig))
}

/// Every n-th common variant of a stream of variants.
struct Thinning {
    sites: Vec<Site>,
    /// Indices of all samples.
    samples: Vec<usize>,
    /// Target number of sites; up to twice as many are in memory.
    max_sites: usize,
    /// The n of every n-th variant.
    step: usize,
    /// Number of common variants so far.
    n_common: usize,
}

impl Thinning {
    fn new(n_samples: usize) -> Self {
        Self {
            sites: Vec::new(),
            samples: (0..n_samples).collect(),
            max_sites: MAX_SITES.min(MAX_BYTES / n_samples.max(1)).max(1),
            step: 1,
            n_common: 0,
        }
    }

    fn add(&mut self, sites: Vec<Site>) {
        for site in sites {
            let is_common = site
                .frequency(0, &self.samples)
                .is_some_and(|frequency| (0.05..=0.95).contains(&frequency));
            if !is_common {
                continue;
            }
            if self.n_common.is_multiple_of(self.step) {
                self.sites.push(site);
            }
            self.n_common += 1;
            if self.sites.len() > 2 * self.max_sites {
                self.drop_every_second();
            }
        }
    }

    fn drop_every_second(&mut self) {
        let mut index = 0_usize;
        self.sites.retain(|_| {
            let is_kept = index.is_multiple_of(2);
            index += 1;
            is_kept
        });
        self.step *= 2;
    }
}
