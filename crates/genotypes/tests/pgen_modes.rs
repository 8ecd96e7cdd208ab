//! Every storage mode, header form and main track, from bytes that the test writes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

mod pgen_support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use gf_genotypes::{
    MISSING,
    pgen::{PgenError, PgenFile, PgenRecord, RecordFault, Sex, StorageMode},
};
use pgen_support::{
    HeaderForm, RecordBytes, STANDARD, categories_of, difflist, main_track, pack, read,
    write_companions, write_fileset,
};
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fn biallelic(record_type: u8, bytes: Vec<u8>) -> RecordBytes {
    RecordBytes {
        alt_count: 1,
        record_type,
        bytes,
    }
}

/// Two records: a multiallelic one of five samples, and one that refers to it.
fn two_records() -> Vec<RecordBytes> {
    let categories = [1, 2, 0, 1, 2];
    let mut multiallelic = main_track(0, &categories, &[]);
    // One bit for each of two heterozygous calls: the second has ALT 3 of 3. A list for two ALTs:
    // sample 4 has ALT 1 and ALT 3.
    multiallelic.extend([0x10, 0b10, 0b1]);
    multiallelic.extend(difflist(&[4], None, 5));
    multiallelic.push(0b10_00);
    // Samples 0, 3 and 4 are heterozygous; the phase of 3 and 4 is known, and 4 is swapped.
    multiallelic.extend([0b1101, 0b10]);
    vec![
        RecordBytes {
            alt_count: 3,
            record_type: 0b1_1000,
            bytes: multiallelic,
        },
        biallelic(3, main_track(3, &[1, 0, 2, 1, 3], &categories)),
    ]
}

fn check_two_records(file: &mut PgenFile) {
    let record = read(file, 0);
    assert_eq!(record.alleles(), [[0, 1], [1, 1], [0, 0], [0, 3], [3, 1]]);
    assert_eq!(record.phased(), [false, true, true, true, true]);
    assert_eq!(categories_of(&read(file, 1)), [1, 0, 2, 1, 3]);
}

#[test]
fn header_forms() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0x10, 0x11, 0x20, 0x21] {
        for length_width in 1..=4 {
            for allele_width in 0..=3 {
                for provisional_ref in 0..=3 {
                    let form = HeaderForm {
                        mode,
                        type_bits: 8,
                        length_width,
                        allele_width,
                        provisional_ref,
                    };
                    let path = write_fileset(folder.path(), "forms", 5, &two_records(), form);
                    let mut file = PgenFile::open(&path).unwrap();
                    check_two_records(&mut file);
                    let found: Vec<bool> = file
                        .variants()
                        .iter()
                        .map(|v| v.has_provisional_ref)
                        .collect();
                    let expected = match provisional_ref {
                        2 => [true, true],
                        3 => [false, true],
                        _ => [false, false],
                    };
                    assert_eq!(found, expected);
                }
            }
        }
    }
}

#[test]
fn record_types_of_four_bits_and_a_second_block() {
    let folder = tempfile::tempdir().unwrap();
    let categories = [0, 1, 2, 3, 1];
    let count = (1 << 16) + 3;
    let records: Vec<RecordBytes> = (0..count)
        .map(|variant| {
            let form = if variant % (1 << 16) == 0 { 0 } else { 2 };
            biallelic(form, main_track(form, &categories, &categories))
        })
        .collect();
    let form = HeaderForm {
        type_bits: 4,
        length_width: 1,
        ..STANDARD
    };
    let path = write_fileset(folder.path(), "blocks", 5, &records, form);
    // The writer of the test knows one block only.
    let mut bytes = fs::read(&path).unwrap();
    insert_second_block(&mut bytes, count);
    fs::write(&path, &bytes).unwrap();
    let mut file = PgenFile::open(&path).unwrap();
    for variant in [count - 1, 1, 0, count - 3, 40_000, count - 2] {
        assert_eq!(categories_of(&read(&mut file, variant)), categories);
    }
}

