//! Calls that the writer wrote are read back by the reader, by PLINK 2 and by the package `bgen`.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

use gf_genotypes::bgen::{
    BgenCompression, BgenFile, BgenRecord, BgenSite, BgenWriter, SampleSource,
};
use proptest::prelude::*;

use super::support::oracle::{has_program, run, skip};

/// The calls of one variant with this number of alleles.
#[derive(Clone, Debug)]
struct Variant {
    alleles: Vec<String>,
    calls: Vec<[u8; 2]>,
}

impl Variant {
    /// Random calls. The alleles are A, C, CC and so on.
    fn new(sample_count: usize, allele_count: u8, seed: u64) -> Self {
        let mut state = seed | 1;
        let mut allele = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 20) % u64::from(allele_count)) as u8
        };
        let alts = (1..allele_count).map(|length| "C".repeat(usize::from(length)));
        Self {
            alleles: std::iter::once("A".to_owned()).chain(alts).collect(),
            calls: (0..sample_count).map(|_| [allele(), allele()]).collect(),
        }
    }
}

fn sample_names(sample_count: usize) -> Vec<String> {
    (0..sample_count)
        .map(|sample| format!("S{sample}"))
        .collect()
}

/// Writes `x.bgen`.
fn write(folder: &Path, sample_count: usize, variants: &[Variant]) -> PathBuf {
    let path = folder.join("x.bgen");
    let names = sample_names(sample_count);
    let file = File::create(&path).unwrap();
    let mut writer = BgenWriter::new(file, names.iter().map(String::as_str)).unwrap();
    for (index, variant) in variants.iter().enumerate() {
        let alleles: Vec<&[u8]> = variant.alleles.iter().map(String::as_bytes).collect();
        let site = BgenSite {
            contig: "1",
            position: index + 1,
            id: &format!("v{index}"),
            alleles: &alleles,
        };
        writer.write(&site, &variant.calls).unwrap();
    }
    writer.finish().unwrap();
    path
}

fn check_read_back(path: &Path, sample_count: usize, expected: &[Variant]) {
    let file = BgenFile::open(path).unwrap();
    assert_eq!(file.samples(), sample_names(sample_count));
    assert_eq!(*file.sample_source(), SampleSource::Embedded);
    assert_eq!(file.compression(), BgenCompression::Zlib);
    let variants = file.variants().unwrap();
    assert_eq!(variants.len(), expected.len());
    let mut record = BgenRecord::new();
    for (index, expected) in expected.iter().enumerate() {
        file.read(&variants, index, &mut record).unwrap();
        assert_eq!(
            (record.contig(), record.position()),
            ("1", index as u32 + 1)
        );
        assert_eq!(record.rsid(), format!("v{index}"));
        assert_eq!(record.alleles(), expected.alleles);
        assert_eq!((record.bits(), record.uncalled()), (8, 0));
        assert!(record.is_phased());
        let calls = expected.calls.iter().map(|call| call.map(i16::from));
        assert!(calls.eq(record.calls().unwrap().iter().copied()), "{index}");
    }
}

fn variants(sample_count: usize, allele_counts: &[u8]) -> Vec<Variant> {
    let variants = allele_counts.iter().zip(1_u64..);
    let seed = 0x9e37_79b9_7f4a_7c15;
    variants
        .map(|(&count, index)| Variant::new(sample_count, count, index * seed))
        .collect()
}

#[test]
fn calls_of_every_number_of_alleles_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for sample_count in [1, 3, 64, 700, 70_000] {
        let variants = variants(sample_count, &[2, 3, 4, 5, 17, 40]);
        let path = write(folder.path(), sample_count, &variants);
        check_read_back(&path, sample_count, &variants);
    }
    let path = write(folder.path(), 2, &[]);
    check_read_back(&path, 2, &[]);
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    let names = ["A", "B"];
    let mut writer = BgenWriter::new(Cursor::new(Vec::new()), names.into_iter()).unwrap();
    let site = BgenSite {
        contig: "1",
        position: 1,
        id: ".",
        alleles: &[b"A", b"C"],
    };
    let reason = |site: &BgenSite<'_>, calls: &[[u8; 2]], writer: &mut BgenWriter<_>| {
        writer.write(site, calls).unwrap_err().to_string()
    };
    let calls = [[0, 1], [0, 0]];
    assert!(reason(&site, &calls[..1], &mut writer).contains("number of samples"));
    assert!(reason(&site, &[[0, 2], [0, 0]], &mut writer).contains("allele number"));
    let no_alt = BgenSite {
        alleles: &[b"A"],
        ..site
    };
    assert!(reason(&no_alt, &calls, &mut writer).contains("fewer than two alleles"));
    let too_far = BgenSite {
        position: 1 << 32,
        ..site
    };
    assert!(reason(&too_far, &calls, &mut writer).contains("a position of 4294967296"));
    let long_id = "x".repeat(65_536);
    let long_id = BgenSite {
        id: &long_id,
        ..site
    };
    assert!(reason(&long_id, &calls, &mut writer).contains("a variant id of 65536"));
    let error = BgenWriter::new(Cursor::new(Vec::new()), [long_id.id].into_iter());
    assert!(error.is_err());
    // Refused variants leave no trace in the file.
    writer.write(&site, &calls).unwrap();
    let written = writer.finish().unwrap().into_inner();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    fs::write(&path, written).unwrap();
    assert_eq!(super::support::read_path(&path).unwrap().len(), 1);
}

