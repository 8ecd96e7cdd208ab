//! What can be wrong with a PLINK fileset.

use std::{fmt, io, path::PathBuf};

/// What can be wrong with a PLINK fileset. Each message names the file, the place and the finding.
#[derive(Debug, thiserror::Error)]
pub enum PgenError {
    /// The operating system could not read the file.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's or the decompressor's error.
        source: io::Error,
    },
    /// A companion file does not exist.
    #[error("{}: none of its companion files exists: {}", path.display(), joined(tried))]
    NoCompanion {
        /// The genotype file.
        path: PathBuf,
        /// The names that were tried.
        tried: Vec<PathBuf>,
    },
    /// The first two bytes do not belong to the format.
    #[error(
        "{}: a PGEN or BED file starts with the bytes [6c, 1b]; this file starts with {found:02x?}",
        path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: [u8; 2],
    },
    /// A BED file that is stored sample by sample.
    #[error(
        "{}: sample-major BED; convert it with `plink2 --bfile ... --make-bed`",
        path.display()
    )]
    SampleMajor {
        /// The file.
        path: PathBuf,
    },
    /// The third byte is none that this reader knows.
    #[error(
        "{}: storage mode {mode:#04x} is unknown; convert it with `plink2 --make-pgen`",
        path.display()
    )]
    StorageMode {
        /// The file.
        path: PathBuf,
        /// The third byte.
        mode: u8,
    },
    /// The header contradicts itself, its companions or the size of the file.
    #[error("{}: header: {fault}", path.display())]
    Header {
        /// The PGEN file or its index.
        path: PathBuf,
        /// What is wrong.
        fault: HeaderFault,
    },
    /// A line of a companion file is wrong.
    #[error("{}: line {line}: {fault}", path.display())]
    Line {
        /// The companion file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// What is wrong.
        fault: LineFault,
    },
    /// A variant's record is damaged or of an unsupported form.
    #[error("{}: record of variant {number}: {fault}", path.display())]
    Record {
        /// The PGEN file.
        path: PathBuf,
        /// 1-based number of the variant in the file.
        number: usize,
        /// What is wrong.
        fault: RecordFault,
    },
    /// A variant that the file does not have.
    #[error("{}: variant index {index} of {variants} variants (counted from 0)", path.display())]
    NoSuchVariant {
        /// The PGEN file.
        path: PathBuf,
        /// The 0-based index asked for.
        index: usize,
        /// Number of variants.
        variants: usize,
    },
    /// A selected sample that the file does not have.
    #[error("{}: sample index {index} of {samples} samples (counted from 0)", path.display())]
    NoSuchSample {
        /// The PGEN file.
        path: PathBuf,
        /// The 0-based index asked for.
        index: usize,
        /// Number of samples.
        samples: usize,
    },
    /// A sample that is selected twice.
    #[error("{}: sample index {index} is selected twice", path.display())]
    SelectedTwice {
        /// The PGEN file.
        path: PathBuf,
        /// The 0-based index.
        index: usize,
    },
}

