//! Families, and a stratified split that keeps families together.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use gf_cohort_schema::Split;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::join::Person;

/// Shares of training, validation and test samples; they add up to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares([f64; 3]);

impl Default for Shares {
    fn default() -> Self {
        Self([0.6, 0.2, 0.2])
    }
}

/// A text that is not the shares of three splits.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UnknownShares {
    /// Not three numbers.
    #[error(
        "`{0}` is not three percentages of training, validation and test samples, such as 60,20,20"
    )]
    Form(String),
    /// Numbers that add up neither to 100 nor to 1.
    #[error(
        "the parts of `{text}` add up to {sum}; write three percentages of training, validation \
         and test samples, such as 60,20,20"
    )]
    Sum {
        /// The text.
        text: String,
        /// The sum.
        sum: f64,
    },
}

impl FromStr for Shares {
    type Err = UnknownShares;

    fn from_str(text: &str) -> Result<Self, UnknownShares> {
        let shares: Option<Vec<f64>> = text.split([',', '/', ':']).map(parse_share).collect();
        let Some(&[train, validation, test]) = shares.as_deref() else {
            return Err(UnknownShares::Form(text.to_owned()));
        };
        let sum = train + validation + test;
        if (sum - 100.0).abs() > 1e-6 && (sum - 1.0).abs() > 1e-6 {
            let text = text.to_owned();
            return Err(UnknownShares::Sum { text, sum });
        }
        Ok(Self([train / sum, validation / sum, test / sum]))
    }
}

impl std::fmt::Display for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Percentages with two digits.
        let [train, validation, test] = self.0.map(|share| (share * 1e4).round() / 1e2);
        write!(f, "{train},{validation},{test}")
    }
}

/// A share or percentage of 0 or more.
fn parse_share(text: &str) -> Option<f64> {
    let number = text.trim().trim_end_matches('%').parse::<f64>().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// The family of each sample, as the index of its first member.
///
/// Samples with the same FID, and parents and their children, are one family. Families are the sets
/// of a union-find structure.
pub fn families(people: &[Person]) -> Vec<usize> {
    // The parent of each node in the union-find forest.
    let mut parent_of: Vec<usize> = (0..people.len()).collect();
    let index_of: HashMap<&str, usize> = people
        .iter()
        .enumerate()
        .map(|(index, person)| (person.sample.as_str(), index))
        .collect();
    let mut first_of_family: HashMap<&str, usize> = HashMap::new();
    // Children of one parent are siblings, also if the parent is not in the cohort.
    let mut first_child: HashMap<&str, usize> = HashMap::new();
    for (index, person) in people.iter().enumerate() {
        if let Some(family) = &person.family {
            let first = *first_of_family.entry(family).or_insert(index);
            unite(&mut parent_of, first, index);
        }
        for parent in &person.parents {
            let first = *first_child.entry(parent).or_insert(index);
            unite(&mut parent_of, first, index);
            if let Some(&parent) = index_of.get(parent.as_str()) {
                unite(&mut parent_of, parent, index);
            }
        }
    }
    (0..people.len())
        .map(|index| root(&mut parent_of, index))
        .collect()
}

/// The first member of a set; halves the path to it.
fn root(parent_of: &mut [usize], mut index: usize) -> usize {
    while parent_of[index] != index {
        parent_of[index] = parent_of[parent_of[index]];
        index = parent_of[index];
    }
    index
}

/// Joins two sets; the smaller index becomes the root.
fn unite(parent_of: &mut [usize], a: usize, b: usize) {
    let root_of_a = root(parent_of, a);
    let root_of_b = root(parent_of, b);
    let first = root_of_a.min(root_of_b);
    let second = root_of_a.max(root_of_b);
    parent_of[second] = first;
}

/// Assigns a split to each sample, given its family and stratum.
///
/// All samples of a family are in one split, and each stratum has about the same share of every
/// split. The result depends on the seed but not on the order of the samples.
pub fn split(
    people: &[Person],
    family_of: &[usize],
    stratum_of: &[String],
    shares: Shares,
    seed: u64,
) -> Vec<Split> {
    let mut order: Vec<usize> = (0..people.len()).collect();
    order.sort_by(|&a, &b| people[a].sample.cmp(&people[b].sample));
    // Families by the rank of their first sample id, which does not depend on the row order.
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut rank_of_family: HashMap<usize, usize> = HashMap::new();
    for (rank, &sample) in order.iter().enumerate() {
        let family_rank = *rank_of_family.entry(family_of[sample]).or_insert(rank);
        members.entry(family_rank).or_default().push(sample);
    }
    let mut families: Vec<Vec<usize>> = members.into_values().collect();
    families.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    // Large families first: small ones even out the shares afterwards.
    families.sort_by_key(|family| std::cmp::Reverse(family.len()));
    let mut quotas = Quotas::new(stratum_of, shares);
    let mut splits = vec![Split::Train; people.len()];
    for family in families {
        let strata: Vec<&str> = family
            .iter()
            .map(|&sample| stratum_of[sample].as_str())
            .collect();
        let split = quotas.assign(&strata);
        for sample in family {
            splits[sample] = split;
        }
    }
    splits
}

/// Number of samples of each stratum that each split still needs.
struct Quotas<'s> {
    shares: Shares,
    /// Numbers for train, validation and test, by stratum; negative if a split has too many.
    needed: BTreeMap<&'s str, [f64; 3]>,
}

