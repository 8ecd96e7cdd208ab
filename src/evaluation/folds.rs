//! Cross-validation: AUROC by fold, and a test that knows that folds share training samples.
//!
//! Input -> output: scores of held-out samples -> rows of `folds.csv` and a [`CorrectedTest`] per
//! model.
//!
//! The test is the corrected resampled t-test of Nadeau and Bengio (2003, Machine Learning 52:239).
//! For J = folds times repeats differences of AUROC with mean m and sample variance s^2,
//! t = m / sqrt((1 / J + `n_test` / `n_train`) s^2) has J - 1 degrees of freedom. `n_train` counts
//! all other folds of the repeat, because choosing the epoch on one of them is learning, too.
//!
//! The reference model is tested on its own folds where it has the same. A reference model without
//! such folds is tested by its only predictions of the same samples. It was fitted on those of the
//! training split, which favours it.

use std::{collections::HashMap, fmt};

use gf_cohort_schema::{FoldRow, Split, counted};
use gf_stats::{p_value_text, roc};
use serde::Serialize;

use crate::predictions::{HeldOut, Scores};

/// Mean difference of AUROC over all folds, and its test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorrectedTest {
    /// The model.
    pub model: String,
    /// The reference model.
    pub compared_to: String,
    /// Folds of all repeats.
    pub n_folds: usize,
    /// Mean difference of the AUROC.
    pub mean_delta: f64,
    /// Mean divided by its corrected standard error; `None` where all differences are equal.
    pub t: Option<f64>,
    /// Degrees of freedom.
    pub df: usize,
    /// Two-sided.
    pub p_value: Option<f64>,
    /// The reference model was fitted on some of the samples that it is tested on.
    pub favours_compared_to: bool,
}

impl fmt::Display for CorrectedTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model,
            compared_to,
            n_folds,
            mean_delta,
            df,
            ..
        } = self;
        let folds = counted(*n_folds, "fold", "folds");
        write!(
            f,
            "{model} over {folds}: mean AUC difference {mean_delta:+.3} to {compared_to}, "
        )?;
        match self.t.zip(self.p_value) {
            Some((t, p)) => write!(
                f,
                "corrected t = {t:.2}, df = {df}, p = {} (Nadeau and Bengio 2003)",
                p_value_text(p)
            )?,
            None => write!(f, "no test because all folds have the same difference")?,
        }
        if self.favours_compared_to {
            write!(
                f,
                ". {compared_to} has no such folds and was fitted on some of these samples, which \
                 favours it"
            )?;
        }
        Ok(())
    }
}

/// Result of a cross-validation; empty without folds.
#[derive(Default)]
pub struct CrossValidation {
    /// Rows of `folds.csv`.
    pub folds: Vec<FoldRow>,
    /// One test per model with folds, apart from the reference model.
    pub tests: Vec<CorrectedTest>,
}

/// AUROC of every fold, and the test of every model against the reference model `compared_to`.
pub fn evaluate(scores: &Scores, compared_to: Option<&str>) -> CrossValidation {
    if scores.held_out.is_empty() {
        return CrossValidation::default();
    }
    let reference = compared_to.map(|model| Reference::new(model, scores));
    let folds: Vec<FoldRow> = scores
        .held_out
        .iter()
        .map(|held_out| fold_row(held_out, scores, reference.as_ref()))
        .collect();
    let tests = folds
        .chunk_by(|a, b| a.model == b.model)
        .filter_map(|folds_of_model| test(folds_of_model, compared_to?, scores))
        .collect();
    CrossValidation { folds, tests }
}

/// The reference model, and its logits on the samples of a fold.
struct Reference<'a> {
    model: &'a str,
    scores: &'a Scores,
    /// Its only logit of each person, or the mean over its folds.
    logit_of: HashMap<u32, f64>,
}

