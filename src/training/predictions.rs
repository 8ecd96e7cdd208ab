//! Predictions of trained members, as rows of `predictions.csv`.

use crate::training::FileProblem;
use gf_cohort_schema::{Phenotype, Prediction, Role, nine_significant_digits, probability};
use gf_stats::roc;

use super::{
    Prepared, additive::AdditiveKind, additive_name, bundle, error::Error, member::SharedByMembers,
    members::mean_logits, terms::TrainedMember,
};
use crate::{dataset::logits_within, models::RiskModel};

/// Predicts some samples: rows of `predictions.csv`.
///
/// The logit of a sample is the mean over the members that may predict it. Next to an additive term
/// the rows of the additive term by itself come first.
pub(super) fn predictions(
    setting: &SharedByMembers<'_>,
    prepared: &Prepared<'_>,
    trained: &[TrainedMember],
    samples: &[usize],
) -> Result<Vec<Prediction>, Error> {
    let plan = &prepared.plan;
    let name = &prepared.name;
    let bytes = setting.schedule.bytes();
    let full_logits = mean_logits(
        plan.held_out_folds(),
        &plan.fold_of,
        samples,
        |member, samples| {
            let model = built(setting, &trained[member])?;
            Ok(logits_within(bytes, &model, setting.data, samples)?)
        },
    )?;
    let full_rows = prediction_rows(prepared, name, samples, full_logits);
    if prepared.options.additive == AdditiveKind::None {
        return Ok(full_rows);
    }
    let additive_logits = mean_logits(
        plan.held_out_folds(),
        &plan.fold_of,
        samples,
        |member, samples| {
            let model = built(setting, &trained[member])?
                .additive_alone()
                .ok_or_else(|| Error::Options("a member has no additive term".into()))?;
            Ok(logits_within(bytes, &model, setting.data, samples)?)
        },
    )?;
    let mut rows = prediction_rows(prepared, &additive_name(name), samples, additive_logits);
    rows.extend(full_rows);
    Ok(rows)
}

fn built(setting: &SharedByMembers<'_>, trained: &TrainedMember) -> candle_core::Result<RiskModel> {
    bundle::build(
        setting.config,
        trained.terms.as_deref(),
        &trained.weights,
        setting.device,
    )
}

fn prediction_rows(
    prepared: &Prepared<'_>,
    model: &str,
    samples: &[usize],
    logits: Vec<f64>,
) -> Vec<Prediction> {
    samples
        .iter()
        .zip(logits)
        .map(|(&sample, logit)| {
            let person = &prepared.cohort.people[sample];
            Prediction {
                role: Role::SequenceModel,
                sample_id: person.sample_id.clone(),
                model: model.to_owned(),
                split: person.split,
                fold: prepared.plan.fold_of[sample],
                phenotype: person.phenotype,
                logit,
                probability: probability(logit),
            }
        })
        .collect()
}

/// Sorts the rows by model, and requires all samples of the cohort in its order for each model.
pub(super) fn rows_by_model(
    prepared: &Prepared<'_>,
    rows: &[Prediction],
) -> Result<Vec<Prediction>, Error> {
    let names = match prepared.options.additive {
        AdditiveKind::None => vec![prepared.name.clone()],
        AdditiveKind::Dosages | AdditiveKind::Segments => {
            vec![additive_name(&prepared.name), prepared.name.clone()]
        }
    };
    let mut sorted = Vec::with_capacity(rows.len());
    for name in &names {
        let model_rows: Vec<&Prediction> = rows.iter().filter(|row| row.model == *name).collect();
        let predicted_samples = model_rows.iter().map(|row| row.sample_id.as_str());
        let cohort_samples = prepared
            .cohort
            .people
            .iter()
            .map(|person| person.sample_id.as_str());
        if !predicted_samples.eq(cohort_samples) {
            let problem = FileProblem::OtherSamples {
                n_samples: model_rows.len(),
                model: name.clone(),
            };
            return Err(Error::file(&prepared.options.cohort, problem));
        }
        sorted.extend(model_rows.into_iter().cloned());
    }
    Ok(sorted)
}

pub(super) fn out_of_fold_auroc(name: &str, rows: &[Prediction]) -> Result<Option<f64>, Error> {
    if rows.iter().all(|row| row.fold.is_none()) {
        return Ok(None);
    }
    let cases = out_of_fold_logits(name, rows, Phenotype::Case);
    let controls = out_of_fold_logits(name, rows, Phenotype::Control);
    roc::auroc(&cases, &controls)
        .map(Some)
        .map_err(|error| Error::Options(error.to_string()))
}

/// Logits of the samples of one class that are in a fold.
///
/// They are rounded to the digits of `predictions.csv`, so that the AUC is the same for rows that
/// were read back.
fn out_of_fold_logits(name: &str, rows: &[Prediction], phenotype: Phenotype) -> Vec<f64> {
    rows.iter()
        .filter(|row| row.model == name && row.fold.is_some() && row.phenotype == Some(phenotype))
        .map(|row| {
            nine_significant_digits(row.logit)
                .parse()
                .unwrap_or(row.logit)
        })
        .collect()
}
