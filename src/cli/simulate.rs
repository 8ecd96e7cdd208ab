//! `gf-genomics simulate`: a cohort whose risk is known.

use std::path::PathBuf;

use anyhow::Context;

use crate::{
    pipeline,
    simulate::{self, Options, RiskKind},
};

/// Simulate people with planted risk and a known best possible AUC, from a phased panel or from nothing. Phenotypes are always invented.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gf-genomics simulate --people 2000 --risk cis --auc 0.72 --seed 1 --out simulated")]
pub struct Args {
    /// Folder for cohort.vcf.gz, reference.fa, loci.bed, cohort.csv, truth.csv and truth.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of people
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    people: usize,
    /// How risk depends on haplotypes: additive (three dosages), cis (two alleles on one haplotype), trans (one on each), null
    #[arg(long, value_name = "KIND", default_value_t = RiskKind::Cis)]
    risk: RiskKind,
    /// AUC of somebody who knows the risk exactly
    #[arg(long, default_value_t = 0.72)]
    auc: f64,
    /// Phased VCF or BCF whose haplotypes the people are mosaics of
    #[arg(long, value_name = "VCF", requires = "reference")]
    panel: Option<PathBuf>,
    /// FASTA of the panel
    #[arg(long, value_name = "FASTA", requires = "panel")]
    reference: Option<PathBuf>,
    /// Part of the panel, contig:beg-end (1-based, inclusive) [default: all of a FASTA with one record]
    #[arg(long, value_name = "REGION", requires = "panel")]
    region: Option<String>,
    /// Length of the locus in nucleotides, without a panel
    #[arg(long, value_name = "NT", default_value_t = 33_000, conflicts_with = "panel")]
    len_nt: usize,
    /// Number of variants, without a panel [default: as many as human diversity gives, about 8 in 1,000 nt]
    #[arg(long, value_name = "N", conflicts_with = "panel")]
    variants: Option<usize>,
    /// Rate at which a haplotype switches to another founder, for each million nucleotides
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    recombinations_per_mb: f64,
    /// Shares of people in train, validation and test
    #[arg(long, value_name = "T,V,T", value_delimiter = ',', default_values_t = [0.6, 0.2, 0.2])]
    split: Vec<f64>,
    /// Seed: the same one gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Simulates, and says on stderr what was made.
///
/// # Errors
/// As [`simulate::run`]; when `--split` has not three shares.
pub fn run(args: Args) -> anyhow::Result<()> {
    let split = args.split.try_into().ok().context("--split needs three shares, such as 0.6,0.2,0.2")?;
    let options = Options {
        people: args.people,
        len_nt: args.len_nt,
        variants: args.variants,
        panel: args.panel,
        reference: args.reference,
        region: args.region,
        recombinations_per_mb: args.recombinations_per_mb,
        risk: args.risk,
        auc: args.auc,
        split,
        seed: args.seed,
        out: args.out,
    };
    let _claim = pipeline::claim(&options.out)?;
    let summary = simulate::run(&options)?;
    eprint!("{summary}");
    eprintln!("wrote {}", options.out.display());
    Ok(())
}
