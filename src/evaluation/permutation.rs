//! What the AUROC would be if labels were permuted: among everyone, or among people who are alike
//! only.
//!
//! Input -> output: ranks and strata of people -> mean and standard deviation over all
//! permutations. They are known exactly, so that nothing is drawn: the rank sum of the cases is a
//! linear rank statistic (Hajek and Sidak 1967; for everyone it is Mann and Whitney's U).

use super::{roc::ties, scores::Column};
use gf_stats::normal::two_sided;

/// The AUROC of people, and its distribution under permuted labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Permuted {
    pub auroc: f64,
    /// In units of the standard deviation of the AUROC under labels permuted among everyone.
    pub z: f64,
    /// Mean of the AUROC when labels are permuted within strata only: what a model reaches that
    /// knows nothing but the stratum.
    pub mean_within: f64,
    /// That mean, in units of its standard deviation under labels permuted among everyone.
    pub z_within: f64,
}

impl Permuted {
    /// `None` without both classes, or where the scores do not differ. `stratum_of` is of each
    /// place of the column, below `n_strata`.
    pub fn new(column: &Column, stratum_of: &[usize], n_strata: usize) -> Option<Self> {
        let ranks = mid_ranks(column);
        let mut sums = vec![0.0; n_strata];
        let mut sizes = vec![0.0; n_strata];
        for (&stratum, rank) in stratum_of.iter().zip(&ranks) {
            sums[stratum] += rank;
            sizes[stratum] += 1.0;
        }
        let means: Vec<f64> = stratum_of
            .iter()
            .map(|&stratum| sums[stratum] / sizes[stratum])
            .collect();
        let (sum, z) = of_cases(&ranks, &column.is_case)?;
        let (sum_within, z_within) = of_cases(&means, &column.is_case)?;
        let m = column.n_cases() as f64;
        let n = column.n_controls() as f64;
        let area = |rank_sum: f64| (rank_sum - m * (m + 1.0) / 2.0) / (m * n);
        Some(Self {
            auroc: area(sum),
            z,
            mean_within: area(sum_within),
            z_within,
        })
    }

    /// Two-sided: the AUROC is as far from one half with permuted labels.
    pub fn p_value(&self) -> f64 {
        two_sided(self.z)
    }
}

/// Sum of the values of the cases, and how many standard deviations it is from its mean under
/// permuted labels (0 where values are all equal).
fn of_cases(values: &[f64], is_case: &[bool]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let m = is_case.iter().filter(|&&case| case).count() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>();
    let sum: f64 = values
        .iter()
        .zip(is_case)
        .filter(|(_, case)| **case)
        .map(|(value, _)| value)
        .sum();
    let variance = m * (n - m) / (n * (n - 1.0)) * squares;
    // Of equal values rounding leaves something.
    let z = if variance > 1e-12 * mean * mean {
        (sum - m * mean) / variance.sqrt()
    } else {
        0.0
    };
    (m > 0.0 && m < n).then_some((sum, z))
}

/// 1-based ranks in increasing order; tied values share the mean of theirs.
fn mid_ranks(column: &Column) -> Vec<f64> {
    let mut ranks = vec![0.0; column.logits.len()];
    let mut n_below = 0;
    for group in ties(&column.logits, &column.order) {
        for &place in group {
            ranks[place as usize] = n_below as f64 + (group.len() + 1) as f64 / 2.0;
        }
        n_below += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::Split;
    use rand::{SeedableRng, seq::SliceRandom};
    use rand_chacha::ChaCha8Rng;

    use gf_cohort_schema::Role;

    use super::*;
    use crate::evaluation::auroc::placements;

    /// The mean over drawn permutations tends to the exact one.
    #[test]
    fn the_mean_within_strata_is_that_of_drawn_permutations() {
        let n = 120_u32;
        let stratum_of: Vec<usize> = (0..n as usize).map(|person| person % 4).collect();
        let logits: Vec<f64> = (0..n)
            .map(|person| f64::from(person * 7_919 % 31 + 5 * (person % 4)))
            .collect();
        let is_case: Vec<bool> = (0..n)
            .map(|person| person * 104_729 % 10 < 2 + 2 * (person % 4))
            .collect();
        let column = |is_case: Vec<bool>| {
            Column::new(
                Split::Test,
                "m",
                Role::Score,
                (0..n).collect(),
                is_case,
                logits.clone(),
                vec![0.5; n as usize],
            )
        };
        let exact = Permuted::new(&column(is_case.clone()), &stratum_of, 4).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut sum = 0.0;
        for _ in 0..2_000 {
            let mut permuted = is_case.clone();
            for stratum in 0..4 {
                let places: Vec<usize> = (0..n as usize)
                    .filter(|place| stratum_of[*place] == stratum)
                    .collect();
                let mut labels: Vec<bool> = places.iter().map(|&place| is_case[place]).collect();
                labels.shuffle(&mut random);
                for (place, label) in places.into_iter().zip(labels) {
                    permuted[place] = label;
                }
            }
            sum += placements(&column(permuted)).unwrap().auroc();
        }
        assert!(
            (sum / 2_000.0 - exact.mean_within).abs() < 0.004,
            "{} {exact:?}",
            sum / 2_000.0
        );
        assert!((exact.auroc - placements(&column(is_case)).unwrap().auroc()).abs() < 1e-12);
    }
}
