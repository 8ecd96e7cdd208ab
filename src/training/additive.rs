//! Fits the additive term: a penalised logistic regression on slot versions (or alleles) and
//! covariates.
//!
//! Input: a dataset with tokens, and the training and validation samples of a member. Output: an
//! [`Additive`], and each sample's additive logit for the training of deep terms. The logit of a
//! training sample comes from a fit that has not seen the sample (cross-fitting), because the
//! residual of an in-sample fit has no signal left.
//!
//! The penalty is the elastic net (`regression::elastic_net`). Copies are centred, but not
//! standardised one by one: standardised copies would give rare versions large weights. For each
//! share of L1 there is one fit, with the lambda of least loss. The loss is over the out-of-fold
//! training samples and the validation samples together.
//!
//! The term is the mean of these fits, weighted by their likelihood on the same samples
//! (pseudo-BMA: Yao et al. 2018, Bayesian Analysis 13:917, section 3.4):
//! `weight_i ~ exp(-n * loss_i)`. It is unknown beforehand whether few or many versions are causal,
//! and the share with the least loss is often no better than the next one.

use std::collections::{BTreeMap, BTreeSet};

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
use gf_stats::regression::elastic_net::{NoMinimum, Path, Penalty, Problem, Solution};

/// Features of the additive term.
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
/// Fewest copies in the training samples for a version to get a weight.
const MIN_COPIES: usize = 5;
/// Shares of L1 in the penalty: from many small weights (ridge) to few large ones (nearly lasso).
const L1_RATIOS: [f64; 4] = [0.0, 0.1, 0.5, 0.9];
/// Number of penalties of a path, evenly spaced on the log scale.
const PATH: usize = 40;
/// Weakest penalty of a path, as a share of the largest lambda (the least one without weights).
const WEAKEST: f64 = 0.005;
/// A path ends after this number of penalties in a row without a lower loss.
const PATIENCE: usize = 8;

/// A fitted additive term.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The term.
    pub additive: Additive,
    /// Additive logit of each sample of the cohort.
    ///
    /// Out of fold for training samples, by the full fit for validation samples, 0 for all others.
    pub logits: Vec<f32>,
    /// Part of each locus in `logits`, relative to its mean over the training samples: loci x
    /// samples of the cohort.
    pub locus_logits: Vec<Vec<f32>>,
    /// Coefficient of each deep term.
    pub deep_term_coefficients: Vec<f64>,
    /// Chosen penalties and their losses.
    pub summary: Summary,
}

/// Summary of the fit of an additive term.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Versions or alleles that could get a weight.
    pub n_candidates: usize,
    /// Versions or alleles with a weight.
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

/// A feature of haplotypes: having one of some tokens at one slot.
struct Column {
    locus: usize,
    slot: usize,
    tokens: Vec<u32>,
}

impl Fit {
    /// The additive logits without the part of some loci.
    #[must_use]
    pub fn without(&self, loci: &[usize]) -> Vec<f32> {
        self.logits
            .iter()
            .enumerate()
            .map(|(sample, logit)| {
                let part: f32 = loci
                    .iter()
                    .map(|&locus| self.locus_logits[locus][sample])
                    .sum();
                logit - part
            })
            .collect()
    }
}

/// Fits the additive term of a member, together with the coefficients of deep terms.
///
/// `deep_terms` has the logits of each term by sample of the cohort. The logits of training samples
/// must be out of fold.
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
        .flat_map(|(fold, samples)| samples.iter().map(move |&sample| (sample, fold)))
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

/// Deals the training samples into folds, whole families together.
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

/// Number of folds: [`FOLDS`], or fewer so that every fold can have the rarer class.
fn n_folds(cohort: &Cohort, member: &Member) -> Result<usize, Error> {
    let n_cases = member
        .training
        .iter()
        .filter(|&&sample| is_case(cohort, sample))
        .count();
    match n_cases.min(member.training.len() - n_cases) {
        n @ 0..2 => Err(Error::Options(format!(
            "the additive term needs two training cases and two training controls, but one class \
             has {n}; add samples, or train without the term (--additive none)"
        ))),
        n => Ok(n.min(FOLDS)),
    }
}

