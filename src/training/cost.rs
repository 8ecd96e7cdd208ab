//! Computational cost of a model: `cost.csv` next to its predictions, and a table before training.

use std::path::Path;

use gf_cohort_schema::CostRow;

use super::{
    Bundle, BundleConfig, Error, MemberRecord, Options, Weights, additive_name, memory,
    names::name_of,
    prepared::{Inputs, config_of},
};
use crate::{
    layout,
    models::{Architecture, Config, Preset, additive},
    report,
    tables::write_shareable,
};

/// Writes `cost.csv` into `folder`.
///
/// It has a row for the model and a row for its additive term alone, if there is one.
///
/// # Errors
/// An invalid configuration, or a file that cannot be written.
pub fn write(folder: &Path, bundle: &Bundle) -> Result<(), Error> {
    let rows = match &bundle.config.members[0].terms {
        None => vec![row(&bundle.config.name, &bundle.config.model)?],
        Some(terms) => {
            let additive = additive_row(
                &additive_name(&bundle.config.name),
                &bundle.config,
                &bundle.members[0],
            );
            let mut full = CostRow {
                model: bundle.config.name.clone(),
                ..additive.clone()
            };
            for shape in terms {
                let network = row("", &shape.config(&bundle.config.model))?;
                let n = shape.networks as u64;
                full.parameters += n * network.parameters;
                full.multiplications += n * network.multiplications;
                full.additions += n * network.additions;
                full.energy_pj += n as f64 * network.energy_pj;
                full.bytes += n * network.bytes;
            }
            vec![additive, full]
        }
    };
    Ok(write_shareable(&folder.join(layout::COST), rows)?)
}

/// Number of parameter values of a bundle, over all members.
///
/// # Errors
/// An invalid configuration.
pub fn parameters(bundle: &Bundle) -> Result<u64, Error> {
    bundle
        .config
        .members
        .iter()
        .zip(&bundle.members)
        .map(|(record, weights)| member_parameters(&bundle.config, record, weights))
        .sum()
}

fn member_parameters(
    config: &BundleConfig,
    record: &MemberRecord,
    weights: &Weights,
) -> Result<u64, Error> {
    let Some(terms) = &record.terms else {
        return Ok(config.model.cost()?.parameters);
    };
    let mut sum = additive_row("", config, weights).parameters;
    for shape in terms {
        sum += shape.networks as u64 * shape.config(&config.model).cost()?.parameters;
    }
    Ok(sum)
}

/// Cost of an additive term, which looks up weights and adds them.
///
/// It adds one weight per slot with a weight and one per covariate to the intercept. Only
/// covariates are multiplied. An addition costs 0.9 pJ and a multiplication 3.7 pJ.
fn additive_row(name: &str, config: &BundleConfig, weights: &Weights) -> CostRow {
    let n_weights = weights
        .get(&format!("{}{}", additive::ALONE, additive::WEIGHTS))
        .map_or(0, |tensor| tensor.elem_count() as u64);
    let n_covariates = config.covariates.len() as u64;
    let parameters = 1 + n_weights + n_covariates;
    let additions = n_weights + n_covariates;
    let energy_pj = 0.9 * additions as f64 + 3.7 * n_covariates as f64;
    CostRow {
        model: name.to_owned(),
        parameters,
        multiplications: n_covariates,
        additions,
        energy_pj,
        bytes: 4 * parameters,
    }
}

/// A table with the cost of one sequence by the model to be trained and by a dense softmax
/// transformer of the same size.
///
/// # Errors
/// A cohort or tokens that cannot be read, an invalid architecture, or too little memory.
pub fn report(options: &Options) -> Result<String, Error> {
    let Inputs { cohort, folder } = Inputs::read(options)?;
    let config = config_of(options, &folder, &cohort);
    options.schedule.check()?;
    // The cost is counted on a model in memory.
    memory::require(&config, options, cohort.people.len())?;
    table(&name_of(options), &config)
}

fn table(name: &str, config: &Config) -> Result<String, Error> {
    let Architecture {
        hidden,
        layers,
        heads,
        feed_forward,
        ..
    } = config.architecture;
    let transformer = Config {
        architecture: Architecture {
            hidden,
            layers,
            heads,
            feed_forward,
            ..Preset::Transformer.architecture()
        },
        ..config.clone()
    };
    let rows = [
        row(name, config)?,
        row("transformer of this size", &transformer)?,
    ];
    Ok(format!(
        "Cost of one sequence ({} slots)\n\n{}",
        config.total_slots(),
        report::costs(&rows)
    ))
}

fn row(name: &str, config: &Config) -> Result<CostRow, Error> {
    let cost = config.cost()?;
    Ok(CostRow {
        model: name.to_owned(),
        parameters: cost.parameters,
        multiplications: cost.multiplications,
        additions: cost.additions,
        // The table of `evaluate` has one decimal, too.
        energy_pj: (cost.energy_pj * 10.0).round() / 10.0,
        bytes: cost.bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::LocusShape;

    fn config() -> Config {
        let architecture = Preset::Linformer.architecture();
        Config {
            architecture,
            vocab_size: 50,
            loci: vec![LocusShape {
                name: "L".into(),
                n_slots: 1_000,
            }],
            n_covariates: 1,
        }
    }

    #[test]
    fn the_table_compares_the_model_with_a_transformer() {
        let report = table("linformer", &config()).unwrap();
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(lines[0], "Cost of one sequence (1000 slots)");
        assert!(
            lines[2].starts_with("model") && lines[2].ends_with("bytes"),
            "{report}"
        );
        assert!(energy(lines[3]) < energy(lines[4]), "{report}");
    }

    fn energy(line: &str) -> f64 {
        let cell = line.split_whitespace().nth_back(1).unwrap();
        cell.parse().unwrap()
    }
}
