//! Names of the baselines of a run.
//!
//! | model | features |
//! |---|---|
//! | `prs-covariates` | the covariates of the cohort alone |
//! | `prs-apoe` | APOE e2 and e4 counts, and the covariates |
//! | `prs-pcs` | the principal components alone, to detect stratification |
//! | `prs-dosages` | all dosages with an L2 penalty, and the covariates |
//! | `prs-ct` | the score of clumping and thresholding, and the covariates |
//! | `prs-elastic-net` | the dosages that an elastic net selects, and the covariates |
//! | `prs-<id>` | a published score, and the covariates |
//! | `prs-<id>-alone` | a published score without the covariates |
//! | `..-no-apoe` | a score without the APOE region, and APOE e2 and e4 counts |

use gf_cohort_schema::{ALONE, BASELINE_PREFIX, WITHOUT_APOE};

/// Names of all baselines that a run with these scoring files and covariates can have. `with_apoe`:
/// the genotypes may have the APOE variants.
#[must_use]
pub fn model_names(scores: &[String], covariates: &[String], with_apoe: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let learned = ["dosages", "ct", "elastic-net"].map(str::to_owned);
    if !covariates.is_empty() {
        names.push("covariates".into());
        names.extend(scores.iter().map(|score| format!("{score}{ALONE}")));
    }
    if covariates.iter().any(|name| is_principal_component(name)) {
        names.push("pcs".into());
    }
    let genetic: Vec<String> = learned.into_iter().chain(scores.iter().cloned()).collect();
    if with_apoe {
        names.push("apoe".into());
        names.extend(genetic.iter().map(|name| format!("{name}{WITHOUT_APOE}")));
    }
    names.extend(genetic);
    names
        .into_iter()
        .map(|name| format!("{BASELINE_PREFIX}{name}"))
        .collect()
}

/// Whether a covariate is a principal component: `PC1`, `pc12`.
fn is_principal_component(name: &str) -> bool {
    name.to_ascii_uppercase()
        .strip_prefix("PC")
        .is_some_and(|number| number.parse::<u32>().is_ok())
}
