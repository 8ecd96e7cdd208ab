//! Runs a TOML file stage by stage, and the steps that more than one command shares.
//!
//! Input -> output: a pipeline file ->
//! `DIR/{0-cohort,1-sequences,2-tokens,3-models,4-baselines,5-report}/` and `run.json`. A stage is
//! known by the digest of what it is made from (options, input files, earlier stages): where its
//! folder holds a finished one with the same digest and unchanged files, it is not done again. Each
//! stage, and each shard of the large ones, is also a job that can be done by itself ([`jobs`]), on
//! any machine that sees the folder.

mod check;
mod estimate;
mod jobs;
mod plan;
mod progress;
mod stage;

pub use self::{
    check::check,
    jobs::{Blocks, Job, JobList, jobs},
    progress::progress,
};

use std::{
    collections::HashMap,
    fs,
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::Context;
use gf_cohort_schema::{Cohort, Person, Split, read_predictions, text, write_predictions};
use gf_tokenizer::{Tokenizer, VocabSize};
use serde_json::json;

use self::{
    jobs::{Division, FIT, member_job},
    plan::{Data, Plan, Source},
    stage::{Extent, Made, Runner},
};
use crate::layout;
use crate::training::ModelSettings;
use crate::{
    baselines, evaluation, report, simulate,
    tokens::{self, Folder, Report, Summary, Tokenized},
    training::{self, trained_file},
};
use gf_cohort_schema::counted;
use gf_files::output::{self, RunLock};
use gf_haplotypes::{Dictionary, EmptyLoci, Policies, Provenance, Shard};

/// What `run` is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Pipeline file.
    pub pipeline: PathBuf,
    /// Folder of the results; `results/NAME` for `NAME.toml` when absent.
    pub out: Option<PathBuf>,
    /// Instead of the file's seed.
    pub seed: Option<u64>,
    /// Say what would run, do nothing.
    pub dry_run: bool,
    /// Do only the job of this name.
    pub job: Option<String>,
    /// How jobs divide people and loci.
    pub blocks: Blocks,
}

/// Runs all stages, or one job, and prints the comparison.
///
/// # Errors
/// A pipeline file that is wrong, or whatever a stage says.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut plan = Plan::read(&options.pipeline)?;
    if let Some(seed) = options.seed {
        plan.set_seed(seed);
    }
    let out = options.out();
    let (extent, division) = match &options.job {
        None if options.dry_run => (Extent::DryRun, Division::default()),
        None => (Extent::All, Division::default()),
        Some(name) => {
            let division = Division::from_plan(&plan, options.blocks)?;
            let needs = division.needs(&plan, name)?;
            (
                Extent::Job {
                    name: name.clone(),
                    needs,
                },
                division,
            )
        }
    };
    let data = plan.data(&out.join(layout::COHORT_FOLDER));
    if options.job.is_none() {
        check::require(check::findings(&plan, &data, &out, false))?;
    }
    let mut runner = Runner::new(&out, &options.pipeline, &plan, extent)?;
    let planted = cohort(&plan, &mut runner)?;
    let predictions = stages(&plan, &data, &mut runner, &out, &division)?;

    let options = |folder: &Path| {
        data.evaluation_options(
            &plan.report,
            predictions,
            plan.seed,
            out.join(layout::RUN),
            folder,
        )
    };
    let report = out.join("5-report/report.html");
    let table = runner.stage(
        layout::REPORT_FOLDER,
        &report_made(&plan, &data),
        |folder| {
            let options = options(folder);
            let summary = evaluation::evaluate(&options)?;
            report::write(&options.out, &summary)?;
            let text = summary.to_string();
            output::shareable::write(&folder.join(layout::AUC_TEXT), |out| {
                out.write_all(text.as_bytes())
            })?;
            if let Err(leakage) = summary.require_no_leakage(options.guards) {
                gf_files::message!("{text}\nReport: {}", report.display());
                return Err(leakage.into());
            }
            Ok(text)
        },
    )?;
    runner.finish();
    if let Some(table) = table {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{table}")?;
        if let Some(planted) = planted {
            let auc = planted.best_possible_auc;
            writeln!(
                out,
                "Best possible AUC on the test split, knowing the planted {} risk: {auc:.3}",
                planted.risk
            )?;
        }
        writeln!(out, "\nReport: {}", report.display())?;
    }
    Ok(())
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

