//! The stages that are divided into blocks: sequences, tokens and models.
//!
//! A run of all stages has no blocks, so each stage is made in one pass. A job makes one shard, or
//! merges the shards of the blocks into the stage. The result is the same, byte for byte.

use std::{fs, ops::Range, path::Path};

use anyhow::Context;
use gf_cohort_schema::{Cohort, Prediction, Split, counted, read_predictions, write_predictions};
use gf_files::output;
use gf_haplotypes::{Dictionary, Shard};
use gf_tokenizer::Tokenizer;
use serde_json::json;

use super::{
    Pipeline,
    division::{Block, SequenceBlock, fit_job, member_job},
    made::{self, MadeFrom},
    progress::progress,
    stage::Runner,
    tokenize::{note_saturation, samples_of_split, tokenize},
};
use crate::{
    layout,
    sequences::{self, Outputs},
    tokens::{self, Summary},
    training::{self, ModelSettings},
};

/// The sequences from which tokens are made.
#[derive(Default)]
pub struct Sequences {
    /// All sequences, where this run has just made them. They need not be read again.
    dictionary: Option<Dictionary>,
    /// Shards of the blocks that this job needs.
    shards: Vec<Shard>,
}

/// Sequences.
impl Pipeline<'_> {
    /// Makes the sequences of all samples, in one pass or from blocks.
    pub(super) fn sequences(self, runner: &mut Runner) -> anyhow::Result<Sequences> {
        let made_from = made::sequences(self.plan, self.data)?;
        let mut shards = self.sequence_shards(runner, &made_from)?;
        shards.extend(self.merged_sequence_shards(runner, &made_from, &shards)?);
        let mut dictionary = None;
        runner.stage(layout::SEQUENCES_FOLDER, &made_from, |folder| {
            if !shards.is_empty() {
                return merge_sequences(&shards, folder);
            }
            let options = self.sequence_options(None, folder)?;
            let built = sequences::run(&options)?;
            gf_files::message_text!("{}", built.summary);
            Outputs::in_folder(folder).save(&built.dictionary, built.skips)?;
            dictionary = Some(built.dictionary);
            Ok(built.summary)
        })?;
        Ok(Sequences { dictionary, shards })
    }

    /// The shards of one block of samples and loci each that this job makes or needs.
    fn sequence_shards(
        self,
        runner: &mut Runner,
        made_from: &MadeFrom,
    ) -> anyhow::Result<Vec<Shard>> {
        let mut shards = Vec::new();
        for SequenceBlock { job, samples, loci } in self.division.sequence_blocks() {
            let shard_made_from = made_from.shard(&json!([samples, loci]));
            let summary = runner.shard(&job, &shard_made_from, |folder| {
                self.sequences_of_block(samples, loci, folder)
            })?;
            shards.extend(summary.map(|summary| Shard {
                folder: runner.shard_folder(&job),
                summary,
            }));
        }
        Ok(shards)
    }

    fn sequences_of_block(
        self,
        samples: Range<usize>,
        loci: Range<usize>,
        folder: &Path,
    ) -> anyhow::Result<sequences::Summary> {
        let options = self.sequence_options(Some(samples), folder)?;
        let built = sequences::run_block(&options, loci)?;
        gf_files::message_text!("{}", built.summary);
        Outputs::in_folder(folder).save(&built.dictionary, built.skips)?;
        Ok(built.summary)
    }

    /// The shards of one block of loci each, merged over samples, that this job makes or needs.
    ///
    /// `shards` are those to merge. A job that needs merged shards needs none of the shards that
    /// they were merged from, so a job never has both.
    fn merged_sequence_shards(
        self,
        runner: &mut Runner,
        made_from: &MadeFrom,
        shards: &[Shard],
    ) -> anyhow::Result<Vec<Shard>> {
        let mut merged = Vec::new();
        for Block { job, range: loci } in self.division.merged_sequence_blocks() {
            let summary = runner.shard(&job, &made_from.shard(&json!(loci)), |folder| {
                merge_sequences(shards, folder)
            })?;
            merged.extend(summary.map(|summary| Shard {
                folder: runner.shard_folder(&job),
                summary,
            }));
        }
        Ok(merged)
    }

    /// Options of the sequences of all samples, or of a block of them.
    fn sequence_options(
        self,
        samples: Option<Range<usize>>,
        folder: &Path,
    ) -> anyhow::Result<sequences::Options> {
        let mut cohort = self.data.samples()?;
        gf_files::message_text!("{}", cohort.notes);
        if let Some(samples) = samples {
            cohort.people = cohort.people.drain(samples).collect();
        }
        Ok(self.plan.sequences_options(self.data, &cohort, folder))
    }
}

