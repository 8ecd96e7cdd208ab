//! The haplotype dictionary on disk: `loci.json` (loci, edits, distinct haplotypes) and `pairs.csv`
//! (each person's two).

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Edit, Encoding, Error, LocusHaplotypes, diploid};
use gf_files::{
    output::{self, Pending},
    stored_format,
};

/// Version of the files this module writes.
const SCHEMA_VERSION: u32 = 2;

/// The distinct haplotypes of every locus, and which two each person has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dictionary {
    /// What the letters of the sequences are.
    pub encoding: Encoding,
    /// Sequences of bases may hold IUPAC codes (unphased heterozygotes).
    pub iupac: bool,
    /// People, in the order of every `pairs`.
    pub samples: Vec<String>,
    /// One per locus.
    pub loci: Vec<LocusHaplotypes>,
}

#[derive(Serialize, Deserialize)]
struct LociFile<'d> {
    schema_version: u32,
    encoding: Encoding,
    iupac: bool,
    loci: Cow<'d, [LocusHaplotypes]>,
}

#[derive(Serialize, Deserialize)]
struct PairRow<'d> {
    sample_id: Cow<'d, str>,
    locus: Cow<'d, str>,
    haplotype_a: u32,
    /// Empty when the person has one haplotype only.
    haplotype_b: Option<u32>,
}

impl Dictionary {
    /// Every letter a sequence may hold, ascending; `N` is one of them.
    #[must_use]
    pub fn alphabet(&self) -> &'static [u8] {
        match self.encoding {
            Encoding::Diploid => &diploid::SYMBOLS,
            Encoding::Haplotype if self.iupac => b"ABCDGHKMNRSTVWY",
            Encoding::Haplotype => b"ACGNT",
        }
    }

    /// Writes `loci.json` and `pairs.csv` into a folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let mut writer = Writer::create(folder, self.encoding, self.iupac)?;
        self.loci
            .iter()
            .try_for_each(|locus| writer.add(&self.samples, locus))?;
        writer.save()
    }

    /// Reads what [`Dictionary::save`] wrote.
    ///
    /// # Errors
    /// Missing or malformed files, another schema version, numbers out of range.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("loci.json");
        let LociFile {
            encoding,
            iupac,
            loci,
            ..
        } = stored_format::from_json(
            &stored_format::read(&path)?,
            SCHEMA_VERSION,
            "gf-genomics sequences",
        )
        .map_err(|reason| damaged(&path, reason))?;
        let mut dictionary = Self {
            encoding,
            iupac,
            samples: Vec::new(),
            loci: loci.into_owned(),
        };
        let alphabet = dictionary.alphabet();
        for locus in &dictionary.loci {
            let is_known = |letter: &u8| alphabet.contains(letter);
            let name = &locus.locus.name;
            if locus.encoding != encoding
                || !locus.edits.iter().flat_map(|edit| &edit.alt).all(is_known)
            {
                let reason = format!(
                    "locus `{name}`: letters that sequences cannot have: the file is damaged"
                );
                return Err(damaged(&path, reason));
            }
            if !has_edits_in_place(locus) {
                let reason = format!("locus `{name}`: edits out of place: the file is damaged");
                return Err(damaged(&path, reason));
            }
        }
        let samples = read_pairs(&folder.join("pairs.csv"), &mut dictionary.loci)?;
        dictionary.samples = samples;
        Ok(dictionary)
    }
}

fn damaged(path: &Path, reason: String) -> Error {
    Error::Store {
        path: path.into(),
        reason,
    }
}

/// Whether all edits are within the locus, and those of each haplotype ascend without overlap.
fn has_edits_in_place(locus: &LocusHaplotypes) -> bool {
    let end0 = locus.locus.start0.saturating_add(locus.reference.len());
    let is_within = |edit: &Edit| {
        locus.locus.start0 <= edit.start0 && edit.start0 <= edit.end0 && edit.end0 <= end0
    };
    let ascends = |numbers: &Vec<u32>| {
        let edits: Option<Vec<&Edit>> = numbers
            .iter()
            .map(|&number| locus.edits.get(number as usize))
            .collect();
        edits.is_some_and(|edits| edits.windows(2).all(|pair| pair[0].end0 <= pair[1].start0))
    };
    end0 == locus.locus.end0
        && locus.edits.iter().all(is_within)
        && locus.haplotypes.iter().all(ascends)
}

