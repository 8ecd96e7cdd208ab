//! `gf-genomics prs`: the baselines on a cohort, or the raw sums of published scores without one.

use gf_cohort_schema::arguments::{name_of, one_of};
use std::path::PathBuf;

use anyhow::bail;
use gf_cohort_schema::ScoreColumn;

use super::{
    cohort_args::OptionalCohortArgs,
    lists,
    record::{OverwriteArgs, RunRecord, Work},
    samples::{SampleArgs, without_names},
};
use crate::{
    baselines::{self, Options},
    leakage::KinshipVariants,
    pipeline,
    scoring::{self, EffectColumn, FailedScore, HalfCalls, MatchingOptions, Reading},
};
use gf_genotypes::DosageField;
use gf_genotypes::GenomeBuild;
use gf_haplotypes::ApplyFilters;

/// Polygenic risk scores and other baselines: covariates, APOE, scores learned from the dosages,
/// published scores.
#[derive(Debug, clap::Args)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "switches of the command line"
)]
#[command(
    after_help = "Examples:\n  gf-genomics prs --vcf cohort.vcf.gz --cohort cohort.csv \
                  --scoring-file PGS000001_hmPOS_GRCh38.txt.gz --genome-build GRCh38 --out prs\n  \
                  gf-genomics prs --vcf people.vcf.gz --scoring-file \
                  PGS000001_hmPOS_GRCh38.txt.gz --out scores   # raw scores, no phenotypes \
                  needed\n  gf-genomics prs --vcf people.vcf.gz --scoring-file \
                  PGS000001_hmPOS_GRCh38.txt.gz --cohort cohort.csv --no-fit --out auc   # AUC of \
                  a published score, without training"
)]
pub struct Args {
    /// VCF, VCF.gz or BCF files, of the same people
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    vcf: Vec<PathBuf>,
    #[command(flatten)]
    people: SampleArgs,
    #[command(flatten)]
    cohort: OptionalCohortArgs,
    /// Folder to write to: `predictions.csv`, `weights.csv`, `association.csv`, `apoe.csv`,
    /// `guards.csv`, `scores.csv`, `scoring_files/` and `prs_model.json` (with a cohort),
    /// `related_pairs.csv`, which is private, where there are any, `match_log.csv`,
    /// `raw_scores.csv` and `run.json`
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// BED of the regions whose dosages are used [default: all variants]; published scores and
    /// APOE are read wherever they lie
    #[arg(long, value_name = "BED", requires = "cohort")]
    regions_file: Option<PathBuf>,
    /// Scoring file of the PGS Catalog, or a table with a header (chromosome, position, effect
    /// allele, weight); several are separated by commas, or given one after the other
    #[arg(long = "scoring-file", num_args = 1.., value_name = "TXT")]
    scoring_files: Vec<PathBuf>,
    /// Published score to learn the baselines on top of: a covariate without a penalty. COLUMN is as
    /// for `train --offset`. `score` then needs a column of this name in its --cohort.
    #[arg(
        long,
        value_name = "FILE:COLUMN",
        requires = "cohort",
        conflicts_with = "no_fit"
    )]
    offset: Option<ScoreColumn>,
    /// Smallest share of a scoring file's variants that must be in the VCF
    #[arg(long, default_value_t = scoring::Options::default().min_overlap, value_name = "SHARE")]
    min_overlap: f64,
    /// Keep variants whose alleles are complements of each other (A/T, C/G), trusting the scoring
    /// file's strand
    #[arg(long)]
    keep_ambiguous: bool,
    /// Of several rows of a scoring file that mean one allele keep the first, instead of none
    #[arg(long)]
    keep_first_match: bool,
    /// Leave out records with several ALT alleles
    #[arg(long)]
    exclude_multiallelic: bool,
    /// The column of the effect allele in a scoring file with columns A1 and A2
    #[arg(long, value_parser = one_of::<EffectColumn>(), value_name = "A1|A2")]
    effect_allele_column: Option<EffectColumn>,
    /// Build of the VCF (GRCh37, GRCh38, NCBI36 or T2T-CHM13, in any usual spelling); a scoring
    /// file of another one is refused
    #[arg(long, value_name = "BUILD")]
    genome_build: Option<GenomeBuild>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Records to use by their FILTER: a list of names, or `all`.
    #[arg(long, default_value_t = ApplyFilters::default(), value_name = "LIST")]
    apply_filters: ApplyFilters,
    /// Measure the AUC of published scores as they are: nothing is fitted, and all people may be
    /// of one split. Writes `score_auc.csv`, `predictions.csv` and `raw_scores.csv`
    #[arg(long, requires = "cohort", conflicts_with = "regions_file")]
    no_fit: bool,
    /// BED of the places that were looked at in everyone: a variant there that is not in the VCF
    /// is homozygous reference
    #[arg(long, value_name = "BED", requires = "reference")]
    callable: Option<PathBuf>,
    /// FASTA that REF of every record used is compared with (a swapped or shifted one is an
    /// error); with --callable it says which allele is REF
    #[arg(long, value_name = "FASTA")]
    reference: Option<PathBuf>,
    /// People who must be called at a variant for their frequency to stand for missing genotypes;
    /// with fewer it is the scoring file's own
    #[arg(long, default_value_t = MatchingOptions::default().mincs, value_name = "PEOPLE")]
    mincs: usize,
    /// Share of the people who may have no call at a variant; with more it has the scoring file's
    /// frequency in everyone, or is left out
    #[arg(long, default_value_t = MatchingOptions::default().max_missing, value_name = "SHARE")]
    max_missing: f64,
    /// Missing genotypes add nothing to raw scores and are not in their denominators (without
    /// --cohort)
    #[arg(long, conflicts_with = "cohort")]
    no_mean_imputation: bool,
    /// Name of the cohort: a scoring file that names it is warned of, and the scores exported
    /// carry it
    #[arg(long, value_name = "NAME")]
    study: Option<String>,
    /// Kinships by `plink2 --make-king-table` or KING (columns IID1 or ID1, IID2 or ID2, KINSHIP)
    /// [default: worked out from the dosages]
    #[arg(long, value_name = "FILE")]
    kinship: Option<PathBuf>,
    /// Variants for kinship estimation: the whole VCF, or --regions-file only
    #[arg(
        long,
        value_parser = one_of::<KinshipVariants>(),
        default_value = name_of(&KinshipVariants::default()),
        value_name = "all|regions"
    )]
    kinship_variants: KinshipVariants,
    /// Clumping: farthest that two alleles of one clump lie apart, in kb
    #[arg(long, default_value_t = Options::default().clump_kb, value_name = "KB")]
    clump_kb: usize,
    /// Clumping: least r2 of two alleles of one clump
    #[arg(long, default_value_t = Options::default().clump_r2, value_name = "R2")]
    clump_r2: f64,
    /// Thresholding: largest p-values to try
    #[arg(long, default_values_t = Options::default().p_thresholds, value_delimiter = ',', num_args = 1.., value_name = "P")]
    p_thresholds: Vec<f64>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// How genotypes become dosages.
