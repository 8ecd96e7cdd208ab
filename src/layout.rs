//! Names of all files and folders of a run and of a model bundle.
//!
//! Every other module uses these constants, so each name is stated once.

// Folders of a run, in the order of the stages

/// The simulated cohort.
pub const COHORT_FOLDER: &str = "0-cohort";
/// Distinct haplotype sequences.
pub const SEQUENCES_FOLDER: &str = "1-sequences";
/// Tokenizer, slot grid and tokens.
pub const TOKENS_FOLDER: &str = "2-tokens";
/// A bundle per model.
pub const MODELS_FOLDER: &str = "3-models";
/// Polygenic scores and other baselines.
pub const BASELINES_FOLDER: &str = "4-baselines";
/// The comparison.
pub const REPORT_FOLDER: &str = "5-report";

// Every stage

/// Version, options and input digests of the command that wrote a folder.
pub const RUN: &str = "run.json";
/// Digest of the inputs and options of a finished stage.
pub const STAGE: &str = "stage.json";

// A cohort

/// Samples, phenotypes, splits and covariates.
pub const COHORT: &str = "cohort.csv";
/// Simulated genotypes.
pub const COHORT_VCF: &str = "cohort.vcf.gz";
/// Simulated genotypes, if the format is BCF.
pub const COHORT_BCF: &str = "cohort.bcf";
/// Simulated genotypes, if the format is PGEN.
pub const COHORT_PGEN: &str = "cohort.pgen";
/// Variants of the simulated PGEN.
pub const COHORT_PVAR: &str = "cohort.pvar";
/// Samples of the simulated PGEN.
pub const COHORT_PSAM: &str = "cohort.psam";
/// Simulated genotypes, if the format is BGEN.
pub const COHORT_BGEN: &str = "cohort.bgen";
/// Simulated reference.
pub const REFERENCE: &str = "reference.fa";
/// Simulated loci.
pub const LOCI: &str = "loci.bed";
/// True logit of each simulated sample.
pub const TRUTH: &str = "truth.csv";
/// Causal variants and the best achievable AUC.
pub const TRUTH_SUMMARY: &str = "truth.json";

// Sequences and tokens

/// Records that the sequences leave out or read by a policy.
pub const SKIPS: &str = "skips.csv";
/// Tokens of every distinct haplotype.
pub const TOKENS: &str = "tokens.safetensors";
/// The tokenizer in the format of Hugging Face.
pub const TOKENIZER: &str = "tokenizer.json";
/// The slots of all loci.
pub const GRID: &str = "grid.json";
/// Loci and digests of the reference.
pub const GENOME: &str = "genome.json";
/// Counts of the tokens of a cohort.
pub const TOKENS_REPORT: &str = "report.csv";

// A model bundle

/// Architecture, loci, calibration and digests.
pub const CONFIG: &str = "config.json";
/// Parameters.
pub const WEIGHTS_OF_MODEL: &str = "model.safetensors";
/// Checkpoint from which an interrupted training resumes.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// Loss and AUC of each epoch.
pub const TRAINING_LOG: &str = "training_log.csv";
/// Parameters and computation of a forward pass.
pub const COST: &str = "cost.csv";
/// One row per sample and model; the only input of the evaluation.
pub const PREDICTIONS: &str = "predictions.csv";

// Baselines

/// The fitted baselines, for new samples.
pub const PRS_MODEL: &str = "prs_model.json";
/// Every term of every baseline.
pub const WEIGHTS: &str = "weights.csv";
/// Association of each allele among the training samples.
pub const ASSOCIATION: &str = "association.csv";
/// Result of matching each row of a scoring file with the VCF.
pub const MATCH_LOG: &str = "match_log.csv";
/// Sums of published scores.
pub const RAW_SCORES: &str = "raw_scores.csv";
/// Description of each published score.
pub const SCORES: &str = "scores.csv";
/// AUC of published scores without a fit.
pub const SCORE_AUC: &str = "score_auc.csv";
/// APOE genotypes.
pub const APOE: &str = "apoe.csv";
/// Findings of the guards against leakage.
pub const GUARDS: &str = "guards.csv";
/// Relatives in different splits.
pub const RELATED_PAIRS: &str = "related_pairs.csv";

// Report and explanations

/// The comparison.
pub const AUC: &str = "auc.csv";
/// The table that `evaluate` prints.
pub const AUC_TEXT: &str = "auc.txt";
/// Additive term against additive and deep terms.
pub const NON_ADDITIVE: &str = "non_additive.csv";
/// Coefficients of the stacked model.
pub const STACKED: &str = "stacked.csv";
/// Corners of the ROC curves.
pub const ROC: &str = "roc.csv";
/// AUC within strata.
pub const STRATA: &str = "strata.csv";
/// Predicted and observed risk.
pub const CALIBRATION: &str = "calibration.csv";
/// Odds ratios of deciles.
pub const DECILES: &str = "deciles.csv";
/// Histogram of logits.
pub const DISTRIBUTION: &str = "distribution.csv";
/// AUC of each fold.
pub const FOLDS: &str = "folds.csv";
/// The report.
pub const REPORT: &str = "report.html";
/// Effect of each variant.
pub const EXPLAIN: &str = "explain.csv";
/// Interactions of pairs of variants.
pub const PAIRS: &str = "pairs.csv";
