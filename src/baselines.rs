//! Stage: polygenic risk scores of the cohort, the baselines that a sequence model has to beat.
//!
//! Input: VCF/BCF, `cohort.csv`, and scoring files of the PGS Catalog. Output:
//! - `predictions.csv`, with the same rows as the predictions of sequence models;
//! - `weights.csv`, `association.csv`, `match_log.csv`, `raw_scores.csv`, `scores.csv`, `apoe.csv`;
//! - `guards.csv`, and `related_pairs.csv` if there are related samples;
//! - `scoring_files/`, the learned scores in the format of the PGS Catalog;
//! - [`PrsModel`] as `prs_model.json`, to score new samples.
//!
//! Without a cohort, [`scoring::raw_scores`](crate::scoring::raw_scores()) sums published scores.
//! Models are fitted on training samples only. The validation split chooses penalties, thresholds
//! and shrinkage. The test split chooses nothing.

mod apoe;
mod association;
mod check;
mod clumping;
mod elastic_net;
mod error;
mod export;
mod fitting;
mod guards;
mod inputs;
mod logistic;
mod model;
mod names;
mod no_fit;
mod options;
mod outputs;
mod panel;
mod predictions;
mod ridge;
mod scored;
mod selection;
mod study;
mod summary;
mod tables;

use self::{
    check::{require_memory, require_usable},
    fitting::{StudySites, fit_all},
    guards::{guards_of_scores, kinship_source},
    inputs::{Inputs, is_in_loci, read_genotypes},
    model::BaselineSamples,
    outputs::{ApoeResults, Outputs},
    predictions::predict,
    scored::score_samples,
    study::Study,
};
use crate::{
    leakage::{kinship, kinship_sites},
    scoring::dosages::Site,
};

/// Fits every baseline and predicts all samples of the cohort.
///
/// # Errors
/// Bad input (see [`Error`]); one class only in the training or validation split; a regression that
/// does not converge.
pub fn run(options: &Options) -> Result<Summary, Error> {
    require_usable(options)?;
    let Inputs {
        cohort,
        scoring_files,
    } = Inputs::read(options)?;
    let regions_file = options.regions_file.as_deref();
    let loci = regions_file.map(gf_genotypes::read_loci).transpose()?;
    let table = read_genotypes(options, &cohort, loci.as_deref(), &scoring_files.scores)?;
    let scored = score_samples(options, &scoring_files, &table, &cohort)?;

    let apoe = ApoeResults::new(&table, options.scoring.genome_build);
    let apoe_calls = apoe.calls.clone().unwrap_or_default();
    let samples = BaselineSamples::new(&table, apoe_calls, Some(&cohort));
    let study = Study::new(&cohort, samples);
    let learned_sites: Vec<&Site> = table
        .sites
        .iter()
        .filter(|site| is_in_loci(loci.as_deref(), &site.contig, site.position))
        .collect();
    require_memory(&cohort, &learned_sites)?;
    let sites = StudySites {
        all: &table.sites,
        learned: &learned_sites,
    };
    let fitted = fit_all(&study, &sites, &scored.scores, apoe.build, options)?;
    let predictions = predict(&cohort, &study.people, &fitted.baselines)?;

    let genome_sites = kinship_sites::read(&kinship_source(options), &cohort)?;
    let kinship::GuardResult {
        rows: mut guards,
        pairs: related_pairs,
    } = kinship::guard(
        &cohort,
        &study.training,
        &table.sites,
        genome_sites.as_deref(),
        options.kinship.as_deref(),
    )?;
    guards.extend(guards_of_scores(options, &cohort, &scored.scores)?);

    let outputs = Outputs {
        options,
        cohort: &cohort,
        table: &table,
        scoring_files: &scoring_files.scores,
        scored: &scored,
        predictions: &predictions,
        related_pairs: &related_pairs,
        apoe: &apoe,
    };
    let summary = outputs.summary(&fitted, guards);
    outputs.write(&summary, &fitted.associations, fitted.baselines)?;
    Ok(summary)
}

pub use self::{
    apoe::{ApoeCounts, ApoeProblem},
    check::{check, check_without_cohort},
    error::Error,
    fitting::WithoutApoe,
    logistic::FitProblem,
    model::{
        AbsentAlleles, AlleleWeight, ApplySummary, Baseline, Feature, ModelProblem, PrsModel,
        Rewritten, Risk, SCHEMA_VERSION, Term,
    },
    names::model_names,
    no_fit::{AurocRow, NoFitSummary, run as without_fit},
    options::{BaselineSettings, LearningVariants, Options, OptionsProblem},
    selection::{Choice, Hyperparameters, Tried},
    summary::Summary,
};

#[cfg(test)]
mod tests;
