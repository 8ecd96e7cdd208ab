//! Dosages of many samples as bit vectors.
//!
//! A covariance of two dosages is a few AND and popcount operations per 64 samples.
//!
//! Input: the alleles of all haplotypes at a site (sample `i` has haplotypes `2 i` and `2 i + 1`).
//! Output: [`Dosage`]s with their means, allele frequencies and r^2, and a linear [`Regression`].

/// Number of haplotypes of each sample that carry an allele or show an event: 0, 1 or 2.
#[derive(Clone, Debug)]
pub struct Dosage {
    n_samples: usize,
    /// One bit per sample for the first and for the second haplotype.
    bits: [Vec<u64>; 2],
    sum: f64,
    sum_of_squares: f64,
}

impl Dosage {
    /// Counts the copies of `allele` in each sample from the alleles of all haplotypes at a site.
    pub fn of_allele(alleles: impl ExactSizeIterator<Item = u8>, allele: u8) -> Self {
        let n_samples = alleles.len() / 2;
        let mut bits = [(); 2].map(|()| vec![0; n_samples.div_ceil(64)]);
        for (index, carried) in alleles.enumerate() {
            let sample = index / 2;
            bits[index % 2][sample / 64] |= u64::from(carried == allele) << (sample % 64);
        }
        Self::new(n_samples, bits)
    }

    /// Counts the haplotypes of each sample that carry both alleles or neither.
    pub fn cis(a: &Self, b: &Self) -> Self {
        let bits = [0, 1].map(|haplotype| {
            let mut equal = zip_words(&a.bits[haplotype], &b.bits[haplotype], |a, b| !(a ^ b));
            // The negation also sets the bits after the last sample; clear them.
            let n_used = a.n_samples % 64;
            if n_used > 0
                && let Some(last) = equal.last_mut()
            {
                *last &= (1 << n_used) - 1;
            }
            equal
        });
        Self::new(a.n_samples, bits)
    }

    /// 1 for samples in which one haplotype carries `a` and the other one carries `b`, else 0.
    pub fn trans(a: &Self, b: &Self) -> Self {
        let a_then_b = zip_words(&a.bits[0], &b.bits[1], |a, b| a & b);
        let b_then_a = zip_words(&a.bits[1], &b.bits[0], |a, b| a & b);
        let either = zip_words(&a_then_b, &b_then_a, |first, second| first | second);
        Self::new(a.n_samples, [either, vec![0; a.bits[0].len()]])
    }

    fn new(n_samples: usize, bits: [Vec<u64>; 2]) -> Self {
        let mut dosage = Self {
            n_samples,
            bits,
            sum: 0.0,
            sum_of_squares: 0.0,
        };
        dosage.sum = dosage
            .bits
            .iter()
            .flatten()
            .map(|word| f64::from(word.count_ones()))
            .sum();
        dosage.sum_of_squares = dosage.dot(&dosage);
        dosage
    }

    /// The dosage of each sample.
    pub fn of_people(&self) -> impl Iterator<Item = u8> {
        (0..self.n_samples).map(|sample| {
            self.bits
                .iter()
                .map(|bits| (bits[sample / 64] >> (sample % 64) & 1) as u8)
                .sum()
        })
    }

    /// Mean over samples.
    pub fn mean(&self) -> f64 {
        self.sum / self.n_samples as f64
    }

    /// Frequency of this allele or of all other alleles together, whichever is lower.
    pub fn minor_allele_frequency(&self) -> f64 {
        let frequency = self.mean() / 2.0;
        frequency.min(1.0 - frequency)
    }

    /// Squared Pearson correlation over samples; 0 if one of the dosages does not vary.
    pub fn r2(&self, other: &Self) -> f64 {
        let variances = self.variance() * other.variance();
        if variances > 0.0 {
            self.covariance(other).powi(2) / variances
        } else {
            0.0
        }
    }

    fn variance(&self) -> f64 {
        self.sum_of_squares / self.n_samples as f64 - self.mean().powi(2)
    }

    fn covariance(&self, other: &Self) -> f64 {
        self.dot(other) / self.n_samples as f64 - self.mean() * other.mean()
    }

    /// Sum over samples of the product of the two dosages.
    ///
    /// A dosage is the sum of two bits, so the product is the sum of four ANDs of bits.
    fn dot(&self, other: &Self) -> f64 {
        let mut n_common = 0;
        for bits in &self.bits {
            for other_bits in &other.bits {
                n_common += count_common_bits(bits, other_bits);
            }
        }
        n_common as f64
    }
}

fn count_common_bits(a: &[u64], b: &[u64]) -> u64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| u64::from((a & b).count_ones()))
        .sum()
}

/// Least-squares regression on the dosages of some variants.
///
/// The variants are stored as a Cholesky factor `L` of their covariance matrix `C = L L^T`, built
/// row by row. A variant that is a linear combination of earlier variants adds nothing to the
/// regression and is left out.
pub struct Regression<'a> {
    /// Each variant with its row of `L`, of length 1, 2, 3, ...
    basis: Vec<(&'a Dosage, Vec<f64>)>,
}

