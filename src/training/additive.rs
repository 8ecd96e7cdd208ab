//! Fits the additive term: a penalised logistic regression on the versions of every slot (or on
//! their alleles) and the covariates.
//!
//! Input -> output: samples with tokens, training and validation samples -> an [`Additive`], and
//! each sample's additive logit as the deep terms may see it. A training sample's logit comes from
//! a fit that has not seen it (cross-fitting): an in-sample fit leaves a residual without any
//! signal.
//!
//! The penalty is that of the elastic net (`regression::elastic_net`), on copies that are not
//! standardised: standardised copies would give rare versions large weights. There is one fit per
//! share of L1, with the strength of the penalty that has the least loss on the out-of-fold
//! training samples and the validation samples together. The term is the mean of these fits,
//! weighted by their likelihood on the same samples (pseudo-BMA: Yao et al. 2018, Bayesian Analysis
//! 13:917, section 3.4). It is not known beforehand whether few versions act or many, and the share
//! with the least loss is often no better than the next one.

use std::collections::BTreeMap;

use gf_cohort_schema::text::note;
use gf_cohort_schema::{Cohort, Phenotype, nine_significant_digits};
use gf_tokenizer::Tokenizer;
use ndarray::{Array1, Array2, ShapeBuilder};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Error,
    members::{Member, deal},
};
use crate::{
    dataset::Dataset,
    models::additive::{Additive, VersionWeight},
};
use gf_haplotypes::ABSENT_HAPLOTYPE;
use gf_stats::regression::elastic_net::{Penalty, Problem, Solution};

/// What the additive term has weights for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdditiveKind {
    /// Copies of each allele: the single-base differences between the versions of a slot.
    Dosages,
    /// Copies of each version of a slot.
    #[default]
    Segments,
    /// No additive term: a pure sequence model.
    None,
}

impl std::str::FromStr for AdditiveKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "dosages" => Ok(Self::Dosages),
            "segments" => Ok(Self::Segments),
            "none" => Ok(Self::None),
            other => Err(format!(
                "`{other}` is none of `dosages`, `segments`, `none`"
            )),
        }
    }
}

impl std::fmt::Display for AdditiveKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dosages => "dosages",
            Self::Segments => "segments",
            Self::None => "none",
        })
    }
}

/// Folds of the training samples for cross-fitting.
const FOLDS: usize = 5;
/// Copies of a version among the training samples that it needs to get a weight.
const MIN_COPIES: usize = 5;
/// Shares of L1 in the penalty: from many small weights (ridge) to few large ones (nearly lasso).
const L1_RATIOS: [f64; 4] = [0.0, 0.1, 0.5, 0.9];
/// Penalties of a path, evenly on the scale of logarithms.
const PATH: usize = 40;
/// The weakest penalty of a path, as a share of the weakest at which no version has a weight.
const WEAKEST: f64 = 0.005;
/// A path ends after so many weaker penalties in a row that are not better.
const PATIENCE: usize = 8;

/// A fitted additive term.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The term.
    pub additive: Additive,
    /// Additive logit of each sample of the cohort: out of fold for training samples, of the term
    /// for validation samples, 0 for others.
    pub logits: Vec<f32>,
    /// The part of each locus in `logits`, relative to its mean over the training samples.
    pub of_loci: Vec<Vec<f32>>,
    /// Coefficient of each deep term.
    pub of_deep_terms: Vec<f64>,
    /// What was chosen.
    pub summary: Summary,
}

/// How the additive term came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Versions or alleles that could get a weight.
    pub n_candidates: usize,
    /// Those with a weight.
    pub n_weights: usize,
    /// The fits of which the term is the weighted mean.
    pub fits: Vec<PenaltySummary>,
    /// Mean loss over the out-of-fold training samples and the validation samples.
    pub loss: f64,
}

/// The penalty of one fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PenaltySummary {
    /// Share of the penalty on absolute values.
    pub l1_ratio: f64,
    /// Penalty per sample (glmnet's lambda); `None` where only covariates and deep terms have a
    /// coefficient.
    pub lambda: Option<f64>,
    /// Mean loss over the out-of-fold training samples and the validation samples.
    pub loss: f64,
    /// Weight of this fit in the mean.
    pub weight: f64,
}

/// Something that haplotypes have copies of: some tokens of one slot.
struct Column {
    locus: usize,
    slot: usize,
    tokens: Vec<u32>,
}

