//! Stage `compress`: replaces the linear layers of a trained encoder by low-rank factors (Low-Rank
//! Transformer, Winata et al. 2020, arXiv 1910.13923, section 3.1; with the rank rule of the
//! greenformer library, see [`Rank`]).
//!
//! Input -> output: a model bundle with dense layers -> a bundle in which each layer `w` (in, out)
//! admitted by the rule is `reduce` (in, r) times `expand` (r, out). Biases and all other
//! parameters are unchanged. A table compares both models by parameters, bytes, time and, on a
//! cohort, AUC. On a cohort the factors can also be fine-tuned.

mod factors;
mod fine_tuning;
mod measure;
mod solver;

pub use self::{factors::LayerProblem, fine_tuning::FineTuning, measure::Measured};

use std::path::{Path, PathBuf};

use gf_cohort_schema::PhenotypeCoding;
use serde::{Deserialize, Serialize};

use self::{
    factors::{factorise, factorise_terms},
    measure::MeasuredSamples,
};
use crate::{
    dataset, report, tokens,
    training::{self, Bundle, Progress},
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_nn::Rank;

/// How a layer is factorised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// Factors of the largest singular values, the closest ones of a rank.
    #[default]
    Svd,
    /// Semi-nonnegative matrix factorisation: the second factor has no value below zero.
    Snmf,
    /// Random factors, which do not depend on the layer and must be trained.
    Random,
}

impl std::fmt::Display for Solver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Serialize::serialize(self, f)
    }
}

/// Options of the stage `compress`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Folder of the bundle.
    pub model: PathBuf,
    /// Rank of the factors.
    pub rank: Rank,
    /// Method to compute the factors.
    pub solver: Solver,
    /// Name of the new model in every table; when absent, the names of the model and the solver.
    pub name: Option<String>,
    /// Seed of random factors, and of the order of samples in fine-tuning.
    pub seed: u64,
    /// Cohort on which the models are measured and the factors fine-tuned.
    pub cohort: Option<OnCohort>,
    /// Folder of the new bundle.
    pub out: PathBuf,
}

/// A tokenized cohort.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OnCohort {
    /// Token folder of the model's training.
    pub tokens: PathBuf,
    /// Cohort table.
    pub cohort: PathBuf,
    /// Coding of its phenotypes.
    pub phenotype_coding: PhenotypeCoding,
    /// Fine-tuning of the low-rank model; none when absent.
    pub fine_tuning: Option<FineTuning>,
}

/// Summary of a compression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Layers of a member that two factors replaced.
    pub n_layers: usize,
    /// The dense model, the low-rank model before fine-tuning (if there is any), and the new model.
    pub models: Vec<Measured>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = [
            "model",
            "parameters",
            "bytes",
            "ms per haplotype",
            "AUC validation",
            "AUC test",
        ]
        .map(str::to_owned)
        .to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(header)
            .chain(self.models.iter().map(Measured::cells))
            .collect();
        let layers = counted(self.n_layers, "layer", "layers");
        writeln!(
            f,
            "{layers} replaced by two factors each\n\n{}",
            report::aligned(&rows).trim_end()
        )
    }
}

/// An error of the compression.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model has factors already.
    #[error(
        "{}: this model has low-rank layers already (rank {rank}); compress the dense model that \
         it came from",
        path.display()
    )]
    LowRankAlready {
        /// The bundle.
        path: PathBuf,
        /// Its rank.
        rank: f64,
    },
    /// The folds of the cohort differ from those of the model.
    #[error(
        "{}: sample `{sample}` is in a fold that no member of the model holds out, so these are \
         not the predictions of this model; restore them, or train the model again",
        path.display()
    )]
    Folds {
        /// The predictions.
        path: PathBuf,
        /// The first such sample.
        sample: String,
    },
    /// The output folder is the folder of the model.
    #[error("{}: this is the folder of the model; choose another folder with --out", .0.display())]
    SameFolder(PathBuf),
    /// Fine-tuning of a model with an additive term, which is not supported.
    #[error(
        "{}: --fine-tune-epochs trains pure sequence models only, but this model has an additive \
         term, which is the default of `train`. Leave \
         out --fine-tune-epochs, train a low-rank model that starts from this one \
         (train --init {} --rank R), or compress a model that was \
         trained with --additive none",
        .0.display(), .0.display()
    )]
    FineTuning(PathBuf),
    /// The rank saves no parameters.
    #[error(
        "{}: rank {rank} makes no layer of this model smaller; choose a lower rank, or a \
         fraction such as 0.5",
        path.display()
    )]
    NothingSaved {
        /// The bundle.
        path: PathBuf,
        /// The rank.
        rank: f64,
    },
    /// An invalid option.
    #[error("{0}")]
    Options(String),
    /// A layer cannot be factorised.
    #[error("{layer}: {problem}")]
    Layer {
        /// Name of its parameter.
        layer: String,
        /// The finding and the next action.
        problem: LayerProblem,
    },
    /// Tokens with a different tokenizer or slot grid.
    #[error(
        "{}: these tokens have a different tokenizer or slot grid than the model; give the token \
         folder that the model was trained on",
        .0.display()
    )]
    OtherTokens(PathBuf),
    /// A bundle is wrong, or fine-tuning failed.
    #[error(transparent)]
    Training(#[from] training::Error),
    /// The cohort table is wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// The token folder is wrong.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// Tokens and cohort do not fit each other.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
}

