//! Initial weights from another bundle (`--init`) with the same tokens and covariates.
//!
//! Input: a bundle. Output: weights. Covariates must have the same names. Their scales come from
//! the new training split.

use std::{collections::HashMap, path::Path};

use gf_cohort_schema::{Cohort, read_predictions};
use gf_nn::Parameters;
use gf_tokenizer::Tokenizer;

use super::{Bundle, Error, MemberRecord, Weights, members::MemberPlan};
use crate::{
    layout,
    models::{AttentionKind, Config, Model, converted, term_tensors},
    tokens::Grid,
};

/// A bundle to start from, checked against the tokens, covariates and folds of this run.
#[derive(Debug)]
pub struct Initial {
    attention: AttentionKind,
    /// One for each member of this run, or one for all.
    members: Vec<Vec<InitialTerm>>,
}

/// A deep term to start from. A pure sequence model is one term over all loci.
#[derive(Debug)]
struct InitialTerm {
    loci: Vec<usize>,
    config: Config,
    weights: Weights,
}

/// Refuses a bundle that cannot be read or has other covariates.
///
/// # Errors
/// The errors of [`Initial::load`].
pub fn check(folder: &Path, cohort: &Cohort) -> Result<(), Error> {
    require_same_covariates(&Bundle::load(folder)?, folder, cohort)
}

fn require_same_covariates(bundle: &Bundle, folder: &Path, cohort: &Cohort) -> Result<(), Error> {
    let bundle_names: Vec<String> = bundle
        .config
        .covariates
        .iter()
        .map(|column| column.name.clone())
        .collect();
    if bundle_names == cohort.covariate_names {
        return Ok(());
    }
    let problem = InitProblem::Covariates {
        its: listed(&bundle_names),
        here: listed(&cohort.covariate_names),
    };
    Err(Error::file(folder, problem))
}

/// Why a run cannot start from a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitProblem {
    /// Other covariates, or another order.
    #[error(
        "its covariates are {its}, but this run has {here}; give the same covariates in the same \
         order (--covariates {its})"
    )]
    Covariates {
        /// Covariates of the bundle.
        its: String,
        /// Covariates of this run.
        here: String,
    },
    /// Tokens of another run.
    #[error(
        "its {differs} differs from that of these tokens, so its weights belong to different \
         slots; use the tokens that it was trained on"
    )]
    Tokens {
        /// The part of the tokens that differs.
        differs: &'static str,
    },
    /// Other folds or seeds.
    #[error(
        "it may have been trained on samples that this run holds out; start from a bundle with the \
         same --folds, --ensemble and --seed"
    )]
    OtherMembers,
    /// A sample in another fold.
    #[error(
        "sample `{sample}` is in a different fold in this run; start from a bundle of the same \
         cohort"
    )]
    OtherFold {
        /// The sample.
        sample: String,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(",")
    }
}

/// Requires the tokenizer, loci and slot grid of the bundle.
fn require_same_tokens(
    bundle: &Bundle,
    folder: &Path,
    tokenizer: &Tokenizer,
    grid: &Grid,
) -> Result<(), Error> {
    let bundle_loci = bundle.grid.loci.iter().map(|locus| &locus.name);
    let differs = if bundle.tokenizer.json() != tokenizer.json() {
        "vocabulary"
    } else if bundle_loci.ne(grid.loci.iter().map(|locus| &locus.name)) {
        "list of loci"
    } else if bundle.grid != *grid {
        "slot grid"
    } else {
        return Ok(());
    };
    Err(Error::file(folder, InitProblem::Tokens { differs }))
}

impl Initial {
    /// Reads the bundle.
    ///
    /// If the bundle has as many members as this run, each member starts from its own. Otherwise
    /// all members start from the first one of the bundle.
    ///
    /// # Errors
    /// A bundle that cannot be read, has other tokens or covariates, or was trained on samples that
    /// this run holds out.
    pub fn load(
        folder: &Path,
        tokenizer: &Tokenizer,
        grid: &Grid,
        cohort: &Cohort,
        plan: &MemberPlan,
    ) -> Result<Self, Error> {
        let bundle = Bundle::load(folder)?;
        require_same_tokens(&bundle, folder, tokenizer, grid)?;
        require_same_covariates(&bundle, folder, cohort)?;
        require_same_folds(&bundle, folder, cohort, plan)?;
        let n_members = if bundle.members.len() == plan.members.len() {
            plan.members.len()
        } else {
            1
        };
        Ok(Self {
            attention: bundle.config.model.architecture.attention,
            members: terms_of(bundle).into_iter().take(n_members).collect(),
        })
    }

