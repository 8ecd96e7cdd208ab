//! The training loop of one network: epochs, steps, checkpoints, early stopping.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use candle_core::Device;
use gf_cohort_schema::{Cohort, Phenotype};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    AdamW, EpochLog, Error, Progress, Ranks, Resume, Schedule, Weights, additive,
    checkpoint::Checkpoint,
    error::FileProblem,
    gradients::{self, Batching, LossGradients},
    init::Initial,
    members::Member,
    tensorboard::EventFile,
};
use crate::layout;
use crate::{
    dataset::{Dataset, logits_within},
    models::{Config, Model},
};
use gf_files::output;
use gf_nn::Parameters;
use gf_stats::roc;

/// Inputs and options that all members share.
#[derive(Clone, Copy, Debug)]
pub struct SharedByMembers<'s> {
    pub config: &'s Config,
    pub data: &'s Dataset<'s>,
    /// Numbers of the loci of `config` and `data` among all loci.
    pub loci: &'s [usize],
    pub cohort: &'s Cohort,
    pub schedule: &'s Schedule,
    /// SHA-256 of all inputs and options that the weights depend on.
    pub digest: &'s str,
    /// Weights to start from; without them the seeds give the weights.
    pub initial: Option<&'s Initial>,
    pub resume: Resume,
    pub device: &'s Device,
    pub ranks: &'s Ranks,
}

/// The files of a member, and its number in the bundle.
#[derive(Clone, Debug)]
pub struct MemberFiles {
    /// 1-based member of the bundle, and the number of members.
    pub number: (usize, usize),
    /// 1-based deep term of the member, and the number of terms; `None` for a pure sequence model.
    pub term: Option<(usize, usize)>,
    /// 1-based fold of the training samples that the network does not see, and the number of folds.
    pub fold: Option<(usize, usize)>,
    pub checkpoint: PathBuf,
    /// Checkpoint of a member that is trained by itself. Its separate name keeps unfinished runs
    /// from writing to it.
    pub trained: PathBuf,
    /// Whether to write `trained` at the end.
    pub keep: bool,
    /// Folder of its TensorBoard events.
    pub events: Option<PathBuf>,
}

impl MemberFiles {
    /// Files of a deep term (1-based) of the member.
    pub fn of_term(&self, number: usize, n_terms: usize) -> Self {
        Self {
            term: Some((number, n_terms)),
            keep: false,
            ..self.with_suffix(&format!("term-{number}"))
        }
    }

    /// Files of the network of a deep term that does not see a fold (1-based) of the training
    /// samples.
    pub fn of_fold(&self, fold: usize, n_folds: usize) -> Self {
        Self {
            fold: Some((fold, n_folds)),
            ..self.with_suffix(&format!("fold-{fold}"))
        }
    }

    fn with_suffix(&self, suffix: &str) -> Self {
        Self {
            checkpoint: with_suffix(&self.checkpoint, suffix),
            trained: with_suffix(&self.trained, suffix),
            events: self.events.as_ref().map(|folder| folder.join(suffix)),
            ..self.clone()
        }
    }
}

/// `a.safetensors` -> `a-SUFFIX.safetensors`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(layout::part_of_member(&stem, suffix))
}

/// A trained network.
#[derive(Debug)]
pub struct Trained {
    /// Weights of the best epoch.
    pub weights: Weights,
    pub n_parameters: usize,
    pub best_epoch: usize,
    pub best_validation_auroc: f64,
    pub log: Vec<EpochLog>,
    /// Epochs resumed from a checkpoint.
    pub epochs_resumed: usize,
}

impl Trained {
    fn new(checkpoint: Checkpoint, n_parameters: usize, epochs_resumed: usize) -> Self {
        Self {
            weights: checkpoint.best,
            n_parameters,
            best_epoch: checkpoint.state.best_epoch,
            best_validation_auroc: checkpoint.state.best_validation_auroc,
            log: checkpoint.state.log,
            epochs_resumed,
        }
    }
}