/// Compresses all members of a model, writes the new bundle, and measures it against the dense one.
///
/// # Errors
/// A bundle that cannot be read or is low-rank already, a rank that saves no parameters, weights
/// that are not finite, tokens or samples that do not fit.
pub fn run(options: &Options, on_progress: &mut dyn FnMut(Progress<'_>)) -> Result<Summary, Error> {
    options
        .rank
        .validate()
        .map_err(|error| Error::Options(error.to_string()))?;
    if is_same_folder(&options.out, &options.model) {
        return Err(Error::SameFolder(options.out.clone()));
    }
    let dense = Bundle::load(&options.model)?;
    let samples = options
        .cohort
        .as_ref()
        .map(|cohort| MeasuredSamples::load(cohort, &dense, &options.model))
        .transpose()?;
    let Compressed { bundle, n_layers } = compressed(&dense, options)?;
    let models = if let Some(cohort) = &options.cohort
        && let Some(fine_tuning) = cohort.fine_tuning
        && let Some(samples) = &samples
    {
        let start = tempfile::tempdir().map_err(output::at(&std::env::temp_dir()))?;
        bundle.save(start.path())?;
        samples.write_predictions(&bundle, start.path())?;
        let tuned = fine_tuning.run(
            &bundle,
            start.path(),
            cohort,
            options.seed,
            &options.out,
            on_progress,
        )?;
        let start_name = format!("{}, not fine-tuned", bundle.config.name);
        let models: [(&str, &Bundle, &Path); 3] = [
            (&dense.config.name, &dense, &options.model),
            (&start_name, &bundle, start.path()),
            (&bundle.config.name, &tuned, &options.out),
        ];
        measure::all(&models, Some(samples))?
    } else {
        bundle.save(&options.out)?;
        if let Some(samples) = &samples {
            samples.write_predictions(&bundle, &options.out)?;
        }
        let models: [(&str, &Bundle, &Path); 2] = [
            (&dense.config.name, &dense, &options.model),
            (&bundle.config.name, &bundle, &options.out),
        ];
        measure::all(&models, samples.as_ref())?
    };
    Ok(Summary { n_layers, models })
}

/// Whether both paths lead to the same existing folder.
fn is_same_folder(out: &Path, model: &Path) -> bool {
    out.canonicalize()
        .is_ok_and(|out| model.canonicalize().is_ok_and(|model| model == out))
}

/// A bundle with low-rank factors.
struct Compressed {
    bundle: Bundle,
    /// Layers per member that factors replaced.
    n_layers: usize,
}

/// Factorises the layers of all members of a dense bundle.
fn compressed(dense: &Bundle, options: &Options) -> Result<Compressed, Error> {
    let rank = options.rank;
    let solver = options.solver;
    let mut config = dense.config.clone();
    if let Some(rank) = config.model.architecture.rank.replace(rank) {
        return Err(Error::LowRankAlready {
            path: options.model.clone(),
            rank: rank.into(),
        });
    }
    if config.model.architecture.check_rank(rank).is_err() {
        return Err(Error::NothingSaved {
            path: options.model.clone(),
            rank: f64::from(rank),
        });
    }
    let is_fine_tuned = options
        .cohort
        .as_ref()
        .is_some_and(|cohort| cohort.fine_tuning.is_some());
    let has_additive_term = dense
        .config
        .members
        .iter()
        .any(|member| member.terms.is_some());
    if is_fine_tuned && has_additive_term {
        return Err(Error::FineTuning(options.model.clone()));
    }
    config.name = options
        .name
        .clone()
        .unwrap_or_else(|| format!("{}-{solver}", config.name));
    let mut n_layers = 0;
    let mut members = Vec::with_capacity(dense.members.len());
    // Random factors of each member have their own seed.
    for ((record, member), seed) in dense
        .config
        .members
        .iter()
        .zip(&dense.members)
        .zip(options.seed..)
    {
        let factorised = match &record.terms {
            None => factorise(member, &config.model, solver, seed)?,
            Some(terms) => factorise_terms(member, terms, &config.model, solver, seed)?,
        };
        n_layers = factorised.n_layers;
        members.push(factorised.parameters);
    }
    let bundle = Bundle {
        config,
        members,
        tokenizer: dense.tokenizer.clone(),
        grid: dense.grid.clone(),
    };
    Ok(Compressed { bundle, n_layers })
}
