//! Stage: how well does each model tell cases from controls, is it better than the best baseline on
//! the same people, and can that be believed?
//!
//! Input -> output: `predictions.csv` files (and what lies beside them, and `cohort.csv` for
//! families and strata) -> the tables of a [`Verdict`], `auc.csv` to `guards.csv`, `stacked.csv`,
//! and `report.html` with its figures. Models are ranked by their logits; a person predicted by
//! several folds of a model is ranked by the mean of those logits. Intervals and paired tests are
//! DeLong's, or of families resampled.
//!
//! Which baseline everything is compared to is chosen on the validation split, and so is what is
//! stacked and how probabilities are recalibrated: the test split chooses nothing. Only rows of
//! `gf-cohort-schema` come in here: never a tensor, never a genome.

mod auroc;
mod bootstrap;
mod comparison;
mod components;
mod deciles;
mod error;
mod folds;
mod guards;
mod measures;
mod non_additive;
mod options;
mod permutation;
mod recalibration;
mod scores;
mod sidecar_files;
mod stacking;
mod strata;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdict_oracle;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use gf_cohort_schema::{
    AucRow, Characteristics, GuardVerdict, Phenotype, RocPoint, ScoreLayout, ScoredTable, Split,
    read_assigned,
};
pub use gf_stats::{delong, roc};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::{
    auroc::{AurocEstimate, aurocs},
    bootstrap::Bootstrap,
    recalibration::Recalibrated,
    scores::{Column, Rows, Scores, Unassigned},
    strata::Known,
};
pub use self::{
    comparison::Comparison,
    error::Error,
    folds::CorrectedTest,
    non_additive::{COLUMNS as NON_ADDITIVE_COLUMNS, NonAdditive},
    options::ReportSettings,
    recalibration::Recalibration,
    stacking::{COEFFICIENT_COLUMNS, Stacked},
};
use crate::report::{self, Background, PeopleRow, Verdict};
use gf_cohort_schema::counted;
use gf_files::output;

/// Fewer resamples say nothing about 2.5 %.
const MIN_REPLICATES: usize = 100;

/// What to evaluate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Tables of predictions or scores, of this program or of another; together they hold each
    /// (person, model, fold) once. Several files with folds of one model are repeats of its
    /// cross-validation.
    pub predictions: Vec<PathBuf>,
    /// How tables of other programs are read, and the roles of models.
    #[serde(default)]
    pub layout: ScoreLayout,
    /// Folder for the tables.
    pub out: PathBuf,
    /// Model that the others are compared to; by default the baseline with the highest AUROC on
    /// the validation split.
    #[serde(default)]
    pub compare_to: Option<String>,
    /// `cohort.csv`, for families and strata, and for splits and phenotypes that the predictions
    /// lack.
    #[serde(default)]
    pub cohort: Option<PathBuf>,
    /// Columns of `cohort.csv` to divide people by, and `apoe`; by default sex, ancestry and APOE
    /// as far as they are known. A column of numbers with more than ten values is divided into
    /// quarters of the people.
    #[serde(default)]
    pub strata: Option<Vec<String>>,
    /// Resamples of families for intervals and tests; DeLong's when absent.
    #[serde(default)]
    pub bootstrap: Option<usize>,
    /// Of the resamples.
    #[serde(default)]
    pub seed: u64,
    /// Share of the population with the disease, for R2 on the liability scale.
    #[serde(default)]
    pub prevalence: Option<f64>,
    /// How probabilities are recalibrated on the validation split.
    #[serde(default)]
    pub recalibration: Recalibration,
    /// What leakage does.
    #[serde(default)]
    pub guards: GuardPolicy,
    /// `run.json` of the pipeline that the predictions are from, whose options, counts and digests
    /// the report shows.
    #[serde(default)]
    pub run: Option<PathBuf>,
}

/// What happens when a guard finds leakage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardPolicy {
    /// The run fails, after all files are written.
    #[default]
    Error,
    /// It is only said.
    Warn,
}

