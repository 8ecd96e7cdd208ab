//! `gf-genomics compress`: replaces the linear layers of a model by low-rank factors.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use gf_cohort_schema::{
    PhenotypeCoding,
    arguments::{name_of, one_of},
};
use gf_nn::Rank;
use serde_json::json;

use super::record::{Invocation, OverwriteArgs, PendingRecord};
use crate::{
    compress::{self, FineTuning, OnCohort, Options, Solver},
    pipeline::{self, progress},
};

/// Replace the linear layers of a trained model by smaller low-rank factors, and measure the change
/// in AUC.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics compress model --rank 0.5 --tokens tokens --cohort \
                  cohort.csv --out small-model"
)]
pub struct Args {
    /// Folder of the model bundle.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Rank of the factors. R >= 1 is the rank itself. R < 1 is a fraction of the largest rank at
    /// which the factors are smaller than their layer.
    #[arg(long, value_name = "R")]
    rank: f64,
    /// Method to find the factors: `svd` (closest factors), `snmf` (second factor without negative
    /// values), or `random`. Random factors need further training.
    #[arg(long, default_value = "svd", value_parser = one_of::<Solver>())]
    solver: Solver,
    /// Folder that `tokenize` wrote. With `--cohort`, the command measures the AUC of both models
    /// and writes predictions.csv.
    #[arg(long, value_name = "DIR", requires = "cohort")]
    tokens: Option<PathBuf>,
    /// Cohort table: `sample_id,phenotype,split` and the covariates of the model.
    #[arg(long, value_name = "CSV", requires = "tokens")]
    cohort: Option<PathBuf>,
    /// Coding of the phenotypes: case/control or 0/1, or 1 (control) and 2 (case) like PLINK.
    #[arg(
        long,
        value_parser = one_of::<PhenotypeCoding>(),
        default_value = name_of(&PhenotypeCoding::default())
    )]
    phenotype_coding: PhenotypeCoding,
    /// Number of epochs of further training of the factors, on the training split of the cohort.
    /// The weights of the epoch with the best validation AUC are kept.
    #[arg(
        long,
        value_name = "N",
        requires = "tokens",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    fine_tune_epochs: Option<u64>,
    /// Largest learning rate of the further training.
    #[arg(
        long,
        default_value_t = FineTuning::default_learning_rate(),
        requires = "fine_tune_epochs", value_name = "RATE"
    )]
    learning_rate: f64,
    /// Name of the new model in every table [default: the old name and the solver].
    #[arg(long)]
    name: Option<String>,
    /// Seed of random factors and of further training. The same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the model bundle to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Compresses a model, and prints the table to standard output.
///
/// # Errors
/// Any error of the stage, or standard output that cannot be written.
pub fn run(args: Args) -> anyhow::Result<()> {
    let overwrite = args.overwrite;
    let options = args.into_options();
    let mut inputs = vec![&options.model];
    if let Some(measured_on) = &options.cohort {
        inputs.extend([&measured_on.tokens, &measured_on.cohort]);
    }
    let invocation = Invocation {
        command: "compress",
        options: json!(options),
        inputs,
    };
    let _lock = pipeline::lock_folder(&options.out)?;
    let record = PendingRecord::begin(&options.out, invocation, overwrite)?;
    let summary = compress::run(&options, &mut progress(true))?;
    record.finish(&summary)?;
    write!(io::stdout().lock(), "{summary}")?;
    gf_files::message!("wrote {}", options.out.display());
    Ok(())
}

impl Args {
    fn into_options(self) -> Options {
        let fine_tuning = self.fine_tune_epochs.map(|epochs| FineTuning {
            epochs: epochs as usize,
            learning_rate: self.learning_rate,
        });
        let cohort = self
            .tokens
            .zip(self.cohort)
            .map(|(tokens, cohort)| OnCohort {
                tokens,
                cohort,
                phenotype_coding: self.phenotype_coding,
                fine_tuning,
            });
        Options {
            model: self.model,
            rank: Rank::from(self.rank),
            solver: self.solver,
            name: self.name,
            seed: self.seed,
            cohort,
            out: self.out,
        }
    }
}
