//! Cohorts with planted risk and a known best possible AUC.
