//! Output tables of published scores: `match_log.csv`, `raw_scores.csv` and `scores.csv`.

use std::{io, ops::Range, path::Path};

use gf_cohort_schema::{BASELINE_PREFIX, MatchRow, RawScoreRow, ScoreRow, columns};
use rayon::prelude::*;

use crate::{
    scoring::{
        Options,
        dosages::Site,
        effect::Effect,
        matching::{Candidate, ConstantSource, Exclusion, Unmatched},
        published::Score,
        scoring_file::Unusable,
    },
    tables,
};
use gf_files::output;
use gf_genotypes::Position1;

/// Number of rows of a scoring file that one thread formats at once.
const ROWS_PER_TASK: usize = 1 << 13;
/// Initial capacity for each line of the log; enough for nearly all lines.
const BYTES_PER_LINE: usize = 120;

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
        writeln!(out, "{}", columns::<MatchRow<'_>>().join(","))?;
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
                    .collect::<io::Result<_>>()?;
                lines.iter().try_for_each(|lines| out.write_all(lines))?;
            }
        }
        Ok(())
    })
}

/// Lines of the match log for a range of rows.
fn match_lines(
    score: &Score<'_>,
    rows: Range<usize>,
    sites: &[Site],
    dataset: &str,
) -> io::Result<Vec<u8>> {
    let mut lines = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::with_capacity(BYTES_PER_LINE * rows.len()));
    let candidates = &score.matches.candidates;
    let first = candidates.partition_point(|candidate| candidate.row < rows.start);
    let mut candidates = candidates[first..].iter().peekable();
    for row_nr in rows {
        let weight = weight(&score.file.rows[row_nr].effect);
        let constant = score.matches.constant_rows.get(&row_nr).copied();
        let line = unmatched_row(score, row_nr, &weight, dataset, constant);
        let mut has_candidate = false;
        while let Some(candidate) = candidates.next_if(|candidate| candidate.row == row_nr) {
            has_candidate = true;
            let site = &sites[candidate.site];
            lines.serialize(candidate_row(&line, candidate, site, constant))?;
        }
        if !has_candidate {
            lines.serialize(line)?;
        }
    }
    lines
        .into_inner()
        .map_err(|error| io::Error::other(error.error().to_string()))
}

/// The line of a row of the scoring file that matches no record. `constant` is why the row adds a
/// constant to every sample, if so.
fn unmatched_row<'a>(
    score: &'a Score<'_>,
    row_nr: usize,
    weight: &'a str,
    dataset: &'a str,
    constant: Option<ConstantSource>,
) -> MatchRow<'a> {
    let row = &score.file.rows[row_nr];
    let unmatched = score.matches.unmatched.get(row_nr).copied().flatten();
    MatchRow {
        row_nr,
        accession: &score.file.id,
        chr_name: &row.chr_name,
        chr_position: row.chr_position.map(Position1::get),
        effect_allele: &row.effect_allele,
        other_allele: row.other_allele.as_deref(),
        effect_weight: weight,
        effect_type: row.unusable.is_none().then(|| row.effect.name()),
        id: None,
        ref_allele: None,
        alt_allele: None,
        matched_effect_allele: None,
        match_type: None,
        is_multiallelic: None,
        ambiguous: None,
        match_flipped: None,
        best_match: None,
        exclude: None,
        duplicate_best_match: None,
        duplicate_id: None,
        match_ids: "NA",
        match_status: constant.map_or("unmatched", constant_status),
        dataset,
        reason: row
            .unusable
            .map(Unusable::name)
            .or(constant.map(ConstantSource::name))
            .or(unmatched.map(Unmatched::name)),
    }
}

/// The line of a candidate: that of its row, and the record.
fn candidate_row<'a>(
    row: &MatchRow<'a>,
    candidate: &Candidate,
    site: &'a Site,
    constant: Option<ConstantSource>,
) -> MatchRow<'a> {
    let constant = constant.filter(|_| candidate.is_first_best());
    MatchRow {
        id: Some(&site.id),
        ref_allele: Some(&site.ref_allele),
        alt_allele: Some(site.allele(candidate.alt)),
        matched_effect_allele: Some(site.allele(candidate.effect_allele())),
        match_type: Some(candidate.match_type.name()),
        is_multiallelic: Some(candidate.multiallelic),
        ambiguous: Some(candidate.ambiguous),
        match_flipped: Some(candidate.match_type.is_flipped()),
        best_match: Some(candidate.best_match),
        exclude: Some(candidate.exclusion.is_some()),
        duplicate_best_match: Some(candidate.duplicate_best_match),
        duplicate_id: Some(candidate.duplicate_id),
        match_status: constant.map_or(candidate.status(), constant_status),
        reason: constant
            .map(ConstantSource::name)
            .or(candidate.exclusion.map(Exclusion::name)),
        ..*row
    }
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
            RawScoreRow {
                sample_id,
                accession: &score.file.id,
                // Turns -0 into 0.
                sum: total.sum + 0.0,
                denominator: total.denominator,
                average,
                n_missing: total.n_missing,
            }
        })
    });
    tables::write(path, rows)
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
    tables::write_shareable(path, rows)
}
