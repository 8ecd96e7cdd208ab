//! Logistic regression on a few columns, with standard errors.
//!
//! Input -> output: columns and outcomes of samples -> coefficients (log-odds per unit), their
//! standard errors, and the log-likelihood. Newton's method maximises the likelihood, or Firth's
//! (1993) penalised one, which stays finite if a column separates the classes. For many columns
//! with a penalty see [`elastic_net`].

pub mod elastic_net;

use gf_cohort_schema::counted;
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

const MAX_STEPS: usize = 200;
const MAX_HALVINGS: i32 = 30;
/// Convergence: Newton's decrement, which is twice the log-likelihood that can still be gained.
const DECREMENT: f64 = 1e-17;
/// Least gain of a step, as a fraction of the decrement. An exact Newton step gains one half.
const GOOD_PART: f64 = 0.1;
/// Relative rounding error of a log-likelihood.
const ROUNDING: f64 = 1e-13;
/// Log-odds at the maximum that mean a separation of the classes: the true maximum is at infinity.
const CERTAIN: f64 = 20.0;

/// The function that is maximised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likelihood {
    /// The likelihood.
    Plain,
    /// The likelihood times the root of the determinant of the information (Firth 1993, Biometrika
    /// 80:27; Heinze and Schemper 2002).
    Firth,
}

/// A fitted regression; the intercept is first.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Log-odds where all columns are 0, then log-odds per unit of each column.
    pub coefficients: Vec<f64>,
    /// Standard error of each coefficient, from the information at the maximum.
    pub standard_errors: Vec<f64>,
    /// Log-likelihood at the maximum; penalised for [`Likelihood::Firth`].
    pub log_likelihood: f64,
}

/// The reason why there is no fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// One class has no samples.
    #[error(
        "undefined with {} and {}",
        counted(*n_cases, "case", "cases"),
        counted(*n_controls, "control", "controls")
    )]
    OneClass {
        /// Number of cases.
        n_cases: usize,
        /// Number of controls.
        n_controls: usize,
    },
    /// A column is constant, or a linear combination of others.
    #[error("undefined: a column is constant or a combination of other columns")]
    Singular,
    /// The maximum is at infinity.
    #[error("undefined: the classes are separated perfectly, or nearly so")]
    Separated,
}

/// Fits `is_case` on an intercept and `columns` (one value per sample). `offset` is added to the
/// log-odds of each sample.
///
/// # Errors
/// See [`Failure`].
pub fn logistic(
    columns: &[&[f64]],
    is_case: &[bool],
    offset: Option<&[f64]>,
    likelihood: Likelihood,
) -> Result<Fit, Failure> {
    let n_cases = is_case.iter().filter(|&&case| case).count();
    if n_cases == 0 || n_cases == is_case.len() {
        return Err(Failure::OneClass {
            n_cases,
            n_controls: is_case.len() - n_cases,
        });
    }
    // Columns such as years of birth make the information nearly singular, so all are standardised.
    let scales = columns
        .iter()
        .map(|column| Scale::estimate(column))
        .collect::<Option<Vec<_>>>()
        .ok_or(Failure::Singular)?;
    let design = DMatrix::from_fn(
        is_case.len(),
        columns.len() + 1,
        |person, column| match column {
            0 => 1.0,
            _ => scales[column - 1].apply(columns[column - 1][person]),
        },
    );
    let outcome = DVector::from_iterator(
        is_case.len(),
        is_case.iter().map(|&case| f64::from(u8::from(case))),
    );
    let offset = offset.map_or_else(|| DVector::zeros(is_case.len()), DVector::from_column_slice);
    let problem = Problem {
        design,
        outcome,
        offset,
        likelihood,
    };

    // At zero coefficients all samples have the same weight, so only the columns can make the
    // information singular. Later only certain predictions can.
    let mut point = problem
        .at(DVector::zeros(columns.len() + 1))
        .ok_or(Failure::Singular)?;
    for _ in 0..MAX_STEPS {
        if point.decrement < DECREMENT {
            return if point.largest_logit > CERTAIN {
                Err(Failure::Separated)
            } else {
                Ok(point.fit(&scales, likelihood))
            };
        }
        point = problem.ascend(&point).ok_or(Failure::Separated)?;
    }
    Err(Failure::Separated)
}

