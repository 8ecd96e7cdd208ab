//! What there is to say of a model beside its AUROC: precision and recall, odds ratio, R2,
//! calibration.
//!
//! Input -> output: logits, probabilities and outcomes of the people of one split -> the further
//! columns of `auc.csv`. The odds ratio is of one standard deviation of the logit among everyone
//! evaluated (PRS-RS, Wand et al. 2021, and the PGS Catalog give it for a score standardised
//! so). The R2 are those of the model's logit itself, covariates included; `incremental_r2` is what
//! it adds to them. Brier score and calibration are of the probabilities as they were predicted,
//! without recalibration.

use gf_cohort_schema::AucRow;

use super::{
    roc::{count, ties},
    scores::Column,
};
use gf_stats::{
    normal::{Z_975, density, upper_quantile},
    regression::{Failure, Fit, Likelihood, logistic},
};

/// Fills in what is defined; says why the rest is not.
pub fn fill_in(
    row: &mut AucRow,
    column: &Column,
    prevalence: Option<f64>,
    reasons: &mut Vec<String>,
) {
    row.brier = column
        .has_probabilities
        .then(|| brier(&column.probabilities, &column.is_case));
    if row.auroc.is_none() {
        return;
    }
    row.auprc = Some(average_precision(column));
    row.liability_r2 = prevalence
        .and_then(|prevalence| liability_r2(observed_r2(column)?, case_share(column), prevalence));
    // A score in other units than log odds has no calibration.
    if column.has_probabilities {
        match calibration_intercept(column) {
            Ok(intercept) => row.calibration_intercept = Some(intercept),
            Err(failure) => reasons.push(format!("calibration intercept {failure}")),
        }
    }
    match on_logit(column) {
        Ok(on_logit) => {
            row.calibration_slope = Some(on_logit.slope);
            let [or_per_sd, low, high] = on_logit.odds_ratio;
            (row.or_per_sd, row.or_ci_low, row.or_ci_high) =
                (Some(or_per_sd), Some(low), Some(high));
            row.nagelkerke_r2 = Some(on_logit.nagelkerke_r2);
        }
        Err(failure) => reasons.push(format!(
            "odds ratio, Nagelkerke's R2 and calibration slope {failure}"
        )),
    }
}

/// What each model's R2 has beyond that of the covariates alone, where both are known of one split.
pub fn increments(rows: &mut [AucRow]) {
    let of_covariates: Vec<_> = rows
        .iter()
        .filter(|row| row.row == Some(0))
        .map(|row| (row.split, row.n_cases, row.n_controls, row.nagelkerke_r2))
        .collect();
    for row in rows
        .iter_mut()
        .filter(|row| row.row.is_some_and(|place| place > 0))
    {
        let people = (row.split, row.n_cases, row.n_controls);
        let base = of_covariates
            .iter()
            .find(|(split, cases, controls, _)| (*split, *cases, *controls) == people);
        row.incremental_r2 = base.and_then(|(.., r2)| Some(row.nagelkerke_r2? - (*r2)?));
    }
}

/// Sum over thresholds, from the highest, of the rise of recall times precision (scikit-learn's
/// `average_precision_score`).
fn average_precision(column: &Column) -> f64 {
    let mut cases = 0;
    let mut called = 0;
    let mut sum = 0.0;
    for group in ties(&column.logits, &column.order).rev() {
        let here = count(group, &column.is_case);
        cases += here.cases;
        called += here.cases + here.controls;
        sum += here.cases as f64 * (cases as f64 / called as f64);
    }
    sum / cases as f64
}

/// Mean squared difference of probability and outcome.
fn brier(probabilities: &[f64], is_case: &[bool]) -> f64 {
    let squares = probabilities
        .iter()
        .zip(is_case)
        .map(|(probability, &case)| (probability - f64::from(u8::from(case))).powi(2));
    squares.sum::<f64>() / is_case.len() as f64
}

/// The regression of the outcome on the logit.
struct OnLogit {
    /// Log-odds a unit of the logit.
    slope: f64,
    /// Of one standard deviation of the logit, with Wald's 95 % interval.
    odds_ratio: [f64; 3],
    nagelkerke_r2: f64,
}

fn on_logit(column: &Column) -> Result<OnLogit, Failure> {
    let (mean, sd) = mean_and_sd(&column.logits);
    if sd <= 0.0 {
        return Err(Failure::Singular);
    }
    let standardised: Vec<f64> = column
        .logits
        .iter()
        .map(|logit| (logit - mean) / sd)
        .collect();
    let Fit {
        coefficients,
        standard_errors,
        log_likelihood,
    } = logistic(&[&standardised], &column.is_case, None, Likelihood::Plain)?;
    let coefficient = coefficients[1];
    let half_width = Z_975 * standard_errors[1];
    let odds_ratio = [
        coefficient,
        coefficient - half_width,
        coefficient + half_width,
    ]
    .map(f64::exp);
    Ok(OnLogit {
        slope: coefficient / sd,
        odds_ratio,
        nagelkerke_r2: nagelkerke_r2(log_likelihood, column),
    })
}

/// R2 of Nagelkerke (1991): that of Cox and Snell over its largest possible value.
fn nagelkerke_r2(log_likelihood: f64, column: &Column) -> f64 {
    let n = column.is_case.len() as f64;
    let share = case_share(column);
    let without = n * (share * share.ln() + (1.0 - share) * (1.0 - share).ln());
    (-(2.0 / n * (without - log_likelihood)).exp_m1()) / -(2.0 / n * without).exp_m1()
}

