//! The header of a VCF or BCF file: samples, contigs, and the numbers that BCF gives to names.
//!
//! Input -> output: the start of a stream -> [`Header`]; the next byte is then that of the first
//! record. Only the parts that genotypes need are kept. Lines that a strict reader (noodles)
//! refuses are read like bcftools reads them, with a warning.

use std::{collections::HashSet, error::Error as _, path::Path};

use gf_cohort_schema::text;
use noodles::vcf;

use super::input::Input;
use crate::Error;
use gf_cohort_schema::counted;

/// The columns before FORMAT.
const COLUMNS: [&str; 8] = [
    "#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO",
];
/// Number of refused lines with a warning of their own; the rest are counted.
const N_WARNINGS: usize = 5;
/// Largest IDX that is accepted, so that a damaged file cannot ask for any amount of memory.
const MAX_IDX: usize = 1 << 20;

/// A `##contig` line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contig {
    pub name: String,
    pub len_nt: Option<usize>,
}

/// Why a header of VCF or BCF cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HeaderProblem {
    /// The first line is not that of a VCF file.
    #[error("the first line is not `##fileformat=VCFv4.x`")]
    FirstLine,
    /// A header that ends before the column names.
    #[error("no `#CHROM` line: this is not a VCF file, or it is empty")]
    NoChromLine,
    /// A FASTA in place of a VCF.
    #[error(
        "no `#CHROM` line: this is not a VCF file, but a FASTA file. Are --vcf and --reference \
         swapped?"
    )]
    Fasta,
    /// A line in quotation marks.
    #[error(
        "the line begins with a quotation mark, so a spreadsheet saved this VCF file. It may have \
         changed names and numbers too; use the original file"
    )]
    Quoted,
    /// Another text in place of a VCF.
    #[error("no `#CHROM` line: this is not a VCF file")]
    NotVcf,
    /// Records that follow on an incomplete header.
    #[error("no `#CHROM` line before the first record: the header is not complete")]
    Incomplete,
    /// A version of BCF that noodles does not read.
    #[error("BCF version {major}.{minor} is not supported; convert the file to version 2.1 or 2.2")]
    BcfVersion {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// BCF files that were joined with `cat`.
    #[error(
        "a second header, because files were joined with `cat`; join them with `bcftools concat`"
    )]
    SecondBcf,
    /// A second header, after VCF files were joined with `cat`.
    #[error(
        "a second header differs from the first one: {0}. Files that are joined with `cat` must \
         have the same samples in the same order. Join them with `bcftools concat` (after \
         `bcftools view -S` if the order differs), or give each file separately"
    )]
    Second(#[from] SecondHeader),
    /// A line of a second header that is not text.
    #[error("{0}")]
    Text(#[from] Box<gf_cohort_schema::Error>),
    /// Two lines of one contig.
    #[error(
        "contig `{contig}` has {again_nt} nt here and {first_nt} nt in an earlier line; keep the \
         right one"
    )]
    ContigLengths {
        /// The contig.
        contig: String,
        /// Length in the second line.
        again_nt: usize,
        /// Length in the first line.
        first_nt: usize,
    },
    /// Spaces in place of tabs.
    #[error("the columns are separated by spaces; a VCF file has tabs between them")]
    Spaces,
    /// Another column name.
    #[error("the `#CHROM` line has `{found}` where `{expected}` is expected")]
    Column {
        /// The name.
        found: String,
        /// The right name.
        expected: &'static str,
    },
    /// A file without genotypes.
    #[error("no sample columns; give a VCF file with genotypes")]
    NoSamples,
    /// A sample column without a name.
    #[error("a sample has no name")]
    UnnamedSample,
    /// Two sample columns of one name.
    #[error("duplicate sample name `{sample}`; every sample needs its own name")]
    SampleTwice {
        /// The name.
        sample: String,
    },
}

