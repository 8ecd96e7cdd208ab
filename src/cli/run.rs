//! `gf-genomics run`.

use std::path::PathBuf;

use crate::pipeline;

/// Run every stage of a pipeline file; a finished stage is not done again, a killed one goes on where it was.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gf-genomics run pipelines/quickstart.toml --out results/quickstart")]
pub struct Args {
    /// Pipeline file.
    #[arg(value_name = "TOML")]
    pipeline: PathBuf,
    /// Folder of the results [default: results/NAME, for NAME.toml].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed, instead of the one in the file.
    #[arg(long)]
    seed: Option<u64>,
    /// Say which stages would run, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// Whatever a stage says.
pub fn run(args: Args) -> anyhow::Result<()> {
    pipeline::run(&pipeline::Options { pipeline: args.pipeline, out: args.out, seed: args.seed, dry_run: args.dry_run })
}
