//! The reference FASTA, plain or bgzipped, with or without an index (`.fai`, `.gzi`).
//!
//! Input -> output: a path and 0-based half-open intervals -> upper-case bases. A record named
//! `contig:beg-end` (1-based inclusive, as `samtools faidx` writes it) is that slice of `contig`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    Error, Position0, Range0, builds_of_length, contig_aliases, contig_key,
    faidx::IndexedFasta,
    parse_region, same_contig, sidecar_path, tell_different_builds,
    variants::{Compression, Decompression, Input},
};

/// Why a FASTA cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceProblem {
    /// A FASTA that is too large to be read into memory.
    #[error(
        "no index next to this large FASTA; make one with `samtools faidx {}`",
        fasta.display()
    )]
    LargeWithoutIndex {
        /// The FASTA.
        fasta: PathBuf,
    },
    /// A contig has the length of another build than in a VCF header.
    #[error(
        "contig `{contig}` has {len_nt} nt here, as in {}, but {stated_nt} nt in the header of {}, \
         as in {stated_in}. The files are of different genome builds; give the FASTA of \
         {stated_in}",
        here_in.join(" and "),
        vcf.display(),
        stated_in = stated_in.join(" and ")
    )]
    OtherBuildThanVcf {
        /// The contig.
        contig: String,
        /// Length in the FASTA.
        len_nt: usize,
        /// Builds of this length.
        here_in: Vec<&'static str>,
        /// Length in the VCF header.
        stated_nt: usize,
        /// The VCF.
        vcf: PathBuf,
        /// Builds of the length in the VCF header.
        stated_in: Vec<&'static str>,
    },
    /// The sequence name of a contig is that of another build.
    #[error(
        "contig `{here}` here is of another genome build than `{contig}`; use files of one build"
    )]
    OtherBuildThanContig {
        /// Name in the FASTA.
        here: String,
        /// Name in the other file.
        contig: String,
    },
    /// A record without an index.
    #[error("no index")]
    NoIndex,
    /// An interval that the FASTA does not contain.
    #[error("{region} is not inside this FASTA, which contains {}", available.join(", "))]
    Outside {
        /// The interval as `contig:beg-end`.
        region: String,
        /// Intervals of the contig in the FASTA.
        available: Vec<String>,
    },
    /// A VCF in place of a FASTA.
    #[error(
        "this is a VCF file, and a FASTA starts with a `>` line. Are --vcf and --reference swapped?"
    )]
    Vcf,
    /// Another text in place of a FASTA.
    #[error("a FASTA starts with a `>` line")]
    NotFasta,
    /// A FASTA without a record.
    #[error("no sequence in this FASTA")]
    NoSequence,
    /// Two records of one name.
    #[error(
        "contig `{name}` is in this FASTA twice (first at line {first}); keep one of the two \
         records"
    )]
    ContigTwice {
        /// Name of the contig.
        name: String,
        /// 1-based line of the first record.
        first: u64,
    },
    /// A byte that is not a base.
    #[error("`{}` is not a base", char::from(*byte).escape_default())]
    NotBase {
        /// The byte.
        byte: u8,
    },
}

/// Largest FASTA without an index (bytes on disk): it is read into memory.
const UNINDEXED_LIMIT_BYTES: u64 = 512 << 20;

/// One FASTA record, as a slice of a contig.
#[derive(Clone, Debug)]
struct Slice {
    record_name: String,
    contig: String,
    range: Range0,
    /// The record is the whole contig, so the length of `range` is that of the contig.
    whole: bool,
    /// Bases, upper-case, if the file is in memory.
    bases: Option<Vec<u8>>,
}

/// An open reference.
pub struct Reference {
    path: PathBuf,
    slices: Vec<Slice>,
    /// Its records are [`Self::slices`], in the same order.
    indexed: Option<IndexedFasta>,
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reference")
            .field("path", &self.path)
            .field("n_records", &self.slices.len())
            .finish_non_exhaustive()
    }
}

