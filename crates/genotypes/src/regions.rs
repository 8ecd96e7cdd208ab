//! Loci: BED lines (0-based, half-open; name and strand optional) and `chr:beg-end` strings
//! (1-based, inclusive).

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use noodles::core::Region;
use serde::{Deserialize, Serialize};

use gf_cohort_schema::text;

use super::{Error, Position0, Position1, Range0, contig_key, known_loci};

/// Why a BED file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BedProblem {
    /// A line of one or two columns.
    #[error(
        "a BED line needs 3 columns (contig, start, end) with tabs between them, found {found}"
    )]
    TooFewColumns {
        /// Number of columns.
        found: usize,
    },
    /// A line without a contig.
    #[error("a BED line without a contig; fill its first column")]
    EmptyContig,
    /// A start or an end that is not a number.
    #[error("BED {column} `{text}` is not a number")]
    NotNumber {
        /// `start` or `end`.
        column: &'static str,
        /// The cell.
        text: String,
    },
    /// An interval without a base.
    #[error("BED interval {start0}-{end0} is empty")]
    EmptyInterval {
        /// First base, 0-based.
        start0: usize,
        /// One past the last base.
        end0: usize,
    },
    /// A strand of another name.
    #[error("BED strand `{found}` is not one of `+`, `-` and `.`")]
    UnknownStrand {
        /// The cell.
        found: String,
    },
    /// Two loci of one name.
    #[error("locus name `{name}` is used twice; names must be unique")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// A file without a locus.
    #[error("no locus in this BED file")]
    NoLocus,
}

/// Why a text is not a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionProblem {
    /// A text with a colon.
    #[error("not of the form contig:beg-end (1-based, inclusive, beg <= end)")]
    Form,
    /// A text that is similar to the name of a known locus.
    #[error(
        "not of the form contig:beg-end (1-based, inclusive, beg <= end). Do you mean the locus \
         `{known}`? `gf-genomics regions` lists all names"
    )]
    SimilarToKnown {
        /// Name of the known locus.
        known: &'static str,
    },
    /// Another text.
    #[error(
        "not of the form contig:beg-end (1-based, inclusive, beg <= end), and not a known locus; \
         `gf-genomics regions` lists all names"
    )]
    Unknown,
    /// A region that is listed twice.
    #[error("this region is given twice; remove one of the two")]
    Twice,
}

/// Strand on which a locus is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strand {
    /// As the reference runs.
    #[default]
    Forward,
    /// Reverse complement.
    Reverse,
}

/// A region of the genome that is turned into sequences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locus {
    /// Unique name: BED column 4, or `contig:beg-end`.
    pub name: String,
    /// Contig as the BED names it.
    pub contig: String,
    /// First base.
    pub start0: Position0,
    /// One past the last base.
    pub end0: Position0,
    /// BED column 6.
    pub strand: Strand,
}

impl Locus {
    /// All of a contig, named as the contig.
    #[must_use]
    pub fn whole_contig(contig: &str, len_nt: usize) -> Self {
        let name = contig.to_owned();
        let contig = contig.to_owned();
        Self {
            name,
            contig,
            start0: Position0::FIRST,
            end0: Position0::new(len_nt),
            strand: Strand::Forward,
        }
    }

    /// Its bases on the contig.
    #[must_use]
    pub fn range(&self) -> Range0 {
        Range0::new(self.start0, self.end0)
    }

    /// Length on the reference in nucleotides; 0 if a damaged file has an end before the start.
    #[must_use]
    pub fn len_nt(&self) -> usize {
        self.range().len_nt()
    }

    /// `contig:beg-end`, 1-based and inclusive.
    #[must_use]
    pub fn region(&self) -> String {
        format!("{}:{}", self.contig, self.range())
    }
}

/// Reads a BED file of loci, plain or compressed (gzip, BGZF); `-` is standard input.
///
/// # Errors
/// An unreadable file, a malformed line, an empty interval, a name used twice, or no locus at all.
pub fn read_loci(path: &Path) -> Result<Vec<Locus>, Error> {
    let mut loci: Vec<Locus> = Vec::new();
    let mut names = HashSet::new();
    for_each_bed_line(path, |locus| {
        if !names.insert(locus.name.clone()) {
            return Err(BedProblem::NameTwice { name: locus.name });
        }
        loci.push(locus);
        Ok(())
    })?;
    if loci.is_empty() {
        return Err(Error::file(path, BedProblem::NoLocus));
    }
    Ok(loci)
}

/// A stretch of a contig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Contig as the file names it.
    pub contig: String,
    /// Its bases.
    pub range: Range0,
}

