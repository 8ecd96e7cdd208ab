//! `gf-genomics check`: validates the inputs of a pipeline file.

use std::path::PathBuf;

use crate::pipeline;

/// Check all inputs of a pipeline file before any work. It validates the options, samples, contigs,
/// builds, loci, cases and controls, scoring files, and REF of every record in the loci.
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
