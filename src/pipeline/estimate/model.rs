//! Costs of the jobs of a model: training, prediction and the bundle.

use super::{Cost, HaplotypeCounts, Sizes, measured as m, n_slots};
use crate::{
    models::{Config, LocusShape},
    pipeline::plan::Plan,
    training::{self, AdditiveKind, ModelSettings},
};

/// Vocabulary size of a tokenizer whose size is unknown before it is fitted.
const MIN_VOCABULARY: usize = 5_000;

/// The quantities that the costs of a model's jobs depend on.
pub struct ModelWorkload<'a> {
    model: &'a ModelSettings,
    /// Samples of the job.
    n_samples: f64,
    /// Samples of the cohort.
    n_cohort: f64,
    /// Slot versions that the additive term may have weights for. 0 without an additive term.
    n_candidates: f64,
    /// Networks of each deep term.
    networks: f64,
    /// Training samples over all networks of a term, as a multiple of the training samples.
    trainings: f64,
    /// Seconds of one haplotype of every locus through one network of each term.
    forward_seconds: f64,
    /// Seconds of the prediction of the job's samples by one member.
    prediction_seconds: f64,
    /// Bytes of the weights of one member.
    weight_bytes: f64,
    /// Bytes of a batch. The terms are trained one after the other, so the largest counts.
    batch_bytes: f64,
    /// Bytes of the tokens of the whole cohort. Every job reads them all.
    token_bytes: f64,
}

impl<'a> ModelWorkload<'a> {
    /// Derives the quantities for a job on `n_samples` samples with `n_haplotypes` distinct
    /// haplotypes over its loci.
    ///
    /// # Errors
    /// An architecture whose cost cannot be counted.
    pub fn new(
        sizes: &Sizes,
        plan: &Plan,
        model: &'a ModelSettings,
        n_samples: f64,
        n_haplotypes: f64,
    ) -> anyhow::Result<Self> {
        let config = config(sizes, plan, model);
        let terms = TermCosts::sum(&config, model)?;
        let has_additive_term = model.additive != AdditiveKind::None;
        let networks = if has_additive_term {
            m::NETWORKS_PER_TERM
        } else {
            1.0
        };
        let trainings = if has_additive_term {
            m::TRAININGS_PER_TERM
        } else {
            1.0
        };
        let n_candidates = if has_additive_term {
            sizes.n_candidates()
        } else {
            0.0
        };
        let forward_seconds = terms.operations / m::OPERATIONS_PER_SECOND;
        let haplotypes_per_locus = n_haplotypes / sizes.loci_nt.len().max(1) as f64;
        let n_cohort = sizes.n_samples as f64;
        Ok(Self {
            model,
            n_samples,
            n_cohort,
            n_candidates,
            networks,
            trainings,
            forward_seconds,
            // Each distinct haplotype is encoded once.
            prediction_seconds: haplotypes_per_locus * forward_seconds * networks,
            weight_bytes: 4.0 * terms.parameters * networks,
            batch_bytes: terms.largest_batch_bytes,
            token_bytes: HaplotypeCounts::estimate(&sizes.loci_nt, n_cohort, plan).token_bytes(),
        })
    }

    /// Training of one member.
    pub fn train(&self) -> Cost {
        let schedule = &self.model.schedule;
        // The training split is about 0.6 of the samples. With K folds, a member trains on K - 2
        // of them.
        let training_fraction = schedule
            .folds
            .map_or(0.6, |folds| 0.8 * (folds as f64 - 2.0) / folds as f64);
        let n_training = self.n_samples * training_fraction;
        let haplotypes_per_epoch = n_training * 2.0 * m::DISTINCT_IN_BATCH;
        let steps_seconds = haplotypes_per_epoch * self.forward_seconds * m::TRAINING;
        let validation_seconds = 0.3 * self.prediction_seconds / self.networks;
        let epoch_seconds = self.trainings * (steps_seconds + validation_seconds);
        let candidate_values = self.n_candidates * n_training;
        let additive_seconds = m::ADDITIVE_FITS * candidate_values * m::SECONDS_PER_CANDIDATE;
        // The regression of the additive term and a batch are not in memory at the same time.
        let working_bytes = self
            .batch_bytes
            .max(candidate_values * m::BYTES_PER_CANDIDATE);
        Cost {
            threads: 4,
            seconds: schedule.epochs as f64 * epoch_seconds + additive_seconds,
            memory_bytes: self.token_bytes + working_bytes,
            disk_bytes: 4.0 * self.weight_bytes,
        }
    }

    /// Prediction of the job's samples by all members.
    pub fn predict(&self) -> Cost {
        let n_members = self.n_members();
        Cost {
            threads: 4,
            seconds: n_members * self.prediction_seconds,
            memory_bytes: self.token_bytes + self.batch_bytes + n_members * self.weight_bytes,
            disk_bytes: self.n_samples * 80.0,
        }
    }

    /// The bundle of all members. It also predicts the job's samples: those without a prediction
    /// job of their own.
    pub fn bundle(&self) -> Cost {
        let n_members = self.n_members();
        Cost {
            threads: 2,
            seconds: n_members * self.prediction_seconds,
            memory_bytes: self.token_bytes + self.batch_bytes + 4.0 * n_members * self.weight_bytes,
            disk_bytes: n_members * self.weight_bytes + self.n_cohort * 80.0,
        }
    }

    fn n_members(&self) -> f64 {
        self.model.schedule.n_members() as f64
    }
}

/// The model's configuration, with the estimated sizes of the loci and the vocabulary.
fn config(sizes: &Sizes, plan: &Plan, model: &ModelSettings) -> Config {
    let loci = sizes
        .loci_nt
        .iter()
        .enumerate()
        .map(|(number, nt)| LocusShape {
            name: number.to_string(),
            n_slots: n_slots(plan, *nt),
        })
        .collect();
    Config {
        architecture: model.architecture.clone(),
        vocab_size: MIN_VOCABULARY.max(sizes.vocabulary(plan).used_tokens as usize),
        loci,
        n_covariates: sizes.n_covariates,
    }
}

/// Costs of all deep terms of a model. A model without an additive term is one term.
#[derive(Default)]
struct TermCosts {
    /// Multiplications and additions of one haplotype of every locus.
    operations: f64,
    parameters: f64,
    largest_batch_bytes: f64,
}

impl TermCosts {
    fn sum(config: &Config, model: &ModelSettings) -> anyhow::Result<Self> {
        let mut sum = Self::default();
        for term in training::term_configs(config, model.additive, model.deep_terms) {
            let cost = term.cost()?;
            let batch_bytes = training::memory_of(&term, &model.schedule) as f64;
            sum.operations += (cost.multiplications + cost.additions) as f64;
            sum.parameters += cost.parameters as f64;
            sum.largest_batch_bytes = sum.largest_batch_bytes.max(batch_bytes);
        }
        Ok(sum)
    }
}
