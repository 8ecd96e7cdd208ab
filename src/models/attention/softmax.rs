//! Softmax attention of every token to every other: `softmax(Q K^T / sqrt(d)) V` (Vaswani et al.
//! 2017, arXiv 1706.03762, equation 1).
//!
//! Time is quadratic in the length. Memory is linear, because the weights are not stored.

use candle_core::{Result, Tensor};

use super::{Channels, Mixing, MixingParts, Sequence};
use crate::models::Config;
use gf_nn::{Parameters, attention};

/// Softmax attention.
#[derive(Debug)]
pub struct Softmax {
    query: Channels,
    key: Channels,
    value: Channels,
    heads: usize,
    mean_slots: f64,
}

impl Softmax {
    /// Creates or loads the parameters with this prefix.
    pub fn new(config: &Config, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        Ok(Self {
            query: Channels::new(config, prefix, "query", parameters)?,
            key: Channels::new(config, prefix, "key", parameters)?,
            value: Channels::new(config, prefix, "value", parameters)?,
            heads: config.architecture.heads,
            mean_slots: config.mean_slots(),
        })
    }
}

impl Mixing for Softmax {
    fn block(&self, _: &Sequence) -> Result<Option<MixingParts<'_>>> {
        let (Some(query), Some(key), Some(value)) =
            (self.query.dense(), self.key.dense(), self.value.dense())
        else {
            return Ok(None);
        };
        Ok(Some(MixingParts {
            query,
            key,
            value,
            projection: None,
            heads: self.heads,
        }))
    }

    fn mix(&self, sequence: &Sequence) -> Result<Tensor> {
        let queries = self.query.project(sequence)?;
        let keys = self.key.project(sequence)?;
        let values = self.value.project(sequence)?;
        attention(&queries, &keys, &values, self.heads, Some(&sequence.mask))
    }

    fn n_averaged(&self) -> f64 {
        self.mean_slots
    }
}
