//! Bootstrap over families: relatives are alike, so the members of a family are drawn together.
//!
//! Input -> output: columns of scores and the family of each person -> the AUROC of each column in
//! N resamples. All columns of one resample have the same samples, so differences are paired.
//!
//! Each resample has a random generator of its own: the result depends on the seed and not on the
//! number of threads. Intervals are percentiles (R's type 7); Efron and Tibshirani 1993, chapters
//! 13 and 16.

use std::collections::HashMap;

use gf_stats::{delong::Interval, roc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::predictions::Column;

/// Settings of a bootstrap.
#[derive(Clone, Copy, Debug)]
pub struct Bootstrap<'a> {
    pub n_replicates: usize,
    pub seed: u64,
    /// Number of the family of each person of `Scores::people`. A person without a family has a
    /// number of their own.
    pub families: &'a [u32],
}

/// AUROC of each column in each resample.
pub struct Resampled {
    /// By resample, then by column; `None` where the resample lacks cases or controls.
    areas: Vec<Vec<Option<f64>>>,
}

impl Bootstrap<'_> {
    pub fn resample(&self, columns: &[&Column]) -> Resampled {
        let families = self.families_of(columns);
        let rankings: Vec<Ranking> = columns
            .iter()
            .map(|column| Ranking::from_column(column))
            .collect();
        Resampled {
            areas: (0..self.n_replicates)
                .into_par_iter()
                .map(|number| {
                    let n_draws = self.draw(number, &families);
                    rankings
                        .iter()
                        .map(|ranking| ranking.weighted_auroc(&n_draws))
                        .collect()
                })
                .collect(),
        }
    }

    /// Draws as many families as there are, with replacement: how often each person is drawn.
    fn draw(&self, number: usize, families: &[Vec<u32>]) -> Vec<u32> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(number as u64);
        let mut n_draws = vec![0_u32; self.families.len()];
        for _ in 0..families.len() {
            for &person in &families[random.random_range(0..families.len())] {
                n_draws[person as usize] += 1;
            }
        }
        n_draws
    }

    /// The samples of the columns, grouped by family in the order of their first members.
    fn families_of(&self, columns: &[&Column]) -> Vec<Vec<u32>> {
        let mut people: Vec<u32> = columns
            .iter()
            .flat_map(|column| &column.people)
            .copied()
            .collect();
        people.sort_unstable();
        people.dedup();
        let mut index_of_family: HashMap<u32, usize> = HashMap::new();
        let mut families: Vec<Vec<u32>> = Vec::new();
        for person in people {
            let index = *index_of_family
                .entry(self.families[person as usize])
                .or_insert(families.len());
            if index == families.len() {
                families.push(Vec::new());
            }
            families[index].push(person);
        }
        families
    }
}

/// Samples of a column by rising logit.
struct Ranking {
    /// Person, and whether it is a case.
    people: Vec<(u32, bool)>,
    /// End of each group of tied logits in `people`.
    ends: Vec<usize>,
}

impl Ranking {
    fn from_column(column: &Column) -> Self {
        let people = column
            .order
            .iter()
            .map(|&position| {
                let position = position as usize;
                (column.people[position], column.is_case[position])
            })
            .collect();
        let mut ends = Vec::new();
        let mut end = 0;
        for group in roc::ties(&column.logits, &column.order) {
            end += group.len();
            ends.push(end);
        }
        Self { people, ends }
    }

    /// AUROC where person `i` counts `n_draws[i]` times.
    fn weighted_auroc(&self, n_draws: &[u32]) -> Option<f64> {
        let mut start = 0;
        let weights_of_groups = self.ends.iter().map(|&end| {
            let mut weights = [0.0; 2];
            for &(person, is_case) in &self.people[start..end] {
                weights[usize::from(!is_case)] += f64::from(n_draws[person as usize]);
            }
            start = end;
            weights
        });
        // Without cases or without controls this divides zero by zero.
        Some(roc::area(weights_of_groups)).filter(|area| area.is_finite())
    }
}

impl Resampled {
    pub fn n_replicates(&self) -> usize {
        self.areas.len()
    }

    pub fn n_without_a_class(&self, column: usize) -> usize {
        self.areas
            .iter()
            .filter(|areas| areas[column].is_none())
            .count()
    }

    /// 95 % interval of the AUROC of a column.
    pub fn interval(&self, column: usize) -> Option<Interval> {
        let areas = self.areas.iter().filter_map(|areas| areas[column]);
        percentiles(areas.collect())
    }

    /// 95 % interval of the difference of two columns, and the two-sided p-value of a difference of
    /// zero; `None` where all differences are zero.
    ///
    /// p = 2 min(P(d <= 0), P(d >= 0)), where P counts the observed difference as one more resample
    /// (Davison and Hinkley 1997, chapter 4).
    pub fn difference(&self, column: usize, other: usize) -> Option<(Interval, f64)> {
        let differences: Vec<f64> = self
            .areas
            .iter()
            .filter_map(|areas| Some(areas[column]? - areas[other]?))
            .collect();
        if differences.iter().all(|difference| *difference == 0.0) {
            return None;
        }
        let not_above = differences.iter().filter(|difference| **difference <= 0.0);
        let not_below = differences.iter().filter(|difference| **difference >= 0.0);
        let n = differences.len();
        let p_value =
            2.0 * smoothed_share(not_above.count(), n).min(smoothed_share(not_below.count(), n));
        Some((percentiles(differences)?, p_value.min(1.0)))
    }
}

