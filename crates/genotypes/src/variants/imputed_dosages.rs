//! Dosages of imputed genotypes: the FORMAT fields DS, GP and HDS, from VCF text or BCF vectors.
//!
//! Input -> output: the values of one sample -> expected copies of each ALT allele, 0 to 2 (0 to 1
//! for one haplotype).
//! - DS has the expected copies, one value per ALT.
//! - HDS has the expected copies on each haplotype; it is read in records with one ALT.
//! - GP has the probability of each genotype, in the order of the VCF specification (section
//!   1.6.2). The dosage of an ALT is the sum of these probabilities times its copies.

use serde::{Deserialize, Serialize};

use super::{
    columns::{ColumnError, Columns},
    record::VariantRecord,
    typed::TypedVectors,
};
use crate::{ABSENT, Genotype, MISSING};
use gf_cohort_schema::counted;

/// Why the dosages of a sample cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DosageProblem {
    /// A text that is not numbers with commas between them.
    #[error("{key} `{cell}` is not a list of numbers")]
    NotNumbers {
        /// The FORMAT field.
        key: &'static str,
        /// The value.
        cell: String,
    },
    /// More values than the genotypes of six alleles.
    #[error("{key} has more than {MAX_VALUES} values")]
    TooManyValues {
        /// The FORMAT field.
        key: &'static str,
    },
    /// A text in a BCF record.
    #[error("{key} is not written as numbers")]
    NotNumeric {
        /// The FORMAT field.
        key: &'static str,
    },
    /// DS needs one value per ALT.
    #[error(
        "DS has {}, but the record has {n_alts} ALT allele(s)",
        counted(*n_values, "value", "values")
    )]
    PerAlt {
        /// Values of the sample.
        n_values: usize,
        /// ALT alleles of the record.
        n_alts: usize,
    },
    /// HDS needs one value per haplotype.
    #[error(
        "HDS has {}, but it is read as one value per haplotype, at records with one ALT allele \
         (here {n_alts}); use DS",
        counted(*n_values, "value", "values")
    )]
    PerHaplotype {
        /// Values of the sample.
        n_values: usize,
        /// ALT alleles of the record.
        n_alts: usize,
    },
    /// GP needs one value per genotype.
    #[error(
        "GP has {}, but {n_alleles} alleles have {n_genotypes} genotypes",
        counted(*n_values, "value", "values")
    )]
    PerGenotype {
        /// Values of the sample.
        n_values: usize,
        /// Alleles of the record.
        n_alleles: usize,
        /// Genotypes of these alleles.
        n_genotypes: usize,
    },
    /// GP does not add up to 1.
    #[error("GP sums to {sum}, so it is not probabilities (older VCF files have logarithms in GP)")]
    NotProbabilities {
        /// The sum of the values.
        sum: f32,
    },
    /// A dosage below 0 or above 2.
    #[error("{key} gives {copies} copies of an allele, which is not between 0 and 2")]
    Copies {
        /// The FORMAT field.
        key: &'static str,
        /// The dosage.
        copies: f32,
    },
}

/// The FORMAT field from which dosages are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DosageField {
    /// The calls: whole copies.
    Gt,
    /// Expected copies, one value per ALT; the calls in records without it.
    Ds,
    /// Probabilities of the genotypes (never their logarithms); the calls in records without it.
    Gp,
    /// Expected copies on each haplotype; the calls in records without it.
    Hds,
    /// DS, else HDS, else GT, record by record; GP in records that have none of them.
    #[default]
    Auto,
}

impl DosageField {
    /// Fields to read, in order of preference; none for the calls.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Gt => &[],
            Self::Ds => &["DS"],
            Self::Gp => &["GP"],
            Self::Hds => &["HDS"],
            Self::Auto => &["DS", "HDS"],
        }
    }

    /// Fields to read in a record that has neither calls nor any of [`Self::keys`].
    pub(super) fn keys_without_gt(self) -> &'static [&'static str] {
        if self == Self::Auto { &["GP"] } else { &[] }
    }
}