impl<'a> Reference<'a> {
    fn new(model: &'a str, scores: &'a Scores) -> Self {
        let columns = scores.columns.iter().filter(|column| column.model == model);
        let logit_of = columns
            .flat_map(|column| {
                let people = column.people.iter().copied();
                people.zip(column.logits.iter().copied())
            })
            .collect();
        Self {
            model,
            scores,
            logit_of,
        }
    }

    /// Logits of the samples of a fold; `None` unless all of them are predicted.
    fn logits(&self, held_out: &HeldOut) -> Option<Vec<f64>> {
        match same_fold(self.model, held_out, self.scores) {
            Some(fold) => Some(fold.logits.clone()),
            None => held_out
                .people
                .iter()
                .map(|person| self.logit_of.get(person).copied())
                .collect(),
        }
    }
}

fn fold_row(held_out: &HeldOut, scores: &Scores, reference: Option<&Reference<'_>>) -> FoldRow {
    let auroc = auroc(scores, &held_out.people, &held_out.logits);
    let reference = reference.filter(|reference| reference.model != held_out.model);
    let auroc_of_reference = reference
        .and_then(|reference| reference.logits(held_out))
        .and_then(|logits| self::auroc(scores, &held_out.people, &logits));
    let delta_auroc = auroc
        .zip(auroc_of_reference)
        .map(|(own, of_reference)| own - of_reference);
    let n_cases = held_out
        .people
        .iter()
        .filter(|&&person| scores.is_case(person))
        .count();
    FoldRow {
        model: held_out.model.clone(),
        repeat: held_out.repeat,
        fold: held_out.fold,
        n_cases,
        n_controls: held_out.people.len() - n_cases,
        auroc,
        compared_to: reference
            .filter(|_| delta_auroc.is_some())
            .map(|reference| reference.model.to_owned()),
        delta_auroc,
    }
}

/// The fold of `model` with the same number, the same repeat and the same samples.
fn same_fold<'a>(model: &str, held_out: &HeldOut, scores: &'a Scores) -> Option<&'a HeldOut> {
    scores.held_out.iter().find(|fold| {
        fold.model == model
            && fold.repeat == held_out.repeat
            && fold.fold == held_out.fold
            && fold.people == held_out.people
    })
}

fn auroc(scores: &Scores, people: &[u32], logits: &[f64]) -> Option<f64> {
    let mut logits_of_cases = Vec::new();
    let mut logits_of_controls = Vec::new();
    for (&person, &logit) in people.iter().zip(logits) {
        if scores.is_case(person) {
            logits_of_cases.push(logit);
        } else {
            logits_of_controls.push(logit);
        }
    }
    roc::auroc(&logits_of_cases, &logits_of_controls).ok()
}

/// The test over all folds of one model; `None` with fewer than two differences.
fn test(folds: &[FoldRow], compared_to: &str, scores: &Scores) -> Option<CorrectedTest> {
    let model = &folds[0].model;
    let deltas: Vec<f64> = folds.iter().filter_map(|fold| fold.delta_auroc).collect();
    if deltas.len() < 2 {
        return None;
    }
    let differences = MeanDifference::corrected(&deltas, mean_test_to_train_ratio(folds));
    Some(CorrectedTest {
        model: model.clone(),
        compared_to: compared_to.to_owned(),
        n_folds: deltas.len(),
        mean_delta: differences.mean,
        t: differences.t,
        df: deltas.len() - 1,
        p_value: differences.p_value,
        favours_compared_to: is_reference_fitted_on_folds(model, compared_to, scores),
    })
}

/// Mean over folds of `n_test` / `n_train`.
fn mean_test_to_train_ratio(folds: &[FoldRow]) -> f64 {
    let ratios = folds.iter().map(|fold| {
        let n_in_repeat = folds
            .iter()
            .filter(|other| other.repeat == fold.repeat)
            .map(n_people)
            .sum::<f64>();
        n_people(fold) / (n_in_repeat - n_people(fold))
    });
    ratios.sum::<f64>() / folds.len() as f64
}

