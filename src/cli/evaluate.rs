//! `gf-genomics evaluate`: compares models and baselines on the same samples.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use gf_cohort_schema::{
    MissingValues, ModelRole, PhenotypeCoding, ScoreLayout,
    arguments::{name_of, one_of},
};
use serde_json::{Value, json};

use super::{
    lists,
    record::{Invocation, OverwriteArgs, PendingRecord},
};
use crate::{
    evaluation::{self, ReportSettings},
    layout, pipeline, report,
};

/// Compare models and polygenic risk scores on the same samples. Reports AUC with 95 % intervals, a
/// paired test against the best baseline, odds ratios, R2, calibration and strata. Guards check for
/// leakage, and leakage makes the command fail.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics evaluate --predictions model/predictions.csv \
                  prs/predictions.csv \\\n    --cohort cohort.csv --out report\n  gf-genomics \
                  evaluate --predictions model/predictions.csv prs/predictions.csv \\\n    \
                  --cohort cohort.csv --out report --bootstrap 2000 --prevalence 0.05 --strata \
                  sex,ancestry\n  gf-genomics evaluate --predictions PGS000001.sscore --cohort \
                  cohort.csv --out report"
)]
pub struct Args {
    /// Tables with a score of each sample. All tables must have the same samples. Tables of this
    /// program are predictions.csv of `train` and `prs`, the table of `score`, and
    /// `raw_scores.csv`. Tables of other programs are `.sscore` of plink2, `.profile` of PLINK 1.9,
    /// `.best` and `.all_score` of `PRSice`, and aggregated scores of `pgsc_calc`. Any other table
    /// needs a column of samples and a column of scores. Several files with folds of one model are
    /// repeats of its cross-validation. The files cost.csv, scores.csv, apoe.csv and guards.csv
    /// next to these tables are also read.
    #[arg(long, required = true, num_args = 1.., value_delimiter = ',', value_name = "CSV")]
    predictions: Vec<PathBuf>,
    /// Column of sample ids [default: `sample_id`, IID or another usual name].
    #[arg(long, value_name = "COLUMN")]
    sample_column: Option<String>,
    /// Columns of scores [default: logit, `NAME_SUM`, `NAME_AVG`, PRS, score or another usual name,
    /// or the only other column].
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', num_args = 1..)]
    score_column: Vec<String>,
    /// Numbers that mean a missing score, such as -9, or `none` if no number does [default: an
    /// error if a score may be such a number].
    #[arg(long, value_name = "NUMBER,...", allow_hyphen_values = true)]
    missing_value: Option<MissingValues>,
    /// Role of a model: covariates, apoe, score-without-apoe, score, sequence-model, stacked or
    /// probe [default: the column `role` of its table; without this column sequence-model in tables
    /// of this program unless the name begins with prs-, and score otherwise].
    #[arg(long, value_name = "MODEL=ROLE,...", value_delimiter = ',', num_args = 1..)]
    role: Vec<ModelRole>,
    /// Folder for the results. The report is report.html, with its figures as SVG. The tables are
    /// auc.csv, roc.csv, strata.csv, calibration.csv, deciles.csv, distribution.csv, folds.csv,
    /// guards.csv and stacked.csv. `*.gf_genomics.json` and `*_mqc.json` are for MultiQC.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Cohort table. It provides families, strata, data for the guards, and phenotypes and splits
    /// if the predictions lack them.
    #[arg(long, value_name = "CSV")]
    cohort: Option<PathBuf>,
    /// Coding of the phenotypes: case/control or 0/1, or 1 (control) and 2 (case) like PLINK.
    #[arg(
        long,
        value_parser = one_of::<PhenotypeCoding>(),
        default_value = name_of(&PhenotypeCoding::default())
    )]
    phenotype_coding: PhenotypeCoding,
    #[command(flatten)]
    settings: ReportSettings,
    /// Seed of the bootstrap resamples.
    #[arg(long, default_value_t = 1, requires = "bootstrap")]
    seed: u64,
    /// run.json of the pipeline that made the predictions. The report shows its options, counts,
    /// skips and digests.
    #[arg(long, value_name = "JSON")]
    run: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Compares the models, and prints the table to standard output. Where a guard finds leakage, the
/// table goes to standard error.
///
/// # Errors
/// Any error of [`evaluation::evaluate`], leakage that a guard finds, or an output that cannot be
/// written.
pub fn run(args: Args) -> anyhow::Result<()> {
    let overwrite = args.overwrite;
    let options = args.into_options();
    let invocation = Invocation {
        command: "evaluate",
        options: json!(options),
        inputs: options
            .predictions
            .iter()
            .chain(&options.cohort)
            .chain(&options.run)
            .collect(),
    };
    let _lock = pipeline::lock_folder(&options.out)?;
    let record = PendingRecord::begin(&options.out, invocation, overwrite)?;
    let summary = evaluation::evaluate(&options)?;
    let files = report::write(&options.out, &summary)?;
    record.finish(&recorded(&summary))?;
    let leakage = summary.require_no_leakage(options.guards);
    if leakage.is_err() {
        gf_files::message_text!("{summary}");
    } else {
        write!(io::stdout().lock(), "{summary}")?;
    }
    let paths: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    gf_files::message!("wrote {}", paths.join(", "));
    for line in summary.left_out().iter().chain(&summary.readings) {
        gf_files::message!("{line}");
    }
    gf_files::message!("report: {}", options.out.join(layout::REPORT).display());
    Ok(leakage?)
}

impl Args {
    fn into_options(self) -> evaluation::Options {
        let settings = self.settings;
        evaluation::Options {
            predictions: lists::paths(self.predictions),
            layout: ScoreLayout {
                sample_column: self.sample_column,
                score_columns: self.score_column,
                roles: self.role,
                phenotype_coding: self.phenotype_coding,
                with_cohort: self.cohort.is_some(),
                missing_value: self.missing_value,
            },
            out: self.out,
            compare_to: settings.compare_to,
            cohort: self.cohort,
            strata: settings.strata,
            bootstrap: settings.bootstrap,
            seed: self.seed,
            prevalence: settings.prevalence,
            recalibration: settings.recalibration,
            guards: settings.guards,
            run: self.run,
        }
    }
}

/// The part of the summary that `run.json` records. The other tables are files.
fn recorded(summary: &evaluation::Summary) -> Value {
    json!({
        "people": summary.verdict.people,
        "people_averaged_over_folds": summary.people_averaged_over_folds,
        "comparison": summary.comparison,
        "guards": summary.verdict.guards,
        "sidecar_files": summary.sidecar_files,
    })
}