/// Turns a header of one long block, with types of 4 bits and lengths of 8, into two blocks.
fn insert_second_block(bytes: &mut Vec<u8>, variants: usize) {
    const BLOCK: usize = 1 << 16;
    let types_len = variants.div_ceil(2);
    let types = bytes[20..20 + types_len].to_vec();
    let lengths = bytes[20 + types_len..20 + types_len + variants].to_vec();
    let records = bytes[20 + types_len + variants..].to_vec();
    let first = (28 + types_len + variants) as u64;
    let first_len: u64 = lengths[..BLOCK]
        .iter()
        .map(|&length| u64::from(length))
        .sum();
    bytes.truncate(12);
    bytes.extend(first.to_le_bytes());
    bytes.extend((first + first_len).to_le_bytes());
    bytes.extend([&types[..BLOCK / 2], &lengths[..BLOCK]].concat());
    bytes.extend([&types[BLOCK / 2..], &lengths[BLOCK..]].concat());
    bytes.extend(records);
}

#[test]
fn fixed_width_modes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fixed.pgen");
    write_companions(&path, 3, &[1, 1]);
    let calls = pack(&[1, 3, 2], 2);
    let dosages: Vec<u8> = [16_384_u16, 65_535, 32_000]
        .iter()
        .flat_map(|dosage| dosage.to_le_bytes())
        .collect();
    let differences: Vec<u8> = [-16_384_i16, -32_768, 768]
        .iter()
        .flat_map(|difference| difference.to_le_bytes())
        .collect();
    for (mode, record) in [
        (2, calls.clone()),
        (3, [&calls[..], &dosages].concat()),
        (4, [&calls[..], &dosages, &differences].concat()),
    ] {
        let mut bytes = vec![0x6c, 0x1b, mode, 2, 0, 0, 0, 3, 0, 0, 0, 0xc0, 0b10];
        bytes.extend(record.repeat(2));
        fs::write(&path, bytes).unwrap();
        let mut file = PgenFile::open(&path).unwrap();
        assert!(!file.variants().get(0).unwrap().has_provisional_ref);
        assert!(file.variants().get(1).unwrap().has_provisional_ref);
        let record = read(&mut file, 1);
        assert_eq!(record.alleles(), [[0, 1], [MISSING; 2], [1, 1]]);
        assert_eq!(record.dosages().is_some(), mode > 2);
        assert_eq!(record.haplotype_dosages().is_some(), mode > 3);
        if let Some(dosages) = record.dosages() {
            assert_eq!(
                [dosages[0], dosages[2]].map(f32::to_bits),
                [1.0_f32, 1.953_125].map(f32::to_bits)
            );
            assert!(dosages[1].is_nan());
        }
        if let Some(haplotypes) = record.haplotype_dosages() {
            assert_eq!(
                [haplotypes[0], haplotypes[2]],
                [[0.0, 1.0], [1.0, 0.953_125]]
            );
            assert!(haplotypes[1][0].is_nan());
        }
    }
}

#[test]
fn plink1_bed_with_bim_and_fam() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.bed");
    fs::write(&path, [0x6c, 0x1b, 1, 0b11_10_01_00, 0b10, 0b0, 0b11]).unwrap();
    let bim = "23 a 0 7 G C\n23\tb\t0\t9\tTT\tT\n";
    fs::write(folder.path().join("old.bim"), bim).unwrap();
    let fam = [0, 1, 2, 3, 4]
        .map(|n| format!("F I{n} 0 0 {n} -9\n"))
        .concat();
    fs::write(folder.path().join("old.fam"), fam).unwrap();
    let mut file = PgenFile::open(&path).unwrap();
    assert_eq!(file.storage_mode(), StorageMode::Bed);
    assert_eq!(file.samples().ids(), ["I0", "I1", "I2", "I3", "I4"]);
    assert_eq!(
        file.samples().sexes()[1..4],
        [Sex::Male, Sex::Female, Sex::Unknown]
    );
    let variant = file.variants().get(1).unwrap();
    assert_eq!(
        (variant.contig, variant.position, variant.id),
        ("23", 9, "b")
    );
    assert_eq!(
        (variant.reference, variant.alts().collect()),
        ("T", vec!["TT"])
    );
    assert!(variant.has_provisional_ref);
    assert_eq!(categories_of(&read(&mut file, 0)), [2, 3, 1, 0, 1]);
    assert_eq!(categories_of(&read(&mut file, 1)), [2, 2, 2, 2, 0]);

    fs::write(&path, [0x6c, 0x1b, 0, 0, 0, 0, 0]).unwrap();
    let fault = PgenFile::open(&path).err();
    assert!(matches!(fault, Some(PgenError::SampleMajor { .. })));
    fs::write(&path, [0x6c, 0x1b, 1, 0, 0, 0]).unwrap();
    let fault = PgenFile::open(&path).err().unwrap().to_string();
    assert!(
        fault.contains("need 7 bytes, but the file has 6"),
        "{fault}"
    );
}

