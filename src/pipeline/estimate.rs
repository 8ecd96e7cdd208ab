//! Time, memory and disk of a job, estimated from the sizes of its inputs.
//!
//! Input -> output: a pipeline file and the sizes of the files that it names -> time, memory and
//! disk of each job. An estimate is good to a factor of about two, so workflows request more.
//!
//! The constants in [`measured`] come from `benches/scaling.py`, and their figures are in
//! `pipelines/cluster/SCALING.md`. Every estimate is a sum of counts (genotypes, distinct
//! haplotypes, tokens, operations) times such a constant. Times are seconds of one core.

mod measured;
mod model;

use std::{ops::Range, path::Path};

use gf_genotypes::{Locus, VariantFile, contig_key, read_loci};
use gf_tokenizer::VocabSize;

use self::{measured as m, model::ModelWorkload};
use super::{
    plan::{Data, Plan, Source},
    rule::Rule,
};
use crate::{simulate, tokens::TokenizerKind};

/// Nucleotides per token where the vocabulary size is given: it has a few thousand entries.
const NT_PER_TOKEN: usize = 6;

/// Covariates of a simulated cohort.
const SIMULATED_COVARIATES: usize = 3;

/// Sizes of the inputs of a pipeline.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Samples in the cohort.
    pub n_samples: usize,
    /// Samples in the genotype files. Those that are not in the cohort are parsed and skipped.
    n_samples_in_files: usize,
    /// Length of each locus.
    pub loci_nt: Vec<usize>,
    /// Contig of each locus, by one of its names.
    pub contigs: Vec<String>,
    /// Variants in 1,000 nt.
    variants_per_kb: f64,
    /// Total size in MB of the files without an index. Every job reads these from end to end.
    unindexed_mb: f64,
    n_covariates: usize,
    /// Remarks for the user: why estimates are less certain, or jobs slower than necessary.
    pub notes: Vec<String>,
}

/// Resources of a job.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub threads: usize,
    pub memory_mb: u64,
    pub core_minutes: f64,
    pub disk_mb: u64,
}

/// Resources of a job, without those of the program itself and not rounded.
#[derive(Clone, Copy, Debug)]
struct Cost {
    threads: usize,
    /// Seconds of one core.
    seconds: f64,
    memory_bytes: f64,
    disk_bytes: f64,
}

impl Cost {
    /// Adds the costs of the program itself and rounds up.
    fn into_estimate(self) -> Estimate {
        Estimate {
            threads: self.threads,
            memory_mb: (m::MEMORY_MB + self.memory_bytes / 1e6).ceil() as u64,
            core_minutes: (m::SECONDS + self.seconds) / 60.0,
            disk_mb: (self.disk_bytes / 1e6).ceil() as u64,
        }
    }
}

impl Sizes {
    /// Reads the cohort, the loci and the headers of the files, or the options of the simulation.
    ///
    /// # Errors
    /// A cohort, loci or genotype file that cannot be read.
    pub fn from_plan(plan: &Plan) -> anyhow::Result<Self> {
        match &plan.source {
            Source::Simulate(options) => Self::from_simulation(options),
            Source::Data(data) => Self::from_data(data),
        }
    }

    fn from_simulation(options: &simulate::Options) -> anyhow::Result<Self> {
        let loci = options.planned_loci()?;
        let loci_nt: Vec<usize> = loci.iter().map(Locus::len_nt).collect();
        let nt = loci_nt.first().copied().unwrap_or(options.len_nt);
        let variants_per_kb = options.variants.map_or(m::SIMULATED_VARIANTS, |variants| {
            1_000.0 * variants as f64 / nt as f64
        });
        Ok(Self {
            n_samples: options.people,
            n_samples_in_files: options.people,
            loci_nt,
            contigs: contigs(&loci),
            variants_per_kb,
            unindexed_mb: 0.0,
            n_covariates: SIMULATED_COVARIATES,
            notes: vec!["sizes are those of the simulation options".to_owned()],
        })
    }

    fn from_data(data: &Data) -> anyhow::Result<Self> {
        let n_covariates = data.people()?.covariate_names.len();
        let n_samples = data.samples()?.people.len();
        let loci = read_loci(&data.regions_file)?;
        let mut n_samples_in_files = n_samples;
        let mut unindexed_mb = 0.0;
        let mut notes = Vec::new();
        for path in &data.genotypes {
            let file = VariantFile::open_with(path, &data.format)?;
            n_samples_in_files = n_samples_in_files.max(file.samples().len());
            if !file.is_indexed() {
                unindexed_mb += size_mb(path);
                notes.push(format!(
                    "{}: there is no index next to it, so every job reads all of it; make one with \
                     `bcftools index`",
                    path.display()
                ));
            }
        }
        Ok(Self {
            n_samples,
            n_samples_in_files,
            loci_nt: loci.iter().map(Locus::len_nt).collect(),
            contigs: contigs(&loci),
            variants_per_kb: m::VARIANTS * (n_samples_in_files as f64).powf(m::VARIANTS_EXPONENT),
            unindexed_mb,
            n_covariates,
            notes,
        })
    }