fn is_case(cohort: &Cohort, sample: usize) -> bool {
    cohort.people[sample]
        .phenotype
        .is_some_and(Phenotype::is_case)
}

/// The candidate features of a locus: versions or alleles with at least [`MIN_COPIES`] copies in
/// training.
fn columns_of(
    data: &Dataset<'_>,
    tokenizer: &Tokenizer,
    member: &Member,
    kind: AdditiveKind,
    locus: usize,
) -> Vec<Column> {
    let tokens = data.tokens(locus);
    let mut copies: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    for &sample in &member.training {
        for haplotype in data
            .pair(locus, sample)
            .into_iter()
            .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE)
        {
            for (slot, &token) in tokens.row(haplotype).iter().enumerate() {
                *copies.entry((slot, token)).or_default() += 1;
            }
        }
    }
    let versions: Vec<SlotVersion> = copies
        .into_iter()
        .map(|((slot, token), n_copies)| SlotVersion {
            slot,
            token,
            n_copies,
        })
        .collect();
    versions
        .chunk_by(|version, next| version.slot == next.slot)
        .flat_map(|versions| columns_of_slot(tokenizer, kind, locus, versions))
        .collect()
}

/// A token at a slot, with its copies in the training samples.
struct SlotVersion {
    slot: usize,
    token: u32,
    n_copies: usize,
}

/// The candidate features of one slot: differences from the commonest version.
fn columns_of_slot(
    tokenizer: &Tokenizer,
    kind: AdditiveKind,
    locus: usize,
    versions: &[SlotVersion],
) -> Vec<Column> {
    // Among equally common versions the smallest token is the reference level.
    let Some(commonest) = versions
        .iter()
        .max_by_key(|version| (version.n_copies, std::cmp::Reverse(version.token)))
    else {
        return Vec::new();
    };
    let mut carriers: BTreeMap<Difference, Carriers> = BTreeMap::new();
    for version in versions {
        if version.token == commonest.token {
            continue;
        }
        for difference in differences(tokenizer, kind, commonest.token, version.token) {
            let carriers = carriers.entry(difference).or_default();
            carriers.tokens.push(version.token);
            carriers.n_copies += version.n_copies;
        }
    }
    carriers
        .into_values()
        .filter(|carriers| carriers.n_copies >= MIN_COPIES)
        .map(|carriers| Column {
            locus,
            slot: commonest.slot,
            tokens: carriers.tokens,
        })
        .collect()
}

/// The versions of a slot with the same difference.
#[derive(Default)]
struct Carriers {
    tokens: Vec<u32>,
    n_copies: usize,
}

/// A difference of a version from the commonest one of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// The base at an offset.
    Substitution(usize, u8),
    /// The version as a whole.
    Version(u32),
}

fn differences(
    tokenizer: &Tokenizer,
    kind: AdditiveKind,
    commonest: u32,
    token: u32,
) -> Vec<Difference> {
    match (bases(tokenizer, commonest), bases(tokenizer, token)) {
        (Some(common_bases), Some(version_bases))
            if kind == AdditiveKind::Dosages && common_bases.len() == version_bases.len() =>
        {
            common_bases
                .bytes()
                .zip(version_bases.bytes())
                .enumerate()
                .filter(|(_, (common, base))| common != base)
                .map(|(offset, (_, base))| Difference::Substitution(offset, base))
                .collect()
        }
        _ => vec![Difference::Version(token)],
    }
}

/// Bases of a token; `None` for a special token.
fn bases(tokenizer: &Tokenizer, token: u32) -> Option<&str> {
    tokenizer
        .token(token)
        .filter(|_| token > gf_tokenizer::MASK)
}

/// Design matrix: training and validation samples with their features.
struct Design {
    /// Candidates with a variance in training.
    columns: Vec<Column>,
    /// Mean of each column over the training samples.
    means: Vec<f64>,
    /// Divisor of all columns: the root of the mean of their variances.
    scale: f64,
    /// Samples as numbers in the cohort: training, then validation.
    samples: Vec<usize>,
    n_training: usize,
    is_case: Array1<bool>,
    /// Samples x (columns, then covariates, then deep terms).
    features: Array2<f64>,
}

