//! The principal components of a cohort table alone, as a model: what ancestry, or a batch, tells
//! of the disease.
//!
//! Input -> output: columns `PC1`, `PC2`, ... -> a column of scores of the last split, of a
//! logistic regression on the training split. Where nobody is in the training split, the regression
//! is fitted on four fifths of the people and applied to the last fifth, five times.

use gf_cohort_schema::{Role, Split};

use super::{
    scores::{Column, Scores},
    strata::Known,
};
use gf_cohort_schema::counted;
use gf_stats::regression::{Failure, Likelihood, logistic};

/// Fewer cases, or controls, for each component leave the regression to chance.
const PER_COMPONENT: usize = 10;
/// Parts that are held out in turn.
const FOLDS: usize = 5;
/// More are not looked for.
const MOST_COMPONENTS: usize = 100;

/// A person with known phenotype and components.
struct Placed {
    person: u32,
    is_case: bool,
    values: Vec<f64>,
}

/// Scores of the people of the last split.
///
/// # Errors
/// Why there are none: no components, too few people, a regression that fails.
pub fn alone(scores: &Scores, known: &Known) -> Result<Column, String> {
    let split = scores.last_split().ok_or("nobody is predicted")?;
    let names: Vec<String> = (1..=MOST_COMPONENTS)
        .map(|number| format!("PC{number}"))
        .collect();
    let cells: Vec<Vec<Option<&str>>> = names.iter().map_while(|name| known.cells(name)).collect();
    if cells.is_empty() {
        return Err(
            "no principal components: give a cohort table with the columns PC1, PC2, ... \
             (--cohort)"
                .to_owned(),
        );
    }
    let of_split = |wanted: Split| -> Vec<Placed> {
        let people = scores
            .people
            .iter()
            .enumerate()
            .filter(|(_, person)| person.split == wanted);
        let with_values = people.filter_map(|(index, person)| {
            let value = |column: &Vec<Option<&str>>| {
                column[index]?
                    .parse::<f64>()
                    .ok()
                    .filter(|value| value.is_finite())
            };
            let values = cells.iter().map(value).collect::<Option<Vec<f64>>>()?;
            Some(Placed {
                person: index as u32,
                is_case: person.phenotype?.is_case(),
                values,
            })
        });
        with_values.collect()
    };
    let training = of_split(Split::Train);
    let judged = of_split(split);
    let logits = if split == Split::Train || training.is_empty() {
        cross_fitted(&judged)?
    } else {
        let coefficients = fitted(&training.iter().collect::<Vec<_>>())?;
        judged
            .iter()
            .map(|known| logit(&coefficients, &known.values))
            .collect()
    };
    let people: Vec<u32> = judged.iter().map(|known| known.person).collect();
    let is_case: Vec<bool> = judged.iter().map(|known| known.is_case).collect();
    let probabilities = logits
        .iter()
        .map(|logit| gf_cohort_schema::probability(*logit))
        .collect();
    Ok(Column::new(
        split,
        "principal components",
        Role::Probe,
        people,
        is_case,
        logits,
        probabilities,
    ))
}

/// The logit of each person by the people of the other folds; every fifth case, and every fifth
/// control, is in one fold.
fn cross_fitted(people: &[Placed]) -> Result<Vec<f64>, String> {
    let mut n_of_class = [0; 2];
    let fold_of: Vec<usize> = people
        .iter()
        .map(|known| {
            let n = &mut n_of_class[usize::from(known.is_case)];
            *n += 1;
            *n % FOLDS
        })
        .collect();
    let mut logits = vec![0.0; people.len()];
    for fold in 0..FOLDS {
        let others: Vec<&Placed> = people
            .iter()
            .zip(&fold_of)
            .filter(|(_, other)| **other != fold)
            .map(|(known, _)| known)
            .collect();
        let coefficients = fitted(&others)?;
        for (place, known) in people
            .iter()
            .enumerate()
            .filter(|(place, _)| fold_of[*place] == fold)
        {
            logits[place] = logit(&coefficients, &known.values);
        }
    }
    Ok(logits)
}

fn fitted(people: &[&Placed]) -> Result<Vec<f64>, String> {
    let is_case: Vec<bool> = people.iter().map(|known| known.is_case).collect();
    let n_cases = is_case.iter().filter(|case| **case).count();
    let n_components = people.first().map_or(0, |known| known.values.len());
    let rarer = n_cases.min(is_case.len() - n_cases);
    if n_components == 0 || rarer < PER_COMPONENT {
        let cases = counted(n_cases, "case", "cases");
        let controls = counted(is_case.len() - n_cases, "control", "controls");
        return Err(format!(
            "{cases} and {controls} with principal components are too few to fit them on"
        ));
    }
    // Of a small cohort the first components only.
    let n_used = n_components.min(rarer / PER_COMPONENT);
    let columns: Vec<Vec<f64>> = (0..n_used)
        .map(|column| people.iter().map(|known| known.values[column]).collect())
        .collect();
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let fit = match logistic(&columns, &is_case, None, Likelihood::Plain) {
        Err(Failure::Separated) => logistic(&columns, &is_case, None, Likelihood::Firth),
        fit => fit,
    };
    fit.map(|fit| fit.coefficients)
        .map_err(|failure| format!("the regression on the principal components is {failure}"))
}

fn logit(coefficients: &[f64], values: &[f64]) -> f64 {
    coefficients[0]
        + coefficients[1..]
            .iter()
            .zip(values)
            .map(|(coefficient, value)| coefficient * value)
            .sum::<f64>()
}