/// Proportion that is never zero.
fn smoothed_share(count: usize, n: usize) -> f64 {
    (count + 1) as f64 / (n + 1) as f64
}

/// 2.5 % and 97.5 % quantile.
fn percentiles(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_unstable_by(f64::total_cmp);
    Some(Interval {
        low: quantile(&values, 0.025)?,
        high: quantile(&values, 0.975)?,
    })
}

/// Quantile of sorted values by linear interpolation (R's type 7, numpy's default).
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = share * (sorted.len().checked_sub(1)?) as f64;
    let below = sorted[position.floor() as usize];
    let above = sorted[position.ceil() as usize];
    Some(below + (above - below) * position.fract())
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::{Role, Split};

    use super::*;
    use crate::evaluation::auroc::aurocs;

    fn people(n: u32, seed: u64, shift: f64) -> Column {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let is_case: Vec<bool> = (0..n).map(|person| person % 3 == 0).collect();
        let logits: Vec<f64> = is_case
            .iter()
            .map(|&case| normal(&mut random) + if case { shift } else { 0.0 })
            .collect();
        Column::new(
            Split::Test,
            &format!("m{seed}"),
            Role::Score,
            (0..n).collect(),
            is_case,
            logits,
            vec![0.5; n as usize],
        )
    }

    /// About standard normal: the sum of twelve uniform variables, minus its mean.
    fn normal(random: &mut ChaCha8Rng) -> f64 {
        (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8, 16], [0.025, 0.975])
        let interval = percentiles(vec![16.0, 1.0, 8.0, 2.0, 4.0]).unwrap();
        assert!(
            (interval.low - 1.1).abs() < 1e-12 && (interval.high - 15.2).abs() < 1e-12,
            "{interval:?}"
        );
    }

    #[test]
    fn people_by_themselves_have_about_the_interval_of_delong() {
        let a = people(600, 1, 0.9);
        let b = people(600, 2, 0.5);
        let alone: Vec<u32> = (0..600).collect();
        let bootstrap = Bootstrap {
            n_replicates: 2_000,
            seed: 1,
            families: &alone,
        };
        let resampled = aurocs(&[&a, &b], Some("m2"), Some(&bootstrap))[0]
            .clone()
            .unwrap();
        let delong = aurocs(&[&a, &b], Some("m2"), None)[0].clone().unwrap();
        let found = resampled.interval.unwrap();
        let expected = delong.interval.unwrap();
        assert!(
            (found.low - expected.low).abs() < 0.01 && (found.high - expected.high).abs() < 0.01,
            "{found:?} {expected:?}"
        );
        let found = resampled.difference.unwrap().inference.unwrap().0;
        let expected = delong.difference.unwrap().inference.unwrap().0;
        assert!(
            (found.low - expected.low).abs() < 0.015 && (found.high - expected.high).abs() < 0.015,
            "{found:?} {expected:?}"
        );
    }

    /// Every sample three times, the copies of one sample as a family: the interval is that of the
    /// samples once.
    #[test]
    fn relatives_are_drawn_together() {
        let once = people(150, 3, 0.8);
        let people: Vec<u32> = (0..450).collect();
        let families: Vec<u32> = people.iter().map(|person| person / 3).collect();
        let originals = families.iter().map(|&family| family as usize);
        let copied = Column::new(
            Split::Test,
            "m",
            Role::Score,
            people.clone(),
            originals
                .clone()
                .map(|original| once.is_case[original])
                .collect(),
            originals.map(|original| once.logits[original]).collect(),
            vec![0.5; 450],
        );
        let interval = once.placements().unwrap().interval().unwrap();
        let expected = interval.high - interval.low;
        assert!((width(&copied, &families) / expected - 1.0).abs() < 0.15);
        assert!((width(&copied, &people) * 3_f64.sqrt() / expected - 1.0).abs() < 0.15);
    }

    /// Width of the interval of a column.
    fn width(column: &Column, families: &[u32]) -> f64 {
        let bootstrap = Bootstrap {
            n_replicates: 1_000,
            seed: 7,
            families,
        };
        let interval = bootstrap.resample(&[column]).interval(0).unwrap();
        interval.high - interval.low
    }

    #[test]
    fn the_seed_alone_decides_and_not_the_number_of_threads() {
        let column = people(90, 4, 0.7);
        assert_eq!(areas(&column, 1, 5), areas(&column, 4, 5));
        assert_ne!(areas(&column, 1, 5), areas(&column, 1, 6));
    }

    /// AUROC in 50 resamples of samples without families.
    fn areas(column: &Column, n_threads: usize, seed: u64) -> Vec<Vec<Option<f64>>> {
        let alone: Vec<u32> = (0..column.people.len() as u32).collect();
        let bootstrap = Bootstrap {
            n_replicates: 50,
            seed,
            families: &alone,
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .unwrap();
        pool.install(|| bootstrap.resample(&[column]).areas)
    }
}
