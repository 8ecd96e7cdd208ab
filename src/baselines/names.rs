//! The names of the baselines that a run may have.

use gf_cohort_schema::{ALONE, BASELINE_PREFIX, WITHOUT_APOE};

/// Names of all baselines that there may be with these scoring files; `with_apoe` where the
/// genotypes may have the APOE sites.
#[must_use]
pub fn model_names(scores: &[String], covariates: &[String], with_apoe: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let learned = ["dosages", "ct", "elastic-net"].map(str::to_owned);
    let is_component = |name: &String| {
        name.to_ascii_uppercase()
            .strip_prefix("PC")
            .is_some_and(|rest| rest.parse::<u32>().is_ok())
    };
    if !covariates.is_empty() {
        names.push("covariates".into());
        names.extend(scores.iter().map(|score| format!("{score}{ALONE}")));
    }
    names.extend(covariates.iter().any(is_component).then(|| "pcs".into()));
    let full: Vec<String> = learned.into_iter().chain(scores.iter().cloned()).collect();
    if with_apoe {
        names.push("apoe".into());
        names.extend(full.iter().map(|name| format!("{name}{WITHOUT_APOE}")));
    }
    names.extend(full);
    names
        .into_iter()
        .map(|name| format!("{BASELINE_PREFIX}{name}"))
        .collect()
}
