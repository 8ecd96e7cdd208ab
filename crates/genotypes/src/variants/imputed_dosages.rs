//! Dosages of imputed genotypes: the FORMAT fields DS, GP and HDS, from VCF text or BCF vectors.
//!
//! Input -> output: one person's values -> copies of each ALT allele, 0..2 (0..1 for one
//! haplotype). DS holds them (one a ALT), HDS holds one a haplotype (records with one ALT), GP
//! holds the probability of each genotype, in the order of the VCF specification.

use serde::{Deserialize, Serialize};

use super::{columns::Columns, record::VariantRecord, typed::TypedVectors};
use crate::{ABSENT, Genotype, MISSING};
use gf_cohort_schema::counted;

/// Where dosages are read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DosageField {
    /// The calls: whole copies.
    Gt,
    /// Expected copies, one a ALT; the calls in records without it.
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
    /// Fields to look for, the first that a record has is read; none for the calls.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Gt => &[],
            Self::Ds => &["DS"],
            Self::Gp => &["GP"],
            Self::Hds => &["HDS"],
            Self::Auto => &["DS", "HDS"],
        }
    }

    /// Fields to look for in a record that has no calls and none of [`Self::keys`].
    pub(super) fn keys_without_gt(self) -> &'static [&'static str] {
        if self == Self::Auto { &["GP"] } else { &[] }
    }
}

/// How far values may lie beyond what they can be, for the digits they were rounded to.
const TOLERANCE: f32 = 0.02;

/// Makes room for the dosages of a record that has one of the fields.
pub(super) fn start(record: &mut VariantRecord, columns: &Columns) {
    let n_alts = record.alt_alleles.len();
    record.dosages.clear();
    record.dosages.resize(n_alts * columns.n_people(), f32::NAN);
}

/// Reads one person's values from text such as `0.98,0.02,0`.
pub(super) fn read_text(
    cell: &[u8],
    key: &str,
    person: usize,
    record: &mut VariantRecord,
) -> Result<(), String> {
    if cell.is_empty() || cell == b"." {
        return Ok(());
    }
    let wrong = || format!("{key} `{}` is not a list of numbers", cell.escape_ascii());
    let mut values = [0.0; MAX_VALUES];
    let mut n = 0;
    for text in cell.split(|&byte| byte == b',') {
        if text == b"." {
            return Ok(());
        }
        let value = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<f32>().ok())
            .filter(|value| value.is_finite());
        *values
            .get_mut(n)
            .ok_or_else(|| format!("{key} has more than {MAX_VALUES} values"))? =
            value.ok_or_else(wrong)?;
        n += 1;
    }
    set(&values[..n], key, person, record)
}

/// Reads the vectors of a BCF record.
///
/// # Errors
/// The column of values that cannot be read, and why.
pub(super) fn read_bcf(
    vectors: &TypedVectors<'_>,
    key: &str,
    columns: &Columns,
    record: &mut VariantRecord,
) -> Result<(), (usize, String)> {
    let column_of = |person: usize| {
        columns
            .of_people()
            .map_or(person, |of_people| of_people[person])
    };
    let mut values = Vec::new();
    for person in 0..columns.n_people() {
        let column = column_of(person);
        values.clear();
        let mut is_missing = false;
        for value in vectors
            .floats(column)
            .ok_or_else(|| (column, format!("{key} is not written as numbers")))?
        {
            is_missing |= value.is_none();
            values.extend(value);
        }
        if !is_missing && !values.is_empty() {
            set(&values, key, person, record).map_err(|reason| (column, reason))?;
        }
    }
    Ok(())
}

/// Genotypes of up to six alleles.
const MAX_VALUES: usize = 21;

/// Enters one person's dosages.
fn set(values: &[f32], key: &str, person: usize, record: &mut VariantRecord) -> Result<(), String> {
    let n_alts = record.alt_alleles.len();
    let dosages = &mut record.dosages[n_alts * person..n_alts * (person + 1)];
    let unexpected = |expected: String| {
        Err(format!(
            "{key} has {} where {expected}",
            counted(values.len(), "value", "values")
        ))
    };
    match key {
        "DS" if values.len() == n_alts => dosages.copy_from_slice(values),
        "DS" => return unexpected(format!("the record has {n_alts} ALT alleles")),
        "HDS" if n_alts == 1 && (1..=2).contains(&values.len()) => dosages[0] = values.iter().sum(),
        "HDS" => {
            return unexpected(format!(
                "one a haplotype is read, of records with one ALT allele; here are {n_alts}: use \
                 DS"
            ));
        }
        _ => probabilities(values, dosages)?,
    }
    if let Some(wrong) = dosages
        .iter()
        .find(|dosage| !(-TOLERANCE..=2.0 + TOLERANCE).contains(*dosage))
    {
        return Err(format!(
            "{key} gives {wrong} copies of an allele; they lie between 0 and 2"
        ));
    }
    for dosage in dosages {
        *dosage = dosage.clamp(0.0, 2.0);
    }
    // Without GT the number of values says how many haplotypes there are.
    let n_of_one_haplotype = match key {
        "HDS" => 1,
        "GP" => n_alts + 1,
        _ => 0,
    };
    if !record.has_genotypes
        && values.len() == n_of_one_haplotype
        && let Some(genotype) = record.genotypes.get_mut(person)
    {
        *genotype = HAPLOID_NOT_CALLED;
    }
    Ok(())
}

/// One haplotype without a call.
const HAPLOID_NOT_CALLED: Genotype = Genotype {
    alleles: [MISSING, ABSENT],
    phased: true,
};

/// Sums the probabilities of the genotypes (0/0, 0/1, 1/1, 0/2, 1/2, 2/2, ...; or 0, 1, 2, ... of
/// one haplotype) to copies.
fn probabilities(values: &[f32], dosages: &mut [f32]) -> Result<(), String> {
    let n_alleles = dosages.len() + 1;
    let sum: f32 = values.iter().sum();
    if !(sum - 1.0).abs().le(&(2.0 * TOLERANCE)) || values.iter().any(|value| *value < 0.0) {
        return Err(format!(
            "GP sums to {sum}: these are not probabilities (older VCF writes logarithms there)"
        ));
    }
    dosages.fill(0.0);
    let mut add = |allele: usize, probability: f32| {
        if let Some(dosage) = allele.checked_sub(1).and_then(|alt| dosages.get_mut(alt)) {
            *dosage += probability / sum;
        }
    };
    if values.len() == n_alleles {
        values
            .iter()
            .enumerate()
            .for_each(|(allele, &probability)| add(allele, probability));
    } else if values.len() == n_alleles * (n_alleles + 1) / 2 {
        let genotypes = (0..n_alleles).flat_map(|b| (0..=b).map(move |a| (a, b)));
        for ((a, b), &probability) in genotypes.zip(values) {
            add(a, probability);
            add(b, probability);
        }
    } else {
        let found = counted(values.len(), "value", "values");
        let n_genotypes = n_alleles * (n_alleles + 1) / 2;
        return Err(format!(
            "GP has {found}; {n_alleles} alleles have {n_genotypes} genotypes"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cell: &str, key: &str, n_alts: usize) -> Result<Vec<f32>, String> {
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
            let message = read(cell, key, n_alts).unwrap_err();
            assert!(message.contains(expected), "{cell}: {message}");
        }
    }
}
