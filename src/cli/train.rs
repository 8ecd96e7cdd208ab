//! `gf-genomics train`: trains a model on tokens.

use std::path::PathBuf;

use anyhow::bail;
use gf_cohort_schema::counted;
use serde_json::json;

use super::{
    cohort_args::CohortArgs,
    record::{Invocation, OverwriteArgs, PendingRecord},
};
use crate::{
    pipeline::{self, progress},
    training::{self, ModelSettings, Options, Ranks, Resume},
};

/// Train a model on tokens. The weights of the epoch with the best validation AUC are kept.
///
/// The learning rate rises and falls by a fixed schedule. The default schedule is meant to be used
/// unchanged, and the program never searches for another one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gf-genomics train --tokens tokens --cohort cohort.csv --out model \
                  --seed 1\n  gf-genomics train --tokens tokens --cohort cohort.csv --out model \
                  --folds 5 --ensemble 3\n  gf-genomics train --tokens tokens --cohort cohort.csv \
                  --out model \\\n    --folds 5 --ensemble 3 --member 7 --resume"
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
    /// Folder for TensorBoard files with loss, validation AUC and learning rate of every epoch.
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
    /// Print the cost of one sequence before training: operations, energy and memory. A softmax
    /// transformer of the same size is listed for comparison.
    #[arg(long)]
    report_cost: bool,
    /// Resume from the checkpoints in the folder, if there are any.
    #[arg(long)]
    resume: bool,
    /// Number of the only model to train, out of the models of --folds and --ensemble. Its weights
    /// stay in the folder. Several models can be trained at once, each on its own machine. When all
    /// are trained, the same command with --resume and without --member writes the bundle.
    #[arg(long, value_name = "N")]
    member: Option<usize>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
    #[command(flatten)]
    model: ModelSettings,
}

impl Args {
    /// Whether an interrupted run is resumed.
    pub(super) fn resumes(&self) -> bool {
        self.resume
    }

    fn into_options(self) -> Options {
        let model = self.model;
        Options {
            tokens: self.tokens,
            phenotype_coding: self.cohort.phenotype_coding(),
            covariates: self.cohort.covariates(),
            missing: self.cohort.missing(),
            cohort: self.cohort.cohort,
            out: self.out,
            name: model.name,
            architecture: model.architecture,
            additive: model.additive,
            deep_terms: model.deep_terms,
            offset: model.offset,
            schedule: model.schedule,
            init: model.init,
            device: model.device,
            tensorboard: self.tensorboard,
            resume: if self.resume { Resume::Yes } else { Resume::No },
        }
    }
}

/// Trains a model, or one member of it.
///
/// # Errors
/// Any error of the stage.
pub fn run(args: Args) -> anyhow::Result<()> {
    args.model.architecture.check_unused()?;
    let ranks = Ranks::join()?;
    let command = Command {
        // A resumed run continues its own results.
        overwrite: OverwriteArgs {
            force: args.overwrite.force || args.resume,
        },
        member: args.member,
        report_cost: args.report_cost,
        options: args.into_options(),
        ranks: &ranks,
    };
    let trained = command.train();
    if trained.is_err() {
        // The other processes would wait for this one forever.
        ranks.desert();
    }
    trained
}

/// The command in one of the processes that train together.
struct Command<'a> {
    options: Options,
    member: Option<usize>,
    report_cost: bool,
    overwrite: OverwriteArgs,
    ranks: &'a Ranks,
}

impl Command<'_> {
    fn train(&self) -> anyhow::Result<()> {
        let options = &self.options;
        // Members that are trained at the same time have files of their own, so they need no lock
        // and write no record.
        let writes_folder = self.ranks.is_first() && self.member.is_none();
        let _lock = writes_folder
            .then(|| pipeline::lock_folder(&options.out))
            .transpose()?;
        let record = writes_folder
            .then(|| PendingRecord::begin(&options.out, self.invocation(), self.overwrite))
            .transpose()?;
        if self.report_cost && self.ranks.is_first() {
            gf_files::message!("{}", training::cost::report(options)?);
        }
        self.note_batch_size();
        match self.member {
            None => self.train_all(record)?,
            Some(number) if self.ranks.n() == 1 => gf_files::message!(
                "model {number}: {}",
                training::run_member(options, number, &mut progress(true))?
            ),
            Some(_) => {
                bail!(
                    "--member works with one process only; leave it out, because several processes \
                     train all members together"
                )
            }
        }
        Ok(())
    }

    /// Trains all members and writes the bundle. Only the first process has a summary.
    fn train_all(&self, record: Option<PendingRecord<'_>>) -> anyhow::Result<()> {
        let mut on_progress = progress(self.ranks.is_first());
        let summary = training::run_on(self.ranks, &self.options, &mut on_progress)?;
        let Some(summary) = summary else {
            return Ok(());
        };
        if let Some(record) = record {
            record.finish(&summary)?;
        }
        gf_files::message_text!("{summary}");
        Ok(())
    }

    fn invocation(&self) -> Invocation<'_> {
        let options = &self.options;
        let offset = options.offset.as_ref().map(|offset| &offset.path);
        Invocation {
            command: "train",
            options: json!(options),
            inputs: [&options.tokens, &options.cohort]
                .into_iter()
                .chain(&options.init)
                .chain(offset)
                .collect(),
        }
    }

    /// Prints the number of samples in a step where several processes train together.
    fn note_batch_size(&self) {
        let n = self.ranks.n();
        if n > 1 && self.ranks.is_first() {
            let schedule = &self.options.schedule;
            let n_people = n * schedule.batch_size * schedule.accumulate;
            gf_files::message!(
                "{n} ranks: a step is {n} times the batch size, {}",
                counted(n_people, "sample", "samples")
            );
        }
    }
}
