//! Stage `explain`: the effect of each variant on the logit of a model, by in-silico mutagenesis.
//!
//! Input: a model bundle, and VCF/BCF and FASTA of some samples. Output: `explain.csv` (one row per
//! variant), `pairs.csv` (one row per pair of top variants) and `LOCUS.svg`. One allele at a time
//! is switched in each distinct haplotype: from ALT to REF in carriers, otherwise from REF to ALT.
//! The switched haplotype is cut, tokenized on the bundle's slots and encoded again.
//!
//! # Effects
//! - A haplotype has a logit only in a sample. The change is measured in the samples that carry the
//!   haplotype. Their other haplotype, other loci and covariates stay unchanged. A homozygote has
//!   one copy switched. More than 256 copies of a haplotype are sampled at even distances.
//! - The effect is the mean over copies of ALT minus REF: the effect of one more ALT in a copy
//!   drawn at random from the cohort.
//! - Effects of opposite sign on different haplotypes cancel in the mean, for example with a `cis`
//!   risk. Variants are therefore ranked by the root mean square of the change.
//! - The interaction of a pair is within a haplotype (cis):
//!   `f(both) - f(first) - f(second) + f(neither)`.
//! - Pairs are ranked by the standard deviation that the interaction adds to the logit: its root
//!   mean square times the standard deviations of both alleles. Rare versions, of which the model
//!   has seen few, thus have a small weight.
//!
//! # Limits
//! An interval is over the models of an ensemble, by Student's t. It measures the agreement of
//! retrained models, not the sampling of individuals. A segment that training did not have is read
//! as the nearest known segment if it does not fit its slots, like in `score`. A switch that makes
//! such a segment measures another segment. It counts only for a variant without any exact switch.

mod error;
mod locus_effects;
mod measure;
mod options;
mod outputs;
mod plot;
mod summary;
mod switches;
mod variants;

use gf_cohort_schema::MissingPolicies;
use gf_genotypes::{Locus, Reference, loci_of_regions, require_build_of_named, same_contig};
use gf_haplotypes::Encoding;

pub use self::{error::Error, options::Options, summary::Summary};
use self::{locus_effects::LocusEffects, measure::ScoredSamples, outputs::write_tables_and_plots};
use crate::{dataset::Dataset, layout, score, tokens::encode, training::Bundle};

/// Measures the effect of every variant that the samples carry at the model's loci.
///
/// # Errors
/// A bundle that cannot be used, samples that do not fit it, or no variant to switch.
pub fn run(options: &Options) -> Result<Summary, Error> {
    let bundle = load_bundle(options)?;
    let genome = &bundle.config.genome;
    let regions = options
        .regions
        .as_deref()
        .map(|text| regions_in(text, genome.loci.iter().map(|locus| &locus.locus)))
        .transpose()?;
    let device = options.device.open()?;
    if let Some(text) = &options.regions {
        require_build_of_named(text, &Reference::open(&options.reference)?)?;
    }
    let source = score::Source {
        vcf: &options.vcf,
        format: &options.format,
        samples: &options.samples,
        reference: Some(&options.reference),
        cohort: options.cohort.as_deref(),
        missing: &MissingPolicies::strict(),
        apply_filters: options.apply_filters.as_ref(),
        min_overlap: score::MIN_OVERLAP,
    };
    let score::NewSamples {
        dictionary,
        cohort,
        sequences,
    } = score::people_of(&options.model, &bundle, &source)?;
    let tokens = encode(&dictionary, &bundle.tokenizer, &bundle.grid)?.0;
    let data = Dataset::new(&tokens, &cohort, bundle.config.covariates.clone())?.on(&device);
    let samples = ScoredSamples::new(&bundle, &dictionary, &data)?;
    let mut summary = Summary {
        n_people: cohort.people.len(),
        n_models: bundle.members.len(),
        sequences,
        ..Summary::default()
    };
    let mut loci = Vec::with_capacity(dictionary.loci.len());
    for (number, locus) in dictionary.loci.iter().enumerate() {
        loci.push(LocusEffects::new(
            number,
            locus,
            options,
            regions.as_deref(),
            &samples,
            &mut summary,
        )?);
    }
    if summary.n_variants == 0 {
        return Err(Error::no_variants(&dictionary));
    }
    let mut pairs = Vec::new();
    for locus in &loci {
        pairs.extend(locus.pairs(options.pairs, &samples, &mut summary)?);
    }
    summary.n_pairs = pairs.len();
    write_tables_and_plots(options, &loci, pairs)?;
    Ok(summary)
}

/// Loads the bundle, and refuses options and models that cannot be explained.
fn load_bundle(options: &Options) -> Result<Bundle, Error> {
    if options.haplotypes == Some(0) {
        return Err(Error::Options(
            "--haplotypes is 0, but at least one haplotype of a locus is needed".into(),
        ));
    }
    if !options.model.join(layout::CONFIG).exists() {
        return Err(Error::NoModel(options.model.clone()));
    }
    let bundle = Bundle::load(&options.model)?;
    if bundle.config.genome.policies.encoding == Encoding::Diploid {
        return Err(Error::Diploid);
    }
    Ok(bundle)
}

/// Parses regions, each of which must overlap a locus.
fn regions_in<'l>(text: &str, loci: impl Iterator<Item = &'l Locus>) -> Result<Vec<Locus>, Error> {
    let regions = loci_of_regions(text)?;
    let loci = loci.collect::<Vec<_>>();
    let elsewhere = regions
        .iter()
        .find(|region| !loci.iter().any(|locus| overlap(region, locus)));
    match elsewhere {
        None => Ok(regions),
        Some(region) => {
            let locus_regions: Vec<String> = loci.iter().map(|locus| locus.region()).collect();
            Err(Error::NoLocus {
                region: region.name.clone(),
                loci: locus_regions.join(", "),
            })
        }
    }
}

fn overlap(region: &Locus, locus: &Locus) -> bool {
    same_contig(&region.contig, &locus.contig) && region.range().overlaps(locus.range())
}
