//! Fits a tokenizer on the training split, encodes all samples and writes a folder of tokens.

use std::{collections::HashMap, path::Path};

use gf_cohort_schema::{Cohort, Split};
use gf_files::output;
use gf_haplotypes::{Dictionary, Policies, Provenance};
use gf_tokenizer::VocabSize;

use crate::{
    layout,
    tokens::{self, Folder, Report, Summary, Tokenized},
};

/// Fits the tokenizer on the training split, encodes all samples, and writes a folder of tokens.
///
/// With `sequences_seconds`, the time that the sequences took, it also writes a report of the
/// tokens.
///
/// # Errors
/// Any error of the stage.
pub fn tokenize(
    dictionary: &Dictionary,
    policies: &Policies,
    cohort: &Cohort,
    options: &tokens::Options,
    sequences_seconds: Option<f64>,
    out: &Path,
) -> anyhow::Result<(Summary, Option<Report>)> {
    let samples_by_split = [Split::Train, Split::Validation, Split::Test]
        .map(|split| (split, samples_of_split(dictionary, cohort, split)));
    let training_samples = &samples_by_split[0].1;
    let tokenized = tokens::run(dictionary, training_samples, options)?;
    let report =
        sequences_seconds.map(|seconds| Report::new(&tokenized, &samples_by_split, seconds));
    let Tokenized {
        tokenizer,
        grid,
        tokens,
        summary,
        ..
    } = tokenized;
    let genome = Provenance::from_dictionary(dictionary, policies.clone()).with_common_variants(
        dictionary,
        training_samples,
        options.min_token_count,
    );
    let folder = Folder {
        tokenizer,
        grid,
        tokens,
        fitted_on: training_samples.clone(),
        genome,
    };
    folder.save(out)?;
    let report_path = out.join(layout::TOKENS_REPORT);
    match &report {
        Some(report) => report.write(&report_path)?,
        // A report of an earlier run would describe other tokens.
        None => output::remove_if_there(&report_path)?,
    }
    note_saturation(options, summary.vocab_size);
    Ok((summary, report))
}

/// The samples of a split, as row numbers (0-based) of the dictionary.
pub fn samples_of_split(dictionary: &Dictionary, cohort: &Cohort, split: Split) -> Vec<usize> {
    let row_of: HashMap<&str, usize> = dictionary
        .samples
        .iter()
        .enumerate()
        .map(|(row, sample)| (sample.as_str(), row))
        .collect();
    cohort
        .in_split(split)
        .filter_map(|(_, person)| row_of.get(person.sample_id.as_str()).copied())
        .collect()
}

/// Prints a message where training has fewer tokens than the vocabulary may have.
pub fn note_saturation(options: &tokens::Options, vocab_size: usize) {
    if let Some(VocabSize::AtMost(wanted)) = options.vocab_size
        && vocab_size < wanted
    {
        gf_files::message!(
            "the vocabulary is saturated with {vocab_size} entries, fewer than the {wanted} \
             allowed"
        );
    }
}
