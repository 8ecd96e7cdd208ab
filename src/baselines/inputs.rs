//! The inputs of the stage: cohort, scoring files and genotypes.

use crate::baselines::options::OptionsProblem;
use gf_cohort_schema::{Cohort, Split, WITHOUT_APOE};
use gf_genotypes::Position1;
use gf_genotypes::{DisjointRegions, Locus, VariantRecord, same_contig};

use super::{apoe, error::Error, no_fit, options::Options};
use crate::scoring::{
    ScoringFile,
    dosages::{self, GenotypeTable, Request},
    positions::Positions,
    published::{self, Usable},
};

/// The inputs of the stage except the genotypes.
pub(super) struct Inputs {
    pub(super) cohort: Cohort,
    pub(super) scoring_files: Usable<ScoringFile>,
}

impl Inputs {
    /// Checks the options and reads the cohort and the scoring files.
    pub(super) fn read(options: &Options) -> Result<Self, Error> {
        check_options(options)?;
        if options.no_fit {
            return Ok(Self {
                cohort: no_fit::read_cohort(options)?,
                scoring_files: published::read_scoring_files(&options.scoring, Vec::new())?,
            });
        }
        Ok(Self {
            cohort: read_cohort(options)?,
            scoring_files: published::read_scoring_files(&options.scoring, own_names())?,
        })
    }
}

/// Reads the cohort, with the samples of the genotype files and the offset of the options.
fn read_cohort(options: &Options) -> Result<Cohort, Error> {
    let Options {
        cohort: path,
        phenotype_coding,
        covariates,
        missing,
        ..
    } = options;
    let mut cohort = Cohort::read_as(path, *phenotype_coding, covariates, missing)?;
    options
        .scoring
        .samples
        .retain(&mut cohort.people, |person| &person.sample_id)
        .map_err(|problem| OptionsProblem::Samples {
            cohort: options.cohort.clone(),
            problem,
        })?;
    cohort.keep_present_in(
        &gf_genotypes::samples_of_files(&options.scoring.vcf)?,
        missing.samples,
    )?;
    if let Some(offset) = &options.offset {
        offset.join(&mut cohort)?;
    }
    for split in [Split::Train, Split::Validation] {
        cohort.require_both_classes(split, &options.cohort)?;
    }
    Ok(cohort)
}

/// Names of this program's baselines without their prefix, which scoring files cannot have.
pub(super) fn own_names() -> Vec<String> {
    let learned = ["dosages", "ct", "elastic-net"]
        .into_iter()
        .flat_map(|name| [name.to_owned(), format!("{name}{WITHOUT_APOE}")]);
    ["covariates", "pcs", "apoe"]
        .map(String::from)
        .into_iter()
        .chain(learned)
        .collect()
}

/// Reads the genotypes of the cohort. Records without a call in the training samples go to
/// [`NotUsed::without_calls`](dosages::NotUsed::without_calls).
pub(super) fn read_genotypes(
    options: &Options,
    cohort: &Cohort,
    loci: Option<&[Locus]>,
    scoring_files: &[ScoringFile],
) -> Result<GenotypeTable, Error> {
    let names: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let published = Positions::new(published::positions_of(scoring_files).chain(apoe::positions()));
    let regions = loci.map(|loci| {
        let loci_ranges = loci
            .iter()
            .map(|locus| (locus.contig.as_str(), locus.range()));
        DisjointRegions::new(loci_ranges.chain(published.regions(usize::MAX)))
    });
    let is_published = |record: &VariantRecord| published.has(record);
    let is_wanted = |record: &VariantRecord| {
        is_in_loci(loci, &record.contig, record.position) || published.has(record)
    };
    let request = Request {
        paths: &options.scoring.vcf,
        format: Some(&options.scoring.format),
        regions: regions.as_ref(),
        people: Some(&names),
        samples: None,
        wanted: Some(&is_wanted),
        filters: options.scoring.filters.as_deref(),
        keep_unused: Some(&is_published),
        reference: options.scoring.matching.reference.as_deref(),
        builds: &published::stated_builds(&options.scoring, scoring_files),
    };
    let mut table = GenotypeTable::read_as(&request, &options.scoring.matching.reading)?;
    if table.counts.records == 0 {
        return Err(Error::NoRecords {
            vcf: options.scoring.vcf.clone(),
            regions_file: options.regions_file.clone(),
        });
    }
    let training: Vec<usize> = cohort
        .in_split(Split::Train)
        .map(|(person, _)| person)
        .collect();
    (table.sites, table.not_used.without_calls) = std::mem::take(&mut table.sites)
        .into_iter()
        .partition(|site| site.frequency(0, &training).is_some());
    let reference_calls = dosages::reference_calls(
        &table.not_used.without_alt,
        &table.sites,
        published::alleles_of(scoring_files).chain(apoe::alleles()),
    );
    table.sites.extend(reference_calls);
    Ok(table)
}

/// Refuses options that contradict each other or a fit.
pub(super) fn check_options(options: &Options) -> Result<(), Error> {
    options.check()?;
    if options.scoring.matching.no_mean_imputation {
        return Err(OptionsProblem::NoMeanImputation.into());
    }
    Ok(())
}

/// Whether a position is in a locus; always true without loci.
pub(super) fn is_in_loci(loci: Option<&[Locus]>, contig: &str, position: Position1) -> bool {
    loci.is_none_or(|loci| {
        loci.iter().any(|locus| {
            locus.range().contains(position.to_zero_based()) && same_contig(&locus.contig, contig)
        })
    })
}
