//! Output table `weights.csv`: every term of every baseline.

use std::path::Path;

use gf_cohort_schema::CoefficientRow;
use gf_files::output;

use super::model::{AlleleWeight, Baseline, Feature};
use crate::tables::write_shareable;

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
    write_shareable(path, baselines.iter().flat_map(rows))
}

/// The rows of one baseline: the intercept, then the terms.
fn rows(baseline: &Baseline) -> Vec<CoefficientRow<'_>> {
    let model = baseline.model.as_str();
    // The terms are standardised; without standardisation their means move to the intercept.
    let intercept = baseline.intercept
        + baseline
            .terms
            .iter()
            .map(|term| term.coefficient * (term.feature.least() - term.mean) / term.sd)
            .sum::<f64>();
    let mut rows = vec![row(model, "intercept", intercept)];
    for term in &baseline.terms {
        let per_unit = term.coefficient / term.sd;
        let kind = match &term.feature {
            Feature::Covariate { .. } => "covariate",
            Feature::ApoeE2 | Feature::ApoeE4 => "apoe",
            Feature::AlleleScore { alleles } => {
                rows.extend(
                    alleles
                        .iter()
                        .flat_map(|allele| allele_rows(model, allele, per_unit)),
                );
                continue;
            }
        };
        rows.push(CoefficientRow {
            name: Some(term.feature.name()),
            mean: Some(term.mean),
            sd: Some(term.sd),
            ..row(model, kind, per_unit)
        });
    }
    rows
}

/// The rows of one allele of a score with the coefficient `per_unit`.
fn allele_rows<'a>(
    model: &'a str,
    allele: &'a AlleleWeight,
    per_unit: f64,
) -> impl Iterator<Item = CoefficientRow<'a>> {
    allele
        .increments()
        .map(move |(term, weight)| CoefficientRow {
            chrom: Some(&allele.chrom),
            position: Some(allele.position.get()),
            ref_allele: Some(&allele.ref_allele),
            alt_allele: Some(&allele.alt_allele),
            effect_allele: Some(allele.effect_allele()),
            frequency: Some(allele.frequency),
            mean: Some(allele.mean),
            sd: Some(allele.sd),
            ..row(model, term, per_unit * weight)
        })
}

/// A row with empty cells for name, allele, frequency and moments.
fn row<'a>(model: &'a str, term: &'a str, weight: f64) -> CoefficientRow<'a> {
    CoefficientRow {
        model,
        term,
        name: None,
        chrom: None,
        position: None,
        ref_allele: None,
        alt_allele: None,
        effect_allele: None,
        weight,
        frequency: None,
        mean: None,
        sd: None,
    }
}
