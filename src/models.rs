//! The models: encoder, attention variants and classification head. A model sees token ids, masks
//! and numbers; never a sample id or a path.
//!
//! Input -> output: an [`Input`] (the distinct haplotypes of a batch, and the pair of each sample)
//! -> one logit per sample.

pub mod additive;
mod attention;
mod config;
mod conversion;
mod cost;
mod encoder;
mod groups;
mod head;
mod pair_slots;
mod risk_model;
mod sequence;

pub use self::{
    config::{
        Architecture, ArchitectureChoice, AttentionKind, Config, LocusShape, Preset, Projection,
        Sharing,
    },
    conversion::converted,
    cost::Cost,
    groups::Groups,
    pair_slots::{PairSlot, TokenNumbers},
    risk_model::{Predictor, RiskModel, TermShape, network_prefix, term_tensors},
};

use std::sync::Arc;

use candle_core::{Result, Tensor};

use self::{encoder::Encoder, head::Head};
use gf_nn::Parameters;

/// The distinct haplotypes of one locus in a batch.
#[derive(Clone, Debug)]
pub struct LocusInput {
    /// Token ids, (haplotypes, slots).
    pub tokens: Tensor,
    /// 1 where a slot has a token, 0 where it is padding; haplotypes x slots, row-major.
    pub mask: Arc<Vec<u8>>,
    /// First and second haplotype of each sample as row numbers of `tokens`, (samples) each. An
    /// absent haplotype is the row after the last one.
    pub pairs: [Tensor; 2],
}

/// A batch of samples.
#[derive(Clone, Debug)]
pub struct Input {
    /// One per locus, in the order of [`Config::loci`].
    pub loci: Vec<LocusInput>,
    /// Standardised covariates, (samples, covariates), for a model with covariates.
    pub covariates: Option<Tensor>,
}

/// A model ready to run.
#[derive(Debug)]
pub struct Model {
    config: Config,
    encoder: Encoder,
    head: Head,
}

impl Model {
    /// Builds the model, and creates or loads its parameters.
    ///
    /// # Errors
    /// An invalid configuration, or saved parameters that do not fit it.
    pub fn new(config: &Config, parameters: &mut Parameters) -> Result<Self> {
        config.validate()?;
        let model = Self {
            config: config.clone(),
            encoder: Encoder::new(config, parameters)?,
            head: Head::new(config, parameters)?,
        };
        parameters.finish()?;
        Ok(model)
    }

    /// Architecture and shapes.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Encodes haplotypes of `locus`, (haplotypes, slots) -> (haplotypes, hidden).
    ///
    /// Each row depends only on its own tokens.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    pub fn encode(&self, locus: usize, tokens: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
        self.encoder
            .encode(locus, self.encoder.embed(locus, tokens, mask)?, mask)
    }

    /// Like [`Self::encode`] for at least one haplotype, without a graph for gradients, and faster.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    pub fn encode_only(
        &self,
        locus: usize,
        tokens: &Tensor,
        mask: &Arc<Vec<u8>>,
    ) -> Result<Tensor> {
        groups::encode_only(&self.encoder, locus, tokens, mask)
    }

    /// Like [`Self::encode`], in groups whose gradients are computed in parallel.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    pub fn encode_in_groups(
        &self,
        locus: usize,
        tokens: &Tensor,
        mask: &Arc<Vec<u8>>,
    ) -> Result<Groups> {
        Groups::encode(&self.encoder, locus, tokens, mask)
    }

    /// Logits, (samples), from the encoded haplotypes of each locus and each sample's pair of them.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    pub fn classify(
        &self,
        encoded: &[Tensor],
        pairs: &[&[Tensor; 2]],
        covariates: Option<&Tensor>,
    ) -> Result<Tensor> {
        self.head.forward(encoded, pairs, covariates)
    }

    /// Fits the hash functions of `ecoformer` to the haplotypes of `input`; does nothing for other
    /// attentions.
    ///
    /// Hash functions are not trained by gradient at the start. Call this before the first training
    /// step, preferably with weights of a trained model with another attention. The parameters that
    /// the model was built with are changed.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration, or too few tokens.
    pub fn fit_hashes(&self, input: &Input, seed: u64) -> Result<()> {
        match self.config.architecture.attention {
            AttentionKind::Ecoformer => self.encoder.fit(&input.loci, seed),
            AttentionKind::Softmax | AttentionKind::Linformer => Ok(()),
        }
    }

    /// Logits, (samples). Each distinct haplotype is encoded once.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    pub fn forward(&self, input: &Input) -> Result<Tensor> {
        let encoded = input
            .loci
            .iter()
            .enumerate()
            .map(|(number, locus)| self.encode(number, &locus.tokens, &locus.mask))
            .collect::<Result<Vec<_>>>()?;
        let pairs: Vec<&[Tensor; 2]> = input.loci.iter().map(|locus| &locus.pairs).collect();
        self.classify(&encoded, &pairs, input.covariates.as_ref())
    }
}