    /// Estimates the job that does `rule` on these samples and these blocks of loci.
    ///
    /// # Errors
    /// An architecture whose cost cannot be counted.
    pub fn estimate(
        &self,
        plan: &Plan,
        rule: Rule,
        samples: &Range<usize>,
        loci: &[Range<usize>],
    ) -> anyhow::Result<Estimate> {
        let workload = Workload::new(self, plan, samples.len() as f64, loci);
        let cost = match rule {
            Rule::Simulate => workload.simulate(),
            Rule::Sequences => workload.sequences(),
            Rule::Merge => workload.merge_sequences(),
            Rule::Fit => workload.fit_tokenizer(),
            Rule::Tokenize => workload.tokenize(),
            Rule::MergeTokens => workload.merge_tokens(),
            Rule::Terms(model) => {
                let member = workload.model(model)?.train();
                return Ok(self.share_of_terms(member.into_estimate(), loci));
            }
            Rule::Train(model) => workload.model(model)?.train(),
            Rule::Predict(model) => workload.model(model)?.predict(),
            Rule::Bundle(model) => workload.model(model)?.bundle(),
            Rule::Prs => workload.baselines(),
            Rule::Evaluate => workload.report(),
        };
        Ok(cost.into_estimate())
    }

    /// The part of a member's training that the deep terms of some loci take.
    fn share_of_terms(&self, member: Estimate, loci: &[Range<usize>]) -> Estimate {
        let n_loci: usize = loci.iter().map(ExactSizeIterator::len).sum();
        let share = n_loci as f64 / self.loci_nt.len().max(1) as f64;
        Estimate {
            core_minutes: member.core_minutes * share,
            ..member
        }
    }

    /// Lengths of all loci of some blocks.
    fn lens_nt(&self, blocks: &[Range<usize>]) -> Vec<usize> {
        blocks
            .iter()
            .flat_map(|block| self.loci_nt[block.clone()].to_vec())
            .collect()
    }

    /// Lengths of the loci of the block with the most nucleotides.
    fn largest_block(&self, blocks: &[Range<usize>]) -> &[usize] {
        blocks
            .iter()
            .map(|block| &self.loci_nt[block.clone()])
            .max_by_key(|lens_nt| lens_nt.iter().sum::<usize>())
            .unwrap_or_default()
    }

    /// The vocabulary that is learnt from the training samples at all loci.
    fn vocabulary(&self, plan: &Plan) -> Vocabulary {
        let segment_length = plan.tokens.segment_length.max(1) as f64;
        let n_reference = self.nt() / segment_length;
        let n_alternative =
            n_reference * m::KNOWN_SEGMENTS_PER_VARIANT * self.variants_per_kb * segment_length
                / 1_000.0;
        let n_saturated =
            self.nt() * m::TOKENS_PER_NT + n_alternative * m::TOKENS_PER_KNOWN_SEGMENT;
        let learnt_tokens = if plan.tokens.tokenizer == Some(TokenizerKind::Bpe) {
            n_saturated
        } else {
            0.0
        };
        let used_tokens = match plan.tokens.vocab_size {
            Some(VocabSize::AtMost(size)) => learnt_tokens.min(size as f64),
            _ => learnt_tokens,
        };
        Vocabulary {
            known_segments: n_reference + n_alternative,
            learnt_tokens,
            used_tokens,
        }
    }

    /// Slot versions that an additive term may have weights for, over all loci.
    fn n_candidates(&self) -> f64 {
        m::CANDIDATES_PER_VARIANT * self.variants_per_kb * self.nt() / 1_000.0
    }

    /// Length of all loci.
    fn nt(&self) -> f64 {
        self.loci_nt.iter().sum::<usize>() as f64
    }
}

fn contigs(loci: &[Locus]) -> Vec<String> {
    loci.iter()
        .map(|locus| contig_key(&locus.contig).to_owned())
        .collect()
}

/// Size of a file in MB; 0 where it is unknown.
fn size_mb(path: &Path) -> f64 {
    std::fs::metadata(path).map_or(0.0, |metadata| metadata.len() as f64 / 1e6)
}

/// The quantities that the costs of one job depend on.
struct Workload<'a> {
    sizes: &'a Sizes,
    plan: &'a Plan,
    n_samples: f64,
    n_blocks: usize,
    /// Haplotypes of all blocks of loci.
    all: HaplotypeCounts,
    /// Haplotypes of the largest block: only one block is in memory at a time.
    in_memory: HaplotypeCounts,
    n_variants: f64,
    /// Genotypes in the files, over all samples.
    n_genotypes: f64,
    vocabulary: Vocabulary,
}

