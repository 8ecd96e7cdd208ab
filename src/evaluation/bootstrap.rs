//! Intervals by resampling families: people of one family are alike, so they are drawn together.
//!
//! Input -> output: columns of scores on some people and their families -> the areas of each column
//! in N resamples, the same people for all columns of one resample, so that differences are paired.
//! A resample has a random generator of its own: the result depends on the seed only. Intervals are
//! percentiles (R's type 7); Efron and Tibshirani 1993, chapters 13 and 16.

use std::collections::HashMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{delong::Interval, roc, scores::Column};

/// How to resample.
#[derive(Clone, Copy, Debug)]
pub struct Bootstrap<'a> {
    pub n_replicates: usize,
    pub seed: u64,
    /// Family of each person of [`super::scores::Scores::people`]; people of no family have a
    /// number of their own.
    pub families: &'a [u32],
}

/// Areas of the columns in each resample; `None` where one lacks a class.
pub struct Resampled {
    areas: Vec<Vec<Option<f64>>>,
}

impl Bootstrap<'_> {
    pub fn resample(&self, columns: &[&Column]) -> Resampled {
        let families = self.families_of(columns);
        let groups: Vec<Groups> = columns
            .iter()
            .map(|column| Groups::from_column(column))
            .collect();
        let replicate = |number: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(self.seed);
            random.set_stream(number as u64);
            let mut times = vec![0_u32; self.families.len()];
            for _ in 0..families.len() {
                for &person in &families[random.random_range(0..families.len())] {
                    times[person as usize] += 1;
                }
            }
            groups.iter().map(|groups| groups.area(&times)).collect()
        };
        Resampled {
            areas: (0..self.n_replicates)
                .into_par_iter()
                .map(replicate)
                .collect(),
        }
    }

    /// The people of the columns, family by family, in the order of their first ones.
    fn families_of(&self, columns: &[&Column]) -> Vec<Vec<u32>> {
        let mut people: Vec<u32> = columns
            .iter()
            .flat_map(|column| &column.people)
            .copied()
            .collect();
        people.sort_unstable();
        people.dedup();
        let mut place: HashMap<u32, usize> = HashMap::new();
        let mut families: Vec<Vec<u32>> = Vec::new();
        for person in people {
            let index = *place
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

/// People of a column by rising logit, and where each group with one logit ends.
struct Groups {
    people: Vec<(u32, bool)>,
    ends: Vec<usize>,
}

impl Groups {
    fn from_column(column: &Column) -> Self {
        let people = column
            .order
            .iter()
            .map(|&place| {
                (
                    column.people[place as usize],
                    column.is_case[place as usize],
                )
            })
            .collect();
        let mut end = 0;
        let ends = roc::ties(&column.logits, &column.order).map(|group| {
            end += group.len();
            end
        });
        let ends = ends.collect();
        Self { people, ends }
    }

    /// Auroc where each person counts so many times.
    fn area(&self, times: &[u32]) -> Option<f64> {
        let mut start = 0;
        let groups = self.ends.iter().map(|&end| {
            let mut weights = [0.0; 2];
            for &(person, is_case) in &self.people[start..end] {
                weights[usize::from(!is_case)] += f64::from(times[person as usize]);
            }
            start = end;
            weights
        });
        Some(roc::area(groups)).filter(|area| area.is_finite())
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

    /// 95 % interval of a column's area.
    pub fn interval(&self, column: usize) -> Option<Interval> {
        percentiles(
            self.areas
                .iter()
                .filter_map(|areas| areas[column])
                .collect(),
        )
    }

    /// 95 % interval of the difference of two columns, and the two-sided p-value of its being zero
    /// (Davison and Hinkley 1997, chapter 4: the share of resamples on the other side of zero,
    /// doubled, one added); `None` where all differences are zero.
    pub fn difference(&self, column: usize, other: usize) -> Option<(Interval, f64)> {
        let differences: Vec<f64> = self
            .areas
            .iter()
            .filter_map(|areas| Some(areas[column]? - areas[other]?))
            .collect();
        if differences.iter().all(|difference| *difference == 0.0) {
            return None;
        }
        let share = |on_side: fn(f64) -> bool| {
            let n = differences
                .iter()
                .filter(|&&difference| on_side(difference))
                .count();
            (n + 1) as f64 / (differences.len() + 1) as f64
        };
        let p_value = (2.0
            * share(|difference| difference <= 0.0).min(share(|difference| difference >= 0.0)))
        .min(1.0);
        Some((percentiles(differences)?, p_value))
    }
}

/// 2.5 % and 97.5 % quantile.
fn percentiles(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_unstable_by(f64::total_cmp);
    Some(Interval {
        low: quantile(&values, 0.025)?,
        high: quantile(&values, 0.975)?,
    })
}

/// Of sorted values, linear between them (R's type 7, numpy's default).
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * (sorted.len().checked_sub(1)?) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use gf_cohort_schema::Split;

    use gf_cohort_schema::Role;

    use super::*;
    use crate::evaluation::auroc::{aurocs, placements};

    fn people(n: u32, seed: u64, shift: f64) -> Column {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let is_case: Vec<bool> = (0..n).map(|person| person % 3 == 0).collect();
        let normal =
            |random: &mut ChaCha8Rng| (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
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
        let (found, _) = resampled.difference.unwrap().inference.unwrap();
        let (expected, _) = delong.difference.unwrap().inference.unwrap();
        assert!(
            (found.low - expected.low).abs() < 0.015 && (found.high - expected.high).abs() < 0.015,
            "{found:?} {expected:?}"
        );
    }

    /// Everyone three times, each with their copies as one family: the interval is that of the
    /// people once.
    #[test]
    fn relatives_are_drawn_together() {
        let once = people(150, 3, 0.8);
        let people: Vec<u32> = (0..450).collect();
        let threefold = |place: &u32| (place / 3) as usize;
        let (is_case, logits) = people
            .iter()
            .map(threefold)
            .map(|place| (once.is_case[place], once.logits[place]))
            .unzip();
        let copied = Column::new(
            Split::Test,
            "m",
            Role::Score,
            people.clone(),
            is_case,
            logits,
            vec![0.5; 450],
        );
        let width = |families: &[u32]| {
            let resampled = Bootstrap {
                n_replicates: 1_000,
                seed: 7,
                families,
            }
            .resample(&[&copied]);
            let interval = resampled.interval(0).unwrap();
            interval.high - interval.low
        };
        let expected = placements(&once).unwrap().interval().unwrap();
        let families: Vec<u32> = people.iter().map(|person| person / 3).collect();
        assert!((width(&families) / (expected.high - expected.low) - 1.0).abs() < 0.15);
        assert!(
            (width(&people) * 3_f64.sqrt() / (expected.high - expected.low) - 1.0).abs() < 0.15
        );
    }

    #[test]
    fn the_seed_alone_decides_and_not_the_number_of_threads() {
        let column = people(90, 4, 0.7);
        let alone: Vec<u32> = (0..90).collect();
        let run = |n_threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n_threads)
                .build()
                .unwrap();
            pool.install(|| {
                Bootstrap {
                    n_replicates: 50,
                    seed,
                    families: &alone,
                }
                .resample(&[&column])
                .areas
            })
        };
        assert_eq!(run(1, 5), run(4, 5));
        assert_ne!(run(1, 5), run(1, 6));
    }
}
