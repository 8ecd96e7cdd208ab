//! Stage: a cohort whose risk is known, to see what each method can find and what nobody can.
//!
//! Input -> output: a phased panel with its reference, or nothing -> people who are mosaics of
//! founder haplotypes, with phenotypes drawn from a planted risk: `cohort.vcf.gz` (and `.tbi`),
//! `reference.fa`, `loci.bed`, `cohort.csv`, `truth.csv`, `truth.json`. Coordinates: VCF positions
//! and `contig:beg-end` are 1-based, BED is 0-based.
//!
//! One locus whose risk is all there is, is simulated here; many loci, published weights, covariate
//! effects and case-control sampling in `multilocus`.
//!
//! ```text
//! panel (VCF + FASTA)  or  founders (coalescent)  ->  mosaic (two haplotypes a person)  ->  causal (x)  ->  risk (effect, phenotype)
//! ```
//! Phenotypes are always invented, also on real genomes. Each purpose has its own stream of random
//! numbers, so that changing one thing (the risk, the split) leaves the others (the genomes) as
//! they were; the same options give the same bytes.

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
    options::Options,
    panel::PanelSummary,
    preset::{Preset, PresetVariant},
    truth::{
        CausalVariant, ComponentAucs, CovariateEffects, LocusTruth, PartAuc, Sampling, StudyTruth,
    },
};
use self::{
    files::Genomes,
    panel::Panel,
    risk::{PREVALENCE, Risk},
};
use crate::evaluation::roc;
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::Locus;

/// Name of the one locus in `loci.bed`.
const LOCUS_NAME: &str = "simulated";
/// Shortest locus made from nothing, in nucleotides: a shorter one has too few common SNVs.
const MIN_LEN_NT: usize = 2_000;
/// Densest that variants can be asked for.
const MIN_NT_PER_VARIANT: usize = 4;
/// A case and a control in each of three splits.
const MIN_PEOPLE: usize = 6;
/// AUC of the simulated risk where none is asked for.
const DEFAULT_AUC: f64 = 0.72;
/// Streams of random numbers of one locus lie this far from those of the next.
const STREAMS_PER_LOCUS: u64 = 64;

/// How the planted risk depends on a person's two haplotypes, through a number x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RiskKind {
    /// x is the sum of the dosages of three alleles.
    Additive,
    /// x is the number of haplotypes on which two alleles come together, both or neither: the risk
    /// belongs to a pair of alleles on one haplotype, as in APOE e2, e3 and e4, and neither
    /// allele alone tells it. (Risk of carrying both only is nearly additive: no method can
    /// beat a regression on dosages there by more than 0.03 AUC.)
    #[default]
    Cis,
    /// x is 1 where one haplotype carries the one allele and the other haplotype the other one.
    Trans,
    /// Nobody's risk differs.
    Null,
}

impl RiskKind {
    /// Every kind.
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
        let unknown = || {
            Error::Options(format!(
                "`{text}` is not a risk; write additive, cis, trans or null"
            ))
        };
        Self::ALL
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or_else(unknown)
    }
}

