//! Measures of a model other than its AUROC: precision and recall, odds ratio, R2, calibration.
//!
//! Input -> output: logits, probabilities and outcomes on one split -> further columns of
//! `auc.csv`.
//!
//! - The odds ratio is that of one standard deviation of the logit among all evaluated samples, as
//!   PRS-RS (Wand et al. 2021) and the PGS Catalog define it for a standardised score.
//! - Every R2 is that of the model's logit with its covariates. `incremental_r2` is the gain over
//!   the covariates alone.
//! - Brier score and calibration use the predicted probabilities without recalibration.

use gf_cohort_schema::AucRow;
use gf_stats::{
    normal::{Z_975, density, upper_quantile},
    regression::{Failure, Fit, Likelihood, logistic},
    roc::{count, ties},
};

use crate::predictions::Column;

/// Measures of one model on one split; an undefined measure is `None`.
#[derive(Debug, Default)]
pub struct Measures {
    /// Area under the precision-recall curve.
    pub auprc: Option<f64>,
    /// Odds ratio of one standard deviation of the logit.
    pub or_per_sd: Option<f64>,
    /// Lower end of its 95 % interval.
    pub or_ci_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub or_ci_high: Option<f64>,
    pub nagelkerke_r2: Option<f64>,
    /// R2 on the liability scale; `None` without a prevalence.
    pub liability_r2: Option<f64>,
    /// Mean squared difference of probability and outcome; `None` for a raw score.
    pub brier: Option<f64>,
    /// Slope of the outcome on the logit.
    pub calibration_slope: Option<f64>,
    /// Calibration in the large; `None` for a raw score, which has no units of log odds.
    pub calibration_intercept: Option<f64>,
    /// Reasons why measures are undefined.
    pub reasons: Vec<String>,
}

impl Measures {
    /// All measures, of a split with both classes.
    pub fn new(column: &Column, prevalence: Option<f64>) -> Self {
        let mut reasons = Vec::new();
        let calibration_intercept = if column.has_probabilities {
            calibration_intercept(column)
                .map_err(|failure| reasons.push(format!("calibration intercept {failure}")))
                .ok()
        } else {
            None
        };
        let regression = OnLogit::fit(column)
            .map_err(|failure| {
                reasons.push(format!(
                    "odds ratio, Nagelkerke's R2 and calibration slope {failure}"
                ));
            })
            .ok();
        let odds_ratio = regression.as_ref().map(|regression| regression.odds_ratio);
        Self {
            auprc: Some(average_precision(column)),
            or_per_sd: odds_ratio.map(|[estimate, ..]| estimate),
            or_ci_low: odds_ratio.map(|[_, low, _]| low),
            or_ci_high: odds_ratio.map(|[.., high]| high),
            nagelkerke_r2: regression
                .as_ref()
                .map(|regression| regression.nagelkerke_r2),
            liability_r2: prevalence.and_then(|prevalence| {
                liability_r2(observed_r2(column)?, case_share(column), prevalence)
            }),
            calibration_slope: regression.as_ref().map(|regression| regression.slope),
            calibration_intercept,
            reasons,
            ..Self::of_one_class(column)
        }
    }

    /// The only measure that needs no second class: the Brier score.
    pub fn of_one_class(column: &Column) -> Self {
        Self {
            brier: column
                .has_probabilities
                .then(|| brier(&column.probabilities, &column.is_case)),
            ..Self::default()
        }
    }
}

/// Adds the gain in Nagelkerke's R2 over the covariates alone (row 0), where these were evaluated
/// on as many cases and controls of the same split.
pub fn add_increments(rows: &mut [AucRow]) {
    let covariates: Vec<AucRow> = rows
        .iter()
        .filter(|row| row.row == Some(0))
        .cloned()
        .collect();
    for row in rows {
        if row.row.is_none_or(|number| number == 0) {
            continue;
        }
        let base = covariates.iter().find(|base| {
            base.split == row.split
                && base.n_cases == row.n_cases
                && base.n_controls == row.n_controls
        });
        row.incremental_r2 = base.and_then(|base| Some(row.nagelkerke_r2? - base.nagelkerke_r2?));
    }
}

/// Sum over thresholds, from the highest, of (rise of recall) times precision, like scikit-learn's
/// `average_precision_score`.
fn average_precision(column: &Column) -> f64 {
    let mut n_true_positives = 0;
    let mut n_positives = 0;
    let mut sum = 0.0;
    for group in ties(&column.logits, &column.order).rev() {
        let in_group = count(group, &column.is_case);
        n_true_positives += in_group.cases;
        n_positives += in_group.cases + in_group.controls;
        sum += in_group.cases as f64 * (n_true_positives as f64 / n_positives as f64);
    }
    sum / n_true_positives as f64
}

/// Mean squared difference of probability and outcome (0 or 1).
fn brier(probabilities: &[f64], is_case: &[bool]) -> f64 {
    let squares = probabilities
        .iter()
        .zip(is_case)
        .map(|(probability, &case)| (probability - f64::from(u8::from(case))).powi(2));
    squares.sum::<f64>() / is_case.len() as f64
}

