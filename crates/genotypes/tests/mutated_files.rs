//! Files with random changes end in an error or are read, without a panic.
//!
//! The files are those that plink2 and other programs wrote, in the folder `GF_GOLDEN_DIR`, and a
//! PGEN of our own. `GF_FUZZ_SECONDS` is the time for each format (2 by default).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gf_genotypes::{
    bgen::{BgenFile, BgenRecord},
    pgen::{PgenFile, PgenRecord, PgenWriter},
};

/// Bytes of a file that is mutated, at most: larger files are slow to write.
const MOST_BYTES: u64 = 200_000;

/// Pseudo-random numbers of a fixed sequence.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    /// Changes up to eight places: other bits, other bytes, extreme bytes, a cut, a copied part.
    fn mutate(&mut self, original: &[u8]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        for _ in 0..=self.below(8) {
            // Headers are short, and half of the changes are there.
            let limit = if self.below(2) == 0 { 200 } else { bytes.len() };
            let at = self.below(limit.min(bytes.len()));
            match self.below(20) {
                0 => bytes.truncate(at),
                1 => {
                    let from = self.below(bytes.len());
                    let count = self.below(64).min(bytes.len() - from.max(at));
                    bytes.copy_within(from..from + count, at);
                }
                2..=5 => set(&mut bytes, at, 0xff),
                6..=9 => set(&mut bytes, at, 0),
                10..=14 => {
                    let bit = 1 << self.below(8);
                    let byte = bytes.get(at).copied().unwrap_or(0);
                    set(&mut bytes, at, byte ^ bit);
                }
                _ => {
                    let byte = self.below(256) as u8;
                    set(&mut bytes, at, byte);
                }
            }
        }
        bytes
    }
}

fn set(bytes: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}

/// Files of the golden folder with this extension, and their contents.
fn golden(extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Some(folder) = std::env::var_os("GF_GOLDEN_DIR") else {
        eprintln!("SKIPPED: GF_GOLDEN_DIR is not set");
        return Vec::new();
    };
    let mut files: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter(|path| path.metadata().unwrap().len() <= MOST_BYTES)
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// A PGEN with phase and multiallelic variants.
fn own_pgen(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("own.pgen");
    let allele_counts = vec![2, 3, 5, 2, 20, 2];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let file = File::create(&path).unwrap();
    let mut writer = PgenWriter::new(file, 200, allele_counts.clone()).unwrap();
    let mut pvar = "#CHROM\tPOS\tID\tREF\tALT\n".to_owned();
    for (index, &count) in allele_counts.iter().enumerate() {
        let rare = 1 + 30 * (index % 2);
        let mut allele = || match random.below(rare) {
            0 => random.below(usize::from(count)) as u8,
            _ => 0,
        };
        let calls: Vec<[u8; 2]> = (0..200).map(|_| [allele(), allele()]).collect();
        writer.write(&calls).unwrap();
        let alts: Vec<String> = (1..count).map(|n| "C".repeat(n.into())).collect();
        writeln!(pvar, "1\t{}\t.\tA\t{}", index + 1, alts.join(",")).unwrap();
    }
    writer.finish().unwrap();
    fs::write(path.with_extension("pvar"), pvar).unwrap();
    let mut samples = String::new();
    for sample in 0..200 {
        writeln!(samples, "S{sample}").unwrap();
    }
    fs::write(path.with_extension("psam"), format!("#IID\n{samples}")).unwrap();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

fn copy_companions(from: &Path, to: &Path) {
    for extension in ["pvar", "pvar.zst", "psam", "sample"] {
        let companion = from.with_extension(extension);
        let copy = to.with_extension(extension);
        if companion != copy && companion.is_file() {
            fs::copy(companion, copy).unwrap();
        }
    }
}

fn read_pgen(path: &Path) -> bool {
    let Ok(mut file) = PgenFile::open(path) else {
        return false;
    };
    let mut record = PgenRecord::new();
    (0..file.variants().len().min(300)).all(|index| file.read(index, &mut record).is_ok())
}

fn read_bgen(path: &Path) -> bool {
    let Ok(file) = BgenFile::open(path) else {
        return false;
    };
    let Ok(variants) = file.walk() else {
        return false;
    };
    let mut record = BgenRecord::new();
    (0..variants.len().min(50)).all(|index| file.read(&variants, index, &mut record).is_ok())
}

/// Mutates the files in turn until the time is over; returns how often.
fn mutate_all(files: &[(PathBuf, Vec<u8>)], folder: &Path, read: impl Fn(&Path) -> bool) -> usize {
    let seconds = std::env::var("GF_FUZZ_SECONDS").map_or(2, |text| text.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random(0x2545_f491_4f6c_dd1d ^ seconds);
    let (mut executions, mut whole) = (0, 0);
    while Instant::now() < end && !files.is_empty() {
        let (path, original) = &files[executions / 200 % files.len()];
        let mutated = folder.join(path.file_name().unwrap());
        if executions % 200 == 0 {
            copy_companions(path, &mutated);
        }
        fs::write(&mutated, random.mutate(original)).unwrap();
        whole += usize::from(read(&mutated));
        executions += 1;
    }
    eprintln!("{executions} executions, {whole} files read without an error");
    executions
}

#[test]
fn a_mutated_pgen_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let own = tempfile::tempdir().unwrap();
    let mut files = golden("pgen");
    files.push(own_pgen(own.path()));
    assert!(mutate_all(&files, folder.path(), read_pgen) > 0);
}

#[test]
fn a_mutated_bgen_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    mutate_all(&golden("bgen"), folder.path(), read_bgen);
}
