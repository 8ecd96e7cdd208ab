//! Phenotypes and splits of the samples, and the AUC of the true logit.

use gf_cohort_schema::{Cohort, Person, Phenotype, Split, probability};
use gf_stats::roc;
use rand::{Rng, seq::SliceRandom};

use super::{BestPossibleAuc, Error, Stream, options::Options, population, stream};

/// Draws phenotypes with these logits, splits and covariates.
pub(super) fn draw_cohort(logits: &[f64], options: &Options) -> Result<Cohort, Error> {
    let phenotypes = phenotypes(logits, &mut stream(options.seed, Stream::Phenotypes));
    let split_rng = &mut stream(options.seed, Stream::Split);
    let splits = splits(&phenotypes, options.split, split_rng)?;
    let covariate_rng = &mut stream(options.seed, Stream::Covariates);
    let covariates = population::covariates(options.people, covariate_rng);
    Ok(cohort(&phenotypes, &splits, covariates))
}

/// Draws disease of each sample from a Bernoulli distribution with its logit.
pub(super) fn phenotypes(logits: &[f64], rng: &mut impl Rng) -> Vec<Phenotype> {
    logits
        .iter()
        .map(|&logit| {
            if rng.random_bool(probability(logit)) {
                Phenotype::Case
            } else {
                Phenotype::Control
            }
        })
        .collect()
}

/// Assigns samples at random to train, validation and test, stratified by phenotype.
///
/// Cases and controls are divided separately, so each split has both classes.
///
/// # Errors
/// A split without a case or without a control.
pub(super) fn splits(
    phenotypes: &[Phenotype],
    shares: [f64; 3],
    rng: &mut impl Rng,
) -> Result<Vec<Split>, Error> {
    let mut splits = vec![Split::Train; phenotypes.len()];
    for class in [Phenotype::Case, Phenotype::Control] {
        let mut samples_of_class: Vec<usize> = (0..phenotypes.len())
            .filter(|&sample| phenotypes[sample] == class)
            .collect();
        samples_of_class.shuffle(rng);
        let n_in_class = samples_of_class.len();
        let train_end = rounded_share(shares[0], n_in_class);
        let validation_end = rounded_share(shares[0] + shares[1], n_in_class);
        let ranges = [
            (Split::Train, 0..train_end),
            (Split::Validation, train_end..validation_end),
            (Split::Test, validation_end..n_in_class),
        ];
        for (split, range) in ranges {
            if range.is_empty() {
                let n_cases = phenotypes
                    .iter()
                    .filter(|phenotype| phenotype.is_case())
                    .count();
                return Err(Error::OneClass {
                    people: phenotypes.len(),
                    n_cases,
                    split,
                });
            }
            for &sample in &samples_of_class[range] {
                splits[sample] = split;
            }
        }
    }
    Ok(splits)
}

fn rounded_share(share: f64, total: usize) -> usize {
    (share * total as f64).round() as usize
}

/// The cohort table; each row of `covariates` is the age and sex of one sample.
pub(super) fn cohort(
    phenotypes: &[Phenotype],
    splits: &[Split],
    covariates: Vec<Vec<f64>>,
) -> Cohort {
    let n_digits = phenotypes.len().to_string().len().max(5);
    let mut people = Vec::with_capacity(phenotypes.len());
    for (index, (&phenotype, covariates)) in phenotypes.iter().zip(covariates).enumerate() {
        people.push(Person {
            sample_id: format!("P{:0n_digits$}", index + 1),
            phenotype: Some(phenotype),
            split: splits[index],
            family_id: None,
            covariates,
        });
    }
    Cohort {
        people,
        covariate_names: vec!["age".into(), "sex".into()],
        ..Cohort::default()
    }
}

/// AUC of the true logit in each split.
pub(super) fn best_possible_auc(cohort: &Cohort, logits: &[f64]) -> Result<BestPossibleAuc, Error> {
    Ok(BestPossibleAuc {
        train: auroc_in_split(cohort, logits, Split::Train)?,
        validation: auroc_in_split(cohort, logits, Split::Validation)?,
        test: auroc_in_split(cohort, logits, Split::Test)?,
    })
}

fn auroc_in_split(cohort: &Cohort, logits: &[f64], split: Split) -> Result<f64, Error> {
    let mut case_logits = Vec::new();
    let mut control_logits = Vec::new();
    for (index, person) in cohort.in_split(split) {
        match person.phenotype {
            Some(Phenotype::Case) => case_logits.push(logits[index]),
            Some(Phenotype::Control) => control_logits.push(logits[index]),
            None => {}
        }
    }
    roc::auroc(&case_logits, &control_logits).map_err(|_| Error::OneClass {
        people: logits.len(),
        n_cases: case_logits.len(),
        split,
    })
}
