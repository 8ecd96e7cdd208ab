//! The tables of a verdict, from the scores and the decisions about them.

use gf_cohort_schema::{AucRow, FoldRow, GuardRow, ScoreRow, Split, StratumRow, counted};

use super::{
    Options, auc_rows, bootstrap::Bootstrap, comparison::Comparison, curves::Curves, demographics,
    error::Error, families::Families, measures, recalibration::Recalibration,
    sidecar_files::SidecarFiles, strata, verdict::Verdict,
};
use crate::{
    leakage,
    predictions::{Column, Known, Scores},
};

/// The scores and the decisions that every table of a verdict is computed from.
pub(super) struct Analysis<'a> {
    pub(super) options: &'a Options,
    pub(super) scores: &'a Scores,
    pub(super) known: &'a Known,
    pub(super) families: &'a Families<'a>,
    pub(super) comparison: &'a Comparison,
    /// `None` for DeLong's method.
    pub(super) bootstrap: Option<Bootstrap<'a>>,
}

impl Analysis<'_> {
    /// Computes every table and puts them together.
    pub(super) fn verdict(
        &self,
        sidecar_files: &SidecarFiles,
        published_scores: &[ScoreRow],
        folds: Vec<FoldRow>,
    ) -> Result<Verdict, Error> {
        let rows = self.auc_rows(sidecar_files, published_scores)?;
        let curves = Curves::new(self.scores, self.options.recalibration);
        let chosen_strata = strata::choose(self.options.strata.as_deref(), self.known)?;
        let (strata, own_guards) = rayon::join(
            || self.stratum_rows(&chosen_strata),
            || leakage::predictions::run(self.scores, self.known),
        );
        // Guards of earlier stages come first.
        let guards: Vec<GuardRow> = sidecar_files
            .read_guards(&leakage::predictions::NAMES)?
            .into_iter()
            .chain(own_guards)
            .collect();
        Ok(Verdict {
            rows,
            roc: curves.roc,
            strata,
            calibration: curves.calibration,
            deciles: curves.deciles,
            distribution: curves.distribution,
            folds,
            guards,
            people: self.families.count_by_split(self.scores),
            characteristics: demographics::by_split(self.scores, self.known),
            ancestry_densities: demographics::densities(self.scores, self.known),
            comparison: self.comparison.to_string(),
        })
    }

    /// The rows of `auc.csv`, with the cost and the match rate of each model that has them.
    pub(super) fn auc_rows(
        &self,
        sidecar_files: &SidecarFiles,
        published_scores: &[ScoreRow],
    ) -> Result<Vec<AucRow>, Error> {
        let mut rows = auc_rows::compute(
            self.scores,
            self.comparison.model(),
            self.bootstrap.as_ref(),
            self.options.prevalence,
        )?;
        measures::add_increments(&mut rows);
        auc_rows::add_costs(&mut rows, &sidecar_files.read_costs()?);
        auc_rows::add_match_rates(&mut rows, published_scores);
        Ok(rows)
    }

    pub(super) fn stratum_rows(&self, strata: &[strata::Stratum]) -> Vec<StratumRow> {
        strata::rows(
            strata,
            self.scores,
            self.comparison.model(),
            self.bootstrap.as_ref(),
        )
    }

    /// How intervals were resampled, as a sentence.
    pub(super) fn resampling(&self) -> Option<String> {
        let n_replicates = self.options.bootstrap?;
        let families = counted(self.families.n_distinct(), "family", "families");
        let people = counted(self.scores.people.len(), "sample", "samples");
        Some(format!(
            "Intervals and tests use {n_replicates} bootstrap resamples of {families} with \
             {people} (seed {}).",
            self.options.seed
        ))
    }

    /// Why no recalibration was fitted: the validation split is too small.
    pub(super) fn not_recalibrated(&self) -> Option<String> {
        if self.options.recalibration == Recalibration::None {
            return None;
        }
        self.scores
            .in_split(Split::Validation)
            .first()
            .and_then(Column::too_few)
    }
}
