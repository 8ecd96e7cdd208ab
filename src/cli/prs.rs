//! `gf-genomics prs`: the baselines on a cohort.

use std::path::PathBuf;

use super::cohort::CohortArgs;
use crate::prs::{self, GenomeBuild, Options};

/// Polygenic risk scores and other baselines: covariates, APOE, scores learned from the dosages, published scores.
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
    /// Folder for `predictions.csv`, `weights.csv`, `match_log.csv`, `association.csv`, `apoe.csv`, `guards.csv`, `scoring_files/` and
    /// `prs_model.json`; and for `related_pairs.csv`, which is private, where there are any
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
    /// Name of the cohort: a scoring file that names it is warned of, and the scores exported carry it
    #[arg(long, value_name = "NAME")]
    study: Option<String>,
    /// Kinships by `plink2 --make-king-table` or KING (columns IID1 or ID1, IID2 or ID2, KINSHIP) [default: worked out from the dosages]
    #[arg(long, value_name = "FILE")]
    kinship: Option<PathBuf>,
    /// Clumping: farthest that two alleles of one clump lie apart, in kb
    #[arg(long, default_value_t = Options::default().clump_kb, value_name = "KB")]
    clump_kb: usize,
    /// Clumping: least r2 of two alleles of one clump
    #[arg(long, default_value_t = Options::default().clump_r2, value_name = "R2")]
    clump_r2: f64,
    /// Thresholding: largest p-values to try
    #[arg(long, default_values_t = Options::default().p_thresholds, value_delimiter = ',', value_name = "P")]
    p_thresholds: Vec<f64>,
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
        study: args.study,
        kinship: args.kinship,
        clump_kb: args.clump_kb,
        clump_r2: args.clump_r2,
        p_thresholds: args.p_thresholds,
        out: args.out,
        ..Options::default()
    };
    eprint!("{}", prs::run(&options)?);
    Ok(())
}
