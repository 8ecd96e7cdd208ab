//! Stage `score`: applies a saved model to new samples.
//!
//! Input: a model bundle (or a `prs` folder), VCF/BCF and FASTA. Output: a table
//! `sample_id,model,logit,probability`. A reference of another build than the model's is refused.
//!
//! Sequences and tokens are made with the loci, policies, tokenizer and slot grid of the bundle, so
//! that nothing is fitted on the new samples.

mod error;
mod merge;
mod new_samples;
mod options;
mod polygenic;
mod summary;
mod table;

pub use self::{
    error::Error,
    merge::{TableProblem, merge},
    new_samples::{NewSamples, Source, people_of},
    options::{MIN_OVERLAP, Options},
    summary::Summary,
};
use self::{
    polygenic::polygenic_scores,
    table::{Score, write},
};
use crate::{dataset::Dataset, layout, tokens::encode, training::Bundle};

/// Scores all samples of the files.
///
/// # Errors
/// - a model that cannot be read;
/// - genomes that are malformed or of another build;
/// - missing covariates.
pub fn run(options: &Options) -> Result<Summary, Error> {
    if let Some(share) = options
        .min_overlap
        .filter(|share| !(0.0..=1.0).contains(share))
    {
        return Err(Error::MinOverlap(share));
    }
    if options.model.join(layout::CONFIG).exists() {
        sequence_model(options)
    } else if options.model.join(layout::PRS_MODEL).exists() {
        polygenic_scores(options)
    } else {
        Err(Error::NoModel(options.model.clone()))
    }
}

fn sequence_model(options: &Options) -> Result<Summary, Error> {
    if options.models.is_some() {
        return Err(Error::OneModel(options.model.clone()));
    }
    let bundle = Bundle::load(&options.model)?;
    let config = &bundle.config;
    let device = options.device.open()?;
    let source = Source {
        vcf: &options.vcf,
        format: &options.format,
        samples: &options.samples,
        reference: options.reference.as_deref(),
        cohort: options.cohort.as_deref(),
        missing: &options.missing,
        apply_filters: options.apply_filters.as_ref(),
        min_overlap: options.min_overlap.unwrap_or(MIN_OVERLAP),
    };
    let NewSamples {
        dictionary,
        cohort,
        sequences,
    } = people_of(&options.model, &bundle, &source)?;
    let carried = config.genome.carried(&dictionary);
    if carried
        .overlap()
        .is_some_and(|overlap| overlap < source.min_overlap)
    {
        return Err(Error::CommonVariants {
            vcf: options.vcf.clone(),
            carried,
            min_overlap: source.min_overlap,
        });
    }
    let warnings = carried.warning(source.min_overlap).into_iter().collect();
    let (tokens, token_summary) = encode(&dictionary, &bundle.tokenizer, &bundle.grid)?;
    let data = Dataset::new(&tokens, &cohort, config.covariates.clone())?.on(&device);
    let all_samples: Vec<usize> = (0..cohort.people.len()).collect();
    let logits = bundle.logits(&data, &all_samples)?;
    let rows = cohort
        .people
        .iter()
        .zip(logits)
        .map(|(person, logit)| Score {
            sample_id: &person.sample_id,
            model: &config.name,
            logit,
        });
    write(options, &rows.collect::<Vec<_>>())?;
    Ok(Summary {
        n_people: all_samples.len(),
        cohort: cohort.notes,
        models: vec![config.name.clone()],
        sequences: Some(sequences),
        carried: Some(carried).filter(|carried| carried.n_common > 0),
        tokens: Some(token_summary),
        warnings,
        ..Summary::default()
    })
}
