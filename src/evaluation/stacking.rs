//! Row 5: the best polygenic score and the best sequence model together, by logistic regression on
//! the validation split.
//!
//! Input -> output: scores -> coefficients (`stacked.csv`) and a column of the test split. Two
//! predictors, because a validation split has few people. Both are the best of their kind on the
//! validation split; there the stacked model is fitted, so that its own numbers there would
//! be optimistic: it is applied to the test split only.
//!
//! The stacked model is shrunk to the better one of the two, so that it cannot fall below it by
//! more than chance. With T, twice the gain in log-likelihood of both over the better one, its
//! logit is `(1 - s) * better one + s * both`, s = max(0, 1 - 4 / T) (the positive-part rule of
//! James and Stein); s is 0 where a coefficient of both is negative.

use std::path::Path;

use gf_cohort_schema::{Role, STACKED, Split, nine_significant_digits, probability};
use serde::Serialize;

use super::{
    auroc::placements,
    scores::{Column, Scores},
};
use gf_files::output;
use gf_stats::regression::{Failure, Fit, Likelihood, logistic};

/// Columns of `stacked.csv`, in order.
pub const COEFFICIENT_COLUMNS: [&str; 4] =
    ["term", "coefficient", "standard_error", "n_validation"];

/// What was fitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stacked {
    /// `intercept`, then the two models, with log-odds a unit of their logit and its standard
    /// error.
    pub terms: Vec<(String, f64, f64)>,
    /// People fitted on.
    pub n_validation: usize,
    /// Share of the fit on both models; the rest is the fit on the better one alone.
    pub shrinkage: f64,
    /// Fitted with Firth's penalty, because the models separate the validation split.
    pub is_firth: bool,
}

/// Fits, and adds the column of the test split; or says why not.
pub fn add(scores: &mut Scores) -> Result<Stacked, String> {
    if scores.models().contains(STACKED) {
        return Err("there are predictions of that name".to_owned());
    }
    let (prs, sequence) = predictors(scores)?;
    let both = shrunk(&prs, &sequence)?;
    let test = |model: &str| {
        scores
            .column(Split::Test, model)
            .ok_or_else(|| format!("{model} has no predictions on the test split"))
    };
    let prs_test = test(&prs.model)?;
    let sequence_test = test(&sequence.model)?;
    if prs_test.people != sequence_test.people {
        return Err(format!(
            "{} and {} have not the same people on the test split",
            prs.model, sequence.model
        ));
    }
    let [intercept, of_prs, of_sequence] = both.coefficients;
    let logits: Vec<f64> = prs_test
        .logits
        .iter()
        .zip(&sequence_test.logits)
        .map(|(a, b)| intercept + of_prs * a + of_sequence * b)
        .collect();
    let probabilities = logits.iter().map(|logit| probability(*logit)).collect();
    let people = prs_test.people.clone();
    let is_case = prs_test.is_case.clone();
    let column = Column::new(
        Split::Test,
        STACKED,
        Role::Stacked,
        people,
        is_case,
        logits,
        probabilities,
    );
    let names = [
        "intercept".to_owned(),
        prs.model.clone(),
        sequence.model.clone(),
    ];
    let terms = names
        .into_iter()
        .zip(both.coefficients)
        .zip(both.standard_errors)
        .map(|((name, value), error)| (name, value, error));
    let stacked = Stacked {
        terms: terms.collect(),
        n_validation: prs.people.len(),
        shrinkage: both.shrinkage,
        is_firth: both.is_firth,
    };
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
        [
            term.clone(),
            nine_significant_digits(*value),
            nine_significant_digits(*error),
            n_validation.clone(),
        ]
    };
    output::shareable::write_csv(path, &COEFFICIENT_COLUMNS, stacked.terms.iter().map(record))
}

