//! Stage `simulate`: a cohort with a known risk, and therefore a known best achievable AUC.
//!
//! Input: a phased panel with its reference, or nothing.
//! Output: samples that are mosaics of founder haplotypes, with phenotypes drawn from a simulated
//! risk. The files are `cohort.vcf.gz` (or BCF or PGEN, with index or companions), `reference.fa`,
//! `loci.bed`, `cohort.csv`, `truth.csv` and `truth.json`. VCF positions and `contig:beg-end` are
//! 1-based and inclusive; BED is 0-based and half-open.
//!
//! This file simulates one locus that carries the whole risk. The module `multilocus` simulates
//! many loci, published weights, covariate effects and case-control sampling.
//!
//! ```text
//! panel (VCF + FASTA) or founders (coalescent)
//!   -> mosaic (two haplotypes per sample)
//!   -> causal (x of each sample)
//!   -> risk (effect, phenotype)
//! ```
//! Phenotypes are always simulated, also on real genomes. Each purpose has its own stream of random
//! numbers. A change of one thing (the risk, the split) therefore leaves the rest (the genomes)
//! unchanged, and the same options give the same bytes.

mod causal;
mod dosage;
mod effects;
mod files;
mod founders;
mod loci;
mod mosaic;
mod multilocus;
mod options;
mod panel;
mod population;
mod preset;
mod risk;
mod truth;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use gf_cohort_schema::{Cohort, Person, Phenotype, Split, probability};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use self::{
    causal::{CausalSite, Choice, Tagging},
    effects::EffectSummary,
    files::GenotypeFormat,
    options::Options,
    panel::PanelSummary,
    preset::{Preset, PresetVariant},
    truth::{
        CausalVariant, ComponentAucs, CovariateEffects, LocusTruth, PartAuc, Sampling, StudyTruth,
    },
};
use self::{
    files::Genomes,
    panel::{LoadedPanels, Panel},
    risk::{PREVALENCE, Risk},
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::Locus;
use gf_stats::roc;

/// Name of the locus in `loci.bed` when there is only one.
const LOCUS_NAME: &str = "simulated";
/// Shortest locus without a panel, in nucleotides: a shorter one has too few common SNVs.
const MIN_LEN_NT: usize = 2_000;
/// Highest variant density that an option may ask for, as nucleotides per variant.
const MIN_NT_PER_VARIANT: usize = 4;
/// Fewest samples: one case and one control in each of three splits.
const MIN_PEOPLE: usize = 6;
/// Best achievable AUC when no option gives one.
const DEFAULT_AUC: f64 = 0.72;
/// Distance between the random-number streams of one locus and those of the next locus.
const STREAMS_PER_LOCUS: u64 = 64;

/// How the simulated risk depends on the two haplotypes of a sample, through a number x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RiskKind {
    /// x is the sum of the dosages of three alleles.
    Additive,
    /// x is the number of haplotypes that carry both of two alleles, or neither of them.
    ///
    /// The risk depends on a pair of alleles on one haplotype, as for APOE e2, e3 and e4. Neither
    /// allele alone predicts it. A risk of carrying both alleles only would be nearly additive: no
    /// method can then beat a regression on dosages by more than 0.03 AUC.
    #[default]
    Cis,
    /// x is 1 when one haplotype carries the first allele and the other haplotype the second one.
    Trans,
    /// All samples have the same risk.
    Null,
}

impl RiskKind {
    /// All kinds of risk.
    pub const ALL: [Self; 4] = [Self::Additive, Self::Cis, Self::Trans, Self::Null];
}

impl fmt::Display for RiskKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Additive => "additive",
            Self::Cis => "cis",
            Self::Trans => "trans",
            Self::Null => "null",
        })
    }
}

impl FromStr for RiskKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or_else(|| {
                Error::Options(format!(
                    "`{text}` is not a risk; write additive, cis, trans or null"
                ))
            })
    }
}

