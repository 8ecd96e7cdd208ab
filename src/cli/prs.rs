//! `gf-genomics prs`: the baselines on a cohort.

use std::path::PathBuf;

use super::cohort::CohortArgs;
use crate::prs::{self, GenomeBuild, Options};

/// Polygenic risk scores and other baselines: covariates, APOE, penalised regression on dosages, published scores.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics prs --vcf cohort.vcf.gz --cohort cohort.csv --scoring-file PGS000001_hmPOS_GRCh38.txt.gz --genome-build GRCh38 --out prs"
)]
pub struct Args {
    /// VCF, VCF.gz or BCF files, of the same people
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    vcf: Vec<PathBuf>,
    #[command(flatten)]
    cohort: CohortArgs,
    /// Folder for `predictions.csv`, `weights.csv`, `match_log.csv` and `prs_model.json`
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// BED of the regions whose dosages are used [default: all variants]; published scores and APOE are read wherever they lie
    #[arg(long, value_name = "BED")]
    regions_file: Option<PathBuf>,
    /// Scoring file of the PGS Catalog, plain or gzipped; may be given several times
    #[arg(long = "scoring-file", value_name = "TXT")]
    scoring_files: Vec<PathBuf>,
    /// Smallest share of a scoring file's variants that must be in the VCF
    #[arg(long, default_value_t = Options::default().min_overlap, value_name = "SHARE")]
    min_overlap: f64,
    /// Keep variants whose alleles are complements of each other (A/T, C/G), trusting the scoring file's strand
    #[arg(long)]
    keep_ambiguous: bool,
    /// Build of the VCF (GRCh37 or GRCh38); a scoring file of another one is refused
    #[arg(long, value_name = "BUILD")]
    genome_build: Option<GenomeBuild>,
}

/// Fits the baselines.
///
/// # Errors
/// Whatever the stage says.
pub fn run(args: Args) -> anyhow::Result<()> {
    let options = Options {
        vcf: args.vcf,
        regions_file: args.regions_file,
        phenotype_coding: args.cohort.phenotype_coding(),
        covariates: args.cohort.covariates(),
        cohort: args.cohort.cohort,
        scoring_files: args.scoring_files,
        genome_build: args.genome_build,
        min_overlap: args.min_overlap,
        keep_ambiguous: args.keep_ambiguous,
        out: args.out,
        ..Options::default()
    };
    eprint!("{}", prs::run(&options)?);
    Ok(())
}
