//! The dosages that baselines are learned from: every ALT allele that varies among the training
//! people.
//!
//! Input -> output: [`Site`]s of a [`Study`] -> a [`TrainingDosages`]: its columns, standardised by the
//! training people, in those of the training and validation people whose phenotype is known. A
//! missing dosage is the training mean. Positions are 1-based.

use ndarray::{Array1, Array2};

use gf_cohort_schema::Split;

use crate::{
    baselines::{
        logistic,
        model::{AlleleWeight, Baseline, Feature, Term},
        study::Study,
    },
    scoring::{dosages::Site, matching::complement},
};

/// The dosage of one ALT allele.
#[derive(Clone)]
pub struct Column<'s> {
    /// Its record.
    pub site: &'s Site,
    /// Number of the ALT allele (1 = first).
    pub alt: i16,
    /// Frequency, mean and standard deviation of the training people; the weight is 0.
    pub allele: AlleleWeight,
}

impl Column<'_> {
    /// Dosage of a person; not a number where it is missing.
    #[must_use]
    pub fn called(&self, person: usize) -> f64 {
        self.site.dosage(self.alt, f64::NAN, person)
    }

    /// REF and ALT are complements of each other: another study cannot tell the strand.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        complement(&self.allele.ref_allele).as_deref() == Some(self.allele.alt_allele.as_str())
    }

    fn standardised(&self, person: usize) -> f64 {
        (self.site.dosage(self.alt, self.allele.frequency, person) - self.allele.mean)
            / self.allele.sd
    }
}

/// People of a split whose phenotype is known: the rows of a panel's matrices.
pub struct Labelled {
    /// Indices into the people of the genotype table.
    pub people: Vec<usize>,
    /// Whether each is a case.
    pub is_case: Array1<bool>,
    /// People x columns, standardised, column-major.
    pub dosages: Array2<f64>,
}

/// Dosages to learn from.
pub struct TrainingDosages<'s> {
    /// In the order of the sites.
    pub columns: Vec<Column<'s>>,
    /// Of the training split.
    pub training: Labelled,
    /// Of the validation split.
    pub validation: Labelled,
}

impl<'s> TrainingDosages<'s> {
    /// The columns of `sites` that vary, and how many do not.
    #[must_use]
    pub fn new(study: &Study<'_>, sites: impl Iterator<Item = &'s Site>) -> (Self, usize) {
        let alleles = sites.flat_map(|site| site.counted_alts.iter().map(move |&alt| (site, alt)));
        let columns = alleles.map(|(site, alt)| Column {
            site,
            alt,
            allele: study.allele_weight(site, alt, false, 0.0),
        });
        let (varying, constant): (Vec<_>, Vec<_>) =
            columns.partition(|column| !is_constant(column.allele.mean, column.allele.sd));
        (Self::of_columns(study, varying), constant.len())
    }

    fn of_columns(study: &Study<'_>, columns: Vec<Column<'s>>) -> Self {
        let labelled = |split| {
            let (people, is_case) = study.labelled(split);
            let cells = columns.iter().map(|column| {
                people
                    .iter()
                    .map(move |&person| column.standardised(person))
            });
            let dosages = logistic::matrix(people.len(), cells);
            Labelled {
                people,
                is_case,
                dosages,
            }
        };
        Self {
            training: labelled(Split::Train),
            validation: labelled(Split::Validation),
            columns,
        }
    }

    /// The panel without the columns of some sites; `None` when none is left.
    #[must_use]
    pub fn without(&self, study: &Study<'_>, left_out: impl Fn(&Site) -> bool) -> Option<Self> {
        let kept: Vec<Column<'s>> = self
            .columns
            .iter()
            .filter(|column| !left_out(column.site))
            .cloned()
            .collect();
        (!kept.is_empty()).then(|| Self::of_columns(study, kept))
    }

    /// A baseline from the coefficients of the standardised dosages, those that are not 0, and
    /// other terms.
    #[must_use]
    pub fn baseline(
        &self,
        model: String,
        intercept: f64,
        coefficients: &[f64],
        others: impl IntoIterator<Item = Term>,
    ) -> Baseline {
        let with_coefficient = self
            .columns
            .iter()
            .zip(coefficients)
            .filter(|(_, coefficient)| **coefficient != 0.0);
        let alleles: Vec<AlleleWeight> = with_coefficient
            .map(|(column, coefficient)| AlleleWeight {
                weight: coefficient / column.allele.sd,
                ..column.allele.clone()
            })
            .collect();
        let mean = alleles
            .iter()
            .map(|allele| allele.weight * allele.mean)
            .sum();
        let score = Term {
            feature: Feature::AlleleScore { alleles },
            mean,
            sd: 1.0,
            coefficient: 1.0,
        };
        Baseline {
            model,
            intercept,
            terms: std::iter::once(score).chain(others).collect(),
        }
    }
}

/// Rounding alone gives a constant column a standard deviation of about 1e-16 times its mean.
#[must_use]
pub fn is_constant(mean: f64, sd: f64) -> bool {
    sd <= 1e-12 * mean.abs().max(1.0)
}