impl Options {
    /// Paths of all input files, in a fixed order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.panel
            .iter()
            .chain(&self.reference)
            .chain(&self.loci)
            .chain(&self.loci_risks)
            .chain(&self.effects)
            .map(PathBuf::as_path)
    }

    /// The paths of [`Options::files`] as mutable references.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.panel
            .iter_mut()
            .chain(&mut self.reference)
            .chain(&mut self.loci)
            .chain(&mut self.loci_risks)
            .chain(&mut self.effects)
    }

    /// Loci that the cohort will have, in the order of its `loci.bed`.
    ///
    /// The contig is empty when only the simulation itself determines it.
    ///
    /// # Errors
    /// A BED that cannot be read; a preset on a panel, because the panel's records decide which
    /// loci exist.
    pub fn planned_loci(&self) -> Result<Vec<Locus>, Error> {
        if let Some(bed) = &self.loci {
            return Ok(loci::sorted(gf_genotypes::read_loci(bed)?));
        }
        let region = self.region.as_deref().and_then(gf_genotypes::parse_region);
        let len_nt = region.map_or(self.len_nt, |(_, start0, end0)| end0 - start0);
        match self.preset.filter(|_| self.region.is_none()) {
            Some(preset) if self.panel.is_none() => preset.invented_loci(len_nt),
            Some(_) => {
                let reason = "the loci of a preset in a panel are known only when the panel is \
                              read; give the BED of the loci as well (loci)";
                Err(Error::Options(reason.into()))
            }
            None => Ok(vec![Locus::whole_contig("", len_nt)]),
        }
    }

    /// Requested best achievable AUC, or the default.
    fn auc(&self) -> f64 {
        self.auc.unwrap_or(DEFAULT_AUC)
    }

    /// The same options with the default AUC filled in.
    ///
    /// Published log odds without a requested AUC are used unscaled, so their AUC stays `None`.
    #[must_use]
    pub fn with_default_auc(&self) -> Self {
        let published = self.effects.is_some() || self.preset.is_some();
        let auc = if published {
            self.auc
        } else {
            Some(self.auc())
        };
        Self {
            auc,
            ..self.clone()
        }
    }

    /// Whether there is one locus and no risk besides the simulated risk of this locus.
    fn is_one_locus(&self) -> bool {
        let only_genetics = self.age_effect == 0.0 && self.sex_effect == 0.0;
        let random_sample = self.case_fraction.is_none() && self.has_default_prevalence();
        let drawn_risk = self.effects.is_none() && self.preset.is_none();
        self.loci.is_none() && drawn_risk && only_genetics && random_sample
    }

    fn has_default_prevalence(&self) -> bool {
        (self.prevalence - PREVALENCE).abs() < f64::EPSILON
    }

    /// Refuses contradictory options of loci, published weights and sampling.
    fn validate_study(&self) -> Result<(), Error> {
        self.validate_sources_of_risk()?;
        self.validate_prevalence_and_covariate_effects()
    }

    fn validate_sources_of_risk(&self) -> Result<(), Error> {
        let has_panel = self.panel.is_some();
        let has_loci = self.loci.is_some();
        let has_risks = self.loci_risks.is_some();
        let has_effects = self.effects.is_some();
        let has_preset = self.preset.is_some();
        let published = has_effects || has_preset;
        let needs_panel = "give a panel and its reference as well";
        for (wrong, reason) in [
            (
                has_loci && !has_panel,
                format!("loci are parts of a panel; {needs_panel}"),
            ),
            (
                has_effects && !has_panel,
                format!("effects are the weights of variants in a panel; {needs_panel}"),
            ),
            (
                has_loci && self.region.is_some(),
                "give loci or a region, not both".into(),
            ),
            (
                has_risks && !has_loci,
                "risks of loci need the BED of the loci; give loci".into(),
            ),
            (
                has_risks && published,
                "published weights are the whole risk; give either published weights or risks of \
                 loci"
                    .into(),
            ),
            (
                has_effects && has_preset,
                "a preset has its own effects; give either effects or a preset".into(),
            ),
        ] {
            if wrong {
                return Err(Error::Options(reason));
            }
        }
        Ok(())
    }

    fn validate_prevalence_and_covariate_effects(&self) -> Result<(), Error> {
        let shares = [
            ("prevalence", Some(self.prevalence)),
            ("case fraction", self.case_fraction),
        ];
        for (name, share) in shares {
            if let Some(share) = share.filter(|share| !(*share > 0.0 && *share < 1.0)) {
                let reason = format!("{name} {share} is not a fraction");
                return Err(Error::Options(format!(
                    "{reason}; give a number between 0 and 1"
                )));
            }
        }
        for (name, effect) in [("age", self.age_effect), ("sex", self.sex_effect)] {
            if !effect.is_finite() {
                let reason = format!("the effect of {name}, {effect}, is not a log odds ratio");
                return Err(Error::Options(format!("{reason}; give a finite number")));
            }
        }
        Ok(())
    }

    /// Refuses options that contradict each other or are out of range.
    fn validate(&self) -> Result<(), Error> {
        self.validate_founders()?;
        self.validate_size_and_auc()?;
        self.validate_study()?;
        self.validate_recombination_rate()?;
        self.validate_split()
    }

    fn validate_founders(&self) -> Result<(), Error> {
        if self.panel.is_some() != self.reference.is_some() {
            return Err(Error::options(
                "a panel needs its reference, and a reference needs its panel; give both or \
                 neither",
            ));
        }
        if self.panel.is_none() && self.region.is_some() {
            return Err(Error::options(
                "a region is a part of a panel; give a panel and its reference as well",
            ));
        }
        if self.panel.is_none() && self.len_nt < MIN_LEN_NT {
            return Err(Error::Options(format!(
                "a locus of {} nt is too short; give at least {MIN_LEN_NT}",
                self.len_nt
            )));
        }
        self.validate_number_of_variants()
    }

    fn validate_number_of_variants(&self) -> Result<(), Error> {
        let Some(n_variants) = self.variants else {
            return Ok(());
        };
        if self.panel.is_some() {
            return Err(Error::options(
                "a panel determines the number of variants; give either the number of variants or \
                 a panel",
            ));
        }
        let most = self.len_nt / MIN_NT_PER_VARIANT;
        if !(1..=most).contains(&n_variants) {
            let variants = counted(n_variants, "variant does", "variants do");
            return Err(Error::Options(format!(
                "{variants} not fit into {} nt; give 1 to {most}",
                self.len_nt
            )));
        }
        Ok(())
    }

    fn validate_size_and_auc(&self) -> Result<(), Error> {
        if self.people < MIN_PEOPLE {
            let people = counted(self.people, "sample is", "samples are");
            return Err(Error::Options(format!(
                "{people} too few; three splits with cases and controls need at least {MIN_PEOPLE}"
            )));
        }
        let auc = self.auc();
        if !(auc > 0.5 && auc < 1.0) {
            let advice = "choose the risk `null` to simulate no risk";
            return Err(Error::Options(format!(
                "AUC {auc} is not between 0.5 and 1; {advice}"
            )));
        }
        Ok(())
    }

    fn validate_recombination_rate(&self) -> Result<(), Error> {
        let rate = self.recombinations_per_mb;
        if rate >= 0.0 && rate.is_finite() {
            return Ok(());
        }
        Err(Error::Options(format!(
            "{rate} recombinations per Mb is not a rate; give a finite number of 0 or more"
        )))
    }

    fn validate_split(&self) -> Result<(), Error> {
        let total: f64 = self.split.iter().sum();
        let are_shares = self.split.iter().all(|&share| share > 0.0 && share < 1.0);
        if are_shares && (total - 1.0).abs() <= 1e-6 {
            return Ok(());
        }
        Err(Error::Options(format!(
            "split fractions {:?} must be above 0 and add up to 1; write three fractions, such as \
             0.6,0.2,0.2",
            self.split
        )))
    }
}