/// A fileset of two samples and two variants.
fn two_by_two(folder: &Path) -> PathBuf {
    let calls = pack(&[0, 1], 2);
    let records = vec![biallelic(0, calls.clone()), biallelic(0, calls)];
    let elsewhere = HeaderForm {
        provisional_ref: 0,
        ..STANDARD
    };
    write_fileset(folder, "text", 2, &records, elsewhere)
}

#[test]
fn forms_of_pvar() {
    let folder = tempfile::tempdir().unwrap();
    let path = two_by_two(folder.path());
    let pvar = "##a\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n\
                chr1\t5\t.\tG\t.\t.\t.\tAC=1;PR\tGT\t0/0\r\n\
                chrX\t6\tb\tG\tA,<DEL>\t.\tq10;s\tPRX=1\tGT\t0/1";
    // Two frames, and one between them without text.
    let [head, body] = [&pvar[..60], &pvar[60..]]
        .map(|text| compress_to_vec(text.as_bytes(), CompressionLevel::Fastest));
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let compressed = [&head[..], &skipped, &body].concat();
    fs::remove_file(path.with_extension("pvar")).unwrap();
    fs::write(path.with_extension("pvar.zst"), compressed).unwrap();
    let file = PgenFile::open(&path).unwrap();
    assert_eq!(file.variants().contigs(), ["chr1", "chrX"]);
    let [first, second] = [0, 1].map(|index| file.variants().get(index).unwrap());
    assert_eq!(
        (first.id, first.filter, first.allele_count()),
        (".", None, 2)
    );
    assert_eq!(first.alts().count(), 0);
    assert!(first.has_provisional_ref && !second.has_provisional_ref);
    assert_eq!(second.alts().collect::<Vec<_>>(), ["A", "<DEL>"]);
    assert_eq!((second.filter, second.allele_count()), (Some("q10;s"), 3));
    assert!(file.variants().get(2).is_none());
    check_damaged_zstandard(&path);

    // Without the flags in the PGEN file, all REF alleles of a BIM file are provisional.
    fs::remove_file(path.with_extension("pvar.zst")).unwrap();
    fs::write(path.with_extension("bim"), "1 a 5 G A\n1 b 6 C A\n").unwrap();
    let file = PgenFile::open(&path).unwrap();
    let variant = file.variants().get(1).unwrap();
    assert_eq!((variant.position, variant.reference), (6, "A"));
    assert!(variant.has_provisional_ref);
}

#[test]
fn damaged_pvar_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = two_by_two(folder.path());
    for (text, expected) in [
        (
            "#CHROM POS ID REF\n",
            "line 1: the header line has no column `ALT`",
        ),
        (
            "##a\n1 5 a G C\n",
            "line 2: the header line has no column `#CHROM`",
        ),
        (
            "1 a 5 G\n",
            "line 1: it has 4 fields; at least 5 are needed",
        ),
        ("1 a -5 G C\n", "position `-5` is not a whole number"),
        ("1 a 5 G C\n", "it has 2 variants, but"),
    ] {
        fs::write(path.with_extension("pvar"), text).unwrap();
        let fault = PgenFile::open(&path).err().unwrap().to_string();
        assert!(fault.contains(expected), "{fault}");
    }
    fs::write(path.with_extension("pvar"), b"1 a\xff 5 G C\n").unwrap();
    let fault = PgenFile::open(&path).err().unwrap().to_string();
    assert!(fault.ends_with("line 1: it is not UTF-8"), "{fault}");
}

