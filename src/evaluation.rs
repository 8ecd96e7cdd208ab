//! Evaluation: the AUROC of every model, paired tests against the best baseline, and guards.
//!
//! Input -> output: `predictions.csv` files, the files next to them ([`SidecarFiles`]) and
//! `cohort.csv` (families, strata) -> a [`Summary`] with the tables of a [`Verdict`]. This module
//! computes and writes nothing: `report` writes the tables, `report.html` and its figures.
//!
//! - Models are ranked by their logits. Where several folds of a model predict one sample, the
//!   mean of their logits counts.
//! - Intervals and paired tests are those of DeLong, or of a bootstrap over families.
//! - The reference model, the models to stack and the recalibration are chosen on the validation
//!   split. The test split chooses nothing.
//!
//! Only rows of `gf-cohort-schema` are read: no tensor and no genome.

mod analysis;
mod auc_rows;
mod auroc;
mod background;
mod bootstrap;
mod comparison;
mod curves;
mod deciles;
mod demographics;
mod error;
mod families;
mod folds;
mod inputs;
mod measures;
mod non_additive;
mod options;
mod readings;
mod recalibration;
mod sidecar_files;
mod stacking;
mod strata;
mod summary;
#[cfg(test)]
mod tests;
mod verdict;
#[cfg(test)]
mod verdict_oracle;

use self::{analysis::Analysis, bootstrap::Bootstrap, families::Families, inputs::Inputs};
use crate::predictions::Known;

/// Evaluates every model on every split. Nothing is written; `report::write` writes the result.
/// Leakage is no error here but part of the summary: see [`Summary::require_no_leakage`].
///
/// # Errors
/// Unreadable, malformed or contradicting predictions; models that were run on different samples;
/// a test split with one class only.
pub fn evaluate(options: &Options) -> Result<Summary, Error> {
    if options.predictions.is_empty() {
        return Err(Error::NoPredictions);
    }
    check_options(options)?;
    let sidecar_files = SidecarFiles::find(&options.predictions);
    let Inputs {
        background,
        tables,
        mut scores,
        cohort,
    } = Inputs::read(options, &sidecar_files)?;
    let cohort_with_path = options.cohort.as_deref().zip(cohort);
    let known = Known::new(cohort_with_path, sidecar_files.read_apoe()?, &scores)?;
    let stacked = stacking::add(&mut scores);
    let comparison = comparison::choose(&scores, options.compare_to.as_deref())?;
    let families = Families::new(known.cells("family_id"), &scores);
    let analysis = Analysis {
        options,
        scores: &scores,
        known: &known,
        families: &families,
        comparison: &comparison,
        bootstrap: options.bootstrap.map(|n_replicates| Bootstrap {
            n_replicates,
            seed: options.seed,
            families: &families.numbers,
        }),
    };
    let cross_validation = folds::evaluate(&scores, comparison.model());
    let verdict = analysis.verdict(&sidecar_files, &background.scores, cross_validation.folds)?;
    Ok(Summary {
        verdict,
        corrected_tests: cross_validation.tests,
        non_additive: non_additive::tests(&scores, analysis.bootstrap.as_ref()),
        resampling: analysis.resampling(),
        not_recalibrated: analysis.not_recalibrated(),
        people_without_phenotype: scores.n_without_phenotype(),
        people_averaged_over_folds: scores.people_averaged_over_folds,
        readings: [
            readings::of_tables(&tables),
            readings::of_unassigned(scores.unassigned),
            known.not_predicted(&scores),
        ]
        .concat(),
        comparison,
        stacked,
        sidecar_files,
        background,
    })
}

pub use self::{
    background::{Background, TrainingLog},
    comparison::Comparison,
    demographics::{AgeSummary, GroupCount, GroupSize, ScoreDensity, SplitCharacteristics},
    error::Error,
    folds::CorrectedTest,
    non_additive::NonAdditive,
    options::{GuardPolicy, Options, ReportSettings, check_options},
    recalibration::Recalibration,
    sidecar_files::SidecarFiles,
    stacking::{Stacked, Term},
    summary::Summary,
    verdict::{PeopleRow, Verdict},
};
