//! What a job takes of a machine, from the sizes of its inputs.
//!
//! Input -> output: a pipeline file and the sizes of what it names -> time, memory and disk of each
//! job. The constants below are measured (`benches/scaling.py`, figures in
//! `pipelines/cluster/SCALING.md`); an estimate is good to a factor of about two, and workflows ask
//! for more.

use std::ops::Range;

use gf_tokenizer::VocabSize;

use super::{
    jobs::Rule,
    plan::{Plan, Source},
};
use crate::training::ModelSettings;
use crate::{
    models::{Config, LocusShape},
    tokens::TokenizerKind,
    training::{self, AdditiveKind},
};
use gf_genotypes::{Locus, VariantFile, contig_key, read_loci};

/// Measured on one core of a cloud machine (x86-64 with AVX-512), in a release build.
mod measured {
    /// Variants in 1,000 nt among `people`: `VARIANTS * people ^ GROWTH`; 28 in the 2,504 of the
    /// 1000 Genomes Project (2015), 208 in 150,119 genomes of UK Biobank (Halldorsson 2022),
    /// which makes the exponent 0.49; within the former it is 0.46.
    pub const VARIANTS: f64 = 0.6;
    pub const GROWTH: f64 = 0.49;
    /// In simulated cohorts, whatever the number of people.
    pub const SIMULATED_VARIANTS: f64 = 8.0;
    /// Reading a genotype of a VCF, seconds of a core.
    pub const SECONDS_A_GENOTYPE: f64 = 1e-8;
    /// Writing one, in `simulate`.
    pub const SECONDS_A_SIMULATED_GENOTYPE: f64 = 1.7e-7;
    /// Distinct haplotypes of a locus: `DISTINCT * people ^ SPREAD * (nt / 33,000) ^ SPREAD`, at
    /// most two a person: 2,893 in the 2,504 of the 1000 Genomes Project, at windows of
    /// chromosome 22.
    pub const DISTINCT: f64 = 3.2;
    pub const SPREAD: f64 = 0.87;
    /// A haplotype as a number of edits in memory and in `loci.json`.
    pub const BYTES_A_HAPLOTYPE: f64 = 600.0;
    /// Numbering, writing or reading one.
    pub const SECONDS_A_HAPLOTYPE: f64 = 2e-5;
    /// A person at a locus in memory, and a row of `pairs.csv`.
    pub const BYTES_A_PAIR: f64 = 32.0;
    pub const SECONDS_A_PAIR: f64 = 3e-7;
    /// Tokens of a nucleotide of a distinct haplotype.
    pub const SECONDS_A_TOKENIZED_NT: f64 = 1e-8;
    /// Segments that tokenizer and grid see beside that of the reference, for each variant in a
    /// segment: 0.5 in 300 people of the 1000 Genomes Project.
    pub const KNOWN_SEGMENTS_A_VARIANT: f64 = 0.5;
    /// Tokens that BPE learns until saturation, of a nucleotide of the reference and of a segment
    /// beside it.
    pub const TOKENS_A_NT: f64 = 0.16;
    pub const TOKENS_A_KNOWN_SEGMENT: f64 = 5.5;
    /// Learning one of these.
    pub const BYTES_A_LEARNT_TOKEN: f64 = 3_000.0;
    pub const SECONDS_A_LEARNT_TOKEN: f64 = 5e-5;
    /// One in a tokenizer that is read, and in `tokenizer.json`.
    pub const BYTES_A_TOKEN: f64 = 1_200.0;
    pub const SECONDS_A_TOKEN: f64 = 1e-5;
    pub const BYTES_OF_TOKEN_IN_FILE: f64 = 150.0;
    /// A known segment in a grid, beside its letters.
    pub const BYTES_A_KNOWN_SEGMENT: f64 = 32.0;
    /// Reading or writing a byte of a large file.
    pub const SECONDS_A_BYTE: f64 = 5e-9;
    /// Operations (multiplications and additions) of a model in a second, forward; training is
    /// three times forward.
    pub const OPERATIONS_A_SECOND: f64 = 5e10;
    pub const TRAINING: f64 = 3.0;
    /// Of the haplotypes of a batch those that are not in it already; in simulated cohorts about
    /// half as many.
    pub const DISTINCT_IN_A_BATCH: f64 = 0.9;
    /// Versions of slots that the additive term may have weights for, of a variant.
    pub const CANDIDATES_A_VARIANT: f64 = 0.9;
    /// A version of a training sample in the additive term's regression, which is fitted once alone
    /// and once with the deep terms.
    pub const SECONDS_A_CANDIDATE: f64 = 5e-6;
    pub const BYTES_A_CANDIDATE: f64 = 24.0;
    pub const ADDITIVE_FITS: f64 = 2.0;
    /// Networks of a deep term next to an additive term: one of all training samples, and one
    /// without each of five folds.
    pub const NETWORKS_A_TERM: f64 = 6.0;
    /// Training samples of all these networks, as a multiple of the training samples.
    pub const TRAININGS_A_TERM: f64 = 5.0;
    /// A dosage of the baselines in memory, and all that is done with it (the path of the elastic
    /// net, most of all).
    pub const BYTES_A_DOSAGE: f64 = 24.0;
    pub const SECONDS_A_DOSAGE: f64 = 2e-5;
    /// A person of a model in the report.
    pub const BYTES_A_PREDICTION: f64 = 700.0;
    pub const SECONDS_A_PREDICTION: f64 = 2e-6;
    /// Every job: the program, and its start.
    pub const MEMORY_MB: f64 = 100.0;
    pub const SECONDS: f64 = 1.0;
}
use measured as m;

