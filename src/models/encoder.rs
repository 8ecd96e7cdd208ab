//! The encoder: token ids of a haplotype to one vector, by embeddings, pre-norm transformer layers
//! (Xiong et al. 2020, arXiv 2002.04745) and a masked mean.

use std::sync::Arc;

use candle_core::{Result, Tensor, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    Config, LocusInput,
    attention::Attention,
    sequence::{Norm, Sequence},
};
use gf_nn::{
    Activation, FeedForward, Init, Linear, Parameters, activation_with_bias, add_with_bias, embed,
    feed_forward, layer_norm, layer_only, pooled,
};

/// The encoder. All loci share its weights; position embeddings and projections are per slot.
#[derive(Debug)]
pub struct Encoder {
    /// Token embeddings, (vocabulary, hidden).
    tokens: Tensor,
    /// Position embeddings, (slots of all loci, hidden).
    positions: Tensor,
    layers: Vec<Layer>,
    norm: Norm,
    config: Config,
}

/// `x + attention(norm(x))`, then `x + feed_forward(norm(x))`.
#[derive(Debug)]
struct Layer {
    attention_norm: Norm,
    attention: Attention,
    attention_bias: Tensor,
    feed_forward_norm: Norm,
    expand: Linear,
    expand_bias: Tensor,
    activation: Activation,
    contract: Linear,
    contract_bias: Tensor,
}

impl Layer {
    fn new(config: &Config, number: usize, parameters: &mut Parameters) -> Result<Self> {
        let architecture = &config.architecture;
        let hidden = architecture.hidden;
        let inner = architecture.feed_forward;
        let rank = architecture.rank;
        let prefix = format!("layers.{number}");
        Ok(Self {
            attention_norm: Norm::new(hidden, &format!("{prefix}.attention_norm"), parameters)?,
            attention: Attention::new(config, &format!("{prefix}.attention"), parameters)?,
            attention_bias: parameters.get(
                &format!("{prefix}.attention.output_bias"),
                hidden,
                Init::Constant(0.0),
            )?,
            feed_forward_norm: Norm::new(
                hidden,
                &format!("{prefix}.feed_forward_norm"),
                parameters,
            )?,
            expand: Linear::new(
                &format!("{prefix}.feed_forward.expand"),
                hidden,
                inner,
                rank,
                parameters,
            )?,
            expand_bias: parameters.get(
                &format!("{prefix}.feed_forward.expand_bias"),
                inner,
                Init::Constant(0.0),
            )?,
            activation: architecture.activation,
            contract: Linear::new(
                &format!("{prefix}.feed_forward.contract"),
                inner,
                hidden,
                rank,
                parameters,
            )?,
            contract_bias: parameters.get(
                &format!("{prefix}.feed_forward.contract_bias"),
                hidden,
                Init::Constant(0.0),
            )?,
        })
    }

    fn forward(&self, sequence: Sequence) -> Result<Sequence> {
        let x = self
            .attention
            .forward(&sequence, &self.attention_norm, &self.attention_bias)?;
        Ok(Sequence {
            x: self.feed_forward(&x)?,
            ..sequence
        })
    }

    /// Like [`Self::forward`], equal to the last bit, without a graph for gradients.
    ///
    /// The memory of `sequence.x` may be overwritten.
    fn forward_only(&self, sequence: Sequence) -> Result<Sequence> {
        let attention =
            self.attention
                .block(&sequence, &self.attention_norm, &self.attention_bias)?;
        let Some((attention, feed_forward)) = attention.zip(self.feed_forward_block()) else {
            let output = self.forward(sequence)?;
            return Ok(Sequence {
                x: output.x.detach(),
                ..output
            });
        };
        let Sequence { x, mask, slots } = sequence;
        Ok(Sequence {
            x: layer_only(x.detach(), &mask, &attention, feed_forward)?,
            mask,
            slots,
        })
    }

    fn feed_forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(block) = self.feed_forward_block() {
            return feed_forward(x, block);
        }
        let Norm { gamma, beta } = &self.feed_forward_norm;
        let normed = layer_norm(x, gamma, beta, None)?;
        let expanded = self.expand.forward(&normed)?;
        let activated = activation_with_bias(&expanded, &self.expand_bias, self.activation)?;
        let contracted = self.contract.forward(&activated)?;
        add_with_bias(x, &contracted, &self.contract_bias)
    }

    /// The parameters for the fused feed-forward block, which needs dense layers.
    fn feed_forward_block(&self) -> Option<FeedForward<'_>> {
        let Linear::Dense(expand) = &self.expand else {
            return None;
        };
        let Linear::Dense(contract) = &self.contract else {
            return None;
        };
        let Self {
            feed_forward_norm: Norm { gamma, beta },
            expand_bias,
            contract_bias,
            activation,
            ..
        } = self;
        Some(FeedForward {
            gamma,
            beta,
            expand,
            expand_bias,
            contract,
            contract_bias,
            activation: *activation,
        })
    }
}

