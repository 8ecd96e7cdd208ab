//! `weights.csv`: every term of every baseline.

use std::path::Path;

use super::model::{Baseline, Feature};
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

/// Writes every coefficient on the scale of the data: `logit = intercept + sum of weight * value`,
/// where a value is a covariate in its unit, or copies of an allele. Where an effect is not
/// additive, the values of its two rows are 1 for people with a copy or two (`allele-1-copy`) and
/// for those with two (`allele-2-copies`), else 0. `frequency`, `mean` and `sd` are those of the
/// training people.
///
/// # Errors
/// When the file cannot be written.
pub fn write_weights(path: &Path, baselines: &[Baseline]) -> Result<(), output::Error> {
    output::shareable::write_csv(
        path,
        &WEIGHT_COLUMNS,
        baselines.iter().flat_map(weight_records),
    )
}

fn weight_records(baseline: &Baseline) -> Vec<[String; WEIGHT_COLUMNS.len()]> {
    let record = |term: &str, name: &str, weight: f64| {
        let mut record: [String; WEIGHT_COLUMNS.len()] = Default::default();
        record[..3].clone_from_slice(&[baseline.model.clone(), term.into(), name.into()]);
        record[8] = number(weight);
        record
    };
    let intercept = baseline.intercept
        + baseline
            .terms
            .iter()
            .map(|term| term.coefficient * (term.feature.least() - term.mean) / term.sd)
            .sum::<f64>();
    let mut records = vec![record("intercept", "", intercept)];
    for term in &baseline.terms {
        let per_unit = term.coefficient / term.sd;
        let kind = match &term.feature {
            Feature::Covariate { .. } => "covariate",
            Feature::ApoeE2 | Feature::ApoeE4 => "apoe",
            Feature::AlleleScore { alleles } => {
                let weights = alleles.iter().flat_map(|allele| {
                    allele
                        .increments()
                        .map(move |(term, weight)| (allele, term, weight))
                });
                records.extend(weights.map(|(allele, term, weight)| {
                    let mut record = record(term, "", per_unit * weight);
                    let position = allele.position.to_string();
                    let place: [&str; 5] = [
                        &allele.chrom,
                        &position,
                        &allele.ref_allele,
                        &allele.alt_allele,
                        allele.effect_allele(),
                    ];
                    record[3..8].clone_from_slice(&place.map(String::from));
                    record[9..]
                        .clone_from_slice(&[allele.frequency, allele.mean, allele.sd].map(number));
                    record
                }));
                continue;
            }
        };
        let mut record = record(kind, term.feature.name(), per_unit);
        record[10..].clone_from_slice(&[term.mean, term.sd].map(number));
        records.push(record);
    }
    records
}

/// Nine significant digits.
fn number(value: f64) -> String {
    format!("{:.8e}", value + 0.0)
}