/// Nucleotides of a token where nothing says how many: a vocabulary of a few thousand entries.
const NT_PER_TOKEN: usize = 6;
/// Entries of a vocabulary where nothing says how many.
const LEAST_VOCABULARY: usize = 5_000;

/// Sizes of what a pipeline reads.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// In the cohort.
    pub people: usize,
    /// In the files; of the others the genotypes are passed over.
    people_in_files: usize,
    /// Length of each locus.
    pub loci_nt: Vec<usize>,
    /// Contig of each locus, by one of its names.
    pub contigs: Vec<String>,
    /// Variants in 1,000 nt.
    variants_per_kb: f64,
    /// Size of the files in MB where they have no index and every job reads all of them.
    read_by_all_mb: f64,
    n_covariates: usize,
    /// What makes the estimates less sure, or the jobs slower than they need be.
    pub notes: Vec<String>,
}

/// What a job takes.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub threads: usize,
    pub memory_mb: u64,
    pub core_minutes: f64,
    pub disk_mb: u64,
}

impl Sizes {
    /// Reads the cohort, the loci and the headers of the files, or the numbers of the simulation.
    pub fn from_plan(plan: &Plan) -> anyhow::Result<Self> {
        match &plan.source {
            Source::Simulate(options) => {
                let loci = options.planned_loci()?;
                let loci_nt: Vec<usize> = loci.iter().map(Locus::len_nt).collect();
                let nt = loci_nt.first().copied().unwrap_or(options.len_nt);
                let variants_per_kb = options.variants.map_or(m::SIMULATED_VARIANTS, |variants| {
                    1_000.0 * variants as f64 / nt as f64
                });
                let notes = vec!["sizes are those of the simulation to be made".to_owned()];
                let contig = |locus: &Locus| contig_key(&locus.contig).to_owned();
                let contigs = loci.iter().map(contig).collect();
                let people = options.people;
                Ok(Self {
                    people,
                    people_in_files: people,
                    loci_nt,
                    contigs,
                    variants_per_kb,
                    read_by_all_mb: 0.0,
                    n_covariates: 3,
                    notes,
                })
            }
            Source::Data(data) => {
                let n_covariates = data.people()?.covariate_names.len();
                let people = data.samples()?.people.len();
                let loci = read_loci(&data.regions_file)?;
                let loci_nt = loci.iter().map(Locus::len_nt).collect();
                let contigs = loci
                    .iter()
                    .map(|locus| contig_key(&locus.contig).to_owned())
                    .collect();
                let mut people_in_files = people;
                let mut read_by_all_mb = 0.0;
                let mut notes = Vec::new();
                for path in &data.vcf {
                    let file = VariantFile::open(path)?;
                    people_in_files = people_in_files.max(file.samples().len());
                    if !file.is_indexed() {
                        read_by_all_mb +=
                            std::fs::metadata(path).map_or(0.0, |found| found.len() as f64 / 1e6);
                        notes.push(format!(
                            "{}: no index beside it, so every job reads all of it: `bcftools \
                             index` it",
                            path.display()
                        ));
                    }
                }
                let variants_per_kb = m::VARIANTS * (people_in_files as f64).powf(m::GROWTH);
                Ok(Self {
                    people,
                    people_in_files,
                    loci_nt,
                    contigs,
                    variants_per_kb,
                    read_by_all_mb,
                    n_covariates,
                    notes,
                })
            }
        }
    }

