//! Items of the Polygenic Risk Score Reporting Standards (PRS-RS), filled as far as they are known.
//!
//! Input -> output: a [`Verdict`] and its [`Background`] -> each item with what is known here, or
//! with what a paper has to add.
//!
//! Items: Wand et al. 2021, Nature 591:211, table 1 (22 items in six groups; the last group is
//! deposition in the PGS Catalog).

use gf_cohort_schema::{AucRow, STACKED, counted};
use serde_json::Value;

use super::{
    Background, Verdict, narrative,
    sections::stratum_names,
    table::{classes, grouped},
};
use crate::layout;

/// Text of an item, or what to write where nothing is known.
type Known = Result<String, &'static str>;

/// One item of the standard.
pub struct Item {
    /// Group of items.
    pub group: &'static str,
    /// Name of the item.
    pub name: &'static str,
    /// What is known here; else what to write.
    pub known: Known,
}

/// Last row of baselines.
const LAST_BASELINE_ROW: u8 = 3;

/// All items, in the order of the standard.
pub fn items(verdict: &Verdict, background: &Background) -> Vec<Item> {
    let sources = Sources::new(verdict, background);
    [
        ("Background", sources.background_items()),
        ("Study population and data", sources.population_items()),
        (
            "Risk model development and application",
            sources.development_items(),
        ),
        ("Risk model evaluation", sources.evaluation_items()),
        (
            "Limitations and clinical implications",
            sources.limitation_items(),
        ),
        (
            "Data transparency and availability",
            sources.availability_items(),
        ),
    ]
    .into_iter()
    .flat_map(|(group, items)| {
        items
            .into_iter()
            .map(move |(name, known)| Item { group, name, known })
    })
    .collect()
}

/// What the items are filled from.
struct Sources<'a> {
    verdict: &'a Verdict,
    background: &'a Background,
    /// Rows of the split that the report shows.
    rows: Vec<&'a AucRow>,
    /// Names of strata.
    strata: Vec<String>,
    /// Published scores, each with its number of variants.
    scores: Vec<String>,
}

impl<'a> Sources<'a> {
    fn new(verdict: &'a Verdict, background: &'a Background) -> Self {
        let scores = background.scores.iter().map(|score| {
            let variants = grouped(score.n_variants, "variant", "variants");
            format!("{} ({variants})", score.accession)
        });
        Self {
            verdict,
            background,
            rows: narrative::shown_rows(verdict),
            strata: stratum_names(verdict),
            scores: scores.collect(),
        }
    }