impl<'a> Workload<'a> {
    fn new(sizes: &'a Sizes, plan: &'a Plan, n_samples: f64, loci: &[Range<usize>]) -> Self {
        let all = HaplotypeCounts::estimate(&sizes.lens_nt(loci), n_samples, plan);
        let n_variants = sizes.variants_per_kb * all.nt / 1_000.0;
        Self {
            sizes,
            plan,
            n_samples,
            n_blocks: loci.len(),
            in_memory: HaplotypeCounts::estimate(sizes.largest_block(loci), n_samples, plan),
            all,
            n_variants,
            n_genotypes: n_variants * sizes.n_samples_in_files as f64,
            vocabulary: sizes.vocabulary(plan),
        }
    }

    fn simulate(&self) -> Cost {
        Cost {
            threads: 1,
            seconds: self.n_genotypes * m::SECONDS_PER_SIMULATED_GENOTYPE,
            memory_bytes: self.n_genotypes * 2.0,
            disk_bytes: self.n_genotypes / 5.0,
        }
    }

    fn sequences(&self) -> Cost {
        // A genotype is about four bytes of text, and a packed file is about a twentieth of its
        // text.
        let n_passed_over = self.sizes.unindexed_mb * 1e6 * 20.0 / 4.0;
        let reading = self.n_genotypes.max(n_passed_over) * m::SECONDS_PER_GENOTYPE;
        Cost {
            threads: 2,
            seconds: reading + self.numbering_seconds(),
            memory_bytes: 2.0 * self.in_memory.dictionary_bytes(),
            disk_bytes: self.all.dictionary_bytes(),
        }
    }

    /// The merge reads, numbers and writes every haplotype.
    fn merge_sequences(&self) -> Cost {
        Cost {
            threads: 1,
            seconds: 3.0 * self.numbering_seconds(),
            memory_bytes: 3.0 * self.in_memory.dictionary_bytes(),
            disk_bytes: self.all.dictionary_bytes(),
        }
    }

    fn fit_tokenizer(&self) -> Cost {
        let learnt_tokens = self.vocabulary.learnt_tokens;
        Cost {
            threads: 2,
            seconds: self.all.total_nt * m::SECONDS_PER_TOKENIZED_NT
                + 2.0 * self.numbering_seconds()
                + learnt_tokens * m::SECONDS_PER_LEARNT_TOKEN,
            memory_bytes: 2.0 * self.in_memory.dictionary_bytes()
                + learnt_tokens * m::BYTES_PER_LEARNT_TOKEN,
            disk_bytes: self.vocabulary.file_bytes(),
        }
    }

    fn tokenize(&self) -> Cost {
        // A job on some of the loci reads the tokenizer that another job has fitted.
        let learnt_tokens = if self.all.nt < self.sizes.nt() {
            0.0
        } else {
            self.vocabulary.learnt_tokens
        };
        let used_tokens = self.vocabulary.used_tokens;
        let encoding_seconds = self.all.total_nt * m::SECONDS_PER_TOKENIZED_NT
            + self.all.n_distinct * m::SECONDS_PER_HAPLOTYPE;
        let tokenizer_bytes =
            (used_tokens * m::BYTES_PER_TOKEN).max(learnt_tokens * m::BYTES_PER_LEARNT_TOKEN);
        Cost {
            threads: 4,
            seconds: encoding_seconds
                + used_tokens * m::SECONDS_PER_TOKEN
                + learnt_tokens * m::SECONDS_PER_LEARNT_TOKEN,
            memory_bytes: 2.0 * self.in_memory.dictionary_bytes()
                + 2.0 * self.in_memory.token_bytes()
                + tokenizer_bytes,
            disk_bytes: self.all.token_bytes() + self.vocabulary.file_bytes(),
        }
    }

    fn merge_tokens(&self) -> Cost {
        let used_tokens = self.vocabulary.used_tokens;
        let grid_bytes = self.vocabulary.known_segments
            * (m::BYTES_PER_KNOWN_SEGMENT + self.plan.tokens.segment_length as f64);
        // Two tokenizers are in memory: that of the first block and that of the current one.
        let tokenizer_bytes = 2.0 * used_tokens * m::BYTES_PER_TOKEN;
        Cost {
            threads: 1,
            seconds: 3.0 * self.all.token_bytes() * m::SECONDS_PER_BYTE
                + self.n_blocks as f64 * used_tokens * m::SECONDS_PER_TOKEN,
            memory_bytes: 2.0 * self.in_memory.token_bytes() + 2.0 * grid_bytes + tokenizer_bytes,
            disk_bytes: self.all.token_bytes() + grid_bytes + self.vocabulary.file_bytes(),
        }
    }

