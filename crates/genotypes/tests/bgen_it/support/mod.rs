//! What the tests of BGEN files share.

pub mod oracle;
pub mod writer;

use std::path::Path;

use gf_genotypes::bgen::{BgenError, BgenFile, BgenRecord};

/// Everything that is read of one variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub id: String,
    pub rsid: String,
    pub contig: String,
    pub position: u32,
    pub alleles: Vec<String>,
    pub phased: bool,
    pub ploidies: Vec<u8>,
    pub missing: Vec<bool>,
    pub probabilities: Vec<Vec<u32>>,
    /// Bits of the numbers, so that NaN equals NaN.
    pub dosages: Vec<u32>,
    pub calls: Option<Vec<[i16; 2]>>,
    pub uncalled: usize,
}

impl Read {
    pub fn of(record: &BgenRecord) -> Self {
        let samples = 0..record.n_samples();
        let mut stored = Vec::new();
        Self {
            id: record.id().to_owned(),
            rsid: record.rsid().to_owned(),
            contig: record.contig().to_owned(),
            position: record.position(),
            alleles: record.alleles().to_vec(),
            phased: record.is_phased(),
            ploidies: samples.clone().map(|i| record.ploidy(i).unwrap()).collect(),
            missing: samples
                .clone()
                .map(|i| record.is_missing(i).unwrap())
                .collect(),
            probabilities: samples
                .map(|sample| {
                    record.stored_probabilities(sample, &mut stored);
                    stored.clone()
                })
                .collect(),
            dosages: record
                .dosages()
                .iter()
                .map(|dosage| dosage.to_bits())
                .collect(),
            calls: record.calls().ok().map(<[_]>::to_vec),
            uncalled: record.uncalled(),
        }
    }
}

/// All variants of an open file.
pub fn read_all(file: &BgenFile) -> Result<Vec<Read>, BgenError> {
    let variants = file.variants()?;
    let mut record = BgenRecord::new();
    let mut all = Vec::new();
    for index in 0..variants.len() {
        file.read(&variants, index, &mut record)?;
        all.push(Read::of(&record));
    }
    Ok(all)
}

/// All variants of a file.
pub fn read_path(path: &Path) -> Result<Vec<Read>, BgenError> {
    read_all(&BgenFile::open(path)?)
}