impl Reference {
    /// Opens a FASTA with its `.fai` (and `.gzi` if bgzipped), or reads a small file into memory.
    ///
    /// # Errors
    /// An unreadable or empty file, a malformed index, or a large file without an index.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let compression = Input::open(path, Decompression::Inline)?.compression();
        let fai = sidecar_path(path, ".fai");
        let gzi = sidecar_path(path, ".gzi");
        let is_indexed = match compression {
            Compression::None => fai.exists(),
            Compression::Bgzf => fai.exists() && gzi.exists(),
            Compression::Gzip => false,
        };
        if is_indexed {
            let fasta = IndexedFasta::open(path, compression == Compression::Bgzf)?;
            let slices = fasta
                .records
                .iter()
                .map(|record| Slice::new(record.name.clone(), record.len_nt as usize, None))
                .collect();
            return Ok(Self {
                path: path.into(),
                slices,
                indexed: Some(fasta),
            });
        }
        let size_bytes = path.metadata().map_err(Error::io(path))?.len();
        if size_bytes > UNINDEXED_LIMIT_BYTES {
            let fasta = path.to_path_buf();
            return Err(Error::file(
                path,
                ReferenceProblem::LargeWithoutIndex { fasta },
            ));
        }
        let slices = read_all(path)?;
        Ok(Self {
            path: path.into(),
            slices,
            indexed: None,
        })
    }

    /// The file that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contig and the range of each record of this FASTA, in file order.
    pub fn intervals(&self) -> impl Iterator<Item = (&str, Range0)> {
        self.slices
            .iter()
            .map(|slice| (slice.contig.as_str(), slice.range))
    }

    /// Length of `contig` (or its alias); `None` if the FASTA has only a slice of it.
    #[must_use]
    pub fn contig_len_nt(&self, contig: &str) -> Option<usize> {
        let name = self.resolve(contig).ok()?;
        self.slices
            .iter()
            .find(|slice| slice.whole && slice.contig == name)
            .map(|slice| slice.range.len_nt())
    }

    /// The name of `contig`, given in any spelling, in this FASTA.
    ///
    /// # Errors
    /// An unknown contig.
    pub fn resolve(&self, contig: &str) -> Result<String, Error> {
        let by_name = self.slices.iter().find(|slice| slice.contig == contig);
        let slice = by_name
            .or_else(|| {
                self.slices
                    .iter()
                    .find(|slice| same_contig(&slice.contig, contig))
            })
            .ok_or_else(|| self.unknown_contig(contig))?;
        Ok(slice.contig.clone())
    }

    /// Compares the length that the header of `vcf` states for a contig with the length here.
    ///
    /// Stated lengths are unreliable: some programs write the position of the last variant or the
    /// largest integer. A difference is therefore only a warning; REF of every record is compared
    /// with the FASTA anyway.
    ///
    /// # Errors
    /// The two lengths are those of the chromosome in different builds.
    pub fn check_claim(
        &self,
        vcf: &Path,
        contig: &str,
        stated_nt: usize,
    ) -> Result<Option<String>, Error> {
        let Some(len_nt) = self
            .contig_len_nt(contig)
            .filter(|len_nt| *len_nt != stated_nt)
        else {
            return Ok(None);
        };
        let stated_in = builds_of_length(contig, stated_nt);
        let here_in = builds_of_length(contig, len_nt);
        if stated_in.is_empty()
            || here_in.is_empty()
            || stated_in.iter().any(|build| here_in.contains(build))
        {
            let fasta = self.path.display();
            return Ok(Some(format!(
                "{}: contig `{contig}` has {stated_nt} nt in the header, but {len_nt} nt in \
                 {fasta}. The header is ignored, and REF of every record is compared with the \
                 FASTA",
                vcf.display()
            )));
        }
        let problem = ReferenceProblem::OtherBuildThanVcf {
            contig: contig.to_owned(),
            len_nt,
            here_in,
            stated_nt,
            vcf: vcf.to_path_buf(),
            stated_in,
        };
        Err(Error::file(&self.path, problem))
    }

    /// The human genome builds in which the contigs have their lengths here; none if unknown.
    #[must_use]
    pub fn builds(&self) -> Vec<&'static str> {
        let whole = self.slices.iter().filter(|slice| slice.whole);
        let mut known = whole
            .map(|slice| builds_of_length(&slice.contig, slice.range.len_nt()))
            .filter(|builds| builds.len() == 1);
        known.next().unwrap_or_default()
    }

    /// The range of the FASTA record that covers `range` of a contig.
    ///
    /// # Errors
    /// An unknown contig, or a range that no record covers.
    pub fn covering(&self, contig: &str, range: Range0) -> Result<Range0, Error> {
        Ok(self.slice(contig, range)?.range)
    }

    /// Upper-case bases of `range` of `contig`.
    ///
    /// # Errors
    /// An unknown contig, a range outside the FASTA, or a read error.
    pub fn fetch(&mut self, contig: &str, range: Range0) -> Result<Vec<u8>, Error> {
        let slice = self.slice(contig, range)?;
        let from = range.start - slice.range.start;
        let to = range.end - slice.range.start;
        if let Some(bases) = &slice.bases {
            return Ok(bases[from..to].to_vec());
        }
        if from == to {
            return Ok(Vec::new());
        }
        let number = self
            .slices
            .iter()
            .position(|other| std::ptr::eq(other, slice));
        match (number, self.indexed.as_mut()) {
            (Some(number), Some(fasta)) => fasta.bases(number, from, to),
            _ => Err(Error::file(&self.path, ReferenceProblem::NoIndex)),
        }
    }

    fn slice(&self, contig: &str, range: Range0) -> Result<&Slice, Error> {
        let name = self.resolve(contig)?;
        let slices_of_contig = self.slices.iter().filter(|slice| slice.contig == name);
        if let Some(covering) = slices_of_contig
            .clone()
            .find(|slice| slice.range.covers(range))
        {
            return Ok(covering);
        }
        let available: Vec<String> = slices_of_contig
            .take(4)
            .map(|slice| format!("{}:{}", slice.contig, slice.range))
            .collect();
        let problem = ReferenceProblem::Outside {
            region: format!("{contig}:{range}"),
            available,
        };
        Err(Error::file(&self.path, problem))
    }

    fn unknown_contig(&self, contig: &str) -> Error {
        let of_other_build = self
            .slices
            .iter()
            .find(|slice| tell_different_builds(&slice.contig, contig));
        if let Some(slice) =
            of_other_build.filter(|slice| contig_key(&slice.contig) == contig_key(contig))
        {
            let problem = ReferenceProblem::OtherBuildThanContig {
                here: slice.contig.clone(),
                contig: contig.to_owned(),
            };
            return Error::file(&self.path, problem);
        }
        let names: Vec<&str> = self
            .slices
            .iter()
            .take(4)
            .map(|slice| slice.record_name.as_str())
            .collect();
        let more = if self.slices.len() > 4 { ", ..." } else { "" };
        Error::UnknownContig {
            path: self.path.clone(),
            contig: contig.into(),
            tried: contig_aliases(contig).join(", "),
            available: format!("{}{more}", names.join(", ")),
        }
    }
}

