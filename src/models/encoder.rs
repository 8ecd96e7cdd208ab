//! Token ids of haplotypes to one vector each: embeddings, pre-norm transformer layers (Xiong et al. 2020, arXiv 2002.04745), masked mean.

use std::sync::Arc;

use candle_core::{DType, Module, Result, Tensor, bail};
use candle_nn::Embedding;

use super::{Config, linformer::LinformerAttention};
use crate::nn::{Activation, Init, Parameters, activation_with_bias, add_with_bias, layer_norm};

/// The encoder; one set of weights for all loci, positions and projections by place.
#[derive(Debug)]
pub struct Encoder {
    tokens: Embedding,
    /// (slots of all loci, hidden).
    positions: Tensor,
    layers: Vec<Layer>,
    norm: Norm,
    config: Config,
}

#[derive(Debug)]
struct Norm {
    gamma: Tensor,
    beta: Tensor,
}

impl Norm {
    fn new(hidden: usize, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        Ok(Self {
            gamma: parameters.get(&format!("{prefix}.gamma"), hidden, Init::Constant(1.0))?,
            beta: parameters.get(&format!("{prefix}.beta"), hidden, Init::Constant(0.0))?,
        })
    }

    fn forward(&self, x: &Tensor, mask: Option<&Arc<Vec<u8>>>) -> Result<Tensor> {
        layer_norm(x, &self.gamma, &self.beta, mask)
    }
}

/// `x + attention(norm(x))`, then `x + feed_forward(norm(x))`.
#[derive(Debug)]
struct Layer {
    attention_norm: Norm,
    attention: LinformerAttention,
    attention_bias: Tensor,
    feed_forward_norm: Norm,
    expand: Tensor,
    expand_bias: Tensor,
    contract: Tensor,
    contract_bias: Tensor,
}

impl Layer {
    fn new(config: &Config, number: usize, parameters: &mut Parameters) -> Result<Self> {
        let (hidden, wide) = (config.architecture.hidden, config.architecture.feed_forward);
        let prefix = format!("layers.{number}");
        let name = |part: &str| format!("{prefix}.{part}");
        Ok(Self {
            attention_norm: Norm::new(hidden, &name("attention_norm"), parameters)?,
            attention: LinformerAttention::new(config, &name("attention"), parameters)?,
            attention_bias: parameters.get(&name("attention.output_bias"), hidden, Init::Constant(0.0))?,
            feed_forward_norm: Norm::new(hidden, &name("feed_forward_norm"), parameters)?,
            expand: parameters.get(&name("feed_forward.expand"), (hidden, wide), Init::Normal(1.0 / (hidden as f64).sqrt()))?,
            expand_bias: parameters.get(&name("feed_forward.expand_bias"), wide, Init::Constant(0.0))?,
            contract: parameters.get(&name("feed_forward.contract"), (wide, hidden), Init::Normal(1.0 / (wide as f64).sqrt()))?,
            contract_bias: parameters.get(&name("feed_forward.contract_bias"), hidden, Init::Constant(0.0))?,
        })
    }

    fn forward(&self, x: &Tensor, slots: std::ops::Range<usize>, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
        let (batch, n, hidden) = x.dims3()?;
        let mixed = self.attention.forward(&self.attention_norm.forward(x, Some(mask))?, slots)?;
        let x = add_with_bias(x, &mixed, &self.attention_bias)?;
        let normed = self.feed_forward_norm.forward(&x, None)?.reshape((batch * n, hidden))?;
        let expanded = activation_with_bias(&normed.matmul(&self.expand)?, &self.expand_bias, Activation::Gelu)?;
        let contracted = expanded.matmul(&self.contract)?.reshape((batch, n, hidden))?;
        add_with_bias(&x, &contracted, &self.contract_bias)
    }
}

impl Encoder {
    /// Makes or loads the parameters.
    pub fn new(config: &Config, parameters: &mut Parameters) -> Result<Self> {
        let hidden = config.architecture.hidden;
        let tokens = parameters.get("embedding.tokens", (config.vocab_size, hidden), Init::Normal(1.0))?;
        Ok(Self {
            tokens: Embedding::new(tokens, hidden),
            positions: parameters.get("embedding.positions", (config.total_slots(), hidden), Init::Normal(1.0))?,
            layers: (0..config.architecture.layers).map(|number| Layer::new(config, number, parameters)).collect::<Result<_>>()?,
            norm: Norm::new(hidden, "norm", parameters)?,
            config: config.clone(),
        })
    }

    /// `tokens` (haplotypes, slots) of `locus`, `mask` one entry a slot -> (haplotypes, hidden).
    pub fn forward(&self, locus: usize, tokens: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
        let (batch, n) = tokens.dims2()?;
        if self.config.loci.get(locus).map(|shape| shape.n_slots) != Some(n) || mask.len() != batch * n {
            bail!("tokens {:?} and a mask of {} do not fit locus {locus} of the model", tokens.shape(), mask.len());
        }
        let offset = self.config.slot_offset(locus);
        let slots = offset..offset + n;
        let mut x = self.tokens.forward(tokens)?.broadcast_add(&self.positions.narrow(0, offset, n)?)?;
        for layer in &self.layers {
            x = layer.forward(&x, slots.clone(), mask)?;
        }
        let x = self.norm.forward(&x, Some(mask))?;
        mean_weights(mask, batch, n)?.to_dtype(x.dtype())?.matmul(&x)?.squeeze(1)
    }
}

/// (haplotypes, 1, slots): 1 / (number of tokens) at tokens, 0 at padding; all zero for a row without a token.
fn mean_weights(mask: &[u8], batch: usize, n: usize) -> Result<Tensor> {
    let weights: Vec<f32> = mask
        .chunks_exact(n)
        .flat_map(|row| {
            let n_tokens = row.iter().filter(|&&bit| bit != 0).count().max(1) as f32;
            row.iter().map(move |&bit| if bit == 0 { 0.0 } else { 1.0 / n_tokens })
        })
        .collect();
    Tensor::from_vec(weights, (batch, 1, n), &candle_core::Device::Cpu)?.to_dtype(DType::F32)
}
