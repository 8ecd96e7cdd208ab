//! `report.csv` of `tokenize`: counts and times of a tokenized cohort.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rows::whole_or_nine_digits;

/// A measure of the tokens of a cohort.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenMeasureRow<'a> {
    /// Name of the measure.
    pub measure: &'a str,
    /// Its value; empty if it is undefined.
    #[serde(serialize_with = "whole_or_nine_digits")]
    pub value: Option<f64>,
}
