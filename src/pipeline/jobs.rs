//! The jobs of a pipeline file, for `plan` and for workflow engines.
//!
//! Input -> output: a pipeline file and the sizes of its inputs -> [`Job`]s with the jobs that each
//! needs, its command and its estimated resources. Nothing is started or written.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use gf_cohort_schema::counted;
use serde::Serialize;

use super::{
    Options,
    division::{Blocks, Division, JobDraft, split_member},
    estimate::{Estimate, Sizes},
    plan::{Plan, Source},
    rule::Rule,
};
use crate::{layout, training::DeviceChoice};

/// A part of a run that can be done by itself, on any machine that sees the folder.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Name, for `run --job`.
    pub name: String,
    /// Type of the job, for workflow engines.
    pub rule: &'static str,
    /// Jobs that must be finished before.
    pub needs: Vec<String>,
    /// Threads that it uses well. Its command requests as many.
    pub threads: usize,
    /// Peak memory, in MB.
    pub memory_mb: u64,
    /// Time on one core.
    pub core_minutes: f64,
    /// Time on its threads.
    pub minutes: f64,
    /// Size of the files that it writes, in MB.
    pub disk_mb: u64,
    /// GPUs. There is one where the pipeline file requests it.
    pub gpus: usize,
    /// Command that runs it.
    pub command: Vec<String>,
    /// Files that it reads and that no job writes.
    pub inputs: Vec<PathBuf>,
    /// File that exists when the job is finished.
    pub output: PathBuf,
}

/// All jobs of a run, each after the jobs that it needs.
#[derive(Clone, Debug, Serialize)]
pub struct JobList {
    /// Folder of the results.
    pub out: PathBuf,
    /// Final table of the run.
    pub result: PathBuf,
    /// Remarks for the user: why estimates are less certain, or jobs slower than necessary.
    pub notes: Vec<String>,
    /// The jobs.
    pub jobs: Vec<Job>,
}

/// Lists the jobs of a pipeline file. Nothing is started or written.
///
/// # Errors
/// A pipeline file or inputs that cannot be read.
pub fn jobs(options: &Options) -> anyhow::Result<JobList> {
    let plan = Plan::read(&options.pipeline)?;
    let sizes = Sizes::from_plan(&plan)?;
    let drafts = Division::new(&sizes, options.blocks)?.drafts(&plan);
    let lister = Lister {
        options,
        plan: &plan,
        sizes: &sizes,
        out: options.out(),
        inputs: inputs(&plan, &options.pipeline),
    };
    let jobs = drafts
        .into_iter()
        .map(|draft| lister.job(draft))
        .collect::<anyhow::Result<_>>()?;
    Ok(JobList {
        result: lister.out.join(layout::REPORT_FOLDER).join(layout::AUC),
        out: lister.out,
        notes: sizes.notes,
        jobs,
    })
}

/// Completes the drafts of the jobs of one run.
struct Lister<'a> {
    options: &'a Options,
    plan: &'a Plan,
    sizes: &'a Sizes,
    out: PathBuf,
    /// Files that no job writes.
    inputs: Vec<PathBuf>,
}

impl Lister<'_> {
    fn job(&self, draft: JobDraft) -> anyhow::Result<Job> {
        let Estimate {
            threads,
            memory_mb,
            core_minutes,
            disk_mb,
        } = self
            .sizes
            .estimate(self.plan, draft.rule, &draft.samples, &draft.loci)
            .with_context(|| draft.name.clone())?;
        let output = self.output(&draft)?;
        Ok(Job {
            command: command(self.options, &self.out, &draft.name, threads),
            rule: draft.rule.name(),
            needs: draft.needs,
            threads,
            memory_mb,
            core_minutes,
            minutes: core_minutes / threads as f64,
            disk_mb,
            gpus: self.n_gpus(draft.rule),
            inputs: self.inputs.clone(),
            output,
            name: draft.name,
        })
    }

    fn n_gpus(&self, rule: Rule) -> usize {
        rule.model().map_or(0, |model| {
            usize::from(self.plan.models[model].device != DeviceChoice::Cpu)
        })
    }

    /// The file that exists when the job is finished.
    ///
    /// The files of a member are in the folder of its model. Every other job has a folder of its
    /// own with a record, which is written last.
    fn output(&self, draft: &JobDraft) -> anyhow::Result<PathBuf> {
        let name = &draft.name;
        let shards = self.out.join(layout::SHARDS);
        match draft.rule {
            Rule::Terms(_) | Rule::Train(_) => {
                let (stage, member) = split_member(name).unwrap_or_default();
                let number = member.split('/').next().unwrap_or_default().parse()?;
                let file = match draft.rule {
                    Rule::Terms(_) => layout::member_terms(number, &draft.loci[0]),
                    _ => layout::trained_member(number),
                };
                Ok(shards.join(stage).join(file))
            }
            Rule::Bundle(_) => Ok(self.out.join(name).join(layout::STAGE)),
            _ if name.contains('/') => Ok(shards.join(name).join(layout::STAGE)),
            _ => Ok(self.out.join(name).join(layout::STAGE)),
        }
    }
}

