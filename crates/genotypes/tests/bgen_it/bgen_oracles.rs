//! Against PLINK 2: VCF files that it converts to BGEN, and BGEN files that it converts to VCF.

use std::{collections::HashMap, fmt::Write as _, fs, path::Path};

use gf_genotypes::{ABSENT, MISSING};

use super::support::{
    Read,
    oracle::{has_program, run, shared_data},
    read_path,
};

const N_SAMPLES: usize = 37;

/// Numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

fn vcf_header() -> String {
    let mut text = String::from(
        "##fileformat=VCFv4.2\n##contig=<ID=1>\n##contig=<ID=X>\n##contig=<ID=MT>\n\
         ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n\
         ##FORMAT=<ID=DS,Number=1,Type=Float,Description=\"Dosage\">\n\
         ##FORMAT=<ID=HDS,Number=.,Type=Float,Description=\"Haplotype dosages\">\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT",
    );
    for sample in 0..N_SAMPLES {
        write!(text, "\ts{sample}").unwrap();
    }
    text + "\n"
}

/// Samples with even numbers are male.
fn write_sexes(folder: &Path) {
    let rows = (0..N_SAMPLES).map(|sample| format!("s{sample}\t{}\n", sample % 2 + 1));
    let text = format!("#IID\tSEX\n{}", rows.collect::<String>());
    fs::write(folder.join("sexes.psam"), text).unwrap();
}

fn genotype(numbers: &mut Numbers, contig: &str, sample: usize, separator: char) -> String {
    let is_haploid = contig == "MT" || (contig == "X" && sample.is_multiple_of(2));
    if numbers.below(12) == 0 {
        return if is_haploid {
            ".".to_owned()
        } else {
            format!(".{separator}.")
        };
    }
    let first = numbers.below(2);
    if is_haploid {
        return first.to_string();
    }
    format!("{first}{separator}{}", numbers.below(2))
}

/// Genotypes without dosages: phased, unphased, haploid, missing.
fn write_hard_calls(folder: &Path) {
    let mut numbers = Numbers(1);
    let mut text = vcf_header();
    for (contig, separator) in [("1", '|'), ("1", '/'), ("X", '/'), ("X", '|'), ("MT", '/')] {
        for number in 0..15 {
            let position = 3_000_000 + 100 * number + u64::from(separator == '/');
            let alt = ["C", "CT", "G"][number as usize % 3];
            write!(
                text,
                "{contig}\t{position}\tv{contig}_{position}\tA\t{alt}\t.\t.\t.\tGT"
            )
            .unwrap();
            for sample in 0..N_SAMPLES {
                text.push('\t');
                text += &genotype(&mut numbers, contig, sample, separator);
            }
            text.push('\n');
        }
    }
    fs::write(folder.join("in.vcf"), text).unwrap();
    write_sexes(folder);
}

/// Dosages of haplotypes (phased records) and of samples.
fn write_dosages(folder: &Path) {
    let mut numbers = Numbers(2);
    let mut text = vcf_header();
    for number in 0..60 {
        let is_phased = number % 2 == 0;
        let format = if is_phased { "GT:HDS" } else { "GT:DS" };
        write!(
            text,
            "1\t{}\tv{number}\tA\tC\t.\t.\t.\t{format}",
            1000 + number
        )
        .unwrap();
        for _ in 0..N_SAMPLES {
            let one = numbers.below(1001) as f64 / 1000.0;
            let other = numbers.below(1001) as f64 / 1000.0;
            let calls = (u8::from(one > 0.5), u8::from(other > 0.5));
            if numbers.below(12) == 0 {
                text += if is_phased { "\t.|.:." } else { "\t./.:." };
            } else if is_phased {
                write!(text, "\t{}|{}:{one},{other}", calls.0, calls.1).unwrap();
            } else {
                write!(text, "\t{}/{}:{}", calls.0, calls.1, one + other).unwrap();
            }
        }
        text.push('\n');
    }
    fs::write(folder.join("in.vcf"), text).unwrap();
    write_sexes(folder);
}