/// Reads the intervals of a BED file, which may be empty. Names and strands are ignored.
///
/// # Errors
/// An unreadable file or a malformed line.
pub fn read_intervals(path: &Path) -> Result<Vec<Interval>, Error> {
    let mut intervals = Vec::new();
    for_each_bed_line(path, |locus| {
        intervals.push(Interval {
            range: locus.range(),
            contig: locus.contig,
        });
        Ok(())
    })?;
    Ok(intervals)
}

/// Regions of all contigs, sorted and disjoint; a contig is found by any of its names.
pub struct DisjointRegions {
    /// By [`contig_key`].
    of_contig: HashMap<String, Vec<Range0>>,
}

impl DisjointRegions {
    /// Joins regions that overlap or touch.
    pub fn new<'a>(regions: impl IntoIterator<Item = (&'a str, Range0)>) -> Self {
        let mut of_contig: HashMap<String, Vec<Range0>> = HashMap::new();
        for (contig, region) in regions {
            let contig = contig_key(contig);
            match of_contig.get_mut(contig) {
                Some(regions) => regions.push(region),
                None => _ = of_contig.insert(contig.to_owned(), vec![region]),
            }
        }
        Self {
            of_contig: of_contig
                .into_iter()
                .map(|(contig, regions)| (contig, joined(regions)))
                .collect(),
        }
    }

    /// The regions of loci.
    #[must_use]
    pub fn of_loci<'a>(loci: impl IntoIterator<Item = &'a Locus>) -> Self {
        Self::new(
            loci.into_iter()
                .map(|locus| (locus.contig.as_str(), locus.range())),
        )
    }

    /// The regions on a contig or its alias.
    #[must_use]
    pub fn on(&self, contig: &str) -> &[Range0] {
        self.of_contig
            .get(contig_key(contig))
            .map_or(&[], Vec::as_slice)
    }
}

/// Regions of one contig sorted, and joined where they overlap or touch.
#[must_use]
pub fn joined(mut regions: Vec<Range0>) -> Vec<Range0> {
    regions.sort_unstable();
    regions.dedup_by(|next, kept| {
        let joins = next.start <= kept.end;
        if joins {
            kept.end = kept.end.max(next.end);
        }
        joins
    });
    regions
}

fn for_each_bed_line(
    path: &Path,
    mut visit: impl FnMut(Locus) -> Result<(), BedProblem>,
) -> Result<(), Error> {
    let text = text::read(path)?;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') || is_display_line(line) {
            continue;
        }
        parse_bed_line(line)
            .and_then(&mut visit)
            .map_err(|problem| Error::line(path, number, problem))?;
    }
    Ok(())
}

/// `track ...` and `browser ...` are lines for genome browsers. A contig may have such a name; then
/// two positions follow.
fn is_display_line(line: &str) -> bool {
    let words = text::words(line);
    let is_word = line
        .split_whitespace()
        .next()
        .is_some_and(|word| ["track", "browser"].contains(&word));
    let are_positions =
        words.len() >= 3 && words[1..3].iter().all(|word| word.parse::<usize>().is_ok());
    is_word && !are_positions
}

/// Parses a comma-separated list of regions `contig:beg-end` (1-based, inclusive) and of names of
/// [`known_loci`]. The name of a region is its text.
///
/// Thousands separators are allowed: a comma before exactly three digits does not start another
/// region.
///
/// # Errors
/// A part that is neither a region nor a known name, a repeated region, or an empty list.
pub fn loci_of_regions(text: &str) -> Result<Vec<Locus>, Error> {
    let regions = split_regions(text);
    let mut loci: Vec<Locus> = Vec::with_capacity(regions.len());
    let mut seen = HashSet::new();
    for region in regions {
        let locus =
            locus_of_region(&region).ok_or_else(|| Error::region(&region, no_region(&region)))?;
        let contig = contig_key(&locus.contig).to_owned();
        if !seen.insert((contig, locus.range())) {
            return Err(Error::region(&region, RegionProblem::Twice));
        }
        loci.push(locus);
    }
    Ok(loci)
}

/// Splits a list at its commas, except at thousands separators.
fn split_regions(text: &str) -> Vec<String> {
    let mut regions: Vec<String> = Vec::new();
    for part in text.split(',') {
        let n_digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let is_thousands = n_digits == 3 && matches!(part.as_bytes().get(3), None | Some(b'-'));
        match regions.last_mut() {
            Some(last) if is_thousands => {
                last.push(',');
                last.push_str(part);
            }
            _ => regions.push(part.trim().to_owned()),
        }
    }
    regions
}

/// The locus of a known name or of `contig:beg-end`.
fn locus_of_region(region: &str) -> Option<Locus> {
    if let Some(known) = known_loci::known_locus(region) {
        return Some(known.locus());
    }
    let (contig, range) = parse_region(region)?;
    Some(Locus {
        name: region.to_owned(),
        contig,
        start0: range.start,
        end0: range.end,
        strand: Strand::Forward,
    })
}