/// Files that no job writes.
fn inputs(plan: &Plan, pipeline: &Path) -> Vec<PathBuf> {
    let mut files = vec![pipeline.to_path_buf()];
    match &plan.source {
        Source::Simulate(simulate) => files.extend(simulate.files().map(Path::to_path_buf)),
        Source::Data(data) => files.extend(data.paths()),
    }
    files.extend(plan.further_files().map(Path::to_path_buf));
    files.extend(plan.tokens.tokenizer_file.clone());
    let models = &plan.models;
    files.extend(
        models
            .iter()
            .filter_map(|model| Some(model.init.as_ref()?.join(layout::CONFIG))),
    );
    files.extend(
        models
            .iter()
            .filter_map(|model| Some(model.offset.as_ref()?.path.clone())),
    );
    files
}

/// The command that runs one job. Options at their defaults are left out.
fn command(options: &Options, out: &Path, job: &str, threads: usize) -> Vec<String> {
    let mut arguments = vec![
        "gf-genomics".to_owned(),
        "run".into(),
        options.pipeline.display().to_string(),
        "--out".into(),
        out.display().to_string(),
    ];
    if let Some(seed) = options.seed {
        arguments.extend(["--seed".into(), seed.to_string()]);
    }
    arguments.extend(["--job".into(), job.into()]);
    if options.blocks != Blocks::default() {
        arguments.extend([
            "--block-people".into(),
            options.blocks.people.to_string(),
            "--block-loci".into(),
            options.blocks.loci.to_string(),
        ]);
    }
    arguments.extend(["--threads".into(), threads.to_string()]);
    arguments
}

impl fmt::Display for JobList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest_name = self.jobs.iter().map(|job| job.name.len()).max();
        let width = longest_name.unwrap_or(0).max("job".len());
        let header = [
            "job",
            "rule",
            "needs",
            "threads",
            "memory MB",
            "minutes",
            "core-min",
            "disk MB",
            "GPUs",
        ];
        write_row(f, width, header)?;
        for job in &self.jobs {
            job.write_row(f, width)?;
        }
        self.write_totals(f)?;
        self.notes
            .iter()
            .try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl Job {
    fn write_row(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        let gpus = if self.gpus > 0 {
            self.gpus.to_string()
        } else {
            String::new()
        };
        let cells = [
            self.name.as_str(),
            self.rule,
            &self.needs.len().to_string(),
            &self.threads.to_string(),
            &self.memory_mb.to_string(),
            &rounded(self.minutes),
            &rounded(self.core_minutes),
            &self.disk_mb.to_string(),
            &gpus,
        ];
        write_row(f, width, cells)
    }
}

/// Writes a row of the table. `width` is the width of the first column.
fn write_row(f: &mut fmt::Formatter<'_>, width: usize, cells: [&str; 9]) -> fmt::Result {
    let [
        name,
        rule,
        needs,
        threads,
        memory,
        time,
        core_time,
        disk,
        gpus,
    ] = cells;
    let line = format!(
        "{name:width$}  {rule:9} {needs:>5} {threads:>7} {memory:>9} {time:>8} {core_time:>9} \
         {disk:>9} {gpus:>4}"
    );
    writeln!(f, "{}", line.trim_end())
}

/// Formats a number with one decimal below 10, and without decimals from 10.
fn rounded(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

impl JobList {
    fn write_totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core_minutes: f64 = self.jobs.iter().map(|job| job.core_minutes).sum();
        let gpu_minutes: f64 = self
            .jobs
            .iter()
            .map(|job| job.gpus as f64 * job.minutes)
            .sum();
        let memory_mb = self.jobs.iter().map(|job| job.memory_mb).max().unwrap_or(0);
        let disk_mb: u64 = self.jobs.iter().map(|job| job.disk_mb).sum();
        let gpu_hours = if gpu_minutes > 0.0 {
            format!(", {} GPU-hours", rounded(gpu_minutes / 60.0))
        } else {
            String::new()
        };
        writeln!(
            f,
            "\n{}: {} core-hours, {memory_mb} MB of memory for the largest job, {disk_mb} MB of \
             disk{gpu_hours}; at least {} minutes with enough machines",
            counted(self.jobs.len(), "job", "jobs"),
            rounded(core_minutes / 60.0),
            rounded(self.longest_chain()),
        )
    }

    /// Minutes of the critical path: the longest chain of jobs that need one another.
    fn longest_chain(&self) -> f64 {
        let mut end_of: HashMap<&str, f64> = HashMap::new();
        for job in &self.jobs {
            let start = job
                .needs
                .iter()
                .filter_map(|need| end_of.get(need.as_str()))
                .copied()
                .fold(0.0, f64::max);
            end_of.insert(&job.name, start + job.minutes);
        }
        end_of.into_values().fold(0.0, f64::max)
    }
}
