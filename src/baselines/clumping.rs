//! `prs-ct`: clumping and thresholding with the defaults of `PRSice`.
//!
//! Input: [`TrainingDosages`] and their associations. Output: the index alleles, most significant
//! first, and the score of those up to the p-value that the validation split chooses. An index
//! allele is not in LD with a more significant allele nearby.
//!
//! Strand-ambiguous alleles are left out. Missing dosages are the training mean, and LD is that of
//! the training samples. Weights are log-odds per copy. `PRSice` divides a score by the number of
//! alleles (`avg`), a constant factor that the logistic regression absorbs.
//! Source: Choi and O'Reilly 2019, doi:10.1093/gigascience/giz082.

use std::collections::HashMap;

use gf_cohort_schema::{Split, probability};
use gf_genotypes::contig_key;
use ndarray::{Array1, Array2};

use crate::baselines::{
    Error,
    association::Association,
    model::{AlleleWeight, Baseline, Feature},
    panel::TrainingDosages,
    selection::{Choice, Hyperparameters, Tried, auroc_of},
    study::Study,
};

/// Factors of the score's coefficient to try, largest first. The coefficient is too large because
/// it is fitted on the samples that the weights come from.
const SHRINKAGES: [f64; 6] = [1.0, 0.8, 0.6, 0.4, 0.2, 0.1];

/// Parameters of clumping and thresholding.
#[derive(Clone, Copy, Debug)]
pub struct Clumping<'a> {
    /// Largest distance (nt) from an index allele to an allele of its clump.
    pub distance: usize,
    /// Smallest r2 of an index allele and an allele of its clump.
    pub r2: f64,
    /// Thresholds of p-values to try.
    pub p_values: &'a [f64],
}

impl Clumping<'_> {
    /// Columns of the index alleles, most significant first. Columns without an estimate and
    /// strand-ambiguous ones are in no clump.
    #[must_use]
    pub fn index_columns(
        &self,
        panel: &TrainingDosages<'_>,
        associations: &[Association],
    ) -> Vec<usize> {
        let mut order: Vec<usize> = (0..panel.columns.len())
            .filter(|&index| {
                associations[index].estimate.is_some() && !panel.columns[index].is_ambiguous()
            })
            .collect();
        order.sort_by(|&a, &b| {
            let strength_a = associations[a].strength();
            let strength_b = associations[b].strength();
            strength_b.total_cmp(&strength_a).then(a.cmp(&b))
        });
        let by_contig = columns_by_contig(panel, &order);
        let mut is_clumped = vec![false; panel.columns.len()];
        let mut index_columns = Vec::new();
        for index in order {
            if is_clumped[index] {
                continue;
            }
            index_columns.push(index);
            let AlleleWeight {
                chrom, position, ..
            } = &panel.columns[index].allele;
            let on_contig = &by_contig[contig_key(chrom)];
            let first = on_contig.partition_point(|&column| {
                panel.columns[column].allele.position + self.distance < *position
            });
            let neighbours = on_contig[first..].iter().take_while(|&&column| {
                panel.columns[column].allele.position <= *position + self.distance
            });
            for &column in neighbours {
                is_clumped[column] |=
                    column == index || r2(&panel.training.dosages, index, column) >= self.r2;
            }
        }
        index_columns
    }

    /// Fits the score of every threshold, with the covariates and `other_features`, and chooses the
    /// one with the highest AUROC on the validation split; the first among equals.
    ///
    /// # Errors
    /// A fit fails, or no allele is in any clump.
    pub fn fit(
        &self,
        model: &str,
        study: &Study<'_>,
        panel: &TrainingDosages<'_>,
        associations: &[Association],
        other_features: &[Feature],
        constant: &mut Vec<String>,
    ) -> Result<(Baseline, Choice), Error> {
        let index_columns = self.index_columns(panel, associations);
        let mut tried = Vec::new();
        let mut constant_features = Vec::new();
        for &threshold in self.p_values {
            let alleles: Vec<AlleleWeight> = index_columns
                .iter()
                .filter_map(|&index| Some((index, associations[index].estimate?)))
                .filter(|(_, estimate)| estimate.p_value() <= threshold)
                .map(|(index, estimate)| AlleleWeight {
                    weight: estimate.beta,
                    ..panel.columns[index].allele.clone()
                })
                .collect();
            // Only the notes of the last threshold are kept: the others repeat them.
            constant_features.clear();
            tried.push(fit_threshold(
                model,
                study,
                threshold,
                alleles,
                other_features,
                &mut constant_features,
            )?);
        }
        constant.append(&mut constant_features);
        let (choice, baseline) = Choice::select(model, tried)?;
        Ok((baseline, choice))
    }
}

/// The columns of each contig, sorted by position.
fn columns_by_contig<'p>(
    panel: &'p TrainingDosages<'_>,
    columns: &[usize],
) -> HashMap<&'p str, Vec<usize>> {
    let mut by_contig: HashMap<&str, Vec<usize>> = HashMap::new();
    for &column in columns {
        by_contig
            .entry(contig_key(&panel.columns[column].allele.chrom))
            .or_default()
            .push(column);
    }
    for columns in by_contig.values_mut() {
        columns.sort_by_key(|&column| panel.columns[column].allele.position);
    }
    by_contig
}