/// Reason why a simulation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options that contradict each other or are out of range.
    #[error("{0}")]
    Options(String),
    /// The panel or the reference cannot be used.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// The panel has too few haplotypes or records.
    #[error("{}: {reason}", path.display())]
    Panel {
        /// Path of the VCF or BCF.
        path: PathBuf,
        /// The finding and the next action.
        reason: String,
    },
    /// No sites for the simulated risk.
    #[error(
        "no causal sites for {kind} risk: {found}. Choose a longer region, another risk or a lower \
         AUC"
    )]
    NoCausalSites {
        /// The requested risk.
        kind: RiskKind,
        /// Description of the available sites.
        found: String,
    },
    /// One of many loci cannot be used.
    #[error(
        "locus {locus}: {source}. You can also remove the locus from the BED or give it risk `null`"
    )]
    AtLocus {
        /// Name and region of the locus.
        locus: String,
        /// The error at this locus.
        source: Box<Self>,
    },
    /// Two loci overlap.
    #[error("{}: loci {first} and {second} overlap; join them or shorten one", path.display())]
    OverlappingLoci {
        /// Path of the BED file.
        path: PathBuf,
        /// Name and region of the first one.
        first: String,
        /// Name and region of the second one.
        second: String,
    },
    /// A row of the table of risks cannot be used.
    #[error("{}: line {line}: {reason}", path.display())]
    RisksLine {
        /// Path of the CSV file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// The finding and the next action.
        reason: String,
    },
    /// A scoring file cannot be read.
    #[error(transparent)]
    ScoringFile(#[from] crate::scoring::Error),
    /// Published weights cannot be used.
    #[error("{source_name}: {reason}")]
    Effects {
        /// Path of the file, or name of the preset.
        source_name: String,
        /// The finding and the next action.
        reason: String,
    },
    /// Age and sex alone give a higher AUC than requested.
    #[error(
        "AUC {wanted} is below {reached:.3}, the AUC of age and sex alone; choose a higher AUC or \
         smaller effects of age and sex"
    )]
    CovariatesExceedAuc {
        /// The requested AUC.
        wanted: f64,
        /// AUC of the covariates alone.
        reached: f64,
    },
    /// The causal sites cannot give the requested AUC.
    #[error(
        "these causal sites cannot give AUC {wanted}, but at most {highest:.3}; choose a lower AUC \
         or another seed"
    )]
    AucOutOfReach {
        /// The requested AUC.
        wanted: f64,
        /// The AUC with the largest effect.
        highest: f64,
    },
    /// Too few samples for the split.
    #[error(
        "{people} samples with {} cannot be split so that {split} has cases and controls; simulate \
         more samples",
        counted(*n_cases, "case", "cases")
    )]
    OneClass {
        /// Number of samples.
        people: usize,
        /// Number of cases among the samples.
        n_cases: usize,
        /// The split that lacks a class.
        split: Split,
    },
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
}

impl Error {
    /// Options that cannot be used, for a fixed reason.
    fn options(reason: &str) -> Self {
        Self::Options(reason.into())
    }

    /// A row of the table of risks that cannot be used; `line` is 1-based.
    fn risks_line(path: &Path, line: u64, reason: String) -> Self {
        Self::RisksLine {
            path: path.into(),
            line,
            reason,
        }
    }
}

/// Counts and truth of a simulated cohort.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of samples.
    pub n_people: usize,
    /// Number of cases among the samples.
    pub n_cases: usize,
    /// Number of loci.
    pub n_loci: usize,
    /// Number of founder haplotypes that the samples are mosaics of.
    pub n_founder_haplotypes: usize,
    /// Number of variant records written.
    pub n_variants: usize,
    /// Number of records with an allele whose length differs from that of REF.
    pub n_indels: usize,
    /// Panel records left out or read by a policy.
    pub panel: PanelSummary,
    /// The contents of `truth.json`.
    pub truth: Truth,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_counts(f)?;
        self.write_risk(f)?;
        self.write_panel_policies(f)
    }
}

