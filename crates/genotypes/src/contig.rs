//! Names of contigs: aliases of the same chromosome, and accessions that identify the genome build.
//!
//! Input -> output: a name as any file writes it -> its key in this program. Keys of human
//! chromosomes are `1` to `22`, `X`, `Y` and `MT`; any other name is its own key, without `chr`.
//!
//! | written | key |
//! |---|---|
//! | `7`, `chr7`, `CHR7`, `07`, `7.0`, `chromosome_7` | `7` |
//! | `X`, `23`, and the pseudo-autosomal `XY`, `25`, `PAR1`, `PAR2` (positions on X) | `X` |
//! | `Y`, `24` | `Y` |
//! | `MT`, `M`, `chrM`, `26` | `MT` |
//! | `NC_000007.14`, `CM000669.2`, `NC_060931.1` | `7`, and the build |

use super::GenomeBuild;

/// Keys of the chromosomes with the numbers 1 to 26 of PLINK: 23 X, 24 Y, 25 XY, 26 MT.
const NUMBERED: [&str; 26] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17",
    "18", "19", "20", "21", "22", "X", "Y", "X", "MT",
];

/// Names with letters, upper-case, and their keys.
const LETTERED: [(&str, &str); 8] = [
    ("X", "X"),
    ("Y", "Y"),
    ("XY", "X"),
    ("PAR", "X"),
    ("PAR1", "X"),
    ("PAR2", "X"),
    ("M", "MT"),
    ("MT", "MT"),
];

/// Version of the `RefSeq` accessions `NC_000001` to `NC_000024` in GRCh37. That of GRCh38 is one
/// higher, that of NCBI36 one lower.
const REFSEQ_GRCH37: [u32; 24] = [
    10, 11, 11, 11, 9, 11, 13, 10, 11, 10, 9, 11, 10, 8, 9, 9, 10, 9, 9, 10, 8, 10, 10, 9,
];

/// The key of a contig. It is needed at every record, so it allocates nothing.
#[must_use]
pub fn contig_key(contig: &str) -> &str {
    chromosome_key(contig).unwrap_or_else(|| without_chr(contig.trim()))
}

/// The key of a name that means a human chromosome.
#[must_use]
pub fn chromosome_key(contig: &str) -> Option<&'static str> {
    let contig = contig.trim();
    chromosome(contig)
        .or_else(|| {
            PREFIXES
                .into_iter()
                .find_map(|prefix| chromosome(after_prefix(contig, prefix)?))
        })
        .or_else(|| accession(contig).map(|(key, _)| key))
}

/// The build of a name: accessions of NCBI have a version.
#[must_use]
pub fn contig_build(contig: &str) -> Option<GenomeBuild> {
    accession(contig.trim()).and_then(|(_, build)| build)
}

/// Whether two files may mean the same contig by these names.
#[must_use]
pub fn same_contig(a: &str, b: &str) -> bool {
    a == b || contig_key(a) == contig_key(b) && !tell_different_builds(a, b)
}

/// Whether both names identify a build, and the builds differ.
#[must_use]
pub fn tell_different_builds(a: &str, b: &str) -> bool {
    match (contig_build(a), contig_build(b)) {
        (Some(a), Some(b)) => a != b,
        _ => false,
    }
}

/// A few other names of a contig, for messages.
#[must_use]
pub fn contig_aliases(contig: &str) -> Vec<String> {
    let key = contig_key(contig);
    let ucsc = if key == "MT" {
        "chrM".to_owned()
    } else {
        format!("chr{key}")
    };
    [key.to_owned(), ucsc]
        .into_iter()
        .filter(|name| name != contig)
        .collect()
}

/// What a chromosome may begin with, in any case, before `_`, `-`, a blank, or its name.
const PREFIXES: [&str; 3] = ["chromosome", "chrom", "chr"];

fn after_prefix<'a>(contig: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = strip_prefix_ignoring_case(contig, prefix)?;
    Some(rest.strip_prefix(['_', '-', ' ', '.']).unwrap_or(rest))
}

/// The name of another contig.
fn without_chr(contig: &str) -> &str {
    strip_prefix_ignoring_case(contig, "chr").unwrap_or(contig)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

/// The key of a chromosome without `chr`.
fn chromosome(bare: &str) -> Option<&'static str> {
    let is_number = bare
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_digit());
    if is_number && let Some(number) = whole_number(bare) {
        return NUMBERED.get(number.checked_sub(1)?).copied();
    }
    // PLINK writes `0X` and `0M` with `--output-chr 0M`.
    let letters = bare.trim_start_matches('0');
    LETTERED
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(letters))
        .map(|(_, key)| *key)
}

/// `7`, `07` and `7.0`, as spreadsheets and data frames write it.
fn whole_number(text: &str) -> Option<usize> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|zero| zero == b'0') => {
            whole
        }
        Some(_) => return None,
        None => text,
    };
    let is_number = whole.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { whole.parse().ok() } else { None }
}

