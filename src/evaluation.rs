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
mod measures;
mod non_additive;
mod options;
mod readings;
mod recalibration;
mod sidecar_files;
mod stacking;
mod strata;
#[cfg(test)]
mod tests;
mod verdict;
#[cfg(test)]
mod verdict_oracle;

use std::{fmt, path::PathBuf};

use gf_cohort_schema::{
    AucRow, Characteristics, FoldRow, GuardRow, GuardVerdict, ScoreLayout, ScoreRow, ScoredTable,
    Split, StratumRow, counted, read_assigned,
};
use gf_stats::{delong, roc};
use serde::{Deserialize, Serialize};

pub use self::{
    background::{Background, TrainingLog},
    comparison::Comparison,
    demographics::{AgeSummary, GroupCount, GroupSize, ScoreDensity, SplitCharacteristics},
    error::Error,
    folds::CorrectedTest,
    non_additive::NonAdditive,
    options::ReportSettings,
    recalibration::Recalibration,
    sidecar_files::SidecarFiles,
    stacking::{Stacked, Term},
    verdict::{PeopleRow, Verdict},
};
use self::{bootstrap::Bootstrap, curves::Curves, families::Families};
use crate::{
    leakage,
    predictions::{Column, Known, Rows, Scores},
};

/// Fewest resamples whose 2.5 % quantile is worth reporting.
const MIN_REPLICATES: usize = 100;

/// Inputs and settings of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Tables of predictions or scores, of this program or of another. Together they contain each
    /// (sample, model, fold) once. Several files with folds of one model are repeats of its
    /// cross-validation.
    pub predictions: Vec<PathBuf>,
    /// How tables of other programs are read, and the roles of models.
    #[serde(default)]
    pub layout: ScoreLayout,
    /// Folder for the tables.
    pub out: PathBuf,
    /// Reference model of all comparisons. The default is the baseline with the highest AUROC on
    /// the validation split.
    #[serde(default)]
    pub compare_to: Option<String>,
    /// `cohort.csv`, for families and strata, and for splits and phenotypes that the predictions
    /// lack.
    #[serde(default)]
    pub cohort: Option<PathBuf>,
    /// Columns of `cohort.csv` that define strata, and `apoe`. The default is sex, ancestry and
    /// APOE, where they are known. A column of numbers with more than ten values is divided into
    /// quarters of the samples.
    #[serde(default)]
    pub strata: Option<Vec<String>>,
    /// Number of resamples of families for intervals and tests. If `None`, DeLong's method is used.
    #[serde(default)]
    pub bootstrap: Option<usize>,
    /// Seed of the resamples.
    #[serde(default)]
    pub seed: u64,
    /// Prevalence of the disease in the population, for R2 on the liability scale.
    #[serde(default)]
    pub prevalence: Option<f64>,
    /// How probabilities are recalibrated on the validation split.
    #[serde(default)]
    pub recalibration: Recalibration,
    /// What happens when a guard finds leakage.
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
    /// The run prints a warning.
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

/// Result of an evaluation: the verdict, and the remarks that the report prints next to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// All tables.
    pub verdict: Verdict,
    /// The reference model, and how it was chosen.
    pub comparison: Comparison,
    /// Tests over the folds of a cross-validation, one per model.
    pub corrected_tests: Vec<CorrectedTest>,
    /// Gain of deep terms over the additive term alone, on the test split.
    pub non_additive: Vec<NonAdditive>,
    /// The stacked model, or why there is none.
    pub stacked: Result<Stacked, String>,
    /// How intervals were resampled; `None` for DeLong's method.
    pub resampling: Option<String>,
    /// Why probabilities were not recalibrated although the options ask for it.
    pub not_recalibrated: Option<String>,
    /// Samples left out because their phenotype is unknown.
    pub people_without_phenotype: usize,
    /// Samples that several folds of one model predict, ranked by the mean of these logits.
    pub people_averaged_over_folds: usize,
    /// How the tables were interpreted where they leave it open, one sentence each.
    pub readings: Vec<String>,
    /// Files next to the predictions that were read.
    pub sidecar_files: SidecarFiles,
    /// Training logs, published scores, options and digests that the report shows.
    pub background: Background,
}

