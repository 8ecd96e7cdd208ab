//! The two builds of the human genome in use, and how a VCF header tells which one it is.
//!
//! Input -> output: a name, or a contig and its length -> a [`GenomeBuild`]. Lengths are those of the primary assemblies GRCh37 and GRCh38 at NCBI
//! (`GCF_000001405.25` and `.40`); no chromosome has the same length in both.

use std::{fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Error;
use crate::ingest::{VariantFile, contig_key};

/// The two builds of the human genome in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GenomeBuild {
    /// Also hg19 and b37.
    GRCh37,
    /// Also hg38.
    GRCh38,
}

impl fmt::Display for GenomeBuild {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::GRCh37 => "GRCh37",
            Self::GRCh38 => "GRCh38",
        })
    }
}

/// A text that names no [`GenomeBuild`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a genome build; write GRCh37 or GRCh38")]
pub struct UnknownBuild(String);

impl FromStr for GenomeBuild {
    type Err = UnknownBuild;

    fn from_str(text: &str) -> Result<Self, UnknownBuild> {
        match text.to_ascii_lowercase().as_str() {
            "grch37" | "hg19" | "b37" | "hs37d5" => Ok(Self::GRCh37),
            "grch38" | "hg38" => Ok(Self::GRCh38),
            _ => Err(UnknownBuild(text.into())),
        }
    }
}

/// Chromosome, its length (nt) in GRCh37 and in GRCh38.
const LENGTHS: [(&str, usize, usize); 24] = [
    ("1", 249_250_621, 248_956_422),
    ("2", 243_199_373, 242_193_529),
    ("3", 198_022_430, 198_295_559),
    ("4", 191_154_276, 190_214_555),
    ("5", 180_915_260, 181_538_259),
    ("6", 171_115_067, 170_805_979),
    ("7", 159_138_663, 159_345_973),
    ("8", 146_364_022, 145_138_636),
    ("9", 141_213_431, 138_394_717),
    ("10", 135_534_747, 133_797_422),
    ("11", 135_006_516, 135_086_622),
    ("12", 133_851_895, 133_275_309),
    ("13", 115_169_878, 114_364_328),
    ("14", 107_349_540, 107_043_718),
    ("15", 102_531_392, 101_991_189),
    ("16", 90_354_753, 90_338_345),
    ("17", 81_195_210, 83_257_441),
    ("18", 78_077_248, 80_373_285),
    ("19", 59_128_983, 58_617_616),
    ("20", 63_025_520, 64_444_167),
    ("21", 48_129_895, 46_709_983),
    ("22", 51_304_566, 50_818_468),
    ("X", 155_270_560, 156_040_895),
    ("Y", 59_373_566, 57_227_415),
];

impl GenomeBuild {
    /// The build in which a contig has this length.
    fn of_contig(contig: &str, len_nt: usize) -> Option<Self> {
        let (_, grch37, grch38) = LENGTHS.iter().find(|(name, ..)| *name == contig_key(contig))?;
        match len_nt {
            _ if len_nt == *grch37 => Some(Self::GRCh37),
            _ if len_nt == *grch38 => Some(Self::GRCh38),
            _ => None,
        }
    }
}

/// What somebody says of the build of the VCF.
#[derive(Clone, Debug)]
pub struct Stated {
    /// Who says so: an option, or a file.
    pub by: String,
    /// The build.
    pub build: GenomeBuild,
}

/// The build that the contig lengths of a header are of.
///
/// # Errors
/// Somebody says another one.
pub fn of_header(file: &VariantFile, stated: &[Stated]) -> Result<Option<GenomeBuild>, Error> {
    let mut of_contigs = file.contigs().filter_map(|(contig, len_nt)| Some((contig, len_nt?)));
    let found = of_contigs.find_map(|(contig, len_nt)| Some((contig, len_nt, GenomeBuild::of_contig(contig, len_nt)?)));
    let Some((contig, len_nt, build)) = found else { return Ok(None) };
    if let Some(other) = stated.iter().find(|stated| stated.build != build) {
        return Err(Error::HeaderBuild {
            path: Path::to_path_buf(file.path()),
            contig: contig.into(),
            len_nt,
            found: build,
            stated: other.by.clone(),
            expected: other.build,
        });
    }
    Ok(Some(build))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_chromosome_tells_the_build() {
        assert_eq!(GenomeBuild::of_contig("chr20", 63_025_520), Some(GenomeBuild::GRCh37));
        assert_eq!(GenomeBuild::of_contig("20", 64_444_167), Some(GenomeBuild::GRCh38));
        assert_eq!(GenomeBuild::of_contig("20", 64_444_166), None);
        assert_eq!(GenomeBuild::of_contig("simulated", 63_025_520), None);
        assert!(LENGTHS.iter().all(|(_, grch37, grch38)| grch37 != grch38));
    }
}
