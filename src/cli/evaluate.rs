//! `gf-genomics evaluate`: compares models and baselines on the same people.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use crate::{evaluation, report};

/// Compare models and polygenic risk scores: AUC with 95 % intervals, and DeLong's paired test against the best baseline.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gf-genomics evaluate --predictions model/predictions.csv prs/predictions.csv --out report")]
pub struct Args {
    /// predictions.csv files of `train` and `prs`; they must be about the same people
    #[arg(long, required = true, num_args = 1.., value_name = "CSV")]
    predictions: Vec<PathBuf>,
    /// Folder for auc.csv and roc.csv
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Model to compare the others to [default: the baseline with the highest AUC on the validation split]
    #[arg(long, value_name = "MODEL")]
    compare_to: Option<String>,
}

/// Evaluates, and prints the table to stdout.
///
/// # Errors
/// As [`evaluation::run`]; when stdout cannot be written.
pub fn run(args: Args) -> anyhow::Result<()> {
    let summary = evaluation::run(&evaluation::Options { predictions: args.predictions, out: args.out, compare_to: args.compare_to })?;
    writeln!(io::stdout().lock(), "{}\n{}", report::table(&summary.rows), summary.comparison)?;
    eprintln!("wrote {} and {}", summary.auc_csv.display(), summary.roc_csv.display());
    if summary.people_without_phenotype > 0 {
        eprintln!("{} people of unknown phenotype left out", summary.people_without_phenotype);
    }
    if summary.people_averaged_over_folds > 0 {
        eprintln!("{} people ranked by their mean logit over several folds", summary.people_averaged_over_folds);
    }
    Ok(())
}