/// Makes the cohort when the plan says so.
fn cohort(plan: &Plan, runner: &mut Runner) -> anyhow::Result<Option<stage::Planted>> {
    let Source::Simulate(options) = &plan.source else {
        return Ok(None);
    };
    let made = Made::new(json!(stage::without_paths(options)?)).reading(options.files());
    runner.stage(SIMULATED, &made, |folder| {
        let summary = simulate::run(&simulate::Options {
            out: folder.to_path_buf(),
            ..(**options).clone()
        })?;
        gf_files::message_text!("{summary}");
        Ok(stage::Planted::from_truth(&summary.truth))
    })
}

/// Sequences, tokens, models and baselines; the prediction files.
fn stages(
    plan: &Plan,
    data: &Data,
    runner: &mut Runner,
    out: &Path,
    division: &Division,
) -> anyhow::Result<Vec<PathBuf>> {
    if matches!(plan.source, Source::Data(_)) {
        runner.inputs(&data.paths())?;
    }
    plan.tokens.given_tokenizer().context("[tokens]")?;
    let built = sequences(plan, data, runner, division)?;
    let tokens_folder = out.join(layout::TOKENS_FOLDER);
    tokens(plan, data, runner, division, built)?;

    let mut predictions = Vec::new();
    for model in &plan.models {
        train(
            model,
            &model_made(plan, data, model),
            &|folder: &Path| data.training_options(model, &tokens_folder, folder),
            runner,
            division,
        )?;
        predictions.push(
            out.join(layout::MODELS_FOLDER)
                .join(model.name())
                .join(layout::PREDICTIONS),
        );
    }

    runner.stage(
        layout::BASELINES_FOLDER,
        &baselines_made(plan, data),
        |folder| {
            let filters = &plan.sequences.apply_filters;
            let options = data.baseline_options(&plan.baselines, filters, folder);
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
        },
    )?;
    predictions.push(out.join("4-baselines/predictions.csv"));
    Ok(predictions)
}

/// Name of the stage that makes a cohort.
const SIMULATED: &str = layout::COHORT_FOLDER;

/// Adds the cohort table: the user's file, or that of the simulation.
fn with_cohort(made: Made, plan: &Plan, data: &Data) -> Made {
    match plan.source {
        Source::Simulate(_) => made.after(SIMULATED),
        Source::Data(_) => made.reading([data.cohort.as_path()]),
    }
}

/// Adds the genotypes, the reference and the loci.
fn with_genomes(made: Made, plan: &Plan, data: &Data) -> Made {
    match plan.source {
        Source::Simulate(_) => made.after(SIMULATED),
        Source::Data(_) => made.reading(data.genome_files()),
    }
}

/// Digest of the names of some samples, in their order.
fn digest_of_names<'a>(people: impl Iterator<Item = &'a Person>) -> String {
    let names: Vec<&str> = people.map(|person| person.sample_id.as_str()).collect();
    output::sha256(names.join("\n").as_bytes())
}

/// Sequences depend on the genomes and on who is in the cohort, not on phenotypes, splits or
/// covariates.
fn sequences_made(plan: &Plan, data: &Data) -> anyhow::Result<Made> {
    let names = match plan.source {
        Source::Simulate(_) => None,
        Source::Data(_) => Some(digest_of_names(
            Cohort::read_splits(&data.cohort)?.people.iter(),
        )),
    };
    Ok(with_genomes(
        Made::new(json!([data.genome_key(), plan.sequences, names])),
        plan,
        data,
    ))
}

/// Tokens depend on the sequences and on who is in the training split, which decides the
/// vocabulary.
fn tokens_made(plan: &Plan, data: &Data) -> anyhow::Result<Made> {
    let training = match plan.source {
        Source::Simulate(_) => None,
        Source::Data(_) => {
            let cohort = Cohort::read_splits(&data.cohort)?;
            Some(digest_of_names(
                cohort.in_split(Split::Train).map(|(_, person)| person),
            ))
        }
    };
    // A tokenizer file counts by its contents, not by where it lies.
    let options = tokens::Options {
        tokenizer_file: None,
        ..plan.tokens.clone()
    };
    let made = Made::new(json!([options, training])).after(layout::SEQUENCES_FOLDER);
    Ok(made.reading(plan.tokens.tokenizer_file.as_deref()))
}