/// A difference between a second header and the first one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecondHeader {
    /// Another sample.
    #[error("it has sample `{found}` where the first header has `{expected}`")]
    Sample {
        /// Sample of the second header.
        found: String,
        /// Sample of the first header.
        expected: String,
    },
    /// Another number of samples.
    #[error("it has {found} sample columns, and the first header has {expected}")]
    SampleColumns {
        /// Samples of the second header.
        found: usize,
        /// Samples of the first header.
        expected: usize,
    },
    /// A version with another meaning of SVLEN.
    #[error("`{version}` reads SVLEN differently from the version of the first header")]
    Version {
        /// The line of the version.
        version: String,
    },
}

/// The parts of a header that genotypes need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// In column order.
    pub samples: Vec<String>,
    /// In the order of their numbers in BCF: the order of the lines unless they have an IDX.
    pub contigs: Vec<Contig>,
    /// FILTER, INFO and FORMAT names by their numbers in BCF; `PASS` is number 0.
    pub names: Vec<String>,
    /// Lines of a text header.
    pub n_lines: u64,
    /// Version 4.4 of the format or later: SVLEN has priority over END.
    pub svlen_first: bool,
    /// Problems that did not stop the reading.
    pub warnings: Vec<String>,
}

/// First version of the format (4.x) in which SVLEN has priority over END.
const SVLEN_FIRST: u32 = 4;

impl Header {
    /// Reads the header of a VCF file.
    ///
    /// # Errors
    /// No `##fileformat=VCFv4` line, no proper `#CHROM` line, no samples, a sample named twice.
    pub fn read_text(input: &mut Input) -> Result<Self, Error> {
        let mut text = Vec::new();
        let mut line = Vec::new();
        let mut n_lines = 0;
        while input.peek()? == Some(b'#') && input.read_line(&mut line)? {
            n_lines += 1;
            text.extend_from_slice(&line);
            text.push(b'\n');
            if line.starts_with(b"#CHROM") {
                break;
            }
        }
        // Nothing after the header is read here: it may be long or damaged, and not wanted at all.
        if !line.starts_with(b"#CHROM")
            && let Some(next_byte) = input.peek()?
        {
            let problem = not_a_vcf(next_byte, n_lines);
            return Err(Error::line(input.path(), n_lines + 1, problem));
        }
        Ok(Self {
            n_lines,
            ..Self::parse(input, text)?
        })
    }

    /// Reads the magic number and the header of a BCF file.
    ///
    /// # Errors
    /// The errors of [`Self::read_text`], or a version other than 2.
    pub fn read_bcf(input: &mut Input) -> Result<Self, Error> {
        let mut start = [0; 9];
        input.read_exact(&mut start)?;
        let [_, _, _, major, minor, a, b, c, d] = start;
        if major != 2 {
            return Err(Error::file(
                input.path(),
                HeaderProblem::BcfVersion { major, minor },
            ));
        }
        let mut text = Vec::new();
        input.read_into(&mut text, u32::from_le_bytes([a, b, c, d]) as usize)?;
        let end = text
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(text.len());
        text.truncate(end);
        Self::parse(input, text)
    }

    fn parse(input: &Input, text: Vec<u8>) -> Result<Self, Error> {
        let path = input.path();
        let decoded = text::decode(path, text)?;
        if !decoded.lines().any(|line| line.starts_with("#CHROM")) {
            return Err(Error::file(path, HeaderProblem::NoChromLine));
        }
        let mut header = Self {
            names: vec!["PASS".into()],
            ..Self::default()
        };
        let mut strict = vcf::header::Parser::default();
        for (number, line) in (1..).zip(decoded.lines()) {
            if number == 1 {
                if !line.starts_with("##fileformat=VCFv4") {
                    return Err(Error::line(path, number, HeaderProblem::FirstLine));
                }
                header.svlen_first = is_svlen_first(line);
            }
            if line.starts_with("#CHROM") {
                header.samples =
                    sample_names(line).map_err(|problem| Error::line(path, number, problem))?;
                break;
            }
            header
                .add_meta_line(line)
                .map_err(|problem| Error::line(path, number, problem))?;
            if let Err(refusal) = strict.parse_partial(line.as_bytes()) {
                header.warnings.push(format!(
                    "{}: header line {number} ({}) is malformed, but was read like bcftools reads \
                     it ({})",
                    path.display(),
                    subject(line),
                    causes(&refusal)
                ));
            }
        }
        header.shorten_warnings(path);
        Ok(header)
    }