impl Options {
    /// Every file that is read, in a fixed order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let further = self
            .loci
            .iter()
            .chain(&self.loci_risks)
            .chain(&self.effects);
        self.panel
            .iter()
            .chain(&self.reference)
            .chain(further)
            .map(PathBuf::as_path)
    }

    /// The paths of [`Options::files`], to be changed.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let further = self
            .loci
            .iter_mut()
            .chain(&mut self.loci_risks)
            .chain(&mut self.effects);
        self.panel
            .iter_mut()
            .chain(&mut self.reference)
            .chain(further)
    }

    /// The loci that the cohort will have, in the order of its `loci.bed`; their contig is empty
    /// where only the simulation knows it.
    ///
    /// # Errors
    /// A BED that cannot be read; a preset on a panel, whose records decide which loci there are.
    pub fn planned_loci(&self) -> Result<Vec<Locus>, Error> {
        if let Some(bed) = &self.loci {
            return Ok(loci::sorted(gf_genotypes::read_loci(bed)?));
        }
        let region = self.region.as_deref().and_then(gf_genotypes::parse_region);
        let len_nt = region.map_or(self.len_nt, |(_, start0, end0)| end0 - start0);
        match self.preset.filter(|_| self.region.is_none()) {
            Some(preset) if self.panel.is_none() => preset.invented_loci(len_nt),
            Some(_) => {
                let reason = "which loci of a preset a panel has is known only when it is read: \
                              give the BED of the loci as well (loci)";
                Err(Error::Options(reason.into()))
            }
            None => Ok(vec![Locus::whole_contig("", len_nt)]),
        }
    }

    /// Best achievable AUC that is asked for, or the default.
    fn auc(&self) -> f64 {
        self.auc.unwrap_or(DEFAULT_AUC)
    }

    /// The same options with the AUC that they mean where none is given.
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

    /// One locus, and the risk that belongs to it is all there is.
    fn is_one_locus(&self) -> bool {
        let only_genetics = self.age_effect == 0.0 && self.sex_effect == 0.0;
        let random_sample = self.case_fraction.is_none() && self.has_default_prevalence();
        let drawn_risk = self.effects.is_none() && self.preset.is_none();
        self.loci.is_none() && drawn_risk && only_genetics && random_sample
    }

    fn has_default_prevalence(&self) -> bool {
        (self.prevalence - PREVALENCE).abs() < f64::EPSILON
    }

    /// What goes together among the options of loci, published weights and sampling.
    fn validate_study(&self) -> Result<(), Error> {
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
                format!("loci are parts of a panel: {needs_panel}"),
            ),
            (
                has_effects && !has_panel,
                format!("effects are looked up in a panel: {needs_panel}"),
            ),
            (
                has_loci && self.region.is_some(),
                "give loci or a region, not both".into(),
            ),
            (
                has_risks && !has_loci,
                "risks of loci need the BED of the loci: give loci".into(),
            ),
            (
                has_risks && published,
                "published weights are the risk: give them or risks of loci".into(),
            ),
            (
                has_effects && has_preset,
                "a preset has its effects: give effects or a preset".into(),
            ),
        ] {
            if wrong {
                return Err(Error::Options(reason));
            }
        }
        let shares = [
            ("prevalence", Some(self.prevalence)),
            ("case fraction", self.case_fraction),
        ];
        for (name, share) in shares {
            if let Some(share) = share.filter(|share| !(*share > 0.0 && *share < 1.0)) {
                let reason = format!("{name} {share} is not a share");
                return Err(Error::Options(format!(
                    "{reason}: give a number between 0 and 1"
                )));
            }
        }
        for (name, effect) in [("age", self.age_effect), ("sex", self.sex_effect)] {
            if !effect.is_finite() {
                let reason = format!("the effect of {name}, {effect}, is not a log odds ratio");
                return Err(Error::Options(format!("{reason}: give a finite number")));
            }
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Options(reason));
        if self.panel.is_some() != self.reference.is_some() {
            return refuse(
                "a panel needs its reference, and a reference its panel: give both or neither"
                    .into(),
            );
        }
        if self.panel.is_none() && self.region.is_some() {
            return refuse(
                "a region is a part of a panel: give a panel and its reference as well".into(),
            );
        }
        if self.panel.is_none() && self.len_nt < MIN_LEN_NT {
            return refuse(format!(
                "a locus of {} nt is too short; give at least {MIN_LEN_NT}",
                self.len_nt
            ));
        }
        if let Some(n_variants) = self.variants {
            if self.panel.is_some() {
                return refuse(
                    "the variants are those of the panel: give a number of them, or a panel".into(),
                );
            }
            let most = self.len_nt / MIN_NT_PER_VARIANT;
            if !(1..=most).contains(&n_variants) {
                let variants = counted(n_variants, "variant does", "variants do");
                return refuse(format!(
                    "{variants} not fit {} nt: give 1 to {most}",
                    self.len_nt
                ));
            }
        }
        if self.people < MIN_PEOPLE {
            let people = counted(self.people, "person is", "people are");
            return refuse(format!(
                "{people} too few: three splits with cases and controls need at least {MIN_PEOPLE}"
            ));
        }
        let auc = self.auc();
        if !(auc > 0.5 && auc < 1.0) {
            let advice = "for no risk at all choose the risk `null`";
            return refuse(format!("AUC {auc} is not between 0.5 and 1; {advice}"));
        }
        self.validate_study()?;
        if !(self.recombinations_per_mb >= 0.0 && self.recombinations_per_mb.is_finite()) {
            return refuse(format!(
                "{} recombinations per Mb is not a rate",
                self.recombinations_per_mb
            ));
        }
        let total: f64 = self.split.iter().sum();
        if self
            .split
            .iter()
            .any(|&share| !(share > 0.0 && share < 1.0))
            || (total - 1.0).abs() > 1e-6
        {
            return refuse(format!(
                "split shares {:?} must be above 0 and add up to 1",
                self.split
            ));
        }
        Ok(())
    }
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options that contradict each other or are out of range.
    #[error("{0}")]
    Options(String),
    /// The panel or the reference cannot be used.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// The panel has too little in it.
    #[error("{}: {reason}", path.display())]
    Panel {
        /// The VCF or BCF.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// No sites to plant the risk on.
    #[error(
        "no causal sites for {kind} risk: {found}; choose a longer region, another risk or a \
         lower AUC"
    )]
    NoCausalSites {
        /// The risk asked for.
        kind: RiskKind,
        /// What there is.
        found: String,
    },
    /// One of many loci cannot be used.
    #[error("locus {locus}: {source}; or take the locus out of the BED or give it risk `null`")]
    AtLocus {
        /// Its name and region.
        locus: String,
        /// What is wrong with it.
        source: Box<Self>,
    },
    /// Two loci have a base in common.
    #[error("{}: loci {first} and {second} overlap; join them or shorten one", path.display())]
    OverlappingLoci {
        /// The BED file.
        path: PathBuf,
        /// Name and region of the first one.
        first: String,
        /// Name and region of the other one.
        second: String,
    },
    /// A row of the table of risks cannot be used.
    #[error("{}: line {line}: {reason}", path.display())]
    RisksLine {
        /// The CSV file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// What is wrong and what to do.
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
        /// What is wrong and what to do.
        reason: String,
    },
    /// Age and sex alone give a higher AUC.
    #[error(
        "AUC {wanted} is below {reached:.3}, that of age and sex alone: ask for a higher AUC or \
         smaller effects of age and sex"
    )]
    CovariatesExceedAuc {
        /// The AUC asked for.
        wanted: f64,
        /// AUC of the covariates.
        reached: f64,
    },
    /// The sites cannot give the AUC.
    #[error(
        "AUC {wanted} cannot be reached by these causal sites, at most {highest:.3}: choose a \
         lower one or another seed"
    )]
    AucOutOfReach {
        /// The AUC asked for.
        wanted: f64,
        /// With the largest effect.
        highest: f64,
    },
    /// Too few people.
    #[error(
        "{people} people with {} cannot be split so that {split} has cases and controls: simulate more people",
        counted(*n_cases, "case", "cases")
    )]
    OneClass {
        /// People asked for.
        people: usize,
        /// Cases among them.
        n_cases: usize,
        /// The split that lacks a class.
        split: Split,
    },
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
}

