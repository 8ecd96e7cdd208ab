//! Calls that the writer wrote are read back by the reader and by plink2.
//!
//! The test with plink2 is skipped with a message where plink2 is absent. With
//! `GF_REQUIRE_ORACLES`, a missing plink2 is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

use gf_genotypes::pgen::{PgenFile, PgenRecord, PgenWriter};
use proptest::prelude::*;

/// The calls of one variant with this number of alleles.
#[derive(Clone, Debug)]
struct Variant {
    allele_count: u8,
    calls: Vec<[u8; 2]>,
}

impl Variant {
    /// Calls in which about `per_mille` of 1,000 haplotypes have an ALT allele.
    fn new(sample_count: usize, allele_count: u8, per_mille: u64, seed: u64) -> Self {
        let mut state = seed | 1;
        let mut next = move |limit: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) % limit
        };
        let mut allele = move || {
            if next(1000) < per_mille {
                1 + next(u64::from(allele_count) - 1) as u8
            } else {
                0
            }
        };
        let calls = (0..sample_count).map(|_| [allele(), allele()]).collect();
        Self {
            allele_count,
            calls,
        }
    }
}

/// Writes `x.pgen` with its variants and samples.
fn write(folder: &Path, sample_count: usize, variants: &[Variant]) -> PathBuf {
    let path = folder.join("x.pgen");
    let allele_counts = variants.iter().map(|variant| variant.allele_count);
    let file = File::create(&path).unwrap();
    let mut writer = PgenWriter::new(file, sample_count, allele_counts.collect()).unwrap();
    for variant in variants {
        writer.write(&variant.calls).unwrap();
    }
    writer.finish().unwrap();
    let mut pvar = "#CHROM\tPOS\tID\tREF\tALT\n".to_owned();
    for (index, variant) in variants.iter().enumerate() {
        let alts: Vec<String> = (1..variant.allele_count)
            .map(|length| "C".repeat(usize::from(length)))
            .collect();
        writeln!(pvar, "1\t{}\tv{index}\tA\t{}", index + 1, alts.join(",")).unwrap();
    }
    fs::write(path.with_extension("pvar"), pvar).unwrap();
    let mut psam = "#IID\n".to_owned();
    for sample in 0..sample_count {
        writeln!(psam, "S{sample}").unwrap();
    }
    fs::write(path.with_extension("psam"), psam).unwrap();
    path
}

fn check_read_back(path: &Path, variants: &[Variant]) {
    let mut file = PgenFile::open(path).unwrap();
    let mut record = PgenRecord::new();
    for (index, variant) in variants.iter().enumerate() {
        file.read(index, &mut record).unwrap();
        let expected = variant.calls.iter().map(|call| call.map(i16::from));
        assert!(
            expected.eq(record.alleles().iter().copied()),
            "variant {index}"
        );
        assert!(
            record.phased().iter().all(|&phased| phased),
            "variant {index}"
        );
    }
}

fn variants(sample_count: usize) -> Vec<Variant> {
    let mut variants = Vec::new();
    for allele_count in [2, 3, 4, 5, 6, 17, 18, 40] {
        for per_mille in [0, 2, 60, 130, 500, 1000] {
            let seed = u64::from(allele_count) * 1000 + per_mille + 0x9e37_79b9_7f4a_7c15;
            variants.push(Variant::new(sample_count, allele_count, per_mille, seed));
        }
    }
    variants
}

#[test]
fn calls_of_every_frequency_and_number_of_alleles_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for sample_count in [1, 3, 63, 64, 255, 256, 700, 20_000, 65_535, 65_536, 70_000] {
        let mut variants = variants(sample_count);
        if sample_count > 1000 {
            variants.truncate(18);
        }
        let path = write(folder.path(), sample_count, &variants);
        check_read_back(&path, &variants);
    }
}

#[test]
fn blocks_of_many_variants_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let few = variants(5);
    let variants: Vec<Variant> = few.iter().cycle().take(140_000).cloned().collect();
    let path = write(folder.path(), 5, &variants);
    check_read_back(&path, &variants);
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    let mut writer = PgenWriter::new(Cursor::new(Vec::new()), 2, vec![2]).unwrap();
    let reason = |calls: &[[u8; 2]], writer: &mut PgenWriter<_>| {
        writer.write(calls).unwrap_err().to_string()
    };
    assert!(reason(&[[0, 1]], &mut writer).contains("number of samples"));
    assert!(reason(&[[0, 2], [0, 0]], &mut writer).contains("allele number"));
    writer.write(&[[0, 1], [0, 0]]).unwrap();
    assert!(reason(&[[0, 1], [0, 0]], &mut writer).contains("more variants"));
    let writer = PgenWriter::new(Cursor::new(Vec::new()), 2, vec![2]).unwrap();
    assert!(writer.finish().unwrap_err().to_string().contains("fewer"));
}

#[test]
fn plink2_exports_the_calls_that_were_written() {
    if Command::new("plink2").arg("--version").output().is_err() {
        let message = "no plink2 on this machine";
        assert!(
            std::env::var_os("GF_REQUIRE_ORACLES").is_none(),
            "{message}"
        );
        eprintln!("SKIPPED: {message}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for sample_count in [1, 64, 256, 700, 66_000] {
        let mut variants = variants(sample_count);
        if sample_count > 1000 {
            variants.truncate(12);
        }
        write(folder.path(), sample_count, &variants);
        for arguments in ["--validate", "--export vcf"] {
            let output = Command::new("plink2")
                .current_dir(folder.path())
                .args("--pfile x --threads 1 --memory 700 --out y".split(' '))
                .args(arguments.split(' '))
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments}: {text}");
        }
        compare_with_vcf(&folder.path().join("y.vcf"), &variants);
    }
}

fn compare_with_vcf(path: &Path, variants: &[Variant]) {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for (line, variant) in lines.zip(variants) {
        let calls = line.split('\t').skip(9);
        let expected = variant.calls.iter().map(|[a, b]| format!("{a}|{b}"));
        for (call, expected) in calls.zip(expected) {
            // plink2 exports two equal alleles of a variant without phase as `1/1`.
            let (a, b) = expected.split_once('|').unwrap();
            let is_same = call == expected || a == b && call == format!("{a}/{b}");
            assert!(is_same, "{} {call} {expected}", &line[..20.min(line.len())]);
        }
        count += 1;
    }
    assert_eq!(count, variants.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_calls_are_read_back(
        sample_count in 1_usize..400,
        shapes in prop::collection::vec((2_u8..30, 0_u64..=1000, any::<u64>()), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let variants: Vec<Variant> = shapes
            .into_iter()
            .map(|(alleles, per_mille, seed)| {
                Variant::new(sample_count, alleles, per_mille, seed)
            })
            .collect();
        let path = write(folder.path(), sample_count, &variants);
        check_read_back(&path, &variants);
    }
}
