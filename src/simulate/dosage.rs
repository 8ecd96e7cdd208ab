//! Dosages of many people as bits, so that a correlation between two of them costs a few machine
//! words.
//!
//! Input -> output: alleles of people's haplotypes (two after each other) -> [`Dosage`]s, their
//! means, frequencies and r^2.

/// How often each person carries something: 0, 1 or 2.
#[derive(Clone, Debug)]
pub struct Dosage {
    n_people: usize,
    /// One bit a person: on the first, and on the second haplotype.
    bits: [Vec<u64>; 2],
    sum: f64,
    sum_of_squares: f64,
}

impl Dosage {
    /// Copies of `allele` among the haplotypes' alleles at a site; person `i` has haplotypes `2 i`
    /// and `2 i + 1`.
    pub fn of_allele(alleles: impl ExactSizeIterator<Item = u8>, allele: u8) -> Self {
        let n_people = alleles.len() / 2;
        let mut bits = [(); 2].map(|()| vec![0; n_people.div_ceil(64)]);
        for (index, found) in alleles.enumerate() {
            let person = index / 2;
            bits[index % 2][person / 64] |= u64::from(found == allele) << (person % 64);
        }
        Self::new(n_people, bits)
    }

    /// Number of haplotypes on which the two alleles come together, both or neither: 0, 1 or 2.
    pub fn cis(a: &Self, b: &Self) -> Self {
        let together = |haplotype: usize| {
            let mut together = words(&a.bits[haplotype], &b.bits[haplotype], |a, b| !(a ^ b));
            if let (Some(last), n_used @ 1..) = (together.last_mut(), a.n_people % 64) {
                *last &= (1 << n_used) - 1;
            }
            together
        };
        Self::new(a.n_people, [together(0), together(1)])
    }

    /// 1 where one haplotype carries `a` and the other one carries `b`, either way round.
    pub fn trans(a: &Self, b: &Self) -> Self {
        let one_way = words(&a.bits[0], &b.bits[1], |a, b| a & b);
        let other_way = words(&a.bits[1], &b.bits[0], |a, b| a & b);
        let either = words(&one_way, &other_way, |one, other| one | other);
        Self::new(a.n_people, [either, vec![0; a.bits[0].len()]])
    }

