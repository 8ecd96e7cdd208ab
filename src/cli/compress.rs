//! `gf-genomics compress`.

use gf_cohort_schema::arguments::{name_of, one_of};
use std::{
    io::{self, Write},
    path::PathBuf,
};

use gf_cohort_schema::PhenotypeCoding;

use serde_json::json;

use super::record::{CommandRun, OverwriteArgs, Work};
use crate::{
    compress::{self, FineTuning, OnCohort, Options, Solver},
    pipeline::{self, progress},
};
use gf_nn::Rank;

/// Make a trained model smaller: low-rank factors in place of the linear layers of its encoder, and
/// what that costs in AUC.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics compress model --rank 0.5 --tokens tokens --cohort \
                  cohort.csv --out small-model"
)]
pub struct Args {
    /// Folder of the model bundle.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Rank of the factors: from 1 on the rank, below a share of the rank up to which factors are
    /// smaller than their layer.
    #[arg(long, value_name = "R")]
    rank: f64,
    /// How the factors are found: `svd`, the nearest ones; `snmf`, the second without negative
    /// values; `random`, new ones.
    #[arg(long, default_value = "svd", value_parser = one_of::<Solver>())]
    solver: Solver,
    /// Folder that `tokenize` wrote; with `--cohort`, the AUC of both models is measured and
    /// predictions.csv written.
    #[arg(long, value_name = "DIR", requires = "cohort")]
    tokens: Option<PathBuf>,
    /// Cohort table: `sample_id,phenotype,split` and the covariates of the model.
    #[arg(long, value_name = "CSV", requires = "tokens")]
    cohort: Option<PathBuf>,
    /// How phenotypes are written: case/control or 0/1, or PLINK's 1 (control) and 2 (case).
    #[arg(
        long,
        value_parser = one_of::<PhenotypeCoding>(),
        default_value = name_of(&PhenotypeCoding::default())
    )]
    phenotype_coding: PhenotypeCoding,
    /// Train the factors further for this many epochs, on the training split of the cohort; those
    /// of the best validation AUC are kept.
    #[arg(long, value_name = "N", requires = "tokens", value_parser = clap::value_parser!(u64).range(1..))]
    fine_tune_epochs: Option<u64>,
    /// Highest learning rate of that training.
    #[arg(long, default_value_t = FineTuning::default_learning_rate(), requires = "fine_tune_epochs")]
    learning_rate: f64,
    /// Name of the new model in every table [default: the old name and the solver].
    #[arg(long)]
    name: Option<String>,
    /// Seed of new factors and of further training; the same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the model bundle to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Compresses, and prints the table to stdout.
///
/// # Errors
/// Whatever the stage says; when stdout cannot be written.
pub fn run(args: Args) -> anyhow::Result<()> {
    let phenotype_coding = args.phenotype_coding;
    let learning_rate = args.learning_rate;
    let fine_tuning = args.fine_tune_epochs.map(|epochs| FineTuning {
        epochs: epochs as usize,
        learning_rate,
    });
    let on_cohort = |(tokens, cohort)| OnCohort {
        tokens,
        cohort,
        phenotype_coding,
        fine_tuning,
    };
    let options = Options {
        model: args.model,
        rank: Rank::from(args.rank),
        solver: args.solver,
        name: args.name,
        seed: args.seed,
        cohort: args.tokens.zip(args.cohort).map(on_cohort),
        out: args.out,
    };
    let on_cohort = options
        .cohort
        .iter()
        .flat_map(|on_cohort| [&on_cohort.tokens, &on_cohort.cohort]);
    let inputs: Vec<&PathBuf> = [&options.model].into_iter().chain(on_cohort).collect();
    let work = Work {
        command: "compress",
        options: json!(options),
        inputs: inputs.clone(),
    };
    let _lock = pipeline::lock_folder(&options.out)?;
    let record = CommandRun::begin(&options.out, &work, args.overwrite)?;
    let summary = compress::run(&options, &mut progress(true))?;
    record.finish("compress", &options, inputs, &summary)?;
    write!(io::stdout().lock(), "{summary}")?;
    gf_files::message!("wrote {}", options.out.display());
    Ok(())
}
