//! Errors of this crate.

use std::path::{Path, PathBuf};

use gf_files::output;
use gf_genotypes::{Position1, RecordLocation};

use super::{
    merge::MergeProblem, provenance::GenomeDifference, schedule::EmptyLocus, store::StoreProblem,
    window::SiteProblem,
};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input file cannot be used.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A record or a genotype is refused.
    #[error(
        "{}: {place}{contig}:{position}{}: {problem}",
        path.display(),
        sample.as_ref().map(|name| format!(": sample `{name}`")).unwrap_or_default()
    )]
    RecordAtLocus {
        /// The VCF or BCF.
        path: PathBuf,
        /// Contig as the file names it.
        contig: String,
        /// POS.
        position: Position1,
        /// Line or record number, if it is known.
        place: RecordLocation,
        /// The sample, if the genotype of one sample is refused.
        sample: Option<String>,
        /// The problem and the next action.
        problem: Box<SiteProblem>,
    },
    /// The files do not belong together.
    #[error(transparent)]
    Inputs(#[from] InputsProblem),
    /// A locus without a record.
    #[error("{}: {problem}", joined(paths))]
    EmptyLocus {
        /// The VCF or BCF files.
        paths: Vec<PathBuf>,
        /// The problem and the next action.
        problem: EmptyLocus,
    },
    /// The genome differs from that of a model.
    #[error(
        "locus `{locus}`: {difference}; use the reference and the build that the model was made \
         with"
    )]
    OtherGenome {
        /// Name of the locus.
        locus: String,
        /// The difference.
        difference: GenomeDifference,
    },
    /// A stored dictionary cannot be used.
    #[error("{}: {problem}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: StoreProblem,
    },
    /// A block cannot be merged with the others.
    #[error("{}: {problem}", folder.display())]
    Merge {
        /// The folder of the block.
        folder: PathBuf,
        /// The problem.
        problem: Box<MergeProblem>,
    },
}

impl Error {
    /// A stored file that cannot be used.
    pub(crate) fn damaged(path: &Path, problem: impl Into<StoreProblem>) -> Self {
        Self::Store {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

fn joined(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}

/// Why files or options do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputsProblem {
    /// No file of genotypes.
    #[error("no VCF or BCF file given")]
    NoFile,
    /// No block to merge.
    #[error("no sequences to merge")]
    NoBlock,
    /// Rules for haplotypes with genotype symbols.
    #[error(
        "strict and overlap = bcftools are rules for haplotypes; remove them with encoding = \
         diploid"
    )]
    RulesForHaplotypes,
    /// A mask that does not fit its locus.
    #[error(
        "locus `{locus}` has a masked interval outside of it; the file with the masks is damaged"
    )]
    MaskOutside {
        /// Name of the locus.
        locus: String,
    },
    /// A contig of another build.
    #[error(
        "{}: contig `{contig}` is of another genome build than `{in_reference}` of the reference; \
         use files of one build",
        path.display()
    )]
    OtherBuild {
        /// The VCF or BCF.
        path: PathBuf,
        /// Contig as it names it.
        contig: String,
        /// Contig as the reference names it.
        in_reference: String,
    },
    /// A sample that not all files have.
    #[error(
        "sample `{sample}` is in {} but not in {}; list samples that all files have with --samples",
        with.display(),
        without.display()
    )]
    SampleNotInAll {
        /// The sample.
        sample: String,
        /// A file with the sample.
        with: PathBuf,
        /// A file without it.
        without: PathBuf,
    },
    /// A locus in two files.
    #[error("locus `{locus}` has records in more than one file; merge them with `bcftools concat`")]
    LocusInTwoFiles {
        /// Name of the locus.
        locus: String,
    },
}
