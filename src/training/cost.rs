//! What a model costs, as `cost.csv` beside its predictions and as a table to read before training.

use std::path::Path;

use gf_cohort_schema::{CostRow, columns};

use super::{
    Bundle, BundleConfig, Error, MemberRecord, Options, Weights, additive_name, cohort_and_tokens,
    config_of, memory, name_of,
};
use crate::layout;
use crate::{
    models::{Architecture, Config, Preset, additive},
    report,
};
use gf_files::output;

/// Writes `cost.csv` into `folder`: a row for the model and, where it has one, for its additive
/// term alone.
///
/// # Errors
/// A configuration that makes no sense, or a file that cannot be written.
pub fn write(folder: &Path, bundle: &Bundle) -> Result<(), Error> {
    let rows = match &bundle.config.members[0].terms {
        None => vec![row(&bundle.config.name, &bundle.config.model)?],
        Some(terms) => {
            let additive = additive_row(
                &additive_name(&bundle.config.name),
                &bundle.config,
                &bundle.members[0],
            );
            let mut whole = CostRow {
                model: bundle.config.name.clone(),
                ..additive.clone()
            };
            for shape in terms {
                let of_term = row("", &shape.config(&bundle.config.model))?;
                let n = shape.networks as u64;
                whole.parameters += n * of_term.parameters;
                whole.multiplications += n * of_term.multiplications;
                whole.additions += n * of_term.additions;
                whole.energy_pj += n as f64 * of_term.energy_pj;
                whole.bytes += n * of_term.bytes;
            }
            vec![additive, whole]
        }
    };
    Ok(output::shareable::write_csv(
        &folder.join(layout::COST),
        columns::<CostRow>(),
        rows,
    )?)
}

/// Values over all parameters of a bundle, of all members.
///
/// # Errors
/// A configuration that makes no sense.
pub fn parameters(bundle: &Bundle) -> Result<u64, Error> {
    let of_member = |(record, weights): (&MemberRecord, &Weights)| match &record.terms {
        None => Ok(bundle.config.model.cost()?.parameters),
        Some(terms) => {
            let additive = additive_row("", &bundle.config, weights).parameters;
            terms.iter().try_fold(additive, |sum, shape| {
                Ok(sum
                    + shape.networks as u64 * shape.config(&bundle.config.model).cost()?.parameters)
            })
        }
    };
    bundle
        .config
        .members
        .iter()
        .zip(&bundle.members)
        .map(of_member)
        .sum()
}

/// An additive term looks its weights up and adds them: one per slot with a weight, one per
/// covariate, and the intercept.
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

/// A table of what one sequence costs the model to be trained, and a dense softmax transformer of
/// the same size.
///
/// # Errors
/// A cohort or tokens that cannot be read, an architecture that makes no sense, or one that is
/// larger than the machine.
pub fn report(options: &Options) -> Result<String, Error> {
    let (cohort, folder) = cohort_and_tokens(options)?;
    let config = config_of(options, &folder, &cohort);
    options.schedule.check()?;
    // The model is made to be counted.
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
    let transformer = Architecture {
        hidden,
        layers,
        heads,
        feed_forward,
        ..Preset::Transformer.architecture()
    };
    let transformer = Config {
        architecture: transformer,
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
        // As many digits as the table of `evaluate` has.
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
    fn the_table_sets_the_model_beside_a_transformer() {
        let report = table("linformer", &config()).unwrap();
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(lines[0], "Cost of one sequence (1000 slots)");
        assert!(
            lines[2].starts_with("model") && lines[2].ends_with("bytes"),
            "{report}"
        );
        let energy = |line: &str| {
            line.split_whitespace()
                .nth_back(1)
                .unwrap()
                .parse::<f64>()
                .unwrap()
        };
        assert!(energy(lines[3]) < energy(lines[4]), "{report}");
    }
}
