//! EcoFormer attention (Liu et al. 2022, arXiv 2209.09004): queries and keys are one projection,
//! hashed to binary codes whose products are the attention weights. Time and memory are linear in
//! the length.
//!
//! The hash functions start at random; [`Mixing::fit`] fits them to the tokens of a model, and
//! training goes on from there. Unlike the released code, anchors, sigma and the means of the
//! features are fixed once they are fitted: taken from each batch, they would make a
//! haplotype depend on its neighbours and padding.

mod hashing;

use candle_core::{DType, Device, Result, Tensor};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use self::hashing::Tokens;
use super::{Channels, Mixing, Sequence};
use crate::models::Config;
use gf_nn::{Init, Kernel, Numerator, Parameters, code_attention, kernel_hash, refit, sign};

/// Tokens that the kernel features compare with.
pub(in crate::models) const ANCHORS: usize = 25;
/// Tokens that the hash functions are fitted on, at most.
const SAMPLE: usize = 1_000;

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
    /// Makes or loads the parameters and buffers under `prefix`.
    pub fn new(config: &Config, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        let architecture = &config.architecture;
        let heads = architecture.heads;
        let d = architecture.hidden / architecture.heads;
        let name = |part: &str| format!("{prefix}.{part}");
        let kernel = Kernel {
            // About as long as the unit vectors they are compared with: then |u - a|^2 is about 2
            // and g before its mean about exp(-1/2).
            anchors: parameters.buffer(
                &name("anchors"),
                (heads, ANCHORS, d),
                Init::Normal(1.0 / (d as f64).sqrt()),
            )?,
            sigma: parameters.buffer(&name("sigma"), heads, Init::Constant(2.0))?,
            mean: parameters.buffer(
                &name("mean"),
                (heads, ANCHORS),
                Init::Constant((-0.5f32).exp()),
            )?,
        };
        Ok(Self {
            query: Channels::new(config, prefix, "query", parameters)?,
            value: Channels::new(config, prefix, "value", parameters)?,
            kernel,
            hash: parameters.get(
                &name("hash"),
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

    /// The shared projections of some tokens of the sequences, drawn at random: each (heads * d).
    fn sample(&self, sequences: &[Sequence], rng: &mut ChaCha8Rng) -> Result<Vec<Vec<f32>>> {
        let tokens_of = |sequence: &Sequence| -> Vec<u32> {
            sequence
                .mask
                .iter()
                .enumerate()
                .filter(|&(_, &bit)| bit != 0)
                .map(|(row, _)| row as u32)
                .collect()
        };
        let tokens: Vec<Vec<u32>> = sequences.iter().map(tokens_of).collect();
        let n_tokens = tokens.iter().map(Vec::len).sum::<usize>();
        let chosen = index::sample(rng, n_tokens, n_tokens.min(SAMPLE)).into_vec();
        let mut sample = Vec::new();
        let mut first = 0;
        for (sequence, tokens) in sequences.iter().zip(&tokens) {
            let here: Vec<u32> = chosen
                .iter()
                .filter_map(|token| tokens.get(token.checked_sub(first)?).copied())
                .collect();
            if !here.is_empty() {
                let queries = self.query.project(sequence)?.flatten_to(1)?;
                let rows = Tensor::new(here.as_slice(), queries.device())?;
                sample.extend(
                    queries
                        .index_select(&rows, 0)?
                        .to_dtype(DType::F32)?
                        .to_vec2::<f32>()?,
                );
            }
            first += tokens.len();
        }
        Ok(sample)
    }
}

impl Mixing for Ecoformer {
    fn mix(&self, sequence: &Sequence) -> Result<Tensor> {
        let codes = sign(&kernel_hash(
            &self.query.project(sequence)?,
            &self.hash,
            &self.kernel,
        )?)?;
        code_attention(
            &codes,
            &self.value.project(sequence)?,
            self.hash.dim(0)?,
            &sequence.mask,
            self.numerator,
        )
    }

    fn n_averaged(&self) -> f64 {
        self.mean_slots
    }

    fn fit(&self, sequences: &[Sequence], rng: &mut ChaCha8Rng) -> Result<()> {
        let (heads, bits, _) = self.hash.dims3()?;
        let sample = self.sample(sequences, rng)?;
        let fitted = (0..heads).map(|head| {
            let of_head = sample
                .iter()
                .map(|row| &row[head * row.len() / heads..][..row.len() / heads]);
            hashing::fit(&Tokens::new(of_head), ANCHORS, bits, rng)
        });
        let fitted = fitted.collect::<Result<Vec<_>>>()?;
        let set = |parameter: &Tensor, of_head: &dyn Fn(&hashing::Hash) -> Vec<f64>| {
            let values: Vec<f64> = fitted.iter().flat_map(of_head).collect();
            let values = Tensor::from_vec(values, parameter.shape(), &Device::Cpu)?;
            refit(
                parameter,
                &values
                    .to_dtype(parameter.dtype())?
                    .to_device(parameter.device())?,
            )
        };
        set(&self.kernel.anchors, &|hash| hash.anchors.concat())?;
        set(&self.kernel.sigma, &|hash| vec![hash.sigma])?;
        set(&self.kernel.mean, &|hash| hash.mean.clone())?;
        set(&self.hash, &|hash| hash.functions.concat())
    }
}
