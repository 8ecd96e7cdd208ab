//! What each stage is made from: the options, input files and earlier stages in its digest.
//!
//! A finished stage is not done again while its digest is the same. So a dependency that is missing
//! here leaves a stale result, and one too many repeats hours of work without need.

use std::path::{Path, PathBuf};

use gf_cohort_schema::{Cohort, Person, Split};
use gf_files::output;
use serde_json::{Value, json};

use super::plan::{Data, Plan, Source};
use crate::{layout, simulate, tokens, training::ModelSettings};

/// Everything that the digest of a stage depends on.
#[derive(Clone, Debug, Default)]
pub struct MadeFrom {
    /// Earlier stages, by name.
    pub stages: Vec<String>,
    /// Input files. Their contents count, not their paths.
    pub files: Vec<PathBuf>,
    /// Options, and anything else that decides the result.
    pub options: Value,
}

impl MadeFrom {
    /// Starts from options alone.
    pub fn options(options: Value) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Adds an earlier stage.
    #[must_use]
    pub fn stage(mut self, stage: &str) -> Self {
        self.stages.push(stage.to_owned());
        self
    }

    /// Adds input files.
    #[must_use]
    pub fn files<'p>(mut self, files: impl IntoIterator<Item = &'p Path>) -> Self {
        self.files.extend(files.into_iter().map(Path::to_path_buf));
        self
    }

    /// Adds the cohort table: the user's file, or that of the simulation.
    fn cohort(self, plan: &Plan, data: &Data) -> Self {
        match plan.source {
            Source::Simulate(_) => self.stage(layout::COHORT_FOLDER),
            Source::Data(_) => self.files([data.cohort.as_path()]),
        }
    }

    /// Adds the genotypes, the reference and the loci.
    fn genomes(self, plan: &Plan, data: &Data) -> Self {
        match plan.source {
            Source::Simulate(_) => self.stage(layout::COHORT_FOLDER),
            Source::Data(_) => self.files(data.genome_files().iter().map(PathBuf::as_path)),
        }
    }

    /// The same for a shard of the stage. `shard` distinguishes it from the other shards.
    #[must_use]
    pub fn shard(&self, shard: &Value) -> Self {
        Self {
            options: json!([self.options, shard]),
            ..self.clone()
        }
    }
}

/// A simulated cohort depends on the options that decide it and on the files that they name.
pub fn simulation(options: &simulate::Options) -> anyhow::Result<MadeFrom> {
    Ok(MadeFrom::options(deciding_options(options)?).files(options.files()))
}

/// Options of `simulate` that were added later.
///
/// At their defaults they are left out of the digest, so that a cohort that was simulated before
/// stays finished.
const LATER_OPTIONS: &[&str] = &[
    "format",
    "preset", // A preset sets the risk of the population.
    "age_effect",
    "sex_effect",
    "prevalence",
    "case_fraction",
];

/// The options of `simulate` that decide the cohort.
fn deciding_options(options: &simulate::Options) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(options.with_default_auc())?;
    let defaults = serde_json::to_value(simulate::Options::default())?;
    if let Some(table) = value.as_object_mut() {
        for key in ["out", "panel", "reference"] {
            table.remove(key);
        }
        for key in LATER_OPTIONS {
            if table.get(*key) == defaults.get(*key) {
                table.remove(*key);
            }
        }
        // The contents of a file are in the digest already. Its key adds only its purpose.
        for key in ["loci", "loci_risks", "effects"] {
            if table.remove(key).is_some_and(|path| !path.is_null()) {
                table.insert(key.to_owned(), Value::Bool(true));
            }
        }
    }
    Ok(value)
}

