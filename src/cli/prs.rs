//! `gf-genomics prs`: the baselines on a cohort.

use std::path::PathBuf;

use super::cohort::CohortArgs;
use crate::prs::{self, GenomeBuild, Options, Summary};

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
    /// BED of the regions whose variants are used [default: all variants]
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
    print_summary(&prs::run(&options)?);
    Ok(())
}

/// Says on standard error what the stage did.
pub fn print_summary(summary: &Summary) {
    for warning in &summary.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("{} people predicted by {}", summary.n_people, summary.models.join(", "));
    match (&summary.apoe, &summary.apoe_left_out) {
        (Some(apoe), _) => {
            eprintln!("APOE haplotypes: e2 {}, e3 {}, e4 {}, e1 {}", apoe.e2, apoe.e3, apoe.e4, apoe.e1);
            print_counts(&[
                ("unphased e2/e4 by convention", apoe.unphased_double_heterozygotes),
                ("people without an APOE call", apoe.people_without_call),
            ]);
        }
        (None, Some(reason)) => eprintln!("no prs-apoe: {reason}"),
        (None, None) => {}
    }
    eprintln!("prs-dosages: {} dosages, penalty {:.3} (of {} tried)", summary.n_dosages, summary.l2_chosen, summary.l2_grid.len());
    for failure in summary.l2_grid.iter().filter_map(|point| point.failure.as_ref()) {
        eprintln!("left out of the grid: {failure}");
    }
    for score in &summary.scores {
        let counts = &score.counts;
        let build = score.genome_build.map_or_else(|| "build not stated".into(), |build| build.to_string());
        eprintln!("prs-{}: {} of {} variants matched ({:.1} %), {build}", score.id, counts.matched, counts.rows, 100.0 * score.overlap);
        let lost = [
            ("flipped", counts.flipped),
            ("ambiguous", counts.ambiguous),
            ("duplicate", counts.duplicates),
            ("unmatched", counts.unmatched),
        ];
        print_counts(&lost.map(|(what, count)| (what, count as u64)));
        for (reason, count) in &counts.unusable {
            eprintln!("  unusable ({reason}): {count}");
        }
    }
    for feature in &summary.constant_features {
        eprintln!("the same in all training people, left out: {feature}");
    }
    let read = &summary.genotypes;
    print_counts(&[
        ("records left out by FILTER", read.filtered_records),
        ("records without an allele to count", read.records_without_dosage),
        ("symbolic alleles", read.symbolic_alleles),
        ("`*` alleles", read.star_alleles),
        ("alleles there twice", read.duplicate_variants),
        ("records without a call in training", summary.sites_without_training_calls as u64),
        ("dosages that do not vary in training", summary.constant_dosages as u64),
        ("missing genotypes", read.missing_genotypes),
        ("of them half calls", read.half_calls),
        ("haploid genotypes", read.haploid_genotypes),
        ("samples not in the cohort", read.samples_left_out),
    ]);
}

fn print_counts(counts: &[(&str, u64)]) {
    for (what, count) in counts.iter().filter(|(_, count)| *count > 0) {
        eprintln!("  {what}: {count}");
    }
}
