//! `gf-genomics simulate`: a cohort whose risk is known exactly.

use anyhow::bail;
use gf_genotypes::Samples;

use super::{
    record::{Invocation, OverwriteArgs, PendingRecord},
    samples::{SampleArgs, without_names},
};
use crate::{
    pipeline,
    simulate::{self, Options},
};

/// Simulate a cohort with known risk and known best achievable AUC, from a phased panel or from
/// scratch. The phenotypes are always simulated.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics simulate --people 2000 --risk cis --auc 0.72 --seed 1 \
                  --out simulated\n  gf-genomics simulate --preset ad-2022 --len-nt 3000 \
                  --case-fraction 0.5 --out ad"
)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    founders: SampleArgs,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Simulates a cohort, and prints a summary to standard error.
///
/// # Errors
/// Any error of [`simulate::run`], or samples that are chosen without a panel.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut options = args.options;
    options.founders = args.founders.samples()?;
    if options.panel.is_none() && options.founders != Samples::All {
        bail!("--samples and --samples-file select samples of a panel; give a --panel as well");
    }
    let invocation = Invocation {
        command: "simulate",
        options: without_names(&options, &options.founders),
        inputs: options
            .panel
            .iter()
            .chain(&options.reference)
            .chain(&options.loci)
            .chain(&options.loci_risks)
            .chain(&options.effects)
            .collect(),
    };
    let _lock = pipeline::lock_folder(&options.out)?;
    let record = PendingRecord::begin(&options.out, invocation, args.overwrite)?;
    let summary = simulate::run(&options)?;
    record.finish(&summary.truth)?;
    gf_files::message_text!("{summary}");
    gf_files::message!("wrote {}", options.out.display());
    Ok(())
}