impl Fit {
    /// The additive logits without the part of some loci.
    #[must_use]
    pub fn without(&self, loci: &[usize]) -> Vec<f32> {
        let rest = |(person, logit): (usize, &f32)| {
            logit
                - loci
                    .iter()
                    .map(|&locus| self.of_loci[locus][person])
                    .sum::<f32>()
        };
        self.logits.iter().enumerate().map(rest).collect()
    }
}

/// Fits the additive term of a member, together with the coefficients of deep terms: `deep_terms`
/// has the logits of each by sample of the cohort, those of training samples out of fold.
///
/// # Errors
/// Too few cases or controls for cross-fitting, a regression that does not converge.
pub fn fit(
    data: &Dataset<'_>,
    cohort: &Cohort,
    tokenizer: &Tokenizer,
    member: &Member,
    kind: AdditiveKind,
    deep_terms: &[Vec<f64>],
) -> Result<Fit, Error> {
    let columns: Vec<Column> = (0..data.n_loci())
        .into_par_iter()
        .flat_map_iter(|locus| columns_of(data, tokenizer, member, kind, locus))
        .collect();
    let design = Design::new(data, cohort, member, columns, deep_terms);
    let folds = folds(cohort, member)?;
    let fold_of: BTreeMap<usize, usize> = folds
        .iter()
        .enumerate()
        .flat_map(|(fold, people)| people.iter().map(move |&person| (person, fold)))
        .collect();
    let chosen = design.fit_each_l1_ratio(&folds, &fold_of)?;
    Ok(design.finish(
        &chosen,
        &fold_of,
        data.n_loci(),
        deep_terms.len(),
        cohort.people.len(),
    ))
}

/// The training samples in folds, families together.
///
/// # Errors
/// Too few cases or controls.
pub fn folds(cohort: &Cohort, member: &Member) -> Result<Vec<Vec<usize>>, Error> {
    deal(
        cohort,
        member.training.clone(),
        n_folds(cohort, member)?,
        member.seed,
    )
}

/// As many folds as wanted, or as there are samples of the rarer class.
fn n_folds(cohort: &Cohort, member: &Member) -> Result<usize, Error> {
    let is_case = |&&person: &&usize| {
        cohort.people[person]
            .phenotype
            .is_some_and(Phenotype::is_case)
    };
    let n_cases = member.training.iter().filter(is_case).count();
    match n_cases.min(member.training.len() - n_cases) {
        n @ 0..2 => Err(Error::Options(format!(
            "the additive term needs two cases and two controls to learn from, and one class has \
             {n}: train without it (--additive none)"
        ))),
        n => Ok(n.min(FOLDS)),
    }
}

/// What may get a weight at a locus.
fn columns_of(
    data: &Dataset<'_>,
    tokenizer: &Tokenizer,
    member: &Member,
    kind: AdditiveKind,
    locus: usize,
) -> Vec<Column> {
    let tokens = data.tokens(locus);
    let mut copies: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    for &person in &member.training {
        for haplotype in data
            .pair(locus, person)
            .into_iter()
            .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE)
        {
            for (slot, &token) in tokens.row(haplotype).iter().enumerate() {
                *copies.entry((slot, token)).or_default() += 1;
            }
        }
    }
    let versions: Vec<(usize, u32, usize)> = copies
        .into_iter()
        .map(|((slot, token), n)| (slot, token, n))
        .collect();
    let mut columns = Vec::new();
    for of_slot in versions.chunk_by(|one, next| one.0 == next.0) {
        let Some(&(slot, commonest, _)) = of_slot
            .iter()
            .max_by_key(|(_, token, n)| (*n, std::cmp::Reverse(*token)))
        else {
            continue;
        };
        let mut parts: BTreeMap<Part, (Vec<u32>, usize)> = BTreeMap::new();
        for &(_, token, n) in of_slot.iter().filter(|(_, token, _)| *token != commonest) {
            for part in parts_of(tokenizer, kind, commonest, token) {
                let (tokens, n_copies) = parts.entry(part).or_default();
                tokens.push(token);
                *n_copies += n;
            }
        }
        let enough = parts
            .into_values()
            .filter(|(_, n_copies)| *n_copies >= MIN_COPIES);
        columns.extend(enough.map(|(tokens, _)| Column {
            locus,
            slot,
            tokens,
        }));
    }
    columns
}

