//! One training loop for all models.
//!
//! Input: a token folder and a cohort. Output: a model bundle with `config.json`,
//! `model.safetensors` (and `member-N.safetensors`), `tokenizer.json`, `grid.json`,
//! `training_log.csv` and `predictions.csv`.
//!
//! The optimizer is AdamW with warm-up and cosine decay. The weights of the epoch with the best
//! validation AUC are kept. A checkpoint is written after each epoch and every five minutes of a
//! longer epoch. An interrupted run resumes from it when the same command runs again, and the
//! result is byte-identical to an uninterrupted run.
//!
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
mod optimizer;
mod options;
mod pair_scan;
mod ranks;
mod schedule;
mod selection;
mod tensorboard;
mod terms;

pub use self::{
    additive::{AdditiveKind, Summary as AdditiveSummary},
    bundle::{Bundle, BundleConfig, MemberRecord, weight_files},
    device::{DeviceChoice, leave_cores_to_ours},
    error::Error,
    init::folds_of,
    log::{EpochLog, Progress},
    memory::memory_of,
    optimizer::{AdamW, Moments},
    options::ModelSettings,
    ranks::Ranks,
    schedule::{ClassWeights, Schedule},
    terms::{DeepTerms, TermSummary},
};

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    path::{Path, PathBuf},
};

use candle_core::{Device, Tensor};
use gf_cohort_schema::{
    Cohort, CohortSummary, CovariateChoice, MissingPolicies, Phenotype, PhenotypeCoding,
    Prediction, Role, ScoreColumn, Split, nine_significant_digits, probability, write_predictions,
};
use serde::{Deserialize, Serialize};

use self::{
    init::Initial,
    log::LOG_COLUMNS,
    member::{MemberFiles, SharedByMembers},
    members::{Member, MemberPlan, mean_logits},
    terms::{TermSetup, TrainedMember},
};
use crate::layout;
use crate::{
    dataset::{Dataset, Standardisation, logits_within},
    models::{Architecture, Config, LocusShape, RiskModel},
    tokens,
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_stats::roc;

/// Tensors of a model by name.
pub type Weights = BTreeMap<String, Tensor>;

/// Options of the stage `train`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Folder that `tokenize` wrote.
    pub tokens: PathBuf,
    /// Cohort table.
    pub cohort: PathBuf,
    /// Coding of its phenotypes.
    pub phenotype_coding: PhenotypeCoding,
    /// Columns of the cohort table that are covariates of the model.
    pub covariates: CovariateChoice,
    /// Policies for missing values and for samples without tokens.
    pub missing: MissingPolicies,
    /// Folder of the model bundle.
    pub out: PathBuf,
    /// Name of the model in every table; the preset when absent.
    pub name: Option<String>,
    /// Architecture of the model.
    pub architecture: Architecture,
    /// Additive term of the model.
    pub additive: AdditiveKind,
    /// Loci of the deep terms of a model with an additive term.
    pub deep_terms: DeepTerms,
    /// Schedule of the training.
    pub schedule: Schedule,
    /// Published score that is fitted together with the additive term. It has its own coefficient,
    /// without penalty.
    pub offset: Option<ScoreColumn>,
    /// Bundle whose weights replace random initial weights. It must have the same tokens and
    /// covariates. The training split of this run scales the covariates.
    pub init: Option<PathBuf>,
    /// Device of the computation.
    pub device: DeviceChoice,
    /// Folder for TensorBoard's event files; none are written when absent.
    pub tensorboard: Option<PathBuf>,
    /// Policy for a checkpoint in `out`.
    pub resume: Resume,
}

/// Policy for a checkpoint of an earlier run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resume {
    /// Ignore it and start from scratch.
    #[default]
    No,
    /// Resume from it; refuse a checkpoint of different inputs or options.
    Yes,
    /// Resume from it; start from scratch when it belongs to different inputs or options.
    IfSame,
}

/// Summary of the training of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the model.
    pub name: String,
    /// Counts of the samples in the cohort.
    #[serde(default)]
    pub cohort: CohortSummary,
    /// Parameter values of a member.
    pub n_parameters: usize,
    /// The trained models; one without folds and ensemble.
    pub members: Vec<MemberSummary>,
    /// AUC of samples in folds, each predicted by models that have not seen it.
    pub out_of_fold_auroc: Option<f64>,
    /// Covariates with the same value in all training samples, which the model does not see.
    pub constant_covariates: Vec<String>,
}