/// Largest rounding error of a value: files often have two or three digits.
const TOLERANCE: f32 = 0.02;

/// Sets the dosages of all samples to missing (NaN).
pub(super) fn start(record: &mut VariantRecord, columns: &Columns) {
    let n_alts = record.alt_alleles.len();
    record.dosages.clear();
    record
        .dosages
        .resize(n_alts * columns.n_samples(), f32::NAN);
}

/// Reads the values of one sample from text such as `0.98,0.02,0`.
pub(super) fn read_text(
    cell: &[u8],
    key: &'static str,
    sample: usize,
    record: &mut VariantRecord,
) -> Result<(), DosageProblem> {
    if cell.is_empty() || cell == b"." {
        return Ok(());
    }
    let mut values = [0.0; MAX_VALUES];
    let mut n = 0;
    for text in cell.split(|&byte| byte == b',') {
        if text == b"." {
            return Ok(());
        }
        let value = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<f32>().ok())
            .filter(|value| value.is_finite())
            .ok_or_else(|| DosageProblem::NotNumbers {
                key,
                cell: cell.escape_ascii().to_string(),
            })?;
        *values
            .get_mut(n)
            .ok_or(DosageProblem::TooManyValues { key })? = value;
        n += 1;
    }
    set(&values[..n], key, sample, record)
}

/// Reads the vectors of a BCF record.
///
/// # Errors
/// Values that cannot be read, with their column.
pub(super) fn read_bcf(
    vectors: &TypedVectors<'_>,
    key: &'static str,
    columns: &Columns,
    record: &mut VariantRecord,
) -> Result<(), ColumnError> {
    let mut values = Vec::new();
    for sample in 0..columns.n_samples() {
        let column = columns
            .column_of_sample()
            .map_or(sample, |column_of_sample| column_of_sample[sample]);
        values.clear();
        let mut is_missing = false;
        let floats = vectors.floats(column).ok_or_else(|| ColumnError {
            column,
            problem: DosageProblem::NotNumeric { key }.into(),
        })?;
        for value in floats {
            is_missing |= value.is_none();
            values.extend(value);
        }
        if !is_missing && !values.is_empty() {
            set(&values, key, sample, record).map_err(|problem| ColumnError {
                column,
                problem: problem.into(),
            })?;
        }
    }
    Ok(())
}

/// Number of genotypes of six alleles.
const MAX_VALUES: usize = 21;

/// Stores the dosages of one sample.
fn set(
    values: &[f32],
    key: &'static str,
    sample: usize,
    record: &mut VariantRecord,
) -> Result<(), DosageProblem> {
    let n_alts = record.alt_alleles.len();
    let dosages = &mut record.dosages[n_alts * sample..n_alts * (sample + 1)];
    match key {
        "DS" if values.len() == n_alts => dosages.copy_from_slice(values),
        "DS" => {
            return Err(DosageProblem::PerAlt {
                n_values: values.len(),
                n_alts,
            });
        }
        "HDS" if n_alts == 1 && (1..=2).contains(&values.len()) => dosages[0] = values.iter().sum(),
        "HDS" => {
            return Err(DosageProblem::PerHaplotype {
                n_values: values.len(),
                n_alts,
            });
        }
        _ => set_from_probabilities(values, dosages)?,
    }
    if let Some(wrong) = dosages
        .iter()
        .find(|dosage| !(-TOLERANCE..=2.0 + TOLERANCE).contains(*dosage))
    {
        return Err(DosageProblem::Copies {
            key,
            copies: *wrong,
        });
    }
    for dosage in dosages {
        *dosage = dosage.clamp(0.0, 2.0);
    }
    // Without GT the number of values shows whether the sample is haploid.
    let n_of_one_haplotype = match key {
        "HDS" => 1,
        "GP" => n_alts + 1,
        _ => 0,
    };
    if !record.has_genotypes
        && values.len() == n_of_one_haplotype
        && let Some(genotype) = record.genotypes.get_mut(sample)
    {
        *genotype = HAPLOID_NOT_CALLED;
    }
    Ok(())
}

