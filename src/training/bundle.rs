//! A model bundle: all files that `score` needs.
//!
//! The only data of the training samples are their distinct segments, in `grid.json`.

use std::{
    path::{Path, PathBuf},
    string::FromUtf8Error,
};

use candle_core::{DType, Device, safetensors::Load};
use gf_tokenizer::Tokenizer;
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{Error, Weights, cost, members::mean_logits};
use crate::layout;
use crate::{
    dataset::{Dataset, Standardisation, logits},
    models::{Config, RiskModel, TermShape, additive},
    tokens::Grid,
};
use gf_files::{
    output,
    stored_format::{self, StoredFormatProblem},
};
use gf_haplotypes::Provenance;

const SCHEMA_VERSION: u32 = 2;

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
    /// The models whose mean logit is the bundle's, in the order of their files.
    pub members: Vec<MemberRecord>,
}

/// Training record of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// 1-based fold that it holds out; absent without folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
    /// Seed of the training.
    pub seed: u64,
    /// Epoch whose weights these are; 0 with an additive term, where each deep term has its own.
    pub best_epoch: usize,
    /// Deep terms next to the additive term; absent for a pure sequence model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Vec<TermShape>>,
}

impl BundleConfig {
    pub(super) fn new(
        name: String,
        model: Config,
        genome: Provenance,
        covariates: Vec<Standardisation>,
        members: Vec<MemberRecord>,
    ) -> Self {
        let program_version = env!("CARGO_PKG_VERSION").to_string();
        Self {
            schema_version: SCHEMA_VERSION,
            program_version,
            name,
            model,
            genome,
            covariates,
            members,
        }
    }

    /// Whether model, genome and grid have the same loci with the same slots and lengths.
    fn has_loci_of(&self, grid: &Grid) -> bool {
        let model_loci = &self.model.loci;
        let genome_loci = &self.genome.loci;
        grid.loci.len() == model_loci.len()
            && grid
                .loci
                .iter()
                .zip(model_loci)
                .all(|(grid, model)| grid.name == model.name && grid.n_slots() == model.n_slots)
            && genome_loci.len() == grid.loci.len()
            && grid
                .loci
                .iter()
                .zip(genome_loci)
                .all(|(grid, genome)| grid.len_nt == genome.locus.len_nt())
    }
}

/// A trained model with its tokenizer and slot grid.
#[derive(Debug)]
pub struct Bundle {
    /// Contents of `config.json`.
    pub config: BundleConfig,
    /// Tokenizer, from bases to tokens.
    pub tokenizer: Tokenizer,
    /// Slot grid, from tokens to slots.
    pub grid: Grid,
    /// Weights of each member, by name; one member without folds and ensemble.
    pub members: Vec<Weights>,
}

impl Bundle {
    /// Writes the files of the bundle.
    ///
    /// An older `config.json` is removed first and the new one is written last, so that a folder
    /// with `config.json` is complete.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let config = folder.join(layout::CONFIG);
        output::remove_if_there(&config)?;
        remove_members(folder)?;
        for (parameters, number) in self.members.iter().zip(1_usize..) {
            let weights = folder.join(layout::member_weights(number));
            let bytes = safetensors::serialize(parameters, None)
                .map_err(|error| Error::file(&weights, BundleProblem::from(error)))?;
            output::shareable::write(&weights, |out| out.write_all(&bytes))?;
        }
        output::shareable::write(&folder.join(layout::TOKENIZER), |out| {
            out.write_all(self.tokenizer.json().as_bytes())
        })?;
        self.grid.save(&folder.join(layout::GRID))?;
        cost::write(folder, self)?;
        Ok(output::shareable::write_json(&config, &self.config)?)
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// Missing, damaged or mismatched files, weights that do not fit the configuration, or another
    /// schema version.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let config_path = folder.join(layout::CONFIG);
        let config: BundleConfig = stored_format::from_json(
            &stored_format::read(&config_path)?,
            SCHEMA_VERSION,
            "gf-genomics train",
        )
        .map_err(|problem| Error::file(&config_path, BundleProblem::from(problem)))?;
        let tokenizer_path = folder.join(layout::TOKENIZER);
        let json = String::from_utf8(stored_format::read(&tokenizer_path)?)
            .map_err(|error| Error::file(&tokenizer_path, BundleProblem::from(error)))?;
        let tokenizer = Tokenizer::from_json(&json)
            .map_err(|error| Error::file(&tokenizer_path, BundleProblem::from(error)))?;
        let grid = Grid::load(&folder.join(layout::GRID))?;
        if config.members.is_empty() {
            return Err(Error::file(&config_path, BundleProblem::NoMembers));
        }
        if tokenizer.vocab_len() != config.model.vocab_size
            || !config.has_loci_of(&grid)
            || config.covariates.len() != config.model.n_covariates
        {
            return Err(Error::file(folder, BundleProblem::DifferentModels));
        }
        let mut members = Vec::new();
        for (record, number) in config.members.iter().zip(1_usize..) {
            let path = folder.join(layout::member_weights(number));
            let parameters = weights(&path)?;
            if let Err(source) = build(
                &config.model,
                record.terms.as_deref(),
                &parameters,
                &Device::Cpu,
            ) {
                return Err(Error::file(&path, BundleProblem::OtherConfig { source }));
            }
            members.push(parameters);
        }
        Ok(Self {
            config,
            tokenizer,
            grid,
            members,
        })
    }

    /// The model of each member.
    ///
    /// # Errors
    /// A device without enough memory for the model.
    pub fn models<'b>(
        &'b self,
        device: &'b Device,
    ) -> impl Iterator<Item = Result<RiskModel, Error>> + 'b {
        let members = self.config.members.iter().zip(&self.members);
        members.map(move |(record, parameters)| {
            Ok(build(
                &self.config.model,
                record.terms.as_deref(),
                parameters,
                device,
            )?)
        })
    }

    /// Mean logit of all members for each of `people` (numbers in the cohort), in their order.
    ///
    /// The models run on the device of the data.
    ///
    /// # Errors
    /// A model that does not fit the data.
    pub fn logits(&self, data: &Dataset<'_>, people: &[usize]) -> Result<Vec<f64>, Error> {
        let mut sums = vec![0.0; people.len()];
        for model in self.models(data.device()) {
            let member_logits = logits(&model?, data, people)?;
            for (sum, logit) in sums.iter_mut().zip(member_logits) {
                *sum += f64::from(logit);
            }
        }
        Ok(sums
            .into_iter()
            .map(|sum| sum / self.members.len() as f64)
            .collect())
    }

    /// [`Bundle::logits`] of all samples, but a sample in a fold is predicted only by the members
    /// that hold out the fold.
    ///
    /// # Errors
    /// A model that does not fit the data.
    pub fn held_out_logits(
        &self,
        data: &Dataset<'_>,
        fold_of: &[Option<u32>],
    ) -> Result<Vec<f64>, Error> {
        let all_samples: Vec<usize> = (0..fold_of.len()).collect();
        mean_logits(
            self.config.members.iter().map(|member| member.fold),
            fold_of,
            &all_samples,
            |member, samples| {
                let model = build(
                    &self.config.model,
                    self.config.members[member].terms.as_deref(),
                    &self.members[member],
                    data.device(),
                )?;
                Ok(logits(&model, data, samples)?)
            },
        )
    }
}

