//! Slots that a deep term adds to a locus: which versions two of its slots have together on a
//! haplotype.
//!
//! A network needs many epochs before two alleles that matter only together leave a trace in its
//! loss: until then their gradients are products of small numbers. The version of a pair slot is a
//! token of its own, so that their joint effect is of first order, as alleles within one segment
//! already are.

use std::collections::HashMap;

use gf_tokenizer::UNK;
use serde::{Deserialize, Serialize};

use super::TermShape;

/// Two slots of a locus whose versions are read together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSlot {
    /// Place of the locus among those of the term.
    pub locus: usize,
    /// The two slots of the locus, ascending.
    pub slots: [usize; 2],
    /// Tokens of the tokenizer that the two slots have together on a training haplotype,
    /// ascending. Others are read as `[UNK]`.
    pub versions: Vec<[u32; 2]>,
}

/// Numbers the tokens and pairs of tokens that a term has an embedding for.
#[derive(Clone, Debug)]
pub struct TokenNumbers {
    tokens: HashMap<u32, u32>,
    pairs: Vec<PairNumbers>,
}

#[derive(Clone, Debug)]
struct PairNumbers {
    locus: usize,
    slots: [usize; 2],
    numbers: HashMap<[u32; 2], u32>,
}

impl TokenNumbers {
    /// For the tokens of a term, followed by the versions of its pair slots.
    #[must_use]
    pub fn new(shape: &TermShape) -> Self {
        let tokens = (0..)
            .zip(&shape.tokens)
            .map(|(number, &token)| (token, number))
            .collect();
        let mut next = shape.tokens.len() as u32;
        let mut pairs = Vec::with_capacity(shape.pair_slots.len());
        for pair in &shape.pair_slots {
            let numbers = (next..)
                .zip(&pair.versions)
                .map(|(number, &version)| (version, number))
                .collect();
            next += pair.versions.len() as u32;
            pairs.push(PairNumbers {
                locus: pair.locus,
                slots: pair.slots,
                numbers,
            });
        }
        Self { tokens, pairs }
    }

    /// The term's numbers of a row of tokens of the locus at `place` among those of the term; pair
    /// slots come last.
    #[must_use]
    pub fn row(&self, place: usize, row: &[u32]) -> Vec<u32> {
        let mut numbers: Vec<u32> = row
            .iter()
            .map(|token| self.tokens.get(token).copied().unwrap_or(UNK))
            .collect();
        for pair in self.pairs.iter().filter(|pair| pair.locus == place) {
            let version = pair.slots.map(|slot| row[slot]);
            numbers.push(pair.numbers.get(&version).copied().unwrap_or(UNK));
        }
        numbers
    }

    /// Pair slots of the locus at `place`.
    #[must_use]
    pub fn n_pairs(&self, place: usize) -> usize {
        self.pairs.iter().filter(|pair| pair.locus == place).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_ends_with_the_versions_of_the_pair_slots_of_its_locus() {
        let pair = |locus, slots, versions: &[[u32; 2]]| PairSlot {
            locus,
            slots,
            versions: versions.to_vec(),
        };
        let shape = TermShape {
            loci: vec![3, 5],
            tokens: vec![0, 1, 2, 3, 4, 10, 20],
            pair_slots: vec![
                pair(0, [0, 2], &[[10, 10], [10, 20]]),
                pair(1, [1, 2], &[[20, 20]]),
                pair(0, [1, 2], &[[20, 10]]),
            ],
            ..TermShape::default()
        };
        let numbers = TokenNumbers::new(&shape);
        assert_eq!(numbers.row(0, &[10, 20, 10]), [5, 6, 5, 7, 10]);
        assert_eq!(numbers.row(0, &[10, 99, 20]), [5, UNK, 6, 8, UNK]);
        assert_eq!(numbers.row(1, &[10, 20, 20]), [5, 6, 6, 9]);
        assert_eq!([numbers.n_pairs(0), numbers.n_pairs(1)], [2, 1]);
    }
}
