//! The Polygenic Risk Score Reporting Standards: what of them is known here, and what a paper has
//! to add.
//!
//! Items: Wand et al. 2021, Nature 591:211, table 1 (22 items in six groups, the last of which is
//! deposition in the PGS Catalog).

use gf_cohort_schema::{AucRow, STACKED};

use super::{
    Background, Verdict, narrative,
    page::{classes, grouped},
};
use crate::layout;
use gf_cohort_schema::counted;

/// One item of the standard.
pub struct Item {
    /// Group of items.
    pub group: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What is known; what to write where nothing is.
    pub known: Result<String, &'static str>,
}

/// A count of a stage's record with its noun.
fn number_of(value: &serde_json::Value, one: &str, several: &str) -> String {
    value.as_u64().map_or_else(
        || format!("{value} {several}"),
        |n| counted(n, one, several),
    )
}

/// All items, in the standard's order.
#[allow(clippy::too_many_lines, reason = "one list")]
pub fn items(verdict: &Verdict, background: &Background) -> Vec<Item> {
    let split = narrative::split(verdict);
    let rows: Vec<&AucRow> = verdict
        .rows
        .iter()
        .filter(|row| Some(row.split) == split)
        .collect();
    let has = |test: &dyn Fn(&AucRow) -> bool| rows.iter().any(|row| test(row));
    let n_models = rows.len();
    let option = |path: &str| background.option(path);
    let people = verdict
        .people
        .iter()
        .map(|row| format!("{}: {}", row.split, classes(row.n_cases, row.n_controls)));
    let people: Vec<String> = people.collect();
    let strata: Vec<&str> = {
        let mut names: Vec<&str> = verdict
            .strata
            .iter()
            .map(|row| row.stratum.as_str())
            .collect();
        names.dedup();
        names
    };
    let genotypes = background.stage(layout::SEQUENCES_FOLDER).map(|summary| {
        format!(
            "{} in {} of {}; genotypes as in the VCF, policies and skips below",
            number_of(&summary["n_records"], "record", "records"),
            number_of(&summary["n_loci"], "locus", "loci"),
            number_of(&summary["n_people"], "person", "people")
        )
    });
    let scores: Vec<String> = background
        .scores
        .iter()
        .map(|score| {
            format!(
                "{} ({})",
                score.accession,
                grouped(score.n_variants, "variant", "variants")
            )
        })
        .collect();
    let said = |condition: bool, text: String, hint| if condition { Ok(text) } else { Err(hint) };
    let mut items = Vec::new();
    let mut group = |group: &'static str, of: Vec<(&'static str, Result<String, &'static str>)>| {
        items.extend(
            of.into_iter()
                .map(|(name, known)| Item { group, name, known }),
        );
    };
    group(
        "Background",
        vec![
            (
                "Study type",
                Ok(format!(
                    "Development and evaluation of {} on one cohort with a fixed split; no \
                     external validation",
                    counted(n_models, "model", "models")
                )),
            ),
            (
                "Risk model purpose and predicted outcome",
                Err("the purpose, and which outcome over which time"),
            ),
        ],
    );
    group(
        "Study population and data",
        vec![
            (
                "Study design and recruitment",
                Err("design, setting, dates, inclusion and exclusion"),
            ),
            (
                "Participant demographics and clinical characteristics",
                Err("age, sex and clinical characteristics of each split"),
            ),
            (
                "Ancestry",
                said(
                    strata
                        .iter()
                        .any(|name| ["ancestry", "population"].contains(name)),
                    "Levels and counts in the strata below; how ancestry was assigned is missing"
                        .to_owned(),
                    "genetic ancestry, and how it was assigned",
                ),
            ),
            (
                "Genetic data",
                genotypes.ok_or("genotyping or sequencing, imputation, build and quality control"),
            ),
            (
                "Non-genetic variables",
                said(
                    has(&|row| row.model == "prs-covariates"),
                    "The covariates of cohort.csv (row 0); their definitions are missing"
                        .to_owned(),
                    "covariates and their definitions",
                ),
            ),
            (
                "Outcome of interest",
                said(
                    !people.is_empty(),
                    format!(
                        "Case or control: {}; the definition of a case is missing",
                        people.join("; ")
                    ),
                    "definition of cases and controls, and their number",
                ),
            ),
            (
                "Missing data",
                option("sequences.missing")
                    .map(|policy| format!("Missing genotypes: policy `{policy}`; counts below"))
                    .ok_or("how missing genotypes, covariates and outcomes were handled"),
            ),
        ],
    );
    group(
        "Risk model development and application",
        vec![
            (
                "Polygenic risk score construction and estimation",
                said(
                    has(&|row| row.row.is_some_and(|place| place <= 3)),
                    if scores.is_empty() {
                        "Baselines learnt on the training split; weights in weights.csv beside \
                         their predictions"
                            .to_owned()
                    } else {
                        format!(
                            "Published scores {}; the other baselines are learnt on the training \
                             split",
                            scores.join(", ")
                        )
                    },
                    "how the score was made",
                ),
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
                said(
                    has(&|row| row.model == STACKED),
                    "Row 5: a logistic regression on scores and sequence models, fitted on the \
                     validation split; coefficients in stacked.csv"
                        .to_owned(),
                    "how genetic and other risk factors were joined",
                ),
            ),
        ],
    );
    group(
        "Risk model evaluation",
        vec![
            (
                "PRS distribution",
                said(
                    !verdict.distribution.is_empty(),
                    "Figure: scores of cases and controls".to_owned(),
                    "distribution of the score",
                ),
            ),
            (
                "Risk model predictive ability",
                said(
                    has(&|row| row.or_per_sd.is_some()),
                    "Odds ratio per standard deviation, by tenths, Nagelkerke and liability R2 \
                     (where a prevalence was stated)"
                        .to_owned(),
                    "effect per standard deviation, R2",
                ),
            ),
            (
                "Risk model discrimination",
                said(
                    has(&|row| row.auroc.is_some()),
                    "AUC with 95 % intervals and a paired test, area under the precision-recall \
                     curve"
                        .to_owned(),
                    "AUC with its interval",
                ),
            ),
            (
                "Risk model calibration",
                said(
                    !verdict.calibration.is_empty(),
                    "Figure; slope, intercept and Brier score in the table of models".to_owned(),
                    "calibration",
                ),
            ),
            (
                "Subgroup analyses",
                said(
                    !strata.is_empty(),
                    format!("By {}", strata.join(", ")),
                    "performance by sex, ancestry and other groups",
                ),
            ),
        ],
    );
    group(
        "Limitations and clinical implications",
        vec![
            (
                "Risk model interpretation",
                Ok(narrative::kind(verdict).to_owned()),
            ),
            (
                "Limitations",
                said(
                    !verdict.guards.is_empty(),
                    "What the guards found and could not look at; what is limited by design of \
                     the study is missing"
                        .to_owned(),
                    "limits of design, data and methods",
                ),
            ),
            (
                "Generalizability",
                Err("other populations and settings; nothing was tested outside of this cohort"),
            ),
            (
                "Risk model intended uses",
                Ok("Research; not a diagnosis and not a medical device".to_owned()),
            ),
        ],
    );
    group(
        "Data transparency and availability",
        vec![(
            "Availability and deposition in the PGS Catalog",
            if scores.is_empty() {
                Err("where score, model and data are; deposit the score in the PGS Catalog")
            } else {
                Ok(format!(
                    "Scores used are in the PGS Catalog or given as files: {}; deposit new ones",
                    scores.join(", ")
                ))
            },
        )],
    );
    items
}
