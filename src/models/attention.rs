//! The attention of a layer: the parts that all variants share. Each variant is a file of this
//! folder.
//!
//! A new variant needs a file with a [`Mixing`] and a line in [`Attention::new`].

pub(super) mod ecoformer;
mod linformer;
mod softmax;

use candle_core::{Result, Tensor};
use rand_chacha::ChaCha8Rng;

use self::{ecoformer::Ecoformer, linformer::Linformer, softmax::Softmax};
use super::{
    AttentionKind, Config,
    sequence::{Norm, Sequence},
};
use gf_nn::{
    AttentionBlock, Init, Linear, Parameters, add_with_bias, attention_block, depthwise_convolution,
};

/// A variant of attention, without the linear layer after it.
pub trait Mixing: std::fmt::Debug + Send + Sync {
    /// The concatenated outputs of the heads, (haplotypes, slots, hidden).
    ///
    /// The rows of a haplotype depend only on its own tokens, never on padding.
    fn mix(&self, sequence: &Sequence) -> Result<Tensor>;

    /// The number of value rows that an output row of a new model averages. The weights of a new
    /// model are nearly equal.
    fn n_averaged(&self) -> f64;

    /// The parameters for the fused attention block; `None` where it does not support the variant.
    fn block(&self, _sequence: &Sequence) -> Result<Option<MixingParts<'_>>> {
        Ok(None)
    }

    /// Fits the buffers, which are not trained by gradient, to the tokens of some haplotypes.
    fn fit(&self, _sequences: &[Sequence], _rng: &mut ChaCha8Rng) -> Result<()> {
        Ok(())
    }
}

/// Dense query, key and value weights without convolution, and the projection of the locus, if any.
#[derive(Debug)]
pub struct MixingParts<'p> {
    query: &'p Tensor,
    key: &'p Tensor,
    value: &'p Tensor,
    projection: Option<Tensor>,
    heads: usize,
}

/// The attention of one layer.
#[derive(Debug)]
pub struct Attention {
    mixing: Box<dyn Mixing>,
    output: Linear,
}

impl Attention {
    /// Creates or loads the parameters with this prefix.
    pub fn new(config: &Config, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        let mixing: Box<dyn Mixing> = match config.architecture.attention {
            AttentionKind::Softmax => Box::new(Softmax::new(config, prefix, parameters)?),
            AttentionKind::Linformer => Box::new(Linformer::new(config, prefix, parameters)?),
            AttentionKind::Ecoformer => Box::new(Ecoformer::new(config, prefix, parameters)?),
        };
        let name = format!("{prefix}.output");
        let hidden = config.architecture.hidden;
        // A mean of n independent rows of unit size has size 1 / sqrt(n). Without this gain, a new
        // attention has hardly any output and hardly any gradient.
        let gain = mixing.n_averaged().sqrt();
        Ok(Self {
            mixing,
            output: Linear::with_gain(
                &name,
                hidden,
                hidden,
                config.architecture.rank,
                gain,
                parameters,
            )?,
        })
    }

    /// `x + attention(norm(x)) + bias`, (haplotypes, slots, hidden).
    pub fn forward(&self, sequence: &Sequence, norm: &Norm, bias: &Tensor) -> Result<Tensor> {
        if let Some(block) = self.block(sequence, norm, bias)? {
            return attention_block(&sequence.x, &sequence.mask, &block);
        }
        let normalized = norm.normalized(sequence)?;
        let mixed = self.mixing.mix(&normalized)?;
        add_with_bias(&sequence.x, &self.output.forward(&mixed)?, bias)
    }

    /// The parameters for the fused attention block, where it supports this attention.
    pub fn block<'p>(
        &'p self,
        sequence: &Sequence,
        norm: &'p Norm,
        bias: &'p Tensor,
    ) -> Result<Option<AttentionBlock<'p>>> {
        let Some(parts) = self.mixing.block(sequence)? else {
            return Ok(None);
        };
        let Linear::Dense(output) = &self.output else {
            return Ok(None);
        };
        let MixingParts {
            query,
            key,
            value,
            projection,
            heads,
        } = parts;
        let Norm { gamma, beta } = norm;
        Ok(Some(AttentionBlock {
            gamma,
            beta,
            projection,
            query,
            key,
            value,
            output,
            output_bias: bias,
            heads,
        }))
    }

    /// See [`Mixing::fit`]; the sequences are normalised.
    pub fn fit(&self, sequences: &[Sequence], rng: &mut ChaCha8Rng) -> Result<()> {
        self.mixing.fit(sequences, rng)
    }
}

/// Queries, keys or values: a linear layer and optionally Primer's convolution.
///
/// The layer has no bias, so that padding stays zero.
#[derive(Debug)]
struct Channels {
    linear: Linear,
    convolution: Option<Tensor>,
}

impl Channels {
    /// Creates or loads `PREFIX.PART` and, for a model with convolutions,
    /// `PREFIX.PART_convolution`.
    fn new(config: &Config, prefix: &str, part: &str, parameters: &mut Parameters) -> Result<Self> {
        let name = format!("{prefix}.{part}");
        let hidden = config.architecture.hidden;
        let convolution = if config.architecture.convolution {
            let init = Init::Rows(&[0.5 / 3.0, 0.5, 0.5 / 3.0]);
            Some(parameters.get(&format!("{name}_convolution"), (3, hidden), init)?)
        } else {
            None
        };
        Ok(Self {
            linear: Linear::new(&name, hidden, hidden, config.architecture.rank, parameters)?,
            convolution,
        })
    }

    /// The weights of a dense layer without convolution.
    fn dense(&self) -> Option<&Tensor> {
        match (&self.linear, &self.convolution) {
            (Linear::Dense(weights), None) => Some(weights),
            _ => None,
        }
    }

    /// The queries, keys or values, (haplotypes, slots, hidden), zero at padding.
    fn project(&self, sequence: &Sequence) -> Result<Tensor> {
        let rows = self.linear.forward(&sequence.x)?;
        match &self.convolution {
            Some(weight) => depthwise_convolution(&rows, weight, &sequence.mask),
            None => Ok(rows),
        }
    }
}