impl Slice {
    fn new(record_name: String, len_nt: usize, bases: Option<Vec<u8>>) -> Self {
        match parse_region(&record_name) {
            Some((contig, range)) if range.len_nt() == len_nt => Self {
                record_name,
                contig,
                range,
                whole: false,
                bases,
            },
            _ => Self {
                contig: record_name.clone(),
                record_name,
                range: Range0::with_len(Position0::FIRST, len_nt),
                whole: true,
                bases,
            },
        }
    }
}

/// The problem of a file with this first line, which is not a FASTA.
fn not_a_fasta(line: &[u8]) -> ReferenceProblem {
    if line.starts_with(b"##fileformat=VCF") {
        ReferenceProblem::Vcf
    } else {
        ReferenceProblem::NotFasta
    }
}

/// Reads a FASTA without an index into memory.
fn read_all(path: &Path) -> Result<Vec<Slice>, Error> {
    let mut input = Input::open(path, Decompression::Ahead)?;
    let mut records = FastaRecords::default();
    let mut line = Vec::new();
    for number in 1.. {
        if !input.read_line(&mut line)? {
            break;
        }
        records
            .add_line(number, line.trim_ascii_end())
            .map_err(|problem| Error::line(path, number, problem))?;
    }
    if records.bases.is_empty() {
        return Err(Error::file(path, ReferenceProblem::NoSequence));
    }
    Ok(records
        .bases
        .into_iter()
        .map(|(name, bases)| Slice::new(name, bases.len(), Some(bases)))
        .collect())
}

/// The records of a FASTA so far.
#[derive(Default)]
struct FastaRecords {
    /// Name and upper-case bases of each record.
    bases: Vec<(String, Vec<u8>)>,
    /// Line of the definition of each record, by its name.
    line_of: HashMap<String, u64>,
}

