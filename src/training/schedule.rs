//! Training schedule: options and their limits, learning rate of a step, class weights.

use std::{fmt, str::FromStr};

use gf_cohort_schema::{Cohort, Phenotype};
use serde::{Deserialize, Serialize};

use super::Error;

/// How a model is trained: options of `train` and keys of `[models.schedule]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[command(next_help_heading = "Training")]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Largest number of passes over the training samples.
    #[arg(long, default_value_t = Schedule::default().epochs, value_name = "N")]
    pub epochs: usize,
    /// Samples in a batch.
    #[arg(long, default_value_t = Schedule::default().batch_size, value_name = "N")]
    pub batch_size: usize,
    /// Batches whose gradients are summed before one step of the optimizer. The result equals that
    /// of one larger batch.
    #[arg(long, default_value_t = Schedule::default().accumulate, value_name = "N")]
    pub accumulate: usize,
    /// Largest learning rate. The default suits 1,000 samples or more at the default sizes of the
    /// model. The program never searches for another one.
    #[arg(long, default_value_t = Schedule::default().learning_rate, value_name = "RATE")]
    pub learning_rate: f64,
    /// Fraction of all steps in which the learning rate rises linearly. Then it falls to zero along
    /// a cosine.
    #[arg(long, default_value_t = Schedule::default().warmup, value_name = "FRACTION")]
    pub warmup: f64,
    /// Decoupled weight decay of every matrix.
    #[arg(long, default_value_t = Schedule::default().weight_decay, value_name = "DECAY")]
    pub weight_decay: f64,
    /// Largest norm of the gradients over all parameters. Larger gradients are scaled down to it.
    #[arg(long, default_value_t = Schedule::default().clip_norm, value_name = "NORM")]
    pub clip_norm: f64,
    /// Weights of cases and controls in the loss: none, balanced, or two numbers such as 2,1. With
    /// balanced, both classes have the same total weight.
    #[arg(long, default_value_t = Schedule::default().class_weights, value_name = "WEIGHTS")]
    pub class_weights: ClassWeights,
    /// Number of epochs without a better validation AUC after which training stops. The loss often
    /// stays level for many epochs before it falls.
    #[arg(long, default_value_t = Schedule::default().patience, value_name = "EPOCHS")]
    pub patience: usize,
    /// Number of folds of a cross-validation over the training and validation splits.
    /// Families stay together. Each model predicts the samples of its own fold, which it has not
    /// seen, and the next fold chooses the epoch. Samples of the test split get the mean logit of
    /// all models. Tokens and covariate scales remain those of the training split, so they depend
    /// on its genomes but on no phenotype.
    #[arg(long, value_name = "K")]
    pub folds: Option<usize>,
    /// Number of models with the seeds SEED, SEED + 1, ... in one bundle. Predictions are their
    /// mean logit.
    #[arg(long, default_value_t = Schedule::default().ensemble, value_name = "N")]
    pub ensemble: usize,
    /// Memory for the haplotypes of a batch, in MB. A larger batch is encoded in chunks, which
    /// costs one more forward pass. The result depends on this number in its last digits.
    #[arg(long, default_value_t = Schedule::default().memory, value_name = "MB")]
    pub memory: usize,
    /// Seed of the initial weights, the order of samples and the folds. The same seed gives the
    /// same bytes.
    #[arg(long, default_value_t = Schedule::default().seed)]
    pub seed: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            epochs: 24,
            batch_size: 64,
            accumulate: 1,
            learning_rate: 2e-3,
            warmup: 0.2,
            weight_decay: 0.05,
            clip_norm: 1.0,
            class_weights: ClassWeights::None,
            patience: 16,
            folds: None,
            ensemble: 1,
            memory: 2_000,
            seed: 1,
        }
    }
}

impl Schedule {
    /// Checks the limits.
    ///
    /// # Errors
    /// An option outside of its limits.
    pub fn check(&self) -> Result<(), Error> {
        let counts = [
            self.epochs,
            self.batch_size,
            self.patience,
            self.accumulate,
            self.ensemble,
            self.memory,
        ];
        let reason = if counts.contains(&0) {
            "epochs, batch_size, patience, accumulate, ensemble and memory must be at least 1"
        } else if !is_positive(self.learning_rate) || !is_positive(self.clip_norm) {
            "learning_rate and clip_norm must be positive"
        } else if !(0.0..1.0).contains(&self.warmup)
            || !self.weight_decay.is_finite()
            || self.weight_decay < 0.0
        {
            "warmup must be in [0, 1) and weight_decay at least 0"
        } else if self.folds.is_some_and(|folds| folds < 3) {
            "folds must be at least 3: one to predict, one to choose the epoch, and the remaining \
             ones for training"
        } else {
            return Ok(());
        };
        Err(Error::Options(reason.into()))
    }

    /// Number of models to train.
    #[must_use]
    pub fn n_members(&self) -> usize {
        self.folds.unwrap_or(1).saturating_mul(self.ensemble)
    }

    /// Samples per optimizer step.
    pub(super) fn people_per_step(&self) -> usize {
        self.batch_size.saturating_mul(self.accumulate)
    }

    /// Bytes that the haplotypes of a batch may take.
    pub(super) fn bytes(&self) -> usize {
        self.memory.saturating_mul(1_000_000)
    }