impl PgenError {
    pub(super) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }

    pub(super) fn header(path: impl Into<PathBuf>, fault: HeaderFault) -> Self {
        Self::Header {
            path: path.into(),
            fault,
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

/// What can be wrong with a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The file is shorter than its header.
    #[error("it has {expected} bytes, but the file has {found}; is the file truncated?")]
    Truncated {
        /// Bytes of the header.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The size of a file with records of one width is not the one that follows from the header.
    #[error(
        "{variants} variants of {samples} samples need {expected} bytes, but the file has {found}; \
         is it truncated, or of another fileset than its companions?"
    )]
    FileSize {
        /// Number of variants.
        variants: usize,
        /// Number of samples.
        samples: usize,
        /// Bytes that the file should have.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The external index is not an index.
    #[error("an index has storage mode {expected:#04x}; this file has {found:#04x}")]
    IndexMode {
        /// The mode that belongs to the PGEN file.
        expected: u8,
        /// The mode found.
        found: u8,
    },
    /// Reserved bits of the format byte.
    #[error("format byte {found:#04x} is unknown or does not fit the storage mode")]
    FormatByte {
        /// The twelfth byte.
        found: u8,
    },
    /// The number of variants is not that of the companion file.
    #[error("it has {found} variants, but {} has {expected}", companion.display())]
    Variants {
        /// PVAR or BIM.
        companion: PathBuf,
        /// Variants of the companion.
        expected: usize,
        /// Variants of the header.
        found: usize,
    },
    /// The number of samples is not that of the companion file.
    #[error("it has {found} samples, but {} has {expected}", companion.display())]
    Samples {
        /// PSAM or FAM.
        companion: PathBuf,
        /// Samples of the companion.
        expected: usize,
        /// Samples of the header.
        found: usize,
    },
    /// The number of alleles of a variant is not that of the companion file.
    #[error("variant {number} has {found} alleles, but {} has {expected}", companion.display())]
    Alleles {
        /// PVAR or BIM.
        companion: PathBuf,
        /// 1-based number of the variant.
        number: usize,
        /// Alleles in the companion, REF included.
        expected: usize,
        /// Alleles in the header, REF included.
        found: usize,
    },
    /// A block of records starts inside the header or inside the block before.
    #[error("block {block} of the variants starts at byte {found}; it cannot start before {least}")]
    BlockStart {
        /// 1-based number of the block of 65,536 variants.
        block: usize,
        /// First byte that the block may have.
        least: u64,
        /// Its first byte, counted from 0.
        found: u64,
    },
    /// The records go past the end of the file.
    #[error(
        "record of variant {number} ends at byte {end}, but the file has {found}; is it truncated?"
    )]
    RecordEnd {
        /// 1-based number of the variant.
        number: usize,
        /// Where the record should end.
        end: u64,
        /// Bytes of the file.
        found: u64,
    },
}

/// What can be wrong with a line of a PVAR, BIM, PSAM or FAM file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Text of another encoding, or not text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// Longer than any real line.
    #[error("it has more than {limit} bytes")]
    TooLong {
        /// The longest line that is read.
        limit: u64,
    },
    /// Fewer fields than the header line names.
    #[error("it has {found} fields; at least {expected} are needed")]
    Fields {
        /// Number of fields up to the last one that is used.
        expected: usize,
        /// Number of fields found.
        found: usize,
    },
    /// A column is missing in the header line.
    #[error("the header line has no column `{column}`")]
    Column {
        /// The column.
        column: &'static str,
    },
    /// A position that is no whole number from 0 to 2^32 - 1.
    #[error("position `{found}` is not a whole number from 0 to 4294967295")]
    Position {
        /// The text found.
        found: String,
    },
    /// More alleles than allele numbers.
    #[error("it has {found} ALT alleles; at most {limit} are supported")]
    Alleles {
        /// Number of ALT alleles.
        found: usize,
        /// The largest number supported.
        limit: usize,
    },
    /// Two samples with one id.
    #[error("sample `{id}` occurs twice; give every sample an IID of its own")]
    DuplicateSample {
        /// The individual id.
        id: String,
    },
    /// More lines than a PGEN file can have variants or samples.
    #[error("more than {limit} lines")]
    Lines {
        /// The largest number of lines.
        limit: usize,
    },
}

/// Part of a variant record, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// REF, heterozygous, ALT and missing calls.
    Main,
    /// Calls with one REF and another ALT than the first (track 1).
    RefAlt,
    /// Calls with two ALT alleles, not both the first (track 1).
    AltAlt,
    /// Phase of heterozygous calls (track 2).
    Phase,
    /// Which samples have dosages (track 3).
    DosageSamples,
    /// Dosages (track 4).
    Dosages,
    /// Which dosages are phased (track 7).
    PhasedDosageSamples,
    /// Phased dosages (track 8).
    PhasedDosages,
}