/// The chromosome of an accession of `RefSeq` or `GenBank`, and the build if its version is known.
fn accession(name: &str) -> Option<(&'static str, Option<GenomeBuild>)> {
    let (stem, version) = match name.split_once('.') {
        Some((stem, version)) => (stem, Some(version.parse::<u32>().ok()?)),
        None => (name, None),
    };
    if let Some(digits) = strip_prefix_ignoring_case(stem, "NC_") {
        return refseq(digits, version);
    }
    let number: usize = strip_prefix_ignoring_case(stem, "CM")?.parse().ok()?;
    let chromosome = number
        .checked_sub(663)
        .filter(|chromosome| *chromosome < 24)?;
    let build = match version {
        Some(1) => Some(GenomeBuild::GRCh37),
        Some(2) => Some(GenomeBuild::GRCh38),
        _ => None,
    };
    Some((NUMBERED[chromosome], build))
}

fn refseq(digits: &str, version: Option<u32>) -> Option<(&'static str, Option<GenomeBuild>)> {
    if digits.len() != 6 {
        return None;
    }
    match digits.parse::<usize>().ok()? {
        number @ 1..=24 => {
            let of_grch37 = REFSEQ_GRCH37[number - 1];
            let build = match version {
                Some(version) if version == of_grch37 => Some(GenomeBuild::GRCh37),
                Some(version) if version == of_grch37 + 1 => Some(GenomeBuild::GRCh38),
                Some(version) if version + 1 == of_grch37 => Some(GenomeBuild::NCBI36),
                _ => None,
            };
            Some((NUMBERED[number - 1], build))
        }
        number @ 60_925..=60_948 => Some((NUMBERED[number - 60_925], Some(GenomeBuild::CHM13))),
        // The mitochondrion of GRCh37 and GRCh38, and that of hg19.
        12_920 | 1_807 => Some(("MT", None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys, and spellings of them separated by commas.
    const SPELLINGS: [(&str, &str); 13] = [
        ("1", "1,01,chr1,CHR1,Chr1,chr01,1.0, 1,chrom_1,chromosome1"),
        (
            "19",
            "19,chr19,19.00,NC_000019.9,nc_000019.10,CM000681.2,NC_060943.1",
        ),
        ("X", "X,x,chrX,chrx,23,chr23,0X,XY,25,PAR1,NC_000023.11"),
        ("Y", "Y,chrY,24,NC_000024.10,CM000686.1"),
        ("MT", "MT,M,chrM,chrMT,mt,26,0M,NC_012920.1"),
        ("Un_KI270742v1", "chrUn_KI270742v1,Un_KI270742v1"),
        ("HLA-A*01:01:01:01", "HLA-A*01:01:01:01"),
        ("simulated", "simulated,chrsimulated"),
        ("tracking1", "tracking1"),
        ("27", "27"),
        ("0", "0"),
        ("1.5", "1.5"),
        ("", ",chr"),
    ];

    #[test]
    fn every_spelling_of_a_chromosome_has_one_key() {
        for (key, names) in SPELLINGS {
            for name in names.split(',') {
                assert_eq!(contig_key(name), key, "{name}");
            }
        }
    }

    #[test]
    fn accessions_tell_the_build_and_builds_keep_contigs_apart() {
        for (name, build) in [
            ("NC_000001.11", Some(GenomeBuild::GRCh38)),
            ("NC_000001.10", Some(GenomeBuild::GRCh37)),
            ("NC_000001.9", Some(GenomeBuild::NCBI36)),
            ("NC_000014.8", Some(GenomeBuild::GRCh37)),
            ("NC_000024.10", Some(GenomeBuild::GRCh38)),
            ("CM000663.1", Some(GenomeBuild::GRCh37)),
            ("NC_060925.1", Some(GenomeBuild::CHM13)),
            ("NC_000001", None),
            ("NC_000001.99", None),
            ("NC_012920.1", None),
            ("NC_045512.2", None),
            ("chr1", None),
        ] {
            assert_eq!(contig_build(name), build, "{name}");
        }
        assert!(same_contig("NC_000001.11", "chr1") && same_contig("NC_000001.10", "1"));
        assert!(!same_contig("NC_000001.11", "NC_000001.10"));
        assert_eq!(contig_key("NC_045512.2"), "NC_045512.2");
    }

    #[test]
    fn messages_name_the_usual_spellings() {
        assert_eq!(contig_aliases("7"), ["chr7"]);
        assert_eq!(contig_aliases("chrM"), ["MT"]);
        assert_eq!(contig_aliases("NC_000023.11"), ["X", "chrX"]);
        assert_eq!(contig_aliases("simulated"), ["chrsimulated"]);
    }
}
