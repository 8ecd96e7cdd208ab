//! Association of every ALT allele with the phenotype, one at a time, among the training samples.
//!
//! Input: [`TrainingDosages`] and covariates. Output: one [`Association`] per allele, and
//! `association.csv`. Positions are 1-based; beta is the log-odds per copy.
//!
//! 1. Score test of every allele. All tests share one fit of the covariates.
//! 2. Logistic regression on dosage and covariates with Wald's test, for the [`FULL_FITS`] alleles
//!    with the largest score statistics. If the classes are separated, Firth's regression replaces
//!    it, like `plink2 --glm firth-fallback`. Samples without a call are left out.

use std::path::Path;

use gf_cohort_schema::{AssociationRow, probability};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rayon::prelude::*;

use crate::{
    baselines::panel::{Column, TrainingDosages},
    tables::write_shareable,
};
use gf_files::output;
use gf_stats::{
    normal::two_sided,
    regression::{Failure, Fit, Likelihood, logistic},
};

/// Number of alleles with a regression of their own. The others keep the score test.
const FULL_FITS: usize = 20_000;

/// Method of an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Logistic regression, Wald's test.
    Wald,
    /// Firth's logistic regression, Wald's test.
    Firth,
    /// Score test; beta is the first Newton step from 0.
    Score,
}

impl Test {
    /// Name in `association.csv`.
    fn name(self) -> &'static str {
        match self {
            Self::Wald => "wald",
            Self::Firth => "firth",
            Self::Score => "score",
        }
    }
}

/// Effect of a copy of an ALT allele.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Log-odds per copy.
    pub beta: f64,
    /// Standard error of beta.
    pub se: f64,
    /// Method of the estimate.
    pub test: Test,
}

impl Estimate {
    /// Statistic `beta / se`.
    #[must_use]
    pub fn z(self) -> f64 {
        self.beta / self.se
    }

    /// Two-sided p-value.
    #[must_use]
    pub fn p_value(self) -> f64 {
        two_sided(self.z())
    }
}

/// Association of one allele with the phenotype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Association {
    /// Samples with a call and a known phenotype.
    pub n: usize,
    /// `None` if the dosage is constant among these samples, or a combination of the covariates.
    pub estimate: Option<Estimate>,
}

impl Association {
    /// Absolute z statistic; -1 without an estimate.
    #[must_use]
    pub fn strength(&self) -> f64 {
        self.estimate.map_or(-1.0, |estimate| estimate.z().abs())
    }
}

/// Associations of all columns of a panel.
pub struct Scan {
    /// One association per column.
    pub associations: Vec<Association>,
    /// Indices of covariates left out because they are combinations of the others.
    pub repeated_covariates: Vec<usize>,
}

/// Tests all columns of a panel. `covariates` are standardised, one vector per covariate.
#[must_use]
pub fn scan(panel: &TrainingDosages<'_>, covariates: &[Vec<f64>]) -> Scan {
    let is_case = panel.training.is_case.to_vec();
    let samples = &panel.training.people;
    let repeated_covariates = repeated_covariates(covariates, &is_case);
    let independent: Vec<&[f64]> = covariates
        .iter()
        .enumerate()
        .filter(|(index, _)| !repeated_covariates.contains(index))
        .map(|(_, values)| values.as_slice())
        .collect();
    let null = NullModel::fit(&independent, &is_case);
    let mut associations: Vec<Association> = panel
        .columns
        .par_iter()
        .map(|column| score_association(column, samples, null.as_ref()))
        .collect();
    let mut strongest: Vec<usize> = (0..associations.len()).collect();
    strongest.sort_by(|&a, &b| {
        let strength_a = associations[a].strength();
        let strength_b = associations[b].strength();
        strength_b.total_cmp(&strength_a).then(a.cmp(&b))
    });
    strongest.truncate(FULL_FITS);
    let fits: Vec<Option<Estimate>> = strongest
        .par_iter()
        .map(|&index| {
            full_fit(
                &panel.columns[index],
                samples,
                &is_case,
                &independent,
                associations[index].estimate,
            )
        })
        .collect();
    for (index, fit) in strongest.into_iter().zip(fits) {
        associations[index].estimate = fit;
    }
    Scan {
        associations,
        repeated_covariates,
    }
}

/// Indices of the covariates that are combinations of earlier ones.
fn repeated_covariates(covariates: &[Vec<f64>], is_case: &[bool]) -> Vec<usize> {
    let mut independent: Vec<&[f64]> = Vec::new();
    let mut repeated = Vec::new();
    for (index, values) in covariates.iter().enumerate() {
        independent.push(values.as_slice());
        // The information matrix is singular with a repeated column.
        let fit = logistic(&independent, is_case, None, Likelihood::Plain);
        if matches!(fit, Err(Failure::Singular)) {
            independent.pop();
            repeated.push(index);
        }
    }
    repeated
}

