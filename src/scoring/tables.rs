//! Output tables of published scores: `match_log.csv`, `raw_scores.csv` and `scores.csv`.

use std::{ops::Range, path::Path};

use gf_cohort_schema::{BASELINE_PREFIX, ScoreRow, columns};
use rayon::prelude::*;

use crate::scoring::{
    Options,
    dosages::Site,
    effect::Effect,
    matching::{Candidate, ConstantSource, Exclusion, Unmatched},
    published::Score,
    scoring_file::Unusable,
};
use gf_files::output;

/// Number of rows of a scoring file that one thread formats at once.
const ROWS_PER_TASK: usize = 1 << 13;
/// Initial capacity for each line of the log; enough for nearly all lines.
const BYTES_PER_LINE: usize = 120;

/// Columns of `match_log.csv`: those of `pgsc_calc`'s log, and the `reason` of rows that are not
/// used by a record.
pub const MATCH_COLUMNS: [&str; 24] = [
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
    "match_IDs",
    "match_status",
    "dataset",
    "reason",
];

/// Columns of `raw_scores.csv`: SUM, DENOM and AVG of `plink2 --score`, and the number of missing
/// genotypes of the sample.
pub const RAW_SCORE_COLUMNS: [&str; 6] = [
    "sample_id",
    "accession",
    "sum",
    "denominator",
    "average",
    "n_missing",
];

