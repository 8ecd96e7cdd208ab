//! Trains efficient transformers on the haplotype sequences of a cohort, and tests whether they
//! predict disease better than a polygenic risk score on the same samples.
//!
//! ```text
//! VCF, BCF, PGEN, BGEN, BED + FASTA + loci.bed    cohort.csv
//!         |  genotypes: one pass, every sample at once
//!         v
//!   haplotypes            each DISTINCT haplotype of a locus once, as edits against the reference;
//!         |               (sample, locus) -> its two haplotypes                     1-sequences/
//!         |  reference-anchored segments, each DISTINCT segment through BPE (or k-mers) once
//!         v
//!   tokens                distinct haplotypes on a slot grid shared by all samples;
//!         |               only slots that vary                                      2-tokens/
//!         |  dataset: a batch of samples -> the distinct haplotypes in it
//!         v
//!   models, training      an additive term, and deep terms per locus on the remaining risk:
//!         |               encode each distinct haplotype once, pool, combine both  3-models/
//!         v
//!   predictions.csv  <--  scoring, baselines, leakage: published weights, penalised regression,
//!         |               APOE counts, covariates: the same rows, the same split    4-baselines/
//!         v
//!   evaluation -> report  AUC and its interval, paired tests, calibration, guards   5-report/
//! ```
//!
//! | folder of a run | module | command |
//! |---|---|---|
//! | `0-cohort` | [`simulate`] | `simulate` |
//! | `1-sequences` | [`sequences`] over `gf-haplotypes` and `gf-genotypes` | `sequences` |
//! | `2-tokens` | [`tokens`] over `gf-tokenizer` | `tokenize` |
//! | `3-models` | [`models`] (what a model is), [`training`] | `train` |
//! | `4-baselines` | [`scoring`] (published), [`baselines`] (fitted), `leakage` | `prs` |
//! | `5-report` | `predictions` (read), [`evaluation`] computes, [`report`] renders | `evaluate` |
//!
//! `cohort` joins tables of samples into `cohort.csv`. [`score`] applies a saved model to new
//! samples, [`explain`] reports what each variant does to the logit, and [`compress`] makes a model
//! smaller. [`pipeline`] runs the stages of a TOML file in this order and resumes where it was
//! stopped, or does one job of them; it also checks all inputs (`check`) and lists the jobs
//! (`plan`). [`cli`] turns arguments into options and does nothing else. `layout` has the names
//! of the files of a run, `run_record` is `run.json`, and only [`interrupt`] handles signals.
//! The columns of a table are the fields of its row type, nearly always in `gf-cohort-schema`.
//! `leakage` has every guard: `baselines` calls those of genotypes and scoring files, `evaluation`
//! calls those of predictions.
//!
//! Each stage is one module. `src/STAGE.rs` begins with `run(..) -> Result<Summary, Error>` (in
//! [`evaluation`] it is `evaluate`), and `src/STAGE/` has `options.rs` (checked, stored in
//! `run.json`), `summary.rs` and `error.rs`. The crates in
//! `crates/`, `tokenizer/` and `cohort-schema/` do not depend on any stage. Their `Cargo.toml`
//! lists what each of them may use.

pub mod baselines;
pub mod cli;
pub(crate) mod cohort;
pub mod compress;
pub mod dataset;
pub mod evaluation;
pub mod explain;
pub mod interrupt;
pub(crate) mod layout;
pub(crate) mod leakage;
pub mod models;
pub mod pipeline;
pub(crate) mod predictions;
pub mod report;
pub(crate) mod run_record;
pub mod score;
pub mod scoring;
pub mod sequences;
pub mod simulate;
mod tables;
pub mod tokens;
pub mod training;
