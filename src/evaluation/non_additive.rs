//! The headline test: does a model with deep terms tell cases from controls better than its
//! additive term alone?
//!
//! Input -> output: scores -> for each model `additive+NAME` the difference of its AUC on the test
//! split to that of `additive`, and for each model `NAME` to `NAME-additive` where there is one,
//! with a paired test (`non_additive.csv`). A gain is signal that no sum of alleles has.

use std::{fmt, path::Path};

use gf_cohort_schema::{Split, nine_significant_digits};
use serde::Serialize;

use super::{
    auroc::aurocs,
    bootstrap::Bootstrap,
    scores::{Column, Scores},
};
use gf_files::output;

/// Name of the additive model.
const ADDITIVE: &str = "additive";
/// What the name of a model with deep terms next to it begins with.
const WITH_DEEP_TERMS: &str = "additive+";

/// Columns of `non_additive.csv`, in order.
pub const COLUMNS: [&str; 8] = [
    "model",
    "compared_to",
    "split",
    "auroc",
    "delta_auroc",
    "delta_ci_low",
    "delta_ci_high",
    "p_value",
];

/// The difference of one model to its additive term.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NonAdditive {
    /// The model with deep terms.
    pub model: String,
    /// Its additive term alone.
    pub additive: String,
    /// Its AUC on the test split.
    pub auroc: f64,
    /// Its AUC minus that of the additive term.
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
                "Non-additive signal: {model} minus {additive} on the test split: {delta:+.3} (95 \
                 % CI {low:+.3} to {high:+.3}), p {p_value:.2e}."
            ),
            None => write!(
                f,
                "Non-additive signal: {model} predicts as {additive} does, as no deep term helped \
                 on the validation split."
            ),
        }
    }
}

/// The test for every model with deep terms.
pub fn tests(scores: &Scores, bootstrap: Option<&Bootstrap<'_>>) -> Vec<NonAdditive> {
    let of_model = |column: &Column| {
        let additive = scores.column(Split::Test, &additive_of(&column.model))?;
        let mut found = aurocs(&[column, additive], Some(&additive.model), bootstrap);
        let area = found.swap_remove(0).ok()?;
        let difference = area.difference?;
        let inference = difference
            .inference
            .map(|(interval, p_value)| ([interval.low, interval.high], p_value));
        let model = column.model.clone();
        let additive = additive.model.clone();
        Some(NonAdditive {
            model,
            additive,
            auroc: area.auroc,
            delta: difference.delta,
            inference,
        })
    };
    scores
        .in_split(Split::Test)
        .iter()
        .filter_map(of_model)
        .collect()
}

/// Name of the additive term of a model, if it has one.
fn additive_of(model: &str) -> String {
    if model.starts_with(WITH_DEEP_TERMS) {
        ADDITIVE.to_owned()
    } else {
        format!("{model}-{ADDITIVE}")
    }
}

/// Writes `non_additive.csv`, or removes an older one where there is nothing to test.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, tests: &[NonAdditive]) -> Result<bool, output::Error> {
    if tests.is_empty() {
        output::remove_if_there(path)?;
        return Ok(false);
    }
    let record = |test: &NonAdditive| {
        let number = |value: Option<f64>| value.map(nine_significant_digits).unwrap_or_default();
        let interval = test.inference.map(|(interval, _)| interval);
        let p_value = test.inference.map(|(_, p_value)| p_value);
        [
            test.model.clone(),
            test.additive.clone(),
            Split::Test.to_string(),
            number(Some(test.auroc)),
            number(Some(test.delta)),
            number(interval.map(|[low, _]| low)),
            number(interval.map(|[_, high]| high)),
            number(p_value),
        ]
    };
    output::shareable::write_csv(path, &COLUMNS, tests.iter().map(record))?;
    Ok(true)
}
