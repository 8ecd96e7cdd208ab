//! Fitting each baseline on the training people.
//!
//! Input -> output: [`BaselineSamples`] with their split and phenotype ([`Study`]) -> one [`Baseline`] each.
//! Every feature is standardised by mean and standard deviation over all training people
//! (frequencies too, phenotype known or not); coefficients are fitted on those whose phenotype is
//! known. What is learned from the dosages is in `ridge`, `elastic_net` and `clumping`.

use gf_cohort_schema::{BASELINE_PREFIX, Cohort, Split};
use ndarray::Array1;

use crate::{
    baselines::{
        Error, logistic,
        model::{AlleleWeight, Baseline, BaselineSamples, Feature, Term},
        panel::is_constant,
    },
    scoring::{dosages::Site, effect::Effect, matching::Matches, scoring_file::ScoringFile},
};

/// Penalty per person of baselines with few features. A person carries up to 0.25 of information on
/// a coefficient, so that these are as good as unpenalised, but finite where a feature separates
/// the classes or repeats another.
const SLIGHT_PENALTY: f64 = 1e-6;

/// Who is in the study, as indices into the people of the genotype table.
pub struct Study<'a> {
    /// The cohort.
    pub cohort: &'a Cohort,
    /// Genotypes, covariates, APOE.
    pub people: BaselineSamples<'a>,
    /// All training people.
    pub training: Vec<usize>,
}

/// Terms that stand beside a score, with the value of each person: covariates, and APOE where it is
/// asked for.
#[derive(Default)]
pub struct FreeTerms(Vec<(Term, Vec<f64>)>);

impl FreeTerms {
    /// Their coefficients are 0.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.0.iter().map(|(term, _)| term)
    }

    /// Standardised values of some people, one vector a term.
    #[must_use]
    pub fn standardised(&self, people: &[usize]) -> Vec<Vec<f64>> {
        let of_term = |(term, values): &(Term, Vec<f64>)| {
            people
                .iter()
                .map(|&person| (values[person] - term.mean) / term.sd)
                .collect()
        };
        self.0.iter().map(of_term).collect()
    }
}

impl<'a> Study<'a> {
    /// A study of the people of a cohort.
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

    /// People of a split whose phenotype is known, and whether each is a case.
    #[must_use]
    pub fn labelled(&self, split: Split) -> (Vec<usize>, Array1<bool>) {
        let labelled = self
            .cohort
            .in_split(split)
            .filter_map(|(index, person)| Some((index, person.phenotype?.is_case())));
        let (people, is_case): (Vec<usize>, Vec<bool>) = labelled.unzip();
        (people, is_case.into())
    }

    fn covariates(&self) -> Vec<Feature> {
        self.cohort
            .covariate_names
            .iter()
            .map(|name| Feature::Covariate { name: name.clone() })
            .collect()
    }

    /// Mean and standard deviation of values over the training people.
    fn moments(&self, value: impl Fn(usize) -> f64) -> (f64, f64) {
        let n = self.training.len() as f64;
        let mean = self
            .training
            .iter()
            .map(|&person| value(person))
            .sum::<f64>()
            / n;
        let variance = self
            .training
            .iter()
            .map(|&person| (value(person) - mean).powi(2))
            .sum::<f64>()
            / n;
        (mean, variance.sqrt())
    }

    /// A feature with its moments, coefficient still 0, and its value in each person; `None` when
    /// it is the same in all training people, which is noted.
    fn standardised(
        &self,
        model: &str,
        feature: Feature,
        constant: &mut Vec<String>,
    ) -> Result<Option<(Term, Vec<f64>)>, Error> {
        let missing_covariate = || Error::NoCovariate {
            model: model.into(),
            name: feature.name().into(),
        };
        // The mean of those called stands for the others.
        let observed = self
            .people
            .values(&feature, f64::NAN)
            .ok_or_else(missing_covariate)?;
        let called: Vec<f64> = self
            .training
            .iter()
            .map(|&person| observed[person])
            .filter(|value| !value.is_nan())
            .collect();
        let missing = called.iter().sum::<f64>() / called.len().max(1) as f64;
        let values: Vec<f64> = observed
            .into_iter()
            .map(|value| if value.is_nan() { missing } else { value })
            .collect();
        let (mean, sd) = self.moments(|person| values[person]);
        if is_constant(mean, sd) {
            constant.push(format!("{model}: {}", feature.name()));
            return Ok(None);
        }
        Ok(Some((
            Term {
                feature,
                mean,
                sd,
                coefficient: 0.0,
            },
            values,
        )))
    }