/// Summary of the training of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberSummary {
    /// 1-based fold that it predicts.
    pub fold: Option<u32>,
    /// Seed of its training.
    pub seed: u64,
    /// Training samples.
    pub n_training: usize,
    /// Samples that choose the epoch.
    pub n_validation: usize,
    /// Epochs run, including epochs before a resumption.
    pub epochs_run: usize,
    /// Epoch whose weights were kept.
    pub best_epoch: usize,
    /// Validation AUC of the kept epoch.
    pub best_validation_auroc: f64,
    /// Epochs resumed from a checkpoint.
    pub epochs_resumed: usize,
    /// Fit of the additive term.
    #[serde(default)]
    pub additive: Option<additive::Summary>,
    /// All deep terms next to the additive term, including terms without weight.
    #[serde(default)]
    pub terms: Vec<TermSummary>,
}

impl std::fmt::Display for MemberSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            fold,
            seed,
            n_training,
            epochs_run,
            best_epoch,
            best_validation_auroc,
            additive,
            ..
        } = self;
        if let Some(fold) = fold {
            write!(f, "fold {fold}, ")?;
        }
        if let Some(additive) = additive {
            return self.fmt_terms(additive, f);
        }
        let samples = counted(*n_training, "training sample", "training samples");
        write!(
            f,
            "seed {seed}, {samples}; kept epoch {best_epoch} of {epochs_run} (validation AUC \
             {best_validation_auroc:.4})"
        )
    }
}

impl MemberSummary {
    fn new(member: &Member, trained: &TrainedMember) -> Self {
        Self {
            fold: member.fold,
            seed: member.seed,
            n_training: member.training.len(),
            n_validation: member.validation.len(),
            epochs_run: trained.log.len(),
            best_epoch: trained.facts.best_epoch,
            best_validation_auroc: trained.facts.best_validation_auroc,
            epochs_resumed: trained.epochs_resumed,
            additive: trained.facts.additive.clone(),
            terms: trained.facts.terms.clone(),
        }
    }

    /// Describes a member with an additive term.
    fn fmt_terms(
        &self,
        additive: &additive::Summary,
        f: &mut std::fmt::Formatter<'_>,
    ) -> std::fmt::Result {
        let seed = self.seed;
        let n_weights = additive.n_weights;
        let samples = counted(self.n_training, "training sample", "training samples");
        let candidates = counted(additive.n_candidates, "version", "versions");
        write!(
            f,
            "seed {seed}, {samples}. The additive term has weights for {n_weights} of {candidates}."
        )?;
        let n_terms = self.terms.len();
        let used: Vec<&TermSummary> = self.terms.iter().filter(|term| term.weight > 0.0).collect();
        write!(f, " Deep terms used: {} of {n_terms}", used.len())?;
        for term in used {
            write!(
                f,
                " ({}, weight {:.2}, gain {:.1}, epoch {})",
                term.loci.join("+"),
                term.weight,
                term.gain,
                term.best_epoch
            )?;
        }
        write!(f, ". Validation AUC {:.4}", self.best_validation_auroc)
    }
}

impl Summary {
    /// Epochs run over all members, including epochs before a resumption.
    #[must_use]
    pub fn epochs_run(&self) -> usize {
        self.members.iter().map(|member| member.epochs_run).sum()
    }