/// The fits of one penalty.
#[derive(Clone)]
struct Fits {
    /// Fit on all training samples.
    full: Solution,
    /// Fits without one fold of the training samples, by fold.
    without_fold: Vec<Solution>,
}

impl Fits {
    /// The mean of several fits. The sum of the weights is 1.
    fn mean(fits: &[&Self], weights: &[f64]) -> Self {
        let full: Vec<&Solution> = fits.iter().map(|fits| &fits.full).collect();
        let n_folds = fits.first().map_or(0, |fits| fits.without_fold.len());
        Self {
            full: mean_solution(&full, weights),
            without_fold: (0..n_folds)
                .map(|fold| {
                    let solutions: Vec<&Solution> =
                        fits.iter().map(|fits| &fits.without_fold[fold]).collect();
                    mean_solution(&solutions, weights)
                })
                .collect(),
        }
    }
}

fn mean_solution(solutions: &[&Solution], weights: &[f64]) -> Solution {
    let n_features = solutions
        .first()
        .map_or(0, |first| first.coefficients.len());
    let n_samples = solutions.first().map_or(0, |first| first.logits.len());
    let mut mean = Solution {
        intercept: 0.0,
        coefficients: vec![0.0; n_features],
        logits: Array1::zeros(n_samples),
    };
    for (solution, &weight) in solutions.iter().zip(weights) {
        mean.intercept += weight * solution.intercept;
        for (sum, coefficient) in mean.coefficients.iter_mut().zip(&solution.coefficients) {
            *sum += weight * coefficient;
        }
        mean.logits.scaled_add(weight, &solution.logits);
    }
    mean
}

/// Weight of each fit: its likelihood on `n` unseen samples, divided by the sum over all fits.
///
/// `losses` are means per sample. The least loss is subtracted first so that `exp` cannot
/// underflow for all fits.
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

/// A penalty of a path, with its fits and their loss on unseen samples.
struct Candidate {
    l1_ratio: f64,
    lambda: f64,
    loss: f64,
    fits: Fits,
}

impl Candidate {
    fn summary(&self, weight: f64) -> PenaltySummary {
        // The first point of a path has an infinite penalty: no column has a weight.
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
        let samples = [member.training.as_slice(), &member.validation].concat();
        let n_training = member.training.len();
        let varying: Vec<ColumnValues> = columns
            .into_par_iter()
            .map(|column| ColumnValues::new(data, column, &samples, n_training))
            .filter(|values| values.variance > 0.0)
            .collect();
        let mean_variance =
            varying.iter().map(|values| values.variance).sum::<f64>() / varying.len().max(1) as f64;
        let scale = mean_variance.sqrt();
        let unpenalised: Vec<Vec<f64>> = samples
            .iter()
            .map(|&sample| {
                data.standardised(sample)
                    .chain(deep_terms.iter().map(|logits| logits[sample]))
                    .collect()
            })
            .collect();
        let is_case = samples
            .iter()
            .map(|&sample| is_case(cohort, sample))
            .collect();
        Self {
            features: feature_matrix(&varying, scale, &unpenalised),
            means: varying.iter().map(|values| values.mean).collect(),
            columns: varying.into_iter().map(|values| values.column).collect(),
            scale,
            samples,
            n_training,
            is_case,
        }
    }

    /// Sample weights of a fit: 1 for the training samples outside of `held_out`, 0 for all others.
    fn weights(&self, held_out: &[usize]) -> Array1<f64> {
        let held_out: BTreeSet<usize> = held_out.iter().copied().collect();
        self.samples
            .iter()
            .enumerate()
            .map(|(row, sample)| {
                let is_fitted_on = row < self.n_training && !held_out.contains(sample);
                f64::from(u8::from(is_fitted_on))
            })
            .collect()
    }

