//! Are the inputs of a pipeline file what they should be? Asked before any work.
//!
//! Input -> output: a pipeline file -> a finding for each stage: what it was given, or why it would
//! refuse it. Nothing is written.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{anyhow, bail};
use gf_cohort_schema::{Characteristics, Cohort, STACKED};

use super::plan::{Data, Plan, Source};
use crate::layout;
use crate::{baselines, evaluation, simulate, training};
use gf_cohort_schema::counted;
use gf_haplotypes::ApplyFilters;

/// What was found of one stage's inputs.
pub struct Finding {
    stage: String,
    found: anyhow::Result<String>,
}

/// Looks at everything that a pipeline file names, REF of every record in the loci included, and
/// prints a line for each stage.
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
    match findings
        .iter()
        .filter(|finding| finding.found.is_err())
        .count()
    {
        0 => Ok(()),
        n => bail!(
            "{}: {n} of {} failed",
            pipeline.display(),
            counted(findings.len(), "check", "checks")
        ),
    }
}

/// What each stage would be given; `records` looks at REF too, for which the files are read
/// through.
pub fn findings(plan: &Plan, data: &Data, out: &Path, records: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |stage: &str, found: anyhow::Result<String>| {
        findings.push(Finding {
            stage: stage.into(),
            found,
        });
    };
    // None where it is still to be simulated: that one has both classes.
    let mut cohort = None;
    match &plan.source {
        Source::Simulate(options) => {
            let found = simulate::check(options).map_err(anyhow::Error::from);
            add(
                layout::COHORT_FOLDER,
                found.map(|()| "its options make sense".into()),
            );
            let filters = [
                (
                    layout::SEQUENCES_FOLDER,
                    Some(&plan.sequences.apply_filters),
                ),
                (
                    layout::BASELINES_FOLDER,
                    plan.baselines.apply_filters.as_ref(),
                ),
            ];
            for (stage, filters) in filters {
                let Some(ApplyFilters::Named(names)) = filters else {
                    continue;
                };
                if !names.iter().any(|name| name == SIMULATED_FILTER) {
                    let reason = format!(
                        "apply_filters: every record of a simulated cohort has FILTER \
                         {SIMULATED_FILTER}: add it, or leave out the key"
                    );
                    add(stage, Err(anyhow!(reason)));
                }
            }
        }
        Source::Data(_) => match data.people() {
            Ok(people) => {
                cohort = Some(people);
                add(
                    layout::SEQUENCES_FOLDER,
                    sequences(plan, data, out, records),
                );
            }
            Err(error) => add(layout::SEQUENCES_FOLDER, Err(error)),
        },
    }
    add(layout::TOKENS_FOLDER, tokens(plan));
    for model in &plan.models {
        let found = training::check(&data.training_options(model, out, out), cohort.as_ref());
        add(
            &format!("3-models/{}", model.name()),
            found
                .map(|()| "its options make sense".into())
                .map_err(Into::into),
        );
    }
    let scores = match &cohort {
        Some(_) => baselines(plan, data, out),
        None => baselines_without_cohort(plan, data, out),
    };
    let (found, ids) = match scores {
        Ok((found, ids)) => (Ok(found), ids),
        Err(error) => (Err(error), None),
    };
    let is_readable = cohort.is_some() || matches!(plan.source, Source::Simulate(_));
    if is_readable {
        add(layout::BASELINES_FOLDER, found);
        add(
            layout::REPORT_FOLDER,
            report(plan, data, cohort.as_ref(), ids.as_deref()),
        );
    }
    findings
}

/// # Errors
/// The first input that is refused, and how many more are.
pub fn require(findings: Vec<Finding>) -> anyhow::Result<()> {
    let mut refused = findings
        .into_iter()
        .filter_map(|Finding { stage, found }| Some(found.err()?.context(stage)));
    let Some(first) = refused.next() else {
        return Ok(());
    };
    match refused.count() {
        0 => Err(first),
        n => Err(anyhow!(
            "{first:#} (and {n} more, which `gf-genomics check` lists)"
        )),
    }
}

fn sequences(plan: &Plan, data: &Data, out: &Path, records: bool) -> anyhow::Result<String> {
    let checked = gf_haplotypes::check(
        &plan.sequences_options(data, &data.samples()?, out),
        records,
    )?;
    let [people, files] = [
        counted(checked.n_people, "person", "people"),
        counted(data.vcf.len(), "file", "files"),
    ];
    let people = format!(
        "{people} in {files}, {}",
        counted(checked.n_loci, "locus", "loci")
    );
    let n_filtered = checked.n_filtered;
    if n_filtered > 0 && checked.n_records == Some(n_filtered) {
        let records = counted(n_filtered, "record", "records");
        let filters = &plan.sequences.apply_filters;
        bail!("apply_filters: {records} in the loci, and none has FILTER {filters}");
    }
    let filtered = (n_filtered > 0).then(|| {
        let records = counted(n_filtered, "record", "records");
        format!("{records} left out by FILTER (apply_filters)")
    });
    let of_ref = checked.n_records.map(|n| n - checked.n_beyond_reference);
    let of_ref =
        of_ref.map(|n| format!("REF of {} as in the FASTA", counted(n, "record", "records")));
    let warnings = checked
        .warnings
        .iter()
        .map(|warning| format!("warning: {warning}"));
    Ok(std::iter::once(people)
        .chain(of_ref)
        .chain(filtered)
        .chain(warnings)
        .collect::<Vec<_>>()
        .join("; "))
}

