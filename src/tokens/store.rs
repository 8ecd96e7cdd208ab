//! Token sets on disk: `tokens.safetensors`.
//!
//! Each locus has two u32 tensors, named by the locus's number in five digits: `00000/tokens`
//! (haplotypes x slots) and `00000/pairs` (samples x 2). The header's metadata has the JSON of
//! [`Index`] under the key `gf-genomics`.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    path::Path,
    string::FromUtf8Error,
};

use safetensors::{
    Dtype, SafeTensorError, SafeTensors,
    tensor::{Metadata, TensorInfo},
};
use serde::{Deserialize, Serialize};

use super::{Error, merge::MergeProblem};
use gf_cohort_schema::counted;
use gf_files::{
    output::{self, Pending},
    stored_format::{self, StoredFormatProblem},
};
use gf_haplotypes::ABSENT_HAPLOTYPE;

const SCHEMA_VERSION: u32 = 2;
/// Longest header that readers of the safetensors format accept.
const MAX_HEADER_BYTES: usize = 100_000_000;
/// Key of the [`Index`] in the metadata of the header.
const INDEX: &str = "gf-genomics";

/// Why a file of a token folder cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreProblem {
    /// A `tokenizer.json` that cannot be used.
    #[error("{0}")]
    Tokenizer(#[from] gf_tokenizer::Error),
    /// A text that is not UTF-8.
    #[error("{0}")]
    Utf8(#[from] FromUtf8Error),
    /// A text that is not JSON, or has other keys or values.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A file that is not in the safetensors format.
    #[error("{0}")]
    Safetensors(#[from] SafeTensorError),
    /// Another version.
    #[error(transparent)]
    Format(#[from] StoredFormatProblem),
    /// Files of two runs in one folder.
    #[error("is from a different run than the other files of this folder; run tokenize again")]
    OtherRun,
    /// A grid with impossible segments.
    #[error("its segments do not fit its slots, so the file is damaged; run tokenize again")]
    Slots,
    /// Another file in the safetensors format.
    #[error("this is not a token set; give a folder that tokenize wrote")]
    NotTokenSet,
    /// Numbers of samples out of range.
    #[error(
        "it lists training samples that it does not contain, so the file is damaged; run tokenize \
         again"
    )]
    TrainingSamples,
    /// Tensors of one locus that contradict each other.
    #[error(
        "the shapes of locus `{locus}` do not fit each other, so the file is damaged; run tokenize \
         again"
    )]
    Shapes {
        /// Name of the locus.
        locus: String,
    },
    /// A tensor of another type or shape.
    #[error("`{name}` is not a table of u32; run tokenize again")]
    NotTable {
        /// Name of the tensor.
        name: String,
    },
    /// Another run writes to the file.
    #[error(
        "locus `{locus}` changed while it was read; make sure that no other run writes to these \
         tokens, and run again"
    )]
    Changed {
        /// Name of the locus.
        locus: String,
    },
    /// A header that readers of the format would refuse.
    #[error(
        "the names of {} are too long for a token file; shorten the sample ids",
        counted(*n_samples, "sample", "samples")
    )]
    LongNames {
        /// Number of samples.
        n_samples: usize,
    },
    /// A block that does not fit the others.
    #[error(transparent)]
    Merge(#[from] MergeProblem),
}

/// Tokens of the distinct haplotypes, and the haplotypes of every sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    /// Sample names, in the order of every `pairs`.
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
    /// Each sample's two haplotypes: rows of `tokens`, or [`ABSENT_HAPLOTYPE`].
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

/// The files and samples that a token set was made with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Origin {
    /// SHA-256 of the other files of its folder, by name.
    pub belongs_to: BTreeMap<String, String>,
    /// Samples on which tokenizer and slots were fitted, as numbers into the samples.
    pub fitted_on: Vec<usize>,
}

/// Metadata of a token file.
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
        let bytes = stored_format::read(path)?;
        let index = Index::read(&bytes).map_err(|problem| Error::store(path, problem))?;
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|error| Error::store(path, error))?;
        let mut loci = Vec::with_capacity(index.loci.len());
        for (number, name) in index.loci.into_iter().enumerate() {
            let locus = LocusTokens::read(&tensors, number, name, index.samples.len())
                .map_err(|problem| Error::store(path, problem))?;
            loci.push(locus);
        }
        let n_samples = index.samples.len();
        let fitted_on = &index.origin.fitted_on;
        if !fitted_on.iter().all(|&sample| sample < n_samples) {
            return Err(Error::store(path, StoreProblem::TrainingSamples));
        }
        let token_set = Self {
            samples: index.samples,
            loci,
        };
        Ok((token_set, index.origin))
    }
}

impl Index {
    /// Reads the metadata from the bytes of a token file.
    fn read(bytes: &[u8]) -> Result<Self, StoreProblem> {
        let header = SafeTensors::read_metadata(bytes)?.1;
        let json = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(INDEX))
            .ok_or(StoreProblem::NotTokenSet)?;
        Ok(stored_format::from_json(
            json.as_bytes(),
            SCHEMA_VERSION,
            "gf-genomics tokenize",
        )?)
    }
}

