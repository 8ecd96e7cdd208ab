//! `gf-genomics run`: all stages of a pipeline file, or one job.

use std::path::PathBuf;

use crate::pipeline::{self, Blocks, Options};

/// Run all stages of a pipeline file. Finished stages are not repeated, and an interrupted run
/// resumes where it stopped.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics run pipelines/quickstart.toml --out \
                  results/quickstart\n  gf-genomics run pipelines/quickstart.toml --out \
                  results/quickstart --job 2-tokens"
)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Print which stages would run, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Name of the only job to run, one of those that `plan` lists. Jobs can run on many machines
    /// that share the folder. A finished job is not repeated. It does no harm if a job runs twice
    /// at the same time.
    #[arg(long, value_name = "JOB", conflicts_with = "dry_run")]
    job: Option<String>,
}

/// A pipeline file, where its results go, and how its jobs are divided.
#[derive(Debug, clap::Args)]
pub struct PipelineArgs {
    /// Pipeline file.
    #[arg(value_name = "TOML")]
    pipeline: PathBuf,
    /// Folder of the results [default: results/NAME for NAME.toml].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed that replaces the one in the file.
    #[arg(long)]
    seed: Option<u64>,
    /// Largest number of samples whose sequences or predictions are made in one job.
    #[arg(long, value_name = "N", default_value_t = Blocks::default().people)]
    block_people: usize,
    /// Largest number of loci whose sequences are made in one job.
    #[arg(long, value_name = "N", default_value_t = Blocks::default().loci)]
    block_loci: usize,
}

impl PipelineArgs {
    /// The options of the pipeline.
    pub fn options(self, dry_run: bool, job: Option<String>) -> Options {
        Options {
            pipeline: self.pipeline,
            out: self.out,
            seed: self.seed,
            dry_run,
            job,
            blocks: Blocks {
                people: self.block_people,
                loci: self.block_loci,
            },
        }
    }
}

/// Runs the pipeline.
///
/// # Errors
/// Any error of a stage.
pub fn run(args: Args) -> anyhow::Result<()> {
    pipeline::run(&args.pipeline.options(args.dry_run, args.job))
}
