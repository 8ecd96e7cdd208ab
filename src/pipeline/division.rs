//! Division of a run into jobs: blocks of samples and loci, and the jobs over them.
//!
//! Input -> output: numbers of samples and loci -> [`JobDraft`]s, each after the jobs that it
//! needs.
//!
//! ```text
//! 0-cohort -> 1-sequences/people-1-loci-1 .. -> 1-sequences/loci-1 .. -> 1-sequences
//!          |                                         |-> 2-tokens/fit ->|
//!          |                                         |-> 2-tokens/loci-1 .. -> 2-tokens
//!          |  2-tokens -> 3-models/NAME/member-1/loci-1 .. -> 3-models/NAME/member-1 ..
//!          |           -> 3-models/NAME/people-1 .. -> 3-models/NAME -> 5-report
//!          -> 4-baselines ---------------------------------------------^
//! ```
//! The sequences of a block of loci are merged over samples, and its tokens are made without the
//! sequences of the other loci. Only the tokenizer (`2-tokens/fit`, where one is to be learnt) sees
//! all loci, one block after the other. Nothing is divided where there is only one block. Each
//! member of a model (a fold and a seed) is a job, even where there is one: an interrupted job
//! resumes from the checkpoint of its member.

use std::ops::Range;

use anyhow::bail;
use serde::Serialize;

use super::{
    estimate::Sizes,
    plan::{Plan, Source},
    rule::Rule,
};
use crate::{
    layout,
    training::{AdditiveKind, ModelSettings},
};

/// Largest blocks of samples and loci that one job works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Blocks {
    /// Samples in a block.
    pub people: usize,
    /// Loci in a block.
    pub loci: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            people: 100_000,
            loci: 5,
        }
    }
}

/// Samples and loci in blocks of about equal size.
///
/// The ranges are 0-based, half-open row numbers of the cohort table and of the BED file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    samples: Vec<Range<usize>>,
    loci: Vec<Range<usize>>,
}

/// A job on one block of samples at one block of loci.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceBlock {
    pub job: String,
    pub samples: Range<usize>,
    pub loci: Range<usize>,
}

/// A job on one block of samples or of loci.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub job: String,
    pub range: Range<usize>,
}

impl Division {
    /// Divides the cohort and the loci of a pipeline file. Both are read for it.
    ///
    /// # Errors
    /// A file that cannot be read, or empty blocks.
    pub fn from_plan(plan: &Plan, blocks: Blocks) -> anyhow::Result<Self> {
        Self::new(&Sizes::from_plan(plan)?, blocks)
    }

    /// Divides samples and loci.
    ///
    /// # Errors
    /// Empty blocks.
    pub fn new(sizes: &Sizes, blocks: Blocks) -> anyhow::Result<Self> {
        if blocks.people == 0 || blocks.loci == 0 {
            bail!(
                "a block needs at least one sample and one locus; set --block-people and \
                 --block-loci to 1 or more"
            );
        }
        Ok(Self {
            samples: equal_blocks(sizes.n_samples, blocks.people),
            loci: blocks_within_contigs(&sizes.contigs, blocks.loci),
        })
    }

    /// Jobs that make the sequences of one block. The jobs of the same loci are next to each other.
    ///
    /// There are none where a single block would contain everything.
    pub fn sequence_blocks(&self) -> Vec<SequenceBlock> {
        if self.samples.len() * self.loci.len() <= 1 {
            return Vec::new();
        }
        let mut blocks = Vec::new();
        for (loci, loci_number) in self.loci.iter().zip(1_usize..) {
            for (samples, number) in self.samples.iter().zip(1_usize..) {
                blocks.push(SequenceBlock {
                    job: format!(
                        "{}/people-{number}-loci-{loci_number}",
                        layout::SEQUENCES_FOLDER
                    ),
                    samples: samples.clone(),
                    loci: loci.clone(),
                });
            }
        }
        blocks
    }

    /// Jobs that merge the sequences of a block of loci over the blocks of samples.
    pub fn merged_sequence_blocks(&self) -> Vec<Block> {
        if self.samples.len() <= 1 {
            return Vec::new();
        }
        self.loci_blocks(layout::SEQUENCES_FOLDER)
    }

    /// Jobs that make the tokens of a block of loci.
    pub fn token_blocks(&self) -> Vec<Block> {
        self.loci_blocks(layout::TOKENS_FOLDER)
    }

