//! Stage: how well does each model tell cases from controls, and is it better than the best baseline on the same people?
//!
//! Input -> output: `predictions.csv` files -> `auc.csv` and `roc.csv` ([`AucRow`], [`RocPoint`]), for each split and model the area
//! under the ROC curve with DeLong's 95 % interval, and DeLong's paired test against one model. Models are ranked by their logits;
//! a person predicted by several folds of a model is ranked by the mean of those logits. A `cost.csv` beside the predictions adds what the
//! model costs.
//!
//! Which baseline everything is compared to is chosen on the validation split, so that the test split never chooses it.
//! Only rows of `gf-cohort-schema` come in here: never a tensor, never a genome.

mod costs;
mod delong;
#[cfg(test)]
mod oracle;
pub mod roc;
mod scores;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, path::PathBuf};

use gf_cohort_schema::{AucRow, RocPoint, Split, is_baseline};
use serde::{Deserialize, Serialize};

use self::{delong::Placements, scores::Scores};
use crate::{output, report};

/// What to evaluate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// `predictions.csv` files; together they hold each (person, model, fold) once.
    pub predictions: Vec<PathBuf>,
    /// Folder for `auc.csv` and `roc.csv`.
    pub out: PathBuf,
    /// Model that the others are compared to; by default the baseline with the highest AUROC on the validation split.
    #[serde(default)]
    pub compare_to: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Rows of `auc.csv`, by split, then model.
    pub rows: Vec<AucRow>,
    /// What the models are compared to, and how it was chosen.
    pub comparison: Comparison,
    /// People left out because their phenotype is unknown.
    pub people_without_phenotype: usize,
    /// People for whom several folds of one model predict, whose logits were averaged.
    pub people_averaged_over_folds: usize,
    /// Where `auc.csv` is.
    pub auc_csv: PathBuf,
    /// Where `roc.csv` is.
    pub roc_csv: PathBuf,
}

/// The model that the others are compared to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "chosen", rename_all = "kebab-case")]
pub enum Comparison {
    /// Asked for.
    ByName {
        /// Its name.
        model: String,
    },
    /// The best baseline.
    OnValidation {
        /// Its name.
        model: String,
        /// Its AUROC on the validation split.
        auroc: f64,
        /// How many baselines it was chosen from.
        n_baselines: usize,
    },
    /// The only baseline there is.
    OnlyBaseline {
        /// Its name.
        model: String,
    },
    /// There is no baseline to compare to.
    None,
}

impl Comparison {
    /// Name of the model compared to.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::ByName { model } | Self::OnValidation { model, .. } | Self::OnlyBaseline { model } => Some(model),
            Self::None => None,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByName { model } => write!(formatter, "Compared to {model}, as asked for."),
            Self::OnValidation { model, auroc, n_baselines } => write!(
                formatter,
                "Compared to {model}: of {n_baselines} baselines the highest AUC on the validation split ({auroc:.3}); \
                 the test split did not choose it."
            ),
            Self::OnlyBaseline { model } => write!(formatter, "Compared to {model}, the only baseline."),
            Self::None => write!(formatter, "Compared to nothing: no baseline (a model named prs-...) among the predictions."),
        }
    }
}

