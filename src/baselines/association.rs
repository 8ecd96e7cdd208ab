//! Association of every ALT allele with the phenotype, one at a time, among the training people.
//!
//! Input -> output: a [`TrainingDosages`] and covariates -> an [`Association`] an allele, and
//! `association.csv`. A score test of all alleles first (one fit of the covariates serves them
//! all), then for the [`FULL_FITS`] most promising a logistic regression on dosage and covariates
//! with Wald's test; Firth's where that one separates the classes, as `plink2 --glm firth-fallback`
//! does. People without a call are left out of the regression of that allele. Positions are
//! 1-based; beta is the log-odds a copy.

use std::{fmt, path::Path};

use gf_cohort_schema::probability;
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rayon::prelude::*;

use crate::baselines::panel::{Column, TrainingDosages};
use gf_files::output;
use gf_stats::{
    normal::two_sided,
    regression::{Failure, Fit, Likelihood, logistic},
};

/// So many alleles get a regression of their own; of the others the score test stands.
const FULL_FITS: usize = 20_000;

/// Columns of `association.csv`.
pub const ASSOCIATION_COLUMNS: [&str; 12] = [
    "contig",
    "position",
    "id",
    "ref_allele",
    "alt_allele",
    "effect_allele",
    "frequency",
    "n",
    "beta",
    "se",
    "p_value",
    "test",
];

/// Where an estimate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Logistic regression, Wald's test.
    Wald,
    /// Firth's logistic regression, Wald's test.
    Firth,
    /// Score test; beta is its first step from 0.
    Score,
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wald => "wald",
            Self::Firth => "firth",
            Self::Score => "score",
        })
    }
}

/// Effect of a copy of an ALT allele.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Log-odds a copy.
    pub beta: f64,
    /// Its standard error.
    pub se: f64,
    /// How it was tested.
    pub test: Test,
}

impl Estimate {
    /// Standard errors away from 0.
    #[must_use]
    pub fn z(self) -> f64 {
        self.beta / self.se
    }

    /// Two-sided.
    #[must_use]
    pub fn p_value(self) -> f64 {
        two_sided(self.z())
    }
}

/// What one allele has to do with the phenotype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Association {
    /// People with a call and a known phenotype.
    pub n: usize,
    /// `None` where the dosage is constant among them, or a combination of the covariates.
    pub estimate: Option<Estimate>,
}

/// Associations of all columns of a panel, and the covariates (numbers in `covariates`) that were
/// left out because others say the same.
#[must_use]
pub fn scan(
    panel: &TrainingDosages<'_>,
    covariates: &[Vec<f64>],
) -> (Vec<Association>, Vec<usize>) {
    let is_case = panel.training.is_case.to_vec();
    let people = &panel.training.people;
    let (kept, left_out) = independent(covariates, &is_case);
    let covariates: Vec<&[f64]> = kept
        .iter()
        .map(|&index| covariates[index].as_slice())
        .collect();
    let null = Null::fit(&covariates, &is_case);
    let mut associations: Vec<Association> = panel
        .columns
        .par_iter()
        .map(|column| {
            let called: Vec<f64> = people.iter().map(|&person| column.called(person)).collect();
            let imputed = called.iter().map(|dosage| {
                if dosage.is_nan() {
                    column.allele.mean
                } else {
                    *dosage
                }
            });
            let n = called.iter().filter(|dosage| !dosage.is_nan()).count();
            Association {
                n,
                estimate: null.as_ref().and_then(|null| {
                    null.score_test(&DVector::from_iterator(people.len(), imputed))
                }),
            }
        })
        .collect();
    let strength = |index: usize| {
        associations[index]
            .estimate
            .map_or(-1.0, |estimate| estimate.z().abs())
    };
    let mut promising: Vec<usize> = (0..associations.len()).collect();
    promising.sort_by(|&a, &b| strength(b).total_cmp(&strength(a)).then(a.cmp(&b)));
    promising.truncate(FULL_FITS);
    let fits: Vec<Option<Estimate>> = promising
        .par_iter()
        .map(|&index| {
            full_fit(
                &panel.columns[index],
                people,
                &is_case,
                &covariates,
                associations[index].estimate,
            )
        })
        .collect();
    for (index, fit) in promising.into_iter().zip(fits) {
        associations[index].estimate = fit;
    }
    (associations, left_out)
}

/// The covariates that are no combination of those before, and the others.
fn independent(covariates: &[Vec<f64>], is_case: &[bool]) -> (Vec<usize>, Vec<usize>) {
    let mut kept: Vec<usize> = Vec::new();
    let mut left_out = Vec::new();
    for index in 0..covariates.len() {
        let columns: Vec<&[f64]> = kept
            .iter()
            .chain([&index])
            .map(|&index| covariates[index].as_slice())
            .collect();
        match logistic(&columns, is_case, None, Likelihood::Plain) {
            Err(Failure::Singular) => left_out.push(index),
            _ => kept.push(index),
        }
    }
    (kept, left_out)
}

