//! What can be wrong with a BGEN file and the files next to it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// An error with its file and the place in it.
#[derive(Debug, thiserror::Error)]
#[error("{}{place}: {problem}", path.display())]
pub struct BgenError {
    /// The file.
    pub path: PathBuf,
    /// Where in the file.
    pub place: BgenPlace,
    /// What was found and what was expected.
    pub problem: BgenProblem,
}

impl BgenError {
    pub(super) fn new(path: &Path, place: BgenPlace, problem: BgenProblem) -> Self {
        Self {
            path: path.to_path_buf(),
            place,
            problem,
        }
    }

    pub(super) fn file(path: &Path, problem: impl Into<BgenProblem>) -> Self {
        Self::new(path, BgenPlace::File, problem.into())
    }
}

/// Where in a file an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BgenPlace {
    /// The file as a whole, or its header.
    File,
    /// A line of a `.sample` file.
    Line {
        /// 1-based line number.
        number: u64,
    },
    /// A variant of a BGEN file.
    Variant {
        /// 1-based number of the variant, in the order of the file.
        number: u64,
        /// 0-based offset of the variant's first byte.
        offset: u64,
    },
}

impl fmt::Display for BgenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Line { number } => write!(f, ": line {number}"),
            Self::Variant { number, offset } => {
                write!(f, ": variant {number} at byte {offset}")
            }
        }
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BgenProblem {
    /// The operating system could not read or write the file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The magic number is missing.
    #[error("not a BGEN file: bytes 17 to 20 are `{}`, not `bgen`", found.escape_ascii())]
    NotBgen {
        /// The bytes at the place of the magic number.
        found: [u8; 4],
    },
    /// BGEN 1.0 or 1.1.
    #[error(
        "layout {layout} (BGEN 1.0 or 1.1) is not supported; convert the file to BGEN 1.2, for \
         example with `qctool -g OLD.bgen -og NEW.bgen -ofiletype bgen_v1.2`"
    )]
    OldLayout {
        /// Layout number of the header's flags, 0 or 1.
        layout: u32,
    },
    /// A layout that the specification does not define.
    #[error("unknown layout {layout}; expected layout 2 (BGEN 1.2 or 1.3)")]
    UnknownLayout {
        /// Layout number of the header's flags.
        layout: u32,
    },
    /// A compression that the specification does not define.
    #[error("unknown compression {code}; expected 0 (none), 1 (zlib) or 2 (zstd)")]
    UnknownCompression {
        /// Compression number of the header's flags.
        code: u32,
    },
    /// A block does not fit into the space that the file gives it.
    #[error(
        "{what} needs {needed} bytes, but only {available} are left; the file is truncated or \
         damaged, copy it again"
    )]
    Truncated {
        /// The field or block.
        what: &'static str,
        /// Bytes that it needs.
        needed: u64,
        /// Bytes up to the end of the file or of the enclosing block.
        available: u64,
    },
    /// A length field contradicts the rest of the file.
    #[error("{what} is {found} bytes; expected {expected}; the file is damaged, copy it again")]
    Length {
        /// The block.
        what: &'static str,
        /// Its length by the rest of the file.
        expected: u64,
        /// The stated or actual length.
        found: u64,
    },
    /// A length or a count is larger than anything this program reads.
    #[error("{what} is {found}; the largest accepted value is {limit}; the file may be damaged")]
    TooLarge {
        /// The length or count.
        what: &'static str,
        /// The value in the file.
        found: u64,
        /// The largest accepted value.
        limit: u64,
    },
    /// A count contradicts another one.
    #[error("{what} is {found}; expected {expected}")]
    Count {
        /// What is counted, and by whom.
        what: &'static str,
        /// The count in the header.
        expected: u64,
        /// The other count.
        found: u64,
    },
    /// A name or an allele has control characters or is not UTF-8.
    #[error("{what} is not printable UTF-8 text; the file is damaged, copy it again")]
    BadText {
        /// The field.
        what: &'static str,
    },
    /// Two samples have one name.
    #[error("samples {first} and {second} are both named `{name}`; sample names must be unique")]
    DuplicateSample {
        /// The name.
        name: String,
        /// 1-based number of the first sample with that name.
        first: usize,
        /// 1-based number of the second.
        second: usize,
    },
    /// A `.sample` file does not have its two header lines.
    #[error("a .sample file begins with two header lines (`ID_1 ID_2 missing`, then `0 0 0`)")]
    SampleHeader,
    /// A line of a `.sample` file has another number of columns than its header.
    #[error("{found} column(s); the header line has {expected}")]
    SampleColumns {
        /// Columns of the header line.
        expected: usize,
        /// Columns of this line.
        found: usize,
    },
    /// A variant without alleles.
    #[error("a variant without alleles")]
    NoAlleles,
    /// The decompressor refused the genotype data.
    #[error("{compression} data cannot be decompressed ({message}); copy the file again")]
    Decompress {
        /// `zlib` or `zstd`.
        compression: &'static str,
        /// What the decompressor reported.
        message: String,
    },
    /// A field of the genotype data has a value that the specification does not define.
    #[error("{what} is {found}; expected {min} to {max}")]
    Field {
        /// The field.
        what: &'static str,
        /// The value in the file.
        found: u64,
        /// Smallest defined value.
        min: u64,
        /// Largest defined value.
        max: u64,
    },
    /// A sample's ploidy is outside of the range that its variant states.
    #[error("sample {sample} has ploidy {ploidy}; the variant states {min} to {max}")]
    PloidyRange {
        /// 1-based number of the sample in the file.
        sample: usize,
        /// Its ploidy.
        ploidy: u8,
        /// Smallest stated ploidy.
        min: u8,
        /// Largest stated ploidy.
        max: u8,
    },
    /// A sample's probabilities add up to more than one.
    #[error("the probabilities of sample {sample} add up to more than 1 ({sum}/{one})")]
    ProbabilitySum {
        /// 1-based number of the sample in the file.
        sample: usize,
        /// Sum of the stored integers.
        sum: u64,
        /// The integer that encodes probability 1.
        one: u32,
    },
    /// Genotypes are only called for haploid and diploid samples.
    #[error("sample {sample} has ploidy {ploidy}; genotypes are read for ploidy 1 and 2 only")]
    UnsupportedPloidy {
        /// 1-based number of the sample in the file.
        sample: usize,
        /// Its ploidy.
        ploidy: u8,
    },
    /// More alleles than an `i16` can number.
    #[error(
        "{alleles} alleles; genotypes are read for at most {} alleles",
        i16::MAX
    )]
    TooManyAlleles {
        /// Number of alleles.
        alleles: usize,
    },
    /// The `.bgi` index is of another or an older file.
    #[error(
        "this index does not fit {}: {what} is {found} here and {expected} there; make it again \
         with `bgenix -g FILE.bgen -index -clobber` or delete it", bgen.display()
    )]
    StaleIndex {
        /// The BGEN file.
        bgen: PathBuf,
        /// What differs.
        what: &'static str,
        /// Value of the BGEN file.
        expected: u64,
        /// Value of the index.
        found: u64,
    },
    /// The `.bgi` index states another beginning of the file.
    #[error(
        "this index does not fit {}: the first bytes differ; make it again with `bgenix -g \
         FILE.bgen -index -clobber` or delete it", bgen.display()
    )]
    StaleIndexBytes {
        /// The BGEN file.
        bgen: PathBuf,
    },
    /// The `.bgi` index is not a readable `SQLite` 3 database with the table `Variant`.
    #[error("not a usable bgenix index: {what}; delete it or make it again")]
    DamagedIndex {
        /// What is wrong with the database.
        what: &'static str,
    },
    /// A variant is not the one that the index lists.
    #[error("{what} is not the one of the index; make the index again")]
    IndexMismatch {
        /// The field.
        what: &'static str,
    },
    /// The cached index cannot be written.
    #[error("the cached index cannot be written: {0}")]
    Cache(#[from] gf_files::output::Error),
    /// No such variant.
    #[error("no variant number {number}; the file has {variants}")]
    NoSuchVariant {
        /// 1-based number asked for.
        number: u64,
        /// Number of variants.
        variants: u64,
    },
    /// No such sample.
    #[error("no sample number {number}; the file has {samples}")]
    NoSuchSample {
        /// 1-based number asked for.
        number: usize,
        /// Number of samples.
        samples: usize,
    },
    /// A sample was selected twice.
    #[error("sample number {number} is selected twice")]
    SelectedTwice {
        /// 1-based number of the sample.
        number: usize,
    },
    /// A threshold that no single genotype could reach, or that two could.
    #[error("call threshold {threshold} must be above 0.5 and at most 1")]
    Threshold {
        /// The threshold asked for.
        threshold: f64,
    },
}
