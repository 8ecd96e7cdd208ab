//! One training loop for every model.
//!
//! Input -> output: a token folder and a cohort -> a model bundle: `config.json`, `model.safetensors`, `tokenizer.json`, `grid.json`,
//! `training_log.csv`, `predictions.csv`. AdamW with warm-up and cosine decay; the weights of the epoch with the best validation AUC are
//! kept. After each epoch a checkpoint is written from which the same command goes on to the same bytes.

mod bundle;
mod checkpoint;
pub mod cost;
mod optimizer;

pub use self::{
    bundle::{Bundle, BundleConfig},
    optimizer::{AdamW, Moments},
};

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::Instant,
};

use gf_cohort_schema::{Cohort, CovariateChoice, PhenotypeCoding, Prediction, Split, probability, write_predictions};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use self::checkpoint::Checkpoint;
use crate::{
    dataset::{self, Dataset, Standardisation, logits},
    evaluation::roc,
    models::{Architecture, Config, LocusShape, Model},
    nn::{Parameters, binary_cross_entropy},
    output, tokenization,
};

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Passes over the training people, at most.
    pub epochs: usize,
    /// People in a batch.
    pub batch_size: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Share of all steps in which the learning rate rises to it; then it falls to zero along a cosine.
    pub warmup: f64,
    /// Decoupled weight decay of every matrix.
    pub weight_decay: f64,
    /// The gradient is scaled down to this norm over all parameters.
    pub clip_norm: f64,
    /// Epochs without a better validation AUC after which training stops. The loss often stands still for many epochs before it falls.
    pub patience: usize,
    /// Starts the parameters and shuffles the people.
    pub seed: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { epochs: 24, batch_size: 64, learning_rate: 2e-3, warmup: 0.2, weight_decay: 0.05, clip_norm: 1.0, patience: 16, seed: 1 }
    }
}

/// What the stage needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Folder that `tokenize` wrote.
    pub tokens: PathBuf,
    /// Cohort table.
    pub cohort: PathBuf,
    /// How its phenotypes are written.
    pub phenotype_coding: PhenotypeCoding,
    /// Which of its columns are covariates of the model.
    pub covariates: CovariateChoice,
    /// Folder of the model bundle.
    pub out: PathBuf,
    /// Name in every table; the preset's when absent.
    pub name: Option<String>,
    /// The model.
    pub architecture: Architecture,
    /// Its training.
    pub schedule: Schedule,
    /// What to do with a checkpoint in `out`.
    pub resume: Resume,
}

/// What to do with a checkpoint of an earlier run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resume {
    /// Start again.
    #[default]
    No,
    /// Go on from it; refuse one of other inputs or options.
    Yes,
    /// Go on from it; start again where it is of other inputs or options.
    IfSame,
}

/// One line of `training_log.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochLog {
    /// 1-based.
    pub epoch: usize,
    /// Mean loss over the epoch's batches.
    pub train_loss: f64,
    /// AUC on the validation split.
    pub validation_auroc: f64,
    /// At the end of the epoch.
    pub learning_rate: f64,
    /// Wall-clock time of the epoch.
    pub seconds: f64,
}

impl EpochLog {
    /// Numbers in a row of the checkpoint's log.
    const LEN: usize = 5;

    fn numbers(&self) -> [f64; Self::LEN] {
        [self.epoch as f64, self.train_loss, self.validation_auroc, self.learning_rate, self.seconds]
    }

    fn from_numbers(row: &[f64]) -> Option<Self> {
        let &[epoch, train_loss, validation_auroc, learning_rate, seconds] = row else { return None };
        Some(Self { epoch: epoch as usize, train_loss, validation_auroc, learning_rate, seconds })
    }
}

const LOG_COLUMNS: [&str; 5] = ["epoch", "train_loss", "validation_auroc", "learning_rate", "seconds"];