/// What a version has that the commonest one of its slot does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The base at an offset.
    Substitution(usize, u8),
    /// The version as a whole.
    Version(u32),
}

fn parts_of(tokenizer: &Tokenizer, kind: AdditiveKind, commonest: u32, token: u32) -> Vec<Part> {
    let of_bases = |token: u32| {
        tokenizer
            .token(token)
            .filter(|_| token > gf_tokenizer::MASK)
    };
    match (of_bases(commonest), of_bases(token)) {
        (Some(before), Some(after))
            if kind == AdditiveKind::Dosages && before.len() == after.len() =>
        {
            let bases = before.bytes().zip(after.bytes()).enumerate();
            bases
                .filter(|(_, (before, after))| before != after)
                .map(|(offset, (_, after))| Part::Substitution(offset, after))
                .collect()
        }
        _ => vec![Part::Version(token)],
    }
}

/// Training and validation samples with their features.
struct Design {
    columns: Vec<Column>,
    /// Mean of each column over the training samples.
    means: Vec<f64>,
    /// By what all columns are divided: the root of the mean of their variances.
    scale: f64,
    /// Samples: training, then validation.
    people: Vec<usize>,
    n_training: usize,
    is_case: Array1<bool>,
    /// Samples x (columns, then covariates, then deep terms).
    features: Array2<f64>,
}

/// The fits of one penalty.
#[derive(Clone)]
struct Fits {
    /// On all training samples.
    full: Solution,
    /// Each without a fold of the training samples.
    of_folds: Vec<Solution>,
}

impl Fits {
    /// The mean of several fits. The sum of the weights is 1.
    fn mean(of: &[&Self], weights: &[f64]) -> Self {
        let full: Vec<&Solution> = of.iter().map(|fits| &fits.full).collect();
        let n_folds = of.first().map_or(0, |fits| fits.of_folds.len());
        let without_fold = |fold: usize| {
            let solutions: Vec<&Solution> = of.iter().map(|fits| &fits.of_folds[fold]).collect();
            mean_solution(&solutions, weights)
        };
        Self {
            full: mean_solution(&full, weights),
            of_folds: (0..n_folds).map(without_fold).collect(),
        }
    }
}

fn mean_solution(of: &[&Solution], weights: &[f64]) -> Solution {
    let (n_features, n_samples) = of.first().map_or((0, 0), |first| {
        (first.coefficients.len(), first.logits.len())
    });
    let mut mean = Solution {
        intercept: 0.0,
        coefficients: vec![0.0; n_features],
        logits: Array1::zeros(n_samples),
    };
    for (solution, &weight) in of.iter().zip(weights) {
        mean.intercept += weight * solution.intercept;
        mean.coefficients
            .iter_mut()
            .zip(&solution.coefficients)
            .for_each(|(sum, coefficient)| *sum += weight * coefficient);
        mean.logits.scaled_add(weight, &solution.logits);
    }
    mean
}

/// Weight of each fit: its likelihood on `n` samples that it has not seen, relative to the others.
fn likelihood_weights(losses: &[f64], n: usize) -> Vec<f64> {
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let likelihoods: Vec<f64> = losses
        .iter()
        .map(|loss| (n as f64 * (least - loss)).exp())
        .collect();
    let sum: f64 = likelihoods.iter().sum();
    likelihoods
        .into_iter()
        .map(|likelihood| likelihood / sum)
        .collect()
}

/// The fits of the best penalty of a path.
struct Chosen {
    l1_ratio: f64,
    lambda: f64,
    loss: f64,
    fits: Fits,
}

impl Chosen {
    fn summary(&self, weight: f64) -> PenaltySummary {
        let lambda = Some(rounded(self.lambda)).filter(|lambda| lambda.is_finite());
        PenaltySummary {
            l1_ratio: self.l1_ratio,
            lambda,
            loss: rounded(self.loss),
            weight: rounded(weight),
        }
    }
}

