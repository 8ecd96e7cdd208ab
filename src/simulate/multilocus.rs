//! A cohort over many loci, with covariate effects, published weights or case-control sampling.
//!
//! Input: [`Options`]. Output: the files of a cohort, and a [`Summary`] whose truth reports every
//! part of the risk.
//!
//! Each individual has one pair of mosaic haplotypes per locus. Mosaics of different loci are
//! independent, so loci are unlinked even if they are close to each other.
//!
//! ```text
//! logit = intercept + scale * (sum over loci of effect * x)
//!         + age_effect * (age - 75) + sex_effect * sex
//! ```
//! Without published weights, `effect` is the relative effect of the locus divided by the standard
//! deviation of its x, and `scale` is solved for the requested AUC. Published log odds have
//! `scale` 1 unless the options request an AUC.

use std::path::Path;

use gf_cohort_schema::{Cohort, Phenotype};
use gf_genotypes::{Reference, VariantFile};

use super::{
    BestPossibleAuc, Error, Options, PanelProblem, Preset, RiskKind, Stream, Summary, Truth,
    best_possible_auc,
    causal::{self, Causal, CausalSite},
    cohort,
    dosage::Dosage,
    effects::{MatchedEffects, Published, SiteEffect, match_to_panels},
    files::{self, Genomes},
    founders,
    loci::{self, LocusRisk},
    meaning_of_x,
    mosaic::{self, Mosaics},
    panel::{self, EmptyLoci, LoadedPanels, Panel, PanelSummary},
    phenotypes::splits,
    population::{self, Population, PopulationRisk, Sample, population_auc, standard_deviation},
    preset::InventedPanels,
    random::stream_of_locus,
    stream,
    truth::{
        CausalVariant, ComponentAucs, CovariateEffects, LocusTruth, PartAuc, Sampling, StudyTruth,
    },
};

/// Founders and risk of all loci, before any individual is drawn.
struct SimulatedRisk {
    /// One panel per locus.
    panels: Vec<Panel>,
    /// Risk of each locus; not used with published weights.
    risks: Vec<LocusRisk>,
    /// Published weights.
    published: Option<MatchedEffects>,
    counts: PanelSummary,
}

/// Simulates a cohort and writes its files into `options.out`.
///
/// # Errors
/// Files that cannot be used or written, too few sites or individuals, or an AUC that cannot be
/// reached.
pub fn run(options: &Options) -> Result<Summary, Error> {
    let plan = SimulatedRisk::new(options)?;
    let sample = Sample::plan(options, plan.panels.len())?;
    let drawn_haplotypes = mosaics(&plan.panels, sample.n_drawn, options);
    let mut genetic = GeneticLogits::sum(&plan, &drawn_haplotypes, options)?;
    let covariate_rng = &mut stream(options.seed, Stream::Covariates);
    let covariates = population::covariates(sample.n_drawn, covariate_rng);
    let covariate_logits = population::covariate_logits(&covariates, options);
    let risk = solve(&plan, &genetic, &covariate_logits, options)?;
    genetic.scale(risk.scale);

    let phenotype_rng = &mut stream(options.seed, Stream::Phenotypes);
    let phenotypes = population::draw(&risk.probabilities, phenotype_rng);
    let sampled = SampledCohort::draw(&sample, &phenotypes, &covariates, options)?;
    let haplotypes: Vec<Mosaics<'_>> = drawn_haplotypes
        .iter()
        .map(|locus| locus.select(&sampled.indices))
        .collect();

    let logits = sampled.select(&risk.logits);
    let study = StudyTruth {
        best_achievable_auc: component_aucs(&genetic, &covariate_logits, &risk, &sampled)?,
        scale: risk.scale,
        covariate_effects: CovariateEffects::new(options),
        sampling: Sampling::count(options, &phenotypes),
        published_effects: plan.published.map(|published| published.counts),
        loci: genetic.loci,
    };
    let best_possible_auc = best_possible_auc(&sampled.cohort, &logits)?;
    let n_distinct_haplotypes = haplotypes.iter().map(Mosaics::n_distinct).sum();
    let truth = truth(
        options,
        &risk,
        study,
        best_possible_auc,
        n_distinct_haplotypes,
    );
    let mut genomes = Vec::with_capacity(plan.panels.len());
    for (panel, haplotypes_of_locus) in plan.panels.iter().zip(&haplotypes) {
        genomes.push(Genomes::new(panel, haplotypes_of_locus));
    }
    files::write(
        &options.out,
        options.format,
        &genomes,
        &sampled.cohort,
        &logits,
        &truth,
    )?;
    Ok(Summary::new(
        &plan.panels,
        &sampled.cohort,
        plan.counts,
        truth,
    ))
}

