//! `gf-genomics plan`: the jobs of a pipeline file with their estimated resources.

use std::io::{self, Write};

use super::run::PipelineArgs;
use crate::pipeline;

/// List the jobs of a pipeline file with their dependencies and estimated time, memory, disk and
/// GPUs. Nothing is started or written.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics plan pipelines/quickstart.toml --out \
                  results/quickstart\n  gf-genomics plan pipelines/quickstart.toml --out \
                  results/quickstart --json > plan.json"
)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Print JSON for workflow engines. Each job has its command, its inputs and its output.
    #[arg(long)]
    json: bool,
}

/// Prints the jobs as a table or as JSON.
///
/// # Errors
/// A pipeline file or inputs that cannot be read, or standard output that cannot be written.
pub fn run(args: Args) -> anyhow::Result<()> {
    let jobs = pipeline::jobs(&args.pipeline.options(false, None))?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &jobs).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{jobs}")?;
    }
    Ok(())
}
