//! What tokenization made of a cohort, in numbers: `report.csv`, rows of `measure,value`.
//!
//! Input -> output: what [`super::run`] made and who is in which split -> a table. A measure that
//! is undefined is empty, never 0.

use std::{collections::HashSet, path::Path};

use super::{Error, Tokenized};
use gf_cohort_schema::{Split, nine_significant_digits};
use gf_files::output;
use gf_haplotypes::ABSENT_HAPLOTYPE;

/// Quantiles of the tokens of a haplotype.
const QUANTILES: [(&str, f64); 7] = [
    ("min", 0.0),
    ("q05", 0.05),
    ("q25", 0.25),
    ("median", 0.5),
    ("q75", 0.75),
    ("q95", 0.95),
    ("max", 1.0),
];

/// Measures in the order of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Report(Vec<(String, Option<f64>)>);

impl Report {
    /// Measures what `run` made. `people` of each split are numbers into the samples;
    /// `sequences_seconds`: for making the sequences.
    ///
    /// `tokens_per_haplotype_*` are over distinct haplotypes of a locus, before any is replaced or
    /// cut to fit the slots; `unseen_share_*` is the share of segments of people's haplotypes
    /// (each copy counted) that tokenizer and grid have not seen, `unseen_distinct_share_*` that of
    /// their distinct segments.
    #[must_use]
    pub fn new(
        tokenized: &Tokenized,
        people: &[(Split, Vec<usize>)],
        sequences_seconds: f64,
    ) -> Self {
        let summary = &tokenized.summary;
        let n_distinct_segments: usize = tokenized
            .segments
            .iter()
            .map(|locus| locus.distinct.len())
            .sum();
        let mut rows = Vec::new();
        let mut row = |measure: &str, value: Option<f64>| rows.push((measure.to_string(), value));
        row(
            "nt_per_token",
            (summary.nt_per_token > 0.0).then_some(summary.nt_per_token),
        );
        let mut tokens = tokenized.measured.n_tokens.clone();
        tokens.sort_unstable();
        for (name, level) in QUANTILES {
            row(
                &format!("tokens_per_haplotype_{name}"),
                quantile(&tokens, level),
            );
        }
        row(
            "distinct_haplotypes",
            Some(summary.n_distinct_haplotypes as f64),
        );
        row("distinct_segments", Some(n_distinct_segments as f64));
        row(
            "training_segments",
            Some(summary.n_training_segments as f64),
        );
        for (split, people) in people {
            let (of_copies, of_distinct) = unseen_shares(tokenized, people);
            row(&format!("unseen_share_{split}"), of_copies);
            row(&format!("unseen_distinct_share_{split}"), of_distinct);
        }
        row(
            "withheld_segments",
            Some(summary.n_withheld_segments as f64),
        );
        row("min_token_count", Some(summary.min_token_count as f64));
        row("slot_overflows", Some(summary.n_slot_overflows as f64));
        row("vocabulary", Some(summary.vocab_size as f64));
        row("slots", Some(summary.n_slots as f64));
        row("sequences_seconds", Some(sequences_seconds));
        row("fit_seconds", Some(tokenized.fit_seconds));
        row("encode_seconds", Some(tokenized.encode_seconds));
        row("peak_memory_mb", peak_memory_mb());
        Self(rows)
    }

    /// The value of a measure, if there is one.
    #[must_use]
    pub fn value(&self, measure: &str) -> Option<f64> {
        self.0.iter().find(|(name, _)| name == measure)?.1
    }

    /// Writes the table.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        // Counts as whole numbers.
        let text = |value: f64| {
            if value.fract() == 0.0 {
                format!("{value:.0}")
            } else {
                nine_significant_digits(value)
            }
        };
        let rows = self
            .0
            .iter()
            .map(|(measure, value)| (measure, value.map(text).unwrap_or_default()));
        Ok(output::write_csv(path, &["measure", "value"], rows)?)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |measure: &str, digits: usize| {
            self.value(measure)
                .map_or_else(|| "-".to_string(), |value| format!("{value:.digits$}"))
        };
        let percent = |measure: &str| {
            self.value(measure).map_or_else(
                || "-".to_string(),
                |share| format!("{:.3} %", 100.0 * share),
            )
        };
        writeln!(
            f,
            "{} tokens a haplotype (median), segments unseen in training: {} in validation, {} in \
             test; {} s sequences, {} s fit, {} s encode, {} MB",
            text("tokens_per_haplotype_median", 0),
            percent("unseen_share_validation"),
            percent("unseen_share_test"),
            text("sequences_seconds", 2),
            text("fit_seconds", 2),
            text("encode_seconds", 2),
            text("peak_memory_mb", 0),
        )
    }
}

/// Between neighbours in proportion (type 7 of Hyndman and Fan, R's default).
fn quantile(ascending: &[usize], level: f64) -> Option<f64> {
    let place = level * ascending.len().checked_sub(1)? as f64;
    let below = ascending[place.floor() as usize] as f64;
    let above = ascending[place.ceil() as usize] as f64;
    Some(below + (above - below) * place.fract())
}

/// Of the segments of these people: the share that tokenizer and grid have not seen, over all
/// copies and over the distinct ones.
fn unseen_shares(tokenized: &Tokenized, people: &[usize]) -> (Option<f64>, Option<f64>) {
    let mut n_copies = 0u64;
    let mut n_unseen = 0u64;
    let mut distinct = HashSet::new();
    for (number, ((locus, segments), unseen)) in tokenized
        .tokens
        .loci
        .iter()
        .zip(&tokenized.segments)
        .zip(&tokenized.measured.unseen)
        .enumerate()
    {
        for &haplotype in people
            .iter()
            .flat_map(|&person| &locus.pairs[person])
            .filter(|&&haplotype| haplotype != ABSENT_HAPLOTYPE)
        {
            for &segment in &segments.haplotypes[haplotype as usize] {
                n_copies += 1;
                n_unseen += u64::from(unseen[segment as usize]);
                distinct.insert((number, segment));
            }
        }
    }
    let n_unseen_distinct = distinct
        .iter()
        .filter(|(locus, segment)| tokenized.measured.unseen[*locus][*segment as usize])
        .count();
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    (
        share(n_unseen, n_copies),
        share(n_unseen_distinct as u64, distinct.len() as u64),
    )
}

/// The most memory this process has held, where the system says so (Linux: `VmHWM`, in units of
/// 1,024 bytes).
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0 / 1e6)
}
