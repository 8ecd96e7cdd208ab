//! Statistics to compare risk models: areas under ROC curves with intervals and tests, and
//! penalised logistic regression.
//!
//! ```text
//! logits of cases and controls -> roc -> delong (variance, interval, paired test)
//! columns and outcomes         -> regression (plain, Firth) and regression::elastic_net
//! ```

// A function called inside `pulp::Arch::dispatch` is compiled for the wide vector instructions only
// if it is inlined there.
#![allow(clippy::inline_always)]

pub mod delong;
pub mod normal;
#[cfg(test)]
mod oracle;
mod p_value;
pub mod regression;
pub mod roc;

pub use self::p_value::p_value_text;