impl<'s> Quotas<'s> {
    fn new(stratum_of: &'s [String], shares: Shares) -> Self {
        let mut needed: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
        for stratum in stratum_of {
            let needed_of_stratum = needed.entry(stratum).or_default();
            for (needed_of_split, share) in needed_of_stratum.iter_mut().zip(shares.0) {
                *needed_of_split += share;
            }
        }
        Self { shares, needed }
    }

    /// Assigns samples of these strata to the split that needs them most.
    fn assign(&mut self, strata: &[&'s str]) -> Split {
        // `max_by` returns the last of equal splits; in reverse order this is the first split.
        let split = (0..3)
            .filter(|&split| self.shares.0[split] > 0.0)
            .rev()
            .max_by(|&a, &b| self.need(a, strata).total_cmp(&self.need(b, strata)))
            .unwrap_or_default();
        for stratum in strata {
            if let Some(needed) = self.needed.get_mut(stratum) {
                needed[split] -= 1.0;
            }
        }
        Split::ALL[split]
    }

    /// Sum of the numbers that a split needs of these strata.
    fn need(&self, split: usize, strata: &[&'s str]) -> f64 {
        strata
            .iter()
            .map(|stratum| self.needed.get(stratum).map_or(0.0, |needed| needed[split]))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(n: usize) -> Vec<Person> {
        (0..n)
            .map(|index| Person {
                sample: format!("P{index:04}"),
                ..Person::default()
            })
            .collect()
    }

    fn count(splits: &[Split], is_counted: impl Fn(usize) -> bool) -> [usize; 3] {
        Split::ALL.map(|split| {
            splits
                .iter()
                .enumerate()
                .filter(|(index, assigned)| **assigned == split && is_counted(*index))
                .count()
        })
    }

    #[test]
    fn every_split_has_its_share_of_every_stratum() {
        let people = people(1000);
        let strata: Vec<String> = (0..1000)
            .map(|index| if index % 5 == 0 { "case" } else { "control" }.to_owned())
            .collect();
        let families: Vec<usize> = (0..1000).collect();
        let splits = split(&people, &families, &strata, "60,20,20".parse().unwrap(), 1);
        assert_eq!(count(&splits, |index| index % 5 == 0), [120, 40, 40]);
        assert_eq!(count(&splits, |index| index % 5 > 0), [480, 160, 160]);
        assert_eq!(
            splits,
            split(&people, &families, &strata, Shares::default(), 1)
        );
        assert_ne!(
            splits,
            split(&people, &families, &strata, Shares::default(), 2)
        );
        let all_test = split(&people, &families, &strata, "0,0,100".parse().unwrap(), 1);
        assert!(all_test.iter().all(|&split| split == Split::Test));
    }

    #[test]
    fn the_order_of_the_rows_does_not_change_the_split() {
        let forward = people(200);
        let mut backward = forward.clone();
        backward.reverse();
        let strata = vec!["case".to_owned(); 200];
        let families = (0..200).collect::<Vec<_>>();
        let mut turned = split(&backward, &families, &strata, Shares::default(), 3);
        turned.reverse();
        assert_eq!(
            split(&forward, &families, &strata, Shares::default(), 3),
            turned
        );
    }

    #[test]
    fn a_family_is_in_one_split() {
        let mut people = people(300);
        for (index, person) in people.iter_mut().enumerate() {
            person.family = Some(format!("F{}", index / 3));
        }
        // A child of another family's member, and two children of a father who is not in the table.
        people[0].parents = vec!["P0299".into()];
        people[10].parents = vec!["absent".into()];
        people[200].parents = vec!["absent".into()];
        let families = families(&people);
        assert_eq!((families[0], families[10]), (families[299], families[200]));
        let splits = split(
            &people,
            &families,
            &vec!["case".to_owned(); 300],
            Shares::default(),
            1,
        );
        for (a, b) in (0..300).flat_map(|a| (0..a).map(move |b| (a, b))) {
            assert!(families[a] != families[b] || splits[a] == splits[b]);
        }
        let [train, validation, test] = count(&splits, |_| true);
        assert!(
            (177..=183).contains(&train) && validation.abs_diff(60) <= 3 && test.abs_diff(60) <= 3,
            "{train} {validation} {test}"
        );
    }

    #[test]
    fn shares_add_up() {
        assert_eq!("80,20,0".parse::<Shares>().unwrap().to_string(), "80,20,0");
        assert_eq!("0.6,0.2,0.2".parse::<Shares>().unwrap(), Shares::default());
        for text in ["60,20", "60,20,30", "60,x,20", "-10,60,50"] {
            assert!(text.parse::<Shares>().is_err(), "{text}");
        }
    }
}