impl Design {
    fn new(
        data: &Dataset<'_>,
        cohort: &Cohort,
        member: &Member,
        columns: Vec<Column>,
        deep_terms: &[Vec<f64>],
    ) -> Self {
        let people = [member.training.as_slice(), &member.validation].concat();
        let n_training = member.training.len();
        let values: Vec<Vec<f64>> = columns
            .par_iter()
            .map(|column| copies_of(data, column, &people))
            .collect();
        let moments: Vec<(f64, f64)> = values
            .iter()
            .map(|values| moments(&values[..n_training]))
            .collect();
        let varies: Vec<bool> = moments
            .iter()
            .map(|(_, variance)| *variance > 0.0)
            .collect();
        let kept = |place: &usize| varies[*place];
        let of_deep_terms = |person: usize| deep_terms.iter().map(move |logits| logits[person]);
        let covariates: Vec<Vec<f64>> = people
            .iter()
            .map(|&person| {
                data.standardised(person)
                    .chain(of_deep_terms(person))
                    .collect()
            })
            .collect();
        let n_covariates = covariates.first().map_or(0, Vec::len);
        let places: Vec<usize> = (0..columns.len()).filter(kept).collect();
        let means: Vec<f64> = places.iter().map(|&place| moments[place].0).collect();
        let mean_variance =
            places.iter().map(|&place| moments[place].1).sum::<f64>() / places.len().max(1) as f64;
        let scale = mean_variance.sqrt();
        let mut features = Array2::zeros((people.len(), places.len() + n_covariates).f());
        for ((mut cells, &place), mean) in
            features.columns_mut().into_iter().zip(&places).zip(&means)
        {
            cells
                .iter_mut()
                .zip(&values[place])
                .for_each(|(cell, value)| *cell = (value - mean) / scale);
        }
        for (number, mut cells) in features
            .columns_mut()
            .into_iter()
            .skip(places.len())
            .enumerate()
        {
            cells
                .iter_mut()
                .zip(&covariates)
                .for_each(|(cell, of_person)| *cell = of_person[number]);
        }
        let is_case = people
            .iter()
            .map(|&person| {
                cohort.people[person]
                    .phenotype
                    .is_some_and(Phenotype::is_case)
            })
            .collect();
        let columns = columns
            .into_iter()
            .zip(varies)
            .filter_map(|(column, varies)| varies.then_some(column))
            .collect();
        Self {
            columns,
            means,
            scale,
            people,
            n_training,
            is_case,
            features,
        }
    }

    /// Weight 1 for the training samples without those of a fold, 0 for all others.
    fn weights(&self, without: &[usize]) -> Array1<f64> {
        let left_out: std::collections::BTreeSet<usize> = without.iter().copied().collect();
        let of_place = |(place, person): (usize, &usize)| {
            let is_in = place < self.n_training && !left_out.contains(person);
            f64::from(u8::from(is_in))
        };
        self.people.iter().enumerate().map(of_place).collect()
    }

    /// For each share of L1 the fits with the least loss; a share without any fit is left out with
    /// a note.
    fn fit_each_l1_ratio(
        &self,
        folds: &[Vec<usize>],
        fold_of: &BTreeMap<usize, usize>,
    ) -> Result<Vec<Chosen>, Error> {
        let no_fold = Vec::new();
        let weights: Vec<Array1<f64>> = std::iter::once(&no_fold)
            .chain(folds)
            .map(|fold| self.weights(fold))
            .collect();
        let mut chosen = Vec::with_capacity(L1_RATIOS.len());
        let mut last_reason = String::new();
        for l1_ratio in L1_RATIOS {
            match self.along_path(l1_ratio, &weights, fold_of) {
                Ok(best) => chosen.push(best),
                Err(reason) => {
                    note(format!(
                        "additive term: no fit with an L1 share of {l1_ratio} ({reason}); the mean \
                         is over the other shares"
                    ));
                    last_reason = reason;
                }
            }
        }
        if chosen.is_empty() {
            return Err(Error::Options(format!(
                "the additive term cannot be fitted ({last_reason}): train without it (--additive \
                 none)"
            )));
        }
        Ok(chosen)
    }

