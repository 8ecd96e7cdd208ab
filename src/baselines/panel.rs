//! Dosages from which baselines are learned: every ALT allele that varies among training samples.
//!
//! Input: the [`Site`]s of a [`Study`]. Output: [`TrainingDosages`], with matrices of the training
//! and validation samples whose phenotype is known. Columns are standardised by the training
//! samples. A missing dosage is the training mean. Positions are 1-based.

use ndarray::{Array1, Array2};

use gf_cohort_schema::Split;

use crate::{
    baselines::{
        logistic,
        model::{AlleleWeight, Baseline, Feature, Term},
        study::{Study, is_constant},
    },
    scoring::{dosages::Site, matching::complement},
};

/// The dosage of one ALT allele.
#[derive(Clone)]
pub struct Column<'s> {
    /// Record of the allele.
    pub site: &'s Site,
    /// Number of the ALT allele (1 = first).
    pub alt: i16,
    /// Frequency, mean and standard deviation among the training samples; the weight is 0.
    pub allele: AlleleWeight,
}

impl Column<'_> {
    /// Dosage of a sample; NaN if the genotype is missing.
    #[must_use]
    pub fn called(&self, sample: usize) -> f64 {
        self.site.dosage(self.alt, f64::NAN, sample)
    }

    /// Whether REF and ALT are complements of each other, so that the strand is unknown in other
    /// studies.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        complement(&self.allele.ref_allele).as_deref() == Some(self.allele.alt_allele.as_str())
    }

    /// Dosage in standard deviations from the training mean.
    fn standardised(&self, sample: usize) -> f64 {
        (self.site.dosage(self.alt, self.allele.frequency, sample) - self.allele.mean)
            / self.allele.sd
    }
}

/// Samples of a split whose phenotype is known, with their dosages.
pub struct Labelled {
    /// Indices of the samples in the genotype table.
    pub people: Vec<usize>,
    /// Whether each sample is a case.
    pub is_case: Array1<bool>,
    /// Standardised dosages, shape (samples, columns), column-major.
    pub dosages: Array2<f64>,
}

impl Labelled {
    fn new(study: &Study<'_>, columns: &[Column<'_>], split: Split) -> Self {
        let (people, is_case) = study.labelled(split);
        let cells = columns.iter().map(|column| {
            people
                .iter()
                .map(move |&sample| column.standardised(sample))
        });
        let dosages = logistic::matrix(people.len(), cells);
        Self {
            people,
            is_case,
            dosages,
        }
    }
}

/// Dosages from which baselines are learned.
pub struct TrainingDosages<'s> {
    /// Columns in the order of the sites.
    pub columns: Vec<Column<'s>>,
    /// Samples of the training split.
    pub training: Labelled,
    /// Samples of the validation split.
    pub validation: Labelled,
}

impl<'s> TrainingDosages<'s> {
    /// The columns of the ALT alleles that vary, and the number of constant ones.
    #[must_use]
    pub fn new(study: &Study<'_>, sites: impl Iterator<Item = &'s Site>) -> (Self, usize) {
        let columns = sites
            .flat_map(|site| site.counted_alts.iter().map(move |&alt| (site, alt)))
            .map(|(site, alt)| Column {
                site,
                alt,
                allele: study.allele_weight(site, alt, false, 0.0),
            });
        let (varying, constant): (Vec<_>, Vec<_>) =
            columns.partition(|column| !is_constant(column.allele.mean, column.allele.sd));
        (Self::of_columns(study, varying), constant.len())
    }

    fn of_columns(study: &Study<'_>, columns: Vec<Column<'s>>) -> Self {
        Self {
            training: Labelled::new(study, &columns, Split::Train),
            validation: Labelled::new(study, &columns, Split::Validation),
            columns,
        }
    }

    /// The panel without the columns of some sites; `None` if no column remains.
    #[must_use]
    pub fn without(&self, study: &Study<'_>, left_out: impl Fn(&Site) -> bool) -> Option<Self> {
        let columns: Vec<Column<'s>> = self
            .columns
            .iter()
            .filter(|column| !left_out(column.site))
            .cloned()
            .collect();
        (!columns.is_empty()).then(|| Self::of_columns(study, columns))
    }

    /// A baseline from the coefficients of the standardised dosages and from other terms. Alleles
    /// with coefficient 0 are left out.
    #[must_use]
    pub fn baseline(
        &self,
        model: String,
        intercept: f64,
        coefficients: &[f64],
        other_terms: impl IntoIterator<Item = Term>,
    ) -> Baseline {
        let alleles: Vec<AlleleWeight> = self
            .columns
            .iter()
            .zip(coefficients)
            .filter(|(_, coefficient)| **coefficient != 0.0)
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
            terms: std::iter::once(score).chain(other_terms).collect(),
        }
    }
}
