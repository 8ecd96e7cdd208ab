//! Output table `weights.csv`: every term of every baseline.

use std::path::Path;

use super::model::{AlleleWeight, Baseline, Feature};
use gf_files::output;

/// Columns of `weights.csv`.
pub const WEIGHT_COLUMNS: [&str; 12] = [
    "model",
    "term",
    "name",
    "chrom",
    "position",
    "ref_allele",
    "alt_allele",
    "effect_allele",
    "weight",
    "frequency",
    "mean",
    "sd",
];

/// Writes every coefficient on the scale of the data: `logit = intercept + sum of weight * value`.
///
/// A value is a covariate in its unit, or the copies of an allele. An effect that is not additive
/// has two rows. Their values are 1 for samples with at least one copy (`allele-1-copy`) and for
/// samples with two copies (`allele-2-copies`), else 0. `frequency`, `mean` and `sd` are those of
/// the training samples.
///
/// # Errors
/// The file cannot be written.
pub fn write_weights(path: &Path, baselines: &[Baseline]) -> Result<(), output::Error> {
    output::shareable::write_csv(
        path,
        &WEIGHT_COLUMNS,
        baselines.iter().flat_map(weight_records),
    )
}

/// A row of `weights.csv`.
type WeightRecord = [String; WEIGHT_COLUMNS.len()];

/// The rows of one baseline: the intercept, then the terms.
fn weight_records(baseline: &Baseline) -> Vec<WeightRecord> {
    let model = baseline.model.as_str();
    // The terms are standardised; without standardisation their means move to the intercept.
    let intercept = baseline.intercept
        + baseline
            .terms
            .iter()
            .map(|term| term.coefficient * (term.feature.least() - term.mean) / term.sd)
            .sum::<f64>();
    let mut records = vec![weight_record(model, "intercept", "", intercept)];
    for term in &baseline.terms {
        let per_unit = term.coefficient / term.sd;
        let kind = match &term.feature {
            Feature::Covariate { .. } => "covariate",
            Feature::ApoeE2 | Feature::ApoeE4 => "apoe",
            Feature::AlleleScore { alleles } => {
                records.extend(
                    alleles
                        .iter()
                        .flat_map(|allele| allele_records(model, allele, per_unit)),
                );
                continue;
            }
        };
        let mut record = weight_record(model, kind, term.feature.name(), per_unit);
        record[10..].clone_from_slice(&[term.mean, term.sd].map(number));
        records.push(record);
    }
    records
}

/// The rows of one allele of a score with the coefficient `per_unit`.
fn allele_records(
    model: &str,
    allele: &AlleleWeight,
    per_unit: f64,
) -> impl Iterator<Item = WeightRecord> {
    allele.increments().map(move |(term, weight)| {
        let mut record = weight_record(model, term, "", per_unit * weight);
        let position = allele.position.to_string();
        let variant: [&str; 5] = [
            &allele.chrom,
            &position,
            &allele.ref_allele,
            &allele.alt_allele,
            allele.effect_allele(),
        ];
        record[3..8].clone_from_slice(&variant.map(String::from));
        record[9..].clone_from_slice(&[allele.frequency, allele.mean, allele.sd].map(number));
        record
    })
}

/// A row with empty cells for allele, frequency and moments.
fn weight_record(model: &str, term: &str, name: &str, weight: f64) -> WeightRecord {
    let mut record = WeightRecord::default();
    record[..3].clone_from_slice(&[model.into(), term.into(), name.into()]);
    record[8] = number(weight);
    record
}

/// A number with nine significant digits; -0 becomes 0.
fn number(value: f64) -> String {
    format!("{:.8e}", value + 0.0)
}
