//! `gf-genomics tokenize`.

use std::path::PathBuf;

use gf_cohort_schema::Cohort;
use gf_tokenizer::VocabSize;

use super::{cohort::CohortArgs, sequences::Genomes};
use crate::{
    pipeline,
    sequence::{self, Samples},
    tokenization::Options,
};

/// Sequences, a tokenizer fitted on the training split only, and tokens of every distinct haplotype.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics tokenize --vcf cohort.vcf.gz --reference GRCh38.fa --regions-file loci.bed --cohort cohort.csv --out tokens"
)]
pub struct Args {
    #[command(flatten)]
    genomes: Genomes,
    #[command(flatten)]
    cohort: CohortArgs,
    /// Folder to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Entries of the vocabulary, or `saturate`: until every training segment is one token.
    #[arg(long, default_value = "saturate", value_name = "N|saturate")]
    vocab_size: VocabSize,
    /// Reference nucleotides in a segment.
    #[arg(long, default_value_t = 128, value_name = "NT")]
    segment_length: usize,
    /// Longest token in nucleotides [default: a segment].
    #[arg(long, value_name = "NT")]
    max_token_length: Option<usize>,
}

/// Runs the command.
///
/// # Errors
/// Whatever the stages say.
pub fn run(args: Args) -> anyhow::Result<()> {
    let cohort = Cohort::read(&args.cohort.cohort, args.cohort.phenotype_coding(), &args.cohort.covariates())?;
    let samples = cohort.people.iter().map(|person| person.sample_id.clone()).collect();
    let sequence_options = args.genomes.options(Samples::Only(samples), Some(args.out.join("skips.csv")));
    let options = Options { vocab_size: args.vocab_size, segment_length: args.segment_length, max_token_length: args.max_token_length };
    let (dictionary, skips, summary) = sequence::run(&sequence_options)?;
    eprint!("{summary}");
    eprint!("{}", pipeline::tokenize(&dictionary, &sequence_options.policies, &cohort, &options, &args.out)?);
    dictionary.save(&args.out)?;
    skips.save()?;
    Ok(())
}