    fn loci_blocks(&self, stage: &str) -> Vec<Block> {
        if self.loci.len() <= 1 {
            return Vec::new();
        }
        numbered_blocks(&self.loci, &format!("{stage}/loci"))
    }

    /// Jobs that train the deep terms of a block of loci for a member (1-based) of a model.
    pub fn term_blocks(&self, model: &ModelSettings, member: usize) -> Vec<Block> {
        if model.additive == AdditiveKind::None || !model.deep_terms.has_single_loci() {
            return Vec::new();
        }
        self.loci_blocks(&member_job(&model.stage(), member))
    }

    /// Jobs that predict a block of samples by the model of a stage.
    pub fn prediction_blocks(&self, stage: &str) -> Vec<Block> {
        if self.samples.len() <= 1 {
            return Vec::new();
        }
        numbered_blocks(&self.samples, &format!("{stage}/people"))
    }

    /// Stages and shards that must be finished before a job, by name.
    ///
    /// # Errors
    /// There is no such job.
    pub fn needs(&self, plan: &Plan, name: &str) -> anyhow::Result<Vec<String>> {
        let mut drafts = self.drafts(plan);
        let Some(index) = drafts.iter().position(|draft| draft.name == name) else {
            let names: Vec<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
            bail!(
                "there is no job `{name}` with these blocks; choose one of {}",
                names.join(", ")
            );
        };
        // Members write no record of their own: the job that reads their files checks them.
        Ok(drafts
            .swap_remove(index)
            .needs
            .into_iter()
            .filter(|need| split_member(need).is_none())
            .collect())
    }

    /// Lists every job after the jobs that it needs.
    pub fn drafts(&self, plan: &Plan) -> Vec<JobDraft> {
        let mut drafts = JobDrafts {
            listed: Vec::new(),
            all_samples: union(&self.samples),
            all_loci: vec![union(&self.loci)],
        };
        let cohort = if matches!(plan.source, Source::Simulate(_)) {
            vec![drafts.add_whole(Rule::Simulate, layout::COHORT_FOLDER, Vec::new())]
        } else {
            Vec::new()
        };
        let SequenceJobs { all, shards } = self.add_sequences(&mut drafts, &cohort);
        let tokens = self.add_tokens(&mut drafts, plan, &all, shards);
        let mut needed_by_report = [cohort.clone(), vec![all, tokens.clone()]].concat();
        for model in 0..plan.models.len() {
            needed_by_report.push(self.add_model(&mut drafts, plan, model, &tokens));
        }
        needed_by_report.push(drafts.add_whole(Rule::Prs, layout::BASELINES_FOLDER, cohort));
        drafts.add_whole(Rule::Evaluate, layout::REPORT_FOLDER, needed_by_report);
        drafts.listed
    }

    fn add_sequences(&self, drafts: &mut JobDrafts, cohort: &[String]) -> SequenceJobs {
        let mut shards = Vec::new();
        for SequenceBlock { job, samples, loci } in self.sequence_blocks() {
            shards.push(drafts.add(Rule::Sequences, job, cohort.to_vec(), &samples, &[loci]));
        }
        let merged_blocks = self.merged_sequence_blocks();
        if !merged_blocks.is_empty() {
            let shards_by_loci = shards.chunks(self.samples.len());
            shards = shards_by_loci
                .zip(merged_blocks)
                .map(|(shards, Block { job, range })| {
                    drafts.add_for_all_samples(Rule::Merge, job, shards.to_vec(), &[range])
                })
                .collect();
        }
        let all = if shards.is_empty() {
            drafts.add_whole(Rule::Sequences, layout::SEQUENCES_FOLDER, cohort.to_vec())
        } else {
            let name = layout::SEQUENCES_FOLDER.to_owned();
            drafts.add_for_all_samples(Rule::Merge, name, shards.clone(), &self.loci)
        };
        SequenceJobs { all, shards }
    }

