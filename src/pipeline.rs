//! Runs the stages of a pipeline file (TOML), and the steps that several commands share.
//!
//! Input -> output: a pipeline file ->
//! `DIR/{0-cohort,1-sequences,2-tokens,3-models,4-baselines,5-report}/` and `run.json`.
//!
//! A stage is identified by the digest of its options, input files and earlier stages (`made.rs`).
//! It is not done again where its folder has a finished stage with the same digest and unchanged
//! files (`stage.rs`). Each stage, and each shard of the large ones, is also a job ([`jobs`]). A
//! job can be done by itself (`blocks.rs`), on any machine that sees the folder.

mod blocks;
mod check;
mod division;
mod estimate;
mod jobs;
mod made;
mod plan;
mod progress;
mod rule;
mod stage;
mod tokenize;

pub use self::{
    check::check,
    division::Blocks,
    jobs::{Job, JobList, jobs},
    plan::Data,
    progress::progress,
    tokenize::tokenize,
};

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use gf_files::output::{self, RunLock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::{
    division::Division,
    plan::{Plan, Source},
    stage::{Extent, Runner},
};
use crate::{baselines, evaluation, layout, report, simulate};

/// Runs all stages, or one job, and prints the comparison.
///
/// # Errors
/// A faulty pipeline file, an input that a stage would refuse, or any error of a stage.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut plan = Plan::read(&options.pipeline)?;
    if let Some(seed) = options.seed {
        plan.set_seed(seed);
    }
    let out = options.out();
    let mut data = plan.data(&out.join(layout::COHORT_FOLDER));
    data.format.bgen_lists = Some(out.join(layout::BGEN_LISTS));
    let scope = Scope::new(options, &plan)?;
    if options.job.is_none() {
        check::require(check::findings(&plan, &data, &out, false))?;
    }
    let pipeline = Pipeline {
        plan: &plan,
        data: &data,
        division: &scope.division,
        out: &out,
    };
    let mut runner = Runner::new(&out, &options.pipeline, &plan, scope.extent)?;
    let simulated_risk = pipeline.simulate(&mut runner)?;
    pipeline.read_inputs(&mut runner)?;
    let sequences = pipeline.sequences(&mut runner)?;
    pipeline.tokens(&mut runner, sequences)?;
    for model in &plan.models {
        pipeline.model(&mut runner, model)?;
    }
    pipeline.baselines(&mut runner)?;
    let table = pipeline.report(&mut runner)?;
    runner.finish();
    if let Some(table) = table {
        print_comparison(&table, simulated_risk.as_ref(), &pipeline.report_path())?;
    }
    Ok(())
}

/// Options of `run`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Pipeline file.
    pub pipeline: PathBuf,
    /// Folder of the results; `results/NAME` for `NAME.toml` when absent.
    pub out: Option<PathBuf>,
    /// Seed that replaces the one in the file.
    pub seed: Option<u64>,
    /// Print what would run, and do nothing.
    pub dry_run: bool,
    /// Do only the job of this name.
    pub job: Option<String>,
    /// How jobs divide samples and loci.
    pub blocks: Blocks,
}

impl Options {
    /// Folder of the results.
    #[must_use]
    pub fn out(&self) -> PathBuf {
        let stem = self.pipeline.file_stem().unwrap_or_default();
        self.out
            .clone()
            .unwrap_or_else(|| Path::new("results").join(stem))
    }
}

/// The part of the pipeline that a run does, and its division into blocks.
struct Scope {
    extent: Extent,
    /// No blocks, unless the run is a job.
    division: Division,
}

impl Scope {
    fn new(options: &Options, plan: &Plan) -> anyhow::Result<Self> {
        let Some(name) = &options.job else {
            let extent = if options.dry_run {
                Extent::DryRun
            } else {
                Extent::All
            };
            return Ok(Self {
                extent,
                division: Division::default(),
            });
        };
        let division = Division::from_plan(plan, options.blocks)?;
        let needs = division.needs(plan, name)?;
        let extent = Extent::Job {
            name: name.clone(),
            needs,
        };
        Ok(Self { extent, division })
    }
}

/// A pipeline file with the files that it reads and the folder that it writes.
///
/// Its methods are the stages. Those that are divided into blocks are in [`blocks`].
#[derive(Clone, Copy)]
struct Pipeline<'a> {
    plan: &'a Plan,
    data: &'a Data,
    division: &'a Division,
    /// Folder of the results.
    out: &'a Path,
}

