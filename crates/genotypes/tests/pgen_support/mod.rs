//! Writes small PGEN filesets, byte by byte, for the tests of the reader.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses a part of it, and a failure here fails the test"
)]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use gf_genotypes::pgen::{PgenFile, PgenRecord};

/// A record to be written.
#[derive(Clone, Debug)]
pub struct RecordBytes {
    pub alt_count: usize,
    pub record_type: u8,
    pub bytes: Vec<u8>,
}

/// How the header stores what it has.
#[derive(Clone, Copy, Debug)]
pub struct HeaderForm {
    /// 0x10, 0x11, 0x20 or 0x21.
    pub mode: u8,
    /// Bits of a record type: 4 or 8.
    pub type_bits: usize,
    /// Bytes of a record length: 1 to 4.
    pub length_width: usize,
    /// Bytes of an allele count: 0 to 3.
    pub allele_width: usize,
    /// 0 to 3: elsewhere, no, all, or (every second) provisional REF.
    pub provisional_ref: u8,
}

pub const STANDARD: HeaderForm = HeaderForm {
    mode: 0x10,
    type_bits: 8,
    length_width: 2,
    allele_width: 0,
    provisional_ref: 1,
};

/// Writes `name.pgen`, its index if the mode has one, `name.pvar` and `name.psam`.
pub fn write_fileset(
    folder: &Path,
    name: &str,
    sample_count: usize,
    records: &[RecordBytes],
    form: HeaderForm,
) -> PathBuf {
    let path = folder.join(format!("{name}.pgen"));
    let all_records = records.iter().flat_map(|record| record.bytes.clone());
    let header_len = 20 + header_body(records, form).len();
    let is_external = form.mode >= 0x20;
    let first = if is_external { 3 } else { header_len as u64 };
    let mode = if is_external {
        form.mode + 0x10
    } else {
        form.mode
    };
    let mut header = vec![0x6c, 0x1b, mode];
    header.extend((records.len() as u32).to_le_bytes());
    header.extend((sample_count as u32).to_le_bytes());
    let wide_types = u8::from(form.type_bits == 8) << 2;
    let allele_bits = (form.allele_width as u8) << 4;
    let length_bits = form.length_width as u8 - 1;
    header.push(length_bits | wide_types | allele_bits | (form.provisional_ref << 6));
    header.extend(first.to_le_bytes());
    header.extend(header_body(records, form));
    if is_external {
        fs::write(path.with_extension("pgen.pgi"), header).unwrap();
        header = vec![0x6c, 0x1b, form.mode];
    }
    header.extend(all_records);
    fs::write(&path, header).unwrap();
    let alt_counts: Vec<usize> = records.iter().map(|record| record.alt_count).collect();
    write_companions(&path, sample_count, &alt_counts);
    path
}

/// Types, lengths, allele counts, provisional-REF bits and extensions.
fn header_body(records: &[RecordBytes], form: HeaderForm) -> Vec<u8> {
    let types: Vec<u8> = records.iter().map(|record| record.record_type).collect();
    let mut body = if form.type_bits == 8 {
        types
    } else {
        pack(&types, 4)
    };
    for record in records {
        let length = (record.bytes.len() as u32).to_le_bytes();
        body.extend(&length[..form.length_width]);
    }
    for record in records {
        let allele_count = (record.alt_count as u32 + 1).to_le_bytes();
        body.extend(&allele_count[..form.allele_width]);
    }
    if form.provisional_ref == 3 {
        let every_second: Vec<u8> = (0..records.len()).map(|index| index as u8 % 2).collect();
        body.extend(pack(&every_second, 1));
    }
    if form.mode & 1 == 1 {
        body.extend(b"\x02\x00\x06writer");
    }
    body
}

