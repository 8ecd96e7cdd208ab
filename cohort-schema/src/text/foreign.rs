//! Foreign file formats, recognised by their first bytes, with advice for each.

use std::fmt;

/// Offset of the magic bytes of a tar archive.
const TAR_MAGIC_OFFSET: usize = 257;

/// A format that the program does not read as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The format, with its article.
    name: &'static str,
    /// The next action of the user.
    advice: &'static str,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is {}; {}", self.name, self.advice)
    }
}

const fn format(name: &'static str, advice: &'static str) -> Foreign {
    Foreign { name, advice }
}

const TO_CSV: &str = "save the table as CSV (UTF-8) in the program that wrote it";
const UNPACK: &str = "unpack it and give the file inside";

impl Foreign {
    /// Genotypes in place of a text file.
    pub(super) const BCF: Self = format(
        "a BCF file of genotypes",
        "give it with --vcf, and give a text file here",
    );
    const PLINK_BED: Self = format(
        "a PLINK 1 file of genotypes (.bed), not a BED file of regions",
        "convert it to VCF with `plink2 --bfile PREFIX --export vcf bgz`",
    );
    const PGEN: Self = format(
        "a PLINK 2 file of genotypes (.pgen)",
        "convert it to VCF with `plink2 --pfile PREFIX --export vcf bgz vcf-dosage=DS`",
    );
    const BGEN: Self = format(
        "a BGEN file of genotypes",
        "convert it to VCF with `plink2 --bgen FILE ref-first --sample FILE --export vcf bgz \
         vcf-dosage=DS`",
    );
    const ZIP: Self = format("a zip archive", UNPACK);
    const WORKBOOK: Self = format(
        "an Excel workbook (.xlsx)",
        "save the sheet as CSV (UTF-8) and give that file",
    );
    const WEB_PAGE: Self = format(
        "a web page (HTML), not data",
        "the server returned an error or login page, so download the file again",
    );
}

/// First bytes of each format. A longer entry is before a shorter one with the same start.
const MAGIC: [(&[u8], Foreign); 30] = [
    (b"\x6c\x1b\x00", Foreign::PLINK_BED),
    (b"\x6c\x1b\x01", Foreign::PLINK_BED),
    (b"\x6c\x1b", Foreign::PGEN),
    (
        b"\xd0\xcf\x11\xe0",
        format(
            "an old Excel workbook (.xls)",
            "save the sheet as CSV (UTF-8) and give that file",
        ),
    ),
    (
        b"CRAM",
        format(
            "a CRAM file of aligned reads",
            "call variants first and give the VCF",
        ),
    ),
    (
        b"BAM\x01",
        format(
            "a BAM file of aligned reads",
            "call variants first and give the VCF",
        ),
    ),
    (
        b"@HD\t",
        format(
            "a SAM file of aligned reads",
            "call variants first and give the VCF",
        ),
    ),
    (
        b"TBI\x01",
        format("a tabix index", "give the file that it indexes"),
    ),
    (
        b"CSI\x01",
        format("a CSI index", "give the file that it indexes"),
    ),
    (
        b"<?xml",
        format(
            "an XML document, perhaps an error message from a server",
            "download or export the file again",
        ),
    ),
    (
        b"%PDF",
        format("a PDF document", "give the table itself as CSV"),
    ),
    (
        b"%!PS",
        format("a PostScript document", "give the table itself as CSV"),
    ),
    (
        b"{\\rtf",
        format(
            "a rich text document (.rtf)",
            "save it as plain text (UTF-8)",
        ),
    ),
    (
        b"\x89PNG",
        format("a picture (PNG)", "give the table itself as CSV"),
    ),
    (b"\x89HDF", format("an HDF5 file", TO_CSV)),
    (b"PAR1", format("a Parquet table", TO_CSV)),
    (b"ARROW1", format("an Arrow table", TO_CSV)),
    (b"FEA1", format("a Feather table", TO_CSV)),
    (b"RDX2", format("an R data file (.RData)", TO_CSV)),
    (b"RDX3", format("an R data file (.RData)", TO_CSV)),
    (b"X\n\x00\x00", format("an R data file (.rds)", TO_CSV)),
    (b"\x93NUMPY", format("a NumPy array (.npy)", TO_CSV)),
    (b"SQLite format 3", format("an SQLite database", TO_CSV)),
    (b"$FL2", format("an SPSS table (.sav)", TO_CSV)),
    (
        b"\x28\xb5\x2f\xfd",
        format(
            "a file compressed with zstd",
            "unpack it with `zstd -d`, or compress it with gzip",
        ),
    ),
    (
        b"BZh",
        format(
            "a file compressed with bzip2",
            "unpack it with `bunzip2`, or compress it with gzip",
        ),
    ),
    (
        b"\xfd7zXZ\x00",
        format(
            "a file compressed with xz",
            "unpack it with `xz -d`, or compress it with gzip",
        ),
    ),
    (b"7z\xbc\xaf\x27\x1c", format("a 7-zip archive", UNPACK)),
    (b"Rar!", format("a RAR archive", UNPACK)),
    (
        b"version https://git-lfs",
        format(
            "a Git LFS pointer, not the data",
            "fetch the file with `git lfs pull`",
        ),
    ),
];

