//! Test for non-additive signal: a model with deep terms against its additive term alone.
//!
//! Input -> output: scores on the test split -> a paired test of the AUC difference for each model
//! `additive+NAME` to `additive`, and for each model `NAME` to `NAME-additive` where there is one.
//! A positive difference is signal that no sum of alleles has.

use std::fmt;

use gf_cohort_schema::Split;
use serde::Serialize;

use super::{auroc::aurocs, bootstrap::Bootstrap};
use crate::predictions::{Column, Scores};

/// Name of the additive model.
const ADDITIVE: &str = "additive";
/// Prefix of the name of a model with deep terms next to the additive one.
const WITH_DEEP_TERMS: &str = "additive+";

/// Difference of one model to its additive term.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NonAdditive {
    /// The model with deep terms.
    pub model: String,
    /// Its additive term alone.
    pub additive: String,
    /// AUC of the model on the test split.
    pub auroc: f64,
    /// This AUC minus that of the additive term.
    pub delta: f64,
    /// 95 % interval of the difference and p-value; `None` where both predict the same.
    pub inference: Option<([f64; 2], f64)>,
}

impl fmt::Display for NonAdditive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model,
            additive,
            delta,
            ..
        } = self;
        match self.inference {
            Some(([low, high], p_value)) => write!(
                f,
                "Non-additive signal: the AUC of {model} minus that of {additive} on the test \
                 split is {delta:+.3} (95 % CI {low:+.3} to {high:+.3}), p {p_value:.2e}."
            ),
            None => write!(
                f,
                "Non-additive signal: {model} predicts the same as {additive}, because no deep \
                 term helped on the validation split."
            ),
        }
    }
}

/// The test for every model with deep terms.
pub fn tests(scores: &Scores, bootstrap: Option<&Bootstrap<'_>>) -> Vec<NonAdditive> {
    scores
        .in_split(Split::Test)
        .iter()
        .filter_map(|column| test(column, scores, bootstrap))
        .collect()
}

/// `None` where the model has no additive term with predictions of the same samples.
fn test(
    column: &Column,
    scores: &Scores,
    bootstrap: Option<&Bootstrap<'_>>,
) -> Option<NonAdditive> {
    let additive = scores.column(Split::Test, &additive_of(&column.model))?;
    let mut estimates = aurocs(&[column, additive], Some(&additive.model), bootstrap);
    let estimate = estimates.swap_remove(0).ok()?;
    let difference = estimate.difference?;
    Some(NonAdditive {
        model: column.model.clone(),
        additive: additive.model.clone(),
        auroc: estimate.auroc,
        delta: difference.delta,
        inference: difference
            .inference
            .map(|(interval, p_value)| ([interval.low, interval.high], p_value)),
    })
}

/// Name that the additive term of a model would have.
fn additive_of(model: &str) -> String {
    if model.starts_with(WITH_DEEP_TERMS) {
        ADDITIVE.to_owned()
    } else {
        format!("{model}-{ADDITIVE}")
    }
}