/// The best polygenic score (row 2, or row 3 where there is no row 2) and the best sequence model
/// (row 4), by AUROC on the validation split.
fn predictors(scores: &Scores) -> Result<(Column, Column), String> {
    let best = |row: u8| {
        let of_row = scores
            .in_split(Split::Validation)
            .iter()
            .filter(|column| column.role.rung() == Some(row));
        let with_area =
            of_row.filter_map(|column| Some((placements(column).ok()?.auroc(), column)));
        // Of equal ones the first.
        with_area
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, column)| column.clone())
    };
    let missing = |what: &str| format!("no {what} with an AUC on the validation split");
    let prs = best(2)
        .or_else(|| best(3))
        .ok_or_else(|| missing("polygenic score (row 2 or 3)"))?;
    let sequence = best(4).ok_or_else(|| missing("sequence model (row 4)"))?;
    if prs.people != sequence.people {
        return Err(format!(
            "{} and {} have not the same people on the validation split",
            prs.model, sequence.model
        ));
    }
    match prs.too_few() {
        Some(too_few) => Err(format!("on the validation split {too_few}")),
        None => Ok((prs, sequence)),
    }
}

/// The fit on both models, shrunk to that on the better one.
struct Shrunk {
    /// Intercept, score, sequence model.
    coefficients: [f64; 3],
    /// Of the fits before they are mixed; 0 where the model has no coefficient.
    standard_errors: [f64; 3],
    shrinkage: f64,
    is_firth: bool,
}

/// Twice a gain in log-likelihood up to which both models together count for nothing.
const THRESHOLD: f64 = 4.0;

fn shrunk(prs: &Column, sequence: &Column) -> Result<Shrunk, String> {
    let (of_prs, prs_is_firth) = fit(&[prs])?;
    let (of_sequence, sequence_is_firth) = fit(&[sequence])?;
    let is_prs = of_prs.log_likelihood > of_sequence.log_likelihood;
    let (better, better_is_firth) = if is_prs {
        (&of_prs, prs_is_firth)
    } else {
        (&of_sequence, sequence_is_firth)
    };
    let place = if is_prs { 1 } else { 2 };
    let mut alone = Shrunk {
        coefficients: [0.0; 3],
        standard_errors: [0.0; 3],
        shrinkage: 0.0,
        is_firth: better_is_firth,
    };
    for (from, to) in [(0, 0), (1, place)] {
        (alone.coefficients[to], alone.standard_errors[to]) =
            (better.coefficients[from], better.standard_errors[from]);
    }
    // Models that say the same, or one that is constant, add nothing to each other.
    let Ok((both, is_firth)) = fit(&[prs, sequence]) else {
        return Ok(alone);
    };
    let gain = 2.0 * (both.log_likelihood - better.log_likelihood);
    let helps = gain > THRESHOLD
        && both.coefficients[1..]
            .iter()
            .all(|coefficient| *coefficient > 0.0);
    // Two kinds of likelihood cannot be compared.
    if !helps || is_firth != better_is_firth {
        return Ok(alone);
    }
    let shrinkage = 1.0 - THRESHOLD / gain;
    let mut mixed = Shrunk {
        shrinkage,
        is_firth,
        ..alone
    };
    for (number, coefficient) in mixed.coefficients.iter_mut().enumerate() {
        *coefficient = (1.0 - shrinkage) * *coefficient + shrinkage * both.coefficients[number];
        mixed.standard_errors[number] = both.standard_errors[number];
    }
    Ok(mixed)
}

/// Logistic regression on the logits of some models, with Firth's penalty where they separate the
/// classes.
fn fit(models: &[&Column]) -> Result<(Fit, bool), String> {
    let columns: Vec<&[f64]> = models
        .iter()
        .map(|column| column.logits.as_slice())
        .collect();
    let names: Vec<&str> = models.iter().map(|column| column.model.as_str()).collect();
    let failed = |failure| format!("the regression on {} is {failure}", names.join(" and "));
    let is_case = &models[0].is_case;
    match logistic(&columns, is_case, None, Likelihood::Plain) {
        Ok(fit) => Ok((fit, false)),
        Err(Failure::Separated) => Ok((
            logistic(&columns, is_case, None, Likelihood::Firth).map_err(failed)?,
            true,
        )),
        Err(failure) => Err(failed(failure)),
    }
}
