//! Stage `compress`: replaces the linear layers of a trained encoder by low-rank factors (Low-Rank
//! Transformer, Winata et al. 2020, arXiv 1910.13923, section 3.1; with the rank rule of the
//! greenformer library, see [`Rank`](gf_nn::Rank)).
//!
//! Input -> output: a model bundle with dense layers -> a bundle in which each layer `w` (in, out)
//! admitted by the rule is `reduce` (in, r) times `expand` (r, out). Biases and all other
//! parameters are unchanged. A table compares both models by parameters, bytes, time and, on a
//! cohort, AUC. On a cohort the factors can also be fine-tuned.

mod error;
mod factors;
mod fine_tuning;
mod measure;
mod options;
mod solver;
mod summary;

use std::path::Path;

use gf_files::output;

pub use self::{
    error::Error,
    fine_tuning::FineTuning,
    measure::Measured,
    options::{OnCohort, Options, Solver},
    summary::Summary,
};
use self::{
    factors::{factorise, factorise_terms},
    measure::MeasuredSamples,
};
use crate::training::{Bundle, Progress};

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
