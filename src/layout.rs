//! Names of all files and folders of a run and of a model bundle.
//!
//! Every other module uses these names, so each one is stated once. A crate that reads or writes a
//! file by itself states its name.

use std::ops::Range;

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

/// Lists of the variants of BGEN files that have no index.
pub const BGEN_LISTS: &str = "bgen-lists";

// Every stage

/// Version, options and input digests of the command that wrote a folder.
pub const RUN: &str = "run.json";
/// Digest of the inputs and options of a finished stage.
pub const STAGE: &str = "stage.json";
/// Folder of files that jobs leave for other jobs; it is removed with the report.
pub const SHARDS: &str = "shards";
/// Folder of the digests of inputs, in [`SHARDS`].
pub const INPUT_NOTES: &str = "inputs";
/// Folder of the job that fits the tokenizer, in the shards of the tokens.
pub const FIT_FOLDER: &str = "fit";
/// Prefix of the folders and weights of a member; its number follows.
pub const MEMBER: &str = "member-";

/// Stage of a model, which is also the path of its folder in a run.
#[must_use]
pub fn model_stage(name: &str) -> String {
    format!("{MODELS_FOLDER}/{name}")
}

/// Folder of a member (1-based).
#[must_use]
pub fn member_folder(number: usize) -> String {
    format!("{MEMBER}{number}")
}

// A cohort

/// Samples, phenotypes, splits and covariates.
pub const COHORT: &str = "cohort.csv";
/// Simulated genotypes.
pub const COHORT_VCF: &str = "cohort.vcf.gz";
/// Index of the simulated VCF.
pub const COHORT_VCF_TBI: &str = "cohort.vcf.gz.tbi";
/// Index of the simulated VCF, for contigs that are too long for tabix.
pub const COHORT_VCF_CSI: &str = "cohort.vcf.gz.csi";
/// Simulated genotypes, if the format is BCF.
pub const COHORT_BCF: &str = "cohort.bcf";
/// Index of the simulated BCF.
pub const COHORT_BCF_CSI: &str = "cohort.bcf.csi";
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

// The crate of the dictionary names its two files: `gf_haplotypes::LOCI_FILE` and `PAIRS_FILE`.

/// Records that the sequences leave out or read by a policy.
pub const SKIPS: &str = gf_haplotypes::SKIPS_FILE;
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
/// Folder of the event files of TensorBoard.
pub const TENSORBOARD: &str = "tensorboard";
/// Loss and AUC of each epoch.
pub const TRAINING_LOG: &str = "training_log.csv";
/// Parameters and computation of a forward pass.
pub const COST: &str = "cost.csv";
/// One row per sample and model; the only input of the evaluation.
pub const PREDICTIONS: &str = "predictions.csv";

/// Extension of files of tensors, with its point.
const TENSORS: &str = ".safetensors";

/// Parameters of a member (1-based) of a bundle: `model.safetensors`, `member-2.safetensors`, ...
#[must_use]
pub fn member_weights(number: usize) -> String {
    match number {
        1 => WEIGHTS_OF_MODEL.to_owned(),
        _ => format!("{MEMBER}{number}{TENSORS}"),
    }
}

/// Whether a file name is that of the parameters of a second or later member.
#[must_use]
pub fn is_later_member(file_name: &str) -> bool {
    file_name.starts_with(MEMBER) && file_name.ends_with(TENSORS)
}

/// Checkpoint of a member (1-based). That of the first member has no number.
#[must_use]
pub fn member_checkpoint(number: usize) -> String {
    match number {
        1 => CHECKPOINT.to_owned(),
        _ => format!("checkpoint-{number}{TENSORS}"),
    }
}

/// Trained parameters of a member (1-based) until the bundle is complete.
#[must_use]
pub fn trained_member(number: usize) -> String {
    format!("trained-{number}{TENSORS}")
}

/// Names of the loci that have a deep term in a member (1-based), from a job on some loci.
#[must_use]
pub fn member_terms(number: usize, loci: &Range<usize>) -> String {
    format!("terms-{number}-loci-{}-{}.json", loci.start + 1, loci.end)
}

/// Name of the same file for a part of a member: `a.safetensors` becomes `a-PART.safetensors`.
#[must_use]
pub fn part_of_member(stem: &str, part: &str) -> String {
    format!("{stem}-{part}{TENSORS}")
}

// Baselines

/// The fitted baselines, for new samples.
pub const PRS_MODEL: &str = "prs_model.json";
/// Folder of the learned scores in the format of the PGS Catalog.
pub const SCORING_FILES: &str = "scoring_files";

/// A learned score; `stem` is the name of its baseline.
#[must_use]
pub fn scoring_file(stem: &str) -> String {
    format!("{stem}.txt.gz")
}

/// Every term of every baseline.
pub const WEIGHTS: &str = "weights.csv";
/// Association of each allele among the training samples.
pub const ASSOCIATION: &str = "association.csv";
/// Result of matching each row of a scoring file with the VCF.
pub const MATCH_LOG: &str = "match_log.csv";
/// Sums of published scores.
pub const RAW_SCORES: &str = gf_cohort_schema::RAW_SCORES_FILE;
/// Description of each published score.
pub const SCORES: &str = gf_cohort_schema::SCORES_FILE;
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
/// Ending of the configuration of MultiQC; the name of the study precedes it.
pub const MULTIQC: &str = ".gf_genomics.json";
/// Ending of a section for MultiQC.
pub const MULTIQC_SECTION: &str = "_mqc.json";
/// Effect of each variant.
pub const EXPLAIN: &str = "explain.csv";
/// Interactions of pairs of variants.
pub const PAIRS: &str = "pairs.csv";
