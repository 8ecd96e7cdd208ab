//! Options of a simulation.

use std::path::{Path, PathBuf};

use gf_cohort_schema::{
    arguments::{name_of, one_of},
    counted,
};
use gf_genotypes::{Locus, Samples};
use serde::{Deserialize, Serialize};

use super::{Error, GenotypeFormat, Preset, RiskKind, loci, risk::PREVALENCE};

/// Options of `simulate` and keys of `[simulate]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Number of samples.
    #[arg(long, value_name = "N", default_value_t = Options::default().people)]
    pub people: usize,
    /// Length of the locus in nucleotides, if there is no panel. With a preset, it is the length of
    /// each locus, or of the windows around its variants in a panel without loci.
    #[arg(
        long,
        value_name = "NT",
        default_value_t = Options::default().len_nt,
        conflicts_with = "panel"
    )]
    pub len_nt: usize,
    /// Number of variants at a locus, if there is no panel [default: like human diversity, about 8
    /// in 1,000 nt].
    #[arg(long, value_name = "N", conflicts_with = "panel")]
    pub variants: Option<usize>,
    /// Phased VCF or BCF of a panel. The simulated samples are mosaics of its haplotypes.
    #[arg(long, value_name = "VCF", requires = "reference")]
    pub panel: Option<PathBuf>,
    /// Samples of the panel whose haplotypes are the founders.
    #[arg(skip)]
    #[serde(skip)]
    pub founders: Samples,
    /// FASTA of the panel.
    #[arg(long, value_name = "FASTA", requires = "panel")]
    pub reference: Option<PathBuf>,
    /// Region of the panel, contig:beg-end (1-based, inclusive) [default: all of a FASTA with one
    /// record].
    #[arg(long, value_name = "REGION", requires = "panel")]
    pub region: Option<String>,
    /// BED of the loci of the panel to simulate. Each locus has the risk of --risk, with the same
    /// size.
    #[arg(
        long,
        value_name = "BED",
        requires = "panel",
        conflicts_with = "region"
    )]
    pub loci: Option<PathBuf>,
    /// CSV with the columns locus,risk,effect. A row gives the kind of risk of a locus and the size
    /// of its effect relative to other loci. The size is the standard deviation of its part of the
    /// logit. Loci without a row have the risk of --risk and size 1.
    #[arg(
        long,
        value_name = "CSV",
        requires = "loci",
        conflicts_with_all = ["effects", "preset"]
    )]
    pub loci_risks: Option<PathBuf>,
    /// Scoring file (PGS Catalog, or a plain table) with the simulated effects. The risk is the sum
    /// of its weights over the variants of the panel.
    #[arg(
        long,
        value_name = "FILE",
        requires = "panel",
        conflicts_with_all = ["preset", "risk"]
    )]
    pub effects: Option<PathBuf>,
    /// Preset of published odds ratios as the simulated risk: ad-2022 (Alzheimer's disease,
    /// GRCh38). Without a panel, the reference is random, with one contig of length --len-nt per
    /// locus.
    #[arg(
        long,
        value_parser = one_of::<Preset>(),
        value_name = "PRESET",
        conflicts_with = "risk"
    )]
    pub preset: Option<Preset>,
    /// Rate at which a haplotype switches to another founder, per million nucleotides.
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = Options::default().recombinations_per_mb
    )]
    pub recombinations_per_mb: f64,
    /// Kind of risk: additive (three dosages), cis (two alleles on one haplotype), trans (one
    /// allele on each haplotype), or null (no risk).
    #[arg(
        long,
        value_parser = one_of::<RiskKind>(),
        value_name = "KIND",
        default_value = name_of(&Options::default().risk)
    )]
    pub risk: RiskKind,
    /// Best achievable AUC, which is the AUC of the true logit [default: 0.72; published log odds
    /// ratios are used unchanged].
    #[arg(long)]
    pub auc: Option<f64>,
    /// Log odds ratio of disease per year of age.
    #[arg(
        long,
        value_name = "LOG_OR",
        default_value_t = Options::default().age_effect,
        allow_negative_numbers = true
    )]
    pub age_effect: f64,
    /// Log odds ratio of disease for men compared with women.
    #[arg(
        long,
        value_name = "LOG_OR",
        default_value_t = Options::default().sex_effect,
        allow_negative_numbers = true
    )]
    pub sex_effect: f64,
    /// Fraction of cases in the population that the cohort is drawn from.
    #[arg(
        long,
        value_name = "FRACTION",
        default_value_t = Options::default().prevalence
    )]
    pub prevalence: f64,
    /// Fraction of cases in the cohort. Cases and controls are drawn from the population until the
    /// cohort has this fraction [default: the cohort is a random sample of the population].
    #[arg(long, value_name = "FRACTION")]
    pub case_fraction: Option<f64>,
    /// Fractions of samples in train, validation and test.
    #[arg(
        long,
        value_name = "TRAIN,VALIDATION,TEST",
        value_parser = parse_split,
        default_value = "0.6,0.2,0.2",
        allow_hyphen_values = true
    )]
    pub split: [f64; 3],
    /// Seed of every random choice. The same seed gives the same bytes.
    #[arg(long, default_value_t = Options::default().seed)]
    pub seed: u64,
    /// Format of the genotypes: vcf (cohort.vcf.gz), bcf (cohort.bcf), pgen (cohort.pgen,
    /// cohort.pvar and cohort.psam of PLINK 2, with phase), or bgen (cohort.bgen, version 1.2, with
    /// phase and REF first).
    #[arg(
        long,
        value_parser = one_of::<GenotypeFormat>(),
        value_name = "FORMAT",
        default_value = name_of(&Options::default().format)
    )]
    pub format: GenotypeFormat,
    /// Folder for the genotypes (such as cohort.vcf.gz), reference.fa, loci.bed, cohort.csv,
    /// truth.csv and truth.json.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Why options contradict each other or are out of range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OptionsProblem {
    /// A risk of another name.
    #[error("`{text}` is not a risk; write additive, cis, trans or null")]
    UnknownRisk {
        /// The text.
        text: String,
    },
    /// A preset in a panel, without the BED.
    #[error(
        "the loci of a preset in a panel are known only when the panel is read; give the BED of \
         the loci as well (loci)"
    )]
    PresetWithoutLoci,
    /// Loci alone.
    #[error("loci are parts of a panel; give a panel and its reference as well")]
    LociWithoutPanel,
    /// Effects alone.
    #[error(
        "effects are the weights of variants in a panel; give a panel and its reference as well"
    )]
    EffectsWithoutPanel,
    /// A region alone.
    #[error("a region is a part of a panel; give a panel and its reference as well")]
    RegionWithoutPanel,
    /// Two choices of loci.
    #[error("give loci or a region, not both")]
    LociAndRegion,
    /// Risks alone.
    #[error("risks of loci need the BED of the loci; give loci")]
    RisksWithoutLoci,
    /// Two sources of the risk.
    #[error("published weights are the whole risk; give either published weights or risks of loci")]
    RisksAndEffects,
    /// Two sources of effects.
    #[error("a preset has its own effects; give either effects or a preset")]
    EffectsAndPreset,
    /// A panel or a reference alone.
    #[error("a panel needs its reference, and a reference needs its panel; give both or neither")]
    PanelOrReference,
    /// A number of variants next to a panel.
    #[error(
        "a panel determines the number of variants; give either the number of variants or a panel"
    )]
    VariantsOfPanel,
    /// A fraction of 0 or less, or of 1 or more.
    #[error("{name} {share} is not a fraction; give a number between 0 and 1")]
    NotFraction {
        /// Name of the option.
        name: &'static str,
        /// The value.
        share: f64,
    },
    /// An effect that is not finite.
    #[error("the effect of {name}, {effect}, is not a log odds ratio; give a finite number")]
    NotLogOdds {
        /// The covariate.
        name: &'static str,
        /// The effect.
        effect: f64,
    },
    /// A locus below the least length.
    #[error("a locus of {len_nt} nt is too short; give at least {least}", least = MIN_LEN_NT)]
    ShortLocus {
        /// Length of the locus.
        len_nt: usize,
    },
    /// More variants than the locus can have.
    #[error(
        "{} not fit into {len_nt} nt; give 1 to {most}",
        counted(*n_variants, "variant does", "variants do")
    )]
    TooManyVariants {
        /// Number of variants.
        n_variants: usize,
        /// Length of the locus.
        len_nt: usize,
        /// Largest number of variants.
        most: usize,
    },
    /// Fewer samples than three splits need.
    #[error(
        "{} too few; three splits with cases and controls need at least {least}",
        counted(*n_samples, "sample is", "samples are"),
        least = MIN_PEOPLE
    )]
    TooFewSamples {
        /// Number of samples.
        n_samples: usize,
    },
    /// An AUC out of range.
    #[error("AUC {auc} is not between 0.5 and 1; choose the risk `null` to simulate no risk")]
    Auc {
        /// The value.
        auc: f64,
    },
    /// A negative or infinite rate.
    #[error("{rate} recombinations per Mb is not a rate; give a finite number of 0 or more")]
    RecombinationRate {
        /// The value.
        rate: f64,
    },
    /// Fractions that do not add up to 1.
    #[error(
        "split fractions {split:?} must be above 0 and add up to 1; write three fractions, such as \
         0.6,0.2,0.2"
    )]
    Split {
        /// The fractions.
        split: [f64; 3],
    },
    /// A region of another form.
    #[error("region `{region}` is not of the form contig:beg-end (1-based, inclusive)")]
    Region {
        /// The text.
        region: String,
    },
    /// A FASTA of several contigs, without a region.
    #[error(
        "{} has several records; choose a part of one with --region contig:beg-end",
        fasta.display()
    )]
    SeveralRecords {
        /// The FASTA.
        fasta: PathBuf,
    },
    /// A population that is too large for the memory.
    #[error(
        "{n_samples} samples with case fraction {case_fraction} at prevalence {prevalence} need \
         {n_drawn} individuals drawn at {n_loci} loci, which exceeds the memory limit. Simulate \
         fewer samples, fewer loci or a higher prevalence"
    )]
    TooManyDraws {
        /// Number of samples.
        n_samples: usize,
        /// Requested fraction of cases.
        case_fraction: f64,
        /// Prevalence in the population.
        prevalence: f64,
        /// Individuals to draw.
        n_drawn: usize,
        /// Number of loci.
        n_loci: usize,
    },
    /// A draw without enough cases or controls.
    #[error(
        "the {n_drawn} individuals drawn have {n_of_class} {name}, but the case fraction needs \
         {quota}; choose another seed"
    )]
    TooFewOfClass {
        /// Individuals drawn.
        n_drawn: usize,
        /// Individuals of the class.
        n_of_class: usize,
        /// `cases` or `controls`.
        name: &'static str,
        /// Individuals of the class that are needed.
        quota: usize,
    },
}

