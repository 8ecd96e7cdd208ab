//! Remarks of an evaluation: resampling, stacking, recalibration, samples that were left out.
//!
//! Input -> output: a [`Summary`] -> sentences, for the terminal and for the page.

use gf_cohort_schema::counted;

use super::Summary;
use crate::evaluation::{NonAdditive, Stacked};

/// Sentences below the verdict: remarks, samples that were left out, and how tables were read.
pub fn notes(summary: &Summary) -> Vec<String> {
    [
        remarks(summary),
        summary.left_out(),
        summary.readings.clone(),
    ]
    .concat()
}

/// How intervals were computed, the stacked model, and tests over folds, one sentence each.
pub fn remarks(summary: &Summary) -> Vec<String> {
    let mut remarks: Vec<String> = summary.resampling.iter().cloned().collect();
    remarks.extend(summary.non_additive.iter().map(NonAdditive::to_string));
    remarks.push(match &summary.stacked {
        Ok(stacked) => stacked_remark(stacked),
        Err(reason) => format!("No stacked model: {reason}."),
    });
    if let Some(reason) = &summary.not_recalibrated {
        remarks.push(format!(
            "No recalibration: on the validation split {reason}."
        ));
    }
    remarks.extend(
        summary
            .corrected_tests
            .iter()
            .map(|test| format!("{test}.")),
    );
    remarks
}

fn stacked_remark(stacked: &Stacked) -> String {
    let terms: Vec<String> = stacked
        .terms
        .iter()
        .map(|term| {
            format!(
                "{:+.3} {} (SE {:.3})",
                term.coefficient, term.name, term.standard_error
            )
        })
        .collect();
    let firth = if stacked.is_firth {
        " with Firth's penalty"
    } else {
        ""
    };
    let samples = counted(
        stacked.n_validation,
        "validation sample",
        "validation samples",
    );
    let joint = 100.0 * stacked.shrinkage;
    format!(
        "Stacked model, fitted on {samples}{firth}: {}. Its weight is {joint:.0} % on the fit of \
         both predictors and {:.0} % on the better predictor alone.",
        terms.join(", "),
        100.0 - joint
    )
}
