//! Tokenization report of a cohort: `report.csv`, rows of `measure,value`.
//!
//! Input: the output of [`super::run`] and the samples of each split. Output: a table. An undefined
//! measure is empty, never 0.

use std::{collections::HashSet, path::Path};

use crate::tables;
use gf_cohort_schema::{Split, TokenMeasureRow};

use super::{Error, Tokenized, summary::present_haplotypes};

/// Names and levels of the reported quantiles of tokens per haplotype.
const QUANTILES: [(&str, f64); 7] = [
    ("min", 0.0),
    ("q05", 0.05),
    ("q25", 0.25),
    ("median", 0.5),
    ("q75", 0.75),
    ("q95", 0.95),
    ("max", 1.0),
];

/// Measures and their values, in the order of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Report(Vec<(String, Option<f64>)>);

impl Report {
    /// Measures a tokenized cohort.
    ///
    /// `splits` has the samples of each split, as numbers into the samples of the token set.
    /// `sequences_seconds` is the time spent on making the sequences.
    ///
    /// - `tokens_per_haplotype_*`: over the distinct haplotypes of a locus, before any token is
    ///   replaced or cut to fit the slots;
    /// - `unseen_share_*`: share of the segments of a split, each copy counted, that tokenizer and
    ///   grid have not seen;
    /// - `unseen_distinct_share_*`: the same share of its distinct segments.
    #[must_use]
    pub fn new(
        tokenized: &Tokenized,
        splits: &[(Split, Vec<usize>)],
        sequences_seconds: f64,
    ) -> Self {
        let summary = &tokenized.summary;
        let n_distinct_segments: usize = tokenized
            .segments
            .iter()
            .map(|locus| locus.distinct.len())
            .sum();
        let nt_per_token = (summary.nt_per_token > 0.0).then_some(summary.nt_per_token);
        let mut n_tokens = tokenized.measured.n_tokens.clone();
        n_tokens.sort_unstable();
        let mut report = Self(Vec::new());
        report.push("nt_per_token", nt_per_token);
        for (name, level) in QUANTILES {
            let measure = format!("tokens_per_haplotype_{name}");
            report.push(&measure, quantile(&n_tokens, level));
        }
        report.push_count("distinct_haplotypes", summary.n_distinct_haplotypes as u64);
        report.push_count("distinct_segments", n_distinct_segments as u64);
        report.push_count("training_segments", summary.n_training_segments as u64);
        for (split, samples) in splits {
            let unseen = UnseenShares::new(tokenized, samples);
            report.push(&format!("unseen_share_{split}"), unseen.copies);
            report.push(&format!("unseen_distinct_share_{split}"), unseen.distinct);
        }
        report.push_count("withheld_segments", summary.n_withheld_segments);
        report.push_count("min_token_count", summary.min_token_count as u64);
        report.push_count("slot_overflows", summary.n_slot_overflows);
        report.push_count("vocabulary", summary.vocab_size as u64);
        report.push_count("slots", summary.n_slots as u64);
        report.push("sequences_seconds", Some(sequences_seconds));
        report.push("fit_seconds", Some(tokenized.fit_seconds));
        report.push("encode_seconds", Some(tokenized.encode_seconds));
        report.push("peak_memory_mb", peak_memory_mb());
        report
    }

    fn push(&mut self, measure: &str, value: Option<f64>) {
        self.0.push((measure.to_string(), value));
    }

    fn push_count(&mut self, measure: &str, count: u64) {
        self.push(measure, Some(count as f64));
    }

    /// The value of a measure; `None` when it is undefined or unknown.
    #[must_use]
    pub fn value(&self, measure: &str) -> Option<f64> {
        self.0.iter().find(|(name, _)| name == measure)?.1
    }

    /// Writes the table.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let rows = self
            .0
            .iter()
            .map(|&(ref measure, value)| TokenMeasureRow { measure, value });
        Ok(tables::write(path, rows)?)
    }

    /// A value for the terminal; `-` when it is undefined.
    fn rounded(&self, measure: &str, digits: usize) -> String {
        self.value(measure)
            .map_or_else(|| "-".to_string(), |value| format!("{value:.digits$}"))
    }

    /// A share as a percentage for the terminal; `-` when it is undefined.
    fn percent(&self, measure: &str) -> String {
        self.value(measure).map_or_else(
            || "-".to_string(),
            |share| format!("{:.3} %", 100.0 * share),
        )
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} tokens per haplotype (median). Segments unseen in training: {} in validation, {} \
             in test. Sequences took {} s, the fit {} s and encoding {} s. Peak memory was {} MB",
            self.rounded("tokens_per_haplotype_median", 0),
            self.percent("unseen_share_validation"),
            self.percent("unseen_share_test"),
            self.rounded("sequences_seconds", 2),
            self.rounded("fit_seconds", 2),
            self.rounded("encode_seconds", 2),
            self.rounded("peak_memory_mb", 0),
        )
    }
}

/// Quantile by linear interpolation (type 7 of Hyndman and Fan 1996, R's default).
fn quantile(ascending: &[usize], level: f64) -> Option<f64> {
    let position = level * ascending.len().checked_sub(1)? as f64;
    let below = ascending[position.floor() as usize] as f64;
    let above = ascending[position.ceil() as usize] as f64;
    Some(below + (above - below) * position.fract())
}

/// Shares of the segments of a split that tokenizer and grid have not seen.
///
/// `None` for a split without segments.
struct UnseenShares {
    /// Over all copies.
    copies: Option<f64>,
    /// Over the distinct segments.
    distinct: Option<f64>,
}

impl UnseenShares {
    fn new(tokenized: &Tokenized, samples: &[usize]) -> Self {
        let unseen = &tokenized.measured.unseen;
        let mut n_copies = 0;
        let mut n_unseen = 0;
        let mut distinct = HashSet::new();
        for (index, locus) in tokenized.tokens.loci.iter().enumerate() {
            for haplotype in samples
                .iter()
                .flat_map(|&sample| present_haplotypes(locus.pairs[sample]))
            {
                for &segment in &tokenized.segments[index].haplotypes[haplotype] {
                    n_copies += 1;
                    n_unseen += usize::from(unseen[index][segment as usize]);
                    distinct.insert((index, segment));
                }
            }
        }
        let n_unseen_distinct = distinct
            .iter()
            .filter(|(locus, segment)| unseen[*locus][*segment as usize])
            .count();
        Self {
            copies: share(n_unseen, n_copies),
            distinct: share(n_unseen_distinct, distinct.len()),
        }
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Peak resident memory of this process in MB, where the system reports it.
///
/// Linux reports `VmHWM` in units of 1,024 bytes.
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0 / 1e6)
}
