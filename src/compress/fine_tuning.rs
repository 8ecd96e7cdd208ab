//! Fine-tuning of the factors: a few epochs at a low learning rate, which recover most of the AUC
//! that the factorisation lost.

use std::{collections::BTreeSet, path::Path};

use gf_cohort_schema::{CovariateChoice, MissingPolicies};
use serde::{Deserialize, Serialize};

use super::{Error, OnCohort};
use crate::training::{
    self, AdditiveKind, Bundle, DeepTerms, DeviceChoice, Progress, Resume, Schedule,
};

/// Settings of the fine-tuning. All other settings are the defaults of `train`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FineTuning {
    /// Passes over the training samples. The weights of the epoch with the best validation AUC are
    /// kept.
    pub epochs: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
}

impl FineTuning {
    /// A tenth of the default learning rate for training from scratch.
    #[must_use]
    pub fn default_learning_rate() -> f64 {
        Schedule::default().learning_rate / 10.0
    }

    /// Trains each member of `bundle`, saved in `start`, further on its own training samples, and
    /// writes the bundle and its predictions to `out`.
    pub(super) fn run(
        self,
        bundle: &Bundle,
        start: &Path,
        cohort: &OnCohort,
        seed: u64,
        out: &Path,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Bundle, Error> {
        let config = &bundle.config;
        let Self {
            epochs,
            learning_rate,
        } = self;
        let fold_numbers: BTreeSet<u32> = config
            .members
            .iter()
            .filter_map(|member| member.fold)
            .collect();
        let ensemble = config.members.len() / fold_numbers.len().max(1);
        let folds = (!fold_numbers.is_empty()).then_some(fold_numbers.len());
        // The seeds of several members assign samples to members. The seed of a single member is
        // free.
        let seed = if config.members.len() > 1 {
            config.members[0].seed
        } else {
            seed
        };
        let options = training::Options {
            tokens: cohort.tokens.clone(),
            cohort: cohort.cohort.clone(),
            phenotype_coding: cohort.phenotype_coding,
            covariates: CovariateChoice::Named(
                config
                    .covariates
                    .iter()
                    .map(|covariate| covariate.name.clone())
                    .collect(),
            ),
            missing: MissingPolicies::default(),
            out: out.into(),
            name: Some(config.name.clone()),
            architecture: config.model.architecture.clone(),
            additive: AdditiveKind::None,
            deep_terms: DeepTerms::default(),
            schedule: Schedule {
                epochs,
                patience: epochs,
                learning_rate,
                seed,
                folds,
                ensemble,
                ..Schedule::default()
            },
            offset: None,
            init: Some(start.into()),
            device: DeviceChoice::Cpu,
            tensorboard: None,
            resume: Resume::No,
        };
        training::run(&options, on_progress)?;
        Ok(Bundle::load(out)?)
    }
}