/// A model depends on the tokens and on the cohort.
fn model_made(plan: &Plan, data: &Data, model: &ModelSettings) -> Made {
    let made = Made::new(json!([model.key(), data.cohort_key()])).after(layout::TOKENS_FOLDER);
    let bundle = model.init.iter().flat_map(|bundle| {
        [
            bundle.join(layout::CONFIG),
            bundle.join(layout::WEIGHTS_OF_MODEL),
        ]
    });
    let bundle: Vec<PathBuf> = bundle.collect();
    let offset = model.offset.iter().map(|offset| offset.path.as_path());
    with_cohort(made, plan, data).reading(bundle.iter().map(PathBuf::as_path).chain(offset))
}

/// Baselines depend on the genotypes and on the cohort, not on sequences and tokens.
fn baselines_made(plan: &Plan, data: &Data) -> Made {
    let made = Made::new(json!([
        plan.baselines,
        plan.sequences.apply_filters,
        data.genome_key(),
        data.cohort_key()
    ]));
    with_genomes(with_cohort(made, plan, data), plan, data).reading(plan.further_files())
}

/// The report depends on everything that it shows.
fn report_made(plan: &Plan, data: &Data) -> Made {
    let stages = [
        layout::SEQUENCES_FOLDER,
        layout::TOKENS_FOLDER,
        layout::BASELINES_FOLDER,
    ]
    .map(String::from)
    .into_iter();
    let models = plan
        .models
        .iter()
        .map(|model| format!("3-models/{}", model.name()));
    let made = Made::new(json!([plan.report, plan.seed]));
    let made = stages
        .chain(models)
        .fold(made, |made, stage| made.after(&stage));
    with_cohort(made, plan, data)
}

/// What there is of sequences when tokens are to be made.
#[derive(Default)]
struct Built {
    /// All of them, where they were just made.
    dictionary: Option<Dictionary>,
    /// The blocks that this job needs.
    shards: Vec<Shard>,
}

/// The sequences of everyone, in one pass or from blocks.
fn sequences(
    plan: &Plan,
    data: &Data,
    runner: &mut Runner,
    division: &Division,
) -> anyhow::Result<Built> {
    let made = sequences_made(plan, data)?;
    let options =
        |people: Option<Range<usize>>, folder: &Path| -> anyhow::Result<gf_haplotypes::Options> {
            let mut cohort = data.samples()?;
            gf_files::message_text!("{}", cohort.notes);
            if let Some(people) = people {
                cohort.people = cohort.people.drain(people).collect();
            }
            Ok(plan.sequences_options(data, &cohort, folder))
        };
    let merge = |shards: &[Shard], folder: &Path| -> anyhow::Result<gf_haplotypes::Summary> {
        let (merged, summary) = gf_haplotypes::merge(shards, folder)?;
        gf_files::message_text!("{summary}");
        merged.save()?;
        Ok(summary)
    };
    let mut shards = Vec::new();
    for (name, people, loci) in division.sequence_blocks() {
        let summary = runner.shard(&name, &made.part(&json!([people, loci])), |folder| {
            let options = options(Some(people), folder)?;
            let (dictionary, skips, summary) = gf_haplotypes::of_loci(
                &gf_haplotypes::loci(&options)?[loci],
                &options,
                EmptyLoci::Refuse,
            )?;
            gf_files::message_text!("{summary}");
            dictionary.save(folder)?;
            skips.save()?;
            Ok(summary)
        })?;
        shards.extend(summary.map(|summary| Shard {
            folder: runner.shard_folder(&name),
            summary,
        }));
    }
    // A job that needs blocks merged over people needs none of those they were merged from.
    for (name, loci) in division.merged_sequence_blocks() {
        let summary = runner.shard(&name, &made.part(&json!(loci)), |folder| {
            merge(&shards, folder)
        })?;
        shards.extend(summary.map(|summary| Shard {
            folder: runner.shard_folder(&name),
            summary,
        }));
    }
    let mut dictionary = None;
    runner.stage(layout::SEQUENCES_FOLDER, &made, |folder| {
        if !shards.is_empty() {
            return merge(&shards, folder);
        }
        let (made, skips, summary) = gf_haplotypes::run(&options(None, folder)?)?;
        gf_files::message_text!("{summary}");
        made.save(folder)?;
        skips.save()?;
        dictionary = Some(made);
        Ok(summary)
    })?;
    Ok(Built { dictionary, shards })
}

