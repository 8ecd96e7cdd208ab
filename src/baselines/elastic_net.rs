//! `prs-elastic-net`: logistic regression on all dosages with a penalty that sets most coefficients
//! to 0.
//!
//! Input -> output: a [`TrainingDosages`] and further terms -> a [`Baseline`], and the [`Choice`] of its
//! penalty, along a path of weaker and weaker penalties.

use ndarray::{Array1, Array2, ArrayView1};
use rayon::prelude::*;

use crate::baselines::{
    Error, logistic,
    model::{Baseline, Term},
    panel::{Labelled, TrainingDosages},
    selection::{Choice, Hyperparameters, Tried, auroc_of},
    study::FreeTerms,
};
use gf_stats::regression::elastic_net::{Penalty, Problem, Solution};

/// Penalties of a path, evenly on the scale of logarithms.
const PATH: usize = 40;
/// The weakest penalty of a path, as a share of the weakest at which no dosage has a weight.
const WEAKEST: f64 = 0.005;
/// A path ends after so many weaker penalties in a row that are not better on validation.
const PATIENCE: usize = 8;
/// Fits a path for each of `l1_ratios`; validation chooses. Penalties at which no dosage has a
/// weight are not chosen: that is the baseline of the other terms alone.
///
/// # Errors
/// When no fit succeeds, or no dosage gets a weight.
pub fn fit(
    model: &str,
    panel: &TrainingDosages<'_>,
    free: &FreeTerms,
    l1_ratios: &[f64],
) -> Result<(Baseline, Choice), Error> {
    let n_penalised = panel.columns.len();
    let features = |labelled: &Labelled| {
        let dosages = labelled
            .dosages
            .columns()
            .into_iter()
            .map(|column| column.to_vec());
        let columns: Vec<Vec<f64>> = dosages.chain(free.standardised(&labelled.people)).collect();
        logistic::matrix(labelled.people.len(), columns.into_iter())
    };
    let training = features(&panel.training);
    let validation = features(&panel.validation);
    let problem = Problem {
        features: &training,
        is_case: &panel.training.is_case,
        n_penalised,
        sample_weights: None,
    };
    let of_ratio =
        |&l1_ratio: &f64| path(&problem, l1_ratio, &validation, &panel.validation.is_case);
    let paths = l1_ratios
        .par_iter()
        .map(of_ratio)
        .collect::<Result<Vec<_>, Error>>()?;
    let (choice, solution) = Choice::select(model, paths.into_iter().flatten().collect())?;
    let (of_dosages, of_free) = solution.coefficients.split_at(n_penalised);
    let others = free.terms().zip(of_free).map(|(term, &coefficient)| Term {
        coefficient,
        ..term.clone()
    });
    Ok((
        panel.baseline(model.into(), solution.intercept, of_dosages, others),
        choice,
    ))
}

/// From the weakest penalty at which no penalised feature has a coefficient to weaker ones, each
/// from where the last ended.
fn path(
    problem: &Problem<'_>,
    l1_ratio: f64,
    validation: &Array2<f64>,
    validation_is_case: &Array1<bool>,
) -> Result<Vec<(Tried, Option<Solution>)>, Error> {
    let setting = |lambda: f64| Hyperparameters::ElasticNet { l1_ratio, lambda };
    let failed = |lambda, failure| {
        (
            Tried {
                setting: setting(lambda),
                n_dosages: 0,
                validation_auroc: None,
                failure: Some(failure),
            },
            None,
        )
    };
    let mut last = match problem.start() {
        Ok(solution) => solution,
        Err(failure) => return Ok(vec![failed(f64::INFINITY, failure)]),
    };
    let first = problem.largest_lambda(&last, l1_ratio);
    let mut tried = Vec::new();
    let mut highest = f64::NEG_INFINITY;
    let mut not_better = 0;
    for step in 1..=PATH {
        let lambda = first * WEAKEST.powf(step as f64 / PATH as f64);
        let solution = match problem.fit(Penalty::new(lambda, l1_ratio), last.clone()) {
            Ok(solution) => solution,
            Err(failure) => {
                tried.push(failed(lambda, failure));
                break;
            }
        };
        let n_dosages = solution.coefficients[..problem.n_penalised]
            .iter()
            .filter(|&&coefficient| coefficient != 0.0)
            .count();
        let mut point = Tried {
            setting: setting(lambda),
            n_dosages,
            validation_auroc: None,
            failure: None,
        };
        if n_dosages > 0 {
            let logits =
                validation.dot(&ArrayView1::from(&solution.coefficients)) + solution.intercept;
            let auroc = auroc_of(&logits.to_vec(), validation_is_case)?;
            point.validation_auroc = Some(auroc);
            not_better += 1;
            if auroc > highest {
                (highest, not_better) = (auroc, 0);
            }
        }
        last = solution.clone();
        tried.push((point, Some(solution)));
        if not_better == PATIENCE {
            break;
        }
    }
    Ok(tried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separated_classes_end_a_path_or_stay_finite() {
        let features = logistic::matrix(
            8,
            [[-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0]].into_iter(),
        );
        let is_case = Array1::from(vec![false, false, false, false, true, true, true, true]);
        let problem = Problem {
            features: &features,
            is_case: &is_case,
            n_penalised: 1,
            sample_weights: None,
        };
        let tried = path(&problem, 0.5, &features, &is_case).unwrap();
        assert!(
            tried.len() > 1
                && tried
                    .iter()
                    .filter_map(|(_, fit)| fit.as_ref())
                    .all(|fit| fit.coefficients[0].is_finite())
        );
    }
}