#[derive(Debug, clap::Args)]
struct ReadingArgs {
    /// FORMAT field of the dosages; auto is DS, else HDS, else GT, and GP in records that have
    /// none of them
    #[arg(
        long,
        value_parser = one_of::<DosageField>(),
        default_value = name_of(&DosageField::default()),
        value_name = "FIELD"
    )]
    dosage_field: DosageField,
    /// What half calls (`./1`) are: an error, `1/1`, `./.`, or `0/1`
    #[arg(
        long,
        value_parser = one_of::<HalfCalls>(),
        default_value = name_of(&HalfCalls::default()),
        value_name = "HOW"
    )]
    half_calls: HalfCalls,
    /// What one allele of a haploid genotype on X counts: 2 (as PLINK 2 does) or 1
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2), value_name = "1|2")]
    xchr_model: u8,
    /// Read a file of one person that holds no homozygous-reference call in 1,000 records or more
    #[arg(long)]
    allow_no_hom_ref: bool,
}

impl From<ReadingArgs> for Reading {
    fn from(args: ReadingArgs) -> Self {
        Self {
            dosage_field: args.dosage_field,
            half_calls: args.half_calls,
            xchr_model: args.xchr_model,
            allow_no_hom_ref: args.allow_no_hom_ref,
        }
    }
}