/// The contents of `truth.json`.
fn truth(
    options: &Options,
    risk: &PopulationRisk,
    study: StudyTruth,
    best_possible_auc: BestPossibleAuc,
    n_distinct_haplotypes: usize,
) -> Truth {
    Truth {
        risk: overall_risk(&study.loci),
        x: "sum over loci of effect times x of the locus, plus the effects of age and sex; see \
            `loci` and `covariate_effects`",
        intercept: risk.intercept,
        effect: 1.0,
        causal_sites: causal_sites(&study.loci),
        choice: None,
        target_auc: risk.target_auc,
        population_auc: risk.auc,
        prevalence: options.prevalence,
        best_possible_auc,
        n_distinct_haplotypes,
        seed: options.seed,
        study: Some(study),
    }
}

/// Refuses effects of age and sex that alone exceed the requested AUC.
///
/// [`run`] would find this only after it has drawn the genomes.
///
/// # Errors
/// Covariates that exceed the AUC, or a population too large for memory.
pub fn check(options: &Options) -> Result<(), Error> {
    let requested_auc = options.with_default_auc().auc;
    let Some(wanted) = requested_auc.filter(|_| options.risk != RiskKind::Null) else {
        return Ok(());
    };
    let n_loci = options.planned_loci().map_or(1, |loci| loci.len());
    let n_drawn = Sample::plan(options, n_loci)?.n_drawn;
    let covariates = population::covariates(n_drawn, &mut stream(options.seed, Stream::Covariates));
    let covariate_logits = population::covariate_logits(&covariates, options);
    let genetic = vec![0.0; n_drawn];
    let population = Population {
        genetic: &genetic,
        covariates: &covariate_logits,
        prevalence: options.prevalence,
    };
    let reached = population.at_scale(0.0).auc;
    if reached > wanted {
        Err(Error::CovariatesExceedAuc { wanted, reached })
    } else {
        Ok(())
    }
}

/// The individuals of the population that are in the cohort.
struct SampledCohort {
    /// Their indices in the population, in increasing order.
    indices: Vec<usize>,
    cohort: Cohort,
}

impl SampledCohort {
    /// Draws the cohort from the population and assigns its splits.
    ///
    /// `phenotypes` and `covariates` have one entry per individual of the population.
    fn draw(
        sample: &Sample,
        phenotypes: &[Phenotype],
        covariates: &[Vec<f64>],
        options: &Options,
    ) -> Result<Self, Error> {
        let indices = sample.keep(phenotypes, &mut stream(options.seed, Stream::Sampling))?;
        let sampled_phenotypes: Vec<Phenotype> = indices.iter().map(|&i| phenotypes[i]).collect();
        let split_rng = &mut stream(options.seed, Stream::Split);
        let splits = splits(&sampled_phenotypes, options.split, split_rng)?;
        let sampled_covariates = indices.iter().map(|&i| covariates[i].clone()).collect();
        Ok(Self {
            cohort: cohort(&sampled_phenotypes, &splits, sampled_covariates),
            indices,
        })
    }

    /// The values of the cohort, from one value per individual of the population.
    fn select(&self, values: &[f64]) -> Vec<f64> {
        self.indices.iter().map(|&i| values[i]).collect()
    }
}

impl SimulatedRisk {
    /// Reads or simulates the founders of all loci, and reads published weights.
    fn new(options: &Options) -> Result<Self, Error> {
        match (&options.panel, &options.reference, options.preset) {
            (Some(panel), Some(reference), _) => {
                let plan = Self::on_panel(panel, reference, options)?;
                let published = match (&options.effects, options.preset) {
                    (Some(path), _) => Some(Published::read(path)?),
                    (None, preset) => preset.map(Preset::published).transpose()?,
                };
                match published {
                    Some(published) => plan.with_published(&published),
                    None => Ok(plan),
                }
            }
            (.., Some(preset)) => {
                let InventedPanels { panels, published } = preset.invented(options)?;
                Self::with_one_risk(panels, PanelSummary::default(), options)
                    .with_published(&published)
            }
            _ => {
                let panel = founders::panel(options.len_nt, options.variants, options.seed);
                let counts = PanelSummary::default();
                Ok(Self::with_one_risk(vec![panel], counts, options))
            }
        }
    }