/// What was simulated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of people.
    pub n_people: usize,
    /// Cases among them.
    pub n_cases: usize,
    /// Loci.
    pub n_loci: usize,
    /// Founder haplotypes the people are mosaics of.
    pub n_founder_haplotypes: usize,
    /// Variant records written.
    pub n_variants: usize,
    /// Of these, how many have an allele of another length than REF.
    pub n_indels: usize,
    /// What was left out of the panel or read by a policy.
    pub panel: PanelSummary,
    /// The contents of `truth.json`.
    pub truth: Truth,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let truth = &self.truth;
        let n_loci = self.n_loci;
        let loci = if n_loci == 1 {
            String::new()
        } else {
            format!(" at {n_loci} loci")
        };
        writeln!(
            f,
            "{} ({}), {} ({}){loci}, {} from {}",
            counted(self.n_people, "person", "people"),
            counted(self.n_cases, "case", "cases"),
            counted(self.n_variants, "variant", "variants"),
            counted(self.n_indels, "indel", "indels"),
            counted(
                truth.n_distinct_haplotypes,
                "distinct haplotype",
                "distinct haplotypes"
            ),
            counted(self.n_founder_haplotypes, "founder", "founders")
        )?;
        let best = truth.best_possible_auc;
        writeln!(
            f,
            "{} risk: best possible AUC {:.3} train, {:.3} validation, {:.3} test (population \
             {:.3})",
            truth.risk, best.train, best.validation, best.test, truth.population_auc
        )?;
        if let Some(choice) = &truth.choice {
            if let Some(tagging) = &choice.tagging {
                writeln!(
                    f,
                    "the dosages of all variants explain {:.2} of the variance of what carries \
                     the risk",
                    tagging.all_dosages_r2
                )?;
            }
            if let Some(relaxed) = &choice.relaxed {
                writeln!(f, "causal sites by relaxed criteria: {relaxed}")?;
            }
        }
        if let Some(study) = &truth.study {
            write!(f, "{study}")?;
        }
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

