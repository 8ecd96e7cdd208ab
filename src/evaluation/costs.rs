//! What each model costs, from the `cost.csv` beside its predictions, where there is one.

use std::{collections::BTreeMap, path::PathBuf};

use gf_cohort_schema::{AucRow, CostRow, read_costs};

use super::Error;

/// Costs by model.
pub fn read(predictions: &[PathBuf]) -> Result<BTreeMap<String, CostRow>, Error> {
    let mut costs: BTreeMap<String, CostRow> = BTreeMap::new();
    for path in predictions.iter().map(|path| path.with_file_name("cost.csv")).filter(|path| path.exists()) {
        for cost in read_costs(&path)? {
            match costs.get(&cost.model) {
                Some(other) if *other != cost => return Err(Error::TwoCosts { path, model: cost.model }),
                _ => _ = costs.insert(cost.model.clone(), cost),
            }
        }
    }
    Ok(costs)
}

/// Fills in the costs of the models that have one.
pub fn fill_in(rows: &mut [AucRow], costs: &BTreeMap<String, CostRow>) {
    for row in rows {
        let Some(cost) = costs.get(&row.model) else { continue };
        row.parameters = Some(cost.parameters);
        row.multiplications = Some(cost.multiplications);
        row.additions = Some(cost.additions);
        row.energy_pj = Some(cost.energy_pj);
        row.bytes = Some(cost.bytes);
    }
}
