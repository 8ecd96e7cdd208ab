//! `match_log.csv`, `raw_scores.csv` and `scores.csv`.

use std::{ops::Range, path::Path};

use gf_cohort_schema::{BASELINE_PREFIX, ScoreRow, columns};
use rayon::prelude::*;

use crate::scoring::{
    Options,
    dosages::Site,
    effect::Effect,
    matching::{Exclusion, Stand, Unmatched},
    published::Score,
    scoring_file::Unusable,
};
use gf_files::output;

/// Rows of a scoring file whose lines are made by one thread.
const LOGGED_AT_ONCE: usize = 1 << 13;
/// Enough for nearly all lines of the log.
const BYTES_A_LINE: usize = 120;

/// Columns of `match_log.csv`: those of `pgsc_calc`'s log, and `reason` for rows that are not used
/// as they stand.
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

/// Columns of `raw_scores.csv`: SUM, DENOM and AVG of `plink2 --score`, and how many of the
/// person's genotypes are missing.
pub const RAW_SCORE_COLUMNS: [&str; 6] = [
    "sample_id",
    "accession",
    "sum",
    "denominator",
    "average",
    "n_missing",
];

/// Writes what became of every row of every scoring file: one line a candidate, one for a row
/// without any. No list of IDs restricts the matches, so that `match_IDs` is `NA`, as `pgsc_calc`
/// has it then; `dataset` is the name of the first VCF.
///
/// # Errors
/// When the file cannot be written.
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
    let lines_of = |score: &Score<'_>, rows: Range<usize>| {
        let mut lines = Vec::with_capacity(BYTES_A_LINE * rows.len());
        write_matches(&mut lines, score, rows, sites, dataset);
        lines
    };
    output::shareable::write(path, |out| {
        writeln!(out, "{}", MATCH_COLUMNS.join(","))?;
        for score in scores {
            // A score may have millions of rows: all threads make lines, of a part of them at a
            // time.
            let n_rows = score.file.rows.len();
            let parts: Vec<Range<usize>> = (0..n_rows)
                .step_by(LOGGED_AT_ONCE)
                .map(|start| start..n_rows.min(start + LOGGED_AT_ONCE))
                .collect();
            for parts in parts.chunks(rayon::current_num_threads()) {
                let lines: Vec<Vec<u8>> = parts
                    .par_iter()
                    .map(|rows| lines_of(score, rows.clone()))
                    .collect();
                lines.iter().try_for_each(|lines| out.write_all(lines))?;
            }
        }
        Ok(())
    })
}

/// Without a copy of what is there as text.
fn write_matches(
    lines: &mut Vec<u8>,
    score: &Score<'_>,
    rows: Range<usize>,
    sites: &[Site],
    dataset: &str,
) {
    let candidates = &score.matches.candidates;
    let mut candidates = candidates
        [candidates.partition_point(|candidate| candidate.row < rows.start)..]
        .iter()
        .peekable();
    for (row_nr, row) in rows.clone().zip(&score.file.rows[rows]) {
        let numbers = [
            row_nr.to_string(),
            row.chr_position
                .map_or(String::new(), |position| position.to_string()),
            weight(&row.effect),
        ];
        let [row_nr_text, position, weight] = numbers.each_ref().map(String::as_str);
        let effect_type = if row.unusable.is_none() {
            row.effect.name()
        } else {
            ""
        };
        let other_allele = row.other_allele.as_deref().unwrap_or_default();
        let mut record = [""; MATCH_COLUMNS.len()];
        record[..8].copy_from_slice(&[
            row_nr_text,
            &score.file.id,
            &row.chr_name,
            position,
            &row.effect_allele,
            other_allele,
            weight,
            effect_type,
        ]);
        (record[20], record[22]) = ("NA", dataset);
        let stand = score.matches.stands.get(&row_nr).copied();
        let mut has_candidate = false;
        while let Some(candidate) = candidates.next_if(|candidate| candidate.row == row_nr) {
            has_candidate = true;
            let site = &sites[candidate.site];
            record[8..12].copy_from_slice(&[
                &site.id,
                &site.ref_allele,
                site.allele(candidate.alt),
                site.allele(candidate.effect_allele()),
            ]);
            record[12] = candidate.match_type.name();
            let flags = [
                candidate.multiallelic,
                candidate.ambiguous,
                candidate.match_type.is_flipped(),
                candidate.best_match,
                candidate.exclusion.is_some(),
                candidate.duplicate_best_match,
                candidate.duplicate_id,
            ];
            record[13..20].copy_from_slice(&flags.map(|flag| if flag { "true" } else { "false" }));
            let stand = stand.filter(|_| candidate.best_match && !candidate.duplicate_best_match);
            record[21] = stand.map_or(candidate.status(), stand_status);
            record[23] = stand
                .map(Stand::name)
                .or(candidate.exclusion.map(Exclusion::name))
                .unwrap_or_default();
            write_line(lines, &record);
        }
        if !has_candidate {
            record[21] = stand.map_or("unmatched", stand_status);
            let unmatched = score.matches.unmatched.get(row_nr).copied().flatten();
            let reason = row
                .unusable
                .map(Unusable::name)
                .or(stand.map(Stand::name))
                .or(unmatched.map(Unmatched::name));
            record[23] = reason.unwrap_or_default();
            write_line(lines, &record);
        }
    }
}

/// A line of CSV as the crate writes it, which takes three times as long over two dozen cells, most
/// of them empty.
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

/// Whether the genotypes of a row that no record is used for are known.
fn stand_status(stand: Stand) -> &'static str {
    if stand == Stand::HomRef {
        "matched"
    } else {
        "by_frequency"
    }
}

fn weight(effect: &Effect) -> String {
    match effect {
        Effect::Additive(weight) | Effect::Dominant(weight) | Effect::Recessive(weight) => {
            weight.to_string()
        }
        Effect::PerDosage([none, one, two]) => format!("{none};{one};{two}"),
    }
}

/// Writes everyone's sums. `average` is empty where nothing was added.
///
/// # Errors
/// When the file cannot be written.
pub fn write_raw_scores(
    path: &Path,
    people: &[String],
    scores: &[&Score<'_>],
) -> Result<(), output::Error> {
    let rows = scores.iter().flat_map(|score| {
        people.iter().zip(&score.totals).map(|(sample_id, total)| {
            let average = (total.denominator > 0).then(|| total.sum / f64::from(total.denominator));
            (
                sample_id,
                &score.file.id,
                total.sum + 0.0,
                total.denominator,
                average,
                total.n_missing,
            )
        })
    });
    output::write_csv(path, &RAW_SCORE_COLUMNS, rows)
}

/// Writes `scores.csv`: what was published, and how much of it the VCF has.
///
/// # Errors
/// When the file cannot be written.
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
        fn lines_are_those_of_the_csv_crate(cells in prop::collection::vec("[ab,\"\r\n é.-]{0,5}", 2..6)) {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let mut table = csv::Writer::from_writer(Vec::new());
            table.write_record(&cells).unwrap();
            let mut line = Vec::new();
            write_line(&mut line, &cells);
            prop_assert_eq!(line, table.into_inner().unwrap());
        }
    }
}
