//! The name of every file of a run and of a bundle, once.

// Folders of a run, in the order of the stages

/// The simulated cohort.
pub const COHORT_FOLDER: &str = "0-cohort";
/// Distinct haplotypes.
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

/// How the files of a folder were made.
pub const RUN: &str = "run.json";
/// What a finished stage of a run was made from.
pub const STAGE: &str = "stage.json";

// A cohort

/// Samples, phenotypes, splits and covariates.
pub const COHORT: &str = "cohort.csv";
/// Simulated genotypes.
pub const COHORT_VCF: &str = "cohort.vcf.gz";
/// Simulated reference.
pub const REFERENCE: &str = "reference.fa";
/// Simulated loci.
pub const LOCI: &str = "loci.bed";
/// True logit of each simulated sample.
pub const TRUTH: &str = "truth.csv";
/// Causal variants and the best achievable AUC.
pub const TRUTH_SUMMARY: &str = "truth.json";

// Sequences and tokens

/// What is not in the sequences as the VCF states it.
pub const SKIPS: &str = "skips.csv";
/// Tokens of every distinct haplotype.
pub const TOKENS: &str = "tokens.safetensors";
/// The tokenizer, as Hugging Face reads it.
pub const TOKENIZER: &str = "tokenizer.json";
/// The slots of all loci.
pub const GRID: &str = "grid.json";
/// Loci and digests of the reference.
pub const GENOME: &str = "genome.json";
/// The tokens of a cohort in numbers.
pub const TOKENS_REPORT: &str = "report.csv";

// A model bundle

/// Architecture, loci, calibration and digests.
pub const CONFIG: &str = "config.json";
/// Parameters.
pub const WEIGHTS_OF_MODEL: &str = "model.safetensors";
/// Where an interrupted training resumes.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// Loss and AUC of each epoch.
pub const TRAINING_LOG: &str = "training_log.csv";
/// What a forward pass costs.
pub const COST: &str = "cost.csv";
/// A row per sample and model; all that the evaluation reads.
pub const PREDICTIONS: &str = "predictions.csv";

// Baselines

/// The fitted baselines, for new samples.
pub const PRS_MODEL: &str = "prs_model.json";
/// Every term of every baseline.
pub const WEIGHTS: &str = "weights.csv";
/// Association of each allele among the training samples.
pub const ASSOCIATION: &str = "association.csv";
/// What became of each row of a scoring file.
pub const MATCH_LOG: &str = "match_log.csv";
/// Sums of published scores.
pub const RAW_SCORES: &str = "raw_scores.csv";
/// What each published score is.
pub const SCORES: &str = "scores.csv";
/// AUC of published scores without a fit.
pub const SCORE_AUC: &str = "score_auc.csv";
/// APOE genotypes.
pub const APOE: &str = "apoe.csv";
/// What the guards against leakage found.
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