/// Why an evaluation is not possible.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A predictions file is wrong.
    #[error(transparent)]
    Table(#[from] gf_cohort_schema::Error),
    /// A result could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// No files were given.
    #[error("no predictions to evaluate; name at least one predictions.csv")]
    NoPredictions,
    /// The same prediction is there twice.
    #[error("{}: person {sample_id} is predicted twice by {model}{fold} (first in {}); give each prediction once", path.display(), first_path.display())]
    PredictedTwice {
        /// File of the second row.
        path: PathBuf,
        /// File of the first row.
        first_path: PathBuf,
        /// The person.
        sample_id: String,
        /// The model.
        model: String,
        /// `, fold N`, or nothing.
        fold: String,
    },
    /// Two rows disagree about a person.
    #[error(
        "{}: person {sample_id} is {here}, but {there} in {}; were these predictions made with one cohort.csv?",
        path.display(), first_path.display()
    )]
    Contradiction {
        /// File of the later row.
        path: PathBuf,
        /// File of the earlier row.
        first_path: PathBuf,
        /// The person.
        sample_id: String,
        /// What the later row says.
        here: String,
        /// What the earlier row says.
        there: String,
    },
    /// Two models cannot be compared.
    #[error(
        "split {split}: {model} and {other} were not run on the same people: {n_both} in both, {n_only_here} only in {model}, \
         {n_only_there} only in {other} (for example {example} is not in {absent_from}); a fair comparison needs the same people"
    )]
    DifferentPeople {
        /// The split.
        split: Split,
        /// The model.
        model: String,
        /// The model it is compared to.
        other: String,
        /// People only in `model`.
        n_only_here: usize,
        /// People only in `other`.
        n_only_there: usize,
        /// People in both.
        n_both: usize,
        /// One of the people in only one of the two.
        example: String,
        /// The model that has no prediction for that person.
        absent_from: String,
    },
    /// The test split, or every split, lacks a class.
    #[error("split {split}: the AUC of {model} is {undefined}")]
    OneClass {
        /// The split.
        split: Split,
        /// The model.
        model: String,
        /// The counts.
        undefined: roc::OneClass,
    },
    /// Two files say different things of one model's cost.
    #[error("{}: another cost of {model} than beside the other predictions; are these two models of one name?", path.display())]
    TwoCosts {
        /// The later file.
        path: PathBuf,
        /// The model.
        model: String,
    },
    /// No split has two classes.
    #[error("no split has both cases and controls of known phenotype, so there is no AUC to compute; check the phenotype column")]
    NoSplitWithBothClasses,
    /// The model to compare to is not among the predictions.
    #[error("no predictions of `{model}` to compare to; there are predictions of {available}")]
    UnknownModel {
        /// The name asked for.
        model: String,
        /// The names there are.
        available: String,
    },
    /// Several baselines, and nothing to choose between them by.
    #[error("none of the baselines {baselines} has an AUC on the validation split to choose between them by; name one with --compare-to")]
    NoValidation {
        /// Their names.
        baselines: String,
    },
}

/// Evaluates every model on every split and writes `auc.csv` and `roc.csv`.
///
/// # Errors
/// Unreadable, malformed or contradicting predictions; models that were run on different people; a test split with one class only.
pub fn run(options: &Options) -> Result<Summary, Error> {
    if options.predictions.is_empty() {
        return Err(Error::NoPredictions);
    }
    let scores = Scores::read(&options.predictions)?;
    let comparison = choose_comparison(&scores, options.compare_to.as_deref())?;
    let mut rows = auc_rows(&scores, comparison.model())?;
    costs::fill_in(&mut rows, &costs::read(&options.predictions)?);
    let (auc_csv, roc_csv) = (options.out.join("auc.csv"), options.out.join("roc.csv"));
    report::write_auc(&auc_csv, &rows)?;
    report::write_roc(&roc_csv, &roc_points(&scores))?;
    Ok(Summary {
        rows,
        comparison,
        people_without_phenotype: scores.people_without_phenotype,
        people_averaged_over_folds: scores.people_averaged_over_folds,
        auc_csv,
        roc_csv,
    })
}

fn choose_comparison(scores: &Scores, compare_to: Option<&str>) -> Result<Comparison, Error> {
    let models: BTreeSet<&str> = scores.keys().map(|(_, model)| model).collect();
    if let Some(model) = compare_to {
        if models.contains(model) {
            return Ok(Comparison::ByName { model: model.to_owned() });
        }
        return Err(Error::UnknownModel { model: model.to_owned(), available: join(&models) });
    }
    let baselines: BTreeSet<&str> = models.into_iter().filter(|model| is_baseline(model)).collect();
    let validation_auroc = |model: &str| {
        let logits = scores.logits(Split::Validation, model);
        roc::auroc(&logits.cases, &logits.controls).ok()
    };
    let aurocs: Vec<(&str, f64)> = baselines.iter().filter_map(|&model| Some((model, validation_auroc(model)?))).collect();
    // Of equal ones the first by name: `max_by` takes the last.
    match aurocs.iter().rev().max_by(|a, b| a.1.total_cmp(&b.1)) {
        _ if baselines.len() == 1 => Ok(Comparison::OnlyBaseline { model: join(&baselines) }),
        Some(&(model, auroc)) => Ok(Comparison::OnValidation { model: model.to_owned(), auroc, n_baselines: baselines.len() }),
        None if baselines.is_empty() => Ok(Comparison::None),
        None => Err(Error::NoValidation { baselines: join(&baselines) }),
    }
}

