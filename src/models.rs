//! The encoder, the attention family and the classification head. A model sees token ids, masks and
//! numbers; never a sample id or a path.
//!
//! Input -> output: an [`Input`] (the distinct haplotypes of a batch, and which two each person
//! has) -> one logit a person.

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
    /// 1 where a slot holds a token, 0 where it is padding; haplotypes x slots, row-major.
    pub mask: Arc<Vec<u8>>,
    /// First and second haplotype of each person as rows of `tokens`, (people) each; one past the
    /// last row where there is none.
    pub pairs: [Tensor; 2],
}

/// A batch of people.
#[derive(Clone, Debug)]
pub struct Input {
    /// One per locus, in the order of [`Config::loci`].
    pub loci: Vec<LocusInput>,
    /// Standardised covariates, (people, covariates), when the model has any.
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
    /// Builds the model, making or loading its parameters.
    ///
    /// # Errors
    /// A configuration that makes no sense, or saved parameters that do not fit it.
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

    /// What the model is.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// One vector for each haplotype of `locus`: (haplotypes, hidden). Each row depends on its own
    /// tokens only.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    pub fn encode(&self, locus: usize, tokens: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
        self.encoder
            .encode(locus, self.encoder.embed(locus, tokens, mask)?, mask)
    }

    /// As [`Self::encode`] of at least one haplotype, without a way back to the weights, and
    /// faster.
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

    /// As [`Self::encode`], in groups whose gradients are computed side by side.
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

    /// Logits, (people), from the encoded haplotypes of each locus and each person's pairs of them.
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

    /// Fits what is not trained by gradient, the hash functions of `ecoformer`, to the haplotypes
    /// of `input`, in the parameters the model was made with. Does nothing where there is no
    /// such thing. To be called before the first step of training: best on weights that a model
    /// with another attention was trained to.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration, or hardly any token.
    pub fn fit_hashes(&self, input: &Input, seed: u64) -> Result<()> {
        match self.config.architecture.attention {
            AttentionKind::Ecoformer => self.encoder.fit(&input.loci, seed),
            AttentionKind::Softmax | AttentionKind::Linformer => Ok(()),
        }
    }

    /// Logits, (people): each distinct haplotype is encoded once.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    pub fn forward(&self, input: &Input) -> Result<Tensor> {
        let loci = input.loci.iter().enumerate();
        let encoded = loci
            .map(|(number, locus)| self.encode(number, &locus.tokens, &locus.mask))
            .collect::<Result<Vec<_>>>()?;
        let pairs: Vec<&[Tensor; 2]> = input.loci.iter().map(|locus| &locus.pairs).collect();
        self.classify(&encoded, &pairs, input.covariates.as_ref())
    }
}
