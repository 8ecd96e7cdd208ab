//! Tables of published polygenic scores: `raw_scores.csv` and `match_log.csv`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// File name of the sums of published scores.
pub const RAW_SCORES_FILE: &str = "raw_scores.csv";

/// Sum of a published score for a sample, in the terms of `plink2 --score`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RawScoreRow<'a> {
    /// The sample's name in the VCF.
    pub sample_id: &'a str,
    /// Identifier of the score.
    pub accession: &'a str,
    /// Sum of weight times copies: SUM of `plink2 --score`.
    pub sum: f64,
    /// Number of counted alleles: DENOM.
    pub denominator: u32,
    /// `sum` divided by `denominator`: AVG; empty without counted alleles.
    pub average: Option<f64>,
    /// Number of missing genotypes of this sample.
    pub n_missing: u32,
}

/// Match of a row of a scoring file with a record, in the columns of `pgsc_calc`. A row that
/// matches no record has one line without one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatchRow<'a> {
    /// Row of the scoring file, from 0.
    pub row_nr: usize,
    /// Identifier of the score.
    pub accession: &'a str,
    /// Contig as the scoring file names it.
    pub chr_name: &'a str,
    /// 1-based position in the scoring file.
    #[schemars(range(min = 1))]
    pub chr_position: Option<usize>,
    /// Allele whose copies are weighted.
    pub effect_allele: &'a str,
    /// The other allele; empty if the file does not state it.
    pub other_allele: Option<&'a str>,
    /// The weight, or the weights of 0, 1 and 2 copies separated by `;`.
    pub effect_weight: &'a str,
    /// `additive`, `dominant`, `recessive` or `dosage_weights`; empty if the row cannot be used.
    pub effect_type: Option<&'a str>,
    /// ID of the record. The columns from `ID` to `duplicate_ID` are empty without a record.
    #[serde(rename = "ID")]
    pub id: Option<&'a str>,
    /// REF of the record.
    #[serde(rename = "REF")]
    pub ref_allele: Option<&'a str>,
    /// ALT of the record.
    #[serde(rename = "ALT")]
    pub alt_allele: Option<&'a str>,
    /// The effect allele as the record states it.
    pub matched_effect_allele: Option<&'a str>,
    /// Type of the match: `refalt`, `altref`, and so on; `_flip` for the other strand.
    pub match_type: Option<&'a str>,
    /// Whether the record has several ALT alleles.
    pub is_multiallelic: Option<bool>,
    /// Whether the alleles are A and T, or C and G.
    pub ambiguous: Option<bool>,
    /// Whether the alleles were matched on the other strand.
    pub match_flipped: Option<bool>,
    /// Whether this is the best match of the row.
    pub best_match: Option<bool>,
    /// Whether the match is excluded from the score.
    pub exclude: Option<bool>,
    /// Whether several records match equally well; the first one is used.
    pub duplicate_best_match: Option<bool>,
    /// Whether several rows of the scoring file match one allele.
    #[serde(rename = "duplicate_ID")]
    pub duplicate_id: Option<bool>,
    /// `NA`: no list of IDs restricts the matches.
    #[serde(rename = "match_IDs")]
    pub match_ids: &'a str,
    /// `matched`, `excluded`, `not_best`, `unmatched`, or `by_frequency` (genotypes unknown; each
    /// sample gets the allele frequency).
    pub match_status: &'a str,
    /// Name of the VCF.
    pub dataset: &'a str,
    /// Reason why a row is not used unchanged, empty otherwise: `no-contig`, `not-in-vcf`,
    /// `other-alleles`, `filter`, `no-alt`, `missing`, `ambiguous`, `duplicate-id`,
    /// `duplicate-best-match`, `multiallelic`, `hom-ref` or `not-callable`. A row that is not the
    /// weight of one allele at one position has `no-position`, `no-weight`, `allele`, `haplotype`,
    /// `interaction`, `hla` or `effect-type`.
    pub reason: Option<&'a str>,
}
