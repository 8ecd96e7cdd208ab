//! Pair slots, which a deep term adds to a locus: the combination of the versions of two slots on a
//! haplotype.
//!
//! Two alleles that have an effect only together need many epochs before a network learns it: until
//! then their gradients are products of small numbers. A pair slot has one token per combination,
//! so that the joint effect is of first order, like that of alleles within one segment.

use std::collections::HashMap;

use gf_tokenizer::UNK;
use serde::{Deserialize, Serialize};

use super::TermShape;

/// Two slots of a locus whose versions are read together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSlot {
    /// Index of the locus among the loci of the term.
    pub locus: usize,
    /// The two slots of the locus, ascending.
    pub slots: [usize; 2],
    /// Combinations of the two slots' tokens on training haplotypes, ascending. Other combinations
    /// are read as `[UNK]`.
    pub versions: Vec<[u32; 2]>,
}

/// The numbers of the tokens and combinations of tokens with an embedding in a term.
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
    /// Numbers the tokens of a term first, then the combinations of its pair slots.
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

    /// Converts a row of tokens to the numbers of the term, with the pair slots at the end.
    ///
    /// `term_locus` is the index of the locus among the loci of the term.
    #[must_use]
    pub fn row(&self, term_locus: usize, row: &[u32]) -> Vec<u32> {
        let mut numbers: Vec<u32> = row
            .iter()
            .map(|token| self.tokens.get(token).copied().unwrap_or(UNK))
            .collect();
        for pair in self.pairs.iter().filter(|pair| pair.locus == term_locus) {
            let version = pair.slots.map(|slot| row[slot]);
            numbers.push(pair.numbers.get(&version).copied().unwrap_or(UNK));
        }
        numbers
    }

    /// Number of pair slots of a locus.
    #[must_use]
    pub fn n_pairs(&self, term_locus: usize) -> usize {
        self.pairs
            .iter()
            .filter(|pair| pair.locus == term_locus)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_ends_with_the_versions_of_the_pair_slots_of_its_locus() {
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

    fn pair(locus: usize, slots: [usize; 2], versions: &[[u32; 2]]) -> PairSlot {
        PairSlot {
            locus,
            slots,
            versions: versions.to_vec(),
        }
    }
}