/// The alleles of a GT value.
fn vcf_call(gt: &str) -> [i16; 2] {
    let mut alleles = gt
        .split(['|', '/'])
        .map(|allele| allele.parse().unwrap_or(MISSING));
    let first = alleles.next().unwrap();
    [first, alleles.next().unwrap_or(ABSENT)]
}

/// The same call with REF and ALT exchanged.
fn exchanged(call: [i16; 2]) -> [i16; 2] {
    call.map(|allele| if allele >= 0 { 1 - allele } else { allele })
}

fn ascending(mut call: [i16; 2]) -> [i16; 2] {
    if call[1] != ABSENT {
        call.sort_unstable();
    }
    call
}

/// The value of a FORMAT field.
fn field<'a>(format: &str, value: &'a str, name: &str) -> Option<&'a str> {
    let index = format.split(':').position(|field| field == name)?;
    value.split(':').nth(index)
}

/// Compares the calls of a variant with a line of the VCF it comes from.
fn check_calls(read: &Read, line: &str, is_ref_first: bool) {
    let columns: Vec<&str> = line.split('\t').collect();
    assert_eq!(read.contig, columns[0]);
    assert_eq!(read.position.to_string(), columns[1]);
    assert_eq!(read.rsid, columns[2]);
    let alleles = if is_ref_first {
        [columns[3], columns[4]]
    } else {
        [columns[4], columns[3]]
    };
    assert_eq!(read.alleles, alleles);
    let calls = read.calls.as_ref().unwrap();
    assert_eq!(calls.len(), columns.len() - 9);
    for (call, value) in calls.iter().zip(&columns[9..]) {
        let found = if is_ref_first {
            *call
        } else {
            exchanged(*call)
        };
        let gt = field(columns[8], value, "GT").unwrap();
        let expected = vcf_call(gt);
        let is_unphased_het = gt.contains('/') && expected[0] != expected[1];
        if read.phased && is_unphased_het {
            // PLINK 2 writes haplotypes of probability one half into variants with some phase.
            assert_eq!(found, [MISSING, MISSING], "{line}");
        } else if read.phased {
            assert_eq!(found, expected, "{line}");
        } else {
            assert_eq!(ascending(found), ascending(expected), "{line}");
        }
    }
    let has_phase = columns[9..].iter().any(|value| value.contains("0|1"));
    assert!(read.phased || !has_phase, "{line}");
}

fn records(vcf: &Path) -> Vec<String> {
    let text = fs::read_to_string(vcf).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(ToOwned::to_owned).collect()
}

#[test]
fn genotypes_are_those_of_the_vcf() {
    if !has_program("plink2") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_hard_calls(folder);
    let mut lines = HashMap::new();
    for line in records(&folder.join("in.vcf")) {
        let id = line.split('\t').nth(2).unwrap().to_owned();
        lines.insert(id, line);
    }
    for version in ["bgen-1.2", "bgen-1.3"] {
        for bits in [1, 2, 3, 5, 8, 11, 15, 16] {
            for order in ["", "ref-first"] {
                let convert = format!(
                    "--vcf in.vcf --psam sexes.psam --export {version} {order} bits={bits} --out x"
                );
                run(folder, "plink2", &convert);
                let reads = read_path(&folder.join("x.bgen")).unwrap();
                assert_eq!(reads.len(), lines.len());
                // PLINK 2 sorts the contigs.
                for read in &reads {
                    check_calls(read, &lines[&read.rsid], order == "ref-first");
                }
            }
        }
    }
}

/// The dosage of a sample: DS, or the genotype of a sample without DS.
fn vcf_dosage(format: &str, value: &str) -> Option<f64> {
    if let Some(dosage) = field(format, value, "DS") {
        return dosage.parse().ok();
    }
    let call = vcf_call(field(format, value, "GT")?);
    (!call.contains(&MISSING)).then(|| f64::from(call[0] + call[1]))
}

