//! Weights to start from: those of another bundle (`--init`) with the same tokens and covariates.
//!
//! Input -> output: a bundle -> weights. Of its covariates only the names count: the scales are those of the new training split.

use std::path::Path;

use gf_tokenizer::Tokenizer;

use super::{Bundle, Error, Weights};
use crate::{
    models::{AttentionKind, Config, converted},
    tokenization::Grid,
};

/// A bundle to start from, checked against the tokens and covariates of this run.
#[derive(Debug)]
pub struct Initial {
    config: Config,
    weights: Weights,
}

impl Initial {
    /// Reads the bundle; of several members the first.
    ///
    /// # Errors
    /// A bundle that cannot be read, or one of other tokens or covariates.
    pub fn load(folder: &Path, tokenizer: &Tokenizer, grid: &Grid, covariates: &[String]) -> Result<Self, Error> {
        let bundle = Bundle::load(folder)?;
        let wrong = |reason: String| Err(Error::File { path: folder.into(), reason });
        let differs = if bundle.tokenizer.json() != tokenizer.json() {
            "vocabulary"
        } else if bundle.grid.loci.iter().map(|locus| &locus.name).ne(grid.loci.iter().map(|locus| &locus.name)) {
            "list of loci"
        } else if bundle.grid != *grid {
            "slot grid"
        } else if bundle.config.covariates.iter().map(|column| &column.name).ne(covariates) {
            let its: Vec<String> = bundle.config.covariates.into_iter().map(|column| column.name).collect();
            let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(",") };
            let (its, here) = (list(&its), list(covariates));
            return wrong(format!("its covariates are {its}, those of this run {here}: name the same in that order (--covariates {its})"));
        } else {
            let weights = bundle.members.into_iter().next().unwrap_or_default();
            return Ok(Self { config: bundle.config.model, weights });
        };
        wrong(format!("its {differs} is not that of these tokens, so its weights mean other places: use the tokens it was trained on"))
    }

    /// Whether the hash functions of `ecoformer` come with the weights; a conversion from another attention makes new ones, still to be fitted.
    pub fn has_hashes(&self) -> bool {
        self.config.architecture.attention == AttentionKind::Ecoformer
    }

    /// The weights of a model of configuration `to` to start from.
    ///
    /// # Errors
    /// Architectures that cannot be converted into each other.
    pub fn weights(&self, to: &Config, seed: u64) -> Result<Weights, Error> {
        converted(&self.config, self.weights.clone(), to, seed).map_err(|error| Error::Options(format!("--init: {error}")))
    }
}
