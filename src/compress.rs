//! Stage: a trained model with low-rank factors in place of the linear layers of its encoder
//! (Low-Rank Transformer, Winata et al. 2020, arXiv 1910.13923, section 3.1; by the rules of the
//! greenformer library, see [`Rank`]).
//!
//! Input -> output: a model bundle of dense layers -> one in which each layer `w` (in, out) that
//! the rule admits is `reduce` (in, r) times `expand` (r, out), with biases and everything else
//! unchanged, and a table of both: parameters, bytes, time and, on a cohort, AUC. There the factors
//! can be trained further, too.

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

/// Why no model was compressed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Factors of factors are not made.
    #[error("{}: this model has low-rank layers already (rank {rank}); compress the dense model that it came from", path.display())]
    LowRankAlready {
        /// The bundle.
        path: PathBuf,
        /// Its rank.
        rank: f64,
    },
    /// The folds of the cohort are not those of the model.
    #[error("{}: sample `{sample}` is in a fold that no member of the model holds out: these are not the predictions of this model", path.display())]
    Folds {
        /// The predictions.
        path: PathBuf,
        /// The first such person.
        sample: String,
    },
    /// The bundle would lie over the one it is made from.
    #[error("{}: this is the model itself; choose another folder with --out", .0.display())]
    SameFolder(PathBuf),
    /// Next to an additive term the factors are not trained further.
    #[error(
        "{}: --fine-tune-epochs trains pure sequence models only, and this model has an additive term, as models of `train` have by default. Leave \
         out --fine-tune-epochs, train a low-rank model that starts from this one (train --init {} --rank R), or compress a model that was \
         trained with --additive none",
        .0.display(), .0.display()
    )]
    FineTuning(PathBuf),
    /// The rank saves nothing.
    #[error("{}: rank {rank} makes no layer of this model smaller; choose a lower one, or a share such as 0.5", path.display())]
    NothingSaved {
        /// The bundle.
        path: PathBuf,
        /// The rank.
        rank: f64,
    },
    /// An option makes no sense.
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
    /// The tokens are not the model's.
    #[error("{}: tokens of another tokenizer or slot grid than the model's; give the folder that it was trained on", .0.display())]
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

/// Compresses one model, each of its members, writes its bundle, and measures it beside the dense
/// one.
///
/// # Errors
/// A bundle that cannot be read or is low-rank already, a rank that saves nothing, weights that are
/// not finite, tokens or people that do not fit.
pub fn run(options: &Options, on_progress: &mut dyn FnMut(Progress<'_>)) -> Result<Summary, Error> {
    let Options {
        rank,
        solver,
        seed,
        out,
        cohort,
        ..
    } = options;
    rank.validate()
        .map_err(|error| Error::Options(error.to_string()))?;
    if out
        .canonicalize()
        .is_ok_and(|out| options.model.canonicalize().is_ok_and(|model| model == out))
    {
        return Err(Error::SameFolder(out.clone()));
    }
    let dense = Bundle::load(&options.model)?;
    let people = cohort
        .as_ref()
        .map(|cohort| MeasuredSamples::load(cohort, &dense, &options.model))
        .transpose()?;
    let mut config = dense.config.clone();
    if let Some(rank) = config.model.architecture.rank.replace(*rank) {
        return Err(Error::LowRankAlready {
            path: options.model.clone(),
            rank: rank.into(),
        });
    }
    if config.model.architecture.check_rank(*rank).is_err() {
        return Err(Error::NothingSaved {
            path: options.model.clone(),
            rank: f64::from(*rank),
        });
    }
    if cohort
        .as_ref()
        .is_some_and(|cohort| cohort.fine_tuning.is_some())
        && dense
            .config
            .members
            .iter()
            .any(|member| member.terms.is_some())
    {
        return Err(Error::FineTuning(options.model.clone()));
    }
    config.name = options
        .name
        .clone()
        .unwrap_or_else(|| format!("{}-{solver}", config.name));
    let mut n_layers = 0;
    let mut members = Vec::with_capacity(dense.members.len());
    for ((record, member), seed) in dense.config.members.iter().zip(&dense.members).zip(*seed..) {
        let (n, parameters) = match &record.terms {
            None => factorise(member, &config.model, *solver, seed)?,
            Some(terms) => factorise_terms(member, terms, &config.model, *solver, seed)?,
        };
        n_layers = n;
        members.push(parameters);
    }
    let compressed = Bundle {
        config,
        members,
        tokenizer: dense.tokenizer.clone(),
        grid: dense.grid.clone(),
    };
    let measured = |bundles: &[(&str, &Bundle, &Path)]| measure::all(bundles, people.as_ref());
    let before = dense.config.name.as_str();
    let name = compressed.config.name.as_str();
    let models = if let (Some((cohort, fine_tuning)), Some(people)) = (
        cohort.as_ref().and_then(|c| Some((c, c.fine_tuning?))),
        &people,
    ) {
        let start = tempfile::tempdir().map_err(output::at(&std::env::temp_dir()))?;
        compressed.save(start.path())?;
        people.write_predictions(&compressed, start.path())?;
        let tuned = fine_tuning.run(&compressed, start.path(), cohort, *seed, out, on_progress)?;
        let start_name = format!("{name}, not fine-tuned");
        measured(&[
            (before, &dense, &options.model),
            (&start_name, &compressed, start.path()),
            (name, &tuned, out),
        ])?
    } else {
        compressed.save(out)?;
        if let Some(people) = &people {
            people.write_predictions(&compressed, out)?;
        }
        measured(&[(before, &dense, &options.model), (name, &compressed, out)])?
    };
    Ok(Summary { n_layers, models })
}
