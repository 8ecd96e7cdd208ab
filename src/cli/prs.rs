//! `gf-genomics prs`: the baselines on a cohort, or the raw sums of published scores without one.

use std::path::PathBuf;

use anyhow::bail;

use super::{
    cohort_args::{CohortArgs, OptionalCohortArgs},
    genotypes::GenotypeArgs,
    lists,
    record::{Invocation, OverwriteArgs, PendingRecord},
    samples::{SampleArgs, without_names},
};
use crate::{
    baselines::{self, BaselineSettings, Options},
    pipeline,
    scoring::{self, FailedScore},
};

/// Compute polygenic risk scores and other baselines: covariates, APOE, scores learned from the
/// dosages, and published scores.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics prs --vcf cohort.vcf.gz --cohort cohort.csv \\\n    \
                  --scoring-file PGS000001_hmPOS_GRCh38.txt.gz --genome-build GRCh38 --out prs\n  \
                  gf-genomics prs --vcf people.vcf.gz \\\n    --scoring-file \
                  PGS000001_hmPOS_GRCh38.txt.gz --out scores   # raw scores, no phenotypes \
                  needed\n  gf-genomics prs --vcf people.vcf.gz --cohort cohort.csv --no-fit \
                  --out auc \\\n    --scoring-file PGS000001_hmPOS_GRCh38.txt.gz   # AUC of a \
                  published score, without training"
)]
pub struct Args {
    #[command(flatten)]
    genotypes: GenotypeArgs,
    #[command(flatten)]
    people: SampleArgs,
    #[command(flatten)]
    cohort: OptionalCohortArgs,
    /// Folder for `match_log.csv`, `raw_scores.csv` and `run.json`. With a cohort it also contains
    /// `predictions.csv`, `weights.csv`, `association.csv`, `apoe.csv`, `guards.csv`, `scores.csv`,
    /// `scoring_files/` and `prs_model.json`. If there are related pairs, it contains
    /// `related_pairs.csv`, which is private.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// BED of the regions whose dosages are used. Published scores and APOE are read at any
    /// position [default: all variants].
    #[arg(long, value_name = "BED", requires = "cohort")]
    regions_file: Option<PathBuf>,
    #[command(flatten)]
    settings: BaselineSettings,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Fits the baselines, or only sums published scores.
///
/// # Errors
/// Any error of the stage, or a published score that cannot be used.
pub fn run(args: Args) -> anyhow::Result<()> {
    let overwrite = args.overwrite;
    let options = args.into_options()?;
    let invocation = Invocation {
        command: "prs",
        options: without_names(&options, &options.scoring.samples),
        inputs: inputs(&options).collect(),
    };
    let _lock = pipeline::lock_folder(&options.scoring.out)?;
    let record = PendingRecord::begin(&options.scoring.out, invocation, overwrite)?;
    let failed_scores = if !has_cohort(&options) {
        let summary = scoring::raw_scores(&options.scoring)?;
        record.finish(&summary)?;
        gf_files::message_text!("{}", summary.without_cohort());
        summary.failed_scores
    } else if options.no_fit {
        let summary = baselines::without_fit(&options)?;
        record.finish(&summary)?;
        gf_files::message_text!("{summary}");
        summary.raw.failed_scores
    } else {
        let summary = baselines::run(&options)?;
        record.finish(&summary)?;
        gf_files::message_text!("{summary}");
        summary.failed_scores
    };
    require_all_scores(&failed_scores, &options)
}

impl Args {
    fn into_options(self) -> anyhow::Result<Options> {
        let settings = self.settings;
        let options = Options {
            scoring: scoring::Options {
                vcf: self.genotypes.files(),
                format: self.genotypes.format,
                samples: self.people.samples()?,
                filters: settings.apply_filters.unwrap_or_default().names(),
                scoring_files: lists::paths(settings.scoring_files),
                genome_build: settings.genome_build,
                min_overlap: settings.min_overlap,
                keep_ambiguous: settings.keep_ambiguous,
                matching: settings.scoring,
                out: self.out,
            },
            regions_file: self.regions_file,
            offset: settings.offset,
            study: settings.study,
            kinship: settings.kinship,
            kinship_variants: settings.kinship_variants,
            no_fit: settings.no_fit,
            clump_kb: settings.clump_kb,
            clump_r2: settings.clump_r2,
            p_thresholds: settings.p_thresholds,
            ..Options::default()
        };
        Ok(match self.cohort.given() {
            None => options,
            Some(args) => with_cohort(options, args),
        })
    }
}

fn with_cohort(options: Options, args: CohortArgs) -> Options {
    Options {
        phenotype_coding: args.phenotype_coding(),
        covariates: args.covariates(),
        missing: args.missing(),
        cohort: args.cohort,
        ..options
    }
}

/// Whether there is a cohort table. Its path is empty without one.
fn has_cohort(options: &Options) -> bool {
    !options.cohort.as_os_str().is_empty()
}

/// Refuses scores that could not be used. The other scores are already written.
fn require_all_scores(failed: &[FailedScore], options: &Options) -> anyhow::Result<()> {
    let Some(first) = failed.first() else {
        return Ok(());
    };
    let n = failed.len();
    let out = options.scoring.out.display();
    let noun = if n == 1 { "score was" } else { "scores were" };
    bail!(
        "{n} {noun} left out, such as {}. The messages above give the reasons; the other \
         scores are in {out}",
        first.path.display()
    )
}

fn inputs(options: &Options) -> impl Iterator<Item = &PathBuf> {
    let beds = options
        .regions_file
        .iter()
        .chain(&options.scoring.matching.callable);
    let cohort = has_cohort(options).then_some(&options.cohort);
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
