//! Linformer attention (Wang et al. 2020, arXiv 2006.04768, equation 7): `softmax(Q (E K)^T /
//! sqrt(d)) (F V)`, where E and F summarise the sequence in few rows. Time and memory are linear in
//! the length.
//!
//! Learned E and F have one column for each slot of the genome, so that a summary weighs the same
//! places in everyone. Padding: its rows of X are zero and K and V have no bias, so it adds nothing
//! to any summary; windows are summarised from their tokens, and one that is all padding is not
//! attended to. As E (X W) = (E X) W where E treats all channels alike, the sequence is then
//! summarised before W.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::{Channels, Mixing, MixingParts, Sequence};
use crate::models::{Config, Projection, Sharing};
use gf_nn::{
    Init, Parameters, attention, project, weighted_window_mean, window_mask, window_max,
    window_mean,
};

/// Linformer attention.
#[derive(Debug)]
pub struct Linformer {
    query: Channels,
    key: Channels,
    value: Channels,
    of_keys: Summary,
    /// Where it is not that of the keys.
    of_values: Option<Summary>,
    heads: usize,
}

/// E: how a sequence becomes few rows.
#[derive(Debug)]
enum Summary {
    /// Weights of every slot, (groups * k, slots of all loci), one group for all channels or for
    /// each head.
    Learned { e: Tensor, groups: usize },
    /// The mean over windows of this many slots.
    Mean(usize),
    /// The maximum over windows of this many slots.
    Max(usize),
    /// Learned weights within windows, (window, hidden).
    Conv(Tensor),
}

impl Summary {
    fn new(config: &Config, name: &str, parameters: &mut Parameters) -> Result<Self> {
        let architecture = &config.architecture;
        let hidden = architecture.hidden;
        let k = architecture.projected_length;
        let n = config.total_slots();
        Ok(match architecture.projection {
            Projection::Learned => {
                let groups = if architecture.sharing == Sharing::None {
                    architecture.heads
                } else {
                    1
                };
                // A summary of standardised rows then has about the size of one row.
                let init = Init::Normal(1.0 / config.mean_slots().sqrt());
                Self::Learned {
                    e: parameters.shared(name, (groups * k, n), init)?,
                    groups,
                }
            }
            Projection::Mean => Self::Mean(config.window()),
            Projection::Max => Self::Max(config.window()),
            Projection::Conv => Self::Conv(parameters.shared(
                name,
                (config.window(), hidden),
                Init::Constant(1.0),
            )?),
        })
    }

    /// Whether `E (X W) = (E X) W`.
    fn treats_channels_alike(&self) -> bool {
        matches!(self, Self::Learned { groups: 1, .. } | Self::Mean(_))
    }

    /// `E rows`, (haplotypes, summaries, hidden).
    fn project(&self, rows: &Tensor, sequence: &Sequence) -> Result<Tensor> {
        match self {
            Self::Learned { e, groups } => project(
                &e.narrow(1, sequence.slots.start, sequence.slots.len())?,
                rows,
                *groups,
            ),
            Self::Mean(window) => window_mean(rows, *window, &sequence.mask),
            Self::Conv(weights) => weighted_window_mean(rows, weights, &sequence.mask),
            Self::Max(window) => window_max(rows, *window, &sequence.mask),
        }
    }

    /// Which summaries have a token; absent where all have.
    fn mask(&self, sequence: &Sequence) -> Result<Option<Arc<Vec<u8>>>> {
        let window = match self {
            Self::Learned { .. } => return Ok(None),
            Self::Conv(weights) => weights.dim(0)?,
            Self::Mean(window) | Self::Max(window) => *window,
        };
        Ok(Some(window_mask(
            &sequence.mask,
            sequence.slots.len(),
            window,
        )))
    }
}

impl Linformer {
    /// Makes or loads the parameters under `prefix`; with layerwise sharing, the projection under a
    /// name without it.
    pub fn new(config: &Config, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        let mut summary = |name: &str| Summary::new(config, name, parameters);
        let (of_keys, of_values) = match config.architecture.sharing {
            Sharing::None | Sharing::Headwise => (
                summary(&format!("{prefix}.key_projection"))?,
                Some(summary(&format!("{prefix}.value_projection"))?),
            ),
            Sharing::KeyValue => (summary(&format!("{prefix}.projection"))?, None),
            Sharing::Layerwise => (summary("projection")?, None),
        };
        let mut channels = |part: &str| Channels::new(config, prefix, part, parameters);
        Ok(Self {
            query: channels("query")?,
            key: channels("key")?,
            value: channels("value")?,
            of_keys,
            of_values,
            heads: config.architecture.heads,
        })
    }

    fn keys_and_values(&self, sequence: &Sequence) -> Result<(Tensor, Tensor)> {
        let has_convolution = self.key.convolution.is_some();
        if has_convolution || !self.of_keys.treats_channels_alike() {
            let of_values = self.of_values.as_ref().unwrap_or(&self.of_keys);
            return Ok((
                self.of_keys
                    .project(&self.key.project(sequence)?, sequence)?,
                of_values.project(&self.value.project(sequence)?, sequence)?,
            ));
        }
        let for_keys = self.of_keys.project(&sequence.x, sequence)?;
        let for_values = match &self.of_values {
            Some(of_values) => of_values.project(&sequence.x, sequence)?,
            None => for_keys.clone(),
        };
        Ok((
            self.key.linear.forward(&for_keys)?,
            self.value.linear.forward(&for_values)?,
        ))
    }
}

impl Mixing for Linformer {
    fn block(&self, sequence: &Sequence) -> Result<Option<MixingParts<'_>>> {
        let (Some(query), Some(key), Some(value)) =
            (self.query.dense(), self.key.dense(), self.value.dense())
        else {
            return Ok(None);
        };
        let (Summary::Learned { e, groups: 1 }, None) = (&self.of_keys, &self.of_values) else {
            return Ok(None);
        };
        let projection = Some(e.narrow(1, sequence.slots.start, sequence.slots.len())?);
        Ok(Some(MixingParts {
            query,
            key,
            value,
            projection,
            heads: self.heads,
        }))
    }

    fn mix(&self, sequence: &Sequence) -> Result<Tensor> {
        let (keys, values) = self.keys_and_values(sequence)?;
        attention(
            &self.query.project(sequence)?,
            &keys,
            &values,
            self.heads,
            self.of_keys.mask(sequence)?.as_ref(),
        )
    }
    /// The summaries are few; each is the mean of a window, or a sum of the size of one row.
    fn n_averaged(&self) -> f64 {
        match &self.of_keys {
            Summary::Learned { .. } | Summary::Max(_) => 1.0,
            Summary::Mean(window) => *window as f64,
            Summary::Conv(weights) => weights.dims()[0] as f64,
        }
    }
}
