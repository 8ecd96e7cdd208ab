//! What other stages left beside the predictions: `cost.csv`, `scores.csv`, `apoe.csv`, `guards.csv`.
//!
//! Input -> output: the paths of predictions -> the further columns of `auc.csv`, the APOE genotypes, and what guards of other stages found. A
//! file that is not there leaves its columns empty.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use gf_cohort_schema::{AucRow, Characteristics, CostRow, GuardRow, read_costs, read_guards, read_scores};

use super::Error;

/// The files of this name beside the predictions, one a folder.
fn files<'a>(predictions: &'a [PathBuf], name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let paths: BTreeSet<PathBuf> = predictions.iter().map(|path| path.with_file_name(name)).collect();
    paths.into_iter().filter(|path| path.exists())
}

/// Fills in the costs of the models that have one, and the match rates of published scores.
///
/// # Errors
/// A file that is malformed; two that say different things of one model.
pub fn fill_in(rows: &mut [AucRow], predictions: &[PathBuf]) -> Result<(), Error> {
    let costs = costs(predictions)?;
    let match_rates = match_rates(predictions)?;
    for row in rows {
        row.match_rate = match_rates.get(&row.model).copied();
        let Some(cost) = costs.get(&row.model) else { continue };
        row.parameters = Some(cost.parameters);
        row.multiplications = Some(cost.multiplications);
        row.additions = Some(cost.additions);
        row.energy_pj = Some(cost.energy_pj);
        row.bytes = Some(cost.bytes);
    }
    Ok(())
}

fn costs(predictions: &[PathBuf]) -> Result<BTreeMap<String, CostRow>, Error> {
    let mut costs: BTreeMap<String, CostRow> = BTreeMap::new();
    for path in files(predictions, "cost.csv") {
        for cost in read_costs(&path)? {
            match costs.get(&cost.model) {
                Some(other) if *other != cost => return Err(Error::SaidTwice { path, what: "cost", model: cost.model }),
                _ => _ = costs.insert(cost.model.clone(), cost),
            }
        }
    }
    Ok(costs)
}

fn match_rates(predictions: &[PathBuf]) -> Result<BTreeMap<String, f64>, Error> {
    let mut rates: BTreeMap<String, f64> = BTreeMap::new();
    for path in files(predictions, "scores.csv") {
        for score in read_scores(&path)? {
            match rates.insert(score.model.clone(), score.match_rate) {
                Some(other) if other.to_bits() != score.match_rate.to_bits() => {
                    return Err(Error::SaidTwice { path, what: "match rate", model: score.model });
                }
                _ => {}
            }
        }
    }
    Ok(rates)
}

/// APOE genotypes by person.
///
/// # Errors
/// A file that is malformed.
pub fn apoe(predictions: &[PathBuf]) -> Result<Vec<Characteristics>, Error> {
    files(predictions, "apoe.csv").map(|path| Ok(Characteristics::read(&path)?)).collect()
}

/// What guards of other stages found; not those of an earlier evaluation into the same folder.
///
/// # Errors
/// A file that is malformed.
pub fn guards(predictions: &[PathBuf], own: &[&str]) -> Result<Vec<GuardRow>, Error> {
    let mut found = Vec::new();
    for path in files(predictions, "guards.csv") {
        found.extend(read_guards(&path)?.into_iter().filter(|row| !own.contains(&row.guard.as_str())));
    }
    Ok(found)
}