    /// Epochs resumed from checkpoints, over all members.
    #[must_use]
    pub fn epochs_resumed(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.epochs_resumed)
            .sum()
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.cohort)?;
        for name in &self.constant_covariates {
            writeln!(
                f,
                "covariate `{name}` is left out, because it is the same in all training samples"
            )?;
        }
        for member in &self.members {
            writeln!(
                f,
                "{}: {}, {member}",
                self.name,
                counted(self.n_parameters, "parameter", "parameters")
            )?;
        }
        match self.out_of_fold_auroc {
            Some(auroc) => writeln!(
                f,
                "{}: out-of-fold AUC {auroc:.4}. Tokens and covariate scales come from the \
                 training split. They depend on the genomes of all its folds, but on no phenotype",
                self.name
            ),
            None => Ok(()),
        }
    }
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
    let (member, files) = prepared.member(number)?;
    let kept_files = MemberFiles {
        keep: true,
        ..files.clone()
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
    let (member, files) = prepared.member(number)?;
    let data = prepared.data()?;
    let names = terms::train_of_loci(
        &prepared.setting(&data),
        prepared.term_setup(),
        member,
        files,
        loci,
        on_progress,
    )?;
    output::write_json(&options.out.join(terms_file(number, loci)), &names)?;
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

/// Sorts the rows by model, and requires all samples of the cohort in its order for each model.
fn rows_by_model(prepared: &Prepared<'_>, rows: &[Prediction]) -> Result<Vec<Prediction>, Error> {
    let names = match prepared.options.additive {
        AdditiveKind::None => vec![prepared.name.clone()],
        AdditiveKind::Dosages | AdditiveKind::Segments => {
            vec![additive_name(&prepared.name), prepared.name.clone()]
        }
    };
    let mut sorted = Vec::with_capacity(rows.len());
    for name in &names {
        let model_rows: Vec<&Prediction> = rows.iter().filter(|row| row.model == *name).collect();
        let predicted_samples = model_rows.iter().map(|row| row.sample_id.as_str());
        let cohort_samples = prepared
            .cohort
            .people
            .iter()
            .map(|person| person.sample_id.as_str());
        if !predicted_samples.eq(cohort_samples) {
            let samples = counted(model_rows.len(), "sample", "samples");
            let reason = format!(
                "the predictions of {samples} by {name} do not list the samples of this cohort in \
                 its order; predict all blocks of this cohort again"
            );
            return Err(Error::file(&prepared.options.cohort, reason));
        }
        sorted.extend(model_rows.into_iter().cloned());
    }
    Ok(sorted)
}

/// The inputs that all members share, read and checked.
struct Prepared<'o> {
    options: &'o Options,
    ranks: &'o Ranks,
    name: String,
    device: Device,
    cohort: Cohort,
    folder: tokens::Folder,
    config: Config,
    plan: MemberPlan,
    /// One per member of the plan.
    member_files: Vec<MemberFiles>,
    /// Numbers of all loci, from 0.
    loci: Vec<usize>,
    standardisation: Vec<Standardisation>,
    initial: Option<Initial>,
    /// SHA-256 of all inputs and options that the weights depend on.
    digest: String,
}

impl<'o> Prepared<'o> {
    fn new(options: &'o Options, ranks: &'o Ranks) -> Result<Self, Error> {
        options.schedule.check()?;
        require_additive_term(options)?;
        require_no_prs_model(&options.out)?;
        let device = options.device.open()?;
        let (cohort, folder) = cohort_and_tokens(options)?;
        let config = config_of(options, &folder, &cohort);
        memory::require(&config, options, cohort.people.len())?;
        let plan = MemberPlan::new(&cohort, &options.schedule)?;
        let training: Vec<usize> = cohort
            .in_split(Split::Train)
            .filter(|(_, person)| person.phenotype.is_some())
            .map(|(sample, _)| sample)
            .collect();
        let initial = options
            .init
            .as_ref()
            .map(|path| Initial::load(path, &folder.tokenizer, &folder.grid, &cohort, &plan))
            .transpose()?;
        let name = name_of(options);
        Ok(Self {
            options,
            ranks,
            digest: digest_of(options, &name, ranks)?,
            name,
            device,
            standardisation: Standardisation::fit(&cohort, &training),
            cohort,
            folder,
            loci: (0..config.loci.len()).collect(),
            config,
            member_files: member_files(options, &plan),
            plan,
            initial,
        })
    }

    /// A member (1-based) and its files.
    fn member(&self, number: usize) -> Result<(&Member, &MemberFiles), Error> {
        let n_members = self.plan.members.len();
        if !(1..=n_members).contains(&number) {
            let reason = format!("there is no member {number}; choose one from 1 to {n_members}");
            return Err(Error::Options(reason));
        }
        let index = number - 1;
        Ok((&self.plan.members[index], &self.member_files[index]))
    }