/// Longest time between two checkpoints: a killed run loses at most the steps of this time.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(300);

/// Approximate number of slots that hash functions are fitted on.
///
/// It does not depend on `--memory`, so that the fit is the same on every machine.
const SLOTS_OF_A_FIT: usize = 1 << 17;

/// The first samples, as many as a fit of hash functions needs: fewer for long sequences.
fn samples_of_a_fit<'p>(config: &Config, samples: &'p [usize]) -> &'p [usize] {
    let n = (SLOTS_OF_A_FIT / (2 * config.total_slots()).max(1)).clamp(1, 16);
    &samples[..n.min(samples.len())]
}

/// State and weights at the start of a run.
struct Start {
    checkpoint: Checkpoint,
    parameters: Parameters,
    /// Whether the weights come with fitted hash functions.
    has_hashes: bool,
}

impl Start {
    /// From a checkpoint, else from the initial weights, else from the seed.
    fn new(
        setting: &SharedByMembers<'_>,
        member: &Member,
        files: &MemberFiles,
    ) -> Result<Self, Error> {
        if let Some((checkpoint, weights)) = resumed(setting, files)? {
            return Ok(Self {
                checkpoint,
                parameters: Parameters::saved(weights),
                has_hashes: true,
            });
        }
        let checkpoint = Checkpoint::start(setting.digest);
        let Some(initial) = setting.initial else {
            return Ok(Self {
                checkpoint,
                parameters: Parameters::seeded(member.seed),
                has_hashes: false,
            });
        };
        let member_number = files.number.0;
        let weights = initial.weights(member_number, setting.loci, setting.config, member.seed)?;
        Ok(Self {
            checkpoint,
            parameters: Parameters::saved(weights),
            has_hashes: initial.has_hashes(),
        })
    }
}

/// Whether an epoch is better than the best one so far.
///
/// A deep term is judged by the loss: the AUC of its sum with the additive term hardly moves while
/// a weak term is learnt.
fn is_better(log: &EpochLog, best: Option<&EpochLog>, files: &MemberFiles) -> bool {
    match best {
        None => true,
        Some(best) if files.term.is_some() => log.validation_loss < best.validation_loss,
        Some(best) => log.validation_auroc > best.validation_auroc,
    }
}

/// Trains a network from a checkpoint, from the initial weights or from its seed.
///
/// # Errors
/// - a checkpoint that cannot be used;
/// - a loss that is not finite;
/// - a file that cannot be written;
/// - [`Error::Stopped`] on a request to stop, after the state is written.
pub fn train(
    setting: &SharedByMembers<'_>,
    member: &Member,
    files: &MemberFiles,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Trained, Error> {
    let mut training = Training::new(setting, member, files)?;
    let epochs_resumed = training.checkpoint.state.log.len();
    while !training.checkpoint.is_finished(setting.schedule) {
        training.run_epoch(on_progress)?;
    }
    let Training {
        mut checkpoint,
        parameters,
        ..
    } = training;
    let has_new_epochs = epochs_resumed < checkpoint.state.log.len();
    if files.keep && (has_new_epochs || !files.trained.exists()) {
        checkpoint.save(&files.trained, &parameters)?;
        output::remove_if_there(&files.checkpoint)?;
    }
    Ok(Trained::new(
        checkpoint,
        parameters.n_values(),
        epochs_resumed,
    ))
}

/// The training of one network, between two steps.
struct Training<'t> {
    setting: &'t SharedByMembers<'t>,
    member: &'t Member,
    files: &'t MemberFiles,
    model: Model,
    parameters: Parameters,
    has_hashes: bool,
    optimizer: AdamW,
    batching: Batching,
    /// Samples of a step, over all ranks.
    samples_per_step: usize,
    /// Steps of an epoch.
    n_steps: usize,
    checkpoint: Checkpoint,
    last_save: Instant,
    events: Option<EventFile>,
}

