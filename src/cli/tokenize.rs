//! `gf-genomics tokenize`: sequences, a tokenizer, and the tokens of every distinct haplotype.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::anyhow;
use gf_cohort_schema::Cohort;
use gf_genotypes::samples_of_files;
use gf_haplotypes::Samples;
use serde_json::json;

use super::{
    cohort_args::CohortArgs,
    record::{Invocation, OverwriteArgs, PendingRecord},
    samples::SampleArgs,
    sequences::{Genomes, without_sample_names},
};
use crate::{
    layout, pipeline,
    sequences::{self, Outputs, Sequences},
    tokens::Options,
};

/// Make sequences, fit a tokenizer on the training split, and write the tokens of every distinct
/// haplotype.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics tokenize --vcf cohort.vcf.gz --reference GRCh38.fa \
                  \\\n    --regions-file loci.bed --cohort cohort.csv --out tokens"
)]
pub struct Args {
    #[command(flatten)]
    genomes: Genomes,
    #[command(flatten)]
    cohort: CohortArgs,
    #[command(flatten)]
    people: SampleArgs,
    #[command(flatten)]
    tokens: Options,
    /// Folder to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also write DIR/report.csv (`measure,value`). It has the nucleotides per token and the
    /// quantiles of tokens per haplotype. It counts haplotypes, segments, slots and overflows. It
    /// also has the share of segments without any training sample, seconds and peak memory.
    #[arg(long)]
    report: bool,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Makes the sequences and their tokens, and writes both into one folder.
///
/// # Errors
/// Any error of the two stages.
pub fn run(args: Args) -> anyhow::Result<()> {
    let options = args.tokens.resolved()?;
    options.given_tokenizer()?;
    require_readable(&args.cohort)?;
    let mut cohort = Cohort::read_splits(&args.cohort.cohort)?;
    keep_chosen(&mut cohort, &args.people.samples()?, &args.cohort.cohort)?;
    let skips = args.out.join(layout::SKIPS);
    let mut sequence_options = args.genomes.options(Samples::All, Some(skips));
    cohort.keep_present_in(
        &samples_of_files(&sequence_options.vcf)?,
        args.cohort.missing().samples,
    )?;
    gf_files::message_text!("{}", cohort.notes);
    let sample_ids = cohort.people.iter().map(|person| person.sample_id.clone());
    sequence_options.samples = Samples::Only(sample_ids.collect());
    let invocation = Invocation {
        command: "tokenize",
        options: json!({
            "sequences": without_sample_names(&sequence_options),
            "tokens": options,
        }),
        inputs: sequence_options
            .inputs()
            .chain([&args.cohort.cohort])
            .chain(&options.tokenizer_file)
            .collect(),
    };
    let _lock = pipeline::lock_folder(&args.out)?;
    let record = PendingRecord::begin(&args.out, invocation, args.overwrite)?;
    let started = Instant::now();
    let Sequences {
        dictionary,
        skips,
        summary: sequences_summary,
    } = sequences::run(&sequence_options)?;
    gf_files::message_text!("{sequences_summary}");
    let sequences_seconds = args.report.then(|| started.elapsed().as_secs_f64());
    let (tokens_summary, report) = pipeline::tokenize(
        &dictionary,
        &sequence_options.policies,
        &cohort,
        &options,
        sequences_seconds,
        &args.out,
    )?;
    gf_files::message_text!("{tokens_summary}");
    if let Some(report) = report {
        gf_files::message_text!("{report}");
    }
    Outputs::in_folder(&args.out).save(&dictionary, skips)?;
    record.finish(&json!({ "sequences": sequences_summary, "tokens": tokens_summary }))
}

/// Refuses a cohort table now that the later commands, which need phenotypes and covariates, would
/// refuse.
fn require_readable(args: &CohortArgs) -> anyhow::Result<()> {
    Cohort::read_as(
        &args.cohort,
        args.phenotype_coding(),
        &args.covariates(),
        &args.missing(),
    )?;
    Ok(())
}

/// Drops the samples that the user has not chosen.
fn keep_chosen(cohort: &mut Cohort, chosen: &Samples, path: &Path) -> anyhow::Result<()> {
    chosen
        .retain(&mut cohort.people, |person| &person.sample_id)
        .map_err(|reason| anyhow!("{}: {reason}", path.display()))?;
    Ok(())
}