/// `path` with `.pvar` and `.psam` next to it.
pub fn write_companions(path: &Path, sample_count: usize, alt_counts: &[usize]) {
    let mut variants = "##fileformat=PVARv1.0\n#CHROM\tPOS\tID\tREF\tALT\n".to_owned();
    for (index, &alt_count) in alt_counts.iter().enumerate() {
        let alts: Vec<String> = (1..=alt_count).map(|length| "C".repeat(length)).collect();
        let position = index + 1;
        writeln!(variants, "1\t{position}\tv{index}\tA\t{}", alts.join(",")).unwrap();
    }
    fs::write(path.with_extension("pvar"), variants).unwrap();
    let mut samples = "#IID\tSEX\n".to_owned();
    for index in 0..sample_count {
        writeln!(samples, "S{index}\tNA").unwrap();
    }
    fs::write(path.with_extension("psam"), samples).unwrap();
}

/// Numbers of `bits` bits, the lowest bits of a byte first.
pub fn pack(values: &[u8], bits: usize) -> Vec<u8> {
    let mut bytes = vec![0; (values.len() * bits).div_ceil(8)];
    for (index, value) in values.iter().enumerate() {
        bytes[index * bits / 8] |= value << (index * bits % 8);
    }
    bytes
}

pub fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A list of samples, with categories or without.
pub fn difflist(samples: &[u32], categories: Option<&[u8]>, sample_count: usize) -> Vec<u8> {
    let mut bytes = varint(samples.len() as u32);
    if samples.is_empty() {
        return bytes;
    }
    let width = match sample_count {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 3,
    };
    let groups: Vec<&[u32]> = samples.chunks(64).collect();
    for group in &groups {
        bytes.extend(&group[0].to_le_bytes()[..width]);
    }
    let differences: Vec<Vec<u8>> = groups
        .iter()
        .map(|group| {
            let pairs = group.windows(2);
            pairs.flat_map(|pair| varint(pair[1] - pair[0])).collect()
        })
        .collect();
    for group in &differences[..groups.len() - 1] {
        bytes.push((group.len() - 63) as u8);
    }
    if let Some(categories) = categories {
        bytes.extend(pack(categories, 2));
    }
    bytes.extend(differences.concat());
    bytes
}

/// The samples whose category is not that of `expected`, with their categories.
fn exceptions(categories: &[u8], expected: impl Fn(usize) -> u8) -> Vec<u8> {
    let mut samples = Vec::new();
    let mut found = Vec::new();
    for (index, &category) in categories.iter().enumerate() {
        if category != expected(index) {
            samples.push(index as u32);
            found.push(category);
        }
    }
    difflist(&samples, Some(&found), categories.len())
}

/// A main track in one of its forms (the low three bits of the record type).
pub fn main_track(form: u8, categories: &[u8], earlier: &[u8]) -> Vec<u8> {
    match form {
        0 => pack(categories, 2),
        1 => two_common(categories),
        2 => exceptions(categories, |index| earlier[index]),
        3 => {
            let inverted: Vec<u8> = categories
                .iter()
                .map(|&c| [2, 1, 0, 3][c as usize])
                .collect();
            exceptions(&inverted, |index| earlier[index])
        }
        4 => exceptions(categories, |_| 0),
        6 => exceptions(categories, |_| 2),
        _ => exceptions(categories, |_| 3),
    }
}

fn two_common(categories: &[u8]) -> Vec<u8> {
    let mut by_count: Vec<u8> = (0..4).collect();
    by_count.sort_by_key(|&category| categories.iter().filter(|&&c| c != category).count());
    let [low, high] = [by_count[0].min(by_count[1]), by_count[0].max(by_count[1])];
    let is_high: Vec<u8> = categories.iter().map(|&c| u8::from(c == high)).collect();
    let mut bytes = vec![low << 2 | (high - low)];
    bytes.extend(pack(&is_high, 1));
    bytes.extend(exceptions(categories, |index| match categories[index] {
        category if category == low || category == high => category,
        _ => low,
    }));
    bytes
}

/// Categories (0 to 3) of the calls of a record.
pub fn categories_of(record: &PgenRecord) -> Vec<u8> {
    record
        .alleles()
        .iter()
        .map(|alleles| match alleles {
            [0, 0] => 0,
            [-1, -1] => 3,
            [0, _] | [_, 0] => 1,
            _ => 2,
        })
        .collect()
}

/// Reads one variant.
pub fn read(file: &mut PgenFile, variant: usize) -> PgenRecord {
    let mut record = PgenRecord::new();
    file.read(variant, &mut record).unwrap();
    record
}
