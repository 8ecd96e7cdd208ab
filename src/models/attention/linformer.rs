//! Linformer attention (Wang et al. 2020, arXiv 2006.04768, equation 7): `softmax(Q (E K)^T /
//! sqrt(d)) (F V)`, where E and F summarise the sequence in few rows. Time and memory are linear in
//! the length.
//!
//! - Learned E and F have one column per slot of the genome, so that a summary weights the same
//!   position in every sample.
//! - Padding has zero rows in X, and K and V have no bias. It therefore adds nothing to a summary.
//! - A window is summarised from its tokens only. A window of padding only is not attended to.
//! - Where E is the same for all channels, E (X W) = (E X) W. The sequence is then summarised
//!   before W, which is cheaper.

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
    /// E.
    key_summary: Summary,
    /// F, where it is not E.
    value_summary: Option<Summary>,
    heads: usize,
}

/// A summary of a sequence in few rows: E or F.
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
                // With this spread, a summary of standardised rows has about the size of one row.
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

    /// The mask of summaries with a token; `None` where every summary has one.
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
    /// Creates or loads the parameters with this prefix.
    ///
    /// With layerwise sharing, the name of the projection has no prefix.
    pub fn new(config: &Config, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        let sharing = config.architecture.sharing;
        let key_name = match sharing {
            Sharing::None | Sharing::Headwise => format!("{prefix}.key_projection"),
            Sharing::KeyValue => format!("{prefix}.projection"),
            Sharing::Layerwise => "projection".to_owned(),
        };
        let key_summary = Summary::new(config, &key_name, parameters)?;
        let value_summary = match sharing {
            Sharing::None | Sharing::Headwise => {
                let name = format!("{prefix}.value_projection");
                Some(Summary::new(config, &name, parameters)?)
            }
            Sharing::KeyValue | Sharing::Layerwise => None,
        };
        Ok(Self {
            query: Channels::new(config, prefix, "query", parameters)?,
            key: Channels::new(config, prefix, "key", parameters)?,
            value: Channels::new(config, prefix, "value", parameters)?,
            key_summary,
            value_summary,
            heads: config.architecture.heads,
        })
    }

    /// `E K` and `F V`.
    fn keys_and_values(&self, sequence: &Sequence) -> Result<(Tensor, Tensor)> {
        let has_convolution = self.key.convolution.is_some();
        if has_convolution || !self.key_summary.treats_channels_alike() {
            let value_summary = self.value_summary.as_ref().unwrap_or(&self.key_summary);
            let keys = self.key.project(sequence)?;
            let summarised_keys = self.key_summary.project(&keys, sequence)?;
            let values = self.value.project(sequence)?;
            let summarised_values = value_summary.project(&values, sequence)?;
            return Ok((summarised_keys, summarised_values));
        }
        let rows_for_keys = self.key_summary.project(&sequence.x, sequence)?;
        let rows_for_values = match &self.value_summary {
            Some(summary) => summary.project(&sequence.x, sequence)?,
            None => rows_for_keys.clone(),
        };
        let keys = self.key.linear.forward(&rows_for_keys)?;
        let values = self.value.linear.forward(&rows_for_values)?;
        Ok((keys, values))
    }
}

impl Mixing for Linformer {
    fn block(&self, sequence: &Sequence) -> Result<Option<MixingParts<'_>>> {
        let (Some(query), Some(key), Some(value)) =
            (self.query.dense(), self.key.dense(), self.value.dense())
        else {
            return Ok(None);
        };
        // The fused block supports one E for keys and values of all heads.
        let Summary::Learned { e, groups: 1 } = &self.key_summary else {
            return Ok(None);
        };
        if self.value_summary.is_some() {
            return Ok(None);
        }
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
            self.key_summary.mask(sequence)?.as_ref(),
        )
    }
    /// The average over the few summaries counts as none. A summary itself is the mean of a window,
    /// or a weighted sum with the size of one row.
    fn n_averaged(&self) -> f64 {
        match &self.key_summary {
            Summary::Learned { .. } | Summary::Max(_) => 1.0,
            Summary::Mean(window) => *window as f64,
            Summary::Conv(weights) => weights.dims()[0] as f64,
        }
    }
}