/// Score test of one allele. A missing dosage is the training mean.
fn score_association(
    column: &Column<'_>,
    samples: &[usize],
    null: Option<&NullModel>,
) -> Association {
    let called: Vec<f64> = samples
        .iter()
        .map(|&sample| column.called(sample))
        .collect();
    let imputed = called.iter().map(|dosage| {
        if dosage.is_nan() {
            column.allele.mean
        } else {
            *dosage
        }
    });
    Association {
        n: called.iter().filter(|dosage| !dosage.is_nan()).count(),
        estimate: null
            .and_then(|null| null.score_test(&DVector::from_iterator(samples.len(), imputed))),
    }
}

/// The plain fit, or Firth's if the classes are separated.
fn plain_or_firth(columns: &[&[f64]], is_case: &[bool]) -> Result<(Fit, Test), Failure> {
    match logistic(columns, is_case, None, Likelihood::Plain) {
        Err(Failure::Separated) => {
            logistic(columns, is_case, None, Likelihood::Firth).map(|fit| (fit, Test::Firth))
        }
        fit => fit.map(|fit| (fit, Test::Wald)),
    }
}

/// Regression on one allele and the covariates, over the samples with a call. `score_test` is the
/// result if neither likelihood converges.
fn full_fit(
    column: &Column<'_>,
    samples: &[usize],
    is_case: &[bool],
    covariates: &[&[f64]],
    score_test: Option<Estimate>,
) -> Option<Estimate> {
    let dosages: Vec<f64> = samples
        .iter()
        .map(|&sample| column.called(sample))
        .collect();
    let called: Vec<usize> = (0..samples.len())
        .filter(|&row| !dosages[row].is_nan())
        .collect();
    let called_columns: Vec<Vec<f64>> = std::iter::once(dosages.as_slice())
        .chain(covariates.iter().copied())
        .map(|values| called.iter().map(|&row| values[row]).collect())
        .collect();
    let columns: Vec<&[f64]> = called_columns.iter().map(Vec::as_slice).collect();
    let called_is_case: Vec<bool> = called.iter().map(|&row| is_case[row]).collect();
    match plain_or_firth(&columns, &called_is_case) {
        Ok((fit, test)) => Some(Estimate {
            beta: fit.coefficients[1],
            se: fit.standard_errors[1],
            test,
        }),
        Err(Failure::Separated) => score_test,
        Err(Failure::Singular | Failure::OneClass { .. }) => None,
    }
}

/// The regression on the covariates alone, with design matrix X, fitted probabilities p and weights
/// W = diag(p (1 - p)).
struct NullModel {
    /// X: intercept and covariates, one row per sample.
    design: DMatrix<f64>,
    /// Diagonal of W.
    weights: DVector<f64>,
    /// y - p.
    residuals: DVector<f64>,
    /// Cholesky factor of X'WX.
    information: Cholesky<f64, Dyn>,
}

impl NullModel {
    /// Fits the covariates; `None` if there is only one class.
    fn fit(covariates: &[&[f64]], is_case: &[bool]) -> Option<Self> {
        let (fit, _) = plain_or_firth(covariates, is_case).ok()?;
        let n_columns = covariates.len() + 1;
        let design = DMatrix::from_fn(is_case.len(), n_columns, |sample, column| match column {
            0 => 1.0,
            _ => covariates[column - 1][sample],
        });
        let probabilities =
            (&design * DVector::from_column_slice(&fit.coefficients)).map(probability);
        let weights = probabilities.map(|p| p * (1.0 - p));
        let residuals = DVector::from_fn(is_case.len(), |sample, _| {
            f64::from(u8::from(is_case[sample])) - probabilities[sample]
        });
        let weighted = DMatrix::from_fn(design.nrows(), design.ncols(), |i, j| {
            design[(i, j)] * weights[i]
        });
        let information = Cholesky::new(design.tr_mul(&weighted))?;
        Some(Self {
            design,
            weights,
            residuals,
            information,
        })
    }