impl FastaRecords {
    fn add_line(&mut self, number: u64, text: &[u8]) -> Result<(), ReferenceProblem> {
        if let Some(definition) = text.strip_prefix(b">") {
            let name_bytes = definition
                .split(u8::is_ascii_whitespace)
                .next()
                .unwrap_or_default();
            let name = String::from_utf8_lossy(name_bytes).into_owned();
            if let Some(first) = self.line_of.insert(name.clone(), number) {
                return Err(ReferenceProblem::ContigTwice { name, first });
            }
            self.bases.push((name, Vec::new()));
        } else if let Some((_, bases)) = self.bases.last_mut() {
            let bad = text
                .iter()
                .find(|base| !base.is_ascii_alphabetic() && **base != b'*' && **base != b'-');
            if let Some(bad) = bad {
                return Err(ReferenceProblem::NotBase { byte: *bad });
            }
            bases.extend(text.iter().map(u8::to_ascii_uppercase));
        } else if !text.is_empty() {
            return Err(not_a_fasta(text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn fasta(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reference.fa");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_slice_keeps_the_coordinates_of_its_contig() {
        let (_folder, path) = fasta(">chr19:101-108 x\nacgT\nACGT\n");
        let mut reference = Reference::open(&path).unwrap();
        assert_eq!(
            reference
                .fetch("19", Range0::from_zero_based(100, 104))
                .unwrap(),
            b"ACGT"
        );
        assert_eq!(
            reference
                .fetch("chr19", Range0::from_zero_based(106, 108))
                .unwrap(),
            b"GT"
        );
        let message = reference
            .fetch("chr19", Range0::from_zero_based(99, 104))
            .unwrap_err()
            .to_string();
        assert!(message.contains("chr19:101-108"), "{message}");
    }

    #[test]
    fn a_name_that_only_looks_like_a_slice_is_a_plain_name() {
        let (_folder, path) = fasta(">chr19:101-200\nACGT\n");
        let mut reference = Reference::open(&path).unwrap();
        assert_eq!(
            reference
                .fetch("chr19:101-200", Range0::from_zero_based(1, 3))
                .unwrap(),
            b"CG"
        );
    }

    #[test]
    fn an_unknown_contig_is_an_error_with_the_names() {
        let (_folder, path) = fasta(">chr1\nACGT\n");
        let reference = Reference::open(&path).unwrap();
        let message = reference.resolve("7").unwrap_err().to_string();
        assert!(
            message.contains("`7`") && message.contains("chr7") && message.contains("chr1"),
            "{message}"
        );
        assert_eq!(reference.resolve("1").unwrap(), "chr1");
    }

    #[test]
    fn a_stated_length_is_believed_only_where_it_is_of_a_known_build() {
        let (folder, path) = fasta(">chr1\nACGT\n");
        let piece = Reference::open(&path).unwrap();
        let vcf = Path::new("a.vcf");
        assert_eq!(piece.check_claim(vcf, "1", 4).unwrap(), None);
        for stated_nt in [6, 2_147_483_647, 248_956_422] {
            let warning = piece.check_claim(vcf, "1", stated_nt).unwrap().unwrap();
            assert!(
                warning.contains(&format!("a.vcf: contig `1` has {stated_nt} nt")),
                "{warning}"
            );
        }
        // An index is enough to know the lengths.
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b">chr21\nA\n").unwrap();
        drop(file);
        let whole = Reference {
            path: path.clone(),
            slices: vec![Slice::new("chr21".into(), 46_709_983, None)],
            indexed: None,
        };
        assert_eq!(whole.builds(), ["GRCh38"]);
        let message = whole
            .check_claim(vcf, "21", 48_129_895)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("as in GRCh38")
                && message.contains("as in GRCh37")
                && message.contains("different genome builds"),
            "{message}"
        );
        assert!(
            whole
                .check_claim(vcf, "21", 2_147_483_647)
                .unwrap()
                .is_some()
        );
        drop(folder);
    }

    #[test]
    fn a_contig_that_is_there_twice_is_refused() {
        let (folder, path) = fasta(">a x\nACGT\n>b\nAC\n>a y\nTTTT\n");
        refuses(
            &path,
            &[
                "reference.fa: line 5",
                "contig `a` is in this FASTA twice (first at line 1)",
            ],
        );
        // samtools omits the second one from the index.
        let fai = folder.path().join("reference.fa.fai");
        std::fs::write(&fai, "a\t4\t5\t4\t5\nb\t2\t13\t2\t3\n").unwrap();
        refuses(
            &path,
            &[
                "reference.fa.fai",
                "contig `b`",
                "more text after it",
                "samtools faidx",
            ],
        );
        std::fs::write(&fai, "a\t4\t5\t4\t5\nb\t2\t13\t2\t3\na\t4\t21\t4\t5\n").unwrap();
        refuses(
            &path,
            &[
                "reference.fa.fai",
                "contig `a` is listed twice (lines 1 and 3)",
            ],
        );
    }

    /// Checks that a FASTA is refused with a message that contains all of `expected`.
    #[track_caller]
    fn refuses(path: &Path, expected: &[&str]) {
        let message = Reference::open(path).unwrap_err().to_string();
        assert!(
            expected.iter().all(|part| message.contains(part)),
            "{message}"
        );
    }

    #[test]
    fn an_index_of_another_version_of_the_file_is_refused_by_name() {
        let fai = "a\t10\t3\t10\t11\nb\t7\t17\t5\t6\n";
        let fitting = ">a\nACGTACGTAC\n>b\nTTTTT\nGG\n";
        let cases = [
            (
                "a contig in front",
                ">c\nAC\n>a\nACGTACGTAC\n>b\nTTTTT\nGG\n",
            ),
            (
                "lines wrapped differently",
                ">a\nACGTA\nCGTAC\n>b\nTTTTT\nGG\n",
            ),
            (
                "lines wrapped differently, as many bytes",
                ">a\nACGTACGTAC\n>b\nTTT\nTTGG\n",
            ),
            ("another name", ">x\nACGTACGTAC\n>b\nTTTTT\nGG\n"),
            ("a later contig", ">a\nACGTACGTAC\n>b\nTTTTT\nGG\n>c\nA\n"),
            ("cut", ">a\nACGTACGTAC\n>b\nTTT"),
            ("CRLF", ">a\r\nACGTACGTAC\r\n>b\r\nTTTTT\r\nGG\r\n"),
        ];
        assert_eq!(read_b(fitting, fai).unwrap(), "TTTTTGG");
        assert_eq!(
            read_b(&fitting.replace("TTTTT", "CCCCC"), fai).unwrap(),
            "CCCCCGG",
            "other bases, same layout"
        );
        for (name, text) in cases {
            let message = read_b(text, fai).unwrap_err();
            assert!(
                message.contains("reference.fa.fai: the index does not fit")
                    && message.contains("samtools faidx"),
                "{name}: {message}"
            );
        }
    }

    /// Contig `b` of a FASTA that is read through an index.
    fn read_b(text: &str, fai: &str) -> Result<String, String> {
        let (folder, path) = fasta(text);
        std::fs::write(folder.path().join("reference.fa.fai"), fai).unwrap();
        let mut reference = Reference::open(&path).map_err(|error| error.to_string())?;
        let bases = reference
            .fetch("b", Range0::from_zero_based(0, 7))
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8(bases).unwrap())
    }

    #[test]
    fn an_index_beside_the_file_gives_the_same_bases() {
        let (folder, path) = fasta(">a\nACGTA\nCG\n>b\nTTTTT\nGG\n");
        let by_memory = Reference::open(&path)
            .unwrap()
            .fetch("b", Range0::from_zero_based(3, 7))
            .unwrap();
        std::fs::write(
            folder.path().join("reference.fa.fai"),
            "a\t7\t3\t5\t6\nb\t7\t15\t5\t6\n",
        )
        .unwrap();
        let mut reference = Reference::open(&path).unwrap();
        assert!(reference.indexed.is_some());
        assert_eq!(
            reference.fetch("b", Range0::from_zero_based(3, 7)).unwrap(),
            by_memory
        );
        assert_eq!(by_memory, b"TTGG");
    }

    /// A bgzipped FASTA with its `.fai`.
    struct Bgzipped {
        path: PathBuf,
        bases: Vec<u8>,
        /// Compressed and uncompressed offsets of the blocks after the first.
        blocks: Vec<(u64, u64)>,
    }

    /// Writes 9,000 bases in blocks of 1,000 bytes.
    fn bgzipped(folder: &Path, seed: usize) -> Bgzipped {
        let bases: Vec<u8> = (0..9_000)
            .map(|index| b"ACGT"[(index * index / 7 + index / seed) % 4])
            .collect();
        let path = folder.join(format!("reference{seed}.fa.gz"));
        let mut writer = noodles::bgzf::io::Writer::new(Vec::new());
        let mut blocks = Vec::new();
        let text = [b">a\n", &bases[..], b"\n"].concat();
        for block in text.chunks(1_000) {
            writer.write_all(block).unwrap();
            writer.flush().unwrap();
            blocks.push((
                writer.get_ref().len() as u64,
                blocks.last().map_or(0, |&(_, end): &(u64, u64)| end) + block.len() as u64,
            ));
        }
        std::fs::write(&path, writer.finish().unwrap()).unwrap();
        std::fs::write(
            folder.join(format!("reference{seed}.fa.gz.fai")),
            "a\t9000\t3\t9000\t9001\n",
        )
        .unwrap();
        Bgzipped {
            path,
            bases,
            blocks,
        }
    }

    fn write_gzi(path: &Path, blocks: &[(u64, u64)]) {
        let mut bytes = (blocks.len() as u64).to_le_bytes().to_vec();
        bytes.extend(
            blocks
                .iter()
                .flat_map(|&(a, b)| [a, b])
                .flat_map(u64::to_le_bytes),
        );
        std::fs::write(format!("{}.gzi", path.display()), bytes).unwrap();
    }

    #[test]
    fn a_bgzipped_fasta_is_read_with_and_without_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let Bgzipped {
            path,
            bases,
            blocks,
        } = bgzipped(folder.path(), 3);
        let mut by_memory = Reference::open(&path).unwrap();
        assert!(by_memory.indexed.is_none());
        assert_eq!(
            by_memory
                .fetch("a", Range0::from_zero_based(1_500, 6_400))
                .unwrap(),
            bases[1_500..6_400]
        );
        // The last block may be in the index, the end-of-file block as well.
        for n_blocks in [blocks.len() - 1, blocks.len()] {
            write_gzi(&path, &blocks[..n_blocks]);
            let mut indexed = Reference::open(&path).unwrap();
            assert!(indexed.indexed.is_some());
            assert_eq!(
                indexed
                    .fetch("a", Range0::from_zero_based(1_500, 6_400))
                    .unwrap(),
                bases[1_500..6_400]
            );
            assert_eq!(
                indexed
                    .fetch("a", Range0::from_zero_based(8_990, 9_000))
                    .unwrap(),
                bases[8_990..]
            );
        }
    }

