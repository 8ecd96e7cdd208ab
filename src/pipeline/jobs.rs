//! The jobs of a pipeline file: every stage, and the shards of those that are large.
//!
//! Input -> output: a pipeline file and the sizes of its inputs -> [`Job`]s with what each needs of
//! others and of a machine. Nothing is started.
//!
//! ```text
//! 0-cohort -> 1-sequences/people-1-loci-1 .. -> 1-sequences/loci-1 .. -> 1-sequences
//!          |                                         |-> 2-tokens/fit ->|
//!          |                                         |----------------> 2-tokens/loci-1 .. -> 2-tokens
//!          |  2-tokens -> 3-models/NAME/member-1/loci-1 .. -> 3-models/NAME/member-1 ..
//!          |                                         -> 3-models/NAME/people-1 .. -> 3-models/NAME -> 5-report
//!          -> 4-baselines -------------------------------------------------------------------------^
//! ```
//! Sequences of a block of loci are merged over people, and tokens are made of them, without those
//! of other loci: only the tokenizer (`2-tokens/fit`, where one is to be learnt) sees all loci, one
//! block after the other. A division into one block is none. Members (a fold and a seed each) are
//! jobs even where there is one: a job that is killed goes on from the checkpoint of its member.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::Serialize;

use super::{
    Options,
    estimate::{Estimate, Sizes},
    plan::{Plan, Source},
};
use crate::layout;
use crate::training::ModelSettings;
use crate::training::{AdditiveKind, DeviceChoice, terms_file, trained_file};
use gf_cohort_schema::counted;

/// Largest blocks that jobs divide people and loci into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Blocks {
    /// People in a block.
    pub people: usize,
    /// Loci in a block.
    pub loci: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            people: 100_000,
            loci: 5,
        }
    }
}

/// People and loci in blocks of about one size, as places in the cohort table and in the BED file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    people: Vec<Range<usize>>,
    loci: Vec<Range<usize>>,
}

impl Division {
    /// Of a pipeline file, whose cohort and BED are read for it.
    pub fn from_plan(plan: &Plan, blocks: Blocks) -> anyhow::Result<Self> {
        Self::new(&Sizes::from_plan(plan)?, blocks)
    }

    fn new(sizes: &Sizes, blocks: Blocks) -> anyhow::Result<Self> {
        if blocks.people == 0 || blocks.loci == 0 {
            bail!("a block holds at least one of its people and one of its loci");
        }
        Ok(Self {
            people: in_blocks(sizes.people, blocks.people),
            loci: on_one_contig(&sizes.contigs, blocks.loci),
        })
    }

    /// Blocks of people and loci whose sequences are made by themselves, by the name of the job: of
    /// the same loci one after the other.
    pub fn sequence_blocks(&self) -> Vec<(String, Range<usize>, Range<usize>)> {
        if self.people.len() * self.loci.len() <= 1 {
            return Vec::new();
        }
        let numbered =
            |ranges: &[Range<usize>]| ranges.iter().cloned().zip(1..).collect::<Vec<_>>();
        let people = numbered(&self.people);
        let loci = numbered(&self.loci);
        let of_loci = |(loci, loci_number): (Range<usize>, usize)| {
            people.iter().map(move |(people, number)| {
                (
                    format!("1-sequences/people-{number}-loci-{loci_number}"),
                    people.clone(),
                    loci.clone(),
                )
            })
        };
        loci.into_iter().flat_map(of_loci).collect()
    }

    /// Blocks of loci whose sequences are merged over blocks of people, by the name of the job.
    pub fn merged_sequence_blocks(&self) -> Vec<(String, Range<usize>)> {
        if self.people.len() <= 1 {
            Vec::new()
        } else {
            self.loci_blocks(layout::SEQUENCES_FOLDER)
        }
    }

    /// Blocks of loci whose tokens are made by themselves, by the name of the job.
    pub fn token_blocks(&self) -> Vec<(String, Range<usize>)> {
        self.loci_blocks(layout::TOKENS_FOLDER)
    }