    /// For each share of L1, the fits with the least loss.
    ///
    /// A share without any fit is left out with a note.
    fn fit_each_l1_ratio(
        &self,
        folds: &[Vec<usize>],
        fold_of: &BTreeMap<usize, usize>,
    ) -> Result<Vec<Candidate>, Error> {
        let no_fold = Vec::new();
        let weights: Vec<Array1<f64>> = std::iter::once(&no_fold)
            .chain(folds)
            .map(|fold| self.weights(fold))
            .collect();
        let mut chosen = Vec::with_capacity(L1_RATIOS.len());
        let mut last_reason = None;
        for l1_ratio in L1_RATIOS {
            match self.along_path(l1_ratio, &weights, fold_of) {
                Ok(best) => chosen.push(best),
                Err(reason) => {
                    note(format!(
                        "additive term: no fit with an L1 share of {l1_ratio} ({reason}). The mean \
                         is over the remaining shares"
                    ));
                    last_reason = Some(reason);
                }
            }
        }
        match last_reason {
            Some(reason) if chosen.is_empty() => Err(Error::Options(format!(
                "the additive term cannot be fitted ({reason}); train without it (--additive none)"
            ))),
            _ => Ok(chosen),
        }
    }

    fn problem<'d>(&'d self, weights: &'d Array1<f64>) -> Problem<'d> {
        Problem {
            features: &self.features,
            is_case: &self.is_case,
            n_penalised: self.columns.len(),
            sample_weights: Some(weights),
        }
    }

    /// Follows a path from the strongest penalty to weaker ones; returns the one of least loss.
    ///
    /// `weights` has the sample weights of the full fit, then of the fit without each fold. All of
    /// them are fitted in parallel, each from its solution at the penalty before.
    fn along_path(
        &self,
        l1_ratio: f64,
        weights: &[Array1<f64>],
        fold_of: &BTreeMap<usize, usize>,
    ) -> Result<Candidate, NoMinimum> {
        let mut paths = weights
            .par_iter()
            .map(|weights| self.problem(weights).path())
            .collect::<Result<Vec<Path<'_>>, NoMinimum>>()?;
        let mut fits: Vec<Solution> = paths.iter().map(Path::solution).collect();
        let largest_lambda = paths[0].largest_lambda(l1_ratio);
        let mut best = self.evaluated(l1_ratio, f64::INFINITY, &fits, fold_of);
        // Without covariates, a term without any weight would predict the same for all samples.
        let needs_weight = self.columns.len() == self.features.ncols();
        let mut has_weight = false;
        let mut n_not_better = 0;
        for step in 1..=PATH {
            if largest_lambda == 0.0 || n_not_better == PATIENCE {
                break;
            }
            let lambda = largest_lambda * WEAKEST.powf(step as f64 / PATH as f64);
            let penalty = Penalty::new(lambda, l1_ratio);
            let weaker_fits = paths
                .par_iter_mut()
                .map(|path| path.fit(penalty))
                .collect::<Result<Vec<Solution>, NoMinimum>>();
            match weaker_fits {
                Ok(weaker_fits) => fits = weaker_fits,
                // Weaker penalties would not converge either: the best one so far is used.
                Err(_) if has_weight || !needs_weight => break,
                Err(reason) => return Err(reason),
            }
            let candidate = self.evaluated(l1_ratio, lambda, &fits, fold_of);
            n_not_better += 1;
            if candidate.loss < best.loss || (needs_weight && !has_weight) {
                best = candidate;
                n_not_better = 0;
            }
            has_weight |= fits[0].coefficients[..self.columns.len()]
                .iter()
                .any(|coefficient| *coefficient != 0.0);
        }
        Ok(best)
    }

    /// The fits of a penalty with their loss on unseen samples.
    fn evaluated(
        &self,
        l1_ratio: f64,
        lambda: f64,
        solutions: &[Solution],
        fold_of: &BTreeMap<usize, usize>,
    ) -> Candidate {
        let fits = Fits {
            full: solutions[0].clone(),
            without_fold: solutions[1..].to_vec(),
        };
        Candidate {
            l1_ratio,
            lambda,
            loss: self.loss_of_unseen(&fits, fold_of),
            fits,
        }
    }

    /// Mean loss over the out-of-fold training samples and the validation samples.
    fn loss_of_unseen(&self, fits: &Fits, fold_of: &BTreeMap<usize, usize>) -> f64 {
        let logits = self.by_unseen_fits(fits, fold_of, |solution, row| solution.logits[row]);
        logits
            .iter()
            .zip(&self.is_case)
            .map(|(&logit, &is_case)| loss(logit, is_case))
            .sum::<f64>()
            / self.samples.len() as f64
    }