impl Encoder {
    /// Creates or loads the parameters.
    pub fn new(config: &Config, parameters: &mut Parameters) -> Result<Self> {
        let hidden = config.architecture.hidden;
        Ok(Self {
            tokens: parameters.get(
                "embedding.tokens",
                (config.vocab_size, hidden),
                Init::Normal(1.0),
            )?,
            positions: parameters.get(
                "embedding.positions",
                (config.total_slots(), hidden),
                Init::Normal(1.0),
            )?,
            layers: (0..config.architecture.layers)
                .map(|number| Layer::new(config, number, parameters))
                .collect::<Result<_>>()?,
            norm: Norm::new(hidden, "norm", parameters)?,
            config: config.clone(),
        })
    }

    /// Width of the vectors.
    pub fn hidden(&self) -> usize {
        self.config.architecture.hidden
    }

    /// Embeds token ids of `locus`, (haplotypes, slots) -> (haplotypes, slots, hidden).
    ///
    /// `mask` has one entry per slot of each haplotype.
    pub fn embed(&self, locus: usize, tokens: &Tensor, mask: &[u8]) -> Result<Tensor> {
        let (batch, n) = tokens.dims2()?;
        if self.config.loci.get(locus).map(|shape| shape.n_slots) != Some(n)
            || mask.len() != batch * n
        {
            bail!(
                "tokens {:?} and a mask of {} do not fit locus {locus} of the model",
                tokens.shape(),
                mask.len()
            );
        }
        let offset = self.config.slot_offset(locus);
        let positions = self.positions.narrow(0, offset, n)?;
        embed(tokens, &self.tokens, &positions)
    }

    /// Encodes embedded haplotypes of `locus`, (haplotypes, slots, hidden) -> (haplotypes, hidden).
    pub fn encode(&self, locus: usize, embedded: Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
        let mut sequence = self.sequence(locus, embedded, mask)?;
        for layer in &self.layers {
            sequence = layer.forward(sequence)?;
        }
        self.pooled(&sequence)
    }

    /// Like [`Self::encode`], without a graph for gradients; the memory of `embedded` may be
    /// overwritten.
    pub fn encode_only(
        &self,
        locus: usize,
        embedded: Tensor,
        mask: &Arc<Vec<u8>>,
    ) -> Result<Tensor> {
        let mut sequence = self.sequence(locus, embedded, mask)?;
        for layer in &self.layers {
            sequence = layer.forward_only(sequence)?;
        }
        self.pooled(&sequence)
    }

    fn sequence(&self, locus: usize, x: Tensor, mask: &Arc<Vec<u8>>) -> Result<Sequence> {
        let offset = self.config.slot_offset(locus);
        let slots = offset..offset + x.dim(1)?;
        Ok(Sequence {
            x,
            mask: mask.clone(),
            slots,
        })
    }

    /// The mean over the normalised rows of each haplotype's tokens.
    fn pooled(&self, sequence: &Sequence) -> Result<Tensor> {
        pooled(
            &sequence.x,
            &self.norm.gamma,
            &self.norm.beta,
            &sequence.mask,
        )
    }

    /// Fits the buffers, which are not trained by gradient, layer by layer. Each layer is fitted to
    /// the output of the fitted layers before it.
    pub fn fit(&self, loci: &[LocusInput], seed: u64) -> Result<()> {
        let mut sequences = Vec::with_capacity(loci.len());
        for (number, LocusInput { tokens, mask, .. }) in loci.iter().enumerate() {
            let embedded = self.embed(number, tokens, mask)?;
            sequences.push(self.sequence(number, embedded, mask)?);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for layer in &self.layers {
            let normalised = sequences
                .iter()
                .map(|sequence| layer.attention_norm.normalized(sequence))
                .collect::<Result<Vec<_>>>()?;
            layer.attention.fit(&normalised, &mut rng)?;
            sequences = sequences
                .into_iter()
                .map(|sequence| layer.forward_only(sequence))
                .collect::<Result<_>>()?;
        }
        Ok(())
    }
}