    fn loci_blocks(&self, stage: &str) -> Vec<(String, Range<usize>)> {
        if self.loci.len() <= 1 {
            return Vec::new();
        }
        self.loci
            .iter()
            .zip(1..)
            .map(|(loci, number): (_, usize)| (format!("{stage}/loci-{number}"), loci.clone()))
            .collect()
    }

    /// Blocks of loci whose deep terms are trained by themselves for a member (1-based) of a model,
    /// by the name of the job.
    pub fn term_blocks(&self, model: &ModelSettings, member: usize) -> Vec<(String, Range<usize>)> {
        if model.additive == AdditiveKind::None || !model.deep_terms.has_single_loci() {
            return Vec::new();
        }
        self.loci_blocks(&member_job(&model.stage(), member))
    }

    /// Blocks of people whom the model of a stage predicts by themselves, by the name of the job.
    pub fn prediction_blocks(&self, stage: &str) -> Vec<(String, Range<usize>)> {
        if self.people.len() <= 1 {
            return Vec::new();
        }
        self.people
            .iter()
            .zip(1..)
            .map(|(people, number): (_, usize)| {
                (format!("{stage}/people-{number}"), people.clone())
            })
            .collect()
    }

    /// What a job needs to be done.
    ///
    /// # Errors
    /// There is no such job.
    pub fn needs(&self, plan: &Plan, name: &str) -> anyhow::Result<Vec<String>> {
        let mut drafts = self.drafts(plan);
        let Some(place) = drafts.iter().position(|part| part.name == name) else {
            let names: Vec<&str> = drafts.iter().map(|part| part.name.as_str()).collect();
            bail!(
                "there is no job `{name}` with these blocks; the jobs are {}",
                names.join(", ")
            );
        };
        // Members leave no record: who reads them looks at them.
        Ok(drafts
            .swap_remove(place)
            .needs
            .into_iter()
            .filter(|need| !need.contains("/member-"))
            .collect())
    }

    /// Every job, each after those it needs.
    fn drafts(&self, plan: &Plan) -> Vec<JobDraft> {
        let whole = |ranges: &[Range<usize>]| 0..ranges.last().map_or(0, |last| last.end);
        let mut drafts = JobDrafts {
            listed: Vec::new(),
            everyone: whole(&self.people),
            everywhere: vec![whole(&self.loci)],
        };
        let cohort = if matches!(plan.source, Source::Simulate(_)) {
            vec![drafts.add_whole(Rule::Simulate, layout::COHORT_FOLDER, Vec::new())]
        } else {
            Vec::new()
        };
        let (sequences, shards) = self.add_sequences(&mut drafts, &cohort);
        let tokens = self.add_tokens(&mut drafts, plan, &sequences, shards);
        let mut needed_by_report = [cohort.clone(), vec![sequences, tokens.clone()]].concat();
        for number in 0..plan.models.len() {
            needed_by_report.push(self.add_model(&mut drafts, plan, number, &tokens));
        }
        needed_by_report.push(drafts.add_whole(Rule::Prs, layout::BASELINES_FOLDER, cohort));
        drafts.add_whole(Rule::Evaluate, layout::REPORT_FOLDER, needed_by_report);
        drafts.listed
    }

    /// Names of the job with all sequences, and of those with the sequences of some loci.
    fn add_sequences(&self, drafts: &mut JobDrafts, cohort: &[String]) -> (String, Vec<String>) {
        let mut shards: Vec<String> = self
            .sequence_blocks()
            .into_iter()
            .map(|(name, people, loci)| {
                drafts.add(Rule::Sequences, name, cohort.to_vec(), &people, &[loci])
            })
            .collect();
        let merged_blocks = self.merged_sequence_blocks();
        if !merged_blocks.is_empty() {
            let of_loci = shards.chunks(self.people.len()).zip(merged_blocks);
            shards = of_loci
                .map(|(shards, (name, loci))| {
                    drafts.add_for_everyone(Rule::Merge, name, shards.to_vec(), &[loci])
                })
                .collect();
        }
        let sequences = if shards.is_empty() {
            drafts.add_whole(Rule::Sequences, layout::SEQUENCES_FOLDER, cohort.to_vec())
        } else {
            let name = layout::SEQUENCES_FOLDER.to_owned();
            drafts.add_for_everyone(Rule::Merge, name, shards.clone(), &self.loci)
        };
        (sequences, shards)
    }

