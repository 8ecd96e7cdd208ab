//! Stage: what do polygenic risk scores say about the same people? The baselines that a sequence
//! model has to beat.
//!
//! Input -> output: VCF/BCF + `cohort.csv` + scoring files of the PGS Catalog -> `predictions.csv`
//! (the rows that sequence models write too), `weights.csv`, `association.csv`, `match_log.csv`,
//! `raw_scores.csv`, `scores.csv`, `apoe.csv`, `guards.csv` (with `related_pairs.csv`, where there
//! are any), `scoring_files/`, and [`PrsModel`] as `prs_model.json`, for new people.
//! Without a cohort, [`raw_scores`] sums published scores only.
//!
//! | model | what |
//! |---|---|
//! | `prs-covariates` | the covariates of the cohort alone |
//! | `prs-apoe` | APOE e2 and e4 counts, and the covariates |
//! | `prs-pcs` | the principal components alone: a probe for stratification |
//! | `prs-dosages` | every dosage, L2-penalised, and the covariates |
//! | `prs-ct` | the alleles that clumping and thresholding leaves, weighted by their association, and the covariates |
//! | `prs-elastic-net` | the dosages that an elastic net leaves, and the covariates |
//! | `prs-<id>` | a published score, and the covariates |
//! | `prs-<id>-alone` | the score without the covariates, where there are any |
//! | `..-no-apoe` | each of the scores but the one alone, without the APOE region, with APOE e2 and e4 counts instead |
//!
//! Only training people are fitted on; the validation split chooses penalties, thresholds and
//! shrinkage; the test split chooses nothing. Coordinates: positions are 1-based.

mod apoe;
mod association;
mod baselines;
mod build;
mod choice;
mod clumping;
mod dosages;
mod effect;
mod elastic_net;
mod export;
mod fitting;
mod genotypes;
mod guards;
mod kinship;
mod kinship_sites;
mod logistic;
mod matching;
mod model;
mod names;
mod no_fit;
mod panel;
mod places;
mod published;
mod raw_scores;
mod reasons;
mod ridge;
mod scoring_file;
mod tables;

pub use self::{
    apoe::ApoeCounts,
    association::ASSOCIATION_COLUMNS,
    choice::{Choice, Setting, Tried},
    dosages::{HalfCalls, ReadCounts, Reading},
    effect::Effect,
    fitting::WithoutApoe,
    kinship::PAIR_COLUMNS,
    matching::{Exclusion, MatchCounts, MatchType, Stand, Unmatched},
    model::{
        AbsentAlleles, AlleleWeight, ApplySummary, Baseline, Feature, PrsModel, Rewritten, Risk,
        SCHEMA_VERSION, Term,
    },
    names::model_names,
    no_fit::{AREA_COLUMNS, Area, NoFitSummary, run as without_fit},
    published::{FailedScore, Frequencies, ScoreSummary, ScoringOptions},
    raw_scores::{RawSummary, run as raw_scores},
    reasons::{Reason, Reasons},
    scoring_file::{EffectColumn, Unusable},
    tables::{MATCH_COLUMNS, RAW_SCORE_COLUMNS, WEIGHT_COLUMNS},
};

pub use gf_genotypes::{GenomeBuild, UnknownBuild};

use std::path::PathBuf;

use gf_cohort_schema::{
    ApoeRow, Cohort, CohortSummary, CovariateChoice, GuardRow, MissingPolicies, PhenotypeCoding,
    Prediction, Role, ScoreColumn, Split, WITHOUT_APOE, probability, write_predictions,
};
use serde::{Deserialize, Serialize};

use self::{
    baselines::Study,
    dosages::{GenotypeTable, Request, Site},
    fitting::fit_all,
    model::People,
    places::Places,
    published::{Score, Scorer, Usable},
};
pub(crate) use self::{matching::complement, scoring_file::ScoringFile};
use crate::words::counted;
use crate::{memory, output, report};
use gf_genotypes::{
    DisjointRegions, Locus, Samples, VariantFile, VariantRecord, pass, same_contig,
};