    /// Adds the contigs that have records but no `##contig` line.
    pub fn add_contigs<'c>(&mut self, names: impl IntoIterator<Item = &'c str>) {
        for name in names {
            if self.contigs.iter().all(|contig| contig.name != name) {
                self.contigs.push(Contig {
                    name: name.to_owned(),
                    len_nt: None,
                });
            }
        }
    }

    /// Replaces the warnings after the first few by their number.
    fn shorten_warnings(&mut self, path: &Path) {
        let n_more = self.warnings.len().saturating_sub(N_WARNINGS);
        self.warnings.truncate(N_WARNINGS);
        if n_more > 0 {
            self.warnings.push(format!(
                "{}: {} malformed as well",
                path.display(),
                counted(n_more, "more header line is", "more header lines are")
            ));
        }
    }

    /// Reads a `##` line.
    ///
    /// # Errors
    /// A contig of an earlier line with another length.
    pub fn add_meta_line(&mut self, line: &str) -> Result<(), HeaderProblem> {
        let Some((key, fields)) = structured(line) else {
            return Ok(());
        };
        let Some(id) = field(fields, "ID") else {
            return Ok(());
        };
        if key == "contig" {
            self.require_same_contig(id, fields)?;
        }
        let idx = field(fields, "IDX")
            .and_then(|idx| idx.parse().ok())
            .filter(|&idx| idx <= MAX_IDX);
        match key {
            "contig" if self.contigs.iter().all(|contig| contig.name != id) => {
                let contig = Contig {
                    name: id.into(),
                    len_nt: length(fields),
                };
                insert_at(&mut self.contigs, idx, contig);
            }
            "FILTER" | "INFO" | "FORMAT" if !self.names.iter().any(|name| name == id) => {
                insert_at(&mut self.names, idx, id.into());
            }
            _ => {}
        }
        Ok(())
    }

    /// Refuses a contig of an earlier line with another length.
    fn require_same_contig(&self, id: &str, fields: &str) -> Result<(), HeaderProblem> {
        let len_nt = length(fields);
        let both_lengths = self
            .contigs
            .iter()
            .find(|contig| contig.name == id)
            .and_then(|contig| contig.len_nt.zip(len_nt));
        match both_lengths {
            Some((first_nt, again_nt)) if first_nt != again_nt => {
                Err(HeaderProblem::ContigLengths {
                    contig: id.to_owned(),
                    again_nt,
                    first_nt,
                })
            }
            _ => Ok(()),
        }
    }

    /// Compares a line of a second header with this one. Files that were joined with `cat` have one
    /// header each. `path` is used in messages.
    ///
    /// # Errors
    /// Other samples or another order, another length of a contig, or a version of the format that
    /// reads SVLEN differently.
    pub fn require_same(&self, path: &Path, line: &[u8]) -> Result<(), HeaderProblem> {
        if !line.starts_with(b"#CHROM")
            && !line.starts_with(b"##contig")
            && !line.starts_with(b"##fileformat")
        {
            return Ok(());
        }
        let text = text::decode(path, line.to_vec()).map_err(Box::new)?;
        if text.starts_with("#CHROM") {
            let samples = sample_names(&text)?;
            self.require_same_samples(&samples)?;
        } else if text.starts_with("##fileformat") && is_svlen_first(&text) != self.svlen_first {
            let version = text.trim_start_matches('#').to_owned();
            return Err(SecondHeader::Version { version }.into());
        } else if let Some(("contig", fields)) = structured(&text)
            && let Some(id) = field(fields, "ID")
        {
            self.require_same_contig(id, fields)?;
        }
        Ok(())
    }

    fn require_same_samples(&self, samples: &[String]) -> Result<(), SecondHeader> {
        let first_difference = samples.iter().zip(&self.samples).find(|(a, b)| a != b);
        if let Some((found, expected)) = first_difference {
            return Err(SecondHeader::Sample {
                found: found.clone(),
                expected: expected.clone(),
            });
        }
        if samples.len() != self.samples.len() {
            return Err(SecondHeader::SampleColumns {
                found: samples.len(),
                expected: self.samples.len(),
            });
        }
        Ok(())
    }

    /// The number that BCF gives to a FILTER, INFO or FORMAT name.
    pub fn number_of(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }
}

