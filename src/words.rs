//! Words of messages that every module uses. A leaf.

pub use gf_cohort_schema::counted;