fn merge_sequences(shards: &[Shard], folder: &Path) -> anyhow::Result<sequences::Summary> {
    let (merged, summary) = gf_haplotypes::merge(shards, folder)?;
    gf_files::message_text!("{summary}");
    merged.save()?;
    Ok(summary)
}

/// Tokens.
impl Pipeline<'_> {
    /// Makes the tokens of all samples, in one pass or from blocks of loci. For blocks, the
    /// tokenizer is fitted first.
    pub(super) fn tokens(self, runner: &mut Runner, sequences: Sequences) -> anyhow::Result<()> {
        let made_from = made::tokens(self.plan, self.data)?;
        let options = self.token_options(runner, &made_from, &sequences.shards)?;
        let shards = self.token_shards(runner, &made_from, &sequences.shards, &options)?;
        let sequences_folder = runner.folder(layout::SEQUENCES_FOLDER);
        runner.stage(layout::TOKENS_FOLDER, &made_from, |folder| {
            if !shards.is_empty() {
                let summary = tokens::merge(&shards, folder)?;
                gf_files::message_text!("{summary}");
                return Ok(summary);
            }
            let dictionary = sequences
                .dictionary
                .map_or_else(|| Dictionary::load(&sequences_folder), Ok)?;
            self.tokenize(&dictionary, &options, folder)
        })?;
        Ok(())
    }

    /// Options of the tokens, with the fitted tokenizer where blocks share one.
    fn token_options(
        self,
        runner: &mut Runner,
        made_from: &MadeFrom,
        sequences: &[Shard],
    ) -> anyhow::Result<tokens::Options> {
        let options = self.plan.tokens.clone();
        if self.division.token_blocks().is_empty() || !options.learns_tokenizer() {
            return Ok(options);
        }
        let vocab_size = runner.shard(&fit_job(), made_from, |folder| {
            let tokenizer = fit_tokenizer(sequences, &self.data.samples()?, &options)?;
            output::write(&folder.join(layout::TOKENIZER), |out| {
                out.write_all(tokenizer.json().as_bytes())
            })?;
            Ok(tokenizer.vocab_len())
        })?;
        if vocab_size.is_none() {
            return Ok(options);
        }
        Ok(options.with_tokenizer(runner.shard_folder(&fit_job()).join(layout::TOKENIZER)))
    }

    /// The shards of one block of loci each that this job makes or needs.
    fn token_shards(
        self,
        runner: &mut Runner,
        made_from: &MadeFrom,
        sequences: &[Shard],
        options: &tokens::Options,
    ) -> anyhow::Result<Vec<tokens::Shard>> {
        let mut shards = Vec::new();
        for Block { job, range: loci } in self.division.token_blocks() {
            let summary = runner.shard(&job, &made_from.shard(&json!(loci)), |folder| {
                // The job needs the sequences of its own loci only.
                let shard = sequences
                    .first()
                    .context("no sequences of these loci; run their job first")?;
                let dictionary = Dictionary::load(&shard.folder)?;
                self.tokenize(&dictionary, options, folder)
            })?;
            shards.extend(summary.map(|summary| tokens::Shard {
                folder: runner.shard_folder(&job),
                summary,
            }));
        }
        Ok(shards)
    }

    fn tokenize(
        self,
        dictionary: &Dictionary,
        options: &tokens::Options,
        folder: &Path,
    ) -> anyhow::Result<Summary> {
        let (summary, _) = tokenize(
            dictionary,
            &self.plan.sequences,
            &self.data.samples()?,
            options,
            None,
            folder,
        )?;
        gf_files::message_text!("{summary}");
        Ok(summary)
    }
}