/// Sequences depend on the genomes and on the samples of the cohort.
///
/// Phenotypes, splits and covariates do not matter.
pub fn sequences(plan: &Plan, data: &Data) -> anyhow::Result<MadeFrom> {
    let samples = match plan.source {
        Source::Simulate(_) => None,
        Source::Data(_) => Some(digest_of_names(
            Cohort::read_splits(&data.cohort)?.people.iter(),
        )),
    };
    let options = json!([data.genome_key(), plan.sequences, samples]);
    Ok(MadeFrom::options(options).genomes(plan, data))
}

/// Tokens depend on the sequences and on the training samples, which decide the vocabulary.
pub fn tokens(plan: &Plan, data: &Data) -> anyhow::Result<MadeFrom> {
    let training_samples = match plan.source {
        Source::Simulate(_) => None,
        Source::Data(_) => {
            let cohort = Cohort::read_splits(&data.cohort)?;
            let training = cohort.in_split(Split::Train).map(|(_, person)| person);
            Some(digest_of_names(training))
        }
    };
    // The contents of a tokenizer file count, not its path.
    let options = tokens::Options {
        tokenizer_file: None,
        ..plan.tokens.clone()
    };
    let made_from = MadeFrom::options(json!([options, training_samples]))
        .stage(layout::SEQUENCES_FOLDER)
        .files(plan.tokens.tokenizer_file.as_deref());
    Ok(made_from)
}

/// A model depends on the tokens, on the cohort, and on the files that its settings name.
pub fn model(plan: &Plan, data: &Data, model: &ModelSettings) -> MadeFrom {
    let mut files = Vec::new();
    if let Some(bundle) = &model.init {
        files.push(bundle.join(layout::CONFIG));
        files.push(bundle.join(layout::WEIGHTS_OF_MODEL));
    }
    if let Some(offset) = &model.offset {
        files.push(offset.path.clone());
    }
    MadeFrom::options(json!([model.key(), data.cohort_key()]))
        .stage(layout::TOKENS_FOLDER)
        .cohort(plan, data)
        .files(files.iter().map(PathBuf::as_path))
}

/// Baselines depend on the genotypes and on the cohort, not on sequences or tokens.
pub fn baselines(plan: &Plan, data: &Data) -> MadeFrom {
    let options = json!([
        plan.baselines,
        plan.sequences.apply_filters,
        data.genome_key(),
        data.cohort_key()
    ]);
    MadeFrom::options(options)
        .cohort(plan, data)
        .genomes(plan, data)
        .files(plan.further_files())
}

/// The report depends on everything that it shows.
pub fn report(plan: &Plan, data: &Data) -> MadeFrom {
    let mut made_from = MadeFrom::options(json!([plan.report, plan.seed]))
        .stage(layout::SEQUENCES_FOLDER)
        .stage(layout::TOKENS_FOLDER)
        .stage(layout::BASELINES_FOLDER);
    for model in &plan.models {
        made_from = made_from.stage(&model.stage());
    }
    made_from.cohort(plan, data)
}

/// Digest of the names of some samples, in their order.
fn digest_of_names<'a>(samples: impl Iterator<Item = &'a Person>) -> String {
    let names: Vec<&str> = samples.map(|sample| sample.sample_id.as_str()).collect();
    output::sha256(names.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_came_later_leave_the_digest_of_an_earlier_simulation_as_it_was() {
        let default = simulate::Options::default();
        let earlier = "auc len_nt people recombinations_per_mb region risk seed split variants";
        assert_eq!(keys(&default), earlier);
        assert_eq!(deciding_options(&default).unwrap()["auc"], 0.72);
        let later = simulate::Options {
            effects: Some("x.txt".into()),
            sex_effect: 0.1,
            ..default
        };
        assert!(keys(&later).contains("effects") && keys(&later).contains("sex_effect"));
        assert!(deciding_options(&later).unwrap()["auc"].is_null());
    }

    /// Names of the options in the digest, separated by spaces.
    fn keys(options: &simulate::Options) -> String {
        let value = deciding_options(options).unwrap();
        let table = value.as_object().unwrap();
        table.keys().cloned().collect::<Vec<_>>().join(" ")
    }
}
