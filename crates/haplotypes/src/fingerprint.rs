//! Fingerprints of spliced sequences, in time proportional to the number of edits.
//!
//! The hash of bases b(1) ... b(n) is the polynomial
//!
//! ```text
//! h = b(1) B^(n-1) + b(2) B^(n-2) + ... + b(n)   (mod 2^61 - 1)
//! ```
//!
//! of Karp and Rabin (1987, IBM J. Res. Dev. 31:249). Hashes of all prefixes of the reference give
//! the hash of any interval in constant time. Equal sequences have equal fingerprints; the caller
//! compares the bases to confirm the converse.

use super::haplotype::Edit;
use gf_genotypes::Position0;

/// A Mersenne prime, so that the remainder needs no division.
const MODULUS: u64 = (1 << 61) - 1;
/// The base B: any number between 256 and the modulus. It is fixed, so that runs repeat.
const BASE: u64 = 0x0123_4567_89ab_cdef;

/// The hashes of all prefixes of the reference of a locus.
pub struct Fingerprints {
    /// `prefix[i]` is the hash of the first `i` reference bases.
    prefix: Vec<u64>,
    /// `power[i]` is `BASE` to the power of `i`.
    power: Vec<u64>,
    start0: Position0,
}

impl Fingerprints {
    /// Hashes the reference bases of a locus that starts at `start0`.
    pub fn new(reference: &[u8], start0: Position0) -> Self {
        let mut prefix = Vec::with_capacity(reference.len() + 1);
        let mut power = Vec::with_capacity(reference.len() + 1);
        let mut hash = 0;
        let mut factor = 1;
        for &base in reference {
            prefix.push(hash);
            power.push(factor);
            hash = push(hash, base);
            factor = multiply(factor, BASE);
        }
        prefix.push(hash);
        power.push(factor);
        Self {
            prefix,
            power,
            start0,
        }
    }

    /// Hash and length of the reference with `edits` applied; they ascend without overlap.
    pub fn combined<'e>(&self, edits: impl Iterator<Item = &'e Edit>) -> (u64, usize) {
        let mut hash = 0;
        let mut len_nt = 0;
        let mut next = 0;
        for edit in edits {
            hash = self.append(hash, next, edit.start0 - self.start0);
            len_nt += edit.start0 - self.start0 - next + edit.alt.len();
            hash = edit.alt.iter().fold(hash, |hash, &base| push(hash, base));
            next = edit.end0 - self.start0;
        }
        let end = self.prefix.len() - 1;
        (self.append(hash, next, end), len_nt + end - next)
    }

    /// The hash of a sequence after reference bases `from..to` are appended to it.
    fn append(&self, hash: u64, from: usize, to: usize) -> u64 {
        let power = self.power[to - from];
        // h(from..to) = h(0..to) - h(0..from) B^(to - from)
        let interval_hash = add(
            self.prefix[to],
            MODULUS - multiply(self.prefix[from], power),
        );
        add(multiply(hash, power), interval_hash)
    }
}

/// The hash of a sequence after one base is appended to it.
fn push(hash: u64, base: u8) -> u64 {
    add(multiply(hash, BASE), u64::from(base))
}

fn add(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= MODULUS { sum - MODULUS } else { sum }
}

fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    // 2^61 = 1 modulo 2^61 - 1, so the high bits are added to the low ones.
    let folded = (product >> 61) as u64 + (product as u64 & MODULUS);
    if folded >= MODULUS {
        folded - MODULUS
    } else {
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::{super::haplotype::splice, *};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_spliced_fingerprint_is_that_of_the_bases(
            reference in "[ACGTN]{0,60}",
            drawn_edits in proptest::collection::vec((0usize..60, 0usize..6, "[ACGT]{0,4}"), 0..6),
        ) {
            let mut edits: Vec<Edit> = Vec::new();
            let mut next = 0;
            for (skip, len, alt) in drawn_edits {
                let start0 = next + skip % 9;
                let end0 = start0 + len;
                if end0 <= reference.len() {
                    edits.push(Edit {
                        start0: Position0::new(start0 + 100),
                        end0: Position0::new(end0 + 100),
                        alt: alt.into_bytes(),
                    });
                    next = end0;
                }
            }
            let start0 = Position0::new(100);
            let spliced = splice(reference.as_bytes(), start0, &edits);
            let expected =
                Fingerprints::new(&spliced, Position0::FIRST).combined(std::iter::empty());
            let fingerprints = Fingerprints::new(reference.as_bytes(), start0);
            prop_assert_eq!(fingerprints.combined(edits.iter()), expected);
            prop_assert_eq!(expected.1, spliced.len());
        }
    }
}