#[test]
fn forms_of_psam() {
    let folder = tempfile::tempdir().unwrap();
    let path = two_by_two(folder.path());
    let psam = path.with_extension("psam");
    fs::write(&psam, "#FID\tIID\tSID\tSEX\nF\tA\tx\tm\nF\tB\ty\t0\n").unwrap();
    let file = PgenFile::open(&path).unwrap();
    assert_eq!(file.samples().ids(), ["A", "B"]);
    assert_eq!(file.samples().sexes(), [Sex::Male, Sex::Unknown]);
    for (text, expected) in [
        ("#IID\nA\nA\n", "line 3: sample `A` occurs twice"),
        (
            "#IID SEX\nA 1\nB\n",
            "line 3: it has 1 fields; at least 2 are needed",
        ),
        ("#IID\nA\nB\nC\n", "it has 2 samples, but"),
        ("#ID\nA\nB\n", "line 2: the header line has no column `IID`"),
    ] {
        fs::write(&psam, text).unwrap();
        let fault = PgenFile::open(&path).err().unwrap().to_string();
        assert!(fault.contains(expected), "{fault}");
    }
    fs::remove_file(psam).unwrap();
    let fault = PgenFile::open(&path).err();
    assert!(matches!(fault, Some(PgenError::NoCompanion { tried, .. }) if tried.len() == 2));
}

/// A cut is noticed, and so is any changed byte that changes the text.
fn check_damaged_zstandard(path: &Path) {
    let compressed = path.with_extension("pvar.zst");
    let bytes = fs::read(&compressed).unwrap();
    let whole = PgenFile::open(path).unwrap();
    for index in 0..bytes.len() {
        fs::write(&compressed, &bytes[..index]).unwrap();
        assert!(PgenFile::open(path).is_err(), "cut at {index}");
        let mut damaged = bytes.clone();
        damaged[index] ^= 4;
        fs::write(&compressed, damaged).unwrap();
        if let Ok(file) = PgenFile::open(path) {
            assert!(
                file.variants().iter().eq(whole.variants().iter()),
                "byte {index}"
            );
        }
    }
    fs::write(&compressed, bytes).unwrap();
}