    /// Lengths of all loci of some blocks.
    fn lens_nt(&self, blocks: &[Range<usize>]) -> Vec<usize> {
        let of_block = |block: &Range<usize>| self.loci_nt[block.clone()].to_vec();
        blocks.iter().flat_map(of_block).collect()
    }

    /// Lengths of the loci of the block with the most nucleotides.
    fn largest_block(&self, blocks: &[Range<usize>]) -> &[usize] {
        let lens_nt = blocks.iter().map(|block| &self.loci_nt[block.clone()]);
        lens_nt
            .max_by_key(|lens_nt| lens_nt.iter().sum::<usize>())
            .unwrap_or_default()
    }

    /// What the terms of some loci take of all that a member takes.
    fn share_of_terms(&self, of_all: Estimate, loci: &[Range<usize>]) -> Estimate {
        let n_loci: usize = loci.iter().map(ExactSizeIterator::len).sum();
        let share = n_loci as f64 / self.loci_nt.len().max(1) as f64;
        Estimate {
            core_minutes: of_all.core_minutes * share,
            ..of_all
        }
    }

    /// What a job on these people and loci takes; of the blocks of loci one is in memory at a time.
    pub fn estimate(
        &self,
        plan: &Plan,
        rule: Rule,
        people: &Range<usize>,
        loci: &[Range<usize>],
    ) -> anyhow::Result<Estimate> {
        let n_people = people.len() as f64;
        let held = HaplotypeCounts::estimate(self.largest_block(loci), n_people, plan);
        let all = HaplotypeCounts::estimate(&self.lens_nt(loci), n_people, plan);
        let variants = self.variants_per_kb * all.nt / 1_000.0;
        let genotypes = variants * self.people_in_files as f64;
        // About as many bytes, when they are unpacked, as four a genotype; packed about a
        // twentieth.
        let passed_over = self.read_by_all_mb * 1e6 * 20.0 / 4.0;
        let numbering = all.n * m::SECONDS_A_HAPLOTYPE + all.pairs * m::SECONDS_A_PAIR;
        let vocabulary = self.vocabulary(plan);
        let (threads, seconds, bytes, disk) = match rule {
            Rule::Simulate => (
                1,
                genotypes * m::SECONDS_A_SIMULATED_GENOTYPE,
                genotypes * 2.0,
                genotypes / 5.0,
            ),
            Rule::Sequences => {
                let reading = genotypes.max(passed_over) * m::SECONDS_A_GENOTYPE;
                (
                    2,
                    reading + numbering,
                    2.0 * held.dictionary(),
                    all.dictionary(),
                )
            }
            Rule::Merge => (
                1,
                3.0 * numbering,
                3.0 * held.dictionary(),
                all.dictionary(),
            ),
            Rule::Fit => {
                let seconds = all.bases * m::SECONDS_A_TOKENIZED_NT
                    + 2.0 * numbering
                    + vocabulary.learnt * m::SECONDS_A_LEARNT_TOKEN;
                let bytes = 2.0 * held.dictionary() + vocabulary.learnt * m::BYTES_A_LEARNT_TOKEN;
                (2, seconds, bytes, vocabulary.file())
            }
            Rule::Tokenize => {
                // For some of the loci the tokenizer is there.
                let learnt = if all.nt < self.nt() {
                    0.0
                } else {
                    vocabulary.learnt
                };
                let encoding =
                    all.bases * m::SECONDS_A_TOKENIZED_NT + all.n * m::SECONDS_A_HAPLOTYPE;
                let seconds = encoding
                    + vocabulary.kept * m::SECONDS_A_TOKEN
                    + learnt * m::SECONDS_A_LEARNT_TOKEN;
                let of_tokenizer =
                    (vocabulary.kept * m::BYTES_A_TOKEN).max(learnt * m::BYTES_A_LEARNT_TOKEN);
                (
                    4,
                    seconds,
                    2.0 * held.dictionary() + 2.0 * held.tokens() + of_tokenizer,
                    all.tokens() + vocabulary.file(),
                )
            }
            Rule::MergeTokens => {
                let grids = vocabulary.known_segments
                    * (m::BYTES_A_KNOWN_SEGMENT + plan.tokens.segment_length as f64);
                let seconds = 3.0 * all.tokens() * m::SECONDS_A_BYTE
                    + loci.len() as f64 * vocabulary.kept * m::SECONDS_A_TOKEN;
                // The tokenizer of the first block and that of another one.
                let bytes =
                    2.0 * held.tokens() + 2.0 * grids + 2.0 * vocabulary.kept * m::BYTES_A_TOKEN;
                (1, seconds, bytes, all.tokens() + grids + vocabulary.file())
            }
            Rule::Terms(model) => {
                let rule = Rule::Train(model);
                let of_all = self.of_model(plan, &plan.models[model], rule, n_people, all.n)?;
                return Ok(self.share_of_terms(of_all, loci));
            }
            Rule::Train(model) | Rule::Predict(model) | Rule::Bundle(model) => {
                return self.of_model(plan, &plan.models[model], rule, n_people, all.n);
            }
            Rule::Prs => {
                let dosages = variants * n_people;
                (
                    4,
                    genotypes * m::SECONDS_A_GENOTYPE + dosages * m::SECONDS_A_DOSAGE,
                    dosages * m::BYTES_A_DOSAGE,
                    n_people * 500.0,
                )
            }
            Rule::Evaluate => {
                let predictions = n_people * (plan.models.len() + 4) as f64;
                (
                    2,
                    predictions * m::SECONDS_A_PREDICTION,
                    predictions * m::BYTES_A_PREDICTION,
                    30e6,
                )
            }
        };
        Ok(rounded(threads, seconds, bytes, disk))
    }

