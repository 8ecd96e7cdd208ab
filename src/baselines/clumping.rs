//! `prs-ct`: clumping and thresholding with the defaults of `PRSice` (Choi and O'Reilly 2019,
//! doi:10.1093/gigascience/giz082).
//!
//! Input -> output: a [`TrainingDosages`] with its associations -> index alleles (the most significant first,
//! none in LD with a more significant one near by), and the score of those up to the p-value that
//! validation chooses. Strand-ambiguous alleles are dropped, missing dosages are the training mean,
//! and LD is that of the training people. `PRSice` divides by the number of alleles (`avg`), which
//! is the same for everyone and so is no difference: weights here are log-odds a copy.

use std::collections::HashMap;

use gf_cohort_schema::{Split, probability};
use ndarray::Array2;

use crate::baselines::{
    Error,
    association::Association,
    model::{AlleleWeight, Baseline, Feature},
    panel::TrainingDosages,
    selection::{Choice, Hyperparameters, Tried, auroc_of},
    study::Study,
};
use gf_genotypes::contig_key;

/// Shares of the score's own coefficient to try, largest first: a score is too good on the people
/// who made its weights.
const SHRINKAGES: [f64; 6] = [1.0, 0.8, 0.6, 0.4, 0.2, 0.1];

/// How clumps are made and cut off.
#[derive(Clone, Copy, Debug)]
pub struct Clumping<'a> {
    /// Farthest two alleles of one clump lie apart.
    pub distance: usize,
    /// Least r2 of two alleles of one clump.
    pub r2: f64,
    /// Largest p-values to try.
    pub p_values: &'a [f64],
}

impl Clumping<'_> {
    /// Columns that stand for their clumps, the most significant first. Columns without an estimate
    /// and ambiguous ones are in no clump.
    #[must_use]
    pub fn index_columns(
        &self,
        panel: &TrainingDosages<'_>,
        associations: &[Association],
    ) -> Vec<usize> {
        let strength = |index: usize| {
            associations[index]
                .estimate
                .map_or(-1.0, |estimate| estimate.z().abs())
        };
        let mut order: Vec<usize> = (0..panel.columns.len())
            .filter(|&index| {
                associations[index].estimate.is_some() && !panel.columns[index].is_ambiguous()
            })
            .collect();
        order.sort_by(|&a, &b| strength(b).total_cmp(&strength(a)).then(a.cmp(&b)));
        let mut of_contig: HashMap<&str, Vec<usize>> = HashMap::new();
        for &index in &order {
            of_contig
                .entry(contig_key(&panel.columns[index].allele.chrom))
                .or_default()
                .push(index);
        }
        let position = |index: usize| panel.columns[index].allele.position;
        for columns in of_contig.values_mut() {
            columns.sort_by_key(|&index| position(index));
        }
        let mut taken = vec![false; panel.columns.len()];
        let mut index_columns = Vec::new();
        for index in order {
            if taken[index] {
                continue;
            }
            index_columns.push(index);
            let on_contig = &of_contig[contig_key(&panel.columns[index].allele.chrom)];
            let from = on_contig
                .partition_point(|&other| position(other) + self.distance < position(index));
            for &other in on_contig[from..]
                .iter()
                .take_while(|&&other| position(other) <= position(index) + self.distance)
            {
                taken[other] |=
                    other == index || r2(&panel.training.dosages, index, other) >= self.r2;
            }
        }
        index_columns
    }

    /// The score of the threshold with the best AUROC on the validation split, beside covariates
    /// and `others`; the first among equals.
    ///
    /// # Errors
    /// When a fit fails, or no allele is in any clump.
    pub fn fit(
        &self,
        model: &str,
        study: &Study<'_>,
        panel: &TrainingDosages<'_>,
        associations: &[Association],
        others: &[Feature],
        constant: &mut Vec<String>,
    ) -> Result<(Baseline, Choice), Error> {
        let clumps = self.index_columns(panel, associations);
        let mut tried = Vec::new();
        let mut constant_here = Vec::new();
        for &threshold in self.p_values {
            let weights = clumps.iter().filter_map(|&index| {
                associations[index]
                    .estimate
                    .map(|estimate| (index, estimate))
            });
            let alleles: Vec<AlleleWeight> = weights
                .filter(|(_, estimate)| estimate.p_value() <= threshold)
                .map(|(index, estimate)| AlleleWeight {
                    weight: estimate.beta,
                    ..panel.columns[index].allele.clone()
                })
                .collect();
            let setting = |shrinkage| Hyperparameters::Threshold {
                p_value: threshold,
                shrinkage,
            };
            let mut point = Tried {
                setting: setting(1.0),
                n_dosages: alleles.len(),
                validation_auroc: None,
                failure: None,
            };
            let features: Vec<Feature> = std::iter::once(Feature::AlleleScore { alleles })
                .chain(others.iter().cloned())
                .collect();
            constant_here.clear();
            let fitted = if point.n_dosages > 0 {
                study.few(model.into(), &features, &mut constant_here)?
            } else {
                None
            };
            let Some(baseline) = fitted.filter(|baseline| baseline.alleles().next().is_some())
            else {
                tried.push((point, None));
                continue;
            };
            let (baseline, shrinkage, auroc) = shrunken(study, &baseline)?;
            (point.setting, point.validation_auroc) = (setting(shrinkage), Some(auroc));
            tried.push((point, Some(baseline)));
        }
        constant.append(&mut constant_here);
        let (choice, baseline) = Choice::select(model, tried)?;
        Ok((baseline, choice))
    }
}