impl<'a> Regression<'a> {
    /// Prepares the regression on `variants`.
    pub fn on(variants: impl IntoIterator<Item = &'a Dosage>) -> Self {
        let mut regression = Self { basis: Vec::new() };
        for variant in variants {
            let mut row = regression.coordinates(variant);
            // Residual variance of this variant given the earlier ones, up to rounding.
            let unexplained = variant.variance() - squared_length(&row);
            if unexplained > 1e-8 * variant.variance() {
                row.push(unexplained.sqrt());
                regression.basis.push((variant, row));
            }
        }
        regression
    }

    /// R^2 of the regression of `x` on the variants; 0 if `x` does not vary.
    ///
    /// `x` and the variants are of the same samples.
    pub fn r2(&self, x: &Dosage) -> f64 {
        if x.variance() > 0.0 {
            squared_length(&self.coordinates(x)) / x.variance()
        } else {
            0.0
        }
    }

    /// Solves `L z = cov(variants, x)` for z by forward substitution.
    ///
    /// `|z|^2` is the variance of `x` that the variants explain.
    fn coordinates(&self, x: &Dosage) -> Vec<f64> {
        let mut coordinates = Vec::with_capacity(self.basis.len() + 1);
        for (variant, row) in &self.basis {
            let from_earlier: f64 = row
                .iter()
                .zip(&coordinates)
                .map(|(entry, coordinate)| entry * coordinate)
                .sum();
            coordinates.push((x.covariance(variant) - from_earlier) / row[row.len() - 1]);
        }
        coordinates
    }
}

fn squared_length(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum()
}

/// Applies a bitwise operation to each pair of words.
fn zip_words(a: &[u64], b: &[u64], operation: impl Fn(u64, u64) -> u64) -> Vec<u64> {
    a.iter().zip(b).map(|(&a, &b)| operation(a, b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::panel::PanelHaplotypes;

    /// Haplotypes of 70 samples over two sites.
    ///
    /// Each haplotype is AB, Ab, aB or ab, by the base-4 digits of the sample's number.
    fn two_sites() -> PanelHaplotypes {
        let mut haplotypes = PanelHaplotypes::new(2);
        for sample in 0..70 {
            for digit in [sample % 4, sample / 4 % 4] {
                haplotypes.extend(&[(digit & 1) as u8, (digit >> 1) as u8]);
            }
        }
        haplotypes
    }

    fn of_allele(haplotypes: &PanelHaplotypes, site: usize, allele: u8) -> Dosage {
        Dosage::of_allele(haplotypes.iter().map(|haplotype| haplotype[site]), allele)
    }

    #[test]
    fn cis_counts_haplotypes_with_both_or_neither_and_trans_sees_them_on_different_ones() {
        let haplotypes = two_sites();
        let a = of_allele(&haplotypes, 0, 1);
        let b = of_allele(&haplotypes, 1, 1);
        let cis: Vec<u8> = Dosage::cis(&a, &b).of_people().collect();
        let trans: Vec<u8> = Dosage::trans(&a, &b).of_people().collect();
        for sample in 0..70 {
            let [first, second] = [0, 1].map(|k| haplotypes.get(2 * sample + k).to_vec());
            assert_eq!(
                cis[sample],
                u8::from(first[0] == first[1]) + u8::from(second[0] == second[1])
            );
            assert_eq!(
                trans[sample],
                u8::from((first[0] == 1 && second[1] == 1) || (second[0] == 1 && first[1] == 1))
            );
        }
    }

    #[test]
    fn r2_by_bits_is_that_of_the_numbers() {
        let haplotypes = two_sites();
        let a = of_allele(&haplotypes, 0, 1);
        let b = of_allele(&haplotypes, 1, 0);
        let x: Vec<f64> = a.of_people().map(f64::from).collect();
        let y: Vec<f64> = b.of_people().map(f64::from).collect();
        let r2 = cross_product(&x, &y).powi(2) / cross_product(&x, &x) / cross_product(&y, &y);
        assert!((a.r2(&b) - r2).abs() < 1e-12);
        assert!((Regression::on([&b]).r2(&a) - a.r2(&b)).abs() < 1e-12);
        assert!((Regression::on([&b, &b]).r2(&a) - a.r2(&b)).abs() < 1e-12);
    }

    #[test]
    fn a_sum_of_dosages_is_explained_wholly_and_their_coming_together_hardly() {
        let haplotypes = two_sites();
        let a = of_allele(&haplotypes, 0, 1);
        let b = of_allele(&haplotypes, 1, 1);
        let first = Dosage::new(70, [a.bits[0].clone(), b.bits[1].clone()]);
        let second = Dosage::new(70, [a.bits[1].clone(), b.bits[0].clone()]);
        assert!((Regression::on([&a, &b, &first]).r2(&second) - 1.0).abs() < 1e-9);
        // At frequency 1/2 and without linkage, the event "a equals b" is independent of a and of
        // b. These 70 samples are close to that.
        assert!(Regression::on([&a, &b]).r2(&Dosage::cis(&a, &b)) < 0.05);
    }

    /// Sum of products of deviations from the means.
    fn cross_product(x: &[f64], y: &[f64]) -> f64 {
        let mean_x = x.iter().sum::<f64>() / x.len() as f64;
        let mean_y = y.iter().sum::<f64>() / y.len() as f64;
        x.iter()
            .zip(y)
            .map(|(x, y)| (x - mean_x) * (y - mean_y))
            .sum()
    }
}
