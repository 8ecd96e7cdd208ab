//! Token sets on disk: one `tokens.safetensors` with `LOCUS/tokens` (haplotypes x slots) and `LOCUS/pairs` (people x 2), all u32.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{output, sequence::ABSENT_HAPLOTYPE, stored};

const SCHEMA_VERSION: u32 = 2;
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
    /// Writes `tokens.safetensors`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn save(&self, path: &Path, origin: Origin) -> Result<(), Error> {
        let wrong = |reason: String| Error::Store { path: path.into(), reason };
        let index = Index {
            schema_version: SCHEMA_VERSION,
            samples: self.samples.clone(),
            loci: self.loci.iter().map(|locus| locus.name.clone()).collect(),
            origin,
        };
        let metadata = HashMap::from([(INDEX.to_string(), serde_json::to_string(&index).map_err(|error| wrong(error.to_string()))?)]);
        let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (number, locus) in self.loci.iter().enumerate() {
            let bytes = |values: &mut dyn Iterator<Item = u32>| values.flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
            arrays.push((
                format!("{number:05}/tokens"),
                vec![locus.n_haplotypes(), locus.n_slots],
                bytes(&mut locus.tokens.iter().copied()),
            ));
            arrays.push((format!("{number:05}/pairs"), vec![locus.pairs.len(), 2], bytes(&mut locus.pairs.iter().flatten().copied())));
        }
        let views = arrays
            .iter()
            .map(|(name, shape, bytes)| {
                Ok((name.clone(), TensorView::new(Dtype::U32, shape.clone(), bytes).map_err(|error| wrong(error.to_string()))?))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let bytes = serialize(views, Some(metadata)).map_err(|error| wrong(error.to_string()))?;
        Ok(output::write(path, |out| out.write_all(&bytes))?)
    }

    /// Reads `tokens.safetensors`.
    ///
    /// # Errors
    /// A missing or malformed file, another schema version, numbers out of range.
    pub(super) fn load(path: &Path) -> Result<(Self, Origin), Error> {
        let wrong = |reason: String| Error::Store { path: path.into(), reason };
        let bytes = stored::read(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| wrong(error.to_string()))?;
        let index = header.metadata().as_ref().and_then(|metadata| metadata.get(INDEX)).ok_or_else(|| wrong("not a token set".into()))?;
        let index: Index = stored::from_json(index.as_bytes(), SCHEMA_VERSION, "gf-genomics tokenize").map_err(wrong)?;
        let arrays = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let array = |name: &str| -> Result<(Vec<usize>, Vec<u32>), Error> {
            let view = arrays.tensor(name).map_err(|error| wrong(error.to_string()))?;
            if view.dtype() != Dtype::U32 || view.shape().len() != 2 {
                return Err(wrong(format!("`{name}` is not a table of u32")));
            }
            let values = view.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok((view.shape().to_vec(), values))
        };
        let mut loci = Vec::with_capacity(index.loci.len());
        for (number, name) in index.loci.into_iter().enumerate() {
            let (shape, tokens) = array(&format!("{number:05}/tokens"))?;
            let (pairs_shape, pairs) = array(&format!("{number:05}/pairs"))?;
            let in_range = |&haplotype: &u32| haplotype == ABSENT_HAPLOTYPE || (haplotype as usize) < shape[0];
            if shape[1] < 2 || pairs_shape != [index.samples.len(), 2] || !pairs.iter().all(in_range) {
                return Err(wrong(format!("locus `{name}`: shapes do not fit: the file is damaged")));
            }
            let pairs = pairs.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
            loci.push(LocusTokens { name, n_slots: shape[1], tokens, pairs });
        }
        if !index.origin.fitted_on.iter().all(|&person| person < index.samples.len()) {
            return Err(wrong("it was fitted on people it does not have: the file is damaged".into()));
        }
        Ok((Self { samples: index.samples, loci }, index.origin))
    }
}
