//! Statistics to compare risk models: areas under ROC curves with intervals and tests, and
//! penalised logistic regression.
//!
//! ```text
//! logits of cases and controls -> roc -> delong (variance, interval, paired test)
//! columns and outcomes         -> regression (plain, Firth) and regression::elastic_net
//! ```

pub mod delong;
pub mod normal;
#[cfg(test)]
mod oracle;
mod p_value;
pub mod regression;
pub mod roc;

pub use self::p_value::p_value_text;