#[test]
fn plink2_exports_the_calls_that_were_written() {
    if !has_program("plink2") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // PLINK 2 reads BGEN variants of two alleles only. With `ref-first`, version 2.00a3.5 exchanges
    // the two haplotypes, also of its own files. Therefore the first allele is imported as ALT.
    for sample_count in [1, 64, 700, 66_000] {
        let variants = variants(sample_count, &[2; 9]);
        write(folder.path(), sample_count, &variants);
        let options = "--threads 1 --memory 700 --export vcf --out y";
        let arguments = format!("--bgen x.bgen ref-last {options}");
        run(folder.path(), "plink2", &arguments);
        let text = fs::read_to_string(folder.path().join("y.vcf")).unwrap();
        let mut lines = text.lines().filter(|line| !line.starts_with("##"));
        let names = lines.next().unwrap().split('\t').skip(9);
        assert!(names.eq(sample_names(sample_count)));
        for (index, variant) in variants.iter().enumerate() {
            let mut expected = format!("1\t{}\tv{index}\tC\tA\t.\t.\t.\tGT", index + 1);
            for [first, second] in &variant.calls {
                write!(expected, "\t{}|{}", 1 - first, 1 - second).unwrap();
            }
            // PLINK 2 exports two equal alleles with `/` in a variant without phase.
            let found = lines.next().unwrap();
            let found = found.replace("0/0", "0|0").replace("1/1", "1|1");
            assert!(found == expected, "{sample_count} {index}");
        }
        assert_eq!(lines.next(), None);
    }
}

/// Prints `rsid`, alleles and the allele numbers of each haplotype, one line per variant.
const PYTHON: &str = "
from bgen import BgenReader
with BgenReader('x.bgen') as file:
    print(' '.join(file.samples))
    for variant in file:
        count = len(variant.alleles)
        calls = []
        for row in variant.probabilities:
            for start in (0, count):
                calls.append(str(list(row[start:start + count]).index(1.0)))
        assert variant.is_phased
        print(variant.rsid, variant.chrom, variant.pos, ','.join(variant.alleles), ''.join(calls))
";

/// Runs where `GF_BGEN_PYTHON` names a Python that has the package `bgen`.
#[test]
fn the_package_bgen_reads_the_calls_that_were_written() {
    let Some(python) = std::env::var_os("GF_BGEN_PYTHON") else {
        eprintln!("SKIPPED: GF_BGEN_PYTHON is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let variants = variants(300, &[2, 3, 5, 9]);
    write(folder.path(), 300, &variants);
    let output = Command::new(python)
        .current_dir(folder.path())
        .args(["-c", PYTHON])
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    if messages.contains("No module named 'bgen'") {
        skip("no package bgen");
        return;
    }
    assert!(output.status.success(), "{messages}");
    let mut expected = sample_names(300).join(" ") + "\n";
    for (index, variant) in variants.iter().enumerate() {
        let calls: String = variant.calls.iter().flatten().map(u8::to_string).collect();
        let alleles = variant.alleles.join(",");
        writeln!(expected, "v{index} 1 {} {alleles} {calls}", index + 1).unwrap();
    }
    assert!(String::from_utf8_lossy(&output.stdout) == expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_calls_are_read_back(
        sample_count in 1_usize..300,
        shapes in prop::collection::vec((2_u8..30, any::<u64>()), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let variants: Vec<Variant> = shapes
            .into_iter()
            .map(|(alleles, seed)| Variant::new(sample_count, alleles, seed))
            .collect();
        let path = write(folder.path(), sample_count, &variants);
        check_read_back(&path, sample_count, &variants);
    }
}