/// Logistic regression of the outcome on the logit.
struct OnLogit {
    /// Log-odds per unit of the logit.
    slope: f64,
    /// Odds ratio of one standard deviation of the logit, and the ends of its Wald 95 % interval.
    odds_ratio: [f64; 3],
    nagelkerke_r2: f64,
}

impl OnLogit {
    /// Fits on the standardised logit, so that the coefficient is that of one standard deviation.
    fn fit(column: &Column) -> Result<Self, Failure> {
        let Moments { mean, sd } = Moments::new(&column.logits);
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
        let log_odds_ratio = [
            coefficient,
            coefficient - half_width,
            coefficient + half_width,
        ];
        Ok(Self {
            slope: coefficient / sd,
            odds_ratio: log_odds_ratio.map(f64::exp),
            nagelkerke_r2: nagelkerke_r2(log_likelihood, column),
        })
    }
}

/// R2 of Nagelkerke (1991): (1 - exp(-2 / n (l - l0))) / (1 - exp(2 / n l0)), that of Cox and Snell
/// divided by its largest possible value. l0 is the log-likelihood without the logit.
fn nagelkerke_r2(log_likelihood: f64, column: &Column) -> f64 {
    let n = column.is_case.len() as f64;
    let share = case_share(column);
    let without = n * (share * share.ln() + (1.0 - share) * (1.0 - share).ln());
    (-(2.0 / n * (without - log_likelihood)).exp_m1()) / -(2.0 / n * without).exp_m1()
}

/// Calibration in the large: the intercept of the outcome with the logit as an offset.
fn calibration_intercept(column: &Column) -> Result<f64, Failure> {
    let offset = Some(column.logits.as_slice());
    let fit = logistic(&[], &column.is_case, offset, Likelihood::Plain)?;
    Ok(fit.coefficients[0])
}

/// Squared correlation of outcome (0 or 1) and logit: the R2 of a linear regression.
fn observed_r2(column: &Column) -> Option<f64> {
    let Moments { mean, sd } = Moments::new(&column.logits);
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

/// R2 on the liability scale, corrected for a proportion of cases that differs from the prevalence:
/// Lee et al. 2012 (Genet. Epidemiol. 36:214), equation 15.
fn liability_r2(observed_r2: f64, case_share: f64, prevalence: f64) -> Option<f64> {
    let threshold = upper_quantile(prevalence);
    let density = density(threshold);
    let mean_liability_of_cases = density / prevalence;
    let excess = mean_liability_of_cases * (case_share - prevalence) / (1.0 - prevalence);
    let theta = excess * (excess - threshold);
    let scale =
        (prevalence * (1.0 - prevalence) / density).powi(2) / (case_share * (1.0 - case_share));
    Some(observed_r2 * scale / (1.0 + observed_r2 * theta * scale)).filter(|r2| r2.is_finite())
}

fn case_share(column: &Column) -> f64 {
    column.n_cases() as f64 / column.is_case.len() as f64
}

/// Mean and standard deviation of a sample (divided by n - 1).
struct Moments {
    mean: f64,
    sd: f64,
}

impl Moments {
    fn new(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        let sd = (squares.sum::<f64>() / (n - 1.0)).sqrt();
        Self { mean, sd }
    }
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::{Role, Split};

    use super::*;
    use crate::{
        evaluation::verdict_oracle::{EXAMPLES, PREVALENCE},
        leakage::predictions::permutation::Permuted,
    };

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
            "{found} is not {expected}"
        );
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
            let measures = Measures::new(&column, Some(PREVALENCE));
            assert!(measures.reasons.is_empty(), "{:?}", measures.reasons);
            for (found, expected) in [
                (measures.auprc, example.auprc),
                (measures.brier, example.brier),
                (measures.or_per_sd, example.or_per_sd),
                (measures.or_ci_low, example.or_ci_low),
                (measures.or_ci_high, example.or_ci_high),
                (measures.nagelkerke_r2, example.nagelkerke_r2),
                (measures.liability_r2, example.liability_r2),
                (measures.calibration_slope, example.calibration_slope),
                (
                    measures.calibration_intercept,
                    example.calibration_intercept,
                ),
            ] {
                close(found.unwrap(), expected);
            }
            let one_stratum = vec![0; column.people.len()];
            let permuted = Permuted::new(&column, &one_stratum, 1).unwrap();
            close(permuted.p_value(), example.permutation_p);
        }
    }

    #[test]
    fn what_is_undefined_is_empty_and_says_why() {
        let perfect = Measures::new(
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
        assert!(perfect.brier.is_some());
        let reasons = perfect.reasons.concat();
        assert!(
            reasons.contains("the classes are separated perfectly"),
            "{reasons}"
        );
        let tied = Measures::new(&column(&[0.5; 4], &[false, true, true, true]), Some(0.1));
        assert_eq!(
            (
                tied.auprc,
                tied.or_per_sd,
                tied.nagelkerke_r2,
                tied.liability_r2
            ),
            (Some(0.75), None, None, None)
        );
        assert!(tied.calibration_intercept.is_some());
        let reasons = tied.reasons.concat();
        assert!(reasons.contains("a column is constant"), "{reasons}");
    }
}
