//! The variants that kinships are worked out from, where the baselines see a part of the genome
//! only.
//!
//! Input -> output: the VCF of a cohort -> common autosomal variants over all of it, evenly
//! thinned. Of a whole genome, windows at even distances are read. Positions are 1-based.

use std::path::PathBuf;

use gf_cohort_schema::Cohort;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::scoring::dosages::{GenotypeTable, Reading, Request, Site};
use gf_genotypes::{
    DisjointRegions, STDIN, VariantFile, VariantRecord, chromosome_key, contig_key,
};

/// As many as the guard uses.
const MOST_SITES: usize = 20_000;
/// Genotypes that are held at once (bytes).
const MOST_BYTES: usize = 1 << 29;
const BATCH_BYTES: usize = 1 << 25;
/// Autosomes longer than this in all (nt) are a whole genome.
const WHOLE_GENOME_NT: usize = 1_000_000_000;
/// Of each of these stretches (nt) the first window is read.
const STRETCH_NT: usize = 100_000;
const WINDOW_NT: usize = 10_000;
/// Fewer variants than this in the windows, and the whole file is read.
const LEAST_IN_WINDOWS: usize = 5_000;

/// Variants of the VCF that kinships are worked out from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KinshipVariants {
    /// Those of the whole VCF, evenly thinned.
    #[default]
    All,
    /// Those inside the regions whose dosages are used.
    Regions,
}

/// Where kinships are worked out from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'s> {
    /// VCF or BCF files.
    pub vcf: &'s [PathBuf],
    /// Records that are used by their FILTER.
    pub filters: Option<&'s [String]>,
    /// How genotypes are read.
    pub reading: &'s Reading,
    /// The baselines see a part of the files only.
    pub has_regions: bool,
    /// Kinships are given.
    pub has_kinships: bool,
    /// Which variants are asked for.
    pub variants: KinshipVariants,
}

/// The variants, or `None` where those that the baselines see are to be used: all of the VCF is
/// read anyway, kinships are given, or the file can be read only once.
///
/// # Errors
/// Whatever reading refuses.
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
        if sites.len() >= LEAST_IN_WINDOWS {
            return Ok(Some(sites));
        }
    }
    thinned(source, cohort, None).map(Some)
}

/// Windows over the autosomes of the headers, where these are whole.
fn windows(source: &Source<'_>) -> Result<Option<DisjointRegions>, Error> {
    let mut autosomes: Vec<(String, usize)> = Vec::new();
    for path in source.vcf {
        for (contig, len_nt) in VariantFile::open(path)?.contigs() {
            let is_new = !autosomes
                .iter()
                .any(|(other, _)| contig_key(other) == contig_key(contig));
            if let Some(len_nt) = len_nt.filter(|_| is_new && is_autosome(contig)) {
                autosomes.push((contig.to_owned(), len_nt));
            }
        }
    }
    if autosomes.iter().map(|(_, len_nt)| len_nt).sum::<usize>() < WHOLE_GENOME_NT {
        return Ok(None);
    }
    let of_contig = |(contig, len_nt): &'_ (String, usize)| {
        let contig = contig.clone();
        (0..*len_nt)
            .step_by(STRETCH_NT)
            .map(move |start| (contig.clone(), start..start + WINDOW_NT))
            .collect::<Vec<_>>()
    };
    let windows: Vec<_> = autosomes.iter().flat_map(of_contig).collect();
    Ok(Some(DisjointRegions::new(windows.iter().map(
        |(contig, window)| (contig.as_str(), window.clone()),
    ))))
}

fn is_autosome(contig: &str) -> bool {
    chromosome_key(contig).is_some_and(|key| !["X", "Y", "MT"].contains(&key))
}

/// Every n-th common variant, n doubled whenever too many are held.
fn thinned(
    source: &Source<'_>,
    cohort: &Cohort,
    regions: Option<&DisjointRegions>,
) -> Result<Vec<Site>, Error> {
    let people: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let everyone: Vec<usize> = (0..people.len()).collect();
    let most = MOST_SITES.min(MOST_BYTES / people.len().max(1)).max(1);
    let is_single = |record: &VariantRecord| {
        record.alt_alleles.len() == 1 && !["X", "Y", "MT"].contains(&contig_key(&record.contig))
    };
    let request = Request {
        paths: source.vcf,
        regions,
        people: Some(&people),
        wanted: Some(&is_single),
        filters: source.filters,
        ..Request::default()
    };
    let mut kept: Vec<Site> = Vec::new();
    let mut step = 1_usize;
    let mut number = 0_usize;
    let mut keep = |sites: Vec<Site>| {
        for site in sites {
            let is_common = site
                .frequency(0, &everyone)
                .is_some_and(|frequency| (0.05..=0.95).contains(&frequency));
            if !is_common {
                continue;
            }
            if number.is_multiple_of(step) {
                kept.push(site);
            }
            number += 1;
            if kept.len() > 2 * most {
                let mut place = 0..;
                kept.retain(|_| {
                    place
                        .next()
                        .is_some_and(|place: usize| place.is_multiple_of(2))
                });
                step *= 2;
            }
        }
    };
    let mut rest = GenotypeTable::in_batches(&request, source.reading, BATCH_BYTES, |table| {
        keep(std::mem::take(&mut table.sites));
        Ok(())
    })?;
    keep(std::mem::take(&mut rest.sites));
    Ok(kept)
}