/// Fits the score of one threshold and shrinks its coefficient. No baseline without alleles.
fn fit_threshold(
    model: &str,
    study: &Study<'_>,
    p_value: f64,
    alleles: Vec<AlleleWeight>,
    other_features: &[Feature],
    constant: &mut Vec<String>,
) -> Result<(Tried, Option<Baseline>), Error> {
    let mut point = Tried {
        setting: Hyperparameters::Threshold {
            p_value,
            shrinkage: 1.0,
        },
        n_dosages: alleles.len(),
        validation_auroc: None,
        failure: None,
    };
    if alleles.is_empty() {
        return Ok((point, None));
    }
    let features: Vec<Feature> = std::iter::once(Feature::AlleleScore { alleles })
        .chain(other_features.iter().cloned())
        .collect();
    let baseline = study
        .few(model.into(), &features, constant)?
        .filter(|baseline| baseline.alleles().next().is_some());
    let Some(baseline) = baseline else {
        return Ok((point, None));
    };
    let shrunken = Shrunken::fit(study, &baseline)?;
    point.setting = Hyperparameters::Threshold {
        p_value,
        shrinkage: shrunken.shrinkage,
    };
    point.validation_auroc = Some(shrunken.validation_auroc);
    Ok((point, Some(shrunken.baseline)))
}

/// A baseline with the coefficient of its score multiplied by a factor.
struct Shrunken {
    baseline: Baseline,
    /// The factor with the highest likelihood of the validation split.
    shrinkage: f64,
    validation_auroc: f64,
}

impl Shrunken {
    fn fit(study: &Study<'_>, baseline: &Baseline) -> Result<Self, Error> {
        let (samples, is_case) = study.labelled(Split::Validation);
        // The logit is linear in the factor: two baselines give those of all factors.
        let full_logits = logits_of(baseline, study, &samples)?;
        let base_logits = logits_of(&with_shrinkage(baseline, 0.0), study, &samples)?;
        let mut shrinkage = SHRINKAGES[0];
        let mut highest = log_likelihood(&full_logits, &base_logits, &is_case, shrinkage);
        for factor in &SHRINKAGES[1..] {
            let likelihood = log_likelihood(&full_logits, &base_logits, &is_case, *factor);
            if likelihood > highest {
                highest = likelihood;
                shrinkage = *factor;
            }
        }
        let baseline = with_shrinkage(baseline, shrinkage);
        let logits = logits_of(&baseline, study, &samples)?;
        Ok(Self {
            baseline,
            shrinkage,
            validation_auroc: auroc_of(&logits, &is_case)?,
        })
    }
}

/// A copy of a baseline with the coefficient of its score multiplied by `shrinkage`.
fn with_shrinkage(baseline: &Baseline, shrinkage: f64) -> Baseline {
    let mut shrunken = baseline.clone();
    for term in &mut shrunken.terms {
        if matches!(term.feature, Feature::AlleleScore { .. }) {
            term.coefficient *= shrinkage;
        }
    }
    shrunken
}

/// Log-odds of some samples.
fn logits_of(baseline: &Baseline, study: &Study<'_>, samples: &[usize]) -> Result<Vec<f64>, Error> {
    let logits = baseline.logits(&study.people)?;
    Ok(samples.iter().map(|&sample| logits[sample]).collect())
}

/// Log-likelihood of the phenotypes with a shrunk score. `full` are the logits with the whole
/// score, `base` those without it.
fn log_likelihood(full: &[f64], base: &[f64], is_case: &Array1<bool>, shrinkage: f64) -> f64 {
    full.iter()
        .zip(base)
        .map(|(full, base)| base + shrinkage * (full - base))
        .zip(is_case)
        .map(|(logit, &is_case)| {
            probability(if is_case { logit } else { -logit })
                .max(f64::MIN_POSITIVE)
                .ln()
        })
        .sum()
}

/// Squared correlation of two standardised columns: (a'b)^2 / (a'a b'b).
fn r2(standardised: &Array2<f64>, a: usize, b: usize) -> f64 {
    let a = standardised.column(a);
    let b = standardised.column(b);
    let ab = a.dot(&b);
    let aa = a.dot(&a);
    let bb = b.dot(&b);
    // The columns are standardised over all training samples, but contain only those with a known
    // phenotype. Their means are nearly 0, their lengths differ.
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

    /// Variant b has the genotypes of a, and so has c, which is far away; d is A/T.
    #[test]
    fn clumps_are_of_neighbours_in_ld_and_ambiguous_alleles_are_in_none() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..24).map(|person| format!("P{person}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let genotypes: String = (0..24)
            .map(|sample| [" 0|0", " 0|1", " 1|1"][sample * 5 % 3])
            .collect();
        let unlinked: String = (0..24)
            .map(|sample| [" 0|0", " 1|1"][sample / 3 % 2])
            .collect();
        let records = [
            format!("1 1000 a A G . PASS . GT{genotypes}"),
            format!("1 2000 b C T . PASS . GT{genotypes}"),
            format!("1 3000 e A C . PASS . GT{unlinked}"),
            format!("1 251001 c A G . PASS . GT{genotypes}"),
            format!("1 251002 d A T . PASS . GT{unlinked}"),
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
            for (distance, r2, expected) in [
                (250_000, 0.1, vec![1, 2]),
                (249_000, 0.1, vec![1, 2, 3]),
                (249_001, 0.1, vec![1, 2]),
                (250_000, 1.1, vec![1, 2, 0, 3]),
            ] {
                let clumping = Clumping {
                    distance,
                    r2,
                    p_values: &[1.0],
                };
                assert_eq!(clumping.index_columns(panel, &associations), expected);
            }
        });
    }
}