    fn new(n_people: usize, bits: [Vec<u64>; 2]) -> Self {
        let mut dosage = Self {
            n_people,
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

    /// The dosage of each person.
    pub fn of_people(&self) -> impl Iterator<Item = u8> {
        (0..self.n_people).map(|person| {
            self.bits
                .iter()
                .map(|bits| (bits[person / 64] >> (person % 64) & 1) as u8)
                .sum()
        })
    }

    /// Mean over people.
    pub fn mean(&self) -> f64 {
        self.sum / self.n_people as f64
    }

    /// Of the allele or the other ones, the rarer: its frequency.
    pub fn minor_allele_frequency(&self) -> f64 {
        let frequency = self.mean() / 2.0;
        frequency.min(1.0 - frequency)
    }

    /// Squared correlation over people; 0 where one of the two does not vary.
    pub fn r2(&self, other: &Self) -> f64 {
        let variances = self.variance() * other.variance();
        if variances > 0.0 {
            self.covariance(other).powi(2) / variances
        } else {
            0.0
        }
    }

    fn variance(&self) -> f64 {
        self.sum_of_squares / self.n_people as f64 - self.mean().powi(2)
    }

    fn covariance(&self, other: &Self) -> f64 {
        self.dot(other) / self.n_people as f64 - self.mean() * other.mean()
    }

    fn dot(&self, other: &Self) -> f64 {
        let shared = |mine: &[u64], theirs: &[u64]| -> u64 {
            mine.iter()
                .zip(theirs)
                .map(|(a, b)| u64::from((a & b).count_ones()))
                .sum()
        };
        self.bits
            .iter()
            .flat_map(|mine| other.bits.iter().map(move |theirs| shared(mine, theirs)))
            .sum::<u64>() as f64
    }
}

/// Least-squares regression on the dosages of some variants, kept as an orthonormal basis of them
/// (Cholesky's factorisation of their covariances); a variant that is a linear combination of
/// earlier ones adds nothing and is left out.
pub struct Regression<'a> {
    /// Variants with their row of the factor.
    basis: Vec<(&'a Dosage, Vec<f64>)>,
}

impl<'a> Regression<'a> {
    /// Prepares the regression on `variants`.
    pub fn on(variants: impl IntoIterator<Item = &'a Dosage>) -> Self {
        let mut regression = Self { basis: Vec::new() };
        for variant in variants {
            let mut row = regression.coordinates(variant);
            let unexplained = variant.variance() - squared_length(&row);
            if unexplained > 1e-8 * variant.variance() {
                row.push(unexplained.sqrt());
                regression.basis.push((variant, row));
            }
        }
        regression
    }

    /// R^2 of the best linear combination of the variants for `x`, over the same people; 0 where
    /// `x` does not vary.
    pub fn r2(&self, x: &Dosage) -> f64 {
        if x.variance() > 0.0 {
            squared_length(&self.coordinates(x)) / x.variance()
        } else {
            0.0
        }
    }

    fn coordinates(&self, x: &Dosage) -> Vec<f64> {
        let mut coordinates = Vec::with_capacity(self.basis.len() + 1);
        for (variant, row) in &self.basis {
            let by_earlier: f64 = row
                .iter()
                .zip(&coordinates)
                .map(|(row, coordinate)| row * coordinate)
                .sum();
            coordinates.push((x.covariance(variant) - by_earlier) / row[row.len() - 1]);
        }
        coordinates
    }
}

fn squared_length(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum()
}

fn words(a: &[u64], b: &[u64], join: impl Fn(u64, u64) -> u64) -> Vec<u64> {
    a.iter().zip(b).map(|(&a, &b)| join(a, b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::panel::PanelHaplotypes;

    /// 70 people with haplotypes over two sites: one of AB, Ab, aB, ab by the digits of the
    /// person's number.
    fn people() -> PanelHaplotypes {
        let mut haplotypes = PanelHaplotypes::new(2);
        for person in 0..70 {
            for digit in [person % 4, person / 4 % 4] {
                haplotypes.extend(&[(digit & 1) as u8, (digit >> 1) as u8]);
            }
        }
        haplotypes
    }

    fn of_allele(people: &PanelHaplotypes, site: usize, allele: u8) -> Dosage {
        Dosage::of_allele(people.iter().map(|haplotype| haplotype[site]), allele)
    }

    #[test]
    fn cis_counts_haplotypes_with_both_or_neither_and_trans_sees_them_on_different_ones() {
        let people = people();
        let a = of_allele(&people, 0, 1);
        let b = of_allele(&people, 1, 1);
        let (cis, trans): (Vec<u8>, Vec<u8>) = (
            Dosage::cis(&a, &b).of_people().collect(),
            Dosage::trans(&a, &b).of_people().collect(),
        );
        for person in 0..70 {
            let [first, second] = [0, 1].map(|k| people.get(2 * person + k).to_vec());
            assert_eq!(
                cis[person],
                u8::from(first[0] == first[1]) + u8::from(second[0] == second[1])
            );
            assert_eq!(
                trans[person],
                u8::from((first[0] == 1 && second[1] == 1) || (second[0] == 1 && first[1] == 1))
            );
        }
    }

    #[test]
    fn r2_by_bits_is_that_of_the_numbers() {
        let people = people();
        let a = of_allele(&people, 0, 1);
        let b = of_allele(&people, 1, 0);
        let (x, y): (Vec<f64>, Vec<f64>) = (
            a.of_people().map(f64::from).collect(),
            b.of_people().map(f64::from).collect(),
        );
        let mean = |values: &[f64]| values.iter().sum::<f64>() / 70.0;
        let covariance = |x: &[f64], y: &[f64]| {
            x.iter()
                .zip(y)
                .map(|(p, q)| (p - mean(x)) * (q - mean(y)))
                .sum::<f64>()
        };
        assert!(
            (a.r2(&b) - covariance(&x, &y).powi(2) / covariance(&x, &x) / covariance(&y, &y)).abs()
                < 1e-12
        );
        assert!((Regression::on([&b]).r2(&a) - a.r2(&b)).abs() < 1e-12);
        assert!((Regression::on([&b, &b]).r2(&a) - a.r2(&b)).abs() < 1e-12);
    }

    #[test]
    fn a_sum_of_dosages_is_explained_wholly_and_their_coming_together_hardly() {
        let people = people();
        let a = of_allele(&people, 0, 1);
        let b = of_allele(&people, 1, 1);
        let first = [a.bits[0].clone(), b.bits[1].clone()];
        let second = [a.bits[1].clone(), b.bits[0].clone()];
        let first = Dosage::new(70, first);
        let second = Dosage::new(70, second);
        assert!((Regression::on([&a, &b, &first]).r2(&second) - 1.0).abs() < 1e-9);
        // Without linkage, whether a equals b says nothing of a or of b at frequency 1/2; 70 people
        // are nearly that.
        assert!(Regression::on([&a, &b]).r2(&Dosage::cis(&a, &b)) < 0.05);
    }
}