/// The contents of `truth.json`: the planted risk, and the best that anybody can do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// How risk depends on haplotypes; `mixed` where loci differ.
    pub risk: String,
    /// What x counts; logit = intercept + effect x.
    pub x: &'static str,
    /// Log odds of disease at x = 0.
    pub intercept: f64,
    /// Log odds for each unit of x.
    pub effect: f64,
    /// Where the risk lies, in the order of the locus.
    pub causal_sites: Vec<CausalSite>,
    /// Why there.
    pub choice: Option<Choice>,
    /// The AUC asked for; none for `null`.
    pub target_auc: Option<f64>,
    /// AUC of the true logit in the population that these people's genomes stand for, disease
    /// being drawn again and again.
    pub population_auc: f64,
    /// Share of cases in that population.
    pub prevalence: f64,
    /// AUC of the true logit against the phenotypes drawn, in each split: the best possible one
    /// but for chance.
    pub best_possible_auc: BestPossibleAuc,
    /// Distinct haplotypes among two for each person.
    pub n_distinct_haplotypes: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// Every part of the risk, for many loci, published weights, covariate effects or case-control
    /// sampling; not there for one locus whose risk is all there is.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub study: Option<StudyTruth>,
}

/// AUC of the true logit in each split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BestPossibleAuc {
    /// In the training split.
    pub train: f64,
    /// In the validation split.
    pub validation: f64,
    /// In the test split.
    pub test: f64,
}

/// What each stream of random numbers is for.
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

fn stream(seed: u64, purpose: Stream) -> ChaCha8Rng {
    stream_of_locus(seed, purpose, 0)
}

/// Of the locus with this number; number 0 is that of a simulation of one locus.
fn stream_of_locus(seed: u64, purpose: Stream, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose as u64 + STREAMS_PER_LOCUS * number);
    rng
}

/// An exponentially distributed number of mean `1 / rate`; infinite for a rate of 0.
fn exponential(rate: f64, rng: &mut impl Rng) -> f64 {
    // 1 - u is in (0, 1], so that the logarithm is finite.
    let waiting = -(1.0 - rng.random::<f64>()).ln();
    if rate > 0.0 {
        waiting / rate
    } else {
        f64::INFINITY
    }
}

/// Refuses what [`run`] would refuse before it draws anything: options, and files that cannot be
/// read.
///
/// # Errors
/// As [`run`].
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
/// people for the split, or files that cannot be written.
pub fn run(options: &Options) -> Result<Summary, Error> {
    options.validate()?;
    if !options.is_one_locus() {
        return multilocus::run(options);
    }
    let Options {
        len_nt,
        variants,
        seed,
        ..
    } = *options;
    let (panels, counts) = match (&options.panel, &options.reference) {
        (Some(panel), Some(reference)) => {
            let mut variants = panel::open(panel, &options.founders)?;
            Panel::read(&mut variants, reference, options.region.as_deref())?
        }
        _ => (
            vec![founders::panel(len_nt, variants, seed)],
            PanelSummary::default(),
        ),
    };
    let panel = &panels[0];
    let mosaic_rng = &mut stream(options.seed, Stream::Mosaics);
    let rate_per_mb = options.recombinations_per_mb;
    let haplotypes = mosaic::mosaics(panel, 2 * options.people, rate_per_mb, mosaic_rng);

    let auc = options.auc();
    let rng = &mut stream(options.seed, Stream::CausalSites);
    let causal = causal::choose(options.risk, Some(auc), panel, &haplotypes, rng)?;
    let out_of_reach = |highest| Error::AucOutOfReach {
        wanted: auc,
        highest,
    };
    let risk = match options.risk {
        RiskKind::Null => Risk::NULL,
        _ => Risk::solve(&causal.x, auc).map_err(out_of_reach)?,
    };
    let logits: Vec<f64> = causal.x.iter().map(|&x| risk.logit(x)).collect();
    let phenotypes = phenotypes(&logits, &mut stream(options.seed, Stream::Phenotypes));
    let splits = splits(
        &phenotypes,
        options.split,
        &mut stream(options.seed, Stream::Split),
    )?;
    let rng = &mut stream(options.seed, Stream::Covariates);
    let covariates = population::covariates(options.people, rng);
    let cohort = cohort(&phenotypes, &splits, covariates);

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
    files::write(&options.out, &genomes, &cohort, &logits, &truth)?;
    Ok(Summary::new(&panels, &cohort, counts, truth))
}

