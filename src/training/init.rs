//! Weights to start from: those of another bundle (`--init`) with the same tokens and covariates.
//!
//! Input -> output: a bundle -> weights. Of its covariates only the names count: the scales are
//! those of the new training split.

use std::{collections::HashMap, path::Path};

use gf_cohort_schema::{Cohort, read_predictions};
use gf_tokenizer::Tokenizer;

use super::{Bundle, Error, MemberPlan, MemberRecord, Weights};
use crate::{
    models::{AttentionKind, Config, Model, TermShape, converted, term_tensors},
    tokens::Grid,
};
use gf_nn::Parameters;

/// A bundle to start from, checked against the tokens, covariates and folds of this run.
#[derive(Debug)]
pub struct Initial {
    attention: AttentionKind,
    /// One for each member of this run, or one for all.
    members: Vec<Vec<InitialTerm>>,
}

/// A deep term to start from; that of a pure sequence model is over all loci.
#[derive(Debug)]
struct InitialTerm {
    loci: Vec<usize>,
    config: Config,
    weights: Weights,
}

/// Refuses a bundle that cannot be read, or one of other covariates.
///
/// # Errors
/// As [`Initial::load`].
pub fn check(folder: &Path, cohort: &Cohort) -> Result<(), Error> {
    require_same_covariates(&Bundle::load(folder)?, folder, cohort)
}

fn require_same_covariates(bundle: &Bundle, folder: &Path, cohort: &Cohort) -> Result<(), Error> {
    let its: Vec<String> = bundle
        .config
        .covariates
        .iter()
        .map(|column| column.name.clone())
        .collect();
    if its == cohort.covariate_names {
        return Ok(());
    }
    let list = |names: &[String]| {
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(",")
        }
    };
    let its = list(&its);
    let here = list(&cohort.covariate_names);
    let reason = format!(
        "its covariates are {its}, those of this run {here}: name the same in that order \
         (--covariates {its})"
    );
    Err(Error::File {
        path: folder.into(),
        reason,
    })
}

impl Initial {
    /// Reads the bundle. Members start from those of the bundle, each from its own, where there are
    /// as many; otherwise all from the first.
    ///
    /// # Errors
    /// A bundle that cannot be read, one of other tokens or covariates, or one that has learnt from
    /// people whom this run holds out.
    pub fn load(
        folder: &Path,
        tokenizer: &Tokenizer,
        grid: &Grid,
        cohort: &Cohort,
        plan: &MemberPlan,
    ) -> Result<Self, Error> {
        let bundle = Bundle::load(folder)?;
        let wrong = |reason: String| {
            Err(Error::File {
                path: folder.into(),
                reason,
            })
        };
        let differs = if bundle.tokenizer.json() != tokenizer.json() {
            "vocabulary"
        } else if bundle
            .grid
            .loci
            .iter()
            .map(|locus| &locus.name)
            .ne(grid.loci.iter().map(|locus| &locus.name))
        {
            "list of loci"
        } else if bundle.grid != *grid {
            "slot grid"
        } else {
            require_same_covariates(&bundle, folder, cohort)?;
            require_same_folds(&bundle, folder, cohort, plan)?;
            let n = if bundle.members.len() == plan.members.len() {
                plan.members.len()
            } else {
                1
            };
            let attention = bundle.config.model.architecture.attention;
            return Ok(Self {
                attention,
                members: terms_of(bundle).into_iter().take(n).collect(),
            });
        };
        wrong(format!(
            "its {differs} is not that of these tokens, so its weights mean other places: use the \
             tokens it was trained on"
        ))
    }

    /// Whether the hash functions of `ecoformer` come with the weights; a conversion from another
    /// attention makes new ones, still to be fitted.
    pub fn has_hashes(&self) -> bool {
        self.attention == AttentionKind::Ecoformer
    }

    /// The weights of a model of configuration `to` over `loci` that member `number` (1-based), of
    /// seed `seed`, starts from: those of the bundle's deep term over the same loci and slots,
    /// or new ones where it has none.
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
        let member = self.members.get(number - 1).or(self.members.first());
        let Some((from, weights)) = member
            .and_then(|terms| {
                terms
                    .iter()
                    .find(|term| term.loci == loci && term.config.loci == to.loci)
            })
            .map(|term| (&term.config, &term.weights))
        else {
            return Ok(seeded(to, seed)?);
        };
        converted(from, weights.clone(), to, seed)
            .map_err(|error| Error::Options(format!("--init: {error}")))
    }
}

/// The deep terms of each member of a bundle.
fn terms_of(bundle: Bundle) -> Vec<Vec<InitialTerm>> {
    let config = bundle.config.model;
    let all: Vec<usize> = (0..config.loci.len()).collect();
    let of_member = |(record, mut weights): (&MemberRecord, Weights)| match &record.terms {
        None => vec![InitialTerm {
            loci: all.clone(),
            config: config.clone(),
            weights,
        }],
        Some(shapes) => {
            let term = |(number, shape): (usize, &TermShape)| InitialTerm {
                loci: shape.loci.clone(),
                config: shape.config(&config),
                weights: term_tensors(&mut weights, number, shape.networks).swap_remove(0),
            };
            shapes.iter().enumerate().map(term).collect()
        }
    };
    bundle
        .config
        .members
        .iter()
        .zip(bundle.members)
        .map(of_member)
        .collect()
}

/// New weights.
fn seeded(config: &Config, seed: u64) -> candle_core::Result<Weights> {
    let mut parameters = Parameters::seeded(seed);
    Model::new(config, &mut parameters)?;
    parameters
        .iter()
        .chain(parameters.buffers())
        .map(|(name, var)| Ok((name.to_owned(), var.as_tensor().copy()?)))
        .collect()
}

/// A member of a fold must not start from weights that have learnt from the people it holds out:
/// with folds, here or there, both must be the same.
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
    let wrong = |path: &Path, reason: String| {
        Err(Error::File {
            path: path.into(),
            reason,
        })
    };
    let there = records.iter().map(|record| (record.fold, record.seed));
    if there.ne(plan.members.iter().map(|member| (member.fold, member.seed))) {
        let reason = "it may have learnt from people whom this run holds out: start from a bundle \
                      of the same --folds, --ensemble and --seed";
        return wrong(folder, reason.into());
    }
    let path = folder.join("predictions.csv");
    let fold_of = folds_of(&path)?;
    for (person, &fold) in cohort.people.iter().zip(&plan.fold_of) {
        if fold_of.get(&person.sample_id) != Some(&fold) {
            return wrong(
                &path,
                format!(
                    "sample `{}` is not in the fold it has here: start from a bundle of the same \
                     cohort",
                    person.sample_id
                ),
            );
        }
    }
    Ok(())
}

/// The fold of each person, by sample id, as the `predictions.csv` of a bundle has them.
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