    /// Adds the jobs of the tokens and returns the name of the last one.
    fn add_tokens(
        &self,
        drafts: &mut JobDrafts,
        plan: &Plan,
        sequences: &str,
        shards: Vec<String>,
    ) -> String {
        let name = layout::TOKENS_FOLDER;
        let blocks = self.token_blocks();
        if blocks.is_empty() {
            return drafts.add_whole(Rule::Tokenize, name, vec![sequences.to_owned()]);
        }
        let mut fit = Vec::new();
        if plan.tokens.learns_tokenizer() {
            let needs = shards.clone();
            fit.push(drafts.add_for_all_samples(Rule::Fit, fit_job(), needs, &self.loci));
        }
        let mut token_jobs = Vec::new();
        for (Block { job, range }, sequences) in blocks.into_iter().zip(shards) {
            let needs = [&fit[..], &[sequences]].concat();
            token_jobs.push(drafts.add_for_all_samples(Rule::Tokenize, job, needs, &[range]));
        }
        drafts.add_for_all_samples(Rule::MergeTokens, name.into(), token_jobs, &self.loci)
    }

    /// Adds the jobs of a model, by its index in the pipeline file, and returns the name of the
    /// job that writes its bundle.
    fn add_model(&self, drafts: &mut JobDrafts, plan: &Plan, index: usize, tokens: &str) -> String {
        let model = &plan.models[index];
        let stage = model.stage();
        let tokens = vec![tokens.to_owned()];
        let mut needs = tokens.clone();
        for member in 1..=model.schedule.n_members() {
            let mut needed_by_member = tokens.clone();
            for Block { job, range } in self.term_blocks(model, member) {
                let rule = Rule::Terms(index);
                needed_by_member.push(drafts.add_for_all_samples(
                    rule,
                    job,
                    tokens.clone(),
                    &[range],
                ));
            }
            let name = member_job(&stage, member);
            needs.push(drafts.add_whole(Rule::Train(index), &name, needed_by_member));
        }
        let mut predictions = Vec::new();
        let all_loci = drafts.all_loci.clone();
        for Block { job, range } in self.prediction_blocks(&stage) {
            let rule = Rule::Predict(index);
            predictions.push(drafts.add(rule, job, needs.clone(), &range, &all_loci));
        }
        // The bundle job predicts the samples that no other job predicts.
        let still_to_predict = if predictions.is_empty() {
            drafts.all_samples.clone()
        } else {
            0..0
        };
        needs.extend(predictions);
        let rule = Rule::Bundle(index);
        drafts.add(rule, stage, needs, &still_to_predict, &all_loci)
    }
}

/// Names of the jobs that make sequences.
struct SequenceJobs {
    /// The job that makes or merges all sequences.
    all: String,
    /// One job for each block of loci; empty where nothing is divided.
    shards: Vec<String>,
}

/// A list of jobs that grows.
struct JobDrafts {
    listed: Vec<JobDraft>,
    all_samples: Range<usize>,
    /// All loci as one block.
    all_loci: Vec<Range<usize>>,
}

impl JobDrafts {
    /// Adds a job and returns its name.
    fn add(
        &mut self,
        rule: Rule,
        name: String,
        needs: Vec<String>,
        samples: &Range<usize>,
        loci: &[Range<usize>],
    ) -> String {
        self.listed.push(JobDraft {
            rule,
            name: name.clone(),
            needs,
            samples: samples.clone(),
            loci: loci.to_vec(),
        });
        name
    }

    /// Adds a job on all samples at some loci and returns its name.
    fn add_for_all_samples(
        &mut self,
        rule: Rule,
        name: String,
        needs: Vec<String>,
        loci: &[Range<usize>],
    ) -> String {
        let all_samples = self.all_samples.clone();
        self.add(rule, name, needs, &all_samples, loci)
    }

    /// Adds a job on all samples at all loci and returns its name.
    fn add_whole(&mut self, rule: Rule, name: &str, needs: Vec<String>) -> String {
        let all_loci = self.all_loci.clone();
        self.add_for_all_samples(rule, name.to_owned(), needs, &all_loci)
    }
}

/// The range from 0 to the end of the last block.
fn union(blocks: &[Range<usize>]) -> Range<usize> {
    0..blocks.last().map_or(0, |last| last.end)
}

/// Jobs on blocks, named `PREFIX-1`, `PREFIX-2` and so on.
fn numbered_blocks(blocks: &[Range<usize>], prefix: &str) -> Vec<Block> {
    blocks
        .iter()
        .zip(1_usize..)
        .map(|(range, number)| Block {
            job: format!("{prefix}-{number}"),
            range: range.clone(),
        })
        .collect()
}