/// The call of a haploid sample without GT.
const HAPLOID_NOT_CALLED: Genotype = Genotype {
    alleles: [MISSING, ABSENT],
    phased: true,
};

/// Computes expected copies from genotype probabilities.
///
/// The order of genotypes is 0/0, 0/1, 1/1, 0/2, 1/2, 2/2, ...; for one haplotype 0, 1, 2, ....
/// Probabilities are divided by their sum, which rounding may move off 1.
fn set_from_probabilities(values: &[f32], dosages: &mut [f32]) -> Result<(), DosageProblem> {
    let n_alleles = dosages.len() + 1;
    let sum: f32 = values.iter().sum();
    if !(sum - 1.0).abs().le(&(2.0 * TOLERANCE)) || values.iter().any(|value| *value < 0.0) {
        return Err(DosageProblem::NotProbabilities { sum });
    }
    dosages.fill(0.0);
    let n_genotypes = n_alleles * (n_alleles + 1) / 2;
    if values.len() == n_alleles {
        for (allele, &probability) in values.iter().enumerate() {
            add_copy(dosages, allele, probability / sum);
        }
    } else if values.len() == n_genotypes {
        let genotypes = (0..n_alleles).flat_map(|b| (0..=b).map(move |a| (a, b)));
        for ((a, b), &probability) in genotypes.zip(values) {
            add_copy(dosages, a, probability / sum);
            add_copy(dosages, b, probability / sum);
        }
    } else {
        return Err(DosageProblem::PerGenotype {
            n_values: values.len(),
            n_alleles,
            n_genotypes,
        });
    }
    Ok(())
}

/// Adds one copy of an allele (0 is REF, which has no dosage) with some probability.
fn add_copy(dosages: &mut [f32], allele: usize, probability: f32) {
    if let Some(dosage) = allele.checked_sub(1).and_then(|alt| dosages.get_mut(alt)) {
        *dosage += probability;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cell: &str, key: &'static str, n_alts: usize) -> Result<Vec<f32>, DosageProblem> {
        let mut record = VariantRecord {
            alt_alleles: vec![b"C".to_vec(); n_alts],
            ..VariantRecord::default()
        };
        start(&mut record, &Columns::all(1));
        read_text(cell.as_bytes(), key, 0, &mut record).map(|()| record.dosages)
    }

    #[test]
    fn each_field_gives_copies_of_each_alt() {
        assert_eq!(read("1.5", "DS", 1), Ok(vec![1.5]));
        assert_eq!(read("0.5,1", "DS", 2), Ok(vec![0.5, 1.0]));
        assert_eq!(read("0.25,1", "HDS", 1), Ok(vec![1.25]));
        assert_eq!(read("0.25", "HDS", 1), Ok(vec![0.25]));
        assert_eq!(read("0.25,0.5,0.25", "GP", 1), Ok(vec![1.0]));
        assert_eq!(read("0.75,0.25", "GP", 1), Ok(vec![0.25]), "one haplotype");
        // 0/0 0/1 1/1 0/2 1/2 2/2
        assert_eq!(read("0,0,0.5,0,0.25,0.25", "GP", 2), Ok(vec![1.25, 0.75]));
        assert!(
            read(".", "DS", 1).unwrap()[0].is_nan() && read("0.1,.", "HDS", 1).unwrap()[0].is_nan()
        );
    }

    #[test]
    fn values_that_are_no_dosages_are_refused() {
        for (cell, key, n_alts, expected) in [
            ("2.5", "DS", 1, "2.5 copies"),
            ("x", "DS", 1, "`x` is not a list of numbers"),
            ("1,1", "DS", 1, "2 values"),
            ("0,1,2", "HDS", 1, "3 values"),
            ("0,10,20", "GP", 1, "not probabilities"),
            ("0.5,0.5", "GP", 2, "3 alleles have 6 genotypes"),
            ("NaN", "DS", 1, "not a list"),
        ] {
            let message = read(cell, key, n_alts).unwrap_err().to_string();
            assert!(message.contains(expected), "{cell}: {message}");
        }
    }
}
