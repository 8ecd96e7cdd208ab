//! `gf-genomics explain`: the effect of each variant on a model's logit.

use std::path::PathBuf;

use gf_haplotypes::ApplyFilters;

use super::{
    genotypes::GenotypeArgs,
    record::{Invocation, OverwriteArgs, PendingRecord},
    samples::{SampleArgs, without_names},
};
use crate::{
    explain::{self, Options},
    pipeline,
    training::DeviceChoice,
};

/// Report the effect of each variant on a model's logit. The allele is switched in every distinct
/// haplotype of the given samples. Pairs of the top variants are switched together.
///
/// One copy of ALT replaces REF, and everything else is unchanged. The effect is the mean change of
/// the logit over the given samples. Variants are ranked by the root mean square of this change.
/// Changes of opposite sign on different haplotypes do not cancel in it. Intervals are over the
/// models of an ensemble (`train --ensemble`), not over samples. A variant that the model uses is
/// not necessarily causal. The model can use any of several variants that are inherited together.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics explain --vcf cohort.vcf.gz --reference GRCh38.fa \
                  \\\n    --model model --cohort cohort.csv --out explained"
)]
pub struct Args {
    #[command(flatten)]
    genotypes: GenotypeArgs,
    #[command(flatten)]
    people: SampleArgs,
    /// Reference FASTA of the model's build.
    #[arg(long, value_name = "FASTA")]
    reference: PathBuf,
    /// Folder of a model bundle.
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Table with `sample_id` and the covariates of the samples, for models that need covariates.
    /// Only the samples in this table are used.
    #[arg(long, value_name = "CSV")]
    cohort: Option<PathBuf>,
    /// Regions whose variants are switched: `chr:beg-end` (1-based, inclusive) or names that
    /// `gf-genomics regions` lists, separated by commas [default: all loci of the model].
    #[arg(long, value_name = "REGIONS", num_args = 1..)]
    regions: Vec<String>,
    /// Number of most common distinct haplotypes of a locus in which alleles are switched. The time
    /// grows with haplotypes times variants [default: all].
    #[arg(long, value_name = "N")]
    haplotypes: Option<usize>,
    /// Number of variants of a locus that its plot labels.
    #[arg(long, default_value_t = 5, value_name = "N")]
    top: usize,
    /// Number of top variants of a locus whose pairs are switched together. No two of them have r2
    /// above 0.8. 0 means no pairs.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pairs: usize,
    /// Accepted values of FILTER: a list of names, or `all` [default: the same as for the training
    /// samples].
    #[arg(long, value_name = "LIST")]
    apply_filters: Option<ApplyFilters>,
    /// Device of the computation: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value_t = DeviceChoice::Cpu, value_name = "DEVICE")]
    device: DeviceChoice,
    /// Folder for `explain.csv`, `pairs.csv`, one plot per locus (`LOCUS.svg`), and `run.json`.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Attributes the logit to variants, and writes the tables and plots.
///
/// # Errors
/// Any error of the stage.
pub fn run(args: Args) -> anyhow::Result<()> {
    let overwrite = args.overwrite;
    let options = args.into_options()?;
    let invocation = Invocation {
        command: "explain",
        options: without_names(&options, &options.samples),
        inputs: options
            .vcf
            .iter()
            .chain([&options.reference, &options.model])
            .chain(&options.cohort)
            .collect(),
    };
    let _lock = pipeline::lock_folder(&options.out)?;
    let record = PendingRecord::begin(&options.out, invocation, overwrite)?;
    let summary = explain::run(&options)?;
    record.finish(&summary)?;
    gf_files::message_text!("{summary}");
    Ok(())
}

impl Args {
    fn into_options(self) -> anyhow::Result<Options> {
        let regions = (!self.regions.is_empty()).then(|| self.regions.join(","));
        Ok(Options {
            vcf: self.genotypes.files(),
            format: self.genotypes.format,
            samples: self.people.samples()?,
            reference: self.reference,
            model: self.model,
            cohort: self.cohort,
            regions,
            haplotypes: self.haplotypes,
            top: self.top,
            pairs: self.pairs,
            apply_filters: self.apply_filters,
            device: self.device,
            out: self.out,
        })
    }
}
