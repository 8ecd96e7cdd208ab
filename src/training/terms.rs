//! A member of a bundle: an additive term and deep terms over blocks of loci, or a pure sequence
//! model.
//!
//! Input -> output: the samples of a member -> all tensors of its risk model. Each deep term is
//! trained by itself, next to the additive term as a cross-fitted offset; then `selection` decides
//! whether it counts. What is saved of a trained member is one file, which `run_member` leaves.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor, safetensors::Load};
use gf_cohort_schema::{Phenotype, probability};
use gf_tokenizer::{MASK, Tokenizer};
use safetensors::SafeTensors;
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
use gf_files::{output, stored_format};
use gf_nn::Parameters;

/// Over which loci there are deep terms next to an additive term.
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

impl std::str::FromStr for DeepTerms {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "loci" => Ok(Self::Loci),
            "joint" => Ok(Self::Joint),
            "loci-and-joint" => Ok(Self::LociAndJoint),
            other => Err(format!(
                "`{other}` is none of `loci`, `joint`, `loci-and-joint`"
            )),
        }
    }
}

impl std::fmt::Display for DeepTerms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Serialize::serialize(self, f)
    }
}

impl DeepTerms {
    /// There are terms of single loci, which can be trained by themselves.
    #[must_use]
    pub fn has_single_loci(self) -> bool {
        matches!(self, Self::Loci | Self::LociAndJoint)
    }

    /// The loci of each deep term. A locus without a slot that varies has nothing to learn from and
    /// is in no term of its own.
    pub(super) fn blocks(self, config: &Config) -> Vec<Vec<usize>> {
        let varying: Vec<usize> = (0..config.loci.len())
            .filter(|&locus| config.loci[locus].n_slots > 2)
            .collect();
        let joint = || (varying.len() > 1).then(|| varying.clone());
        let single = || varying.iter().map(|&locus| vec![locus]);
        match self {
            Self::Loci => single().collect(),
            Self::Joint if varying.len() == 1 => single().collect(),
            Self::Joint => joint().into_iter().collect(),
            Self::LociAndJoint => single().chain(joint()).collect(),
        }
    }
}

/// A trained deep term.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TermSummary {
    /// Names of its loci.
    pub loci: Vec<String>,
    /// Factor of its logit; 0 where it does not help.
    pub weight: f64,
    /// Twice its gain in log-likelihood on the validation samples.
    pub gain: f64,
    /// Networks whose mean logit is the term's.
    pub networks: usize,
    /// Epoch whose weights were kept, the latest over the networks.
    pub best_epoch: usize,
    /// Epochs run, over all networks.
    pub epochs_run: usize,
}

/// What was learned by a member.
#[derive(Debug)]
pub struct TrainedMember {
    /// All tensors of the risk model.
    pub weights: Weights,
    /// Its deep terms; `None` for a pure sequence model.
    pub terms: Option<Vec<TermShape>>,
    /// Everything that is not a tensor.
    pub facts: Facts,
    /// Number of the term (1-based), and the epoch.
    pub log: Vec<(usize, EpochLog)>,
    /// Epochs taken over from checkpoints.
    pub epochs_resumed: usize,
}

/// Numbers about a trained member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Values over all parameters.
    pub n_parameters: usize,
    /// Epoch whose weights were kept; 0 with an additive term, where every deep term has its own.
    pub best_epoch: usize,
    /// AUC on the validation samples.
    pub best_validation_auroc: f64,
    /// How the additive term came about.
    pub additive: Option<additive::Summary>,
    /// Every deep term next to it.
    pub terms: Vec<TermSummary>,
}

const FACTS: &str = "gf-genomics-member";
/// Version of the file of a trained member with an additive term.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    schema_version: u32,
    digest: String,
    terms: Option<Vec<TermShape>>,
    facts: Facts,
}

/// How the terms of a member are made.
#[derive(Clone, Copy, Debug)]
pub struct Making<'m> {
    /// What the additive term has weights for.
    pub additive: AdditiveKind,
    /// Over which loci there are deep terms.
    pub deep_terms: DeepTerms,
    /// What tokens mean.
    pub tokenizer: &'m Tokenizer,
}

