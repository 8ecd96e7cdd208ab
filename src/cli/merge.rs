//! `gf-genomics merge`: joins the results of blocks of samples or loci.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_haplotypes::Policies;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    lists,
    record::{Invocation, OverwriteArgs, PendingRecord},
};
use crate::{layout, pipeline, score, tokens};

/// Merge results that were made in blocks. Sequences are merged by samples and loci, tokens by
/// loci, and scores by samples.
///
/// The result is byte-identical to the result of one command for all samples, with one exception.
/// The rows of skips.csv of sequences are in the order of the blocks.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics merge --sequences block-1 block-2 --out sequences\n  \
                  gf-genomics merge --tokens loci-1 loci-2 --out tokens\n  gf-genomics merge \
                  --predictions risk-1.csv risk-2.csv -o risk.csv"
)]
#[command(
    group = clap::ArgGroup::new("what")
        .required(true)
        .args(["sequences", "tokens", "predictions"])
)]
#[command(group = clap::ArgGroup::new("folders").args(["sequences", "tokens"]))]
pub struct Args {
    /// Folders that `sequences --out` wrote. Blocks of samples are merged in the given order. Each
    /// locus needs the same samples.
    #[arg(long, num_args = 1.., value_name = "DIR", requires = "out")]
    sequences: Vec<PathBuf>,
    /// Folders that `tokenize --out` wrote, with the same samples and different loci. Loci are
    /// merged in the given order. All folders need the same --tokenizer-file. Their report.csv is
    /// not merged.
    #[arg(long, num_args = 1.., value_name = "DIR", requires = "out")]
    tokens: Vec<PathBuf>,
    /// Folder for the merged sequences or tokens.
    #[arg(long, value_name = "DIR", requires = "folders")]
    out: Option<PathBuf>,
    /// Tables of `score`, or predictions.csv, with the same columns. Samples are merged in the
    /// given order. Each sample may be in one table only.
    #[arg(long, num_args = 1.., value_name = "CSV")]
    predictions: Vec<PathBuf>,
    /// CSV for the merged predictions; `-` is standard output.
    #[arg(short, long, default_value = "-", value_name = "CSV")]
    output: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// `run.json` of a folder of sequences.
#[derive(Deserialize)]
struct SequencesRecord {
    options: SequencesOptions,
    summary: gf_haplotypes::Summary,
}

#[derive(Deserialize)]
struct SequencesOptions {
    policies: Policies,
}

/// `run.json` of a folder of tokens.
#[derive(Deserialize)]
struct TokensRecord {
    options: TokensOptions,
    summary: TokensSummary,
}

#[derive(Deserialize)]
struct TokensOptions {
    sequences: SequencesOptions,
    tokens: tokens::Options,
}

#[derive(Deserialize)]
struct TokensSummary {
    sequences: gf_haplotypes::Summary,
    tokens: tokens::Summary,
}

/// Merges sequences, tokens or predictions.
///
/// # Errors
/// Blocks that cannot be read or are not parts of one result.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.out {
        Some(out) if !args.tokens.is_empty() => {
            tokens(&lists::paths(args.tokens), &out, args.overwrite)
        }
        Some(out) => sequences(&lists::paths(args.sequences), &out, args.overwrite),
        None => predictions(&lists::paths(args.predictions), &args.output),
    }
}

fn predictions(tables: &[PathBuf], output: &Path) -> anyhow::Result<()> {
    output::keep_inputs(tables);
    let n_rows = score::merge(tables, output)?;
    let rows = counted(n_rows, "row", "rows");
    gf_files::message!(
        "merged {rows} of {}",
        counted(tables.len(), "table", "tables")
    );
    Ok(())
}

fn sequences(folders: &[PathBuf], out: &Path, overwrite: OverwriteArgs) -> anyhow::Result<()> {
    let records: Vec<SequencesRecord> = records(folders, "sequences")?;
    let policies = same_policies(folders, records.iter().map(|record| &record.options))?;
    let invocation = Invocation {
        command: "merge",
        options: json!({ "merged": folders, "policies": policies }),
        inputs: folders.iter().collect(),
    };
    let _lock = pipeline::lock_folder(out)?;
    let record = PendingRecord::begin(out, invocation, overwrite)?;
    let summaries = records.iter().map(|record| &record.summary);
    let (merged, summary) = gf_haplotypes::merge(&shards(folders, summaries), out)?;
    merged.save()?;
    record.finish(&summary)?;
    gf_files::message_text!("{summary}");
    Ok(())
}

fn tokens(folders: &[PathBuf], out: &Path, overwrite: OverwriteArgs) -> anyhow::Result<()> {
    let records: Vec<TokensRecord> = records(folders, "tokenize")?;
    let sequences_options = records.iter().map(|record| &record.options.sequences);
    let policies = same_policies(folders, sequences_options)?;
    let invocation = Invocation {
        command: "merge",
        options: json!({
            "merged": folders,
            "sequences": { "policies": policies },
            "tokens": records[0].options.tokens,
        }),
        inputs: folders.iter().collect(),
    };
    let _lock = pipeline::lock_folder(out)?;
    let record = PendingRecord::begin(out, invocation, overwrite)?;
    let summaries = records.iter().map(|record| &record.summary.sequences);
    let (merged, sequences_summary) = gf_haplotypes::merge(&shards(folders, summaries), out)?;
    let tokens_summary = tokens::merge(&token_shards(folders, &records), out)?;
    merged.save()?;
    // A report of an earlier run would describe other tokens.
    output::remove_if_there(&out.join(layout::TOKENS_REPORT))?;
    record.finish(&json!({ "sequences": sequences_summary, "tokens": tokens_summary }))?;
    gf_files::message_text!("{sequences_summary}{tokens_summary}");
    Ok(())
}

fn shards<'r>(
    folders: &[PathBuf],
    summaries: impl Iterator<Item = &'r gf_haplotypes::Summary>,
) -> Vec<gf_haplotypes::Shard> {
    folders
        .iter()
        .zip(summaries)
        .map(|(folder, summary)| gf_haplotypes::Shard {
            folder: folder.clone(),
            summary: summary.clone(),
        })
        .collect()
}

fn token_shards(folders: &[PathBuf], records: &[TokensRecord]) -> Vec<tokens::Shard> {
    folders
        .iter()
        .zip(records)
        .map(|(folder, record)| tokens::Shard {
            folder: folder.clone(),
            summary: record.summary.tokens.clone(),
        })
        .collect()
}

/// Reads the `run.json` of every folder. `command` is the command that must have written it.
fn records<T: DeserializeOwned>(folders: &[PathBuf], command: &str) -> anyhow::Result<Vec<T>> {
    folders
        .iter()
        .map(|folder| read_record(&folder.join(layout::RUN), command))
        .collect()
}

fn read_record<T: DeserializeOwned>(path: &Path, command: &str) -> anyhow::Result<T> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{}: not written by `gf-genomics {command} --out` of this version; make the folder \
             again with this version",
            path.display()
        )
    })
}

/// The policies of all folders, which must be the same: they decide what a sequence means.
fn same_policies<'r>(
    folders: &[PathBuf],
    mut options: impl Iterator<Item = &'r SequencesOptions>,
) -> anyhow::Result<&'r Policies> {
    let first = &options
        .next()
        .context("there is no folder to merge; give one or more")?
        .policies;
    for (folder, next) in folders[1..].iter().zip(options) {
        first
            .require_same(&next.policies)
            .map_err(|reason| anyhow!("{}: {reason}", folder.display()))?;
    }
    Ok(first)
}
