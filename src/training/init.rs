//! Weights to start from: those of another bundle (`--init`) with the same tokens.

use std::path::Path;

use gf_tokenizer::Tokenizer;

use super::{Bundle, Error, Weights};
use crate::{
    models::{Config, converted},
    tokenization::Grid,
};

/// A bundle to start from, checked against the tokens of this run.
#[derive(Debug)]
pub struct Initial {
    config: Config,
    weights: Weights,
}

impl Initial {
    /// Reads the bundle; of several members the first.
    ///
    /// # Errors
    /// A bundle that cannot be read, or one of other tokens.
    pub fn load(folder: &Path, tokenizer: &Tokenizer, grid: &Grid) -> Result<Self, Error> {
        let bundle = Bundle::load(folder)?;
        let differs = if bundle.tokenizer.json() != tokenizer.json() {
            "vocabulary"
        } else if bundle.grid.loci.iter().map(|locus| &locus.name).ne(grid.loci.iter().map(|locus| &locus.name)) {
            "list of loci"
        } else if bundle.grid != *grid {
            "slot grid"
        } else {
            let weights = bundle.members.into_iter().next().unwrap_or_default();
            return Ok(Self { config: bundle.config.model, weights });
        };
        let reason =
            format!("its {differs} is not that of these tokens, so its weights mean other places: use the tokens it was trained on");
        Err(Error::File { path: folder.into(), reason })
    }

    /// The weights of a model of configuration `to` to start from.
    ///
    /// # Errors
    /// Architectures that cannot be converted into each other.
    pub fn weights(&self, to: &Config, seed: u64) -> Result<Weights, Error> {
        converted(&self.config, self.weights.clone(), to, seed).map_err(|error| Error::Options(format!("--init: {error}")))
    }
}