impl Summary {
    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_loci = self.n_loci;
        let loci = if n_loci == 1 {
            String::new()
        } else {
            format!(" at {n_loci} loci")
        };
        writeln!(
            f,
            "{} ({}), {} ({}){loci}, {} from {}",
            counted(self.n_people, "sample", "samples"),
            counted(self.n_cases, "case", "cases"),
            counted(self.n_variants, "variant", "variants"),
            counted(self.n_indels, "indel", "indels"),
            counted(
                self.truth.n_distinct_haplotypes,
                "distinct haplotype",
                "distinct haplotypes"
            ),
            counted(self.n_founder_haplotypes, "founder", "founders")
        )
    }

    fn write_risk(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let truth = &self.truth;
        let best = truth.best_possible_auc;
        writeln!(
            f,
            "{} risk: best achievable AUC {:.3} train, {:.3} validation, {:.3} test (population \
             {:.3})",
            truth.risk, best.train, best.validation, best.test, truth.population_auc
        )?;
        if let Some(choice) = &truth.choice {
            if let Some(tagging) = &choice.tagging {
                writeln!(
                    f,
                    "the dosages of all variants explain {:.2} of the variance of the causal event",
                    tagging.all_dosages_r2
                )?;
            }
            if let Some(relaxed) = &choice.relaxed {
                writeln!(f, "causal sites chosen by relaxed criteria: {relaxed}")?;
            }
        }
        if let Some(study) = &truth.study {
            write!(f, "{study}")?;
        }
        Ok(())
    }

    /// One line for each policy that applied to at least one record or call of the panel.
    fn write_panel_policies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let panel = &self.panel;
        for warning in &panel.header_warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for (count, what) in [
            (
                panel.symbolic_records_skipped,
                "records with a symbolic ALT skipped",
            ),
            (
                panel.records_across_region_ends_skipped,
                "records across an end of the region skipped",
            ),
            (
                panel.filtered_records_skipped,
                "records that do not pass their filters skipped",
            ),
            (
                panel.missing_alleles_as_reference,
                "missing alleles read as reference",
            ),
            (
                panel.unphased_heterozygotes_in_gt_order,
                "unphased heterozygous calls read in GT order",
            ),
            (
                panel.absent_haplotypes_left_out,
                "second haplotypes of haploid samples left out",
            ),
        ] {
            if count > 0 {
                writeln!(f, "{what}: {count}")?;
            }
        }
        Ok(())
    }
}

/// The contents of `truth.json`: the simulated risk and the best achievable AUC.
///
/// The logit of a sample is `intercept + effect * x`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// Kind of risk; `mixed` when the loci differ in it.
    pub risk: String,
    /// Meaning of x in words.
    pub x: &'static str,
    /// Log odds of disease at x = 0.
    pub intercept: f64,
    /// Log odds per unit of x.
    pub effect: f64,
    /// Causal sites, in the order of the locus.
    pub causal_sites: Vec<CausalSite>,
    /// Why these causal sites were chosen.
    pub choice: Option<Choice>,
    /// Requested AUC; `None` for the risk `null`.
    pub target_auc: Option<f64>,
    /// Expected AUC of the true logit over repeated draws of the phenotypes on these genomes.
    pub population_auc: f64,
    /// Share of cases in the population.
    pub prevalence: f64,
    /// AUC of the true logit for the phenotypes that were drawn, in each split. A method exceeds it
    /// only by chance.
    pub best_possible_auc: BestPossibleAuc,
    /// Number of distinct haplotypes among the two haplotypes of each sample.
    pub n_distinct_haplotypes: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// All parts of the risk, for many loci, published weights, covariate effects or case-control
    /// sampling; `None` for one locus that carries the whole risk.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub study: Option<StudyTruth>,
}

/// AUC of the true logit in each split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BestPossibleAuc {
    /// AUC in the training split.
    pub train: f64,
    /// AUC in the validation split.
    pub validation: f64,
    /// AUC in the test split.
    pub test: f64,
}

/// Purpose of a stream of random numbers.
///
/// The numbers are part of the output format: another number gives other bytes for the same seed.
#[derive(Clone, Copy)]
enum Stream {
    Reference = 1,
    Genealogy,
    Alleles,
    Mosaics,
    CausalSites,
    Phenotypes,
    Split,
    Covariates,
    Thinning,
    LeadVariants,
    Sampling,
}

/// Random numbers of the whole cohort for one purpose.
fn stream(seed: u64, purpose: Stream) -> ChaCha8Rng {
    stream_of_locus(seed, purpose, 0)
}

/// Random numbers of one locus for one purpose.
///
/// Locus 0 has the stream of a simulation with one locus.
fn stream_of_locus(seed: u64, purpose: Stream, locus_index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose as u64 + STREAMS_PER_LOCUS * locus_index);
    rng
}

/// Draws from the exponential distribution of mean `1 / rate`; infinite for a rate of 0.
fn exponential(rate: f64, rng: &mut impl Rng) -> f64 {
    // 1 - u is in (0, 1], so the logarithm is finite.
    let waiting = -(1.0 - rng.random::<f64>()).ln();
    if rate > 0.0 {
        waiting / rate
    } else {
        f64::INFINITY
    }
}

/// Checks options and input files without simulating.
///
/// # Errors
/// Options that [`run`] refuses before its first random draw, and files that cannot be read.
pub fn check(options: &Options) -> Result<(), Error> {
    options.validate()?;
    if let Some(bed) = &options.loci {
        gf_genotypes::read_loci(bed)?;
    }
    if let Some(path) = &options.effects {
        effects::Published::read(path)?;
    }
    for path in options.files() {
        std::fs::File::open(path).map_err(output::at(path))?;
    }
    if !options.is_one_locus() {
        multilocus::check(options)?;
    }
    match options.region.as_deref() {
        Some(region) if gf_genotypes::parse_region(region).is_none() => {
            let reason =
                format!("region `{region}` is not of the form contig:beg-end (1-based, inclusive)");
            Err(Error::Options(reason))
        }
        _ => Ok(()),
    }
}