/// What the stage needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// VCF, VCF.gz or BCF files, of the same people, each variant in one of them.
    pub vcf: Vec<PathBuf>,
    /// Whose genotypes are read: of the cohort, or of the files without one.
    #[serde(skip)]
    pub samples: Samples,
    /// BED of the regions whose dosages are used; all of the files when `None`. Published scores
    /// and APOE are read wherever they lie.
    pub regions_file: Option<PathBuf>,
    /// Records with a filter that is named here are used (`.`: those without one), as `bcftools
    /// view -f` has it; all when `None`.
    pub filters: Option<Vec<String>>,
    /// `cohort.csv`.
    pub cohort: PathBuf,
    /// How its phenotypes are written.
    pub phenotype_coding: PhenotypeCoding,
    /// Which of its columns are covariates.
    pub covariates: CovariateChoice,
    /// What is done about missing values and about samples without genotypes.
    pub missing: MissingPolicies,
    /// Scoring files of the PGS Catalog, or other tables of weights with a header, plain or
    /// gzipped.
    pub scoring_files: Vec<PathBuf>,
    /// Published score that the baselines are learnt on top of: a covariate without a penalty.
    pub offset: Option<ScoreColumn>,
    /// Build of the VCF, if a scoring file of another build is to be refused.
    pub genome_build: Option<GenomeBuild>,
    /// Smallest share of a scoring file's rows that must be matched.
    pub min_overlap: f64,
    /// Keep variants whose REF and ALT are complements, trusting the scoring file's strand.
    pub keep_ambiguous: bool,
    /// How genotypes are read, and how published scores are matched and summed.
    pub scoring: ScoringOptions,
    /// Penalties to try for `prs-dosages` (linfa's alpha, scikit-learn's 1 / C).
    pub l2_strengths: Vec<f64>,
    /// Shares of the penalty of `prs-elastic-net` that are on absolute values, to try.
    pub l1_ratios: Vec<f64>,
    /// Farthest that two alleles of one clump lie apart, in kb.
    pub clump_kb: usize,
    /// Least r2 of two alleles of one clump.
    pub clump_r2: f64,
    /// Largest p-values of the alleles in `prs-ct`, to try.
    pub p_thresholds: Vec<f64>,
    /// Name of the cohort: looked for in the headers of scoring files, and written into those
    /// exported.
    pub study: Option<String>,
    /// Kinships of pairs, by PLINK 2 or KING; worked out from the dosages when `None`.
    pub kinship: Option<PathBuf>,
    /// Variants of the VCF that kinships are worked out from.
    pub kinship_variants: KinshipVariants,
    /// Sum published scores and measure their AUC; fit nothing. Then no training people are
    /// needed.
    pub no_fit: bool,
    /// Folder to write to.
    pub out: PathBuf,
}

/// Variants of the VCF that kinships are worked out from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KinshipVariants {
    /// Those of the whole VCF, evenly thinned.
    #[default]
    All,
    /// Those inside the regions whose dosages are used.
    Regions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            vcf: Vec::new(),
            samples: Samples::All,
            regions_file: None,
            filters: Some(pass()),
            cohort: PathBuf::new(),
            phenotype_coding: PhenotypeCoding::default(),
            covariates: CovariateChoice::default(),
            missing: MissingPolicies::default(),
            scoring_files: Vec::new(),
            offset: None,
            genome_build: None,
            min_overlap: 0.75,
            keep_ambiguous: false,
            scoring: ScoringOptions::default(),
            l1_ratios: vec![0.1, 0.5, 0.9],
            // PRSice's.
            clump_kb: 250,
            clump_r2: 0.1,
            p_thresholds: vec![5e-8, 0.001, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0],
            study: None,
            kinship: None,
            kinship_variants: KinshipVariants::All,
            no_fit: false,
            // 0.1 to 100,000 in half decades.
            l2_strengths: (-2..=10)
                .map(|half_decades| 10_f64.powf(f64::from(half_decades) / 2.0))
                .collect(),
            out: PathBuf::new(),
        }
    }
}

impl Options {
    fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Options { reason });
        if self.vcf.is_empty() {
            return refuse("no VCF file".into());
        }
        if !(0.0..=1.0).contains(&self.min_overlap) {
            return refuse(format!(
                "min_overlap is {}; it is a share between 0 and 1",
                self.min_overlap
            ));
        }
        if self.l2_strengths.is_empty()
            || self
                .l2_strengths
                .iter()
                .any(|alpha| !alpha.is_finite() || *alpha <= 0.0)
        {
            return refuse(format!(
                "l2_strengths are {:?}; at least one is needed, and all are positive",
                self.l2_strengths
            ));
        }
        if self.l1_ratios.is_empty()
            || self
                .l1_ratios
                .iter()
                .any(|ratio| !(0.01..=1.0).contains(ratio))
        {
            return refuse(format!(
                "l1_ratios are {:?}; at least one is needed, and all are shares from 0.01 to 1",
                self.l1_ratios
            ));
        }
        if self.p_thresholds.is_empty()
            || self.p_thresholds.iter().any(|p| !(*p > 0.0 && *p <= 1.0))
        {
            return refuse(format!(
                "p_thresholds are {:?}; at least one is needed, and all are above 0 and at most 1",
                self.p_thresholds
            ));
        }
        if !(self.clump_r2 > 0.0 && self.clump_r2 <= 1.0) {
            return refuse(format!(
                "clump_r2 is {}; it is above 0 and at most 1",
                self.clump_r2
            ));
        }
        if self
            .study
            .as_ref()
            .is_some_and(|study| study.trim().is_empty() || study.contains(['\n', '\r', '\t']))
        {
            return refuse("the name of the study is empty, or of more than one line".into());
        }
        self.scoring.check()
    }
}