    /// Name of the job with all tokens.
    fn add_tokens(
        &self,
        drafts: &mut JobDrafts,
        plan: &Plan,
        sequences: &str,
        shards: Vec<String>,
    ) -> String {
        let blocks = self.token_blocks();
        if blocks.is_empty() {
            return drafts.add_whole(
                Rule::Tokenize,
                layout::TOKENS_FOLDER,
                vec![sequences.to_owned()],
            );
        }
        let mut fit = Vec::new();
        if plan.tokens.learns_tokenizer() {
            fit.push(drafts.add_for_everyone(Rule::Fit, FIT.into(), shards.clone(), &self.loci));
        }
        let mut of_loci = Vec::new();
        for ((name, loci), sequences) in blocks.into_iter().zip(shards) {
            let needs = [&fit[..], &[sequences]].concat();
            of_loci.push(drafts.add_for_everyone(Rule::Tokenize, name, needs, &[loci]));
        }
        drafts.add_for_everyone(
            Rule::MergeTokens,
            layout::TOKENS_FOLDER.into(),
            of_loci,
            &self.loci,
        )
    }

    /// Name of the job that finishes a model.
    fn add_model(
        &self,
        drafts: &mut JobDrafts,
        plan: &Plan,
        number: usize,
        tokens: &str,
    ) -> String {
        let model = &plan.models[number];
        let stage = model.stage();
        let tokens = vec![tokens.to_owned()];
        let mut needs = tokens.clone();
        for member in 1..=model.schedule.n_members() {
            let mut of_member = tokens.clone();
            for (name, loci) in self.term_blocks(model, member) {
                let rule = Rule::Terms(number);
                of_member.push(drafts.add_for_everyone(rule, name, tokens.clone(), &[loci]));
            }
            let name = member_job(&stage, member);
            needs.push(drafts.add_whole(Rule::Train(number), &name, of_member));
        }
        let mut blocks = Vec::new();
        let everywhere = drafts.everywhere.clone();
        for (name, people) in self.prediction_blocks(&stage) {
            let rule = Rule::Predict(number);
            blocks.push(drafts.add(rule, name, needs.clone(), &people, &everywhere));
        }
        let still_to_predict = if blocks.is_empty() {
            drafts.everyone.clone()
        } else {
            0..0
        };
        needs.extend(blocks);
        drafts.add(
            Rule::Bundle(number),
            stage,
            needs,
            &still_to_predict,
            &everywhere,
        )
    }
}

/// Jobs that are listed one after the other.
struct JobDrafts {
    listed: Vec<JobDraft>,
    everyone: Range<usize>,
    /// All loci as one block.
    everywhere: Vec<Range<usize>>,
}

impl JobDrafts {
    /// Adds a job; its name.
    fn add(
        &mut self,
        rule: Rule,
        name: String,
        needs: Vec<String>,
        people: &Range<usize>,
        loci: &[Range<usize>],
    ) -> String {
        self.listed.push(JobDraft {
            rule,
            name: name.clone(),
            needs,
            people: people.clone(),
            loci: loci.to_vec(),
        });
        name
    }

    /// Adds a job about all people at some loci; its name.
    fn add_for_everyone(
        &mut self,
        rule: Rule,
        name: String,
        needs: Vec<String>,
        loci: &[Range<usize>],
    ) -> String {
        let everyone = self.everyone.clone();
        self.add(rule, name, needs, &everyone, loci)
    }

    /// Adds a job about all people at all loci; its name.
    fn add_whole(&mut self, rule: Rule, name: &str, needs: Vec<String>) -> String {
        let everywhere = self.everywhere.clone();
        self.add_for_everyone(rule, name.to_owned(), needs, &everywhere)
    }
}