impl fmt::Display for GuardPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
        })
    }
}

impl FromStr for GuardPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Error, Self::Warn]
            .into_iter()
            .find(|policy| policy.to_string() == text)
            .ok_or_else(|| format!("`{text}` is neither error nor warn"))
    }
}

/// What was found; as text, what the terminal shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// All tables.
    pub verdict: Verdict,
    /// What the models are compared to, and how it was chosen.
    pub comparison: Comparison,
    /// Tests over the folds of a cross-validation, one a model.
    pub corrected_tests: Vec<CorrectedTest>,
    /// What deep terms gain over the additive term alone, on the test split.
    pub non_additive: Vec<NonAdditive>,
    /// The stacked model, or why there is none.
    pub stacked: Result<Stacked, String>,
    /// How intervals were made, where not by DeLong's method.
    pub resampling: Option<String>,
    /// Why probabilities were not recalibrated, where they should have been.
    pub not_recalibrated: Option<String>,
    /// People left out because their phenotype is unknown.
    pub people_without_phenotype: usize,
    /// People for whom several folds of one model predict, whose logits were averaged.
    pub people_averaged_over_folds: usize,
    /// How tables were read where they do not say it themselves, a sentence each.
    pub readings: Vec<String>,
    /// Files written.
    pub files: Vec<PathBuf>,
}

impl Summary {
    /// Refuses a verdict that a guard found to be wrong, unless that is only to be said.
    ///
    /// # Errors
    /// The guards that found leakage, what they looked at and what they found.
    pub fn require_no_leakage(&self, policy: GuardPolicy) -> Result<(), Error> {
        let failed: Vec<String> = self
            .verdict
            .guards
            .iter()
            .filter(|row| row.verdict == GuardVerdict::Fail)
            .map(|row| format!("{} ({}: {})", row.guard, row.subject, row.finding))
            .collect();
        match policy {
            GuardPolicy::Error if !failed.is_empty() => Err(Error::Leakage {
                n_findings: failed.len(),
                findings: failed.join("; "),
            }),
            _ => Ok(()),
        }
    }
}

impl Summary {
    /// How intervals were made, what was stacked, and tests over folds, a sentence each.
    fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> = self.resampling.clone().into_iter().collect();
        remarks.extend(self.non_additive.iter().map(NonAdditive::to_string));
        remarks.push(match &self.stacked {
            Ok(Stacked {
                terms,
                n_validation,
                shrinkage,
                is_firth,
            }) => {
                let terms: Vec<String> = terms
                    .iter()
                    .map(|(term, value, error)| format!("{value:+.3} {term} (SE {error:.3})"))
                    .collect();
                let firth = if *is_firth {
                    ", with Firth's penalty"
                } else {
                    ""
                };
                let shrunk = format!(
                    "{:.0} % of the fit on both, the rest of that on the better one",
                    100.0 * shrinkage
                );
                let people = counted(*n_validation, "validation person", "validation people");
                format!(
                    "Stacked on {people}{firth} ({shrunk}): {}.",
                    terms.join(", ")
                )
            }
            Err(reason) => format!("Nothing stacked: {reason}."),
        });
        remarks.extend(
            self.not_recalibrated
                .as_ref()
                .map(|reason| format!("Not recalibrated: on the validation split {reason}.")),
        );
        remarks.extend(self.corrected_tests.iter().map(|test| format!("{test}.")));
        remarks
    }

    /// Who was left out, and who was averaged, a sentence each.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        let counts = [
            (
                self.people_without_phenotype,
                "of unknown phenotype left out",
            ),
            (
                self.people_averaged_over_folds,
                "ranked by the mean logit over several folds",
            ),
        ];
        let sentence =
            |(n, what): (usize, &str)| format!("{} {what}", counted(n, "person", "people"));
        counts
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(sentence)
            .collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}\n{}",
            report::table(&self.verdict.rows),
            self.comparison
        )?;
        self.remarks()
            .iter()
            .try_for_each(|remark| writeln!(f, "{remark}"))?;
        write!(f, "\n{}", report::guards(&self.verdict.guards))
    }
}

