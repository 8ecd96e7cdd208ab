//! Published scores: which weights there are, which genotypes they belong to, and everyone's sum.
//!
//! Input -> output: VCF/BCF + scoring files -> a sum per sample of each file, with
//! what became of each of its rows. [`raw_scores()`] is the whole of it for people without a
//! cohort table; `baselines` fits models on the same genotypes.
//!
//! | file | question |
//! |---|---|
//! | `scoring_file` | what does a table of weights say? |
//! | `dosages`, `genotypes` | how many copies does each sample have? |
//! | `matching` | which row is which allele of which record? |
//! | `published` | what is the sum, with every missing genotype accounted for? |
//! | `reasons` | why are rows not in the score? |
//! | `tables` | `match_log.csv`, `raw_scores.csv`, `scores.csv` |

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
    dosages::{HalfCalls, ReadCounts, Reading},
    effect::Effect,
    error::Error,
    matching::{Exclusion, MatchCounts, MatchType, Stand, Unmatched, complement},
    options::Options,
    published::{FailedScore, Frequencies, MatchingOptions, ScoreSummary},
    raw_scores::{RawSummary, run as raw_scores},
    reasons::{Reason, Reasons},
    scoring_file::{EffectColumn, ScoringFile, Unusable},
    tables::{MATCH_COLUMNS, RAW_SCORE_COLUMNS},
};
