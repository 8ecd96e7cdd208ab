//! Finds pairs of slots whose versions interact on a haplotype (`docs/src/methods/models.md`, "Pair
//! slots").
//!
//! Input: haplotypes of the training samples, and the residuals of the additive term. Output: pairs
//! of slots.
//!
//! Each pair of versions, one from each slot, has a score test of the product of their centred
//! indicators, adjusted for the two indicators. With centred indicators `x`, `y`, adjusted product
//! `z = x y - mean - slope_x x - slope_y y` and weight `w` of a haplotype (sum of the residuals of
//! its copies), the statistic is `(sum w z)^2 / (variance * sum z^2)`, chi-square with 1 degree of
//! freedom.
//!
//! A version is 0 or 1 on a haplotype. All sums of squares therefore follow from one linkage matrix
//! `X' diag(copies) X`, and all scores from one matrix `X' diag(w) X`. The scan costs two matrix
//! products per locus.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, Axis};

use gf_stats::normal;

use crate::dataset::Dataset;

/// Largest number of pair slots of a locus.
const MAX_PAIRS: usize = 8;
/// Family-wise error over all pairs of a locus (Bonferroni).
const ERROR_RATE: f64 = 0.05;
/// Smallest frequency of a version among the training haplotypes.
const MIN_FREQUENCY: f64 = 0.02;
/// Squared correlation above which two versions tag each other.
const MAX_R2: f64 = 0.8;

/// A version of a slot.
struct Version {
    slot: usize,
    token: u32,
    frequency: f64,
}

/// Significant pairs of slots, the strongest first.
pub fn find(
    data: &Dataset<'_>,
    locus: usize,
    people: &[usize],
    residuals: &[f64],
) -> Vec<[usize; 2]> {
    let haplotypes = data.haplotypes_of(locus, people);
    let mut copies = vec![0.0; haplotypes.len()];
    let mut weights = vec![0.0; haplotypes.len()];
    for (&person, residual) in people.iter().zip(residuals) {
        for haplotype in data.pair(locus, person) {
            if let Ok(row) = haplotypes.binary_search(&haplotype) {
                copies[row] += 1.0;
                weights[row] += residual;
            }
        }
    }
    let rows: Vec<&[u32]> = haplotypes
        .iter()
        .map(|&haplotype| data.tokens(locus).row(haplotype))
        .collect();
    let variance = residuals
        .iter()
        .map(|residual| residual * residual)
        .sum::<f64>()
        / residuals.len().max(1) as f64;
    scan(&rows, &copies, &weights, variance)
}

/// Scans token rows (distinct haplotypes) with their copies and weights. `variance` is that of the
/// residuals.
fn scan(rows: &[&[u32]], copies: &[f64], weights: &[f64], variance: f64) -> Vec<[usize; 2]> {
    let total: f64 = copies.iter().sum();
    let versions = versions(rows, copies, total);
    let centred = centred_indicators(rows, &versions);
    let linkage = centred.t().dot(&scaled_rows(&centred, copies));
    let by_weight = scaled_rows(&centred, weights);
    let sums = Sums {
        total,
        versions: &versions,
        linkage: &linkage,
        scores: &centred.t().dot(&by_weight),
        main_scores: &by_weight.sum_axis(Axis(0)),
        sum_of_weights: weights.iter().sum(),
        variance,
    };
    let mut slots: Vec<[usize; 2]> = Vec::new();
    for pair in untagged(sums.significant_pairs(), &linkage) {
        let mut slot_pair = pair.map(|version| versions[version].slot);
        slot_pair.sort_unstable();
        if !slots.contains(&slot_pair) {
            slots.push(slot_pair);
        }
    }
    slots
}

/// The matrix with each row multiplied by its factor.
fn scaled_rows(matrix: &Array2<f64>, factors: &[f64]) -> Array2<f64> {
    let mut scaled = matrix.clone();
    for (mut row, factor) in scaled.axis_iter_mut(Axis(0)).zip(factors) {
        row *= *factor;
    }
    scaled
}

/// The first [`MAX_PAIRS`] pairs of versions without pairs that an earlier pair tags.
fn untagged(pairs: Vec<[usize; 2]>, linkage: &Array2<f64>) -> Vec<[usize; 2]> {
    let mut chosen: Vec<[usize; 2]> = Vec::new();
    for [first, second] in pairs {
        let is_tagged = chosen.iter().any(|&[a, b]| {
            (tag(linkage, a, first) && tag(linkage, b, second))
                || (tag(linkage, a, second) && tag(linkage, b, first))
        });
        if !is_tagged && chosen.len() < MAX_PAIRS {
            chosen.push([first, second]);
        }
    }
    chosen
}

/// Whether two versions tag each other.
fn tag(linkage: &Array2<f64>, first: usize, second: usize) -> bool {
    linkage[[first, second]].powi(2) > MAX_R2 * linkage[[first, first]] * linkage[[second, second]]
}

/// The versions of each slot except its most frequent one.
fn versions(rows: &[&[u32]], copies: &[f64], total: f64) -> Vec<Version> {
    let n_slots = rows.first().map_or(0, |row| row.len());
    let mut versions = Vec::new();
    for slot in 0..n_slots {
        let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
        for (row, n) in rows.iter().zip(copies) {
            *counts.entry(row[slot]).or_default() += n;
        }
        let commonest = counts
            .iter()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map(|(&token, _)| token);
        for (&token, &n) in &counts {
            let frequency = n / total;
            if Some(token) == commonest || frequency < MIN_FREQUENCY {
                continue;
            }
            versions.push(Version {
                slot,
                token,
                frequency,
            });
        }
    }
    versions
}

