//! One training loop for every model.
//!
//! Input -> output: a token folder and a cohort -> a model bundle: `config.json`,
//! `model.safetensors` (and `member-N.safetensors`), `tokenizer.json`, `grid.json`,
//! `training_log.csv`, `predictions.csv`. AdamW with warm-up and cosine decay; the weights of the
//! epoch with the best validation AUC are kept. After each epoch (and every five minutes of a
//! longer one) a checkpoint is written from which the same command goes on to the same bytes. With
//! folds or an ensemble several models are trained, the members of one bundle; they can also be
//! trained one by one ([`run_member`]), and people predicted block by block ([`run_predict`]):
//! [`run_bundle`] then writes the same bytes.

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
    terms::{Making, TrainedMember},
};
use crate::layout;
use crate::{
    dataset::{Dataset, Standardisation, logits_within},
    evaluation::roc,
    models::{Architecture, Config, LocusShape},
    tokens,
};
use gf_cohort_schema::counted;
use gf_files::output;

/// Tensors of a model by name.
pub type Weights = BTreeMap<String, Tensor>;

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
    /// What is done about missing values and about samples without tokens.
    pub missing: MissingPolicies,
    /// Folder of the model bundle.
    pub out: PathBuf,
    /// Name in every table; the preset's when absent.
    pub name: Option<String>,
    /// The model.
    pub architecture: Architecture,
    /// The additive term next to it.
    pub additive: AdditiveKind,
    /// Over which loci there are deep terms next to an additive term.
    pub deep_terms: DeepTerms,
    /// Its training.
    pub schedule: Schedule,
    /// A published score that enters next to the additive term, with a coefficient of its own and
    /// without penalty.
    pub offset: Option<ScoreColumn>,
    /// Bundle whose weights to start from instead of random ones, of the same tokens and
    /// covariates. Covariates are scaled by the training split of this run, whatever their
    /// scales were there.
    pub init: Option<PathBuf>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Folder for TensorBoard's event files; none are written when absent.
    pub tensorboard: Option<PathBuf>,
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

/// What the stage did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the model.
    pub name: String,
    /// Who is in the cohort, and what is known of them.
    #[serde(default)]
    pub cohort: CohortSummary,
    /// Values over all parameters of a member.
    pub n_parameters: usize,
    /// Every model that was trained; one without folds and ensemble.
    pub members: Vec<MemberSummary>,
    /// AUC of people in folds, each predicted by models that have not seen them.
    pub out_of_fold_auroc: Option<f64>,
    /// Covariates that are the same in all training people, which the model does not see.
    pub constant_covariates: Vec<String>,
}

/// How a member was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberSummary {
    /// 1-based fold that it predicts.
    pub fold: Option<u32>,
    /// Of its training.
    pub seed: u64,
    /// People trained on.
    pub n_training: usize,
    /// People who chose the epoch.
    pub n_validation: usize,
    /// Epochs run, those before a resumption included.
    pub epochs_run: usize,
    /// Epoch whose weights were kept.
    pub best_epoch: usize,
    /// Its validation AUC.
    pub best_validation_auroc: f64,
    /// Epochs taken over from a checkpoint.
    pub epochs_resumed: usize,
    /// How the additive term came about.
    #[serde(default)]
    pub additive: Option<additive::Summary>,
    /// Every deep term next to the additive term, those without weight too.
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
            terms,
            ..
        } = self;
        if let Some(fold) = fold {
            write!(f, "fold {fold}, ")?;
        }
        if let Some(additive::Summary {
            n_candidates,
            n_weights,
            ..
        }) = additive
        {
            let samples = counted(*n_training, "sample", "samples");
            let candidates = counted(*n_candidates, "version", "versions");
            write!(
                f,
                "seed {seed}, {samples}; additive term: {n_weights} of {candidates} with a weight"
            )?;
            let counting: Vec<&TermSummary> =
                terms.iter().filter(|term| term.weight > 0.0).collect();
            write!(
                f,
                "; deep terms used: {} of {}",
                counting.len(),
                terms.len()
            )?;
            for term in counting {
                write!(
                    f,
                    "; {}: weight {:.2}, gain {:.1}, epoch {}",
                    term.loci.join("+"),
                    term.weight,
                    term.gain,
                    term.best_epoch
                )?;
            }
            return write!(f, " (validation AUC {best_validation_auroc:.4})");
        }
        let people = counted(*n_training, "person", "people");
        write!(
            f,
            "seed {seed}, {people}; epoch {best_epoch} of {epochs_run} kept (validation AUC \
             {best_validation_auroc:.4})"
        )
    }
}

