//! Checks every input of a pipeline file before any work.
//!
//! Input -> output: a pipeline file -> a finding for each stage: a short description of its inputs,
//! or the reason why the stage would refuse them. Nothing is written.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{anyhow, bail};
use gf_cohort_schema::{Characteristics, Cohort, STACKED, counted};
use gf_haplotypes::ApplyFilters;

use super::plan::{Data, Plan, Source};
use crate::{baselines, evaluation, layout, sequences, simulate, training};

/// The inputs of one stage.
pub struct Finding {
    stage: String,
    /// A description of the inputs, or the reason why they are refused.
    outcome: anyhow::Result<String>,
}

/// Checks everything that a pipeline file names, including REF of every record in the loci, and
/// prints a line for each stage.
///
/// # Errors
/// A pipeline file that cannot be read, or an input that a stage would refuse.
pub fn check(pipeline: &Path) -> anyhow::Result<()> {
    let plan = Plan::read(pipeline)?;
    let out = PathBuf::new();
    let findings = findings(&plan, &plan.data(&out), &out, true);
    let mut table = std::io::stdout().lock();
    let mut n_refused = 0;
    for Finding { stage, outcome } in &findings {
        match outcome {
            Ok(finding) => writeln!(table, "ok      {stage}: {finding}")?,
            Err(error) => {
                n_refused += 1;
                writeln!(table, "refused {stage}: {error:#}")?;
            }
        }
    }
    match n_refused {
        0 => Ok(()),
        n => bail!(
            "{}: {n} of {} failed",
            pipeline.display(),
            counted(findings.len(), "check", "checks")
        ),
    }
}

/// Checks the inputs of each stage.
///
/// With `check_records`, the genotype files are read through and REF of every record is compared
/// with the reference. That can take minutes.
pub fn findings(plan: &Plan, data: &Data, out: &Path, check_records: bool) -> Vec<Finding> {
    let mut checker = Checker {
        plan,
        data,
        out,
        findings: Vec::new(),
    };
    match &plan.source {
        // A cohort that is still to be simulated has both classes, so only its options are checked.
        Source::Simulate(options) => {
            checker.simulation(options);
            checker.other_stages(None);
        }
        Source::Data(_) => {
            let cohort = checker.cohort_and_sequences(check_records);
            checker.other_stages(cohort.as_ref());
        }
    }
    checker.findings
}