impl LocusTokens {
    /// Reads the two tensors of a locus.
    fn read(
        tensors: &SafeTensors<'_>,
        number: usize,
        name: String,
        n_samples: usize,
    ) -> Result<Self, StoreProblem> {
        let tokens = Table::read(tensors, &format!("{number:05}/tokens"))?;
        let pairs = Table::read(tensors, &format!("{number:05}/pairs"))?;
        let are_in_range = pairs.values.iter().all(|&haplotype| {
            haplotype == ABSENT_HAPLOTYPE || (haplotype as usize) < tokens.n_rows
        });
        // A row has at least `[CLS]` and `[SEP]`.
        if tokens.n_columns < 2
            || pairs.n_rows != n_samples
            || pairs.n_columns != 2
            || !are_in_range
        {
            return Err(StoreProblem::Shapes { locus: name });
        }
        Ok(Self {
            name,
            n_slots: tokens.n_columns,
            tokens: tokens.values,
            pairs: pairs
                .values
                .chunks_exact(2)
                .map(|pair| [pair[0], pair[1]])
                .collect(),
        })
    }
}

/// A two-dimensional tensor of u32, row-major.
struct Table {
    n_rows: usize,
    n_columns: usize,
    values: Vec<u32>,
}

impl Table {
    fn read(tensors: &SafeTensors<'_>, name: &str) -> Result<Self, StoreProblem> {
        let view = tensors.tensor(name)?;
        let (Dtype::U32, &[n_rows, n_columns]) = (view.dtype(), view.shape()) else {
            let name = name.to_owned();
            return Err(StoreProblem::NotTable { name });
        };
        let values = view
            .data()
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        Ok(Self {
            n_rows,
            n_columns,
            values,
        })
    }
}

/// Sizes of the two tables of a locus.
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

/// Writer of `tokens.safetensors` that takes one locus at a time.
///
/// Only one locus needs to be in memory. A writer that is dropped before it is saved leaves no
/// file.
pub(super) struct Writer {
    out: Pending,
    /// Shapes of the loci that are not yet written.
    remaining: std::vec::IntoIter<Shape>,
}

impl Writer {
    /// Starts the file with a header for these samples and loci.
    pub fn create(
        path: &Path,
        samples: &[String],
        loci: Vec<Shape>,
        origin: Origin,
    ) -> Result<Self, Error> {
        let header =
            header(samples, &loci, origin).map_err(|problem| Error::store(path, problem))?;
        let mut out = Pending::create(path)?;
        let written = out
            .write_all(&(header.len() as u64).to_le_bytes())
            .and_then(|()| out.write_all(&header));
        written.map_err(output::at(path))?;
        Ok(Self {
            out,
            remaining: loci.into_iter(),
        })
    }

    /// Writes the next locus; its shape must be the one of the header.
    pub fn add(&mut self, locus: &LocusTokens) -> Result<(), Error> {
        if self.remaining.next() != Some(Shape::new(locus)) {
            let locus = locus.name.clone();
            return Err(Error::store(
                self.out.path(),
                StoreProblem::Changed { locus },
            ));
        }
        let mut bytes = Vec::new();
        let chunks = [locus.pairs.as_flattened(), &locus.tokens]
            .into_iter()
            .flat_map(|values| values.chunks(1 << 14));
        for chunk in chunks {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
            self.out
                .write_all(&bytes)
                .map_err(output::at(self.out.path()))?;
        }
        Ok(())
    }

    /// Puts the complete file under its final name.
    pub fn save(self) -> Result<(), Error> {
        Ok(self.out.finish()?)
    }
}

/// The header of a token file.
fn header(samples: &[String], loci: &[Shape], origin: Origin) -> Result<Vec<u8>, StoreProblem> {
    let index = Index {
        schema_version: SCHEMA_VERSION,
        samples: samples.to_vec(),
        loci: loci.iter().map(|locus| locus.name.clone()).collect(),
        origin,
    };
    let index_json = serde_json::to_string(&index)?;
    let metadata = HashMap::from([(INDEX.to_owned(), index_json)]);
    let header = Metadata::new(Some(metadata), tensor_infos(samples.len(), loci))?;
    let mut bytes = serde_json::to_vec(&header)?;
    // Tensors begin at a multiple of 8 bytes; the format pads the header with spaces.
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    if bytes.len() > MAX_HEADER_BYTES {
        let n_samples = samples.len();
        return Err(StoreProblem::LongNames { n_samples });
    }
    Ok(bytes)
}

/// Names, shapes and byte ranges of all tensors, in the order of [`Writer::add`].
fn tensor_infos(n_samples: usize, loci: &[Shape]) -> Vec<(String, TensorInfo)> {
    let mut tensors = Vec::with_capacity(2 * loci.len());
    let mut end = 0;
    for (number, locus) in loci.iter().enumerate() {
        for (name, shape) in [
            ("pairs", [n_samples, 2]),
            ("tokens", [locus.n_haplotypes, locus.n_slots]),
        ] {
            let start = end;
            end += size_of::<u32>() * shape[0] * shape[1];
            let info = TensorInfo {
                dtype: Dtype::U32,
                shape: shape.into(),
                data_offsets: (start, end),
            };
            tensors.push((format!("{number:05}/{name}"), info));
        }
    }
    tensors
}
