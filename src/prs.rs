//! Baselines: polygenic scores, APOE counts, penalised regression, covariates.
