//! Loci: BED lines (0-based, half-open; name and strand optional) and `chr:beg-end` strings (1-based, inclusive).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;

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
    /// First base, 0-based.
    pub start0: usize,
    /// One past the last base, 0-based.
    pub end0: usize,
    /// BED column 6.
    pub strand: Strand,
}

impl Locus {
    /// Length on the reference in nucleotides.
    #[must_use]
    pub fn len_nt(&self) -> usize {
        self.end0 - self.start0
    }

    /// `contig:beg-end`, 1-based and inclusive.
    #[must_use]
    pub fn region(&self) -> String {
        format!("{}:{}-{}", self.contig, self.start0 + 1, self.end0)
    }
}

/// Reads a BED file of loci.
///
/// # Errors
/// An unreadable file, a malformed line, an empty interval, a name used twice, or no locus at all.
pub fn read_loci(path: &Path) -> Result<Vec<Locus>, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let mut loci: Vec<Locus> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        if line.trim().is_empty() || line.starts_with('#') || line.starts_with("track") || line.starts_with("browser") {
            continue;
        }
        let locus = parse_bed_line(line).map_err(|reason| Error::Line { path: path.into(), line: index as u64 + 1, reason })?;
        if loci.iter().any(|other| other.name == locus.name) {
            return Err(Error::Line {
                path: path.into(),
                line: index as u64 + 1,
                reason: format!("locus name `{}` is used twice; names must be unique", locus.name),
            });
        }
        loci.push(locus);
    }
    if loci.is_empty() {
        return Err(Error::file(path, "no locus in this BED file"));
    }
    Ok(loci)
}

fn parse_bed_line(line: &str) -> Result<Locus, String> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [contig, start, end, ..] = columns[..] else {
        return Err(format!("a BED line needs 3 tab-separated columns (contig, start, end), found {}", columns.len()));
    };
    let number = |text: &str, what: &str| text.parse::<usize>().map_err(|_| format!("BED {what} `{text}` is not a number"));
    let (start0, end0) = (number(start, "start")?, number(end, "end")?);
    if start0 >= end0 {
        return Err(format!("BED interval {start0}-{end0} is empty"));
    }
    let strand = match columns.get(5) {
        None | Some(&("+" | ".")) => Strand::Forward,
        Some(&"-") => Strand::Reverse,
        Some(other) => return Err(format!("BED strand `{other}` is none of + - .")),
    };
    let name = match columns.get(3) {
        None | Some(&("" | ".")) => format!("{contig}:{}-{end0}", start0 + 1),
        Some(name) => (*name).to_string(),
    };
    Ok(Locus { name, contig: contig.to_string(), start0, end0, strand })
}

/// Parses `contig:beg-end` (1-based, inclusive) to `(contig, start0, end0)`; thousands separators are allowed.
#[must_use]
pub fn parse_region(text: &str) -> Option<(String, usize, usize)> {
    let (contig, range) = text.rsplit_once(':')?;
    let (beg, end) = range.split_once('-')?;
    let beg: usize = beg.replace(',', "").parse().ok()?;
    let end: usize = end.replace(',', "").parse().ok()?;
    (beg >= 1 && end >= beg && !contig.is_empty()).then(|| (contig.to_string(), beg - 1, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bed_is_zero_based_and_regions_are_one_based() {
        let locus = parse_bed_line("chr1\t4\t12").unwrap();
        assert_eq!((locus.start0, locus.end0, locus.region().as_str()), (4, 12, "chr1:5-12"));
        assert_eq!(parse_region("chr1:5-12"), Some(("chr1".into(), 4, 12)));
        assert_eq!(parse_region("HLA-A*01:01:1-3"), Some(("HLA-A*01:01".into(), 0, 3)));
        assert_eq!(parse_region("chr1"), None);
        assert_eq!(parse_region("chr1:9-5"), None);
    }

    #[test]
    fn name_and_strand_are_columns_four_and_six() {
        let locus = parse_bed_line("19\t10\t20\tAPOE\t0\t-").unwrap();
        assert_eq!((locus.name.as_str(), locus.strand), ("APOE", Strand::Reverse));
    }

    #[test]
    fn a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bed");
        std::fs::write(&path, "#c\nchr1\t5\tx\n").unwrap();
        let message = read_loci(&path).unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("`x`"), "{message}");
        std::fs::write(&path, "chr1\t5\t9\ta\nchr1\t5\t9\ta\n").unwrap();
        assert!(read_loci(&path).unwrap_err().to_string().contains("twice"));
    }
}