/// Reads the value of `--split`; clap shows the text of the error.
fn parse_split(text: &str) -> Result<[f64; 3], String> {
    let fractions: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    fractions
        .ok()
        .and_then(|fractions| fractions.try_into().ok())
        .ok_or_else(|| "expected three fractions, such as 0.6,0.2,0.2".to_string())
}

impl Default for Options {
    fn default() -> Self {
        Self {
            people: 2_000,
            len_nt: 33_000,
            variants: None,
            panel: None,
            founders: Samples::All,
            reference: None,
            region: None,
            loci: None,
            loci_risks: None,
            effects: None,
            preset: None,
            recombinations_per_mb: 10.0,
            risk: RiskKind::default(),
            auc: None,
            age_effect: 0.0,
            sex_effect: 0.0,
            prevalence: PREVALENCE,
            case_fraction: None,
            split: [0.6, 0.2, 0.2],
            seed: 1,
            format: GenotypeFormat::default(),
            out: PathBuf::from("simulated"),
        }
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
        let len_nt = region.map_or(self.len_nt, |(_, range)| range.len_nt());
        match self.preset.filter(|_| self.region.is_none()) {
            Some(preset) if self.panel.is_none() => preset.invented_loci(len_nt),
            Some(_) => Err(OptionsProblem::PresetWithoutLoci.into()),
            None => Ok(vec![Locus::whole_contig("", len_nt)]),
        }
    }

