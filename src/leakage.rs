//! Guards against leakage: checks for what makes an AUROC look better than it is.
//!
//! | module | content | called by |
//! |---|---|---|
//! | `kinship` | guard against relatives or duplicates in different splits | `baselines` |
//! | `kinship_sites` | selection of the variants for the kinship guard | `baselines` |
//! | `scores` | guard against scores of this cohort, or that count the other allele | `baselines` |
//! | `predictions` | guards that need only predictions and `cohort.csv` | `evaluation` |

mod error;
pub(crate) mod kinship;
pub(crate) mod kinship_sites;
pub(crate) mod predictions;
pub(crate) mod scores;

pub use self::{error::Error, kinship_sites::KinshipVariants};
