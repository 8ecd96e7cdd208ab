//! Saved polygenic scores of new samples.

use super::{
    Error, Options, Score, Summary,
    new_samples::{KnownCovariate, covariates, unusual_covariates},
    write,
};
use crate::{baselines::PrsModel, layout, scoring::GenotypeFiles};

pub(super) fn polygenic_scores(options: &Options) -> Result<Summary, Error> {
    let model = load_prs_model(options)?;
    let known: Vec<KnownCovariate> = model
        .covariates()
        .into_iter()
        .map(|(name, (mean, sd))| KnownCovariate {
            name: name.to_owned(),
            mean,
            sd,
        })
        .collect();
    let cohort = covariates(
        options.cohort.as_deref(),
        &known,
        &options.missing,
        &options.samples,
    )?;
    let (rows, applied) = model.apply(
        &GenotypeFiles {
            paths: &options.vcf,
            format: &options.format,
        },
        &options.samples,
        options.reference.as_deref(),
        cohort.as_ref(),
    )?;
    let scores = rows.iter().map(|row| Score {
        sample_id: &row.sample_id,
        model: &row.model,
        logit: row.logit,
    });
    write(options, &scores.collect::<Vec<_>>())?;
    let mut warnings = applied.warnings;
    warnings.extend(
        cohort
            .iter()
            .flat_map(|cohort| unusual_covariates(cohort, &known)),
    );
    let mut models: Vec<String> = rows.iter().map(|row| row.model.clone()).collect();
    models.dedup();
    Ok(Summary {
        n_people: applied.n_people,
        cohort: cohort.map(|cohort| cohort.notes).unwrap_or_default(),
        models,
        absent_alleles: applied.absent_alleles,
        rewritten_alleles: applied.rewritten_alleles,
        warnings,
        ..Summary::default()
    })
}

/// Loads the saved scores, with the options applied and only the chosen models.
fn load_prs_model(options: &Options) -> Result<PrsModel, Error> {
    let mut model = PrsModel::load(&options.model.join(layout::PRS_MODEL))?;
    model.reading.allow_no_hom_ref |= options.allow_no_hom_ref;
    if let Some(filters) = &options.apply_filters {
        model.filters = filters.names().unwrap_or_default();
    }
    model.min_overlap = options.min_overlap.unwrap_or(model.min_overlap);
    let Some(chosen) = &options.models else {
        return Ok(model);
    };
    let known: Vec<String> = model
        .baselines
        .iter()
        .map(|baseline| baseline.model.clone())
        .collect();
    if let Some(unknown) = chosen.iter().find(|name| !known.contains(name)) {
        return Err(Error::NoSuchModel {
            path: options.model.clone(),
            name: unknown.clone(),
            known,
        });
    }
    model
        .baselines
        .retain(|baseline| chosen.contains(&baseline.model));
    Ok(model)
}
