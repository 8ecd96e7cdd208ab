//! Published polygenic scores: weights, matching with VCF records, and sums.
//!
//! Input: VCF/BCF and scoring files. Output: one sum per sample and file, and the match result of
//! each row. [`raw_scores()`] does all of it without a cohort table; `baselines` fits models on the
//! same genotypes.
//!
//! | file | content |
//! |---|---|
//! | `scoring_file` | reads tables of weights |
//! | `dosages`, `genotypes` | reads genotypes and counts alleles per sample |
//! | `matching` | matches rows of weights with alleles of records |
//! | `published` | sums effects and imputes missing genotypes |
//! | `reasons` | explains why rows are left out |
//! | `tables` | writes `match_log.csv`, `raw_scores.csv`, `scores.csv` |

pub(crate) mod build;
pub(crate) mod dosages;
pub(crate) mod effect;
pub(crate) mod genotypes;
pub(crate) mod matching;
mod options;
pub(crate) mod positions;
pub(crate) mod published;
pub(crate) mod raw_scores;
pub(crate) mod reasons;
pub(crate) mod scoring_file;
pub(crate) mod tables;
#[cfg(test)]
pub(crate) mod testing;

mod error;

pub use self::{
    dosages::{GenotypeFiles, HalfCalls, ReadCounts, Reading},
    effect::Effect,
    error::Error,
    matching::{ConstantSource, Exclusion, MatchCounts, MatchType, Unmatched, complement},
    options::{Options, OptionsProblem},
    published::{FailedScore, Frequencies, MatchingOptions, ScoreSummary},
    raw_scores::{RawSummary, run as raw_scores},
    reasons::{Reason, Reasons},
    scoring_file::{
        CellProblem, ColumnsProblem, EffectColumn, NoColumn, ScoringFile, ScoringFileProblem,
        Unusable,
    },
};
