//! One training loop for all models.
//!
//! Input: a token folder and a cohort. Output: a model bundle with `config.json`,
//! `model.safetensors` (and `member-N.safetensors`), `tokenizer.json`, `grid.json`,
//! `training_log.csv` and `predictions.csv`.
//! The optimizer is AdamW with warm-up and cosine decay. The weights of the epoch with the best
//! validation AUC are kept. A checkpoint is written after each epoch and every five minutes of a
//! longer epoch. An interrupted run resumes from it when the same command runs again, and the
//! result is byte-identical to an uninterrupted run.
//! With folds or an ensemble a bundle has several models, its members. Members can be trained one
//! by one ([`run_member`]) and samples predicted block by block ([`run_predict`]). [`run_bundle`]
//! then writes the same bytes as [`run`].

mod additive;
mod bundle;
mod checkpoint;
pub mod cost;
mod device;
mod error;
mod gradients;
mod init;
mod log;
mod member;
mod members;
mod memory;
mod names;
mod optimizer;
mod options;
mod pair_scan;
mod predictions;
mod prepared;
mod ranks;
mod schedule;
mod selection;
mod summary;
mod tensorboard;
mod terms;

use std::{collections::BTreeMap, ops::Range};

use candle_core::Tensor;
use gf_cohort_schema::{Cohort, Prediction};
use gf_files::output;

use self::{
    member::MemberFiles,
    predictions::{predictions, rows_by_model},
    prepared::Prepared,
};
use crate::layout;
use crate::models::Config;

