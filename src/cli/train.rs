//! `gf-genomics train`.

use std::path::PathBuf;

use anyhow::bail;

use serde_json::json;

use super::{
    cohort_args::CohortArgs,
    record::{CommandRun, OverwriteArgs, Work},
};
use crate::{
    pipeline::{self, progress},
    training::{self, ModelSettings, Options, Ranks, Resume},
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
    /// Write loss, validation AUC and learning rate of every epoch for TensorBoard into this
    /// folder.
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
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
    #[command(flatten)]
    model: ModelSettings,
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
    let model = args.model;
    model.architecture.check_unused()?;
    let options = Options {
        tokens: args.tokens,
        phenotype_coding: args.cohort.phenotype_coding(),
        covariates: args.cohort.covariates(),
        missing: args.cohort.missing(),
        cohort: args.cohort.cohort,
        out: args.out,
        name: model.name,
        architecture: model.architecture,
        additive: model.additive,
        deep_terms: model.deep_terms,
        offset: model.offset,
        schedule: model.schedule,
        init: model.init,
        device: model.device,
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
    let _lock = is_all
        .then(|| pipeline::lock_folder(&options.out))
        .transpose()?;
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
        .then(|| CommandRun::begin(&options.out, &work, overwrite))
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