/// Simulates a cohort and writes its files into `options.out`.
///
/// # Errors
/// Options out of range, a panel or reference that cannot be used, no sites for the risk, too few
/// samples for the split, or files that cannot be written.
pub fn run(options: &Options) -> Result<Summary, Error> {
    options.validate()?;
    if options.is_one_locus() {
        run_one_locus(options)
    } else {
        multilocus::run(options)
    }
}

/// Simulates a cohort with one locus that carries the whole risk.
fn run_one_locus(options: &Options) -> Result<Summary, Error> {
    let LoadedPanels { panels, counts } = panel_of_one_locus(options)?;
    let panel = &panels[0];
    let mosaic_rng = &mut stream(options.seed, Stream::Mosaics);
    let rate_per_mb = options.recombinations_per_mb;
    let haplotypes = mosaic::mosaics(panel, 2 * options.people, rate_per_mb, mosaic_rng);

    let auc = options.auc();
    let causal_rng = &mut stream(options.seed, Stream::CausalSites);
    let causal = causal::choose(options.risk, Some(auc), panel, &haplotypes, causal_rng)?;
    let risk = match options.risk {
        RiskKind::Null => Risk::NULL,
        _ => Risk::solve(&causal.x, auc).map_err(|highest| Error::AucOutOfReach {
            wanted: auc,
            highest,
        })?,
    };
    let logits: Vec<f64> = causal.x.iter().map(|&x| risk.logit(x)).collect();
    let cohort = draw_cohort(&logits, options)?;

    let truth = Truth {
        risk: options.risk.to_string(),
        x: meaning_of_x(options.risk),
        intercept: risk.intercept,
        effect: risk.effect,
        causal_sites: causal.sites,
        choice: causal.choice,
        target_auc: (options.risk != RiskKind::Null).then_some(auc),
        population_auc: risk.population_auc,
        prevalence: PREVALENCE,
        best_possible_auc: best_possible_auc(&cohort, &logits)?,
        n_distinct_haplotypes: haplotypes.n_distinct(),
        seed: options.seed,
        study: None,
    };
    let genomes = [Genomes::new(panel, &haplotypes)];
    files::write(
        &options.out,
        options.format,
        &genomes,
        &cohort,
        &logits,
        &truth,
    )?;
    Ok(Summary::new(&panels, &cohort, counts, truth))
}

/// Founder haplotypes of the one locus: read from the panel, or simulated.
fn panel_of_one_locus(options: &Options) -> Result<LoadedPanels, Error> {
    if let (Some(panel), Some(reference)) = (&options.panel, &options.reference) {
        let mut variants = panel::open(panel, &options.founders)?;
        return Panel::read(&mut variants, reference, options.region.as_deref());
    }
    let panel = founders::panel(options.len_nt, options.variants, options.seed);
    Ok(LoadedPanels {
        panels: vec![panel],
        counts: PanelSummary::default(),
    })
}

/// Draws phenotypes with these logits, splits and covariates.
fn draw_cohort(logits: &[f64], options: &Options) -> Result<Cohort, Error> {
    let phenotypes = phenotypes(logits, &mut stream(options.seed, Stream::Phenotypes));
    let split_rng = &mut stream(options.seed, Stream::Split);
    let splits = splits(&phenotypes, options.split, split_rng)?;
    let covariate_rng = &mut stream(options.seed, Stream::Covariates);
    let covariates = population::covariates(options.people, covariate_rng);
    Ok(cohort(&phenotypes, &splits, covariates))
}

impl Summary {
    fn new(panels: &[Panel], cohort: &Cohort, panel_counts: PanelSummary, truth: Truth) -> Self {
        let n_cases = cohort
            .people
            .iter()
            .filter(|person| person.phenotype == Some(Phenotype::Case))
            .count();
        let n_founder_haplotypes = panels.iter().map(|panel| panel.haplotypes.len()).max();
        let sites = panels.iter().flat_map(|panel| &panel.sites);
        Self {
            n_people: cohort.people.len(),
            n_cases,
            n_loci: panels.len(),
            n_founder_haplotypes: n_founder_haplotypes.unwrap_or(0),
            n_variants: sites.clone().count(),
            n_indels: sites.filter(|site| site.is_indel()).count(),
            panel: panel_counts,
            truth,
        }
    }
}

/// Meaning of x for a kind of risk, as `truth.json` states it.
fn meaning_of_x(kind: RiskKind) -> &'static str {
    match kind {
        RiskKind::Additive => {
            "sum of the dosages of the effect alleles at the causal sites (0 to 6)"
        }
        RiskKind::Cis => {
            "number of haplotypes of a sample that carry both effect alleles or neither (0, 1, 2)"
        }
        RiskKind::Trans => {
            "1 if one haplotype carries the first effect allele and the other haplotype the second \
             one, else 0"
        }
        RiskKind::Null => "0 for all samples",
    }
}