/// Writes the match result of every row of every scoring file: one line per candidate, and one line
/// for a row without any.
///
/// `match_IDs` is `NA`, as in `pgsc_calc` without a list of IDs. `dataset` is the name of the first
/// VCF.
///
/// # Errors
/// The file cannot be written.
pub fn write_match_log(
    path: &Path,
    scores: &[&Score<'_>],
    sites: &[Site],
    options: &Options,
) -> Result<(), output::Error> {
    let file_name = options
        .vcf
        .first()
        .and_then(|vcf| vcf.file_name())
        .unwrap_or_default()
        .to_string_lossy();
    let dataset = file_name.split('.').next().unwrap_or_default();
    output::shareable::write(path, |out| {
        writeln!(out, "{}", MATCH_COLUMNS.join(","))?;
        for score in scores {
            // A score may have millions of rows. All threads format lines, but only one block of
            // rows per thread is in memory at once.
            let n_rows = score.file.rows.len();
            let blocks: Vec<Range<usize>> = (0..n_rows)
                .step_by(ROWS_PER_TASK)
                .map(|start| start..n_rows.min(start + ROWS_PER_TASK))
                .collect();
            for blocks_at_once in blocks.chunks(rayon::current_num_threads()) {
                let lines: Vec<Vec<u8>> = blocks_at_once
                    .par_iter()
                    .map(|rows| match_lines(score, rows.clone(), sites, dataset))
                    .collect();
                lines.iter().try_for_each(|lines| out.write_all(lines))?;
            }
        }
        Ok(())
    })
}

/// Lines of the match log for a range of rows.
fn match_lines(score: &Score<'_>, rows: Range<usize>, sites: &[Site], dataset: &str) -> Vec<u8> {
    let mut lines = Vec::with_capacity(BYTES_PER_LINE * rows.len());
    let candidates = &score.matches.candidates;
    let first = candidates.partition_point(|candidate| candidate.row < rows.start);
    let mut candidates = candidates[first..].iter().peekable();
    for (row_nr, row) in rows.clone().zip(&score.file.rows[rows]) {
        let row_nr_text = row_nr.to_string();
        let position = row
            .chr_position
            .map_or(String::new(), |position| position.to_string());
        let weight = weight(&row.effect);
        // Cells are borrowed: a copy of each would cost more than the rest of the line.
        let mut cells = [""; MATCH_COLUMNS.len()];
        cells[..8].copy_from_slice(&[
            row_nr_text.as_str(),
            &score.file.id,
            &row.chr_name,
            &position,
            &row.effect_allele,
            row.other_allele.as_deref().unwrap_or_default(),
            &weight,
            if row.unusable.is_none() {
                row.effect.name()
            } else {
                ""
            },
        ]);
        // Columns `match_IDs` and `dataset`.
        cells[20] = "NA";
        cells[22] = dataset;
        let constant = score.matches.constant_rows.get(&row_nr).copied();
        let mut has_candidate = false;
        while let Some(candidate) = candidates.next_if(|candidate| candidate.row == row_nr) {
            has_candidate = true;
            set_candidate_cells(&mut cells, candidate, &sites[candidate.site], constant);
            write_line(&mut lines, &cells);
        }
        if !has_candidate {
            let unmatched = score.matches.unmatched.get(row_nr).copied().flatten();
            let reason = row
                .unusable
                .map(Unusable::name)
                .or(constant.map(ConstantSource::name))
                .or(unmatched.map(Unmatched::name));
            cells[21] = constant.map_or("unmatched", constant_status);
            cells[23] = reason.unwrap_or_default();
            write_line(&mut lines, &cells);
        }
    }
    lines
}

/// Sets the cells of a candidate. `constant` is why its row adds a constant to every sample, if so.
fn set_candidate_cells<'a>(
    cells: &mut [&'a str; MATCH_COLUMNS.len()],
    candidate: &Candidate,
    site: &'a Site,
    constant: Option<ConstantSource>,
) {
    cells[8..12].copy_from_slice(&[
        &site.id,
        &site.ref_allele,
        site.allele(candidate.alt),
        site.allele(candidate.effect_allele()),
    ]);
    cells[12] = candidate.match_type.name();
    let flags = [
        candidate.multiallelic,
        candidate.ambiguous,
        candidate.match_type.is_flipped(),
        candidate.best_match,
        candidate.exclusion.is_some(),
        candidate.duplicate_best_match,
        candidate.duplicate_id,
    ];
    cells[13..20].copy_from_slice(&flags.map(|flag| if flag { "true" } else { "false" }));
    let constant = constant.filter(|_| candidate.is_first_best());
    cells[21] = constant.map_or(candidate.status(), constant_status);
    cells[23] = constant
        .map(ConstantSource::name)
        .or(candidate.exclusion.map(Exclusion::name))
        .unwrap_or_default();
}

/// Writes a line of CSV, byte for byte like the `csv` crate, which takes three times as long for
/// two dozen cells that are mostly empty.
fn write_line(out: &mut Vec<u8>, cells: &[&str]) {
    for (number, cell) in cells.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        if cell
            .bytes()
            .any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'))
        {
            out.push(b'"');
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.push(b'\n');
}

/// Value of `match_status` for a row that adds a constant: `matched` if its genotypes are known.
fn constant_status(stand: ConstantSource) -> &'static str {
    if stand == ConstantSource::HomRef {
        "matched"
    } else {
        "by_frequency"
    }
}

/// Text of the column `effect_weight`.
fn weight(effect: &Effect) -> String {
    match effect {
        Effect::Additive(weight) | Effect::Dominant(weight) | Effect::Recessive(weight) => {
            weight.to_string()
        }
        Effect::PerDosage([zero, one, two]) => format!("{zero};{one};{two}"),
    }
}

/// Writes the sums of all samples. `average` is empty for a sample without counted alleles.
///
/// # Errors
/// The file cannot be written.
pub fn write_raw_scores(
    path: &Path,
    samples: &[String],
    scores: &[&Score<'_>],
) -> Result<(), output::Error> {
    let rows = scores.iter().flat_map(|score| {
        samples.iter().zip(&score.totals).map(|(sample_id, total)| {
            let average = (total.denominator > 0).then(|| total.sum / f64::from(total.denominator));
            (
                sample_id,
                &score.file.id,
                // Turns -0 into 0.
                total.sum + 0.0,
                total.denominator,
                average,
                total.n_missing,
            )
        })
    });
    output::write_csv(path, &RAW_SCORE_COLUMNS, rows)
}

/// Writes `scores.csv`: metadata of each score and the fraction of matched variants.
///
/// # Errors
/// The file cannot be written.
pub fn write_scores(path: &Path, scores: &[Score<'_>]) -> Result<(), output::Error> {
    let rows = scores.iter().map(|Score { file, matches, .. }| ScoreRow {
        model: format!("{BASELINE_PREFIX}{}", file.id),
        accession: file.id.clone(),
        name: file.name.clone(),
        trait_reported: file.trait_reported.clone(),
        genome_build: file.genome_build.map(|build| build.to_string()),
        harmonised: file.harmonised,
        n_variants: matches.counts.rows as u64,
        n_matched: (matches.counts.matched + matches.counts.hom_ref) as u64,
        match_rate: matches.counts.overlap(),
        study: file.study.clone(),
    });
    output::shareable::write_csv(path, columns::<ScoreRow>(), rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_those_of_the_csv_crate(
            cells in prop::collection::vec("[ab,\"\r\n é.-]{0,5}", 2..6),
        ) {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let mut table = csv::Writer::from_writer(Vec::new());
            table.write_record(&cells).unwrap();
            let mut line = Vec::new();
            write_line(&mut line, &cells);
            prop_assert_eq!(line, table.into_inner().unwrap());
        }
    }
}
