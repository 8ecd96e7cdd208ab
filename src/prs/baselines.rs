//! Fitting each baseline on the training people.
//!
//! Input -> output: [`People`] with their split and phenotype ([`Study`]) -> one [`Baseline`] each. Every feature is standardised by
//! mean and standard deviation over all training people (frequencies too, phenotype known or not); coefficients are fitted on those
//! whose phenotype is known.

use gf_cohort_schema::{BASELINE_PREFIX, Cohort, Split};
use ndarray::{Array1, Array2};
use serde::Serialize;

use super::{
    Error,
    dosages::Site,
    effect::Effect,
    logistic::{self, LogisticFit},
    matching::Matches,
    model::{AlleleWeight, Baseline, Feature, People, Term},
    scoring_file::ScoringFile,
};
use crate::evaluation::roc::auroc;

/// Penalty per person of baselines with few features. A person carries up to 0.25 of information on a coefficient, so that these are
/// as good as unpenalised, but finite where a feature separates the classes or repeats another.
const SLIGHT_PENALTY: f64 = 1e-6;
/// The grid ends after so many weaker penalties in a row that are not better: these only over-fit more, and take the longest.
const PATIENCE: usize = 4;
/// In `prs-dosages` covariates are multiplied by this, and so penalised 1/1024 as strongly as the dosages: they are known to matter.
const COVARIATE_SCALE: f64 = 32.0;

/// Who is in the study, as indices into the people of the genotype table.
pub struct Study<'a> {
    /// The cohort.
    pub cohort: &'a Cohort,
    /// Genotypes, covariates, APOE.
    pub people: People<'a>,
    /// All training people.
    pub training: Vec<usize>,
}

/// `prs-dosages` and how its penalty was chosen.
pub struct DosageFit {
    /// The baseline.
    pub baseline: Baseline,
    /// The penalty chosen.
    pub alpha: f64,
    /// The penalties tried, strongest first; ends [`PATIENCE`] after the best.
    pub grid: Vec<Strength>,
    /// Dosages left out because they are the same in all training people.
    pub constant_dosages: usize,
}

/// One point of the grid of penalties.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strength {
    /// Penalty (linfa's alpha, scikit-learn's 1 / C).
    pub alpha: f64,
    /// AUROC on the validation split; `None` when the fit failed.
    pub validation_auroc: Option<f64>,
    /// Why the fit failed.
    pub failure: Option<String>,
}

impl<'a> Study<'a> {
    /// A study of the people of a cohort.
    #[must_use]
    pub fn new(cohort: &'a Cohort, people: People<'a>) -> Self {
        Self { cohort, people, training: cohort.in_split(Split::Train).map(|(person, _)| person).collect() }
    }

    /// People of a split whose phenotype is known, and whether each is a case.
    fn labelled(&self, split: Split) -> (Vec<usize>, Array1<bool>) {
        let labelled = self.cohort.in_split(split).filter_map(|(index, person)| Some((index, person.phenotype?.is_case())));
        let (people, is_case): (Vec<usize>, Vec<bool>) = labelled.unzip();
        (people, is_case.into())
    }

    fn covariates(&self) -> Vec<Feature> {
        self.cohort.covariate_names.iter().map(|name| Feature::Covariate { name: name.clone() }).collect()
    }

    /// Mean and standard deviation of values over the training people.
    fn moments(&self, value: impl Fn(usize) -> f64) -> (f64, f64) {
        let n = self.training.len() as f64;
        let mean = self.training.iter().map(|&person| value(person)).sum::<f64>() / n;
        let variance = self.training.iter().map(|&person| (value(person) - mean).powi(2)).sum::<f64>() / n;
        (mean, variance.sqrt())
    }

    /// A feature with its moments, coefficient still 0, and its value in each person; `None` when it is the same in all training
    /// people, which is noted.
    fn standardised(&self, model: &str, feature: Feature, constant: &mut Vec<String>) -> Result<Option<(Term, Vec<f64>)>, Error> {
        let missing_covariate = || Error::NoCovariate { model: model.into(), name: feature.name().into() };
        // The mean of those called stands for the others.
        let observed = self.people.values(&feature, f64::NAN).ok_or_else(missing_covariate)?;
        let called: Vec<f64> = self.training.iter().map(|&person| observed[person]).filter(|value| !value.is_nan()).collect();
        let missing = called.iter().sum::<f64>() / called.len().max(1) as f64;
        let values: Vec<f64> = observed.into_iter().map(|value| if value.is_nan() { missing } else { value }).collect();
        let (mean, sd) = self.moments(|person| values[person]);
        if is_constant(mean, sd) {
            constant.push(format!("{model}: {}", feature.name()));
            return Ok(None);
        }
        Ok(Some((Term { feature, mean, sd, coefficient: 0.0 }, values)))
    }

