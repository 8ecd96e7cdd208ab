//! `gf-genomics merge`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    lists,
    record::{CommandRun, OverwriteArgs, Work},
};
use crate::layout;
use crate::{pipeline, score, tokens};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_haplotypes::Policies;

/// Put together what was made block by block: sequences of blocks of people and loci, tokens of
/// blocks of loci, or scores of blocks of people.
///
/// What comes out is, byte for byte, what one command for everyone writes; of sequences only the
/// rows of skips.csv stand block after block.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics merge --sequences block-1 block-2 --out sequences\n  \
                  gf-genomics merge --tokens loci-1 loci-2 --out tokens\n  gf-genomics merge \
                  --predictions risk-1.csv risk-2.csv -o risk.csv"
)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["sequences", "tokens", "predictions"]))]
#[command(group = clap::ArgGroup::new("folders").args(["sequences", "tokens"]))]
pub struct Args {
    /// Folders that `sequences --out` wrote. Blocks of people in the order in which they shall
    /// stand; each locus needs the same people.
    #[arg(long, num_args = 1.., value_name = "DIR", requires = "out")]
    sequences: Vec<PathBuf>,
    /// Folders that `tokenize --out` wrote, of the same people at other loci, in the order in
    /// which the loci shall stand; all with one --tokenizer-file. Their report.csv is not
    /// merged.
    #[arg(long, num_args = 1.., value_name = "DIR", requires = "out")]
    tokens: Vec<PathBuf>,
    /// Folder for the sequences or tokens of all.
    #[arg(long, value_name = "DIR", requires = "folders")]
    out: Option<PathBuf>,
    /// Tables of `score` or predictions.csv, with the same columns, in the order in which the
    /// people shall stand; nobody may be in two.
    #[arg(long, num_args = 1.., value_name = "CSV")]
    predictions: Vec<PathBuf>,
    /// CSV to write the predictions of all to; `-` is standard output.
    #[arg(short, long, default_value = "-", value_name = "CSV")]
    output: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// `run.json` of a folder of sequences.
#[derive(Deserialize)]
struct OfSequences {
    options: OptionsOfSequences,
    summary: gf_haplotypes::Summary,
}

#[derive(Deserialize)]
struct OptionsOfSequences {
    policies: Policies,
}

/// `run.json` of a folder of tokens.
#[derive(Deserialize)]
struct OfTokens {
    options: OptionsOfTokens,
    summary: SummaryOfTokens,
}

#[derive(Deserialize)]
struct OptionsOfTokens {
    sequences: OptionsOfSequences,
    tokens: tokens::Options,
}

#[derive(Deserialize)]
struct SummaryOfTokens {
    sequences: gf_haplotypes::Summary,
    tokens: tokens::Summary,
}

/// Runs the command.
///
/// # Errors
/// Blocks that cannot be read or do not belong together.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.out {
        Some(out) if !args.tokens.is_empty() => {
            return tokens(&lists::paths(args.tokens), &out, args.overwrite);
        }
        Some(out) => return sequences(&lists::paths(args.sequences), &out, args.overwrite),
        None => {}
    }
    let predictions = lists::paths(args.predictions);
    output::keep_inputs(&predictions);
    let n_rows = score::merge(&predictions, &args.output)?;
    let rows = counted(n_rows, "row", "rows");
    gf_files::message!(
        "{rows} of {}",
        counted(predictions.len(), "table", "tables")
    );
    Ok(())
}

fn sequences(folders: &[PathBuf], out: &Path, overwrite: OverwriteArgs) -> anyhow::Result<()> {
    let records: Vec<OfSequences> = records(folders, "sequences")?;
    let policies = same_policies(folders, records.iter().map(|record| &record.options))?;
    let options = json!({ "merged": folders, "policies": policies });
    let work = Work {
        command: "merge",
        options: options.clone(),
        inputs: folders.iter().collect(),
    };
    let _lock = pipeline::lock_folder(out)?;
    let record = CommandRun::begin(out, &work, overwrite)?;
    let (merged, summary) = gf_haplotypes::merge(
        &shards(folders, records.iter().map(|record| &record.summary)),
        out,
    )?;
    merged.save()?;
    record.finish("merge", &options, folders, &summary)?;
    gf_files::message_text!("{summary}");
    Ok(())
}

fn tokens(folders: &[PathBuf], out: &Path, overwrite: OverwriteArgs) -> anyhow::Result<()> {
    let records: Vec<OfTokens> = records(folders, "tokenize")?;
    let policies = same_policies(
        folders,
        records.iter().map(|record| &record.options.sequences),
    )?;
    let options = json!({ "merged": folders, "sequences": { "policies": policies }, "tokens": records[0].options.tokens });
    let work = Work {
        command: "merge",
        options: options.clone(),
        inputs: folders.iter().collect(),
    };
    let _lock = pipeline::lock_folder(out)?;
    let record = CommandRun::begin(out, &work, overwrite)?;
    let (merged, of_sequences) = gf_haplotypes::merge(
        &shards(
            folders,
            records.iter().map(|record| &record.summary.sequences),
        ),
        out,
    )?;
    let of_tokens = folders
        .iter()
        .zip(&records)
        .map(|(folder, record)| tokens::Shard {
            folder: folder.clone(),
            summary: record.summary.tokens.clone(),
        });
    let of_tokens = tokens::merge(&of_tokens.collect::<Vec<_>>(), out)?;
    merged.save()?;
    // One of an earlier run would be of other tokens.
    output::remove_if_there(&out.join(layout::TOKENS_REPORT))?;
    record.finish(
        "merge",
        &options,
        folders,
        &json!({ "sequences": of_sequences, "tokens": of_tokens }),
    )?;
    gf_files::message_text!("{of_sequences}{of_tokens}");
    Ok(())
}

fn shards<'r>(
    folders: &[PathBuf],
    summaries: impl Iterator<Item = &'r gf_haplotypes::Summary>,
) -> Vec<gf_haplotypes::Shard> {
    let shard = |(folder, summary): (&PathBuf, &gf_haplotypes::Summary)| gf_haplotypes::Shard {
        folder: folder.clone(),
        summary: summary.clone(),
    };
    folders.iter().zip(summaries).map(shard).collect()
}

/// The `run.json` of every folder, which `command` wrote.
fn records<T: DeserializeOwned>(folders: &[PathBuf], command: &str) -> anyhow::Result<Vec<T>> {
    let record = |folder: &PathBuf| {
        let path = folder.join(layout::RUN);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| {
            format!(
                "{}: not of `gf-genomics {command} --out` of this version",
                path.display()
            )
        })
    };
    folders.iter().map(record).collect()
}

/// The policies of all.
fn same_policies<'r>(
    folders: &[PathBuf],
    mut all: impl Iterator<Item = &'r OptionsOfSequences>,
) -> anyhow::Result<&'r Policies> {
    let first = &all.next().context("no folder to merge")?.policies;
    for (folder, other) in folders[1..].iter().zip(all) {
        first
            .require_same(&other.policies)
            .map_err(|reason| anyhow!("{}: {reason}", folder.display()))?;
    }
    Ok(first)
}