/// Mean and standard deviation of a column.
struct Scale {
    mean: f64,
    sd: f64,
}

impl Scale {
    /// `None` for a constant column.
    fn estimate(column: &[f64]) -> Option<Self> {
        let n = column.len() as f64;
        let mean = column.iter().sum::<f64>() / n;
        let sd = (column
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / n)
            .sqrt();
        (sd > 1e-12 * mean.abs()).then_some(Self { mean, sd })
    }

    fn apply(&self, value: f64) -> f64 {
        (value - self.mean) / self.sd
    }
}

struct Problem {
    design: DMatrix<f64>,
    outcome: DVector<f64>,
    offset: DVector<f64>,
    likelihood: Likelihood,
}

/// Coefficients, and the likelihood with its derivatives there.
struct Point {
    coefficients: DVector<f64>,
    log_likelihood: f64,
    largest_logit: f64,
    /// Newton's step. For Firth's likelihood the information is not the exact curvature, so the
    /// step may overshoot by its own length.
    step: DVector<f64>,
    /// Newton's decrement: score times step.
    decrement: f64,
    information: Cholesky<f64, Dyn>,
}

impl Problem {
    /// Evaluates the likelihood and its derivatives; `None` if the information is singular.
    ///
    /// With design X, probabilities p and weights W = diag(p (1 - p)):
    /// - score X' (y - p), information X' W X;
    /// - Firth adds half the log-determinant of the information to the log-likelihood, and
    ///   h (1/2 - p) to each residual, h being the leverage of the sample.
    fn at(&self, coefficients: DVector<f64>) -> Option<Point> {
        let logits = &self.design * &coefficients + &self.offset;
        let probabilities = logits.map(|logit| 1.0 / (1.0 + (-logit).exp()));
        let weights = probabilities.map(|p| p * (1.0 - p));
        let weighted = DMatrix::from_fn(self.design.nrows(), self.design.ncols(), |i, j| {
            self.design[(i, j)] * weights[i]
        });
        let information = self.design.tr_mul(&weighted);
        // Rounding may leave a positive but tiny pivot of a singular matrix.
        let diagonal = information.diagonal();
        let decomposed = Cholesky::new(information)?;
        let pivots = decomposed.l_dirty().diagonal();
        if pivots
            .iter()
            .zip(diagonal.iter())
            .any(|(pivot, entry)| pivot * pivot <= 1e-12 * entry)
        {
            return None;
        }
        let mut log_likelihood: f64 = logits
            .iter()
            .zip(self.outcome.iter())
            .map(|(&logit, &y)| y * logit - softplus(logit))
            .sum();
        let mut residuals = &self.outcome - &probabilities;
        if self.likelihood == Likelihood::Firth {
            // The product of the pivots is the root of the determinant.
            log_likelihood += pivots.iter().map(|pivot| pivot.ln()).sum::<f64>();
            let solved = decomposed.solve(&weighted.transpose());
            for (sample, residual) in residuals.iter_mut().enumerate() {
                let leverage = self
                    .design
                    .row(sample)
                    .transpose()
                    .dot(&solved.column(sample));
                *residual += leverage * (0.5 - probabilities[sample]);
            }
        }
        let score = self.design.tr_mul(&residuals);
        let step = decomposed.solve(&score);
        let decrement = step.dot(&score);
        Some(Point {
            coefficients,
            log_likelihood,
            largest_logit: logits.amax(),
            step,
            decrement,
            information: decomposed,
        })
    }

