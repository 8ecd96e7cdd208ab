//! Lengths of the human chromosomes in the builds in use: what a length that a header states says of its build.
//!
//! Input -> output: a contig and a length -> the builds in which it has that length. Sources: the primary assemblies at
//! NCBI and UCSC of NCBI36 (hg18), GRCh37 (`GCF_000001405.25`; hg19 has another mitochondrion), GRCh38
//! (`GCF_000001405.40`) and T2T-CHM13v2.0 (`GCF_009914755.1`).

use super::contig_key;

/// Names of the builds, in the order of [`LENGTHS`].
const BUILDS: [&str; 4] = ["hg18", "GRCh37", "GRCh38", "T2T-CHM13"];

/// Chromosome, and its length (nt) in each of [`BUILDS`].
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

/// Mitochondria: the revised Cambridge sequence, and the one of hg18 and hg19.
const MITOCHONDRIA: [(usize, &[&str]); 2] = [(16_569, &["GRCh37", "GRCh38", "T2T-CHM13"]), (16_571, &["hg18", "hg19"])];

/// The builds in which a contig has this length; none where it is no length of a human chromosome.
#[must_use]
pub fn builds_of_length(contig: &str, len_nt: usize) -> Vec<&'static str> {
    let key = contig_key(contig);
    if key == "MT" {
        let found = MITOCHONDRIA.iter().find(|(len, _)| *len == len_nt);
        return found.map_or_else(Vec::new, |(_, builds)| builds.to_vec());
    }
    let Some((_, lens_nt)) = LENGTHS.iter().find(|(name, _)| *name == key) else { return Vec::new() };
    BUILDS.iter().zip(lens_nt).filter(|(_, len)| **len == len_nt).map(|(build, _)| *build).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_tells_the_build() {
        assert_eq!(builds_of_length("chr20", 63_025_520), ["GRCh37"]);
        assert_eq!(builds_of_length("1", 248_387_328), ["T2T-CHM13"]);
        assert_eq!(builds_of_length("chrM", 16_571), ["hg18", "hg19"]);
        assert!(builds_of_length("20", 64_444_166).is_empty() && builds_of_length("other", 63_025_520).is_empty());
        for (contig, lens_nt) in LENGTHS {
            for (build, len_nt) in BUILDS.iter().zip(lens_nt) {
                assert_eq!(builds_of_length(contig, len_nt), [*build], "no two builds share a length of {contig}");
            }
        }
    }
}