    /// Of the training people at all loci.
    fn vocabulary(&self, plan: &Plan) -> Vocabulary {
        let segment_length = plan.tokens.segment_length.max(1) as f64;
        let n_places = self.nt() / segment_length;
        let n_alternatives =
            n_places * m::KNOWN_SEGMENTS_A_VARIANT * self.variants_per_kb * segment_length
                / 1_000.0;
        let saturated = self.nt() * m::TOKENS_A_NT + n_alternatives * m::TOKENS_A_KNOWN_SEGMENT;
        let learnt = if plan.tokens.tokenizer == Some(TokenizerKind::Bpe) {
            saturated
        } else {
            0.0
        };
        let kept = match plan.tokens.vocab_size {
            Some(VocabSize::AtMost(size)) => learnt.min(size as f64),
            _ => learnt,
        };
        Vocabulary {
            known_segments: n_places + n_alternatives,
            learnt,
            kept,
        }
    }

    /// Versions of slots that an additive term may have weights for, at all loci.
    fn candidates(&self) -> f64 {
        m::CANDIDATES_A_VARIANT * self.variants_per_kb * self.nt() / 1_000.0
    }

    /// Length of all loci.
    fn nt(&self) -> f64 {
        self.loci_nt.iter().sum::<usize>() as f64
    }

    fn of_model(
        &self,
        plan: &Plan,
        model: &ModelSettings,
        rule: Rule,
        n_people: f64,
        haplotypes: f64,
    ) -> anyhow::Result<Estimate> {
        let shape = |(number, nt): (usize, &usize)| LocusShape {
            name: number.to_string(),
            n_slots: n_slots(plan, *nt),
        };
        let loci: Vec<LocusShape> = self.loci_nt.iter().enumerate().map(shape).collect();
        let vocab_size = LEAST_VOCABULARY.max(self.vocabulary(plan).kept as usize);
        let config = Config {
            architecture: model.architecture.clone(),
            vocab_size,
            loci,
            n_covariates: self.n_covariates,
        };
        let schedule = &model.schedule;
        let n_members = schedule.n_members() as f64;
        // Each deep term with its loci; a pure sequence model is one term.
        let terms: Vec<Config> = training::term_configs(&config, model.additive, model.deep_terms);
        let has_additive = model.additive != AdditiveKind::None;
        let (networks, trainings) = if has_additive {
            (m::NETWORKS_A_TERM, m::TRAININGS_A_TERM)
        } else {
            (1.0, 1.0)
        };
        let mut operations = 0.0;
        let mut parameters = 0.0;
        let mut batches = 0.0_f64;
        for term in &terms {
            let cost = term.cost()?;
            operations += (cost.multiplications + cost.additions) as f64;
            parameters += cost.parameters as f64;
            // One term is trained after the other.
            batches = batches.max(training::memory_of(term, schedule) as f64);
        }
        // A haplotype of every locus, through one network of each term.
        let one_pass = operations / m::OPERATIONS_A_SECOND;
        let weights = 4.0 * parameters * networks;
        // Those of everyone, whoever is predicted.
        let everyone = self.people as f64;
        let tokens = HaplotypeCounts::estimate(&self.loci_nt, everyone, plan).tokens();
        // Each distinct haplotype once.
        let predicting = haplotypes / self.loci_nt.len().max(1) as f64 * one_pass * networks;
        let (threads, seconds, bytes, disk) = match rule {
            Rule::Train(_) => {
                // Without folds the training split, about; with K, K - 2 of them.
                let learnt = n_people
                    * schedule
                        .folds
                        .map_or(0.6, |folds| 0.8 * (folds as f64 - 2.0) / folds as f64);
                let an_epoch = trainings
                    * (learnt * 2.0 * m::DISTINCT_IN_A_BATCH * one_pass * m::TRAINING
                        + 0.3 * predicting / networks);
                let candidates = if has_additive {
                    self.candidates() * learnt
                } else {
                    0.0
                };
                let seconds = schedule.epochs as f64 * an_epoch
                    + m::ADDITIVE_FITS * candidates * m::SECONDS_A_CANDIDATE;
                (
                    4,
                    seconds,
                    tokens + batches.max(candidates * m::BYTES_A_CANDIDATE),
                    4.0 * weights,
                )
            }
            Rule::Predict(_) => (
                4,
                n_members * predicting,
                tokens + batches + n_members * weights,
                n_people * 80.0,
            ),
            // Of people whom no other job predicts.
            _ => (
                2,
                n_members * predicting,
                tokens + batches + 4.0 * n_members * weights,
                n_members * weights + everyone * 80.0,
            ),
        };
        Ok(rounded(threads, seconds, bytes, disk))
    }
}