/// Evaluates every model on every split and writes the tables and the report. Leakage is in the
/// summary: see [`Summary::require_no_leakage`].
///
/// # Errors
/// Unreadable, malformed or contradicting predictions; models that were run on different people; a
/// test split with one class only.
pub fn run(options: &Options) -> Result<Summary, Error> {
    check(options)?;
    // Of 500,000 people each of these takes its part of a second.
    let (background, (scores, cohort)) = rayon::join(
        || background(options),
        || {
            let cohort = || {
                options
                    .cohort
                    .as_deref()
                    .map(Characteristics::read)
                    .transpose()
            };
            rayon::join(|| scores_of(options), cohort)
        },
    );
    let mut background = background?;
    let (mut scores, tables) = scores?;
    let cohort = options.cohort.as_deref().zip(cohort?);
    let known = Known::new(cohort, sidecar_files::apoe(&options.predictions)?, &scores)?;
    let stacked = stacking::add(&mut scores);
    let comparison = comparison::choose(&scores, options.compare_to.as_deref())?;
    let compared_to = comparison.model();
    let family_ids = known.cells("family_id");
    let families = families(family_ids.as_deref(), &scores);
    let not_recalibrated = scores
        .in_split(Split::Validation)
        .first()
        .and_then(Column::too_few);
    let bootstrap = options.bootstrap.map(|n_replicates| Bootstrap {
        n_replicates,
        seed: options.seed,
        families: &families,
    });

    let mut verdict = Verdict {
        rows: auc_rows(&scores, compared_to, bootstrap.as_ref(), options.prevalence)?,
        ..Verdict::default()
    };
    measures::increments(&mut verdict.rows);
    sidecar_files::fill_in(&mut verdict.rows, &options.predictions, &background.scores)?;
    describe(&mut verdict, &scores, options.recalibration);
    let strata = strata::choose(options.strata.as_deref(), &known)?;
    let (strata, guards) = rayon::join(
        || strata::rows(&strata, &scores, compared_to, bootstrap.as_ref()),
        || guards::run(&scores, &known),
    );
    verdict.strata = strata;
    let (folds, corrected_tests) = folds::evaluate(&scores, compared_to);
    verdict.folds = folds;
    verdict.guards = sidecar_files::guards(&options.predictions, &guards::NAMES)?;
    verdict.guards.extend(guards);
    verdict.people = people(family_ids.as_deref(), &scores);
    verdict.comparison = comparison.to_string();

    let mut files = report::write(&options.out, &verdict)?;
    let non_additive = non_additive::tests(&scores, bootstrap.as_ref());
    let non_additive_csv = options.out.join("non_additive.csv");
    if non_additive::write(&non_additive_csv, &non_additive)? {
        files.push(non_additive_csv);
    }
    let stacked_csv = options.out.join("stacked.csv");
    match &stacked {
        Ok(stacked) => {
            stacking::write(&stacked_csv, stacked)?;
            files.push(stacked_csv);
        }
        // One of an earlier run would be of other predictions.
        Err(_) => output::remove_if_there(&stacked_csv)?,
    }
    let n_families = families.iter().collect::<HashSet<_>>().len();
    let mut summary = Summary {
        verdict,
        comparison,
        corrected_tests,
        non_additive,
        stacked,
        resampling: options.bootstrap.map(|n| {
            let n_families = counted(n_families, "family", "families");
            let people = counted(families.len(), "person", "people");
            format!(
                "Intervals and tests by {n} resamples of {n_families} of {people} (seed {}).",
                options.seed
            )
        }),
        not_recalibrated: not_recalibrated.filter(|_| options.recalibration != Recalibration::None),
        people_without_phenotype: scores
            .people
            .iter()
            .filter(|person| person.phenotype.is_none())
            .count(),
        people_averaged_over_folds: scores.people_averaged_over_folds,
        readings: [readings(&tables, &scores), known.not_predicted(&scores)].concat(),
        files,
    };
    background.notes = summary.remarks();
    background.notes.extend(summary.left_out());
    background.notes.extend(summary.readings.clone());
    summary.files.extend(report::write_report(
        &options.out,
        &summary.verdict,
        &background,
    )?);
    Ok(summary)
}