impl Summary {
    fn new(panels: &[Panel], cohort: &Cohort, panel: PanelSummary, truth: Truth) -> Self {
        let sites = || panels.iter().flat_map(|panel| &panel.sites);
        let is_case = |person: &&Person| person.phenotype == Some(Phenotype::Case);
        Self {
            n_people: cohort.people.len(),
            n_cases: cohort.people.iter().filter(is_case).count(),
            n_loci: panels.len(),
            n_founder_haplotypes: panels
                .iter()
                .map(|of| of.haplotypes.len())
                .max()
                .unwrap_or(0),
            n_variants: sites().count(),
            n_indels: sites().filter(|site| site.is_indel()).count(),
            panel,
            truth,
        }
    }
}

fn meaning_of_x(kind: RiskKind) -> &'static str {
    match kind {
        RiskKind::Additive => {
            "sum of the dosages of the effect alleles at the causal sites (0 to 6)"
        }
        RiskKind::Cis => {
            "number of a person's haplotypes that carry both effect alleles or neither (0, 1, 2)"
        }
        RiskKind::Trans => {
            "1 where one haplotype carries the first effect allele and the other haplotype the \
             second one, else 0"
        }
        RiskKind::Null => "0 for everybody",
    }
}

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

/// Assigns people at random to splits of these shares, cases and controls apart, so that each split
/// has both.
fn splits(
    phenotypes: &[Phenotype],
    shares: [f64; 3],
    rng: &mut impl Rng,
) -> Result<Vec<Split>, Error> {
    let mut splits = vec![Split::Train; phenotypes.len()];
    for class in [Phenotype::Case, Phenotype::Control] {
        let mut people: Vec<usize> = (0..phenotypes.len())
            .filter(|&person| phenotypes[person] == class)
            .collect();
        people.shuffle(rng);
        let at = |share: f64| (share * people.len() as f64).round() as usize;
        let train_end = at(shares[0]);
        let validation_end = at(shares[0] + shares[1]);
        let parts = [
            (Split::Train, 0..train_end),
            (Split::Validation, train_end..validation_end),
            (Split::Test, validation_end..people.len()),
        ];
        for (split, part) in parts {
            if part.is_empty() {
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
            people[part]
                .iter()
                .for_each(|&person| splits[person] = split);
        }
    }
    Ok(splits)
}

/// The table of the cohort; `covariates` are age and sex of each person.
fn cohort(phenotypes: &[Phenotype], splits: &[Split], covariates: Vec<Vec<f64>>) -> Cohort {
    let digits = phenotypes.len().to_string().len().max(5);
    let mut people = Vec::with_capacity(phenotypes.len());
    for (index, (&phenotype, covariates)) in phenotypes.iter().zip(covariates).enumerate() {
        let sample_id = format!("P{:0digits$}", index + 1);
        let phenotype = Some(phenotype);
        let split = splits[index];
        people.push(Person {
            sample_id,
            phenotype,
            split,
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

fn best_possible_auc(cohort: &Cohort, logits: &[f64]) -> Result<BestPossibleAuc, Error> {
    let auroc = |split: Split| {
        let of_class = |class: Phenotype| -> Vec<f64> {
            cohort
                .in_split(split)
                .filter(|(_, person)| person.phenotype == Some(class))
                .map(|(index, _)| logits[index])
                .collect()
        };
        let cases = of_class(Phenotype::Case);
        let controls = of_class(Phenotype::Control);
        let one_class = |_| Error::OneClass {
            people: logits.len(),
            n_cases: cases.len(),
            split,
        };
        roc::auroc(&cases, &controls).map_err(one_class)
    };
    Ok(BestPossibleAuc {
        train: auroc(Split::Train)?,
        validation: auroc(Split::Validation)?,
        test: auroc(Split::Test)?,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;
    use gf_genotypes::{DisjointRegions, Reference, VariantFile, read_loci};

    /// Real genomes beside the checkout; `None`, said aloud, where they are absent.
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

    pub(super) fn simulated(options: Options) -> (tempfile::TempDir, Summary) {
        let folder = tempfile::tempdir().unwrap();
        let summary = run(&Options {
            out: folder.path().into(),
            ..options
        })
        .unwrap();
        (folder, summary)
    }

    pub(super) fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    fs::read(entry.path()).unwrap(),
                )
            })
            .collect()
    }

    /// Alleles of each record of `cohort.vcf.gz` after comparing REF with `reference.fa`, read
    /// through the index.
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
        let (first, _) = simulated(options.clone());
        let (second, _) = simulated(options.clone());
        assert_eq!(bytes(first.path()), bytes(second.path()));
        let names: Vec<String> = bytes(first.path()).into_keys().collect();
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
        let (other, _) = simulated(Options { seed: 2, ..options });
        assert!(
            bytes(first.path())
                .iter()
                .filter(|(name, _)| *name != "loci.bed")
                .all(|(name, was)| bytes(other.path())[name] != *was)
        );
    }

    #[test]
    fn another_risk_leaves_the_genomes_as_they_were() {
        let options = Options {
            people: 300,
            ..Options::default()
        };
        let (cis, _) = simulated(options.clone());
        let (additive, _) = simulated(Options {
            risk: RiskKind::Additive,
            auc: Some(0.6),
            ..options
        });
        assert_eq!(
            bytes(cis.path())["cohort.vcf.gz"],
            bytes(additive.path())["cohort.vcf.gz"]
        );
    }

    #[test]
    fn the_vcf_reads_back_with_every_ref_as_in_the_fasta() {
        let (folder, summary) = simulated(Options {
            people: 200,
            ..Options::default()
        });
        let records = read_back(folder.path());
        assert_eq!(records.len(), summary.n_variants);
        assert!(records.iter().all(|record| record.len() == 200));
        assert!(
            (200..350).contains(&summary.n_variants),
            "{}",
            summary.n_variants
        );
    }

    #[test]
    fn on_5000_people_each_risk_reaches_its_auc_within_sampling_error() {
        for risk in [RiskKind::Additive, RiskKind::Cis, RiskKind::Trans] {
            let (_folder, summary) = simulated(Options {
                people: 5_000,
                risk,
                seed: 4,
                ..Options::default()
            });
            let truth = summary.truth;
            assert!((truth.population_auc - 0.72).abs() < 1e-9);
            // 3,000 people in train, 1,000 in test: standard errors of about 0.009 and 0.016.
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
        let (folder, summary) = simulated(Options {
            people: 400,
            risk: RiskKind::Null,
            ..Options::default()
        });
        let truth = summary.truth;
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
            fs::read_to_string(folder.path().join("truth.json"))
                .unwrap()
                .contains("\"target_auc\": null")
        );
    }

    #[test]
    fn the_risk_that_is_told_is_the_risk_in_the_vcf() {
        for risk in [RiskKind::Additive, RiskKind::Cis, RiskKind::Trans] {
            let (folder, summary) = simulated(Options {
                people: 500,
                risk,
                ..Options::default()
            });
            let truth = summary.truth;
            let mut causal: Vec<Vec<[bool; 2]>> = Vec::new();
            let mut file = VariantFile::open(&folder.path().join("cohort.vcf.gz")).unwrap();
            file.for_each::<gf_genotypes::Error>(None, |record| {
                if let Some(site) = truth
                    .causal_sites
                    .iter()
                    .find(|site| site.position == record.position)
                {
                    let carried = i16::from(site.effect_allele == site.alt_allele);
                    causal.push(
                        record
                            .genotypes
                            .iter()
                            .map(|genotype| genotype.alleles.map(|allele| allele == carried))
                            .collect(),
                    );
                }
                Ok(())
            })
            .unwrap();
            let x = |person: usize| match (risk, &causal[..]) {
                (RiskKind::Additive, sites) => sites
                    .iter()
                    .flat_map(|site| site[person])
                    .filter(|&carried| carried)
                    .count(),
                (RiskKind::Cis, [a, b]) => (0..2)
                    .filter(|&haplotype| a[person][haplotype] == b[person][haplotype])
                    .count(),
                (_, [a, b]) => {
                    usize::from((a[person][0] && b[person][1]) || (a[person][1] && b[person][0]))
                }
                (_, sites) => panic!("{} causal sites", sites.len()),
            };
            let text = fs::read_to_string(folder.path().join("truth.csv")).unwrap();
            for (person, line) in text.lines().skip(1).enumerate() {
                let logit: f64 = line.split(',').nth(1).unwrap().parse().unwrap();
                assert!(
                    (logit - truth.intercept - truth.effect * x(person) as f64).abs() < 1e-6,
                    "{risk}: {line}"
                );
            }
        }
    }

    #[test]
    fn people_of_a_panel_have_its_records() {
        let (Some(panel), Some(reference)) = (
            shared_data("chr20/win33k_A.300.grch37.vcf.gz"),
            shared_data("chr20/win33k_A.grch37.fa"),
        ) else {
            return;
        };
        let options = Options {
            people: 3_000,
            panel: Some(panel),
            reference: Some(reference),
            ..Options::default()
        };
        let (folder, summary) = simulated(options);
        // `zgrep -vc '^#'` of the panel: 284 records, 23 indels.
        assert_eq!(
            (
                summary.n_variants,
                summary.n_indels,
                summary.n_founder_haplotypes
            ),
            (284, 23, 600)
        );
        assert_eq!(read_back(folder.path()).len(), 284);
        assert!(
            fs::read_to_string(folder.path().join("reference.fa"))
                .unwrap()
                .starts_with(">20:1497501-1530500\n")
        );
    }

    #[test]
    fn dosages_tell_trans_risk_badly_and_how_well_they_tell_cis_risk_is_said() {
        let (Some(panel), Some(reference)) = (
            shared_data("chr20/win33k_A.300.grch37.vcf.gz"),
            shared_data("chr20/win33k_A.grch37.fa"),
        ) else {
            return;
        };
        for (risk, highest_r2) in [(RiskKind::Cis, 0.6), (RiskKind::Trans, 0.2)] {
            let panel = Some(panel.clone());
            let reference = Some(reference.clone());
            let (_folder, summary) = simulated(Options {
                people: 3_000,
                panel,
                reference,
                risk,
                ..Options::default()
            });
            let choice = summary.truth.choice.unwrap();
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
        let (Some(panel), Some(reference)) = (
            shared_data("apoe/apoe_gene.776.grch38.vcf.gz"),
            shared_data("apoe/apoe_grch38.fa"),
        ) else {
            return;
        };
        let options = Options {
            people: 776,
            panel: Some(panel),
            reference: Some(reference),
            ..Options::default()
        };
        for risk in RiskKind::ALL {
            let (_folder, summary) = simulated(Options {
                risk,
                ..options.clone()
            });
            assert_eq!(summary.n_variants, 10);
        }
        // Around e2/e3/e4 only: rs429358 and rs7412 are 138 nt apart, and both are rare.
        let (_folder, summary) = simulated(Options {
            region: Some("chr19:44908600-44908900".into()),
            ..options
        });
        let ids: Vec<&str> = summary
            .truth
            .causal_sites
            .iter()
            .map(|site| site.id.as_str())
            .collect();
        assert_eq!(ids, ["rs429358", "rs7412"]);
        assert!(summary.truth.choice.unwrap().relaxed.is_some());
    }

    #[test]
    fn options_that_make_no_sense_are_refused_with_the_reason() {
        let refusal = |options: Options| run(&options).unwrap_err().to_string();
        let options = Options {
            out: "not-written".into(),
            ..Options::default()
        };
        assert!(
            refusal(Options {
                panel: Some("p.vcf".into()),
                ..options.clone()
            })
            .contains("reference")
        );
        assert!(
            refusal(Options {
                region: Some("1:1-2".into()),
                ..options.clone()
            })
            .contains("panel")
        );
        assert!(
            refusal(Options {
                auc: Some(0.5),
                ..options.clone()
            })
            .contains("null")
        );
        assert!(
            refusal(Options {
                split: [0.6, 0.4, 0.0],
                ..options.clone()
            })
            .contains("above 0")
        );
        assert!(
            refusal(Options {
                people: 5,
                ..options.clone()
            })
            .contains("at least 6")
        );
        let too_few = refusal(Options {
            people: 6,
            risk: RiskKind::Null,
            ..options
        });
        assert!(too_few.contains("simulate more people"), "{too_few}");
        assert!(!Path::new("not-written").exists());
    }
}
