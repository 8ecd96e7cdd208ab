//! Training of one member: an additive term and deep terms over blocks of loci, or a pure sequence
//! model.
//!
//! Input: the samples of a member. Output: all tensors of its risk model.
//!
//! Each deep term is trained by itself, with the additive term as a cross-fitted offset.
//! `selection` then decides whether the term counts. `run_member` saves a trained member as one
//! file.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    path::Path,
};

use candle_core::{DType, Device, Tensor, safetensors::Load};
use gf_cohort_schema::{Cohort, Phenotype, probability};
use gf_tokenizer::{MASK, Tokenizer};
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{
    EpochLog, Error, Progress, Weights, additive,
    additive::AdditiveKind,
    member::{self, MemberFiles, SharedByMembers, Trained},
    members::Member,
    pair_scan, selection,
};
use crate::{
    dataset::{Dataset, logits_within},
    models::{Config, Model, PairSlot, TermShape, TokenNumbers, additive::ALONE, network_prefix},
    tokens::LocusTokens,
};
use gf_files::{
    output,
    stored_format::{self, StoredFormatProblem},
};
use gf_nn::Parameters;

/// Loci of the deep terms next to an additive term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeepTerms {
    /// One per locus.
    #[default]
    Loci,
    /// One over all loci together, which can find effects between loci.
    Joint,
    /// One per locus, and one over all loci.
    LociAndJoint,
}

impl std::fmt::Display for DeepTerms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Serialize::serialize(self, f)
    }
}

impl DeepTerms {
    /// Whether there are terms of single loci, which can be trained by themselves.
    #[must_use]
    pub fn has_single_loci(self) -> bool {
        matches!(self, Self::Loci | Self::LociAndJoint)
    }

    /// The loci of each deep term.
    ///
    /// A locus without a varying slot (only `[CLS]` and `[SEP]`) is in no term: there is nothing to
    /// learn.
    pub(super) fn blocks(self, config: &Config) -> Vec<Vec<usize>> {
        let varying: Vec<usize> = (0..config.loci.len())
            .filter(|&locus| config.loci[locus].n_slots > 2)
            .collect();
        let single: Vec<Vec<usize>> = varying.iter().map(|&locus| vec![locus]).collect();
        match (self, varying.len()) {
            // The joint term over one locus is the term of that locus.
            (Self::Loci, _) | (_, 0 | 1) => single,
            (Self::Joint, _) => vec![varying],
            (Self::LociAndJoint, _) => [single, vec![varying]].concat(),
        }
    }
}

/// A trained deep term.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TermSummary {
    /// Names of its loci.
    pub loci: Vec<String>,
    /// Factor of its logit; 0 for a term that does not help.
    pub weight: f64,
    /// Twice its gain in log-likelihood on the validation samples.
    pub gain: f64,
    /// Networks of the term; their mean logit is the logit of the term.
    pub networks: usize,
    /// Epoch whose weights were kept, the latest over the networks.
    pub best_epoch: usize,
    /// Epochs run, over all networks.
    pub epochs_run: usize,
}

/// A trained member: tensors, facts and log.
#[derive(Debug)]
pub struct TrainedMember {
    /// All tensors of the risk model.
    pub weights: Weights,
    /// Its deep terms; `None` for a pure sequence model.
    pub terms: Option<Vec<TermShape>>,
    /// Measures of the training.
    pub facts: Facts,
    /// Number of the term (1-based) and the log of an epoch.
    pub log: Vec<(usize, EpochLog)>,
    /// Epochs resumed from checkpoints.
    pub epochs_resumed: usize,
}

/// Measures of a trained member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Values over all parameters.
    pub n_parameters: usize,
    /// Epoch whose weights were kept; 0 with an additive term, where every deep term has its own.
    pub best_epoch: usize,
    /// AUC on the validation samples.
    pub best_validation_auroc: f64,
    /// Fit of the additive term.
    pub additive: Option<additive::Summary>,
    /// All deep terms next to the additive term.
    pub terms: Vec<TermSummary>,
}

/// Key of [`Saved`] in the metadata of the file.
const FACTS: &str = "gf-genomics-member";
/// Version of the file of a trained member with an additive term.
const SCHEMA_VERSION: u32 = 1;