/// Returns the first input that is refused as an error, with the number of further ones.
///
/// # Errors
/// An input that a stage would refuse.
pub fn require(findings: Vec<Finding>) -> anyhow::Result<()> {
    let mut refused = findings
        .into_iter()
        .filter_map(|Finding { stage, outcome }| Some(outcome.err()?.context(stage)));
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

/// Collects the findings of one pipeline file.
struct Checker<'a> {
    plan: &'a Plan,
    data: &'a Data,
    out: &'a Path,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn add(&mut self, stage: &str, outcome: anyhow::Result<String>) {
        self.findings.push(Finding {
            stage: stage.into(),
            outcome,
        });
    }

    /// Adds the outcome of a check of options.
    fn add_options<E: Into<anyhow::Error>>(&mut self, stage: &str, outcome: Result<(), E>) {
        let outcome = outcome
            .map(|()| "its options are valid".into())
            .map_err(Into::into);
        self.add(stage, outcome);
    }

    /// Checks the options of a simulation, and that the FILTER policies keep its records.
    fn simulation(&mut self, options: &simulate::Options) {
        self.add_options(layout::COHORT_FOLDER, simulate::check(options));
        let sequence_filters = Some(&self.plan.sequences.apply_filters);
        let baseline_filters = self.plan.baselines.apply_filters.as_ref();
        for (stage, filters) in [
            (layout::SEQUENCES_FOLDER, sequence_filters),
            (layout::BASELINES_FOLDER, baseline_filters),
        ] {
            let Some(ApplyFilters::Named(names)) = filters else {
                continue;
            };
            if !names.iter().any(|name| name == SIMULATED_FILTER) {
                let reason = format!(
                    "apply_filters: every record of a simulated cohort has FILTER \
                     {SIMULATED_FILTER}; add this name, or leave out the key"
                );
                self.add(stage, Err(anyhow!(reason)));
            }
        }
    }

    /// Checks the cohort table and the sequences, and returns the cohort if it can be read.
    fn cohort_and_sequences(&mut self, check_records: bool) -> Option<Cohort> {
        match self.data.people() {
            Ok(cohort) => {
                let outcome = sequences(self.plan, self.data, self.out, check_records);
                self.add(layout::SEQUENCES_FOLDER, outcome);
                Some(cohort)
            }
            Err(error) => {
                self.add(layout::SEQUENCES_FOLDER, Err(error));
                None
            }
        }
    }

    /// Checks tokens, models, baselines and report. There is no `cohort` where it is still to be
    /// simulated or cannot be read.
    fn other_stages(&mut self, cohort: Option<&Cohort>) {
        self.add(layout::TOKENS_FOLDER, tokens(self.plan));
        for model in &self.plan.models {
            let options = self.data.training_options(model, self.out, self.out);
            let stage = model.stage();
            self.add_options(&stage, training::check(&options, cohort));
        }
        let baselines = match cohort {
            Some(_) => baselines(self.plan, self.data, self.out),
            None => baselines_without_cohort(self.plan, self.data, self.out),
        };
        let is_simulated = matches!(self.plan.source, Source::Simulate(_));
        if cohort.is_none() && !is_simulated {
            // The table that cannot be read is a finding already.
            return;
        }
        let score_ids = baselines.as_ref().ok().map(|found| found.score_ids.clone());
        let report = report(self.plan, self.data, cohort, score_ids.as_deref());
        self.add(
            layout::BASELINES_FOLDER,
            baselines.map(|found| found.description),
        );
        self.add(layout::REPORT_FOLDER, report);
    }
}

/// Describes the samples, files and loci of the sequences.
fn sequences(plan: &Plan, data: &Data, out: &Path, check_records: bool) -> anyhow::Result<String> {
    let options = plan.sequences_options(data, &data.samples()?, out);
    let checked = sequences::check(&options, check_records)?;
    let samples = counted(checked.n_people, "sample", "samples");
    let files = counted(data.genotypes.len(), "file", "files");
    let n_filtered = checked.n_filtered;
    if n_filtered > 0 && checked.n_records == Some(n_filtered) {
        let records = counted(n_filtered, "record", "records");
        let filters = &plan.sequences.apply_filters;
        bail!(
            "apply_filters: {records} in the loci, and none has FILTER {filters}; add the FILTER \
             values of the records, or set it to `all`"
        );
    }
    let mut clauses = vec![format!(
        "{samples} in {files}, {}",
        counted(checked.n_loci, "locus", "loci")
    )];
    if let Some(n_records) = checked.n_records {
        let n_compared = n_records - checked.n_beyond_reference;
        clauses.push(format!(
            "REF of {} agrees with the FASTA",
            counted(n_compared, "record", "records")
        ));
    }
    if n_filtered > 0 {
        let records = counted(n_filtered, "record", "records");
        clauses.push(format!("{records} left out by FILTER (apply_filters)"));
    }
    for warning in &checked.warnings {
        clauses.push(format!("warning: {warning}"));
    }
    Ok(clauses.join("; "))
}

fn tokens(plan: &Plan) -> anyhow::Result<String> {
    Ok(match plan.tokens.given_tokenizer()? {
        None => "fitted on the training split".into(),
        Some(_) => "the tokenizer file can be used".into(),
    })
}

/// The inputs of the baselines.
struct CheckedBaselines {
    description: String,
    /// Ids of the scoring files.
    score_ids: Vec<String>,
}

/// Checks the baselines of a cohort that can be read.
fn baselines(plan: &Plan, data: &Data, out: &Path) -> anyhow::Result<CheckedBaselines> {
    let filters = &plan.sequences.apply_filters;
    let options = data.baseline_options(&plan.baselines, filters, out);
    let (cohort, scores) = baselines::check(&options)?;
    let mut description = cohort.to_string().trim_end().replace('\n', "; ");
    for (id, n_variants) in &scores {
        write!(
            description,
            "; score {id}: {}",
            counted(*n_variants, "variant", "variants")
        )?;
    }
    Ok(CheckedBaselines {
        description,
        score_ids: scores.into_iter().map(|(id, _)| id).collect(),
    })
}

