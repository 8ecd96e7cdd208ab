//! How long all variants of a file take; run by hand.

use std::{path::Path, time::Instant};

use gf_genotypes::bgen::{BgenFile, BgenRecord};

/// `GF_BGEN=x.bgen cargo test --release -p gf-genotypes bgen_timing -- --ignored --nocapture`
#[test]
#[ignore = "needs a large file"]
fn decoding_is_timed() {
    let path = std::env::var("GF_BGEN").unwrap();
    let start = Instant::now();
    let file = BgenFile::open(Path::new(&path)).unwrap();
    let opened = start.elapsed();
    let variants = file.variants().unwrap();
    let listed = start.elapsed();
    let mut record = BgenRecord::new();
    let mut dosage_sum = 0.0;
    let mut alleles = 0_i64;
    for index in 0..variants.len() {
        file.read(&variants, index, &mut record).unwrap();
        dosage_sum += f64::from(record.dosages().iter().step_by(2).sum::<f32>());
        alleles += i64::from(record.calls().unwrap()[0][0]);
    }
    let n_samples = file.samples().len();
    println!(
        "{} variants, {n_samples} samples: open {opened:?}, list {:?}, read {:?} ({dosage_sum} \
         {alleles})",
        variants.len(),
        listed - opened,
        start.elapsed() - listed
    );
}
