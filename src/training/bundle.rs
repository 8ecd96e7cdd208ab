//! A model bundle: everything `score` needs and, of the people it was trained on, their distinct segments (`grid.json`).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use candle_core::{Device, Tensor, safetensors::Load};
use gf_tokenizer::Tokenizer;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::{Error, cost};
use crate::{
    dataset::Standardisation,
    models::{Config, Model},
    nn::Parameters,
    output,
    sequence::Provenance,
    tokenization::Grid,
};

const SCHEMA_VERSION: u32 = 1;

/// `config.json` of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BundleConfig {
    schema_version: u32,
    /// Version of the program that made it.
    pub program_version: String,
    /// Name of the model in every table.
    pub name: String,
    /// Architecture and shapes.
    pub model: Config,
    /// Loci, reference digests and policies the sequences were made with.
    pub genome: Provenance,
    /// Covariates the model needs, with their scale.
    pub covariates: Vec<Standardisation>,
    /// Epoch whose weights these are.
    pub best_epoch: usize,
    /// Seed of the training.
    pub seed: u64,
}

impl BundleConfig {
    pub(super) fn new(
        name: String,
        model: Config,
        genome: Provenance,
        covariates: Vec<Standardisation>,
        best_epoch: usize,
        seed: u64,
    ) -> Self {
        let program_version = env!("CARGO_PKG_VERSION").to_string();
        Self { schema_version: SCHEMA_VERSION, program_version, name, model, genome, covariates, best_epoch, seed }
    }
}

/// A trained model with all it needs.
#[derive(Debug)]
pub struct Bundle {
    /// What it is.
    pub config: BundleConfig,
    /// Bases to tokens.
    pub tokenizer: Tokenizer,
    /// Tokens to slots.
    pub grid: Grid,
    /// Weights by name.
    pub parameters: BTreeMap<String, Tensor>,
}

impl Bundle {
    /// Writes the files of the bundle; an older `config.json` goes first and the new one comes last, so that a folder with it is whole.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let config = folder.join("config.json");
        output::remove_if_there(&config)?;
        let weights = folder.join("model.safetensors");
        let bytes = safetensors::serialize(&self.parameters, None).map_err(|error| wrong(&weights, error.to_string()))?;
        output::write(&weights, |out| out.write_all(&bytes))?;
        output::write(&folder.join("tokenizer.json"), |out| out.write_all(self.tokenizer.json().as_bytes()))?;
        self.grid.save(&folder.join("grid.json"))?;
        cost::write(folder, &self.config.name, &self.config.model)?;
        Ok(output::write_json(&config, &self.config)?)
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// Missing, damaged or mismatched files (weights that are not those of the configuration among them), or another schema version.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("config.json");
        let config: BundleConfig = serde_json::from_slice(&read(&path)?).map_err(|error| wrong(&path, error.to_string()))?;
        if config.schema_version != SCHEMA_VERSION {
            return Err(wrong(&path, format!("schema version {}; this program reads {SCHEMA_VERSION}", config.schema_version)));
        }
        let path = folder.join("tokenizer.json");
        let json = String::from_utf8(read(&path)?).map_err(|error| wrong(&path, error.to_string()))?;
        let tokenizer = Tokenizer::from_json(&json).map_err(|error| wrong(&path, error.to_string()))?;
        let grid = Grid::load(&folder.join("grid.json"))?;
        let path = folder.join("model.safetensors");
        let bytes = read(&path)?;
        let mut parameters = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(&bytes).map_err(|error| wrong(&path, error.to_string()))?.tensors() {
            parameters.insert(name, view.load(&Device::Cpu)?);
        }
        let slots_fit = grid.loci.len() == config.model.loci.len()
            && grid.loci.iter().zip(&config.model.loci).all(|(grid, model)| grid.name == model.name && grid.n_slots() == model.n_slots)
            && config.genome.loci.len() == grid.loci.len()
            && grid.loci.iter().zip(&config.genome.loci).all(|(grid, genome)| grid.len_nt == genome.locus.len_nt());
        if tokenizer.vocab_len() != config.model.vocab_size || !slots_fit || config.covariates.len() != config.model.n_covariates {
            return Err(wrong(folder, "its files do not belong together".into()));
        }
        let bundle = Self { config, tokenizer, grid, parameters };
        match bundle.model() {
            Ok(_) => Ok(bundle),
            Err(error) => Err(wrong(&path, format!("does not fit config.json: {error}"))),
        }
    }

    /// Builds the model with the bundle's weights.
    ///
    /// # Errors
    /// Weights that do not fit the configuration.
    pub fn model(&self) -> Result<Model, Error> {
        Ok(Model::new(&self.config.model, &mut Parameters::saved(self.parameters.clone()))?)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| output::at(path)(error).into())
}

fn wrong(path: &Path, reason: String) -> Error {
    Error::File { path: PathBuf::from(path), reason }
}
