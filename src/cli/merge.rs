//! `gf-genomics merge`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    output, pipeline, score,
    sequence::{self, Shard, Summary},
};

/// Put together what was made block by block: sequences of blocks of people and loci, or scores of blocks of people.
///
/// What comes out is, byte for byte, what one command for everyone writes; of sequences only the rows of skips.csv stand block after block.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gf-genomics merge --sequences block-1 block-2 --out sequences\n  \
                        gf-genomics merge --predictions risk-1.csv risk-2.csv -o risk.csv")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["sequences", "predictions"]))]
pub struct Args {
    /// Folders that `sequences --out` wrote. Blocks of people in the order in which they shall stand; each locus needs the same people.
    #[arg(long, num_args = 1.., value_name = "DIR", requires = "out")]
    sequences: Vec<PathBuf>,
    /// Folder for the dictionary of all.
    #[arg(long, value_name = "DIR", requires = "sequences")]
    out: Option<PathBuf>,
    /// Tables of `score` or predictions.csv, with the same columns, in the order in which the people shall stand; nobody may be in two.
    #[arg(long, num_args = 1.., value_name = "CSV")]
    predictions: Vec<PathBuf>,
    /// CSV to write the predictions of all to; `-` is standard output.
    #[arg(short, long, default_value = "-", value_name = "CSV")]
    output: PathBuf,
}

/// `run.json` of a folder of sequences.
#[derive(Deserialize)]
struct Record {
    options: Value,
    summary: Summary,
}

/// Runs the command.
///
/// # Errors
/// Blocks that cannot be read or do not belong together.
pub fn run(args: Args) -> anyhow::Result<()> {
    if let Some(out) = args.out {
        return sequences(&args.sequences, &out);
    }
    let n_rows = score::merge(&args.predictions, &args.output)?;
    eprintln!("{n_rows} rows of {} tables", args.predictions.len());
    Ok(())
}

fn sequences(folders: &[PathBuf], out: &Path) -> anyhow::Result<()> {
    let records = folders.iter().map(|folder| record(&folder.join("run.json"))).collect::<anyhow::Result<Vec<_>>>()?;
    if let Some((folder, _)) = folders.iter().zip(&records).find(|(_, record)| record.options["policies"] != records[0].options["policies"])
    {
        anyhow::bail!("{}: made with other policies than {}", folder.display(), folders[0].display());
    }
    let shards = folders.iter().zip(&records).map(|(folder, record)| Shard { folder: folder.clone(), summary: record.summary.clone() });
    let _claim = pipeline::claim(out)?;
    let (dictionary, skips, summary) = sequence::merge(&shards.collect::<Vec<_>>(), Some(&out.join("skips.csv")))?;
    dictionary.save(out)?;
    skips.save()?;
    let record = json!({ "version": env!("CARGO_PKG_VERSION"), "options": { "merged": folders, "policies": records[0].options["policies"] }, "summary": summary });
    output::write_json(&out.join("run.json"), &record)?;
    eprint!("{summary}");
    Ok(())
}

fn record(path: &Path) -> anyhow::Result<Record> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{}: not of `gf-genomics sequences --out`", path.display()))
}
