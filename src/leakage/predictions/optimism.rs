//! Guards for models that are better than they can be: almost perfect, or better on test than on
//! train.

use gf_cohort_schema::{GuardRow, GuardVerdict, STACKED, Split, counted};
use gf_stats::{delong::Placements, normal::upper_tail};

use super::{ALL_MODELS, ALPHA, TEST_BETTER, TOO_GOOD, or_pass, placements_of_many};
use crate::predictions::{Column, Scores};

/// AUROC above which a model is not plausible.
const BELIEVABLE: f64 = 0.99;

/// Searches for models with an AUROC that no genetic model of a complex disease reaches.
pub(super) fn too_good(columns: &[Column]) -> Vec<GuardRow> {
    let aurocs: Vec<(f64, &Column)> = columns
        .iter()
        .filter_map(|column| Some((placements_of_many(column)?.auroc(), column)))
        .collect();
    let Some(best) = aurocs.iter().map(|(auroc, _)| *auroc).reduce(f64::max) else {
        return vec![GuardRow::new(
            TOO_GOOD,
            GuardVerdict::NotRun,
            ALL_MODELS,
            "too few samples, or only one class",
        )];
    };
    let rows = aurocs
        .iter()
        .filter(|(auroc, _)| *auroc > BELIEVABLE)
        .map(|(auroc, column)| {
            let finding = format!(
                "AUC {auroc:.4} is higher than any predictor known before the disease can reach; \
                 is one of the inputs the diagnosis, or derived from it?"
            );
            GuardRow::new(TOO_GOOD, GuardVerdict::Warn, &column.model, finding)
        })
        .collect();
    or_pass(
        rows,
        TOO_GOOD,
        ALL_MODELS,
        format!("the best AUC is {best:.3}"),
    )
}

/// A model on the test split and on the training split.
struct Performance<'a> {
    model: &'a str,
    on_test: Placements,
    on_train: Placements,
}

impl<'a> Performance<'a> {
    /// `None` without enough samples of both classes on both splits.
    fn new(test: &'a Column, scores: &Scores) -> Option<Self> {
        let train = scores.column(Split::Train, &test.model)?;
        Some(Self {
            model: &test.model,
            on_test: placements_of_many(test)?,
            on_train: placements_of_many(train)?,
        })
    }

    /// AUROC on train minus AUROC on test.
    fn optimism(&self) -> f64 {
        self.on_train.auroc() - self.on_test.auroc()
    }

    /// A failure where the model is better on test, with a one-sided p-value below `alpha`. The two
    /// splits have different samples, so the variance of the difference is the sum of both.
    fn failure(&self, alpha: f64) -> Option<GuardRow> {
        let test = self.on_test.auroc();
        let train = self.on_train.auroc();
        let variance = self.on_test.variance()? + self.on_train.variance()?;
        let is_better = test > train && upper_tail((test - train) / variance.sqrt()) < alpha;
        if !is_better {
            return None;
        }
        let finding = format!(
            "AUC {test:.3} on test, {train:.3} on train, so the model is better where it was not \
             fitted; were weights or scoring file made with the test samples?"
        );
        Some(GuardRow::new(
            TEST_BETTER,
            GuardVerdict::Fail,
            self.model,
            finding,
        ))
    }
}

/// Searches for models that rank the test split better than the training split. The stacked model
/// has no training split.
pub(super) fn test_better_than_train(scores: &Scores) -> Vec<GuardRow> {
    let models: Vec<Performance<'_>> = scores
        .in_split(Split::Test)
        .iter()
        .filter(|column| column.model != STACKED)
        .filter_map(|test| Performance::new(test, scores))
        .collect();
    let Some(most_optimistic) = most_optimistic(&models) else {
        return vec![GuardRow::new(
            TEST_BETTER,
            GuardVerdict::NotRun,
            ALL_MODELS,
            "no model has predictions for enough samples of both classes on train and test",
        )];
    };
    let alpha = ALPHA / models.len() as f64;
    let failures = models
        .iter()
        .filter_map(|model| model.failure(alpha))
        .collect();
    let finding = format!(
        "{}; the largest optimism is {:+.3} for {} (AUC {:.3} on train, {:.3} on test)",
        counted(models.len(), "model", "models"),
        most_optimistic.optimism(),
        most_optimistic.model,
        most_optimistic.on_train.auroc(),
        most_optimistic.on_test.auroc()
    );
    or_pass(failures, TEST_BETTER, ALL_MODELS, finding)
}

/// The first of equal ones.
fn most_optimistic<'a>(models: &'a [Performance<'a>]) -> Option<&'a Performance<'a>> {
    models.iter().reduce(|largest, model| {
        if model.optimism() > largest.optimism() {
            model
        } else {
            largest
        }
    })
}
