//! Measured costs: seconds, bytes and counts per unit of work.
//!
//! Measured on one core of a cloud machine (x86-64 with AVX-512), in a release build. The figures
//! and the script that makes them are named in the parent module.

/// Variants in 1,000 nt of `n` samples: `VARIANTS * n ^ VARIANTS_EXPONENT`.
///
/// There are 28 in the 2,504 samples of the 1000 Genomes Project (2015) and 208 in 150,119 genomes
/// of UK Biobank (Halldorsson 2022). The exponent between these two points is 0.49. Within the
/// 1000 Genomes Project it is 0.46.
pub const VARIANTS: f64 = 0.6;
pub const VARIANTS_EXPONENT: f64 = 0.49;
/// Variants in 1,000 nt of a simulated cohort, whatever the number of samples.
pub const SIMULATED_VARIANTS: f64 = 8.0;

/// Reading one genotype of a VCF.
pub const SECONDS_PER_GENOTYPE: f64 = 1e-8;
/// Simulating and writing one genotype.
pub const SECONDS_PER_SIMULATED_GENOTYPE: f64 = 1.7e-7;

/// Distinct haplotypes of a locus of `nt` nucleotides in `n` samples:
/// `min(DISTINCT * (n * nt / REFERENCE_LOCUS_NT) ^ DISTINCT_EXPONENT, 2 n)`.
///
/// At windows of chromosome 22, the 2,504 samples of the 1000 Genomes Project have 2,893.
pub const DISTINCT: f64 = 3.2;
pub const DISTINCT_EXPONENT: f64 = 0.87;
pub const REFERENCE_LOCUS_NT: f64 = 33_000.0;
/// A haplotype as a list of edits, in memory and in `loci.json`.
pub const BYTES_PER_HAPLOTYPE: f64 = 600.0;
/// Numbering, writing or reading one haplotype.
pub const SECONDS_PER_HAPLOTYPE: f64 = 2e-5;
/// The haplotype pair of a sample at a locus, in memory and as a row of `pairs.csv`.
pub const BYTES_PER_PAIR: f64 = 32.0;
pub const SECONDS_PER_PAIR: f64 = 3e-7;

/// Tokenizing one nucleotide of a distinct haplotype.
pub const SECONDS_PER_TOKENIZED_NT: f64 = 1e-8;
/// Distinct segments that are not the reference's, per variant in a segment. The tokenizer and the
/// grid see these. The value was measured in 300 samples of the 1000 Genomes Project.
pub const KNOWN_SEGMENTS_PER_VARIANT: f64 = 0.5;
/// Tokens that BPE learns until saturation, per nucleotide of the reference.
pub const TOKENS_PER_NT: f64 = 0.16;
/// Tokens that BPE learns until saturation, per segment that is not the reference's.
pub const TOKENS_PER_KNOWN_SEGMENT: f64 = 5.5;
/// Learning one token.
pub const BYTES_PER_LEARNT_TOKEN: f64 = 3_000.0;
pub const SECONDS_PER_LEARNT_TOKEN: f64 = 5e-5;
/// One token of a tokenizer that is read from `tokenizer.json`.
pub const BYTES_PER_TOKEN: f64 = 1_200.0;
pub const SECONDS_PER_TOKEN: f64 = 1e-5;
pub const BYTES_PER_TOKEN_IN_FILE: f64 = 150.0;
/// A known segment in a grid, in addition to its letters.
pub const BYTES_PER_KNOWN_SEGMENT: f64 = 32.0;
/// Reading or writing one byte of a large file.
pub const SECONDS_PER_BYTE: f64 = 5e-9;

/// Multiplications and additions of a model in a second, in the forward pass.
pub const OPERATIONS_PER_SECOND: f64 = 5e10;
/// Time of a training step (forward and backward), as a multiple of the forward pass.
pub const TRAINING: f64 = 3.0;
/// Fraction of the haplotypes of a batch that are distinct. It is about half of this in simulated
/// cohorts.
pub const DISTINCT_IN_BATCH: f64 = 0.9;
/// Slot versions that the additive term may have weights for, per variant.
pub const CANDIDATES_PER_VARIANT: f64 = 0.9;
/// One slot version of one training sample in the regression of the additive term.
pub const SECONDS_PER_CANDIDATE: f64 = 5e-6;
pub const BYTES_PER_CANDIDATE: f64 = 24.0;
/// Fits of the additive term: once alone, and once with the deep terms.
pub const ADDITIVE_FITS: f64 = 2.0;
/// Networks of a deep term next to an additive term: one of all training samples, and one without
/// each of five folds.
pub const NETWORKS_PER_TERM: f64 = 6.0;
/// Training samples summed over these networks, as a multiple of the training samples.
pub const TRAININGS_PER_TERM: f64 = 5.0;

/// A dosage of the baselines in memory.
pub const BYTES_PER_DOSAGE: f64 = 24.0;
/// All work on one dosage. The path of the elastic net takes most of it.
pub const SECONDS_PER_DOSAGE: f64 = 2e-5;
/// The prediction of one sample by one model, in the report.
pub const BYTES_PER_PREDICTION: f64 = 700.0;
pub const SECONDS_PER_PREDICTION: f64 = 2e-6;

/// Memory of the program itself, in every job.
pub const MEMORY_MB: f64 = 100.0;
/// Start of the program, in every job.
pub const SECONDS: f64 = 1.0;
