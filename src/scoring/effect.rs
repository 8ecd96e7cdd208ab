//! Effects of alleles on a score: additive, dominant, recessive, or a weight for each number of
//! copies.

use serde::{Deserialize, Serialize};

/// The effect of one allele.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The weight for each copy.
    Additive(f64),
    /// The weight once, for one copy or two.
    Dominant(f64),
    /// The weight once, for two copies.
    Recessive(f64),
    /// A weight for 0, for 1 and for 2 copies.
    PerDosage([f64; 3]),
}

impl Effect {
    /// The value in the column `effect_type` of the PGS Catalog, or `dosage_weights`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Additive(_) => "additive",
            Self::Dominant(_) => "dominant",
            Self::Recessive(_) => "recessive",
            Self::PerDosage(_) => "dosage_weights",
        }
    }

    /// Values that 0, 1 and 2 copies add.
    #[must_use]
    pub fn weights(&self) -> [f64; 3] {
        match *self {
            Self::Additive(weight) => [0.0, weight, 2.0 * weight],
            Self::Dominant(weight) => [0.0, weight, weight],
            Self::Recessive(weight) => [0.0, 0.0, weight],
            Self::PerDosage(weights) => weights,
        }
    }

    /// Value that `dosage` copies add, with `dosage` between 0 and 2.
    ///
    /// Values between whole numbers of copies are interpolated linearly, as PLINK 2 does for
    /// `dominant` and `recessive`.
    #[must_use]
    pub fn at(&self, dosage: f64) -> f64 {
        if let Self::Additive(weight) = self {
            return weight * dosage;
        }
        let [none, one, two] = self.weights();
        if dosage <= 1.0 {
            none + (one - none) * dosage
        } else {
            one + (two - one) * (dosage - 1.0)
        }
    }

    /// Value that a missing genotype adds: the mean over genotypes in Hardy-Weinberg proportions.
    ///
    /// `frequency` is that of the allele. `haplotypes` (1 or 2) are missing, and each counts
    /// `copies` times. With frequency f and weight w(c) of c copies:
    ///
    /// - one haplotype: (1 - f) w(0) + f w(`copies`);
    /// - two haplotypes: (1 - f)² w(0) + 2 f (1 - f) w(1) + f² w(2).
    ///
    /// For an additive effect this is the weight times f times the largest number of copies.
    #[must_use]
    pub fn expected(&self, frequency: f64, haplotypes: u8, copies: u8) -> f64 {
        let f = frequency;
        let copies_per_haplotype = f64::from(copies);
        match (self, haplotypes) {
            (Self::Additive(weight), _) => {
                weight * f * f64::from(haplotypes) * copies_per_haplotype
            }
            (_, 1) => (1.0 - f) * self.at(0.0) + f * self.at(copies_per_haplotype),
            _ => {
                (1.0 - f).powi(2) * self.at(0.0)
                    + 2.0 * f * (1.0 - f) * self.at(1.0)
                    + f * f * self.at(2.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whole_copies_add_their_weight_and_an_additive_effect_is_one_of_equal_steps(
            weight in -9.0..9.0_f64,
            dosage in 0.0..2.0_f64,
            f in 0.0..1.0_f64,
        ) {
            for effect in [
                Effect::Additive(weight),
                Effect::Dominant(weight),
                Effect::Recessive(weight),
                Effect::PerDosage([1.0, weight, 3.0]),
            ] {
                for (copies, expected) in [0.0, 1.0, 2.0].into_iter().zip(effect.weights()) {
                    prop_assert!((effect.at(copies) - expected).abs() < 1e-12);
                }
            }
            let steps = Effect::PerDosage([0.0, weight, 2.0 * weight]);
            let additive = Effect::Additive(weight);
            prop_assert!((steps.at(dosage) - additive.at(dosage)).abs() < 1e-12);
            for haplotypes in [1, 2] {
                let by_steps = steps.expected(f, haplotypes, 1);
                let by_weight = additive.expected(f, haplotypes, 1);
                prop_assert!((by_steps - by_weight).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_missing_genotype_adds_the_mean_over_genotypes() {
        assert!((Effect::Dominant(1.0).expected(0.25, 2, 1) - 0.4375).abs() < 1e-12);
        assert!((Effect::Recessive(1.0).expected(0.25, 2, 1) - 0.0625).abs() < 1e-12);
        assert!((Effect::Recessive(1.0).expected(0.25, 1, 2) - 0.25).abs() < 1e-12);
        assert!((Effect::Additive(2.0).expected(0.25, 1, 2) - 1.0).abs() < 1e-12);
    }
}
