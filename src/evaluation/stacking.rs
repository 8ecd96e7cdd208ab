//! Stacked model (row 5): the best polygenic score and the best sequence model together.
//!
//! Input -> output: scores -> coefficients (`stacked.csv`) and a column of the test split.
//!
//! The stacked model is a logistic regression with two predictors, because a validation split has
//! few samples. Both predictors are the best of their kind on the validation split, and the
//! regression is fitted there. Its performance there would be optimistic, so the stacked model is
//! applied to the test split only.
//!
//! The stacked model is shrunk to the better one of the two, so that it is not worse than that one
//! by more than chance. Let T be twice the gain in log-likelihood of both predictors over the
//! better one. The logit is `(1 - s) * better one + s * both` with s = max(0, 1 - 4 / T), the
//! positive-part rule of James and Stein. s is 0 where a coefficient of both is negative.

use gf_cohort_schema::{Role, STACKED, Split, probability};
use gf_stats::regression::{Failure, Fit, Likelihood, logistic};
use serde::Serialize;

use crate::predictions::{Column, Scores};

/// Row of polygenic scores without the APOE region.
const SCORE_WITHOUT_APOE: u8 = 2;
/// Row of polygenic scores with the APOE region.
const SCORE: u8 = 3;
/// Row of sequence models.
const SEQUENCE_MODEL: u8 = 4;

/// Twice the gain in log-likelihood up to which the second predictor is ignored.
const THRESHOLD: f64 = 4.0;

/// The stacked model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stacked {
    /// `intercept`, then the two predictors.
    pub terms: Vec<Term>,
    /// Samples that it was fitted on.
    pub n_validation: usize,
    /// Share of the fit on both predictors; the rest is the fit on the better one alone.
    pub shrinkage: f64,
    /// Fitted with Firth's penalty, because the predictors separate the validation split.
    pub is_firth: bool,
}

/// A term of the stacked model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// `intercept`, or the name of the model.
    pub name: String,
    /// Log-odds per unit of the model's logit.
    pub coefficient: f64,
    /// Standard error of the coefficient.
    pub standard_error: f64,
}

/// Fits the stacked model and adds its column of the test split to `scores`.
///
/// # Errors
/// The reason why nothing can be stacked, as text.
pub fn add(scores: &mut Scores) -> Result<Stacked, String> {
    if scores.models().contains(STACKED) {
        return Err("predictions with this name exist already".to_owned());
    }
    let predictors = Predictors::choose(scores)?;
    let fit = ShrunkFit::new(&predictors)?;
    let column = predictors.apply(&fit, scores)?;
    scores.insert(column);
    let names = [
        "intercept".to_owned(),
        predictors.prs.model,
        predictors.sequence.model,
    ];
    let terms = names
        .into_iter()
        .zip(fit.coefficients)
        .zip(fit.standard_errors)
        .map(|((name, coefficient), standard_error)| Term {
            name,
            coefficient,
            standard_error,
        });
    Ok(Stacked {
        terms: terms.collect(),
        n_validation: predictors.prs.people.len(),
        shrinkage: fit.shrinkage,
        is_firth: fit.is_firth,
    })
}

/// Both predictors on the validation split, with the same samples.
struct Predictors {
    prs: Column,
    sequence: Column,
}

impl Predictors {
    /// The best polygenic score (row 2, or row 3 where there is no row 2) and the best sequence
    /// model (row 4), by AUROC on the validation split.
    fn choose(scores: &Scores) -> Result<Self, String> {
        let prs = best_on_validation(SCORE_WITHOUT_APOE, scores)
            .or_else(|| best_on_validation(SCORE, scores))
            .ok_or("no polygenic score (row 2 or 3) with an AUC on the validation split")?;
        let sequence = best_on_validation(SEQUENCE_MODEL, scores)
            .ok_or("no sequence model (row 4) with an AUC on the validation split")?;
        if prs.people != sequence.people {
            return Err(format!(
                "{} and {} have predictions for different samples on the validation split",
                prs.model, sequence.model
            ));
        }
        match prs.too_few() {
            Some(too_few) => Err(format!("on the validation split {too_few}")),
            None => Ok(Self { prs, sequence }),
        }
    }

    /// The column of the stacked model on the test split.
    fn apply(&self, fit: &ShrunkFit, scores: &Scores) -> Result<Column, String> {
        let prs = on_test(&self.prs.model, scores)?;
        let sequence = on_test(&self.sequence.model, scores)?;
        if prs.people != sequence.people {
            return Err(format!(
                "{} and {} have predictions for different samples on the test split",
                self.prs.model, self.sequence.model
            ));
        }
        let [intercept, of_prs, of_sequence] = fit.coefficients;
        let logits: Vec<f64> = prs
            .logits
            .iter()
            .zip(&sequence.logits)
            .map(|(prs, sequence)| intercept + of_prs * prs + of_sequence * sequence)
            .collect();
        let probabilities = logits.iter().map(|logit| probability(*logit)).collect();
        Ok(Column::new(
            Split::Test,
            STACKED,
            Role::Stacked,
            prs.people.clone(),
            prs.is_case.clone(),
            logits,
            probabilities,
        ))
    }
}

