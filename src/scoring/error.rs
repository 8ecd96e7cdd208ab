//! Errors of published scores: options, scoring files, VCF headers, matching.

use std::path::{Path, PathBuf};

use super::{
    options::OptionsProblem,
    reasons::Reasons,
    scoring_file::{CellProblem, ScoringFileProblem},
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::{GenomeBuild, Position1};

/// A published score cannot be summed. Each message names the file, the location, the finding and
/// the next action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A genome file is wrong.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// A text file or a table cannot be read.
    #[error(transparent)]
    Table(#[from] gf_cohort_schema::Error),
    /// A result could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// An option is wrong.
    #[error(transparent)]
    Options(#[from] OptionsProblem),
    /// A scoring file as a whole cannot be used.
    #[error("{}: {problem}", path.display())]
    ScoringFile {
        /// The file.
        path: PathBuf,
        /// The finding and the next action.
        problem: Box<ScoringFileProblem>,
    },
    /// A line of a scoring file is wrong.
    #[error("{}: line {line}: {problem}", path.display())]
    ScoringLine {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// The finding.
        problem: CellProblem,
    },
    /// A scoring file is on another genome build.
    #[error(
        "{}: the positions of the score are on {found}, but the VCF is on {expected} (according to \
         {by}). Download the scoring file for {expected} from the PGS Catalog",
        path.display()
    )]
    Build {
        /// The scoring file.
        path: PathBuf,
        /// Build of the scoring file.
        found: GenomeBuild,
        /// Build of the VCF.
        expected: GenomeBuild,
        /// The option or file that states the expected build.
        by: String,
    },
    /// A scoring file is on a genome build that this program does not know.
    #[error(
        "{}: the header states the genome build `{found}`, which this program does not know, and \
         the VCF is on {expected}. Use a scoring file on {expected}, or correct the header \
         (GRCh37, GRCh38, NCBI36 or T2T-CHM13)",
        path.display()
    )]
    UnknownBuild {
        /// The file.
        path: PathBuf,
        /// The text in the header of the scoring file.
        found: String,
        /// The build of the VCF.
        expected: GenomeBuild,
    },
    /// No score can be used.
    #[error("none of {} scores can be used: {}", reasons.len(), reasons.join("; "))]
    NoScore {
        /// The error of each score.
        reasons: Vec<String>,
    },
    /// An accession of the PGS Catalog was given instead of a file.
    #[error(
        "{id} is an accession of the PGS Catalog, not a file on this machine. Download {url} (or \
         the file for another build) and give its path to --scoring-file"
    )]
    CatalogId {
        /// The score.
        id: String,
        /// Address of its file.
        url: String,
    },
    /// The header of a VCF is on another build than an option or a scoring file states.
    #[error(
        "{}: {finding}, but {stated} states {expected}. Use the scoring file for {found}, or lift \
         the VCF over",
        path.display()
    )]
    HeaderBuild {
        /// The VCF.
        path: PathBuf,
        /// The contig of the header that identifies the build, in words.
        finding: String,
        /// Build of the header.
        found: GenomeBuild,
        /// The option or file that states another build.
        stated: String,
        /// The build that it states, as written there.
        expected: String,
    },
    /// Two scoring files have the same id and would become the same model.
    #[error(
        "{}: a model named `{model}` exists already. Give each scoring file its own id (#pgs_id)",
        path.display()
    )]
    SameModel {
        /// The second file.
        path: PathBuf,
        /// Name of the model.
        model: String,
    },
    /// Too few variants of a score are in the VCF.
    #[error(
        "{what}: only {matched} of {rows} variants match the VCF ({:.1} %, but at least {:.1} % \
         are required): {reasons}. The genome build of the score is {build}.{log} To accept fewer \
         variants, lower --min-overlap",
        100.0 * *matched as f64 / *rows as f64, 100.0 * min_overlap
    )]
    Overlap {
        /// The scoring file, or the saved baseline.
        what: String,
        /// Variants matched.
        matched: usize,
        /// Variants of the score.
        rows: usize,
        /// Fraction required, between 0 and 1.
        min_overlap: f64,
        /// Build of the score.
        build: String,
        /// Reasons of the variants that do not match.
        reasons: Box<Reasons>,
        /// A sentence that names the match log, or an empty text.
        log: String,
    },
    /// Missing genotypes cannot be imputed because no allele frequency is known.
    #[error(
        "{}: {} missing genotypes, fewer than {mincs} called samples and no allele frequency in \
         the scoring file (the first at {first}). Add the column allelefrequency_effect, lower \
         --mincs, or let missing genotypes add nothing (--no-mean-imputation)",
        path.display(), counted(*n, "variant has", "variants have")
    )]
    NoFrequency {
        /// The scoring file.
        path: PathBuf,
        /// Number of variants.
        n: usize,
        /// `contig:position` of the first.
        first: String,
        /// Least number of called samples for a frequency.
        mincs: usize,
    },
    /// Records of two VCF files match one row of a score.
    #[error(
        "{}: records of two VCF files match the row at {contig}:{position}; join the files first \
         (`bcftools concat -a`)",
        path.display()
    )]
    TwoFiles {
        /// The scoring file.
        path: PathBuf,
        /// Contig of the record.
        contig: String,
        /// Position of the record.
        position: Position1,
    },
    /// A file of one sample contains variant records only.
    #[error(
        "{}: the file has one sample, and none of its {n_records} records is homozygous reference. \
         Homozygous-reference sites seem to be left out and would be read as missing. Give a file \
         that contains these sites (a gVCF genotyped at the sites of the score), or allow it \
         (--allow-no-hom-ref)",
        path.display()
    )]
    NoHomRef {
        /// The VCF.
        path: PathBuf,
        /// Number of its records.
        n_records: u64,
    },
    /// polars could not join the positions.
    #[error(
        "{}: the variants of the score could not be joined with the records of the VCF",
        path.display()
    )]
    Join {
        /// The scoring file.
        path: PathBuf,
        /// Error of polars.
        source: polars::error::PolarsError,
    },
}

impl Error {
    /// A scoring file as a whole cannot be used.
    pub(crate) fn scoring_file(path: &Path, problem: impl Into<ScoringFileProblem>) -> Self {
        Self::ScoringFile {
            path: path.into(),
            problem: Box::new(problem.into()),
        }
    }

    /// A line (1-based) of a scoring file is wrong.
    pub(crate) fn scoring_line(path: &Path, line: u64, problem: CellProblem) -> Self {
        Self::ScoringLine {
            path: path.into(),
            line,
            problem,
        }
    }
}
