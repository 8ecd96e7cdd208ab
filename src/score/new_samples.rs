//! New samples in the form that a model bundle reads: sequences and covariates.

use std::path::{Path, PathBuf};

use gf_cohort_schema::{Cohort, MissingPolicies, Person, Split, counted};
use gf_genotypes::FormatOptions;
use gf_haplotypes::{ApplyFilters, Dictionary, EmptyLoci, Genomes, Regions, Samples, Sequences};

use super::Error;
use crate::{layout, training::Bundle};

/// Files and samples to score.
#[derive(Clone, Copy, Debug)]
pub struct Source<'s> {
    /// VCF or BCF files.
    pub vcf: &'s [PathBuf],
    /// What the files do not state about themselves.
    pub format: &'s FormatOptions,
    /// Samples of the table with covariates, or of the files when there is no table.
    pub samples: &'s Samples,
    /// FASTA.
    pub reference: Option<&'s Path>,
    /// Table with the covariates.
    pub cohort: Option<&'s Path>,
    /// Policy for samples without a value of a covariate.
    pub missing: &'s MissingPolicies,
    /// FILTER values of the records that are used; the values of the training when `None`.
    pub apply_filters: Option<&'s ApplyFilters>,
    /// Share of the genotypes that a sample must have.
    pub min_overlap: f64,
}

/// New samples in the form that a model bundle reads.
#[derive(Debug)]
pub struct NewSamples {
    /// Sequences at the loci and by the policies of the bundle. The samples are those of `cohort`,
    /// in the same order.
    pub dictionary: Dictionary,
    /// Covariates of the bundle.
    pub cohort: Cohort,
    /// Summary of the sequences.
    pub sequences: gf_haplotypes::Summary,
}

/// Reads new samples from VCF or BCF files for the bundle in the folder `model`.
///
/// With a table of covariates only its samples are read.
///
/// # Errors
/// Genomes that are malformed or of another build than the bundle's, or missing covariates.
pub fn people_of(model: &Path, bundle: &Bundle, source: &Source<'_>) -> Result<NewSamples, Error> {
    let config = &bundle.config;
    let known: Vec<KnownCovariate> = config
        .covariates
        .iter()
        .map(|covariate| KnownCovariate {
            name: covariate.name.clone(),
            mean: covariate.mean,
            sd: covariate.sd,
        })
        .collect();
    let covariates = covariates(source.cohort, &known, source.missing, source.samples)?;
    let mut policies = config.genome.policies.clone();
    if let Some(filters) = source.apply_filters {
        policies.apply_filters = filters.clone();
    }
    let loci: Vec<_> = config
        .genome
        .loci
        .iter()
        .map(|locus| (locus.locus.clone(), locus.masks.clone()))
        .collect();
    let samples = match &covariates {
        None => source.samples.clone(),
        Some(table) => {
            let ids = table.people.iter().map(|person| person.sample_id.clone());
            Samples::Only(ids.collect())
        }
    };
    let genomes = Genomes {
        genotypes: source.vcf,
        format: source.format,
        reference: source.reference.ok_or(Error::NoReference)?,
        regions: &Regions::File(model.join(layout::CONFIG)),
        samples: &samples,
        policies: &policies,
    };
    let Sequences {
        dictionary,
        summary: mut sequences,
        ..
    } = gf_haplotypes::build(&loci, &genomes, EmptyLoci::AsReference, None)?;
    config.genome.require_same_genome(&dictionary)?;
    require_genotypes(&dictionary.samples, &sequences, source)?;
    let cohort = covariates.unwrap_or_else(|| without_covariates(&dictionary.samples));
    sequences
        .warnings
        .extend(unusual_covariates(&cohort, &known));
    Ok(NewSamples {
        dictionary,
        cohort,
        sequences,
    })
}

/// Refuses samples with a smaller share of genotypes than [`Source::min_overlap`].
///
/// Missing genotypes are read as the reference, so that the score would belong to a different
/// genome.
fn require_genotypes(
    samples: &[String],
    sequences: &gf_haplotypes::Summary,
    source: &Source<'_>,
) -> Result<(), Error> {
    let max_missing = (1.0 - source.min_overlap) * 2.0 * sequences.n_records as f64;
    let mut refused = samples
        .iter()
        .zip(&sequences.n_missing_alleles)
        .filter(|(_, n_missing)| **n_missing as f64 > max_missing);
    let Some((sample, &n_missing)) = refused.next() else {
        return Ok(());
    };
    Err(Error::MissingGenotypes {
        vcf: source.vcf.to_vec(),
        sample: sample.clone(),
        n_missing,
        n_records: sequences.n_records,
        n_samples: refused.count() + 1,
        min_overlap: source.min_overlap,
    })
}

/// Number of standard deviations from the training mean beyond which a covariate is probably in
/// another unit.
const UNUSUAL_SD: f64 = 6.0;

/// A covariate of a model, with its mean and standard deviation in the training samples.
pub(super) struct KnownCovariate {
    pub(super) name: String,
    pub(super) mean: f64,
    pub(super) sd: f64,
}

impl KnownCovariate {
    fn is_unusual(&self, value: f64) -> bool {
        self.sd > 0.0 && (value - self.mean).abs() > UNUSUAL_SD * self.sd
    }
}

/// Warnings about covariates that are far from the training samples.
pub(super) fn unusual_covariates(cohort: &Cohort, known: &[KnownCovariate]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (column, name) in cohort.covariate_names.iter().enumerate() {
        let Some(covariate) = known.iter().find(|covariate| covariate.name == *name) else {
            continue;
        };
        let KnownCovariate { mean, sd, .. } = covariate;
        let mut unusual = cohort
            .people
            .iter()
            .map(|person| person.covariates[column])
            .filter(|&value| covariate.is_unusual(value));
        if let Some(first) = unusual.next() {
            warnings.push(format!(
                "`{name}` of {} is more than {UNUSUAL_SD} standard deviations from the mean of \
                 the training samples ({mean:.3}, standard deviation {sd:.3}), such as {first}; \
                 check that it is in the same unit",
                counted(unusual.count() + 1, "sample", "samples")
            ));
        }
    }
    warnings
}

/// The table of covariates, when the model needs them or the user gave one.
pub(super) fn covariates(
    cohort: Option<&Path>,
    known: &[KnownCovariate],
    missing: &MissingPolicies,
    samples: &Samples,
) -> Result<Option<Cohort>, Error> {
    match cohort {
        Some(path) => {
            let means: Vec<(String, f64)> = known
                .iter()
                .map(|covariate| (covariate.name.clone(), covariate.mean))
                .collect();
            let mut cohort = Cohort::read_covariates(path, &means, missing)?;
            samples
                .retain(&mut cohort.people, |person| &person.sample_id)
                .map_err(|problem| Error::table(path, problem))?;
            Ok(Some(cohort))
        }
        None if known.is_empty() => Ok(None),
        None => {
            let names: Vec<&str> = known
                .iter()
                .map(|covariate| covariate.name.as_str())
                .collect();
            Err(Error::NoCovariates(names.join(", ")))
        }
    }
}

fn without_covariates(samples: &[String]) -> Cohort {
    Cohort {
        people: samples
            .iter()
            .map(|sample_id| Person {
                sample_id: sample_id.clone(),
                phenotype: None,
                split: Split::Test,
                family_id: None,
                covariates: Vec::new(),
            })
            .collect(),
        covariate_names: Vec::new(),
        ..Cohort::default()
    }
}
