//! AUC of published scores without any fit, so that no training samples are needed.
//!
//! Input: VCF/BCF, `cohort.csv` and scoring files. Output: `raw_scores.csv`, `match_log.csv`,
//! `predictions.csv` and `score_auc.csv`. The logit of a prediction is the score, standardised to
//! mean 0 and standard deviation 1 over the samples. It ranks the samples, but its probability is
//! not calibrated.

use std::fmt;

use gf_cohort_schema::{
    BASELINE_PREFIX, Cohort, CovariateChoice, Prediction, Role, ScoreAucRow, Split, probability,
    write_predictions,
};
use serde::Serialize;

use crate::layout;
use crate::{
    baselines::{Error, Options},
    scoring::{
        published::Score,
        raw_scores::{self, RawSummary},
    },
    tables::write_shareable,
};
use gf_files::output;
use gf_stats::{delong::Placements, roc::by_rising};

/// AUC of one score in one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AurocRow {
    /// Name in `predictions.csv`.
    pub model: String,
    /// The split, or `all` for the samples of several splits.
    pub split: String,
    /// Number of cases.
    pub n_cases: usize,
    /// Number of controls.
    pub n_controls: usize,
    /// Area under the ROC curve of the sums.
    pub auroc: f64,
    /// DeLong's 95 % interval; `None` with fewer than two samples of a class.
    pub ci: Option<[f64; 2]>,
}

/// Summary of the scores and their AUC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoFitSummary {
    /// Summary of the scores.
    pub raw: RawSummary,
    /// AUC of each score and split.
    pub areas: Vec<AurocRow>,
    /// Reasons of splits without an AUC.
    pub without_area: Vec<String>,
}

impl fmt::Display for NoFitSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.raw)?;
        for AurocRow {
            model,
            split,
            n_cases,
            n_controls,
            auroc,
            ci,
        } in &self.areas
        {
            let interval = ci.map_or_else(String::new, |[low, high]| {
                format!(" (95 % CI {low:.3} to {high:.3})")
            });
            writeln!(
                f,
                "{model}, {split}: AUC {auroc:.3}{interval}, {n_cases} cases, {n_controls} \
                 controls"
            )?;
        }
        self.without_area
            .iter()
            .try_for_each(|reason| writeln!(f, "no AUC: {reason}"))?;
        writeln!(
            f,
            "nothing was fitted (--no-fit), so the probabilities in predictions.csv are not \
             calibrated"
        )
    }
}

/// Reads the cohort without covariates.
///
/// # Errors
/// A cohort that cannot be read.
pub fn read_cohort(options: &Options) -> Result<Cohort, Error> {
    Ok(Cohort::read(
        &options.cohort,
        options.phenotype_coding,
        &CovariateChoice::Named(Vec::new()),
    )?)
}

/// Scores the samples of the cohort by every scoring file.
///
/// # Errors
/// Bad input (see [`Error`]); no scoring file.
pub fn run(options: &Options) -> Result<NoFitSummary, Error> {
    options.check()?;
    let cohort = read_cohort(options)?;
    let names: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let mut areas = Vec::new();
    let mut without_area = Vec::new();
    let raw = raw_scores::summed(&options.scoring, Some(&names), |_, scores| {
        let predictions: Vec<Prediction> = scores
            .iter()
            .flat_map(|score| predictions(&cohort, score))
            .collect();
        for score_predictions in predictions.chunks(cohort.people.len().max(1)) {
            for group in groups(&cohort) {
                match area(&group, score_predictions) {
                    Ok(area) => areas.push(area),
                    Err(problem) => without_area.push(problem.to_string()),
                }
            }
        }
        output::write(&options.scoring.out.join(layout::PREDICTIONS), |out| {
            write_predictions(out, &predictions)
        })?;
        let path = options.scoring.out.join(layout::SCORE_AUC);
        Ok(write_shareable(&path, areas.iter().map(row))?)
    })?;
    without_area.dedup();
    Ok(NoFitSummary {
        raw,
        areas,
        without_area,
    })
}

/// Samples whose AUC is computed together.
struct Group {
    /// The split, or `all`.
    name: String,
    /// Indices of the samples in the cohort.
    samples: Vec<usize>,
}

/// The splits that have samples, and all samples together if there are several such splits.
fn groups(cohort: &Cohort) -> Vec<Group> {
    let mut groups: Vec<Group> = Split::ALL
        .into_iter()
        .map(|split| Group {
            name: split.to_string(),
            samples: cohort.in_split(split).map(|(index, _)| index).collect(),
        })
        .filter(|group| !group.samples.is_empty())
        .collect();
    if groups.len() > 1 {
        groups.push(Group {
            name: "all".to_owned(),
            samples: (0..cohort.people.len()).collect(),
        });
    }
    groups
}

/// A group without cases or without controls, which has no AUC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{group} has {n_cases} cases and {n_controls} controls; both are needed")]
struct GroupOfOneClass {
    group: String,
    n_cases: usize,
    n_controls: usize,
}

/// AUC of one score in a group.
fn area(group: &Group, predictions: &[Prediction]) -> Result<AurocRow, GroupOfOneClass> {
    let split = &group.name;
    let labelled = group
        .samples
        .iter()
        .map(|&sample| &predictions[sample])
        .filter_map(|prediction| Some((prediction.logit, prediction.phenotype?.is_case())));
    let (logits, is_case): (Vec<f64>, Vec<bool>) = labelled.unzip();
    let n_cases = is_case.iter().filter(|case| **case).count();
    let n_controls = is_case.len() - n_cases;
    let placements =
        Placements::new(&logits, &is_case, &by_rising(&logits)).map_err(|_| GroupOfOneClass {
            group: split.clone(),
            n_cases,
            n_controls,
        })?;
    let ci = placements
        .interval()
        .map(|interval| [interval.low, interval.high]);
    let model = group
        .samples
        .first()
        .map_or_else(String::new, |&sample| predictions[sample].model.clone());
    Ok(AurocRow {
        model,
        split: split.clone(),
        n_cases,
        n_controls,
        auroc: placements.auroc(),
        ci,
    })
}

fn row(area: &AurocRow) -> ScoreAucRow<'_> {
    ScoreAucRow {
        model: &area.model,
        split: &area.split,
        n_cases: area.n_cases,
        n_controls: area.n_controls,
        auroc: area.auroc,
        ci_low: area.ci.map(|[low, _]| low),
        ci_high: area.ci.map(|[_, high]| high),
    }
}

/// Predictions of one score for all samples of the cohort.
fn predictions<'c>(
    cohort: &'c Cohort,
    score: &Score<'_>,
) -> impl Iterator<Item = Prediction> + use<'c> {
    let sums: Vec<f64> = score.totals.iter().map(|total| total.sum).collect();
    let n = sums.len().max(1) as f64;
    let mean = sums.iter().sum::<f64>() / n;
    let sd = (sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / n).sqrt();
    // A constant score stays 0 for every sample.
    let scale = if sd > 0.0 { sd } else { 1.0 };
    let model = format!("{BASELINE_PREFIX}{}", score.file.id);
    cohort.people.iter().zip(sums).map(move |(person, sum)| {
        let logit = (sum - mean) / scale;
        Prediction {
            sample_id: person.sample_id.clone(),
            model: model.clone(),
            split: person.split,
            fold: None,
            phenotype: person.phenotype,
            logit,
            probability: probability(logit),
            role: Role::Score,
        }
    })
}
