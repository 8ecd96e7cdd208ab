//! Guards against leakage that use genotypes and scoring files.
//!
//! The guards that use predictions are in `evaluation::guards`.
//!
//! | module | content |
//! |---|---|
//! | `kinship` | guard against relatives or duplicates in different splits |
//! | `kinship_sites` | selection of the variants for the kinship guard |
//! | `scores` | guard against scores of this cohort, or that count the other allele |

mod error;
pub(crate) mod kinship;
pub(crate) mod kinship_sites;
pub(crate) mod scores;

pub use self::{error::Error, kinship_sites::KinshipVariants};
