//! `gf-genomics tokenize`.

use std::{path::PathBuf, time::Instant};

use anyhow::anyhow;
use gf_cohort_schema::Cohort;
use gf_tokenizer::VocabSize;
use serde_json::json;

use super::{
    cohort_args::CohortArgs,
    record::{OverwriteArgs, RunRecord, Work},
    samples::SampleArgs,
    sequences::{Genomes, without_people},
};
use crate::layout;
use crate::{
    pipeline,
    tokens::{Anchor, Options, Slots, TokenizerKind},
};
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
    tokens: TokenArgs,
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

/// How sequences become tokens.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    /// What tokens are: bpe, kmer or nucleotide [default: bpe].
    #[arg(long, value_name = "KIND")]
    tokenizer: Option<TokenizerKind>,
    /// BPE: entries of the vocabulary, or `saturate`: until every training segment is one token
    /// [default: saturate].
    #[arg(long, value_name = "N|saturate")]
    vocab_size: Option<VocabSize>,
    /// BPE: longest token in nucleotides, as Hugging Face's trainer counts: from 3 on tokens have
    /// at most NT - 1, and 1 and 2 both give at most 2 [default: a segment].
    #[arg(long, value_name = "NT")]
    max_token_length: Option<usize>,
    /// k-mers: nucleotides in one [default: 6].
    #[arg(long, value_name = "K")]
    kmer_length: Option<usize>,
    /// k-mers: one at every base of a segment, not one after the other (Hugging Face's library
    /// opens the file, but cannot do this).
    #[arg(long)]
    kmer_overlapping: bool,
    /// A Hugging Face tokenizer.json to use as it is; nothing is fitted then but the slots.
    /// Sequences with letters it lacks are refused (GENA-LM's has no N).
    #[arg(long, value_name = "JSON")]
    tokenizer_file: Option<PathBuf>,
    /// Nucleotides in a segment; no token crosses its ends.
    #[arg(long, default_value_t = 128, value_name = "NT")]
    segment_length: usize,
    /// Training people who must have a segment for tokenizer and grid to see it, unless the
    /// reference has it: no token of more than one letter is of fewer people. Segments of
    /// fewer are read as those of a new person; 1 keeps them all, and with them what single people
    /// have.
    #[arg(long, default_value_t = Options::default().min_token_count, value_name = "N")]
    min_token_count: usize,
    /// Where haplotypes are cut: `reference` (at fixed coordinates: a slot means the same place in
    /// everyone) or `haplotype` (by their own bases; an indel shifts all that follow).
    #[arg(long, default_value = "reference", value_name = "WHERE")]
    anchor: Anchor,
    /// Which slots rows of tokens have: `varying` (slots with two or more versions among the
    /// training samples) or `all` [default: varying; all with --anchor haplotype].
    #[arg(long, value_name = "WHICH")]
    slots: Option<Slots>,
}

impl TokenArgs {
    /// As options of the stage.
    #[must_use]
    pub fn options(self) -> Options {
        let Self {
            tokenizer,
            vocab_size,
            max_token_length,
            kmer_length,
            kmer_overlapping,
            ..
        } = self;
        let Self {
            tokenizer_file,
            segment_length,
            min_token_count,
            anchor,
            slots,
            ..
        } = self;
        Options {
            tokenizer,
            vocab_size,
            max_token_length,
            kmer_length,
            kmer_overlapping,
            tokenizer_file,
            segment_length,
            min_token_count,
            anchor,
            slots,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Whatever the stages say.
pub fn run(args: Args) -> anyhow::Result<()> {
    let options = args.tokens.options().resolved()?;
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
    let _claim = pipeline::claim(&args.out)?;
    let record = RunRecord::begin(&args.out, &work, args.overwrite)?;
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
