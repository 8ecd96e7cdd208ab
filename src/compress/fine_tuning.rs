//! Training the factors further, which brings back most of what factorising took: a few epochs at a
//! low learning rate.

use std::{collections::BTreeSet, path::Path};

use gf_cohort_schema::{CovariateChoice, MissingPolicies};
use serde::{Deserialize, Serialize};

use super::{Error, OnCohort};
use crate::training::{
    self, AdditiveKind, Bundle, DeepTerms, DeviceChoice, Progress, Resume, Schedule,
};

/// How the low-rank model is trained further; all else is as `train` has it by default.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FineTuning {
    /// Passes over the training people; the weights of the one with the best validation AUC are
    /// kept.
    pub epochs: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
}

impl FineTuning {
    /// A tenth of the rate at which models are trained from nothing.
    #[must_use]
    pub fn default_learning_rate() -> f64 {
        Schedule::default().learning_rate / 10.0
    }

    /// Trains the model of `bundle`, which lies in `start`, each member further on its own people,
    /// and writes its bundle and predictions into `out`.
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
        let folds: BTreeSet<u32> = config
            .members
            .iter()
            .filter_map(|member| member.fold)
            .collect();
        let ensemble = config.members.len() / folds.len().max(1);
        let folds = (!folds.is_empty()).then_some(folds.len());
        // The seeds of several members say who is who; that of a single one may be any.
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