    /// A logistic regression on a few features and all covariates, as good as unpenalised. `None` when none of `features` varies.
    fn few(&self, model: String, features: Vec<Feature>, constant: &mut Vec<String>) -> Result<Option<Baseline>, Error> {
        let mut terms = Vec::new();
        for feature in features {
            terms.extend(self.standardised(&model, feature, constant)?);
        }
        if terms.is_empty() {
            return Ok(None);
        }
        if !matches!(terms[0].0.feature, Feature::Covariate { .. }) {
            for covariate in self.covariates() {
                terms.extend(self.standardised(&model, covariate, constant)?);
            }
        }
        let (people, is_case) = self.labelled(Split::Train);
        let columns = terms.iter().map(|(term, values)| people.iter().map(|&person| (values[person] - term.mean) / term.sd));
        let fit = logistic::fit(&model, &logistic::matrix(people.len(), columns), &is_case, SLIGHT_PENALTY * people.len() as f64, None)?;
        let terms = terms.into_iter().zip(&fit.coefficients).map(|((term, _), &coefficient)| Term { coefficient, ..term }).collect();
        Ok(Some(Baseline { model, intercept: fit.intercept, terms }))
    }

    /// `prs-covariates`: the covariates alone.
    ///
    /// # Errors
    /// When the fit fails.
    pub fn covariates_alone(&self, constant: &mut Vec<String>) -> Result<Option<Baseline>, Error> {
        self.few(format!("{BASELINE_PREFIX}covariates"), self.covariates(), constant)
    }

    /// `prs-apoe`: copies of e2 and of e4, and the covariates.
    ///
    /// # Errors
    /// When the fit fails.
    pub fn apoe(&self, constant: &mut Vec<String>) -> Result<Option<Baseline>, Error> {
        self.few(format!("{BASELINE_PREFIX}apoe"), vec![Feature::ApoeE2, Feature::ApoeE4], constant)
    }

    /// `prs-<id>`: a published score, and the covariates.
    ///
    /// # Errors
    /// When the fit fails, or the score is the same in all training people.
    pub fn published(&self, file: &ScoringFile, matches: &Matches, sites: &[Site], constant: &mut Vec<String>) -> Result<Baseline, Error> {
        let alleles = matches.matched().map(|candidate| {
            let effect = file.rows[candidate.row].effect;
            let additive = match effect {
                Effect::Additive(weight) => Some(weight),
                _ => None,
            };
            let is_ref = candidate.effect_allele() == 0;
            let allele = self.allele_weight(&sites[candidate.site], candidate.alt, is_ref, additive.unwrap_or_default());
            AlleleWeight {
                dosage_weights: additive.is_none().then(|| effect.weights()),
                frequency: candidate.frequency.unwrap_or(allele.frequency),
                ..allele
            }
        });
        let score = Feature::AlleleScore { alleles: alleles.collect() };
        self.few(format!("{BASELINE_PREFIX}{}", file.id), vec![score], constant)?.ok_or_else(|| Error::ScoringFile {
            path: file.path.clone(),
            reason: "the score is the same in all training people, so it cannot tell anyone apart".into(),
        })
    }

    fn allele_weight(&self, site: &Site, alt: i16, effect_is_ref: bool, weight: f64) -> AlleleWeight {
        let number = if effect_is_ref { 0 } else { alt };
        // Sites without any called training person were left out on reading.
        let frequency = site.frequency(number, &self.training).unwrap_or_default();
        let (mean, sd) = self.moments(|person| site.dosage(number, frequency, person));
        AlleleWeight {
            chrom: site.contig.clone(),
            position: site.position,
            ref_allele: site.ref_allele.clone(),
            alt_allele: site.allele(alt).to_owned(),
            effect_is_ref,
            weight,
            dosage_weights: None,
            frequency,
            mean,
            sd,
        }
    }

