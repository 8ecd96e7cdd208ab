//! `prs-dosages`: L2-penalised logistic regression on all dosages.
//!
//! Input -> output: a [`TrainingDosages`] and further terms -> a [`Baseline`], and the [`Choice`] of its
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

/// The grid ends after so many weaker penalties in a row that are not better: these only over-fit
/// more, and take the longest.
const PATIENCE: usize = 4;
/// Terms other than dosages are multiplied by this, and so penalised 1/1024 as strongly: they are
/// known to matter.
const FREE_SCALE: f64 = 32.0;

/// Fits the penalties from the strongest to the weakest, each from where the last ended. Failed
/// fits are noted and left out.
///
/// # Errors
/// When no fit succeeds.
pub fn fit(
    model: &str,
    panel: &TrainingDosages<'_>,
    free: &FreeTerms,
    alphas: &[f64],
) -> Result<(Baseline, Choice), Error> {
    let features = |labelled: &Labelled| -> Array2<f64> {
        let free = free
            .standardised(&labelled.people)
            .into_iter()
            .map(|values| values.into_iter().map(|z| FREE_SCALE * z).collect());
        let dosages = labelled
            .dosages
            .columns()
            .into_iter()
            .map(|column| column.to_vec());
        let columns: Vec<Vec<f64>> = dosages.chain(free).collect();
        logistic::matrix(labelled.people.len(), columns.into_iter())
    };
    let training = features(&panel.training);
    let validation = features(&panel.validation);
    let mut alphas = alphas.to_vec();
    alphas.sort_by(|a, b| b.total_cmp(a));
    let mut tried: Vec<(Tried, Option<LogisticFit>)> = Vec::new();
    let mut last: Option<LogisticFit> = None;
    let mut highest = f64::NEG_INFINITY;
    let mut not_better = 0;
    for alpha in alphas {
        if not_better == PATIENCE {
            break;
        }
        not_better += 1;
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
            last.as_ref(),
        ) {
            Err(error) => {
                point.failure = Some(error.to_string());
                tried.push((point, None));
            }
            Ok(fit) => {
                let auroc = auroc_of(&fit.logits(&validation).to_vec(), &panel.validation.is_case)?;
                if auroc > highest {
                    (highest, not_better) = (auroc, 0);
                }
                point.validation_auroc = Some(auroc);
                last = Some(fit.clone());
                tried.push((point, Some(fit)));
            }
        }
    }
    let (choice, fit) = Choice::select(model, tried)?;
    let coefficients = fit.coefficients.to_vec();
    let (of_dosages, of_free) = coefficients.split_at(panel.columns.len());
    let others = free.terms().zip(of_free).map(|(term, coefficient)| Term {
        coefficient: coefficient * FREE_SCALE,
        ..term.clone()
    });
    Ok((
        panel.baseline(model.into(), fit.intercept, of_dosages, others),
        choice,
    ))
}