/// The scores of all files, with splits and phenotypes of the cohort table where the files lack
/// them.
fn scores_of(options: &Options) -> Result<(Scores, Vec<ScoredTable>), Error> {
    let layout = ScoreLayout {
        with_cohort: options.cohort.is_some(),
        ..options.layout.clone()
    };
    let mut rows = Rows::read(&options.predictions, &layout)?;
    let cohort = options.cohort.as_deref().filter(|_| rows.lack_something());
    let assigned = cohort
        .map(|path| read_assigned(path, layout.phenotype_coding))
        .transpose()?;
    let tables = std::mem::take(&mut rows.tables);
    let scores = rows.with(assigned.as_ref(), &options.predictions)?;
    Ok((scores, tables))
}

/// How tables were read where they do not say it themselves, a sentence each.
fn readings(tables: &[ScoredTable], scores: &Scores) -> Vec<String> {
    let mut said = Vec::new();
    for table in tables {
        let path = table.path.display();
        if !table.score_columns.is_empty() {
            let columns = counted(table.score_columns.len(), "column", "columns");
            said.push(format!(
                "{path}: scores are those of {columns}: {}",
                table.score_columns.join(", ")
            ));
        }
        for (model, role) in &table.roles_by_default {
            said.push(format!(
                "{path}: no role is stated, so {model} is read as {role} (--role {model}=ROLE \
                 changes it)"
            ));
        }
        if table.may_be_cut {
            said.push(format!(
                "{path}: the last line has no line break; is the file complete?"
            ));
        }
    }
    let Unassigned {
        without_score,
        not_in_cohort,
        without_split,
    } = scores.unassigned;
    if without_score > 0 {
        said.push(format!(
            "{} without a score in one of the tables left out",
            counted(without_score, "person", "people")
        ));
    }
    if not_in_cohort > 0 {
        said.push(format!(
            "{} not in the cohort table left out",
            counted(not_in_cohort, "person", "people")
        ));
    }
    if without_split > 0 {
        said.push(format!(
            "no table has a split of {}: taken for the test split",
            counted(without_split, "person", "people")
        ));
    }
    said
}

/// What the report shows beside the verdict.
fn background(options: &Options) -> Result<Background, Error> {
    let run = options.run.as_deref().map(sidecar_files::run).transpose()?;
    let pipeline = run
        .as_ref()
        .and_then(|run| Path::new(run.get("pipeline")?.as_str()?).file_stem());
    let name = pipeline
        .or(options.out.file_name())
        .map_or("evaluation".into(), |name| {
            name.to_string_lossy().into_owned()
        });
    Ok(Background {
        name,
        notes: Vec::new(),
        training: sidecar_files::training(&options.predictions)?,
        scores: sidecar_files::scores(&options.predictions)?,
        evaluation: json!({
            "version": env!("CARGO_PKG_VERSION"),
            "compare_to": options.compare_to,
            "layout": options.layout,
            "cohort": options.cohort,
            "strata": options.strata,
            "bootstrap": options.bootstrap,
            "seed": options.seed,
            "prevalence": options.prevalence,
            "recalibration": options.recalibration,
            "guards": options.guards,
        }),
        inputs: sidecar_files::digests(&options.predictions)?,
        run,
    })
}

fn check(options: &Options) -> Result<(), Error> {
    if options.predictions.is_empty() {
        return Err(Error::NoPredictions);
    }
    check_options(options)
}

