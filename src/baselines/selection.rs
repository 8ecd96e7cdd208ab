//! Choice of the hyperparameters of learned baselines by the AUROC of the validation split.

use std::fmt;

use ndarray::Array1;
use serde::{Deserialize, Serialize};

use crate::baselines::Error;
use gf_cohort_schema::counted;
use gf_stats::roc::auroc;

/// Hyperparameters of one learned baseline.
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
        /// Fraction of the penalty on absolute values; the rest is on squares.
        l1_ratio: f64,
        /// Penalty per sample (glmnet's lambda).
        lambda: f64,
    },
    /// Clumping and thresholding.
    Threshold {
        /// Largest p-value of the alleles in the score.
        p_value: f64,
        /// Factor of the score's coefficient, which is fitted on the samples that its weights come
        /// from.
        shrinkage: f64,
    },
}

impl fmt::Display for Hyperparameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::L2 { alpha } => write!(f, "penalty {alpha:.3}"),
            Self::ElasticNet { l1_ratio, lambda } => {
                write!(f, "l1_ratio {l1_ratio}, penalty {lambda:.5} per sample")
            }
            Self::Threshold { p_value, shrinkage } => {
                let p_value = shown_p_value(*p_value);
                write!(f, "p <= {p_value}, shrunk by the factor {shrinkage}")
            }
        }
    }
}

/// A threshold as it is usually written: 5e-8, 0.001 or 0.05.
fn shown_p_value(p_value: f64) -> String {
    if p_value < 1e-3 {
        format!("{p_value:e}")
    } else {
        p_value.to_string()
    }
}

/// One hyperparameter setting with its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The setting.
    pub setting: Hyperparameters,
    /// Number of dosages with a weight.
    pub n_dosages: usize,
    /// AUROC on the validation split; `None` if the fit failed or no dosage has a weight.
    pub validation_auroc: Option<f64>,
    /// Why the fit failed.
    pub failure: Option<String>,
}

/// The settings of one learned baseline and the chosen one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The baseline.
    pub model: String,
    /// All settings, in the order in which they were tried.
    pub tried: Vec<Tried>,
    /// The setting with the highest AUROC, the first among equals.
    pub chosen: Hyperparameters,
}

impl Choice {
    /// Chooses the setting with the highest validation AUROC, the first among equals, and returns
    /// its fit.
    ///
    /// # Errors
    /// No setting could be fitted.
    pub fn select<T>(model: &str, tried: Vec<(Tried, Option<T>)>) -> Result<(Self, T), Error> {
        let mut highest = f64::NAN;
        let mut best: Option<(Hyperparameters, T)> = None;
        let mut points = Vec::with_capacity(tried.len());
        for (point, fit) in tried {
            if let Some(auroc) = point.validation_auroc
                && let Some(fit) = fit
                && (best.is_none() || auroc > highest)
            {
                highest = auroc;
                best = Some((point.setting, fit));
            }
            points.push(point);
        }
        match best {
            Some((chosen, fit)) => Ok((
                Self {
                    model: model.into(),
                    tried: points,
                    chosen,
                },
                fit,
            )),
            None => Err(Error::NoSetting {
                model: model.into(),
                failure: points.into_iter().rev().find_map(|point| point.failure),
            }),
        }
    }

    /// The chosen setting with its result.
    #[must_use]
    pub fn best(&self) -> Option<&Tried> {
        self.tried
            .iter()
            .find(|point| point.setting == self.chosen && point.validation_auroc.is_some())
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let best = self.best();
        let n_dosages = best.map_or(0, |best| best.n_dosages);
        let auroc = best
            .and_then(|best| best.validation_auroc)
            .unwrap_or(f64::NAN);
        let n_tried = self.tried.len();
        let dosages = counted(n_dosages, "dosage", "dosages");
        write!(
            f,
            "{}: {dosages}, {} (validation AUC {auroc:.3}; best of {n_tried} tried)",
            self.model, self.chosen
        )?;
        for point in &self.tried {
            if let Hyperparameters::Threshold { p_value, .. } = point.setting {
                let auroc = point
                    .validation_auroc
                    .map_or_else(|| "-".into(), |auroc| format!("{auroc:.3}"));
                let dosages = counted(point.n_dosages, "dosage", "dosages");
                let p_value = shown_p_value(p_value);
                write!(f, "\n  p <= {p_value}: {dosages}, validation AUC {auroc}")?;
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
/// A class is empty.
pub fn auroc_of(logits: &[f64], is_case: &Array1<bool>) -> Result<f64, Error> {
    let mut cases = Vec::new();
    let mut controls = Vec::new();
    for (&logit, &is_case) in logits.iter().zip(is_case) {
        if is_case {
            cases.push(logit);
        } else {
            controls.push(logit);
        }
    }
    auroc(&cases, &controls).map_err(Error::Validation)
}
