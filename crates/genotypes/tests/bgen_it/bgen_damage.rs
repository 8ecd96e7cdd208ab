//! Truncated and damaged files: an error with its place, never a panic.

use std::{fs, path::Path};

use gf_genotypes::bgen::{BgenFile, BgenPlace, BgenRecord};
use proptest::prelude::*;

use super::support::{
    read_path,
    writer::{self, NONE, Sample, Variant, ZLIB, ZSTD, header, layout_2, record_of_data},
};

/// Small variants of many kinds.
fn small_variants() -> Vec<Variant> {
    let sample = |ploidy, values: &[u32]| Sample {
        ploidy,
        missing: false,
        values: values.to_vec(),
    };
    let diploid = Variant::new(1, 2, vec![sample(2, &[200, 55]), sample(2, &[0, 0])]);
    let mut phased = Variant::new(2, 2, vec![sample(2, &[0, 9]), sample(2, &[7, 1])]);
    phased.phased = true;
    phased.bits = 16;
    let mut mixed = Variant::new(3, 3, vec![sample(1, &[3, 0]), sample(2, &[0, 1, 1, 0, 0])]);
    mixed.bits = 5;
    mixed.samples[0].missing = true;
    vec![diploid, phased, mixed]
}

fn small_file(compression: u32, with_names: bool) -> Vec<u8> {
    let variants = small_variants();
    let names = with_names.then_some(&["A", "B"][..]);
    let mut bytes = header(3, 2, layout_2(compression), names);
    for variant in &variants {
        bytes.extend(variant.record(compression));
    }
    bytes
}

fn read_everything(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    let Ok(file) = BgenFile::open(path) else {
        return;
    };
    let Ok(variants) = file.variants() else {
        return;
    };
    let mut record = BgenRecord::new();
    for index in 0..variants.len() {
        match file.read(&variants, index, &mut record) {
            Ok(()) => {
                let n_dosages = record.n_samples() * record.alleles().len();
                assert_eq!(record.dosages().len(), n_dosages);
                let _ = record.calls();
                for sample in 0..record.n_samples() {
                    let _ = record.probabilities(sample);
                }
            }
            Err(error) => {
                assert!(matches!(error.place, BgenPlace::Variant { .. }));
                assert_eq!(record.n_samples(), 0);
                assert!(record.probabilities(0).is_empty());
                assert!(record.dosages().is_empty());
                assert!(record.calls().unwrap().is_empty());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn damage_is_no_panic(
        compression in prop_oneof![Just(NONE), Just(ZLIB), Just(ZSTD)],
        with_names: bool,
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![Just(0_u8), Just(255), any::<u8>()]),
            0..5,
        ),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = small_file(compression, with_names);
        let len = bytes.len();
        for (index, byte) in changes {
            bytes[index.index(len)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(len));
        }
        let folder = tempfile::tempdir().unwrap();
        read_everything(&folder.path().join("x.bgen"), &bytes);
    }

    /// The compressed data are sound, their content is not.
    #[test]
    fn damaged_genotype_data_are_no_panic(
        compression in prop_oneof![Just(NONE), Just(ZLIB), Just(ZSTD)],
        variant in 0..3_usize,
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![Just(0_u8), Just(255), any::<u8>()]),
            0..4,
        ),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let variant = &small_variants()[variant];
        let mut data = variant.data();
        let len = data.len();
        for (index, byte) in changes {
            data[index.index(len)] = byte;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(len));
        }
        let mut bytes = header(1, 2, layout_2(compression), None);
        bytes.extend(record_of_data(variant, &data, compression));
        let folder = tempfile::tempdir().unwrap();
        read_everything(&folder.path().join("x.bgen"), &bytes);
    }
}

#[test]
fn every_truncation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    for compression in [NONE, ZLIB, ZSTD] {
        let bytes = small_file(compression, true);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read_path(&path).unwrap().len(), 3);
        for len in 0..bytes.len() {
            fs::write(&path, &bytes[..len]).unwrap();
            assert!(read_path(&path).is_err(), "{len}");
        }
        fs::write(&path, [&bytes[..], b"more"].concat()).unwrap();
        let message = read_path(&path).unwrap_err().to_string();
        assert!(message.contains("after the last variant"), "{message}");
    }
}

/// The message about one variant whose genotype data were changed.
fn refusal_of_data(compression: u32, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let variant = &small_variants()[0];
    let mut data = variant.data();
    change(&mut data);
    let mut bytes = header(1, 2, layout_2(compression), None);
    bytes.extend(record_of_data(variant, &data, compression));
    refusal(&bytes)
}

fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    fs::write(&path, bytes).unwrap();
    read_path(&path).unwrap_err().to_string()
}

#[test]
fn genotype_data_are_checked() {
    for compression in [NONE, ZLIB, ZSTD] {
        let cases: [(usize, u8, &str); 9] = [
            (
                0,
                3,
                "the number of samples of the genotype data is 3; expected 2",
            ),
            (
                4,
                3,
                "the number of alleles of the genotype data is 3; expected 2",
            ),
            (6, 3, "the smallest ploidy is 3; expected 0 to 2"),
            (7, 64, "the largest ploidy is 64; expected 0 to 63"),
            (8, 1, "sample 1 has ploidy 1; the variant states 2 to 2"),
            (10, 2, "the phased flag is 2; expected 0 to 1"),
            (11, 33, "the bits per probability is 33; expected 1 to 32"),
            (11, 9, "the genotype data is 16 bytes; expected 17"),
            (
                13,
                56,
                "the probabilities of sample 1 add up to more than 1 (256/255)",
            ),
        ];
        for (index, byte, expected) in cases {
            let message = refusal_of_data(compression, |data| data[index] = byte);
            assert!(message.contains(expected), "{message}");
            assert!(
                message.contains("x.bgen: variant 1 at byte 24: "),
                "{message}"
            );
        }
        let message = refusal_of_data(compression, |data| data.push(0));
        assert!(message.contains("is 17 bytes; expected 16"), "{message}");
        let message = refusal_of_data(compression, |data| data.truncate(11));
        assert!(message.contains("needs 12 bytes, but only 11"), "{message}");
    }
}

#[test]
fn missing_samples_may_have_any_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    let mut variant = small_variants().remove(0);
    variant.samples[0].missing = true;
    variant.samples[0].values = vec![255, 255];
    writer::write(&path, ZLIB, &[variant]);
    let reads = read_path(&path).unwrap();
    assert_eq!(reads[0].calls, Some(vec![[-1, -1], [1, 1]]));
    assert_eq!(reads[0].uncalled, 0);
}

#[test]
fn a_stated_length_must_be_the_true_one() {
    for compression in [ZLIB, ZSTD] {
        let variant = &small_variants()[0];
        let record = record_of_data(variant, &variant.data(), compression);
        let stated = record
            .windows(4)
            .rposition(|window| window == 16_u32.to_le_bytes())
            .unwrap();
        for (len, expected) in [
            (15_u32, "is 16 bytes; expected 15"),
            (17, "is 16 bytes; expected 17"),
            (u32::MAX, "is 4294967295; the largest accepted value"),
        ] {
            let mut bytes = header(1, 2, layout_2(compression), None);
            let mut changed = record.clone();
            changed[stated..stated + 4].copy_from_slice(&len.to_le_bytes());
            bytes.extend(changed);
            let message = refusal(&bytes);
            assert!(message.contains(expected), "{message}");
        }
    }
}
