//! Predictions of every baseline.

use gf_cohort_schema::{Cohort, Prediction, Role, probability};

use super::{
    error::Error,
    model::{Baseline, BaselineSamples},
};

/// Predicts every sample of the cohort by every baseline.
pub(super) fn predict(
    cohort: &Cohort,
    people: &BaselineSamples<'_>,
    baselines: &[Baseline],
) -> Result<Vec<Prediction>, Error> {
    let mut predictions = Vec::with_capacity(baselines.len() * cohort.people.len());
    for baseline in baselines {
        for (person, logit) in cohort.people.iter().zip(baseline.logits(people)?) {
            predictions.push(Prediction {
                role: Role::of_own(&baseline.model),
                sample_id: person.sample_id.clone(),
                model: baseline.model.clone(),
                split: person.split,
                fold: None,
                phenotype: person.phenotype,
                logit,
                probability: probability(logit),
            });
        }
    }
    Ok(predictions)
}
