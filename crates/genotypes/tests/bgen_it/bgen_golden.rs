//! Files of other writers, in the folder that `GF_GOLDEN_DIR` names: `tests/data` of the repository
//! github.com/jeremymcrae/bgen, and `example` of github.com/rgcgithub/regenie in a folder
//! `regenie`.
//! No such file is part of this repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gf_genotypes::bgen::{BgenFile, BgenProblem, BgenRecord};

use super::support::{
    Read,
    oracle::{has_program, run},
    read_all, read_path,
};

fn golden(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("GF_GOLDEN_DIR") else {
        eprintln!("SKIPPED: GF_GOLDEN_DIR is not set");
        return None;
    };
    let path = Path::new(&folder).join(name);
    if !path.is_file() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    Some(path)
}

/// The columns after the fifth of a GEN file: three probabilities per sample, all 0 when missing.
fn gen_probabilities(line: &str) -> Vec<[f64; 3]> {
    let numbers: Vec<f64> = line
        .split_whitespace()
        .skip(6)
        .map(|number| number.parse().unwrap())
        .collect();
    numbers.as_chunks::<3>().0.to_vec()
}

#[test]
fn every_number_of_bits_gives_the_probabilities_of_the_gen_file() {
    let Some(gen_path) = golden("example.gen") else {
        return;
    };
    let text = fs::read_to_string(gen_path).unwrap();
    let names = (1..=32).map(|bits| (bits, format!("example.{bits}bits.bgen")));
    let zstd = std::iter::once((16, "example.16bits.zstd.bgen".to_owned()));
    for (bits, name) in names.chain(zstd) {
        let file = BgenFile::open(&golden(&name).unwrap()).unwrap();
        assert_eq!(file.samples().len(), 500);
        let tolerance = 1.0 / ((1_u64 << bits) - 1) as f64 + 1e-4;
        let mut record = BgenRecord::new();
        let variants = file.walk().unwrap();
        assert_eq!(variants.len(), text.lines().count());
        for (index, line) in text.lines().enumerate() {
            file.read(&variants, index, &mut record).unwrap();
            assert_eq!(record.bits(), bits);
            assert_eq!(record.rsid(), line.split(' ').nth(2).unwrap());
            for (sample, expected) in gen_probabilities(line).iter().enumerate() {
                let found = record.probabilities(sample);
                if record.is_missing(sample).unwrap() {
                    assert!(expected.iter().sum::<f64>() < 1e-9);
                    continue;
                }
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found - expected).abs() <= tolerance,
                        "{name} {found} {expected}"
                    );
                }
            }
        }
    }
}

/// A GT value of a VCF, any ploidy.
fn gt_alleles(value: &str) -> Vec<i16> {
    let gt = value.split(':').next().unwrap();
    gt.split(['/', '|'])
        .map(|allele| allele.parse().unwrap())
        .collect()
}

fn check_complex(read: &Read, line: &str) {
    let columns: Vec<&str> = line.split('\t').collect();
    let alleles = format!("{},{}", columns[3], columns[4]);
    assert_eq!(read.alleles.join(","), alleles);
    for (sample, value) in columns[9..].iter().enumerate() {
        let mut genotype = gt_alleles(value);
        assert_eq!(usize::from(read.ploidies[sample]), genotype.len());
        // Some heterozygotes of the VCF are in the wrong order of a GP column: dosages are
        // compared.
        genotype.sort_unstable();
        let n_alleles = read.alleles.len();
        let dosages = &read.dosages[sample * n_alleles..(sample + 1) * n_alleles];
        let copies: Vec<f32> = (0..n_alleles)
            .map(|allele| genotype.iter().filter(|&&a| a == allele as i16).count() as f32)
            .collect();
        let dosages: Vec<f32> = dosages.iter().map(|&bits| f32::from_bits(bits)).collect();
        assert_eq!(dosages, copies, "{line}");
    }
}

