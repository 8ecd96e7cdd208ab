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

/// Risk of new people by a saved model; refuses a reference or build other than the model's.
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
    /// Reference FASTA; required for a sequence model. For the scores that `prs` saved it is not,
    /// but REF of their records is compared with it.
    #[arg(long, value_name = "FASTA")]
    reference: Option<PathBuf>,
    /// Folder of a model bundle, or folder that `prs` wrote.
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Table with `sample_id` and the covariates of the people, for models that need them; only
    /// the people in it are scored.
    #[arg(long, value_name = "CSV")]
    cohort: Option<PathBuf>,
    /// People without a value of a covariate: an error, left out (drop), or the mean of the
    /// training people (mean).
    #[arg(
        long,
        value_parser = some_of::<MissingCovariates>(&["error", "drop", "mean"]),
        default_value = "error",
        value_name = "POLICY",
        requires = "cohort"
    )]
    missing_covariates: MissingCovariates,
    /// Numbers that stand for a missing value of a covariate, such as -9; `none` when no number
    /// does.
    #[arg(
        long,
        value_name = "NUMBER,...",
        allow_hyphen_values = true,
        requires = "cohort"
    )]
    missing_value: Option<MissingValues>,
    /// Least share of a polygenic score's alleles that must be in the files [default: as for its
    /// training people], or of the common variants of a sequence model's training people that
    /// so many people should carry [default: 0.5; asked of 50 people and more].
    #[arg(long, value_name = "FRACTION")]
    min_overlap: Option<f64>,
    /// Models to apply of a folder that `prs` wrote, separated by commas [default: all].
    #[arg(long, value_delimiter = ',', num_args = 1.., value_name = "NAME,...")]
    models: Option<Vec<String>>,
    /// Score one person whose files hold no homozygous-reference call in 1,000 records or more, by
    /// the scores that `prs` saved.
    #[arg(long)]
    allow_no_hom_ref: bool,
    /// Records to use by their FILTER: a list of names, or `all` [default: as for the training
    /// people].
    #[arg(long, value_name = "LIST")]
    apply_filters: Option<ApplyFilters>,
    /// Where a sequence model is computed: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value_t = DeviceChoice::Cpu, value_name = "DEVICE")]
    device: DeviceChoice,
    /// CSV to write (`sample_id,model,logit,probability`), with CSV.run.json beside it; `-` is
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