    /// A value of each sample by a fit that has not seen it.
    ///
    /// A training sample has the fit without its fold, a validation sample the full fit. `value`
    /// takes the fit and the row of the sample.
    fn by_unseen_fits(
        &self,
        fits: &Fits,
        fold_of: &BTreeMap<usize, usize>,
        value: impl Fn(&Solution, usize) -> f64,
    ) -> Vec<f64> {
        self.samples
            .iter()
            .enumerate()
            .map(|(row, sample)| {
                let solution = if row < self.n_training {
                    &fits.without_fold[fold_of[sample]]
                } else {
                    &fits.full
                };
                value(solution, row)
            })
            .collect()
    }

    /// Values by sample of the cohort, from values by row; 0 for samples without a row.
    fn by_sample(&self, values: &[f64], n_samples: usize) -> Vec<f32> {
        let mut by_sample = vec![0.0; n_samples];
        for (&sample, &value) in self.samples.iter().zip(values) {
            by_sample[sample] = value as f32;
        }
        by_sample
    }

    /// Part of a locus in the logit of each sample of the cohort.
    fn locus_logits(
        &self,
        locus: usize,
        fits: &Fits,
        fold_of: &BTreeMap<usize, usize>,
        n_samples: usize,
    ) -> Vec<f32> {
        let columns: Vec<usize> = (0..self.columns.len())
            .filter(|&column| self.columns[column].locus == locus)
            .collect();
        let parts = self.by_unseen_fits(fits, fold_of, |solution, row| {
            columns
                .iter()
                .map(|&column| solution.coefficients[column] * self.features[(row, column)])
                .sum()
        });
        self.by_sample(&parts, n_samples)
    }

    fn finish(
        self,
        chosen: &[Candidate],
        fold_of: &BTreeMap<usize, usize>,
        n_loci: usize,
        n_deep_terms: usize,
        n_samples: usize,
    ) -> Fit {
        let losses: Vec<f64> = chosen.iter().map(|candidate| candidate.loss).collect();
        let fit_weights = likelihood_weights(&losses, self.samples.len());
        let all_fits: Vec<&Fits> = chosen.iter().map(|candidate| &candidate.fits).collect();
        let fits = Fits::mean(&all_fits, &fit_weights);
        let logits = self.by_unseen_fits(&fits, fold_of, |solution, row| solution.logits[row]);
        let n_columns = self.columns.len();
        let (column_coefficients, unpenalised) = fits.full.coefficients.split_at(n_columns);
        let (covariate_coefficients, deep_term_coefficients) =
            unpenalised.split_at(unpenalised.len() - n_deep_terms);
        let summary = Summary {
            n_candidates: n_columns,
            n_weights: column_coefficients
                .iter()
                .filter(|coefficient| **coefficient != 0.0)
                .count(),
            fits: chosen
                .iter()
                .zip(&fit_weights)
                .map(|(candidate, &weight)| candidate.summary(weight))
                .collect(),
            loss: rounded(self.loss_of_unseen(&fits, fold_of)),
        };
        Fit {
            additive: self.unscaled(
                fits.full.intercept,
                column_coefficients,
                covariate_coefficients,
            ),
            logits: self.by_sample(&logits, n_samples),
            locus_logits: (0..n_loci)
                .into_par_iter()
                .map(|locus| self.locus_logits(locus, &fits, fold_of, n_samples))
                .collect(),
            deep_term_coefficients: deep_term_coefficients.to_vec(),
            summary,
        }
    }

