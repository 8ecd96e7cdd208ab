//! `gf-genomics check`: validates the inputs of a pipeline file.

use std::path::PathBuf;

use crate::pipeline;

/// Look at every input of a pipeline file before any work: options, people, contigs and builds,
/// loci, REF of every record in them, both classes, scoring files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gf-genomics check pipelines/quickstart.toml")]
pub struct Args {
    /// Pipeline file.
    #[arg(value_name = "TOML")]
    pipeline: PathBuf,
}

/// Prints a line for each stage.
///
/// # Errors
/// An input that a stage would refuse.
pub fn run(args: &Args) -> anyhow::Result<()> {
    pipeline::check(&args.pipeline)
}