/// What was found and what was left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// People predicted.
    pub n_people: usize,
    /// Who they are, and what is known of them.
    pub cohort: CohortSummary,
    /// Names of the baselines, as in `predictions.csv`.
    pub models: Vec<String>,
    /// Records and genotypes.
    pub genotypes: ReadCounts,
    /// Records left out because no training person has a call.
    pub sites_without_training_calls: usize,
    /// Dosages in `prs-dosages`.
    pub n_dosages: usize,
    /// Dosages left out because they are the same in all training people.
    pub constant_dosages: usize,
    /// `model: feature` left out because the feature is the same in all training people.
    pub constant_features: Vec<String>,
    /// How each learned baseline was chosen.
    pub choices: Vec<Choice>,
    /// `association: covariate` left out because other covariates say the same.
    pub repeated_covariates: Vec<String>,
    /// Scores without the APOE region.
    pub without_apoe: Vec<WithoutApoe>,
    /// The APOE region, when there are such scores.
    pub apoe_region: Option<String>,
    /// `model: why` there is none.
    pub left_out: Vec<String>,
    /// What the guards against leakage found.
    pub guards: Vec<GuardRow>,
    /// APOE haplotypes of all people, when the two sites are there.
    pub apoe: Option<ApoeCounts>,
    /// Why there is no `prs-apoe`.
    pub apoe_left_out: Option<String>,
    /// What became of each scoring file.
    pub scores: Vec<ScoreSummary>,
    /// Scores that could not be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_scores: Vec<FailedScore>,
    /// What was odd but could be read.
    pub warnings: Vec<String>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        write!(f, "{}", self.cohort)?;
        writeln!(
            f,
            "{} predicted by {}",
            counted(self.n_people, "person", "people"),
            self.models.join(", ")
        )?;
        match (&self.apoe, &self.apoe_left_out) {
            (Some(apoe), _) => {
                writeln!(
                    f,
                    "APOE haplotypes: e2 {}, e3 {}, e4 {}, e1 {}",
                    apoe.e2, apoe.e3, apoe.e4, apoe.e1
                )?;
                write_counts(
                    f,
                    &[
                        (
                            "unphased e2/e4 by convention",
                            apoe.unphased_double_heterozygotes,
                        ),
                        ("people without an APOE call", apoe.people_without_call),
                    ],
                )?;
            }
            (None, Some(reason)) => writeln!(f, "no prs-apoe: {reason}")?,
            (None, None) => {}
        }
        for choice in &self.choices {
            writeln!(f, "{choice}")?;
        }
        for score in &self.without_apoe {
            let region = self.apoe_region.as_deref().unwrap_or_default();
            let dropped = counted(score.dropped, "allele", "alleles");
            writeln!(
                f,
                "{}: {dropped} left out in the APOE region ({region}), {} in the score",
                score.model, score.kept
            )?;
        }
        for reason in &self.left_out {
            writeln!(f, "no {reason}")?;
        }
        for score in &self.scores {
            write!(f, "{score}")?;
        }
        write_failed(f, &self.failed_scores)?;
        for feature in &self.constant_features {
            writeln!(f, "the same in all training people, left out: {feature}")?;
        }
        for covariate in &self.repeated_covariates {
            writeln!(
                f,
                "a combination of other covariates, left out: {covariate}"
            )?;
        }
        for guard in &self.guards {
            writeln!(
                f,
                "guard {} of {}: {}: {}",
                guard.guard, guard.subject, guard.verdict, guard.finding
            )?;
        }
        write_read_counts(f, &self.genotypes)?;
        write_counts(
            f,
            &[
                (
                    "records without a call in training",
                    self.sites_without_training_calls as u64,
                ),
                (
                    "dosages that do not vary in training",
                    self.constant_dosages as u64,
                ),
            ],
        )
    }
}

