//! Fits of baselines with few features on the training samples.
//!
//! Input: a [`Study`], that is [`BaselineSamples`] with splits and phenotypes. Output: one
//! [`Baseline`] per fit. Features are standardised by mean and standard deviation over all training
//! samples, and allele frequencies are over all of them too. Coefficients are fitted on the
//! training samples with a known phenotype. Models of all dosages are in `ridge`, `elastic_net` and
//! `clumping`.

use gf_cohort_schema::{BASELINE_PREFIX, Cohort, Split};
use ndarray::Array1;

use crate::{
    baselines::{
        Error, logistic,
        model::{AlleleWeight, Baseline, BaselineSamples, Feature, Term},
    },
    scoring::{dosages::Site, effect::Effect, matching::Matches, scoring_file::ScoringFile},
};

/// Penalty per sample of baselines with few features.
///
/// A sample adds up to 0.25 to the information about a coefficient, so that this penalty hardly
/// changes the fit. It keeps coefficients finite if a feature separates the classes or repeats
/// another feature.
const SLIGHT_PENALTY: f64 = 1e-6;

/// A cohort with everything that baselines are fitted on.
pub struct Study<'a> {
    /// The cohort.
    pub cohort: &'a Cohort,
    /// Genotypes, covariates and APOE haplotypes of all samples.
    pub people: BaselineSamples<'a>,
    /// Indices of all training samples.
    pub training: Vec<usize>,
}

/// Terms that a model has in addition to its score: covariates, and APOE counts on request.
#[derive(Default)]
pub struct FreeTerms(Vec<FreeTerm>);

/// A term with coefficient 0, and its value in each sample.
struct FreeTerm {
    term: Term,
    values: Vec<f64>,
}

impl FreeTerms {
    /// The terms, with coefficients 0.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.0.iter().map(|free| &free.term)
    }

    /// Standardised values of some samples, one vector per term.
    #[must_use]
    pub fn standardised(&self, samples: &[usize]) -> Vec<Vec<f64>> {
        self.0
            .iter()
            .map(|free| free.standardised(samples))
            .collect()
    }
}

impl FreeTerm {
    fn standardised(&self, samples: &[usize]) -> Vec<f64> {
        samples
            .iter()
            .map(|&sample| (self.values[sample] - self.term.mean) / self.term.sd)
            .collect()
    }
}

/// Mean and standard deviation.
struct Moments {
    mean: f64,
    /// With divisor n.
    sd: f64,
}

impl<'a> Study<'a> {
    /// A study of the samples of a cohort.
    #[must_use]
    pub fn new(cohort: &'a Cohort, people: BaselineSamples<'a>) -> Self {
        Self {
            cohort,
            people,
            training: cohort
                .in_split(Split::Train)
                .map(|(person, _)| person)
                .collect(),
        }
    }

    /// Indices of the samples of a split with a known phenotype, and whether each is a case.
    #[must_use]
    pub fn labelled(&self, split: Split) -> (Vec<usize>, Array1<bool>) {
        let (samples, is_case): (Vec<usize>, Vec<bool>) = self
            .cohort
            .in_split(split)
            .filter_map(|(index, person)| Some((index, person.phenotype?.is_case())))
            .unzip();
        (samples, is_case.into())
    }

    /// All covariates of the cohort.
    fn covariates(&self) -> Vec<Feature> {
        self.cohort
            .covariate_names
            .iter()
            .map(|name| Feature::Covariate { name: name.clone() })
            .collect()
    }

    /// Mean and standard deviation of a value over the training samples.
    fn moments(&self, value: impl Fn(usize) -> f64) -> Moments {
        let n = self.training.len() as f64;
        let mean = self
            .training
            .iter()
            .map(|&sample| value(sample))
            .sum::<f64>()
            / n;
        let variance = self
            .training
            .iter()
            .map(|&sample| (value(sample) - mean).powi(2))
            .sum::<f64>()
            / n;
        Moments {
            mean,
            sd: variance.sqrt(),
        }
    }

    /// A term with the moments and values of a feature. `None` if the feature is the same in all
    /// training samples, which is added to `constant`.
    fn free_term(
        &self,
        model: &str,
        feature: Feature,
        constant: &mut Vec<String>,
    ) -> Result<Option<FreeTerm>, Error> {
        let Some(observed) = self.people.values(&feature, f64::NAN) else {
            return Err(Error::NoCovariate {
                model: model.into(),
                name: feature.name().into(),
            });
        };
        // A missing value is the mean of the training samples with a value.
        let called: Vec<f64> = self
            .training
            .iter()
            .map(|&sample| observed[sample])
            .filter(|value| !value.is_nan())
            .collect();
        let missing = called.iter().sum::<f64>() / called.len().max(1) as f64;
        let values: Vec<f64> = observed
            .into_iter()
            .map(|value| if value.is_nan() { missing } else { value })
            .collect();
        let Moments { mean, sd } = self.moments(|sample| values[sample]);
        if is_constant(mean, sd) {
            constant.push(format!("{model}: {}", feature.name()));
            return Ok(None);
        }
        let term = Term {
            feature,
            mean,
            sd,
            coefficient: 0.0,
        };
        Ok(Some(FreeTerm { term, values }))
    }

    /// Terms of some features and of all covariates, without constant ones, which are added to
    /// `constant`.
    ///
    /// # Errors
    /// A covariate is missing.
    pub fn free_terms(
        &self,
        model: &str,
        features: &[Feature],
        constant: &mut Vec<String>,
    ) -> Result<FreeTerms, Error> {
        let mut terms = Vec::new();
        for feature in features.iter().cloned().chain(self.covariates()) {
            terms.extend(self.free_term(model, feature, constant)?);
        }
        Ok(FreeTerms(terms))
    }

