//! Counts of scalar operations.

use std::{
    iter::Sum,
    ops::{Add, Mul},
};

/// How many multiplications and additions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    pub multiplications: u64,
    pub additions: u64,
}

/// Sums of `n` products in all: as many additions as multiplications.
pub fn products(n: usize) -> Operations {
    Operations {
        multiplications: n as u64,
        additions: n as u64,
    }
}

pub fn multiplications(n: usize) -> Operations {
    Operations {
        multiplications: n as u64,
        additions: 0,
    }
}

pub fn additions(n: usize) -> Operations {
    Operations {
        multiplications: 0,
        additions: n as u64,
    }
}

impl Add for Operations {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            multiplications: self.multiplications + other.multiplications,
            additions: self.additions + other.additions,
        }
    }
}

impl Mul<usize> for Operations {
    type Output = Self;

    fn mul(self, times: usize) -> Self {
        Self {
            multiplications: self.multiplications * times as u64,
            additions: self.additions * times as u64,
        }
    }
}

impl Sum for Operations {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}