    /// Whether the hash functions of `ecoformer` come with the weights.
    ///
    /// A conversion from another attention makes new hash functions, which must be fitted.
    pub fn has_hashes(&self) -> bool {
        self.attention == AttentionKind::Ecoformer
    }

    /// Initial weights of member `number` (1-based) for a model `to` over `loci`.
    ///
    /// They come from the bundle's deep term over the same loci and slots. Without such a term they
    /// are random, from `seed`.
    ///
    /// # Errors
    /// Architectures that cannot be converted into each other.
    pub fn weights(
        &self,
        number: usize,
        loci: &[usize],
        to: &Config,
        seed: u64,
    ) -> Result<Weights, Error> {
        let member_terms = self.members.get(number - 1).or(self.members.first());
        let same_term = member_terms
            .into_iter()
            .flatten()
            .find(|term| term.loci == loci && term.config.loci == to.loci);
        match same_term {
            None => Ok(seeded(to, seed)?),
            Some(term) => converted(&term.config, term.weights.clone(), to, seed)
                .map_err(|error| Error::Options(format!("--init: {error}"))),
        }
    }
}

/// The deep terms of each member of a bundle.
fn terms_of(bundle: Bundle) -> Vec<Vec<InitialTerm>> {
    let config = bundle.config.model;
    bundle
        .config
        .members
        .iter()
        .zip(bundle.members)
        .map(|(record, weights)| member_terms(&config, record, weights))
        .collect()
}

fn member_terms(config: &Config, record: &MemberRecord, mut weights: Weights) -> Vec<InitialTerm> {
    let Some(shapes) = &record.terms else {
        return vec![InitialTerm {
            loci: (0..config.loci.len()).collect(),
            config: config.clone(),
            weights,
        }];
    };
    shapes
        .iter()
        .enumerate()
        .map(|(number, shape)| InitialTerm {
            loci: shape.loci.clone(),
            config: shape.config(config),
            // The first network is the one on all training samples.
            weights: term_tensors(&mut weights, number, shape.networks).swap_remove(0),
        })
        .collect()
}

/// Random weights from a seed.
fn seeded(config: &Config, seed: u64) -> candle_core::Result<Weights> {
    let mut parameters = Parameters::seeded(seed);
    Model::new(config, &mut parameters)?;
    parameters
        .iter()
        .chain(parameters.buffers())
        .map(|(name, var)| Ok((name.to_owned(), var.as_tensor().copy()?)))
        .collect()
}

/// Requires the folds of the bundle, so that no member starts from weights that were trained on the
/// samples it holds out.
///
/// There is nothing to check when neither the bundle nor this run has folds.
fn require_same_folds(
    bundle: &Bundle,
    folder: &Path,
    cohort: &Cohort,
    plan: &MemberPlan,
) -> Result<(), Error> {
    let records = &bundle.config.members;
    if records.iter().all(|record| record.fold.is_none())
        && plan.members.iter().all(|member| member.fold.is_none())
    {
        return Ok(());
    }
    let bundle_members = records.iter().map(|record| (record.fold, record.seed));
    if bundle_members.ne(plan.members.iter().map(|member| (member.fold, member.seed))) {
        return Err(Error::file(folder, InitProblem::OtherMembers));
    }
    let path = folder.join(layout::PREDICTIONS);
    let fold_of = folds_of(&path)?;
    for (person, &fold) in cohort.people.iter().zip(&plan.fold_of) {
        if fold_of.get(&person.sample_id) != Some(&fold) {
            let sample = person.sample_id.clone();
            return Err(Error::file(path, InitProblem::OtherFold { sample }));
        }
    }
    Ok(())
}

/// Reads the fold of each sample from the `predictions.csv` of a bundle, by sample id.
///
/// # Errors
/// A table that cannot be read.
pub fn folds_of(path: &Path) -> Result<HashMap<String, Option<u32>>, Error> {
    let rows = read_predictions(path)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.sample_id, row.fold))
        .collect())
}