/// The tokens of everyone, in one pass or from blocks of loci, for which the tokenizer is fitted
/// first.
fn tokens(
    plan: &Plan,
    data: &Data,
    runner: &mut Runner,
    division: &Division,
    built: Built,
) -> anyhow::Result<()> {
    let made = tokens_made(plan, data)?;
    let one_pass = |dictionary: &Dictionary,
                    options: &tokens::Options,
                    folder: &Path|
     -> anyhow::Result<Summary> {
        let (summary, _) = tokenize(
            dictionary,
            &plan.sequences,
            &data.samples()?,
            options,
            None,
            folder,
        )?;
        gf_files::message_text!("{summary}");
        Ok(summary)
    };
    let mut options = plan.tokens.clone();
    let blocks = division.token_blocks();
    if !blocks.is_empty() && options.learns_tokenizer() {
        let fitted = runner.shard(FIT, &made, |folder| {
            let tokenizer = fit(&built.shards, &data.samples()?, &options)?;
            output::write(&folder.join(layout::TOKENIZER), |out| {
                out.write_all(tokenizer.json().as_bytes())
            })?;
            Ok(tokenizer.vocab_len())
        })?;
        if fitted.is_some() {
            options = options.with_tokenizer(runner.shard_folder(FIT).join(layout::TOKENIZER));
        }
    }
    let mut shards = Vec::new();
    for (name, loci) in blocks {
        let summary = runner.shard(&name, &made.part(&json!(loci)), |folder| {
            let sequences = built
                .shards
                .first()
                .map(|shard| Dictionary::load(&shard.folder))
                .transpose()?;
            one_pass(
                &sequences.context("no sequences of these loci")?,
                &options,
                folder,
            )
        })?;
        shards.extend(summary.map(|summary| tokens::Shard {
            folder: runner.shard_folder(&name),
            summary,
        }));
    }
    let sequences = runner.folder(layout::SEQUENCES_FOLDER);
    runner.stage(layout::TOKENS_FOLDER, &made, |folder| {
        if !shards.is_empty() {
            let summary = tokens::merge(&shards, folder)?;
            gf_files::message_text!("{summary}");
            return Ok(summary);
        }
        let dictionary = built
            .dictionary
            .map_or_else(|| Dictionary::load(&sequences), Ok)?;
        one_pass(&dictionary, &options, folder)
    })?;
    Ok(())
}

/// Fits the tokenizer on the training people at all loci; of one block of loci after the other are
/// the sequences in memory.
fn fit(
    sequences: &[Shard],
    cohort: &Cohort,
    options: &tokens::Options,
) -> anyhow::Result<Tokenizer> {
    let mut words = tokens::Words::default();
    let mut alphabet = &[][..];
    for shard in sequences {
        let dictionary = Dictionary::load(&shard.folder)?;
        words.add(
            &dictionary,
            &in_split(&dictionary, cohort, Split::Train),
            options,
        );
        alphabet = dictionary.alphabet();
    }
    let tokenizer = words.fit(alphabet, options)?;
    gf_files::message!(
        "{} in the vocabulary",
        counted(tokenizer.vocab_len(), "token", "tokens")
    );
    note_saturation(options, tokenizer.vocab_len());
    Ok(tokenizer)
}

