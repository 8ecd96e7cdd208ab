//! The haplotype dictionary on disk.
//!
//! - `loci.json`: loci, edits, and distinct haplotypes as indices of edits;
//! - `pairs.csv`: the two haplotypes of each sample at each locus.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{self, Write},
    path::Path,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ABSENT_HAPLOTYPE, Edit, Encoding, Error, LocusHaplotypes, diploid};
use gf_cohort_schema::columns;
use gf_files::{
    output::{self, Pending},
    stored_format::{self, StoredFormatProblem},
};

/// File name of loci, edits and distinct haplotypes.
pub const LOCI_FILE: &str = "loci.json";
/// File name of the haplotypes of each sample.
pub const PAIRS_FILE: &str = "pairs.csv";

/// Why a stored dictionary cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreProblem {
    /// Another version, or not JSON.
    #[error(transparent)]
    Format(#[from] StoredFormatProblem),
    /// Letters that are neither bases nor genotype symbols.
    #[error("locus `{locus}` has letters that sequences cannot have; the file is damaged")]
    Letters {
        /// Name of the locus.
        locus: String,
    },
    /// Edits that do not fit their locus.
    #[error("locus `{locus}` has edits outside of it or out of order; the file is damaged")]
    Edits {
        /// Name of the locus.
        locus: String,
    },
    /// A table that is not CSV, or has other columns.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// A row of `pairs.csv`.
    #[error("line {line}: {problem}")]
    Pair {
        /// 1-based line number.
        line: usize,
        /// The problem.
        problem: PairProblem,
    },
    /// Too few rows in `pairs.csv`.
    #[error("not every sample has a row at every locus; the file is damaged")]
    MissingPairs,
}

/// Why a row of `pairs.csv` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairProblem {
    /// A locus that the dictionary does not have.
    #[error("unknown locus; the file is damaged")]
    Locus,
    /// A sample in another place than at the first locus.
    #[error("samples are not in the same order at every locus; the file is damaged")]
    Sample,
    /// A number without a haplotype.
    #[error("no haplotype of this number at the locus; the file is damaged")]
    Haplotype,
}

/// Version of the files this module writes.
const SCHEMA_VERSION: u32 = 2;

/// The distinct haplotypes of every locus, and the two that each sample has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dictionary {
    /// Whether the letters are bases or genotype symbols.
    pub encoding: Encoding,
    /// Sequences of bases may contain IUPAC codes (unphased heterozygotes).
    pub iupac: bool,
    /// Samples, in the order of every `pairs`.
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

/// The two haplotypes of a sample at a locus. Private, because it names samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HaplotypePairRow<'d> {
    /// The sample's name in the VCF.
    pub sample_id: Cow<'d, str>,
    /// Name of the locus.
    pub locus: Cow<'d, str>,
    /// Number of the first haplotype in `loci.json`, from 0.
    pub haplotype_a: u32,
    /// Number of the second haplotype; empty if the sample has only one.
    pub haplotype_b: Option<u32>,
}

impl Dictionary {
    /// Every letter that a sequence may contain, ascending; `N` is one of them.
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
    /// A file cannot be written.
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
        let path = folder.join(LOCI_FILE);
        let file: LociFile<'_> = stored_format::from_json(
            &stored_format::read(&path)?,
            SCHEMA_VERSION,
            "gf-genomics sequences",
        )
        .map_err(|problem| Error::damaged(&path, problem))?;
        let mut dictionary = Self {
            encoding: file.encoding,
            iupac: file.iupac,
            samples: Vec::new(),
            loci: file.loci.into_owned(),
        };
        dictionary
            .require_valid_loci()
            .map_err(|problem| Error::damaged(&path, problem))?;
        let samples = read_pairs(&folder.join(PAIRS_FILE), &mut dictionary.loci)?;
        dictionary.samples = samples;
        Ok(dictionary)
    }

    /// Refuses loci whose sequences could not be spliced, or would contain unknown letters.
    fn require_valid_loci(&self) -> Result<(), StoreProblem> {
        let alphabet = self.alphabet();
        for locus in &self.loci {
            let name = &locus.locus.name;
            let mut letters = locus.edits.iter().flat_map(|edit| &edit.alt);
            if locus.encoding != self.encoding || !letters.all(|letter| alphabet.contains(letter)) {
                let locus = name.clone();
                return Err(StoreProblem::Letters { locus });
            }
            if !has_edits_in_place(locus) {
                let locus = name.clone();
                return Err(StoreProblem::Edits { locus });
            }
        }
        Ok(())
    }
}

/// Whether all edits are within the locus, and those of each haplotype ascend without overlap.
fn has_edits_in_place(locus: &LocusHaplotypes) -> bool {
    let start0 = locus.locus.start0;
    let end0 = start0.saturating_add(locus.reference.len());
    let are_within = locus
        .edits
        .iter()
        .all(|edit| start0 <= edit.start0 && edit.start0 <= edit.end0 && edit.end0 <= end0);
    end0 == locus.locus.end0
        && are_within
        && locus
            .haplotypes
            .iter()
            .all(|numbers| ascends(&locus.edits, numbers))
}