    /// All loci have the risk of the options.
    fn with_one_risk(panels: Vec<Panel>, counts: PanelSummary, options: &Options) -> Self {
        let risks = vec![LocusRisk::of_kind(options.risk); panels.len()];
        Self {
            panels,
            risks,
            published: None,
            counts,
        }
    }

    /// Published weights replace the risks of the loci.
    fn with_published(mut self, published: &Published) -> Result<Self, Error> {
        self.counts
            .header_warnings
            .extend(published.warnings.iter().cloned());
        self.published = Some(match_to_panels(published, &self.panels)?);
        Ok(self)
    }

    /// Reads the loci of the BED, the windows of the preset, or the region.
    fn on_panel(panel: &Path, reference: &Path, options: &Options) -> Result<Self, Error> {
        let variants = &mut panel::open(panel, &options.founders)?;
        if let Some(bed) = &options.loci {
            let planned_loci = loci::read(bed, options.loci_risks.as_deref(), options.risk)?;
            let risks = planned_loci.iter().map(|locus| locus.risk).collect();
            let loci = planned_loci.into_iter().map(|locus| locus.locus).collect();
            let fasta = &mut Reference::open(reference)?;
            let loaded = Panel::read_loci(variants, fasta, loci, EmptyLoci::Refuse)?;
            return Ok(Self {
                panels: loaded.panels,
                risks,
                published: None,
                counts: loaded.counts,
            });
        }
        let LoadedPanels { panels, counts } = match options.preset {
            Some(preset) if options.region.is_none() => {
                let fasta = &mut Reference::open(reference)?;
                read_windows(preset, variants, fasta, options.len_nt)?
            }
            _ => Panel::read(variants, reference, options.region.as_deref())?,
        };
        Ok(Self::with_one_risk(panels, counts, options))
    }
}

/// Reads the windows around the variants of a preset that the panel covers.
fn read_windows(
    preset: Preset,
    variants: &mut VariantFile,
    fasta: &mut Reference,
    len_nt: usize,
) -> Result<LoadedPanels, Error> {
    let mut windows = loci::sorted(preset.windows(len_nt, fasta)?);
    windows.retain(|locus| variants.may_have_contig(&locus.contig));
    let loaded = Panel::read_loci(variants, fasta, windows, EmptyLoci::LeaveOut)?;
    if loaded.panels.is_empty() {
        return Err(Error::Panel {
            path: variants.path().into(),
            problem: PanelProblem::NoPresetRecord,
        });
    }
    Ok(loaded)
}

/// Draws two haplotypes per individual at each locus.
fn mosaics<'a>(panels: &'a [Panel], n_drawn: usize, options: &Options) -> Vec<Mosaics<'a>> {
    let mut mosaics = Vec::with_capacity(panels.len());
    for (locus_index, panel) in (0..).zip(panels) {
        let rng = &mut stream_of_locus(options.seed, Stream::Mosaics, locus_index);
        let rate_per_mb = options.recombinations_per_mb;
        mosaics.push(mosaic::mosaics(panel, 2 * n_drawn, rate_per_mb, rng));
    }
    mosaics
}

/// The genetic part of each individual's logit.
struct GeneticLogits {
    /// Sum over loci with additive risk.
    additive: Vec<f64>,
    /// Sum over loci with cis or trans risk.
    non_additive: Vec<f64>,
    loci: Vec<LocusTruth>,
}

