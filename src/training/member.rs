//! The loop: trains one member of a bundle, epoch by epoch, from a checkpoint to the next.

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
    gradients::{self, Batching},
    init::Initial,
    members::Member,
    tensorboard::EventFile,
};
use crate::{
    dataset::{Dataset, logits_within},
    evaluation::roc,
    models::{Config, Model},
};
use gf_files::output;
use gf_nn::Parameters;

/// What all members have in common.
#[derive(Clone, Copy, Debug)]
pub struct SharedByMembers<'s> {
    pub config: &'s Config,
    pub data: &'s Dataset<'s>,
    /// Numbers of the loci of `config` and `data` among all loci.
    pub loci: &'s [usize],
    pub cohort: &'s Cohort,
    pub schedule: &'s Schedule,
    /// Of everything the weights depend on.
    pub digest: &'s str,
    /// What the members start from, if not from their seeds alone.
    pub initial: Option<&'s Initial>,
    pub resume: Resume,
    pub device: &'s Device,
    pub ranks: &'s Ranks,
}

/// A member's own files and place.
#[derive(Clone, Debug)]
pub struct MemberFiles {
    /// 1-based, of how many.
    pub number: (usize, usize),
    /// 1-based deep term of the member, of how many; `None` for a pure sequence model.
    pub term: Option<(usize, usize)>,
    pub checkpoint: PathBuf,
    /// The member as it was trained by itself: a checkpoint under a name of its own, which no run
    /// that is still at work writes to.
    pub trained: PathBuf,
    /// Leave it there.
    pub keep: bool,
    /// Folder of its TensorBoard events.
    pub events: Option<PathBuf>,
}

impl MemberFiles {
    /// Files of a deep term (1-based) of the member.
    pub fn of_term(&self, number: usize, n_terms: usize) -> Self {
        let with_term = |path: &Path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{stem}-term-{number}.safetensors"))
        };
        Self {
            number: self.number,
            term: Some((number, n_terms)),
            checkpoint: with_term(&self.checkpoint),
            trained: with_term(&self.trained),
            keep: false,
            events: self
                .events
                .as_ref()
                .map(|folder| folder.join(format!("term-{number}"))),
        }
    }
}

impl MemberFiles {
    /// Files of the network of a deep term that does not see a fold (1-based) of the training
    /// samples.
    pub fn of_fold(&self, fold: u64) -> Self {
        let with_fold = |path: &Path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{stem}-fold-{fold}.safetensors"))
        };
        let events = self
            .events
            .as_ref()
            .map(|folder| folder.join(format!("fold-{fold}")));
        Self {
            checkpoint: with_fold(&self.checkpoint),
            trained: with_fold(&self.trained),
            events,
            ..self.clone()
        }
    }
}

/// A trained member.
#[derive(Debug)]
pub struct Trained {
    /// Weights of the best epoch.
    pub weights: Weights,
    pub n_parameters: usize,
    pub best_epoch: usize,
    pub best_validation_auroc: f64,
    pub log: Vec<EpochLog>,
    /// Epochs taken over from a checkpoint.
    pub epochs_resumed: usize,
}

impl Trained {
    fn new(checkpoint: Checkpoint, n_parameters: usize, epochs_resumed: usize) -> Self {
        let Checkpoint { state, best, .. } = checkpoint;
        Self {
            weights: best,
            n_parameters,
            best_epoch: state.best_epoch,
            best_validation_auroc: state.best_validation_auroc,
            log: state.log,
            epochs_resumed,
        }
    }
}

/// Longest time of which a killed run loses the steps.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(300);

/// Slots of the haplotypes that hash functions are fitted on, about. Not `--memory`: the fit is the
/// same whatever the machine.
const SLOTS_OF_A_FIT: usize = 1 << 17;