fn n_people(fold: &FoldRow) -> f64 {
    (fold.n_cases + fold.n_controls) as f64
}

/// Whether the reference model, without folds of its own, may have been fitted on samples of the
/// folds of `model`: those of the training split.
fn is_reference_fitted_on_folds(model: &str, compared_to: &str, scores: &Scores) -> bool {
    scores
        .held_out
        .iter()
        .filter(|fold| fold.model == model)
        .any(|fold| {
            same_fold(compared_to, fold, scores).is_none()
                && fold
                    .people
                    .iter()
                    .any(|&person| scores.people[person as usize].split == Split::Train)
        })
}

/// Mean of differences between two models over folds, and the test of a mean of zero.
#[derive(Debug, PartialEq)]
struct MeanDifference {
    mean: f64,
    /// `None` where all differences are equal.
    t: Option<f64>,
    /// Two-sided.
    p_value: Option<f64>,
}

impl MeanDifference {
    /// `ratio` is `n_test` / `n_train`.
    fn corrected(deltas: &[f64], ratio: f64) -> Self {
        let n = deltas.len() as f64;
        let mean = deltas.iter().sum::<f64>() / n;
        let squares = deltas.iter().map(|delta| (delta - mean).powi(2));
        let variance = squares.sum::<f64>() / (n - 1.0);
        let t = mean / ((1.0 / n + ratio) * variance).sqrt();
        let is_defined = t.is_finite() && ratio.is_finite();
        Self {
            mean,
            t: is_defined.then_some(t),
            p_value: is_defined.then(|| two_sided_p_of_t(t, n - 1.0)),
        }
    }
}

/// Two-sided p-value of Student's t: `I_x(df / 2, 1 / 2)` at `x = df / (df + t^2)`, where I is the
/// regularised incomplete beta function.
fn two_sided_p_of_t(t: f64, df: f64) -> f64 {
    let x = df / (df + t * t);
    let a = df / 2.0;
    let b = 0.5;
    // The continued fraction converges fast below (a + 1) / (a + b + 2). Above that,
    // I_x(a, b) = 1 - I_(1 - x)(b, a).
    if x < (a + 1.0) / (a + b + 2.0) {
        beta_fraction(x, a, b)
    } else {
        1.0 - beta_fraction(t * t / (df + t * t), b, a)
    }
}

/// Regularised incomplete beta function `I_x(a, b)` by its continued fraction (Abramowitz and
/// Stegun 26.5.8), evaluated by Lentz's method.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let mut c = 1.0;
    let mut d = 1.0 / (1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..1_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for coefficient in [even, odd] {
            d = 1.0 / (1.0 + coefficient * d);
            c = 1.0 + coefficient / c;
            fraction *= c * d;
        }
        if (fraction / before - 1.0).abs() < 1e-16 {
            break;
        }
    }
    let log_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    (a * x.ln() + b * (-x).ln_1p() - log_beta).exp() / a * fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::verdict_oracle::{CORRECTED, DELTAS, STUDENT};

    #[test]
    fn the_corrected_test_is_that_of_scipy() {
        let differences = MeanDifference::corrected(&DELTAS, 0.25);
        let found = [
            differences.mean,
            differences.t.unwrap(),
            differences.p_value.unwrap(),
        ];
        for (found, expected) in found.into_iter().zip(CORRECTED) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
        for &(t, df, expected) in STUDENT {
            let found = two_sided_p_of_t(t, df);
            assert!(
                (found / expected - 1.0).abs() < 1e-9,
                "t {t}, df {df}: {found} is not {expected}"
            );
        }
        let equal = MeanDifference {
            mean: 0.5,
            t: None,
            p_value: None,
        };
        assert_eq!(MeanDifference::corrected(&[0.5, 0.5], 0.25), equal);
    }
}
