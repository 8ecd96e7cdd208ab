//! What a model is: its architecture, and the shapes the data give it.

use candle_core::{Result, bail};
use serde::{Deserialize, Serialize};

/// Named models of the family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Linformer (Wang et al. 2020, arXiv 2006.04768).
    #[default]
    Linformer,
}

impl Preset {
    /// Every preset; `tests/model_contract.rs` holds each of them to the same rules.
    pub const ALL: [Self; 1] = [Self::Linformer];
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Serialize::serialize(self, f)
    }
}

/// What the user chooses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Architecture {
    /// Which model; also its name in every table.
    pub preset: Preset,
    /// Width of a token's vector.
    pub hidden: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Linformer's k: the sequence is summarised in this many rows.
    pub projected_length: usize,
    /// Width of the feed-forward layer.
    pub feed_forward: usize,
}

impl Default for Architecture {
    fn default() -> Self {
        Self { preset: Preset::Linformer, hidden: 32, layers: 2, heads: 4, projected_length: 64, feed_forward: 128 }
    }
}

/// Slots of one locus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocusShape {
    /// Name of the locus.
    pub name: String,
    /// Slots of a haplotype, `[CLS]` and `[SEP]` included.
    pub n_slots: usize,
}

/// Architecture and shapes: all that is needed to build the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// What the user chose.
    pub architecture: Architecture,
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Loci, in order.
    pub loci: Vec<LocusShape>,
    /// Covariates.
    pub n_covariates: usize,
}

impl Config {
    pub(super) fn validate(&self) -> Result<()> {
        let Architecture { hidden, layers, heads, projected_length, feed_forward, .. } = self.architecture;
        if [hidden, layers, heads, projected_length, feed_forward, self.vocab_size].contains(&0) {
            bail!("hidden, layers, heads, projected_length, feed_forward and the vocabulary must all be at least 1");
        }
        if hidden % heads != 0 {
            bail!("hidden ({hidden}) must be a multiple of heads ({heads})");
        }
        if self.loci.is_empty() || self.loci.iter().any(|locus| locus.n_slots == 0) {
            bail!("a model needs loci with at least one slot each");
        }
        Ok(())
    }

    /// Slots over all loci: the length of everything that has one entry a place of the genome.
    #[must_use]
    pub fn total_slots(&self) -> usize {
        self.loci.iter().map(|locus| locus.n_slots).sum()
    }

    /// First slot of a locus among [`Config::total_slots`].
    #[must_use]
    pub fn slot_offset(&self, locus: usize) -> usize {
        self.loci[..locus].iter().map(|locus| locus.n_slots).sum()
    }
}