/// What is said of records and genotypes.
fn read_counts(read: &ReadCounts) -> [(&'static str, u64); 11] {
    [
        (
            "records without an allele to count",
            read.records_without_dosage,
        ),
        (
            "records without GT or dosages",
            read.records_without_genotypes,
        ),
        (
            "records with dosages of DS, GP or HDS",
            read.imputed_records,
        ),
        ("symbolic alleles", read.symbolic_alleles),
        ("`*` alleles", read.star_alleles),
        ("alleles there twice", read.duplicate_variants),
        ("missing genotypes", read.missing_genotypes),
        ("half calls", read.half_calls),
        ("haploid genotypes", read.haploid_genotypes),
        ("samples not in the cohort", read.samples_left_out),
        (
            "records outside of the reference, REF not compared",
            read.records_beyond_reference,
        ),
    ]
}

fn write_read_counts(f: &mut std::fmt::Formatter<'_>, read: &ReadCounts) -> std::fmt::Result {
    if read.filtered_records > 0 {
        let names: Vec<String> = read
            .filters
            .iter()
            .map(|(name, n)| format!("{name} {n}"))
            .collect();
        writeln!(
            f,
            "  records left out by FILTER: {} ({}); --apply-filters says which are used",
            read.filtered_records,
            names.join(", ")
        )?;
    }
    write_counts(f, &read_counts(read))
}

/// Scores that are left out, and why.
fn write_failed(f: &mut std::fmt::Formatter<'_>, failed: &[FailedScore]) -> std::fmt::Result {
    failed
        .iter()
        .try_for_each(|score| writeln!(f, "left out: {}", score.reason))
}

fn write_counts(f: &mut std::fmt::Formatter<'_>, counts: &[(&str, u64)]) -> std::fmt::Result {
    counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .try_for_each(|(what, count)| writeln!(f, "  {what}: {count}"))
}

/// Why there are no baselines. Each message names the file, the place, what was found, and what to
/// do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A genome file is wrong.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// The cohort is wrong.
    #[error(transparent)]
    Cohort(#[from] gf_cohort_schema::Error),
    /// A result could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// An option is wrong.
    #[error("{reason}")]
    Options {
        /// What is wrong.
        reason: String,
    },
    /// A scoring file as a whole cannot be used.
    #[error("{}: {reason}", path.display())]
    ScoringFile {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A line of a scoring file is wrong.
    #[error("{}: line {line}: {reason}", path.display())]
    ScoringLine {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A scoring file is of another build.
    #[error(
        "{}: its positions are on {found}, but the VCF is on {expected} (by {by}); take the file of your build from the PGS Catalog",
        path.display()
    )]
    Build {
        /// The file.
        path: PathBuf,
        /// Its build.
        found: GenomeBuild,
        /// The build asked for.
        expected: GenomeBuild,
        /// Who states it.
        by: String,
    },
    /// A scoring file is of a build that cannot be compared.
    #[error(
        "{}: its positions are on `{found}`, which is no build that is known here, but the VCF is on {expected}; take a file of {expected}, or correct the header (GRCh37, GRCh38, NCBI36 or T2T-CHM13)",
        path.display()
    )]
    UnknownBuild {
        /// The file.
        path: PathBuf,
        /// Its build as it writes it.
        found: String,
        /// The build of the VCF.
        expected: GenomeBuild,
    },
    /// No score can be used.
    #[error("none of {} scores can be used: {}", reasons.len(), reasons.join("; "))]
    NoScore {
        /// What is wrong with each.
        reasons: Vec<String>,
    },
    /// An id instead of a file.
    #[error(
        "{id} is a score of the PGS Catalog, not a file here: download {url} (or another build), \
         and give its path to --scoring-file"
    )]
    CatalogId {
        /// The score.
        id: String,
        /// Where its file is.
        url: String,
    },
    /// The header of a VCF is of another build than somebody says.
    #[error(
        "{}: {finding}, but {stated} says {expected}: take the scoring file of {found}, or lift the VCF over",
        path.display()
    )]
    HeaderBuild {
        /// The VCF.
        path: PathBuf,
        /// What tells its build.
        finding: String,
        /// Its build.
        found: GenomeBuild,
        /// Who says another build.
        stated: String,
        /// That build, as written there.
        expected: String,
    },
    /// Two scoring files would be one model.
    #[error("{}: the model `{model}` is there already; each scoring file needs an id (#pgs_id) of its own", path.display())]
    SameModel {
        /// The second file.
        path: PathBuf,
        /// The name.
        model: String,
    },
    /// Too few variants of a score are in the VCF.
    #[error(
        "{what}: only {matched} of {rows} variants match the VCF ({:.1} %; at least {:.1} % wanted): {reasons}. Build of the score: \
         {build}.{log} If this is meant, lower the wanted overlap (--min-overlap)",
        100.0 * *matched as f64 / *rows as f64, 100.0 * min_overlap
    )]
    Overlap {
        /// The scoring file, or the saved baseline.
        what: String,
        /// Variants matched.
        matched: usize,
        /// Variants of the score.
        rows: usize,
        /// Share wanted.
        min_overlap: f64,
        /// Build of the score.
        build: String,
        /// Why the others do not.
        reasons: Box<Reasons>,
        /// Where each row is listed, if anywhere.
        log: String,
    },
    /// Missing genotypes with nothing to put in their place.
    #[error(
        "{}: {} missing genotypes, fewer than {mincs} people called, and no frequency in the file (the first at {first}): give a file with allelefrequency_effect, trust fewer people (--mincs), or let missing genotypes add nothing (--no-mean-imputation)",
        path.display(), counted(*n, "variant has", "variants have")
    )]
    NoFrequency {
        /// The scoring file.
        path: PathBuf,
        /// How many variants.
        n: usize,
        /// `contig:position` of the first.
        first: String,
        /// People that would have to be called.
        mincs: usize,
    },
    /// The records that one row of a score may mean are in two files.
    #[error("{}: records of two VCF files fit the row at {contig}:{position}; join the files first (`bcftools concat -a`)", path.display())]
    TwoFiles {
        /// The scoring file.
        path: PathBuf,
        /// Contig of the record.
        contig: String,
        /// 1-based position.
        position: usize,
    },
    /// One person's file holds variants only.
    #[error(
        "{}: one person, and none of {n_records} records is homozygous reference: variants where the person is reference seem to be left out, and would be read as missing. Give a file with these (a gVCF that was genotyped at the score's sites), or allow it (--allow-no-hom-ref)",
        path.display()
    )]
    NoHomRef {
        /// The VCF.
        path: PathBuf,
        /// Its records.
        n_records: u64,
    },
    /// polars could not join the positions.
    #[error("{}: its variants could not be joined with those of the VCF", path.display())]
    Join {
        /// The scoring file.
        path: PathBuf,
        /// What polars said.
        source: polars::error::PolarsError,
    },
    /// The files are empty, or their records lie elsewhere.
    #[error(
        "{}: no record{}: is the VCF empty, or are the contig names or the build others?",
        vcf.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        regions_file.as_ref().map(|path| format!(" overlaps any region of {}", path.display())).unwrap_or_default()
    )]
    NoRecords {
        /// The VCF files.
        vcf: Vec<PathBuf>,
        /// BED of the regions, if there is one.
        regions_file: Option<PathBuf>,
    },
    /// There is nothing to learn from.
    #[error(
        "no variant varies among the training people ({alleles} ALT alleles were read); is it the \
         right VCF and regions file?"
    )]
    NothingVaries {
        /// ALT alleles read.
        alleles: usize,
    },
    /// A regression failed.
    #[error("{model}: the logistic regression (penalty {alpha}) failed: {reason}")]
    Fit {
        /// The baseline.
        model: String,
        /// The penalty.
        alpha: f64,
        /// What happened.
        reason: String,
    },
    /// No setting that was tried gives a baseline.
    #[error("{model}: none of the settings could be fitted: {reason}")]
    NoSetting {
        /// The baseline.
        model: String,
        /// What happened to the last.
        reason: String,
    },
    /// The machine is too small.
    #[error(
        "{} of {} need about {needed:.1} GB, {free:.1} GB are free: give fewer variants (--regions-file), or people",
        counted(*n_dosages, "dosage", "dosages"), counted(*n_people, "person", "people")
    )]
    Memory {
        /// Dosages that the baselines are learned from.
        n_dosages: usize,
        /// People of the training and validation splits.
        n_people: usize,
        /// In GB.
        needed: f64,
        /// What the machine has, in GB.
        free: f64,
    },
    /// A table of kinships cannot be used.
    #[error("{}: {reason}", path.display())]
    Kinship {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The validation split could not be evaluated.
    #[error("AUROC on the validation split: {reason}")]
    Validation {
        /// Why.
        reason: String,
    },
    /// People have too few genotypes of a baseline.
    #[error(
        "{model}: `{sample}` has genotypes of {n_called} of its {n_alleles} alleles, \
         fewer than {min_overlap} of them ({n_people} such people in all): leave these people out \
         (--samples-file), or accept it with a smaller --min-overlap"
    )]
    PeopleWithoutGenotypes {
        /// The baseline.
        model: String,
        /// The first of these people.
        sample: String,
        /// Alleles with a genotype of this person.
        n_called: usize,
        /// Alleles of the baseline.
        n_alleles: usize,
        /// All such people.
        n_people: usize,
        /// Share that is asked for.
        min_overlap: f64,
    },
    /// A baseline needs a covariate that is not there.
    #[error(
        "{model} needs the covariate `{name}`, which is not there; give a cohort.csv with this \
         column"
    )]
    NoCovariate {
        /// The baseline.
        model: String,
        /// The covariate.
        name: String,
    },
    /// A saved `prs-apoe` needs the APOE sites.
    #[error("prs-apoe: {reason}")]
    NoApoe {
        /// What is missing.
        reason: String,
    },
    /// A saved model cannot be read.
    #[error("{}: {reason}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