/// The problem of a text that is neither a region nor a known name.
fn no_region(name: &str) -> RegionProblem {
    if name.contains(':') {
        return RegionProblem::Form;
    }
    match known_loci::nearest(name) {
        Some(known) => RegionProblem::SimilarToKnown { known },
        None => RegionProblem::Unknown,
    }
}

fn parse_bed_line(line: &str) -> Result<Locus, BedProblem> {
    let columns = text::words(line);
    let [contig, start, end, ..] = columns[..] else {
        let found = columns.len();
        return Err(BedProblem::TooFewColumns { found });
    };
    if contig.is_empty() {
        return Err(BedProblem::EmptyContig);
    }
    let start0 = parse_bed_number(start, "start")?;
    let end0 = parse_bed_number(end, "end")?;
    let range = Range0::from_zero_based(start0, end0);
    if range.is_empty() {
        return Err(BedProblem::EmptyInterval { start0, end0 });
    }
    let strand = match columns.get(5) {
        None | Some(&("+" | "." | "")) => Strand::Forward,
        Some(&"-") => Strand::Reverse,
        Some(other) => {
            let found = (*other).to_owned();
            return Err(BedProblem::UnknownStrand { found });
        }
    };
    let name = match columns.get(3) {
        None | Some(&("" | ".")) => format!("{contig}:{range}"),
        Some(name) => (*name).to_string(),
    };
    Ok(Locus {
        name,
        contig: contig.to_string(),
        start0: range.start,
        end0: range.end,
        strand,
    })
}

fn parse_bed_number(text: &str, column: &'static str) -> Result<usize, BedProblem> {
    text.parse().map_err(|_| BedProblem::NotNumber {
        column,
        text: text.to_owned(),
    })
}

