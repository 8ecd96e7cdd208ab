//! Cross-validation: the AUROC of each fold, and the test of a difference that knows the folds
//! share their training people.
//!
//! Input -> output: scores of people in folds -> rows of `folds.csv`, and the corrected resampled
//! t-test of Nadeau and Bengio (2003, Machine Learning 52:239): the variance of the mean of J
//! differences is (1 / J + `n_test` / `n_train`) times their sample variance, with J - 1 degrees of
//! freedom, J = folds times repeats. `n_train` is everyone in the other folds of the repeat: also
//! choosing an epoch on one is learning.
//!
//! The model compared to is tested on its own folds where it has the same. A baseline that has none
//! is tested, on the same people, by its only predictions; it was fitted on those of the training
//! split, which favours it.

use std::{collections::HashMap, fmt};

use gf_cohort_schema::{FoldRow, Split};
use serde::Serialize;

use super::{
    roc,
    scores::{HeldOut, Scores},
};
use crate::report::p_value;
use gf_cohort_schema::counted;

/// The mean difference over all folds, and its test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorrectedTest {
    /// The model.
    pub model: String,
    /// The model it is compared to.
    pub compared_to: String,
    /// Folds of all repeats.
    pub n_folds: usize,
    /// Mean difference of the AUROC.
    pub mean_delta: f64,
    /// Mean, over its corrected standard error; `None` where all differences are equal.
    pub t: Option<f64>,
    /// Degrees of freedom.
    pub df: usize,
    /// Two-sided.
    pub p_value: Option<f64>,
    /// The model compared to was fitted on some of the people it is tested on.
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
            "{model} over {folds}: mean AUC difference {mean_delta:+.3} to {compared_to}; "
        )?;
        match self.t.zip(self.p_value) {
            Some((t, p)) => write!(
                f,
                "corrected t = {t:.2}, df = {df}, p = {} (Nadeau and Bengio 2003)",
                p_value(p)
            )?,
            None => write!(f, "no test: all folds differ by the same")?,
        }
        if self.favours_compared_to {
            write!(
                f,
                "; {compared_to} has no such folds and was fitted on some of these people, which \
                 favours it"
            )?;
        }
        Ok(())
    }
}

/// The rows of all folds, and a test a model.
pub fn evaluate(scores: &Scores, compared_to: Option<&str>) -> (Vec<FoldRow>, Vec<CorrectedTest>) {
    if scores.held_out.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let single: HashMap<u32, f64> = scores
        .columns
        .iter()
        .filter(|column| Some(column.model.as_str()) == compared_to)
        .flat_map(|column| {
            column
                .people
                .iter()
                .copied()
                .zip(column.logits.iter().copied())
        })
        .collect();
    let row_of = |held_out: &HeldOut| {
        let auroc = auroc(scores, &held_out.people, &held_out.logits);
        let other = compared_to.filter(|other| *other != held_out.model);
        let of_other = other.and_then(|other| logits_of(other, held_out, scores, &single));
        let delta = of_other
            .and_then(|logits| Some(auroc? - self::auroc(scores, &held_out.people, &logits)?));
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
            compared_to: delta.and(other).map(str::to_owned),
            delta_auroc: delta,
        }
    };
    let rows: Vec<FoldRow> = scores.held_out.iter().map(row_of).collect();
    let tests = rows
        .chunk_by(|a, b| a.model == b.model)
        .filter_map(|rows| test(rows, compared_to?, scores))
        .collect();
    (rows, tests)
}

fn same_fold<'a>(other: &str, held_out: &HeldOut, scores: &'a Scores) -> Option<&'a HeldOut> {
    let mut folds = scores.held_out.iter().filter(|fold| fold.model == other);
    folds.find(|fold| {
        (fold.repeat, fold.fold) == (held_out.repeat, held_out.fold)
            && fold.people == held_out.people
    })
}

