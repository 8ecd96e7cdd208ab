//! Options of the stage `train`, and the settings of a model and its training.

use std::path::PathBuf;

use gf_cohort_schema::{
    CovariateChoice, MissingPolicies, PhenotypeCoding, ScoreColumn,
    arguments::{name_of, one_of},
};
use serde::{Deserialize, Serialize};

use super::{AdditiveKind, DeepTerms, DeviceChoice, Schedule};
use crate::{layout, models::Architecture};

/// Options of the stage `train`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Folder that `tokenize` wrote.
    pub tokens: PathBuf,
    /// Cohort table.
    pub cohort: PathBuf,
    /// Coding of its phenotypes.
    pub phenotype_coding: PhenotypeCoding,
    /// Columns of the cohort table that are covariates of the model.
    pub covariates: CovariateChoice,
    /// Policies for missing values and for samples without tokens.
    pub missing: MissingPolicies,
    /// Folder of the model bundle.
    pub out: PathBuf,
    /// Name of the model in every table; the preset when absent.
    pub name: Option<String>,
    /// Architecture of the model.
    pub architecture: Architecture,
    /// Additive term of the model.
    pub additive: AdditiveKind,
    /// Loci of the deep terms of a model with an additive term.
    pub deep_terms: DeepTerms,
    /// Schedule of the training.
    pub schedule: Schedule,
    /// Published score that is fitted together with the additive term. It has its own coefficient,
    /// without penalty.
    pub offset: Option<ScoreColumn>,
    /// Bundle whose weights replace random initial weights. It must have the same tokens and
    /// covariates. The training split of this run scales the covariates.
    pub init: Option<PathBuf>,
    /// Device of the computation.
    pub device: DeviceChoice,
    /// Folder for TensorBoard's event files; none are written when absent.
    pub tensorboard: Option<PathBuf>,
    /// Policy for a checkpoint in `out`.
    pub resume: Resume,
}

/// Policy for a checkpoint of an earlier run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resume {
    /// Ignore it and start from scratch.
    #[default]
    No,
    /// Resume from it; refuse a checkpoint of different inputs or options.
    Yes,
    /// Resume from it; start from scratch when it belongs to different inputs or options.
    IfSame,
}

/// A model to train: options of `train` and keys of `[[models]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSettings {
    /// Name of the model in every table [default: the preset, after `additive+` with an additive
    /// term].
    #[arg(long)]
    pub name: Option<String>,
    /// Architecture: a preset, and options that differ from it.
    #[command(flatten)]
    pub architecture: Architecture,
    /// Additive term next to the deep terms. It is a penalised regression on copies of each segment
    /// version (segments) or on dosages of each allele (dosages). With none, the model has no
    /// additive term.
    #[arg(
        long,
        value_parser = one_of::<AdditiveKind>(),
        default_value = name_of(&AdditiveKind::default()),
        value_name = "KIND"
    )]
    pub additive: AdditiveKind,
    /// Deep terms next to the additive term: one per locus (loci), one over all loci (joint), or
    /// both (loci-and-joint). A joint term finds effects between loci. The validation split decides
    /// how much each term counts.
    #[arg(
        long,
        value_parser = one_of::<DeepTerms>(),
        default_value = name_of(&DeepTerms::default()),
        value_name = "WHICH"
    )]
    pub deep_terms: DeepTerms,
    /// Published score as an additional predictor. It is fitted together with the additive term,
    /// with its own coefficient and without penalty. The deep terms learn the remaining risk.
    /// COLUMN is a column of FILE, a model of a `predictions.csv`, or an accession of a
    /// `raw_scores.csv`. `score` then needs a column of this name in its --cohort.
    #[arg(long, value_name = "FILE:COLUMN")]
    pub offset: Option<ScoreColumn>,
    /// Schedule of the training. The seed is that of the whole file.
    #[command(flatten)]
    pub schedule: Schedule,
    /// Bundle whose weights the training starts from. It must have the same tokens, and the same
    /// covariates in the same order. With folds it must have the same folds. Each member starts
    /// from its own weights if the bundle has as many members. Otherwise all members start from the
    /// first one. Covariates are scaled by the training split of this run.
    #[arg(long, value_name = "MODEL")]
    pub init: Option<PathBuf>,
    /// Device of the computation: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value_t = DeviceChoice::Cpu, value_name = "DEVICE")]
    pub device: DeviceChoice,
    /// Whether to write event files for TensorBoard into `tensorboard/` of the model's folder.
    #[arg(skip)]
    pub tensorboard: bool,
}

impl ModelSettings {
    /// Name in every table and of its folder.
    #[must_use]
    pub fn name(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| super::default_name(&self.architecture, self.additive))
    }

    /// Name of its stage, which is also the name of its folder in a run.
    #[must_use]
    pub fn stage(&self) -> String {
        layout::model_stage(&self.name())
    }

    /// Names of all models in its predictions: its own name, and the name of its additive term.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let name = self.name();
        match self.additive {
            AdditiveKind::None => vec![name],
            AdditiveKind::Dosages | AdditiveKind::Segments => {
                vec![super::additive_name(&name), name]
            }
        }
    }

    /// The settings without paths, for the digest of a stage. The contents of the files (a bundle
    /// to start from, a table of scores) have their own digests.
    #[must_use]
    pub fn key(&self) -> impl Serialize {
        let offset = self.offset.clone().map(|offset| ScoreColumn {
            path: PathBuf::new(),
            ..offset
        });
        Self {
            init: None,
            offset,
            ..self.clone()
        }
    }
}