/// Trains the members of one bundle and writes it.
///
/// # Errors
/// - inputs that are malformed or do not fit each other;
/// - options that contradict each other;
/// - too little memory;
/// - a loss that is not finite;
/// - a request to stop.
pub fn run(options: &Options, on_progress: &mut dyn FnMut(Progress<'_>)) -> Result<Summary, Error> {
    match run_on(&Ranks::alone(), options, on_progress)? {
        Some(summary) => Ok(summary),
        None => Err(Error::Options("the first rank is missing".into())),
    }
}

/// Trains the members of one bundle in several processes.
///
/// The first process writes the bundle. All others return `None`.
///
/// # Errors
/// The errors of [`run`].
pub fn run_on(
    ranks: &Ranks,
    options: &Options,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Option<Summary>, Error> {
    let prepared = Prepared::new(options, ranks)?;
    let data = prepared.data()?;
    let setting = prepared.setting(&data);
    let mut trained = Vec::new();
    for (member, files) in prepared.plan.members.iter().zip(&prepared.member_files) {
        trained.push(terms::train(
            &setting,
            prepared.term_setup(),
            member,
            files,
            on_progress,
        )?);
    }
    if !ranks.is_first() {
        return Ok(None);
    }
    let all_samples: Vec<usize> = (0..prepared.cohort.people.len()).collect();
    let rows = predictions(&setting, &prepared, &trained, &all_samples)?;
    drop(data);
    prepared.bundle(trained, &rows).map(Some)
}

/// Trains one member (1-based) of the bundle and writes it to `out`.
///
/// [`run`] with [`Resume`] finds it there. Members can be trained on several machines at once.
///
/// # Errors
/// The errors of [`run`], and a number larger than the number of members.
pub fn run_member(
    options: &Options,
    number: usize,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<MemberSummary, Error> {
    let alone = Ranks::alone();
    let prepared = Prepared::new(options, &alone)?;
    let index = prepared.member_index(number)?;
    let member = &prepared.plan.members[index];
    let kept_files = MemberFiles {
        keep: true,
        ..prepared.member_files[index].clone()
    };
    let data = prepared.data()?;
    let trained = terms::train(
        &prepared.setting(&data),
        prepared.term_setup(),
        member,
        &kept_files,
        on_progress,
    )?;
    Ok(MemberSummary::new(member, &trained))
}

/// Trains the deep terms of some loci of a member (1-based) and writes them to `out`.
///
/// [`run_member`] resumes from them. `loci` are numbers in the token folder. Returns the names of
/// the loci that have a deep term.
///
/// # Errors
/// The errors of [`run_member`].
pub fn run_terms(
    options: &Options,
    number: usize,
    loci: &Range<usize>,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<String>, Error> {
    let alone = Ranks::alone();
    let prepared = Prepared::new(options, &alone)?;
    let index = prepared.member_index(number)?;
    let data = prepared.data()?;
    let names = terms::train_of_loci(
        &prepared.setting(&data),
        prepared.term_setup(),
        &prepared.plan.members[index],
        &prepared.member_files[index],
        loci,
        on_progress,
    )?;
    output::write_json(
        &options.out.join(layout::member_terms(number, loci)),
        &names,
    )?;
    Ok(names)
}

/// Predicts some samples with the members that [`run_member`] left in `out`.
///
/// `people` are numbers in the cohort table. Returns rows of `predictions.csv`.
///
/// # Errors
/// The errors of [`run`], and a member that is not trained yet.
pub fn run_predict(options: &Options, people: Range<usize>) -> Result<Vec<Prediction>, Error> {
    let alone = Ranks::alone();
    let prepared = Prepared::new(options, &alone)?;
    let data = prepared.data()?;
    let setting = prepared.setting(&data);
    let trained = prepared.trained(&setting)?;
    // The cohort has fewer samples than the tokens where some were dropped.
    let n_samples = prepared.cohort.people.len();
    let samples: Vec<usize> = (people.start..people.end.min(n_samples)).collect();
    if samples.is_empty() {
        return Ok(Vec::new());
    }
    predictions(&setting, &prepared, &trained, &samples)
}

/// Writes the bundle of the members that [`run_member`] left in `out`.
///
/// `rows` are the predictions of [`run_predict`] for all samples.
///
/// # Errors
/// The errors of [`run_predict`], and rows of other samples than the cohort's.
pub fn run_bundle(options: &Options, rows: &[Prediction]) -> Result<Summary, Error> {
    let alone = Ranks::alone();
    let prepared = Prepared::new(options, &alone)?;
    let trained = prepared.trained(&prepared.setting(&prepared.data()?))?;
    let sorted_rows = rows_by_model(&prepared, rows)?;
    prepared.bundle(trained, &sorted_rows)
}

/// Checks the inputs of [`run`] that need no tokens: options, and the cohort where there is one.
///
/// # Errors
/// The errors of [`run`].
pub fn check(options: &Options, cohort: Option<&Cohort>) -> Result<(), Error> {
    options.schedule.check()?;
    require_additive_term(options)?;
    Config::check(&options.architecture)?;
    options.device.open()?;
    let Some(cohort) = cohort else {
        if let Some(offset) = &options.offset {
            offset.read()?;
        }
        if let Some(bundle) = &options.init {
            Bundle::load(bundle)?;
        }
        return Ok(());
    };
    members::require_both_classes(cohort, &options.cohort, &options.schedule)?;
    let mut cohort_with_offset = cohort.clone();
    if let Some(offset) = &options.offset {
        offset.join(&mut cohort_with_offset)?;
    }
    match &options.init {
        Some(bundle) => init::check(bundle, &cohort_with_offset),
        None => Ok(()),
    }
}

/// Refuses a published score for a pure sequence model, which has no additive term to add it to.
fn require_additive_term(options: &Options) -> Result<(), Error> {
    match &options.offset {
        Some(offset) if options.additive == AdditiveKind::None => Err(Error::Options(format!(
            "--offset {offset} needs an additive term; remove --additive none or --offset"
        ))),
        _ => Ok(()),
    }
}

/// Tensors of a model by name.
pub type Weights = BTreeMap<String, Tensor>;

pub use self::{
    additive::{AdditiveKind, Summary as AdditiveSummary},
    bundle::{Bundle, BundleConfig, BundleProblem, MemberRecord, weight_files},
    checkpoint::CheckpointProblem,
    device::{DeviceChoice, UnknownDevice, leave_cores_to_ours},
    error::{Error, FileProblem},
    init::{InitProblem, folds_of},
    log::{EpochLog, Progress},
    members::FoldsProblem,
    memory::memory_of,
    names::{ADDITIVE, additive_name, default_name, term_configs},
    optimizer::{AdamW, Moments},
    options::{ModelSettings, Options, Resume},
    ranks::Ranks,
    schedule::{ClassWeights, Schedule},
    summary::{MemberSummary, Summary},
    terms::{DeepTerms, TermSummary},
};