/// The plain fit, or Firth's where the classes are separated.
fn plain_or_firth(columns: &[&[f64]], is_case: &[bool]) -> Result<(Fit, Test), Failure> {
    match logistic(columns, is_case, None, Likelihood::Plain) {
        Err(Failure::Separated) => {
            logistic(columns, is_case, None, Likelihood::Firth).map(|fit| (fit, Test::Firth))
        }
        fit => fit.map(|fit| (fit, Test::Wald)),
    }
}

fn full_fit(
    column: &Column<'_>,
    people: &[usize],
    is_case: &[bool],
    covariates: &[&[f64]],
    score_test: Option<Estimate>,
) -> Option<Estimate> {
    let dosages: Vec<f64> = people.iter().map(|&person| column.called(person)).collect();
    let called: Vec<usize> = (0..people.len())
        .filter(|&row| !dosages[row].is_nan())
        .collect();
    let of_called =
        |values: &[f64]| -> Vec<f64> { called.iter().map(|&row| values[row]).collect() };
    let columns: Vec<Vec<f64>> = std::iter::once(dosages.as_slice())
        .chain(covariates.iter().copied())
        .map(of_called)
        .collect();
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let is_case: Vec<bool> = called.iter().map(|&row| is_case[row]).collect();
    match plain_or_firth(&columns, &is_case) {
        Ok((fit, test)) => Some(Estimate {
            beta: fit.coefficients[1],
            se: fit.standard_errors[1],
            test,
        }),
        Err(Failure::Separated) => score_test,
        Err(Failure::Singular | Failure::OneClass { .. }) => None,
    }
}

/// The regression on the covariates alone.
struct Null {
    /// Intercept and covariates, one row a person.
    design: DMatrix<f64>,
    weights: DVector<f64>,
    residuals: DVector<f64>,
    information: Cholesky<f64, Dyn>,
}