/// Checks the baselines of a cohort that is still to be simulated.
fn baselines_without_cohort(
    plan: &Plan,
    data: &Data,
    out: &Path,
) -> anyhow::Result<CheckedBaselines> {
    let filters = &plan.sequences.apply_filters;
    let mut options = data.baseline_options(&plan.baselines, filters, out);
    // The reference of a simulated cohort does not exist yet.
    options
        .scoring
        .matching
        .reference
        .take_if(|path| *path == data.reference);
    Ok(CheckedBaselines {
        description: "its options are valid".into(),
        score_ids: baselines::check_without_cohort(&options)?,
    })
}

/// FILTER of the records of a simulated cohort.
const SIMULATED_FILTER: &str = "PASS";
/// Columns of the cohort table of a simulated cohort.
const SIMULATED: [&str; 5] = ["sample_id", "phenotype", "split", "age", "sex"];
/// The columns of these that are covariates.
const SIMULATED_COVARIATES: &[&str] = SIMULATED.split_at(3).1;
/// The stratum that is not a column of a cohort table: it comes from the genotypes.
const APOE: &str = "apoe";

/// Checks the options of the report. `score_ids` are the ids of the scoring files, if these could
/// be read.
fn report(
    plan: &Plan,
    data: &Data,
    cohort: Option<&Cohort>,
    score_ids: Option<&[String]>,
) -> anyhow::Result<String> {
    let options = data.evaluation_options(
        &plan.report,
        Vec::new(),
        plan.seed,
        PathBuf::new(),
        Path::new(""),
    );
    evaluation::check_options(&options)?;
    // A simulated cohort without a panel or a preset has no APOE genotypes.
    let with_apoe = match &plan.source {
        Source::Simulate(options) => options.panel.is_some() || options.preset.is_some(),
        Source::Data(_) => true,
    };
    let characteristics = cohort
        .map(|_| Characteristics::read(&data.cohort))
        .transpose()?;
    for name in options.strata.iter().flatten() {
        require_stratum(name, characteristics.as_ref(), with_apoe)?;
    }
    if let Some(model) = &options.compare_to
        && let Some(score_ids) = score_ids
    {
        require_reference_model(model, plan, cohort, score_ids, with_apoe)?;
    }
    Ok("its options are valid".into())
}

/// Refuses a stratum that is not a column of the cohort table. There is no table where the cohort
/// is still to be simulated.
fn require_stratum(
    name: &str,
    table: Option<&Characteristics>,
    with_apoe: bool,
) -> anyhow::Result<()> {
    let is_column = match table {
        Some(table) => table.column(name).is_some(),
        None => SIMULATED
            .iter()
            .any(|column| column.eq_ignore_ascii_case(name)),
    };
    let is_apoe = name == APOE && with_apoe;
    if !is_column && !is_apoe {
        let columns = table.map_or(SIMULATED.to_vec(), |table| table.names().collect());
        bail!(
            "strata: `{name}` is not a column of the cohort table; use one of its columns ({})",
            columns.join(", ")
        );
    }
    Ok(())
}

/// Refuses a `compare_to` that is neither a baseline nor a model of this pipeline.
fn require_reference_model(
    model: &String,
    plan: &Plan,
    cohort: Option<&Cohort>,
    score_ids: &[String],
    with_apoe: bool,
) -> anyhow::Result<()> {
    let covariates = match cohort {
        Some(cohort) => cohort.covariate_names.clone(),
        None => SIMULATED_COVARIATES
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
    };
    let mut names = baselines::model_names(score_ids, &covariates, with_apoe);
    names.extend(plan.models.iter().flat_map(training::ModelSettings::names));
    names.push(STACKED.to_owned());
    if !names.contains(model) {
        bail!(
            "compare_to: this pipeline has no model `{model}`; use one of its models ({})",
            names.join(", ")
        );
    }
    Ok(())
}