/// The model of a row with the highest AUROC on the validation split; the first of equal ones.
fn best_on_validation(row: u8, scores: &Scores) -> Option<Column> {
    scores
        .in_split(Split::Validation)
        .iter()
        .filter(|column| column.role.comparison_row() == Some(row))
        .filter_map(|column| Some((column.placements().ok()?.auroc(), column)))
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, column)| column.clone())
}

fn on_test<'a>(model: &str, scores: &'a Scores) -> Result<&'a Column, String> {
    scores
        .column(Split::Test, model)
        .ok_or_else(|| format!("{model} has no predictions on the test split"))
}

/// The fit on both predictors, shrunk to the fit on the better one.
struct ShrunkFit {
    /// Intercept, polygenic score, sequence model.
    coefficients: [f64; 3],
    /// Those of the fit before it is mixed; 0 where a predictor has no coefficient.
    standard_errors: [f64; 3],
    shrinkage: f64,
    is_firth: bool,
}

impl ShrunkFit {
    fn new(predictors: &Predictors) -> Result<Self, String> {
        let Predictors { prs, sequence } = predictors;
        let of_prs = Regression::fit(&[prs])?;
        let of_sequence = Regression::fit(&[sequence])?;
        let is_prs_better = of_prs.fit.log_likelihood > of_sequence.fit.log_likelihood;
        let better = if is_prs_better { of_prs } else { of_sequence };
        let alone = Self::of_one(&better, if is_prs_better { 1 } else { 2 });
        // Predictors that are proportional, or one that is constant, add nothing to each other.
        let Ok(both) = Regression::fit(&[prs, sequence]) else {
            return Ok(alone);
        };
        let gain = 2.0 * (both.fit.log_likelihood - better.fit.log_likelihood);
        let are_coefficients_positive = both.fit.coefficients[1..]
            .iter()
            .all(|coefficient| *coefficient > 0.0);
        // A penalised likelihood cannot be compared with one without a penalty.
        let is_comparable = both.is_firth == better.is_firth;
        if gain > THRESHOLD && are_coefficients_positive && is_comparable {
            Ok(alone.mixed_with(&both, 1.0 - THRESHOLD / gain))
        } else {
            Ok(alone)
        }
    }

    /// The fit on one predictor; `index` is its place among the coefficients.
    fn of_one(better: &Regression, index: usize) -> Self {
        let mut alone = Self {
            coefficients: [0.0; 3],
            standard_errors: [0.0; 3],
            shrinkage: 0.0,
            is_firth: better.is_firth,
        };
        for (from, to) in [(0, 0), (1, index)] {
            alone.coefficients[to] = better.fit.coefficients[from];
            alone.standard_errors[to] = better.fit.standard_errors[from];
        }
        alone
    }

    fn mixed_with(self, both: &Regression, shrinkage: f64) -> Self {
        let mut mixed = Self {
            shrinkage,
            is_firth: both.is_firth,
            ..self
        };
        for (number, coefficient) in mixed.coefficients.iter_mut().enumerate() {
            *coefficient =
                (1.0 - shrinkage) * *coefficient + shrinkage * both.fit.coefficients[number];
            mixed.standard_errors[number] = both.fit.standard_errors[number];
        }
        mixed
    }
}

/// A logistic regression on the logits of one or two models.
struct Regression {
    fit: Fit,
    /// With Firth's penalty, because the models separate the classes.
    is_firth: bool,
}

impl Regression {
    fn fit(models: &[&Column]) -> Result<Self, String> {
        let logits: Vec<&[f64]> = models
            .iter()
            .map(|column| column.logits.as_slice())
            .collect();
        let is_case = &models[0].is_case;
        let plain = logistic(&logits, is_case, None, Likelihood::Plain);
        let is_firth = matches!(plain, Err(Failure::Separated));
        let fit = if is_firth {
            logistic(&logits, is_case, None, Likelihood::Firth)
        } else {
            plain
        };
        match fit {
            Ok(fit) => Ok(Self { fit, is_firth }),
            Err(failure) => {
                let names: Vec<&str> = models.iter().map(|column| column.model.as_str()).collect();
                Err(format!(
                    "the regression on {} is {failure}",
                    names.join(" and ")
                ))
            }
        }
    }
}