/// The first of `people`, as many as a fit of hash functions needs tokens of: fewer where sequences
/// are long.
fn some_people<'p>(config: &Config, people: &'p [usize]) -> &'p [usize] {
    let n = (SLOTS_OF_A_FIT / (2 * config.total_slots()).max(1)).clamp(1, 16);
    &people[..n.min(people.len())]
}

/// State and weights to begin with, and whether hashes are fitted: those of a checkpoint, else the
/// initial weights, else those of the seed.
fn start(
    setting: &SharedByMembers<'_>,
    member: &Member,
    place: &MemberFiles,
) -> Result<(Checkpoint, Parameters, bool), Error> {
    if let Some((checkpoint, weights)) = resumed(setting, place)? {
        return Ok((checkpoint, Parameters::saved(weights), true));
    }
    let checkpoint = Checkpoint::start(setting.digest);
    let Some(initial) = setting.initial else {
        return Ok((checkpoint, Parameters::seeded(member.seed), false));
    };
    let member_number = place.number.0;
    let weights = initial.weights(member_number, setting.loci, setting.config, member.seed)?;
    Ok((checkpoint, Parameters::saved(weights), initial.has_hashes()))
}

/// Whether an epoch is better than the best one so far. Next to an additive term the loss decides:
/// the AUC of the sum hardly moves while a weak term is learnt.
fn is_better(log: &EpochLog, best: Option<&EpochLog>, place: &MemberFiles) -> bool {
    match best {
        None => true,
        Some(best) if place.term.is_some() => log.validation_loss < best.validation_loss,
        Some(best) => log.validation_auroc > best.validation_auroc,
    }
}

