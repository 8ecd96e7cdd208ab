//! A number with its noun, in the singular or the plural.

use std::fmt::Display;

/// The number with the singular or plural words: `1 locus`, `2 loci`, `0 loci`. The words may be a
/// noun and its verb (`variant is`, `variants are`).
///
/// ```
/// use gf_cohort_schema::counted;
/// assert_eq!(counted(1_usize, "locus", "loci"), "1 locus");
/// assert_eq!(counted(0_usize, "locus", "loci"), "0 loci");
/// ```
#[must_use]
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(n: N, one: &str, several: &str) -> String {
    let words = if n == N::from(1) { one } else { several };
    format!("{n} {words}")
}
