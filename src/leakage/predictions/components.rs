//! A probe for population structure: logistic regression on principal components alone.
//!
//! Input -> output: columns `PC1`, `PC2`, ... of the cohort table -> a column of scores on the last
//! split. Its AUROC shows how well ancestry, or a batch, separates cases from controls.
//!
//! The regression is fitted on the training split. Without a training split it is cross-fitted:
//! fitted on four fifths of the samples and applied to the last fifth, five times.

use gf_cohort_schema::{Role, Split, counted, probability};
use gf_stats::regression::{Failure, Likelihood, logistic};

use crate::predictions::{Column, Known, Person, Scores};

/// Fewest cases, and controls, per component. With fewer the fit is left to chance.
const PER_COMPONENT: usize = 10;
/// Folds of the cross-fit.
const FOLDS: usize = 5;
/// Largest number of a component that is used.
const MOST_COMPONENTS: usize = 100;

/// A person with known phenotype and components.
struct Projected {
    /// Index in [`Scores::people`].
    person: u32,
    is_case: bool,
    components: Vec<f64>,
}

/// Scores of the samples of the last split.
///
/// # Errors
/// The reason, as text: no components, too few samples, a regression that fails.
pub fn alone(scores: &Scores, known: &Known) -> Result<Column, String> {
    let split = scores.last_split().ok_or("no sample is predicted")?;
    let cells: Vec<Vec<Option<&str>>> = (1..=MOST_COMPONENTS)
        .map_while(|number| known.cells(&format!("PC{number}")))
        .collect();
    if cells.is_empty() {
        return Err(
            "no principal components; give a cohort table with the columns PC1, PC2, ... \
             (--cohort)"
                .to_owned(),
        );
    }
    let training = projected(Split::Train, scores, &cells);
    let evaluated = projected(split, scores, &cells);
    let logits = if split == Split::Train || training.is_empty() {
        cross_fitted(&evaluated)?
    } else {
        let coefficients = fitted(&training.iter().collect::<Vec<_>>())?;
        evaluated
            .iter()
            .map(|sample| logit(&coefficients, &sample.components))
            .collect()
    };
    let probabilities = logits.iter().map(|logit| probability(*logit)).collect();
    Ok(Column::new(
        split,
        "principal components",
        Role::Probe,
        evaluated.iter().map(|sample| sample.person).collect(),
        evaluated.iter().map(|sample| sample.is_case).collect(),
        logits,
        probabilities,
    ))
}

/// The samples of a split whose phenotype and components are all known. `cells` is indexed by
/// component, then by person.
fn projected(split: Split, scores: &Scores, cells: &[Vec<Option<&str>>]) -> Vec<Projected> {
    scores
        .people
        .iter()
        .enumerate()
        .filter(|(_, person)| person.split == split)
        .filter_map(|(index, person)| Projected::new(index, person, cells))
        .collect()
}

impl Projected {
    fn new(index: usize, person: &Person, cells: &[Vec<Option<&str>>]) -> Option<Self> {
        Some(Self {
            person: index as u32,
            is_case: person.phenotype?.is_case(),
            components: cells
                .iter()
                .map(|component| finite_number(component[index]?))
                .collect::<Option<_>>()?,
        })
    }
}

fn finite_number(cell: &str) -> Option<f64> {
    cell.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The logit of each person, by the regression on the other folds. Every fifth case and every fifth
/// control is in the same fold, so that all folds have both classes.
fn cross_fitted(people: &[Projected]) -> Result<Vec<f64>, String> {
    let mut n_of_class = [0; 2];
    let fold_of: Vec<usize> = people
        .iter()
        .map(|sample| {
            let n = &mut n_of_class[usize::from(sample.is_case)];
            *n += 1;
            *n % FOLDS
        })
        .collect();
    let mut logits = vec![0.0; people.len()];
    for held_out in 0..FOLDS {
        let training: Vec<&Projected> = people
            .iter()
            .zip(&fold_of)
            .filter(|(_, fold)| **fold != held_out)
            .map(|(sample, _)| sample)
            .collect();
        let coefficients = fitted(&training)?;
        for (index, sample) in people.iter().enumerate() {
            if fold_of[index] == held_out {
                logits[index] = logit(&coefficients, &sample.components);
            }
        }
    }
    Ok(logits)
}

/// Intercept and coefficients of the first components. A small cohort uses fewer of them.
fn fitted(people: &[&Projected]) -> Result<Vec<f64>, String> {
    let is_case: Vec<bool> = people.iter().map(|sample| sample.is_case).collect();
    let n_cases = is_case.iter().filter(|case| **case).count();
    let n_controls = is_case.len() - n_cases;
    let n_components = people.first().map_or(0, |sample| sample.components.len());
    let n_of_rarer_class = n_cases.min(n_controls);
    if n_components == 0 || n_of_rarer_class < PER_COMPONENT {
        let cases = counted(n_cases, "case", "cases");
        let controls = counted(n_controls, "control", "controls");
        return Err(format!(
            "{cases} and {controls} with principal components are too few for a fit"
        ));
    }
    let n_used = n_components.min(n_of_rarer_class / PER_COMPONENT);
    let columns: Vec<Vec<f64>> = (0..n_used)
        .map(|number| {
            people
                .iter()
                .map(|sample| sample.components[number])
                .collect()
        })
        .collect();
    let predictors: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let fit = match logistic(&predictors, &is_case, None, Likelihood::Plain) {
        Err(Failure::Separated) => logistic(&predictors, &is_case, None, Likelihood::Firth),
        fit => fit,
    };
    fit.map(|fit| fit.coefficients)
        .map_err(|failure| format!("the regression on the principal components is {failure}"))
}

/// intercept + sum over components of coefficient times component.
fn logit(coefficients: &[f64], components: &[f64]) -> f64 {
    coefficients[0]
        + coefficients[1..]
            .iter()
            .zip(components)
            .map(|(coefficient, component)| coefficient * component)
            .sum::<f64>()
}