/// Compares the dosages of a variant with a line that PLINK 2 made of the same BGEN file.
fn check_dosages(read: &Read, line: &str, is_ref_first: bool) {
    // PLINK 2 stores dosages in steps of 1/16384 and prints five decimals.
    const TOLERANCE: f64 = 1.5 / 16_384.0;
    let columns: Vec<&str> = line.split('\t').collect();
    let alt = usize::from(is_ref_first);
    assert_eq!(read.alleles[alt], columns[4]);
    for (sample, value) in columns[9..].iter().enumerate() {
        let found = f64::from(f32::from_bits(read.dosages[2 * sample + alt]));
        match vcf_dosage(columns[8], value) {
            None => assert!(found.is_nan(), "{line}"),
            Some(expected) => {
                assert!(
                    (found - expected).abs() < TOLERANCE,
                    "{found} {expected} {line}"
                );
            }
        }
        let Some(haplotypes) = field(columns[8], value, "HDS") else {
            continue;
        };
        let haplotypes: Vec<f64> = haplotypes.split(',').flat_map(str::parse).collect();
        if read.phased && haplotypes.len() == 2 {
            let stored = &read.probabilities[sample];
            let one = f64::from(stored[0] + stored[1]);
            for (haplotype, expected) in haplotypes.iter().enumerate() {
                let found = f64::from(stored[2 * haplotype + alt]) / one;
                assert!(
                    (found - expected).abs() < TOLERANCE,
                    "{found} {expected} {line}"
                );
            }
        }
    }
}

#[test]
fn dosages_are_those_of_plink() {
    if !has_program("plink2") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_dosages(folder);
    for version in ["bgen-1.2", "bgen-1.3"] {
        // With 4 bits PLINK 2.00a3.5 prints bytes that are no digits.
        for bits in [8, 10, 12, 16] {
            for (order, import) in [("", "ref-last"), ("ref-first", "ref-first")] {
                let convert = format!(
                    "--vcf in.vcf dosage=HDS --psam sexes.psam --export {version} {order} \
                     bits={bits} --out x"
                );
                run(folder, "plink2", &convert);
                let back = format!(
                    "--bgen x.bgen {import} --sample x.sample --export vcf vcf-dosage=HDS \
                     --out back"
                );
                run(folder, "plink2", &back);
                let reads = read_path(&folder.join("x.bgen")).unwrap();
                let lines = records(&folder.join("back.vcf"));
                assert_eq!(reads.len(), lines.len());
                for (read, line) in reads.iter().zip(&lines) {
                    check_dosages(read, line, import == "ref-first");
                }
                let n_phased = reads.iter().filter(|read| read.phased).count();
                assert_eq!(n_phased, 30);
            }
        }
    }
}

#[test]
fn real_genotypes_are_those_of_plink() {
    if !has_program("plink2") {
        return;
    }
    let names = [
        "apoe/apoe_gene.776.grch38.vcf.gz",
        "chr20/panel300.chr20_1-2Mb.grch37.vcf.gz",
        "chr20/win33k_A.300.grch37.vcf.gz",
        "chr20/shapeit4_unphased.203.chr20_1-4Mb.grch37.vcf.gz",
        "vcf-various/1kg-phase3.chr22_16-16.5Mb.2504.grch37.vcf.gz",
        "pgs-catalog/calc/tiny1000G.vcf.gz",
    ];
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in names {
        let Some(source) = shared_data(name) else {
            continue;
        };
        let import = format!(
            "--vcf {} --max-alleles 2 --make-pgen --out p",
            source.display()
        );
        run(folder, "plink2", &import);
        run(folder, "plink2", "--pfile p --export vcf --out back");
        for export in ["bgen-1.2 bits=8", "bgen-1.3 ref-first bits=16"] {
            run(
                folder,
                "plink2",
                &format!("--pfile p --export {export} --out x"),
            );
            let reads = read_path(&folder.join("x.bgen")).unwrap();
            let lines = records(&folder.join("back.vcf"));
            assert_eq!(reads.len(), lines.len());
            for (read, line) in reads.iter().zip(&lines) {
                check_calls(read, line, export.contains("ref-first"));
            }
        }
    }
}
