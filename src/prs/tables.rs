//! `weights.csv` and `match_log.csv`.

use std::path::Path;

use super::{
    dosages::Site,
    matching::Matches,
    model::{Baseline, Feature},
    scoring_file::{ScoreRow, ScoringFile, Unusable},
};
use crate::output;

/// Columns of `weights.csv`.
pub const WEIGHT_COLUMNS: [&str; 12] =
    ["model", "term", "name", "chrom", "position", "ref_allele", "alt_allele", "effect_allele", "weight", "frequency", "mean", "sd"];

/// Columns of `match_log.csv`: those of `pgsc_calc`'s log that apply, and `reason` for rows that cannot be used.
pub const MATCH_COLUMNS: [&str; 22] = [
    "row_nr",
    "accession",
    "chr_name",
    "chr_position",
    "effect_allele",
    "other_allele",
    "effect_weight",
    "effect_type",
    "ID",
    "REF",
    "ALT",
    "matched_effect_allele",
    "match_type",
    "is_multiallelic",
    "ambiguous",
    "match_flipped",
    "best_match",
    "exclude",
    "duplicate_best_match",
    "duplicate_ID",
    "match_status",
    "reason",
];

/// Writes every coefficient on the scale of the data: `logit = intercept + sum of weight * value`, where a value is a covariate in its
/// unit, or copies of an allele. `frequency`, `mean` and `sd` are those of the training people.
///
/// # Errors
/// When the file cannot be written.
pub fn write_weights(path: &Path, baselines: &[Baseline]) -> Result<(), output::Error> {
    output::write_csv(path, &WEIGHT_COLUMNS, baselines.iter().flat_map(weight_records))
}

fn weight_records(baseline: &Baseline) -> Vec<[String; WEIGHT_COLUMNS.len()]> {
    let record = |term: &str, name: &str, weight: f64| {
        let mut record: [String; WEIGHT_COLUMNS.len()] = Default::default();
        record[..3].clone_from_slice(&[baseline.model.clone(), term.into(), name.into()]);
        record[8] = number(weight);
        record
    };
    let intercept = baseline.intercept - baseline.terms.iter().map(|term| term.coefficient * term.mean / term.sd).sum::<f64>();
    let mut records = vec![record("intercept", "", intercept)];
    for term in &baseline.terms {
        let per_unit = term.coefficient / term.sd;
        let kind = match &term.feature {
            Feature::Covariate { .. } => "covariate",
            Feature::ApoeE2 | Feature::ApoeE4 => "apoe",
            Feature::AlleleScore { alleles } => {
                records.extend(alleles.iter().map(|allele| {
                    let mut record = record("allele", "", per_unit * allele.weight);
                    let position = allele.position.to_string();
                    let place: [&str; 5] = [&allele.chrom, &position, &allele.ref_allele, &allele.alt_allele, allele.effect_allele()];
                    record[3..8].clone_from_slice(&place.map(String::from));
                    record[9..].clone_from_slice(&[allele.frequency, allele.mean, allele.sd].map(number));
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

/// Writes what became of every row of every scoring file: one line a candidate, one for a row without any.
///
/// # Errors
/// When the file cannot be written.
pub fn write_match_log(path: &Path, scores: &[(ScoringFile, Matches)], sites: &[Site]) -> Result<(), output::Error> {
    output::write_csv(path, &MATCH_COLUMNS, scores.iter().flat_map(|(file, matches)| match_records(file, matches, sites)))
}

fn match_records(file: &ScoringFile, matches: &Matches, sites: &[Site]) -> Vec<[String; MATCH_COLUMNS.len()]> {
    let mut candidates = matches.candidates.iter().peekable();
    let mut records = Vec::new();
    for (row_nr, row) in file.rows.iter().enumerate() {
        let mut n_candidates = 0;
        while let Some(candidate) = candidates.next_if(|candidate| candidate.row == row_nr) {
            n_candidates += 1;
            let site = &sites[candidate.site];
            let mut record = score_record(file, row_nr, row, candidate.status());
            let target: [&str; 4] = [&site.id, &site.ref_allele, site.allele(candidate.alt), site.allele(candidate.effect_allele())];
            record[8..12].clone_from_slice(&target.map(String::from));
            record[12] = candidate.match_type.name().into();
            let flags = [
                site.alt_alleles.len() > 1,
                candidate.ambiguous,
                candidate.match_type.is_flipped(),
                candidate.best_match,
                candidate.exclude,
                candidate.duplicate_best_match,
                candidate.duplicate_id,
            ];
            record[13..20].clone_from_slice(&flags.map(|flag| flag.to_string()));
            records.push(record);
        }
        if n_candidates == 0 {
            records.push(score_record(file, row_nr, row, "unmatched"));
        }
    }
    records
}

fn score_record(file: &ScoringFile, row_nr: usize, row: &ScoreRow, status: &str) -> [String; MATCH_COLUMNS.len()] {
    let effect_type = match row.unusable {
        None => "additive".into(),
        Some(reason @ (Unusable::Dominant | Unusable::Recessive)) => reason.to_string(),
        Some(_) => String::new(),
    };
    let mut record: [String; MATCH_COLUMNS.len()] = Default::default();
    record[..8].clone_from_slice(&[
        row_nr.to_string(),
        file.id.clone(),
        row.chr_name.clone(),
        row.chr_position.map_or(String::new(), |position| position.to_string()),
        row.effect_allele.clone(),
        row.other_allele.clone().unwrap_or_default(),
        row.effect_weight.to_string(),
        effect_type,
    ]);
    record[20] = status.into();
    record[21] = row.unusable.map_or(String::new(), |reason| reason.to_string());
    record
}
