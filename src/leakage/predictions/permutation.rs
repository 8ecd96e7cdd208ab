//! AUROC under permuted labels: among all samples, or within strata of similar samples.
//!
//! Input -> output: ranks and strata of samples -> mean and standard deviation of the AUROC over
//! all permutations. Both are known exactly and nothing is drawn: the rank sum of the cases is a
//! linear rank statistic (Hajek and Sidak 1967; without strata it is the U of Mann and Whitney).

use gf_stats::{normal::two_sided, roc::ties};

use crate::predictions::Column;

/// The AUROC of a model, and its distribution under permuted labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Permuted {
    pub auroc: f64,
    /// AUROC minus 0.5, in standard deviations of the AUROC when labels are permuted among all
    /// samples.
    pub z: f64,
    /// Mean AUROC when labels are permuted within strata. A model that knows only the stratum
    /// reaches it.
    pub mean_within: f64,
    /// `mean_within` minus 0.5, in standard deviations of that mean when labels are permuted among
    /// all samples.
    pub z_within: f64,
}

impl Permuted {
    /// `None` without both classes. `stratum_of` has the stratum of each sample of the column,
    /// below `n_strata`.
    pub fn new(column: &Column, stratum_of: &[usize], n_strata: usize) -> Option<Self> {
        let ranks = mid_ranks(column);
        let mut sums = vec![0.0; n_strata];
        let mut sizes = vec![0.0; n_strata];
        for (&stratum, rank) in stratum_of.iter().zip(&ranks) {
            sums[stratum] += rank;
            sizes[stratum] += 1.0;
        }
        // Within a stratum every rank is as likely for a case, so its expectation is the mean.
        let expected_ranks: Vec<f64> = stratum_of
            .iter()
            .map(|&stratum| sums[stratum] / sizes[stratum])
            .collect();
        let observed = RankSum::of_cases(&ranks, &column.is_case)?;
        let within = RankSum::of_cases(&expected_ranks, &column.is_case)?;
        Some(Self {
            auroc: observed.auroc(column),
            z: observed.z,
            mean_within: within.auroc(column),
            z_within: within.z,
        })
    }

    /// Probability that permuted labels have an AUROC at least as far from 0.5 (two-sided).
    pub fn p_value(&self) -> f64 {
        two_sided(self.z)
    }
}

/// Sum of the ranks of the cases.
struct RankSum {
    sum: f64,
    /// Standard deviations from the mean under permuted labels; 0 where all ranks are equal.
    z: f64,
}

impl RankSum {
    /// With m cases among n samples, ranks r of mean r' and permuted labels, the sum has mean m r'
    /// and variance m (n - m) / (n (n - 1)) sum (r - r')^2. `None` without both classes.
    fn of_cases(ranks: &[f64], is_case: &[bool]) -> Option<Self> {
        let n = ranks.len() as f64;
        let m = is_case.iter().filter(|&&case| case).count() as f64;
        let mean = ranks.iter().sum::<f64>() / n;
        let squares = ranks.iter().map(|rank| (rank - mean).powi(2)).sum::<f64>();
        let sum: f64 = ranks
            .iter()
            .zip(is_case)
            .filter(|(_, case)| **case)
            .map(|(rank, _)| rank)
            .sum();
        let variance = m * (n - m) / (n * (n - 1.0)) * squares;
        // Rounding leaves a tiny variance where all ranks are equal.
        let z = if variance > 1e-12 * mean * mean {
            (sum - m * mean) / variance.sqrt()
        } else {
            0.0
        };
        (m > 0.0 && m < n).then_some(Self { sum, z })
    }

    /// AUROC = (R - m (m + 1) / 2) / (m n) for m cases with rank sum R and n controls.
    fn auroc(&self, column: &Column) -> f64 {
        let m = column.n_cases() as f64;
        let n = column.n_controls() as f64;
        (self.sum - m * (m + 1.0) / 2.0) / (m * n)
    }
}

/// 1-based ranks by rising logit; tied samples have the mean of their ranks.
fn mid_ranks(column: &Column) -> Vec<f64> {
    let mut ranks = vec![0.0; column.logits.len()];
    let mut n_below = 0;
    for group in ties(&column.logits, &column.order) {
        for &position in group {
            ranks[position as usize] = n_below as f64 + (group.len() + 1) as f64 / 2.0;
        }
        n_below += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::{Role, Split};
    use rand::{SeedableRng, seq::SliceRandom};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const N: u32 = 120;

    /// The mean over drawn permutations tends to the exact one.
    #[test]
    fn the_mean_within_strata_is_that_of_drawn_permutations() {
        let stratum_of: Vec<usize> = (0..N as usize).map(|person| person % 4).collect();
        let is_case: Vec<bool> = (0..N)
            .map(|person| person * 104_729 % 10 < 2 + 2 * (person % 4))
            .collect();
        let exact = Permuted::new(&column(is_case.clone()), &stratum_of, 4).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut sum = 0.0;
        for _ in 0..2_000 {
            let mut permuted = is_case.clone();
            for stratum in 0..4 {
                let members: Vec<usize> = (0..N as usize)
                    .filter(|person| stratum_of[*person] == stratum)
                    .collect();
                let mut labels: Vec<bool> = members.iter().map(|&person| is_case[person]).collect();
                labels.shuffle(&mut random);
                for (person, label) in members.into_iter().zip(labels) {
                    permuted[person] = label;
                }
            }
            sum += column(permuted).placements().unwrap().auroc();
        }
        assert!(
            (sum / 2_000.0 - exact.mean_within).abs() < 0.004,
            "{} {exact:?}",
            sum / 2_000.0
        );
        assert!((exact.auroc - column(is_case).placements().unwrap().auroc()).abs() < 1e-12);
    }

    /// Samples whose logits and labels depend on their stratum.
    fn column(is_case: Vec<bool>) -> Column {
        let logits = (0..N)
            .map(|person| f64::from(person * 7_919 % 31 + 5 * (person % 4)))
            .collect();
        Column::new(
            Split::Test,
            "m",
            Role::Score,
            (0..N).collect(),
            is_case,
            logits,
            vec![0.5; N as usize],
        )
    }
}