    /// The workload of the jobs of a model, by its index in the pipeline file.
    fn model(&self, index: usize) -> anyhow::Result<ModelWorkload<'a>> {
        ModelWorkload::new(
            self.sizes,
            self.plan,
            &self.plan.models[index],
            self.n_samples,
            self.all.n_distinct,
        )
    }

    fn baselines(&self) -> Cost {
        let n_dosages = self.n_variants * self.n_samples;
        Cost {
            threads: 4,
            seconds: self.n_genotypes * m::SECONDS_PER_GENOTYPE + n_dosages * m::SECONDS_PER_DOSAGE,
            memory_bytes: n_dosages * m::BYTES_PER_DOSAGE,
            disk_bytes: self.n_samples * 500.0,
        }
    }

    fn report(&self) -> Cost {
        // About four baselines are in the report next to the models.
        let n_predictions = self.n_samples * (self.plan.models.len() + 4) as f64;
        Cost {
            threads: 2,
            seconds: n_predictions * m::SECONDS_PER_PREDICTION,
            memory_bytes: n_predictions * m::BYTES_PER_PREDICTION,
            disk_bytes: 30e6,
        }
    }

    /// Seconds for numbering, writing or reading all haplotypes once.
    fn numbering_seconds(&self) -> f64 {
        self.all.n_distinct * m::SECONDS_PER_HAPLOTYPE + self.all.n_pairs * m::SECONDS_PER_PAIR
    }
}

/// Estimated numbers of distinct haplotypes, summed over some loci.
struct HaplotypeCounts {
    /// Length of the loci.
    nt: f64,
    n_distinct: f64,
    /// Length of all distinct haplotypes.
    total_nt: f64,
    /// Slots of all distinct haplotypes.
    n_slots: f64,
    /// Samples times loci.
    n_pairs: f64,
}

impl HaplotypeCounts {
    fn estimate(loci_nt: &[usize], n_samples: f64, plan: &Plan) -> Self {
        Self {
            nt: loci_nt.iter().sum::<usize>() as f64,
            n_distinct: loci_nt.iter().map(|nt| n_distinct(*nt, n_samples)).sum(),
            total_nt: loci_nt
                .iter()
                .map(|nt| n_distinct(*nt, n_samples) * *nt as f64)
                .sum(),
            n_slots: loci_nt
                .iter()
                .map(|nt| n_distinct(*nt, n_samples) * n_slots(plan, *nt) as f64)
                .sum(),
            n_pairs: n_samples * loci_nt.len() as f64,
        }
    }

    fn dictionary_bytes(&self) -> f64 {
        self.n_distinct * m::BYTES_PER_HAPLOTYPE + self.n_pairs * m::BYTES_PER_PAIR
    }

    /// Bytes of the tokens (32 bits each), and of the two haplotype numbers of each pair.
    fn token_bytes(&self) -> f64 {
        4.0 * self.n_slots + 8.0 * self.n_pairs
    }
}

/// Distinct haplotypes of a locus of `nt` nucleotides. A sample has at most two.
fn n_distinct(nt: usize, n_samples: f64) -> f64 {
    let relative_size = n_samples * nt as f64 / m::REFERENCE_LOCUS_NT;
    (m::DISTINCT * relative_size.powf(m::DISTINCT_EXPONENT)).min(2.0 * n_samples)
}

/// Estimated size of the vocabulary that a tokenizer learns from all loci.
struct Vocabulary {
    /// Distinct segments that the tokenizer is fitted on, over all positions.
    known_segments: f64,
    /// Tokens that BPE learns from these until saturation.
    learnt_tokens: f64,
    /// Tokens that are left after the cut to `vocab_size`.
    used_tokens: f64,
}

impl Vocabulary {
    /// Bytes of `tokenizer.json`.
    fn file_bytes(&self) -> f64 {
        self.used_tokens * m::BYTES_PER_TOKEN_IN_FILE
    }
}

/// Estimated number of slots of a haplotype of a locus.
fn n_slots(plan: &Plan, nt: usize) -> usize {
    let tokens = &plan.tokens;
    let n_segments = nt.div_ceil(tokens.segment_length.max(1));
    let n_tokens = match (tokens.tokenizer, tokens.vocab_size) {
        (Some(TokenizerKind::Nucleotide), _) => nt,
        (Some(TokenizerKind::Kmer), _) if tokens.kmer_overlapping => nt,
        (Some(TokenizerKind::Kmer), _) => nt / tokens.kmer_length.unwrap_or(6).max(1),
        (_, Some(VocabSize::AtMost(_))) => nt / NT_PER_TOKEN,
        // A saturated vocabulary has a token for every segment.
        _ => n_segments,
    };
    n_tokens.max(n_segments) + 2
}
