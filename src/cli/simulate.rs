//! `gf-genomics simulate`: a cohort whose risk is known.

use std::path::PathBuf;

use anyhow::{Context, bail};

use super::{
    record::{OverwriteArgs, RunRecord, Work},
    samples::{SampleArgs, without_names},
};
use crate::{
    pipeline,
    simulate::{self, Options, Preset, RiskKind},
};
use gf_genotypes::Samples;

/// Simulate people with planted risk and a known best possible AUC, from a phased panel or from
/// nothing. Phenotypes are always invented.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics simulate --people 2000 --risk cis --auc 0.72 --seed 1 \
                  --out simulated\n  gf-genomics simulate --preset ad-2022 --len-nt 3000 \
                  --case-fraction 0.5 --out ad"
)]
pub struct Args {
    /// Folder for cohort.vcf.gz, reference.fa, loci.bed, cohort.csv, truth.csv and truth.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of people
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    people: usize,
    /// How risk depends on haplotypes: additive (three dosages), cis (two alleles on one
    /// haplotype), trans (one on each), null
    #[arg(long, value_name = "KIND", default_value_t = RiskKind::Cis)]
    risk: RiskKind,
    /// Best achievable AUC, that of the true logit [default: 0.72; published log odds are used as
    /// they are]
    #[arg(long)]
    auc: Option<f64>,
    /// Phased VCF or BCF whose haplotypes the people are mosaics of
    #[arg(long, value_name = "VCF", requires = "reference")]
    panel: Option<PathBuf>,
    #[command(flatten)]
    founders: SampleArgs,
    /// FASTA of the panel
    #[arg(long, value_name = "FASTA", requires = "panel")]
    reference: Option<PathBuf>,
    /// Part of the panel, contig:beg-end (1-based, inclusive) [default: all of a FASTA with one
    /// record]
    #[arg(long, value_name = "REGION", requires = "panel")]
    region: Option<String>,
    /// BED of the loci of the panel to simulate; each has the risk of --risk, all of the same size
    #[arg(
        long,
        value_name = "BED",
        requires = "panel",
        conflicts_with = "region"
    )]
    loci: Option<PathBuf>,
    /// CSV with the columns locus,risk,effect: kind of risk and relative size for some of the loci
    #[arg(long, value_name = "CSV", requires = "loci", conflicts_with_all = ["effects", "preset"])]
    loci_risks: Option<PathBuf>,
    /// Scoring file whose weights are the risk of the variants found in the panel
    #[arg(long, value_name = "FILE", requires = "panel", conflicts_with_all = ["preset", "risk"])]
    effects: Option<PathBuf>,
    /// Built-in published odds ratios as the risk: ad-2022 (Alzheimer's disease, GRCh38). Without
    /// a panel, on an invented reference
    #[arg(long, value_name = "PRESET", conflicts_with = "risk")]
    preset: Option<Preset>,
    /// Log odds of disease for each year of age
    #[arg(
        long,
        value_name = "LOG_OR",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    age_effect: f64,
    /// Log odds of disease of men compared with women
    #[arg(
        long,
        value_name = "LOG_OR",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    sex_effect: f64,
    /// Share of cases in the population that the cohort is drawn from
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    prevalence: f64,
    /// Share of cases in the cohort, drawn from the population [default: a random sample of the
    /// population]
    #[arg(long, value_name = "SHARE")]
    case_fraction: Option<f64>,
    /// Length of the locus in nucleotides, without a panel (of each locus with --preset)
    #[arg(
        long,
        value_name = "NT",
        default_value_t = 33_000,
        conflicts_with = "panel"
    )]
    len_nt: usize,
    /// Number of variants at a locus, without a panel [default: as many as human diversity gives,
    /// about 8 in 1,000 nt]
    #[arg(long, value_name = "N", conflicts_with = "panel")]
    variants: Option<usize>,
    /// Rate at which a haplotype switches to another founder, for each million nucleotides
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    recombinations_per_mb: f64,
    /// Shares of people in train, validation and test
    #[arg(long, value_name = "TRAIN,VALIDATION,TEST", value_delimiter = ',', num_args = 1.., default_values_t = [0.6, 0.2, 0.2])]
    split: Vec<f64>,
    /// Seed: the same one gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Simulates, and says on stderr what was made.
///
/// # Errors
/// As [`simulate::run`]; when `--split` has not three shares.
pub fn run(args: Args) -> anyhow::Result<()> {
    let split = args
        .split
        .try_into()
        .ok()
        .context("--split needs three shares, such as 0.6,0.2,0.2")?;
    let founders = args.founders.samples()?;
    if args.panel.is_none() && founders != Samples::All {
        bail!("--samples and --samples-file choose samples of a --panel, and none is given");
    }
    let options = Options {
        people: args.people,
        len_nt: args.len_nt,
        variants: args.variants,
        panel: args.panel,
        founders,
        reference: args.reference,
        region: args.region,
        loci: args.loci,
        loci_risks: args.loci_risks,
        effects: args.effects,
        preset: args.preset,
        recombinations_per_mb: args.recombinations_per_mb,
        risk: args.risk,
        auc: args.auc,
        age_effect: args.age_effect,
        sex_effect: args.sex_effect,
        prevalence: args.prevalence,
        case_fraction: args.case_fraction,
        split,
        seed: args.seed,
        out: args.out,
    };
    let inputs = options
        .panel
        .iter()
        .chain(&options.reference)
        .chain(&options.loci)
        .chain(&options.loci_risks)
        .chain(&options.effects);
    let inputs: Vec<&PathBuf> = inputs.collect();
    let work = Work {
        command: "simulate",
        options: without_names(&options, &options.founders),
        inputs: inputs.clone(),
    };
    let _claim = pipeline::claim(&options.out)?;
    let record = RunRecord::begin(&options.out, &work, args.overwrite)?;
    let summary = simulate::run(&options)?;
    record.finish("simulate", &work.options, inputs, &summary.truth)?;
    gf_files::message_text!("{summary}");
    gf_files::message!("wrote {}", options.out.display());
    Ok(())
}