    fn data(&self) -> Result<Dataset<'_>, Error> {
        Ok(Dataset::new(
            &self.folder.tokens,
            &self.cohort,
            self.standardisation.clone(),
        )?
        .on(&self.device))
    }

    fn term_setup(&self) -> TermSetup<'_> {
        TermSetup {
            additive: self.options.additive,
            deep_terms: self.options.deep_terms,
            tokenizer: &self.folder.tokenizer,
        }
    }

    fn setting<'s>(&'s self, data: &'s Dataset<'s>) -> SharedByMembers<'s> {
        SharedByMembers {
            config: &self.config,
            data,
            loci: &self.loci,
            cohort: &self.cohort,
            schedule: &self.options.schedule,
            digest: &self.digest,
            initial: self.initial.as_ref(),
            resume: self.options.resume,
            device: &self.device,
            ranks: self.ranks,
        }
    }

    /// The members that were trained one by one.
    fn trained(&self, setting: &SharedByMembers<'_>) -> Result<Vec<TrainedMember>, Error> {
        self.member_files
            .iter()
            .map(|files| terms::trained(setting, self.term_setup(), files))
            .collect()
    }

    /// Writes the bundle.
    fn bundle(self, trained: Vec<TrainedMember>, rows: &[Prediction]) -> Result<Summary, Error> {
        let summary = self.summarize(&trained, rows)?;
        let records = summary
            .members
            .iter()
            .zip(&trained)
            .map(|(member, trained)| MemberRecord {
                fold: member.fold,
                seed: member.seed,
                best_epoch: member.best_epoch,
                terms: trained.terms.clone(),
            })
            .collect();
        let log = trained.iter().enumerate().flat_map(|(index, trained)| {
            trained
                .log
                .iter()
                .map(move |(term, log)| log.row(index + 1, *term))
        });
        // `config.json` marks a complete bundle: an older one goes first, and `save` writes it
        // last.
        let out = &self.options.out;
        output::remove_if_there(&out.join(layout::CONFIG))?;
        output::shareable::write_csv(&out.join(layout::TRAINING_LOG), &LOG_COLUMNS, log)?;
        output::write(&out.join(layout::PREDICTIONS), |out| {
            write_predictions(out, rows)
        })?;
        Bundle {
            config: BundleConfig::new(
                self.name,
                self.config,
                self.folder.genome,
                self.standardisation,
                records,
            ),
            tokenizer: self.folder.tokenizer,
            grid: self.folder.grid,
            members: trained.into_iter().map(|trained| trained.weights).collect(),
        }
        .save(out)?;
        for files in &self.member_files {
            terms::remove_files(files)?;
        }
        Ok(summary)
    }

    fn summarize(&self, trained: &[TrainedMember], rows: &[Prediction]) -> Result<Summary, Error> {
        Ok(Summary {
            name: self.name.clone(),
            cohort: self.cohort.summary(),
            n_parameters: trained
                .first()
                .map_or(0, |trained| trained.facts.n_parameters),
            members: self
                .plan
                .members
                .iter()
                .zip(trained)
                .map(|(member, trained)| MemberSummary::new(member, trained))
                .collect(),
            out_of_fold_auroc: out_of_fold_auroc(&self.name, rows)?,
            constant_covariates: self
                .standardisation
                .iter()
                .filter(|column| column.is_constant())
                .map(|column| column.name.clone())
                .collect(),
        })
    }
}

/// Refuses an output folder of `prs`, whose `predictions.csv` would be overwritten.
fn require_no_prs_model(out: &Path) -> Result<(), Error> {
    if out.join(layout::PRS_MODEL).exists() {
        let reason = format!(
            "{} contains the output of `prs`; choose another folder for the model (--out)",
            out.display()
        );
        return Err(Error::Options(reason));
    }
    Ok(())
}

/// Reads the cohort and the tokens.
///
/// Samples without tokens are left out. A published score is the last covariate.
fn cohort_and_tokens(options: &Options) -> Result<(Cohort, tokens::Folder), Error> {
    let Options {
        cohort: path,
        phenotype_coding,
        covariates,
        missing,
        ..
    } = options;
    let mut cohort = Cohort::read_as(path, *phenotype_coding, covariates, missing)?;
    members::require_both_classes(&cohort, path, &options.schedule)?;
    let folder = tokens::Folder::load(&options.tokens)?;
    require_not_fitted_on_held_out(&cohort, &folder, &options.tokens)?;
    cohort.keep_present(&folder.tokens.samples, &options.tokens, missing.samples)?;
    members::require_both_classes(&cohort, path, &options.schedule)?;
    if let Some(offset) = &options.offset {
        offset.join(&mut cohort)?;
    }
    Ok((cohort, folder))
}