/// The length that a contig line states.
fn length(fields: &str) -> Option<usize> {
    field(fields, "length").and_then(|len_nt| len_nt.parse().ok())
}

/// Whether a line is `##fileformat=VCFv4.4` or later.
fn is_svlen_first(line: &str) -> bool {
    let minor = line.strip_prefix("##fileformat=VCFv4.").map(|rest| {
        rest.trim()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    });
    minor
        .and_then(|minor| minor.parse::<u32>().ok())
        .is_some_and(|minor| minor >= SVLEN_FIRST)
}

/// The problem of a file that is not a VCF: after `n_lines` header lines the next one begins with
/// `next_byte`.
fn not_a_vcf(next_byte: u8, n_lines: u64) -> HeaderProblem {
    match next_byte {
        b'>' => HeaderProblem::Fasta,
        b'"' => HeaderProblem::Quoted,
        _ if n_lines == 0 => HeaderProblem::NotVcf,
        _ => HeaderProblem::Incomplete,
    }
}

/// Stores `value` at index `idx`, or at the end.
fn insert_at<T: Default + Clone>(values: &mut Vec<T>, idx: Option<usize>, value: T) {
    match idx {
        Some(idx) => {
            values.resize(values.len().max(idx + 1), T::default());
            values[idx] = value;
        }
        None => values.push(value),
    }
}

/// Key and fields of `##key=<fields>`.
fn structured(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix("##")?.split_once('=')?;
    Some((
        key,
        value.strip_prefix('<')?.trim_end().trim_end_matches('>'),
    ))
}

/// The value of `key` among `key=value,key="value, with commas"`.
fn field<'l>(fields: &'l str, key: &str) -> Option<&'l str> {
    let mut is_quoted = false;
    fields
        .split(|character: char| {
            is_quoted ^= character == '"';
            character == ',' && !is_quoted
        })
        .find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
}

/// `INFO SVLEN` of an INFO line, for messages.
fn subject(line: &str) -> String {
    match structured(line) {
        Some((key, fields)) => format!("{key} {}", field(fields, "ID").unwrap_or("without ID")),
        None => line.trim_start_matches('#').chars().take(30).collect(),
    }
}

