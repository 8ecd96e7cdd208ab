//! `prs-dosages`: L2-penalised logistic regression on all dosages.
//!
//! Input: [`TrainingDosages`] and further terms. Output: a [`Baseline`], and the [`Choice`] of its
//! penalty: the one with the highest AUROC on the validation split, the strongest among equals.

use ndarray::Array2;

use crate::baselines::{
    Error,
    logistic::{self, LogisticFit},
    model::{Baseline, Term},
    panel::{Labelled, TrainingDosages},
    selection::{Choice, Hyperparameters, Tried, auroc_of},
    study::FreeTerms,
};

/// The search ends after this many weaker penalties without a better AUROC. Weaker penalties
/// over-fit more and take longer.
const PATIENCE: usize = 4;
/// Factor of the terms other than dosages. Their penalty is 1/1024 (the inverse square) of that of
/// dosages, because they are known to matter.
const FREE_SCALE: f64 = 32.0;

/// Fits the penalties from the strongest to the weakest, each starting at the previous fit. A
/// failed fit is recorded and left out.
///
/// # Errors
/// No fit succeeds.
pub fn fit(
    model: &str,
    panel: &TrainingDosages<'_>,
    free: &FreeTerms,
    alphas: &[f64],
) -> Result<(Baseline, Choice), Error> {
    let tried = fit_path(model, panel, free, alphas)?;
    let (choice, fit) = Choice::select(model, tried)?;
    let coefficients = fit.coefficients.to_vec();
    let (dosage_coefficients, free_coefficients) = coefficients.split_at(panel.columns.len());
    let free_terms = free
        .terms()
        .zip(free_coefficients)
        .map(|(term, coefficient)| Term {
            coefficient: coefficient * FREE_SCALE,
            ..term.clone()
        });
    let baseline = panel.baseline(model.into(), fit.intercept, dosage_coefficients, free_terms);
    Ok((baseline, choice))
}

/// Fits the penalties from the strongest to the weakest, until the validation AUROC stops rising.
fn fit_path(
    model: &str,
    panel: &TrainingDosages<'_>,
    free: &FreeTerms,
    alphas: &[f64],
) -> Result<Vec<(Tried, Option<LogisticFit>)>, Error> {
    let training = features(&panel.training, free);
    let validation = features(&panel.validation, free);
    let mut strongest_first = alphas.to_vec();
    strongest_first.sort_by(|a, b| b.total_cmp(a));
    let mut tried: Vec<(Tried, Option<LogisticFit>)> = Vec::new();
    let mut previous: Option<LogisticFit> = None;
    let mut highest = f64::NEG_INFINITY;
    let mut n_not_better = 0;
    for alpha in strongest_first {
        if n_not_better == PATIENCE {
            break;
        }
        n_not_better += 1;
        let mut point = Tried {
            setting: Hyperparameters::L2 { alpha },
            n_dosages: panel.columns.len(),
            validation_auroc: None,
            failure: None,
        };
        match logistic::fit(
            model,
            &training,
            &panel.training.is_case,
            alpha,
            previous.as_ref(),
        ) {
            Err(error) => {
                point.failure = Some(error.to_string());
                tried.push((point, None));
            }
            Ok(fit) => {
                let auroc = auroc_of(&fit.logits(&validation).to_vec(), &panel.validation.is_case)?;
                if auroc > highest {
                    highest = auroc;
                    n_not_better = 0;
                }
                point.validation_auroc = Some(auroc);
                previous = Some(fit.clone());
                tried.push((point, Some(fit)));
            }
        }
    }
    Ok(tried)
}

/// Features of a split, shape (samples, dosages + free terms). Free terms are scaled.
fn features(labelled: &Labelled, free: &FreeTerms) -> Array2<f64> {
    let scaled_terms = free
        .standardised(&labelled.people)
        .into_iter()
        .map(|values| values.into_iter().map(|z| FREE_SCALE * z).collect());
    let dosages = labelled
        .dosages
        .columns()
        .into_iter()
        .map(|column| column.to_vec());
    let columns: Vec<Vec<f64>> = dosages.chain(scaled_terms).collect();
    logistic::matrix(labelled.people.len(), columns.into_iter())
}
