//! The comparison: AUC, intervals and paired tests from prediction rows alone.