    /// The term on copies, from coefficients on centred and scaled copies.
    ///
    /// A column is `(copies - mean) / scale`: a coefficient `c` is the weight `c / scale` of a copy
    /// and `-c * mean / scale` in the intercept. A token has the sum over its columns.
    fn unscaled(
        &self,
        mut intercept: f64,
        column_coefficients: &[f64],
        covariate_coefficients: &[f64],
    ) -> Additive {
        let mut weights: BTreeMap<(usize, usize, u32), f64> = BTreeMap::new();
        for ((column, mean), coefficient) in self
            .columns
            .iter()
            .zip(&self.means)
            .zip(column_coefficients)
            .filter(|(_, coefficient)| **coefficient != 0.0)
        {
            intercept -= coefficient * mean / self.scale;
            for &token in &column.tokens {
                *weights
                    .entry((column.locus, column.slot, token))
                    .or_default() += coefficient / self.scale;
            }
        }
        Additive {
            intercept: intercept as f32,
            covariates: covariate_coefficients
                .iter()
                .map(|coefficient| *coefficient as f32)
                .collect(),
            weights: weights
                .into_iter()
                .map(|((locus, slot, token), weight)| VersionWeight {
                    locus,
                    slot,
                    token,
                    weight: weight as f32,
                })
                .collect(),
        }
    }
}

/// A column with the copies of each sample, and their moments over the training samples.
struct ColumnValues {
    column: Column,
    copies: Vec<f64>,
    mean: f64,
    variance: f64,
}

impl ColumnValues {
    fn new(data: &Dataset<'_>, column: Column, samples: &[usize], n_training: usize) -> Self {
        let copies = copies_of(data, &column, samples);
        let training = &copies[..n_training];
        let n = training.len().max(1) as f64;
        let mean = training.iter().sum::<f64>() / n;
        let sum_of_squares: f64 = training.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            column,
            mean,
            variance: sum_of_squares / n,
            copies,
        }
    }
}

/// Features in column-major order: scaled columns, then the unpenalised ones (samples x features).
fn feature_matrix(varying: &[ColumnValues], scale: f64, unpenalised: &[Vec<f64>]) -> Array2<f64> {
    let n_unpenalised = unpenalised.first().map_or(0, Vec::len);
    let n_features = varying.len() + n_unpenalised;
    let mut features = Array2::zeros((unpenalised.len(), n_features).f());
    for (mut cells, values) in features.columns_mut().into_iter().zip(varying) {
        for (cell, copies) in cells.iter_mut().zip(&values.copies) {
            *cell = (copies - values.mean) / scale;
        }
    }
    for (feature, mut cells) in features
        .columns_mut()
        .into_iter()
        .skip(varying.len())
        .enumerate()
    {
        for (cell, sample_values) in cells.iter_mut().zip(unpenalised) {
            *cell = sample_values[feature];
        }
    }
    features
}

/// Copies of a column in each sample.
fn copies_of(data: &Dataset<'_>, column: &Column, samples: &[usize]) -> Vec<f64> {
    let tokens = data.tokens(column.locus);
    let is_carrier: Vec<bool> = (0..tokens.n_haplotypes() as u32)
        .map(|haplotype| column.tokens.contains(&tokens.row(haplotype)[column.slot]))
        .collect();
    samples
        .iter()
        .map(|&sample| {
            data.pair(column.locus, sample)
                .into_iter()
                .filter(|&haplotype| haplotype != ABSENT_HAPLOTYPE)
                .filter(|&haplotype| is_carrier[haplotype as usize])
                .count() as f64
        })
        .collect()
}

/// Rounds to nine significant digits, which JSON reads back as they were written.
#[must_use]
pub fn rounded(number: f64) -> f64 {
    nine_significant_digits(number).parse().unwrap_or(number)
}

/// Negative log-likelihood of a logit: `log(1 + exp(x))`, without overflow.
///
/// `x` is minus the logit for a case and the logit for a control.
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
        let mean = Fits::mean(&[&fits(1.0), &fits(5.0)], &[0.75, 0.25]);
        assert_eq!(
            [numbers(&mean.full), numbers(&mean.without_fold[0])],
            [[2.0, 2.0, 0.0, 4.0], [-2.0, -2.0, 0.0, -4.0]]
        );
    }

    fn fits(value: f64) -> Fits {
        Fits {
            full: solution(value),
            without_fold: vec![solution(-value)],
        }
    }

    fn solution(value: f64) -> Solution {
        Solution {
            intercept: value,
            coefficients: vec![value, 0.0],
            logits: Array1::from(vec![2.0 * value]),
        }
    }

    fn numbers(solution: &Solution) -> Vec<f64> {
        [
            &[solution.intercept],
            &solution.coefficients[..],
            &solution.logits.to_vec(),
        ]
        .concat()
    }
}