    fn has_model(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.model == name)
    }

    fn background_items(&self) -> Vec<(&'static str, Known)> {
        let models = counted(self.rows.len(), "model", "models");
        vec![
            (
                "Study type",
                Ok(format!(
                    "Development and evaluation of {models} on one cohort with a fixed split; no \
                     external validation"
                )),
            ),
            (
                "Risk model purpose and predicted outcome",
                Err("purpose, outcome and time horizon"),
            ),
        ]
    }

    fn population_items(&self) -> Vec<(&'static str, Known)> {
        vec![
            (
                "Study design and recruitment",
                Err("design, setting, dates, inclusion and exclusion"),
            ),
            (
                "Participant demographics and clinical characteristics",
                self.demographics(),
            ),
            (
                "Ancestry",
                known_if(
                    self.has_ancestry(),
                    "Counts by split in the section Cohort; add how ancestry was assigned",
                    "genetic ancestry, and how it was assigned",
                ),
            ),
            (
                "Genetic data",
                self.genetic_data()
                    .ok_or("genotyping or sequencing, imputation, build and quality control"),
            ),
            (
                "Non-genetic variables",
                known_if(
                    self.has_model("prs-covariates"),
                    "The covariates of the cohort table, alone in prs-covariates; add definitions",
                    "covariates and their definitions",
                ),
            ),
            ("Outcome of interest", self.outcome()),
            (
                "Missing data",
                self.background
                    .option("sequences.missing")
                    .map(|policy| {
                        format!("Missing alleles: policy {policy}; counts in the section Variants")
                    })
                    .ok_or("how missing genotypes, covariates and outcomes were handled"),
            ),
        ]
    }

    fn demographics(&self) -> Known {
        let has_age = self
            .verdict
            .characteristics
            .iter()
            .any(|of_split| of_split.age.is_some());
        let has_sex = self.has_group(&["sex"]);
        let known = match (has_age, has_sex) {
            (true, true) => "Age and sex",
            (true, false) => "Age",
            (false, true) => "Sex",
            (false, false) => return Err("age, sex and clinical characteristics of each split"),
        };
        Ok(format!(
            "{known} by split in the section Cohort; add clinical characteristics"
        ))
    }

    fn has_ancestry(&self) -> bool {
        self.verdict
            .characteristics
            .iter()
            .flat_map(|of_split| &of_split.groups)
            .any(|group| !["sex", "apoe"].contains(&group.characteristic.as_str()))
    }

    fn has_group(&self, names: &[&str]) -> bool {
        self.verdict
            .characteristics
            .iter()
            .flat_map(|of_split| &of_split.groups)
            .any(|group| names.contains(&group.characteristic.as_str()))
    }

    fn genetic_data(&self) -> Option<String> {
        let summary = self.background.stage(layout::SEQUENCES_FOLDER)?;
        Some(format!(
            "{} in {} of {}; genotypes as in the VCF; policies in the section Options, skipped \
             alleles in the section Variants",
            counted_value(&summary["n_records"], "record", "records"),
            counted_value(&summary["n_loci"], "locus", "loci"),
            counted_value(&summary["n_people"], "sample", "samples")
        ))
    }

    fn outcome(&self) -> Known {
        let splits: Vec<String> = self
            .verdict
            .people
            .iter()
            .map(|row| format!("{}: {}", row.split, classes(row.n_cases, row.n_controls)))
            .collect();
        if splits.is_empty() {
            return Err("definition of cases and controls, and their number");
        }
        Ok(format!(
            "Case or control: {}; add the definition of a case",
            splits.join("; ")
        ))
    }

    fn development_items(&self) -> Vec<(&'static str, Known)> {
        vec![
            (
                "Polygenic risk score construction and estimation",
                self.construction(),
            ),
            (
                "Risk model type",
                Ok(
                    "Logistic regression (baselines, stacked model); neural network with a \
                     logistic output (sequence models)"
                        .to_owned(),
                ),
            ),
            (
                "Integrated risk model description and fitting",
                known_if(
                    self.has_model(STACKED),
                    "Stacked model: a logistic regression on the best score and the best sequence \
                     model, fitted on the validation split; coefficients in stacked.csv",
                    "how genetic and further risk factors were combined",
                ),
            ),
        ]
    }

    fn construction(&self) -> Known {
        let has_baseline = self
            .rows
            .iter()
            .any(|row| row.row.is_some_and(|number| number <= LAST_BASELINE_ROW));
        if !has_baseline {
            return Err("how the score was constructed");
        }
        if self.scores.is_empty() {
            return Ok(
                "Baselines fitted on the training split; weights in weights.csv next to their \
                 predictions"
                    .to_owned(),
            );
        }
        Ok(format!(
            "Published scores {}; the other baselines are fitted on the training split",
            self.scores.join(", ")
        ))
    }

    fn evaluation_items(&self) -> Vec<(&'static str, Known)> {
        let has_odds_ratio = self.rows.iter().any(|row| row.or_per_sd.is_some());
        let has_auroc = self.rows.iter().any(|row| row.auroc.is_some());
        let subgroups = if self.strata.is_empty() {
            Err("performance by sex, ancestry and other groups")
        } else {
            Ok(format!("By {}", self.strata.join(", ")))
        };
        vec![
            (
                "PRS distribution",
                known_if(
                    !self.verdict.distribution.is_empty(),
                    "Figure of the scores of cases and controls",
                    "distribution of the score",
                ),
            ),
            (
                "Risk model predictive ability",
                known_if(
                    has_odds_ratio,
                    "Odds ratio per standard deviation, by tenths, Nagelkerke and liability R2 \
                     (where a prevalence was stated)",
                    "effect per standard deviation, R2",
                ),
            ),
            (
                "Risk model discrimination",
                known_if(
                    has_auroc,
                    "AUC with 95 % intervals and a paired test, area under the precision-recall \
                     curve",
                    "AUC with its interval",
                ),
            ),
            (
                "Risk model calibration",
                known_if(
                    !self.verdict.calibration.is_empty(),
                    "Figure of calibration; slope, intercept and Brier score by model",
                    "calibration",
                ),
            ),
            ("Subgroup analyses", subgroups),
        ]
    }

    fn limitation_items(&self) -> Vec<(&'static str, Known)> {
        vec![
            (
                "Risk model interpretation",
                Ok(narrative::sentence(self.verdict)),
            ),
            (
                "Limitations",
                known_if(
                    !self.verdict.guards.is_empty(),
                    "Findings of the guards, and guards that were not run; add limitations of the \
                     design",
                    "limits of design, data and methods",
                ),
            ),
            (
                "Generalizability",
                Err("further populations and settings; there is no test outside of this cohort"),
            ),
            (
                "Risk model intended uses",
                Ok("Research; not a diagnosis and not a medical device".to_owned()),
            ),
        ]
    }

    fn availability_items(&self) -> Vec<(&'static str, Known)> {
        let known = if self.scores.is_empty() {
            Err("availability of scores, models and data; deposit new scores in the PGS Catalog")
        } else {
            Ok(format!(
                "Published scores: {}; deposit new scores",
                self.scores.join(", ")
            ))
        };
        vec![("Availability and deposition in the PGS Catalog", known)]
    }
}

fn known_if(condition: bool, text: &str, hint: &'static str) -> Known {
    if condition {
        Ok(text.to_owned())
    } else {
        Err(hint)
    }
}

/// A count of a stage's summary with its noun; as it is written where it is no whole number.
fn counted_value(value: &Value, singular: &str, plural: &str) -> String {
    match value.as_u64() {
        Some(n) => counted(n, singular, plural),
        None => format!("{value} {plural}"),
    }
}