/// Loci in blocks that lie on one contig each: where each file is of one contig, a job reads the
/// records of one file.
fn on_one_contig(contigs: &[String], at_most: usize) -> Vec<Range<usize>> {
    let mut end = 0;
    let blocks = contigs
        .chunk_by(|one, next| one == next)
        .flat_map(|of_contig| {
            let start = end;
            end += of_contig.len();
            in_blocks(of_contig.len(), at_most)
                .into_iter()
                .map(move |block| start + block.start..start + block.end)
        });
    blocks.collect()
}

/// `n` things in as few blocks as hold at most so many, all of about one size.
fn in_blocks(n: usize, at_most: usize) -> Vec<Range<usize>> {
    let n_blocks = n.div_ceil(at_most);
    (0..n_blocks)
        .map(|block| block * n / n_blocks..(block + 1) * n / n_blocks)
        .collect()
}

/// Name of the job that fits the tokenizer where tokens are made by blocks of loci.
pub const FIT: &str = "2-tokens/fit";

/// Name of the job that trains a member (1-based) of the model of a stage.
pub fn member_job(stage: &str, number: usize) -> String {
    format!("{stage}/member-{number}")
}

/// Kind of a job; that of a model with its place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Simulate,
    Sequences,
    Merge,
    Fit,
    Tokenize,
    MergeTokens,
    Terms(usize),
    Train(usize),
    Predict(usize),
    Bundle(usize),
    Prs,
    Evaluate,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Simulate => "simulate",
            Self::Sequences => "sequences",
            Self::Merge | Self::MergeTokens => "merge",
            Self::Fit => "fit",
            Self::Tokenize => "tokenize",
            Self::Terms(_) => "terms",
            Self::Train(_) => "train",
            Self::Predict(_) => "predict",
            Self::Bundle(_) => "bundle",
            Self::Prs => "prs",
            Self::Evaluate => "evaluate",
        }
    }
}

/// A job before its costs are known.
struct JobDraft {
    name: String,
    rule: Rule,
    needs: Vec<String>,
    people: Range<usize>,
    /// Block after block: of no more than one are the haplotypes in memory.
    loci: Vec<Range<usize>>,
}

/// A part of a run that can be done by itself.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Its name, for `run --job`.
    pub name: String,
    /// Kind.
    pub rule: &'static str,
    /// Jobs that must be done before.
    pub needs: Vec<String>,
    /// Threads it makes good use of, which its command asks for.
    pub threads: usize,
    /// Memory it takes at most, in MB.
    pub memory_mb: u64,
    /// Time of a core.
    pub core_minutes: f64,
    /// Time on its threads.
    pub minutes: f64,
    /// What it writes, in MB.
    pub disk_mb: u64,
    /// GPUs, where the pipeline file asks for one.
    pub gpus: usize,
    /// What runs it.
    pub command: Vec<String>,
    /// Files that it reads and that no job writes.
    pub inputs: Vec<PathBuf>,
    /// What is there when it is done.
    pub output: PathBuf,
}

/// All jobs of a run, each after those it needs.
#[derive(Clone, Debug, Serialize)]
pub struct JobList {
    /// Folder of the results.
    pub out: PathBuf,
    /// The file that the run is for.
    pub result: PathBuf,
    /// What makes the estimates less sure, or the jobs slower than they need be.
    pub notes: Vec<String>,
    /// The jobs.
    pub jobs: Vec<Job>,
}