#[test]
fn ploidies_and_many_alleles_are_those_of_the_vcf() {
    let Some(vcf) = golden("complex.vcf") else {
        return;
    };
    let text = fs::read_to_string(vcf).unwrap();
    let names = (1..=32).map(|bits| format!("complex.{bits}bits.bgen"));
    for name in names.chain(["complex.bgen".to_owned()]) {
        let reads = read_path(&golden(&name).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(reads.len(), lines.len());
        for (read, line) in reads.iter().zip(lines) {
            check_complex(read, line);
        }
    }
}

#[test]
fn haplotypes_are_those_of_the_haps_file() {
    let Some(haps) = golden("haplotypes.haps") else {
        return;
    };
    let reads = read_path(&golden("haplotypes.bgen").unwrap()).unwrap();
    for (read, line) in reads.iter().zip(fs::read_to_string(haps).unwrap().lines()) {
        let alleles: Vec<i16> = line
            .split_whitespace()
            .skip(6)
            .map(|allele| allele.parse().unwrap())
            .collect();
        let calls = read.calls.as_ref().unwrap().concat();
        assert!(read.phased);
        assert_eq!(calls, alleles[..], "{line}");
    }
}

#[test]
fn the_index_of_bgenix_lists_what_a_walk_lists() {
    for name in [
        "example.8bits.bgen",
        "example.16bits.bgen",
        "complex.bgen",
        "haplotypes.bgen",
    ] {
        let Some(path) = golden(name) else {
            return;
        };
        let file = BgenFile::open(&path).unwrap();
        let walked = file.walk().unwrap();
        let indexed = file.variants().unwrap();
        assert_eq!(indexed.len(), walked.len());
        for (one, other) in walked.iter().zip(indexed.iter()) {
            assert_eq!((one.offset, one.rsid), (other.offset, other.rsid));
            assert_eq!((one.contig, one.position), (other.contig, other.position));
            assert!(one.alleles().eq(other.alleles()));
        }
        assert_eq!(read_all(&file).unwrap().len(), walked.len());
    }
}

#[test]
fn layout_1_is_refused_by_name() {
    let Some(path) = golden("example.v11.bgen") else {
        return;
    };
    let error = BgenFile::open(&path).unwrap_err();
    assert!(matches!(
        error.problem,
        BgenProblem::OldLayout { layout: 1 }
    ));
}

#[test]
fn dosages_of_regenies_files_are_those_of_plink2() {
    for name in ["example", "example_3chr", "example_3chr_zstd"] {
        let Some(path) = golden(&format!("regenie/{name}.bgen")) else {
            continue;
        };
        if !has_program("plink2") {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let sample = path.with_file_name("example_3chr.sample");
        let arguments = format!(
            "--bgen {} ref-first --sample {} --threads 1 --memory 700 --export vcf vcf-dosage=DS \
             --out out",
            path.display(),
            sample.display()
        );
        run(folder.path(), "plink2", &arguments);
        let text = fs::read_to_string(folder.path().join("out.vcf")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let reads = read_path(&path).unwrap();
        assert_eq!(reads.len(), lines.len());
        for (read, line) in reads.iter().zip(lines) {
            compare_dosages(read, line);
        }
        eprintln!("EQUAL: {name}.bgen, {} variants", reads.len());
    }
}

/// Compares the dosages of ALT with DS, or with GT in samples without DS.
fn compare_dosages(read: &Read, line: &str) {
    let columns: Vec<&str> = line.split('\t').collect();
    assert_eq!(read.position.to_string(), columns[1]);
    assert_eq!(read.alleles, columns[3..5]);
    assert_eq!(read.dosages.len(), 2 * (columns.len() - 9));
    for (sample, value) in columns[9..].iter().enumerate() {
        let found = f32::from_bits(read.dosages[2 * sample + 1]);
        let (gt, dosage) = value.split_once(':').unwrap_or((value, "."));
        let expected = dosage.parse().unwrap_or_else(|_| match gt {
            "./." => f32::NAN,
            call => call.matches('1').count() as f32,
        });
        // PLINK 2 stores dosages in steps of 1/16384 and prints six digits.
        let is_same = (found - expected).abs() < 1e-4 || found.is_nan() && expected.is_nan();
        assert!(is_same, "{} sample {sample}: {found}, {value}", read.rsid);
    }
}
