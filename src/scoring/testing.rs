//! What tests of scores and baselines share.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// A program to compare with is not on this machine: the test is skipped with a message. Where
/// `GF_REQUIRE_ORACLES` is set, as `.ci/run` does, the test fails.
pub fn no_oracle(what: &str) {
    assert!(
        std::env::var_os("GF_REQUIRE_ORACLES").is_none(),
        "{what}; GF_REQUIRE_ORACLES is set, so this is a failure"
    );
    eprintln!("SKIPPED: {what}");
}

/// A folder of the shared real data, or `None`, said aloud, where it is not there.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data")
        .join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no real data at {}", folder.display());
    None
}

/// Writes a VCF; records have spaces for tabs and leave INFO out (`CHROM POS ID REF ALT QUAL FILTER
/// INFO FORMAT genotypes...`).
pub fn write_vcf(folder: &Path, samples: &[&str], records: &[&str]) -> PathBuf {
    let path = folder.join("cohort.vcf");
    let mut text = String::from(
        "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n",
    );
    writeln!(
        text,
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}",
        samples.join("\t")
    )
    .unwrap();
    for record in records {
        text += &record
            .replacen(
                " GT ",
                " . GT ",
                usize::from(record.split(' ').nth(8) != Some("GT")),
            )
            .replace(' ', "\t");
        text.push('\n');
    }
    fs::write(&path, text).unwrap();
    path
}
