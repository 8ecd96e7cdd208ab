//! Run by hand, with a file: how long all of its variants take, and all that is read of it.

use std::{fmt::Write as _, fs, path::Path, time::Instant};

use gf_genotypes::bgen::{BgenFile, BgenRecord};

/// `GF_BGEN=x.bgen cargo test --release -p gf-genotypes bgen_by_hand -- --ignored --nocapture`
#[test]
#[ignore = "needs a large file"]
fn decoding_is_timed() {
    let path = std::env::var("GF_BGEN").unwrap();
    let before_open = Instant::now();
    let file = BgenFile::open(Path::new(&path)).unwrap();
    let open_time = before_open.elapsed();
    let before_list = Instant::now();
    let variants = file.variants().unwrap();
    let list_time = before_list.elapsed();
    let before_read = Instant::now();
    let mut record = BgenRecord::new();
    let mut dosage_sum = 0.0;
    let mut allele_sum = 0_i64;
    for index in 0..variants.len() {
        file.read(&variants, index, &mut record).unwrap();
        dosage_sum += f64::from(record.dosages().iter().step_by(2).sum::<f32>());
        allele_sum += i64::from(record.calls().unwrap()[0][0]);
    }
    let read_time = before_read.elapsed();
    let n_variants = variants.len();
    let n_samples = file.samples().len();
    println!("{n_variants} variants, {n_samples} samples: sums {dosage_sum} {allele_sum}");
    println!("open {open_time:?}, list {list_time:?}, read {read_time:?}");
}

/// Writes everything of `GF_BGEN` to `GF_DUMP`: one line per variant and sample with the index of
/// the variant, rsid, whether it is phased, sample, ploidy, probabilities, dosages and call.
#[test]
#[ignore = "needs a file"]
fn a_file_is_dumped() {
    let path = std::env::var("GF_BGEN").unwrap();
    let file = BgenFile::open(Path::new(&path)).unwrap();
    let variants = file.variants().unwrap();
    let mut record = BgenRecord::new();
    let mut text = String::new();
    for index in 0..variants.len() {
        file.read(&variants, index, &mut record).unwrap();
        let dosages = record.dosages().chunks(record.alleles().len());
        for (sample, dosages) in dosages.enumerate() {
            let call = record.calls().map(|calls| calls[sample]).ok();
            writeln!(
                text,
                "{index}\t{}\t{}\t{sample}\t{}\t{:?}\t{dosages:?}\t{call:?}",
                record.rsid(),
                record.is_phased(),
                record.ploidy(sample).unwrap(),
                record.probabilities(sample),
            )
            .unwrap();
        }
    }
    fs::write(std::env::var("GF_DUMP").unwrap(), text).unwrap();
}
