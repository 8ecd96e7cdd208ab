//! Why published scores cannot be summed.

use std::path::PathBuf;

use super::reasons::Reasons;
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::GenomeBuild;

/// Each message names the file, the place, what was found, and what to do.
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
    #[error("{reason}")]
    Options {
        /// What is wrong.
        reason: String,
    },
    /// A scoring file as a whole cannot be used.
    #[error("{}: {reason}", path.display())]
    ScoringFile {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A line of a scoring file is wrong.
    #[error("{}: line {line}: {reason}", path.display())]
    ScoringLine {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A scoring file is of another build.
    #[error(
        "{}: its positions are on {found}, but the VCF is on {expected} (by {by}); take the file of your build from the PGS Catalog",
        path.display()
    )]
    Build {
        /// The file.
        path: PathBuf,
        /// Its build.
        found: GenomeBuild,
        /// The build asked for.
        expected: GenomeBuild,
        /// Who states it.
        by: String,
    },
    /// A scoring file is of a build that cannot be compared.
    #[error(
        "{}: its positions are on `{found}`, which is no build that is known here, but the VCF is on {expected}; take a file of {expected}, or correct the header (GRCh37, GRCh38, NCBI36 or T2T-CHM13)",
        path.display()
    )]
    UnknownBuild {
        /// The file.
        path: PathBuf,
        /// Its build as it writes it.
        found: String,
        /// The build of the VCF.
        expected: GenomeBuild,
    },
    /// No score can be used.
    #[error("none of {} scores can be used: {}", reasons.len(), reasons.join("; "))]
    NoScore {
        /// What is wrong with each.
        reasons: Vec<String>,
    },
    /// An id instead of a file.
    #[error(
        "{id} is a score of the PGS Catalog, not a file here: download {url} (or another build), \
         and give its path to --scoring-file"
    )]
    CatalogId {
        /// The score.
        id: String,
        /// Where its file is.
        url: String,
    },
    /// The header of a VCF is of another build than somebody says.
    #[error(
        "{}: {finding}, but {stated} says {expected}: take the scoring file of {found}, or lift the VCF over",
        path.display()
    )]
    HeaderBuild {
        /// The VCF.
        path: PathBuf,
        /// What tells its build.
        finding: String,
        /// Its build.
        found: GenomeBuild,
        /// Who says another build.
        stated: String,
        /// That build, as written there.
        expected: String,
    },
    /// Two scoring files would be one model.
    #[error("{}: the model `{model}` is there already; each scoring file needs an id (#pgs_id) of its own", path.display())]
    SameModel {
        /// The second file.
        path: PathBuf,
        /// The name.
        model: String,
    },
    /// Too few variants of a score are in the VCF.
    #[error(
        "{what}: only {matched} of {rows} variants match the VCF ({:.1} %; at least {:.1} % wanted): {reasons}. Build of the score: \
         {build}.{log} If this is meant, lower the wanted overlap (--min-overlap)",
        100.0 * *matched as f64 / *rows as f64, 100.0 * min_overlap
    )]
    Overlap {
        /// The scoring file, or the saved baseline.
        what: String,
        /// Variants matched.
        matched: usize,
        /// Variants of the score.
        rows: usize,
        /// Share wanted.
        min_overlap: f64,
        /// Build of the score.
        build: String,
        /// Why the others do not.
        reasons: Box<Reasons>,
        /// Where each row is listed, if anywhere.
        log: String,
    },
    /// Missing genotypes with nothing to put in their place.
    #[error(
        "{}: {} missing genotypes, fewer than {mincs} people called, and no frequency in the file (the first at {first}): give a file with allelefrequency_effect, trust fewer people (--mincs), or let missing genotypes add nothing (--no-mean-imputation)",
        path.display(), counted(*n, "variant has", "variants have")
    )]
    NoFrequency {
        /// The scoring file.
        path: PathBuf,
        /// How many variants.
        n: usize,
        /// `contig:position` of the first.
        first: String,
        /// People that would have to be called.
        mincs: usize,
    },
    /// The records that one row of a score may mean are in two files.
    #[error("{}: records of two VCF files fit the row at {contig}:{position}; join the files first (`bcftools concat -a`)", path.display())]
    TwoFiles {
        /// The scoring file.
        path: PathBuf,
        /// Contig of the record.
        contig: String,
        /// 1-based position.
        position: usize,
    },
    /// One person's file holds variants only.
    #[error(
        "{}: one person, and none of {n_records} records is homozygous reference: variants where the person is reference seem to be left out, and would be read as missing. Give a file with these (a gVCF that was genotyped at the score's sites), or allow it (--allow-no-hom-ref)",
        path.display()
    )]
    NoHomRef {
        /// The VCF.
        path: PathBuf,
        /// Its records.
        n_records: u64,
    },
    /// polars could not join the positions.
    #[error("{}: its variants could not be joined with those of the VCF", path.display())]
    Join {
        /// The scoring file.
        path: PathBuf,
        /// What polars said.
        source: polars::error::PolarsError,
    },
}