/// Refuses options that make no sense, before there are predictions.
///
/// # Errors
/// Too few resamples; a prevalence that is no share.
pub fn check_options(options: &Options) -> Result<(), Error> {
    if let Some(n) = options.bootstrap.filter(|&n| n < MIN_REPLICATES) {
        let resamples = counted(n, "resample is", "resamples are");
        return Err(Error::Option(format!(
            "{resamples} too few for a 95 % interval; use at least {MIN_REPLICATES}"
        )));
    }
    match options.prevalence {
        Some(prevalence) if !(prevalence > 0.0 && prevalence < 1.0) => Err(Error::Option(format!(
            "a prevalence of {prevalence} is not between 0 and 1; give the share of the \
             population with the disease"
        ))),
        _ => Ok(()),
    }
}

/// A number for each family; people of no family have one of their own.
fn families(family_ids: Option<&[Option<&str>]>, scores: &Scores) -> Vec<u32> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let Some(family_ids) = family_ids else {
        return (0..).take(scores.people.len()).collect();
    };
    // Of a family the place of its first one, which is nobody else's number.
    let cells = family_ids.iter().zip(0..);
    cells
        .map(|(family, person)| {
            family.map_or(person, |family| *numbers.entry(family).or_insert(person))
        })
        .collect()
}

/// Who is in each split.
fn people(family_ids: Option<&[Option<&str>]>, scores: &Scores) -> Vec<PeopleRow> {
    let of_split = |split: Split| {
        let count = |is: &dyn Fn(Option<Phenotype>) -> bool| {
            scores
                .people
                .iter()
                .filter(|person| person.split == split && is(person.phenotype))
                .count()
        };
        let families = |ids: &[Option<&str>]| {
            let of_split = scores
                .people
                .iter()
                .zip(ids)
                .filter(|(person, _)| person.split == split);
            of_split
                .filter_map(|(_, family)| *family)
                .collect::<HashSet<_>>()
                .len()
        };
        PeopleRow {
            split,
            n_cases: count(&|phenotype| phenotype.is_some_and(Phenotype::is_case)),
            n_controls: count(&|phenotype| phenotype.is_some_and(|phenotype| !phenotype.is_case())),
            n_without_phenotype: count(&|phenotype| phenotype.is_none()),
            n_families: family_ids.map(families),
        }
    };
    Split::ALL
        .into_iter()
        .map(of_split)
        .filter(|row| row.n_people() > 0)
        .collect()
}

fn auc_rows(
    scores: &Scores,
    compared_to: Option<&str>,
    bootstrap: Option<&Bootstrap<'_>>,
    prevalence: Option<f64>,
) -> Result<Vec<AucRow>, Error> {
    let mut rows = Vec::new();
    for split in Split::ALL {
        let columns: Vec<&Column> = scores.in_split(split).iter().collect();
        // Without a model to compare to, every table still has to be about the same people.
        let other = compared_to
            .and_then(|model| scores.column(split, model))
            .or(columns.first().copied());
        if let Some(other) = other {
            columns
                .iter()
                .try_for_each(|column| scores.require_same_people(column, other))?;
        }
        let areas = aurocs(&columns, compared_to, bootstrap);
        let of_split = columns.into_par_iter().zip(areas).map(|(column, area)| {
            let area = area.map_err(|undefined| {
                (split == Split::Test).then(|| Error::OneClass {
                    split,
                    model: column.model.clone(),
                    undefined,
                })
            });
            match area {
                Ok(area) => Ok(auc_row(column, Some(area), compared_to, prevalence)),
                Err(None) => Ok(auc_row(column, None, compared_to, prevalence)),
                Err(Some(error)) => Err(error),
            }
        });
        rows.extend(of_split.collect::<Result<Vec<_>, _>>()?);
    }
    if rows.iter().all(|row| row.auroc.is_none()) {
        Err(Error::NoSplitWithBothClasses)
    } else {
        Ok(rows)
    }
}

