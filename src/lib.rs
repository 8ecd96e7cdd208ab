//! From a cohort's genomes to an honest answer: do efficient transformers on people's sequences
//! predict disease better than a polygenic risk score on the same people?
//!
//! ```text
//! VCF/BCF + FASTA + loci.bed                      cohort.csv
//!         |  ingest: one pass, every sample at once
//!         v
//!   sequence              -- each DISTINCT haplotype of a locus once, as edits against the reference;
//!         |                  plus (person, locus) -> (haplotype a, haplotype b)             1-sequences/
//!         v
//!   tokenization          -- reference-anchored segments, each DISTINCT one through BPE (or k-mers) once;
//!         |                  tokens of each distinct haplotype on one slot grid for all     2-tokens/
//!         v
//!   dataset               -- a batch of people -> the distinct haplotypes in it
//!         v
//!   models, training      -- an additive term, and deep terms per locus on what it leaves: encode
//!         |                  each distinct haplotype once, pool, combine a sample's two      3-models/
//!         v
//!   predictions.csv  <--  prs: APOE counts, published weights, penalised regression,
//!         |                  covariates: the same rows, the same split                      4-baselines/
//!         v
//!   evaluation -> report: AUC and its interval, paired test, calibration, strata, guards      5-report/
//! ```
//!
//! `cohort` joins tables of samples into `cohort.csv`; `simulate` makes cohorts with planted risk
//! and a known best possible AUC (0-cohort/); `score` applies a saved model to new people;
//! `explain` says what each variant does to its logit; `compress` makes it smaller;
//! `pipeline` runs the stages of a TOML file in this order and continues where it was stopped, or
//! does one job of them; it also looks at all inputs (`check`) and lists the jobs (`plan`).
//! `pipelines/cluster/` has a workflow engine do all jobs; `sequence`, `tokenization` and `score`
//! put their blocks together (`merge`).
//!
//! # A stage
//! Each stage is one module with `Options` (validated, serde, no clap), `run(..) -> Result<Summary,
//! Error>` and `Error`.
//!
//! # Crates
//! `gf-cohort-schema` (tables), `gf-files` (written whole or not at all, locks, digests, memory),
//! `gf-stats` (ROC, DeLong, regression), `gf-tokenizer` (bases to tokens), `gf-nn` (differentiable
//! operations). None of them knows a stage.
//!
//! # Who may import whom
//! `main` -> `cli` -> `pipeline` -> stages. `sequence`, `prs`, `simulate`, `cohort` -> `ingest`.
//! `simulate` -> `prs` (published weights). `tokenization` -> `gf-tokenizer`, `sequence`.
//! `compress` -> `training`. `explain` -> `score` -> `training`. `training`, `score`, `explain`,
//! `compress` -> `dataset` -> `models` -> `nn`; `models` -> `gf-tokenizer` (which ids are special).
//! `prs`, `simulate`, `training`, `compress` -> `evaluation::roc` (the one AUROC there is).
//! `cli`, `prs`, `training` -> `memory`, a leaf; `evaluation`, `prs`, `training` -> `regression`;
//! `evaluation`, `prs` -> `normal`, two more; `report` -> `normal`. `prs` -> `report` (the one
//! writer of `guards.csv`). `evaluation`, `explain` -> `report`; `evaluation` and `report` see rows
//! of `gf-cohort-schema` only, never a tensor or a genome; `models` never see a sample id or a
//! path; `ingest` uses the opener of text files of `gf-cohort-schema` and never sees a phenotype,
//! so it cannot leak one. clap and anyhow stay in
//! `cli`, `pipeline` and `main`; linfa in `prs`; mpi in `training`; askama, plotly and plotters in
//! `report` (plotters in `explain` too); nalgebra in `compress`, `models`, `prs` and `regression`.
//! Every module but `models` and `nn` may use `output`; `stored` reads back what `prs`, `sequence`,
//! `tokenization` and `training` wrote. signal-hook stays in `interrupt`, which only `main` and
//! `pipeline` use: no stage knows that there are signals. `words` is a leaf that every module may
//! use. `tests/architecture.rs` holds the `use` lines to this.

pub mod cli;
pub mod cohort;
pub mod compress;
pub mod dataset;
pub mod evaluation;
pub mod explain;
pub mod interrupt;
pub mod models;
pub mod pipeline;
pub mod prs;
pub mod report;
pub mod score;
pub mod simulate;
pub mod tokens;
pub mod training;
pub mod words;

pub use gf_files::{memory, message, message_text, output, stored};
pub use gf_nn as nn;
pub use gf_stats::{normal, regression};
