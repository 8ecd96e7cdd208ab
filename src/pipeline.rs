//! Runs a TOML file stage by stage, and the steps that more than one command shares.
//!
//! Input -> output: a pipeline file -> `DIR/{0-cohort,1-sequences,2-tokens,3-models,4-baselines,5-report}/` and `run.json`. A stage is known by the
//! digest of its options and inputs: where its folder holds a finished one with the same digest and unchanged files, it is not done again.

mod check;
mod plan;
mod progress;
mod stage;

pub use self::{check::check, progress::progress};

use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use gf_cohort_schema::{Cohort, Split};
use gf_tokenizer::VocabSize;
use serde_json::json;

use self::{
    plan::{Data, Plan, Source},
    stage::Runner,
};
use crate::{
    evaluation,
    output::{self, Claim},
    prs,
    sequence::{self, Dictionary, Policies, Provenance},
    simulate,
    tokenization::{self, Folder, Report, Summary, Tokenized},
    training,
};

/// What `run` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Pipeline file.
    pub pipeline: PathBuf,
    /// Folder of the results; `results/NAME` for `NAME.toml` when absent.
    pub out: Option<PathBuf>,
    /// Instead of the file's seed.
    pub seed: Option<u64>,
    /// Say what would run, do nothing.
    pub dry_run: bool,
}

/// Runs all stages and prints the comparison.
///
/// # Errors
/// A pipeline file that is wrong, or whatever a stage says.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut plan = Plan::read(&options.pipeline)?;
    if let Some(seed) = options.seed {
        plan.set_seed(seed);
    }
    let stem = options.pipeline.file_stem().unwrap_or_default();
    let out = options.out.clone().unwrap_or_else(|| Path::new("results").join(stem));
    let mut runner = Runner::new(&out, &options.pipeline, &plan, options.dry_run)?;
    let planted = cohort(&plan, &mut runner, &out)?;
    let data = plan.data(&out.join("0-cohort"));
    let predictions = stages(&plan, &data, &mut runner, &out)?;

    let folder = out.join("5-report");
    let options = plan.report.options(predictions, &data, plan.seed, out.join("run.json"), &folder);
    let table = runner.stage("5-report", &folder, &json!(plan.report), || {
        let summary = evaluation::run(&options)?;
        let text = summary.to_string();
        output::for_others::write(&folder.join("auc.txt"), |out| out.write_all(text.as_bytes()))?;
        if let Err(leakage) = summary.require_no_leakage(options.guards) {
            eprintln!("{text}");
            return Err(leakage.into());
        }
        Ok(text)
    })?;
    runner.finish();
    if let Some(table) = table {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{table}")?;
        if let Some(planted) = planted {
            let auc = planted.best_possible_auc;
            writeln!(out, "Best possible AUC on the test split, knowing the planted {} risk: {auc:.3}", planted.risk)?;
        }
    }
    Ok(())
}

/// Makes the cohort when the plan says so.
fn cohort(plan: &Plan, runner: &mut Runner, out: &Path) -> anyhow::Result<Option<stage::Planted>> {
    let Source::Simulate(options) = &plan.source else { return Ok(None) };
    let folder = out.join("0-cohort");
    let options = simulate::Options { out: folder.clone(), ..(**options).clone() };
    let inputs: Vec<&Path> = options.panel.iter().chain(&options.reference).map(PathBuf::as_path).collect();
    runner.inputs(&inputs)?;
    runner.stage("0-cohort", &folder, &json!(stage::without_paths(&options)?), || {
        let summary = simulate::run(&options)?;
        eprint!("{summary}");
        Ok(stage::Planted::of(&summary.truth))
    })
}

