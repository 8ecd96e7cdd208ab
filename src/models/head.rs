//! The classification head: a sample's two haplotypes of every locus, and covariates, to one logit.
//!
//! The features of a locus are the sum and the product of its two vectors, which do not depend on
//! the order of the haplotypes. The product lets two alleles on different haplotypes interact. An
//! absent haplotype is the zero vector.
//!
//! The logit of a sample is the same, to the last bit, for any other samples in the batch. Samples
//! can therefore be predicted in blocks.

use candle_core::{D, Result, Tensor, bail};

use super::Config;
use gf_cohort_schema::counted;
use gf_nn::{Activation, Init, Parameters, activation_with_bias, linear};

/// A two-layer classifier.
#[derive(Debug)]
pub struct Head {
    hidden: Tensor,
    hidden_bias: Tensor,
    output: Tensor,
    output_bias: Tensor,
    n_covariates: usize,
}

impl Head {
    /// Creates or loads the parameters.
    pub fn new(config: &Config, parameters: &mut Parameters) -> Result<Self> {
        let width = config.architecture.hidden;
        let n_features = 2 * width * config.loci.len() + config.n_covariates;
        let hidden = parameters.get(
            "head.hidden",
            (n_features, width),
            Init::Normal(1.0 / (n_features as f64).sqrt()),
        )?;
        let hidden_bias = parameters.get("head.hidden_bias", width, Init::Constant(0.0))?;
        let output = parameters.get(
            "head.output",
            (1, width),
            Init::Normal(1.0 / (width as f64).sqrt()),
        )?;
        let output_bias = parameters.get("head.output_bias", 1, Init::Constant(0.0))?;
        Ok(Self {
            hidden,
            hidden_bias,
            output,
            output_bias,
            n_covariates: config.n_covariates,
        })
    }

    /// Logits, (samples).
    ///
    /// `encoded` is (haplotypes, hidden) for each locus. `pairs` are the two row numbers of each
    /// sample; an absent haplotype is the row after the last one.
    pub fn forward(
        &self,
        encoded: &[Tensor],
        pairs: &[&[Tensor; 2]],
        covariates: Option<&Tensor>,
    ) -> Result<Tensor> {
        let mut features = Vec::with_capacity(2 * encoded.len() + 1);
        for (encoded, [first, second]) in encoded.iter().zip(pairs) {
            let absent = Tensor::zeros((1, encoded.dim(1)?), encoded.dtype(), encoded.device())?;
            let rows = Tensor::cat(&[encoded, &absent], 0)?;
            let a = rows.index_select(first, 0)?;
            let b = rows.index_select(second, 0)?;
            features.push((&a + &b)?);
            features.push((a * b)?);
        }
        match covariates {
            Some(covariates) if covariates.dim(1)? == self.n_covariates => {
                features.push(covariates.clone());
            }
            None if self.n_covariates == 0 => {}
            _ => bail!(
                "the model was made for {}",
                counted(self.n_covariates, "covariate", "covariates")
            ),
        }
        let features = Tensor::cat(&features, D::Minus1)?;
        let hidden = activation_with_bias(
            &linear(&features, &self.hidden)?,
            &self.hidden_bias,
            Activation::Gelu,
        )?;
        linear(&hidden, &self.output.t()?)?
            .broadcast_add(&self.output_bias)?
            .squeeze(1)
    }
}
