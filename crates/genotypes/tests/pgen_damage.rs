//! Damaged files end in an error: no panic, no endless loop.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

mod pgen_support;

use std::{fs, path::Path};

use gf_genotypes::pgen::{PgenFile, PgenRecord};
use pgen_support::{
    HeaderForm, RecordBytes, STANDARD, difflist, main_track, pack, write_companions, write_fileset,
};
use proptest::prelude::*;

const SAMPLES: usize = 150;

fn count(categories: &[u8], wanted: u8) -> usize {
    let found = categories.iter().copied();
    found.filter(|category| *category == wanted).count()
}

/// Records of every track.
fn records() -> Vec<RecordBytes> {
    let dense: Vec<u8> = (0..SAMPLES)
        .map(|sample| (sample * 7 % 11 % 4) as u8)
        .collect();
    let rare: Vec<u8> = (0..SAMPLES)
        .map(|sample| u8::from(sample % 2 == 0) * 2)
        .collect();
    let heterozygous = count(&dense, 1);
    let two_alts = count(&dense, 2);
    let mut records = Vec::new();
    for form in [0, 1, 2, 3, 4, 2, 6, 7, 3] {
        let categories = if form == 4 { &rare } else { &dense };
        let earlier = if records.len() == 5 { &rare } else { &dense };
        records.push((1, form, main_track(form, categories, earlier)));
    }
    let phase = vec![0; (1 + heterozygous).div_ceil(8)];
    records.push((1, 0x10, [main_track(0, &dense, &[]), phase].concat()));
    let every_second = pack(&[0, 1].repeat(heterozygous.div_ceil(2))[..heterozygous], 1);
    let bits = every_second
        .iter()
        .map(|byte| byte.count_ones() as usize)
        .sum::<usize>();
    let mut multiallelic = [main_track(0, &dense, &[]), vec![0xf0]].concat();
    multiallelic.extend(every_second);
    multiallelic.extend(vec![0b1010_0101; (bits * 2).div_ceil(8)]);
    records.push((5, 0x08, multiallelic));
    let mut multiallelic = [main_track(0, &dense, &[]), vec![0x0f]].concat();
    multiallelic.extend(vec![0xff; two_alts.div_ceil(8)]);
    records.push((
        2,
        0x08,
        [multiallelic, vec![0xff; two_alts.div_ceil(8)]].concat(),
    ));
    let listed: Vec<u32> = (0..SAMPLES as u32).step_by(2).collect();
    let dosages = 20_000_u16.to_le_bytes().repeat(listed.len());
    let mut dosage = main_track(0, &dense, &[]);
    dosage.extend(difflist(&listed, None, SAMPLES));
    dosage.extend(&dosages);
    records.push((1, 0x20, dosage.clone()));
    dosage.extend(vec![0xff; listed.len().div_ceil(8)]);
    dosage.extend(100_i16.to_le_bytes().repeat(listed.len()));
    records.push((1, 0xa0, dosage));
    let records = records.into_iter();
    let records = records.map(|(alt_count, record_type, bytes)| RecordBytes {
        alt_count,
        record_type,
        bytes,
    });
    records.collect()
}

fn write(folder: &Path, kind: usize) {
    let form = HeaderForm {
        mode: [0x10, 0x11, 0x20][kind.min(2)],
        ..STANDARD
    };
    if kind < 3 {
        write_fileset(folder, "x", SAMPLES, &records(), form);
        return;
    }
    let path = folder.join("x.pgen");
    write_companions(&path, SAMPLES, &[1; 4]);
    let mode = (kind - 2) as u8;
    let width = SAMPLES.div_ceil(4) + [0, 0, 2, 4][usize::from(mode) - 1] * SAMPLES;
    let mut bytes = vec![0x6c, 0x1b, mode];
    if mode > 1 {
        bytes.extend([4, 0, 0, 0, SAMPLES as u8, 0, 0, 0, 0x40]);
    }
    bytes.extend(vec![0x11; 4 * width]);
    fs::write(path, bytes).unwrap();
}

/// Reads all records forwards and backwards; whether all could be read.
fn read_all(path: &Path) -> bool {
    let mut file = match PgenFile::open(path) {
        Ok(file) => file,
        Err(fault) => {
            assert!(fault.to_string().contains("x.p"), "{fault}");
            return false;
        }
    };
    let mut record = PgenRecord::new();
    let mut is_whole = true;
    let forwards = 0..file.variants().len();
    for variant in forwards.clone().chain(forwards.rev()) {
        match file.read(variant, &mut record) {
            Ok(()) => assert_eq!(record.len(), file.samples().len()),
            Err(fault) => {
                assert!(fault.to_string().contains("record of variant"), "{fault}");
                assert!(record.is_empty());
                is_whole = false;
            }
        }
    }
    is_whole
}

#[test]
fn the_undamaged_files_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    for kind in 0..7 {
        write(folder.path(), kind);
        assert!(read_all(&folder.path().join("x.pgen")), "{kind}");
    }
}

#[test]
fn every_cut_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pgen");
    for kind in 0..7 {
        write(folder.path(), kind);
        let bytes = fs::read(&path).unwrap();
        let lens = (0..bytes.len()).filter(|len| len % 7 == 0 || *len < 100);
        for len in lens {
            fs::write(&path, &bytes[..len]).unwrap();
            assert!(!read_all(&path), "{len} of {} bytes", bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn changed_bytes_do_not_panic(
        kind in 0_usize..7,
        changes in prop::collection::vec((0_usize..1 << 20, 1_u8..), 1..6),
        is_header in any::<bool>(),
        name in prop::sample::select(vec!["x.pgen", "x.pgen", "x.pgen.pgi", "x.pvar", "x.psam"]),
        cut in prop_oneof![3 => Just(None), 1 => (0_usize..1 << 20).prop_map(Some)],
    ) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), kind);
        let changed = folder.path().join(name);
        if let Ok(mut bytes) = fs::read(&changed) {
            let len = if is_header { bytes.len().min(100) } else { bytes.len() };
            for (position, change) in changes {
                bytes[position % len] ^= change;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut % bytes.len());
            }
            fs::write(&changed, bytes).unwrap();
        }
        read_all(&folder.path().join("x.pgen"));
    }
}
