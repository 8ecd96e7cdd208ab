//! What a model costs, as `cost.csv` beside its predictions and as a table to read before training.

use std::path::Path;

use gf_cohort_schema::{COST_COLUMNS, Cohort, CostRow};

use super::{Error, Options, config_of, memory, name_of};
use crate::{
    models::{Architecture, Config, Preset},
    output, report,
    tokenization::Folder,
};

/// Writes `cost.csv` into `folder`.
///
/// # Errors
/// A configuration that makes no sense, or a file that cannot be written.
pub fn write(folder: &Path, name: &str, config: &Config) -> Result<(), Error> {
    Ok(output::for_others::write_csv(&folder.join("cost.csv"), &COST_COLUMNS, [row(name, config)?])?)
}

/// A table of what one sequence costs the model to be trained, and a dense softmax transformer of the same size.
///
/// # Errors
/// A cohort or tokens that cannot be read, an architecture that makes no sense, or one that is larger than the machine.
pub fn report(options: &Options) -> Result<String, Error> {
    let cohort = Cohort::read(&options.cohort, options.phenotype_coding, &options.covariates)?;
    let config = config_of(options, &Folder::load(&options.tokens)?, &cohort);
    options.schedule.check()?;
    // The model is made to be counted.
    memory::require(&config, options, cohort.people.len())?;
    table(&name_of(options), &config)
}

fn table(name: &str, config: &Config) -> Result<String, Error> {
    let Architecture { hidden, layers, heads, feed_forward, .. } = config.architecture;
    let transformer = Architecture { hidden, layers, heads, feed_forward, ..Preset::Transformer.architecture() };
    let transformer = Config { architecture: transformer, ..config.clone() };
    let rows = [row(name, config)?, row("transformer of this size", &transformer)?];
    Ok(format!("Cost of one sequence ({} slots)\n\n{}", config.total_slots(), report::costs(&rows)))
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
    use gf_cohort_schema::read_costs;

    fn config() -> Config {
        let architecture = Preset::Linformer.architecture();
        Config { architecture, vocab_size: 50, loci: vec![LocusShape { name: "L".into(), n_slots: 1_000 }], n_covariates: 1 }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "linformer", &config()).unwrap();
        let rows = read_costs(&folder.path().join("cost.csv")).unwrap();
        assert_eq!(rows, [row("linformer", &config()).unwrap()]);
    }

    #[test]
    fn the_table_sets_the_model_beside_a_transformer() {
        let report = table("linformer", &config()).unwrap();
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(lines[0], "Cost of one sequence (1000 slots)");
        assert!(lines[2].starts_with("model") && lines[2].ends_with("bytes"), "{report}");
        let energy = |line: &str| line.split_whitespace().nth_back(1).unwrap().parse::<f64>().unwrap();
        assert!(energy(lines[3]) < energy(lines[4]), "{report}");
    }
}