/// Fits the baselines, or sums published scores only.
///
/// # Errors
/// Whatever the stage says.
pub fn run(args: Args) -> anyhow::Result<()> {
    let options = Options {
        scoring: scoring::Options {
            vcf: lists::paths(args.vcf),
            samples: args.people.samples()?,
            filters: args.apply_filters.names(),
            scoring_files: lists::paths(args.scoring_files),
            genome_build: args.genome_build,
            min_overlap: args.min_overlap,
            keep_ambiguous: args.keep_ambiguous,
            matching: MatchingOptions {
                reading: args.reading.into(),
                effect_allele_column: args.effect_allele_column,
                keep_first_match: args.keep_first_match,
                exclude_multiallelic: args.exclude_multiallelic,
                callable: args.callable,
                reference: args.reference,
                mincs: args.mincs,
                max_missing: args.max_missing,
                no_mean_imputation: args.no_mean_imputation,
            },
            out: args.out,
        },
        regions_file: args.regions_file,
        offset: args.offset,
        study: args.study,
        kinship: args.kinship,
        kinship_variants: args.kinship_variants,
        no_fit: args.no_fit,
        clump_kb: args.clump_kb,
        clump_r2: args.clump_r2,
        p_thresholds: args.p_thresholds,
        ..Options::default()
    };
    let options = match args.cohort.given() {
        None => options,
        Some(cohort) => {
            let phenotype_coding = cohort.phenotype_coding();
            let covariates = cohort.covariates();
            let missing = cohort.missing();
            Options {
                phenotype_coding,
                covariates,
                missing,
                cohort: cohort.cohort,
                ..options
            }
        }
    };
    let work = Work {
        command: "prs",
        options: without_names(&options, &options.scoring.samples),
        inputs: inputs(&options).collect(),
    };
    let _claim = pipeline::claim(&options.scoring.out)?;
    let record = RunRecord::begin(&options.scoring.out, &work, args.overwrite)?;
    let failed = if options.cohort.as_os_str().is_empty() {
        let summary = scoring::raw_scores(&options.scoring)?;
        record.finish("prs", &work.options, inputs(&options), &summary)?;
        gf_files::message_text!("{}", summary.without_cohort());
        summary.failed_scores
    } else if options.no_fit {
        let summary = baselines::without_fit(&options)?;
        record.finish("prs", &work.options, inputs(&options), &summary)?;
        gf_files::message_text!("{summary}");
        summary.raw.failed_scores
    } else {
        let summary = baselines::run(&options)?;
        record.finish("prs", &work.options, inputs(&options), &summary)?;
        gf_files::message_text!("{summary}");
        summary.failed_scores
    };
    require_all_scores(&failed, &options)
}

/// The scores that could be used are written; that others could not is an error all the same.
fn require_all_scores(failed: &[FailedScore], options: &Options) -> anyhow::Result<()> {
    let Some(first) = failed.first() else {
        return Ok(());
    };
    let n = failed.len();
    let out = options.scoring.out.display();
    let noun = if n == 1 { "score was" } else { "scores were" };
    bail!(
        "{n} {noun} left out, {} first: see the message above; the others are in {out}",
        first.path.display()
    )
}

fn inputs(options: &Options) -> impl Iterator<Item = &PathBuf> {
    let beds = options
        .regions_file
        .iter()
        .chain(&options.scoring.matching.callable);
    let cohort = (!options.cohort.as_os_str().is_empty()).then_some(&options.cohort);
    options
        .scoring
        .vcf
        .iter()
        .chain(&options.scoring.scoring_files)
        .chain(options.offset.as_ref().map(|offset| &offset.path))
        .chain(cohort)
        .chain(beds)
        .chain(&options.scoring.matching.reference)
        .chain(&options.kinship)
}