/// What the stage did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the model.
    pub name: String,
    /// Values over all parameters.
    pub n_parameters: usize,
    /// People trained on.
    pub n_training: usize,
    /// People of the validation split.
    pub n_validation: usize,
    /// Epochs run, those before a resumption included.
    pub epochs_run: usize,
    /// Epoch whose weights were kept.
    pub best_epoch: usize,
    /// Its validation AUC.
    pub best_validation_auroc: f64,
    /// Epochs taken over from a checkpoint.
    pub epochs_resumed: usize,
    /// Covariates that are the same in all training people, which the model does not see.
    pub constant_covariates: Vec<String>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for name in &self.constant_covariates {
            writeln!(f, "covariate `{name}` is the same in all training people and left out")?;
        }
        writeln!(
            f,
            "{}: {} parameters, {} people; epoch {} of {} kept (validation AUC {:.4})",
            self.name, self.n_parameters, self.n_training, self.best_epoch, self.epochs_run, self.best_validation_auroc
        )
    }
}

/// Why no model was trained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cohort table is wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// The token folder is wrong.
    #[error(transparent)]
    Tokens(#[from] tokenization::Error),
    /// Tokens and cohort do not fit.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// Nothing may be fitted on the people it is judged by.
    #[error("{}: the tokenizer was fitted on `{sample}`, who is in {split} here: tokenize again with this cohort", path.display())]
    FittedOnHeldOut {
        /// Token folder.
        path: PathBuf,
        /// One of them.
        sample: String,
        /// Where the cohort has that person.
        split: Split,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A bundle or checkpoint cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A checkpoint of another training.
    #[error("{}: this checkpoint belongs to other inputs or options; delete it, or choose another folder", path.display())]
    OtherCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// An option makes no sense.
    #[error("{0}")]
    Options(String),
    /// Training ran away.
    #[error("the loss is not finite in epoch {epoch} (step {step}); lower the learning rate ({learning_rate})")]
    Diverged {
        /// 1-based.
        epoch: usize,
        /// Within the epoch, 1-based.
        step: usize,
        /// The highest learning rate.
        learning_rate: f64,
    },
}

/// Heard while the loop runs, for a progress bar.
#[derive(Clone, Debug)]
pub enum Progress<'p> {
    /// A step of an epoch is done.
    Step {
        /// 1-based epoch, of how many.
        epoch: (usize, usize),
        /// Steps done, of how many.
        step: (usize, usize),
        /// Loss of the step's batch.
        loss: f64,
    },
    /// An epoch is done.
    Epoch(&'p EpochLog),
}

/// Trains one model and writes its bundle.
///
/// # Errors
/// Inputs that are wrong or do not fit, options that make no sense, a loss that is not finite.
pub fn run(options: &Options, on_progress: &mut dyn FnMut(Progress<'_>)) -> Result<Summary, Error> {
    let Options { architecture, schedule, .. } = options;
    check(schedule)?;
    let cohort = Cohort::read(&options.cohort, options.phenotype_coding, &options.covariates)?;
    for split in [Split::Train, Split::Validation] {
        cohort.require_both_classes(split, &options.cohort)?;
    }
    let known = |split| -> Vec<usize> {
        cohort.in_split(split).filter(|(_, person)| person.phenotype.is_some()).map(|(person, _)| person).collect()
    };
    let (training, validation) = (known(Split::Train), known(Split::Validation));
    let folder = tokens_for(&cohort, &options.tokens)?;
    let standardisation = Standardisation::fit(&cohort, &training);
    let constant_covariates = standardisation.iter().filter(|column| column.is_constant()).map(|column| column.name.clone()).collect();
    let data = Dataset::new(&folder.tokens, &cohort, standardisation.clone())?;

    let config = Config {
        architecture: architecture.clone(),
        vocab_size: folder.tokenizer.vocab_len(),
        loci: folder.tokens.loci.iter().map(|locus| LocusShape { name: locus.name.clone(), n_slots: locus.n_slots }).collect(),
        n_covariates: standardisation.len(),
    };
    let name = options.name.clone().unwrap_or_else(|| architecture.preset.to_string());
    let digest = digest_of(options, &name)?;
    let checkpoint_path = options.out.join("checkpoint.safetensors");
    let resumed = match options.resume {
        Resume::No => None,
        Resume::Yes => Checkpoint::load_if_there(&checkpoint_path, &digest)?,
        Resume::IfSame => Checkpoint::load_if_there(&checkpoint_path, &digest).or_else(|error| match error {
            Error::OtherCheckpoint { .. } => Ok(None),
            other => Err(other),
        })?,
    };
    let epochs_resumed = resumed.as_ref().map_or(0, |checkpoint| checkpoint.state.log.len());
    let mut parameters = match &resumed {
        Some(checkpoint) => Parameters::saved(checkpoint.parameters.clone()),
        None => Parameters::seeded(schedule.seed),
    };
    let model = Model::new(&config, &mut parameters)?;
    let mut loop_state = match resumed {
        Some(checkpoint) => checkpoint,
        None => Checkpoint::start(digest, &parameters)?,
    };

    let n_steps = training.len().div_ceil(schedule.batch_size);
    let optimizer = AdamW::new(schedule.weight_decay, schedule.clip_norm);
    while !loop_state.is_finished(schedule) {
        let epoch = loop_state.state.log.len() + 1;
        let started = Instant::now();
        let mut order = training.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(schedule.seed);
        rng.set_stream(epoch as u64);
        order.shuffle(&mut rng);
        let (mut loss_sum, mut learning_rate) = (0.0, 0.0);
        for (step, people) in order.chunks(schedule.batch_size).enumerate() {
            learning_rate = rate_at((epoch - 1) * n_steps + step, schedule.epochs * n_steps, schedule);
            let logits = model.forward(&data.input(people)?)?;
            let loss = binary_cross_entropy(&logits, &data.targets(people)?)?;
            let value = f64::from(loss.to_scalar::<f32>()?);
            if !value.is_finite() {
                return Err(Error::Diverged { epoch, step: step + 1, learning_rate: schedule.learning_rate });
            }
            loss_sum += value * people.len() as f64;
            optimizer.step(&parameters, &loss.backward()?, &mut loop_state.moments, learning_rate)?;
            on_progress(Progress::Step { epoch: (epoch, schedule.epochs), step: (step + 1, n_steps), loss: value });
        }
        let log = EpochLog {
            epoch,
            train_loss: loss_sum / training.len() as f64,
            validation_auroc: auroc_of(&model, &data, &cohort, &validation)?,
            learning_rate,
            seconds: started.elapsed().as_secs_f64(),
        };
        on_progress(Progress::Epoch(&log));
        loop_state.end_epoch(log, &parameters)?;
        loop_state.save(&checkpoint_path)?;
    }

    let mut parameters = Parameters::saved(loop_state.best.clone());
    let model = Model::new(&config, &mut parameters)?;
    let everyone: Vec<usize> = (0..cohort.people.len()).collect();
    let rows = predictions(&name, &cohort, &logits(&model, &data, &everyone)?);
    let state = &loop_state.state;
    let bundle = Bundle {
        config: BundleConfig::new(name.clone(), config, folder.genome, standardisation, state.best_epoch, schedule.seed),
        tokenizer: folder.tokenizer,
        grid: folder.grid,
        parameters: loop_state.best.clone(),
    };
    output::write_csv(&options.out.join("training_log.csv"), &LOG_COLUMNS, &state.log)?;
    output::write(&options.out.join("predictions.csv"), |out| write_predictions(out, &rows))?;
    bundle.save(&options.out)?;
    std::fs::remove_file(&checkpoint_path).map_err(output::at(&checkpoint_path))?;
    Ok(Summary {
        name,
        n_parameters: parameters.n_values(),
        n_training: training.len(),
        n_validation: validation.len(),
        epochs_run: state.log.len(),
        best_epoch: state.best_epoch,
        best_validation_auroc: state.best_validation_auroc,
        epochs_resumed,
        constant_covariates,
    })
}

/// The tokens, if nobody whom they were fitted on is held out now.
fn tokens_for(cohort: &Cohort, path: &Path) -> Result<tokenization::Folder, Error> {
    let folder = tokenization::Folder::load(path)?;
    let fitted_on: HashSet<&str> = folder.fitted_on.iter().map(|&person| folder.tokens.samples[person].as_str()).collect();
    let mut held_out = [Split::Validation, Split::Test].into_iter().flat_map(|split| cohort.in_split(split));
    match held_out.find(|(_, person)| fitted_on.contains(person.sample_id.as_str())) {
        Some((_, person)) => Err(Error::FittedOnHeldOut { path: path.into(), sample: person.sample_id.clone(), split: person.split }),
        None => Ok(folder),
    }
}

fn check(schedule: &Schedule) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::Options(what.to_string()));
    if schedule.epochs == 0 || schedule.batch_size == 0 || schedule.patience == 0 {
        return wrong("epochs, batch_size and patience must be at least 1");
    }
    let positive = |value: f64| value.is_finite() && value > 0.0;
    if !positive(schedule.learning_rate) || !positive(schedule.clip_norm) {
        return wrong("learning_rate and clip_norm must be positive");
    }
    if !(0.0..1.0).contains(&schedule.warmup) || !schedule.weight_decay.is_finite() || schedule.weight_decay < 0.0 {
        return wrong("warmup must be in [0, 1) and weight_decay at least 0");
    }
    Ok(())
}

