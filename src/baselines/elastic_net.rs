//! `prs-elastic-net`: logistic regression on all dosages with a penalty that selects few of them.
//!
//! Input: [`TrainingDosages`] and further terms. Output: a [`Baseline`], and the [`Choice`] of its
//! penalty along a path of ever weaker penalties.

use ndarray::{Array1, Array2, ArrayView1};
use rayon::prelude::*;

use crate::baselines::{
    Error, logistic,
    model::{Baseline, Term},
    panel::{Labelled, TrainingDosages},
    selection::{Choice, Hyperparameters, Tried, auroc_of},
    study::FreeTerms,
};
use gf_stats::regression::elastic_net::{NoMinimum, Penalty, Problem, Solution};

/// Number of penalties of a path, evenly spaced on a logarithmic scale.
const PATH: usize = 40;
/// The weakest penalty of a path, as a fraction of the weakest one without any selected dosage.
const WEAKEST: f64 = 0.005;
/// A path ends after this many weaker penalties without a better validation AUROC.
const PATIENCE: usize = 8;

/// Fits a path for each of `l1_ratios`, and chooses the penalty with the highest validation AUROC.
///
/// A penalty without any selected dosage is never chosen, because its model is that of the other
/// terms alone.
///
/// # Errors
/// No fit succeeds, or no dosage is selected.
pub fn fit(
    model: &str,
    panel: &TrainingDosages<'_>,
    free: &FreeTerms,
    l1_ratios: &[f64],
) -> Result<(Baseline, Choice), Error> {
    let n_penalised = panel.columns.len();
    let training = features(&panel.training, free);
    let validation = features(&panel.validation, free);
    let problem = Problem {
        features: &training,
        is_case: &panel.training.is_case,
        n_penalised,
        sample_weights: None,
    };
    let paths = l1_ratios
        .par_iter()
        .map(|&l1_ratio| path(&problem, l1_ratio, &validation, &panel.validation.is_case))
        .collect::<Result<Vec<_>, Error>>()?;
    let (choice, solution) = Choice::select(model, paths.into_iter().flatten().collect())?;
    let (dosage_coefficients, free_coefficients) = solution.coefficients.split_at(n_penalised);
    let free_terms = free
        .terms()
        .zip(free_coefficients)
        .map(|(term, &coefficient)| Term {
            coefficient,
            ..term.clone()
        });
    let baseline = panel.baseline(
        model.into(),
        solution.intercept,
        dosage_coefficients,
        free_terms,
    );
    Ok((baseline, choice))
}

/// Features of a split, shape (samples, dosages + free terms).
fn features(labelled: &Labelled, free: &FreeTerms) -> Array2<f64> {
    let dosages = labelled
        .dosages
        .columns()
        .into_iter()
        .map(|column| column.to_vec());
    let columns: Vec<Vec<f64>> = dosages.chain(free.standardised(&labelled.people)).collect();
    logistic::matrix(labelled.people.len(), columns.into_iter())
}

/// A setting that could not be fitted.
fn failed(l1_ratio: f64, lambda: f64, failure: NoMinimum) -> (Tried, Option<Solution>) {
    let point = Tried {
        setting: Hyperparameters::ElasticNet { l1_ratio, lambda },
        n_dosages: 0,
        validation_auroc: None,
        failure: Some(failure.to_string()),
    };
    (point, None)
}

/// Fits weaker and weaker penalties, each starting at the previous solution. The first is just
/// weaker than the weakest one without any selected feature.
fn path(
    problem: &Problem<'_>,
    l1_ratio: f64,
    validation: &Array2<f64>,
    validation_is_case: &Array1<bool>,
) -> Result<Vec<(Tried, Option<Solution>)>, Error> {
    let mut path = match problem.path() {
        Ok(path) => path,
        Err(failure) => return Ok(vec![failed(l1_ratio, f64::INFINITY, failure)]),
    };
    let largest_lambda = path.largest_lambda(l1_ratio);
    let mut tried = Vec::new();
    let mut highest = f64::NEG_INFINITY;
    let mut n_not_better = 0;
    for step in 1..=PATH {
        let lambda = largest_lambda * WEAKEST.powf(step as f64 / PATH as f64);
        let solution = match path.fit(Penalty::new(lambda, l1_ratio)) {
            Ok(solution) => solution,
            Err(failure) => {
                tried.push(failed(l1_ratio, lambda, failure));
                break;
            }
        };
        let n_dosages = solution.coefficients[..problem.n_penalised]
            .iter()
            .filter(|&&coefficient| coefficient != 0.0)
            .count();
        let mut point = Tried {
            setting: Hyperparameters::ElasticNet { l1_ratio, lambda },
            n_dosages,
            validation_auroc: None,
            failure: None,
        };
        if n_dosages > 0 {
            let logits =
                validation.dot(&ArrayView1::from(&solution.coefficients)) + solution.intercept;
            let auroc = auroc_of(&logits.to_vec(), validation_is_case)?;
            point.validation_auroc = Some(auroc);
            n_not_better += 1;
            if auroc > highest {
                highest = auroc;
                n_not_better = 0;
            }
        }
        tried.push((point, Some(solution)));
        if n_not_better == PATIENCE {
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