    /// From the strongest penalty to weaker ones; the fit on all training samples and those without
    /// a fold go side by side.
    fn along_path(
        &self,
        l1_ratio: f64,
        weights: &[Array1<f64>],
        fold_of: &BTreeMap<usize, usize>,
    ) -> Result<Chosen, String> {
        let problem = |weights| Problem {
            features: &self.features,
            is_case: &self.is_case,
            n_penalised: self.columns.len(),
            sample_weights: Some(weights),
        };
        let mut fits = weights
            .par_iter()
            .map(|weights| problem(weights).start())
            .collect::<Result<Vec<Solution>, String>>()?;
        let first = problem(&weights[0]).largest_lambda(&fits[0], l1_ratio);
        let mut best = self.judged(l1_ratio, f64::INFINITY, &fits, fold_of);
        // Without covariates, a term without any weight would predict the same for everyone.
        let needs_weight = self.columns.len() == self.features.ncols();
        let mut has_weight = false;
        let mut not_better = 0;
        for step in 1..=PATH {
            if first == 0.0 || not_better == PATIENCE {
                break;
            }
            let lambda = first * WEAKEST.powf(step as f64 / PATH as f64);
            let penalty = Penalty::new(lambda, l1_ratio);
            let weaker = weights
                .par_iter()
                .zip(&fits)
                .map(|(weights, last)| problem(weights).fit(penalty, last.clone()));
            match weaker.collect::<Result<Vec<Solution>, String>>() {
                Ok(weaker) => fits = weaker,
                // Weaker penalties would not converge either; what came before stands.
                Err(_) if has_weight || !needs_weight => break,
                Err(reason) => return Err(reason),
            }
            let here = self.judged(l1_ratio, lambda, &fits, fold_of);
            not_better += 1;
            if here.loss < best.loss || (needs_weight && !has_weight) {
                (best, not_better) = (here, 0);
            }
            has_weight |= fits[0].coefficients[..self.columns.len()]
                .iter()
                .any(|coefficient| *coefficient != 0.0);
        }
        Ok(best)
    }

    fn judged(
        &self,
        l1_ratio: f64,
        lambda: f64,
        fits: &[Solution],
        fold_of: &BTreeMap<usize, usize>,
    ) -> Chosen {
        let fits = Fits {
            full: fits[0].clone(),
            of_folds: fits[1..].to_vec(),
        };
        let loss = self.loss_of_unseen(&fits, fold_of);
        Chosen {
            l1_ratio,
            lambda,
            loss,
            fits,
        }
    }

    /// Mean loss over the out-of-fold training samples and the validation samples.
    fn loss_of_unseen(&self, fits: &Fits, fold_of: &BTreeMap<usize, usize>) -> f64 {
        let logits = self.by_unseen_fits(fits, fold_of, |solution, place| solution.logits[place]);
        logits
            .iter()
            .zip(&self.is_case)
            .map(|(&logit, &is_case)| loss(logit, is_case))
            .sum::<f64>()
            / self.people.len() as f64
    }

    /// A value of each sample by a fit that has not seen it: of training samples the one without
    /// their fold, of validation samples the full one.
    fn by_unseen_fits(
        &self,
        fits: &Fits,
        fold_of: &BTreeMap<usize, usize>,
        value: impl Fn(&Solution, usize) -> f64,
    ) -> Vec<f64> {
        let unseen = |(place, person): (usize, &usize)| {
            let solution = if place < self.n_training {
                &fits.of_folds[fold_of[person]]
            } else {
                &fits.full
            };
            value(solution, place)
        };
        self.people.iter().enumerate().map(unseen).collect()
    }

    /// Puts values of the samples at their places in the cohort; 0 for others.
    fn by_sample(&self, values: &[f64], n_people: usize) -> Vec<f32> {
        let mut by_sample = vec![0.0; n_people];
        self.people
            .iter()
            .zip(values)
            .for_each(|(&person, &value)| by_sample[person] = value as f32);
        by_sample
    }

