//! `auc.csv` and `roc.csv`: how well each model tells cases from controls. An undefined value is empty, with the reason beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Split;

/// Area under the ROC curve of one model on one split, and its difference to one other model on the same people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AucRow {
    /// The model evaluated.
    pub model: String,
    /// The split it was evaluated on.
    pub split: Split,
    /// People with the disease.
    pub n_cases: usize,
    /// People without.
    pub n_controls: usize,
    /// Probability that a case scores above a control, ties counted half.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub auroc: Option<f64>,
    /// Lower end of DeLong's 95 % interval.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ci_low: Option<f64>,
    /// Upper end.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ci_high: Option<f64>,
    /// The model this one is compared to; empty for that model itself.
    pub compared_to: Option<String>,
    /// `auroc` minus that of `compared_to`.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub delta_auroc: Option<f64>,
    /// Lower end of the difference's 95 % interval.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub delta_ci_low: Option<f64>,
    /// Upper end.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub delta_ci_high: Option<f64>,
    /// Two-sided p-value of DeLong's paired test that the difference is zero; 0 stands for less than 1e-300.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p_value: Option<f64>,
    /// Why a value is empty or needs care; empty otherwise.
    pub reason: Option<String>,
}

/// Columns of `auc.csv`, in order.
pub const AUC_COLUMNS: [&str; 13] = [
    "model",
    "split",
    "n_cases",
    "n_controls",
    "auroc",
    "ci_low",
    "ci_high",
    "compared_to",
    "delta_auroc",
    "delta_ci_low",
    "delta_ci_high",
    "p_value",
    "reason",
];

/// One corner of a ROC curve: the rates when everyone with a logit of at least `threshold` is called a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RocPoint {
    /// The model.
    pub model: String,
    /// The split it was evaluated on.
    pub split: Split,
    /// A logit; empty for the first point, where no one is called a case.
    pub threshold: Option<f64>,
    /// Share of the controls called cases (1 - specificity).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub false_positive_rate: f64,
    /// Share of the cases called cases (sensitivity).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub true_positive_rate: f64,
}

/// Columns of `roc.csv`, in order.
pub const ROC_COLUMNS: [&str; 5] = ["model", "split", "threshold", "false_positive_rate", "true_positive_rate"];
