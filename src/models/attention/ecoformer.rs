//! EcoFormer attention (Liu et al. 2022, arXiv 2209.09004). Queries and keys are one projection,
//! hashed to binary codes, and the products of codes are the attention weights. Time and memory are
//! linear in the length.
//!
//! The hash functions are random at first. [`Mixing::fit`] fits them to the tokens of a model, and
//! training continues from there.
//!
//! Anchors, sigma and the means of the features are fixed after the fit, unlike in the released
//! code. Computed from each batch, they would make a haplotype depend on its neighbours and on
//! padding.

mod hashing;

use candle_core::{DType, Device, Result, Tensor};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use self::hashing::Tokens;
use super::{Channels, Mixing, Sequence};
use crate::models::Config;
use gf_nn::{Init, Kernel, Numerator, Parameters, code_attention, kernel_hash, refit, sign};

/// Number of anchors: the tokens that kernel features compare with.
pub(in crate::models) const ANCHORS: usize = 25;
/// Maximum number of tokens for the fit of the hash functions.
const MAX_SAMPLED_TOKENS: usize = 1_000;

/// EcoFormer attention.
#[derive(Debug)]
pub struct Ecoformer {
    query: Channels,
    value: Channels,
    kernel: Kernel,
    /// A, (heads, bits, anchors).
    hash: Tensor,
    numerator: Numerator,
    mean_slots: f64,
}

impl Ecoformer {
    /// Creates or loads the parameters and buffers with this prefix.
    pub fn new(config: &Config, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        let architecture = &config.architecture;
        let heads = architecture.heads;
        let d = architecture.hidden / architecture.heads;
        let kernel = Kernel {
            // Random anchors are about as long as the unit vectors u. Then |u - a|^2 is about 2,
            // and the kernel value about exp(-1/2).
            anchors: parameters.buffer(
                &format!("{prefix}.anchors"),
                (heads, ANCHORS, d),
                Init::Normal(1.0 / (d as f64).sqrt()),
            )?,
            sigma: parameters.buffer(&format!("{prefix}.sigma"), heads, Init::Constant(2.0))?,
            mean: parameters.buffer(
                &format!("{prefix}.mean"),
                (heads, ANCHORS),
                Init::Constant((-0.5f32).exp()),
            )?,
        };
        Ok(Self {
            query: Channels::new(config, prefix, "query", parameters)?,
            value: Channels::new(config, prefix, "value", parameters)?,
            kernel,
            hash: parameters.get(
                &format!("{prefix}.hash"),
                (heads, architecture.hash_bits, ANCHORS),
                Init::Normal(1.0),
            )?,
            numerator: if architecture.released_numerator {
                Numerator::Own
            } else {
                Numerator::Sum
            },
            mean_slots: config.mean_slots(),
        })
    }

    /// The shared projections of a random sample of tokens, (heads * d) each.
    fn sample(&self, sequences: &[Sequence], rng: &mut ChaCha8Rng) -> Result<Vec<Vec<f32>>> {
        let tokens: Vec<Vec<u32>> = sequences.iter().map(token_rows).collect();
        let n_tokens = tokens.iter().map(Vec::len).sum::<usize>();
        let chosen = index::sample(rng, n_tokens, n_tokens.min(MAX_SAMPLED_TOKENS)).into_vec();
        let mut sample = Vec::new();
        let mut first = 0;
        for (sequence, tokens) in sequences.iter().zip(&tokens) {
            let chosen_rows: Vec<u32> = chosen
                .iter()
                .filter_map(|token| tokens.get(token.checked_sub(first)?).copied())
                .collect();
            if !chosen_rows.is_empty() {
                let queries = self.query.project(sequence)?.flatten_to(1)?;
                let rows = Tensor::new(chosen_rows.as_slice(), queries.device())?;
                let chosen_queries = queries.index_select(&rows, 0)?.to_dtype(DType::F32)?;
                sample.extend(chosen_queries.to_vec2::<f32>()?);
            }
            first += tokens.len();
        }
        Ok(sample)
    }
}

/// Rows of a sequence, counted over its haplotypes, that are tokens.
fn token_rows(sequence: &Sequence) -> Vec<u32> {
    sequence
        .mask
        .iter()
        .enumerate()
        .filter(|&(_, &bit)| bit != 0)
        .map(|(row, _)| row as u32)
        .collect()
}

/// Sets a parameter or buffer to the concatenated values of all heads.
fn set(parameter: &Tensor, values: Vec<f64>) -> Result<()> {
    let values = Tensor::from_vec(values, parameter.shape(), &Device::Cpu)?
        .to_dtype(parameter.dtype())?
        .to_device(parameter.device())?;
    refit(parameter, &values)
}

impl Mixing for Ecoformer {
    fn mix(&self, sequence: &Sequence) -> Result<Tensor> {
        let queries = self.query.project(sequence)?;
        let codes = sign(&kernel_hash(&queries, &self.hash, &self.kernel)?)?;
        let values = self.value.project(sequence)?;
        let heads = self.hash.dim(0)?;
        code_attention(&codes, &values, heads, &sequence.mask, self.numerator)
    }

    fn n_averaged(&self) -> f64 {
        self.mean_slots
    }

    fn fit(&self, sequences: &[Sequence], rng: &mut ChaCha8Rng) -> Result<()> {
        let (heads, bits, _) = self.hash.dims3()?;
        let sample = self.sample(sequences, rng)?;
        let hashes = (0..heads)
            .map(|head| {
                let rows_of_head = sample
                    .iter()
                    .map(|row| &row[head * row.len() / heads..][..row.len() / heads]);
                hashing::fit(&Tokens::new(rows_of_head), ANCHORS, bits, rng)
            })
            .collect::<Result<Vec<_>>>()?;
        let anchors = hashes.iter().flat_map(|hash| hash.anchors.concat());
        set(&self.kernel.anchors, anchors.collect())?;
        let sigmas = hashes.iter().map(|hash| hash.sigma);
        set(&self.kernel.sigma, sigmas.collect())?;
        let means = hashes.iter().flat_map(|hash| hash.mean.clone());
        set(&self.kernel.mean, means.collect())?;
        let functions = hashes.iter().flat_map(|hash| hash.functions.concat());
        set(&self.hash, functions.collect())
    }
}