fn require_usable(options: &Options) -> Result<(), Error> {
    if options.no_fit {
        let reason = "no_fit sums published scores and fits nothing: it is a way of its own to \
                      run this stage";
        return Err(Error::Options {
            reason: reason.into(),
        });
    }
    // Its `predictions.csv` would be overwritten.
    if options.out.join("config.json").exists() {
        let reason = format!(
            "{} holds a model bundle; choose another folder for the baselines (--out)",
            options.out.display()
        );
        return Err(Error::Options { reason });
    }
    Ok(())
}

/// Guards of the published scores: who made them, and which allele is the effect allele.
fn guards_of_scores(options: &Options, cohort: &Cohort, scores: &[Score<'_>]) -> Vec<GuardRow> {
    let study = options.study.as_deref();
    let of_study = scores
        .iter()
        .map(|score| guards::score_study(cohort, study, score.file));
    let of_alleles = scores
        .iter()
        .filter_map(|score| guards::effect_allele(score.file, &score.frequencies));
    of_study.chain(of_alleles).collect()
}

/// What the files of the stage are written from.
struct Outputs<'o> {
    options: &'o Options,
    cohort: &'o Cohort,
    table: &'o GenotypeTable,
    scores: &'o [Score<'o>],
    predictions: &'o [Prediction],
    related_pairs: &'o [kinship::Pair],
    apoe: Option<&'o [Option<apoe::Haplotypes>]>,
    genome_build: Option<gf_genotypes::GenomeBuild>,
    apoe_build: Option<gf_genotypes::GenomeBuild>,
}