impl<'t> Training<'t> {
    fn new(
        setting: &'t SharedByMembers<'t>,
        member: &'t Member,
        files: &'t MemberFiles,
    ) -> Result<Self, Error> {
        let schedule = setting.schedule;
        let Start {
            checkpoint,
            parameters,
            has_hashes,
        } = Start::new(setting, member, files)?;
        let mut parameters = parameters.on(setting.device);
        let model = Model::new(setting.config, &mut parameters)?;
        let events = event_file(setting, files, &checkpoint)?;
        let samples_per_step = schedule.people_per_step().saturating_mul(setting.ranks.n());
        let class_weights = schedule
            .class_weights
            .over(setting.cohort, &member.training);
        Ok(Self {
            setting,
            member,
            files,
            model,
            parameters,
            has_hashes,
            optimizer: AdamW::new(schedule.weight_decay, schedule.clip_norm),
            batching: Batching {
                batch_size: schedule.batch_size,
                bytes: schedule.bytes(),
                class_weights,
            },
            samples_per_step,
            n_steps: member.training.len().div_ceil(samples_per_step),
            checkpoint,
            last_save: Instant::now(),
            events,
        })
    }

    /// Runs the next epoch, or the rest of an interrupted one.
    fn run_epoch(&mut self, on_progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), Error> {
        let epoch = self.checkpoint.state.log.len() + 1;
        let timer = EpochTimer {
            earlier_seconds: self.checkpoint.partial.seconds,
            started: Instant::now(),
        };
        let order = order(self.member, epoch);
        if epoch == 1 && !self.has_hashes {
            let samples = samples_of_a_fit(self.setting.config, &order);
            let input = self.setting.data.input(samples)?;
            self.model.fit_hashes(&input, self.member.seed)?;
        }
        let n_steps_done = self.checkpoint.partial.n_steps;
        for (step, samples) in order
            .chunks(self.samples_per_step)
            .enumerate()
            .skip(n_steps_done)
        {
            let loss = self.run_step(epoch, step, samples)?;
            self.report_step(epoch, step, loss, &timer, on_progress)?;
        }
        let training_seconds = timer.seconds();
        let validation = validate(&self.model, self.setting, &self.member.validation)?
            .ok_or_else(|| self.diverged(epoch, self.n_steps))?;
        let n_training = self.member.training.len() as f64;
        let log = EpochLog {
            epoch,
            train_loss: self.checkpoint.partial.loss_sum / n_training,
            validation_auroc: validation.auroc,
            validation_loss: validation.loss,
            learning_rate: self.learning_rate(epoch, self.n_steps - 1),
            seconds: timer.seconds(),
            people_per_second: n_training / training_seconds,
        };
        on_progress(Progress::Epoch(&log));
        self.end_epoch(&log)
    }

    /// Takes one optimizer step (0-based); returns the mean loss of its samples.
    fn run_step(&mut self, epoch: usize, step: usize, samples: &[usize]) -> Result<f64, Error> {
        let LossGradients { loss, gradients } = gradients::of_step(
            &self.model,
            &self.parameters,
            self.setting.data,
            samples,
            self.batching,
            self.setting.ranks,
        )?;
        let learning_rate = self.learning_rate(epoch, step);
        let norm = self.optimizer.step(
            &self.parameters,
            &gradients,
            &mut self.checkpoint.moments,
            learning_rate,
        )?;
        if !loss.is_finite() || !norm.is_finite() {
            return Err(self.diverged(epoch, step + 1));
        }
        self.checkpoint.partial.n_steps = step + 1;
        self.checkpoint.partial.loss_sum += loss * samples.len() as f64;
        Ok(loss)
    }