    /// Rao's score test of one more column g.
    ///
    /// The score is g'(y - p). Its variance is g'Wg - g'WX (X'WX)^-1 X'Wg, the part of g that the
    /// covariates do not explain. `None` if they explain all of it.
    fn score_test(&self, dosages: &DVector<f64>) -> Option<Estimate> {
        let weighted = dosages.component_mul(&self.weights);
        let with_covariates = self.design.tr_mul(&weighted);
        let total = weighted.dot(dosages);
        let variance = total - with_covariates.dot(&self.information.solve(&with_covariates));
        (variance > 1e-9 * total).then(|| Estimate {
            beta: self.residuals.dot(dosages) / variance,
            se: variance.sqrt().recip(),
            test: Test::Score,
        })
    }
}

/// Writes `association.csv`: one row per ALT allele that varies among the training samples. `beta`,
/// `se`, `p_value` and `test` are empty without an estimate.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, associations: &[(Column<'_>, Association)]) -> Result<(), output::Error> {
    let rows = associations
        .iter()
        .map(|(column, association)| row(column, association));
    write_shareable(path, rows)
}

fn row<'a>(column: &'a Column<'_>, association: &Association) -> AssociationRow<'a> {
    let allele = &column.allele;
    let estimate = association.estimate;
    AssociationRow {
        contig: &allele.chrom,
        position: allele.position.get(),
        id: &column.site.id,
        ref_allele: &allele.ref_allele,
        alt_allele: &allele.alt_allele,
        effect_allele: allele.effect_allele(),
        frequency: allele.frequency,
        n: association.n,
        beta: estimate.map(|estimate| estimate.beta),
        se: estimate.map(|estimate| estimate.se),
        p_value: estimate.map(Estimate::p_value),
        test: estimate.map(|estimate| estimate.test.name()),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fmt::Write as _, path::PathBuf};

    use super::*;
    use crate::{
        baselines::tests::{cohort_of, panel_of},
        scoring::testing::write_vcf,
    };

    /// `sh tests/oracles/plink2_association.sh FOLDER` runs `plink2 --glm firth-fallback` on the
    /// folder that this test writes.
    #[test]
    fn associations_are_those_of_plink2() {
        if std::process::Command::new("plink2")
            .arg("--version")
            .output()
            .is_err()
        {
            crate::scoring::testing::no_oracle("no plink2");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let vcf = write_study(folder);
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/plink2_association.sh");
        let status = std::process::Command::new("sh")
            .arg(script)
            .arg(folder)
            .status()
            .unwrap();
        assert!(status.success());

        let cohort = cohort_of(&folder.join("cohort.csv"));
        let scan = panel_of(&vcf, &cohort, scan);
        assert!(scan.repeated_covariates.is_empty());
        let text =
            std::fs::read_to_string(folder.join("plink2.status.glm.logistic.hybrid")).unwrap();
        let header: Vec<&str> = text.lines().next().unwrap().split('\t').collect();
        let rows: Vec<HashMap<&str, &str>> = text
            .lines()
            .skip(1)
            .map(|line| header.iter().copied().zip(line.split('\t')).collect())
            .collect();
        assert_eq!((rows.len(), scan.associations.len()), (12, 12));
        for (row, association) in rows.iter().zip(&scan.associations) {
            assert_same_association(row, association);
        }
        let n_firth = rows.iter().filter(|row| row["FIRTH?"] == "Y").count();
        assert!(n_firth > 0);
    }

    /// Compares an association with a row of PLINK 2, by the names of its columns.
    fn assert_same_association(row: &HashMap<&str, &str>, association: &Association) {
        let estimate = association.estimate.unwrap();
        assert_eq!(
            row["FIRTH?"] == "Y",
            estimate.test == Test::Firth,
            "{row:?}"
        );
        assert_eq!(association.n, row["OBS_CT"].parse::<usize>().unwrap());
        let sign = if row["A1"] == "G" { 1.0 } else { -1.0 };
        assert_close(sign * estimate.beta, row["BETA"].parse().unwrap(), row);
        if row["ID"] == "v7" {
            // PLINK 2 (2.00a3.5) stops one step early here and prints the standard error 0.225585.
            // These values are those of glm in R.
            assert_close(estimate.se, 0.226_850_44, row);
            assert_close(estimate.p_value(), 0.472_287_8, row);
        } else {
            assert_close(estimate.se, row["SE"].parse().unwrap(), row);
            assert_close(estimate.p_value(), row["P"].parse().unwrap(), row);
        }
    }

    fn assert_close(value: f64, expected: f64, row: &HashMap<&str, &str>) {
        assert!(
            (value - expected).abs() <= 1e-4 * expected.abs().max(0.1),
            "{row:?}: {value}"
        );
    }

    /// A linear congruential generator of numbers between 0 and 1.
    struct Generator(u64);

    impl Generator {
        fn next(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as f64 / f64::from(1_u32 << 31)
        }
    }

    /// Writes a cohort of 200 training samples and 12 variants of rising frequency.
    /// Only cases carry the first ALT allele, and some calls are missing.
    fn write_study(folder: &Path) -> PathBuf {
        let mut generator = Generator(7);
        let names: Vec<String> = (0..200).map(|sample| format!("P{sample}")).collect();
        let is_case: Vec<bool> = (0..200).map(|_| generator.next() < 0.4).collect();
        let mut cohort = String::from("sample_id,phenotype,split,age,sex\n");
        let mut plink = String::from("#IID\tstatus\tage\tsex\n");
        for (name, &case) in names.iter().zip(&is_case) {
            let age = 60.0 + 20.0 * generator.next() + 4.0 * f64::from(u8::from(case));
            let sex = u8::from(generator.next() < 0.5);
            writeln!(cohort, "{name},{},train,{age},{sex}", u8::from(case)).unwrap();
            writeln!(plink, "{name}\t{}\t{age}\t{sex}", 1 + u8::from(case)).unwrap();
        }
        for split in ["validation", "test"] {
            writeln!(cohort, "V{split}1,1,{split},70,1\nV{split}0,0,{split},71,0").unwrap();
        }
        std::fs::write(folder.join("cohort.csv"), cohort).unwrap();
        std::fs::write(folder.join("plink.pheno"), plink).unwrap();
        let all_names: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .chain(["Vvalidation1", "Vvalidation0", "Vtest1", "Vtest0"])
            .collect();
        let records: Vec<String> = (0..12)
            .map(|variant| record_of(variant, &is_case, &mut generator))
            .collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        write_vcf(folder, &all_names, &records)
    }

    /// A record of 204 samples, of which the first 200 are training samples.
    fn record_of(variant: usize, is_case: &[bool], generator: &mut Generator) -> String {
        let mut text = format!("1 {} v{variant} A G . PASS . GT", 100 * (variant + 1));
        for sample in 0..204 {
            let is_training_case = is_case.get(sample) == Some(&true);
            let is_training_control = is_case.get(sample) == Some(&false);
            let lift = if variant.is_multiple_of(3) && is_training_case {
                1.5
            } else {
                1.0
            };
            let frequency = if variant == 0 && is_training_control {
                0.0
            } else {
                0.04 * (variant + 1) as f64 * lift
            };
            let a = u8::from(generator.next() < frequency);
            let b = u8::from(generator.next() < frequency);
            if variant > 6 && generator.next() < 0.03 {
                text.push_str(" ./.");
            } else {
                write!(text, " {a}|{b}").unwrap();
            }
        }
        text
    }

    #[test]
    fn the_score_test_is_close_to_the_full_fit_where_there_is_little_to_find() {
        let n = 4_000;
        let age: Vec<f64> = (0..n).map(|person| scattered(person, 7_919)).collect();
        let dosages: Vec<f64> = (0..n)
            .map(|person| (3.0 * scattered(person, 104_729)).floor())
            .collect();
        let is_case: Vec<bool> = (0..n)
            .map(|person| {
                scattered(person, 15_485) + 0.2 * age[person] + 0.03 * dosages[person] > 0.6
            })
            .collect();
        let score = NullModel::fit(&[&age], &is_case)
            .unwrap()
            .score_test(&DVector::from_column_slice(&dosages))
            .unwrap();
        let (full, test) = plain_or_firth(&[&dosages, &age], &is_case).unwrap();
        assert_eq!(test, Test::Wald);
        assert!(
            (score.beta - full.coefficients[1]).abs() < 0.01
                && (score.se / full.standard_errors[1] - 1.0).abs() < 0.01,
            "{score:?} {full:?}"
        );
        assert!(
            NullModel::fit(&[&age], &is_case)
                .unwrap()
                .score_test(&DVector::from_column_slice(&age))
                .is_none(),
            "a covariate adds nothing to itself"
        );
    }

    #[test]
    fn a_covariate_that_repeats_another_is_left_out() {
        let is_case: Vec<bool> = (0..40).map(|person| person * 7 % 13 > 5).collect();
        let age: Vec<f64> = (0..40).map(|person| f64::from(person * 11 % 17)).collect();
        let months: Vec<f64> = age.iter().map(|age| 12.0 * age - 3.0).collect();
        assert_eq!(repeated_covariates(&[age, months], &is_case), [1]);
    }

    /// A number between 0 and 1 that looks random.
    fn scattered(sample: usize, factor: usize) -> f64 {
        (sample * factor % 1_009) as f64 / 1_009.0
    }
}