/// The share of the score's coefficient with the highest likelihood of the validation split, and
/// the AUROC there.
fn shrunken(study: &Study<'_>, baseline: &Baseline) -> Result<(Baseline, f64, f64), Error> {
    let (people, is_case) = study.labelled(Split::Validation);
    let with = |shrinkage: f64| {
        let mut baseline = baseline.clone();
        let scores = baseline
            .terms
            .iter_mut()
            .filter(|term| matches!(term.feature, Feature::AlleleScore { .. }));
        scores.for_each(|term| term.coefficient *= shrinkage);
        baseline
    };
    let logits = |baseline: &Baseline| -> Result<Vec<f64>, Error> {
        let logits = baseline.logits(&study.people)?;
        Ok(people.iter().map(|&person| logits[person]).collect())
    };
    // Between these two any other is a weighted mean.
    let whole = logits(baseline)?;
    let without = logits(&with(0.0))?;
    let log_likelihood = |shrinkage: f64| -> f64 {
        let mixed = whole
            .iter()
            .zip(&without)
            .map(|(whole, without)| without + shrinkage * (whole - without));
        mixed
            .zip(&is_case)
            .map(|(logit, &is_case)| {
                probability(if is_case { logit } else { -logit })
                    .max(f64::MIN_POSITIVE)
                    .ln()
            })
            .sum()
    };
    let best = SHRINKAGES.into_iter().reduce(|best, next| {
        if log_likelihood(next) > log_likelihood(best) {
            next
        } else {
            best
        }
    });
    let shrinkage = best.unwrap_or(1.0);
    let baseline = with(shrinkage);
    let auroc = auroc_of(&logits(&baseline)?, &is_case)?;
    Ok((baseline, shrinkage, auroc))
}

/// Squared correlation of two standardised columns.
fn r2(standardised: &Array2<f64>, a: usize, b: usize) -> f64 {
    let a = standardised.column(a);
    let b = standardised.column(b);
    let ab = a.dot(&b);
    let aa = a.dot(&a);
    let bb = b.dot(&b);
    // Standardised over all training people, of whom a few may have no phenotype: the means are as
    // good as 0, the lengths are not equal.
    if aa > 0.0 && bb > 0.0 {
        ab * ab / (aa * bb)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::{
        baselines::{
            association::{Estimate, Test},
            tests::{cohort_of, panel_of},
        },
        scoring::testing::write_vcf,
    };

    /// Three variants: b says the same as a, c is far away and says the same too, d is A/T.
    #[test]
    fn clumps_are_of_neighbours_in_ld_and_ambiguous_alleles_are_in_none() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..24).map(|person| format!("P{person}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let genotypes = |shift: usize| {
            (0..24)
                .map(|person| [" 0|0", " 0|1", " 1|1"][(person + shift) * 5 % 3])
                .collect::<String>()
        };
        let other = (0..24)
            .map(|person| [" 0|0", " 1|1"][person / 3 % 2])
            .collect::<String>();
        let records = [
            format!("1 1000 a A G . PASS . GT{}", genotypes(0)),
            format!("1 2000 b C T . PASS . GT{}", genotypes(0)),
            format!("1 3000 e A C . PASS . GT{other}"),
            format!("1 251001 c A G . PASS . GT{}", genotypes(0)),
            format!("1 251002 d A T . PASS . GT{other}"),
        ];
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let vcf = write_vcf(folder.path(), &names, &records);
        let mut cohort = String::from("sample_id,phenotype,split\n");
        for (person, name) in names.iter().enumerate() {
            writeln!(
                cohort,
                "{name},{},{}",
                person % 2,
                if person < 20 { "train" } else { "validation" }
            )
            .unwrap();
        }
        let path = folder.path().join("cohort.csv");
        std::fs::write(&path, cohort).unwrap();
        let cohort = cohort_of(&path);
        panel_of(&vcf, &cohort, |panel, _| {
            let associations = [1.0, 3.0, 2.0, 0.5, 4.0].map(|z| Association {
                n: 20,
                estimate: Some(Estimate {
                    beta: z,
                    se: 1.0,
                    test: Test::Wald,
                }),
            });
            let clumping = Clumping {
                distance: 250_000,
                r2: 0.1,
                p_values: &[1.0],
            };
            assert_eq!(clumping.index_columns(panel, &associations), [1, 2]);
            assert_eq!(
                Clumping {
                    distance: 249_000,
                    ..clumping
                }
                .index_columns(panel, &associations),
                [1, 2, 3]
            );
            assert_eq!(
                Clumping {
                    distance: 249_001,
                    ..clumping
                }
                .index_columns(panel, &associations),
                [1, 2]
            );
            assert_eq!(
                Clumping {
                    r2: 1.1,
                    ..clumping
                }
                .index_columns(panel, &associations),
                [1, 2, 0, 3]
            );
        });
    }
}