/// The format of a file by its first bytes; `None` for text, VCF and compressed text.
#[must_use]
pub fn foreign(start: &[u8]) -> Option<Foreign> {
    if start.starts_with(b"PK\x03\x04") {
        let is_workbook = [&b"[Content_Types].xml"[..], b"xl/"]
            .iter()
            .any(|name| contains(&start[..start.len().min(4096)], name));
        return Some(if is_workbook {
            Foreign::WORKBOOK
        } else {
            Foreign::ZIP
        });
    }
    if start.starts_with(b"PK\x05\x06") {
        return Some(Foreign::ZIP);
    }
    if is_web_page(start) {
        return Some(Foreign::WEB_PAGE);
    }
    let by_magic = MAGIC
        .iter()
        .find(|(magic, _)| start.starts_with(magic))
        .map(|(_, format)| *format);
    by_magic
        .or_else(|| is_bgen(start).then_some(Foreign::BGEN))
        .or_else(|| {
            let is_tar = start.get(TAR_MAGIC_OFFSET..TAR_MAGIC_OFFSET + 5) == Some(b"ustar");
            is_tar.then_some(format("a tar archive", UNPACK))
        })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether a file is BGEN 1.1 to 1.3, by the name of the format in its header.
fn is_bgen(start: &[u8]) -> bool {
    start.get(16..20) == Some(b"bgen")
}

fn is_web_page(start: &[u8]) -> bool {
    let start = start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(start)
        .trim_ascii_start();
    let head: Vec<u8> = start.iter().take(256).map(u8::to_ascii_lowercase).collect();
    let is_html = [&b"<!doctype html"[..], b"<html", b"<head"]
        .iter()
        .any(|tag| head.starts_with(tag));
    is_html || (head.starts_with(b"<?xml") && contains(&head, b"<html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        let mut tar = vec![0; 300];
        tar[..5].copy_from_slice(b"a.vcf");
        tar[257..262].copy_from_slice(b"ustar");
        let bgen = b"\x14\0\0\0\x14\0\0\0\x02\0\0\0\x03\0\0\0bgen\x05\0\0\0".to_vec();
        let cases: [(&[u8], &str); 14] = [
            (b"\x6c\x1b\x01\xdc", "PLINK 1"),
            (b"\x6c\x1b\x02\x0c", "plink2 --pfile"),
            (b"\x6c\x1b\x10\x0c", "PLINK 2"),
            (&bgen, "BGEN"),
            (
                b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml",
                "Excel workbook",
            ),
            (
                b"PK\x03\x04\x14\0\0\0\x08\0cohort.csv",
                "zip archive; unpack it",
            ),
            (b"\xd0\xcf\x11\xe0\xa1\xb1", ".xls"),
            (b"<!DOCTYPE HTML>\n<html>", "web page"),
            (b"\xef\xbb\xbf \n<html lang='de'>", "web page"),
            (b"CRAM\x03\0", "CRAM"),
            (b"BAM\x01\x20", "BAM"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd"),
            (&tar, "tar archive"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "git lfs pull",
            ),
        ];
        for (bytes, expected) in cases {
            let found = foreign(bytes)
                .map(|found| found.to_string())
                .unwrap_or_default();
            assert!(found.contains(expected), "{expected}: {found}");
        }
        let texts: [&[u8]; 7] = [
            b"sample_id,age\n",
            b"##fileformat=VCFv4.2\n",
            b">chr1\nACGT\n",
            b"",
            b"<DEL>\n",
            b"chr1\t1\t2\n",
            b"\x1f\x8b",
        ];
        for text in texts {
            assert_eq!(foreign(text), None, "{}", text.escape_ascii());
        }
    }
}