/// Trains a member.
///
/// # Errors
/// As [`member::train`], and when the additive term cannot be fitted.
pub fn train(
    setting: &SharedByMembers<'_>,
    making: Making<'_>,
    member: &Member,
    place: &MemberFiles,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<TrainedMember, Error> {
    if making.additive == AdditiveKind::None {
        return Ok(TrainedMember::pure(member::train(
            setting,
            member,
            place,
            on_progress,
        )?));
    }
    if let Some(found) = resumed(setting, place)? {
        return Ok(found);
    }
    let made = learn(setting, making, member, place, on_progress)?;
    if place.keep && setting.ranks.is_first() {
        made.save(&place.trained, setting.digest)?;
        remove_terms(place)?;
    }
    Ok(made)
}

/// Trains the deep terms of single loci (places among all loci) of a member and leaves them where
/// [`train`] resumes. Returns the names of their loci.
///
/// # Errors
/// As [`train`].
pub fn train_of_loci(
    setting: &SharedByMembers<'_>,
    making: Making<'_>,
    member: &Member,
    place: &MemberFiles,
    loci: &Range<usize>,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<String>, Error> {
    let additive = additive::fit(
        setting.data,
        setting.cohort,
        making.tokenizer,
        member,
        making.additive,
        &[],
    )?;
    let blocks = making.deep_terms.blocks(setting.config);
    let mut names = Vec::new();
    for (number, block) in (1..).zip(&blocks) {
        let [locus] = block[..] else { continue };
        if loci.contains(&locus) {
            let kept = MemberFiles {
                keep: true,
                ..place.of_term(number, blocks.len())
            };
            DeepTerm::train(setting, block, &additive, member, &kept, on_progress)?;
            names.push(setting.config.loci[locus].name.clone());
        }
    }
    Ok(names)
}

/// A member that was trained by itself.
///
/// # Errors
/// It is not there, or it belongs to other inputs or options.
pub fn trained(
    setting: &SharedByMembers<'_>,
    making: Making<'_>,
    place: &MemberFiles,
) -> Result<TrainedMember, Error> {
    if making.additive == AdditiveKind::None {
        return Ok(TrainedMember::pure(member::trained(setting, place)?));
    }
    TrainedMember::load_if_there(&place.trained, setting.digest)?
        .ok_or_else(|| member::not_trained(place))
}

/// The trained member that an earlier run left, if this one resumes.
fn resumed(
    setting: &SharedByMembers<'_>,
    place: &MemberFiles,
) -> Result<Option<TrainedMember>, Error> {
    match setting.resume {
        super::Resume::No => Ok(None),
        super::Resume::Yes => TrainedMember::load_if_there(&place.trained, setting.digest),
        super::Resume::IfSame => match TrainedMember::load_if_there(&place.trained, setting.digest)
        {
            Err(Error::OtherCheckpoint { .. }) => {
                output::remove_if_there(&place.trained)?;
                Ok(None)
            }
            found => found,
        },
    }
}

/// Removes the checkpoints of the deep terms of a member, and the terms that were trained by
/// themselves.
fn remove_terms(place: &MemberFiles) -> Result<(), Error> {
    remove_terms_next_to(&place.checkpoint)?;
    remove_terms_next_to(&place.trained)
}

fn remove_terms_next_to(of_member: &Path) -> Result<(), Error> {
    let stem = of_member.file_stem().unwrap_or_default().to_string_lossy();
    let prefix = format!("{stem}-term-");
    let Some(entries) = of_member
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
/// When one cannot be removed.
pub fn remove_files(place: &MemberFiles) -> Result<(), Error> {
    remove_terms(place)?;
    output::remove_if_there(&place.checkpoint)?;
    Ok(output::remove_if_there(&place.trained)?)
}

/// The tokens that the training samples have at some loci, and the special ones.
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

/// The loci of a term, with its own numbers in place of the tokenizer's ids.
fn numbered_loci(data: &Dataset<'_>, shape: &TermShape) -> Vec<LocusTokens> {
    let numbers = TokenNumbers::new(shape);
    let mut loci = Vec::with_capacity(shape.loci.len());
    for (place, &locus) in shape.loci.iter().enumerate() {
        let tokens = data.tokens(locus);
        let n_slots = tokens.n_slots + numbers.n_pairs(place);
        let rows = tokens
            .tokens
            .chunks(tokens.n_slots)
            .flat_map(|row| numbers.row(place, row));
        loci.push(LocusTokens {
            tokens: rows.collect(),
            n_slots,
            ..tokens.clone()
        });
    }
    loci
}

/// The pair slots of a term, found on the training samples and what the additive term leaves of
/// their phenotypes.
fn pair_slots(
    setting: &SharedByMembers<'_>,
    loci: &[usize],
    additive: &additive::Fit,
    member: &Member,
) -> Vec<PairSlot> {
    let residual = |&person: &usize| {
        let is_case = setting.cohort.people[person]
            .phenotype
            .is_some_and(Phenotype::is_case);
        f64::from(u8::from(is_case)) - probability(f64::from(additive.logits[person]))
    };
    let residuals: Vec<f64> = member.training.iter().map(residual).collect();
    let mut found = Vec::new();
    for (place, &locus) in loci.iter().enumerate() {
        let rows = setting.data.haplotypes_of(locus, &member.training);
        for slots in pair_scan::find(setting.data, locus, &member.training, &residuals) {
            let version = |&haplotype: &u32| {
                slots.map(|slot| setting.data.tokens(locus).row(haplotype)[slot])
            };
            let versions: BTreeSet<[u32; 2]> = rows.iter().map(version).collect();
            found.push(PairSlot {
                locus: place,
                slots,
                versions: versions.into_iter().collect(),
            });
        }
    }
    found
}

/// The additive term, the deep terms next to it, and how much each counts.
///
/// A deep term is trained next to the additive part of all other loci. One that helps on the
/// validation samples is trained again without each fold of the training samples in turn. The mean
/// of all its networks is the term. The out-of-fold logits of the training samples let the additive
/// term be fitted again, with a coefficient for each deep term.
fn learn(
    setting: &SharedByMembers<'_>,
    making: Making<'_>,
    member: &Member,
    place: &MemberFiles,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<TrainedMember, Error> {
    let alone = additive::fit(
        setting.data,
        setting.cohort,
        making.tokenizer,
        member,
        making.additive,
        &[],
    )?;
    let blocks = making.deep_terms.blocks(setting.config);
    let mut terms = Vec::with_capacity(blocks.len());
    for (number, loci) in (1..).zip(&blocks) {
        terms.push(DeepTerm::train(
            setting,
            loci,
            &alone,
            member,
            &place.of_term(number, blocks.len()),
            on_progress,
        )?);
    }
    let validation = Validation::new(setting, member);
    let offset = validation.of_cohort(&alone.logits);
    let beyond: Vec<Vec<f64>> = terms
        .iter()
        .map(|term| term.beyond(&validation, &offset))
        .collect();
    let gains = selection::gains(&offset, &beyond, &validation.is_case);
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
            &place.of_term(term + 1, blocks.len()),
            on_progress,
        )?;
    }
    let mut best = Combination {
        fit: alone.clone(),
        weights: vec![0.0; terms.len()],
    };
    if let Some(found) = Combination::fit(setting, making, member, &terms, helpful)?
        && found.loss(&validation) < best.loss(&validation)
    {
        best = found;
    }
    for (term, weight) in terms.iter_mut().zip(&best.weights) {
        term.shape.weight = *weight;
    }
    let validation_auroc = validation.auroc(&validation.of_cohort(&best.fit.logits))?;
    assembled(setting, &alone, &best.fit, terms, validation_auroc)
}

/// The additive term fitted together with coefficients of deep terms.
struct Combination {
    /// Its logits have the part of the deep terms.
    fit: additive::Fit,
    /// Coefficient of each deep term; 0 for one that does not count.
    weights: Vec<f64>,
}

impl Combination {
    /// Terms with a coefficient that is not positive are left out. `None` where none is left.
    fn fit(
        setting: &SharedByMembers<'_>,
        making: Making<'_>,
        member: &Member,
        terms: &[DeepTerm],
        mut chosen: Vec<usize>,
    ) -> Result<Option<Self>, Error> {
        while !chosen.is_empty() {
            let columns: Vec<Vec<f64>> = chosen
                .iter()
                .map(|&term| terms[term].by_sample(setting, member))
                .collect();
            let fit = additive::fit(
                setting.data,
                setting.cohort,
                making.tokenizer,
                member,
                making.additive,
                &columns,
            )?;
            let mut weights = vec![0.0; terms.len()];
            for (&term, &coefficient) in chosen.iter().zip(&fit.of_deep_terms) {
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
    people: &'v [usize],
    is_case: Vec<bool>,
}

impl<'v> Validation<'v> {
    fn new(setting: &SharedByMembers<'_>, member: &'v Member) -> Self {
        let is_case = |&person: &usize| {
            setting.cohort.people[person]
                .phenotype
                .is_some_and(Phenotype::is_case)
        };
        Self {
            people: &member.validation,
            is_case: member.validation.iter().map(is_case).collect(),
        }
    }

    fn of_cohort(&self, logits: &[f32]) -> Vec<f64> {
        self.people
            .iter()
            .map(|&person| f64::from(logits[person]))
            .collect()
    }

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

/// A deep term in the making.
struct DeepTerm {
    shape: TermShape,
    /// Twice its gain in log-likelihood on the validation samples.
    gain: f64,
    /// Additive logit of each sample of the cohort that it is trained next to.
    offsets: Vec<f32>,
    /// The loci with the numbers of the term in place of tokens.
    loci: Vec<LocusTokens>,
    networks: Vec<Trained>,
    /// Mean logit of the networks for each validation sample.
    of_validation: Vec<f64>,
    /// Logit of each sample of the cohort by the network that has not seen it; 0 for others than
    /// training samples.
    out_of_fold: Vec<f64>,
}

impl DeepTerm {
    /// One network on all training samples.
    fn train(
        setting: &SharedByMembers<'_>,
        loci: &[usize],
        additive: &additive::Fit,
        member: &Member,
        place: &MemberFiles,
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
        let loci = numbered_loci(setting.data, &shape);
        let mut term = Self {
            shape,
            gain: 0.0,
            offsets,
            loci,
            networks: Vec::new(),
            of_validation: Vec::new(),
            out_of_fold: Vec::new(),
        };
        let (network, of_validation) = term.network(setting, member, &[], place, on_progress)?;
        term.networks.push(network);
        term.of_validation = of_validation;
        Ok(term)
    }

    /// What it says of the validation samples beyond the additive part of its loci, which it takes
    /// the place of. `total` is the additive logit.
    fn beyond(&self, validation: &Validation<'_>, total: &[f64]) -> Vec<f64> {
        let without = validation.of_cohort(&self.offsets);
        let with_term = self
            .of_validation
            .iter()
            .zip(without)
            .map(|(logit, without)| logit + without);
        with_term
            .zip(total)
            .map(|(logit, total)| logit - total)
            .collect()
    }

    /// Further networks, each without a fold of the training samples.
    fn cross_fit(
        &mut self,
        setting: &SharedByMembers<'_>,
        member: &Member,
        place: &MemberFiles,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Error> {
        self.out_of_fold = vec![0.0; setting.cohort.people.len()];
        let mut sums = self.of_validation.clone();
        let folds = additive::folds(setting.cohort, member)?;
        for (number, fold) in (1_u64..).zip(&folds) {
            let without: BTreeSet<usize> = fold.iter().copied().collect();
            let training = member
                .training
                .iter()
                .copied()
                .filter(|person| !without.contains(person))
                .collect();
            let of_fold = Member {
                training,
                seed: member.seed.wrapping_add(number << 32),
                ..member.clone()
            };
            let (network, logits) =
                self.network(setting, &of_fold, fold, &place.of_fold(number), on_progress)?;
            let (of_validation, held_out) = logits.split_at(member.validation.len());
            sums.iter_mut()
                .zip(of_validation)
                .for_each(|(sum, logit)| *sum += logit);
            fold.iter()
                .zip(held_out)
                .for_each(|(&person, logit)| self.out_of_fold[person] = *logit);
            self.networks.push(network);
        }
        self.of_validation = sums
            .into_iter()
            .map(|sum| sum / self.networks.len() as f64)
            .collect();
        self.shape.networks = self.networks.len();
        Ok(())
    }

    /// A network, and its logits of the validation samples and of `held_out`.
    fn network(
        &self,
        setting: &SharedByMembers<'_>,
        member: &Member,
        held_out: &[usize],
        place: &MemberFiles,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(Trained, Vec<f64>), Error> {
        let config = self.shape.config(setting.config);
        let data = setting.data.next_to(&self.loci, self.offsets.clone());
        let of_term = SharedByMembers {
            config: &config,
            data: &data,
            loci: &self.shape.loci,
            ..*setting
        };
        let trained = member::train(&of_term, member, place, on_progress)?;
        let model = Model::new(
            &config,
            &mut Parameters::saved(trained.weights.clone()).on(setting.device),
        )?;
        let people = [member.validation.as_slice(), held_out].concat();
        let logits = logits_within(setting.schedule.bytes(), &model, &data, &people)?;
        Ok((trained, logits.into_iter().map(f64::from).collect()))
    }

    /// Out-of-fold logits of the training samples and mean logits of the validation samples, by
    /// sample of the cohort.
    fn by_sample(&self, setting: &SharedByMembers<'_>, member: &Member) -> Vec<f64> {
        let mut logits = self.out_of_fold.clone();
        logits.resize(setting.cohort.people.len(), 0.0);
        member
            .validation
            .iter()
            .zip(&self.of_validation)
            .for_each(|(&person, logit)| logits[person] = *logit);
        logits
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
        let weight = term.shape.weight;
        let counts = weight > 0.0;
        let names = term
            .shape
            .loci
            .iter()
            .map(|&locus| setting.config.loci[locus].name.clone())
            .collect();
        let best_epoch = term
            .networks
            .iter()
            .map(|network| network.best_epoch)
            .max()
            .unwrap_or_default();
        let epochs_run = term.networks.iter().map(|network| network.log.len()).sum();
        let networks = term.networks.len();
        facts.terms.push(TermSummary {
            loci: names,
            weight,
            gain: additive::rounded(term.gain),
            networks,
            best_epoch,
            epochs_run,
        });
        for (place, network) in term.networks.into_iter().enumerate() {
            epochs_resumed += network.epochs_resumed;
            log.extend(network.log.into_iter().map(|epoch| (number + 1, epoch)));
            if counts {
                let prefix = network_prefix(shapes.len(), place);
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
                best_epoch,
                networks,
                ..term.shape
            });
        }
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
    fn pure(trained: Trained) -> Self {
        let Trained {
            weights,
            n_parameters,
            best_epoch,
            best_validation_auroc,
            log,
            epochs_resumed,
        } = trained;
        let facts = Facts {
            n_parameters,
            best_epoch,
            best_validation_auroc,
            ..Facts::default()
        };
        Self {
            weights,
            terms: None,
            facts,
            log: log.into_iter().map(|epoch| (1, epoch)).collect(),
            epochs_resumed,
        }
    }

    fn save(&self, path: &Path, digest: &str) -> Result<(), Error> {
        let wrong = |reason: String| Error::File {
            path: path.into(),
            reason,
        };
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
        let saved = serde_json::to_string(&saved).map_err(|error| wrong(error.to_string()))?;
        let metadata = HashMap::from([(FACTS.to_owned(), saved)]);
        let bytes = safetensors::serialize(tensors, Some(metadata))
            .map_err(|error| wrong(error.to_string()))?;
        Ok(output::write(path, |out| out.write_all(&bytes))?)
    }

    fn load_if_there(path: &Path, digest: &str) -> Result<Option<Self>, Error> {
        let wrong = |reason: String| Error::File {
            path: PathBuf::from(path),
            reason,
        };
        let damaged = |error: &dyn std::fmt::Display| {
            wrong(format!("damaged ({error}); delete it to train again"))
        };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(output::at(path)(error).into()),
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(&error))?;
        let saved = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(FACTS))
            .ok_or_else(|| damaged(&"no trained member"))?;
        let saved: Saved =
            stored_format::from_json(saved.as_bytes(), SCHEMA_VERSION, "gf-genomics train")
                .map_err(wrong)?;
        if saved.digest != digest {
            return Err(Error::OtherCheckpoint { path: path.into() });
        }
        let Saved {
            terms, mut facts, ..
        } = saved;
        let mut weights = Weights::new();
        let mut log = Vec::new();
        for (name, view) in SafeTensors::deserialize(&bytes)
            .map_err(|error| damaged(&error))?
            .tensors()
        {
            let tensor = view.load(&Device::Cpu)?;
            match name.strip_prefix("weights/") {
                Some(name) => _ = weights.insert(name.to_owned(), tensor),
                None if name == "validation_auroc" && tensor.dtype() == DType::F64 => {
                    facts.best_validation_auroc = tensor
                        .to_vec1::<f64>()?
                        .first()
                        .copied()
                        .unwrap_or_default();
                }
                None if name == "log" && tensor.dtype() == DType::F64 => {
                    for row in tensor.to_vec2::<f64>()? {
                        let epoch = row
                            .get(1..)
                            .and_then(EpochLog::from_numbers)
                            .ok_or_else(|| damaged(&"its log"))?;
                        log.push((row[0] as usize, epoch));
                    }
                }
                None => return Err(damaged(&name)),
            }
        }
        let epochs_resumed = log.len();
        Ok(Some(Self {
            weights,
            terms,
            facts,
            log,
            epochs_resumed,
        }))
    }
}