/// Fits the tokenizer on the training samples at all loci. Only one block of loci is in memory at a
/// time.
fn fit_tokenizer(
    sequences: &[Shard],
    cohort: &Cohort,
    options: &tokens::Options,
) -> anyhow::Result<Tokenizer> {
    let mut words = tokens::Words::default();
    let mut alphabet = &[][..];
    for shard in sequences {
        let dictionary = Dictionary::load(&shard.folder)?;
        let training_samples = samples_of_split(&dictionary, cohort, Split::Train);
        words.add(&dictionary, &training_samples, options);
        alphabet = dictionary.alphabet();
    }
    let tokenizer = words.fit(alphabet, options)?;
    gf_files::message!(
        "{} in the vocabulary",
        counted(tokenizer.vocab_len(), "token", "tokens")
    );
    note_saturation(options, tokenizer.vocab_len());
    Ok(tokenizer)
}

/// Models.
impl Pipeline<'_> {
    /// Trains a model and predicts all samples, in one pass or as jobs.
    ///
    /// The jobs are: the deep terms of each block of loci, each member, each block of samples, and
    /// the bundle of all of these.
    pub(super) fn model(self, runner: &mut Runner, model: &ModelSettings) -> anyhow::Result<()> {
        let made_from = made::model(self.plan, self.data, model);
        self.train_member_jobs(runner, model)?;
        let predictions = self.predicted_blocks(runner, &made_from, model)?;
        let stage = model.stage();
        let members_folder = runner.shard_folder(&stage);
        let is_bundle_job = runner.is_job(&stage);
        runner.stage(&stage, &made_from, |folder| {
            if is_bundle_job {
                copy_members(&members_folder, folder, model.schedule.n_members())?;
            }
            let options = self.training_options(model, folder);
            let summary = if predictions.is_empty() {
                training::run(&options, &mut progress(true))?
            } else {
                training::run_bundle(&options, &predictions)?
            };
            gf_files::message_text!("{summary}");
            Ok(summary)
        })?;
        Ok(())
    }

    /// Trains the deep terms or the member that this job is, if it is one.
    ///
    /// These jobs have no record of their own: their files in the folder of the model's shards are
    /// checked by the job that reads them.
    fn train_member_jobs(self, runner: &Runner, model: &ModelSettings) -> anyhow::Result<()> {
        let stage = model.stage();
        let options = self.training_options(model, &runner.shard_folder(&stage));
        for number in 1..=model.schedule.n_members() {
            for Block { job, range: loci } in self.division.term_blocks(model, number) {
                if runner.is_job(&job) {
                    gf_files::message!("{job}:");
                    let names = training::run_terms(&options, number, &loci, &mut progress(true))?;
                    gf_files::message!("{job}: trained the deep terms of {}", names.join(", "));
                }
            }
            if runner.is_job(&member_job(&stage, number)) {
                gf_files::message!("{}:", member_job(&stage, number));
                let summary = training::run_member(&options, number, &mut progress(true))?;
                gf_files::message!("{}: {summary}", model.name());
            }
        }
        Ok(())
    }

    /// The predictions of the blocks of samples that this job makes or needs.
    fn predicted_blocks(
        self,
        runner: &mut Runner,
        made_from: &MadeFrom,
        model: &ModelSettings,
    ) -> anyhow::Result<Vec<Prediction>> {
        let stage = model.stage();
        let options = self.training_options(model, &runner.shard_folder(&stage));
        let mut predictions = Vec::new();
        for Block { job, range } in self.division.prediction_blocks(&stage) {
            let n_rows = runner.shard(&job, &made_from.shard(&json!(range)), |folder| {
                let rows = training::run_predict(&options, range)?;
                output::write(&folder.join(layout::PREDICTIONS), |out| {
                    write_predictions(out, &rows)
                })?;
                Ok(rows.len())
            })?;
            // A table without rows cannot be read.
            if n_rows.is_some_and(|n_rows| n_rows > 0) {
                let path = runner.shard_folder(&job).join(layout::PREDICTIONS);
                predictions.extend(read_predictions(&path)?);
            }
        }
        Ok(predictions)
    }

    fn training_options(self, model: &ModelSettings, folder: &Path) -> training::Options {
        let tokens_folder = self.out.join(layout::TOKENS_FOLDER);
        self.data.training_options(model, &tokens_folder, folder)
    }
}

/// Copies the members that jobs have trained into the folder of the bundle.
fn copy_members(members: &Path, folder: &Path, n_members: usize) -> anyhow::Result<()> {
    for number in 1..=n_members {
        let from = members.join(layout::trained_member(number));
        let to = folder.join(layout::trained_member(number));
        fs::copy(&from, to)
            .with_context(|| format!("{}: train member {number} first", from.display()))?;
    }
    Ok(())
}