impl Null {
    /// `None` where there is one class only.
    fn fit(covariates: &[&[f64]], is_case: &[bool]) -> Option<Self> {
        let (fit, _) = plain_or_firth(covariates, is_case).ok()?;
        let design =
            DMatrix::from_fn(
                is_case.len(),
                covariates.len() + 1,
                |person, column| match column {
                    0 => 1.0,
                    _ => covariates[column - 1][person],
                },
            );
        let probabilities =
            (&design * DVector::from_column_slice(&fit.coefficients)).map(probability);
        let weights = probabilities.map(|p| p * (1.0 - p));
        let residuals = DVector::from_fn(is_case.len(), |person, _| {
            f64::from(u8::from(is_case[person])) - probabilities[person]
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

/// Writes `association.csv`: one row an ALT allele that varies among the training people; `beta`,
/// `se`, `p_value`, `test` are empty where there is no estimate.
///
/// # Errors
/// When the file cannot be written.
pub fn write(
    path: &Path,
    columns: &[Column<'_>],
    associations: &[Association],
) -> Result<(), output::Error> {
    let number = |value: f64| format!("{:.8e}", value + 0.0);
    let record = |(column, association): (&Column<'_>, &Association)| -> [String; ASSOCIATION_COLUMNS.len()] {
        let allele = &column.allele;
        let of = |value: &dyn Fn(Estimate) -> String| association.estimate.map_or_else(String::new, value);
        [
            allele.chrom.clone(),
            allele.position.to_string(),
            column.site.id.clone(),
            allele.ref_allele.clone(),
            allele.alt_allele.clone(),
            allele.effect_allele().to_owned(),
            number(allele.frequency),
            association.n.to_string(),
            of(&|estimate| number(estimate.beta)),
            of(&|estimate| number(estimate.se)),
            of(&|estimate| number(estimate.p_value())),
            of(&|estimate| estimate.test.to_string()),
        ]
    };
    output::shareable::write_csv(
        path,
        &ASSOCIATION_COLUMNS,
        columns.iter().zip(associations).map(record),
    )
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::{
        baselines::tests::{cohort_of, panel_of},
        scoring::testing::write_vcf,
    };

    /// `sh tests/oracles/plink2_association.sh FOLDER` on the folder that this test writes and
    /// leaves to plink2: `--glm firth-fallback`.
    #[test]
    #[allow(clippy::too_many_lines, reason = "a list of cases")]
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
        // 200 people, 12 variants of rising frequency; the first allele is carried by cases only,
        // and some calls are missing.
        let mut state = 7_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        let names: Vec<String> = (0..200).map(|person| format!("P{person}")).collect();
        let is_case: Vec<bool> = (0..200).map(|_| next() < 0.4).collect();
        let mut cohort = String::from("sample_id,phenotype,split,age,sex\n");
        let mut plink = String::from("#IID\tstatus\tage\tsex\n");
        for (name, &case) in names.iter().zip(&is_case) {
            let age = 60.0 + 20.0 * next() + 4.0 * f64::from(u8::from(case));
            let sex = u8::from(next() < 0.5);
            writeln!(cohort, "{name},{},train,{age},{sex}", u8::from(case)).unwrap();
            writeln!(plink, "{name}\t{}\t{age}\t{sex}", 1 + u8::from(case)).unwrap();
        }
        for split in ["validation", "test"] {
            writeln!(cohort, "V{split}1,1,{split},70,1\nV{split}0,0,{split},71,0").unwrap();
        }
        let everyone: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .chain(["Vvalidation1", "Vvalidation0", "Vtest1", "Vtest0"])
            .collect();
        let records: Vec<String> = (0..12)
            .map(|variant| {
                let frequency = 0.04 * f64::from(variant + 1);
                let genotypes = (0..204).map(|person| {
                    let lift = if variant % 3 == 0 && person < 200 && is_case[person] {
                        1.5
                    } else {
                        1.0
                    };
                    let allele = |draw: f64| {
                        u8::from(
                            draw < frequency * lift
                                && !(variant == 0 && person < 200 && !is_case[person]),
                        )
                    };
                    let a = allele(next());
                    let b = allele(next());
                    if variant > 6 && next() < 0.03 {
                        " ./.".to_owned()
                    } else {
                        format!(" {a}|{b}")
                    }
                });
                format!(
                    "1 {} v{variant} A G . PASS . GT{}",
                    100 * (variant + 1),
                    genotypes.collect::<String>()
                )
            })
            .collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let vcf = write_vcf(folder, &everyone, &records);
        std::fs::write(folder.join("cohort.csv"), cohort).unwrap();
        std::fs::write(folder.join("plink.pheno"), plink).unwrap();
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/plink2_association.sh");
        let done = std::process::Command::new("sh")
            .arg(script)
            .arg(folder)
            .status()
            .unwrap();
        assert!(done.success());

        let cohort = cohort_of(&folder.join("cohort.csv"));
        let (associations, n_firth) = panel_of(&vcf, &cohort, |panel, covariates| {
            let (associations, left_out) = scan(panel, covariates);
            assert!(left_out.is_empty());
            let firth = associations
                .iter()
                .filter(|association| association.estimate.unwrap().test == Test::Firth)
                .count();
            (associations, firth)
        });
        let text =
            std::fs::read_to_string(folder.join("plink2.status.glm.logistic.hybrid")).unwrap();
        let header: Vec<&str> = text.lines().next().unwrap().split('\t').collect();
        let at = |name: &str| header.iter().position(|column| *column == name).unwrap();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(1)
            .map(|line| line.split('\t').collect())
            .collect();
        assert_eq!((rows.len(), associations.len()), (12, 12));
        let mut n_firth_of_plink = 0;
        for (row, association) in rows.iter().zip(&associations) {
            let cell = |name: &str| row[at(name)].parse::<f64>().unwrap();
            let sign = if row[at("A1")] == "G" { 1.0 } else { -1.0 };
            let estimate = association.estimate.unwrap();
            n_firth_of_plink += usize::from(row[at("FIRTH?")] == "Y");
            assert_eq!(
                row[at("FIRTH?")] == "Y",
                estimate.test == Test::Firth,
                "{row:?}"
            );
            assert_eq!(association.n, row[at("OBS_CT")].parse::<usize>().unwrap());
            let close = |found: f64, expected: f64| {
                assert!(
                    (found - expected).abs() <= 1e-4 * expected.abs().max(0.1),
                    "{row:?}: {found}"
                );
            };
            close(sign * estimate.beta, cell("BETA"));
            if row[at("ID")] == "v7" {
                // Here PLINK 2 (2.00a3.5) stops a step early: its standard error is 0.225585. This
                // is R's, by glm.
                close(estimate.se, 0.226_850_44);
                close(estimate.p_value(), 0.472_287_8);
            } else {
                close(estimate.se, cell("SE"));
                close(estimate.p_value(), cell("P"));
            }
        }
        assert!(
            n_firth == n_firth_of_plink && n_firth > 0,
            "{n_firth} by Firth, {n_firth_of_plink} by plink2"
        );
    }

    #[test]
    fn the_score_test_is_close_to_the_full_fit_where_there_is_little_to_find() {
        let n = 4_000;
        let value = |person: usize, factor: usize| (person * factor % 1_009) as f64 / 1_009.0;
        let age: Vec<f64> = (0..n).map(|person| value(person, 7_919)).collect();
        let dosages: Vec<f64> = (0..n)
            .map(|person| (3.0 * value(person, 104_729)).floor())
            .collect();
        let is_case: Vec<bool> = (0..n)
            .map(|person| value(person, 15_485) + 0.2 * age[person] + 0.03 * dosages[person] > 0.6)
            .collect();
        let score = Null::fit(&[&age], &is_case)
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
            Null::fit(&[&age], &is_case)
                .unwrap()
                .score_test(&DVector::from_column_slice(&age))
                .is_none(),
            "nothing beside itself"
        );
    }

    #[test]
    fn a_covariate_that_repeats_another_is_left_out() {
        let is_case: Vec<bool> = (0..40).map(|person| person * 7 % 13 > 5).collect();
        let age: Vec<f64> = (0..40).map(|person| f64::from(person * 11 % 17)).collect();
        let months: Vec<f64> = age.iter().map(|age| 12.0 * age - 3.0).collect();
        assert_eq!(independent(&[age, months], &is_case), (vec![0], vec![1]));
    }
}