/// The jobs of a pipeline file; nothing is started or written.
///
/// # Errors
/// A pipeline file or inputs that cannot be read.
pub fn jobs(options: &Options) -> anyhow::Result<JobList> {
    let plan = Plan::read(&options.pipeline)?;
    let out = options.out();
    let sizes = Sizes::from_plan(&plan)?;
    let drafts = Division::new(&sizes, options.blocks)?.drafts(&plan);
    let inputs = inputs(&plan, &options.pipeline);
    let job = |part: JobDraft| -> anyhow::Result<Job> {
        let Estimate {
            threads,
            memory_mb,
            core_minutes,
            disk_mb,
        } = sizes
            .estimate(&plan, part.rule, &part.people, &part.loci)
            .with_context(|| part.name.clone())?;
        let gpus = match part.rule {
            Rule::Terms(model)
            | Rule::Train(model)
            | Rule::Predict(model)
            | Rule::Bundle(model) => usize::from(plan.models[model].device != DeviceChoice::Cpu),
            _ => 0,
        };
        let done_by = match part.rule {
            Rule::Terms(_) | Rule::Train(_) => {
                let (stage, member) = part.name.split_once("/member-").unwrap_or_default();
                let number = member.split('/').next().unwrap_or_default().parse()?;
                let file = match part.rule {
                    Rule::Terms(_) => terms_file(number, &part.loci[0]),
                    _ => trained_file(number),
                };
                out.join("shards").join(stage).join(file)
            }
            Rule::Bundle(_) => out.join(&part.name).join(layout::STAGE),
            _ if part.name.contains('/') => out.join("shards").join(&part.name).join(layout::STAGE),
            _ => out.join(&part.name).join(layout::STAGE),
        };
        Ok(Job {
            command: command(options, &out, &part.name, threads),
            rule: part.rule.name(),
            needs: part.needs,
            threads,
            memory_mb,
            core_minutes,
            minutes: core_minutes / threads as f64,
            disk_mb,
            gpus,
            inputs: inputs.clone(),
            output: done_by,
            name: part.name,
        })
    };
    let jobs = drafts.into_iter().map(job).collect::<anyhow::Result<_>>()?;
    Ok(JobList {
        result: out.join("5-report/auc.csv"),
        out,
        notes: sizes.notes,
        jobs,
    })
}

/// Files that no job writes.
fn inputs(plan: &Plan, pipeline: &Path) -> Vec<PathBuf> {
    let mut files = vec![pipeline.to_path_buf()];
    match &plan.source {
        Source::Simulate(simulate) => files.extend(simulate.files().map(Path::to_path_buf)),
        Source::Data(data) => files.extend(data.paths().into_iter().map(Path::to_path_buf)),
    }
    files.extend(plan.further_files().map(Path::to_path_buf));
    files.extend(plan.tokens.tokenizer_file.clone());
    files.extend(
        plan.models
            .iter()
            .filter_map(|model| Some(model.init.as_ref()?.join(layout::CONFIG))),
    );
    files.extend(
        plan.models
            .iter()
            .filter_map(|model| Some(model.offset.as_ref()?.path.clone())),
    );
    files
}

fn command(options: &Options, out: &Path, name: &str, threads: usize) -> Vec<String> {
    let Options {
        pipeline,
        seed,
        blocks,
        ..
    } = options;
    let mut words = vec![
        "gf-genomics".to_owned(),
        "run".into(),
        pipeline.display().to_string(),
        "--out".into(),
        out.display().to_string(),
    ];
    words.extend(
        seed.iter()
            .flat_map(|seed| ["--seed".into(), seed.to_string()]),
    );
    words.extend(["--job".into(), name.into()]);
    if *blocks != Blocks::default() {
        words.extend([
            "--block-people".into(),
            blocks.people.to_string(),
            "--block-loci".into(),
            blocks.loci.to_string(),
        ]);
    }
    words.extend(["--threads".into(), threads.to_string()]);
    words
}

impl std::fmt::Display for JobList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self
            .jobs
            .iter()
            .map(|job| job.name.len())
            .max()
            .unwrap_or(0)
            .max("job".len());
        write_row(
            f,
            width,
            [
                "job",
                "rule",
                "needs",
                "threads",
                "memory MB",
                "minutes",
                "core-min",
                "disk MB",
                "GPUs",
            ],
        )?;
        for job in &self.jobs {
            let gpus = if job.gpus > 0 {
                job.gpus.to_string()
            } else {
                String::new()
            };
            let n_needs = job.needs.len().to_string();
            let threads = job.threads.to_string();
            let memory_mb = job.memory_mb.to_string();
            let disk_mb = job.disk_mb.to_string();
            let minutes = rounded(job.minutes);
            let core_minutes = rounded(job.core_minutes);
            let cells = [
                job.name.as_str(),
                job.rule,
                &n_needs,
                &threads,
                &memory_mb,
                &minutes,
                &core_minutes,
                &disk_mb,
                &gpus,
            ];
            write_row(f, width, cells)?;
        }
        self.write_totals(f)?;
        self.notes
            .iter()
            .try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