/// Sequences, tokens, models and baselines; the prediction files.
fn stages(plan: &Plan, data: &Data, runner: &mut Runner, out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if matches!(plan.source, Source::Data(_)) {
        check::require(check::findings(plan, data, out, false))?;
        runner.inputs(&data.paths())?;
    }
    plan.tokens.given_tokenizer().context("[tokens]")?;
    let load_cohort = || Cohort::read(&data.cohort, data.phenotype_coding, &data.covariates());
    let sequences_folder = out.join("1-sequences");
    let mut built = None;
    runner.stage("1-sequences", &sequences_folder, &json!([data.key(), plan.sequences]), || {
        let (dictionary, skips, summary) = sequence::run(&plan.sequences_options(data, &load_cohort()?, &sequences_folder))?;
        eprint!("{summary}");
        dictionary.save(&sequences_folder)?;
        skips.save()?;
        built = Some(dictionary);
        Ok(summary)
    })?;

    let tokens_folder = out.join("2-tokens");
    if let Some(file) = &plan.tokens.tokenizer_file {
        runner.inputs(&[file])?;
    }
    // A tokenizer file counts by its contents, not by where it lies.
    let key = tokenization::Options { tokenizer_file: None, ..plan.tokens.clone() };
    runner.stage("2-tokens", &tokens_folder, &json!(key), || {
        let dictionary = match built.take() {
            Some(dictionary) => dictionary,
            None => Dictionary::load(&sequences_folder)?,
        };
        let (summary, _) = tokenize(&dictionary, &plan.sequences, &load_cohort()?, &plan.tokens, None, &tokens_folder)?;
        eprint!("{summary}");
        Ok(summary)
    })?;

    let mut predictions = Vec::new();
    for model in &plan.models {
        let folder = out.join("3-models").join(model.name());
        let options = model.options(data, &tokens_folder, &folder);
        if let Some(bundle) = &model.init {
            runner.inputs(&[&bundle.join("config.json"), &bundle.join("model.safetensors")])?;
        }
        runner.stage(&format!("3-models/{}", model.name()), &folder, &json!(model.key()), || {
            let summary = training::run(&options, &mut progress(true))?;
            eprint!("{summary}");
            Ok(summary)
        })?;
        predictions.push(folder.join("predictions.csv"));
    }

    let folder = out.join("4-baselines");
    let options = plan.baselines.options(data, &plan.sequences.apply_filters, &folder);
    runner.stage("4-baselines", &folder, &json!(plan.baselines), || {
        let summary = prs::run(&options)?;
        eprint!("{summary}");
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
    predictions.push(folder.join("predictions.csv"));
    Ok(predictions)
}

/// Fits the tokenizer on the training split, encodes everyone, and writes a token folder; measures it too when told how many seconds the
/// sequences took.
///
/// # Errors
/// Whatever the stage says.
pub fn tokenize(
    dictionary: &Dictionary,
    policies: &Policies,
    cohort: &Cohort,
    options: &tokenization::Options,
    sequences_seconds: Option<f64>,
    out: &Path,
) -> anyhow::Result<(Summary, Option<Report>)> {
    let row_of: HashMap<&str, usize> = dictionary.samples.iter().enumerate().map(|(row, sample)| (sample.as_str(), row)).collect();
    let in_split = |split| cohort.in_split(split).filter_map(|(_, person)| row_of.get(person.sample_id.as_str()).copied()).collect();
    let people: Vec<(Split, Vec<usize>)> = [Split::Train, Split::Validation, Split::Test].map(|split| (split, in_split(split))).into();
    let tokenized = tokenization::run(dictionary, &people[0].1, options)?;
    let report = sequences_seconds.map(|seconds| Report::of(&tokenized, &people, seconds));
    let Tokenized { tokenizer, grid, tokens, summary, .. } = tokenized;
    let genome = Provenance::of(dictionary, policies.clone()).with_common_variants(dictionary, &people[0].1, options.min_token_count);
    let fitted_on = people[0].1.clone();
    Folder { tokenizer, grid, tokens, fitted_on, genome }.save(out)?;
    let report_path = out.join("report.csv");
    match &report {
        Some(report) => report.write(&report_path)?,
        // One of an earlier run would be of other tokens.
        None => output::remove_if_there(&report_path)?,
    }
    if let Some(VocabSize::AtMost(wanted)) = options.vocab_size
        && summary.vocab_size < wanted
    {
        eprintln!("the vocabulary is saturated with {} entries, fewer than the {wanted} allowed", summary.vocab_size);
    }
    Ok((summary, report))
}

/// Claims a folder for the run that writes to it, and says so where no second one would be noticed.
///
/// # Errors
/// As [`Claim::take`].
pub fn claim(folder: &Path) -> Result<Claim, output::Error> {
    let claim = Claim::take(folder)?;
    if !claim.is_locked() {
        eprintln!("{}: no file locks here, so a second run on this folder would not be refused", folder.display());
    }
    Ok(claim)
}

/// Reads a text file with its path in the error.
fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
