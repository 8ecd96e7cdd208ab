//! The command line: turns arguments into the options of a stage, and does nothing else.
//!
//! Data go to standard output or to the file of `-o`, messages to standard error.

mod check;
mod cohort;
mod cohort_args;
mod completions;
mod compress;
mod evaluate;
mod explain;
mod genotypes;
mod lists;
mod man;
mod merge;
mod plan;
mod prs;
mod record;
mod regions;
mod run;
mod samples;
mod score;
mod sequences;
mod simulate;
mod tokenize;
mod train;

use std::error::Error;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use gf_cohort_schema::text;
use gf_files::memory;

use crate::training;

const NO_THREADS: &str =
    "the threads cannot be started; use fewer (--threads), or raise the memory limit";
/// Address space of a thread: its stack, and the arena that the allocator reserves for it.
const BYTES_PER_THREAD: usize = 3 << 20;

/// Train efficient transformers on the haplotype sequences of a cohort, and compare them with
/// polygenic risk scores on the same samples.
///
/// For research, not for diagnosis.
#[derive(Debug, Parser)]
#[command(
    name = "gf-genomics",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Number of threads. 0 means all cores [default: all cores].
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Plan(plan::Args),
    Cohort(cohort::Args),
    Simulate(simulate::Args),
    Sequences(sequences::Args),
    Tokenize(tokenize::Args),
    Train(train::Args),
    Prs(prs::Args),
    Score(score::Args),
    Merge(merge::Args),
    Evaluate(evaluate::Args),
    Explain(explain::Args),
    Compress(compress::Args),
    Regions(regions::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Whether the command runs a model, whose kernels use the threads of the program themselves.
    fn computes_models(&self) -> bool {
        match self {
            Self::Run(_)
            | Self::Train(_)
            | Self::Score(_)
            | Self::Explain(_)
            | Self::Compress(_) => true,
            Self::Check(_)
            | Self::Plan(_)
            | Self::Cohort(_)
            | Self::Simulate(_)
            | Self::Merge(_)
            | Self::Sequences(_)
            | Self::Tokenize(_)
            | Self::Prs(_)
            | Self::Evaluate(_)
            | Self::Regions(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

impl Cli {
    /// How to resume after the command was interrupted.
    #[must_use]
    pub fn how_to_go_on(&self) -> &'static str {
        match &self.command {
            Command::Run(_) => "the same command resumes from there",
            Command::Train(args) if args.resumes() => "the same command resumes from there",
            Command::Train(_) => "the same command with --resume resumes from there",
            _ => "the same command starts from scratch",
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// Any error of the command.
    pub fn run(self) -> anyhow::Result<()> {
        if self.command.computes_models() {
            training::leave_cores_to_ours();
        }
        start_threads(self.threads)?;
        let result = run_command(self.command);
        for note in text::take_notes() {
            gf_files::message!("note: {note}");
        }
        result
    }
}

/// Starts the thread pool of the program.
///
/// Threads that cannot be started are refused here. Later, rayon would panic, and a thread that
/// starts with too little memory would abort the program.
fn start_threads(threads: Option<usize>) -> anyhow::Result<()> {
    let n_threads = threads.unwrap_or(0);
    let fits = memory::address_space()
        .is_none_or(|left| n_threads.saturating_mul(BYTES_PER_THREAD) <= left);
    ensure!(
        fits,
        "{NO_THREADS}. {n_threads} threads need more memory than `ulimit -v` allows"
    );
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
    match pool.build_global() {
        // A caller that uses this crate as a library may have started the pool before.
        Err(error) if threads.is_none() && error.source().is_none() => {}
        built => built.context(NO_THREADS)?,
    }
    Ok(())
}

fn run_command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(args),
        Command::Cohort(args) => cohort::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Sequences(args) => sequences::run(args),
        Command::Tokenize(args) => tokenize::run(args),
        Command::Train(args) => train::run(args),
        Command::Prs(args) => prs::run(args),
        Command::Score(args) => score::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Compress(args) => compress::run(args),
        Command::Regions(args) => regions::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