/// Whether a haplotype carries a version, minus the version's frequency (haplotypes x versions).
fn centred_indicators(rows: &[&[u32]], versions: &[Version]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), versions.len()), |(row, column)| {
        let version = &versions[column];
        f64::from(u8::from(rows[row][version.slot] == version.token)) - version.frequency
    })
}

/// Sums over the copies of the training haplotypes.
struct Sums<'s> {
    /// Number of copies.
    total: f64,
    versions: &'s [Version],
    /// Sums of products of two centred indicators (versions x versions).
    linkage: &'s Array2<f64>,
    /// Weighted sums of products of two centred indicators (versions x versions).
    scores: &'s Array2<f64>,
    /// Weighted sums of centred indicators.
    main_scores: &'s Array1<f64>,
    sum_of_weights: f64,
    /// Variance of the residuals.
    variance: f64,
}

/// Coefficients that adjust the product of two centred indicators for both.
struct Product {
    mean: f64,
    slopes: [f64; 2],
    sum_of_squares: f64,
}

impl Sums<'_> {
    /// Pairs of versions of different slots whose test is significant, the strongest first.
    fn significant_pairs(&self) -> Vec<[usize; 2]> {
        let mut tests: Vec<(f64, [usize; 2])> = Vec::new();
        let mut n_tests = 0_usize;
        for first in 0..self.versions.len() {
            for second in first + 1..self.versions.len() {
                if self.versions[first].slot == self.versions[second].slot {
                    continue;
                }
                n_tests += 1;
                if let Some(statistic) = self.statistic([first, second]) {
                    tests.push((statistic, [first, second]));
                }
            }
        }
        tests.retain(|(statistic, _)| {
            normal::two_sided(statistic.sqrt()) * n_tests as f64 <= ERROR_RATE
        });
        tests.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        tests.into_iter().map(|(_, pair)| pair).collect()
    }

    /// Score statistic of a pair; `None` where the product is almost a function of one indicator.
    fn statistic(&self, [first, second]: [usize; 2]) -> Option<f64> {
        let product = self.product([first, second])?;
        let score = self.scores[[first, second]]
            - product.mean * self.sum_of_weights
            - product.slopes[0] * self.main_scores[first]
            - product.slopes[1] * self.main_scores[second];
        Some(score * score / (self.variance * product.sum_of_squares))
    }

    /// Regresses the product on the two indicators, by the normal equations.
    fn product(&self, [first, second]: [usize; 2]) -> Option<Product> {
        let p = self.versions[first].frequency;
        let q = self.versions[second].frequency;
        let c = self.linkage[[first, second]];
        let a = self.linkage[[first, first]];
        let b = self.linkage[[second, second]];
        // An indicator is 0 or 1: its centred square is (1 - 2 p) times itself, plus p (1 - p).
        let d = (1.0 - 2.0 * p) * c;
        let e = (1.0 - 2.0 * q) * c;
        let squares =
            (1.0 - 2.0 * p) * (1.0 - 2.0 * q) * c + self.total * p * (1.0 - p) * q * (1.0 - q);
        let determinant = a * b - c * c;
        if determinant <= (1.0 - MAX_R2) * a * b {
            return None;
        }
        let slopes = [(d * b - e * c) / determinant, (e * a - d * c) / determinant];
        let sum_of_squares = squares - c * c / self.total - slopes[0] * d - slopes[1] * e;
        (sum_of_squares > 0.05 * self.total * p * (1.0 - p) * q * (1.0 - q)).then_some(Product {
            mean: c / self.total,
            slopes,
            sum_of_squares,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Scans 2,000 haplotypes with ten slots. A haplotype has the weight `effect` if its slots 2
    /// and 7 have the same version, otherwise `-effect`, plus noise.
    fn found(effect: f64, seed: u64) -> Vec<[usize; 2]> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rows: Vec<Vec<u32>> = (0..2_000)
            .map(|_| {
                (0..10)
                    .map(|_| u32::from(rng.random::<f64>() < 0.4))
                    .collect()
            })
            .collect();
        let weights: Vec<f64> = rows
            .iter()
            .map(|row| {
                let noise = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                noise + if row[2] == row[7] { effect } else { -effect }
            })
            .collect();
        let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        scan(&rows, &vec![1.0; rows.len()], &weights, 1.0)
    }

    #[test]
    fn two_versions_that_act_together_are_found_and_chance_is_not() {
        assert_eq!(found(0.3, 1), [[2, 7]]);
        let n_false = (0..100)
            .filter(|&seed| !found(0.0, seed).is_empty())
            .count();
        assert!(n_false <= 12, "{n_false} of 100");
    }

    #[test]
    fn a_sum_of_two_versions_is_not_a_pair() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let rows: Vec<[u32; 2]> = (0..4_000)
            .map(|_| [0, 1].map(|_| u32::from(rng.random::<f64>() < 0.3)))
            .collect();
        let weights: Vec<f64> = rows
            .iter()
            .map(|row| f64::from(row[0] + row[1]) - 0.6 + rng.random::<f64>() - 0.5)
            .collect();
        let rows: Vec<&[u32]> = rows.iter().map(<[u32; 2]>::as_slice).collect();
        assert!(scan(&rows, &vec![1.0; rows.len()], &weights, 0.5).is_empty());
    }
}
