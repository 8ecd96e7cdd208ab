//! Options that choose samples, for every command that reads genotypes.

use std::path::Path;

use gf_cohort_schema::text;
use gf_files::output;
use gf_genotypes::Samples;
use serde::Serialize;
use serde_json::{Value, json};

/// Samples whose genotypes are read.
#[derive(Debug, clap::Args)]
pub struct SampleArgs {
    /// Samples to use, separated by commas. `^A,B` means all samples except these [default: all
    /// samples, or all samples of the cohort table].
    #[arg(long, value_name = "NAMES", num_args = 1.., conflicts_with = "samples_file")]
    samples: Vec<String>,
    /// File of the samples to use, with one sample per line, or a table with a column IID or
    /// `sample_id`. `^FILE` means all samples except these.
    #[arg(long, value_name = "FILE")]
    samples_file: Option<String>,
}

impl SampleArgs {
    /// Reads the list of samples, if there is one.
    ///
    /// # Errors
    /// A file that cannot be read or has no sample.
    pub fn samples(&self) -> anyhow::Result<Samples> {
        if !self.samples.is_empty() {
            let names = self.samples.join(",");
            return Ok(match names.strip_prefix('^') {
                Some(excluded) => Samples::Except(split_names(excluded)),
                None => Samples::Only(split_names(&names)),
            });
        }
        let Some(file) = &self.samples_file else {
            return Ok(Samples::All);
        };
        Ok(match file.strip_prefix('^') {
            Some(excluded) => Samples::Except(names_in_file(Path::new(excluded))?),
            None => Samples::Only(names_in_file(Path::new(file))?),
        })
    }
}

fn names_in_file(path: &Path) -> anyhow::Result<Vec<String>> {
    Ok(text::samples_of(path, &text::read(path)?)?)
}

fn split_names(names: &str) -> Vec<String> {
    names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The digest distinguishes choices of samples without naming individuals.
pub fn without_names(options: &impl Serialize, samples: &Samples) -> Value {
    let mut recorded = json!(options);
    recorded["samples"] = match samples {
        Samples::All => Value::Null,
        chosen => json!(output::sha256(json!(chosen).to_string().as_bytes())),
    };
    recorded
}