    /// Requested best achievable AUC, or the default.
    pub(super) fn auc(&self) -> f64 {
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
    pub(super) fn is_one_locus(&self) -> bool {
        let only_genetics = self.age_effect == 0.0 && self.sex_effect == 0.0;
        let random_sample = self.case_fraction.is_none() && self.has_default_prevalence();
        let drawn_risk = self.effects.is_none() && self.preset.is_none();
        self.loci.is_none() && drawn_risk && only_genetics && random_sample
    }

    pub(super) fn has_default_prevalence(&self) -> bool {
        (self.prevalence - PREVALENCE).abs() < f64::EPSILON
    }

    /// Refuses contradictory options of loci, published weights and sampling.
    pub(super) fn validate_study(&self) -> Result<(), Error> {
        self.validate_sources_of_risk()?;
        self.validate_prevalence_and_covariate_effects()
    }

    pub(super) fn validate_sources_of_risk(&self) -> Result<(), Error> {
        let has_panel = self.panel.is_some();
        let has_loci = self.loci.is_some();
        let has_risks = self.loci_risks.is_some();
        let has_effects = self.effects.is_some();
        let has_preset = self.preset.is_some();
        let published = has_effects || has_preset;
        for (wrong, problem) in [
            (has_loci && !has_panel, OptionsProblem::LociWithoutPanel),
            (
                has_effects && !has_panel,
                OptionsProblem::EffectsWithoutPanel,
            ),
            (
                has_loci && self.region.is_some(),
                OptionsProblem::LociAndRegion,
            ),
            (has_risks && !has_loci, OptionsProblem::RisksWithoutLoci),
            (has_risks && published, OptionsProblem::RisksAndEffects),
            (has_effects && has_preset, OptionsProblem::EffectsAndPreset),
        ] {
            if wrong {
                return Err(problem.into());
            }
        }
        Ok(())
    }

    pub(super) fn validate_prevalence_and_covariate_effects(&self) -> Result<(), Error> {
        let shares = [
            ("prevalence", Some(self.prevalence)),
            ("case fraction", self.case_fraction),
        ];
        for (name, share) in shares {
            if let Some(share) = share.filter(|share| !(*share > 0.0 && *share < 1.0)) {
                return Err(OptionsProblem::NotFraction { name, share }.into());
            }
        }
        for (name, effect) in [("age", self.age_effect), ("sex", self.sex_effect)] {
            if !effect.is_finite() {
                return Err(OptionsProblem::NotLogOdds { name, effect }.into());
            }
        }
        Ok(())
    }

    /// Refuses options that contradict each other or are out of range.
    pub(super) fn validate(&self) -> Result<(), Error> {
        self.validate_founders()?;
        self.validate_size_and_auc()?;
        self.validate_study()?;
        self.validate_recombination_rate()?;
        self.validate_split()
    }

    pub(super) fn validate_founders(&self) -> Result<(), Error> {
        if self.panel.is_some() != self.reference.is_some() {
            return Err(OptionsProblem::PanelOrReference.into());
        }
        if self.panel.is_none() && self.region.is_some() {
            return Err(OptionsProblem::RegionWithoutPanel.into());
        }
        if self.panel.is_none() && self.len_nt < MIN_LEN_NT {
            let len_nt = self.len_nt;
            return Err(OptionsProblem::ShortLocus { len_nt }.into());
        }
        self.validate_number_of_variants()
    }

    pub(super) fn validate_number_of_variants(&self) -> Result<(), Error> {
        let Some(n_variants) = self.variants else {
            return Ok(());
        };
        if self.panel.is_some() {
            return Err(OptionsProblem::VariantsOfPanel.into());
        }
        let most = self.len_nt / MIN_NT_PER_VARIANT;
        if !(1..=most).contains(&n_variants) {
            return Err(OptionsProblem::TooManyVariants {
                n_variants,
                len_nt: self.len_nt,
                most,
            }
            .into());
        }
        Ok(())
    }

    pub(super) fn validate_size_and_auc(&self) -> Result<(), Error> {
        if self.people < MIN_PEOPLE {
            let n_samples = self.people;
            return Err(OptionsProblem::TooFewSamples { n_samples }.into());
        }
        let auc = self.auc();
        if !(auc > 0.5 && auc < 1.0) {
            return Err(OptionsProblem::Auc { auc }.into());
        }
        Ok(())
    }

    pub(super) fn validate_recombination_rate(&self) -> Result<(), Error> {
        let rate = self.recombinations_per_mb;
        if rate >= 0.0 && rate.is_finite() {
            return Ok(());
        }
        Err(OptionsProblem::RecombinationRate { rate }.into())
    }

    pub(super) fn validate_split(&self) -> Result<(), Error> {
        let total: f64 = self.split.iter().sum();
        let are_shares = self.split.iter().all(|&share| share > 0.0 && share < 1.0);
        if are_shares && (total - 1.0).abs() <= 1e-6 {
            return Ok(());
        }
        Err(OptionsProblem::Split { split: self.split }.into())
    }
}

/// Shortest locus without a panel, in nucleotides: a shorter one has too few common SNVs.
const MIN_LEN_NT: usize = 2_000;

/// Highest variant density that an option may ask for, as nucleotides per variant.
const MIN_NT_PER_VARIANT: usize = 4;

/// Fewest samples: one case and one control in each of three splits.
const MIN_PEOPLE: usize = 6;

/// Best achievable AUC when no option gives one.
const DEFAULT_AUC: f64 = 0.72;
