//! `gf-genomics score`: the risk of new samples by a saved model.

use std::path::PathBuf;

use gf_cohort_schema::{MissingCovariates, MissingPolicies, MissingValues, arguments::some_of};
use gf_haplotypes::ApplyFilters;

use super::{
    genotypes::GenotypeArgs,
    record::{Invocation, PendingRecord},
    samples::{SampleArgs, without_names},
};
use crate::{
    score::{self, Options},
    training::DeviceChoice,
};

/// Predict the risk of new samples with a saved model. A reference or build that differs from that
/// of the model is refused.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics score --vcf new.vcf.gz --reference GRCh38.fa --model \
                  model -o risk.csv"
)]
pub struct Args {
    #[command(flatten)]
    genotypes: GenotypeArgs,
    #[command(flatten)]
    people: SampleArgs,
    /// Reference FASTA. A sequence model requires it. For scores that `prs` saved it is optional,
    /// and REF of their records is then compared with it.
    #[arg(long, value_name = "FASTA")]
    reference: Option<PathBuf>,
    /// Folder of a model bundle, or a folder that `prs` wrote.
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Table with `sample_id` and the covariates of the samples, for models that need covariates.
    /// Only the samples in this table are scored.
    #[arg(long, value_name = "CSV")]
    cohort: Option<PathBuf>,
    /// Treatment of samples without a value of a covariate: error, drop, or mean (of the training
    /// samples).
    #[arg(
        long,
        value_parser = some_of::<MissingCovariates>(&["error", "drop", "mean"]),
        default_value = "error",
        value_name = "POLICY",
        requires = "cohort"
    )]
    missing_covariates: MissingCovariates,
    /// Numbers that mean a missing value of a covariate, such as -9, or `none` if no number does.
    #[arg(
        long,
        value_name = "NUMBER,...",
        allow_hyphen_values = true,
        requires = "cohort"
    )]
    missing_value: Option<MissingValues>,
    /// Smallest accepted overlap with the training data. For a polygenic score, it is the fraction
    /// of its alleles in the files [default: the same as for the training samples]. For a sequence
    /// model, it is the fraction of the expected common variants that the samples carry. This is
    /// checked for 50 samples or more [default: 0.5].
    #[arg(long, value_name = "FRACTION")]
    min_overlap: Option<f64>,
    /// Models to apply from a folder that `prs` wrote, separated by commas [default: all].
    #[arg(long, value_delimiter = ',', num_args = 1.., value_name = "NAME,...")]
    models: Option<Vec<String>>,
    /// Score a single sample although its files have no homozygous-reference call in 1,000 or more
    /// records. This is for scores that `prs` saved.
    #[arg(long)]
    allow_no_hom_ref: bool,
    /// Accepted values of FILTER: a list of names, or `all` [default: the same as for the training
    /// samples].
    #[arg(long, value_name = "LIST")]
    apply_filters: Option<ApplyFilters>,
    /// Device of the computation of a sequence model: cpu, or cuda:N in a build with the feature
    /// `cuda`.
    #[arg(long, default_value_t = DeviceChoice::Cpu, value_name = "DEVICE")]
    device: DeviceChoice,
    /// CSV to write (`sample_id,model,logit,probability`), with CSV.run.json next to it; `-` is
    /// standard output.
    #[arg(short, long, default_value = "-", value_name = "CSV")]
    output: PathBuf,
}

/// Scores new samples by a saved model.
///
/// # Errors
/// Any error of the stage.
pub fn run(args: Args) -> anyhow::Result<()> {
    let options = args.into_options()?;
    let invocation = Invocation {
        command: "score",
        options: without_names(&options, &options.samples),
        inputs: options
            .vcf
            .iter()
            .chain(&options.reference)
            .chain([&options.model])
            .chain(&options.cohort)
            .collect(),
    };
    let record = PendingRecord::of_file(&options.output, invocation)?;
    let summary = score::run(&options)?;
    if let Some(record) = record {
        record.finish(&summary)?;
    }
    gf_files::message_text!("{summary}");
    Ok(())
}

impl Args {
    fn into_options(self) -> anyhow::Result<Options> {
        Ok(Options {
            vcf: self.genotypes.files(),
            format: self.genotypes.format,
            samples: self.people.samples()?,
            reference: self.reference,
            model: self.model,
            cohort: self.cohort,
            missing: MissingPolicies {
                value: self.missing_value,
                covariates: self.missing_covariates,
                ..MissingPolicies::default()
            },
            min_overlap: self.min_overlap,
            models: self.models,
            allow_no_hom_ref: self.allow_no_hom_ref,
            apply_filters: self.apply_filters,
            device: self.device,
            output: self.output,
        })
    }
}
