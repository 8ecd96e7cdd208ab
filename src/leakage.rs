//! Guards against leakage that look at genotypes and scoring files. Those that look at predictions
//! are in `evaluation::guards`.
//!
//! | file | guard |
//! |---|---|
//! | `kinship` | relatives, or one person twice, in different splits |
//! | `kinship_sites` | the variants that kinships are worked out from |
//! | `scores` | a published score that was made on this cohort, or counts the other allele |

mod error;
pub(crate) mod kinship;
pub(crate) mod kinship_sites;
pub(crate) mod scores;

pub use self::{error::Error, kinship::PAIR_COLUMNS, kinship_sites::KinshipVariants};