impl Summary {
    /// Refuses a verdict with leakage, unless `policy` only warns.
    ///
    /// # Errors
    /// The guards that found leakage, with the subject and the finding of each.
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

    /// Samples that were left out or averaged over folds, one sentence each.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        [
            (
                self.people_without_phenotype,
                "with unknown phenotype left out",
            ),
            (
                self.people_averaged_over_folds,
                "ranked by the mean logit over several folds",
            ),
        ]
        .into_iter()
        .filter(|(n_people, _)| *n_people > 0)
        .map(|(n_people, what)| format!("{} {what}", counted(n_people, "sample", "samples")))
        .collect()
    }
}

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

/// Everything that an evaluation reads, apart from APOE genotypes, costs and guards.
struct Inputs {
    background: Background,
    /// How each file of predictions was read.
    tables: Vec<ScoredTable>,
    scores: Scores,
    cohort: Option<Characteristics>,
}

impl Inputs {
    /// Reads in parallel: with 500,000 samples each of the three takes a part of a second.
    fn read(options: &Options, sidecar_files: &SidecarFiles) -> Result<Self, Error> {
        let (background, (predictions, cohort)) = rayon::join(
            || Background::read(options, sidecar_files),
            || rayon::join(|| Predictions::read(options), || read_cohort(options)),
        );
        let background = background?;
        let Predictions { tables, scores } = predictions?;
        Ok(Self {
            background,
            tables,
            scores,
            cohort: cohort?,
        })
    }
}

fn read_cohort(options: &Options) -> Result<Option<Characteristics>, Error> {
    let path = options.cohort.as_deref();
    Ok(path.map(Characteristics::read).transpose()?)
}

/// The scores of all files, and how each file was read.
struct Predictions {
    tables: Vec<ScoredTable>,
    scores: Scores,
}

impl Predictions {
    /// Reads the predictions. Splits and phenotypes that they lack are those of the cohort table.
    fn read(options: &Options) -> Result<Self, Error> {
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
        let scores = rows.into_scores(assigned.as_ref(), &options.predictions)?;
        Ok(Self { tables, scores })
    }
}

/// The scores and the decisions that every table of a verdict is computed from.
struct Analysis<'a> {
    options: &'a Options,
    scores: &'a Scores,
    known: &'a Known,
    families: &'a Families<'a>,
    comparison: &'a Comparison,
    /// `None` for DeLong's method.
    bootstrap: Option<Bootstrap<'a>>,
}

impl Analysis<'_> {
    /// Computes every table and puts them together.
    fn verdict(
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
    fn auc_rows(
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

    fn stratum_rows(&self, strata: &[strata::Stratum]) -> Vec<StratumRow> {
        strata::rows(
            strata,
            self.scores,
            self.comparison.model(),
            self.bootstrap.as_ref(),
        )
    }

    /// How intervals were resampled, as a sentence.
    fn resampling(&self) -> Option<String> {
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
    fn not_recalibrated(&self) -> Option<String> {
        if self.options.recalibration == Recalibration::None {
            return None;
        }
        self.scores
            .in_split(Split::Validation)
            .first()
            .and_then(Column::too_few)
    }
}

/// Refuses options that are out of range, before predictions are read.
///
/// # Errors
/// Too few resamples; a prevalence that is not between 0 and 1.
pub fn check_options(options: &Options) -> Result<(), Error> {
    if let Some(n_replicates) = options.bootstrap
        && n_replicates < MIN_REPLICATES
    {
        let resamples = counted(n_replicates, "resample is", "resamples are");
        return Err(Error::Option(format!(
            "{resamples} too few for a 95 % interval; use at least {MIN_REPLICATES}"
        )));
    }
    match options.prevalence {
        Some(prevalence) if !(prevalence > 0.0 && prevalence < 1.0) => Err(Error::Option(format!(
            "a prevalence of {prevalence} is not between 0 and 1; give the fraction of the \
             population with the disease"
        ))),
        _ => Ok(()),
    }
}
