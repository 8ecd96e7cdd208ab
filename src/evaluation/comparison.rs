//! Which model the others are compared to.
//!
//! Input -> output: scores -> a [`Comparison`]. It is chosen on the validation split, so that the
//! test split never chooses it.

use std::{collections::BTreeSet, fmt};

use gf_cohort_schema::Split;
use serde::Serialize;

use super::{Error, auroc::placements, scores::Scores};
use gf_cohort_schema::counted;

/// The model that the others are compared to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "chosen", rename_all = "kebab-case")]
pub enum Comparison {
    /// Asked for.
    ByName {
        /// Its name.
        model: String,
    },
    /// The best baseline.
    OnValidation {
        /// Its name.
        model: String,
        /// Its AUROC on the validation split.
        auroc: f64,
        /// How many baselines it was chosen from.
        n_baselines: usize,
    },
    /// The only baseline there is.
    OnlyBaseline {
        /// Its name.
        model: String,
    },
    /// Several baselines, and no validation split to choose between them by.
    Undecided {
        /// Their names.
        baselines: String,
    },
    /// There is no baseline to compare to.
    None,
}

impl Comparison {
    /// Name of the model compared to.
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
            Self::ByName { model } => write!(formatter, "Compared to {model}, as asked for."),
            Self::OnValidation {
                model,
                auroc,
                n_baselines,
            } => write!(
                formatter,
                "Compared to {model}: of {} the highest AUC on the validation split ({auroc:.3}); \
                 the test split did not choose it.",
                counted(*n_baselines, "baseline", "baselines")
            ),
            Self::OnlyBaseline { model } => {
                write!(formatter, "Compared to {model}, the only baseline.")
            }
            Self::Undecided { baselines } => write!(
                formatter,
                "Compared to nothing: no validation split decides between the baselines \
                 {baselines}; name one with --compare-to."
            ),
            Self::None => write!(
                formatter,
                "Compared to nothing: no model among the predictions has the role of a baseline."
            ),
        }
    }
}

/// The model asked for, or the best baseline on the validation split. The principal components
/// alone are a probe and never chosen.
///
/// # Errors
/// No such model.
pub(super) fn choose(scores: &Scores, compare_to: Option<&str>) -> Result<Comparison, Error> {
    let models = scores.models();
    if let Some(model) = compare_to {
        if models.contains(model) {
            return Ok(Comparison::ByName {
                model: model.to_owned(),
            });
        }
        return Err(Error::UnknownModel {
            model: model.to_owned(),
            available: join(&models),
        });
    }
    let of_baselines = scores
        .columns
        .iter()
        .filter(|column| column.role.is_baseline());
    let baselines: BTreeSet<&str> = of_baselines.map(|column| column.model.as_str()).collect();
    let validation_auroc = |model: &str| {
        Some(
            placements(scores.column(Split::Validation, model)?)
                .ok()?
                .auroc(),
        )
    };
    let aurocs: Vec<(&str, f64)> = baselines
        .iter()
        .filter_map(|&model| Some((model, validation_auroc(model)?)))
        .collect();
    // Of equal ones the first by name: `max_by` takes the last.
    match aurocs.iter().rev().max_by(|a, b| a.1.total_cmp(&b.1)) {
        _ if baselines.len() == 1 => Ok(Comparison::OnlyBaseline {
            model: join(&baselines),
        }),
        Some(&(model, auroc)) => Ok(Comparison::OnValidation {
            model: model.to_owned(),
            auroc,
            n_baselines: baselines.len(),
        }),
        None if baselines.is_empty() => Ok(Comparison::None),
        None => Ok(Comparison::Undecided {
            baselines: join(&baselines),
        }),
    }
}

fn join(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