/// Metadata of the file of a trained member.
#[derive(Serialize, Deserialize)]
struct Saved {
    schema_version: u32,
    digest: String,
    terms: Option<Vec<TermShape>>,
    facts: Facts,
}

/// Options of the terms of a member.
#[derive(Clone, Copy, Debug)]
pub struct TermSetup<'m> {
    /// Features of the additive term.
    pub additive: AdditiveKind,
    /// Loci of the deep terms.
    pub deep_terms: DeepTerms,
    /// The tokenizer of the tokens.
    pub tokenizer: &'m Tokenizer,
}

impl TermSetup<'_> {
    /// Fits the additive term together with coefficients of deep terms.
    fn fit_additive(
        &self,
        setting: &SharedByMembers<'_>,
        member: &Member,
        deep_terms: &[Vec<f64>],
    ) -> Result<additive::Fit, Error> {
        additive::fit(
            setting.data,
            setting.cohort,
            self.tokenizer,
            member,
            self.additive,
            deep_terms,
        )
    }
}

/// Trains a member.
///
/// # Errors
/// The errors of [`member::train`], and an additive term that cannot be fitted.
pub fn train(
    setting: &SharedByMembers<'_>,
    setup: TermSetup<'_>,
    member: &Member,
    files: &MemberFiles,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<TrainedMember, Error> {
    if setup.additive == AdditiveKind::None {
        return Ok(TrainedMember::pure(member::train(
            setting,
            member,
            files,
            on_progress,
        )?));
    }
    if let Some(trained) = resumed(setting, files)? {
        return Ok(trained);
    }
    let trained = learn(setting, setup, member, files, on_progress)?;
    if files.keep && setting.ranks.is_first() {
        trained.save(&files.trained, setting.digest)?;
        remove_terms(files)?;
    }
    Ok(trained)
}

/// Trains the deep terms of single loci of a member, and writes them to where [`train`] resumes.
///
/// `loci` are numbers among all loci. Returns the names of the loci that have a deep term.
///
/// # Errors
/// The errors of [`train`].
pub fn train_of_loci(
    setting: &SharedByMembers<'_>,
    setup: TermSetup<'_>,
    member: &Member,
    files: &MemberFiles,
    loci: &Range<usize>,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<String>, Error> {
    let additive = setup.fit_additive(setting, member, &[])?;
    let blocks = setup.deep_terms.blocks(setting.config);
    let mut names = Vec::new();
    for (number, block) in (1..).zip(&blocks) {
        let [locus] = block[..] else { continue };
        if loci.contains(&locus) {
            let kept_files = MemberFiles {
                keep: true,
                ..files.of_term(number, blocks.len())
            };
            DeepTerm::train(setting, block, &additive, member, &kept_files, on_progress)?;
            names.push(setting.config.loci[locus].name.clone());
        }
    }
    Ok(names)
}

/// Loads a member that was trained by itself.
///
/// # Errors
/// A member that is not trained yet, or one of different inputs or options.
pub fn trained(
    setting: &SharedByMembers<'_>,
    setup: TermSetup<'_>,
    files: &MemberFiles,
) -> Result<TrainedMember, Error> {
    if setup.additive == AdditiveKind::None {
        return Ok(TrainedMember::pure(member::trained(setting, files)?));
    }
    TrainedMember::load_if_there(&files.trained, setting.digest)?
        .ok_or_else(|| member::not_trained(files))
}

/// The trained member of an earlier run, if this run resumes.
fn resumed(
    setting: &SharedByMembers<'_>,
    files: &MemberFiles,
) -> Result<Option<TrainedMember>, Error> {
    match setting.resume {
        super::Resume::No => Ok(None),
        super::Resume::Yes => TrainedMember::load_if_there(&files.trained, setting.digest),
        super::Resume::IfSame => match TrainedMember::load_if_there(&files.trained, setting.digest)
        {
            Err(Error::OtherCheckpoint { .. }) => {
                output::remove_if_there(&files.trained)?;
                Ok(None)
            }
            loaded => loaded,
        },
    }
}

/// Removes the checkpoints and the trained files of all deep terms of a member.
fn remove_terms(files: &MemberFiles) -> Result<(), Error> {
    remove_terms_next_to(&files.checkpoint)?;
    remove_terms_next_to(&files.trained)
}

fn remove_terms_next_to(member_file: &Path) -> Result<(), Error> {
    let stem = member_file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let prefix = format!("{stem}-term-");
    let Some(entries) = member_file
        .parent()
        .and_then(|folder| std::fs::read_dir(folder).ok())
    else {
        return Ok(());
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        {
            output::remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// Removes all files from which a member could be resumed.
///
/// # Errors
/// A file that cannot be removed.
pub fn remove_files(files: &MemberFiles) -> Result<(), Error> {
    remove_terms(files)?;
    output::remove_if_there(&files.checkpoint)?;
    Ok(output::remove_if_there(&files.trained)?)
}

/// The tokens of the training samples at some loci, and the special tokens; ascending.
fn tokens_of(data: &Dataset<'_>, member: &Member, loci: &[usize]) -> Vec<u32> {
    let mut tokens: BTreeSet<u32> = (0..=MASK).collect();
    for &locus in loci {
        let rows = data.haplotypes_of(locus, &member.training);
        tokens.extend(
            rows.into_iter()
                .flat_map(|haplotype| data.tokens(locus).row(haplotype)),
        );
    }
    tokens.into_iter().collect()
}

/// Tokens of the loci of a term, with the term's own numbers in place of the tokenizer's ids.
///
/// The pair slots of the term are appended to each row.
fn numbered_loci(data: &Dataset<'_>, shape: &TermShape) -> Vec<LocusTokens> {
    let numbers = TokenNumbers::new(shape);
    let mut loci = Vec::with_capacity(shape.loci.len());
    for (index, &locus) in shape.loci.iter().enumerate() {
        let tokens = data.tokens(locus);
        let n_slots = tokens.n_slots + numbers.n_pairs(index);
        let rows = tokens
            .tokens
            .chunks(tokens.n_slots)
            .flat_map(|row| numbers.row(index, row));
        loci.push(LocusTokens {
            tokens: rows.collect(),
            n_slots,
            ..tokens.clone()
        });
    }
    loci
}

/// The pair slots of a term, found on the residuals of the additive term in the training samples.
///
/// The residual of a sample is its phenotype (0 or 1) minus its additive probability.
fn pair_slots(
    setting: &SharedByMembers<'_>,
    loci: &[usize],
    additive: &additive::Fit,
    member: &Member,
) -> Vec<PairSlot> {
    let residuals: Vec<f64> = member
        .training
        .iter()
        .map(|&sample| {
            let is_case = is_case(setting.cohort, sample);
            f64::from(u8::from(is_case)) - probability(f64::from(additive.logits[sample]))
        })
        .collect();
    let mut pairs = Vec::new();
    for (index, &locus) in loci.iter().enumerate() {
        let tokens = setting.data.tokens(locus);
        let haplotypes = setting.data.haplotypes_of(locus, &member.training);
        for slots in pair_scan::find(setting.data, locus, &member.training, &residuals) {
            let versions: BTreeSet<[u32; 2]> = haplotypes
                .iter()
                .map(|&haplotype| slots.map(|slot| tokens.row(haplotype)[slot]))
                .collect();
            pairs.push(PairSlot {
                locus: index,
                slots,
                versions: versions.into_iter().collect(),
            });
        }
    }
    pairs
}

fn is_case(cohort: &Cohort, sample: usize) -> bool {
    cohort.people[sample]
        .phenotype
        .is_some_and(Phenotype::is_case)
}

/// Trains the additive term and the deep terms, and weights the deep terms.
///
/// 1. A deep term is trained next to the additive part of all other loci.
/// 2. A term that helps on the validation samples is trained again without each fold of the
///    training samples. The mean of all its networks is the term.
/// 3. The additive term is fitted again with a coefficient for each deep term. The logits of the
///    training samples are out of fold.
/// 4. The new fit counts only if its validation loss is below the loss of the additive term alone.
fn learn(
    setting: &SharedByMembers<'_>,
    setup: TermSetup<'_>,
    member: &Member,
    files: &MemberFiles,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<TrainedMember, Error> {
    let alone = setup.fit_additive(setting, member, &[])?;
    let blocks = setup.deep_terms.blocks(setting.config);
    let mut terms = Vec::with_capacity(blocks.len());
    for (number, loci) in (1..).zip(&blocks) {
        terms.push(DeepTerm::train(
            setting,
            loci,
            &alone,
            member,
            &files.of_term(number, blocks.len()),
            on_progress,
        )?);
    }
    let validation = Validation::new(setting, member);
    let offset = validation.of_cohort(&alone.logits);
    let contributions: Vec<Vec<f64>> = terms
        .iter()
        .map(|term| term.contribution(&validation, &offset))
        .collect();
    let gains = selection::gains(&offset, &contributions, &validation.is_case);
    for (term, gain) in terms.iter_mut().zip(&gains) {
        term.gain = gain.unwrap_or_default();
    }
    let helpful: Vec<usize> = (0..terms.len())
        .filter(|&term| gains[term].is_some())
        .collect();
    for &term in &helpful {
        terms[term].cross_fit(
            setting,
            member,
            &files.of_term(term + 1, blocks.len()),
            on_progress,
        )?;
    }
    let mut best = Combination {
        fit: alone.clone(),
        weights: vec![0.0; terms.len()],
    };
    if let Some(combined) = Combination::fit(setting, setup, member, &terms, helpful)?
        && combined.loss(&validation) < best.loss(&validation)
    {
        best = combined;
    }
    for (term, weight) in terms.iter_mut().zip(&best.weights) {
        term.shape.weight = *weight;
    }
    let validation_auroc = validation.auroc(&validation.of_cohort(&best.fit.logits))?;
    assembled(setting, &alone, &best.fit, terms, validation_auroc)
}

/// The additive term fitted together with coefficients of deep terms.
struct Combination {
    /// The fit; its logits include the deep terms.
    fit: additive::Fit,
    /// Coefficient of each deep term; 0 for a term that does not count.
    weights: Vec<f64>,
}

impl Combination {
    /// Fits again until all coefficients of the chosen terms are positive.
    ///
    /// A term with another coefficient is left out. `None` without a term.
    fn fit(
        setting: &SharedByMembers<'_>,
        setup: TermSetup<'_>,
        member: &Member,
        terms: &[DeepTerm],
        mut chosen: Vec<usize>,
    ) -> Result<Option<Self>, Error> {
        while !chosen.is_empty() {
            let columns: Vec<Vec<f64>> = chosen
                .iter()
                .map(|&term| terms[term].by_sample(setting, member))
                .collect();
            let fit = setup.fit_additive(setting, member, &columns)?;
            let mut weights = vec![0.0; terms.len()];
            for (&term, &coefficient) in chosen.iter().zip(&fit.deep_term_coefficients) {
                weights[term] = additive::rounded(coefficient.max(0.0));
            }
            let n_chosen = chosen.len();
            chosen.retain(|&term| weights[term] > 0.0);
            if chosen.len() == n_chosen {
                return Ok(Some(Self { fit, weights }));
            }
        }
        Ok(None)
    }

    fn loss(&self, validation: &Validation<'_>) -> f64 {
        validation.loss(&validation.of_cohort(&self.fit.logits))
    }
}

/// The validation samples of a member.
struct Validation<'v> {
    samples: &'v [usize],
    is_case: Vec<bool>,
}

impl<'v> Validation<'v> {
    fn new(setting: &SharedByMembers<'_>, member: &'v Member) -> Self {
        Self {
            samples: &member.validation,
            is_case: member
                .validation
                .iter()
                .map(|&sample| is_case(setting.cohort, sample))
                .collect(),
        }
    }

    /// The logits of the validation samples, from the logits of the whole cohort.
    fn of_cohort(&self, logits: &[f32]) -> Vec<f64> {
        self.samples
            .iter()
            .map(|&sample| f64::from(logits[sample]))
            .collect()
    }

    /// Sum of the losses.
    fn loss(&self, logits: &[f64]) -> f64 {
        logits
            .iter()
            .zip(&self.is_case)
            .map(|(&logit, &is_case)| additive::loss(logit, is_case))
            .sum()
    }

    fn auroc(&self, logits: &[f64]) -> Result<f64, Error> {
        member::auroc(logits, &self.is_case)
    }
}

/// A deep term during training.
struct DeepTerm {
    shape: TermShape,
    /// Twice its gain in log-likelihood on the validation samples.
    gain: f64,
    /// Offset of each sample of the cohort: the additive logit without the loci of the term.
    offsets: Vec<f32>,
    /// Tokens of its loci, with the numbers of the term in place of the tokenizer's ids.
    loci: Vec<LocusTokens>,
    networks: Vec<Trained>,
    /// Mean logit of the networks for each validation sample.
    validation_logits: Vec<f64>,
    /// Logit of each training sample by the network that has not seen it, by sample of the cohort;
    /// 0 for all other samples.
    out_of_fold: Vec<f64>,
}

impl DeepTerm {
    /// Trains one network on all training samples.
    fn train(
        setting: &SharedByMembers<'_>,
        loci: &[usize],
        additive: &additive::Fit,
        member: &Member,
        files: &MemberFiles,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, Error> {
        let offsets = additive.without(loci);
        let shape = TermShape {
            loci: loci.to_vec(),
            tokens: tokens_of(setting.data, member, loci),
            pair_slots: pair_slots(setting, loci, additive, member),
            networks: 1,
            ..TermShape::default()
        };
        let mut term = Self {
            loci: numbered_loci(setting.data, &shape),
            shape,
            gain: 0.0,
            offsets,
            networks: Vec::new(),
            validation_logits: Vec::new(),
            out_of_fold: Vec::new(),
        };
        let network = term.train_network(setting, member, &[], files, on_progress)?;
        term.networks.push(network.trained);
        term.validation_logits = network.validation_logits;
        Ok(term)
    }

    /// Contribution of the term to the logits of the validation samples.
    ///
    /// The term replaces the additive part of its loci, so that the contribution is
    /// `term + offset - additive_logit`.
    fn contribution(&self, validation: &Validation<'_>, additive_logits: &[f64]) -> Vec<f64> {
        self.validation_logits
            .iter()
            .zip(validation.of_cohort(&self.offsets))
            .zip(additive_logits)
            .map(|((term, offset), additive)| (term + offset) - additive)
            .collect()
    }

    /// Trains further networks, each without a fold of the training samples.
    fn cross_fit(
        &mut self,
        setting: &SharedByMembers<'_>,
        member: &Member,
        files: &MemberFiles,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Error> {
        self.out_of_fold = vec![0.0; setting.cohort.people.len()];
        let mut sums = self.validation_logits.clone();
        let folds = additive::folds(setting.cohort, member)?;
        for (number, fold) in (1..).zip(&folds) {
            let fold_member = without_fold(member, number as u64, fold);
            let network = self.train_network(
                setting,
                &fold_member,
                fold,
                &files.of_fold(number, folds.len()),
                on_progress,
            )?;
            for (sum, logit) in sums.iter_mut().zip(&network.validation_logits) {
                *sum += logit;
            }
            for (&sample, &logit) in fold.iter().zip(&network.held_out_logits) {
                self.out_of_fold[sample] = logit;
            }
            self.networks.push(network.trained);
        }
        self.validation_logits = sums
            .into_iter()
            .map(|sum| sum / self.networks.len() as f64)
            .collect();
        self.shape.networks = self.networks.len();
        Ok(())
    }

    /// Trains a network, and predicts the validation samples and `held_out` with it.
    fn train_network(
        &self,
        setting: &SharedByMembers<'_>,
        member: &Member,
        held_out: &[usize],
        files: &MemberFiles,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<TrainedNetwork, Error> {
        let config = self.shape.config(setting.config);
        let data = setting.data.next_to(&self.loci, self.offsets.clone());
        let term_setting = SharedByMembers {
            config: &config,
            data: &data,
            loci: &self.shape.loci,
            ..*setting
        };
        let trained = member::train(&term_setting, member, files, on_progress)?;
        let mut parameters = Parameters::saved(trained.weights.clone()).on(setting.device);
        let model = Model::new(&config, &mut parameters)?;
        let samples = [member.validation.as_slice(), held_out].concat();
        let logits = logits_within(setting.schedule.bytes(), &model, &data, &samples)?;
        let mut validation_logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
        let held_out_logits = validation_logits.split_off(member.validation.len());
        Ok(TrainedNetwork {
            trained,
            validation_logits,
            held_out_logits,
        })
    }

    /// Out-of-fold logits of the training samples and mean logits of the validation samples, by
    /// sample of the cohort.
    fn by_sample(&self, setting: &SharedByMembers<'_>, member: &Member) -> Vec<f64> {
        let mut logits = self.out_of_fold.clone();
        logits.resize(setting.cohort.people.len(), 0.0);
        for (&sample, &logit) in member.validation.iter().zip(&self.validation_logits) {
            logits[sample] = logit;
        }
        logits
    }

    fn summarize(&self, setting: &SharedByMembers<'_>) -> TermSummary {
        TermSummary {
            loci: self
                .shape
                .loci
                .iter()
                .map(|&locus| setting.config.loci[locus].name.clone())
                .collect(),
            weight: self.shape.weight,
            gain: additive::rounded(self.gain),
            networks: self.networks.len(),
            best_epoch: self
                .networks
                .iter()
                .map(|network| network.best_epoch)
                .max()
                .unwrap_or_default(),
            epochs_run: self.networks.iter().map(|network| network.log.len()).sum(),
        }
    }
}

/// A network of a deep term with its predictions.
struct TrainedNetwork {
    trained: Trained,
    validation_logits: Vec<f64>,
    /// Logits of the fold that the network has not seen.
    held_out_logits: Vec<f64>,
}

/// The member without a fold (1-based) of its training samples, with a seed of its own.
fn without_fold(member: &Member, number: u64, fold: &[usize]) -> Member {
    let held_out: BTreeSet<usize> = fold.iter().copied().collect();
    Member {
        training: member
            .training
            .iter()
            .copied()
            .filter(|sample| !held_out.contains(sample))
            .collect(),
        // Ensembles add small numbers to the seed: the upper half is free for folds.
        seed: member.seed.wrapping_add(number << 32),
        ..member.clone()
    }
}

/// Puts all tensors together; deep terms without weight are left out.
fn assembled(
    setting: &SharedByMembers<'_>,
    alone: &additive::Fit,
    fit: &additive::Fit,
    terms: Vec<DeepTerm>,
    validation_auroc: f64,
) -> Result<TrainedMember, Error> {
    let mut weights = fit.additive.tensors("")?;
    weights.extend(alone.additive.tensors(ALONE)?);
    let n_parameters = 1 + fit.additive.covariates.len() + fit.additive.weights.len();
    let mut facts = Facts {
        n_parameters,
        best_validation_auroc: validation_auroc,
        additive: Some(fit.summary.clone()),
        ..Facts::default()
    };
    let mut shapes = Vec::new();
    let mut log = Vec::new();
    let mut epochs_resumed = 0;
    for (number, term) in terms.into_iter().enumerate() {
        let counts = term.shape.weight > 0.0;
        let summary = term.summarize(setting);
        for (index, network) in term.networks.into_iter().enumerate() {
            epochs_resumed += network.epochs_resumed;
            log.extend(network.log.into_iter().map(|epoch| (number + 1, epoch)));
            if counts {
                let prefix = network_prefix(shapes.len(), index);
                weights.extend(
                    network
                        .weights
                        .into_iter()
                        .map(|(name, tensor)| (format!("{prefix}{name}"), tensor)),
                );
                facts.n_parameters += network.n_parameters;
            }
        }
        if counts {
            shapes.push(TermShape {
                best_epoch: summary.best_epoch,
                networks: summary.networks,
                ..term.shape
            });
        }
        facts.terms.push(summary);
    }
    Ok(TrainedMember {
        weights,
        terms: Some(shapes),
        facts,
        log,
        epochs_resumed,
    })
}

impl TrainedMember {
    /// A pure sequence model: its only term has the number 1.
    fn pure(trained: Trained) -> Self {
        Self {
            weights: trained.weights,
            terms: None,
            facts: Facts {
                n_parameters: trained.n_parameters,
                best_epoch: trained.best_epoch,
                best_validation_auroc: trained.best_validation_auroc,
                ..Facts::default()
            },
            log: trained.log.into_iter().map(|epoch| (1, epoch)).collect(),
            epochs_resumed: trained.epochs_resumed,
        }
    }

    /// Writes the file of a trained member.
    ///
    /// The log and the validation AUC are f64 tensors: JSON may change the last bit of a number.
    fn save(&self, path: &Path, digest: &str) -> Result<(), Error> {
        let mut tensors: BTreeMap<String, Tensor> = self
            .weights
            .iter()
            .map(|(name, tensor)| (format!("weights/{name}"), tensor.clone()))
            .collect();
        let numbers: Vec<f64> = self
            .log
            .iter()
            .flat_map(|(term, epoch)| std::iter::once(*term as f64).chain(epoch.numbers()))
            .collect();
        tensors.insert(
            "log".into(),
            Tensor::from_vec(numbers, (self.log.len(), 1 + EpochLog::LEN), &Device::Cpu)?,
        );
        let auroc = Tensor::from_vec(vec![self.facts.best_validation_auroc], 1, &Device::Cpu)?;
        tensors.insert("validation_auroc".into(), auroc);
        let saved = Saved {
            schema_version: SCHEMA_VERSION,
            digest: digest.into(),
            terms: self.terms.clone(),
            facts: self.facts.clone(),
        };
        let json = serde_json::to_string(&saved)
            .map_err(|error| Error::file(path, TermsProblem::from(error)))?;
        let metadata = HashMap::from([(FACTS.to_owned(), json)]);
        let bytes = safetensors::serialize(tensors, Some(metadata))
            .map_err(|error| Error::file(path, TermsProblem::from(error)))?;
        Ok(output::write(path, |out| out.write_all(&bytes))?)
    }

    /// Reads the file of a trained member; `None` when there is none.
    fn load_if_there(path: &Path, digest: &str) -> Result<Option<Self>, Error> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(output::at(path)(error).into()),
        };
        let saved = Saved::read(path, &bytes)?;
        if saved.digest != digest {
            return Err(Error::OtherCheckpoint { path: path.into() });
        }
        let mut trained = Self {
            weights: Weights::new(),
            terms: saved.terms,
            facts: saved.facts,
            log: Vec::new(),
            epochs_resumed: 0,
        };
        for (name, view) in SafeTensors::deserialize(&bytes)
            .map_err(|error| damaged(path, error))?
            .tensors()
        {
            trained.add_tensor(path, &name, view.load(&Device::Cpu)?)?;
        }
        trained.epochs_resumed = trained.log.len();
        Ok(Some(trained))
    }

    /// Assigns a tensor of the file to its field in the member.
    fn add_tensor(&mut self, path: &Path, name: &str, tensor: Tensor) -> Result<(), Error> {
        if let Some(weight) = name.strip_prefix("weights/") {
            self.weights.insert(weight.to_owned(), tensor);
            return Ok(());
        }
        match (name, tensor.dtype()) {
            ("validation_auroc", DType::F64) => {
                let values = tensor.to_vec1::<f64>()?;
                self.facts.best_validation_auroc = values.first().copied().unwrap_or_default();
            }
            ("log", DType::F64) => {
                for row in tensor.to_vec2::<f64>()? {
                    let epoch = row
                        .get(1..)
                        .and_then(EpochLog::from_numbers)
                        .ok_or_else(|| damaged(path, Damage::InvalidLog))?;
                    self.log.push((row[0] as usize, epoch));
                }
            }
            _ => return Err(damaged(path, Damage::Tensor(name.to_owned()))),
        }
        Ok(())
    }
}

impl Saved {
    fn read(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let header = SafeTensors::read_metadata(bytes)
            .map_err(|error| damaged(path, error))?
            .1;
        let json = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(FACTS))
            .ok_or_else(|| damaged(path, Damage::NoMember))?;
        stored_format::from_json(json.as_bytes(), SCHEMA_VERSION, "gf-genomics train")
            .map_err(|problem| Error::file(path, TermsProblem::from(problem)))
    }
}

fn damaged(path: &Path, damage: impl Into<Damage>) -> Error {
    Error::file(path, TermsProblem::Damaged(damage.into()))
}

/// Why a trained member cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TermsProblem {
    /// Facts that cannot be written as JSON.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Tensors that cannot be written.
    #[error("{0}")]
    Safetensors(#[from] SafeTensorError),
    /// Another version, or other facts.
    #[error(transparent)]
    Format(#[from] StoredFormatProblem),
    /// A file that does not have the parts of a member.
    #[error("damaged ({0}); delete it to train again")]
    Damaged(Damage),
}

/// Damage of the file of a trained member.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// A file that is not in the safetensors format.
    #[error("{0}")]
    Safetensors(#[from] SafeTensorError),
    /// A row of the training log with other numbers.
    #[error("invalid log")]
    InvalidLog,
    /// No facts.
    #[error("no trained member")]
    NoMember,
    /// A tensor of an unknown name.
    #[error("{0}")]
    Tensor(String),
}