/// Learning rate of a step: a line up to the highest, then half a cosine down to zero (Loshchilov & Hutter 2017, arXiv 1608.03983).
fn rate_at(step: usize, n_steps: usize, schedule: &Schedule) -> f64 {
    let warmup = schedule.warmup * n_steps as f64;
    let done = step as f64 + 1.0;
    if done < warmup {
        return schedule.learning_rate * done / warmup;
    }
    let progress = ((done - warmup) / (n_steps as f64 - warmup).max(1.0)).min(1.0);
    schedule.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}

fn auroc_of(model: &Model, data: &Dataset<'_>, cohort: &Cohort, people: &[usize]) -> Result<f64, Error> {
    let (mut cases, mut controls) = (Vec::new(), Vec::new());
    for (&person, logit) in people.iter().zip(logits(model, data, people)?) {
        match cohort.people[person].phenotype {
            Some(gf_cohort_schema::Phenotype::Case) => cases.push(f64::from(logit)),
            Some(gf_cohort_schema::Phenotype::Control) => controls.push(f64::from(logit)),
            None => {}
        }
    }
    roc::auroc(&cases, &controls).map_err(|error| Error::Options(error.to_string()))
}

/// Prediction rows of everyone in a cohort.
fn predictions(name: &str, cohort: &Cohort, logits: &[f32]) -> Vec<Prediction> {
    let row = |(person, &logit): (&gf_cohort_schema::Person, &f32)| Prediction {
        sample_id: person.sample_id.clone(),
        model: name.to_string(),
        split: person.split,
        fold: None,
        phenotype: person.phenotype,
        logit: f64::from(logit),
        probability: probability(f64::from(logit)),
    };
    cohort.people.iter().zip(logits).map(row).collect()
}

