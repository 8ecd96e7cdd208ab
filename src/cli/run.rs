//! `gf-genomics run`: all stages of a pipeline file, or one job.

use std::path::PathBuf;

use crate::pipeline::{self, Blocks, Options};

/// Run every stage of a pipeline file; a finished stage is not done again, a killed one goes on
/// where it was.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics run pipelines/quickstart.toml --out \
                  results/quickstart\n  gf-genomics run pipelines/quickstart.toml --out \
                  results/quickstart --job 2-tokens"
)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Say which stages would run, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do only this job, one of those that `plan` lists: the jobs of a run can be done on many
    /// machines that see the folder. One that is done is not done again, and may run twice at
    /// once.
    #[arg(long, value_name = "JOB", conflicts_with = "dry_run")]
    job: Option<String>,
}

/// A pipeline file, where its results go, and how its jobs are divided.
#[derive(Debug, clap::Args)]
pub struct PipelineArgs {
    /// Pipeline file.
    #[arg(value_name = "TOML")]
    pipeline: PathBuf,
    /// Folder of the results [default: results/NAME, for NAME.toml].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed, instead of the one in the file.
    #[arg(long)]
    seed: Option<u64>,
    /// People whose sequences are made, and who are predicted, in one job, at most.
    #[arg(long, value_name = "N", default_value_t = Blocks::default().people)]
    block_people: usize,
    /// Loci whose sequences are made in one job, at most.
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