/// Draws disease of each sample from a Bernoulli distribution with its logit.
fn phenotypes(logits: &[f64], rng: &mut impl Rng) -> Vec<Phenotype> {
    logits
        .iter()
        .map(|&logit| {
            if rng.random_bool(probability(logit)) {
                Phenotype::Case
            } else {
                Phenotype::Control
            }
        })
        .collect()
}

/// Assigns samples at random to train, validation and test, stratified by phenotype.
///
/// Cases and controls are divided separately, so each split has both classes.
///
/// # Errors
/// A split without a case or without a control.
fn splits(
    phenotypes: &[Phenotype],
    shares: [f64; 3],
    rng: &mut impl Rng,
) -> Result<Vec<Split>, Error> {
    let mut splits = vec![Split::Train; phenotypes.len()];
    for class in [Phenotype::Case, Phenotype::Control] {
        let mut samples_of_class: Vec<usize> = (0..phenotypes.len())
            .filter(|&sample| phenotypes[sample] == class)
            .collect();
        samples_of_class.shuffle(rng);
        let n_in_class = samples_of_class.len();
        let train_end = rounded_share(shares[0], n_in_class);
        let validation_end = rounded_share(shares[0] + shares[1], n_in_class);
        let ranges = [
            (Split::Train, 0..train_end),
            (Split::Validation, train_end..validation_end),
            (Split::Test, validation_end..n_in_class),
        ];
        for (split, range) in ranges {
            if range.is_empty() {
                let n_cases = phenotypes
                    .iter()
                    .filter(|phenotype| phenotype.is_case())
                    .count();
                return Err(Error::OneClass {
                    people: phenotypes.len(),
                    n_cases,
                    split,
                });
            }
            for &sample in &samples_of_class[range] {
                splits[sample] = split;
            }
        }
    }
    Ok(splits)
}

fn rounded_share(share: f64, total: usize) -> usize {
    (share * total as f64).round() as usize
}

/// The cohort table; each row of `covariates` is the age and sex of one sample.
fn cohort(phenotypes: &[Phenotype], splits: &[Split], covariates: Vec<Vec<f64>>) -> Cohort {
    let n_digits = phenotypes.len().to_string().len().max(5);
    let mut people = Vec::with_capacity(phenotypes.len());
    for (index, (&phenotype, covariates)) in phenotypes.iter().zip(covariates).enumerate() {
        people.push(Person {
            sample_id: format!("P{:0n_digits$}", index + 1),
            phenotype: Some(phenotype),
            split: splits[index],
            family_id: None,
            covariates,
        });
    }
    Cohort {
        people,
        covariate_names: vec!["age".into(), "sex".into()],
        ..Cohort::default()
    }
}

/// AUC of the true logit in each split.
fn best_possible_auc(cohort: &Cohort, logits: &[f64]) -> Result<BestPossibleAuc, Error> {
    Ok(BestPossibleAuc {
        train: auroc_in_split(cohort, logits, Split::Train)?,
        validation: auroc_in_split(cohort, logits, Split::Validation)?,
        test: auroc_in_split(cohort, logits, Split::Test)?,
    })
}

