//! AUC of published scores as they are: nothing is fitted, so no training people are needed.
//!
//! Input -> output: VCF/BCF + `cohort.csv` + scoring files -> `raw_scores.csv`, `match_log.csv`,
//! `predictions.csv` and `score_auc.csv`. The logit of a prediction is the score with mean 0 and
//! standard deviation 1 over the people: it ranks them, and its probability is not calibrated.

use std::fmt;

use gf_cohort_schema::{
    BASELINE_PREFIX, Cohort, CovariateChoice, Prediction, Role, Split, probability,
    write_predictions,
};
use serde::Serialize;

use crate::evaluation::{delong::Placements, roc::by_rising};
use crate::layout;
use crate::{
    baselines::{Error, Options},
    scoring::{
        published::Score,
        raw_scores::{self, RawSummary},
    },
};
use gf_files::output;

/// Columns of `score_auc.csv`.
pub const AREA_COLUMNS: [&str; 7] = [
    "model",
    "split",
    "n_cases",
    "n_controls",
    "auroc",
    "ci_low",
    "ci_high",
];

/// How well one score tells cases from controls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AurocRow {
    /// As in `predictions.csv`.
    pub model: String,
    /// The split, or `all` where there are several.
    pub split: String,
    /// Cases.
    pub n_cases: usize,
    /// Controls.
    pub n_controls: usize,
    /// Area under the ROC curve of the sums.
    pub auroc: f64,
    /// DeLong's 95 % interval; `None` with fewer than two people of a class.
    pub ci: Option<[f64; 2]>,
}

/// What was found and what was left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoFitSummary {
    /// The scores.
    pub raw: RawSummary,
    /// AUC of each score and split.
    pub areas: Vec<AurocRow>,
    /// Why there is no AUC of a split.
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
            "nothing was fitted (--no-fit): probabilities in predictions.csv are not calibrated"
        )
    }
}

/// Reads who is in the study; covariates are not used.
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

/// Scores the people of the cohort by every scoring file.
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
        for of_score in predictions.chunks(cohort.people.len().max(1)) {
            for_each_group(&cohort, |split, people| {
                match area(split, people, of_score) {
                    Ok(area) => areas.push(area),
                    Err(reason) => without_area.push(reason),
                }
            });
        }
        output::write(&options.scoring.out.join(layout::PREDICTIONS), |out| {
            write_predictions(out, &predictions)
        })?;
        let rows = areas.iter().map(row);
        Ok(output::shareable::write_csv(
            &options.scoring.out.join(layout::SCORE_AUC),
            &AREA_COLUMNS,
            rows,
        )?)
    })?;
    without_area.dedup();
    Ok(NoFitSummary {
        raw,
        areas,
        without_area,
    })
}

/// Each split that has people, and all of them where there are several.
fn for_each_group(cohort: &Cohort, mut visit: impl FnMut(&str, &[usize])) {
    let people_of = |split: Split| {
        cohort
            .in_split(split)
            .map(|(person, _)| person)
            .collect::<Vec<_>>()
    };
    let groups: Vec<(Split, Vec<usize>)> = Split::ALL
        .into_iter()
        .map(|split| (split, people_of(split)))
        .collect();
    let filled: Vec<_> = groups
        .into_iter()
        .filter(|(_, people)| !people.is_empty())
        .collect();
    for (split, people) in &filled {
        visit(&split.to_string(), people);
    }
    if filled.len() > 1 {
        visit("all", &(0..cohort.people.len()).collect::<Vec<_>>());
    }
}

fn area(split: &str, people: &[usize], predictions: &[Prediction]) -> Result<AurocRow, String> {
    let labelled: Vec<(f64, bool)> = people
        .iter()
        .filter_map(|&person| {
            Some((
                predictions[person].logit,
                predictions[person].phenotype?.is_case(),
            ))
        })
        .collect();
    let (logits, is_case): (Vec<f64>, Vec<bool>) = labelled.into_iter().unzip();
    let n_cases = is_case.iter().filter(|case| **case).count();
    let n_controls = is_case.len() - n_cases;
    let none =
        |_| format!("{split} has {n_cases} cases and {n_controls} controls; both are needed");
    let placements = Placements::new(&logits, &is_case, &by_rising(&logits)).map_err(none)?;
    let ci = placements
        .interval()
        .map(|interval| [interval.low, interval.high]);
    let model = people
        .first()
        .map_or_else(String::new, |&person| predictions[person].model.clone());
    Ok(AurocRow {
        model,
        split: split.to_owned(),
        n_cases,
        n_controls,
        auroc: placements.auroc(),
        ci,
    })
}

fn row(area: &AurocRow) -> (&str, &str, usize, usize, f64, Option<f64>, Option<f64>) {
    let low = area.ci.map(|ci| ci[0]);
    let high = area.ci.map(|ci| ci[1]);
    (
        &area.model,
        &area.split,
        area.n_cases,
        area.n_controls,
        area.auroc,
        low,
        high,
    )
}

fn predictions<'c>(
    cohort: &'c Cohort,
    score: &Score<'_>,
) -> impl Iterator<Item = Prediction> + use<'c> {
    let sums: Vec<f64> = score.totals.iter().map(|total| total.sum).collect();
    let n = sums.len().max(1) as f64;
    let mean = sums.iter().sum::<f64>() / n;
    let sd = (sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / n).sqrt();
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
