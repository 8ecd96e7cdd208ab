//! `gf-genomics tokenize`.

use std::{path::PathBuf, time::Instant};

use anyhow::anyhow;
use gf_cohort_schema::Cohort;
use serde_json::json;

use super::{
    cohort_args::CohortArgs,
    record::{CommandRun, OverwriteArgs, Work},
    samples::SampleArgs,
    sequences::{Genomes, without_people},
};
use crate::layout;
use crate::{pipeline, tokens::Options};
use gf_genotypes::samples_of_files;
use gf_haplotypes::Samples;

/// Sequences, a tokenizer fitted on the training split only, and tokens of every distinct
/// haplotype.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics tokenize --vcf cohort.vcf.gz --reference GRCh38.fa \
                  --regions-file loci.bed --cohort cohort.csv --out tokens"
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
    /// Also write DIR/report.csv (`measure,value`): nucleotides a token, quantiles of the tokens
    /// of a haplotype, counts of haplotypes, segments and slots, shares of segments unseen in
    /// training by split, overflows, seconds, peak memory.
    #[arg(long)]
    report: bool,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Runs the command.
///
/// # Errors
/// Whatever the stages say.
pub fn run(args: Args) -> anyhow::Result<()> {
    let options = args.tokens.resolved()?;
    options.given_tokenizer()?;
    let CohortArgs { cohort: path, .. } = &args.cohort;
    // Refused now rather than by the commands that need phenotypes and covariates.
    Cohort::read_as(
        path,
        args.cohort.phenotype_coding(),
        &args.cohort.covariates(),
        &args.cohort.missing(),
    )?;
    let mut cohort = Cohort::read_splits(path)?;
    let kept = args
        .people
        .samples()?
        .retain(&mut cohort.people, |person| &person.sample_id);
    kept.map_err(|reason| anyhow!("{}: {reason}", path.display()))?;
    let mut sequence_options = args
        .genomes
        .options(Samples::All, Some(args.out.join(layout::SKIPS)));
    cohort.keep_present_in(
        &samples_of_files(&sequence_options.vcf)?,
        args.cohort.missing().samples,
    )?;
    gf_files::message_text!("{}", cohort.notes);
    sequence_options.samples = Samples::Only(
        cohort
            .people
            .iter()
            .map(|person| person.sample_id.clone())
            .collect(),
    );
    let resolved = json!({ "sequences": without_people(&sequence_options), "tokens": options });
    let inputs: Vec<&PathBuf> = sequence_options
        .inputs()
        .chain([&args.cohort.cohort])
        .chain(&options.tokenizer_file)
        .collect();
    let work = Work {
        command: "tokenize",
        options: resolved.clone(),
        inputs: inputs.clone(),
    };
    let _lock = pipeline::lock_folder(&args.out)?;
    let record = CommandRun::begin(&args.out, &work, args.overwrite)?;
    let started = Instant::now();
    let (dictionary, skips, summary) = gf_haplotypes::run(&sequence_options)?;
    gf_files::message_text!("{summary}");
    let sequences = summary;
    let sequences_seconds = args.report.then(|| started.elapsed().as_secs_f64());
    let (summary, report) = pipeline::tokenize(
        &dictionary,
        &sequence_options.policies,
        &cohort,
        &options,
        sequences_seconds,
        &args.out,
    )?;
    gf_files::message_text!("{summary}");
    if let Some(report) = report {
        gf_files::message_text!("{report}");
    }
    dictionary.save(&args.out)?;
    skips.save()?;
    record.finish(
        "tokenize",
        &resolved,
        inputs,
        &json!({ "sequences": sequences, "tokens": summary }),
    )
}