/// Parses `contig:beg-end` (1-based, inclusive); thousands separators are allowed. No contig has a
/// comma in its name, as in SAM and VCF.
///
/// A region without both ends, an empty one and one without a contig give none.
#[must_use]
pub fn parse_region(text: &str) -> Option<(String, Range0)> {
    let region: Region = text.replace(',', "").parse().ok()?;
    let beg = Position1::new(region.interval().start()?.get())?;
    let end = Position1::new(region.interval().end()?.get())?;
    let contig = region.name().to_string();
    let range = Range0::from_one_based(beg, end)?;
    (!contig.is_empty()).then_some((contig, range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bed_is_zero_based_and_regions_are_one_based() {
        let locus = parse_bed_line("chr1\t4\t12").unwrap();
        assert_eq!(
            (locus.range(), locus.region().as_str()),
            (Range0::from_zero_based(4, 12), "chr1:5-12")
        );
        assert_eq!(
            parse_region("chr1:5-12"),
            Some(("chr1".into(), Range0::from_zero_based(4, 12)))
        );
        assert_eq!(
            parse_region("HLA-A*01:01:1-3"),
            Some(("HLA-A*01:01".into(), Range0::from_zero_based(0, 3)))
        );
        for text in [
            "",
            "chr1",
            "chr1:",
            "chr1:5",
            "chr1:5-",
            "chr1:-5",
            "chr1:0-5",
            "chr1:9-5",
            ":5-12",
            "chr1:5-12-13",
            "chr1:a-b",
        ] {
            assert_eq!(parse_region(text), None, "{text}");
        }
    }

    #[test]
    fn a_stored_locus_has_plain_numbers() {
        let locus = parse_bed_line("chr1\t4\t12\ta").unwrap();
        let json = r#"{"name":"a","contig":"chr1","start0":4,"end0":12,"strand":"forward"}"#;
        assert_eq!(serde_json::to_string(&locus).unwrap(), json);
        assert_eq!(serde_json::from_str::<Locus>(json).unwrap(), locus);
    }

    #[test]
    fn name_and_strand_are_columns_four_and_six() {
        let locus = parse_bed_line("19\t10\t20\tAPOE\t0\t-").unwrap();
        assert_eq!(
            (locus.name.as_str(), locus.strand),
            ("APOE", Strand::Reverse)
        );
    }

    #[test]
    fn a_contig_may_be_named_as_a_display_line_begins_and_the_strand_may_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bed");
        let text = "track name=x\nbrowser position \
                    chr1:1-9\ntrack\ntracking1\t4\t8\ta\nchr1\t4\t8\tb\t\t\ntrack\t4\t8\tc\n";
        std::fs::write(&path, text).unwrap();
        let names: Vec<String> = read_loci(&path)
            .unwrap()
            .into_iter()
            .map(|locus| locus.contig)
            .collect();
        assert_eq!(names, ["tracking1", "chr1", "track"]);
    }

    #[test]
    fn regions_are_a_list_with_or_without_thousands_separators() {
        let loci = loci_of_regions("chr1:5-12,chr2:1,000-2,500, HLA-A*01:01:1-3").unwrap();
        let found: Vec<(&str, &str, usize, usize)> = loci
            .iter()
            .map(|locus| {
                (
                    locus.name.as_str(),
                    locus.contig.as_str(),
                    locus.start0.get(),
                    locus.end0.get(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("chr1:5-12", "chr1", 4, 12),
                ("chr2:1,000-2,500", "chr2", 999, 2500),
                ("HLA-A*01:01:1-3", "HLA-A*01:01", 0, 3)
            ]
        );
        let named = loci_of_regions("apoe, chr1:5-12,BIN1").unwrap();
        let names: Vec<&str> = named.iter().map(|locus| locus.name.as_str()).collect();
        assert_eq!(
            (names, named[0].region()),
            (
                vec!["APOE", "chr1:5-12", "BIN1"],
                "chr19:44905754-44909393".to_owned()
            )
        );
        assert!(
            loci_of_regions("SPI1")
                .unwrap_err()
                .to_string()
                .contains("Do you mean the locus `CELF1-SPI1`?")
        );
        for (text, bad) in [
            ("chr1:5-12,chr2", "`chr2`"),
            ("chr1:9-5", "`chr1:9-5`"),
            ("", "``"),
            ("1:2-3,1:2-3", "twice"),
            ("1:2-3,", "``"),
        ] {
            let message = loci_of_regions(text).unwrap_err().to_string();
            assert!(message.contains(bad), "{text}: {message}");
        }
    }

    #[test]
    fn a_compressed_bed_is_read_and_a_cut_one_refused() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bed.gz");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"chr1\t4\t12\tA\r\n").unwrap();
        std::fs::write(&path, gzip.finish().unwrap()).unwrap();
        assert_eq!(read_loci(&path).unwrap()[0].name, "A");
        let mut bgzf = noodles::bgzf::io::Writer::new(Vec::new());
        bgzf.write_all(b"chr1\t4\t12\tA\n").unwrap();
        let bytes = bgzf.finish().unwrap();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read_loci(&path).unwrap()[0].end0, Position0::new(12));
        std::fs::write(&path, &bytes[..bytes.len() - 28]).unwrap();
        assert!(
            read_loci(&path)
                .unwrap_err()
                .to_string()
                .contains("truncated")
        );
    }

    #[test]
    fn lines_for_browsers_are_told_from_contigs_of_such_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bed");
        let bed = "browser position chr1:1-9\ntrack name=x\ntrack\n# \
                   c\n\ntrack\t4\t8\tfirst\t\t\ntracking1\t4\t8\tsecond\nbrowser2 4 8 third 0 \
                   -\n\"chr1\"\t\"4\"\t\"8\"\t\"a,b\"\n";
        std::fs::write(&path, bed).unwrap();
        let found: Vec<String> = read_loci(&path)
            .unwrap()
            .iter()
            .map(|locus| format!("{} {}", locus.contig, locus.name))
            .collect();
        assert_eq!(
            found,
            [
                "track first",
                "tracking1 second",
                "browser2 third",
                "chr1 a,b"
            ]
        );
        for (bytes, expected) in [
            (&b"\xef\xbb\xbfchr1\t4\t8\n"[..], Ok("chr1")),
            (b"chr1\t4\t8\r\n", Ok("chr1")),
            (b"chr1\t4\t8\r", Ok("chr1")),
            (b"\xff\xfec\0h\0r\x001\0\t\x004\0\t\x008\0\n\0", Ok("chr1")),
            (b"\x6c\x1b\x01\x03", Err("plink2 --bfile")),
            (b"PK\x03\x04", Err("zip")),
            (b"", Err("empty")),
        ] {
            std::fs::write(&path, bytes).unwrap();
            match (read_loci(&path), expected) {
                (Ok(loci), Ok(contig)) => assert_eq!(loci[0].contig, contig),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, expected) => panic!("{found:?} where {expected:?}"),
            }
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bed");
        std::fs::write(&path, "#c\nchr1\t5\tx\n").unwrap();
        let message = read_loci(&path).unwrap_err().to_string();
        assert!(
            message.contains("line 2") && message.contains("`x`"),
            "{message}"
        );
        std::fs::write(&path, "chr1\t5\t9\ta\nchr1\t5\t9\ta\n").unwrap();
        assert!(read_loci(&path).unwrap_err().to_string().contains("twice"));
    }
}
