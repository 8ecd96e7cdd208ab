//! Token sets on disk: one `tokens.safetensors` with `LOCUS/tokens` (haplotypes x slots) and
//! `LOCUS/pairs` (people x 2), all u32.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    path::Path,
};

use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorInfo},
};
use serde::{Deserialize, Serialize};

use super::Error;
use gf_cohort_schema::counted;
use gf_files::{
    output::{self, Pending},
    stored_format,
};
use gf_haplotypes::ABSENT_HAPLOTYPE;

const SCHEMA_VERSION: u32 = 2;
/// Readers of the format refuse a longer header.
const MAX_HEADER_BYTES: usize = 100_000_000;
const INDEX: &str = "gf-genomics";

/// Tokens of the distinct haplotypes and who has which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// People, in the order of every `pairs`.
    pub samples: Vec<String>,
    /// One per locus.
    pub loci: Vec<LocusTokens>,
}

/// Tokens of one locus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocusTokens {
    /// Name of the locus.
    pub name: String,
    /// Slots of a haplotype.
    pub n_slots: usize,
    /// Token ids, distinct haplotypes x slots, row-major.
    pub tokens: Vec<u32>,
    /// Each person's two haplotypes (rows of `tokens`), or [`ABSENT_HAPLOTYPE`].
    pub pairs: Vec<[u32; 2]>,
}

impl LocusTokens {
    /// Distinct haplotypes.
    #[must_use]
    pub fn n_haplotypes(&self) -> usize {
        self.tokens.len() / self.n_slots
    }

    /// Token ids of one haplotype.
    #[must_use]
    pub fn row(&self, haplotype: u32) -> &[u32] {
        &self.tokens[haplotype as usize * self.n_slots..][..self.n_slots]
    }
}

/// What a token set was made with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Origin {
    /// SHA-256 of the other files of its folder, by name.
    pub belongs_to: BTreeMap<String, String>,
    /// People (numbers into the samples) on whom tokenizer and slots were fitted.
    pub fitted_on: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
struct Index {
    schema_version: u32,
    samples: Vec<String>,
    loci: Vec<String>,
    #[serde(flatten)]
    origin: Origin,
}

impl TokenSet {
    /// Reads `tokens.safetensors`.
    ///
    /// # Errors
    /// A missing or malformed file, another schema version, numbers out of range.
    pub(super) fn load(path: &Path) -> Result<(Self, Origin), Error> {
        let wrong = |reason: String| Error::Store {
            path: path.into(),
            reason,
        };
        let bytes = stored_format::read(path)?;
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| wrong(error.to_string()))?;
        let index = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(INDEX))
            .ok_or_else(|| wrong("not a token set".into()))?;
        let index: Index =
            stored_format::from_json(index.as_bytes(), SCHEMA_VERSION, "gf-genomics tokenize")
                .map_err(wrong)?;
        let arrays = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let array = |name: &str| -> Result<(Vec<usize>, Vec<u32>), Error> {
            let view = arrays
                .tensor(name)
                .map_err(|error| wrong(error.to_string()))?;
            if view.dtype() != Dtype::U32 || view.shape().len() != 2 {
                return Err(wrong(format!("`{name}` is not a table of u32")));
            }
            let values = view
                .data()
                .chunks_exact(4)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            Ok((view.shape().to_vec(), values))
        };
        let mut loci = Vec::with_capacity(index.loci.len());
        for (number, name) in index.loci.into_iter().enumerate() {
            let (shape, tokens) = array(&format!("{number:05}/tokens"))?;
            let (pairs_shape, pairs) = array(&format!("{number:05}/pairs"))?;
            let in_range =
                |&haplotype: &u32| haplotype == ABSENT_HAPLOTYPE || (haplotype as usize) < shape[0];
            if shape[1] < 2
                || pairs_shape != [index.samples.len(), 2]
                || !pairs.iter().all(in_range)
            {
                return Err(wrong(format!(
                    "locus `{name}`: shapes do not fit: the file is damaged"
                )));
            }
            let pairs = pairs
                .chunks_exact(2)
                .map(|pair| [pair[0], pair[1]])
                .collect();
            loci.push(LocusTokens {
                name,
                n_slots: shape[1],
                tokens,
                pairs,
            });
        }
        if !index
            .origin
            .fitted_on
            .iter()
            .all(|&person| person < index.samples.len())
        {
            return Err(wrong(
                "it was fitted on people it does not have: the file is damaged".into(),
            ));
        }
        Ok((
            Self {
                samples: index.samples,
                loci,
            },
            index.origin,
        ))
    }
}