/// A line of the table; `width` is that of the first column.
fn write_row(f: &mut std::fmt::Formatter<'_>, width: usize, cells: [&str; 9]) -> std::fmt::Result {
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

/// One decimal below 10, none from there on.
fn rounded(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

impl JobList {
    fn write_totals(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
            "\n{}: {} core-hours, {memory_mb} MB of memory for the largest, {disk_mb} MB of \
             disk{gpu_hours}; at least {} minutes on enough machines",
            counted(self.jobs.len(), "job", "jobs"),
            rounded(core_minutes / 60.0),
            rounded(self.longest_chain()),
        )
    }

    /// Minutes of the jobs that must wait for one another.
    fn longest_chain(&self) -> f64 {
        let mut ends: std::collections::HashMap<&str, f64> = std::collections::HashMap::new();
        for job in &self.jobs {
            let starts = job
                .needs
                .iter()
                .filter_map(|need| ends.get(need.as_str()))
                .copied()
                .fold(0.0, f64::max);
            ends.insert(&job.name, starts + job.minutes);
        }
        ends.into_values().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_everything_once_and_are_of_about_one_size() {
        for (n, at_most) in [
            (1, 1),
            (10, 3),
            (10, 10),
            (10, 99),
            (100_001, 100_000),
            (75, 5),
            (7, 1),
        ] {
            let blocks = in_blocks(n, at_most);
            assert_eq!(
                blocks.iter().cloned().flatten().collect::<Vec<_>>(),
                (0..n).collect::<Vec<_>>()
            );
            let sizes = || blocks.iter().map(ExactSizeIterator::len);
            assert!(
                sizes().max() <= Some(at_most)
                    && sizes().max() <= sizes().min().map(|least| least + 1),
                "{blocks:?}"
            );
        }
    }

    #[test]
    fn a_block_of_loci_lies_on_one_contig() {
        let contigs = ["1", "1", "1", "2", "3", "3", "1"].map(String::from);
        assert_eq!(on_one_contig(&contigs, 2), [0..1, 1..3, 3..4, 4..6, 6..7]);
        assert_eq!(on_one_contig(&contigs[..3], 5), vec![0..3]);
    }

    #[test]
    fn a_division_into_one_block_is_none() {
        let one = Division {
            people: in_blocks(10, 10),
            loci: in_blocks(2, 5),
        };
        assert!(
            one.sequence_blocks().is_empty()
                && one.token_blocks().is_empty()
                && one.prediction_blocks("3-models/x").is_empty()
        );
        let of_people = Division {
            people: vec![0..5, 5..10],
            ..one.clone()
        };
        assert!(
            of_people.merged_sequence_blocks().is_empty() && of_people.token_blocks().is_empty()
        );
        let of_loci = Division {
            loci: vec![0..1, 1..2],
            ..one
        };
        assert!(of_loci.merged_sequence_blocks().is_empty() && of_loci.token_blocks().len() == 2);
        let two = Division {
            people: vec![0..5, 5..10],
            loci: vec![0..1, 1..2],
        };
        let names: Vec<String> = two
            .sequence_blocks()
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        let expected = [
            "people-1-loci-1",
            "people-2-loci-1",
            "people-1-loci-2",
            "people-2-loci-2",
        ];
        assert_eq!(names, expected.map(|name| format!("1-sequences/{name}")));
        assert_eq!(
            two.prediction_blocks("3-models/x")[1],
            ("3-models/x/people-2".into(), 5..10)
        );
    }
}