impl Summary {
    /// Epochs run over all members, those before a resumption included.
    #[must_use]
    pub fn epochs_run(&self) -> usize {
        self.members.iter().map(|member| member.epochs_run).sum()
    }

    /// Epochs taken over from checkpoints, over all members.
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
                "covariate `{name}` is the same in all training people and left out"
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
                "{}: AUC {auroc:.4} out of fold; tokens and covariate scales are those of the \
                 training split, which saw no phenotype but the genomes of all its folds",
                self.name
            ),
            None => Ok(()),
        }
    }
}

/// Refuses what [`run`] would refuse without tokens: a schedule that makes no sense, a cohort
/// (where there is one already) that lacks a class.
///
/// # Errors
/// As [`run`].
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
    let mut with_offset = cohort.clone();
    if let Some(offset) = &options.offset {
        offset.join(&mut with_offset)?;
    }
    options
        .init
        .as_ref()
        .map_or(Ok(()), |bundle| init::check(bundle, &with_offset))
}

/// A published score has no place in a pure sequence model.
fn require_additive_term(options: &Options) -> Result<(), Error> {
    match &options.offset {
        Some(offset) if options.additive == AdditiveKind::None => Err(Error::Options(format!(
            "--offset {offset} needs an additive term: leave out --additive none, or --offset"
        ))),
        _ => Ok(()),
    }
}