fn auc_row(
    column: &Column,
    area: Option<AurocEstimate>,
    compared_to: Option<&str>,
    prevalence: Option<f64>,
) -> AucRow {
    let n_cases = column.n_cases();
    let n_controls = column.n_controls();
    let mut row = AucRow {
        row: column.role.rung(),
        ..AucRow::undefined(&column.model, column.split, n_cases, n_controls)
    };
    let mut reasons = match &area {
        Some(area) => area.reasons.clone(),
        None => vec![format!(
            "AUC {}",
            roc::OneClass {
                n_cases,
                n_controls
            }
        )],
    };
    if let Some(area) = area {
        row.auroc = Some(area.auroc);
        (row.ci_low, row.ci_high) = (
            area.interval.map(|interval| interval.low),
            area.interval.map(|interval| interval.high),
        );
        row.compared_to = compared_to
            .filter(|other| *other != column.model)
            .map(str::to_owned);
        row.delta_auroc = area.difference.map(|difference| difference.delta);
        if let Some((interval, p_value)) =
            area.difference.and_then(|difference| difference.inference)
        {
            (row.delta_ci_low, row.delta_ci_high, row.p_value) =
                (Some(interval.low), Some(interval.high), Some(p_value));
        }
    }
    measures::fill_in(&mut row, column, prevalence, &mut reasons);
    if let Some(reason) = column.not_calibrated().filter(|_| row.auroc.is_some()) {
        (row.calibration_slope, row.calibration_intercept) = (None, None);
        let undefined = if column.too_few().is_some() {
            "calibration and deciles"
        } else {
            "calibration"
        };
        reasons.push(format!("{undefined} undefined: {reason}"));
    }
    row.reason = (!reasons.is_empty()).then(|| reasons.join("; "));
    row
}

/// Curves, calibration, tenths and distributions of all models; calibration and tenths of enough
/// people only.
fn describe(verdict: &mut Verdict, scores: &Scores, recalibration: Recalibration) {
    let mut ranges: HashMap<&str, (f64, f64)> = HashMap::new();
    for column in &scores.columns {
        let range = ranges
            .entry(&column.model)
            .or_insert((f64::INFINITY, f64::NEG_INFINITY));
        let own = column.logits.iter().fold(*range, |(low, high), &logit| {
            (low.min(logit), high.max(logit))
        });
        *range = own;
    }
    let of_column = |column: &Column| {
        let is_calibrated = |column: &&Column| column.not_calibrated().is_none();
        let fit = |validation: &Column| recalibration.fit(validation);
        // On the validation split itself a recalibration looks better than it is.
        let fitted: Option<Recalibrated> = (column.split != Split::Validation)
            .then(|| scores.column(Split::Validation, &column.model))
            .flatten()
            .filter(is_calibrated)
            .and_then(fit);
        let calibrated = Some(column).filter(is_calibrated);
        let enough = Some(column).filter(|column| column.too_few().is_none());
        (
            roc_points(column),
            calibrated.map_or_else(Vec::new, |column| {
                deciles::calibration(column, fitted.as_ref())
            }),
            enough.map_or_else(Vec::new, deciles::deciles),
            deciles::distribution(column, ranges[column.model.as_str()]),
        )
    };
    let described: Vec<_> = scores.columns.par_iter().map(of_column).collect();
    for (roc, calibration, deciles, distribution) in described {
        verdict.roc.extend(roc);
        verdict.calibration.extend(calibration);
        verdict.deciles.extend(deciles);
        verdict.distribution.extend(distribution);
    }
}

/// The curve of a model on a split that has both classes.
fn roc_points(column: &Column) -> Vec<RocPoint> {
    let corners = roc::corners(&column.logits, &column.is_case, &column.order).unwrap_or_default();
    let point = |corner: roc::Corner| RocPoint {
        model: column.model.clone(),
        split: column.split,
        threshold: corner.threshold,
        false_positive_rate: corner.false_positive_rate,
        true_positive_rate: corner.true_positive_rate,
    };
    corners.into_iter().map(point).collect()
}
