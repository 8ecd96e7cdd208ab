//! What can be wrong in a genome file: the problems of every file of this crate.

use std::error::Error as StdError;

use crate::{
    faidx::FaidxProblem,
    known_loci::OtherBuild,
    ref_allele::OtherRef,
    reference::ReferenceProblem,
    regions::{BedProblem, RegionProblem},
    samples::SamplesProblem,
    variants::{
        AlleleProblem, BcfProblem, Cut, FormatTwice, HeaderProblem, IndexProblem, InputProblem,
        NotSorted, RecordLocation, RefOrderProblem, SampleProblem, SelectionProblem,
        UnequalColumns, VariantFileProblem, VcfProblem,
    },
};

/// A problem of a whole file or of one of its lines, by the part of the reader that found it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The bytes of a file.
    #[error(transparent)]
    Input(#[from] InputProblem),
    /// A FASTA.
    #[error(transparent)]
    Reference(#[from] ReferenceProblem),
    /// The index of a FASTA.
    #[error(transparent)]
    Faidx(#[from] FaidxProblem),
    /// A line of a BED file.
    #[error(transparent)]
    Bed(#[from] BedProblem),
    /// A selection of samples.
    #[error(transparent)]
    Samples(#[from] SamplesProblem),
    /// A selection of samples of a file.
    #[error(transparent)]
    Selection(#[from] SelectionProblem),
    /// A file of variants as a whole.
    #[error(transparent)]
    VariantFile(#[from] VariantFileProblem),
    /// The header of a file of variants.
    #[error(transparent)]
    Header(#[from] HeaderProblem),
    /// The index of a file of variants.
    #[error(transparent)]
    Index(#[from] IndexProblem),
    /// The order of the alleles in a BGEN file.
    #[error(transparent)]
    RefOrder(#[from] RefOrderProblem),
    /// A record whose contig and position may not be known.
    #[error("{place}{problem}")]
    Record {
        /// Record number, if it is known.
        place: RecordLocation,
        /// The problem.
        problem: RecordProblem,
    },
}

/// A problem of one variant record, by the part of the reader that found it.
#[derive(Debug, thiserror::Error)]
pub enum RecordProblem {
    /// A record of another contig or position than the order of the file allows.
    #[error(transparent)]
    NotSorted(#[from] NotSorted),
    /// REF or ALT.
    #[error(transparent)]
    Allele(#[from] AlleleProblem),
    /// A column of VCF text.
    #[error(transparent)]
    Vcf(#[from] VcfProblem),
    /// A line of VCF text, with its start.
    #[error("`{excerpt}`: {problem}")]
    Line {
        /// The start of the line.
        excerpt: String,
        /// The problem.
        problem: Box<RecordProblem>,
    },
    /// A line that may be truncated.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// The bytes of a BCF record.
    #[error(transparent)]
    Bcf(#[from] BcfProblem),
    /// A FORMAT key.
    #[error(transparent)]
    Format(#[from] FormatTwice),
    /// Genotypes and samples differ in number.
    #[error(transparent)]
    UnequalColumns(#[from] UnequalColumns),
    /// The genotype or dosage of a sample.
    #[error(transparent)]
    Sample(#[from] SampleProblem),
    /// The alleles of a BGEN record.
    #[error(transparent)]
    RefOrder(#[from] RefOrderProblem),
    /// REF differs from the FASTA.
    #[error(transparent)]
    OtherRef(#[from] OtherRef),
    /// A problem that a caller of the reader found in the record.
    #[error("{0}")]
    Caller(Box<dyn StdError + Send + Sync>),
}

impl RecordProblem {
    /// A problem that a caller of the reader found.
    pub fn of_caller(problem: impl StdError + Send + Sync + 'static) -> Self {
        Self::Caller(Box::new(problem))
    }
}

/// A problem of a region as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamedRegionProblem {
    /// The text.
    #[error(transparent)]
    Region(#[from] RegionProblem),
    /// The genome build.
    #[error(transparent)]
    OtherBuild(#[from] OtherBuild),
}