/// Loci in blocks of at most `max_len`, each on one contig.
///
/// Where each genotype file is of one contig, a job then reads the records of one file.
fn blocks_within_contigs(contigs: &[String], max_len: usize) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut start = 0;
    for loci in contigs.chunk_by(|contig, next| contig == next) {
        for block in equal_blocks(loci.len(), max_len) {
            blocks.push(start + block.start..start + block.end);
        }
        start += loci.len();
    }
    blocks
}

/// `0..n` in as few blocks of at most `max_len` as possible, all of about equal size.
fn equal_blocks(n: usize, max_len: usize) -> Vec<Range<usize>> {
    let n_blocks = n.div_ceil(max_len);
    (0..n_blocks)
        .map(|block| block * n / n_blocks..(block + 1) * n / n_blocks)
        .collect()
}

/// Name of the job that fits the tokenizer where tokens are made by blocks of loci.
pub fn fit_job() -> String {
    format!("{}/{}", layout::TOKENS_FOLDER, layout::FIT_FOLDER)
}

/// Name of the job that trains a member (1-based) of the model of a stage.
pub fn member_job(stage: &str, number: usize) -> String {
    format!("{stage}/{}", layout::member_folder(number))
}

/// The stage of a job of a member, and the rest of the job's name from the number of the member.
pub fn split_member(job: &str) -> Option<(&str, &str)> {
    job.split_once(&format!("/{}", layout::MEMBER))
}

/// A job without its estimated resources.
pub struct JobDraft {
    pub name: String,
    pub rule: Rule,
    pub needs: Vec<String>,
    pub samples: Range<usize>,
    /// Blocks of loci. The haplotypes of only one block are in memory at a time.
    pub loci: Vec<Range<usize>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_contain_everything_once_and_are_of_about_one_size() {
        for (n, max_len) in [
            (1, 1),
            (10, 3),
            (10, 10),
            (10, 99),
            (100_001, 100_000),
            (75, 5),
            (7, 1),
        ] {
            let blocks = equal_blocks(n, max_len);
            assert_eq!(
                blocks.iter().cloned().flatten().collect::<Vec<_>>(),
                (0..n).collect::<Vec<_>>()
            );
            let largest = blocks.iter().map(ExactSizeIterator::len).max();
            let smallest = blocks.iter().map(ExactSizeIterator::len).min();
            assert!(
                largest <= Some(max_len) && largest <= smallest.map(|len| len + 1),
                "{blocks:?}"
            );
        }
    }

    #[test]
    fn a_block_of_loci_is_on_one_contig() {
        let contigs = ["1", "1", "1", "2", "3", "3", "1"].map(String::from);
        assert_eq!(
            blocks_within_contigs(&contigs, 2),
            [0..1, 1..3, 3..4, 4..6, 6..7]
        );
        assert_eq!(blocks_within_contigs(&contigs[..3], 5), vec![0..3]);
    }

    #[test]
    fn a_division_into_one_block_is_none() {
        let undivided = Division {
            samples: equal_blocks(10, 10),
            loci: equal_blocks(2, 5),
        };
        assert!(
            undivided.sequence_blocks().is_empty()
                && undivided.token_blocks().is_empty()
                && undivided.prediction_blocks("3-models/x").is_empty()
        );
        let two_of_samples = Division {
            samples: vec![0..5, 5..10],
            ..undivided.clone()
        };
        assert_eq!(two_of_samples.merged_sequence_blocks(), []);
        assert_eq!(two_of_samples.token_blocks(), []);
        let two_of_loci = Division {
            loci: vec![0..1, 1..2],
            ..undivided
        };
        assert_eq!(two_of_loci.merged_sequence_blocks(), []);
        assert_eq!(two_of_loci.token_blocks().len(), 2);
        let two_of_both = Division {
            samples: vec![0..5, 5..10],
            loci: vec![0..1, 1..2],
        };
        let names: Vec<String> = two_of_both
            .sequence_blocks()
            .into_iter()
            .map(|block| block.job)
            .collect();
        let expected = [
            "people-1-loci-1",
            "people-2-loci-1",
            "people-1-loci-2",
            "people-2-loci-2",
        ];
        assert_eq!(names, expected.map(|name| format!("1-sequences/{name}")));
        assert_eq!(
            two_of_both.prediction_blocks("3-models/x")[1],
            Block {
                job: "3-models/x/people-2".into(),
                range: 5..10
            }
        );
    }
}