impl Outputs<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.options.out.join(name)
    }

    fn write(
        &self,
        summary: &Summary,
        associations: Vec<(panel::Column<'_>, association::Association)>,
        baselines: Vec<Baseline>,
    ) -> Result<(), Error> {
        output::write(&self.path("predictions.csv"), |out| {
            write_predictions(out, self.predictions)
        })?;
        self.write_scores()?;
        tables::write_weights(&self.path("weights.csv"), &baselines)?;
        let (columns, associations): (Vec<_>, Vec<_>) = associations.into_iter().unzip();
        association::write(&self.path("association.csv"), &columns, &associations)?;
        report::write_guards(&self.path("guards.csv"), &summary.guards)?;
        let pairs = self.path("related_pairs.csv");
        kinship::write_pairs(&pairs, self.cohort, self.related_pairs)?;
        let apoe_csv = self.path("apoe.csv");
        match self.apoe {
            Some(calls) => {
                let rows = apoe_rows(self.cohort, calls);
                output::write_csv(&apoe_csv, gf_cohort_schema::columns::<ApoeRow>(), rows)?;
            }
            None => output::remove_if_there(&apoe_csv)?,
        }
        self.write_models(summary, baselines)
    }

    /// Tables of published scores; without any, those of an earlier run are removed.
    fn write_scores(&self) -> Result<(), Error> {
        if self.scores.is_empty() {
            ["raw_scores.csv", "scores.csv", "match_log.csv"]
                .iter()
                .try_for_each(|name| output::remove_if_there(&self.path(name)))?;
            return Ok(());
        }
        let scores: Vec<&Score<'_>> = self.scores.iter().collect();
        tables::write_raw_scores(&self.path("raw_scores.csv"), &self.table.people, &scores)?;
        tables::write_scores(&self.path("scores.csv"), self.scores)?;
        Ok(())
    }

    /// The learned scores as scoring files, and the model that `score` reads.
    fn write_models(&self, summary: &Summary, baselines: Vec<Baseline>) -> Result<(), Error> {
        let learned: Vec<&str> = summary
            .choices
            .iter()
            .map(|choice| choice.model.as_str())
            .collect();
        let origin = export::Origin {
            cohort: self.cohort,
            study: self.options.study.as_deref(),
            genome_build: self.genome_build.or(self.apoe_build),
        };
        let folder = self.path("scoring_files");
        export::write_scoring_files(&folder, &baselines, &learned, &origin)?;
        let model = PrsModel {
            schema_version: SCHEMA_VERSION,
            genome_build: self.genome_build,
            min_overlap: self.options.min_overlap,
            reading: self.options.scoring.reading.clone(),
            filters: self.options.filters.clone().unwrap_or_default(),
            baselines,
        };
        Ok(output::for_others::write_json(
            &self.path("prs_model.json"),
            &model,
        )?)
    }
}

/// Fits every baseline and predicts everyone.
///
/// # Errors
/// Bad input (see [`Error`]); one class only in the training or validation split; a regression that
/// does not converge.
pub fn run(options: &Options) -> Result<Summary, Error> {
    require_usable(options)?;
    let (cohort, read) = inputs(options)?;
    let Usable {
        scores: scoring_files,
        failed: not_read,
    } = read;
    let regions_file = options.regions_file.as_deref();
    let loci = regions_file.map(gf_genotypes::read_loci).transpose()?;
    let (table, sites_without_training_calls) =
        read_genotypes(options, &cohort, loci.as_deref(), &scoring_files)?;
    let Usable {
        scores,
        failed: not_scored,
    } = score_people(options, &scoring_files, &table, &cohort, not_read)?;

    let genome_build = options.genome_build.or(table.genome_build);
    let apoe = apoe::haplotypes(&table.sites, genome_build);
    let apoe_calls = apoe.as_ref().map_or_else(|_| Vec::new(), Clone::clone);
    let apoe_written = apoe::written_otherwise(&table.sites, genome_build);
    let apoe_build = apoe::build_of(&table.sites, genome_build);
    let study = Study::new(&cohort, People::new(&table, apoe_calls, Some(&cohort)));
    let is_in_loci = |site: &Site| {
        loci.as_ref()
            .is_none_or(|loci| is_inside(loci, &site.contig, site.position))
    };
    require_memory(
        &cohort,
        table
            .sites
            .iter()
            .filter(|site| is_in_loci(site))
            .map(|site| site.counted_alts.len())
            .sum(),
    )?;
    let fitted = fit_all(
        &study,
        &table.sites,
        is_in_loci,
        &scores,
        apoe_build,
        options,
    )?;
    let predictions = predict(&cohort, &study.people, &fitted.baselines)?;
    let of_genome = kinship_sites::read(options, &cohort)?;
    let (mut guards, pairs) = kinship::guard(
        &cohort,
        &study.training,
        &table.sites,
        of_genome.as_deref(),
        options.kinship.as_deref(),
    )?;
    guards.extend(guards_of_scores(options, &cohort, &scores));

    let summary = Summary {
        n_people: cohort.people.len(),
        cohort: cohort.summary(),
        models: fitted
            .baselines
            .iter()
            .map(|baseline| baseline.model.clone())
            .collect(),
        genotypes: table.counts.clone(),
        sites_without_training_calls,
        n_dosages: fitted.associations.len(),
        constant_dosages: fitted.constant_dosages,
        constant_features: fitted.constant_features,
        apoe_region: apoe_build
            .filter(|_| !fitted.without_apoe.is_empty())
            .map(apoe::region),
        choices: fitted.choices,
        repeated_covariates: fitted.repeated_covariates,
        without_apoe: fitted.without_apoe,
        left_out: fitted.left_out,
        guards,
        apoe: apoe.as_ref().ok().map(|calls| ApoeCounts::of(calls)),
        apoe_left_out: apoe.as_ref().err().cloned(),
        scores: scores.iter().map(ScoreSummary::of).collect(),
        failed_scores: not_scored.into_iter().chain(fitted.failed).collect(),
        warnings: table
            .warnings
            .iter()
            .cloned()
            .chain(apoe_written)
            .chain(scoring_files.iter().flat_map(|file| file.warnings.clone()))
            .collect(),
    };
    let (associations, baselines) = (fitted.associations, fitted.baselines);
    Outputs {
        options,
        cohort: &cohort,
        table: &table,
        scores: &scores,
        predictions: &predictions,
        related_pairs: &pairs,
        apoe: apoe.as_deref().ok(),
        genome_build,
        apoe_build,
    }
    .write(&summary, associations, baselines)?;
    Ok(summary)
}

