//! Builds of the human genome: their names, and the lengths of their chromosomes.
//!
//! Input -> output: a name as any file writes it, or a contig and its length -> a [`GenomeBuild`].
//! Sources of the lengths: the primary assemblies at NCBI and UCSC of NCBI36 (hg18), GRCh37
//! (`GCF_000001405.25`; hg19 has another mitochondrion), GRCh38 (`GCF_000001405.40`) and
//! T2T-CHM13v2.0 (`GCF_009914755.1`). No chromosome has the same length in two builds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::contig_key;

/// A build of the human genome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub enum GenomeBuild {
    /// Also hg18.
    NCBI36,
    /// Also hg19, b37 and hs37d5.
    GRCh37,
    /// Also hg38.
    GRCh38,
    /// T2T-CHM13, also hs1.
    CHM13,
}

impl GenomeBuild {
    /// All known builds.
    pub const ALL: [Self; 4] = [Self::NCBI36, Self::GRCh37, Self::GRCh38, Self::CHM13];

    /// The build in which a contig has this length.
    #[must_use]
    pub fn of_contig(contig: &str, len_nt: usize) -> Option<Self> {
        let lengths = lengths_of(contig_key(contig))?;
        let place = lengths.iter().position(|length| *length == len_nt)?;
        Some(Self::ALL[place])
    }
}

impl fmt::Display for GenomeBuild {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::NCBI36 => "NCBI36",
            Self::GRCh37 => "GRCh37",
            Self::GRCh38 => "GRCh38",
            Self::CHM13 => "T2T-CHM13",
        })
    }
}

/// A text that does not name a [`GenomeBuild`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a known genome build; write GRCh37, GRCh38, NCBI36 or T2T-CHM13")]
pub struct UnknownBuild(pub String);

impl TryFrom<String> for GenomeBuild {
    type Error = UnknownBuild;

    fn try_from(text: String) -> Result<Self, UnknownBuild> {
        text.parse()
    }
}

impl FromStr for GenomeBuild {
    type Err = UnknownBuild;

    /// Reads `GRCh38`, `hg38`, `GRCh37.p13`, `hs37d5`, `human_g1k_v37`, `NCBI36/hg18` and the like:
    /// the words must name one build.
    fn from_str(text: &str) -> Result<Self, UnknownBuild> {
        of_name(&text.trim().to_ascii_lowercase()).ok_or_else(|| UnknownBuild(text.into()))
    }
}

/// The build that a lower-case name means; `None` if it names none, several, or an unknown one.
fn of_name(lower: &str) -> Option<GenomeBuild> {
    if let Some(build) = of_assembly(lower).or_else(|| of_number(lower)) {
        return Some(build);
    }
    let mut named = None;
    for word in lower.split(|character: char| !character.is_ascii_alphanumeric()) {
        match of_word(word) {
            Named::Nothing => {}
            Named::Build(build) if named.is_none_or(|earlier| earlier == build) => {
                named = Some(build);
            }
            Named::Build(_) | Named::Unknown => return None,
        }
    }
    named
}

/// The meaning of one word in the name of a build.
enum Named {
    /// A known build.
    Build(GenomeBuild),
    /// A build that is not among [`GenomeBuild::ALL`].
    Unknown,
    /// Not part of the name of a build.
    Nothing,
}

fn of_word(word: &str) -> Named {
    if word == "t2t" || word == "hs1" || word.starts_with("chm13") {
        return Named::Build(GenomeBuild::CHM13);
    }
    for prefix in ["grch", "hg", "ncbi", "build", "b", "hs", "v", "g1kv"] {
        let Some(rest) = word.strip_prefix(prefix) else {
            continue;
        };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if digits.len() != 2 {
            continue;
        }
        let build = match (prefix, digits.as_str()) {
            ("hg", "19") => Some(GenomeBuild::GRCh37),
            ("hg", "18") => Some(GenomeBuild::NCBI36),
            (_, digits) => of_number(digits),
        };
        return match build {
            Some(build) => Named::Build(build),
            None if matches!(prefix, "b" | "v") => Named::Nothing,
            None => Named::Unknown,
        };
    }
    Named::Nothing
}

