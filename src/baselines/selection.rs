//! What was tried on the way to a learned baseline, and what was chosen: always by the AUROC of the
//! validation split.

use std::fmt;

use ndarray::Array1;
use serde::{Deserialize, Serialize};

use crate::baselines::Error;
use crate::evaluation::roc::auroc;
use gf_cohort_schema::counted;

/// What is chosen for one baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Hyperparameters {
    /// Ridge regression.
    L2 {
        /// Penalty (linfa's alpha, scikit-learn's 1 / C).
        alpha: f64,
    },
    /// Elastic net.
    ElasticNet {
        /// Share of the penalty that is on absolute values; the rest is on squares.
        l1_ratio: f64,
        /// Penalty per person (glmnet's lambda).
        lambda: f64,
    },
    /// Clumping and thresholding.
    Threshold {
        /// Alleles up to this p-value are in the score.
        p_value: f64,
        /// The score's coefficient in the training people, who made its weights, is multiplied by
        /// this.
        shrinkage: f64,
    },
}

impl fmt::Display for Hyperparameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::L2 { alpha } => write!(f, "penalty {alpha:.3}"),
            Self::ElasticNet { l1_ratio, lambda } => {
                write!(f, "l1_ratio {l1_ratio}, penalty {lambda:.5} a person")
            }
            Self::Threshold { p_value, shrinkage } => {
                write!(f, "p <= {p_value}, shrunken to {shrinkage}")
            }
        }
    }
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The setting.
    pub setting: Hyperparameters,
    /// Dosages with a weight.
    pub n_dosages: usize,
    /// AUROC on the validation split; `None` when the fit failed or no dosage has a weight.
    pub validation_auroc: Option<f64>,
    /// Why the fit failed.
    pub failure: Option<String>,
}

/// How one learned baseline came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The baseline.
    pub model: String,
    /// All settings, in the order they were tried.
    pub tried: Vec<Tried>,
    /// The one chosen: the first of the best.
    pub chosen: Hyperparameters,
}

impl Choice {
    /// The best by the validation split, the first among equals, with what belongs to it.
    ///
    /// # Errors
    /// When nothing could be fitted.
    pub fn select<T>(model: &str, tried: Vec<(Tried, Option<T>)>) -> Result<(Self, T), Error> {
        let mut best: Option<(f64, Hyperparameters, T)> = None;
        let mut points = Vec::with_capacity(tried.len());
        for (point, fit) in tried {
            if let (Some(auroc), Some(fit)) = (point.validation_auroc, fit)
                && best.as_ref().is_none_or(|(highest, ..)| auroc > *highest)
            {
                best = Some((auroc, point.setting, fit));
            }
            points.push(point);
        }
        match best {
            Some((_, chosen, fit)) => Ok((
                Self {
                    model: model.into(),
                    tried: points,
                    chosen,
                },
                fit,
            )),
            None => Err(Error::NoSetting {
                model: model.into(),
                reason: points
                    .into_iter()
                    .rev()
                    .find_map(|point| point.failure)
                    .unwrap_or_else(|| "no dosage gets a weight".into()),
            }),
        }
    }

    /// What was tried and chosen, for the summary.
    #[must_use]
    pub fn best(&self) -> Option<&Tried> {
        self.tried
            .iter()
            .find(|point| point.setting == self.chosen && point.validation_auroc.is_some())
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n_dosages, auroc) = self.best().map_or((0, f64::NAN), |best| {
            (best.n_dosages, best.validation_auroc.unwrap_or(f64::NAN))
        });
        let n_tried = self.tried.len();
        let dosages = counted(n_dosages, "dosage", "dosages");
        write!(
            f,
            "{}: {dosages}, {} (validation AUROC {auroc:.3}; best of {n_tried} tried)",
            self.model, self.chosen
        )?;
        for point in &self.tried {
            if let Hyperparameters::Threshold { p_value, .. } = point.setting {
                let auroc = point
                    .validation_auroc
                    .map_or_else(|| "-".into(), |auroc| format!("{auroc:.3}"));
                let dosages = counted(point.n_dosages, "dosage", "dosages");
                write!(f, "\n  p <= {p_value}: {dosages}, validation AUROC {auroc}")?;
            }
            if let Some(failure) = &point.failure {
                write!(f, "\n  left out: {failure}")?;
            }
        }
        Ok(())
    }
}

/// AUROC of logits.
///
/// # Errors
/// When a class is not there.
pub fn auroc_of(logits: &[f64], is_case: &Array1<bool>) -> Result<f64, Error> {
    let of_class = |class: bool| -> Vec<f64> {
        logits
            .iter()
            .zip(is_case)
            .filter(|(_, is)| **is == class)
            .map(|(logit, _)| *logit)
            .collect()
    };
    auroc(&of_class(true), &of_class(false)).map_err(|error| Error::Validation {
        reason: error.to_string(),
    })
}
