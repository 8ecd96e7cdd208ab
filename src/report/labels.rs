//! Words for names of keys, guards, stages and figures.

use gf_cohort_schema::{AucRow, WITHOUT_APOE};

use crate::layout;

/// Words for a place in the sequence of models, 0 to 5; a probe has none.
pub fn kind_of_model(row: &AucRow) -> &'static str {
    match row.row {
        Some(0) => "Covariates",
        Some(1) => "Covariates and APOE",
        Some(2) => "Score without APOE region",
        Some(3) => "Score",
        Some(4) => "Sequence model",
        Some(5) => "Stacked",
        _ => "Probe",
    }
}

/// Words for a guard.
pub fn guard(name: &str) -> String {
    let words = match name {
        "kinship" => "Relatives in different splits",
        "identical-genotypes" => "One individual listed twice (identical genotypes)",
        "person-in-two-splits" => "Sample in two splits",
        "phenotype-differs" => "Phenotypes of cohort table and predictions",
        "family-in-two-splits" => "Family in two splits",
        "too-good" => "AUC close to 1",
        "identical-scores" => "Models with identical scores",
        "permuted-labels" => "Permuted labels (ancestry, families, PC1)",
        "stratification" => "Population stratification",
        "test-better-than-train" => "Test AUC above training AUC",
        "score-study" => "Published score derived from this cohort",
        "effect-allele" => "Effect allele of scoring files",
        _ => return in_words(name),
    };
    words.to_owned()
}

/// Words for a stage of the pipeline.
pub fn stage(folder: &str) -> &'static str {
    match folder {
        layout::COHORT_FOLDER => "Cohort",
        layout::SEQUENCES_FOLDER => "Sequences",
        layout::TOKENS_FOLDER => "Tokens",
        layout::BASELINES_FOLDER => "Baselines",
        _ => "Pipeline",
    }
}

/// Words for a count of a stage. `path` has the keys from the outermost to the innermost.
pub fn count(path: &[&str]) -> String {
    match path {
        ["skips", reason] => format!("Skipped or changed: {}", skip(reason)),
        ["n_distinct_haplotypes", locus] => format!("Distinct haplotypes at locus {locus}"),
        ["genotypes", "filters", filter] => format!("Records with FILTER {filter}"),
        ["apoe", allele @ ("e1" | "e2" | "e3" | "e4")] => format!("APOE {allele} haplotypes"),
        ["genotypes" | "apoe", key] | [key] => known_count(key),
        _ => {
            let words: Vec<String> = path.iter().map(|key| in_words(key)).collect();
            words.join(": ")
        }
    }
}

fn known_count(key: &str) -> String {
    let words = match key {
        "n_people" => "Samples",
        "n_records" | "records" => "Variant records read",
        "n_loci" => "Loci",
        "loci_without_records" => "Loci without a variant record (reference for all samples)",
        "n_masked_nt" => "Masked nucleotides",
        "n_reference_iupac_as_n" => "IUPAC codes of the reference read as N",
        "n_distinct_haplotypes" => "Distinct haplotypes",
        "vocab_size" => "Vocabulary size",
        "n_training_segments" => "Distinct segments in training",
        "n_withheld_segments" => "Training segments below the minimum count",
        "n_unseen_segments" => "Distinct segments not seen in training",
        "min_token_count" => "Minimum number of training samples with a segment",
        "n_slots" => "Token slots of a haplotype",
        "n_slot_overflows" => "Haplotypes or segments with more tokens than slots",
        "n_nt" => "Nucleotides of the distinct haplotypes",
        "n_tokens" => "Tokens of the distinct haplotypes",
        "nt_per_token" => "Nucleotides per token (mean)",
        "n_empty_haplotypes" => "Haplotypes without a nucleotide",
        "n_unread_alleles" => "Alleles at positions that do not vary in training (not read)",
        "n_samples_with_unread_alleles" => {
            "Samples with an allele that is not read, summed over loci"
        }
        "most_unread_alleles" => "Most alleles not read of one sample at one locus",
        "n_dosages" => "Variants with dosages",
        "constant_dosages" => "Variants left out: the same dosage in all training samples",
        "sites_without_training_calls" => "Variants left out: no call in the training split",
        "filtered_records" => "Records left out by FILTER",
        "imputed_records" => "Records with imputed dosages",
        "missing_genotypes" => "Missing genotypes",
        "half_calls" => "Half calls (one allele missing)",
        "duplicate_variants" => "Duplicate variants left out",
        "best_possible_auc" => "Best achievable AUC (simulated risk known)",
        "warnings" => "Warnings (in run.json)",
        _ => return in_words(key),
    };
    words.to_owned()
}

/// Words for a reason of `skips.csv`.
fn skip(reason: &str) -> String {
    match reason {
        "overlap" => "allele overlaps an applied one".to_owned(),
        "missing_as_ref" => "missing allele read as the reference".to_owned(),
        "missing_as_n" => "missing allele read as N".to_owned(),
        "symbolic" => "symbolic allele or breakend".to_owned(),
        "phase_set" => "heterozygote of another phase set".to_owned(),
        "haploid_absent" => "haploid call, second haplotype absent".to_owned(),
        _ => in_sentence(&in_words(reason)),
    }
}

/// Name of a baseline of this program with its method; other names as they are.
pub fn baseline(model: &str) -> String {
    let method = match model.trim_end_matches(WITHOUT_APOE) {
        "prs-covariates" => "logistic regression on the covariates",
        "prs-apoe" => "covariates and APOE e2 and e4 counts",
        "prs-dosages" => "penalised logistic regression on allele dosages",
        "prs-elastic-net" => "elastic net on allele dosages",
        "prs-ct" => "clumping and thresholding",
        _ => return model.to_owned(),
    };
    format!("{model} ({method})")
}

/// Words for a figure that has no data.
pub fn figure(id: &str) -> &'static str {
    match id {
        "forest" => "AUC",
        "difference" => "differences to the reference",
        "roc" => "ROC curves",
        "calibration" => "calibration",
        "deciles" => "odds ratios by tenth of the score",
        "distribution" => "score distributions",
        "ancestry" => "scores by ancestry (needs an ancestry column in the cohort table, --cohort)",
        "training" => "losses by epoch (needs training_log.csv next to the predictions)",
        _ => "validation AUC by epoch (needs training_log.csv next to the predictions)",
    }
}

/// Words for a characteristic of samples.
pub fn characteristic(name: &str) -> String {
    match name {
        "apoe" => "APOE".to_owned(),
        _ => in_words(name),
    }
}

/// A key or a name with dashes as words: without `n_`, the first letter in upper case.
fn in_words(key: &str) -> String {
    let words = key
        .strip_prefix("n_")
        .unwrap_or(key)
        .replace(['_', '-'], " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}

/// Words inside of a sentence: the first letter in lower case, unless they are an abbreviation.
pub fn in_sentence(words: &str) -> String {
    let mut letters = words.chars();
    match letters.next() {
        Some(first) if words.chars().any(char::is_lowercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_become_words() {
        assert_eq!(count(&["n_odd_sites"]), "Odd sites");
        assert_eq!(count(&["other", "n_odd_sites"]), "Other: Odd sites");
        assert_eq!(
            count(&["skips", "alt_is_ref"]),
            "Skipped or changed: alt is ref"
        );
        assert_eq!(guard("new-guard"), "New guard");
    }
}
