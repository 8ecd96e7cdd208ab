//! Helpers for tests of scores and baselines.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Skips a test with a message because a program to compare with is not installed. With
/// `GF_REQUIRE_ORACLES`, which `.ci/run` sets, the test fails instead.
pub fn no_oracle(what: &str) {
    assert!(
        std::env::var_os("GF_REQUIRE_ORACLES").is_none(),
        "{what}; GF_REQUIRE_ORACLES is set, so this is a failure"
    );
    eprintln!("SKIPPED: {what}");
}

/// A folder of the shared real data; `None`, with a message, if it does not exist.
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

/// Writes a VCF. Records have blanks instead of tabs, and may leave out INFO (`CHROM POS ID REF ALT
/// QUAL FILTER INFO FORMAT genotypes...`).
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
        let has_info = record.split(' ').nth(8) == Some("GT");
        let with_info = if has_info {
            (*record).to_owned()
        } else {
            record.replacen(" GT ", " . GT ", 1)
        };
        text += &with_info.replace(' ', "\t");
        text.push('\n');
    }
    fs::write(&path, text).unwrap();
    path
}