impl Pipeline<'_> {
    /// Simulates the cohort where the plan says so, and returns its risk.
    fn simulate(self, runner: &mut Runner) -> anyhow::Result<Option<SimulatedRisk>> {
        let Source::Simulate(options) = &self.plan.source else {
            return Ok(None);
        };
        let made_from = made::simulation(options)?;
        runner.stage(layout::COHORT_FOLDER, &made_from, |folder| {
            let summary = simulate::run(&simulate::Options {
                out: folder.to_path_buf(),
                ..(**options).clone()
            })?;
            gf_files::message_text!("{summary}");
            Ok(SimulatedRisk::from_truth(&summary.truth))
        })
    }

    /// Reads all input files of the user, so that a missing one is reported before any work.
    fn read_inputs(self, runner: &mut Runner) -> anyhow::Result<()> {
        if matches!(self.plan.source, Source::Data(_)) {
            runner.read_inputs(self.data.paths().iter().map(PathBuf::as_path))?;
        }
        self.plan.tokens.given_tokenizer().context("[tokens]")?;
        Ok(())
    }

    /// Fits the baselines, or only sums the published scores where the plan says so.
    fn baselines(self, runner: &mut Runner) -> anyhow::Result<()> {
        let made_from = made::baselines(self.plan, self.data);
        runner.stage(layout::BASELINES_FOLDER, &made_from, |folder| {
            let filters = &self.plan.sequences.apply_filters;
            let options = self
                .data
                .baseline_options(&self.plan.baselines, filters, folder);
            if options.no_fit {
                let summary = baselines::without_fit(&options)?;
                gf_files::message_text!("{summary}");
                return Ok(json!({ "n_people": summary.raw.n_people, "areas": summary.areas }));
            }
            let summary = baselines::run(&options)?;
            gf_files::message_text!("{summary}");
            Ok(json!({
                "models": summary.models,
                "n_people": summary.n_people,
                "n_dosages": summary.n_dosages,
                "constant_dosages": summary.constant_dosages,
                "sites_without_training_calls": summary.sites_without_training_calls,
                "choices": summary.choices,
                "guards": summary.guards,
            }))
        })?;
        Ok(())
    }

    /// Compares all models and baselines, and returns the table for standard output.
    fn report(self, runner: &mut Runner) -> anyhow::Result<Option<String>> {
        let made_from = made::report(self.plan, self.data);
        runner.stage(layout::REPORT_FOLDER, &made_from, |folder| {
            let options = self.data.evaluation_options(
                &self.plan.report,
                self.predictions(),
                self.plan.seed,
                self.out.join(layout::RUN),
                folder,
            );
            let summary = evaluation::evaluate(&options)?;
            report::write(&options.out, &summary)?;
            let text = summary.to_string();
            output::shareable::write(&folder.join(layout::AUC_TEXT), |out| {
                out.write_all(text.as_bytes())
            })?;
            // The files are written in any case, because they show where the leakage is.
            if let Err(leakage) = summary.require_no_leakage(options.guards) {
                gf_files::message!("{text}\nReport: {}", self.report_path().display());
                return Err(leakage.into());
            }
            Ok(text)
        })
    }

    /// Tables of the predictions of all models and of the baselines.
    fn predictions(self) -> Vec<PathBuf> {
        let models = self.out.join(layout::MODELS_FOLDER);
        let mut predictions: Vec<PathBuf> = self
            .plan
            .models
            .iter()
            .map(|model| models.join(model.name()).join(layout::PREDICTIONS))
            .collect();
        predictions.push(
            self.out
                .join(layout::BASELINES_FOLDER)
                .join(layout::PREDICTIONS),
        );
        predictions
    }

    fn report_path(self) -> PathBuf {
        self.out.join(layout::REPORT_FOLDER).join(layout::REPORT)
    }
}

/// The risk of a simulated cohort, as the summary of its stage stores it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SimulatedRisk {
    /// Type of risk; `mixed` where loci differ.
    risk: String,
    /// AUC of the simulated risk itself on the test split.
    best_possible_auc: f64,
}

impl SimulatedRisk {
    fn from_truth(truth: &simulate::Truth) -> Self {
        Self {
            risk: truth.risk.clone(),
            best_possible_auc: truth.best_possible_auc.test,
        }
    }
}

/// Prints the table of the comparison, and the best achievable AUC where the risk is known.
fn print_comparison(
    table: &str,
    simulated_risk: Option<&SimulatedRisk>,
    report: &Path,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{table}")?;
    if let Some(simulated) = simulated_risk {
        let auc = simulated.best_possible_auc;
        writeln!(
            out,
            "Best achievable AUC on the test split, given the simulated {} risk: {auc:.3}",
            simulated.risk
        )?;
    }
    writeln!(out, "\nReport: {}", report.display())
}

/// Locks a folder for the run that writes to it.
///
/// Prints a message where the file system has no locks, because a second run would not be refused
/// there.
///
/// # Errors
/// The same as [`RunLock::take`].
pub fn lock_folder(folder: &Path) -> Result<RunLock, output::Error> {
    let lock = RunLock::take(folder)?;
    if !lock.is_locked() {
        gf_files::message!(
            "{}: this file system has no locks, so a second run on this folder would not be \
             refused; start only one",
            folder.display()
        );
    }
    Ok(lock)
}