    fn finish(
        self,
        chosen: &[Chosen],
        fold_of: &BTreeMap<usize, usize>,
        n_loci: usize,
        n_deep_terms: usize,
        n_people: usize,
    ) -> Fit {
        let losses: Vec<f64> = chosen.iter().map(|chosen| chosen.loss).collect();
        let weights_of_fits = likelihood_weights(&losses, self.people.len());
        let fits = Fits::mean(
            &chosen.iter().map(|chosen| &chosen.fits).collect::<Vec<_>>(),
            &weights_of_fits,
        );
        let loss = self.loss_of_unseen(&fits, fold_of);
        let full = &fits.full;
        let logits = self.by_unseen_fits(&fits, fold_of, |solution, place| solution.logits[place]);
        let of_locus = |locus: usize| {
            let columns: Vec<usize> = (0..self.columns.len())
                .filter(|&column| self.columns[column].locus == locus)
                .collect();
            let part = |solution: &Solution, place: usize| -> f64 {
                columns
                    .iter()
                    .map(|&column| solution.coefficients[column] * self.features[(place, column)])
                    .sum()
            };
            self.by_sample(&self.by_unseen_fits(&fits, fold_of, part), n_people)
        };
        let of_loci = (0..n_loci).into_par_iter().map(of_locus).collect();
        let (of_columns, others) = full.coefficients.split_at(self.columns.len());
        let (of_covariates, of_deep_terms) = others.split_at(others.len() - n_deep_terms);
        let mut intercept = full.intercept;
        let mut weights: BTreeMap<(usize, usize, u32), f64> = BTreeMap::new();
        for ((column, mean), coefficient) in self
            .columns
            .iter()
            .zip(&self.means)
            .zip(of_columns)
            .filter(|(_, c)| **c != 0.0)
        {
            intercept -= coefficient * mean / self.scale;
            for &token in &column.tokens {
                *weights
                    .entry((column.locus, column.slot, token))
                    .or_default() += coefficient / self.scale;
            }
        }
        let logits = self.by_sample(&logits, n_people);
        let n_weights = of_columns
            .iter()
            .filter(|coefficient| **coefficient != 0.0)
            .count();
        let summary = Summary {
            n_candidates: self.columns.len(),
            n_weights,
            fits: chosen
                .iter()
                .zip(&weights_of_fits)
                .map(|(chosen, &weight)| chosen.summary(weight))
                .collect(),
            loss: rounded(loss),
        };
        let entry = |((locus, slot, token), weight): ((usize, usize, u32), f64)| VersionWeight {
            locus,
            slot,
            token,
            weight: weight as f32,
        };
        let weights = weights.into_iter().map(entry).collect();
        let covariates: Vec<f32> = of_covariates
            .iter()
            .map(|coefficient| *coefficient as f32)
            .collect();
        let additive = Additive {
            intercept: intercept as f32,
            covariates,
            weights,
        };
        Fit {
            additive,
            logits,
            of_loci,
            of_deep_terms: of_deep_terms.to_vec(),
            summary,
        }
    }
}

/// Copies of a column that each person has.
fn copies_of(data: &Dataset<'_>, column: &Column, people: &[usize]) -> Vec<f64> {
    let tokens = data.tokens(column.locus);
    let has: Vec<bool> = (0..tokens.n_haplotypes() as u32)
        .map(|haplotype| column.tokens.contains(&tokens.row(haplotype)[column.slot]))
        .collect();
    let copies = |&person: &usize| {
        let pair = data
            .pair(column.locus, person)
            .into_iter()
            .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE);
        pair.filter(|&haplotype| has[haplotype as usize]).count() as f64
    };
    people.iter().map(copies).collect()
}

/// Mean and variance.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (
        mean,
        values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / n,
    )
}

/// To nine significant digits: so many are read back from JSON as they were written.
#[must_use]
pub fn rounded(number: f64) -> f64 {
    nine_significant_digits(number).parse().unwrap_or(number)
}

/// `log(1 + e^x)` of minus the logit of a case, or of the logit of a control, without overflow.
pub fn loss(logit: f64, is_case: bool) -> f64 {
    let away = if is_case { -logit } else { logit };
    away.max(0.0) + (-away.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_of_equal_loss_count_equally_and_much_worse_ones_do_not_count() {
        assert_eq!(likelihood_weights(&[0.6, 0.6], 1_000), [0.5, 0.5]);
        let weights = likelihood_weights(&[0.640, 0.646, 0.641], 3_200);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(
            weights[1] < 1e-6 && (weights[0] / weights[2] - (3.2_f64).exp()).abs() < 1e-9,
            "{weights:?}"
        );
        assert_eq!(likelihood_weights(&[0.6, f64::INFINITY], 10), [1.0, 0.0]);
    }

    #[test]
    fn a_mean_of_fits_is_linear_in_them() {
        let solution = |value: f64| Solution {
            intercept: value,
            coefficients: vec![value, 0.0],
            logits: Array1::from(vec![2.0 * value]),
        };
        let fits = |value: f64| Fits {
            full: solution(value),
            of_folds: vec![solution(-value)],
        };
        let Fits { full, of_folds } = Fits::mean(&[&fits(1.0), &fits(5.0)], &[0.75, 0.25]);
        let numbers = |solution: &Solution| {
            [
                &[solution.intercept],
                &solution.coefficients[..],
                &solution.logits.to_vec(),
            ]
            .concat()
        };
        assert_eq!(
            [numbers(&full), numbers(&of_folds[0])],
            [[2.0, 2.0, 0.0, 4.0], [-2.0, -2.0, 0.0, -4.0]]
        );
    }
}