fn auroc_in_split(cohort: &Cohort, logits: &[f64], split: Split) -> Result<f64, Error> {
    let mut case_logits = Vec::new();
    let mut control_logits = Vec::new();
    for (index, person) in cohort.in_split(split) {
        match person.phenotype {
            Some(Phenotype::Case) => case_logits.push(logits[index]),
            Some(Phenotype::Control) => control_logits.push(logits[index]),
            None => {}
        }
    }
    roc::auroc(&case_logits, &control_logits).map_err(|_| Error::OneClass {
        people: logits.len(),
        n_cases: case_logits.len(),
        split,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;
    use gf_genotypes::{DisjointRegions, Reference, VariantFile, read_loci};

    const CHR20_PANEL: &str = "chr20/win33k_A.300.grch37.vcf.gz";
    const CHR20_REFERENCE: &str = "chr20/win33k_A.grch37.fa";

    /// Real genomes next to the checkout; `None`, with a message, when they are absent.
    pub(super) fn shared_data(relative: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../shared/data")
            .join(relative);
        if !path.exists() {
            eprintln!("SKIPPED: no {}", path.display());
            return None;
        }
        Some(path)
    }

    /// A simulated cohort whose files are deleted when it is dropped.
    pub(super) struct SimulatedCohort {
        folder: tempfile::TempDir,
        pub(super) summary: Summary,
    }

    impl SimulatedCohort {
        pub(super) fn path(&self) -> &Path {
            self.folder.path()
        }

        /// Contents of all files, by name.
        pub(super) fn bytes(&self) -> BTreeMap<String, Vec<u8>> {
            let mut bytes = BTreeMap::new();
            for entry in fs::read_dir(self.path()).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                bytes.insert(name, fs::read(entry.path()).unwrap());
            }
            bytes
        }

        /// The multi-locus part of `truth.json`.
        pub(super) fn study(&self) -> &StudyTruth {
            self.summary.truth.study.as_ref().unwrap()
        }
    }

    pub(super) fn simulated(options: Options) -> SimulatedCohort {
        let folder = tempfile::tempdir().unwrap();
        let summary = run(&Options {
            out: folder.path().into(),
            ..options
        })
        .unwrap();
        SimulatedCohort { folder, summary }
    }

    /// Alleles of each record of `cohort.vcf.gz`, read through the index.
    ///
    /// Every REF is compared with `reference.fa`.
    pub(super) fn read_back(folder: &Path) -> Vec<Vec<[i16; 2]>> {
        let mut reference = Reference::open(&folder.join("reference.fa")).unwrap();
        let loci = DisjointRegions::of_loci(&read_loci(&folder.join("loci.bed")).unwrap());
        let mut file = VariantFile::open(&folder.join("cohort.vcf.gz")).unwrap();
        assert!(file.warnings().is_empty());
        let mut records = Vec::new();
        file.for_each::<gf_genotypes::Error>(Some(&loci), |record| {
            let expected = reference.fetch(&record.contig, record.start0(), record.end0())?;
            assert_eq!(
                record.ref_allele, expected,
                "{}:{}",
                record.contig, record.position
            );
            assert!(
                record.passes_filters && record.genotypes.iter().all(|genotype| genotype.phased)
            );
            records.push(
                record
                    .genotypes
                    .iter()
                    .map(|genotype| genotype.alleles)
                    .collect(),
            );
            Ok(())
        })
        .unwrap();
        records
    }

    #[test]
    fn the_same_options_give_the_same_bytes_and_another_seed_others() {
        let options = Options {
            people: 300,
            ..Options::default()
        };
        let first = simulated(options.clone()).bytes();
        let second = simulated(options.clone()).bytes();
        assert_eq!(first, second);
        let names: Vec<&String> = first.keys().collect();
        assert_eq!(
            names,
            [
                "cohort.csv",
                "cohort.vcf.gz",
                "cohort.vcf.gz.tbi",
                "loci.bed",
                "reference.fa",
                "truth.csv",
                "truth.json"
            ]
        );
        let with_seed_2 = simulated(Options { seed: 2, ..options }).bytes();
        assert!(
            first
                .iter()
                .filter(|(name, _)| *name != "loci.bed")
                .all(|(name, contents)| with_seed_2[name] != *contents)
        );
    }

    #[test]
    fn another_risk_leaves_the_genomes_as_they_were() {
        let options = Options {
            people: 300,
            ..Options::default()
        };
        let cis = simulated(options.clone()).bytes();
        let additive = simulated(Options {
            risk: RiskKind::Additive,
            auc: Some(0.6),
            ..options
        })
        .bytes();
        assert_eq!(cis["cohort.vcf.gz"], additive["cohort.vcf.gz"]);
    }

    #[test]
    fn the_vcf_reads_back_with_every_ref_as_in_the_fasta() {
        let cohort = simulated(Options {
            people: 200,
            ..Options::default()
        });
        let records = read_back(cohort.path());
        let n_variants = cohort.summary.n_variants;
        assert_eq!(records.len(), n_variants);
        assert!(records.iter().all(|record| record.len() == 200));
        assert!((200..350).contains(&n_variants), "{n_variants}");
    }

    #[test]
    fn on_5000_people_each_risk_reaches_its_auc_within_sampling_error() {
        for risk in [RiskKind::Additive, RiskKind::Cis, RiskKind::Trans] {
            let summary = simulated(Options {
                people: 5_000,
                risk,
                seed: 4,
                ..Options::default()
            })
            .summary;
            let truth = summary.truth;
            assert!((truth.population_auc - 0.72).abs() < 1e-9);
            // 3,000 samples in train and 1,000 in test: standard errors of about 0.009 and 0.016.
            let best = truth.best_possible_auc;
            assert!(
                (best.train - 0.72).abs() < 0.03 && (best.test - 0.72).abs() < 0.05,
                "{risk}: {best:?}"
            );
            assert!(
                summary.n_cases.abs_diff(2_500) < 120,
                "{risk}: {} cases",
                summary.n_cases
            );
        }
    }

    #[test]
    fn without_risk_the_best_possible_auc_is_one_half_in_every_split() {
        let cohort = simulated(Options {
            people: 400,
            risk: RiskKind::Null,
            ..Options::default()
        });
        let truth = &cohort.summary.truth;
        assert_eq!(
            truth.best_possible_auc,
            BestPossibleAuc {
                train: 0.5,
                validation: 0.5,
                test: 0.5
            }
        );
        assert_eq!(
            (truth.target_auc, truth.causal_sites.len(), truth.effect),
            (None, 0, 0.0)
        );
        assert!(
            fs::read_to_string(cohort.path().join("truth.json"))
                .unwrap()
                .contains("\"target_auc\": null")
        );
    }

    #[test]
    fn the_risk_that_is_told_is_the_risk_in_the_vcf() {
        for risk in [RiskKind::Additive, RiskKind::Cis, RiskKind::Trans] {
            let cohort = simulated(Options {
                people: 500,
                risk,
                ..Options::default()
            });
            let truth = &cohort.summary.truth;
            let carriers = effect_allele_carriers(cohort.path(), &truth.causal_sites);
            let text = fs::read_to_string(cohort.path().join("truth.csv")).unwrap();
            for (sample, line) in text.lines().skip(1).enumerate() {
                let logit: f64 = line.split(',').nth(1).unwrap().parse().unwrap();
                let x = x_by_definition(risk, &carriers, sample) as f64;
                assert!(
                    (logit - truth.intercept - truth.effect * x).abs() < 1e-6,
                    "{risk}: {line}"
                );
            }
        }
    }

    /// For each causal site and sample, whether each haplotype carries the effect allele.
    fn effect_allele_carriers(folder: &Path, causal_sites: &[CausalSite]) -> Vec<Vec<[bool; 2]>> {
        let mut carriers = Vec::new();
        let mut file = VariantFile::open(&folder.join("cohort.vcf.gz")).unwrap();
        file.for_each::<gf_genotypes::Error>(None, |record| {
            if let Some(site) = causal_sites
                .iter()
                .find(|site| site.position == record.position)
            {
                let effect_allele = i16::from(site.effect_allele == site.alt_allele);
                carriers.push(
                    record
                        .genotypes
                        .iter()
                        .map(|genotype| genotype.alleles.map(|allele| allele == effect_allele))
                        .collect(),
                );
            }
            Ok(())
        })
        .unwrap();
        carriers
    }

    fn x_by_definition(risk: RiskKind, carriers: &[Vec<[bool; 2]>], sample: usize) -> usize {
        match (risk, carriers) {
            (RiskKind::Additive, sites) => sites
                .iter()
                .flat_map(|site| site[sample])
                .filter(|&carries| carries)
                .count(),
            (RiskKind::Cis, [a, b]) => (0..2)
                .filter(|&haplotype| a[sample][haplotype] == b[sample][haplotype])
                .count(),
            (_, [a, b]) => {
                usize::from((a[sample][0] && b[sample][1]) || (a[sample][1] && b[sample][0]))
            }
            (_, sites) => panic!("{} causal sites", sites.len()),
        }
    }

    /// Options on a panel and reference of the shared data; `None` when a file is absent.
    fn shared_panel(panel: &str, reference: &str) -> Option<Options> {
        Some(Options {
            panel: Some(shared_data(panel)?),
            reference: Some(shared_data(reference)?),
            ..Options::default()
        })
    }

    #[test]
    fn people_of_a_panel_have_its_records() {
        let Some(options) = shared_panel(CHR20_PANEL, CHR20_REFERENCE) else {
            return;
        };
        let cohort = simulated(Options {
            people: 3_000,
            ..options
        });
        let summary = &cohort.summary;
        // `zgrep -vc '^#'` of the panel: 284 records, 23 indels.
        assert_eq!(
            (
                summary.n_variants,
                summary.n_indels,
                summary.n_founder_haplotypes
            ),
            (284, 23, 600)
        );
        assert_eq!(read_back(cohort.path()).len(), 284);
        assert!(
            fs::read_to_string(cohort.path().join("reference.fa"))
                .unwrap()
                .starts_with(">20:1497501-1530500\n")
        );
    }

    #[test]
    fn dosages_tell_trans_risk_badly_and_how_well_they_tell_cis_risk_is_said() {
        let Some(options) = shared_panel(CHR20_PANEL, CHR20_REFERENCE) else {
            return;
        };
        for (risk, highest_r2) in [(RiskKind::Cis, 0.6), (RiskKind::Trans, 0.2)] {
            let cohort = simulated(Options {
                people: 3_000,
                risk,
                ..options.clone()
            });
            let choice = cohort.summary.truth.choice.unwrap();
            let tagging = choice.tagging.unwrap();
            assert!(
                choice.relaxed.is_none() && tagging.all_dosages_r2 < highest_r2,
                "{tagging:?}"
            );
            assert!(
                tagging.max_variant_r2 <= tagging.all_dosages_r2
                    && tagging.causal_dosages_r2 <= tagging.all_dosages_r2 + 1e-9
            );
        }
    }

    #[test]
    fn ten_apoe_variants_are_enough_for_every_risk() {
        let panel = "apoe/apoe_gene.776.grch38.vcf.gz";
        let Some(options) = shared_panel(panel, "apoe/apoe_grch38.fa") else {
            return;
        };
        let options = Options {
            people: 776,
            ..options
        };
        for risk in RiskKind::ALL {
            let cohort = simulated(Options {
                risk,
                ..options.clone()
            });
            assert_eq!(cohort.summary.n_variants, 10);
        }
        // Around e2/e3/e4 only: rs429358 and rs7412 are 138 nt apart, and both are rare.
        let truth = simulated(Options {
            region: Some("chr19:44908600-44908900".into()),
            ..options
        })
        .summary
        .truth;
        let ids: Vec<&str> = truth
            .causal_sites
            .iter()
            .map(|site| site.id.as_str())
            .collect();
        assert_eq!(ids, ["rs429358", "rs7412"]);
        assert!(truth.choice.unwrap().relaxed.is_some());
    }

    #[test]
    fn options_that_make_no_sense_are_refused_with_the_reason() {
        let options = Options {
            out: "not-written".into(),
            ..Options::default()
        };
        let without_reference = Options {
            panel: Some("p.vcf".into()),
            ..options.clone()
        };
        let region_without_panel = Options {
            region: Some("1:1-2".into()),
            ..options.clone()
        };
        let auc_of_chance = Options {
            auc: Some(0.5),
            ..options.clone()
        };
        let empty_test_split = Options {
            split: [0.6, 0.4, 0.0],
            ..options.clone()
        };
        let five_samples = Options {
            people: 5,
            ..options.clone()
        };
        let one_class = Options {
            people: 6,
            risk: RiskKind::Null,
            ..options
        };
        for (options, expected) in [
            (without_reference, "reference"),
            (region_without_panel, "panel"),
            (auc_of_chance, "null"),
            (empty_test_split, "above 0"),
            (five_samples, "at least 6"),
            (one_class, "simulate more samples"),
        ] {
            let message = run(&options).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(!Path::new("not-written").exists());
    }
}
