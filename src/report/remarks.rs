//! Remarks of an evaluation: resampling, stacking, recalibration, samples that were left out.
//!
//! Input -> output: a [`Summary`] -> sentences, for the terminal and for the page.

use gf_cohort_schema::counted;

use super::{Summary, background::file_name};
use crate::evaluation::{NonAdditive, Stacked};

/// Sentences below the verdict: remarks, samples that were left out, and how tables were read.
pub fn notes(summary: &Summary) -> Vec<String> {
    let readings = summary.readings.iter().map(|reading| shareable(reading));
    [remarks(summary), summary.left_out(), readings.collect()].concat()
}

/// A sentence about a table without the sample that it names as an example, and without the folder
/// of the table: the page is passed on.
fn shareable(reading: &str) -> String {
    let sentence = match reading.split_once(", such as ") {
        Some((sentence, _)) => sentence,
        None => reading,
    };
    match sentence.split_once(": ") {
        Some((path, rest)) if path.contains(['/', '\\']) => {
            format!("{}: {rest}", file_name(path))
        }
        _ => sentence.to_owned(),
    }
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
        "Stacked model, fitted on {samples}{firth}: {}. The stacked logit is a mean of two fits, \
         with weight {joint:.0} % for the fit of both models and {:.0} % for the fit of the better \
         model alone.",
        terms.join(", "),
        100.0 - joint
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_for_the_page_names_no_sample_and_no_folder() {
        assert_eq!(
            shareable("3 of the 40 test samples have no prediction, such as HG00096"),
            "3 of the 40 test samples have no prediction"
        );
        assert_eq!(
            shareable("/home/me/scores.sscore: scores are those of 1 column: SUM"),
            "scores.sscore: scores are those of 1 column: SUM"
        );
        assert_eq!(shareable("no split: test"), "no split: test");
    }
}