fn fault_of(folder: &Path, sample_count: usize, record: RecordBytes) -> RecordFault {
    let path = write_fileset(folder, "fault", sample_count, &[record], STANDARD);
    let mut file = PgenFile::open(&path).unwrap();
    let mut record = PgenRecord::new();
    match file.read(0, &mut record) {
        Err(PgenError::Record {
            fault, number: 1, ..
        }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn damaged_records_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let fault = fault_of(folder, 5, biallelic(0, vec![0]));
    assert_eq!(
        fault.to_string(),
        "main track: 2 more bytes are needed, 1 are left"
    );
    let fault = fault_of(folder, 5, biallelic(0, vec![0; 3]));
    assert!(matches!(
        fault,
        RecordFault::TrailingBytes {
            expected: 2,
            found: 3
        }
    ));
    let fault = fault_of(folder, 5, biallelic(2, vec![0]));
    assert!(matches!(fault, RecordFault::NoEarlierRecord { found: 2 }));
    for record_type in [5, 8, 0x80] {
        let fault = fault_of(folder, 5, biallelic(record_type, vec![0; 9]));
        assert_eq!(fault, RecordFault::RecordType { found: record_type });
    }
    let dosage = [&pack(&[1, 3], 2)[..], &[0xff, 0xff, 0x01, 0x80]].concat();
    let fault = fault_of(folder, 2, biallelic(0x40, dosage));
    assert!(matches!(
        fault,
        RecordFault::Dosage {
            sample: 1,
            found: 32_769,
            ..
        }
    ));
    let two_alts = RecordBytes {
        alt_count: 2,
        record_type: 0x40,
        bytes: vec![0; 20],
    };
    let fault = fault_of(folder, 5, two_alts);
    assert!(matches!(
        fault,
        RecordFault::MultiallelicDosages { alleles: 3 }
    ));
}

#[test]
fn selections_have_their_own_order() {
    let folder = tempfile::tempdir().unwrap();
    let sparse = biallelic(4, main_track(4, &[0, 1, 0, 3, 2], &[]));
    let records = [two_records(), vec![sparse]].concat();
    let path = write_fileset(folder.path(), "select", 5, &records, STANDARD);
    let mut file = PgenFile::open(&path).unwrap();
    let fault = file.select(&[1, 5]);
    assert!(matches!(
        fault,
        Err(PgenError::NoSuchSample { index: 5, .. })
    ));
    let fault = file.select(&[1, 0, 1]);
    assert!(matches!(
        fault,
        Err(PgenError::SelectedTwice { index: 1, .. })
    ));
    file.select(&[4, 0, 3]).unwrap();
    let mut record = PgenRecord::new();
    file.read(0, &mut record).unwrap();
    assert_eq!(record.alleles(), [[3, 1], [0, 1], [0, 3]]);
    assert_eq!(record.carriers(), None);
    file.read(2, &mut record).unwrap();
    assert_eq!(record.alleles(), [[1, 1], [0, 0], [MISSING; 2]]);
    assert_eq!(record.carriers(), Some(&[0, 2][..]));
    let mut second = file.another_reader().unwrap();
    assert_eq!(categories_of(&read(&mut second, 2)), [2, 0, 3]);
    let fault = file.read(3, &mut record);
    assert!(matches!(
        fault,
        Err(PgenError::NoSuchVariant { index: 3, .. })
    ));
    assert!(record.is_empty());
}

/// Categories of one variant: some are rare, so that every form is of use.
fn categories(sample_count: usize) -> impl Strategy<Value = Vec<u8>> {
    let common = prop_oneof![Just(0_u8), Just(2), Just(3), Just(1)];
    (common, 1_u32..40).prop_flat_map(move |(common, weight)| {
        let one = prop_oneof![weight => Just(common), 1 => 0_u8..4];
        prop::collection::vec(one, sample_count)
    })
}

fn variants() -> impl Strategy<Value = (usize, Vec<(u8, Vec<u8>)>)> {
    let counts = prop_oneof![1_usize..10, 60_usize..70, 250_usize..700];
    counts.prop_flat_map(|sample_count| {
        let form = prop::sample::select(vec![0_u8, 1, 2, 3, 4, 6, 7]);
        let variants = prop::collection::vec((form, categories(sample_count)), 1..8);
        (Just(sample_count), variants)
    })
}

proptest! {
    #[test]
    fn every_main_track_gives_its_categories((sample_count, mut variants) in variants()) {
        // The first record of a block cannot refer to another.
        variants[0].0 &= 4;
        let mut earlier = Vec::new();
        let mut records = Vec::new();
        for (form, categories) in &variants {
            records.push(biallelic(*form, main_track(*form, categories, &earlier)));
            if !matches!(form, 2 | 3) {
                earlier.clone_from(categories);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = write_fileset(folder.path(), "forms", sample_count, &records, STANDARD);
        let mut file = PgenFile::open(&path).unwrap();
        let mut record = PgenRecord::new();
        let forwards = 0..variants.len();
        for variant in forwards.clone().chain(forwards.rev()) {
            file.read(variant, &mut record).unwrap();
            prop_assert_eq!(&categories_of(&record), &variants[variant].1);
            if let Some(carriers) = record.carriers() {
                let expected: Vec<u32> = (0..sample_count as u32)
                    .filter(|&sample| variants[variant].1[sample as usize] != 0)
                    .collect();
                prop_assert_eq!(carriers, expected);
            }
        }
    }
}
