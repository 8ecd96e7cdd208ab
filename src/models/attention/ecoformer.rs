//! EcoFormer attention (Liu et al. 2022, arXiv 2209.09004): queries and keys are one projection, hashed to binary codes whose products are
//! the attention weights. Time and memory are linear in the length.
//!
//! The hash functions start at random; [`Mixing::fit`] fits them to the tokens of a model, and training goes on from there. Unlike the
//! released code, sigma is fixed once it is fitted: taken from each batch, it would make a haplotype depend on its neighbours and padding.

mod hashing;

use candle_core::{DType, Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;

use self::hashing::Tokens;
use super::{Channels, Mixing, Sequence};
use crate::{
    models::Config,
    nn::{Init, Kernel, Numerator, Parameters, code_attention, kernel_hash, refit, sign},
};

/// Tokens that the kernel features compare with.
const ANCHORS: usize = 25;

/// EcoFormer attention.
#[derive(Debug)]
pub struct Ecoformer {
    query: Channels,
    value: Channels,
    kernel: Kernel,
    /// A, (heads, bits, anchors).
    hash: Tensor,
    numerator: Numerator,
}

impl Ecoformer {
    /// Makes or loads the parameters and buffers under `prefix`.
    pub fn new(config: &Config, prefix: &str, parameters: &mut Parameters) -> Result<Self> {
        let architecture = &config.architecture;
        let (heads, d) = (architecture.heads, architecture.hidden / architecture.heads);
        let name = |part: &str| format!("{prefix}.{part}");
        let kernel = Kernel {
            // About as long as the unit vectors they are compared with: then |u - a|^2 is about 2 and g before its mean about exp(-1/2).
            anchors: parameters.buffer(&name("anchors"), (heads, ANCHORS, d), Init::Normal(1.0 / (d as f64).sqrt()))?,
            sigma: parameters.buffer(&name("sigma"), heads, Init::Constant(2.0))?,
            mean: parameters.buffer(&name("mean"), (heads, ANCHORS), Init::Constant((-0.5f32).exp()))?,
        };
        Ok(Self {
            query: Channels::new(config, prefix, "query", parameters)?,
            value: Channels::new(config, prefix, "value", parameters)?,
            kernel,
            hash: parameters.get(&name("hash"), (heads, architecture.hash_bits, ANCHORS), Init::Normal(1.0))?,
            numerator: if architecture.released_numerator { Numerator::Own } else { Numerator::Sum },
        })
    }

    /// Of one head, every token of the sequences.
    fn tokens_of(&self, head: usize, sequences: &[Sequence]) -> Result<Tokens> {
        let (heads, _, d) = self.kernel.anchors.dims3()?;
        let mut rows = Vec::new();
        for sequence in sequences {
            let projected = self.query.of(sequence)?.reshape(((), heads, d))?.narrow(1, head, 1)?.squeeze(1)?;
            let real = sequence.mask.iter().enumerate().filter(|&(_, &bit)| bit != 0).map(|(row, _)| row as u32);
            let real = Tensor::from_iter(real, &Device::Cpu)?;
            if real.elem_count() > 0 {
                rows.push(projected.contiguous()?.index_select(&real, 0)?.to_dtype(DType::F64)?);
            }
        }
        let rows = if rows.is_empty() { Vec::new() } else { Tensor::cat(&rows, 0)?.to_vec2::<f64>()? };
        Ok(Tokens::new(rows))
    }
}

impl Mixing for Ecoformer {
    fn mix(&self, sequence: &Sequence) -> Result<Tensor> {
        let codes = sign(&kernel_hash(&self.query.of(sequence)?, &self.hash, &self.kernel)?)?;
        code_attention(&codes, &self.value.of(sequence)?, self.hash.dim(0)?, &sequence.mask, self.numerator)
    }

    fn fit(&self, sequences: &[Sequence], rng: &mut ChaCha8Rng) -> Result<()> {
        let (heads, bits, n_anchors) = self.hash.dims3()?;
        let fitted =
            (0..heads).map(|head| hashing::fit(&self.tokens_of(head, sequences)?, n_anchors, bits, rng)).collect::<Result<Vec<_>>>()?;
        let set = |parameter: &Tensor, of_head: &dyn Fn(&hashing::Hash) -> Vec<f64>| {
            let values: Vec<f64> = fitted.iter().flat_map(of_head).collect();
            refit(parameter, &Tensor::from_vec(values, parameter.shape(), &Device::Cpu)?.to_dtype(DType::F32)?)
        };
        set(&self.kernel.anchors, &|hash| hash.anchors.concat())?;
        set(&self.kernel.sigma, &|hash| vec![hash.sigma])?;
        set(&self.kernel.mean, &|hash| hash.mean.clone())?;
        set(&self.hash, &|hash| hash.functions.concat())
    }
}