fn tokens(plan: &Plan) -> anyhow::Result<String> {
    let tokenizer = plan.tokens.given_tokenizer()?;
    Ok(
        tokenizer.map_or("fitted on the training split".into(), |_| {
            "the tokenizer file can be used".into()
        }),
    )
}

/// What the baselines are given, and the ids of the scoring files; `None` for ids that could not be
/// read.
type Baselines = (String, Option<Vec<String>>);

fn baselines(plan: &Plan, data: &Data, out: &Path) -> anyhow::Result<Baselines> {
    let (cohort, scores) = baselines::check(&data.baseline_options(
        &plan.baselines,
        &plan.sequences.apply_filters,
        out,
    ))?;
    let ids = scores.iter().map(|(id, _)| id.clone()).collect();
    let score = |(id, n_rows): (String, usize)| {
        format!("; score {id}: {}", counted(n_rows, "variant", "variants"))
    };
    let scores: Vec<String> = scores.into_iter().map(score).collect();
    Ok((
        format!(
            "{}{}",
            cohort.to_string().trim_end().replace('\n', "; "),
            scores.concat()
        ),
        Some(ids),
    ))
}

/// As [`baselines`], where the cohort is still to be simulated.
fn baselines_without_cohort(plan: &Plan, data: &Data, out: &Path) -> anyhow::Result<Baselines> {
    let filters = &plan.sequences.apply_filters;
    let mut options = data.baseline_options(&plan.baselines, filters, out);
    // The reference of a simulated cohort is not there yet.
    let matching = &mut options.scoring.matching;
    matching.reference = matching
        .reference
        .take()
        .filter(|path| *path != data.reference);
    let ids = baselines::check_without_cohort(&options)?;
    Ok(("its options make sense".into(), Some(ids)))
}

/// FILTER of the records of a simulated cohort.
const SIMULATED_FILTER: &str = "PASS";
/// Columns of a simulated cohort table.
const SIMULATED: [&str; 5] = ["sample_id", "phenotype", "split", "age", "sex"];
/// The stratum that is no column of a cohort table.
const APOE: &str = "apoe";

/// Options of the report; `ids` of the scoring files, where they could be read.
fn report(
    plan: &Plan,
    data: &Data,
    cohort: Option<&Cohort>,
    ids: Option<&[String]>,
) -> anyhow::Result<String> {
    let options = data.evaluation_options(
        &plan.report,
        Vec::new(),
        plan.seed,
        PathBuf::new(),
        Path::new(""),
    );
    evaluation::check_options(&options)?;
    // A cohort from nothing has no APOE genotypes.
    let with_apoe = match &plan.source {
        Source::Simulate(options) => options.panel.is_some() || options.preset.is_some(),
        Source::Data(_) => true,
    };
    let characteristics = cohort
        .map(|_| Characteristics::read(&data.cohort))
        .transpose()?;
    for name in options.strata.iter().flatten() {
        let is_there = match &characteristics {
            Some(table) => table.column(name).is_some(),
            None => SIMULATED
                .iter()
                .any(|column| column.eq_ignore_ascii_case(name)),
        };
        let is_apoe = name == APOE && with_apoe;
        if !is_there && !is_apoe {
            let columns = characteristics
                .as_ref()
                .map_or(SIMULATED.to_vec(), |table| table.names().collect());
            bail!(
                "strata: `{name}` is no column of the cohort table, which has {}",
                columns.join(", ")
            );
        }
    }
    if let (Some(model), Some(ids)) = (&options.compare_to, ids) {
        let simulated = SIMULATED[3..].iter().map(|&name| name.to_owned()).collect();
        let covariates: Vec<String> =
            cohort.map_or(simulated, |cohort| cohort.covariate_names.clone());
        let mut names = baselines::model_names(ids, &covariates, with_apoe);
        names.extend(
            plan.models
                .iter()
                .flat_map(crate::training::ModelSettings::names),
        );
        names.push(STACKED.to_owned());
        if !names.contains(model) {
            bail!(
                "compare_to: there will be no predictions of `{model}`; the models are {}",
                names.join(", ")
            );
        }
    }
    Ok("its options make sense".into())
}