/// Architecture and shapes of the model to train.
fn config_of(options: &Options, folder: &tokens::Folder, cohort: &Cohort) -> Config {
    Config {
        architecture: options.architecture.clone(),
        vocab_size: folder.tokenizer.vocab_len(),
        loci: folder
            .tokens
            .loci
            .iter()
            .map(|locus| LocusShape {
                name: locus.name.clone(),
                n_slots: locus.n_slots,
            })
            .collect(),
        n_covariates: cohort.covariate_names.len(),
    }
}

fn name_of(options: &Options) -> String {
    options
        .name
        .clone()
        .unwrap_or_else(|| default_name(&options.architecture, options.additive))
}

/// The networks that a model of this configuration trains.
///
/// A pure sequence model has one network over all loci. Other models have one for each deep term.
#[must_use]
pub fn term_configs(config: &Config, additive: AdditiveKind, deep_terms: DeepTerms) -> Vec<Config> {
    match additive {
        AdditiveKind::None => vec![config.clone()],
        AdditiveKind::Dosages | AdditiveKind::Segments => deep_terms
            .blocks(config)
            .iter()
            .map(|loci| config.of_loci(loci))
            .collect(),
    }
}

/// Name of the additive term by itself in every table.
pub const ADDITIVE: &str = "additive";

/// Default name of a model in every table: the preset, with the prefix `additive+` for a model with
/// an additive term.
#[must_use]
pub fn default_name(architecture: &Architecture, additive: AdditiveKind) -> String {
    match additive {
        AdditiveKind::None => architecture.preset.to_string(),
        AdditiveKind::Dosages | AdditiveKind::Segments => {
            format!("{ADDITIVE}+{}", architecture.preset)
        }
    }
}

/// Name of the additive term of a model by itself: `additive`, or the model's own name with the
/// suffix `-additive`.
#[must_use]
pub fn additive_name(model: &str) -> String {
    if model.starts_with(ADDITIVE) {
        ADDITIVE.to_owned()
    } else {
        format!("{model}-{ADDITIVE}")
    }
}

/// Refuses a cohort that holds out a sample on which the tokens were fitted.
fn require_not_fitted_on_held_out(
    cohort: &Cohort,
    folder: &tokens::Folder,
    path: &Path,
) -> Result<(), Error> {
    let fitted_on: HashSet<&str> = folder
        .fitted_on
        .iter()
        .map(|&person| folder.tokens.samples[person].as_str())
        .collect();
    let mut held_out = [Split::Validation, Split::Test]
        .into_iter()
        .flat_map(|split| cohort.in_split(split));
    match held_out.find(|(_, person)| fitted_on.contains(person.sample_id.as_str())) {
        Some((_, person)) => Err(Error::FittedOnHeldOut {
            path: path.into(),
            sample: person.sample_id.clone(),
            split: person.split,
        }),
        None => Ok(()),
    }
}

/// Files of each member. The checkpoint of the first member has no number in its name.
fn member_files(options: &Options, plan: &MemberPlan) -> Vec<MemberFiles> {
    let n_members = plan.members.len();
    (1..=n_members)
        .map(|number| {
            let checkpoint = match number {
                1 => layout::CHECKPOINT.into(),
                _ => format!("checkpoint-{number}.safetensors"),
            };
            let events = options.tensorboard.as_ref().map(|folder| match n_members {
                1 => folder.clone(),
                _ => folder.join(format!("member-{number}")),
            });
            MemberFiles {
                number: (number, n_members),
                term: None,
                checkpoint: options.out.join(checkpoint),
                trained: options.out.join(trained_file(number)),
                keep: false,
                events,
            }
        })
        .collect()
}

/// File to which [`run_member`] writes a member (1-based).
#[must_use]
pub fn trained_file(number: usize) -> String {
    format!("trained-{number}.safetensors")
}

/// File to which [`run_terms`] writes the names of the loci with a deep term, for a member
/// (1-based).
#[must_use]
pub fn terms_file(number: usize, loci: &Range<usize>) -> String {
    format!("terms-{number}-loci-{}-{}.json", loci.start + 1, loci.end)
}