/// Gives each locus its pairs of haplotypes; the samples in their order.
fn read_pairs(path: &Path, loci: &mut [LocusHaplotypes]) -> Result<Vec<String>, Error> {
    let numbers: HashMap<String, usize> = loci
        .iter()
        .enumerate()
        .map(|(number, locus)| (locus.locus.name.clone(), number))
        .collect();
    let mut samples = Vec::new();
    let mut table = csv::Reader::from_reader(File::open(path).map_err(output::at(path))?);
    for (index, row) in table.deserialize().enumerate() {
        let row: PairRow<'_> = row.map_err(|error| damaged(path, error.to_string()))?;
        let problem = |reason: &str| damaged(path, format!("line {}: {reason}", index + 2));
        if loci
            .first()
            .is_some_and(|locus| locus.locus.name == row.locus)
        {
            samples.push(row.sample_id.clone().into_owned());
        }
        let locus = numbers
            .get(&*row.locus)
            .and_then(|&number| loci.get_mut(number))
            .ok_or_else(|| problem("unknown locus"))?;
        let sample = samples.get(locus.pairs.len());
        if sample.is_none_or(|sample| *sample != row.sample_id) {
            return Err(problem("people are not in one order"));
        }
        let absent = super::ABSENT_HAPLOTYPE;
        let pair = [row.haplotype_a, row.haplotype_b.unwrap_or(absent)];
        let is_unknown =
            |haplotype: &u32| *haplotype != absent && *haplotype as usize >= locus.haplotypes.len();
        if pair.iter().any(is_unknown) {
            return Err(problem("no such haplotype"));
        }
        locus.pairs.push(pair);
    }
    if loci.iter().any(|locus| locus.pairs.len() != samples.len()) {
        return Err(damaged(
            path,
            "not every person has a row at every locus".into(),
        ));
    }
    Ok(samples)
}

/// A dictionary that is written locus by locus, so that not all of them need be in memory; dropped
/// before it is saved, it leaves nothing.
#[derive(Debug)]
pub(super) struct Writer {
    loci: Pending,
    pairs: csv::Writer<Pending>,
    is_first: bool,
}

/// What ends `loci.json` behind its loci.
const END_OF_LOCI: &str = "]}";

impl Writer {
    pub fn create(folder: &Path, encoding: Encoding, iupac: bool) -> Result<Self, Error> {
        let path = folder.join("loci.json");
        let mut loci = Pending::create(&path)?;
        let empty = LociFile {
            schema_version: SCHEMA_VERSION,
            encoding,
            iupac,
            loci: Cow::Borrowed(&[]),
        };
        let start = serde_json::to_string(&empty)
            .map_err(io::Error::from)
            .and_then(|empty| {
                let start = empty.strip_suffix(END_OF_LOCI).unwrap_or(&empty);
                loci.write_all(start.as_bytes())
            });
        start.map_err(output::at(&path))?;
        let path = folder.join("pairs.csv");
        let mut pairs = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Pending::create(&path)?);
        pairs
            .write_record(["sample_id", "locus", "haplotype_a", "haplotype_b"])
            .map_err(|error| output::at(&path)(error.into()))?;
        Ok(Self {
            loci,
            pairs,
            is_first: true,
        })
    }

    /// The next locus, and who of `samples` has which of its haplotypes.
    pub fn add(&mut self, samples: &[String], locus: &LocusHaplotypes) -> Result<(), Error> {
        let comma = if std::mem::take(&mut self.is_first) {
            ""
        } else {
            ","
        };
        let written = self
            .loci
            .write_all(comma.as_bytes())
            .and_then(|()| Ok(serde_json::to_writer(&mut self.loci, locus)?));
        written.map_err(output::at(self.loci.path()))?;
        for (sample_id, &[haplotype_a, b]) in samples.iter().zip(&locus.pairs) {
            let row = PairRow {
                sample_id: Cow::Borrowed(sample_id),
                locus: Cow::Borrowed(&locus.locus.name),
                haplotype_a,
                haplotype_b: (b != super::ABSENT_HAPLOTYPE).then_some(b),
            };
            self.pairs
                .serialize(row)
                .map_err(|error| output::at(self.pairs.get_ref().path())(error.into()))?;
        }
        Ok(())
    }

    /// Puts both files under their names.
    pub fn save(mut self) -> Result<(), Error> {
        writeln!(self.loci, "{END_OF_LOCI}").map_err(output::at(self.loci.path()))?;
        let path = self.pairs.get_ref().path().to_path_buf();
        let pairs = self
            .pairs
            .into_inner()
            .map_err(|error| output::at(&path)(io::Error::other(error.error().to_string())))?;
        self.loci.finish()?;
        Ok(pairs.finish()?)
    }
}