fn join(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

fn auc_rows(scores: &Scores, compared_to: Option<&str>) -> Result<Vec<AucRow>, Error> {
    let rows = scores.keys().map(|(split, model)| auc_row(scores, split, model, compared_to)).collect::<Result<Vec<_>, _>>()?;
    if rows.iter().all(|row| row.auroc.is_none()) {
        return Err(Error::NoSplitWithBothClasses);
    }
    Ok(rows)
}

fn auc_row(scores: &Scores, split: Split, model: &str, compared_to: Option<&str>) -> Result<AucRow, Error> {
    let logits = scores.logits(split, model);
    let mut row = AucRow::undefined(model, split, logits.cases.len(), logits.controls.len());
    let mut reasons: Vec<String> = Vec::new();
    match Placements::new(&logits.cases, &logits.controls) {
        Err(undefined) if split == Split::Test => return Err(Error::OneClass { split, model: model.to_owned(), undefined }),
        Err(undefined) => reasons.push(format!("AUC {undefined}")),
        Ok(placements) => {
            row.auroc = Some(placements.auroc());
            row.ci_low = placements.interval().map(|interval| interval.low);
            row.ci_high = placements.interval().map(|interval| interval.high);
            let variance_reason = match placements.variance() {
                None => Some("interval undefined with fewer than two people in a class"),
                Some(0.0) => Some("interval of no width: DeLong's variance is zero (perfect separation, or all logits tied)"),
                Some(_) => None,
            };
            reasons.extend(variance_reason.map(str::to_owned));
            if let Some(other) = compared_to.filter(|&other| other != model) {
                row.compared_to = Some(other.to_owned());
                compare(scores, &placements, &mut row, other, &mut reasons)?;
            }
        }
    }
    row.reason = (!reasons.is_empty()).then(|| reasons.join("; "));
    Ok(row)
}

/// Fills in the paired test of `row.model` against `other`.
fn compare(scores: &Scores, placements: &Placements, row: &mut AucRow, other: &str, reasons: &mut Vec<String>) -> Result<(), Error> {
    scores.require_same_people(row.split, &row.model, other)?;
    let logits = scores.logits(row.split, other);
    let Ok(others) = Placements::new(&logits.cases, &logits.controls) else {
        reasons.push(format!("not compared: {other} has no predictions on this split"));
        return Ok(());
    };
    let test = placements.paired_test(&others);
    row.delta_auroc = Some(test.delta);
    if let Some((interval, p_value)) = test.inference {
        (row.delta_ci_low, row.delta_ci_high, row.p_value) = (Some(interval.low), Some(interval.high), Some(p_value));
    } else {
        reasons.push(format!("no test: the variance of the difference to {other} is zero or undefined"));
    }
    Ok(())
}

/// The curves of all models on the splits that have both classes.
fn roc_points(scores: &Scores) -> Vec<RocPoint> {
    let mut points = Vec::new();
    for (split, model) in scores.keys() {
        let logits = scores.logits(split, model);
        let corners = roc::corners(&logits.cases, &logits.controls).unwrap_or_default();
        points.extend(corners.into_iter().map(|corner| RocPoint {
            model: model.to_owned(),
            split,
            threshold: corner.threshold,
            false_positive_rate: corner.false_positive_rate,
            true_positive_rate: corner.true_positive_rate,
        }));
    }
    points
}
