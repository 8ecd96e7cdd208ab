//! The haplotype dictionary on disk: `loci.json` (loci, edits, distinct haplotypes), `pairs.csv` (each person's two), `skips.csv`.

use std::{fs::File, path::Path};

use serde::{Deserialize, Serialize};

use super::{Encoding, Error, LocusHaplotypes, Skip};
use crate::output;

/// Version of the files this module writes.
const SCHEMA_VERSION: u32 = 2;

/// The distinct haplotypes of every locus, and which two each person has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dictionary {
    /// What the letters of the sequences are.
    pub encoding: Encoding,
    /// People, in the order of every `pairs`.
    pub samples: Vec<String>,
    /// One per locus.
    pub loci: Vec<LocusHaplotypes>,
}

#[derive(Serialize, Deserialize)]
struct LociFile {
    schema_version: u32,
    encoding: Encoding,
    loci: Vec<LocusHaplotypes>,
}

#[derive(Serialize, Deserialize)]
struct PairRow {
    sample_id: String,
    locus: String,
    haplotype_a: u32,
    /// Empty when the person has one haplotype only.
    haplotype_b: Option<u32>,
}

impl Dictionary {
    /// Every letter a sequence may hold, ascending; `N` is one of them.
    #[must_use]
    pub fn alphabet(&self) -> &'static [u8] {
        b"ACGNT"
    }

    /// Writes `loci.json` and `pairs.csv` into a folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        output::write_json(
            &folder.join("loci.json"),
            &LociFile { schema_version: SCHEMA_VERSION, encoding: self.encoding, loci: self.loci.clone() },
        )?;
        let rows = self.loci.iter().flat_map(|locus| {
            self.samples.iter().zip(&locus.pairs).map(|(sample_id, &[haplotype_a, b])| PairRow {
                sample_id: sample_id.clone(),
                locus: locus.locus.name.clone(),
                haplotype_a,
                haplotype_b: (b != super::ABSENT_HAPLOTYPE).then_some(b),
            })
        });
        Ok(output::write_csv(&folder.join("pairs.csv"), &["sample_id", "locus", "haplotype_a", "haplotype_b"], rows)?)
    }

    /// Reads what [`Dictionary::save`] wrote.
    ///
    /// # Errors
    /// Missing or malformed files, another schema version, numbers out of range.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("loci.json");
        let wrong = |path: &Path, reason: String| Error::Store { path: path.into(), reason };
        let text = std::fs::read(&path).map_err(output::at(&path))?;
        let LociFile { schema_version, encoding, mut loci } =
            serde_json::from_slice(&text).map_err(|error| wrong(&path, error.to_string()))?;
        if schema_version != SCHEMA_VERSION {
            return Err(wrong(&path, format!("schema version {schema_version}; this program reads {SCHEMA_VERSION}: make it again")));
        }
        let path = folder.join("pairs.csv");
        let mut samples = Vec::new();
        let mut table = csv::Reader::from_reader(File::open(&path).map_err(output::at(&path))?);
        for (index, row) in table.deserialize().enumerate() {
            let row: PairRow = row.map_err(|error| wrong(&path, error.to_string()))?;
            let problem = |reason: &str| wrong(&path, format!("line {}: {reason}", index + 2));
            let first = loci.first().is_some_and(|locus| locus.locus.name == row.locus);
            if first {
                samples.push(row.sample_id.clone());
            }
            let locus = loci.iter_mut().find(|locus| locus.locus.name == row.locus).ok_or_else(|| problem("unknown locus"))?;
            if samples.get(locus.pairs.len()) != Some(&row.sample_id) {
                return Err(problem("people are not in one order"));
            }
            let pair = [row.haplotype_a, row.haplotype_b.unwrap_or(super::ABSENT_HAPLOTYPE)];
            if pair.iter().any(|&haplotype| haplotype != super::ABSENT_HAPLOTYPE && haplotype as usize >= locus.haplotypes.len()) {
                return Err(problem("no such haplotype"));
            }
            locus.pairs.push(pair);
        }
        if loci.iter().any(|locus| locus.pairs.len() != samples.len()) {
            return Err(wrong(&path, "not every person has a row at every locus".into()));
        }
        Ok(Self { encoding, samples, loci })
    }
}

#[derive(Serialize)]
struct SkipRow<'a> {
    sample_id: &'a str,
    haplotype: Option<u8>,
    locus: &'a str,
    contig: &'a str,
    position: u32,
    reason: super::Reason,
}

/// Writes `skips.csv`: everything that is not in the sequences as the VCF states it.
///
/// # Errors
/// When the file cannot be written.
pub fn write_skips(dictionary: &Dictionary, skips: &[Skip], path: &Path) -> Result<(), output::Error> {
    let rows = skips.iter().map(|skip| {
        let locus = &dictionary.loci[skip.locus as usize].locus;
        SkipRow {
            sample_id: skip.sample.map_or("", |sample| &dictionary.samples[sample as usize]),
            haplotype: skip.haplotype,
            locus: &locus.name,
            contig: &locus.contig,
            position: skip.position,
            reason: skip.reason,
        }
    });
    output::write_csv(path, &["sample_id", "haplotype", "locus", "contig", "position", "reason"], rows)
}