/// A model with these weights.
pub(super) fn build(
    config: &Config,
    terms: Option<&[TermShape]>,
    parameters: &Weights,
    device: &Device,
) -> candle_core::Result<RiskModel> {
    RiskModel::load(config, terms, parameters.clone(), device)
}

/// Files of the weights of a bundle.
pub fn weight_files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    (1..)
        .map(|number| folder.join(layout::member_weights(number)))
        .take_while(|path| path.exists())
}

/// Removes the second and later members of an older bundle.
fn remove_members(folder: &Path) -> Result<(), Error> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if layout::is_later_member(&name) {
            output::remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// The tensors of a file, which must be finite numbers of 32 bits.
fn weights(path: &Path) -> Result<Weights, Error> {
    let bytes = stored_format::read(path)?;
    let mut parameters = Weights::new();
    for (name, view) in SafeTensors::deserialize(&bytes)
        .map_err(|error| Error::file(path, BundleProblem::from(error)))?
        .tensors()
    {
        let tensor = view.load(&Device::Cpu)?;
        if name.ends_with(additive::VERSIONS) && tensor.dtype() == DType::U32 {
            parameters.insert(name, tensor);
            continue;
        }
        if tensor.dtype() != DType::F32 {
            let dtype = tensor.dtype();
            return Err(Error::file(path, BundleProblem::Dtype { name, dtype }));
        }
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let value = values[index];
            return Err(Error::file(
                path,
                BundleProblem::NotFinite { name, value, index },
            ));
        }
        parameters.insert(name, tensor);
    }
    Ok(parameters)
}

/// Why a bundle cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleProblem {
    /// Another version, or not a configuration.
    #[error(transparent)]
    Format(#[from] StoredFormatProblem),
    /// A text that is not UTF-8.
    #[error("{0}")]
    Utf8(#[from] FromUtf8Error),
    /// A `tokenizer.json` that cannot be used.
    #[error("{0}")]
    Tokenizer(#[from] gf_tokenizer::Error),
    /// Weights that are not in the safetensors format.
    #[error("{0}")]
    Safetensors(#[from] SafeTensorError),
    /// A configuration without a member.
    #[error("it lists no members; train or download the model again")]
    NoMembers,
    /// Files of two models.
    #[error("its files are from different models; train or download the model again")]
    DifferentModels,
    /// Weights of another configuration.
    #[error("does not fit config.json ({source}); train or download the model again")]
    OtherConfig {
        /// The error of the network.
        source: candle_core::Error,
    },
    /// A tensor of another type.
    #[error(
        "tensor `{name}` is of type {dtype:?} instead of F32; train or download the model again"
    )]
    Dtype {
        /// Name of the tensor.
        name: String,
        /// Its type.
        dtype: DType,
    },
    /// A weight that is not a finite number.
    #[error(
        "tensor `{name}` has the value {value} at index {index}; train or download the model again"
    )]
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// The weight.
        value: f32,
        /// Its index.
        index: usize,
    },
}