/// What the model compared to says of the people of a fold; `None` unless it predicts all of them.
fn logits_of(
    other: &str,
    held_out: &HeldOut,
    scores: &Scores,
    single: &HashMap<u32, f64>,
) -> Option<Vec<f64>> {
    match same_fold(other, held_out, scores) {
        Some(fold) => Some(fold.logits.clone()),
        None => held_out
            .people
            .iter()
            .map(|person| single.get(person).copied())
            .collect(),
    }
}

fn auroc(scores: &Scores, people: &[u32], logits: &[f64]) -> Option<f64> {
    let of = |case: bool| -> Vec<f64> {
        people
            .iter()
            .zip(logits)
            .filter(|(person, _)| scores.is_case(**person) == case)
            .map(|(_, logit)| *logit)
            .collect()
    };
    roc::auroc(&of(true), &of(false)).ok()
}

fn test(rows: &[FoldRow], compared_to: &str, scores: &Scores) -> Option<CorrectedTest> {
    let model = &rows[0].model;
    let deltas: Vec<f64> = rows.iter().filter_map(|row| row.delta_auroc).collect();
    if deltas.len() < 2 {
        return None;
    }
    let people = |row: &FoldRow| (row.n_cases + row.n_controls) as f64;
    let in_repeat = |repeat: usize| {
        rows.iter()
            .filter(|row| row.repeat == repeat)
            .map(people)
            .sum::<f64>()
    };
    let ratios = rows
        .iter()
        .map(|row| people(row) / (in_repeat(row.repeat) - people(row)));
    let (mean_delta, t, p_value) = corrected(&deltas, ratios.sum::<f64>() / rows.len() as f64);
    let in_training = |person: &u32| scores.people[*person as usize].split == Split::Train;
    let mut own = scores.held_out.iter().filter(|fold| fold.model == *model);
    let favours_compared_to = own.any(|fold| {
        same_fold(compared_to, fold, scores).is_none() && fold.people.iter().any(in_training)
    });
    Some(CorrectedTest {
        model: model.clone(),
        compared_to: compared_to.to_owned(),
        n_folds: deltas.len(),
        mean_delta,
        t,
        df: deltas.len() - 1,
        p_value,
        favours_compared_to,
    })
}

/// Mean, t and two-sided p of differences; `ratio` is `n_test` / `n_train`.
fn corrected(deltas: &[f64], ratio: f64) -> (f64, Option<f64>, Option<f64>) {
    let n = deltas.len() as f64;
    let mean = deltas.iter().sum::<f64>() / n;
    let variance = deltas
        .iter()
        .map(|delta| (delta - mean).powi(2))
        .sum::<f64>()
        / (n - 1.0);
    let t = Some(mean / ((1.0 / n + ratio) * variance).sqrt())
        .filter(|t| t.is_finite() && ratio.is_finite());
    (mean, t, t.map(|t| two_sided_p_of_t(t, n - 1.0)))
}

/// Of Student's t: the regularised incomplete beta function of `df / (df + t^2)` with parameters df
/// / 2 and 1 / 2.
fn two_sided_p_of_t(t: f64, df: f64) -> f64 {
    let x = df / (df + t * t);
    let a = df / 2.0;
    let b = 0.5;
    // The continued fraction converges fast below (a + 1) / (a + b + 2), and the function of the
    // rest is one minus this one.
    if x < (a + 1.0) / (a + b + 2.0) {
        beta_fraction(x, a, b)
    } else {
        1.0 - beta_fraction(t * t / (df + t * t), b, a)
    }
}

/// Regularised incomplete beta function by its continued fraction (Abramowitz and Stegun 26.5.8),
/// evaluated by Lentz's method.
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
        let (mean, t, p_value) = corrected(&DELTAS, 0.25);
        for (found, expected) in [mean, t.unwrap(), p_value.unwrap()]
            .into_iter()
            .zip(CORRECTED)
        {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
        for &(t, df, expected) in STUDENT {
            let found = two_sided_p_of_t(t, df);
            assert!(
                (found / expected - 1.0).abs() < 1e-9,
                "t {t}, df {df}: {found} is not {expected}"
            );
        }
        assert_eq!(corrected(&[0.5, 0.5], 0.25), (0.5, None, None));
    }
}