/// `38`, alone or after another word.
fn of_number(digits: &str) -> Option<GenomeBuild> {
    let digits = digits.strip_prefix("build").map_or(digits, str::trim_start);
    match digits {
        "36" => Some(GenomeBuild::NCBI36),
        "37" => Some(GenomeBuild::GRCh37),
        "38" => Some(GenomeBuild::GRCh38),
        _ => None,
    }
}

/// Accessions of assemblies at NCBI, such as `GCF_000001405.40`.
fn of_assembly(lower: &str) -> Option<GenomeBuild> {
    let (stem, version) = lower.split_once('.')?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    let version: u32 = digits.parse().ok()?;
    match (stem, version) {
        ("gcf_000001405", 12) => Some(GenomeBuild::NCBI36),
        ("gcf_000001405", 13..=25) | ("gca_000001405", 1..=14) => Some(GenomeBuild::GRCh37),
        ("gcf_000001405", 26..) | ("gca_000001405", 15..) => Some(GenomeBuild::GRCh38),
        ("gcf_009914755" | "gca_009914755", _) => Some(GenomeBuild::CHM13),
        _ => None,
    }
}

/// Key of a chromosome and its length (nt) in each of [`GenomeBuild::ALL`].
const LENGTHS: [(&str, [usize; 4]); 24] = [
    ("1", [247_249_719, 249_250_621, 248_956_422, 248_387_328]),
    ("2", [242_951_149, 243_199_373, 242_193_529, 242_696_752]),
    ("3", [199_501_827, 198_022_430, 198_295_559, 201_105_948]),
    ("4", [191_273_063, 191_154_276, 190_214_555, 193_574_945]),
    ("5", [180_857_866, 180_915_260, 181_538_259, 182_045_439]),
    ("6", [170_899_992, 171_115_067, 170_805_979, 172_126_628]),
    ("7", [158_821_424, 159_138_663, 159_345_973, 160_567_428]),
    ("8", [146_274_826, 146_364_022, 145_138_636, 146_259_331]),
    ("9", [140_273_252, 141_213_431, 138_394_717, 150_617_247]),
    ("10", [135_374_737, 135_534_747, 133_797_422, 134_758_134]),
    ("11", [134_452_384, 135_006_516, 135_086_622, 135_127_769]),
    ("12", [132_349_534, 133_851_895, 133_275_309, 133_324_548]),
    ("13", [114_142_980, 115_169_878, 114_364_328, 113_566_686]),
    ("14", [106_368_585, 107_349_540, 107_043_718, 101_161_492]),
    ("15", [100_338_915, 102_531_392, 101_991_189, 99_753_195]),
    ("16", [88_827_254, 90_354_753, 90_338_345, 96_330_374]),
    ("17", [78_774_742, 81_195_210, 83_257_441, 84_276_897]),
    ("18", [76_117_153, 78_077_248, 80_373_285, 80_542_538]),
    ("19", [63_811_651, 59_128_983, 58_617_616, 61_707_364]),
    ("20", [62_435_964, 63_025_520, 64_444_167, 66_210_255]),
    ("21", [46_944_323, 48_129_895, 46_709_983, 45_090_682]),
    ("22", [49_691_432, 51_304_566, 50_818_468, 51_324_926]),
    ("X", [154_913_754, 155_270_560, 156_040_895, 154_259_566]),
    ("Y", [57_772_954, 59_373_566, 57_227_415, 62_460_029]),
];

/// Lengths of the chromosome with this key in each of [`GenomeBuild::ALL`].
fn lengths_of(key: &str) -> Option<&'static [usize; 4]> {
    LENGTHS
        .iter()
        .find(|(name, _)| *name == key)
        .map(|(_, lens_nt)| lens_nt)
}

/// Names of [`GenomeBuild::ALL`] in messages about lengths.
const CLAIMED: [&str; 4] = ["hg18", "GRCh37", "GRCh38", "T2T-CHM13"];