    /// `prs-dosages`: all ALT dosages that vary, and the covariates, L2-penalised; the penalty is the one with the highest AUROC on the
    /// validation split, the strongest among equals.
    ///
    /// # Errors
    /// When no dosage varies, or no fit of the grid succeeds.
    pub fn dosages<'s>(
        &self,
        sites: impl Iterator<Item = &'s Site>,
        alphas: &[f64],
        constant: &mut Vec<String>,
    ) -> Result<DosageFit, Error> {
        let model = format!("{BASELINE_PREFIX}dosages");
        let columns = sites.flat_map(|site| site.counted_alts.iter().map(move |&alt| (site, alt)));
        let (varying, constant_dosages): (Vec<_>, Vec<_>) = columns
            .map(|(site, alt)| (site, alt, self.allele_weight(site, alt, false, 0.0)))
            .partition(|(_, _, allele)| !is_constant(allele.mean, allele.sd));
        if varying.is_empty() {
            return Err(Error::NothingVaries { alleles: constant_dosages.len() });
        }
        let mut covariates = Vec::new();
        for covariate in self.covariates() {
            covariates.extend(self.standardised(&model, covariate, constant)?);
        }
        let features = |people: &[usize]| {
            let n_columns = varying.len() + covariates.len();
            let cell = |column: usize, person: usize| {
                if let Some((site, alt, allele)) = varying.get(column) {
                    return (site.dosage(*alt, allele.frequency, person) - allele.mean) / allele.sd;
                }
                let (term, values) = &covariates[column - varying.len()];
                COVARIATE_SCALE * (values[person] - term.mean) / term.sd
            };
            logistic::matrix(people.len(), (0..n_columns).map(|column| people.iter().map(move |&person| cell(column, person))))
        };
        let (training, training_is_case) = self.labelled(Split::Train);
        let (validation, validation_is_case) = self.labelled(Split::Validation);
        let Chosen { alpha, fit, grid } =
            best_strength(&model, alphas, (&features(&training), &training_is_case), (&features(&validation), &validation_is_case))?;

        let mut score = Term { feature: Feature::AlleleScore { alleles: Vec::new() }, mean: 0.0, sd: 1.0, coefficient: 1.0 };
        let (of_dosages, of_covariates) = fit.coefficients.as_slice().unwrap_or_default().split_at(varying.len());
        let alleles: Vec<AlleleWeight> = varying
            .into_iter()
            .zip(of_dosages)
            .map(|((_, _, allele), coefficient)| AlleleWeight { weight: coefficient / allele.sd, ..allele })
            .collect();
        score.mean = alleles.iter().map(|allele| allele.weight * allele.mean).sum();
        score.feature = Feature::AlleleScore { alleles };
        let covariates = covariates
            .into_iter()
            .zip(of_covariates)
            .map(|((term, _), coefficient)| Term { coefficient: coefficient * COVARIATE_SCALE, ..term });
        let terms = std::iter::once(score).chain(covariates).collect();
        let baseline = Baseline { model, intercept: fit.intercept, terms };
        Ok(DosageFit { baseline, alpha, grid, constant_dosages: constant_dosages.len() })
    }
}

/// Rounding alone gives a constant column a standard deviation of about 1e-16 times its mean.
fn is_constant(mean: f64, sd: f64) -> bool {
    sd <= 1e-12 * mean.abs().max(1.0)
}

/// The best point of a grid.
struct Chosen {
    alpha: f64,
    fit: LogisticFit,
    grid: Vec<Strength>,
}

/// Fits the penalties from the strongest to the weakest, each from where the last ended, and keeps the best on validation. Failed fits
/// are noted and left out.
fn best_strength(
    model: &str,
    alphas: &[f64],
    (training, training_is_case): (&Array2<f64>, &Array1<bool>),
    (validation, validation_is_case): (&Array2<f64>, &Array1<bool>),
) -> Result<Chosen, Error> {
    let mut alphas = alphas.to_vec();
    alphas.sort_by(|a, b| b.total_cmp(a));
    let mut grid = Vec::new();
    let mut last: Option<LogisticFit> = None;
    let mut best: Option<(f64, f64, LogisticFit)> = None;
    let mut not_better = 0;
    for alpha in alphas {
        if not_better == PATIENCE {
            break;
        }
        not_better += 1;
        match logistic::fit(model, training, training_is_case, alpha, last.as_ref()) {
            Err(error) => grid.push(Strength { alpha, validation_auroc: None, failure: Some(error.to_string()) }),
            Ok(fit) => {
                let auroc = auroc_of(&fit.logits(validation), validation_is_case).map_err(|reason| Error::Validation { reason })?;
                if best.as_ref().is_none_or(|(highest, ..)| auroc > *highest) {
                    best = Some((auroc, alpha, fit.clone()));
                    not_better = 0;
                }
                grid.push(Strength { alpha, validation_auroc: Some(auroc), failure: None });
                last = Some(fit);
            }
        }
    }
    match best {
        Some((_, alpha, fit)) => Ok(Chosen { alpha, fit, grid }),
        None => Err(Error::NoStrength { failure: grid.into_iter().rev().find_map(|point| point.failure).unwrap_or_default() }),
    }
}

fn auroc_of(logits: &Array1<f64>, is_case: &Array1<bool>) -> Result<f64, String> {
    let of_class =
        |class: bool| -> Vec<f64> { logits.iter().zip(is_case).filter(|(_, is)| **is == class).map(|(logit, _)| *logit).collect() };
    auroc(&of_class(true), &of_class(false)).map_err(|error| error.to_string())
}