/// Reports a step; whether the answer is to stop.
fn shows_step(
    on_progress: &mut dyn FnMut(Progress<'_>),
    place: &MemberFiles,
    epoch: (usize, usize),
    step: (usize, usize),
    loss: f64,
) -> bool {
    let stop = Cell::new(false);
    on_progress(Progress::Step {
        member: place.number,
        term: place.term,
        epoch,
        step,
        loss,
        stop: &stop,
    });
    stop.get()
}

/// Trains a member from the initial weights, or from those its seed gives.
///
/// # Errors
/// A checkpoint that cannot be used, a loss that is not finite, a file that cannot be written;
/// [`Error::Stopped`] when told to stop, after the state is written.
pub fn train(
    setting: &SharedByMembers<'_>,
    member: &Member,
    place: &MemberFiles,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Trained, Error> {
    let SharedByMembers {
        config,
        data,
        cohort,
        schedule,
        device,
        ranks,
        ..
    } = *setting;
    let (mut checkpoint, parameters, has_hashes) = start(setting, member, place)?;
    let mut parameters = parameters.on(device);
    let model = Model::new(config, &mut parameters)?;
    let epochs_resumed = checkpoint.state.log.len();
    let mut events = event_file(setting, place, &checkpoint)?;

    let people_per_step = schedule.people_per_step().saturating_mul(ranks.n());
    let n_steps = member.training.len().div_ceil(people_per_step);
    let optimizer = AdamW::new(schedule.weight_decay, schedule.clip_norm);
    let batching = Batching {
        batch_size: schedule.batch_size,
        bytes: schedule.bytes(),
        class_weights: schedule.class_weights.over(cohort, &member.training),
    };
    let mut saved = Instant::now();
    while !checkpoint.is_finished(schedule) {
        let epoch = checkpoint.state.log.len() + 1;
        let diverged = |step| diverged(epoch, step, schedule, &place.checkpoint);
        let learning_rate =
            |step| schedule.rate_at((epoch - 1) * n_steps + step, schedule.epochs * n_steps);
        // Of an epoch that was stopped within, the steps that are done.
        let before = checkpoint.partial;
        let started = Instant::now();
        if epoch == 1 && !has_hashes {
            model.fit_hashes(
                &data.input(some_people(config, &order(member, epoch)))?,
                member.seed,
            )?;
        }
        let order = order(member, epoch);
        for (step, people) in order
            .chunks(people_per_step)
            .enumerate()
            .skip(before.n_steps)
        {
            let (loss, gradients) =
                gradients::of_step(&model, &parameters, data, people, batching, ranks)?;
            let norm = optimizer.step(
                &parameters,
                &gradients,
                &mut checkpoint.moments,
                learning_rate(step),
            )?;
            if !loss.is_finite() || !norm.is_finite() {
                return Err(diverged(step + 1));
            }
            checkpoint.partial.n_steps = step + 1;
            checkpoint.partial.loss_sum += loss * people.len() as f64;
            let epoch = (epoch, schedule.epochs);
            let step = (step + 1, n_steps);
            let is_told_to_stop = shows_step(on_progress, place, epoch, step, loss);
            // All or none: who goes on alone would wait for the others for ever.
            let stops = ranks.any(is_told_to_stop);
            if ranks.is_first() && (stops || saved.elapsed() >= BETWEEN_CHECKPOINTS) {
                checkpoint.partial.seconds = before.seconds + started.elapsed().as_secs_f64();
                checkpoint.save(&place.checkpoint, &parameters)?;
                saved = Instant::now();
            }
            if stops {
                return Err(Error::Stopped {
                    member: place.number,
                    epoch,
                    step,
                    path: place.checkpoint.clone(),
                });
            }
        }
        let n_training = member.training.len() as f64;
        let training_seconds = before.seconds + started.elapsed().as_secs_f64();
        let (validation_auroc, validation_loss) =
            judge(&model, setting, &member.validation)?.ok_or_else(|| diverged(n_steps))?;
        let log = EpochLog {
            epoch,
            train_loss: checkpoint.partial.loss_sum / n_training,
            validation_auroc,
            validation_loss,
            learning_rate: learning_rate(n_steps - 1),
            seconds: before.seconds + started.elapsed().as_secs_f64(),
            people_per_second: n_training / training_seconds,
        };
        on_progress(Progress::Epoch(&log));
        let is_better = is_better(&log, checkpoint.best_log(), place);
        checkpoint.end_epoch(log.clone(), is_better, &parameters)?;
        if ranks.is_first() {
            checkpoint.save(&place.checkpoint, &parameters)?;
        }
        saved = Instant::now();
        events.iter_mut().try_for_each(|events| events.add(&log))?;
    }
    if place.keep && (epochs_resumed < checkpoint.state.log.len() || !place.trained.exists()) {
        checkpoint.save(&place.trained, &parameters)?;
        output::remove_if_there(&place.checkpoint)?;
    }
    let n_parameters = parameters.n_values();
    Ok(Trained::new(checkpoint, n_parameters, epochs_resumed))
}

/// The file for TensorBoard, which the first of several processes writes.
fn event_file(
    setting: &SharedByMembers<'_>,
    place: &MemberFiles,
    checkpoint: &Checkpoint,
) -> Result<Option<EventFile>, Error> {
    let folder = place.events.as_ref().filter(|_| setting.ranks.is_first());
    Ok(folder
        .map(|folder| EventFile::create(folder, &checkpoint.state.log))
        .transpose()?)
}

/// A member that was trained by itself.
///
/// # Errors
/// It is not there, or it belongs to other inputs or options.
pub fn trained(setting: &SharedByMembers<'_>, place: &MemberFiles) -> Result<Trained, Error> {
    let Some((checkpoint, weights)) =
        Checkpoint::load_if_there(&place.trained, setting.digest, setting.device)?
    else {
        return Err(not_trained(place));
    };
    let mut parameters = Parameters::saved(weights).on(setting.device);
    Model::new(setting.config, &mut parameters)?;
    let n_epochs = checkpoint.state.log.len();
    Ok(Trained::new(checkpoint, parameters.n_values(), n_epochs))
}

/// A member that is asked for before it is there.
pub fn not_trained(place: &MemberFiles) -> Error {
    let (number, n_members) = place.number;
    let reason = format!("member {number} of {n_members} is not trained yet: train it first");
    Error::File {
        path: place.trained.clone(),
        reason,
    }
}

/// The member as it was trained by itself, or the state it was stopped in.
fn resumed(
    setting: &SharedByMembers<'_>,
    place: &MemberFiles,
) -> Result<Option<(Checkpoint, Weights)>, Error> {
    if setting.resume == Resume::No {
        return Ok(None);
    }
    for path in [&place.trained, &place.checkpoint] {
        match Checkpoint::load_if_there(path, setting.digest, setting.device) {
            // Were it left, nothing would take its place.
            Err(Error::OtherCheckpoint { .. }) if setting.resume == Resume::IfSame => {
                output::remove_if_there(path)?;
            }
            Ok(None) => {}
            found => return found,
        }
    }
    Ok(None)
}

/// The people of an epoch in the order they are learnt from.
fn order(member: &Member, epoch: usize) -> Vec<usize> {
    let mut order = member.training.clone();
    let mut rng = ChaCha8Rng::seed_from_u64(member.seed);
    rng.set_stream(epoch as u64);
    order.shuffle(&mut rng);
    order
}

/// AUC and mean loss on some people; `None` where a logit is not finite.
fn judge(
    model: &Model,
    setting: &SharedByMembers<'_>,
    people: &[usize],
) -> Result<Option<(f64, f64)>, Error> {
    let SharedByMembers {
        data,
        cohort,
        schedule,
        ranks,
        ..
    } = *setting;
    let mut cases = Vec::new();
    let mut controls = Vec::new();
    let mut loss = 0.0;
    for (&person, logit) in people.iter().zip(ranks.of_all(people, |part| {
        logits_within(schedule.bytes(), model, data, part)
    })?) {
        let logit = f64::from(logit) + f64::from(data.offset(person));
        if !logit.is_finite() {
            return Ok(None);
        }
        let is_case = cohort.people[person]
            .phenotype
            .is_some_and(Phenotype::is_case);
        loss += additive::loss(logit, is_case);
        if is_case { &mut cases } else { &mut controls }.push(logit);
    }
    let auroc = roc::auroc(&cases, &controls).map_err(|error| Error::Options(error.to_string()))?;
    Ok(Some((auroc, loss / people.len() as f64)))
}

/// AUC of logits.
pub fn auroc(logits: &[f64], is_case: &[bool]) -> Result<f64, Error> {
    let of_class = |class: bool| -> Vec<f64> {
        logits
            .iter()
            .zip(is_case)
            .filter(|(_, is)| **is == class)
            .map(|(logit, _)| *logit)
            .collect()
    };
    roc::auroc(&of_class(true), &of_class(false)).map_err(|error| Error::Options(error.to_string()))
}

fn diverged(epoch: usize, step: usize, schedule: &Schedule, checkpoint: &Path) -> Error {
    let kept = match epoch {
        1 => "no epoch was finished, so nothing is kept".to_string(),
        _ => format!(
            "the state after epoch {} is kept in {}",
            epoch - 1,
            checkpoint.display()
        ),
    };
    Error::Diverged {
        epoch,
        step,
        learning_rate: schedule.learning_rate,
        kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{LocusShape, Preset};

    #[test]
    fn hashes_are_fitted_on_fewer_people_where_sequences_are_long() {
        let people: Vec<usize> = (0..40).collect();
        let n = |n_slots| {
            let loci = vec![LocusShape {
                name: "L".into(),
                n_slots,
            }];
            let config = Config {
                architecture: Preset::Ecoformer.architecture(),
                vocab_size: 9,
                loci,
                n_covariates: 0,
            };
            (
                some_people(&config, &people).len(),
                some_people(&config, &people[..3]).len(),
            )
        };
        assert_eq!(
            [100, 4_096, 8_192, 1 << 20].map(n),
            [(16, 3), (16, 3), (8, 3), (1, 1)]
        );
    }
}
