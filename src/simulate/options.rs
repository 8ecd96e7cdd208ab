//! Options of a simulation.

use std::path::PathBuf;

use gf_cohort_schema::arguments::{name_of, one_of};
use gf_genotypes::Samples;
use serde::{Deserialize, Serialize};

use super::{GenotypeFormat, Preset, RiskKind, risk::PREVALENCE};

/// Options of `simulate` and keys of `[simulate]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Number of samples.
    #[arg(long, value_name = "N", default_value_t = Options::default().people)]
    pub people: usize,
    /// Length of the locus in nucleotides, if there is no panel. With a preset, it is the length of
    /// each locus, or of the windows around its variants in a panel without loci.
    #[arg(
        long,
        value_name = "NT",
        default_value_t = Options::default().len_nt,
        conflicts_with = "panel"
    )]
    pub len_nt: usize,
    /// Number of variants at a locus, if there is no panel [default: like human diversity, about 8
    /// in 1,000 nt].
    #[arg(long, value_name = "N", conflicts_with = "panel")]
    pub variants: Option<usize>,
    /// Phased VCF or BCF of a panel. The simulated samples are mosaics of its haplotypes.
    #[arg(long, value_name = "VCF", requires = "reference")]
    pub panel: Option<PathBuf>,
    /// Samples of the panel whose haplotypes are the founders.
    #[arg(skip)]
    #[serde(skip)]
    pub founders: Samples,
    /// FASTA of the panel.
    #[arg(long, value_name = "FASTA", requires = "panel")]
    pub reference: Option<PathBuf>,
    /// Region of the panel, contig:beg-end (1-based, inclusive) [default: all of a FASTA with one
    /// record].
    #[arg(long, value_name = "REGION", requires = "panel")]
    pub region: Option<String>,
    /// BED of the loci of the panel to simulate. Each locus has the risk of --risk, with the same
    /// size.
    #[arg(
        long,
        value_name = "BED",
        requires = "panel",
        conflicts_with = "region"
    )]
    pub loci: Option<PathBuf>,
    /// CSV with the columns locus,risk,effect. A row gives the kind of risk of a locus and its size
    /// relative to the other loci (standard deviation of its part of the logit). Loci without a row
    /// have the risk of --risk and size 1.
    #[arg(
        long,
        value_name = "CSV",
        requires = "loci",
        conflicts_with_all = ["effects", "preset"]
    )]
    pub loci_risks: Option<PathBuf>,
    /// Scoring file (PGS Catalog, or a plain table) with the simulated effects. The risk is the sum
    /// of its weights over the variants of the panel.
    #[arg(
        long,
        value_name = "FILE",
        requires = "panel",
        conflicts_with_all = ["preset", "risk"]
    )]
    pub effects: Option<PathBuf>,
    /// Preset of published odds ratios as the simulated risk: ad-2022 (Alzheimer's disease,
    /// GRCh38). Without a panel, the reference is random, with one contig of length --len-nt per
    /// locus.
    #[arg(
        long,
        value_parser = one_of::<Preset>(),
        value_name = "PRESET",
        conflicts_with = "risk"
    )]
    pub preset: Option<Preset>,
    /// Rate at which a haplotype switches to another founder, per million nucleotides.
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = Options::default().recombinations_per_mb
    )]
    pub recombinations_per_mb: f64,
    /// How the risk depends on haplotypes: additive (three dosages), cis (two alleles on one
    /// haplotype), trans (one allele on each haplotype), or null.
    #[arg(
        long,
        value_parser = one_of::<RiskKind>(),
        value_name = "KIND",
        default_value = name_of(&Options::default().risk)
    )]
    pub risk: RiskKind,
    /// Best achievable AUC, which is the AUC of the true logit [default: 0.72; published log odds
    /// ratios are used unchanged].
    #[arg(long)]
    pub auc: Option<f64>,
    /// Log odds ratio of disease per year of age.
    #[arg(
        long,
        value_name = "LOG_OR",
        default_value_t = Options::default().age_effect,
        allow_negative_numbers = true
    )]
    pub age_effect: f64,
    /// Log odds ratio of disease for men compared with women.
    #[arg(
        long,
        value_name = "LOG_OR",
        default_value_t = Options::default().sex_effect,
        allow_negative_numbers = true
    )]
    pub sex_effect: f64,
    /// Fraction of cases in the population that the cohort is drawn from.
    #[arg(
        long,
        value_name = "FRACTION",
        default_value_t = Options::default().prevalence
    )]
    pub prevalence: f64,
    /// Fraction of cases in the cohort. Cases and controls are drawn from the population until the
    /// cohort has this fraction [default: the cohort is a random sample of the population].
    #[arg(long, value_name = "FRACTION")]
    pub case_fraction: Option<f64>,
    /// Fractions of samples in train, validation and test.
    #[arg(
        long,
        value_name = "TRAIN,VALIDATION,TEST",
        value_parser = parse_split,
        default_value = "0.6,0.2,0.2",
        allow_hyphen_values = true
    )]
    pub split: [f64; 3],
    /// Seed of every random choice. The same seed gives the same bytes.
    #[arg(long, default_value_t = Options::default().seed)]
    pub seed: u64,
    /// Format of the genotypes: vcf (cohort.vcf.gz), bcf (cohort.bcf), pgen (cohort.pgen,
    /// cohort.pvar and cohort.psam of PLINK 2, with phase), or bgen (cohort.bgen, version 1.2, with
    /// phase and REF first).
    #[arg(
        long,
        value_parser = one_of::<GenotypeFormat>(),
        value_name = "FORMAT",
        default_value = name_of(&Options::default().format)
    )]
    pub format: GenotypeFormat,
    /// Folder for the genotypes (such as cohort.vcf.gz), reference.fa, loci.bed, cohort.csv,
    /// truth.csv and truth.json.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Reads the value of `--split`.
fn parse_split(text: &str) -> Result<[f64; 3], String> {
    let fractions: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    fractions
        .ok()
        .and_then(|fractions| fractions.try_into().ok())
        .ok_or_else(|| "expected three fractions, such as 0.6,0.2,0.2".to_string())
}

impl Default for Options {
    fn default() -> Self {
        Self {
            people: 2_000,
            len_nt: 33_000,
            variants: None,
            panel: None,
            founders: Samples::All,
            reference: None,
            region: None,
            loci: None,
            loci_risks: None,
            effects: None,
            preset: None,
            recombinations_per_mb: 10.0,
            risk: RiskKind::default(),
            auc: None,
            age_effect: 0.0,
            sex_effect: 0.0,
            prevalence: PREVALENCE,
            case_fraction: None,
            split: [0.6, 0.2, 0.2],
            seed: 1,
            format: GenotypeFormat::default(),
            out: PathBuf::from("simulated"),
        }
    }
}