/// Trains the members of one bundle and writes it.
///
/// # Errors
/// Inputs that are wrong or do not fit, options that make no sense, too little memory, a loss that
/// is not finite; being told to stop.
pub fn run(options: &Options, on_progress: &mut dyn FnMut(Progress<'_>)) -> Result<Summary, Error> {
    match run_on(&Ranks::alone(), options, on_progress)? {
        Some(summary) => Ok(summary),
        None => Err(Error::Options("the first rank is missing".into())),
    }
}

/// As [`run`], by several processes together; `None` in all of them but the first, which writes the
/// bundle.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    ranks: &Ranks,
    options: &Options,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Option<Summary>, Error> {
    let prepared = Prepared::new(options, ranks)?;
    let data = prepared.data()?;
    let setting = prepared.setting(&data);
    let mut trained = Vec::new();
    for (member, place) in prepared.plan.members.iter().zip(&prepared.places) {
        trained.push(terms::train(
            &setting,
            prepared.making(),
            member,
            place,
            on_progress,
        )?);
    }
    if !ranks.is_first() {
        return Ok(None);
    }
    let everyone: Vec<usize> = (0..prepared.cohort.people.len()).collect();
    let rows = predictions(&setting, &prepared, &trained, &everyone)?;
    drop(data);
    prepared.bundle(trained, &rows).map(Some)
}

/// Trains one member (1-based) of the bundle and leaves it in `out`, where [`run`] with [`Resume`]
/// finds it; several can be trained at once, on several machines.
///
/// # Errors
/// As [`run`]; a number beyond the members.
pub fn run_member(
    options: &Options,
    number: usize,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<MemberSummary, Error> {
    let alone = Ranks::alone();
    let prepared = Prepared::new(options, &alone)?;
    let (member, place) = prepared.member(number)?;
    let data = prepared.data()?;
    let trained = terms::train(
        &prepared.setting(&data),
        prepared.making(),
        member,
        &MemberFiles {
            keep: true,
            ..place.clone()
        },
        on_progress,
    )?;
    Ok(summary_of(member, &trained))
}

/// Trains the deep terms of some loci of a member (1-based) and leaves them in `out`, where
/// [`run_member`] takes them over. Loci are places in the token folder. Returns the names of the
/// loci that have a deep term.
///
/// # Errors
/// As [`run_member`].
pub fn run_terms(
    options: &Options,
    number: usize,
    loci: &Range<usize>,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<String>, Error> {
    let alone = Ranks::alone();
    let prepared = Prepared::new(options, &alone)?;
    let (member, place) = prepared.member(number)?;
    let data = prepared.data()?;
    let names = terms::train_of_loci(
        &prepared.setting(&data),
        prepared.making(),
        member,
        place,
        loci,
        on_progress,
    )?;
    output::write_json(&options.out.join(terms_file(number, loci)), &names)?;
    Ok(names)
}

/// What the members that [`run_member`] left in `out` say of some people (places in the cohort
/// table): rows of `predictions.csv`.
///
/// # Errors
/// As [`run`]; a member that is not trained yet.
pub fn run_predict(options: &Options, people: Range<usize>) -> Result<Vec<Prediction>, Error> {
    let alone = Ranks::alone();
    let prepared = Prepared::new(options, &alone)?;
    let data = prepared.data()?;
    let setting = prepared.setting(&data);
    let trained = prepared.trained(&setting)?;
    // The cohort has fewer people than the tokens where some were dropped.
    let n_people = prepared.cohort.people.len();
    let people: Vec<usize> = (people.start..people.end.min(n_people)).collect();
    if people.is_empty() {
        return Ok(Vec::new());
    }
    predictions(&setting, &prepared, &trained, &people)
}

/// Writes the bundle of the members that [`run_member`] left in `out`, with `rows` as their
/// predictions (those of [`run_predict`] for everyone).
///
/// # Errors
/// As [`run_predict`]; rows that are not those of the cohort.
pub fn run_bundle(options: &Options, rows: &[Prediction]) -> Result<Summary, Error> {
    let alone = Ranks::alone();
    let prepared = Prepared::new(options, &alone)?;
    let trained = prepared.trained(&prepared.setting(&prepared.data()?))?;
    let rows = require_everyone(&prepared, rows)?;
    prepared.bundle(trained, &rows)
}

/// The rows model by model, each with everyone of the cohort in its order.
fn require_everyone(
    prepared: &Prepared<'_>,
    rows: &[Prediction],
) -> Result<Vec<Prediction>, Error> {
    let names = match prepared.options.additive {
        AdditiveKind::None => vec![prepared.name.clone()],
        AdditiveKind::Dosages | AdditiveKind::Segments => {
            vec![additive_name(&prepared.name), prepared.name.clone()]
        }
    };
    let mut sorted = Vec::with_capacity(rows.len());
    for name in &names {
        let of_model = || rows.iter().filter(|row| row.model == *name);
        let expected = prepared
            .cohort
            .people
            .iter()
            .map(|person| person.sample_id.as_str());
        if !of_model().map(|row| row.sample_id.as_str()).eq(expected) {
            let samples = counted(of_model().count(), "sample", "samples");
            let reason = format!(
                "predictions of {samples} by {name} are not those of the cohort, in its order"
            );
            return Err(Error::File {
                path: prepared.options.cohort.clone(),
                reason,
            });
        }
        sorted.extend(of_model().cloned());
    }
    Ok(sorted)
}

/// All that members have in common, read and checked.
struct Prepared<'o> {
    options: &'o Options,
    ranks: &'o Ranks,
    name: String,
    device: Device,
    cohort: Cohort,
    folder: tokens::Folder,
    config: Config,
    plan: MemberPlan,
    places: Vec<MemberFiles>,
    loci: Vec<usize>,
    standardisation: Vec<Standardisation>,
    initial: Option<Initial>,
    digest: String,
}

impl<'o> Prepared<'o> {
    fn new(options: &'o Options, ranks: &'o Ranks) -> Result<Self, Error> {
        let schedule = &options.schedule;
        schedule.check()?;
        require_additive_term(options)?;
        // Its `predictions.csv` would be overwritten.
        if options.out.join(layout::PRS_MODEL).exists() {
            let reason = format!(
                "{} holds what `prs` wrote; choose another folder for the model (--out)",
                options.out.display()
            );
            return Err(Error::Options(reason));
        }
        let device = options.device.open()?;
        let (cohort, folder) = cohort_and_tokens(options)?;
        let config = config_of(options, &folder, &cohort);
        memory::require(&config, options, cohort.people.len())?;
        let plan = MemberPlan::new(&cohort, schedule)?;
        let of_training =
            |(person, found): (usize, &gf_cohort_schema::Person)| found.phenotype.map(|_| person);
        let standardisation = Standardisation::fit(
            &cohort,
            &cohort
                .in_split(Split::Train)
                .filter_map(of_training)
                .collect::<Vec<_>>(),
        );
        let initial = options
            .init
            .as_ref()
            .map(|path| Initial::load(path, &folder.tokenizer, &folder.grid, &cohort, &plan));
        let name = name_of(options);
        let initial = initial.transpose()?;
        let digest = digest_of(options, &name, ranks)?;
        let places = places(options, &plan);
        let loci = (0..config.loci.len()).collect();
        Ok(Self {
            options,
            ranks,
            name,
            device,
            cohort,
            folder,
            config,
            plan,
            places,
            loci,
            standardisation,
            initial,
            digest,
        })
    }

    /// A member (1-based) and its files.
    fn member(&self, number: usize) -> Result<(&Member, &MemberFiles), Error> {
        let n_members = self.plan.members.len();
        let index = number.checked_sub(1).filter(|&index| index < n_members);
        let index = index
            .ok_or_else(|| Error::Options(format!("there is no member {number} of {n_members}")))?;
        Ok((&self.plan.members[index], &self.places[index]))
    }

    fn data(&self) -> Result<Dataset<'_>, Error> {
        Ok(Dataset::new(
            &self.folder.tokens,
            &self.cohort,
            self.standardisation.clone(),
        )?
        .on(&self.device))
    }

    fn making(&self) -> Making<'_> {
        let Options {
            additive,
            deep_terms,
            ..
        } = *self.options;
        Making {
            additive,
            deep_terms,
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
        self.places
            .iter()
            .map(|place| terms::trained(setting, self.making(), place))
            .collect()
    }

    /// Writes the bundle.
    fn bundle(self, trained: Vec<TrainedMember>, rows: &[Prediction]) -> Result<Summary, Error> {
        let Self {
            options,
            name,
            cohort,
            folder,
            config,
            plan,
            places,
            standardisation,
            ..
        } = self;
        let summary = Summary {
            name: name.clone(),
            cohort: cohort.summary(),
            n_parameters: trained
                .first()
                .map_or(0, |trained| trained.facts.n_parameters),
            members: plan
                .members
                .iter()
                .zip(&trained)
                .map(|(member, trained)| summary_of(member, trained))
                .collect(),
            out_of_fold_auroc: out_of_fold_auroc(&name, rows)?,
            constant_covariates: standardisation
                .iter()
                .filter(|column| column.is_constant())
                .map(|column| column.name.clone())
                .collect(),
        };
        let record = |(member, trained): (&MemberSummary, &TrainedMember)| MemberRecord {
            fold: member.fold,
            seed: member.seed,
            best_epoch: member.best_epoch,
            terms: trained.terms.clone(),
        };
        let records = summary.members.iter().zip(&trained).map(record).collect();
        let config = BundleConfig::new(name, config, folder.genome, standardisation, records);
        let of_member = |(number, trained): (usize, &'_ TrainedMember)| -> Vec<_> {
            trained
                .log
                .iter()
                .map(|(term, log)| log.row(number + 1, *term))
                .collect()
        };
        let log = trained.iter().enumerate().flat_map(of_member);
        // Nothing new lies beside an older bundle that is still whole.
        output::remove_if_there(&options.out.join(layout::CONFIG))?;
        output::shareable::write_csv(&options.out.join(layout::TRAINING_LOG), &LOG_COLUMNS, log)?;
        output::write(&options.out.join(layout::PREDICTIONS), |out| {
            write_predictions(out, rows)
        })?;
        let members = trained.into_iter().map(|trained| trained.weights).collect();
        Bundle {
            config,
            tokenizer: folder.tokenizer,
            grid: folder.grid,
            members,
        }
        .save(&options.out)?;
        for place in &places {
            terms::remove_files(place)?;
        }
        Ok(summary)
    }
}

/// The cohort without samples that have no tokens, with the published score as its last covariate
/// where there is one; and the tokens.
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

/// The networks that a model of this configuration trains: of a pure sequence model one over all
/// loci, otherwise one for each deep term.
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

/// Name of a model in every table when none is given: that of the preset, after `additive+` where
/// there is an additive term.
#[must_use]
pub fn default_name(architecture: &Architecture, additive: AdditiveKind) -> String {
    match additive {
        AdditiveKind::None => architecture.preset.to_string(),
        AdditiveKind::Dosages | AdditiveKind::Segments => {
            format!("{ADDITIVE}+{}", architecture.preset)
        }
    }
}

/// Name of the additive term of a model by itself: `additive`, or that of the model with
/// `-additive` where it has a name of its own.
#[must_use]
pub fn additive_name(model: &str) -> String {
    if model.starts_with(ADDITIVE) {
        ADDITIVE.to_owned()
    } else {
        format!("{model}-{ADDITIVE}")
    }
}

/// Nobody whom the tokens were fitted on is held out now.
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

/// Files of each member: those of the first have the plain names.
fn places(options: &Options, plan: &MemberPlan) -> Vec<MemberFiles> {
    let n_members = plan.members.len();
    let place = |number: usize| MemberFiles {
        number: (number, n_members),
        term: None,
        checkpoint: options.out.join(if number == 1 {
            layout::CHECKPOINT.into()
        } else {
            format!("checkpoint-{number}.safetensors")
        }),
        trained: options.out.join(trained_file(number)),
        keep: false,
        events: options.tensorboard.as_ref().map(|folder| {
            if n_members == 1 {
                folder.clone()
            } else {
                folder.join(format!("member-{number}"))
            }
        }),
    };
    (1..=n_members).map(place).collect()
}

/// File in which [`run_member`] leaves a member (1-based).
#[must_use]
pub fn trained_file(number: usize) -> String {
    format!("trained-{number}.safetensors")
}

/// File in which [`run_terms`] names the loci whose deep terms it trained, for a member (1-based).
#[must_use]
pub fn terms_file(number: usize, loci: &Range<usize>) -> String {
    format!("terms-{number}-loci-{}-{}.json", loci.start + 1, loci.end)
}

/// Rows of `predictions.csv` of some people: the mean logit over the members that may predict a
/// person.
fn predictions(
    setting: &SharedByMembers<'_>,
    prepared: &Prepared<'_>,
    trained: &[TrainedMember],
    people: &[usize],
) -> Result<Vec<Prediction>, Error> {
    let Prepared {
        name,
        cohort,
        plan,
        options,
        ..
    } = prepared;
    let folds = || plan.members.iter().map(|member| member.fold);
    let bytes = setting.schedule.bytes();
    let model = |place: usize| {
        bundle::build(
            setting.config,
            trained[place].terms.as_deref(),
            &trained[place].weights,
            setting.device,
        )
    };
    let rows_of = |name: &str, logits: Vec<f64>| -> Vec<Prediction> {
        let row = |(&index, logit): (&usize, f64)| {
            let person = &cohort.people[index];
            Prediction {
                role: Role::SequenceModel,
                sample_id: person.sample_id.clone(),
                model: name.to_owned(),
                split: person.split,
                fold: plan.fold_of[index],
                phenotype: person.phenotype,
                logit,
                probability: probability(logit),
            }
        };
        people.iter().zip(logits).map(row).collect()
    };
    let whole = mean_logits(folds(), &plan.fold_of, people, |place, people| {
        Ok(logits_within(bytes, &model(place)?, setting.data, people)?)
    })?;
    if options.additive == AdditiveKind::None {
        return Ok(rows_of(name, whole));
    }
    let additive = mean_logits(folds(), &plan.fold_of, people, |place, people| {
        let model = model(place)?
            .additive_alone()
            .ok_or_else(|| Error::Options("a member has no additive term".into()))?;
        Ok(logits_within(bytes, &model, setting.data, people)?)
    })?;
    Ok([
        rows_of(&additive_name(name), additive),
        rows_of(name, whole),
    ]
    .concat())
}

fn out_of_fold_auroc(name: &str, rows: &[Prediction]) -> Result<Option<f64>, Error> {
    if rows.iter().all(|row| row.fold.is_none()) {
        return Ok(None);
    }
    let of = |phenotype| -> Vec<f64> {
        let in_class = rows.iter().filter(|row| {
            row.model == name && row.fold.is_some() && row.phenotype == Some(phenotype)
        });
        // As they are written: the same whether they were read back or not.
        in_class
            .map(|row| {
                nine_significant_digits(row.logit)
                    .parse()
                    .unwrap_or(row.logit)
            })
            .collect()
    };
    roc::auroc(&of(Phenotype::Case), &of(Phenotype::Control))
        .map(Some)
        .map_err(|error| Error::Options(error.to_string()))
}

fn summary_of(member: &Member, trained: &TrainedMember) -> MemberSummary {
    MemberSummary {
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

/// Digest of everything that the trained weights depend on.
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
    let mut inputs = vec![
        options.cohort.clone(),
        tokens.join(layout::TOKENS),
        tokens.join(layout::TOKENIZER),
    ];
    inputs.extend(options.offset.iter().map(|offset| offset.path.clone()));
    inputs.extend(options.init.iter().flat_map(|bundle| {
        std::iter::once(bundle.join(layout::CONFIG)).chain(weight_files(bundle))
    }));
    let inputs = inputs
        .iter()
        .map(|path| output::sha256_of_file(path))
        .collect::<Result<Vec<_>, _>>()?;
    let parts = serde_json::json!([
        inputs,
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
    // More ranks are larger steps.
    let of_ranks = if ranks.n() > 1 {
        format!("{} ranks", ranks.n())
    } else {
        String::new()
    };
    Ok(output::sha256(format!("{parts}{of_ranks}").as_bytes()))
}