    /// Learning rate of a step (0-based): linear warm-up, then half a cosine down to zero
    /// (Loshchilov & Hutter 2017, arXiv 1608.03983).
    ///
    /// With `t = step + 1` and `w = warmup * n_steps`: `rate * t / w` before `w`, and
    /// `rate * (1 + cos(pi (t - w) / (n_steps - w))) / 2` afterwards.
    pub(super) fn rate_at(&self, step: usize, n_steps: usize) -> f64 {
        let warmup = self.warmup * n_steps as f64;
        let done = step as f64 + 1.0;
        if done < warmup {
            return self.learning_rate * done / warmup;
        }
        let progress = ((done - warmup) / (n_steps as f64 - warmup).max(1.0)).min(1.0);
        self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

/// Weights of the loss by phenotype. The loss of a batch is the mean of the weighted losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClassWeights {
    /// Weight 1 for every sample.
    #[default]
    None,
    /// Both classes have the same total weight, and the mean weight is 1: `n / (2 n_class)`.
    Balanced,
    /// Weights of a case and of a control.
    Given(f64, f64),
}

impl ClassWeights {
    /// Weights of a case and of a control for these training samples.
    pub(super) fn over(self, cohort: &Cohort, people: &[usize]) -> [f64; 2] {
        let n = people.len() as f64;
        let n_cases = people
            .iter()
            .filter(|&&person| {
                cohort.people[person]
                    .phenotype
                    .is_some_and(Phenotype::is_case)
            })
            .count() as f64;
        match self {
            Self::None => [1.0, 1.0],
            Self::Balanced => [n / (2.0 * n_cases), n / (2.0 * (n - n_cases))],
            Self::Given(case, control) => [case, control],
        }
    }
}

/// A text that is not class weights.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a value for class weights; write none, balanced, or the weights of a case and a \
     control such as 2,1"
)]
pub struct UnknownClassWeights(String);

impl FromStr for ClassWeights {
    type Err = UnknownClassWeights;

    fn from_str(text: &str) -> Result<Self, UnknownClassWeights> {
        match text {
            "none" => return Ok(Self::None),
            "balanced" => return Ok(Self::Balanced),
            _ => {}
        }
        text.split_once(',')
            .and_then(|(case, control)| Some(Self::Given(weight(case)?, weight(control)?)))
            .ok_or_else(|| UnknownClassWeights(text.to_owned()))
    }
}

fn weight(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|weight| is_positive(*weight))
}

fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

impl fmt::Display for ClassWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Balanced => f.write_str("balanced"),
            Self::Given(case, control) => write!(f, "{case},{control}"),
        }
    }
}

impl TryFrom<String> for ClassWeights {
    type Error = UnknownClassWeights;

    fn try_from(text: String) -> Result<Self, UnknownClassWeights> {
        text.parse()
    }
}

impl From<ClassWeights> for String {
    fn from(weights: ClassWeights) -> Self {
        weights.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_then_falls_to_zero() {
        let schedule = Schedule {
            warmup: 0.25,
            learning_rate: 1.0,
            ..Schedule::default()
        };
        let rates: Vec<f64> = (0..100).map(|step| schedule.rate_at(step, 100)).collect();
        assert!(rates[..24].is_sorted() && rates[25..].is_sorted_by(|a, b| a >= b));
        assert!((rates.iter().copied().fold(0.0, f64::max) - 1.0).abs() < 1e-6 && rates[99] < 1e-9);
    }

    #[test]
    fn schedules_that_make_no_sense_are_refused() {
        for schedule in [
            Schedule {
                epochs: 0,
                ..Schedule::default()
            },
            Schedule {
                learning_rate: f64::NAN,
                ..Schedule::default()
            },
            Schedule {
                warmup: 1.0,
                ..Schedule::default()
            },
            Schedule {
                weight_decay: -1.0,
                ..Schedule::default()
            },
            Schedule {
                accumulate: 0,
                ..Schedule::default()
            },
            Schedule {
                folds: Some(2),
                ..Schedule::default()
            },
        ] {
            assert!(schedule.check().is_err());
        }
    }

    #[test]
    fn class_weights_are_read_as_they_are_written() {
        for text in ["none", "balanced", "2.5,1"] {
            assert_eq!(text.parse::<ClassWeights>().unwrap().to_string(), text);
        }
        for text in ["", "even", "1", "1,0", "1,nan", "1,2,3"] {
            assert!(
                text.parse::<ClassWeights>()
                    .unwrap_err()
                    .to_string()
                    .contains("none, balanced"),
                "{text}"
            );
        }
    }

    fn person(phenotype: Phenotype) -> gf_cohort_schema::Person {
        gf_cohort_schema::Person {
            sample_id: "x".into(),
            phenotype: Some(phenotype),
            split: gf_cohort_schema::Split::Train,
            family_id: None,
            covariates: Vec::new(),
        }
    }

    #[test]
    fn balanced_classes_weigh_the_same_and_a_person_one_on_average() {
        let people = [vec![Phenotype::Case; 3], vec![Phenotype::Control; 9]]
            .concat()
            .into_iter()
            .map(person)
            .collect();
        let cohort = Cohort {
            people,
            covariate_names: Vec::new(),
            ..Cohort::default()
        };
        let everyone: Vec<usize> = (0..12).collect();
        let [case, control] = ClassWeights::Balanced.over(&cohort, &everyone);
        assert!(
            (case * 3.0 - control * 9.0).abs() < 1e-12
                && (case * 3.0 + control * 9.0 - 12.0).abs() < 1e-12
        );
    }
}
