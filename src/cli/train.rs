//! `gf-genomics train`.

use std::path::PathBuf;

use anyhow::bail;
use gf_cohort_schema::ScoreColumn;

use serde_json::json;

use super::{
    architecture::ArchitectureArgs,
    cohort_args::CohortArgs,
    record::{OverwriteArgs, RunRecord, Work},
};
use crate::{
    pipeline::{self, progress},
    training::{
        self, AdditiveKind, ClassWeights, DeepTerms, DeviceChoice, Options, Ranks, Resume, Schedule,
    },
};
use gf_cohort_schema::counted;

/// Train a model on tokens; the weights of the epoch with the best validation AUC are kept.
///
/// The learning rate rises and falls by a fixed schedule whose default is meant to be left as it
/// is; nothing searches for another one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics train --tokens tokens --cohort cohort.csv --out model \
                  --seed 1\n  gf-genomics train --tokens tokens --cohort cohort.csv --out model \
                  --folds 5 --ensemble 3\n  gf-genomics train --tokens tokens --cohort cohort.csv \
                  --out model --folds 5 --ensemble 3 --member 7 --resume"
)]
pub struct Args {
    /// Folder that `tokenize` wrote.
    #[arg(long, value_name = "DIR")]
    tokens: PathBuf,
    #[command(flatten)]
    cohort: CohortArgs,
    /// Folder of the model bundle to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the model in every table [default: the preset, after `additive+` with an additive
    /// term].
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    architecture: ArchitectureArgs,
    /// Additive term next to the deep terms: a penalised regression on copies of each segment
    /// version, or on dosages of each allele. `none` trains a pure sequence model.
    #[arg(long, default_value_t = AdditiveKind::default(), value_name = "KIND")]
    additive: AdditiveKind,
    /// Deep terms next to the additive term: one per locus (loci), one over all loci (joint, finds
    /// effects between loci), or both (loci-and-joint). Validation decides how much each
    /// counts.
    #[arg(long, default_value_t = DeepTerms::default(), value_name = "WHICH")]
    deep_terms: DeepTerms,
    /// Published score to learn on top of. It enters next to the additive term with a coefficient
    /// of its own, and the model learns what it leaves. COLUMN is a column of FILE, or a model
    /// of a `predictions.csv`, or an accession of a `raw_scores.csv`. `score` then needs a column
    /// of this name in its --cohort.
    #[arg(long, value_name = "FILE:COLUMN")]
    offset: Option<ScoreColumn>,
    /// Passes over the training people, at most.
    #[arg(long, default_value_t = Schedule::default().epochs)]
    epochs: usize,
    /// People in a batch.
    #[arg(long, default_value_t = Schedule::default().batch_size)]
    batch_size: usize,
    /// Batches whose gradients are added up for one step: the same as one batch of all their
    /// people.
    #[arg(long, default_value_t = Schedule::default().accumulate, value_name = "N")]
    accumulate: usize,
    /// Highest learning rate.
    #[arg(long, default_value_t = Schedule::default().learning_rate)]
    learning_rate: f64,
    /// Share of all steps in which the learning rate rises.
    #[arg(long, default_value_t = Schedule::default().warmup)]
    warmup: f64,
    /// Weight decay.
    #[arg(long, default_value_t = Schedule::default().weight_decay)]
    weight_decay: f64,
    /// Largest norm of a gradient.
    #[arg(long, default_value_t = Schedule::default().clip_norm)]
    clip_norm: f64,
    /// Weights of cases and controls in the loss: none, balanced (both classes weigh the same), or
    /// two numbers as in 2,1.
    #[arg(long, default_value_t = Schedule::default().class_weights, value_name = "WEIGHTS")]
    class_weights: ClassWeights,
    /// Epochs without a better validation AUC after which training stops.
    #[arg(long, default_value_t = Schedule::default().patience)]
    patience: usize,
    /// Cross-validation: K models over the people of the training and validation splits, families
    /// together. Each predicts the people of its own fold, which it has not seen (the next
    /// fold chooses the epoch); people of the test split get the mean logit of all. Tokens and
    /// covariate scales stay those of the training split: they see its genomes, but no
    /// phenotype.
    #[arg(long, value_name = "K")]
    folds: Option<usize>,
    /// Models with seeds SEED, SEED + 1, ... in one bundle; predictions are their mean logit.
    #[arg(long, default_value_t = Schedule::default().ensemble, value_name = "N")]
    ensemble: usize,
    /// Start from the weights of this bundle, which must have the same tokens and the same
    /// covariates in the same order; each member from its own where there are as many,
    /// otherwise all from the first. With folds it must be of the same folds. The scales of the
    /// covariates are those of the training split of this run.
    #[arg(long, value_name = "MODEL")]
    init: Option<PathBuf>,
    /// MB that the haplotypes of a batch may take; those of a larger batch are encoded in parts,
    /// for one more pass forward. The result depends on it in the last digits.
    #[arg(long, default_value_t = Schedule::default().memory, value_name = "MB")]
    memory: usize,
    /// Where to compute: cpu, or cuda:N in a build with the feature `cuda`.
    #[arg(long, default_value_t = DeviceChoice::Cpu, value_name = "DEVICE")]
    device: DeviceChoice,
    /// Write loss, validation AUC and learning rate of every epoch for TensorBoard into this
    /// folder.
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
    /// Seed of weights and order; the same seed gives the same bytes.
    #[arg(long, default_value_t = Schedule::default().seed)]
    seed: u64,
    /// Print what one sequence costs this model, and a softmax transformer of its size, before
    /// training: operations, energy, memory.
    #[arg(long)]
    report_cost: bool,
    /// Go on from the checkpoints in the folder, if there are any.
    #[arg(long)]
    resume: bool,
    /// Train only model N of the --folds and --ensemble, and leave it in the folder: several at
    /// once, each on a machine of its own. When all are there, the same command with --resume
    /// and without --member writes the bundle.
    #[arg(long, value_name = "N")]
    member: Option<usize>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

impl Args {
    /// An earlier run is gone on with.
    pub(super) fn resumes(&self) -> bool {
        self.resume
    }
}

/// Runs the command.
///
/// # Errors
/// Whatever the stage says.
pub fn run(args: Args) -> anyhow::Result<()> {
    let options = Options {
        tokens: args.tokens,
        phenotype_coding: args.cohort.phenotype_coding(),
        covariates: args.cohort.covariates(),
        missing: args.cohort.missing(),
        cohort: args.cohort.cohort,
        out: args.out,
        name: args.name,
        architecture: args.architecture.architecture()?,
        additive: args.additive,
        deep_terms: args.deep_terms,
        offset: args.offset,
        schedule: Schedule {
            epochs: args.epochs,
            batch_size: args.batch_size,
            accumulate: args.accumulate,
            learning_rate: args.learning_rate,
            warmup: args.warmup,
            weight_decay: args.weight_decay,
            clip_norm: args.clip_norm,
            class_weights: args.class_weights,
            patience: args.patience,
            folds: args.folds,
            ensemble: args.ensemble,
            memory: args.memory,
            seed: args.seed,
        },
        init: args.init,
        device: args.device,
        tensorboard: args.tensorboard,
        resume: if args.resume { Resume::Yes } else { Resume::No },
    };
    let ranks = Ranks::join()?;
    let overwrite = OverwriteArgs {
        force: args.overwrite.force || args.resume,
    };
    let trained = train(&ranks, &options, args.member, args.report_cost, overwrite);
    if trained.is_err() {
        ranks.desert();
    }
    trained
}

fn train(
    ranks: &Ranks,
    options: &Options,
    member: Option<usize>,
    report_cost: bool,
    overwrite: OverwriteArgs,
) -> anyhow::Result<()> {
    // Members that are trained side by side have files of their own.
    let is_all = ranks.is_first() && member.is_none();
    let _claim = is_all.then(|| pipeline::claim(&options.out)).transpose()?;
    let offset = options.offset.as_ref().map(|offset| &offset.path);
    let inputs: Vec<&PathBuf> = [&options.tokens, &options.cohort]
        .into_iter()
        .chain(&options.init)
        .chain(offset)
        .collect();
    let work = Work {
        command: "train",
        options: json!(options),
        inputs: inputs.clone(),
    };
    let record = is_all
        .then(|| RunRecord::begin(&options.out, &work, overwrite))
        .transpose()?;
    if report_cost && ranks.is_first() {
        gf_files::message!("{}", training::cost::report(options)?);
    }
    let n = ranks.n();
    if n > 1 && ranks.is_first() {
        let n_people = n * options.schedule.batch_size * options.schedule.accumulate;
        gf_files::message!(
            "{n} ranks: a step is {n} times the batch size, {}",
            counted(n_people, "person", "people")
        );
    }
    match member {
        None => {
            if let Some(summary) =
                training::run_on(ranks, options, &mut progress(ranks.is_first()))?
            {
                if let Some(record) = record {
                    record.finish("train", options, inputs, &summary)?;
                }
                gf_files::message_text!("{summary}");
            }
        }
        Some(number) if n == 1 => gf_files::message!(
            "model {number}: {}",
            training::run_member(options, number, &mut progress(true))?
        ),
        Some(_) => bail!("--member is for one process; several of them train all members together"),
    }
    Ok(())
}