/// A model: all its members, or as jobs each member, each block of people, and the bundle of these.
fn train(
    model: &ModelSettings,
    made: &Made,
    options: &dyn Fn(&Path) -> training::Options,
    runner: &mut Runner,
    division: &Division,
) -> anyhow::Result<()> {
    let name = model.stage();
    let members = runner.shard_folder(&name);
    let n_members = model.schedule.n_members();
    for number in 1..=n_members {
        for (job, loci) in division.term_blocks(model, number) {
            if runner.is_job(&job) {
                gf_files::message!("{job}:");
                let names =
                    training::run_terms(&options(&members), number, &loci, &mut progress(true))?;
                gf_files::message!("{job}: deep terms of {}", names.join(", "));
            }
        }
        if runner.is_job(&member_job(&name, number)) {
            gf_files::message!("{}:", member_job(&name, number));
            let summary = training::run_member(&options(&members), number, &mut progress(true))?;
            gf_files::message!("{}: {summary}", model.name());
        }
    }
    let mut rows = Vec::new();
    for (block, people) in division.prediction_blocks(&name) {
        let n_people = runner.shard(&block, &made.part(&json!(people)), |folder| {
            let rows = training::run_predict(&options(&members), people)?;
            output::write(&folder.join(layout::PREDICTIONS), |out| {
                write_predictions(out, &rows)
            })?;
            Ok(rows.len())
        })?;
        if n_people.is_some_and(|n_people| n_people > 0) {
            rows.extend(read_predictions(
                &runner.shard_folder(&block).join(layout::PREDICTIONS),
            )?);
        }
    }
    let is_job = runner.is_job(&name);
    runner.stage(&name, made, |folder| {
        if is_job {
            for number in 1..=n_members {
                let from = members.join(trained_file(number));
                let to = folder.join(trained_file(number));
                fs::copy(&from, to)
                    .with_context(|| format!("{}: train member {number} first", from.display()))?;
            }
        }
        let summary = match &rows[..] {
            [] => training::run(&options(folder), &mut progress(true))?,
            rows => training::run_bundle(&options(folder), rows)?,
        };
        gf_files::message_text!("{summary}");
        Ok(summary)
    })?;
    Ok(())
}

/// Fits the tokenizer on the training split, encodes everyone, and writes a token folder; measures
/// it too when told how many seconds the sequences took.
///
/// # Errors
/// Whatever the stage says.
pub fn tokenize(
    dictionary: &Dictionary,
    policies: &Policies,
    cohort: &Cohort,
    options: &tokens::Options,
    sequences_seconds: Option<f64>,
    out: &Path,
) -> anyhow::Result<(Summary, Option<Report>)> {
    let people = [Split::Train, Split::Validation, Split::Test]
        .map(|split| (split, in_split(dictionary, cohort, split)));
    let tokenized = tokens::run(dictionary, &people[0].1, options)?;
    let report = sequences_seconds.map(|seconds| Report::new(&tokenized, &people, seconds));
    let Tokenized {
        tokenizer,
        grid,
        tokens,
        summary,
        ..
    } = tokenized;
    let genome = Provenance::from_dictionary(dictionary, policies.clone()).with_common_variants(
        dictionary,
        &people[0].1,
        options.min_token_count,
    );
    let fitted_on = people[0].1.clone();
    Folder {
        tokenizer,
        grid,
        tokens,
        fitted_on,
        genome,
    }
    .save(out)?;
    let report_path = out.join(layout::TOKENS_REPORT);
    match &report {
        Some(report) => report.write(&report_path)?,
        // One of an earlier run would be of other tokens.
        None => output::remove_if_there(&report_path)?,
    }
    note_saturation(options, summary.vocab_size);
    Ok((summary, report))
}

/// The people of a split, as numbers into the samples.
fn in_split(dictionary: &Dictionary, cohort: &Cohort, split: Split) -> Vec<usize> {
    let row_of: HashMap<&str, usize> = dictionary
        .samples
        .iter()
        .enumerate()
        .map(|(row, sample)| (sample.as_str(), row))
        .collect();
    cohort
        .in_split(split)
        .filter_map(|(_, person)| row_of.get(person.sample_id.as_str()).copied())
        .collect()
}

fn note_saturation(options: &tokens::Options, vocab_size: usize) {
    if let Some(VocabSize::AtMost(wanted)) = options.vocab_size
        && vocab_size < wanted
    {
        gf_files::message!(
            "the vocabulary is saturated with {vocab_size} entries, fewer than the {wanted} \
             allowed"
        );
    }
}

/// Claims a folder for the run that writes to it, and says so where no second one would be noticed.
///
/// # Errors
/// As [`RunLock::take`].
pub fn claim(folder: &Path) -> Result<RunLock, output::Error> {
    let claim = RunLock::take(folder)?;
    if !claim.is_locked() {
        gf_files::message!(
            "{}: no file locks here, so a second run on this folder would not be refused",
            folder.display()
        );
    }
    Ok(claim)
}

/// Reads a text file with its path in the error.
fn read_text(path: &Path) -> anyhow::Result<String> {
    Ok(text::read(path)?)
}