/// How large the tables of a locus are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    name: String,
    n_haplotypes: usize,
    n_slots: usize,
}

impl Shape {
    pub fn new(locus: &LocusTokens) -> Self {
        Self {
            name: locus.name.clone(),
            n_haplotypes: locus.n_haplotypes(),
            n_slots: locus.n_slots,
        }
    }
}

/// `tokens.safetensors`, written locus by locus, so that not all of them need be in memory; dropped
/// before it is saved, it leaves nothing.
pub(super) struct Writer {
    out: Pending,
    /// Loci that are still to come.
    rest: std::vec::IntoIter<Shape>,
}

impl Writer {
    /// Of these people and loci.
    pub fn create(
        path: &Path,
        samples: &[String],
        loci: Vec<Shape>,
        origin: Origin,
    ) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Store {
            path: path.into(),
            reason,
        };
        let names = loci.iter().map(|locus| locus.name.clone()).collect();
        let index = Index {
            schema_version: SCHEMA_VERSION,
            samples: samples.to_vec(),
            loci: names,
            origin,
        };
        let index = serde_json::to_string(&index).map_err(|error| wrong(error.to_string()))?;
        let mut arrays = Vec::with_capacity(2 * loci.len());
        let mut end = 0;
        for (
            number,
            Shape {
                n_haplotypes,
                n_slots,
                ..
            },
        ) in loci.iter().enumerate()
        {
            for (name, shape) in [
                ("pairs", [samples.len(), 2]),
                ("tokens", [*n_haplotypes, *n_slots]),
            ] {
                let start = end;
                end += size_of::<u32>() * shape[0] * shape[1];
                arrays.push((
                    format!("{number:05}/{name}"),
                    TensorInfo {
                        dtype: Dtype::U32,
                        shape: shape.into(),
                        data_offsets: (start, end),
                    },
                ));
            }
        }
        let header = Metadata::new(Some(HashMap::from([(INDEX.to_owned(), index)])), arrays)
            .map_err(|error| wrong(error.to_string()))?;
        let mut header = serde_json::to_vec(&header).map_err(|error| wrong(error.to_string()))?;
        header.resize(header.len().next_multiple_of(8), b' ');
        if header.len() > MAX_HEADER_BYTES {
            return Err(wrong(format!(
                "the names of {} are too long for the format",
                counted(samples.len(), "person", "people")
            )));
        }
        let mut out = Pending::create(path)?;
        let written = out
            .write_all(&(header.len() as u64).to_le_bytes())
            .and_then(|()| out.write_all(&header));
        written.map_err(output::at(path))?;
        Ok(Self {
            out,
            rest: loci.into_iter(),
        })
    }

    /// The next locus.
    pub fn add(&mut self, locus: &LocusTokens) -> Result<(), Error> {
        if self.rest.next() != Some(Shape::new(locus)) {
            let reason = format!(
                "locus `{}` is not as it was a moment ago: does another run write to these tokens?",
                locus.name
            );
            return Err(Error::Store {
                path: self.out.path().into(),
                reason,
            });
        }
        let mut bytes = Vec::new();
        let parts = [locus.pairs.as_flattened(), &locus.tokens]
            .into_iter()
            .flat_map(|values| values.chunks(1 << 14));
        for part in parts {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
            self.out
                .write_all(&bytes)
                .map_err(output::at(self.out.path()))?;
        }
        Ok(())
    }

    /// Puts the file under its name.
    pub fn save(self) -> Result<(), Error> {
        Ok(self.out.finish()?)
    }
}
