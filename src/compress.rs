//! Stage: replaces the linear layers of a trained encoder by low-rank factors (Low-Rank
//! Transformer, Winata et al. 2020, arXiv 1910.13923, section 3.1; with the rank rule of the
//! greenformer library, see [`Rank`]).
//!
//! Input -> output: a model bundle with dense layers -> a bundle in which each layer `w` (in, out)
//! admitted by the rule is `reduce` (in, r) times `expand` (r, out). Biases and all other
//! parameters are unchanged. A table compares both models by parameters, bytes, time and, on a
//! cohort, AUC. On a cohort the factors can also be trained further.

mod factors;
mod fine_tuning;
mod measure;
mod solver;

pub use self::{fine_tuning::FineTuning, measure::Measured};

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
    /// By its largest singular values: the nearest factors of a rank.
    #[default]
    Svd,
    /// Semi-nonnegative matrix factorisation: the second factor has no value below zero.
    Snmf,
    /// New factors, which know nothing of the layer; to be trained.
    Random,
}

impl std::fmt::Display for Solver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Serialize::serialize(self, f)
    }
}

/// What the stage needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Folder of the bundle.
    pub model: PathBuf,
    /// Rank of the factors.
    pub rank: Rank,
    /// How they are found.
    pub solver: Solver,
    /// Name of the new model in every table; the old one's and the solver's when absent.
    pub name: Option<String>,
    /// Of new factors, and of the order of people in further training.
    pub seed: u64,
    /// On whom the models are measured, and the factors trained further, if on anyone.
    pub cohort: Option<OnCohort>,
    /// Folder of the new bundle.
    pub out: PathBuf,
}

/// A tokenized cohort.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OnCohort {
    /// Folder that `tokenize` wrote, the one that the model was trained on.
    pub tokens: PathBuf,
    /// Cohort table.
    pub cohort: PathBuf,
    /// How its phenotypes are written.
    pub phenotype_coding: PhenotypeCoding,
    /// Whether and how the low-rank model is trained further there.
    pub fine_tuning: Option<FineTuning>,
}

/// What the stage did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Layers of a member that two factors replaced.
    pub n_layers: usize,
    /// The dense model, then the new one; in between, when that is trained further, what it starts
    /// from.
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
            "{layers} in two factors\n\n{}",
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
    /// The folds of the cohort are not those of the model.
    #[error(
        "{}: sample `{sample}` is in a fold that no member of the model holds out: these are not \
         the predictions of this model",
        path.display()
    )]
    Folds {
        /// The predictions.
        path: PathBuf,
        /// The first such sample.
        sample: String,
    },
    /// The output folder is the folder of the model.
    #[error("{}: this is the model itself; choose another folder with --out", .0.display())]
    SameFolder(PathBuf),
    /// Fine-tuning of a model with an additive term, which is not supported.
    #[error(
        "{}: --fine-tune-epochs trains pure sequence models only, and this model has an additive \
         term, as models of `train` have by default. Leave \
         out --fine-tune-epochs, train a low-rank model that starts from this one \
         (train --init {} --rank R), or compress a model that was \
         trained with --additive none",
        .0.display(), .0.display()
    )]
    FineTuning(PathBuf),
    /// The rank saves no parameters.
    #[error(
        "{}: rank {rank} makes no layer of this model smaller; choose a lower one, or a share \
         such as 0.5",
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
    #[error("{layer}: {reason}")]
    Layer {
        /// Name of its parameter.
        layer: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Tokens of another tokenizer or slot grid.
    #[error(
        "{}: tokens of another tokenizer or slot grid than the model's; give the folder that it \
         was trained on",
        .0.display()
    )]
    OtherTokens(PathBuf),
    /// A bundle is wrong, or further training failed.
    #[error(transparent)]
    Training(#[from] training::Error),
    /// The cohort table is wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// The token folder is wrong.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// Tokens and cohort do not fit.
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
    let fine_tuning = options
        .cohort
        .as_ref()
        .and_then(|cohort| Some((cohort, cohort.fine_tuning?)));
    let models = if let (Some((cohort, fine_tuning)), Some(samples)) = (fine_tuning, &samples) {
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