    /// Some features and all covariates, those that vary.
    ///
    /// # Errors
    /// When a covariate is not there.
    pub fn free_terms(
        &self,
        model: &str,
        features: &[Feature],
        constant: &mut Vec<String>,
    ) -> Result<FreeTerms, Error> {
        let mut terms = Vec::new();
        for feature in features.iter().cloned().chain(self.covariates()) {
            terms.extend(self.standardised(model, feature, constant)?);
        }
        Ok(FreeTerms(terms))
    }

    /// A logistic regression on a few features and all covariates, as good as unpenalised. `None`
    /// when none of `features` varies.
    ///
    /// # Errors
    /// When the fit fails.
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

    /// One feature without the covariates. `None` when it does not vary.
    ///
    /// # Errors
    /// When the fit fails.
    pub fn alone(
        &self,
        model: String,
        feature: Feature,
        constant: &mut Vec<String>,
    ) -> Result<Option<Baseline>, Error> {
        let terms = self.standardised(&model, feature, constant)?;
        terms
            .map(|terms| self.unpenalised(model, FreeTerms(vec![terms])))
            .transpose()
    }

    fn unpenalised(&self, model: String, terms: FreeTerms) -> Result<Baseline, Error> {
        let (people, is_case) = self.labelled(Split::Train);
        let columns = terms.standardised(&people);
        let fit = logistic::fit(
            &model,
            &logistic::matrix(people.len(), columns.into_iter()),
            &is_case,
            SLIGHT_PENALTY * people.len() as f64,
            None,
        )?;
        let terms = terms
            .0
            .into_iter()
            .zip(&fit.coefficients)
            .map(|((term, _), &coefficient)| Term {
                coefficient,
                ..term
            })
            .collect();
        Ok(Baseline {
            model,
            intercept: fit.intercept,
            terms,
        })
    }

    /// `prs-covariates`: the covariates alone. `None` when none varies.
    ///
    /// # Errors
    /// When the fit fails.
    pub fn covariates_alone(&self, constant: &mut Vec<String>) -> Result<Option<Baseline>, Error> {
        let model = format!("{BASELINE_PREFIX}covariates");
        let terms = self.free_terms(&model, &[], constant)?;
        if terms.0.is_empty() {
            Ok(None)
        } else {
            Ok(Some(self.unpenalised(model, terms)?))
        }
    }

    /// `prs-pcs`: the principal components alone, which tell how far ancestry and batch go. `None`
    /// when there is no column `PC1`, `pc2` ...
    ///
    /// # Errors
    /// When the fit fails.
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
            terms.extend(self.standardised(&model, feature, constant)?);
        }
        if terms.is_empty() {
            Ok(None)
        } else {
            Ok(Some(self.unpenalised(model, FreeTerms(terms))?))
        }
    }

    /// `prs-apoe`: copies of e2 and of e4, and the covariates.
    ///
    /// # Errors
    /// When the fit fails.
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
        let alleles = matches.matched().map(|candidate| {
            let effect = file.rows[candidate.row].effect;
            let additive = match effect {
                Effect::Additive(weight) => Some(weight),
                _ => None,
            };
            let is_ref = candidate.effect_allele() == 0;
            let allele = self.allele_weight(
                &sites[candidate.site],
                candidate.alt,
                is_ref,
                additive.unwrap_or_default(),
            );
            AlleleWeight {
                dosage_weights: additive.is_none().then(|| effect.weights()),
                frequency: candidate.frequency.unwrap_or(allele.frequency),
                ..allele
            }
        });
        alleles.collect()
    }

    /// An allele with a weight, and its moments among the training people.
    #[must_use]
    pub fn allele_weight(
        &self,
        site: &Site,
        alt: i16,
        effect_is_ref: bool,
        weight: f64,
    ) -> AlleleWeight {
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
}

/// What stands for the APOE region where a score leaves it out.
pub const APOE: [Feature; 2] = [Feature::ApoeE2, Feature::ApoeE4];

/// `PC1`, `pc12`.
fn is_principal_component(name: &str) -> bool {
    let number = name.strip_prefix("PC").or_else(|| name.strip_prefix("pc"));
    number.is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
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
