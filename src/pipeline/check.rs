//! Are the inputs of a pipeline file what they should be? Asked before any work.
//!
//! Input -> output: a pipeline file -> a finding for each stage: what it was given, or why it would refuse it. Nothing is written.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::plan::{Data, Plan, Source};
use crate::{prs, sequence, training};
use anyhow::{anyhow, bail};

/// What was found of one stage's inputs.
pub struct Finding {
    stage: String,
    found: anyhow::Result<String>,
}

/// Looks at everything that a pipeline file names, REF of every record in the loci included, and prints a line for each stage.
///
/// # Errors
/// A pipeline file that cannot be read, or an input that a stage would refuse.
pub fn check(pipeline: &Path) -> anyhow::Result<()> {
    let plan = Plan::read(pipeline)?;
    let out = PathBuf::new();
    let findings = findings(&plan, &plan.data(&out), &out, true);
    let mut table = std::io::stdout().lock();
    for Finding { stage, found } in &findings {
        match found {
            Ok(finding) => writeln!(table, "ok      {stage}: {finding}")?,
            Err(error) => writeln!(table, "refused {stage}: {error:#}")?,
        }
    }
    match findings.iter().filter(|finding| finding.found.is_err()).count() {
        0 => Ok(()),
        n => bail!("{}: {n} of {} checks failed", pipeline.display(), findings.len()),
    }
}

/// What each stage would be given; `records` looks at REF too, for which the files are read through.
pub fn findings(plan: &Plan, data: &Data, out: &Path, records: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |stage: &str, found: anyhow::Result<String>| findings.push(Finding { stage: stage.into(), found });
    // None where it is still to be simulated: that one has both classes.
    let mut cohort = None;
    if matches!(plan.source, Source::Data(_)) {
        match data.people() {
            Ok(people) => {
                cohort = Some(people);
                add("1-sequences", sequences(plan, data, out, records));
            }
            Err(error) => add("1-sequences", Err(error)),
        }
    }
    add("2-tokens", tokens(plan));
    for model in &plan.models {
        let found = training::check(&model.options(data, out, out), cohort.as_ref());
        add(&format!("3-models/{}", model.name()), found.map(|()| "its options make sense".into()).map_err(Into::into));
    }
    if cohort.is_some() {
        add("4-baselines", baselines(plan, data, out));
    }
    findings
}

/// # Errors
/// The first input that is refused, and how many more are.
pub fn require(findings: Vec<Finding>) -> anyhow::Result<()> {
    let mut refused = findings.into_iter().filter_map(|Finding { stage, found }| Some(found.err()?.context(stage)));
    let Some(first) = refused.next() else { return Ok(()) };
    match refused.count() {
        0 => Err(first),
        n => Err(anyhow!("{first:#} (and {n} more, which `gf-genomics check` lists)")),
    }
}

fn sequences(plan: &Plan, data: &Data, out: &Path, records: bool) -> anyhow::Result<String> {
    let checked = sequence::check(&plan.sequences_options(data, &data.samples()?, out), records)?;
    let people = format!("{} people in {} files, {} loci", checked.n_people, data.vcf.len(), checked.n_loci);
    let of_ref = checked.n_records.map(|n| format!("REF of {} records as in the FASTA", n - checked.n_beyond_reference));
    let warnings = checked.warnings.iter().map(|warning| format!("warning: {warning}"));
    Ok(std::iter::once(people).chain(of_ref).chain(warnings).collect::<Vec<_>>().join("; "))
}

fn tokens(plan: &Plan) -> anyhow::Result<String> {
    let tokenizer = plan.tokens.given_tokenizer()?;
    Ok(tokenizer.map_or("fitted on the training split".into(), |_| "the tokenizer file can be used".into()))
}

fn baselines(plan: &Plan, data: &Data, out: &Path) -> anyhow::Result<String> {
    let (cohort, scores) = prs::check(&plan.baselines.options(data, &plan.sequences.apply_filters, out))?;
    let scores: Vec<String> = scores.into_iter().map(|(id, n_rows)| format!("; score {id}: {n_rows} variants")).collect();
    Ok(format!("{}{}", cohort.to_string().trim_end().replace('\n', "; "), scores.concat()))
}