/// Calibration in the large: the intercept of the outcome where the logit counts as it is.
fn calibration_intercept(column: &Column) -> Result<f64, Failure> {
    Ok(logistic(
        &[],
        &column.is_case,
        Some(&column.logits),
        Likelihood::Plain,
    )?
    .coefficients[0])
}

/// Squared correlation of outcome (0 or 1) and logit: the R2 of a linear regression.
fn observed_r2(column: &Column) -> Option<f64> {
    let (mean, sd) = mean_and_sd(&column.logits);
    let share = case_share(column);
    let products = column
        .logits
        .iter()
        .zip(&column.is_case)
        .map(|(logit, &case)| (logit - mean) * (f64::from(u8::from(case)) - share));
    let covariance = products.sum::<f64>() / column.logits.len() as f64;
    let n = column.logits.len() as f64;
    let variance = sd * sd * (n - 1.0) / n;
    (variance > 0.0).then(|| covariance * covariance / (variance * share * (1.0 - share)))
}

/// R2 on the liability scale of a sample with more (or fewer) cases than the population: Lee et al.
/// 2012 (Genet. Epidemiol. 36:214), equation 15.
fn liability_r2(observed_r2: f64, case_share: f64, prevalence: f64) -> Option<f64> {
    let threshold = upper_quantile(prevalence);
    let density = density(threshold);
    let mean_of_cases = density / prevalence;
    let excess = mean_of_cases * (case_share - prevalence) / (1.0 - prevalence);
    let theta = excess * (excess - threshold);
    let scale =
        (prevalence * (1.0 - prevalence) / density).powi(2) / (case_share * (1.0 - case_share));
    Some(observed_r2 * scale / (1.0 + observed_r2 * theta * scale)).filter(|r2| r2.is_finite())
}

fn case_share(column: &Column) -> f64 {
    column.n_cases() as f64 / column.is_case.len() as f64
}

/// Mean and standard deviation of a sample (n - 1).
fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (
        mean,
        (values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / (n - 1.0))
            .sqrt(),
    )
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::Split;

    use gf_cohort_schema::Role;

    use super::*;
    use crate::evaluation::{
        permutation::Permuted,
        verdict_oracle::{EXAMPLES, PREVALENCE},
    };

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
            "{found} is not {expected}"
        );
    }

    fn measured(column: &Column, prevalence: Option<f64>) -> (AucRow, Vec<String>) {
        let mut row = AucRow {
            auroc: Some(0.5),
            ..AucRow::undefined("m", Split::Test, column.n_cases(), column.n_controls())
        };
        let mut reasons = Vec::new();
        fill_in(&mut row, column, prevalence, &mut reasons);
        (row, reasons)
    }

    fn column(logits: &[f64], is_case: &[bool]) -> Column {
        let probabilities = logits
            .iter()
            .map(|logit| gf_cohort_schema::probability(*logit))
            .collect();
        Column::new(
            Split::Test,
            "m",
            Role::Score,
            (0..logits.len() as u32).collect(),
            is_case.to_vec(),
            logits.to_vec(),
            probabilities,
        )
    }

    #[test]
    fn measures_are_those_of_scikit_learn_and_statsmodels() {
        for example in EXAMPLES {
            let column = column(example.logits, example.is_case);
            let (row, reasons) = measured(&column, Some(PREVALENCE));
            assert!(reasons.is_empty(), "{reasons:?}");
            for (found, expected) in [
                (row.auprc, example.auprc),
                (row.brier, example.brier),
                (row.or_per_sd, example.or_per_sd),
                (row.or_ci_low, example.or_ci_low),
                (row.or_ci_high, example.or_ci_high),
                (row.nagelkerke_r2, example.nagelkerke_r2),
                (row.liability_r2, example.liability_r2),
                (row.calibration_slope, example.calibration_slope),
                (row.calibration_intercept, example.calibration_intercept),
            ] {
                close(found.unwrap(), expected);
            }
            close(
                Permuted::new(&column, &vec![0; column.people.len()], 1)
                    .unwrap()
                    .p_value(),
                example.permutation_p,
            );
        }
    }

    #[test]
    fn what_is_undefined_is_empty_and_says_why() {
        let (perfect, reasons) = measured(
            &column(&[-2.0, -1.0, 1.0, 2.0], &[false, false, true, true]),
            None,
        );
        assert_eq!(
            (
                perfect.auprc,
                perfect.or_per_sd,
                perfect.calibration_slope,
                perfect.liability_r2
            ),
            (Some(1.0), None, None, None)
        );
        assert!(
            perfect.brier.is_some()
                && reasons
                    .concat()
                    .contains("the classes are separated perfectly"),
            "{reasons:?}"
        );
        let (tied, reasons) = measured(&column(&[0.5; 4], &[false, true, true, true]), Some(0.1));
        assert_eq!(
            (
                tied.auprc,
                tied.or_per_sd,
                tied.nagelkerke_r2,
                tied.liability_r2
            ),
            (Some(0.75), None, None, None)
        );
        assert!(
            tied.calibration_intercept.is_some()
                && reasons.concat().contains("a column is constant"),
            "{reasons:?}"
        );
    }
}
