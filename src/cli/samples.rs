//! Options of every command that reads genotypes: whose.

use std::path::Path;

use gf_cohort_schema::text;
use serde::Serialize;
use serde_json::{Value, json};

use gf_files::output;
use gf_genotypes::Samples;

/// Whose genotypes are read.
#[derive(Debug, clap::Args)]
pub struct SampleArgs {
    /// Samples, separated by commas; `^A,B`: all but these [default: everyone, or everyone of the
    /// cohort table].
    #[arg(long, value_name = "NAMES", num_args = 1.., conflicts_with = "samples_file")]
    samples: Vec<String>,
    /// File with a sample per line, or a table with a column IID or `sample_id`; `^FILE`: all but
    /// these.
    #[arg(long, value_name = "FILE")]
    samples_file: Option<String>,
}

impl SampleArgs {
    /// Reads the list, if there is one.
    ///
    /// # Errors
    /// A file that cannot be read or has no sample.
    pub fn samples(&self) -> anyhow::Result<Samples> {
        if !self.samples.is_empty() {
            return chosen(&self.samples.join(","), |names| Ok(listed(names)));
        }
        let Some(file) = &self.samples_file else {
            return Ok(Samples::All);
        };
        chosen(file, |path| {
            let path = Path::new(path);
            Ok(text::samples_of(path, &text::read(path)?)?)
        })
    }
}

fn listed(names: &str) -> Vec<String> {
    names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Samples wanted, or after `^` those to leave out.
fn chosen(
    text: &str,
    names: impl Fn(&str) -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<Samples> {
    Ok(match text.strip_prefix('^') {
        Some(others) => Samples::Except(names(others)?),
        None => Samples::Only(names(text)?),
    })
}

/// Options as a record tells them: of the samples chosen only a digest, which tells one choice from
/// another.
pub fn without_names(options: &impl Serialize, samples: &Samples) -> Value {
    let mut told = json!(options);
    told["samples"] = match samples {
        Samples::All => Value::Null,
        chosen => json!(output::sha256(json!(chosen).to_string().as_bytes())),
    };
    told
}
