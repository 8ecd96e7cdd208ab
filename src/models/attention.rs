//! How the tokens of a layer see each other: one file of this folder for each kind of attention,
//! and what all of them have in common.
//!
//! A new kind is a file with a [`Mixing`] and a line in [`Attention::new`].

pub(super) mod ecoformer;
mod linformer;
mod softmax;

use std::{ops::Range, sync::Arc};

use candle_core::{Result, Tensor};
use rand_chacha::ChaCha8Rng;

use self::{ecoformer::Ecoformer, linformer::Linformer, softmax::Softmax};
use super::{AttentionKind, Config, encoder::Norm};
use gf_nn::{
    AttentionBlock, Init, Linear, Parameters, add_with_bias, attention_block, depthwise_convolution,
};

/// What an attention is given: the tokens of some haplotypes of one locus.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// (haplotypes, slots, hidden); zero at padding once it is normalised, anything before.
    pub x: Tensor,
    /// 1 where a slot holds a token, 0 where it is padding; haplotypes x slots, row-major.
    pub mask: Arc<Vec<u8>>,
    /// Range of the locus among the slots of all loci.
    pub slots: Range<usize>,
}

/// A kind of attention, without the linear layer after it.
pub trait Mixing: std::fmt::Debug + Send + Sync {
    /// All heads side by side, (haplotypes, slots, hidden). A haplotype's rows depend on its own
    /// tokens only, never on padding.
    fn mix(&self, sequence: &Sequence) -> Result<Tensor>;

    /// Of how many rows of values a row of a new model is about the mean, its weights being nearly
    /// equal.
    fn n_averaged(&self) -> f64;

    /// The parameters of this kind for the operation that does the whole block at once, where it
    /// can.
    fn block(&self, _sequence: &Sequence) -> Result<Option<MixingParts<'_>>> {
        Ok(None)
    }

    /// Fits what is not trained by gradient to the tokens of some haplotypes, for a kind that has
    /// such.
    fn fit(&self, _sequences: &[Sequence], _rng: &mut ChaCha8Rng) -> Result<()> {
        Ok(())
    }
}

/// Dense query, key and value without convolution, and the projection of the locus where there is
/// one.
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
    /// Makes or loads the parameters under `prefix`.
    pub fn new(config: &Config, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        let mixing: Box<dyn Mixing> = match config.architecture.attention {
            AttentionKind::Softmax => Box::new(Softmax::new(config, prefix, parameters)?),
            AttentionKind::Linformer => Box::new(Linformer::new(config, prefix, parameters)?),
            AttentionKind::Ecoformer => Box::new(Ecoformer::new(config, prefix, parameters)?),
        };
        let name = format!("{prefix}.output");
        let hidden = config.architecture.hidden;
        // A mean of n rows of unit size has size 1 / sqrt(n): without this a new attention says
        // next to nothing, and learns as little.
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
        let mixed = self
            .output
            .forward(&self.mixing.mix(&norm.normalized(sequence)?)?)?;
        add_with_bias(&sequence.x, &mixed, bias)
    }

    /// The parameters for the operation that does all of this at once, where it can.
    pub fn block<'p>(
        &'p self,
        sequence: &Sequence,
        norm: &'p Norm,
        bias: &'p Tensor,
    ) -> Result<Option<AttentionBlock<'p>>> {
        let (Linear::Dense(output), Some(parts)) = (&self.output, self.mixing.block(sequence)?)
        else {
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

/// Queries, keys or values: a linear layer without bias, so that padding stays zero, and Primer's
/// convolution where the model has it.
#[derive(Debug)]
struct Channels {
    linear: Linear,
    convolution: Option<Tensor>,
}

impl Channels {
    /// Makes or loads `PREFIX.PART` and, where the model has it, `PREFIX.PART_convolution`.
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

    /// The weights, where they are all there is.
    fn dense(&self) -> Option<&Tensor> {
        match (&self.linear, &self.convolution) {
            (Linear::Dense(weights), None) => Some(weights),
            _ => None,
        }
    }

    /// (haplotypes, slots, hidden), zero at padding.
    fn project(&self, sequence: &Sequence) -> Result<Tensor> {
        let rows = self.linear.forward(&sequence.x)?;
        match &self.convolution {
            Some(weight) => depthwise_convolution(&rows, weight, &sequence.mask),
            None => Ok(rows),
        }
    }
}
