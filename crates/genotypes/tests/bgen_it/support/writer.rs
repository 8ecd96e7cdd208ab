//! A writer of BGEN files that knows nothing of the reader: bits are pushed one by one.

use std::{fs, io::Write, path::Path};

use flate2::{Compression as Level, write::ZlibEncoder};

pub const NONE: u32 = 0;
pub const ZLIB: u32 = 1;
pub const ZSTD: u32 = 2;

/// One sample of a variant: the stored integers.
#[derive(Clone, Debug)]
pub struct Sample {
    pub ploidy: u8,
    pub missing: bool,
    pub values: Vec<u32>,
}

#[derive(Clone, Debug)]
pub struct Variant {
    pub id: String,
    pub rsid: String,
    pub contig: String,
    pub position: u32,
    pub alleles: Vec<String>,
    pub phased: bool,
    pub bits: u8,
    pub samples: Vec<Sample>,
}

impl Variant {
    /// A variant at this position whose alleles are A, C, AC, ACC and so on.
    pub fn new(position: u32, n_alleles: usize, samples: Vec<Sample>) -> Self {
        let alleles = (0..n_alleles).map(|allele| match allele {
            0 => "A".to_owned(),
            1 => "C".to_owned(),
            more => format!("A{}", "C".repeat(more - 1)),
        });
        Self {
            id: format!("id{position}"),
            rsid: format!("rs{position}"),
            contig: "19".to_owned(),
            position,
            alleles: alleles.collect(),
            phased: false,
            bits: 8,
            samples,
        }
    }

    /// The genotype data before compression.
    pub fn data(&self) -> Vec<u8> {
        let ploidies = || self.samples.iter().map(|sample| sample.ploidy);
        let mut data = (self.samples.len() as u32).to_le_bytes().to_vec();
        data.extend((self.alleles.len() as u16).to_le_bytes());
        data.push(ploidies().min().unwrap_or(0));
        data.push(ploidies().max().unwrap_or(0));
        for sample in &self.samples {
            data.push(sample.ploidy | u8::from(sample.missing) << 7);
        }
        data.push(u8::from(self.phased));
        data.push(self.bits);
        let mut bits = Vec::new();
        for value in self.samples.iter().flat_map(|sample| &sample.values) {
            bits.extend((0..self.bits).map(|bit| value >> bit & 1 == 1));
        }
        data.extend(bits.chunks(8).map(|byte| {
            let bits = byte.iter().enumerate();
            bits.fold(0, |byte, (bit, &is_set)| byte | u8::from(is_set) << bit)
        }));
        data
    }

    fn fields(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for text in [&self.id, &self.rsid, &self.contig] {
            out.extend((text.len() as u16).to_le_bytes());
            out.extend(text.as_bytes());
        }
        out.extend(self.position.to_le_bytes());
        out.extend((self.alleles.len() as u16).to_le_bytes());
        for allele in &self.alleles {
            out.extend((allele.len() as u32).to_le_bytes());
            out.extend(allele.as_bytes());
        }
        out
    }

    pub fn record(&self, compression: u32) -> Vec<u8> {
        record_of_data(self, &self.data(), compression)
    }
}

/// A record with these genotype data.
pub fn record_of_data(variant: &Variant, data: &[u8], compression: u32) -> Vec<u8> {
    let mut out = variant.fields();
    let compressed = match compression {
        NONE => {
            out.extend((data.len() as u32).to_le_bytes());
            out.extend(data);
            return out;
        }
        ZLIB => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Level::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        _ => ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest),
    };
    out.extend((compressed.len() as u32 + 4).to_le_bytes());
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(compressed);
    out
}

/// The header and, where there are names, the sample identifier block.
pub fn header(n_variants: u32, n_samples: u32, flags: u32, names: Option<&[&str]>) -> Vec<u8> {
    let mut block = Vec::new();
    if let Some(names) = names {
        let len: usize = names.iter().map(|name| 2 + name.len()).sum();
        block.extend((len as u32 + 8).to_le_bytes());
        block.extend((names.len() as u32).to_le_bytes());
        for name in names {
            block.extend((name.len() as u16).to_le_bytes());
            block.extend(name.as_bytes());
        }
    }
    let mut out = (20 + block.len() as u32).to_le_bytes().to_vec();
    out.extend(20_u32.to_le_bytes());
    out.extend(n_variants.to_le_bytes());
    out.extend(n_samples.to_le_bytes());
    out.extend(b"bgen");
    out.extend((flags | u32::from(names.is_some()) << 31).to_le_bytes());
    out.extend(block);
    out
}

/// Flags of layout 2.
pub const fn layout_2(compression: u32) -> u32 {
    compression | 2 << 2
}

/// A file without sample names.
pub fn file(compression: u32, variants: &[Variant]) -> Vec<u8> {
    let n_samples = variants.first().map_or(0, |first| first.samples.len());
    let mut out = header(
        variants.len() as u32,
        n_samples as u32,
        layout_2(compression),
        None,
    );
    for variant in variants {
        out.extend(variant.record(compression));
    }
    out
}

pub fn write(path: &Path, compression: u32, variants: &[Variant]) {
    fs::write(path, file(compression, variants)).unwrap();
}
