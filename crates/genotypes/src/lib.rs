//! Reads reference FASTA files, loci, and the genotypes of VCF and BCF files.
//!
//! Input -> output: paths -> [`Reference`], [`Locus`]es and a stream of [`VariantRecord`]s for all
//! samples at once. Coordinates: a VCF `position` is a [`Position1`], 1-based as in the file; every
//! interval is 0-based and half-open, of [`Position0`]s. Only this crate uses the readers of
//! noodles.

pub mod bgen;
mod build;
mod calls;
mod contig;
mod coordinates;
mod faidx;
mod genotypes;
mod gzi;
mod known_loci;
pub mod pgen;
mod problem;
mod ref_allele;
mod reference;
mod regions;
mod samples;
mod variants;

pub use self::{
    build::{GenomeBuild, UnknownBuild, builds_of_length},
    contig::{
        chromosome_key, contig_aliases, contig_build, contig_key, same_contig,
        tell_different_builds,
    },
    coordinates::{Position0, Position1, Range0},
    faidx::{FaiDamage, FaidxProblem, StaleIndex},
    genotypes::{ABSENT, Genotype, GenotypeProblem, MISSING},
    gzi::GziProblem,
    known_loci::{KnownLocus, OtherBuild, known_loci, require_build_of_named},
    problem::{NamedRegionProblem, Problem, RecordProblem},
    ref_allele::{EXCHANGED, OTHER_REFERENCE, OtherRef, RefAlleles},
    reference::{Reference, ReferenceProblem},
    regions::{
        BedProblem, DisjointRegions, Interval, Locus, RegionProblem, Strand, joined,
        loci_of_regions, parse_region, read_intervals, read_loci,
    },
    samples::{Samples, SamplesProblem},
    variants::{
        AlleleProblem, BcfProblem, CellProblem, Cut, DosageField, DosageProblem, FormatOptions,
        FormatTwice, HeaderProblem, IndexProblem, InputProblem, NotSorted, RecordLocation,
        RefOrder, RefOrderProblem, STDIN, SampleProblem, SecondHeader, SelectionProblem,
        UnequalColumns, VariantFile, VariantFileProblem, VariantRecord, VcfProblem, admits,
        companions, pass, samples_of_files,
    },
};

use std::{
    io,
    path::{Path, PathBuf},
};

/// The path of an index: `path` with one more extension.
fn sidecar_path(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(extension);
    PathBuf::from(name)
}

/// Errors of genome files. Each message names the file, the location, the finding and the next
/// action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system could not read the file.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system or the decompressor.
        source: io::Error,
    },
    /// The whole file cannot be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The problem and the next action.
        problem: Box<Problem>,
    },
    /// A line of a text file is malformed.
    #[error("{}: line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// The problem and the next action.
        problem: Box<Problem>,
    },
    /// A variant record cannot be used.
    #[error("{}: {place}{contig}:{position}: {problem}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Contig as the file names it.
        contig: String,
        /// POS.
        position: Position1,
        /// Line or record number, if it is known.
        place: RecordLocation,
        /// The problem and the next action.
        problem: Box<RecordProblem>,
    },
    /// A region is malformed.
    #[error("region `{region}`: {problem}")]
    Region {
        /// The region as written.
        region: String,
        /// The problem and the next action.
        problem: NamedRegionProblem,
    },
    /// A PGEN or BED file cannot be used.
    #[error(transparent)]
    Pgen(Box<pgen::PgenError>),
    /// A BGEN file cannot be used.
    #[error(transparent)]
    Bgen(Box<bgen::BgenError>),
    /// A file is not readable as text.
    #[error(transparent)]
    Text(#[from] gf_cohort_schema::Error),
    /// A contig is not in the reference.
    #[error(
        "{}: no contig `{contig}` (nor {tried}) in this FASTA, which has {available}; is it the \
         right genome build?",
        path.display()
    )]
    UnknownContig {
        /// The FASTA file.
        path: PathBuf,
        /// The requested name.
        contig: String,
        /// Its aliases, which were tried as well.
        tried: String,
        /// The first names in the FASTA.
        available: String,
    },
}

impl From<pgen::PgenError> for Error {
    fn from(error: pgen::PgenError) -> Self {
        Self::Pgen(Box::new(error))
    }
}

impl From<bgen::BgenError> for Error {
    fn from(error: bgen::BgenError) -> Self {
        Self::Bgen(Box::new(error))
    }
}

impl Error {
    /// Maps an I/O error to one that names the file.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// An error at a variant record of a file.
    #[must_use]
    pub fn record(path: &Path, record: &VariantRecord, problem: impl Into<RecordProblem>) -> Self {
        Self::Record {
            path: path.into(),
            contig: record.contig.clone(),
            position: record.position,
            place: record.place,
            problem: Box::new(problem.into()),
        }
    }

    /// An error about a whole file.
    pub(crate) fn file(path: &Path, problem: impl Into<Problem>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            problem: Box::new(problem.into()),
        }
    }

    /// An error of a region as written.
    pub(crate) fn region(region: &str, problem: impl Into<NamedRegionProblem>) -> Self {
        Self::Region {
            region: region.to_owned(),
            problem: problem.into(),
        }
    }

    /// An error at a line (1-based) of a text file.
    pub(crate) fn line(path: &Path, line: u64, problem: impl Into<Problem>) -> Self {
        Self::Line {
            path: path.to_path_buf(),
            line,
            problem: Box::new(problem.into()),
        }
    }
}