/// Predicts some samples: rows of `predictions.csv`.
///
/// The logit of a sample is the mean over the members that may predict it. Next to an additive term
/// the rows of the additive term by itself come first.
fn predictions(
    setting: &SharedByMembers<'_>,
    prepared: &Prepared<'_>,
    trained: &[TrainedMember],
    samples: &[usize],
) -> Result<Vec<Prediction>, Error> {
    let plan = &prepared.plan;
    let name = &prepared.name;
    let bytes = setting.schedule.bytes();
    let full_logits = mean_logits(
        plan.held_out_folds(),
        &plan.fold_of,
        samples,
        |member, samples| {
            let model = built(setting, &trained[member])?;
            Ok(logits_within(bytes, &model, setting.data, samples)?)
        },
    )?;
    let full_rows = prediction_rows(prepared, name, samples, full_logits);
    if prepared.options.additive == AdditiveKind::None {
        return Ok(full_rows);
    }
    let additive_logits = mean_logits(
        plan.held_out_folds(),
        &plan.fold_of,
        samples,
        |member, samples| {
            let model = built(setting, &trained[member])?
                .additive_alone()
                .ok_or_else(|| Error::Options("a member has no additive term".into()))?;
            Ok(logits_within(bytes, &model, setting.data, samples)?)
        },
    )?;
    let mut rows = prediction_rows(prepared, &additive_name(name), samples, additive_logits);
    rows.extend(full_rows);
    Ok(rows)
}

fn built(setting: &SharedByMembers<'_>, trained: &TrainedMember) -> candle_core::Result<RiskModel> {
    bundle::build(
        setting.config,
        trained.terms.as_deref(),
        &trained.weights,
        setting.device,
    )
}

fn prediction_rows(
    prepared: &Prepared<'_>,
    model: &str,
    samples: &[usize],
    logits: Vec<f64>,
) -> Vec<Prediction> {
    samples
        .iter()
        .zip(logits)
        .map(|(&sample, logit)| {
            let person = &prepared.cohort.people[sample];
            Prediction {
                role: Role::SequenceModel,
                sample_id: person.sample_id.clone(),
                model: model.to_owned(),
                split: person.split,
                fold: prepared.plan.fold_of[sample],
                phenotype: person.phenotype,
                logit,
                probability: probability(logit),
            }
        })
        .collect()
}

fn out_of_fold_auroc(name: &str, rows: &[Prediction]) -> Result<Option<f64>, Error> {
    if rows.iter().all(|row| row.fold.is_none()) {
        return Ok(None);
    }
    let cases = out_of_fold_logits(name, rows, Phenotype::Case);
    let controls = out_of_fold_logits(name, rows, Phenotype::Control);
    roc::auroc(&cases, &controls)
        .map(Some)
        .map_err(|error| Error::Options(error.to_string()))
}

/// Logits of the samples of one class that are in a fold.
///
/// They are rounded to the digits of `predictions.csv`, so that the AUC is the same for rows that
/// were read back.
fn out_of_fold_logits(name: &str, rows: &[Prediction], phenotype: Phenotype) -> Vec<f64> {
    rows.iter()
        .filter(|row| row.model == name && row.fold.is_some() && row.phenotype == Some(phenotype))
        .map(|row| {
            nine_significant_digits(row.logit)
                .parse()
                .unwrap_or(row.logit)
        })
        .collect()
}

/// SHA-256 of all inputs and options that the trained weights depend on.
fn digest_of(options: &Options, name: &str, ranks: &Ranks) -> Result<String, Error> {
    let Options {
        tokens,
        phenotype_coding,
        covariates,
        missing,
        architecture,
        additive,
        deep_terms,
        offset,
        schedule,
        device,
        ..
    } = options;
    let mut input_files = vec![
        options.cohort.clone(),
        tokens.join(layout::TOKENS),
        tokens.join(layout::TOKENIZER),
    ];
    input_files.extend(options.offset.iter().map(|offset| offset.path.clone()));
    if let Some(bundle) = &options.init {
        input_files.push(bundle.join(layout::CONFIG));
        input_files.extend(weight_files(bundle));
    }
    let input_digests = input_files
        .iter()
        .map(|path| output::sha256_of_file(path))
        .collect::<Result<Vec<_>, _>>()?;
    let json = serde_json::json!([
        input_digests,
        name,
        phenotype_coding,
        covariates,
        missing,
        architecture,
        additive,
        deep_terms,
        offset.as_ref().map(|offset| &offset.column),
        schedule,
        device
    ]);
    // More ranks take larger steps and so train other weights.
    let ranks_suffix = if ranks.n() > 1 {
        format!("{} ranks", ranks.n())
    } else {
        String::new()
    };
    Ok(output::sha256(format!("{json}{ranks_suffix}").as_bytes()))
}