fn rounded(threads: usize, seconds: f64, bytes: f64, disk: f64) -> Estimate {
    Estimate {
        threads,
        memory_mb: (m::MEMORY_MB + bytes / 1e6).ceil() as u64,
        core_minutes: (m::SECONDS + seconds) / 60.0,
        disk_mb: (disk / 1e6).ceil() as u64,
    }
}

/// Distinct haplotypes of some loci among some people, about.
struct HaplotypeCounts {
    /// Length of the loci.
    nt: f64,
    n: f64,
    /// Length of all haplotypes.
    bases: f64,
    /// Slots of all haplotypes.
    slots: f64,
    /// People times loci.
    pairs: f64,
}

impl HaplotypeCounts {
    fn estimate(loci_nt: &[usize], n_people: f64, plan: &Plan) -> Self {
        let distinct = |nt: &usize| {
            (m::DISTINCT * (n_people * *nt as f64 / 33_000.0).powf(m::SPREAD)).min(2.0 * n_people)
        };
        Self {
            nt: loci_nt.iter().sum::<usize>() as f64,
            n: loci_nt.iter().map(distinct).sum(),
            bases: loci_nt.iter().map(|nt| distinct(nt) * *nt as f64).sum(),
            slots: loci_nt
                .iter()
                .map(|nt| distinct(nt) * n_slots(plan, *nt) as f64)
                .sum(),
            pairs: n_people * loci_nt.len() as f64,
        }
    }

    /// Bytes of the dictionary.
    fn dictionary(&self) -> f64 {
        self.n * m::BYTES_A_HAPLOTYPE + self.pairs * m::BYTES_A_PAIR
    }

    /// Bytes of the tokens, and of who has which.
    fn tokens(&self) -> f64 {
        4.0 * self.slots + 8.0 * self.pairs
    }
}

/// What a tokenizer learns at all loci, about.
struct Vocabulary {
    /// Segments that it is fitted on, over all places.
    known_segments: f64,
    /// Tokens of BPE until saturation on these.
    learnt: f64,
    /// Those that stay.
    kept: f64,
}

impl Vocabulary {
    /// Bytes of `tokenizer.json`.
    fn file(&self) -> f64 {
        self.kept * m::BYTES_OF_TOKEN_IN_FILE
    }
}

/// Slots of a haplotype of a locus, about.
fn n_slots(plan: &Plan, nt: usize) -> usize {
    let tokens = &plan.tokens;
    let n_segments = nt.div_ceil(tokens.segment_length.max(1));
    let n_tokens = match (tokens.tokenizer, tokens.vocab_size) {
        (Some(TokenizerKind::Nucleotide), _) => nt,
        (Some(TokenizerKind::Kmer), _) if tokens.kmer_overlapping => nt,
        (Some(TokenizerKind::Kmer), _) => nt / tokens.kmer_length.unwrap_or(6).max(1),
        (_, Some(VocabSize::AtMost(_))) => nt / NT_PER_TOKEN,
        // Saturated: a segment is a token.
        _ => n_segments,
    };
    n_tokens.max(n_segments) + 2
}
