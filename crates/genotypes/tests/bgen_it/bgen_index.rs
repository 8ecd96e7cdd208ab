//! The list of variants: by a walk, from a bgenix index, from a cache.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use gf_genotypes::bgen::{BgenFile, BgenProblem, BgenRecord, BgenVariants};
use proptest::prelude::*;

use super::support::{
    oracle::has_program,
    read_all,
    writer::{self, Sample, Variant, ZLIB},
};

/// Variants of 1 to 5 alleles, some of them longer than a page of a database, not in order.
pub fn variants(n_variants: u32) -> Vec<Variant> {
    let sample = |n_alleles: usize| Sample {
        ploidy: 1,
        missing: false,
        values: vec![0; n_alleles - 1],
    };
    (0..n_variants)
        .map(|number| {
            let n_alleles = 1 + (number as usize * 7) % 5;
            let position = 1 + (number * 7919) % 100_000;
            let mut variant = Variant::new(position, n_alleles, vec![sample(n_alleles); 3]);
            variant.contig = String::from(["", "2", "chrX"][number as usize % 3]);
            if number % 10 == 3 {
                variant.alleles[0] = "ACGT".repeat(number as usize % 700 + 1);
            }
            variant
        })
        .collect()
}

fn list(variants: &BgenVariants) -> Vec<(u64, String, String, u32, Vec<String>)> {
    let fields = variants.iter().map(|variant| {
        (
            variant.offset,
            variant.rsid.to_owned(),
            variant.contig.to_owned(),
            variant.position,
            variant.alleles().map(ToOwned::to_owned).collect(),
        )
    });
    fields.collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// The statements that make the index of a file, with the schema of bgenix.
fn sql(path: &Path, page_size: u32, table_end: &str) -> String {
    let bytes = fs::read(path).unwrap();
    let file = BgenFile::open(path).unwrap();
    let variants = file.walk().unwrap();
    let mut sql = format!(
        "PRAGMA page_size={page_size};\n\
         CREATE TABLE Metadata ( filename TEXT NOT NULL, file_size INT NOT NULL, last_write_time \
         INT NOT NULL, first_1000_bytes BLOB NOT NULL, index_creation_time INT NOT NULL);\n\
         CREATE TABLE Variant (  chromosome TEXT NOT NULL,  position INT NOT NULL,  rsid TEXT NOT \
         NULL,  number_of_alleles INT NOT NULL,  allele1 TEXT NOT NULL,  allele2 TEXT NULL,  \
         file_start_position INT NOT NULL,  size_in_bytes INT NOT NULL{table_end};\n\
         INSERT INTO Metadata VALUES ('x', {}, 1, X'{}', 2);\nBEGIN;\n",
        bytes.len(),
        hex(&bytes[..bytes.len().min(1000)]),
    );
    let offsets: Vec<u64> = variants.iter().map(|variant| variant.offset).collect();
    for (index, variant) in variants.iter().enumerate() {
        let end = offsets
            .get(index + 1)
            .map_or(bytes.len() as u64, |&next| next);
        let alleles: Vec<&str> = variant.alleles().collect();
        let second = alleles
            .get(1)
            .map_or("NULL".to_owned(), |allele| format!("'{allele}'"));
        writeln!(
            sql,
            "INSERT INTO Variant VALUES ('{}', {}, '{}', {}, '{}', {second}, {}, {});",
            variant.contig,
            variant.position,
            variant.rsid,
            alleles.len(),
            alleles[0],
            variant.offset,
            end - variant.offset,
        )
        .unwrap();
    }
    sql + "COMMIT;\n"
}

const KEY: &str = ",  PRIMARY KEY (chromosome, position, rsid, allele1, allele2, \
                   file_start_position )) WITHOUT ROWID";
/// `NULL` is no part of a key; bgenix writes only variants of two or more alleles.
const SHORT_KEY: &str = ",  PRIMARY KEY (chromosome, position, rsid, allele1, \
                         file_start_position )) WITHOUT ROWID";

/// Makes the index with the `sqlite3` program.
fn make_index(bgen: &Path, page_size: u32, table_end: &str) -> PathBuf {
    let bgi = bgen.with_extension("bgen.bgi");
    let _ = fs::remove_file(&bgi);
    let mut program = Command::new("sqlite3")
        .arg(&bgi)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let statements = sql(bgen, page_size, table_end);
    let mut input = program.stdin.take().unwrap();
    input.write_all(statements.as_bytes()).unwrap();
    drop(input);
    assert!(program.wait().unwrap().success());
    bgi
}

#[test]
fn an_index_lists_what_a_walk_lists() {
    if !has_program("sqlite3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    for n_variants in [1, 50, 5000] {
        writer::write(&path, ZLIB, &variants(n_variants));
        let file = BgenFile::open(&path).unwrap();
        let walked = file.walk().unwrap();
        for page_size in [512, 4096, 65_536] {
            for table_end in [SHORT_KEY, ")"] {
                make_index(&path, page_size, table_end);
                let indexed = file.variants().unwrap();
                assert_eq!(list(&indexed), list(&walked));
                assert!(indexed.iter().all(|variant| variant.id.is_none()));
                assert_eq!(read_all(&file).unwrap().len(), n_variants as usize);
            }
        }
    }
}

#[test]
fn the_key_of_bgenix_is_understood() {
    if !has_program("sqlite3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    let mut two_or_more = variants(300);
    two_or_more.retain(|variant| variant.alleles.len() > 1);
    writer::write(&path, ZLIB, &two_or_more);
    make_index(&path, 1024, KEY);
    let file = BgenFile::open(&path).unwrap();
    assert_eq!(list(&file.variants().unwrap()), list(&file.walk().unwrap()));
}

#[test]
fn an_index_of_another_file_is_refused() {
    if !has_program("sqlite3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    let old = variants(20);
    writer::write(&path, ZLIB, &old);
    make_index(&path, 4096, SHORT_KEY);
    let refusal = || {
        let file = BgenFile::open(&path).unwrap();
        file.variants().unwrap_err()
    };

    writer::write(&path, ZLIB, &old[..19]);
    let error = refusal();
    assert!(matches!(error.problem, BgenProblem::StaleIndex { .. }));
    let message = error.to_string();
    assert!(
        message.contains("x.bgen.bgi: this index does not fit"),
        "{message}"
    );
    assert!(message.contains("bgenix -g"), "{message}");

    let mut renamed = old.clone();
    renamed[0].rsid = "rs0".to_owned();
    writer::write(&path, ZLIB, &renamed);
    assert!(matches!(
        refusal().problem,
        BgenProblem::StaleIndexBytes { .. }
    ));

    // The same size and the same beginning: seen when the variant is read.
    let mut renamed_late = old.clone();
    renamed_late[19].rsid = renamed_late[19].rsid.replace("rs", "RS");
    writer::write(&path, ZLIB, &renamed_late);
    let file = BgenFile::open(&path).unwrap();
    let listed = file.variants().unwrap();
    let error = file.read(&listed, 19, &mut BgenRecord::new()).unwrap_err();
    assert!(matches!(error.problem, BgenProblem::IndexMismatch { .. }));

    fs::write(path.with_extension("bgen.bgi"), "no database").unwrap();
    assert!(matches!(
        refusal().problem,
        BgenProblem::DamagedIndex { .. }
    ));
}

#[test]
fn a_damaged_index_is_no_panic() {
    if !has_program("sqlite3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    writer::write(&path, ZLIB, &variants(60));
    let bgi = make_index(&path, 512, SHORT_KEY);
    let good = fs::read(&bgi).unwrap();
    let file = BgenFile::open(&path).unwrap();
    let walked = list(&file.walk().unwrap());
    let config = ProptestConfig::with_cases(1500);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    let damage = (
        changes,
        prop::option::weighted(0.1, any::<prop::sample::Index>()),
    );
    proptest!(config, |((changes, cut) in damage)| {
        let mut bytes = good.clone();
        for (index, byte) in changes {
            bytes[index.index(good.len())] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(good.len()));
        }
        fs::write(&bgi, bytes).unwrap();
        if let Ok(indexed) = file.variants() {
            prop_assert_eq!(indexed.len(), walked.len());
            let mut record = BgenRecord::new();
            for index in 0..indexed.len() {
                // The text of the index may be damaged: then the variant is refused.
                let _ = file.read(&indexed, index, &mut record);
            }
        }
    });
}

#[test]
fn a_list_is_cached() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    let cache = folder.path().join("cache/x.variants");
    let old = variants(200);
    writer::write(&path, ZLIB, &old);
    let file = BgenFile::open(&path).unwrap();
    let walked = file.walk().unwrap();
    assert!(file.load_variants(&cache).unwrap().is_none());
    assert_eq!(list(&file.variants_cached(&cache).unwrap()), list(&walked));
    let cached = file.load_variants(&cache).unwrap().unwrap();
    assert_eq!(list(&cached), list(&walked));
    assert_eq!(cached.get(5), walked.get(5));
    let mut record = BgenRecord::new();
    for index in 0..cached.len() {
        file.read(&cached, index, &mut record).unwrap();
    }

    // A damaged cache is made again.
    let good = fs::read(&cache).unwrap();
    for index in (0..good.len()).step_by(97) {
        let mut bytes = good.clone();
        bytes[index] ^= 0x10;
        fs::write(&cache, bytes).unwrap();
        assert!(file.load_variants(&cache).unwrap().is_none());
        fs::write(&cache, &good[..index]).unwrap();
        assert!(file.load_variants(&cache).unwrap().is_none());
    }
    file.variants_cached(&cache).unwrap();
    assert_eq!(fs::read(&cache).unwrap(), good);

    // So is one of another file.
    writer::write(&path, ZLIB, &old[..199]);
    let shorter = BgenFile::open(&path).unwrap();
    assert!(shorter.load_variants(&cache).unwrap().is_none());
    assert_eq!(shorter.variants_cached(&cache).unwrap().len(), 199);
}
