//! Choice of the reference model of all comparisons.
//!
//! Input -> output: scores -> a [`Comparison`]. The validation split chooses the reference model;
//! the test split never does.

use std::{collections::BTreeSet, fmt};

use gf_cohort_schema::{Split, counted};
use serde::Serialize;

use super::Error;
use crate::predictions::Scores;

/// The reference model, and how it was chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "chosen", rename_all = "kebab-case")]
pub enum Comparison {
    /// Named by the option `compare_to`.
    ByName {
        /// Its name.
        model: String,
    },
    /// The baseline with the highest AUROC on the validation split.
    OnValidation {
        /// Its name.
        model: String,
        /// Its AUROC on the validation split.
        auroc: f64,
        /// Number of baselines.
        n_baselines: usize,
    },
    /// The only baseline.
    OnlyBaseline {
        /// Its name.
        model: String,
    },
    /// There are several baselines, and no validation split decides between them.
    Undecided {
        /// Their names.
        baselines: String,
    },
    /// There is no baseline.
    None,
}

impl Comparison {
    /// Name of the reference model.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::ByName { model }
            | Self::OnValidation { model, .. }
            | Self::OnlyBaseline { model } => Some(model),
            Self::Undecided { .. } | Self::None => None,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByName { model } => write!(formatter, "Reference: {model}, as requested."),
            Self::OnValidation {
                model,
                auroc,
                n_baselines,
            } => write!(
                formatter,
                "Reference: {model}, which has the highest validation AUC of {} ({auroc:.3}). The \
                 test split was not used to choose it.",
                counted(*n_baselines, "baseline", "baselines")
            ),
            Self::OnlyBaseline { model } => {
                write!(formatter, "Reference: {model}, the only baseline.")
            }
            Self::Undecided { baselines } => write!(
                formatter,
                "No reference, because no validation split decides between the baselines \
                 {baselines}. Name one with --compare-to."
            ),
            Self::None => write!(
                formatter,
                "No reference, because no model among the predictions has the role of a baseline."
            ),
        }
    }
}

/// The model named by `compare_to`, else the best baseline on the validation split. A probe
/// (principal components alone) is no baseline and never chosen.
///
/// # Errors
/// No such model.
pub(super) fn choose(scores: &Scores, compare_to: Option<&str>) -> Result<Comparison, Error> {
    match compare_to {
        Some(model) => by_name(scores, model),
        None => Ok(by_validation(scores)),
    }
}

fn by_name(scores: &Scores, model: &str) -> Result<Comparison, Error> {
    let models = scores.models();
    if !models.contains(model) {
        return Err(Error::UnknownModel {
            model: model.to_owned(),
            available: join(&models),
        });
    }
    Ok(Comparison::ByName {
        model: model.to_owned(),
    })
}

fn by_validation(scores: &Scores) -> Comparison {
    let baselines: BTreeSet<&str> = scores
        .columns
        .iter()
        .filter(|column| column.role.is_baseline())
        .map(|column| column.model.as_str())
        .collect();
    let aurocs: Vec<(&str, f64)> = baselines
        .iter()
        .filter_map(|&model| Some((model, validation_auroc(scores, model)?)))
        .collect();
    // `max_by` takes the last of equal ones; reversed, that is the first by name.
    let best = aurocs.iter().rev().max_by(|a, b| a.1.total_cmp(&b.1));
    match best {
        _ if baselines.len() == 1 => Comparison::OnlyBaseline {
            model: join(&baselines),
        },
        Some(&(model, auroc)) => Comparison::OnValidation {
            model: model.to_owned(),
            auroc,
            n_baselines: baselines.len(),
        },
        None if baselines.is_empty() => Comparison::None,
        None => Comparison::Undecided {
            baselines: join(&baselines),
        },
    }
}

fn validation_auroc(scores: &Scores, model: &str) -> Option<f64> {
    let validation = scores.column(Split::Validation, model)?;
    Some(validation.placements().ok()?.auroc())
}

fn join(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