/// Digest of everything that the trained weights depend on.
fn digest_of(options: &Options, name: &str) -> Result<String, Error> {
    let of = |path: &Path| output::sha256_of_file(path);
    let inputs = [of(&options.cohort)?, of(&options.tokens.join("tokens.safetensors"))?, of(&options.tokens.join("tokenizer.json"))?];
    let parts = serde_json::json!([inputs, name, options.phenotype_coding, options.covariates, options.architecture, options.schedule]);
    Ok(output::sha256(parts.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_then_falls_to_zero() {
        let schedule = Schedule { warmup: 0.25, learning_rate: 1.0, ..Schedule::default() };
        let rates: Vec<f64> = (0..100).map(|step| rate_at(step, 100, &schedule)).collect();
        assert!(rates[..24].is_sorted() && rates[25..].is_sorted_by(|a, b| a >= b));
        assert!((rates.iter().copied().fold(0.0, f64::max) - 1.0).abs() < 1e-6 && rates[99] < 1e-9);
    }

    #[test]
    fn schedules_that_make_no_sense_are_refused() {
        for schedule in [
            Schedule { epochs: 0, ..Schedule::default() },
            Schedule { learning_rate: f64::NAN, ..Schedule::default() },
            Schedule { warmup: 1.0, ..Schedule::default() },
            Schedule { weight_decay: -1.0, ..Schedule::default() },
        ] {
            assert!(check(&schedule).is_err());
        }
    }
}