impl GeneticLogits {
    /// Adds up the loci, before the effects are scaled.
    fn sum(
        plan: &SimulatedRisk,
        drawn_haplotypes: &[Mosaics<'_>],
        options: &Options,
    ) -> Result<Self, Error> {
        let n_drawn = drawn_haplotypes
            .first()
            .map_or(0, |haplotypes| haplotypes.len() / 2);
        let mut genetic = Self {
            additive: vec![0.0; n_drawn],
            non_additive: vec![0.0; n_drawn],
            loci: Vec::new(),
        };
        for (index, (panel, haplotypes)) in plan.panels.iter().zip(drawn_haplotypes).enumerate() {
            let locus = match &plan.published {
                Some(published) => published_locus(panel, haplotypes, &published.by_panel[index]),
                None => drawn_locus(panel, haplotypes, plan.risks[index], index as u64, options)?,
            };
            let sums = match locus.truth.risk {
                RiskKind::Cis | RiskKind::Trans => &mut genetic.non_additive,
                RiskKind::Additive | RiskKind::Null => &mut genetic.additive,
            };
            for (sum, logit) in sums.iter_mut().zip(&locus.logits) {
                *sum += logit;
            }
            genetic.loci.push(locus.truth);
        }
        Ok(genetic)
    }

    fn total(&self) -> Vec<f64> {
        self.additive
            .iter()
            .zip(&self.non_additive)
            .map(|(a, b)| a + b)
            .collect()
    }

    fn scale(&mut self, scale: f64) {
        for logit in self.additive.iter_mut().chain(&mut self.non_additive) {
            *logit *= scale;
        }
        for locus in &mut self.loci {
            locus.scale(scale);
        }
    }

    fn has_any(&self, kinds: &[RiskKind]) -> bool {
        self.loci.iter().any(|locus| kinds.contains(&locus.risk))
    }
}

fn causal_sites(loci: &[LocusTruth]) -> Vec<CausalSite> {
    let variants = loci.iter().flat_map(|locus| &locus.causal_sites);
    variants.map(|variant| variant.site.clone()).collect()
}

/// The simulated risk of one locus, before the effects are scaled.
struct LocusLogits {
    /// The part of each individual's logit.
    logits: Vec<f64>,
    truth: LocusTruth,
}

/// Simulates a risk on causal sites that the seed chooses.
fn drawn_locus(
    panel: &Panel,
    haplotypes: &Mosaics<'_>,
    risk: LocusRisk,
    locus_index: u64,
    options: &Options,
) -> Result<LocusLogits, Error> {
    let causal = choose_causal_sites(panel, haplotypes, risk.kind, locus_index, options)?;
    let x: Vec<f64> = causal::x_of(risk.kind, &causal.alleles, haplotypes)
        .into_iter()
        .map(f64::from)
        .collect();
    let x_sd = standard_deviation(&x);
    let effect = if x_sd > 0.0 {
        risk.relative_effect / x_sd
    } else {
        0.0
    };
    let logits: Vec<f64> = x.iter().map(|x| effect * x).collect();
    let mut causal_sites = Vec::with_capacity(causal.sites.len());
    for (site, &(index, allele)) in causal.sites.into_iter().zip(&causal.alleles) {
        // The choice saw only a part of the population; the truth reports the frequency in all.
        let dosage = Dosage::of_allele(haplotypes.at_site(index), allele);
        causal_sites.push(CausalVariant {
            site: CausalSite {
                effect_allele_frequency: dosage.mean() / 2.0,
                ..site
            },
            log_odds_by_copies: None,
        });
    }
    let has_risk = risk.kind != RiskKind::Null;
    let truth = LocusTruth {
        name: panel.locus.name.clone(),
        region: panel.locus.region(),
        risk: risk.kind,
        x: meaning_of_x(risk.kind),
        relative_effect: has_risk.then_some(risk.relative_effect),
        effect: has_risk.then_some(effect),
        logit_sd: standard_deviation(&logits),
        causal_sites,
        choice: causal.choice,
    };
    Ok(LocusLogits { logits, truth })
}

/// Chooses causal sites from as many individuals as the cohort will have.
fn choose_causal_sites(
    panel: &Panel,
    haplotypes: &Mosaics<'_>,
    kind: RiskKind,
    locus_index: u64,
    options: &Options,
) -> Result<Causal, Error> {
    let rng = &mut stream_of_locus(options.seed, Stream::CausalSites, locus_index);
    // A population much larger than the cohort would make the choice slow and no better.
    let n_individuals = options.people.min(haplotypes.len() / 2);
    let individuals: Vec<usize> = (0..n_individuals).collect();
    let some_haplotypes = haplotypes.select(&individuals);
    causal::choose(kind, None, panel, &some_haplotypes, rng).map_err(|source| Error::AtLocus {
        locus: format!("{} ({})", panel.locus.name, panel.locus.region()),
        source: Box::new(source),
    })
}

/// Simulates the risk of published weights.
fn published_locus(panel: &Panel, haplotypes: &Mosaics<'_>, effects: &[SiteEffect]) -> LocusLogits {
    let mut logits = vec![0.0; haplotypes.len() / 2];
    let mut causal_sites = Vec::with_capacity(effects.len());
    for effect in effects {
        let dosage = Dosage::of_allele(haplotypes.at_site(effect.site), effect.allele);
        for (logit, copies) in logits.iter_mut().zip(dosage.of_people()) {
            *logit += effect.log_odds[usize::from(copies)];
        }
        let frequency = dosage.mean() / 2.0;
        causal_sites.push(CausalVariant {
            site: CausalSite::new(panel, effect.site, effect.allele, frequency),
            log_odds_by_copies: Some(effect.log_odds),
        });
    }
    let risk = if effects.is_empty() {
        RiskKind::Null
    } else {
        RiskKind::Additive
    };
    let truth = LocusTruth {
        name: panel.locus.name.clone(),
        region: panel.locus.region(),
        risk,
        x: "sum of log_odds_by_copies over the causal sites",
        relative_effect: None,
        effect: None,
        logit_sd: standard_deviation(&logits),
        causal_sites,
        choice: None,
    };
    LocusLogits { logits, truth }
}

/// Scales the genetic part of the logit to the requested AUC.
///
/// Published log odds without a requested AUC are used unscaled.
fn solve(
    plan: &SimulatedRisk,
    genetic: &GeneticLogits,
    covariate_logits: &[f64],
    options: &Options,
) -> Result<PopulationRisk, Error> {
    let genetic_total = genetic.total();
    let varies = standard_deviation(&genetic_total) > 0.0;
    let population = Population {
        genetic: &genetic_total,
        covariates: covariate_logits,
        prevalence: options.prevalence,
    };
    let requested_auc = if plan.published.is_some() {
        options.auc
    } else {
        Some(options.auc())
    };
    match requested_auc.filter(|_| varies) {
        Some(auc) => population.of_auc(auc),
        None => Ok(population.at_scale(1.0)),
    }
}

/// Best achievable AUC of the whole logit and of each component that exists.
fn component_aucs(
    genetic: &GeneticLogits,
    covariate_logits: &[f64],
    risk: &PopulationRisk,
    sampled: &SampledCohort,
) -> Result<ComponentAucs, Error> {
    let has_additive = genetic.has_any(&[RiskKind::Additive]);
    let has_non_additive = genetic.has_any(&[RiskKind::Cis, RiskKind::Trans]);
    let has_covariates = covariate_logits.iter().any(|&logit| logit != 0.0);
    Ok(ComponentAucs {
        total: component_auc(&risk.logits, risk, sampled)?,
        additive: has_additive
            .then(|| component_auc(&genetic.additive, risk, sampled))
            .transpose()?,
        non_additive: has_non_additive
            .then(|| component_auc(&genetic.non_additive, risk, sampled))
            .transpose()?,
        covariates: has_covariates
            .then(|| component_auc(covariate_logits, risk, sampled))
            .transpose()?,
    })
}

/// AUC of one component of the logit against disease that the whole logit causes.
fn component_auc(
    component: &[f64],
    risk: &PopulationRisk,
    sampled: &SampledCohort,
) -> Result<PartAuc, Error> {
    Ok(PartAuc {
        population: population_auc(component, &risk.probabilities),
        by_split: best_possible_auc(&sampled.cohort, &sampled.select(component))?,
    })
}

/// The kind of risk that all loci with risk have; `mixed` if they differ.
fn overall_risk(loci: &[LocusTruth]) -> String {
    let mut kinds = loci
        .iter()
        .map(|locus| locus.risk)
        .filter(|&kind| kind != RiskKind::Null);
    match kinds.next() {
        None => RiskKind::Null.to_string(),
        Some(first) if kinds.all(|kind| kind == first) => first.to_string(),
        Some(_) => "mixed".into(),
    }
}

#[cfg(test)]
mod tests;
