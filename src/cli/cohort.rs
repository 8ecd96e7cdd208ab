//! `gf-genomics cohort`: joins tables of samples into a cohort table.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use gf_cohort_schema::{
    MissingValues,
    arguments::{name_of, one_of},
};
use gf_files::output;

use crate::cohort::{self, Options, SampleId, Shares};

/// Join tables of samples into a cohort table. Phenotypes are mapped to case and control. The split
/// keeps families together. Dropped samples are reported with reasons.
///
/// Reads .fam, .psam, .pheno, .cov, .eigenvec, .evec, CSV and TSV. The first table determines the
/// samples of the cohort. The other tables add columns.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics cohort study.fam study.cov pca.eigenvec -o \
                  cohort.csv\n  gf-genomics cohort samples.csv pca.eigenvec --phenotype diagnosis \
                  --case AD --control CN \\\n    --split 60,20,20 --seed 1 --unrelated king.kin0 \
                  --vcf cohort.vcf.gz -o cohort.csv"
)]
pub struct Args {
    /// Tables to join by sample id.
    #[arg(required = true, value_name = "TABLE")]
    tables: Vec<PathBuf>,
    /// Cohort table to write; `-` is standard output.
    #[arg(short, long, value_name = "CSV", default_value = "-")]
    output: PathBuf,
    /// Table of the dropped samples to write (`sample_id,reason`).
    #[arg(long, value_name = "CSV")]
    dropped: Option<PathBuf>,
    /// Column of the phenotype [default: the only column that can be a phenotype].
    #[arg(long, value_name = "COLUMN")]
    phenotype: Option<String>,
    /// Values of cases. Samples with a value that is neither a case nor a control are dropped.
    #[arg(
        long,
        value_name = "VALUE,...",
        value_delimiter = ',',
        requires = "control",
        allow_hyphen_values = true
    )]
    case: Vec<String>,
    /// Values of controls.
    #[arg(
        long,
        value_name = "VALUE,...",
        value_delimiter = ',',
        requires = "case",
        allow_hyphen_values = true
    )]
    control: Vec<String>,
    /// Percentages of training, validation and test samples [default: the column `split`, or
    /// 60,20,20 without this column].
    #[arg(long, value_name = "TRAIN,VALIDATION,TEST")]
    split: Option<Shares>,
    /// Seed of the split. The same samples and seed give the same split.
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// Columns to stratify by, in addition to the phenotype. Each level of a column has about the
    /// same share of every split.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    stratify_by: Vec<String>,
    /// Kinship table. One sample of each related pair in different splits is dropped. Reads
    /// `related_pairs.csv` of `prs`, .kin0 and .kin of KING, `plink2 --make-king-table`, and
    /// .genome of PLINK 1.9.
    #[arg(long, value_name = "TABLE")]
    unrelated: Option<PathBuf>,
    /// Smallest kinship of a related pair. 0.0884 includes second-degree relatives.
    #[arg(
        long,
        value_name = "KINSHIP",
        default_value_t = Options::default().kinship_cutoff,
        requires = "unrelated"
    )]
    kinship_cutoff: f64,
    /// VCF or BCF files. Samples that are not in these files are dropped.
    #[arg(long, value_name = "FILE", value_delimiter = ',', num_args = 1..)]
    vcf: Vec<PathBuf>,
    /// Column of sample ids, if it has an unusual name.
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// Form of the sample names in the VCF: the IID of PLINK, or `FID_IID` as written by `plink
    /// --recode vcf`.
    #[arg(
        long,
        value_parser = one_of::<SampleId>(),
        default_value = name_of(&SampleId::default()),
        value_name = "WHICH"
    )]
    sample_id: SampleId,
    /// Ignore FID as a family id. Samples with the same FID may then be in different splits.
    #[arg(long)]
    ignore_families: bool,
    /// Drop samples of unknown phenotype. By default they are kept and predicted, but not used for
    /// training or evaluation.
    #[arg(long)]
    drop_unknown: bool,
    /// Numbers that mean a missing value, such as -9, or `none` if no number does [default: -9 is
    /// missing in phenotype, age, sex and categories, and an error elsewhere].
    #[arg(long, value_name = "NUMBER,...", allow_hyphen_values = true)]
    missing_value: Option<MissingValues>,
}

/// Joins the tables and writes the cohort table.
///
/// # Errors
/// Any error of [`cohort::run`], or a table that cannot be written.
pub fn run(args: Args) -> anyhow::Result<()> {
    let options = Options {
        tables: args.tables,
        phenotype: args.phenotype,
        case: args.case,
        control: args.control,
        split: args.split,
        seed: args.seed,
        stratify_by: args.stratify_by,
        unrelated: args.unrelated,
        kinship_cutoff: args.kinship_cutoff,
        vcf: args.vcf,
        id_column: args.id_column,
        sample_id: args.sample_id,
        ignore_families: args.ignore_families,
        drop_unknown: args.drop_unknown,
        missing_value: args.missing_value,
    };
    let inputs = options
        .tables
        .iter()
        .chain(&options.unrelated)
        .chain(&options.vcf);
    let outputs: Vec<&Path> = [&args.output]
        .into_iter()
        .chain(&args.dropped)
        .map(PathBuf::as_path)
        .collect();
    output::check_outputs(inputs, &outputs)?;
    let (prepared, summary) = cohort::run(&options)?;
    if args.output == Path::new("-") {
        prepared.write(io::stdout().lock())?;
    } else {
        output::write(&args.output, |out: &mut dyn Write| prepared.write(out))?;
    }
    if let Some(path) = &args.dropped {
        output::write(path, |out: &mut dyn Write| prepared.write_dropped(out))?;
    }
    gf_files::message_text!("{summary}");
    Ok(())
}