impl fmt::Display for Track {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Main => "main track",
            Self::RefAlt => "track 1 (REF with another ALT)",
            Self::AltAlt => "track 1 (two ALTs)",
            Self::Phase => "track 2 (phase)",
            Self::DosageSamples => "track 3 (samples with dosages)",
            Self::Dosages => "track 4 (dosages)",
            Self::PhasedDosageSamples => "track 7 (samples with phased dosages)",
            Self::PhasedDosages => "track 8 (phased dosages)",
        })
    }
}

/// What can be wrong with a variant record. Samples are counted from 0 in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The record ends inside a track.
    #[error("{track}: {expected} more bytes are needed, {found} are left")]
    Truncated {
        /// The track.
        track: Track,
        /// Bytes needed.
        expected: usize,
        /// Bytes left.
        found: usize,
    },
    /// The record continues after its last track.
    #[error("its tracks have {expected} bytes, the record has {found}")]
    TrailingBytes {
        /// Bytes of the tracks.
        expected: usize,
        /// Bytes of the record.
        found: usize,
    },
    /// A reserved record type, or a combination of bits that has no meaning.
    #[error("record type {found:#04x} has no meaning")]
    RecordType {
        /// The record type.
        found: u8,
    },
    /// Differences from an earlier record, at the start of a block.
    #[error("record type {found:#04x} refers to an earlier record, but a block starts here")]
    NoEarlierRecord {
        /// The record type.
        found: u8,
    },
    /// The byte that names the two most common categories.
    #[error("main track: {found} does not name two genotype categories")]
    CategoryPair {
        /// The byte.
        found: u8,
    },
    /// A number of variable length that does not end within 32 bits.
    #[error("{track}: a number has more than 32 bits")]
    Varint {
        /// The track.
        track: Track,
    },
    /// A list that cannot be as long as it claims.
    #[error("{track}: a list of {found} samples, of which {limit} are possible")]
    ListLength {
        /// The track.
        track: Track,
        /// Length of the list.
        found: usize,
        /// Samples, or bytes left.
        limit: usize,
    },
    /// A list that names a sample that the file does not have, or names samples out of order.
    #[error("{track}: sample {found} in a list; expected one from {least} to {most}")]
    ListSample {
        /// The track.
        track: Track,
        /// The sample.
        found: u64,
        /// The sample after the one before.
        least: u64,
        /// The last sample that is possible.
        most: u64,
    },
    /// A group of a list has another size than the list claims.
    #[error("{track}: group {group} of a list has {found} bytes instead of {expected}")]
    ListGroup {
        /// The track.
        track: Track,
        /// 1-based number of the group.
        group: usize,
        /// The size that the list claims.
        expected: usize,
        /// The size found.
        found: usize,
    },
    /// A reserved format of the multiallelic tracks.
    #[error("{track}: format {found} is reserved")]
    PatchFormat {
        /// The track.
        track: Track,
        /// The format.
        found: u8,
    },
    /// A listed sample whose main call has another category.
    #[error(
        "{track}: sample {sample} is listed, but its call in the main track does not belong there"
    )]
    PatchSample {
        /// The track.
        track: Track,
        /// The sample.
        sample: u32,
    },
    /// An allele number above that of the last allele, or two in the wrong order.
    #[error(
        "{track}: sample {sample} has allele numbers {found:?}; the last allele has number {most}"
    )]
    Alleles {
        /// The track.
        track: Track,
        /// The sample.
        sample: u32,
        /// The allele numbers.
        found: [u32; 2],
        /// The largest allele number.
        most: u32,
    },
    /// Dosages of a variant with more than one ALT allele. Their tracks are not specified yet.
    #[error(
        "the format of dosages of a variant with {alleles} alleles is not specified; \
         remove them with `plink2 --make-pgen erase-dosage`"
    )]
    MultiallelicDosages {
        /// Number of alleles.
        alleles: usize,
    },
    /// A dosage outside 0 to 2.
    #[error("{track}: sample {sample} has the value {found}, which is no dosage")]
    Dosage {
        /// The track.
        track: Track,
        /// The sample.
        sample: u32,
        /// The number in the file.
        found: i32,
    },
}