/// Refuses options that make no sense, and scoring files that cannot be read, before there is a
/// cohort; the ids of the scoring files.
///
/// # Errors
/// As [`run`].
pub fn check_without_cohort(options: &Options) -> Result<Vec<String>, Error> {
    check_options(options)?;
    let files = published::read_scoring_files(options, own_names())?;
    if let Some(FailedScore { reason, .. }) = files.failed.into_iter().next() {
        return Err(Error::Options { reason });
    }
    require_files(options)?;
    Ok(files.scores.into_iter().map(|file| file.id).collect())
}

fn check_options(options: &Options) -> Result<(), Error> {
    options.check()?;
    if options.scoring.no_mean_imputation {
        let reason = "no_mean_imputation goes without a cohort only: a fitted baseline has to \
                      give a value to everyone";
        return Err(Error::Options {
            reason: reason.into(),
        });
    }
    Ok(())
}

/// Further files that are only read when the genotypes are there.
fn require_files(options: &Options) -> Result<(), Error> {
    if let Some(bed) = &options.scoring.callable {
        gf_genotypes::read_intervals(bed)?;
    }
    for path in options.kinship.iter().chain(&options.scoring.reference) {
        std::fs::File::open(path).map_err(output::at(path))?;
    }
    Ok(())
}

/// What is refused before genotypes are read: options, a cohort, scoring files.
fn inputs(options: &Options) -> Result<(Cohort, Usable<ScoringFile>), Error> {
    check_options(options)?;
    if options.no_fit {
        let cohort = no_fit::read_cohort(options)?;
        return Ok((cohort, published::read_scoring_files(options, Vec::new())?));
    }
    let Options {
        cohort: path,
        phenotype_coding,
        covariates,
        missing,
        ..
    } = options;
    let mut cohort = Cohort::read_as(path, *phenotype_coding, covariates, missing)?;
    let kept = options
        .samples
        .retain(&mut cohort.people, |person| &person.sample_id);
    kept.map_err(|reason| Error::Options {
        reason: format!("{}: {reason}", options.cohort.display()),
    })?;
    cohort.keep_present_in(
        &gf_genotypes::samples_of_files(&options.vcf)?,
        missing.samples,
    )?;
    if let Some(offset) = &options.offset {
        offset.join(&mut cohort)?;
    }
    for split in [Split::Train, Split::Validation] {
        cohort.require_both_classes(split, &options.cohort)?;
    }
    Ok((cohort, published::read_scoring_files(options, own_names())?))
}

/// Refuses what [`run`] would refuse without reading genotypes, the builds of the VCF headers
/// included; says who is in the cohort and how many variants each scoring file has.
///
/// # Errors
/// As [`run`].
pub fn check(options: &Options) -> Result<(CohortSummary, Vec<(String, usize)>), Error> {
    let (
        cohort,
        Usable {
            scores: scoring_files,
            failed,
        },
    ) = inputs(options)?;
    if let Some(FailedScore { reason, .. }) = failed.into_iter().next() {
        return Err(Error::Options { reason });
    }
    require_files(options)?;
    if let Some(kinship) = &options.kinship {
        kinship::read_pairs(kinship, &cohort)?;
    }
    let stated = published::stated_builds(options, &scoring_files);
    for path in &options.vcf {
        build::of_header(&VariantFile::open(path)?, &stated)?;
    }
    Ok((
        cohort.summary(),
        scoring_files
            .into_iter()
            .map(|file| (file.id, file.rows.len()))
            .collect(),
    ))
}

/// Matrices of people by dosages that there are at once: of the panel, a regression's columns, what
/// it is given of them, and its own copy.
const MATRICES: usize = 4;

/// Refuses a fit that does not fit the memory that is free now.
fn require_memory(cohort: &Cohort, n_dosages: usize) -> Result<(), Error> {
    let Some(free) = memory::available() else {
        return Ok(());
    };
    let n_people = [Split::Train, Split::Validation]
        .map(|split| cohort.in_split(split).count())
        .iter()
        .sum::<usize>();
    let needed = n_people
        .saturating_mul(n_dosages)
        .saturating_mul(MATRICES * size_of::<f64>());
    if needed <= free {
        return Ok(());
    }
    let gb = |bytes: usize| bytes as f64 / 1e9;
    Err(Error::Memory {
        n_dosages,
        n_people,
        needed: gb(needed),
        free: gb(free),
    })
}

