//! Pairs of slots of a locus whose versions act together on a haplotype
//! (`docs/src/methods/models.md`, "Pair slots").
//!
//! Input -> output: training samples, their residuals next to the additive term, and their
//! haplotypes -> pairs of slots. Each pair of versions (one of each slot) is a score test of the
//! product of their centred indicators, adjusted for the two indicators themselves. Versions are 0
//! or 1 on a haplotype, so that all sums of squares follow from one matrix of linkage
//! and all scores from one of weighted products: the scan costs two matrix products for a locus.

use ndarray::{Array2, Axis};

use gf_stats::normal;

use crate::dataset::Dataset;

/// Pair slots of a locus, at most.
const MAX_PAIRS: usize = 8;
/// Family-wise error over all pairs of a locus.
const ERROR_RATE: f64 = 0.05;
/// Share of the training haplotypes with a version, at least.
const MIN_FREQUENCY: f64 = 0.02;
/// Squared correlation from which two versions stand for the same.
const SAME: f64 = 0.8;

/// A version of a slot, as 0 and 1 on each distinct haplotype.
struct Version {
    slot: usize,
    frequency: f64,
}

/// Pairs of slots, the strongest first; none where no pair is beyond chance.
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

fn scan(rows: &[&[u32]], copies: &[f64], weights: &[f64], variance: f64) -> Vec<[usize; 2]> {
    let total: f64 = copies.iter().sum();
    let (versions, centred) = versions(rows, copies, total);
    let weighted = |by: &[f64]| {
        let mut scaled = centred.clone();
        scaled
            .axis_iter_mut(Axis(0))
            .zip(by)
            .for_each(|(mut row, factor)| row *= *factor);
        scaled
    };
    let linkage = centred.t().dot(&weighted(copies));
    let by_weight = weighted(weights);
    let scores = centred.t().dot(&by_weight);
    let main = by_weight.sum_axis(Axis(0));
    let sum_of_weights: f64 = weights.iter().sum();
    let mut found = Vec::new();
    let mut n_pairs = 0_usize;
    for one in 0..versions.len() {
        for other in one + 1..versions.len() {
            if versions[one].slot == versions[other].slot {
                continue;
            }
            n_pairs += 1;
            let sums = Sums {
                total,
                linkage: &linkage,
                frequencies: [versions[one].frequency, versions[other].frequency],
            };
            let Some(product) = sums.product([one, other]) else {
                continue;
            };
            let score = scores[[one, other]]
                - product.mean * sum_of_weights
                - product.slopes[0] * main[one]
                - product.slopes[1] * main[other];
            found.push((
                score * score / (variance * product.sum_of_squares),
                [one, other],
            ));
        }
    }
    found.retain(|(square, _)| normal::two_sided(square.sqrt()) * n_pairs as f64 <= ERROR_RATE);
    found.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    let same = |one: usize, other: usize| {
        linkage[[one, other]].powi(2) > SAME * linkage[[one, one]] * linkage[[other, other]]
    };
    let mut chosen: Vec<[usize; 2]> = Vec::new();
    for (_, [one, other]) in found {
        let is_known = |&[a, b]: &[usize; 2]| {
            (same(a, one) && same(b, other)) || (same(a, other) && same(b, one))
        };
        if !chosen.iter().any(is_known) && chosen.len() < MAX_PAIRS {
            chosen.push([one, other]);
        }
    }
    let mut slots: Vec<[usize; 2]> = Vec::new();
    for pair in chosen {
        let mut pair = pair.map(|version| versions[version].slot);
        pair.sort_unstable();
        if !slots.contains(&pair) {
            slots.push(pair);
        }
    }
    slots
}

/// Versions of each slot but its most frequent one, and their centred indicators, (haplotypes,
/// versions).
fn versions(rows: &[&[u32]], copies: &[f64], total: f64) -> (Vec<Version>, Array2<f64>) {
    let n_slots = rows.first().map_or(0, |row| row.len());
    let mut versions = Vec::new();
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for slot in 0..n_slots {
        let mut counts: std::collections::BTreeMap<u32, f64> = std::collections::BTreeMap::new();
        for (row, n) in rows.iter().zip(copies) {
            *counts.entry(row[slot]).or_default() += n;
        }
        let most = counts
            .iter()
            .max_by(|one, other| one.1.total_cmp(other.1))
            .map(|(&token, _)| token);
        for (&token, &n) in &counts {
            let frequency = n / total;
            if Some(token) == most || frequency < MIN_FREQUENCY {
                continue;
            }
            versions.push(Version { slot, frequency });
            columns.push(
                rows.iter()
                    .map(|row| f64::from(u8::from(row[slot] == token)) - frequency)
                    .collect(),
            );
        }
    }
    let centred = Array2::from_shape_fn((rows.len(), columns.len()), |(row, column)| {
        columns[column][row]
    });
    (versions, centred)
}

/// Sums over the training haplotypes.
struct Sums<'s> {
    total: f64,
    /// Of products of two centred indicators.
    linkage: &'s Array2<f64>,
    frequencies: [f64; 2],
}

/// The product of two centred indicators, adjusted for both.
struct Product {
    mean: f64,
    slopes: [f64; 2],
    sum_of_squares: f64,
}

impl Sums<'_> {
    /// `None` where the product says nothing that one of the two does not.
    fn product(&self, [one, other]: [usize; 2]) -> Option<Product> {
        let [p, q] = self.frequencies;
        let c = self.linkage[[one, other]];
        let a = self.linkage[[one, one]];
        let b = self.linkage[[other, other]];
        // An indicator is 0 or 1: its centred square is (1 - 2 p) times itself, plus p (1 - p).
        let d = (1.0 - 2.0 * p) * c;
        let e = (1.0 - 2.0 * q) * c;
        let squares =
            (1.0 - 2.0 * p) * (1.0 - 2.0 * q) * c + self.total * p * (1.0 - p) * q * (1.0 - q);
        let determinant = a * b - c * c;
        if determinant <= (1.0 - SAME) * a * b {
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

    /// Of 2,000 haplotypes with ten slots, the weight of one whose slots 2 and 7 have the same
    /// version is `effect` higher.
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
