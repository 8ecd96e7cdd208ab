//! Runs a TOML file stage by stage, and the steps that more than one command shares.

use std::path::Path;

use gf_cohort_schema::{Cohort, Split};

use crate::{
    sequence::{Dictionary, Policies, Provenance},
    tokenization::{self, Folder, Options, Summary},
};

/// Fits the tokenizer on the training split, encodes everyone, and writes a token folder.
///
/// # Errors
/// Whatever the stage says.
pub fn tokenize(dictionary: &Dictionary, policies: Policies, cohort: &Cohort, options: &Options, out: &Path) -> anyhow::Result<Summary> {
    let training: Vec<usize> = cohort.in_split(Split::Train).map(|(person, _)| person).collect();
    let (tokenizer, grid, tokens, summary) = tokenization::run(dictionary, &training, options)?;
    let genome = Provenance::of(dictionary, policies);
    Folder { tokenizer, grid, tokens, genome }.save(out)?;
    Ok(summary)
}