    /// A nearly unpenalised logistic regression on a few features and all covariates. `None` if
    /// none of `features` varies.
    ///
    /// # Errors
    /// The fit fails.
    pub fn few(
        &self,
        model: String,
        features: &[Feature],
        constant: &mut Vec<String>,
    ) -> Result<Option<Baseline>, Error> {
        let terms = self.free_terms(&model, features, constant)?;
        if !terms.terms().any(|term| features.contains(&term.feature)) {
            return Ok(None);
        }
        Ok(Some(self.unpenalised(model, terms)?))
    }

    /// A nearly unpenalised logistic regression on one feature, without covariates. `None` if the
    /// feature does not vary.
    ///
    /// # Errors
    /// The fit fails.
    pub fn alone(
        &self,
        model: String,
        feature: Feature,
        constant: &mut Vec<String>,
    ) -> Result<Option<Baseline>, Error> {
        let term = self.free_term(&model, feature, constant)?;
        term.map(|term| self.unpenalised(model, FreeTerms(vec![term])))
            .transpose()
    }

    /// A logistic regression with [`SLIGHT_PENALTY`].
    fn unpenalised(&self, model: String, free: FreeTerms) -> Result<Baseline, Error> {
        let (samples, is_case) = self.labelled(Split::Train);
        let columns = free.standardised(&samples);
        let fit = logistic::fit(
            &model,
            &logistic::matrix(samples.len(), columns.into_iter()),
            &is_case,
            SLIGHT_PENALTY * samples.len() as f64,
            None,
        )?;
        let terms = free
            .0
            .into_iter()
            .zip(&fit.coefficients)
            .map(|(free, &coefficient)| Term {
                coefficient,
                ..free.term
            })
            .collect();
        Ok(Baseline {
            model,
            intercept: fit.intercept,
            terms,
        })
    }

    /// `prs-covariates`: the covariates alone. `None` if none varies.
    ///
    /// # Errors
    /// The fit fails.
    pub fn covariates_alone(&self, constant: &mut Vec<String>) -> Result<Option<Baseline>, Error> {
        let model = format!("{BASELINE_PREFIX}covariates");
        let terms = self.free_terms(&model, &[], constant)?;
        if terms.0.is_empty() {
            Ok(None)
        } else {
            Ok(Some(self.unpenalised(model, terms)?))
        }
    }

    /// `prs-pcs`: the principal components alone, to show how much ancestry and batch explain.
    /// `None` without a column such as `PC1` or `pc2`.
    ///
    /// # Errors
    /// The fit fails.
    pub fn principal_components_alone(
        &self,
        constant: &mut Vec<String>,
    ) -> Result<Option<Baseline>, Error> {
        let model = format!("{BASELINE_PREFIX}pcs");
        let mut terms = Vec::new();
        for feature in self
            .covariates()
            .into_iter()
            .filter(|feature| is_principal_component(feature.name()))
        {
            terms.extend(self.free_term(&model, feature, constant)?);
        }
        if terms.is_empty() {
            Ok(None)
        } else {
            Ok(Some(self.unpenalised(model, FreeTerms(terms))?))
        }
    }

    /// `prs-apoe`: copies of e2 and e4, and the covariates.
    ///
    /// # Errors
    /// The fit fails.
    pub fn apoe(&self, constant: &mut Vec<String>) -> Result<Option<Baseline>, Error> {
        self.few(format!("{BASELINE_PREFIX}apoe"), &APOE, constant)
    }

    /// The alleles and weights of a published score.
    #[must_use]
    pub fn published(
        &self,
        file: &ScoringFile,
        matches: &Matches,
        sites: &[Site],
    ) -> Vec<AlleleWeight> {
        matches
            .matched()
            .map(|candidate| {
                let effect = file.rows[candidate.row].effect;
                let additive_weight = match effect {
                    Effect::Additive(weight) => Some(weight),
                    _ => None,
                };
                let allele = self.allele_weight(
                    &sites[candidate.site],
                    candidate.alt,
                    candidate.effect_allele() == 0,
                    additive_weight.unwrap_or_default(),
                );
                AlleleWeight {
                    dosage_weights: additive_weight.is_none().then(|| effect.weights()),
                    frequency: candidate.frequency.unwrap_or(allele.frequency),
                    ..allele
                }
            })
            .collect()
    }

    /// An allele with a weight, and its frequency and moments among the training samples.
    #[must_use]
    pub fn allele_weight(
        &self,
        site: &Site,
        alt: i16,
        effect_is_ref: bool,
        weight: f64,
    ) -> AlleleWeight {
        let number = if effect_is_ref { 0 } else { alt };
        // Sites without a called training sample were left out on reading.
        let frequency = site.frequency(number, &self.training).unwrap_or_default();
        let Moments { mean, sd } = self.moments(|sample| site.dosage(number, frequency, sample));
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
}

/// Features that replace the APOE region in a score without it.
pub const APOE: [Feature; 2] = [Feature::ApoeE2, Feature::ApoeE4];

/// Whether a name is that of a principal component, such as `PC1` or `pc12`.
fn is_principal_component(name: &str) -> bool {
    let number = name.strip_prefix("PC").or_else(|| name.strip_prefix("pc"));
    number.is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// Whether a column is constant. Rounding alone gives it a standard deviation of about 1e-16 times
/// its mean.
#[must_use]
pub fn is_constant(mean: f64, sd: f64) -> bool {
    sd <= 1e-12 * mean.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::is_principal_component;

    #[test]
    fn principal_components_are_known_by_their_names() {
        assert!(["PC1", "pc10"].into_iter().all(is_principal_component));
        assert!(
            !["PC", "pcs", "PC1_old", "age", "PCR1"]
                .into_iter()
                .any(is_principal_component)
        );
    }
}