/// Mitochondria: the revised Cambridge sequence, and the one of hg18 and hg19.
const MITOCHONDRIA: [(usize, &[&str]); 2] = [
    (16_569, &["GRCh37", "GRCh38", "T2T-CHM13"]),
    (16_571, &["hg18", "hg19"]),
];

/// The builds in which a contig has this length; none if no human chromosome has it.
#[must_use]
pub fn builds_of_length(contig: &str, len_nt: usize) -> Vec<&'static str> {
    let key = contig_key(contig);
    if key == "MT" {
        let found = MITOCHONDRIA.iter().find(|(len, _)| *len == len_nt);
        return found.map_or_else(Vec::new, |(_, builds)| builds.to_vec());
    }
    let Some(lens_nt) = lengths_of(key) else {
        return Vec::new();
    };
    CLAIMED
        .iter()
        .zip(lens_nt)
        .filter(|(_, len)| **len == len_nt)
        .map(|(build, _)| *build)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_tells_the_build() {
        assert_eq!(builds_of_length("chr20", 63_025_520), ["GRCh37"]);
        assert_eq!(builds_of_length("1", 248_387_328), ["T2T-CHM13"]);
        assert_eq!(builds_of_length("chrM", 16_571), ["hg18", "hg19"]);
        assert!(
            builds_of_length("20", 64_444_166).is_empty()
                && builds_of_length("other", 63_025_520).is_empty()
        );
        for (contig, lens_nt) in LENGTHS {
            for (build, len_nt) in CLAIMED.iter().zip(lens_nt) {
                assert_eq!(
                    builds_of_length(contig, len_nt),
                    [*build],
                    "no two builds share a length of {contig}"
                );
            }
        }
    }

    #[test]
    fn the_length_of_a_chromosome_tells_the_build() {
        assert_eq!(
            GenomeBuild::of_contig("chr20", 63_025_520),
            Some(GenomeBuild::GRCh37)
        );
        assert_eq!(
            GenomeBuild::of_contig("20", 64_444_167),
            Some(GenomeBuild::GRCh38)
        );
        assert_eq!(
            GenomeBuild::of_contig("23", 154_913_754),
            Some(GenomeBuild::NCBI36)
        );
        assert_eq!(GenomeBuild::of_contig("20", 64_444_166), None);
        assert_eq!(GenomeBuild::of_contig("simulated", 63_025_520), None);
        for (name, lengths) in LENGTHS {
            let mut distinct = lengths.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), 4, "{name}");
        }
    }

    /// Builds, and names of them separated by commas.
    const NAMES: [(GenomeBuild, &str); 4] = [
        (
            GenomeBuild::NCBI36,
            "hg18,NCBI36,NCBI36/hg18,GRCh36,build36,b36,36",
        ),
        (
            GenomeBuild::GRCh37,
            "GRCh37,grch37,hg19,b37,hs37d5,GRCh37.p13,GRCh37/hg19,37,build 37,human_g1k_v37,\
             GCF_000001405.25,hg19 (GRCh37),hs37-1kg,GRCh37_lift",
        ),
        (
            GenomeBuild::GRCh38,
            "GRCh38,hg38,GRCh38.p14,GRCh38DH,hs38DH,b38,38,GCA_000001405.15_GRCh38,hg38p13",
        ),
        (
            GenomeBuild::CHM13,
            "T2T-CHM13v2.0,chm13,CHM13v2,hs1,T2T,GCF_009914755.1",
        ),
    ];

    #[test]
    fn names_of_builds_are_understood_or_refused() {
        for (build, names) in NAMES {
            for name in names.split(',') {
                assert_eq!(name.parse(), Ok(build), "{name}");
            }
        }
        for name in [
            "hg17",
            "NCBI35",
            "mm10",
            "GRCh39",
            "hg19/hg38",
            "NR",
            "",
            "human",
        ] {
            assert_eq!(
                name.parse::<GenomeBuild>(),
                Err(UnknownBuild(name.into())),
                "{name}"
            );
        }
    }
}
