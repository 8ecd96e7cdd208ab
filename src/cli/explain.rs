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

/// What each variant does to a model's logit: its allele switched in every distinct haplotype of
/// the people given, and pairs of the top ones.
///
/// The effect is the mean change of the logit of the people given, when one copy of ALT stands in
/// place of REF and all else stays. Variants are ranked by its root mean square, in which changes
/// of opposite sign on different haplotypes do not cancel. Intervals are over the models of an
/// ensemble (`train --ensemble`), not over people. That the model uses a variant does not make it a
/// cause: variants that are inherited together stand in for each other.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics explain --vcf cohort.vcf.gz --reference GRCh38.fa \
                  --model model --cohort cohort.csv --out explained"
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
    /// Table with `sample_id` and the covariates of the people, for models that need them; only
    /// the people in it are looked at.
    #[arg(long, value_name = "CSV")]
    cohort: Option<PathBuf>,
    /// Only variants at `chr:beg-end` (1-based, inclusive) or at loci that `gf-genomics regions`
    /// lists, separated by commas [default: all of the model's loci].
    #[arg(long, value_name = "REGIONS", num_args = 1..)]
    regions: Vec<String>,
    /// Switch only in the N commonest distinct haplotypes of a locus [default: in all]; the time
    /// grows with haplotypes times variants.
    #[arg(long, value_name = "N")]
    haplotypes: Option<usize>,
    /// Variants of a locus that its plot names.
    #[arg(long, default_value_t = 5, value_name = "N")]
    top: usize,
    /// Top variants of a locus (no two with r2 above 0.8) whose pairs are switched together; 0: no
    /// pairs.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pairs: usize,
    /// Records to use by their FILTER: a list of names, or `all` [default: as for the training
    /// samples].
    #[arg(long, value_name = "LIST")]
    apply_filters: Option<ApplyFilters>,
    /// Where the model is computed: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value_t = DeviceChoice::Cpu, value_name = "DEVICE")]
    device: DeviceChoice,
    /// Folder for `explain.csv`, `pairs.csv`, a plot of each locus, `LOCUS.svg`, and `run.json`.
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
