//! `gf-genomics train`.

use std::path::PathBuf;

use super::{architecture::ArchitectureArgs, cohort::CohortArgs};
use crate::{
    pipeline::progress,
    training::{self, Options, Resume, Schedule},
};

/// Train a model on tokens; the weights of the epoch with the best validation AUC are kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gf-genomics train --tokens tokens --cohort cohort.csv --out model --seed 1")]
pub struct Args {
    /// Folder that `tokenize` wrote.
    #[arg(long, value_name = "DIR")]
    tokens: PathBuf,
    #[command(flatten)]
    cohort: CohortArgs,
    /// Folder of the model bundle to write.
    #[arg(long, value_name = "MODEL")]
    out: PathBuf,
    /// Name of the model in every table [default: the preset].
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    architecture: ArchitectureArgs,
    /// Passes over the training people, at most.
    #[arg(long, default_value_t = Schedule::default().epochs)]
    epochs: usize,
    /// People in a batch.
    #[arg(long, default_value_t = Schedule::default().batch_size)]
    batch_size: usize,
    /// Highest learning rate.
    #[arg(long, default_value_t = Schedule::default().learning_rate)]
    learning_rate: f64,
    /// Share of all steps in which the learning rate rises.
    #[arg(long, default_value_t = Schedule::default().warmup)]
    warmup: f64,
    /// Weight decay.
    #[arg(long, default_value_t = Schedule::default().weight_decay)]
    weight_decay: f64,
    /// Largest norm of a gradient.
    #[arg(long, default_value_t = Schedule::default().clip_norm)]
    clip_norm: f64,
    /// Epochs without a better validation AUC after which training stops.
    #[arg(long, default_value_t = Schedule::default().patience)]
    patience: usize,
    /// Seed of weights and order; the same seed gives the same bytes.
    #[arg(long, default_value_t = Schedule::default().seed)]
    seed: u64,
    /// Go on from the checkpoint in the folder, if there is one.
    #[arg(long)]
    resume: bool,
}

/// Runs the command.
///
/// # Errors
/// Whatever the stage says.
pub fn run(args: Args) -> anyhow::Result<()> {
    let options = Options {
        tokens: args.tokens,
        phenotype_coding: args.cohort.phenotype_coding(),
        covariates: args.cohort.covariates(),
        cohort: args.cohort.cohort,
        out: args.out,
        name: args.name,
        architecture: args.architecture.architecture(),
        schedule: Schedule {
            epochs: args.epochs,
            batch_size: args.batch_size,
            learning_rate: args.learning_rate,
            warmup: args.warmup,
            weight_decay: args.weight_decay,
            clip_norm: args.clip_norm,
            patience: args.patience,
            seed: args.seed,
        },
        resume: if args.resume { Resume::Yes } else { Resume::No },
    };
    eprint!("{}", training::run(&options, &mut progress())?);
    Ok(())
}