/// Names, without their prefix, that scoring files cannot have.
fn own_names() -> Vec<String> {
    let learned = ["dosages", "ct", "elastic-net"]
        .into_iter()
        .flat_map(|name| [name.to_owned(), format!("{name}{WITHOUT_APOE}")]);
    ["covariates", "pcs", "apoe"]
        .map(String::from)
        .into_iter()
        .chain(learned)
        .collect()
}

fn apoe_rows<'a>(
    cohort: &'a Cohort,
    calls: &'a [Option<apoe::Haplotypes>],
) -> impl Iterator<Item = ApoeRow> + 'a {
    let row = |(person, call): (&gf_cohort_schema::Person, &Option<apoe::Haplotypes>)| ApoeRow {
        sample_id: person.sample_id.clone(),
        apoe: call.map(apoe::Haplotypes::genotype),
    };
    cohort.people.iter().zip(calls).map(row)
}

/// Genotypes of the cohort, without records that no training person has a call at, and how many
/// those were.
fn read_genotypes(
    options: &Options,
    cohort: &Cohort,
    loci: Option<&[Locus]>,
    scoring_files: &[ScoringFile],
) -> Result<(GenotypeTable, usize), Error> {
    let people: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let scored = Places::new(published::positions_of(scoring_files));
    let published = Places::new(scored.iter().chain(apoe::positions()));
    let regions = loci.map(|loci| {
        let of_loci = loci
            .iter()
            .map(|locus| (locus.contig.as_str(), locus.start0..locus.end0));
        DisjointRegions::new(of_loci.chain(published.regions(usize::MAX)))
    });
    let wanted = |record: &VariantRecord| {
        loci.is_none_or(|loci| is_inside(loci, &record.contig, record.position))
            || published.has(record)
    };
    let is_asked_for = |record: &VariantRecord| published.has(record);
    let request = Request {
        paths: &options.vcf,
        regions: regions.as_ref(),
        people: Some(&people),
        samples: None,
        wanted: Some(&wanted),
        filters: options.filters.as_deref(),
        keep_unused: Some(&is_asked_for),
        reference: options.scoring.reference.as_deref(),
        builds: &published::stated_builds(options, scoring_files),
    };
    let mut table = GenotypeTable::read_as(&request, &options.scoring.reading)?;
    if table.counts.records == 0 {
        return Err(Error::NoRecords {
            vcf: options.vcf.clone(),
            regions_file: options.regions_file.clone(),
        });
    }
    let training: Vec<usize> = cohort
        .in_split(Split::Train)
        .map(|(person, _)| person)
        .collect();
    let is_called = |site: &Site| site.frequency(0, &training).is_some();
    let (called, not_called): (Vec<Site>, Vec<Site>) = std::mem::take(&mut table.sites)
        .into_iter()
        .partition(is_called);
    table.sites = called;
    let left_out = not_called.len();
    table.not_used.without_calls = not_called;
    let asked = published::alleles_of(scoring_files).chain(apoe::asked());
    let reference_calls =
        dosages::reference_calls(&table.not_used.without_alt, &table.sites, asked);
    table.sites.extend(reference_calls);
    Ok((table, left_out))
}

fn is_inside(loci: &[Locus], contig: &str, position: usize) -> bool {
    loci.iter().any(|locus| {
        (locus.start0..locus.end0).contains(&(position - 1)) && same_contig(&locus.contig, contig)
    })
}

/// Matches and sums every scoring file and writes `match_log.csv`, also when too few variants
/// match: it says why.
fn score_people<'f>(
    options: &'f Options,
    files: &'f [ScoringFile],
    table: &GenotypeTable,
    cohort: &Cohort,
    not_read: Vec<FailedScore>,
) -> Result<Usable<Score<'f>>, Error> {
    if files.is_empty() {
        return Ok(Usable {
            scores: Vec::new(),
            failed: not_read,
        });
    }
    let training = cohort
        .in_split(Split::Train)
        .map(|(person, _)| person)
        .collect();
    let mut scorer = Scorer::new(files, options, table.people.len(), training)?;
    scorer.add(&table.sites)?;
    let scores = scorer.finish(&table.sites, &table.not_used)?;
    let log = options.out.join("match_log.csv");
    let logged: Vec<&Score<'_>> = scores.iter().flatten().collect();
    tables::write_match_log(&log, &logged, &table.sites, options)?;
    published::usable(
        published::with_enough(scores, files, &table.not_used, options, &log),
        not_read,
    )
}

fn predict(
    cohort: &Cohort,
    people: &People<'_>,
    baselines: &[Baseline],
) -> Result<Vec<Prediction>, Error> {
    let mut predictions = Vec::with_capacity(baselines.len() * cohort.people.len());
    for baseline in baselines {
        for (person, logit) in cohort.people.iter().zip(baseline.logits(people)?) {
            predictions.push(Prediction {
                role: Role::of_own(&baseline.model),
                sample_id: person.sample_id.clone(),
                model: baseline.model.clone(),
                split: person.split,
                fold: None,
                phenotype: person.phenotype,
                logit,
                probability: probability(logit),
            });
        }
    }
    Ok(predictions)
}

#[cfg(test)]
mod tests;