    #[test]
    fn a_wrong_gzi_and_a_cut_fasta_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let Bgzipped { path, blocks, .. } = bgzipped(folder.path(), 3);
        let blocks_of_another = bgzipped(folder.path(), 5).blocks;
        assert_ne!(blocks, blocks_of_another);
        write_gzi(&path, &blocks_of_another);
        let name = "reference3.fa.gz";
        refuses(
            &path,
            &[
                name,
                ".gzi: this index does not fit the FASTA because it belongs to another file; make \
                 it again with `samtools faidx",
            ],
        );
        let mut shifted = blocks.clone();
        shifted[4].1 += 1;
        for wrong in [&shifted[..], &blocks[..2], &[], &[(1, 1), (0, 0)]] {
            write_gzi(&path, wrong);
            refuses(&path, &[name, ".gzi: this index does not fit the FASTA"]);
        }
        std::fs::write(format!("{}.gzi", path.display()), [1, 2, 3]).unwrap();
        refuses(&path, &[name, "it is damaged"]);
        std::fs::write(format!("{}.fai", path.display()), "a\tmany\n").unwrap();
        write_gzi(&path, &blocks);
        refuses(&path, &[name, ".fai: the index is damaged"]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 28]).unwrap();
        refuses(&path, &[name, "truncated"]);
    }

    #[test]
    fn a_gzipped_fasta_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reference.fa.gz");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b">a\nACGT\n").unwrap();
        std::fs::write(&path, gzip.finish().unwrap()).unwrap();
        assert_eq!(
            Reference::open(&path)
                .unwrap()
                .fetch("a", Range0::from_zero_based(1, 4))
                .unwrap(),
            b"CGT"
        );
    }

    #[test]
    fn a_contig_is_found_by_any_of_its_names_but_not_in_another_build() {
        let (_folder, path) = fasta(">NC_000001.11\nACGT\n>23\nTTTT\n");
        let reference = Reference::open(&path).unwrap();
        for name in ["1", "chr1", "CHR01", "1.0", "NC_000001.11", "CM000663.2"] {
            assert_eq!(reference.resolve(name).unwrap(), "NC_000001.11", "{name}");
        }
        assert_eq!(reference.resolve("chrX").unwrap(), "23");
        let message = reference.resolve("NC_000001.10").unwrap_err().to_string();
        assert!(
            message.contains("another genome build than `NC_000001.10`"),
            "{message}"
        );
    }
}