/// The message of an error and those of its causes.
fn causes(refusal: &vcf::header::ParseError) -> String {
    let mut text = refusal.to_string();
    let mut cause = refusal.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn sample_names(line: &str) -> Result<Vec<String>, HeaderProblem> {
    let columns: Vec<&str> = line.split('\t').collect();
    if columns.len() < COLUMNS.len() && line.split_whitespace().count() >= COLUMNS.len() {
        return Err(HeaderProblem::Spaces);
    }
    if let Some((expected, found)) = COLUMNS
        .iter()
        .zip(columns.iter().chain(std::iter::repeat(&"")))
        .find(|(expected, found)| expected != found)
    {
        return Err(HeaderProblem::Column {
            found: (*found).to_owned(),
            expected,
        });
    }
    match columns.get(COLUMNS.len()) {
        Some(&"FORMAT") => {}
        Some(other) => {
            return Err(HeaderProblem::Column {
                found: (*other).to_owned(),
                expected: "FORMAT",
            });
        }
        None => return Err(HeaderProblem::NoSamples),
    }
    let samples: Vec<String> = columns[COLUMNS.len() + 1..]
        .iter()
        .map(ToString::to_string)
        .collect();
    if samples.is_empty() {
        return Err(HeaderProblem::NoSamples);
    }
    if samples.iter().any(String::is_empty) {
        return Err(HeaderProblem::UnnamedSample);
    }
    let mut seen = HashSet::new();
    if let Some(twice) = samples.iter().find(|sample| !seen.insert(sample.as_str())) {
        return Err(HeaderProblem::SampleTwice {
            sample: twice.clone(),
        });
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_names_are_those_of_bcf() {
        let mut header = Header {
            names: vec!["PASS".into()],
            ..Header::default()
        };
        for line in [
            "##FILTER=<ID=PASS,Description=\"All, \"IDX=9\" passed\">",
            "##INFO=<ID=DP,Number=1,Type=Integer,Description=\"Depth, ID=none\">",
            "##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"x\">",
            "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\",IDX=4>",
            "##contig=<ID=chr1,assembly=\"a,b\",length=30>",
            "##contig=<ID=HLA-A*01:01:01:01>",
            "##odd",
        ] {
            header.add_meta_line(line).unwrap();
        }
        assert!(matches!(
            header.add_meta_line("##contig=<ID=chr1,length=31>"),
            Err(HeaderProblem::ContigLengths {
                again_nt: 31,
                first_nt: 30,
                ..
            })
        ));
        assert!(
            header
                .add_meta_line("##contig=<ID=chr1,length=30,md5=x>")
                .is_ok()
        );
        assert_eq!(header.names, ["PASS", "DP", "", "", "GT"]);
        assert_eq!(
            (
                header.number_of("GT"),
                header.number_of("DP"),
                header.number_of("PS")
            ),
            (Some(4), Some(1), None)
        );
        assert_eq!(
            header.contigs,
            [contig("chr1", Some(30)), contig("HLA-A*01:01:01:01", None)]
        );
    }

    fn contig(name: &str, len_nt: Option<usize>) -> Contig {
        Contig {
            name: name.into(),
            len_nt,
        }
    }

    #[test]
    fn a_second_header_must_say_the_same() {
        let head = format!("{}\tFORMAT", COLUMNS.join("\t"));
        let mut header = Header {
            samples: vec!["S1".into(), "S2".into()],
            ..Header::default()
        };
        header.add_meta_line("##contig=<ID=1,length=30>").unwrap();
        let path = Path::new("a.vcf");
        for line in [
            "##fileformat=VCFv4.3",
            "##contig=<ID=1,length=30>",
            "##contig=<ID=2,length=9>",
            "##INFO=<ID=X>",
        ] {
            assert!(header.require_same(path, line.as_bytes()).is_ok(), "{line}");
        }
        let same_samples = format!("{head}\tS1\tS2");
        assert!(header.require_same(path, same_samples.as_bytes()).is_ok());
        for (line, expected) in [
            (
                format!("{head}\tS2\tS1"),
                "sample `S2` where the first header has `S1`",
            ),
            (
                format!("{head}\tS1"),
                "1 sample columns, and the first header has 2",
            ),
            (format!("{head}\tS1\tS2\tS3"), "3 sample columns"),
            ("##fileformat=VCFv4.4".into(), "reads SVLEN differently"),
            ("##contig=<ID=1,length=31>".into(), "31 nt here and 30 nt"),
        ] {
            let message = header
                .require_same(path, line.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn the_column_names_are_checked() {
        let head = COLUMNS.join("\t");
        assert_eq!(
            sample_names(&format!("{head}\tFORMAT\ta b\tc")).unwrap(),
            ["a b", "c"]
        );
        for (line, expected) in [
            (head.clone(), "no sample columns"),
            (format!("{head}\tFORMAT"), "no sample columns"),
            (format!("{head}\ta\tb"), "`a` where `FORMAT`"),
            (format!("{head}\tFORMAT\ta\ta"), "duplicate sample name `a`"),
            (format!("{head}\tFORMAT\ta b").replace('\t', " "), "spaces"),
            (head.replace("REF", "REFERENCE"), "`REFERENCE` where `REF`"),
            ("#CHROM\tPOS".into(), "`` where `ID`"),
        ] {
            let message = sample_names(&line).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