    /// Reports a step (0-based), saves a checkpoint when it is due, and stops on request.
    fn report_step(
        &mut self,
        epoch: usize,
        step: usize,
        loss: f64,
        timer: &EpochTimer,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Error> {
        let epoch = (epoch, self.setting.schedule.epochs);
        let step = (step + 1, self.n_steps);
        let stop = Cell::new(false);
        on_progress(Progress::Step {
            member: self.files.number,
            term: self.files.term,
            fold: self.files.fold,
            epoch,
            step,
            loss,
            stop: &stop,
        });
        // All ranks stop or none: a rank that continued alone would wait for the others forever.
        let stops = self.setting.ranks.any(stop.get());
        let is_save_due = stops || self.last_save.elapsed() >= BETWEEN_CHECKPOINTS;
        if self.setting.ranks.is_first() && is_save_due {
            self.checkpoint.partial.seconds = timer.seconds();
            self.checkpoint
                .save(&self.files.checkpoint, &self.parameters)?;
            self.last_save = Instant::now();
        }
        if stops {
            return Err(Error::Stopped {
                member: self.files.number,
                epoch,
                step,
                path: self.files.checkpoint.clone(),
            });
        }
        Ok(())
    }

    fn end_epoch(&mut self, log: &EpochLog) -> Result<(), Error> {
        let is_better = is_better(log, self.checkpoint.best_log(), self.files);
        self.checkpoint
            .end_epoch(log.clone(), is_better, &self.parameters)?;
        if self.setting.ranks.is_first() {
            self.checkpoint
                .save(&self.files.checkpoint, &self.parameters)?;
        }
        self.last_save = Instant::now();
        if let Some(events) = &mut self.events {
            events.add(log)?;
        }
        Ok(())
    }

    /// Learning rate of a step (0-based) of an epoch (1-based).
    fn learning_rate(&self, epoch: usize, step: usize) -> f64 {
        let schedule = self.setting.schedule;
        schedule.rate_at(
            (epoch - 1) * self.n_steps + step,
            schedule.epochs * self.n_steps,
        )
    }

    fn diverged(&self, epoch: usize, step: usize) -> Error {
        let kept = match epoch {
            1 => "no epoch was finished, so nothing is kept".to_string(),
            _ => format!(
                "the state after epoch {} is kept in {}",
                epoch - 1,
                self.files.checkpoint.display()
            ),
        };
        Error::Diverged {
            epoch,
            step,
            learning_rate: self.setting.schedule.learning_rate,
            kept,
        }
    }
}

/// Wall-clock time of an epoch, over all runs that worked on it.
struct EpochTimer {
    /// Time before the checkpoint from which this run resumed.
    earlier_seconds: f64,
    started: Instant,
}

impl EpochTimer {
    fn seconds(&self) -> f64 {
        self.earlier_seconds + self.started.elapsed().as_secs_f64()
    }
}

/// The file for TensorBoard, which the first of several processes writes.
fn event_file(
    setting: &SharedByMembers<'_>,
    files: &MemberFiles,
    checkpoint: &Checkpoint,
) -> Result<Option<EventFile>, Error> {
    let folder = files.events.as_ref().filter(|_| setting.ranks.is_first());
    Ok(folder
        .map(|folder| EventFile::create(folder, &checkpoint.state.log))
        .transpose()?)
}

/// Loads a network that was trained by itself.
///
/// # Errors
/// A network that is not trained yet, or one of different inputs or options.
pub fn trained(setting: &SharedByMembers<'_>, files: &MemberFiles) -> Result<Trained, Error> {
    let Some((checkpoint, weights)) =
        Checkpoint::load_if_there(&files.trained, setting.digest, setting.device)?
    else {
        return Err(not_trained(files));
    };
    let mut parameters = Parameters::saved(weights).on(setting.device);
    Model::new(setting.config, &mut parameters)?;
    let n_epochs = checkpoint.state.log.len();
    Ok(Trained::new(checkpoint, parameters.n_values(), n_epochs))
}

/// The error for a member that is not trained yet.
pub fn not_trained(files: &MemberFiles) -> Error {
    let (number, n_members) = files.number;
    Error::file(
        &files.trained,
        FileProblem::NotTrained { number, n_members },
    )
}

/// The finished network of an earlier run, or the state in which an earlier run stopped.
fn resumed(
    setting: &SharedByMembers<'_>,
    files: &MemberFiles,
) -> Result<Option<(Checkpoint, Weights)>, Error> {
    if setting.resume == Resume::No {
        return Ok(None);
    }
    for path in [&files.trained, &files.checkpoint] {
        match Checkpoint::load_if_there(path, setting.digest, setting.device) {
            // A finished network is not written again, so a file of different inputs would stay.
            Err(Error::OtherCheckpoint { .. }) if setting.resume == Resume::IfSame => {
                output::remove_if_there(path)?;
            }
            Ok(None) => {}
            loaded => return loaded,
        }
    }
    Ok(None)
}

/// The training samples in the order of an epoch, shuffled by the seed and the epoch.
fn order(member: &Member, epoch: usize) -> Vec<usize> {
    let mut order = member.training.clone();
    let mut rng = ChaCha8Rng::seed_from_u64(member.seed);
    rng.set_stream(epoch as u64);
    order.shuffle(&mut rng);
    order
}

/// AUC and mean loss on the validation samples.
struct Validation {
    auroc: f64,
    loss: f64,
}

/// Validates a model; `None` when a logit is not finite.
fn validate(
    model: &Model,
    setting: &SharedByMembers<'_>,
    samples: &[usize],
) -> Result<Option<Validation>, Error> {
    let SharedByMembers {
        data,
        cohort,
        schedule,
        ranks,
        ..
    } = *setting;
    let logits = ranks.of_all(samples, |samples| {
        logits_within(schedule.bytes(), model, data, samples)
    })?;
    let mut cases = Vec::new();
    let mut controls = Vec::new();
    let mut loss = 0.0;
    for (&sample, logit) in samples.iter().zip(logits) {
        let total_logit = f64::from(logit) + f64::from(data.offset(sample));
        if !total_logit.is_finite() {
            return Ok(None);
        }
        let is_case = cohort.people[sample]
            .phenotype
            .is_some_and(Phenotype::is_case);
        loss += additive::loss(total_logit, is_case);
        if is_case {
            cases.push(total_logit);
        } else {
            controls.push(total_logit);
        }
    }
    let auroc = roc::auroc(&cases, &controls).map_err(|error| Error::Options(error.to_string()))?;
    Ok(Some(Validation {
        auroc,
        loss: loss / samples.len() as f64,
    }))
}

/// AUC of logits.
pub fn auroc(logits: &[f64], is_case: &[bool]) -> Result<f64, Error> {
    let mut cases = Vec::new();
    let mut controls = Vec::new();
    for (&logit, &is_case) in logits.iter().zip(is_case) {
        if is_case {
            cases.push(logit);
        } else {
            controls.push(logit);
        }
    }
    roc::auroc(&cases, &controls).map_err(|error| Error::Options(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{LocusShape, Preset};

    #[test]
    fn hashes_are_fitted_on_fewer_people_where_sequences_are_long() {
        for (n_slots, n_of_40, n_of_3) in
            [(100, 16, 3), (4_096, 16, 3), (8_192, 8, 3), (1 << 20, 1, 1)]
        {
            assert_eq!(n_samples_of_a_fit(n_slots, 40), n_of_40);
            assert_eq!(n_samples_of_a_fit(n_slots, 3), n_of_3);
        }
    }

    fn n_samples_of_a_fit(n_slots: usize, n_samples: usize) -> usize {
        let config = Config {
            architecture: Preset::Ecoformer.architecture(),
            vocab_size: 9,
            loci: vec![LocusShape {
                name: "L".into(),
                n_slots,
            }],
            n_covariates: 0,
        };
        let samples: Vec<usize> = (0..n_samples).collect();
        samples_of_a_fit(&config, &samples).len()
    }
}
