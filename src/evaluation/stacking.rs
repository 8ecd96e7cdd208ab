//! Row 5: one logistic regression on the logits of the best polygenic score and the best sequence model, fitted on the validation split.
//!
//! Input -> output: scores -> coefficients (`stacked.csv`) and a column of the test split. Two predictors, because a validation split has few
//! people. Both are the best of their kind on the validation split; there the stacked model is fitted, so that its own numbers there would
//! be optimistic: it is applied to the test split only.

use std::path::Path;

use gf_cohort_schema::{STACKED, Split, nine_significant_digits, probability, rung};
use serde::Serialize;

use super::{
    areas::placements,
    scores::{Column, Scores},
};
use crate::{
    output,
    regression::{Failure, Fit, Likelihood, logistic},
};

/// Columns of `stacked.csv`, in order.
pub const COEFFICIENT_COLUMNS: [&str; 4] = ["term", "coefficient", "standard_error", "n_validation"];

/// What was fitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stacked {
    /// `intercept`, then the two models, with log-odds a unit of their logit and its standard error.
    pub terms: Vec<(String, f64, f64)>,
    /// People fitted on.
    pub n_validation: usize,
    /// Fitted with Firth's penalty, because the models separate the validation split.
    pub is_firth: bool,
}

/// Fits, and adds the column of the test split; or says why not.
pub fn add(scores: &mut Scores) -> Result<Stacked, String> {
    if scores.models().contains(STACKED) {
        return Err("there are predictions of that name".to_owned());
    }
    let (prs, sequence) = predictors(scores)?;
    let (fit, is_firth) = fit(&prs, &sequence)?;
    let test = |model: &str| scores.column(Split::Test, model).ok_or_else(|| format!("{model} has no predictions on the test split"));
    let (prs_test, sequence_test) = (test(&prs.model)?, test(&sequence.model)?);
    if prs_test.people != sequence_test.people {
        return Err(format!("{} and {} have not the same people on the test split", prs.model, sequence.model));
    }
    let [intercept, of_prs, of_sequence] = fit.coefficients[..] else { return Err("the fit has other terms".to_owned()) };
    let logits: Vec<f64> =
        prs_test.logits.iter().zip(&sequence_test.logits).map(|(a, b)| intercept + of_prs * a + of_sequence * b).collect();
    let probabilities = logits.iter().map(|logit| probability(*logit)).collect();
    let column = Column::new(Split::Test, STACKED, prs_test.people.clone(), prs_test.is_case.clone(), logits, probabilities);
    let names = ["intercept".to_owned(), prs.model.clone(), sequence.model.clone()];
    let terms = names.into_iter().zip(fit.coefficients).zip(fit.standard_errors).map(|((name, value), error)| (name, value, error));
    let stacked = Stacked { terms: terms.collect(), n_validation: prs.people.len(), is_firth };
    scores.insert(column);
    Ok(stacked)
}

/// Writes `stacked.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, stacked: &Stacked) -> Result<(), output::Error> {
    let n_validation = stacked.n_validation.to_string();
    let record = |(term, value, error): &(String, f64, f64)| {
        [term.clone(), nine_significant_digits(*value), nine_significant_digits(*error), n_validation.clone()]
    };
    output::for_others::write_csv(path, &COEFFICIENT_COLUMNS, stacked.terms.iter().map(record))
}

/// The best polygenic score (row 2, or row 3 where there is no row 2) and the best sequence model (row 4), by AUROC on the validation split.
fn predictors(scores: &Scores) -> Result<(Column, Column), String> {
    let best = |row: u8| {
        let of_row = scores.in_split(Split::Validation).iter().filter(|column| rung(&column.model) == Some(row));
        let with_area = of_row.filter_map(|column| Some((placements(column).ok()?.auroc(), column)));
        // Of equal ones the first.
        with_area.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, column)| column.clone())
    };
    let missing = |what: &str| format!("no {what} with an AUC on the validation split");
    let prs = best(2).or_else(|| best(3)).ok_or_else(|| missing("polygenic score (row 2 or 3)"))?;
    let sequence = best(4).ok_or_else(|| missing("sequence model (row 4)"))?;
    if prs.people != sequence.people {
        return Err(format!("{} and {} have not the same people on the validation split", prs.model, sequence.model));
    }
    match prs.too_few() {
        Some(too_few) => Err(format!("on the validation split {too_few}")),
        None => Ok((prs, sequence)),
    }
}

fn fit(prs: &Column, sequence: &Column) -> Result<(Fit, bool), String> {
    let columns: [&[f64]; 2] = [&prs.logits, &sequence.logits];
    let failed = |failure| format!("the regression on {} and {} is {failure}", prs.model, sequence.model);
    match logistic(&columns, &prs.is_case, None, Likelihood::Plain) {
        Ok(fit) => Ok((fit, false)),
        Err(Failure::Separated) => Ok((logistic(&columns, &prs.is_case, None, Likelihood::Firth).map_err(failed)?, true)),
        Err(failure) => Err(failed(failure)),
    }
}