/// Whether a haplotype names only known edits, and these ascend without overlap.
fn ascends(edits: &[Edit], numbers: &[u32]) -> bool {
    let carried: Option<Vec<&Edit>> = numbers
        .iter()
        .map(|&number| edits.get(number as usize))
        .collect();
    carried.is_some_and(|carried| {
        carried
            .windows(2)
            .all(|pair| pair[0].end0 <= pair[1].start0)
    })
}

/// Reads `pairs.csv` into the `pairs` of each locus; returns the samples in their order.
fn read_pairs(path: &Path, loci: &mut [LocusHaplotypes]) -> Result<Vec<String>, Error> {
    let numbers: HashMap<String, usize> = loci
        .iter()
        .enumerate()
        .map(|(number, locus)| (locus.locus.name.clone(), number))
        .collect();
    let mut samples = Vec::new();
    let mut table = csv::Reader::from_reader(File::open(path).map_err(output::at(path))?);
    for (index, row) in table.deserialize().enumerate() {
        let row: HaplotypePairRow<'_> = row.map_err(|error| Error::damaged(path, error))?;
        // The rows of the first locus give the order of the samples.
        if loci
            .first()
            .is_some_and(|locus| locus.locus.name == row.locus)
        {
            samples.push(row.sample_id.clone().into_owned());
        }
        let locus = numbers
            .get(&*row.locus)
            .and_then(|&number| loci.get_mut(number));
        // Line 1 is the header.
        add_pair(locus, &samples, &row).map_err(|problem| {
            let line = index + 2;
            Error::damaged(path, StoreProblem::Pair { line, problem })
        })?;
    }
    if loci.iter().any(|locus| locus.pairs.len() != samples.len()) {
        return Err(Error::damaged(path, StoreProblem::MissingPairs));
    }
    Ok(samples)
}

/// Adds a row of `pairs.csv` to its locus.
fn add_pair(
    locus: Option<&mut LocusHaplotypes>,
    samples: &[String],
    row: &HaplotypePairRow<'_>,
) -> Result<(), PairProblem> {
    let locus = locus.ok_or(PairProblem::Locus)?;
    let expected_sample = samples.get(locus.pairs.len());
    if expected_sample.is_none_or(|sample| *sample != row.sample_id) {
        return Err(PairProblem::Sample);
    }
    let pair = [row.haplotype_a, row.haplotype_b.unwrap_or(ABSENT_HAPLOTYPE)];
    let n_haplotypes = locus.haplotypes.len();
    if pair
        .iter()
        .any(|&haplotype| haplotype != ABSENT_HAPLOTYPE && haplotype as usize >= n_haplotypes)
    {
        return Err(PairProblem::Haplotype);
    }
    locus.pairs.push(pair);
    Ok(())
}

/// Writes a dictionary locus by locus, so that not all loci need be in memory.
///
/// If dropped before it is saved, its files are deleted.
#[derive(Debug)]
pub(super) struct Writer {
    loci: Pending,
    pairs: csv::Writer<Pending>,
    is_first: bool,
}

/// The end of `loci.json` after its last locus.
const END_OF_LOCI: &str = "]}";

impl Writer {
    /// Starts both files in a folder.
    ///
    /// # Errors
    /// A file cannot be created.
    pub fn create(folder: &Path, encoding: Encoding, iupac: bool) -> Result<Self, Error> {
        let path = folder.join(LOCI_FILE);
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
        let path = folder.join(PAIRS_FILE);
        let mut pairs = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Pending::create(&path)?);
        pairs
            .write_record(columns::<HaplotypePairRow<'_>>())
            .map_err(|error| output::at(&path)(error.into()))?;
        Ok(Self {
            loci,
            pairs,
            is_first: true,
        })
    }

    /// Writes the next locus, and the haplotypes of `samples` at it.
    ///
    /// # Errors
    /// A file cannot be written.
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
            let row = HaplotypePairRow {
                sample_id: Cow::Borrowed(sample_id),
                locus: Cow::Borrowed(&locus.locus.name),
                haplotype_a,
                haplotype_b: (b != ABSENT_HAPLOTYPE).then_some(b),
            };
            self.pairs
                .serialize(row)
                .map_err(|error| output::at(self.pairs.get_ref().path())(error.into()))?;
        }
        Ok(())
    }

    /// Renames both files to their final names.
    ///
    /// # Errors
    /// A file cannot be written.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts of users depend on names and order.
    #[test]
    fn names_and_order_of_columns_are_a_contract() {
        assert_eq!(
            columns::<HaplotypePairRow<'_>>().join(","),
            "sample_id,locus,haplotype_a,haplotype_b"
        );
    }
}