    /// Takes the step, or its half, its quarter, and so on: the first one that gains enough.
    ///
    /// Near the maximum the gain is smaller than the rounding error. There a step counts if it
    /// halves the decrement.
    fn ascend(&self, from: &Point) -> Option<Point> {
        let rounding = ROUNDING * from.log_likelihood.abs();
        let mut shares = (0..MAX_HALVINGS).map(|halvings| 0.5_f64.powi(halvings));
        shares.find_map(|share| {
            let point = self.at(&from.coefficients + &from.step * share)?;
            let gain = point.log_likelihood - from.log_likelihood;
            let is_better = gain >= GOOD_PART * share * from.decrement
                || gain >= -rounding && point.decrement <= from.decrement / 2.0;
            is_better.then_some(point)
        })
    }
}

/// log(1 + e^x) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl Point {
    /// The fit in the original units of the columns.
    fn fit(&self, scales: &[Scale], likelihood: Likelihood) -> Fit {
        // Standardised columns are (x - mean) / sd, so the means move the intercept.
        let n = scales.len() + 1;
        let to_units = DMatrix::from_fn(n, n, |row, column| match (row, column) {
            (0, 0) => 1.0,
            (0, _) => -scales[column - 1].mean / scales[column - 1].sd,
            _ if row == column => 1.0 / scales[row - 1].sd,
            _ => 0.0,
        });
        let covariance = &to_units * self.information.inverse() * to_units.transpose();
        // Firth's penalty is half the logarithm of a determinant, in which each unit counts twice.
        let of_units = if likelihood == Likelihood::Firth {
            scales.iter().map(|scale| scale.sd.ln()).sum()
        } else {
            0.0
        };
        Fit {
            coefficients: (to_units * &self.coefficients).iter().copied().collect(),
            standard_errors: covariance
                .diagonal()
                .iter()
                .map(|variance| variance.sqrt())
                .collect(),
            log_likelihood: self.log_likelihood + of_units,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DOSE: [f64; 10] = [0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 1.0];
    const AGE: [f64; 10] = [61.0, 70.0, 68.0, 75.0, 80.0, 66.0, 72.0, 77.0, 81.0, 64.0];
    const CASE: [bool; 10] = [
        false, false, true, false, true, true, true, false, true, false,
    ];

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-7 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
    }

    /// Rscript tests/oracles/regression.R
    #[test]
    fn fits_are_those_of_glm() {
        let fit = logistic(&[&DOSE, &AGE], &CASE, None, Likelihood::Plain).unwrap();
        close(
            &fit.coefficients,
            &[-10.134_976_356_7, 1.651_583_676_61, 0.118_390_294_785],
        );
        close(
            &fit.standard_errors,
            &[10.285_225_811_8, 1.151_135_977_78, 0.139_058_369_113],
        );
        close(&[fit.log_likelihood], &[-5.049_584_295_13]);
        let with_offset = logistic(&[], &CASE, Some(&DOSE), Likelihood::Plain).unwrap();
        close(
            &[with_offset.coefficients[0], with_offset.standard_errors[0]],
            &[-1.0, 0.677_336_481_215],
        );
        close(&[with_offset.log_likelihood], &[-5.652_158_847_35]);
    }

    /// Firth's fit of one column of 0 and 1 equals the usual fit after half a sample is added to
    /// each cell of the table (Heinze and Schemper 2002, section 2.2); its likelihood with penalty
    /// is at a maximum.
    #[test]
    fn firth_adds_half_a_sample_to_each_cell() {
        for cells in [[3, 7, 8, 2], [0, 5, 6, 4], [9, 0, 0, 9]] {
            let [case_with, control_with, case_without, control_without] = cells;
            let people = [
                (case_with, true, 1.0),
                (control_with, false, 1.0),
                (case_without, true, 0.0),
                (control_without, false, 0.0),
            ];
            let people: Vec<(bool, f64)> = people
                .iter()
                .flat_map(|&(n, case, x)| vec![(case, x); n])
                .collect();
            let (is_case, column): (Vec<bool>, Vec<f64>) = people.into_iter().unzip();
            let fit = logistic(&[&column], &is_case, None, Likelihood::Firth).unwrap();
            let [a, b, c, d] = cells.map(|n| n as f64 + 0.5);
            close(&fit.coefficients, &[(c / d).ln(), (a * d / (b * c)).ln()]);
        }
    }

    /// The step of Firth's likelihood is twice too long if a column is 1 in one sample only.
    #[test]
    fn firth_has_a_fit_for_an_allele_that_one_sample_carries() {
        for carrier in 0..50 {
            let column: Vec<f64> = (0..50)
                .map(|person| f64::from(u8::from(person == carrier)))
                .collect();
            let age: Vec<f64> = (0..50)
                .map(|person| 60.0 + f64::from(person * 7 % 31))
                .collect();
            let is_case: Vec<bool> = (0..50).map(|person| person * 13 % 5 < 2).collect();
            assert_eq!(
                logistic(&[&column, &age], &is_case, None, Likelihood::Plain),
                Err(Failure::Separated)
            );
            let fit = logistic(&[&column, &age], &is_case, None, Likelihood::Firth).unwrap();
            assert!(
                (fit.coefficients[1] > 0.0) == is_case[carrier as usize]
                    && fit.coefficients[1].abs() < 3.0,
                "{fit:?}"
            );
        }
    }

    #[test]
    fn what_has_no_fit_says_why() {
        let separated: Vec<f64> = CASE
            .iter()
            .map(|&case| f64::from(u8::from(case)) + 1.0)
            .collect();
        assert_eq!(
            logistic(&[&separated], &CASE, None, Likelihood::Plain),
            Err(Failure::Separated)
        );
        let firth = logistic(&[&separated], &CASE, None, Likelihood::Firth).unwrap();
        assert!(
            firth.coefficients[1] > 1.0 && firth.coefficients[1] < 10.0,
            "{firth:?}"
        );
        for likelihood in [Likelihood::Plain, Likelihood::Firth] {
            assert_eq!(
                logistic(&[&[3.0; 10]], &CASE, None, likelihood),
                Err(Failure::Singular)
            );
            assert_eq!(
                logistic(
                    &[&DOSE, &DOSE.map(|dose| 2.0 - dose)],
                    &CASE,
                    None,
                    likelihood
                ),
                Err(Failure::Singular)
            );
            assert_eq!(
                logistic(&[], &[true; 3], None, likelihood),
                Err(Failure::OneClass {
                    n_cases: 3,
                    n_controls: 0
                })
            );
        }
    }

    proptest! {
        /// The unit and the zero point of a column do not change the fit.
        #[test]
        fn units_do_not_matter(
            seed in 0_u64..1_000,
            scale in 0.01_f64..100.0,
            shift in -50.0_f64..50.0,
        ) {
            let column: Vec<f64> = (0..40_u64)
                .map(|i| ((i * 7_919 + seed * 104_729) % 1_000) as f64 / 100.0)
                .collect();
            let is_case: Vec<bool> = (0..40_u64)
                .map(|i| (i * 15_485_863 + seed * 32_452_843) % 97 > 48)
                .collect();
            let moved: Vec<f64> = column.iter().map(|x| scale * x + shift).collect();
            let fits = [&column, &moved]
                .map(|column| logistic(&[column], &is_case, None, Likelihood::Firth));
            if let [Ok(a), Ok(b)] = &fits {
                prop_assert!((a.coefficients[1] - scale * b.coefficients[1]).abs() < 1e-6);
                let [z_a, z_b] = [a, b].map(|fit| fit.coefficients[1] / fit.standard_errors[1]);
                prop_assert!((z_a - z_b).abs() < 1e-5);
            } else {
                prop_assert!(fits[0].is_err() && fits[1].is_err());
            }
        }
    }
}
